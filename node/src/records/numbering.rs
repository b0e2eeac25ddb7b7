//! Numbers of schools, tests and surveys in the order of their ids' text, and all lists in their order.
//!
//! Files give numbers in order of first sight; the store gives others. After this the same rows have
//! the same order wherever they came from.

use super::{
    Records,
    daily::Book,
    model::{Attendance, SchoolNumber},
    report::{Effect, Rule, Tally},
    rows::Names,
};

/// The place of a number in the order of the ids.
fn place(places: &[u32], number: u32) -> u32 {
    usize::try_from(number).ok().and_then(|at| places.get(at)).copied().unwrap_or(number)
}

impl Records {
    /// Gives schools, tests and surveys their final numbers, and sorts.
    pub(super) fn number(&mut self, names: Names, book: Option<&mut Book>) {
        let (schools, school) = names.schools.into_ordered();
        let (tests, test) = names.tests.into_ordered();
        let (_, survey) = names.surveys.into_ordered();
        (self.schools, self.tests) = (schools, tests);
        let to = |number: &mut u32| *number = place(&school, *number);
        let may =
            |number: &mut Option<SchoolNumber>| *number = number.map(|one| place(&school, one));
        self.enrollments.iter_mut().for_each(|row| to(&mut row.school));
        self.attendance.iter_mut().flatten().for_each(|row| to(&mut row.school));
        for row in self.scores.iter_mut().flatten() {
            row.test = place(&test, row.test);
            may(&mut row.school);
        }
        self.actions.iter_mut().flatten().for_each(|row| may(&mut row.school));
        self.marks.iter_mut().flatten().for_each(|row| may(&mut row.school));
        self.el_history.iter_mut().flatten().for_each(|row| may(&mut row.school));
        self.graduation.iter_mut().flatten().for_each(|row| may(&mut row.school));
        for row in self.answers.iter_mut().flatten() {
            row.survey = place(&survey, row.survey);
            may(&mut row.school);
        }
        if let Some(book) = book {
            book.renumber(|number| place(&school, number));
        }
        self.sort();
    }

    /// Puts every list into its order; rows of one key come in the order of their file.
    fn sort(&mut self) {
        self.enrollments
            .sort_unstable_by_key(|one| (one.student, one.year, one.school, one.entry, one.row));
        if let Some(rows) = &mut self.attendance {
            rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.row));
        }
        if let Some(rows) = &mut self.scores {
            rows.sort_unstable_by_key(|one| {
                (one.student, one.year, one.test, one.subject, one.row)
            });
        }
        if let Some(rows) = &mut self.priors {
            rows.sort_unstable_by_key(|one| {
                (one.student, one.as_of, one.subject, one.back, one.row)
            });
        }
        if let Some(rows) = &mut self.actions {
            rows.sort_unstable_by_key(|one| (one.student, one.year, one.date, one.row));
        }
        if let Some(rows) = &mut self.marks {
            rows.sort_unstable_by_key(|one| (one.student, one.year, one.row));
        }
        if let Some(rows) = &mut self.el_history {
            rows.sort_unstable_by_key(|one| (one.student, one.start, one.row));
        }
        if let Some(rows) = &mut self.graduation {
            rows.sort_unstable_by_key(|one| (one.student, one.cohort, one.row));
        }
        if let Some(rows) = &mut self.answers {
            rows.sort_unstable_by_key(|one| (one.student, one.year, one.survey, one.row));
        }
        if let Some(rows) = &mut self.colleges {
            rows.sort_unstable_by_key(|one| (one.student, one.begin, one.row));
        }
    }

    /// Adds attendance that was summed from days, for years that `attendance_summary` does not have.
    /// `years`: those that have days. Returns the years where the summary wins.
    pub(super) fn add_daily(
        &mut self,
        years: &[i16],
        sums: impl Iterator<Item = Attendance>,
    ) -> Vec<i16> {
        let has = |year: &i16| self.attendance.iter().flatten().any(|row| row.year == *year);
        let (summed, new): (Vec<i16>, Vec<i16>) = years.iter().copied().partition(has);
        if !new.is_empty() {
            let rows = self.attendance.get_or_insert_default();
            rows.extend(sums.filter(|row| new.contains(&row.year)));
            rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.row));
        }
        summed
    }
}

/// Tells in which years the summary won.
pub(super) fn tell_summed(years: &[i16], tally: &mut Tally) {
    for year in years {
        let text = format!("attendance_summary has school year {year} too and is used instead");
        tally.whole(Rule::W105, Effect::Noted, text);
    }
}
