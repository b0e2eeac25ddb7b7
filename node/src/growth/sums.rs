//! Rows of students -> sums of schools -> words of a growth model (`flashlight_proto::growth`).
//!
//! In: the rows of one model's students. Out: exact sums per school, and of those the words of either
//! round. Integers only: what is no integer is floored once per school at the fraction bits its quantity
//! has, and a cluster score is rounded to nearest once. Promise: a sum that passes its bound is a
//! refusal, never a wrapped word. Touches nothing.

use std::collections::BTreeMap;

use flashlight_proto::growth::{
    Broadcast, COEFFICIENT_BITS, Lambda, Model, Quantity, SCHOOL_MOST, upper,
};
use flashlight_proto::layout::GrowthBlock;
use flashlight_proto::study::SEM_UNITS_PER_POINT;

/// Bits of the whole part of κ and its like.
const WEIGHT_BITS: u32 = 48;

/// One student's row in one growth model. Computed from student data: neither shown nor serialised.
pub struct GrowthRow {
    /// The school, by any number that is the same for all its students.
    pub school: u32,
    /// The model's columns: clipped and centred, grid units; 0 or 1.
    pub values: Vec<i64>,
    /// Standard error of measurement of each prior, hundredths of a point; empty where none are known.
    pub errors: Vec<u32>,
}

/// The sums of one school in one model: exact. Neither shown nor serialised.
pub struct SchoolSums {
    /// Students.
    pub n: i64,
    /// T: sums of the columns.
    pub t: Vec<i64>,
    /// Σ ww', upper triangle row by row.
    pub m: Vec<i128>,
    /// Σ sem² of each prior, hundredths of a point squared; empty where none are known.
    pub c: Vec<i128>,
}

/// Sums that make no words. Names the model, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("growth model {model}: {what}")]
pub struct GrowthError {
    /// The model.
    pub model: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl GrowthError {
    fn new(model: &Model, what: impl Into<String>) -> Self {
        Self { model: model.name.clone(), what: what.into() }
    }
}

impl SchoolSums {
    fn empty(model: &Model) -> Self {
        let q = model.q();
        let (t, m) = (vec![0; q], vec![0; q * (q + 1) / 2]);
        Self { n: 0, t, m, c: vec![0; model.measured] }
    }

    /// The sums of every school that has a row.
    ///
    /// # Errors
    /// [`GrowthError`] when a row does not fit the model, or a school is larger than [`SCHOOL_MOST`].
    pub fn of<'a>(
        rows: impl IntoIterator<Item = &'a GrowthRow>,
        model: &Model,
    ) -> Result<BTreeMap<u32, Self>, GrowthError> {
        let mut schools: BTreeMap<u32, Self> = BTreeMap::new();
        for row in rows {
            if row.values.len() != model.q() || row.errors.len() != model.measured {
                return Err(GrowthError::new(model, "a row has not the model's columns"));
            }
            schools.entry(row.school).or_insert_with(|| Self::empty(model)).add(row);
        }
        if schools.values().any(|school| school.n > i64::from(SCHOOL_MOST)) {
            let what = format!(
                "a school has more than {SCHOOL_MOST} students in one grade; check school_id in the \
                 district's files"
            );
            return Err(GrowthError::new(model, what));
        }
        Ok(schools)
    }

    fn add(&mut self, row: &GrowthRow) {
        self.n += 1;
        for (sum, value) in self.t.iter_mut().zip(&row.values) {
            *sum += value;
        }
        let mut at = self.m.iter_mut();
        for (j, one) in row.values.iter().enumerate() {
            for (two, sum) in row.values[j..].iter().zip(&mut at) {
                *sum += i128::from(*one) * i128::from(*two);
            }
        }
        for (sum, error) in self.c.iter_mut().zip(&row.errors) {
            *sum += i128::from(*error) * i128::from(*error);
        }
    }

    /// T_j·T_k.
    fn square(&self, j: usize, k: usize) -> i128 {
        i128::from(self.t[j]) * i128::from(self.t[k])
    }

