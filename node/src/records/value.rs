//! The values a canonical file may hold, from text: dates, flags, days, scores, grades.
//!
//! In: trimmed text that is not empty. Out: an exact value or the [`Fault`] it has. Nothing is
//! guessed and nothing passes through a float.

use flashlight_proto::{
    category::{Family, Grade},
    study::Date,
};

use super::report::{Fault, MOST_PERCENT, Rule};

/// Most digits of a decimal number, leading zeros included.
const DIGITS_MAX: usize = 18;

pub(crate) const EMPTY: Fault =
    Fault { rule: Rule::E004, problem: "is empty", hint: "", most_percent: Some(MOST_PERCENT) };
const DATE: Fault = Fault {
    rule: Rule::E006,
    problem: "is not a date",
    hint: "Write YYYY-MM-DD or YYYYMMDD",
    most_percent: Some(MOST_PERCENT),
};
pub(crate) const NUMBER: Fault = Fault {
    rule: Rule::E006,
    problem: "is not a number",
    hint: "Write digits with at most one '.', as 171.5",
    most_percent: Some(MOST_PERCENT),
};
const YEAR: Fault = Fault {
    rule: Rule::E006,
    problem: "is not a school year",
    hint: "Write the spring year: 2024 for 2023-24",
    most_percent: Some(MOST_PERCENT),
};
pub(crate) const FLAG: Fault = Fault {
    rule: Rule::E007,
    problem: "is not a flag",
    hint: "Write true, false, 1, 0, Y, N, yes, no, or nothing for \"not supplied\"",
    most_percent: Some(MOST_PERCENT),
};
pub(crate) const CODE: Fault = Fault {
    rule: Rule::E007,
    problem: "has no meaning here",
    hint: "Codes are never guessed: write one of the canonical codes (docs/INDICATORS.md), or add to \
           mapping.toml under [{table}.values.{column}] a line \"THE CODE\" = \"the canonical one\"",
    most_percent: Some(MOST_PERCENT),
};
const RANGE: Fault = Fault {
    rule: Rule::E008,
    problem: "is out of its range",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
const SEM: Fault = Fault {
    rule: Rule::E008,
    problem: "is not a standard error of measurement between 0.01 and 10000 points",
    hint: "Write it in points of the score, as 23.5, or nothing",
    most_percent: Some(MOST_PERCENT),
};
const DAYS: Fault = Fault {
    rule: Rule::E008,
    problem: "is not between 0 and 366 days",
    hint: "Days are written in days, as 171.5, not in hundredths",
    most_percent: Some(MOST_PERCENT),
};

/// A calendar date, as days since 1 March of year 0 (proleptic Gregorian).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(super) i32);

impl Day {
    /// Days from this one to `last`, both counted; 0 when `last` is earlier.
    pub(crate) fn through(self, last: Self) -> i64 {
        i64::from(last.0 - self.0 + 1).max(0)
    }
}

impl Day {
    /// Days since 1 January 1970.
    pub(crate) const fn since_1970(self) -> i32 {
        self.0 - DAY_1970
    }

    /// 1 July before the spring of `year`.
    pub(crate) fn first_of_school_year(year: i16) -> Self {
        // 1 March of the year before, and the 122 days to July.
        let march = i32::from(year) - 1;
        Self(march * 365 + march / 4 - march / 100 + march / 400 + 122)
    }

    /// The day that many days later.
    pub(crate) const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// The day in its school year, from 0 on 1 July to 365, and the year it belongs to.
    pub(crate) fn in_school_year(self) -> (i16, usize) {
        // Years of the count begin on 1 March: 1 July is its day 122.
        const JULY: i32 = 122;
        const CYCLE: i32 = 146_097;
        // The civil year of a day counted from 1 March of year 0 (Howard Hinnant, chrono algorithms).
        let cycle = self.0.div_euclid(CYCLE);
        let day = self.0.rem_euclid(CYCLE);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let first = |year: i32| year * 365 + year / 4 - year / 100;
        let of_year = day - first(year);
        let march = year + 400 * cycle;
        // Until June the school year began in July of the count's year before.
        let (spring, place) = if of_year >= JULY {
            (march + 1, of_year - JULY)
        } else {
            let before = if year > 0 { day - first(year - 1) } else { of_year + 366 };
            (march, before - JULY)
        };
        (i16::try_from(spring).unwrap_or(i16::MAX), usize::try_from(place).unwrap_or(0))
    }
}

/// 1 January 1970 in days since 1 March of year 0.
const DAY_1970: i32 = 719_468;

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        // Years begin in March, so that the leap day comes last; 153 days make five months.
        let (year, month) = (i32::from(date.year()), i32::from(date.month()));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let years = year * 365 + year / 4 - year / 100 + year / 400;
        Self(years + (153 * month + 2) / 5 + i32::from(date.day()) - 1)
    }
}

