//! `discipline`: what followed an incident, one row per action.
//!
//! Key: student, incident, result, action_seq (1 when empty). A row that repeats another with the same
//! values counts once and is told. An empty duration stays not known; it is not 0. The school year is
//! the incident date's (July to June) when it is not supplied.

use super::{
    model::{Action, Sanction},
    report::{Fault, Rule, Tally},
    rows::{Ids, Names, Row, one_per_key},
    tables::DISCIPLINE,
    value,
};

const STUDENT: usize = DISCIPLINE.place("student_id");
const INCIDENT: usize = DISCIPLINE.place("incident_id");
const SCHOOL: usize = DISCIPLINE.place("school_id");
const YEAR: usize = DISCIPLINE.place("school_year");
const DATE: usize = DISCIPLINE.place("incident_date");
const RESULT: usize = DISCIPLINE.place("result");
const SEQUENCE: usize = DISCIPLINE.place("action_seq");
const DURATION: usize = DISCIPLINE.place("duration_days");

/// The results, and their places.
const RESULTS: [(&str, u8); 5] =
    [("oss", 0), ("iss", 1), ("expulsion", 2), ("other", 3), ("none", 4)];

const OTHER_YEAR: Fault = Fault {
    rule: Rule::E008,
    problem: "is not the school year of incident_date (July to June)",
    hint: "It is believed",
    most_percent: None,
};

/// An action with what tells it from others.
pub(super) struct Told {
    pub(super) action: Action,
    incident: u32,
    result: u8,
    sequence: i16,
}

/// One row. `incidents`: the ids of incidents so far.
pub(super) fn action(mut row: Row<'_>, names: &mut Names, incidents: &mut Ids) -> Option<Told> {
    let student = row.student(STUDENT, &mut names.students);
    let incident = row.id(INCIDENT, incidents);
    let school = row.optional_id(SCHOOL, &mut names.schools);
    let year = row.optional(YEAR, value::year);
    let date = row.required(DATE, value::date);
    let result = row.required_code(RESULT, &RESULTS);
    let sequence = row.optional(SEQUENCE, |text| value::whole(text, 0, 9999)).unwrap_or(1);
    let duration = row.optional(DURATION, value::days);
    let of_date = date.map(|date| date.in_school_year().0);
    if year.zip(of_date).is_some_and(|(year, of_date)| year != of_date) {
        row.fault(&OTHER_YEAR, YEAR);
    }
    row.stands().then_some(())?;
    let (student, year, date, result) = (student?, year.or(of_date)?, date?, result?);
    let sanction = match result {
        0 => Sanction::OutOfSchool,
        1 => Sanction::InSchool,
        2 => Sanction::Expulsion,
        _ => Sanction::Other,
    };
    let action = Action { student, year, date, school, sanction, duration, row: row.place() };
    Some(Told { action, incident: incident?, result, sequence })
}

/// Sorted by student, year and date; one of each key.
pub(super) fn actions(mut rows: Vec<Told>, tally: &mut Tally) -> Vec<Action> {
    let key = |one: &Told| (one.action.student, one.incident, one.result, one.sequence);
    rows.sort_unstable_by_key(|one| (key(one), one.action.row));
    let values = |one: &Told| (one.action.date, one.action.school, one.action.duration);
    let rows = one_per_key(
        rows,
        "(student_id, incident_id, result, action_seq)",
        |a, b| key(a) == key(b),
        |a, b| values(a) == values(b),
        |one| one.action.row,
        tally,
    );
    rows.into_iter().map(|one| one.action).collect()
}
