//! `survey_responses`: one item of a survey per row, answered or not.
//!
//! Key: survey, respondent, item, school year. The respondent's key is a student's id, or an id of no
//! one; both become keys alike. An answer is favourable when 2 · value > scale_max + 1 (scale_max is 5
//! where it is empty).

use flashlight_proto::category::{Construct, Respondent};

use super::{
    model::Answer,
    report::{Fault, MOST_PERCENT, Rule, Tally},
    rows::{Ids, Names, Row, one_per_key},
    tables::SURVEY,
    value::{self, CODE},
};

const SURVEY_ID: usize = SURVEY.place("survey_id");
const KEY: usize = SURVEY.place("respondent_key");
const ITEM: usize = SURVEY.place("item_id");
const SCHOOL: usize = SURVEY.place("school_id");
const YEAR: usize = SURVEY.place("school_year");
const RESPONDENT: usize = SURVEY.place("respondent");
const GRADE: usize = SURVEY.place("grade");
const SCALE: usize = SURVEY.place("scale");
const VALUE: usize = SURVEY.place("value");
const MOST: usize = SURVEY.place("scale_max");

/// The highest answer where the file does not say.
const SCALE_MAX: i16 = 5;

const ABOVE: Fault = Fault {
    rule: Rule::E008,
    problem: "is above scale_max",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};

/// One row, with its item; `items`: those so far.
pub(super) fn answer(
    mut row: Row<'_>,
    names: &mut Names,
    items: &mut Ids,
) -> Option<(Answer, u32)> {
    let survey = row.id(SURVEY_ID, &mut names.surveys);
    let student = row.student(KEY, &mut names.students);
    let item = row.id(ITEM, items);
    let school = row.optional_id(SCHOOL, &mut names.schools);
    let year = row.required(YEAR, value::year);
    let respondent = row.required(RESPONDENT, |text| text.parse::<Respondent>().map_err(|_| &CODE));
    let grade = row.optional_grade(GRADE);
    let construct = row.required(SCALE, |text| text.parse::<Construct>().map_err(|_| &CODE));
    let given = row.optional(VALUE, |text| value::whole(text, 0, 100));
    let most = row.optional(MOST, |text| value::whole(text, 2, 100)).unwrap_or(SCALE_MAX);
    if given.is_some_and(|given| given > most) {
        row.fault(&ABOVE, VALUE);
    }
    row.stands().then_some(())?;
    let answer = Answer {
        student: student?,
        year: year?,
        survey: survey?,
        respondent: respondent?,
        construct: construct?,
        school,
        grade,
        favourable: given.map(|given| 2 * given > most + 1),
        row: row.place(),
    };
    Some((answer, item?))
}

/// Sorted by respondent, year, survey and item; one of each.
pub(super) fn answers(mut rows: Vec<(Answer, u32)>, tally: &mut Tally) -> Vec<Answer> {
    let key =
        |one: &(Answer, u32)| (one.0.student, one.0.year, one.0.survey, one.0.respondent, one.1);
    rows.sort_unstable_by_key(|one| (key(one), one.0.row));
    let values =
        |one: &(Answer, u32)| (one.0.construct, one.0.school, one.0.grade, one.0.favourable);
    let rows = one_per_key(
        rows,
        "(survey_id, respondent, respondent_key, item_id, school_year)",
        |a, b| key(a) == key(b),
        |a, b| values(a) == values(b),
        |one| one.0.row,
        tally,
    );
    rows.into_iter().map(|(one, _)| one).collect()
}