    /// n times the entry of D'D, by columns: between students, or of a school's means.
    fn moment(&self, (j, j_mean): (usize, bool), (k, k_mean): (usize, bool)) -> Option<i128> {
        if j_mean || k_mean {
            return Some(self.square(j, k));
        }
        let (j, k) = (j.min(k), j.max(k));
        let q = self.t.len();
        let at = j * q - j * (j + 1) / 2 + k;
        self.m[at].checked_mul(i128::from(self.n))
    }
}

/// The words of one model in one round.
///
/// # Errors
/// [`GrowthError`] when a sum passes its bound.
pub fn growth_words(
    block: &GrowthBlock,
    schools: &BTreeMap<u32, SchoolSums>,
) -> Result<Vec<i64>, GrowthError> {
    let model = &block.model;
    let values = match &block.broadcast {
        None => first(model, schools),
        Some(broadcast) => second(model, broadcast, schools),
    };
    let too_large = || {
        let what = "a sum passes its bound; ask the hub for a coarser grid (units_per_point) or bounds \
                    closer to the scores";
        GrowthError::new(model, what)
    };
    let values = values.ok_or_else(too_large)?;
    if values.len() != block.quantities.len() {
        return Err(GrowthError::new(model, "the layout is another model's"));
    }
    let mut words = Vec::with_capacity(block.range().len());
    for (quantity, value) in block.quantities.iter().zip(values) {
        Quantity::split(quantity, value, &mut words).ok_or_else(too_large)?;
    }
    Ok(words)
}

/// Sums `of` over the schools.
fn total(
    schools: &BTreeMap<u32, SchoolSums>,
    of: impl Fn(&SchoolSums) -> Option<i128>,
) -> Option<i128> {
    schools.values().try_fold(0_i128, |sum, school| sum.checked_add(of(school)?))
}

fn first(model: &Model, schools: &BTreeMap<u32, SchoolSums>) -> Option<Vec<i128>> {
    let q = model.q();
    let mut values =
        vec![total(schools, |school| Some(school.n.into()))?, schools.len().try_into().ok()?];
    let mut histogram = vec![0_i128; usize::try_from(SCHOOL_MOST).ok()?];
    for school in schools.values() {
        *histogram.get_mut(usize::try_from(school.n).ok()?.checked_sub(1)?)? += 1;
    }
    values.extend(histogram);
    for at in 0..q * (q + 1) / 2 {
        values.push(total(schools, |school| Some(school.m[at]))?);
    }
    for (j, k) in upper(q) {
        let bits = model.ratio_bits(j, k);
        values.push(total(schools, |school| {
            let scaled = school.square(j, k).checked_mul(1 << bits)?;
            Some(scaled.div_euclid(school.n.into()))
        })?);
    }
    for (j, k) in upper(q) {
        values.push(total(schools, |school| Some(school.square(j, k)))?);
    }
    for at in 0..model.measured {
        values.push(total(schools, |school| Some(school.c[at]))?);
    }
    for at in 0..model.measured {
        values.push(total(schools, |school| {
            let scaled = school.c[at].checked_mul(1 << model.error_bits())?;
            Some(scaled.div_euclid(school.n.into()))
        })?);
    }
    Some(values)
}

fn second(
    model: &Model,
    broadcast: &Broadcast,
    schools: &BTreeMap<u32, SchoolSums>,
) -> Option<Vec<i128>> {
    let q = model.q();
    let mut values = Vec::new();
    for lambda in &broadcast.lambdas {
        for (j, k) in upper(q) {
            let bits = model.ratio_bits(j, k);
            values.push(total(schools, |school| {
                Weight::kappa(*lambda, school.n)?.times(school.square(j, k), bits)
            })?);
        }
        for of in [Weight::kappa, Weight::shrunk] {
            for at in 0..model.measured {
                values.push(total(schools, |school| {
                    of(*lambda, school.n)?.times(school.c[at], model.error_bits())
                })?);
            }
        }
    }
    let betas = [(Some(&broadcast.ols), false), (broadcast.eiv.as_ref(), true)];
    for (beta, corrected) in betas {
        let Some(beta) = beta else { continue };
        let scores = schools.values().map(|school| score(model, school, beta, corrected));
        let scores: Vec<Vec<i128>> = scores.collect::<Option<_>>()?;
        for (j, k) in upper(model.p()) {
            let meat = scores
                .iter()
                .try_fold(0_i128, |sum, score| sum.checked_add(score[j].checked_mul(score[k])?));
            values.push(meat?);
        }
    }
    Some(values)
}

