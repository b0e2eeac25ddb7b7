//! `attendance_summary`: days expected, attended and absent, per student, school year and school.
//!
//! Days are written in days with up to two decimals (`171.5`) and held as integer hundredths; more
//! decimals, as a sum of floats leaves them, are rounded to the nearest hundredth. In-school
//! suspension is attendance. Where a kind of absence is not supplied, absence is what remains of the
//! expected days after days attended and in-school suspension, and the report says so (W105);
//! without days attended it is not known.

use super::{
    frame::Opened,
    model::Attendance,
    report::{Effect, Fault, MOST_PERCENT, Rule, Tally},
    rows::{Names, Row, one_per_key},
    tables::ATTENDANCE,
    value,
};

const STUDENT: usize = ATTENDANCE.place("student_id");
const YEAR: usize = ATTENDANCE.place("school_year");
const SCHOOL: usize = ATTENDANCE.place("school_id");
const EXPECTED: usize = ATTENDANCE.place("days_expected");
const ATTENDED: usize = ATTENDANCE.place("days_attended");
/// Excused, unexcused, out-of-school suspension.
const ABSENT: [usize; 3] = [
    ATTENDANCE.place("absent_excused"),
    ATTENDANCE.place("absent_unexcused"),
    ATTENDANCE.place("absent_oss"),
];
const INCOMPLETE: usize = ATTENDANCE.place("absent_incomplete_is");
const SUSPENDED: usize = ATTENDANCE.place("in_school_suspension");
const EXEMPT: usize = ATTENDANCE.place("exempt");

const MORE_ABSENT: Fault = Fault {
    rule: Rule::E008,
    problem: "is less than the days absent",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
const MORE_ATTENDED: Fault = Fault {
    rule: Rule::E008,
    problem: "is more than days_expected",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
const REMAINDER: Fault = Fault {
    rule: Rule::W105,
    problem: "was used for the absences, of which some kind is not supplied,",
    hint: "Absence there is days_expected less days_attended less in_school_suspension",
    most_percent: None,
};
const UNKNOWN: Fault = Fault {
    rule: Rule::W105,
    problem: "is not supplied and some kind of absence is not either",
    hint: "Absence is not known there: these students are not in chronic absenteeism",
    most_percent: None,
};

/// Whether absence can be worked out from the columns there are; else the file is refused.
pub(super) fn is_enough(opened: &Opened, tally: &mut Tally) -> bool {
    let kinds = ABSENT.iter().all(|column| opened.has(*column));
    if opened.has(ATTENDED) || kinds && opened.has(INCOMPLETE) {
        return true;
    }
    if kinds && opened.is_export() {
        let text = "absent_incomplete_is is not among the columns of this export: absence is the sum of \
                    the other kinds";
        tally.whole(Rule::W105, Effect::Noted, text.to_owned());
        return true;
    }
    let text = "neither days_attended nor all four absent_ columns are there: no absence can be worked out";
    tally.whole(Rule::E003, Effect::Refused, text.to_owned());
    false
}

/// One row. `has_incomplete`: the file has a column for incomplete independent study.
pub(super) fn attendance(
    mut row: Row<'_>,
    names: &mut Names,
    has_incomplete: bool,
) -> Option<Attendance> {
    let student = row.student(STUDENT, &mut names.students);
    let year = row.required(YEAR, value::year);
    let school = row.id(SCHOOL, &mut names.schools);
    let expected = row.required(EXPECTED, value::days);
    let attended = row.optional(ATTENDED, value::days);
    let kinds = ABSENT.map(|column| row.optional(column, value::days));
    let incomplete = row.optional(INCOMPLETE, value::days);
    let suspended = row.optional(SUSPENDED, value::days);
    let exempt = row.optional(EXEMPT, value::flag).unwrap_or(false);
    // A value that is wrong is not one that is missing: nothing more to say about such a row.
    row.stands().then_some(())?;
    let expected = expected?;
    let incomplete = if row.is_export() && !has_incomplete { Some(0) } else { incomplete };
    let sum = kinds.iter().fold(incomplete, |sum, kind| Some(sum? + (*kind)?));
    let absent = match (sum, attended) {
        (Some(sum), _) => Some(sum),
        (None, Some(attended)) => {
            row.fault(&REMAINDER, ATTENDED);
            Some((expected - attended - suspended.unwrap_or(0)).max(0))
        }
        (None, None) => {
            row.fault(&UNKNOWN, ATTENDED);
            None
        }
    };
    if absent.is_some_and(|absent| absent > expected) {
        row.fault(&MORE_ABSENT, EXPECTED);
    }
    if attended.is_some_and(|attended| attended > expected) {
        row.fault(&MORE_ATTENDED, ATTENDED);
    }
    row.stands().then_some(())?;
    let (year, student, school, row) = (year?, student?, school?, row.place());
    Some(Attendance { student, year, school, expected, attended, absent, exempt, row })
}

/// Whether the file has a column for incomplete independent study.
pub(super) fn has_incomplete(opened: &Opened) -> bool {
    opened.has(INCOMPLETE)
}

/// Sorted by student, year and school; one of each.
pub(super) fn attendances(mut rows: Vec<Attendance>, tally: &mut Tally) -> Vec<Attendance> {
    rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.row));
    one_per_key(
        rows,
        "(student_id, school_year, school_id)",
        |a, b| (a.student, a.year, a.school) == (b.student, b.year, b.school),
        |a, b| {
            (a.expected, a.attended, a.absent, a.exempt)
                == (b.expected, b.attended, b.absent, b.exempt)
        },
        |one| one.row,
        tally,
    )
}
