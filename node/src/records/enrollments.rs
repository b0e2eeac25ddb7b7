//! `enrollments`: who was at which school when, in which grade and which groups.
//!
//! Key: student, school year, school, entry date. An empty flag stays "not supplied". Only the
//! numbers of students are kept, never their ids.

use flashlight_proto::category::Family;

use super::{
    frame::Frame,
    keys::Students,
    model::{Enrollment, FAMILIES, Status},
    report::{Effect, Fault, MOST_PERCENT, Rule, Tally},
    rows::{Ids, Row, one_per_key},
    tables::ENROLLMENTS,
    value::{self, CODE},
};

const STUDENT: usize = 0;
const YEAR: usize = 1;
const SCHOOL: usize = 2;
const GRADE: usize = 3;
const ENTRY: usize = 4;
const EXIT: usize = 5;
const STATUS: usize = 6;
/// The column of the first family; the others follow in the order of [`Family::ALL`].
const GROUPS: usize = 7;

/// Rows below which one value in a whole column is no news.
const ROWS_TO_NOTICE: usize = 100;

const EXIT_FIRST: Fault = Fault {
    rule: Rule::E008,
    problem: "is before entry_date",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};

/// Reads the rows, sorted by student, year, school and entry.
pub(super) fn read(
    frame: &Frame,
    tally: &mut Tally,
    students: &mut Students,
    schools: &mut Ids,
) -> Vec<Enrollment> {
    let mut rows = Vec::with_capacity(frame.rows);
    for at in 0..frame.rows {
        let row = Row::new(frame, &ENROLLMENTS, tally, at);
        rows.extend(enrollment(row, students, schools));
    }
    rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.entry, one.row));
    let rows = one_per_key(
        rows,
        "(student_id, school_year, school_id, entry_date)",
        |a, b| (a.year, a.student, a.school, a.entry) == (b.year, b.student, b.school, b.entry),
        |a, b| (a.exit, a.grade, a.status, a.groups) == (b.exit, b.grade, b.status, b.groups),
        |one| one.row,
        tally,
    );
    whole_columns(frame, &rows, tally);
    rows
}

fn enrollment(mut row: Row<'_>, students: &mut Students, schools: &mut Ids) -> Option<Enrollment> {
    let student = row.student(STUDENT, students);
    let year = row.required(YEAR, value::year);
    let school = row.id(SCHOOL, schools);
    let grade = row.grade(GRADE);
    let entry = row.optional(ENTRY, value::date);
    let exit = row.optional(EXIT, value::date);
    if entry.zip(exit).is_some_and(|(entry, exit)| exit < entry) {
        row.fault(&EXIT_FIRST, EXIT);
    }
    let status = row.optional(STATUS, |status| match status {
        "primary" => Ok(Status::Primary),
        "secondary" => Ok(Status::Secondary),
        "short" => Ok(Status::Short),
        "non_ada" => Ok(Status::NonAda),
        _ => Err(&CODE),
    });
    let mut groups = [None; FAMILIES];
    for (place, family) in groups.iter_mut().zip(Family::ALL) {
        let column = GROUPS + family.index();
        *place = row.optional(column, |text| value::group(*family, text)).flatten();
    }
    let number = row.place();
    row.stands().then_some(())?;
    Some(Enrollment {
        year: year?,
        student: student?,
        school: school?,
        entry,
        exit,
        grade: grade?,
        status: status.unwrap_or(Status::Primary),
        groups,
        row: number,
    })
}

/// Tells columns that hold nothing, or one value, for every student (E011).
fn whole_columns(frame: &Frame, rows: &[Enrollment], tally: &mut Tally) {
    for family in Family::ALL {
        let at = family.index();
        let first = rows.first().and_then(|one| one.groups[at]);
        if rows.iter().any(|one| one.groups[at] != first) {
            continue;
        }
        let how = match first {
            None if frame.has(GROUPS + at) => "is empty for every student",
            None => "is not among the columns",
            Some(_) if rows.len() >= ROWS_TO_NOTICE => "has one value for every student",
            Some(_) => continue,
        };
        let text = match first {
            None => {
                format!("\"{family}\" {how}: all its students are counted as unknown, not as no")
            }
            Some(_) => format!("\"{family}\" {how}: is that so, or a default?"),
        };
        tally.whole(Rule::E011, Effect::Noted, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_the_families_follow_their_order() {
        for family in Family::ALL {
            assert_eq!(ENROLLMENTS.columns[GROUPS + family.index()].name, family.as_str());
        }
        assert_eq!(ENROLLMENTS.columns.len(), GROUPS + FAMILIES);
    }
}
