//! `prior_scores`: scores of earlier years as a later year's file carries them, for growth.
//!
//! One score per student, year of the file, subject and years back. It names no test. The district's
//! own score of that year, where it has one, wins; disagreement is told.

use flashlight_proto::{category::Subject, study::MAX_YEARS_BACK};

use super::{
    model::{PriorScore, Score},
    report::{Fault, Rule, Tally},
    rows::{Names, Row, one_per_key},
    tables::PRIOR_SCORES,
    value::{self, CODE, Decimal},
};

/// A carried score that is not the district's own.
pub(crate) const DISAGREES: Fault = Fault {
    rule: Rule::W111,
    problem: "is another than the district's own score of that year in assessments",
    hint: "The own file wins",
    most_percent: None,
};

/// One carried score.
pub(super) fn prior_score(mut row: Row<'_>, names: &mut Names) -> Option<PriorScore> {
    let student = row.student(PRIOR_SCORES.place("student_id"), &mut names.students);
    let subject = |text: &str| text.parse::<Subject>().map_err(|_| &CODE);
    let subject = row.required(PRIOR_SCORES.place("subject"), subject);
    let as_of = row.required(PRIOR_SCORES.place("as_of_year"), value::year);
    let most = i16::from(MAX_YEARS_BACK);
    let back = row.required(PRIOR_SCORES.place("years_back"), |text| value::whole(text, 1, most));
    let score = row.required(PRIOR_SCORES.place("score"), Decimal::parse);
    let sem = row.optional(PRIOR_SCORES.place("sem"), value::sem);
    let grade = row.optional_grade(PRIOR_SCORES.place("grade"));
    row.stands().then_some(())?;
    Some(PriorScore {
        student: student?,
        as_of: as_of?,
        subject: subject?,
        back: back?,
        score: score?,
        sem,
        grade,
        row: row.place(),
    })
}

/// Sorted by student, year of the file, subject and years back; each once.
pub(super) fn priors(mut rows: Vec<PriorScore>, tally: &mut Tally) -> Vec<PriorScore> {
    let key = |one: &PriorScore| (one.student, one.as_of, one.subject, one.back);
    rows.sort_unstable_by_key(|one| (key(one), one.row));
    one_per_key(
        rows,
        "(student_id, subject, as_of_year, years_back)",
        |a, b| key(a) == key(b),
        |a, b| (a.score, a.sem, a.grade) == (b.score, b.sem, b.grade),
        |one| one.row,
        tally,
    )
}

/// Tells carried scores that the district's own file of that year has otherwise (W111).
pub(super) fn disagreeing(priors: &[PriorScore], scores: &[Score], tally: &mut Tally) {
    for prior in priors {
        let of = (prior.student, prior.as_of - prior.back);
        let start = scores.partition_point(|own| (own.student, own.year) < of);
        let own = scores[start..]
            .iter()
            .take_while(|own| (own.student, own.year) == of)
            .filter(|own| own.subject == prior.subject && own.score.is_some());
        let (mut any, mut same) = (false, false);
        own.for_each(|own| {
            any = true;
            same |= own.score == Some(prior.score);
        });
        if any && !same {
            tally.row(&DISAGREES, "score", prior.row.into());
        }
    }
}
