//! Students enrolled (`students`).
//!
//! Counts: every student with an enrolment in the school year that began by the study's `as_of`
//! date, once per district, at the primary school and in the grade there. Cumulative: leavers count.
//! Excluded: students whose only enrolments are at schools that the public table does not give to
//! the district, or in a grade it does not offer.
//! Better: none. Source: our definition, after the cumulative enrolment of CALPADS.

use super::{Amount, Measured};
use crate::records::Network;

pub(super) fn measure(network: &Network) -> Vec<Option<Measured>> {
    let one = |grade| Some(Measured { grade, amount: Amount::One });
    network.students.iter().map(|student| one(student.grade)).collect()
}
