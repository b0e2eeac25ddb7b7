//! `attendance_summary`: days expected, attended and absent, per student, school year and school.
//!
//! Days are written in days with up to two decimals (`171.5`) and held as integer hundredths; more
//! decimals, as a sum of floats leaves them, are rounded to the nearest hundredth. In-school
//! suspension is attendance. Where a kind of absence is not supplied, absence is what remains of the
//! expected days after days attended and in-school suspension, and the report says so (W105);
//! without days attended it is not known.

use super::{
    frame::Frame,
    keys::Students,
    model::Attendance,
    report::{Effect, Fault, MOST_PERCENT, Rule, Tally},
    rows::{Ids, Row, one_per_key},
    tables::ATTENDANCE,
    value,
};

const STUDENT: usize = 0;
const YEAR: usize = 1;
const SCHOOL: usize = 2;
const EXPECTED: usize = 3;
const ATTENDED: usize = 4;
/// Excused, unexcused, out-of-school suspension, incomplete independent study.
const ABSENT: [usize; 4] = [5, 6, 7, 8];
const SUSPENDED: usize = 9;
const EXEMPT: usize = 10;

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

/// Reads the rows, sorted by student, year and school.
pub(super) fn read(
    frame: &Frame,
    tally: &mut Tally,
    students: &mut Students,
    schools: &mut Ids,
) -> Vec<Attendance> {
    if !frame.has(ATTENDED) && !ABSENT.iter().all(|column| frame.has(*column)) {
        let text = "neither days_attended nor all four absent_ columns are there: no absence can be \
                    worked out";
        tally.whole(Rule::E003, Effect::Refused, text.to_owned());
        return Vec::new();
    }
    let mut rows = Vec::with_capacity(frame.rows);
    for at in 0..frame.rows {
        rows.extend(attendance(Row::new(frame, &ATTENDANCE, tally, at), students, schools));
    }
    rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.row));
    one_per_key(
        rows,
        "(student_id, school_year, school_id)",
        |a, b| (a.year, a.student, a.school) == (b.year, b.student, b.school),
        |a, b| {
            (a.expected, a.attended, a.absent, a.exempt)
                == (b.expected, b.attended, b.absent, b.exempt)
        },
        |one| one.row,
        tally,
    )
}

fn attendance(mut row: Row<'_>, students: &mut Students, schools: &mut Ids) -> Option<Attendance> {
    let student = row.student(STUDENT, students);
    let year = row.required(YEAR, value::year);
    let school = row.id(SCHOOL, schools);
    let expected = row.required(EXPECTED, value::days);
    let attended = row.optional(ATTENDED, value::days);
    let kinds = ABSENT.map(|column| row.optional(column, value::days));
    let suspended = row.optional(SUSPENDED, value::days);
    let exempt = row.optional(EXEMPT, value::flag).unwrap_or(false);
    // A value that is wrong is not one that is missing: nothing more to say about such a row.
    row.stands().then_some(())?;
    let expected = expected?;
    let sum = kinds.iter().try_fold(0, |sum, kind| kind.map(|days| sum + days));
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
    let number = row.place();
    let (year, student, school) = (year?, student?, school?);
    Some(Attendance { year, student, school, expected, attended, absent, exempt, row: number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_match_the_columns() {
        let name = |place: usize| ATTENDANCE.columns[place].name;
        assert!(ABSENT.iter().all(|place| name(*place).starts_with("absent_")));
        assert_eq!([name(SUSPENDED), name(EXEMPT)], ["in_school_suspension", "exempt"]);
    }
}
