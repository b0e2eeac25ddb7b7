//! Days expected, attended and absent, summed exactly in hundredths of a day.

use super::{
    Notes,
    notes::Gap,
    student::{Place, Student},
};
use crate::records::{Attendance, MOST_PERCENT_ORPHANS, Rule};

static WITHOUT: Gap = Gap {
    rule: Rule::W103,
    refused_above: None,
    left_out: false,
    told: |missing, asked| format!("students without attendance that counts: {missing} of {asked}"),
};
static UNKNOWN: Gap = Gap {
    rule: Rule::W105,
    refused_above: Some(MOST_PERCENT_ORPHANS),
    left_out: true,
    told: |missing, asked| {
        format!(
            "students with an absence that is not known: {missing} of {asked}. Supply all four \
             absent_ columns, or days_attended"
        )
    },
};

/// A student's days, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    /// Days expected.
    pub(super) expected: i64,
    /// Days attended; worked out from the absences where not supplied.
    pub(super) attended: i64,
    /// Days absent; `None` when some row's absence is not known.
    pub(super) absent: Option<i64>,
}

/// The sum of rows that are not exempt; `None` over no such row.
fn sum<'a>(rows: impl Iterator<Item = &'a Attendance>) -> Option<Days> {
    rows.filter(|row| !row.exempt).fold(None, |sum: Option<Days>, row| {
        let sum = sum.unwrap_or(Days { expected: 0, attended: 0, absent: Some(0) });
        let expected = i64::from(row.expected);
        let absent = row.absent.map(i64::from);
        let attended =
            row.attended.map(i64::from).or_else(|| absent.map(|absent| expected - absent));
        Some(Days {
            expected: sum.expected + expected,
            attended: sum.attended + attended.unwrap_or(0),
            absent: sum.absent.zip(absent).map(|(sum, absent)| sum + absent),
        })
    })
}

/// The days over the district's schools.
pub(super) fn district(student: &Student<'_>) -> Option<Days> {
    let ours = |row: &&Attendance| student.term.level(row.school).is_some();
    sum(student.attendance.iter().filter(ours))
}

/// As [`district`], telling what is missing.
pub(super) fn told(student: &Student<'_>, notes: &mut Notes) -> Option<Days> {
    let days = district(student);
    notes.asked(&WITHOUT, days.is_none());
    if let Some(days) = days {
        notes.asked(&UNKNOWN, days.absent.is_none());
    }
    days
}

/// Each school of cumulative enrolment, with the days there.
pub(super) fn by_school(student: &Student<'_>, out: &mut dyn FnMut(Place, Days)) {
    for row in student.cumulative() {
        let days = sum(student.attendance.iter().filter(|days| days.school == row.school));
        if let Some((place, days)) = student.place(row).zip(days) {
            out(place, days);
        }
    }
}
