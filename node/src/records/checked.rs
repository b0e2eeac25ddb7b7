//! Tables that are checked and not kept: no indicator of this version reads them.
//!
//! `prior_scores` (for growth), `interventions` (what was done for whom), `schools` (the district's own
//! list, which only adds local columns to the hub's).

use flashlight_proto::category::Subject;

use super::{
    rows::{Ids, Names, Row},
    tables::{INTERVENTIONS, PRIOR_SCORES, SCHOOLS},
    value::{self, CODE, Decimal},
};

/// A row of `prior_scores` without a fault.
pub(super) fn prior_score(mut row: Row<'_>, names: &mut Names) -> Option<()> {
    row.student(PRIOR_SCORES.place("student_id"), &mut names.students);
    let subject = |text: &str| text.parse::<Subject>().map_err(|_| &CODE);
    row.required(PRIOR_SCORES.place("subject"), subject);
    row.required(PRIOR_SCORES.place("as_of_year"), value::year);
    row.required(PRIOR_SCORES.place("years_back"), |text| value::whole(text, 1, 3));
    row.required(PRIOR_SCORES.place("score"), Decimal::parse);
    row.stands().then_some(())
}

/// A row of `interventions` without a fault; `names_of`: the interventions so far.
pub(super) fn intervention(mut row: Row<'_>, names: &mut Names, names_of: &mut Ids) -> Option<()> {
    row.student(INTERVENTIONS.place("student_id"), &mut names.students);
    row.id(INTERVENTIONS.place("intervention"), names_of);
    row.required(INTERVENTIONS.place("start_date"), value::date);
    row.optional(INTERVENTIONS.place("end_date"), value::date);
    row.optional(INTERVENTIONS.place("hours"), Decimal::parse);
    row.stands().then_some(())
}

/// A row of `schools` without a fault: the school's number.
pub(super) fn school(mut row: Row<'_>, names: &mut Names) -> Option<u32> {
    let school = row.id(SCHOOLS.place("school_id"), &mut names.schools);
    row.optional(SCHOOLS.place("school_year"), value::year);
    row.optional(SCHOOLS.place("instructional_days"), |text| value::whole(text, 1, 366));
    row.stands().then_some(())?;
    school
}
