//! Calendar dates without a clock.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date; write YYYY-MM-DD, such as 2024-06-30")]
pub struct DateError;

/// A day of the Gregorian calendar, years 1900 to 2199.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: i16,
    month: u8,
    day: u8,
}

impl Date {
    /// Checks and makes a date.
    ///
    /// # Errors
    /// [`DateError`] when there is no such day.
    pub fn new(year: i16, month: u8, day: u8) -> Result<Self, DateError> {
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return Err(DateError),
        };
        if (1900..2200).contains(&year) && (1..=days).contains(&day) {
            return Ok(Self { year, month, day });
        }
        Err(DateError)
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// The month, 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day, 1 to 31.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shape {
            return Err(DateError);
        }
        let number = |from: usize, to: usize| text[from..to].parse::<u16>().map_err(|_| DateError);
        let year = i16::try_from(number(0, 4)?).map_err(|_| DateError)?;
        let month = u8::try_from(number(5, 7)?).map_err(|_| DateError)?;
        let day = u8::try_from(number(8, 10)?).map_err(|_| DateError)?;
        Self::new(year, month, day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Date {
    /// Days from 0000-03-01 to the date, Gregorian.
    #[must_use]
    pub fn day_number(self) -> i64 {
        // The year begins in March, so that the leap day is its last.
        let (year, month) = (i64::from(self.year()), i64::from(self.month()));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        365 * year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (153 * month + 2) / 5
            + i64::from(self.day())
            - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        for good in ["2024-02-29", "2000-02-29", "2023-12-31", "1900-01-01"] {
            assert_eq!(good.parse::<Date>().unwrap().to_string(), good);
        }
        for bad in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "2024-4-3",
            "+024-01-01",
            "2024/01/01",
            "2024-01-01 ",
            "",
            "2024-01-0é",
        ] {
            assert_eq!(bad.parse::<Date>(), Err(DateError), "{bad:?}");
        }
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_counted_over_leap_years_and_centuries() {
        for (from, to, days) in [
            ("2024-02-28", "2024-03-01", 2),
            ("2023-02-28", "2023-03-01", 1),
            ("1900-02-28", "1900-03-01", 1),
            ("2000-01-01", "2100-01-01", 36_525),
            ("2024-06-30", "2024-06-30", 0),
            ("2024-07-28", "2024-06-30", -28),
        ] {
            assert_eq!(date(to).day_number() - date(from).day_number(), days, "{from} to {to}");
        }
    }
}
