//! Arithmetic of days: months and years on, the days of a school year that rules name.
//!
//! In: a [`Day`] or a school year (its spring). Out: days. Exact over every leap rule.

use super::value::Day;

/// 1 March of year 0 was a Wednesday.
const WEDNESDAY: i32 = 0;

impl Day {
    /// The day of this date; a day past the month's end is the month's last. `month`: 1 to 12.
    pub(crate) fn of(year: i32, month: i32, day: i32) -> Self {
        let first = |year: i32, month: i32| {
            let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
            let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
            year * 365 + leaps + (153 * month + 2) / 5
        };
        let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        Self((first(year, month) + day - 1).min(first(next_year, next) - 1))
    }

    /// Year, month and day of the month.
    pub(crate) fn date(self) -> (i32, i32, i32) {
        let cycle = self.0.div_euclid(146_097);
        let in_cycle = self.0.rem_euclid(146_097);
        let years = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
        let in_year = in_cycle - (365 * years + years / 4 - years / 100);
        let month = (5 * in_year + 2) / 153;
        let day = in_year - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
        (400 * cycle + years + year, month, day)
    }

    /// The same day of the month, months on; where there is none, the month's last.
    pub(crate) fn plus_months(self, months: i32) -> Self {
        let (year, month, day) = self.date();
        let month = year * 12 + month - 1 + months;
        Self::of(month.div_euclid(12), month.rem_euclid(12) + 1, day)
    }

    /// The same date, years on; 29 February becomes 28 where there is none.
    pub(crate) fn plus_years(self, years: i32) -> Self {
        self.plus_months(12 * years)
    }

    /// Days on, or back.
    pub(crate) const fn plus_days(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// 1 July before the school year of this spring.
    pub(crate) fn year_begins(year: i16) -> Self {
        Self::of(i32::from(year) - 1, 7, 1)
    }

    /// 30 June of the spring.
    pub(crate) fn year_ends(year: i16) -> Self {
        Self::of(i32::from(year), 6, 30)
    }

    /// 31 August after the spring: the last day to graduate with a class.
    pub(crate) fn summer_ends(year: i16) -> Self {
        Self::of(i32::from(year), 8, 31)
    }

    /// Fall Census Day: the first Wednesday of October before the spring.
    pub(crate) fn census(year: i16) -> Self {
        let first = Self::of(i32::from(year) - 1, 10, 1);
        first.plus_days((WEDNESDAY - first.0).rem_euclid(7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::value::date;

    fn day(text: &str) -> Day {
        date(text).ok().unwrap()
    }

    fn is(one: Day, text: &str) -> bool {
        one == day(text)
    }

    #[test]
    fn every_day_of_four_centuries_is_the_date_it_was_made_of() {
        for number in Day::of(1900, 1, 1).0..Day::of(2200, 1, 1).0 {
            let (year, month, of_month) = Day(number).date();
            assert_eq!(Day::of(year, month, of_month).0, number);
        }
    }

    #[test]
    fn months_on_end_at_the_months_last_day() {
        assert!(is(day("2024-01-31").plus_months(1), "2024-02-29"));
        assert!(is(day("2023-01-31").plus_months(1), "2023-02-28"));
        assert!(is(day("2022-06-09").plus_months(12), "2023-06-09"));
        assert!(is(day("2022-06-09").plus_months(16), "2023-10-09"));
        assert!(is(day("2024-02-29").plus_years(1), "2025-02-28"));
        assert!(is(day("2023-12-31").plus_days(1), "2024-01-01"));
    }

    #[test]
    fn census_day_is_the_first_wednesday_of_october() {
        for (year, text) in
            [(2024, "2023-10-04"), (2025, "2024-10-02"), (2026, "2025-10-01"), (2023, "2022-10-05")]
        {
            assert!(is(Day::census(year), text), "{year}");
        }
    }
}
