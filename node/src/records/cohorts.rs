//! Three small tables of a student's way through school: `el_history`, `graduation`, `postsecondary`.
//!
//! Keys: student and start of the status; student and cohort year; student and number of the college.
//! A status may hold for ever: an empty end is open.

use super::{
    model::{College, ElStatus, Elas, Graduation, Outcome},
    report::{Fault, MOST_PERCENT, Rule, Tally},
    rows::{Ids, Names, Row, one_per_key},
    tables::{EL_HISTORY, GRADUATION, POSTSECONDARY},
    value,
};

const ELAS: [(&str, Elas); 6] = [
    ("EO", Elas::EnglishOnly),
    ("EL", Elas::Learner),
    ("IFEP", Elas::InitiallyFluent),
    ("RFEP", Elas::Redesignated),
    ("TBD", Elas::Other),
    ("ADEL", Elas::Other),
];
const OUTCOMES: [(&str, Outcome); 6] = [
    ("diploma", Outcome::Diploma),
    ("certificate", Outcome::Certificate),
    ("equivalency", Outcome::Equivalency),
    ("dropout", Outcome::Dropout),
    ("still_enrolled", Outcome::StillEnrolled),
    ("removed", Outcome::Removed),
];
const END_FIRST: Fault = Fault {
    rule: Rule::E008,
    problem: "is before elas_start_date",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};

/// A row of `el_history`.
pub(super) fn el_row(mut row: Row<'_>, names: &mut Names) -> Option<ElStatus> {
    const END: usize = EL_HISTORY.place("elas_end_date");
    let student = row.student(EL_HISTORY.place("student_id"), &mut names.students);
    let elas = row.required_code(EL_HISTORY.place("elas"), &ELAS);
    let start = row.required(EL_HISTORY.place("elas_start_date"), value::date);
    let end = row.optional(END, value::date);
    let school = row.optional_id(EL_HISTORY.place("school_id"), &mut names.schools);
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        row.fault(&END_FIRST, END);
    }
    row.stands().then_some(())?;
    let (student, elas, start, row) = (student?, elas?, start?, row.place());
    Some(ElStatus { student, elas, start, end, school, row })
}

/// Sorted by student and start; one of each.
pub(super) fn el_history(mut rows: Vec<ElStatus>, tally: &mut Tally) -> Vec<ElStatus> {
    rows.sort_unstable_by_key(|one| (one.student, one.start, one.row));
    one_per_key(
        rows,
        "(student_id, elas_start_date)",
        |a, b| (a.student, a.start) == (b.student, b.start),
        |a, b| (a.elas, a.end, a.school) == (b.elas, b.end, b.school),
        |one| one.row,
        tally,
    )
}

/// A row of `graduation`.
pub(super) fn graduate(mut row: Row<'_>, names: &mut Names) -> Option<Graduation> {
    let student = row.student(GRADUATION.place("student_id"), &mut names.students);
    let cohort = row.required(GRADUATION.place("cohort_year"), value::year);
    let school = row.optional_id(GRADUATION.place("school_id"), &mut names.schools);
    let exit = row.optional(GRADUATION.place("exit_date"), value::date);
    let outcome = row.required_code(GRADUATION.place("outcome"), &OUTCOMES);
    let met_ag = row.optional(GRADUATION.place("met_ag"), value::flag);
    row.stands().then_some(())?;
    let (student, cohort, outcome, row) = (student?, cohort?, outcome?, row.place());
    Some(Graduation { student, cohort, school, exit, outcome, met_ag, row })
}

/// Sorted by student and cohort; one of each.
pub(super) fn graduation(mut rows: Vec<Graduation>, tally: &mut Tally) -> Vec<Graduation> {
    rows.sort_unstable_by_key(|one| (one.student, one.cohort, one.row));
    one_per_key(
        rows,
        "(student_id, cohort_year)",
        |a, b| (a.student, a.cohort) == (b.student, b.cohort),
        |a, b| (a.school, a.exit, a.outcome, a.met_ag) == (b.school, b.exit, b.outcome, b.met_ag),
        |one| one.row,
        tally,
    )
}

/// A row of `postsecondary`, with the number of the college; `numbers`: those so far.
pub(super) fn college(
    mut row: Row<'_>,
    names: &mut Names,
    numbers: &mut Ids,
) -> Option<(College, u32)> {
    let student = row.student(POSTSECONDARY.place("student_id"), &mut names.students);
    let number = row.id(POSTSECONDARY.place("college_seq"), numbers);
    let begin = row.optional(POSTSECONDARY.place("enrolled_begin"), value::date);
    row.stands().then_some(())?;
    Some((College { student: student?, begin, row: row.place() }, number?))
}

/// Sorted by student and begin; one of each number.
pub(super) fn colleges(mut rows: Vec<(College, u32)>, tally: &mut Tally) -> Vec<College> {
    rows.sort_unstable_by_key(|(one, number)| (one.student, *number, one.row));
    let rows = one_per_key(
        rows,
        "(student_id, college_seq)",
        |a, b| (a.0.student, a.1) == (b.0.student, b.1),
        |a, b| a.0.begin == b.0.begin,
        |one| one.0.row,
        tally,
    );
    rows.into_iter().map(|(one, _)| one).collect()
}
