//! Days: dates, and the 180 school days of a year.
//!
//! In: a school year (spring). Out: its school days as text, by their number from 0. Days within a
//! year are everywhere counted so: a student is there from school day a to school day b, and is
//! expected on b − a + 1 days.

/// School days of a year (California's least, Education Code 46208).
pub(super) const DAYS: u32 = 180;
/// Bytes of a date.
const DATE: usize = 10;

/// A date as `YYYY-MM-DD`.
pub(super) type Date = [u8; DATE];

/// One school year.
pub(super) struct Calendar {
    /// School days in order; `DAYS` of them.
    pub(super) days: Vec<Date>,
    /// The first Wednesday of October, as the number of a school day.
    pub(super) census: u32,
}

impl Calendar {
    /// The year that ends in the spring of `year`.
    pub(super) fn new(year: i16) -> Self {
        let fall = i64::from(year) - 1;
        let start = weekday_on_or_after(number(fall, 8, 14), MONDAY);
        let census = weekday_on_or_after(number(fall, 10, 1), WEDNESDAY);
        let days: Vec<i64> =
            (start..).filter(|day| is_school_day(*day, fall)).take(DAYS as usize).collect();
        let census = days.iter().take_while(|day| **day < census).count();
        Self {
            days: days.into_iter().map(text).collect(),
            census: u32::try_from(census).unwrap_or(0),
        }
    }

    /// The date of a school day; the last one for numbers past it.
    pub(super) fn date(&self, day: u32) -> &Date {
        &self.days[day.min(DAYS - 1) as usize]
    }
}

/// Some years' calendars.
pub(super) struct Calendars {
    first: i16,
    all: Vec<Calendar>,
}

impl Calendars {
    /// Those of the years `first` to `last`.
    pub(super) fn new(first: i16, last: i16) -> Self {
        Self { first, all: (first..=last).map(Calendar::new).collect() }
    }

    /// A year's, or that of the nearest year there is.
    pub(super) fn of(&self, year: i16) -> &Calendar {
        let at = usize::try_from(year - self.first).unwrap_or(0);
        &self.all[at.min(self.all.len() - 1)]
    }

    /// A school day's date.
    pub(super) fn date(&self, year: i16, day: u32) -> Date {
        *self.of(year).date(day)
    }
}

/// A date of a school year, by month and day: months from July belong to the fall.
pub(super) fn date(school_year: i16, month: i64, day: i64) -> Date {
    let year = i64::from(school_year) - i64::from(month >= 7);
    text(number(year, month, day))
}

const MONDAY: i64 = 1;
const WEDNESDAY: i64 = 3;

/// Ours: a common California calendar.
fn is_school_day(day: i64, fall: i64) -> bool {
    let spring = fall + 1;
    let between = |from: i64, to: i64| (from..=to).contains(&day);
    let weekend = matches!(weekday(day), 0 | 6);
    let labor = weekday_on_or_after(number(fall, 9, 1), MONDAY);
    let thanksgiving = weekday_on_or_after(number(fall, 11, 22), 4);
    let king = weekday_on_or_after(number(spring, 1, 15), MONDAY);
    let presidents = weekday_on_or_after(number(spring, 2, 15), MONDAY);
    let memorial = weekday_on_or_after(number(spring, 5, 25), MONDAY);
    let april = weekday_on_or_after(number(spring, 4, 1), MONDAY);
    !(weekend
        || [labor, king, presidents, memorial, number(fall, 11, 11)].contains(&day)
        || between(thanksgiving - 3, thanksgiving + 1)
        || between(number(fall, 12, 21), number(spring, 1, 5))
        || between(april, april + 4))
}

/// Days since 1970-01-01 of the proleptic Gregorian calendar.
fn number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// 0 is Sunday.
const fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

const fn weekday_on_or_after(day: i64, wanted: i64) -> i64 {
    day + (wanted - weekday(day)).rem_euclid(7)
}

fn text(day: i64) -> Date {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let mut out = *b"0000-00-00";
    let mut write = |mut value: i64, from: usize, to: usize| {
        for place in (from..to).rev() {
            out[place] = b'0' + u8::try_from(value % 10).unwrap_or(0);
            value /= 10;
        }
    };
    write(year, 0, 4);
    write(month, 5, 7);
    write(day, 8, 10);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_from_their_numbers() {
        assert_eq!(number(1970, 1, 1), 0);
        assert_eq!(&text(number(2000, 2, 29)), b"2000-02-29");
        assert_eq!(&text(number(2024, 12, 31) + 1), b"2025-01-01");
        assert_eq!(weekday(number(2024, 7, 4)), 4);
        assert_eq!(&date(2024, 8, 31), b"2023-08-31");
        assert_eq!(&date(2024, 6, 30), b"2024-06-30");
    }

    #[test]
    fn every_year_has_180_school_days_from_august_to_mid_june() {
        for year in 2010..=2024 {
            let Calendar { days, census } = Calendar::new(year);
            assert_eq!(days.len(), 180);
            assert!(days.is_sorted());
            assert_eq!(&days[0][5..7], b"08");
            let last = date(year, 6, 15);
            assert!(days[179] < last, "{year}: {}", String::from_utf8_lossy(&days[179]));
            assert_eq!(&days[census as usize][5..7], b"10");
        }
        let calendar = Calendar::new(2024);
        assert_eq!(calendar.date(calendar.census), b"2023-10-04");
    }
}
