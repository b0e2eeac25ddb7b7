//! Disciplinary actions of a school year, and the school each is of.

use super::student::Student;
use crate::records::{Action, Sanction, SchoolNumber};

/// The year's actions up to `as_of`.
pub(super) fn actions<'a>(student: &Student<'a>) -> impl Iterator<Item = &'a Action> {
    let as_of = student.term.as_of;
    student.actions.iter().filter(move |action| action.date <= as_of)
}

/// Whether it is a suspension, in school or out of it.
pub(super) fn is_suspension(action: &Action) -> bool {
    matches!(action.sanction, Sanction::InSchool | Sanction::OutOfSchool)
}

/// Whether it is an expulsion.
pub(super) fn is_expulsion(action: &Action) -> bool {
    action.sanction == Sanction::Expulsion
}

/// The school of an action: the one supplied, else where the student was enrolled that day, else
/// the primary school.
pub(super) fn school_of(student: &Student<'_>, action: &Action) -> Option<SchoolNumber> {
    let home = || student.home.and_then(|home| home.school);
    action.school.or_else(|| student.enrolled_at(action.date)).or_else(home)
}