/// A date written `YYYY-MM-DD` or `YYYYMMDD`.
pub(crate) fn date(text: &str) -> Result<Day, &'static Fault> {
    let digits = match text.as_bytes() {
        [a, b, c, d, b'-', e, f, b'-', g, h] => [*a, *b, *c, *d, *e, *f, *g, *h],
        [a, b, c, d, e, f, g, h] => [*a, *b, *c, *d, *e, *f, *g, *h],
        _ => return Err(&DATE),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(&DATE);
    }
    let digit = |at: usize| digits[at] - b'0';
    let pair = |at: usize| digit(at) * 10 + digit(at + 1);
    let year = i16::from(pair(0)) * 100 + i16::from(pair(2));
    Date::new(year, pair(4), pair(6)).map(Day::from).map_err(|_| &DATE)
}

/// A school year by its spring, 1900 to 2199.
pub(crate) fn year(text: &str) -> Result<i16, &'static Fault> {
    let known = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    let year = if known { text.parse().ok() } else { None };
    year.filter(|year| (1900..=2199).contains(year)).ok_or(&YEAR)
}

/// A flag in any of its spellings, letter case ignored.
pub(crate) fn flag(text: &str) -> Result<bool, &'static Fault> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match (is(&["true", "1", "y", "yes"]), is(&["false", "0", "n", "no"])) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(&FLAG),
    }
}

/// A number as written: `digits` · 10^-`places`, exactly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: i64,
    places: u8,
}

/// A number in whole units of a grid.
pub(crate) struct OnGrid {
    /// Units, rounded half away from zero when the number lay between two.
    pub(crate) units: i64,
    /// Whether the number lay on the grid.
    pub(crate) exact: bool,
}

impl Decimal {
    /// Reads an optional sign, digits and at most one point; no exponent.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static Fault> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let length = whole.len() + part.len();
        let digits = whole.bytes().chain(part.bytes());
        if length == 0 || length > DIGITS_MAX || !digits.clone().all(|byte| byte.is_ascii_digit()) {
            return Err(&NUMBER);
        }
        let magnitude = digits.fold(0_i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        let mut number = Self { digits: if negative { -magnitude } else { magnitude }, places: 0 };
        number.places = u8::try_from(part.len()).map_err(|_| &NUMBER)?;
        // One form per number, so that "580" and "580.0" are equal.
        while number.places > 0 && number.digits % 10 == 0 {
            number.digits /= 10;
            number.places -= 1;
        }
        Ok(number)
    }

    /// This number times `per_one`, in whole units.
    pub(crate) fn in_units(self, per_one: u32) -> OnGrid {
        let scale = 10_i128.pow(u32::from(self.places));
        let scaled = i128::from(self.digits) * i128::from(per_one);
        let (quotient, rest) = (scaled / scale, scaled % scale);
        let away = if rest.abs() * 2 >= scale { rest.signum() } else { 0 };
        // Off i64 only for numbers far outside any score range; the ends clip just the same.
        let units = i64::try_from(quotient + away).unwrap_or(if self.digits < 0 {
            i64::MIN / 4
        } else {
            i64::MAX / 4
        });
        OnGrid { units, exact: rest == 0 }
    }
}

/// A number in hundredths between 0 and `most`.
pub(crate) fn hundredths(text: &str, most: i32) -> Result<i32, &'static Fault> {
    let units = Decimal::parse(text)?.in_units(100).units;
    i32::try_from(units).ok().filter(|units| (0..=most).contains(units)).ok_or(&RANGE)
}

/// A whole number between two bounds.
pub(crate) fn whole(text: &str, least: i16, most: i16) -> Result<i16, &'static Fault> {
    let number: i16 = text.parse().map_err(|_| &NUMBER)?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(&RANGE) }
}

/// A length of time in hundredths of a day, 0 to 36600.
pub(crate) fn days(text: &str) -> Result<i32, &'static Fault> {
    let hundredths = Decimal::parse(text)?.in_units(100).units;
    i32::try_from(hundredths).ok().filter(|days| (0..=36_600).contains(days)).ok_or(&DAYS)
}

/// A standard error of measurement, points: at least a hundredth.
pub(crate) fn sem(text: &str) -> Result<Decimal, &'static Fault> {
    let sem = Decimal::parse(text)?;
    if (1..=1_000_000).contains(&sem.in_units(100).units) { Ok(sem) } else { Err(&SEM) }
}

/// A grade, and whether a lost leading zero was put back (`"3"` for `"03"`).
pub(crate) fn grade(text: &str) -> Result<(Grade, bool), &'static Fault> {
    match text.as_bytes() {
        [digit @ b'1'..=b'9'] => {
            let padded = format!("0{}", char::from(*digit));
            padded.parse().map(|grade| (grade, true)).map_err(|_| &CODE)
        }
        _ => text.parse().map(|grade| (grade, false)).map_err(|_| &CODE),
    }
}

