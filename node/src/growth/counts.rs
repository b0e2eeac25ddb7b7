//! Rows of students -> counts of schools whose growth effect is at or below public thresholds: the words
//! of the third round of a growth model (`flashlight_proto::growth::EffectGrid`).
//!
//! In: the rows of one model's students, and the schools that the public table gives the district in the
//! model's grade. Out: one count per threshold, exact, before any noise. Promise: under noise every one of
//! those schools counts, also where nobody is in the model, so that their number tells nothing, and one
//! student moves the counts by no more than the noise is for. Integers only. Touches nothing.

use std::collections::BTreeSet;

use flashlight_proto::growth::{Broadcast, COEFFICIENT_BITS, EFFECT_BITS, Model};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::schools::SchoolTable;

use super::noisy::Clipped;
use super::sums::{GrowthError, GrowthRow, SchoolSums};
use crate::records::Records;

/// The schools that the public table gives a district in a model's grade.
#[derive(Clone, Debug, Default)]
pub struct Offering {
    /// How many.
    pub count: usize,
    /// Those with records, as rows name them.
    pub numbers: BTreeSet<u32>,
}

impl Offering {
    /// Of a district, or of all.
    #[must_use]
    pub fn of(
        model: &Model,
        schools: &SchoolTable,
        records: &Records,
        district: Option<&DistrictId>,
    ) -> Self {
        let offering = schools.offering(model.year, model.grade, district);
        let ids: BTreeSet<&str> = offering.map(|school| school.school_id.as_str()).collect();
        let numbered = (0_u32..).zip(&records.schools);
        let ours = numbered.filter(|(_, id)| ids.contains(id.as_str()));
        Self { count: ids.len(), numbers: ours.map(|(number, _)| number).collect() }
    }
}

/// A school's students and the sum of their residuals, grid units in 2^−[`EFFECT_BITS`].
type Sum = (i64, i128);

/// The words of one model in the third round. Under noise a school that does not offer the grade, by the
/// public table, is not counted: how many are is public.
///
/// # Errors
/// [`GrowthError`] when the rows are not the model's, a number is too large, or the constants are no third
/// round's.
pub fn effect_words(
    model: &Model,
    broadcast: &Broadcast,
    rows: &[GrowthRow],
    offering: &Offering,
) -> Result<Vec<i64>, GrowthError> {
    let wrong = |what: &str| GrowthError { model: model.name.clone(), what: what.to_owned() };
    let grid = broadcast.effects.ok_or_else(|| wrong("the round counts no effects"))?;
    let too_large = || {
        wrong("an effect passes its bound; ask the hub for bounds of scores closer to the scores")
    };
    let mut sums: Vec<Sum> = match &model.noisy {
        None => {
            let schools = SchoolSums::of(rows, model)?;
            let sums = schools.values().map(|school| exact(model, broadcast, school));
            sums.collect::<Option<_>>().ok_or_else(too_large)?
        }
        Some(noisy) => {
            let ours = rows.iter().filter(|row| offering.numbers.contains(&row.school));
            let clipped = Clipped::new(model, noisy, broadcast, ours).ok_or_else(too_large)?;
            clipped.schools.into_iter().map(|(n, sum)| (n, sum << EFFECT_BITS)).collect()
        }
    };
    if model.noisy.is_some() {
        let empty = offering.count.checked_sub(sums.len());
        let empty =
            empty.ok_or_else(|| wrong("more schools have records than the public table has"))?;
        sums.extend(std::iter::repeat_n((0, 0), empty));
    }
    let count = |k: i64| {
        sums.iter().try_fold(0_i64, |count, (n, sum)| {
            Some(count + i64::from(grid.is_at_most(*n, *sum, k)?))
        })
    };
    model.thresholds().map(count).collect::<Option<_>>().ok_or_else(too_large)
}

/// Σ(y − D'β) over a school: school means sum to what the students sum to.
fn exact(model: &Model, broadcast: &Broadcast, school: &SchoolSums) -> Option<Sum> {
    let fine = i128::from(school.t[model.outcome()]) << COEFFICIENT_BITS;
    let explained = model.sources().zip(&broadcast.ols).try_fold(0_i128, |sum, (at, beta)| {
        sum.checked_add(i128::from(school.t[at]).checked_mul((*beta).into())?)
    });
    let residual = fine.checked_sub(explained?)?;
    Some((school.n, residual >> (COEFFICIENT_BITS - EFFECT_BITS)))
}
