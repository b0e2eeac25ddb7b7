//! `assessments`: one score per student, test, subject and school year.
//!
//! Only rows with `included` true and a score count; of several the latest `test_date` does (none
//! is earliest). Scores are decimal numbers, held exactly; the study gives their grid and bounds.

use flashlight_proto::category::Subject;

use super::{
    frame::Frame,
    keys::Students,
    model::Score,
    report::{Fault, MOST_PERCENT, Rule, Tally},
    rows::{Ids, Row, one_per_key},
    tables::ASSESSMENTS,
    value::{self, CODE, Decimal},
};

const STUDENT: usize = 0;
const TEST: usize = 1;
const YEAR: usize = 2;
const SUBJECT: usize = 3;
const GRADE: usize = 4;
const SCORE: usize = 5;
const INCLUDED: usize = 6;
const DATE: usize = 7;

const NOT_INCLUDED: Fault = Fault {
    rule: Rule::W106,
    problem: "is false",
    hint: "Their scores are not counted",
    most_percent: None,
};
const NO_SCORE: Fault =
    Fault { rule: Rule::W106, problem: "is empty", hint: "", most_percent: None };
const EARLIER: Fault = Fault {
    rule: Rule::W106,
    problem: "is earlier than another score's of the same student, test, subject and year",
    hint: "The latest counts",
    most_percent: None,
};
const LONG_TEST: Fault = Fault {
    rule: Rule::E007,
    problem: "is longer than 64 bytes",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};

/// Reads the rows, sorted by student, year, test and subject; one of each.
pub(super) fn read(
    frame: &Frame,
    tally: &mut Tally,
    students: &mut Students,
    tests: &mut Ids,
) -> Vec<Score> {
    let mut rows = Vec::with_capacity(frame.rows);
    for at in 0..frame.rows {
        rows.extend(score(Row::new(frame, &ASSESSMENTS, tally, at), students, tests));
    }
    let key = |one: &Score| (one.student, one.year, one.test, one.subject);
    rows.sort_unstable_by_key(|one| (key(one), std::cmp::Reverse(one.date), one.row));
    let mut latest: Vec<Score> = Vec::with_capacity(rows.len());
    let mut earlier = Vec::new();
    for one in rows {
        match latest.last() {
            Some(last) if key(last) == key(&one) && last.date != one.date => earlier.push(one.row),
            _ => latest.push(one),
        }
    }
    earlier.sort_unstable();
    earlier.into_iter().for_each(|row| tally.row(&EARLIER, "test_date", row.into()));
    one_per_key(
        latest,
        "(student_id, test_id, subject, school_year, test_date)",
        |a, b| key(a) == key(b),
        |a, b| a.score == b.score && a.grade == b.grade,
        |one| one.row,
        tally,
    )
}

fn score(mut row: Row<'_>, students: &mut Students, tests: &mut Ids) -> Option<Score> {
    let student = row.student(STUDENT, students);
    let test = row.required(TEST, |id| {
        // The ids of tests are few and public; a column of anything else must not be kept.
        if id.len() > 64 { Err(&LONG_TEST) } else { Ok(tests.number(id)) }
    });
    let year = row.required(YEAR, value::year);
    let subject = row.required(SUBJECT, |subject| subject.parse::<Subject>().map_err(|_| &CODE));
    let grade = row.grade(GRADE);
    let date = row.optional(DATE, value::date);
    if !row.required(INCLUDED, value::flag)? {
        row.fault(&NOT_INCLUDED, INCLUDED);
        return None;
    }
    let Some(score) = row.optional(SCORE, Decimal::parse) else {
        if row.stands() {
            row.fault(&NO_SCORE, SCORE);
        }
        return None;
    };
    row.stands().then_some(())?;
    let number = row.place();
    Some(Score {
        year: year?,
        student: student?,
        test: test?,
        subject: subject?,
        date,
        grade: grade?,
        school: None,
        score: Some(score),
        level: None,
        row: number,
    })
}
