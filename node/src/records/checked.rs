//! Tables that are checked and not kept: no indicator of this version reads them.
//!
//! `interventions` (what was done for whom), `schools` (the district's own list, which only adds local
//! columns to the hub's).

use super::{
    rows::{Ids, Names, Row},
    tables::{INTERVENTIONS, SCHOOLS},
    value::{self, Decimal},
};

/// A row that stands, for the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    /// Its number in its file.
    pub(crate) row: u32,
    /// Its school year; `None` in tables that are kept whole.
    pub(crate) year: Option<i16>,
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
