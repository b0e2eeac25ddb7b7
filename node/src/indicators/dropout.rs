//! Dropouts of a four-year cohort (`dropout`).

use super::{
    Amount, Definition, Notes,
    cohort::of_class,
    graduation::FOUR_YEARS,
    student::{Counted, Student},
};
use crate::records::Outcome;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Dropouts of the four-year cohort",
    numerator: "members of the cohort with outcome `dropout`",
    source: "our definition, after the four-year adjusted cohort outcome",
    ..FOUR_YEARS
};

pub(super) fn one(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let member = of_class(student, notes)?;
    Some(member.place.counts(Amount::Part(member.row.outcome == Outcome::Dropout)))
}
