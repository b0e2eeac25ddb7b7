//! One row per student per district: where a student counts in network tables (docs/INDICATORS.md §0).
//!
//! In: one student's enrolments and attendance of one school year. Out: the primary school, its level,
//! the grade there and the groups; or nothing, and why.
//!
//! * Enrolments that begin after `as_of` do not count, nor do those at schools that are not the
//!   district's (E010).
//! * Primary enrolments count; secondary, short and non-ADA ones only where a student has no other.
//! * The primary school is that of the most days: expected days where the attendance of every
//!   school in question is there, else days enrolled, an open end lasting to `as_of` or 30 June. Ties
//!   go to the latest entry, then to the lowest school id.
//! * Grade and groups are those of the latest enrolment at that school; a group not supplied there
//!   is taken from the student's latest other enrolment of the year that supplies it.

use std::cmp::Reverse;

use flashlight_proto::category::Family;

use super::{
    Notes,
    notes::Gap,
    student::{Groups, Place, Term},
};
use crate::records::{Attendance, Enrollment, FAMILIES, Fault, MOST_PERCENT_ORPHANS, Rule, Status};

const NO_SCHOOL: Fault = Fault {
    rule: Rule::E010,
    problem: "is not a school of this district in the study's public table",
    hint: "Tell the hub if the table is wrong",
    most_percent: Some(MOST_PERCENT_ORPHANS),
};
const NO_GRADE: Fault = Fault {
    rule: Rule::E008,
    problem: "is not offered by schools of that level in the study's public table",
    hint: "Tell the hub if the table is wrong",
    most_percent: Some(MOST_PERCENT_ORPHANS),
};
const LATER: Fault = Fault {
    rule: Rule::E008,
    problem: "is after the study's as_of date",
    hint: "Such enrolments are not counted",
    most_percent: None,
};
static SEVERAL: Gap = Gap {
    rule: Rule::W104,
    refused_above: None,
    left_out: false,
    told: |several, _| {
        format!(
            "students at more than one school: {several}; in network tables they count once, at \
             the school with more days"
        )
    },
};

/// One school's claim to be a student's primary school.
#[derive(Clone, Copy)]
struct Claim<'a> {
    days: Option<i64>,
    enrolled: i64,
    latest: &'a Enrollment,
}

/// Where the student counts. `rows`: the year's, by school and entry.
pub(super) fn home(
    rows: &[Enrollment],
    attendance: &[Attendance],
    term: &Term<'_>,
    notes: &mut Notes,
) -> Option<Place> {
    if rows.is_empty() {
        return None;
    }
    let claims = claims(rows, attendance, term, notes);
    if let Some(several) = claims.len().checked_sub(1) {
        notes.asked(&SEVERAL, several > 0);
    }
    let latest = primary(&claims, term)?.latest;
    let (level, grade) = (term.level(latest.school)?, latest.grade);
    if !term.schools.offers(term.year, level, grade) {
        notes.row(&NO_GRADE, "grade", latest.row);
        return None;
    }
    Some(Place { school: Some(latest.school), level, grade, groups: groups(latest, rows) })
}

/// The schools at which the student may be counted.
fn claims<'a>(
    rows: &'a [Enrollment],
    attendance: &[Attendance],
    term: &Term<'_>,
    notes: &mut Notes,
) -> Vec<Claim<'a>> {
    for row in rows {
        if term.level(row.school).is_none() {
            notes.row(&NO_SCHOOL, "school_id", row.row);
        } else if row.entry.is_some_and(|entry| entry > term.as_of) {
            notes.row(&LATER, "entry_date", row.row);
        }
    }
    let is_primary = |row: &&Enrollment| row.status == Status::Primary;
    let any = rows.iter().filter(is_primary).any(|row| term.counts(row));
    let counts = |row: &&Enrollment| term.counts(row) && (!any || is_primary(row));
    let open_end = term.open_end();
    let claim = |same: &'a [Enrollment]| {
        let latest = same.iter().rfind(counts)?;
        let enrolled = same
            .iter()
            .filter(counts)
            .map(|row| row.entry.map_or(0, |entry| entry.through(row.exit.unwrap_or(open_end))));
        let here = attendance.iter().filter(|days| days.school == latest.school);
        let days = here.map(|days| i64::from(days.expected)).reduce(|sum, days| sum + days);
        Some(Claim { days, enrolled: enrolled.sum(), latest })
    };
    rows.chunk_by(|a, b| a.school == b.school).filter_map(claim).collect()
}

/// The claim that wins.
fn primary<'a>(claims: &[Claim<'a>], term: &Term<'_>) -> Option<Claim<'a>> {
    let by_attendance = claims.iter().all(|claim| claim.days.is_some());
    claims.iter().copied().max_by_key(|claim| {
        let days = if by_attendance { claim.days.unwrap_or(0) } else { claim.enrolled };
        (days, claim.latest.entry, Reverse(term.schools.rank(claim.latest.school)))
    })
}

/// The groups of `row`, each null filled from the student's latest row that has one.
pub(super) fn groups(row: &Enrollment, rows: &[Enrollment]) -> Groups {
    let mut groups = [0; FAMILIES];
    for (family, place) in Family::ALL.iter().zip(&mut groups) {
        let at = family.index();
        let other =
            || rows.iter().filter(|row| row.groups[at].is_some()).max_by_key(|row| row.entry);
        let unknown = u8::try_from(family.groups().len() - 1).unwrap_or(u8::MAX);
        let found = row.groups[at].or_else(|| other()?.groups[at]);
        *place = found.unwrap_or(unknown);
    }
    groups
}
