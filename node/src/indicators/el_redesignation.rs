//! Redesignation of English learners (`el_redesignation`): those redesignated in the year, of them
//! and of those who have long been learners and were not.

use flashlight_proto::category::{Family, Preset};

use super::{
    Amount, Ask, Definition, Notes,
    definition::{AT_PRIMARY_ENROLMENT, ONE_OF_TWO},
    el_status::{first_as_learner, is_learner_on},
    notes::Gap,
    student::{Counted, Student},
};
use crate::records::{Day, ElStatus, Elas, Rule, Source};

/// The place of `yes` in the family `el`.
const YES: u8 = 0;

static WITHOUT: Gap = Gap {
    rule: Rule::E010,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!("students marked el who have no row in el_history: {missing} of {asked}")
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "English learners redesignated",
    numerator: "R: students of the network table with an RFEP start from 1 July to 30 June of the \
                year who were EL before",
    denominator: "R, and students of the network table who are EL on Census Day (the first Wednesday \
                  of October), have been for `el_years` full years by then (5 when the study does \
                  not say), and are not RFEP by 30 June",
    exclusions: "students without el_history; those marked el are counted in the report",
    presets: &[
        (Preset::AsEl, "years since the first start as EL"),
        (
            Preset::AtSchool,
            "years since the first entry at the school of Census Day, or the first start as EL, \
             whichever is later",
        ),
    ],
    school_rule: "that enrolled at on the day of RFEP (else the row's school) or on Census Day, else \
                  the primary school",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "CORE districts' redesignation rate; both readings of \"five years\" are presets; that \
             the date of RFEP decides the school is our definition",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::ElHistory],
    optional: &["school_id"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home?;
    let history = student.pupil.el_history;
    if home.is(Family::El, YES) {
        notes.asked(&WITHOUT, history.is_empty());
    }
    if redesignated(student).is_some() {
        return Some(home.counts(Amount::Part(true)));
    }
    let census = Day::census(student.term.year);
    let is_rfep = |row: &ElStatus| {
        row.elas == Elas::Redesignated
            && row.start > census
            && row.start <= Day::year_ends(student.term.year)
    };
    if !is_learner_on(history, census) || history.iter().any(is_rfep) {
        return None;
    }
    let since = since(student, ask)?;
    let is_long = since.plus_years(ask.el_years.into()) <= census;
    is_long.then(|| home.counts(Amount::Part(false)))
}

/// The one cell, at the school of the event.
pub(super) fn school(student: &Student<'_>, counted: Counted) -> Option<Counted> {
    let census = Day::census(student.term.year);
    let school = match redesignated(student) {
        Some(row) => student.enrolled_at(row.start).or(row.school),
        None => student.enrolled_at(census),
    };
    Some(student.moved(counted.place, school)?.counts(counted.amount))
}

/// The row that redesignates the student in the year.
fn redesignated<'a>(student: &Student<'a>) -> Option<&'a ElStatus> {
    let year = student.term.year;
    let in_year = Day::year_begins(year)..=Day::year_ends(year);
    let history = student.pupil.el_history;
    let first = first_as_learner(history)?;
    history.iter().find(|row| {
        row.elas == Elas::Redesignated && in_year.contains(&row.start) && first < row.start
    })
}

/// The day years are counted from.
fn since(student: &Student<'_>, ask: &Ask<'_>) -> Option<Day> {
    let first = first_as_learner(student.pupil.el_history)?;
    if ask.preset != Some(Preset::AtSchool) {
        return Some(first);
    }
    let census = Day::census(student.term.year);
    let school = student.enrolled_at(census).or(student.home?.school)?;
    // No further back than the years the table is charged for.
    let first_year = student.term.year - i16::from(ask.el_years) - 1;
    let there = student.pupil.enrollments.iter();
    let there = there.filter(|row| row.school == school && row.year >= first_year);
    let entry = there.map(|row| row.entry.unwrap_or_else(|| Day::year_begins(row.year))).min()?;
    Some(entry.max(first))
}
