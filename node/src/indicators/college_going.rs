//! College-going (`college_going`): completers of high school who enrolled in college.

use flashlight_proto::category::Preset;

use super::{
    Amount, Ask, Definition, Notes,
    cohort::of_class,
    graduation::FOUR_YEARS,
    student::{Counted, Student},
};
use crate::records::{Day, Graduation, Outcome, Pupil, Source};

/// An enrolment may begin so many days before the completion.
const DAYS_BEFORE: i32 = 31;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Completers who enrolled in college",
    numerator: "completers with an enrolment at any college that begins no more than 31 days before \
                the completion (graduation.exit_date, else 30 June of the year) and within the \
                preset's months after it",
    denominator: "members of the cohort of the year who completed: diploma, certificate or equivalency",
    exclusions: "none. Enrolments that federal privacy law lets students block (about 11 %) are not \
                 in the match: the number is too low by them",
    presets: &[
        (Preset::Months12, "within 12 months, the day included"),
        (Preset::Months16, "within 16 months, the day included"),
    ],
    source: "DataQuest college-going rate, by National Student Clearinghouse match; the 31 days are \
             our definition",
    tables: &[Source::Graduation, Source::Postsecondary],
    ..FOUR_YEARS
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let member = of_class(student, notes)?;
    let is_completer = matches!(
        member.row.outcome,
        Outcome::Diploma | Outcome::Certificate | Outcome::Equivalency
    );
    let months = if ask.preset == Some(Preset::Months16) { 16 } else { 12 };
    let amount = Amount::Part(is_in_college(&student.pupil, member.row, months));
    is_completer.then(|| member.place.counts(amount))
}

fn is_in_college(pupil: &Pupil<'_>, row: &Graduation, months: i32) -> bool {
    let completed = row.exit.unwrap_or_else(|| Day::year_ends(row.cohort));
    let window = completed.plus_days(-DAYS_BEFORE)..=completed.plus_months(months);
    pupil.colleges.iter().any(|row| row.begin.is_some_and(|begin| window.contains(&begin)))
}
