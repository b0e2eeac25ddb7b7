//! Rows of students -> exact words of a growth model in `dp`, before the noise.
//!
//! In: the rows of one model's students, and what the round sums (`flashlight_proto::growth::Term`). Out:
//! the words. Promise: one student moves each word by at most its reach: values are within their columns'
//! bounds, residuals are rounded to the grid and clipped before anything is summed, and a school's term is
//! floored once. Integers only. Touches nothing.

use std::collections::BTreeMap;

use flashlight_proto::growth::{Broadcast, COEFFICIENT_BITS, Model, NoisyModel, Term};
use flashlight_proto::layout::GrowthBlock;

use super::GrowthRow;
use super::sums::GrowthError;

/// The words of one model in one round.
///
/// # Errors
/// [`GrowthError`] when the rows are not the model's, or a sum passes 2⁶³.
pub fn noisy_words(block: &GrowthBlock, rows: &[GrowthRow]) -> Result<Vec<i64>, GrowthError> {
    let model = &block.model;
    let wrong = |what: &str| GrowthError { model: model.name.clone(), what: what.to_owned() };
    let noisy = model.noisy.as_ref().ok_or_else(|| wrong("it is not under noise"))?;
    let fits = |row: &GrowthRow| {
        let within = |(value, column): (&i64, &flashlight_proto::growth::Column)| {
            value.unsigned_abs() <= column.reach()
        };
        row.values.len() == model.q() && row.values.iter().zip(&model.columns).all(within)
    };
    if !rows.iter().all(fits) {
        return Err(wrong("a row has not the model's columns, or passes their bounds"));
    }
    let sums = match &block.broadcast {
        None => first(model, noisy, rows),
        Some(broadcast) => second(model, noisy, broadcast, rows),
    };
    let words: Option<Vec<i64>> =
        sums.and_then(|sums| sums.into_iter().map(|sum| i64::try_from(sum).ok()).collect());
    words.ok_or_else(|| {
        wrong("a sum passes its bound; ask the hub for a coarser grid (units_per_point)")
    })
}

fn first(model: &Model, noisy: &NoisyModel, rows: &[GrowthRow]) -> Option<Vec<i128>> {
    let terms = noisy.first(model);
    let mut sums = vec![0_i128; terms.len()];
    for row in rows {
        let residual = match &noisy.start {
            None => 0,
            Some(start) => residual(model, start, row)?.clamp(-noisy.clip, noisy.clip),
        };
        for (sum, one) in sums.iter_mut().zip(&terms) {
            let (left, right) = match one.term {
                Term::Moment(j, k) => (row.values[j], row.values[k]),
                Term::Gradient(at) => (row.values[at], residual),
                Term::Squares | Term::Between | Term::Schools | Term::AtMost(_) => (0, 0),
            };
            *sum = sum.checked_add(i128::from(left) * i128::from(right))?;
        }
    }
    Some(sums)
}

fn second(
    model: &Model,
    noisy: &NoisyModel,
    broadcast: &Broadcast,
    rows: &[GrowthRow],
) -> Option<Vec<i128>> {
    let Clipped { squares, schools } = Clipped::new(model, noisy, broadcast, rows)?;
    let between: i128 = schools.iter().map(|&(n, sum)| (sum * sum).div_euclid(n.into())).sum();
    let terms = noisy.second();
    let words = terms.iter().map(|one| match one.term {
        Term::Squares => Some(squares),
        Term::Between => Some(between),
        Term::Schools => i128::try_from(schools.len()).ok(),
        Term::Moment(..) | Term::Gradient(_) | Term::AtMost(_) => None,
    });
    words.collect()
}

/// Residuals at public coefficients, clipped.
pub(super) struct Clipped {
    /// Σ e², e clipped to ±c_e.
    squares: i128,
    /// Of each school with a row: students n, and Σ e, clipped to ±n·c_E.
    pub(super) schools: Vec<(i64, i128)>,
}

impl Clipped {
    pub(super) fn new<'a>(
        model: &Model,
        noisy: &NoisyModel,
        broadcast: &Broadcast,
        rows: impl IntoIterator<Item = &'a GrowthRow>,
    ) -> Option<Self> {
        let mut squares = 0_i128;
        let mut schools: BTreeMap<u32, (i64, i128)> = BTreeMap::new();
        for row in rows {
            let one = residual(model, &broadcast.ols, row)?.clamp(-noisy.clip, noisy.clip);
            let one = i128::from(one);
            squares += one * one;
            let (n, sum) = schools.entry(row.school).or_default();
            (*n, *sum) = (*n + 1, *sum + one);
        }
        let clipped = schools.into_values().map(|(n, sum)| {
            let most = i128::from(n) * i128::from(noisy.school_clip);
            (n, sum.clamp(-most, most))
        });
        Some(Self { squares, schools: clipped.collect() })
    }
}

/// y − x'β, grid units, rounded half up.
fn residual(model: &Model, beta: &[i64], row: &GrowthRow) -> Option<i64> {
    let outcome = model.outcome();
    let explained =
        row.values[..outcome].iter().zip(beta).try_fold(0_i128, |sum, (value, beta)| {
            sum.checked_add(i128::from(*value) * i128::from(*beta))
        });
    let fine = (i128::from(row.values[outcome]) << COEFFICIENT_BITS).checked_sub(explained?)?;
    let half = 1_i128 << (COEFFICIENT_BITS - 1);
    i64::try_from((fine + half) >> COEFFICIENT_BITS).ok()
}

#[cfg(test)]
mod tests;
