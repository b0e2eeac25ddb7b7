//! Tables that are checked and not kept: no indicator of this version reads them.
//!
//! `prior_scores` (for growth), `interventions` (what was done for whom), `schools` (the district's own
//! list, which only adds local columns to the hub's).

use flashlight_proto::category::Subject;

use super::{
    model::{Key, Score},
    report::{Fault, Rule, Tally},
    rows::{Ids, Names, Row},
    tables::{INTERVENTIONS, PRIOR_SCORES, SCHOOLS},
    value::{self, CODE, Decimal},
};

/// A row that stands, for the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    /// Its number in its file.
    pub(crate) row: u32,
    /// Its school year; `None` in tables that are kept whole.
    pub(crate) year: Option<i16>,
}

const DISAGREES: Fault = Fault {
    rule: Rule::W111,
    problem: "is another than the district's own score of that year in assessments",
    hint: "The own file wins",
    most_percent: None,
};

/// A row of `prior_scores` without a fault.
pub(super) fn prior_score(mut row: Row<'_>, names: &mut Names) -> Option<Prior> {
    let student = row.student(PRIOR_SCORES.place("student_id"), &mut names.students);
    let subject = |text: &str| text.parse::<Subject>().map_err(|_| &CODE);
    let subject = row.required(PRIOR_SCORES.place("subject"), subject);
    let year = row.required(PRIOR_SCORES.place("as_of_year"), value::year);
    let back = row.required(PRIOR_SCORES.place("years_back"), |text| value::whole(text, 1, 3));
    let score = row.required(PRIOR_SCORES.place("score"), Decimal::parse);
    row.stands().then_some(())?;
    let as_of = year?;
    let (year, row) = (as_of - back?, row.place());
    Some(Prior { student: student?, subject: subject?, year, score: score?, row, as_of })
}

/// A score of an earlier year, as a later file carries it.
pub(super) struct Prior {
    student: Key,
    subject: Subject,
    year: i16,
    score: Decimal,
    row: u32,
    as_of: i16,
}

impl Prior {
    /// For the store, by the year of the file that carried it.
    pub(super) const fn kept(&self) -> Kept {
        Kept { row: self.row, year: Some(self.as_of) }
    }
}

/// Tells carried scores that the district's own file of that year has otherwise (W111).
pub(super) fn disagreeing(priors: &[Prior], scores: &[Score], tally: &mut Tally) {
    for prior in priors {
        let start =
            scores.partition_point(|own| (own.student, own.year) < (prior.student, prior.year));
        let own = scores[start..]
            .iter()
            .take_while(|own| (own.student, own.year) == (prior.student, prior.year))
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

/// A row of `interventions` without a fault; `names_of`: the interventions so far.
pub(super) fn intervention(
    mut row: Row<'_>,
    names: &mut Names,
    names_of: &mut Ids,
) -> Option<Kept> {
    row.student(INTERVENTIONS.place("student_id"), &mut names.students);
    row.id(INTERVENTIONS.place("intervention"), names_of);
    row.required(INTERVENTIONS.place("start_date"), value::date);
    row.optional(INTERVENTIONS.place("end_date"), value::date);
    row.optional(INTERVENTIONS.place("hours"), Decimal::parse);
    row.stands().then_some(Kept { row: row.place(), year: None })
}

/// A row of `schools` without a fault, and the school's number.
pub(super) fn school(mut row: Row<'_>, names: &mut Names) -> Option<(u32, Kept)> {
    let school = row.id(SCHOOLS.place("school_id"), &mut names.schools);
    row.optional(SCHOOLS.place("school_year"), value::year);
    row.optional(SCHOOLS.place("instructional_days"), |text| value::whole(text, 1, 366));
    row.stands().then_some(())?;
    Some((school?, Kept { row: row.place(), year: None }))
}
