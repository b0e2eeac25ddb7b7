//! Expulsion (`expulsion`): students expelled.

use super::{
    Amount, Definition,
    definition::{AT_PRIMARY_ENROLMENT, ONE_OF_TWO},
    discipline::{actions, is_expulsion, school_of},
    student::{Counted, Student},
};
use crate::records::Source;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Students expelled",
    numerator: "students of the denominator with at least one expulsion in the year, up to `as_of`",
    denominator: "students of the network table in cumulative enrolment: primary and short enrolments \
                  that began by `as_of`",
    exclusions: "students with secondary or non-ADA enrolments only",
    presets: &[],
    school_rule: "every school of cumulative enrolment with the actions there, as for suspension",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "DataQuest expulsion rate; each student once (our definition: the file layout does not say)",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Discipline],
    optional: &["school_id"],
};

pub(super) fn one(student: &Student<'_>) -> Option<Counted> {
    let home = student.home.filter(|_| student.is_enrolled())?;
    Some(home.counts(Amount::Part(actions(student).any(is_expulsion))))
}

pub(super) fn schools(student: &Student<'_>, out: &mut dyn FnMut(Counted)) {
    for row in student.cumulative() {
        let mut here = actions(student).filter(|one| school_of(student, one) == Some(row.school));
        if let Some(place) = student.place(row) {
            out(place.counts(Amount::Part(here.any(is_expulsion))));
        }
    }
}