/// The place of a code among its family's groups; `None` for what means "not supplied".
pub(crate) fn group(family: Family, text: &str) -> Result<Option<u8>, &'static Fault> {
    let place = match family {
        Family::Sex | Family::RaceEthnicity => {
            if family == Family::RaceEthnicity && text == "Missing" {
                return Ok(None);
            }
            let groups = family.groups();
            let supplied = &groups[..groups.len() - 1];
            supplied.iter().position(|group| *group == text).ok_or(&CODE)?
        }
        _ => usize::from(!flag(text)?),
    };
    Ok(u8::try_from(place).ok())
}

/// Whether a spreadsheet shortened this id, as `1.23457E+09`.
pub(crate) fn is_shortened(id: &str) -> bool {
    let Some((digits, power)) = id.split_once(['E', 'e']) else { return false };
    let number = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    digits.contains('.') && number(digits) && power.strip_prefix('+').is_some_and(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, per_one: u32) -> i64 {
        Decimal::parse(text).ok().unwrap().in_units(per_one).units
    }

    #[test]
    fn a_day_is_one_after_the_day_before_over_every_month_end_and_leap_rule() {
        let pairs = [
            ("2023-12-31", "2024-01-01"),
            ("2024-02-28", "2024-02-29"),
            ("20240229", "20240301"),
            ("2023-02-28", "2023-03-01"),
            ("1900-02-28", "1900-03-01"),
            ("2000-02-29", "2000-03-01"),
        ];
        for (before, after) in pairs {
            let (before, after) = (date(before).ok().unwrap(), date(after).ok().unwrap());
            assert_eq!(before.through(after), 2);
            assert_eq!(after.through(before), 0);
        }
    }

    #[test]
    fn a_school_year_is_july_to_june() {
        let at = |text| date(text).ok().unwrap().in_school_year();
        assert_eq!(at("2023-07-01"), (2024, 0));
        assert_eq!(at("2024-02-29"), (2024, 243));
        assert_eq!(at("2024-06-30"), (2024, 365));
        assert_eq!(at("2023-06-30"), (2023, 364));
        assert_eq!(at("2024-07-01"), (2025, 0));
        assert_eq!(at("2000-03-01"), (2000, 244));
        assert_eq!(at("2000-02-29"), (2000, 243));
        assert_eq!(date("1970-01-01").ok().unwrap().since_1970(), 0);
        assert!(Day::first_of_school_year(2024) == date("2023-07-01").ok().unwrap());
        assert!(Day::first_of_school_year(2001).plus(365) == date("2001-07-01").ok().unwrap());
        let mut before = at("1999-06-30");
        for day in date("1999-07-01").ok().unwrap().0..date("2005-01-01").ok().unwrap().0 {
            let now = Day(day).in_school_year();
            let next =
                now == (before.0, before.1 + 1) || (now == (before.0 + 1, 0) && before.1 >= 364);
            assert!(next, "{now:?} after {before:?}");
            before = now;
        }
    }

    #[test]
    fn text_that_is_no_calendar_date_is_refused() {
        for bad in ["13/45/2024", "2024-13-01", "2023-02-29", "20241301", "2024-1-1", "", "ä"] {
            assert!(date(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn decimals_become_units_exactly_and_round_half_away_from_zero_off_the_grid() {
        assert_eq!(units("2431", 1), 2431);
        assert_eq!(units("580.0", 1), 580);
        assert_eq!(units("0.5", 1), 1);
        assert_eq!(units("-0.5", 1), -1);
        assert_eq!(units("0.49", 1), 0);
        assert_eq!(units("-12.25", 4), -49);
        assert_eq!(units("17.999999999999996", 100), 1800);
        assert!(!Decimal::parse("0.49").ok().unwrap().in_units(1).exact);
        assert!(Decimal::parse("0.50").ok().unwrap().in_units(2).exact);
    }

    #[test]
    fn numbers_with_exponents_signs_inside_or_too_many_digits_are_refused() {
        for bad in ["1e5", "--1", "+1", ".", "-", "1.2.3", "1,5", "NaN", "9999999999999999999"] {
            assert!(Decimal::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_are_written_in_days_and_more_than_a_year_of_them_is_impossible() {
        assert_eq!(days("171.5").ok(), Some(17_150));
        assert_eq!(days("0").ok(), Some(0));
        assert_eq!(days("366").ok(), Some(36_600));
        assert!(days("17150").is_err());
        assert!(days("-1").is_err());
    }

    #[test]
    fn only_a_shortened_number_counts_as_shortened() {
        assert!(is_shortened("1.23457E+09"));
        for id in ["1234567890", "E12", "A.1E+2", "12E+3", "S1.5"] {
            assert!(!is_shortened(id), "{id}");
        }
    }

    #[test]
    fn unknown_is_a_group_and_never_a_spelling() {
        assert!(group(Family::Sex, "unknown").is_err());
        assert_eq!(group(Family::RaceEthnicity, "Missing").ok(), Some(None));
        assert_eq!(group(Family::Sed, "N").ok(), Some(Some(1)));
    }
}
