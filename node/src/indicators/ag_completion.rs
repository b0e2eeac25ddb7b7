//! A–G completion (`ag_completion`): graduates who met the universities' requirements.

use super::{
    Amount, Definition, Notes,
    cohort::{has_diploma_by, of_class},
    graduation::FOUR_YEARS,
    notes::Gap,
    student::{Counted, Student},
};
use crate::records::Rule;

static UNKNOWN: Gap = Gap {
    rule: Rule::E011,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!("graduates left out because met_ag is empty: {missing} of {asked}")
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Graduates who met the A–G requirements",
    numerator: "graduates of the denominator with met_ag true",
    denominator: "members of the cohort of the year with a regular diploma in four years",
    exclusions: "graduates whose met_ag is empty, counted in the report",
    source: "our definition, after the four-year cohort's UC/CSU requirements in DataQuest",
    ..FOUR_YEARS
};

pub(super) fn one(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let year = student.term.year;
    let member = of_class(student, notes)?;
    if !has_diploma_by(member.row, year) {
        return None;
    }
    notes.asked(&UNKNOWN, member.row.met_ag.is_none());
    Some(member.place.counts(Amount::Part(member.row.met_ag?)))
}