/// A public weight in (0, 1], relative error below 2⁻⁴⁷: whole·2^−exponent.
struct Weight {
    whole: i128,
    exponent: u32,
}

impl Weight {
    /// The ratio of two positive integers, with 48 bits.
    fn ratio(above: i128, below: i128) -> Option<Self> {
        let bits = |value: i128| i128::BITS - value.leading_zeros();
        let exponent = (WEIGHT_BITS + bits(below)).checked_sub(bits(above))?;
        let scaled = above.checked_mul(1_i128.checked_shl(exponent)?)?;
        Some(Self { whole: scaled / below, exponent })
    }

    /// κ = λ/(1 + nλ).
    fn kappa(lambda: Lambda, n: i64) -> Option<Self> {
        let mantissa = i128::from(lambda.mantissa);
        Self::ratio(mantissa, (1_i128 << lambda.exponent) + i128::from(n) * mantissa)
    }

    /// 1/(n(1 + nλ)).
    fn shrunk(lambda: Lambda, n: i64) -> Option<Self> {
        let one = 1_i128 << lambda.exponent;
        let below = one + i128::from(n) * i128::from(lambda.mantissa);
        Self::ratio(one, below.checked_mul(n.into())?)
    }

    /// ⌊value·weight·2^bits⌋.
    fn times(&self, value: i128, bits: u32) -> Option<i128> {
        let product = value.checked_mul(self.whole)?;
        Some(if bits >= self.exponent {
            product.checked_mul(1_i128.checked_shl(bits - self.exponent)?)?
        } else {
            product >> (self.exponent - bits).min(i128::BITS - 1)
        })
    }
}

/// A school's score Σ D(y − D'β), with the correction for errors of measurement where asked, each entry in
/// units of 2^−`score_bits`.
fn score(model: &Model, school: &SchoolSums, beta: &[i64], corrected: bool) -> Option<Vec<i128>> {
    let outcome = (model.outcome(), false);
    let terms: Vec<(usize, bool)> =
        model.sources().enumerate().map(|(at, source)| (source, at >= model.outcome())).collect();
    let units = i128::from(model.columns[model.outcome()].units);
    let per_point = i128::from(SEM_UNITS_PER_POINT);
    let n = i128::from(school.n);
    let coefficient = |of: usize, mean: bool| {
        let at = terms.iter().position(|term| *term == (of, mean));
        at.map_or(0, |at| i128::from(beta[at]))
    };
    let entry = |at: usize| {
        let (source, mean) = terms[at];
        // n·g in 2^−40.
        let mut sum = school.moment((source, mean), outcome)?.checked_mul(1 << COEFFICIENT_BITS)?;
        for (term, beta) in terms.iter().zip(beta) {
            let part = school.moment((source, mean), *term)?.checked_mul(i128::from(*beta))?;
            sum = sum.checked_sub(part)?;
        }
        if corrected && (1..=model.measured).contains(&source) {
            // S_νν β: [[C, C/n], [C/n, C/n]] on a prior and its school mean, in points².
            let (own, mean_of) = (coefficient(source, false), coefficient(source, true));
            let weight = if mean { own + mean_of } else { n.checked_mul(own)? + mean_of };
            let scaled = school.c[source - 1].checked_mul(weight)?.checked_mul(units * units)?;
            sum = sum.checked_add(scaled.div_euclid(per_point * per_point))?;
        }
        let below = n.checked_mul(1 << (COEFFICIENT_BITS - model.score_bits(at)))?;
        Some(sum.checked_add(below / 2)?.div_euclid(below))
    };
    (0..model.p()).map(entry).collect()
}
