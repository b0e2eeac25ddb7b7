//! `assessments`: one score per student, test, subject and school year.
//!
//! Only rows with `included` true and a score or a level count; of several the latest `test_date` does (none
//! is earliest). Scores are decimal numbers, held exactly; the study gives their grid and bounds.
//! An export with Ed-Fi's names says what kind of score each row holds: scale scores count, every other
//! kind is left out and told; it has no mark of inclusion and often no school year, which is then that of
//! the test date.

use std::cmp::Reverse;

use flashlight_proto::category::Subject;

use super::{
    bounds,
    frame::Opened,
    model::Score,
    report::{Effect, Fault, Rule, Tally},
    rows::{Names, Row, one_per_key},
    tables::ASSESSMENTS,
    value::{self, CODE, Decimal},
};

const STUDENT: usize = ASSESSMENTS.place("student_id");
const TEST: usize = ASSESSMENTS.place("test_id");
const YEAR: usize = ASSESSMENTS.place("school_year");
const SUBJECT: usize = ASSESSMENTS.place("subject");
const GRADE: usize = ASSESSMENTS.place("grade_tested");
const SCORE: usize = ASSESSMENTS.place("scale_score");
const INCLUDED: usize = ASSESSMENTS.place("included");
const DATE: usize = ASSESSMENTS.place("test_date");
const SCHOOL: usize = ASSESSMENTS.place("school_id");
const LEVEL: usize = ASSESSMENTS.place("performance_level");
const SEM: usize = ASSESSMENTS.place("sem");
const SCORE_TYPE: usize = ASSESSMENTS.place("score_type");

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
/// Whether years and inclusion are known; else the file is refused.
pub(super) fn is_enough(opened: &Opened, tally: &mut Tally) -> bool {
    let mut is_enough = true;
    let mut missing = |column: &str| {
        let text = format!(
            "no column can supply \"{column}\". If the file has it under another name, add to \
             mapping.toml under [assessments.columns] a line {column} = \"ITS NAME\""
        );
        tally.whole(Rule::E003, Effect::Refused, text);
        is_enough = false;
    };
    if !opened.has(YEAR) && !opened.has(DATE) {
        missing("school_year");
    }
    if !opened.has(INCLUDED) && !opened.is_export() {
        missing("included");
    }
    if is_enough && !opened.has(YEAR) {
        let text =
            "school_year is not among the columns: it was taken from test_date (July to June)";
        tally.whole(Rule::E003, Effect::Noted, text.to_owned());
    }
    if is_enough && !opened.has(INCLUDED) {
        let text = "included is not among the columns of this export: every scale score counts";
        tally.whole(Rule::W106, Effect::Noted, text.to_owned());
    }
    is_enough
}

/// One score that counts.
pub(super) fn score(mut row: Row<'_>, names: &mut Names, columns: Columns) -> Option<Score> {
    // What kind of score it is comes first: the rest of another kind is nobody's fault.
    row.optional(SCORE_TYPE, |kind| if kind == "scale" { Ok(()) } else { Err(&CODE) });
    row.stands().then_some(())?;
    let student = row.student(STUDENT, &mut names.students);
    let test = row.id(TEST, &mut names.tests);
    let subject = row.required(SUBJECT, |subject| subject.parse::<Subject>().map_err(|_| &CODE));
    let grade = row.grade(GRADE);
    let date = row.optional(DATE, value::date);
    let year = if columns.has_year {
        row.required(YEAR, value::year)
    } else {
        row.required(DATE, value::date).map(|date| date.in_school_year().0)
    };
    let school = row.optional_id(SCHOOL, &mut names.schools);
    let level = row.optional(LEVEL, |text| value::whole(text, 1, 9));
    if columns.has_included && !row.required(INCLUDED, value::flag)? {
        row.fault(&NOT_INCLUDED, INCLUDED);
        return None;
    }
    let score = row.optional(SCORE, Decimal::parse);
    let sem = row.optional(SEM, value::sem);
    if row.optional(TEST, |test| Ok(test == bounds::TEST)) == Some(true) {
        if let Some(Err(fault)) = grade.map(bounds::grade) {
            row.fault(fault, GRADE);
        }
        let points = score.map(|score| score.in_units(1).units);
        if let Some(Err(fault)) = subject.zip(points).map(|(of, points)| bounds::score(of, points))
        {
            row.fault(fault, SCORE);
        }
    }
    row.stands().then_some(())?;
    if score.is_none() && level.is_none() {
        row.fault(&NO_SCORE, SCORE);
        return None;
    }
    Some(Score {
        student: student?,
        year: year?,
        test: test?,
        subject: subject?,
        date,
        grade: grade?,
        school,
        score,
        sem,
        level: level.and_then(|level| i8::try_from(level).ok()),
        row: row.place(),
    })
}

/// Which of the columns that may be missing the file has.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    has_year: bool,
    has_included: bool,
}

impl Columns {
    pub(super) fn of(opened: &Opened) -> Self {
        Self { has_year: opened.has(YEAR), has_included: opened.has(INCLUDED) }
    }
}

/// Sorted by student, year, test and subject; the latest of each.
pub(super) fn scores(mut rows: Vec<Score>, tally: &mut Tally) -> Vec<Score> {
    let key = |one: &Score| (one.student, one.year, one.test, one.subject);
    rows.sort_unstable_by_key(|one| (key(one), Reverse(one.date), one.row));
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
        |a, b| {
            (a.score, a.sem, a.level) == (b.score, b.sem, b.level)
                && (a.grade, a.school) == (b.grade, b.school)
        },
        |one| one.row,
        tally,
    )
}
