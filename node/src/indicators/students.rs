//! Students enrolled (`students`): cumulative enrolment, each once.

use super::{
    Amount, Definition,
    definition::{AT_PRIMARY_ENROLMENT, ONE},
    student::{Counted, Student},
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Students enrolled",
    numerator: "students with an enrolment in the school year that began by `as_of`, each once; who \
                left counts",
    denominator: "none: it is a count",
    exclusions: "students whose only enrolments are at schools that the public table does not give \
                 to the district, or in a grade it does not offer",
    presets: &[],
    school_rule: "every school of cumulative enrolment: primary and short enrolments; the primary school (§0) of who has neither",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "our definition, after the cumulative enrolment of CALPADS",
    sensitivity: ONE,
    tables: &[],
    optional: &["entry_date", "exit_date", "enrollment_status"],
};

pub(super) fn one(student: &Student<'_>) -> Option<Counted> {
    Some(student.home?.counts(Amount::One))
}

pub(super) fn schools(student: &Student<'_>, out: &mut dyn FnMut(Counted)) {
    if !student.is_enrolled() {
        // A secondary or non-ADA enrolment and no other: counted where the network counts it.
        return one(student).into_iter().for_each(out);
    }
    let places = student.cumulative().filter_map(|row| student.place(row));
    places.for_each(|place| out(place.counts(Amount::One)));
}
