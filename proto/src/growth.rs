//! Growth models as integers: the columns of each model, the quantities that are summed over districts,
//! and how each becomes words that cannot wrap.
//!
//! In: a checked [`Study`]. Out: [`Model`]s, one per section and grade; for each round the named
//! [`Quantity`]s of a model in one order, and the split of a quantity into two words. Promise: a
//! quantity within its bound becomes two words of at most 2⁵⁰ either side of 0, so that sums over 2,000
//! districts stay below 2⁶². Touches nothing.
//!
//! A student's row is w = (1, priors, covariates, outcome). Scores are clipped to the bounds of the
//! study's test and centred at public constants, in grid units; covariates are 0 or 1. With n rows in a
//! school, T = Σw and C = Σ sem² of each prior there, the first round sums over schools
//!
//! * n, 1 and the histogram of n;
//! * **M** = Σ ww', **A** = TT' (integers) and **B** = TT'/n (fixed point), upper triangles;
//! * **C** and **C̃** = C/n, per prior, where errors of measurement are known;
//!
//! and the second, at the public constants of [`Broadcast`],
//!
//! * **G(λ)** = κTT', κ = λ/(1 + nλ), at each λ; ΣκC and ΣC/(n(1 + nλ)) per prior;
//! * the cluster meat gg' of the scores g = Σ D(y − D'β) at each β, D = (w without outcome, school
//!   means); at errors-in-variables coefficients with their correction.
//!
//! Rounding: every fixed-point quantity is floored once per school, with as many fraction bits as its
//! bound leaves ([`FRACTION_BITS_MAX`] at most), an absolute error below 2^−bits per school.

mod coefficients;
mod distribution;
mod noisy;

use serde::{Deserialize, Serialize};

pub use self::distribution::{CROSSED, EFFECT_BITS, EffectGrid};
pub use self::noisy::{NoisyModel, NoisyQuantity, Term};
use crate::{
    canonical::{Digest, Transcript},
    category::Grade,
    schools::PUBLIC_UNITS,
    study::{Covariate, GrowthSpec, Prior, PublicColumn, Regressor, SEM_UNITS_PER_POINT, Study},
};

/// Radix of the two words of a quantity: v = high·2⁴⁸ + low, 0 ≤ low < 2⁴⁸.
pub const RADIX_BITS: u32 = 48;
/// Bits of the largest quantity of one district.
pub const VALUE_BITS: u32 = RADIX_BITS + 50;
/// Most students of one model in one district.
pub const STUDENTS_BITS: u32 = 21;
/// Largest school of one model, students, and cells of the histogram.
pub const SCHOOL_MOST: u32 = 4_096;
/// Most fraction bits of a quantity.
pub const FRACTION_BITS_MAX: u32 = 60;
/// Fraction bits of a coefficient in a [`Broadcast`], per grid unit.
pub const COEFFICIENT_BITS: u32 = 40;
/// Largest coefficient in a broadcast, before its fraction bits.
const COEFFICIENT_MOST: u64 = 1 << 22;
/// Most λ of one broadcast.
pub const LAMBDAS_MAX: usize = 48;

/// What a column of a student's row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// 1.
    Intercept,
    /// An earlier score.
    Prior(Prior),
    /// A flag.
    Covariate(Covariate),
    /// A column of the public school table, by index into `GrowthSpec::public`.
    Public(usize),
    /// The score explained.
    Outcome,
}

/// One column of a student's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// `one`, `MATH-1`, `sed`, `MATH`.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
    /// Public centre, grid units; 0 for flags.
    pub centre: i64,
    /// Least value, before centring.
    pub low: i64,
    /// Greatest value, before centring.
    pub high: i64,
    /// Grid units per point; 1 for flags.
    pub units: u32,
}

impl Column {
    /// Most that a value lies from the centre: b.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.low.abs_diff(self.centre).max(self.high.abs_diff(self.centre)).max(1)
    }
}

/// One growth model: a section of the study at one grade.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// `math/03`.
    pub name: String,
    /// Index into `Study::growth`.
    pub section: usize,
    /// Grade of the score explained.
    pub grade: Grade,
    /// School year of the score explained.
    pub year: i16,
    /// (1, priors, covariates, outcome): q of them.
    pub columns: Vec<Column>,
    /// The columns that also enter as school means, ascending.
    pub contexts: Vec<usize>,
    /// Number of priors with known errors of measurement: all or 0.
    pub measured: usize,
    /// What `dp` needs; `None` in `exact`.
    pub noisy: Option<NoisyModel>,
    /// Whether a third round counts the network's distribution of school effects.
    pub percentiles: bool,
}

impl Model {
    /// The models of a study, section by section, grades ascending.
    #[must_use]
    pub fn of_study(study: &Study) -> Vec<Self> {
        let sections = study.growth.iter().enumerate();
        let models = sections.flat_map(|(section, spec)| {
            spec.grades.iter().filter_map(move |&grade| Self::new(study, section, spec, grade))
        });
        models.collect()
    }

    /// `None` never happens for a checked study: it gives bounds for every score read.
    fn new(study: &Study, section: usize, spec: &GrowthSpec, grade: Grade) -> Option<Self> {
        let test = study.tests.get(&spec.test)?;
        let score = |name: String, kind, subject, back, centre: Option<i64>| {
            let grade = GrowthSpec::prior_grade(grade, back)?;
            let range = test.scores.get(&subject)?.get(&grade)?;
            let middle = (range.min + range.max).div_euclid(2);
            let (centre, low, high) = (centre.unwrap_or(middle), range.min, range.max);
            Some(Column { name, kind, centre, low, high, units: test.units_per_point })
        };
        let flag = |name, kind, low| Column { name, kind, centre: 0, low, high: 1, units: 1 };
        let mut columns = vec![flag("one".to_owned(), ColumnKind::Intercept, 1)];
        for &prior in &spec.priors {
            let kind = ColumnKind::Prior(prior);
            let Prior { subject, years_back, centre } = prior;
            columns.push(score(prior.to_string(), kind, subject, years_back, centre)?);
        }
        for &covariate in &spec.covariates {
            let one = flag(covariate.to_string(), ColumnKind::Covariate(covariate), 0);
            // Under noise -1/2 and 1/2: half as far from the centre, half the noise.
            let halves = Column { centre: 1, high: 2, units: 2, ..one.clone() };
            columns.push(if spec.noisy.is_some() { halves } else { one });
        }
        for (at, PublicColumn { column, min, max, centre }) in spec.public.iter().enumerate() {
            let (kind, units) = (ColumnKind::Public(at), PUBLIC_UNITS);
            let (name, centre, low, high) = (column.clone(), *centre, *min, *max);
            columns.push(Column { name, kind, centre, low, high, units });
        }
        columns.push(score(spec.subject.to_string(), ColumnKind::Outcome, spec.subject, 0, None)?);
        let context = |&regressor: &Regressor| match regressor {
            Regressor::Prior(at) => 1 + at,
            Regressor::Covariate(at) => 1 + spec.priors.len() + at,
        };
        let noisy = spec.noisy.as_ref().map(|noisy| NoisyModel::new(noisy, spec, grade, &columns));
        Some(Self {
            name: format!("{}/{grade}", spec.id),
            section,
            grade,
            year: study.school_year,
            columns,
            contexts: spec.concentrations.iter().map(context).collect(),
            measured: if spec.measurement.is_known() { spec.priors.len() } else { 0 },
            noisy,
            percentiles: spec.percentiles,
        })
    }

    /// q: columns of a student's row.
    #[must_use]
    pub const fn q(&self) -> usize {
        self.columns.len()
    }

    /// The place of the outcome in a row: the last.
    #[must_use]
    pub const fn outcome(&self) -> usize {
        self.columns.len() - 1
    }

    /// The columns that vary within schools, but for the outcome: neither 1 nor public columns.
    #[must_use]
    pub fn within(&self) -> Vec<usize> {
        let varies = |at: &usize| !matches!(self.columns[*at].kind, ColumnKind::Public(_));
        (1..self.outcome()).filter(varies).collect()
    }

    /// p: coefficients, of all columns but the outcome, then of the school means.
    #[must_use]
    pub const fn p(&self) -> usize {
        self.columns.len() - 1 + self.contexts.len()
    }

    /// The column of each coefficient, in order; those from `outcome()` on are school means.
    pub fn sources(&self) -> impl Iterator<Item = usize> {
        (0..self.outcome()).chain(self.contexts.iter().copied())
    }

    /// The names of the coefficients: `one`, `MATH-1`, `sed`, `mean(MATH-1)`.
    #[must_use]
    pub fn coefficient_names(&self) -> Vec<String> {
        let students = self.columns[..self.outcome()].iter().map(|column| column.name.clone());
        let means = self.contexts.iter().map(|&at| format!("mean({})", self.columns[at].name));
        students.chain(means).collect()
    }

    /// Grid units per point of each coefficient's regressor.
    #[must_use]
    pub fn regressor_units(&self) -> Vec<u32> {
        self.sources().map(|at| self.columns[at].units).collect()
    }

    /// Bits of the largest |Σ over one district of n·b_j·b_k|.
    fn moment_bits(&self, j: usize, k: usize) -> u32 {
        bits(self.columns[j].reach()) + bits(self.columns[k].reach()) + STUDENTS_BITS
    }

    /// Fraction bits of B and G at an entry: what the bound leaves.
    #[must_use]
    pub fn ratio_bits(&self, j: usize, k: usize) -> u32 {
        VALUE_BITS.saturating_sub(self.moment_bits(j, k) + 1).min(FRACTION_BITS_MAX)
    }

    /// Fraction bits of C̃, K and ΣκC: sem is at most 2²⁰ hundredths of a point.
    #[must_use]
    pub const fn error_bits(&self) -> u32 {
        VALUE_BITS - (40 + STUDENTS_BITS + 1) // 36
    }

    /// Fraction bits of one entry of a school's score g; those of gg' are the sums of two.
    #[must_use]
    pub fn score_bits(&self, coefficient: usize) -> u32 {
        let source = self.sources().nth(coefficient).unwrap_or(0);
        let outcome = bits(self.columns[self.outcome()].reach());
        // |g| ≤ n·b_j·|residual|; a residual of a fitted model stays within a few b of the outcome.
        let size = bits(self.columns[source].reach()) + outcome + 3 + 12;
        (VALUE_BITS / 2).saturating_sub(size).min(COEFFICIENT_BITS)
    }

    /// What the first round sums, in order.
    #[must_use]
    pub fn first(&self) -> Vec<Quantity> {
        if let Some(noisy) = &self.noisy {
            return noisy.words(self, &noisy.first(self));
        }
        let q = self.q();
        let mut all = vec![self.whole("n"), self.whole("schools")];
        all.extend((1..=SCHOOL_MOST).map(|n| self.whole(format_args!("schools_of/{n}"))));
        let mut triangle = |name: &str, bits: &dyn Fn(usize, usize) -> u32| {
            all.extend(upper(q).map(|(j, k)| {
                let [one, two] = [j, k].map(|at| self.columns[at].name.as_str());
                self.wide(format_args!("{name}/{one}*{two}"), bits(j, k))
            }));
        };
        triangle("M", &|_, _| 0);
        triangle("B", &|j, k| self.ratio_bits(j, k));
        triangle("A", &|_, _| 0);
        for (name, bits) in [("C", 0), ("Ct", self.error_bits())] {
            all.extend(
                (0..self.measured).map(|at| {
                    self.wide(format_args!("{name}/{}", self.columns[1 + at].name), bits)
                }),
            );
        }
        all
    }

    /// What a later round sums, in order: the second, or the third where the constants have a grid of
    /// effects.
    #[must_use]
    pub fn later(&self, broadcast: &Broadcast) -> Vec<Quantity> {
        if broadcast.effects.is_some() {
            return self.thresholds().map(|k| self.whole(format_args!("effects/{k}"))).collect();
        }
        self.second(broadcast)
    }

    fn second(&self, broadcast: &Broadcast) -> Vec<Quantity> {
        if let Some(noisy) = &self.noisy {
            return noisy.words(self, &noisy.second());
        }
        let mut all = Vec::new();
        for at in 0..broadcast.lambdas.len() {
            all.extend(upper(self.q()).map(|(j, k)| {
                let [one, two] = [j, k].map(|at| self.columns[at].name.as_str());
                self.wide(format_args!("G{at}/{one}*{two}"), self.ratio_bits(j, k))
            }));
            for name in ["kC", "K"] {
                all.extend((0..self.measured).map(|prior| {
                    let column = &self.columns[1 + prior].name;
                    self.wide(format_args!("{name}{at}/{column}"), self.error_bits())
                }));
            }
        }
        let names = self.coefficient_names();
        for (name, beta) in [("meat", Some(&broadcast.ols)), ("meat_eiv", broadcast.eiv.as_ref())] {
            if beta.is_some() {
                all.extend(upper(self.p()).map(|(j, k)| {
                    let bits = self.score_bits(j) + self.score_bits(k);
                    self.wide(format_args!("{name}/{}*{}", names[j], names[k]), bits)
                }));
            }
        }
        all
    }

    fn whole(&self, name: impl std::fmt::Display) -> Quantity {
        Quantity { name: format!("growth/{}/{name}", self.name), fraction_bits: 0, words: 1 }
    }

    fn wide(&self, name: impl std::fmt::Display, fraction_bits: u32) -> Quantity {
        Quantity { name: format!("growth/{}/{name}", self.name), fraction_bits, words: 2 }
    }

    /// Adds all that gives the model's words their meaning.
    pub(crate) fn describe(&self, transcript: Transcript) -> Transcript {
        let start = transcript
            .bytes(self.name.as_bytes())
            .u64(u64::from(self.year.unsigned_abs()))
            .bytes(self.grade.as_str().as_bytes())
            .u64(self.measured as u64)
            .u64(u64::from(SEM_UNITS_PER_POINT));
        let columns = self.columns.iter().fold(start, |transcript, column| {
            [column.centre, column.low, column.high]
                .into_iter()
                .fold(transcript.bytes(column.name.as_bytes()), |transcript, number| {
                    transcript.u64(number.cast_unsigned())
                })
                .u64(u64::from(column.units))
        });
        let contexts =
            self.contexts.iter().fold(columns, |transcript, at| transcript.u64(*at as u64));
        self.noisy.iter().fold(contexts, |transcript, noisy| noisy.describe(transcript))
    }
}

/// One summed number of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// `growth/math/03/M/one*MATH-1`.
    pub name: String,
    /// The quantity is an integer in units of 2^−`fraction_bits`.
    pub fraction_bits: u32,
    /// 1, or 2: high and low.
    pub words: usize,
}

impl Quantity {
    /// Appends a district's value. `None` beyond [`VALUE_BITS`], or 2⁵⁰ for one word.
    #[must_use]
    pub fn split(&self, value: i128, words: &mut Vec<i64>) -> Option<()> {
        let most = if self.words == 1 { VALUE_BITS - RADIX_BITS } else { VALUE_BITS };
        if value.unsigned_abs() > 1 << most {
            return None;
        }
        if self.words == 1 {
            words.push(i64::try_from(value).ok()?);
        } else {
            words.push(i64::try_from(value >> RADIX_BITS).ok()?);
            words.push(i64::try_from(value & ((1 << RADIX_BITS) - 1)).ok()?);
        }
        Some(())
    }

    /// The sum over districts from the sums of its words; `words` holds at least as many as it has.
    #[must_use]
    pub fn join(&self, words: &[i64]) -> i128 {
        match *words {
            [high, low, ..] if self.words == 2 => {
                (i128::from(high) << RADIX_BITS) + i128::from(low)
            }
            [one, ..] => i128::from(one),
            [] => 0,
        }
    }
}

/// The pairs (j, k), j ≤ k < size, in the order of the words: row by row.
pub fn upper(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size).flat_map(move |j| (j..size).map(move |k| (j, k)))
}

const fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// A ratio λ = τ²/σ² that every party holds exactly: mantissa·2^−exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// 1 to 2³² − 1.
    pub mantissa: u32,
    /// At most 60.
    pub exponent: u8,
}

impl Lambda {
    /// Most of `exponent`.
    pub const EXPONENT_MAX: u8 = 60;

    /// The nearest to a number in (2⁻²⁸, 2³¹).
    #[must_use]
    pub fn nearest(lambda: f64) -> Option<Self> {
        if !(lambda.is_finite() && lambda > 2f64.powi(-28) && lambda < 2f64.powi(31)) {
            return None;
        }
        let mut exponent = 0;
        let mut scaled = lambda;
        while scaled < 2f64.powi(31) && exponent < Self::EXPONENT_MAX {
            scaled *= 2.0;
            exponent += 1;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 to 2³² by the loop; saturates at its end"
        )]
        let mantissa = scaled.round() as u32;
        Some(Self { mantissa, exponent })
    }

    /// Whether it is above 0 and no finer than it may be.
    const fn is_sound(self) -> bool {
        self.mantissa > 0 && self.exponent <= Self::EXPONENT_MAX
    }

    fn describe(self, transcript: Transcript) -> Transcript {
        transcript.u64(u64::from(self.mantissa)).u64(u64::from(self.exponent))
    }

    /// The number: exact.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.mantissa) / 2f64.powi(i32::from(self.exponent))
    }
}

/// The public constants that the second round of one model is taken at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// `Model::name`.
    pub model: String,
    /// Where G is summed, ascending; none where the variance components are not asked for.
    pub lambdas: Vec<Lambda>,
    /// Ordinary least squares coefficients, grid units of outcome per grid unit of regressor, in
    /// 2^−[`COEFFICIENT_BITS`].
    pub ols: Vec<i64>,
    /// Errors-in-variables coefficients, alike.
    pub eiv: Option<Vec<i64>>,
    /// Of the third round: where school effects are counted. `ols` are then the coefficients that the
    /// effects are taken at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectGrid>,
}

/// A broadcast that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the public constants of growth model {model} cannot be: {what}")]
pub struct BroadcastError {
    /// The model.
    pub model: String,
    /// What is wrong.
    pub what: &'static str,
}

impl BroadcastError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "growth_broadcast"
    }
}

impl Broadcast {
    /// Whether it fits a model.
    ///
    /// # Errors
    /// [`BroadcastError`] naming what does not.
    pub fn check(&self, model: &Model) -> Result<(), BroadcastError> {
        let bad = |what| Err(BroadcastError { model: model.name.clone(), what });
        if self.model != model.name {
            return bad("they are another model's");
        }
        if self.lambdas.len() > LAMBDAS_MAX {
            return bad("there are too many lambdas");
        }
        if !self.lambdas.iter().all(|one| one.is_sound()) {
            return bad("a lambda is 0 or too fine");
        }
        if !self.lambdas.windows(2).all(|pair| pair[0].value() < pair[1].value()) {
            return bad("the lambdas do not ascend");
        }
        if model.noisy.is_some() && !self.lambdas.is_empty() {
            return bad("there are lambdas, which dp does not sum over");
        }
        if let Some(effects) = &self.effects {
            if !model.percentiles {
                return bad("effects are counted, which the study does not ask for");
            }
            if !self.lambdas.is_empty() || self.eiv.is_some() {
                return bad("the third round has what the second is taken at");
            }
            if let Some(fault) = effects.fault(model) {
                return bad(fault);
            }
        } else if self.eiv.is_some() != (model.measured > 0) {
            return bad("errors-in-variables coefficients are there without errors, or missing");
        }
        let most = COEFFICIENT_MOST << COEFFICIENT_BITS;
        for beta in std::iter::once(&self.ols).chain(&self.eiv) {
            if beta.len() != model.p() || beta.iter().any(|one| one.unsigned_abs() > most) {
                return bad("a list of coefficients is too short, too long or too large");
            }
        }
        Ok(())
    }

    /// Hash over all of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let start = Transcript::new("flashlight/growth-broadcast/v1")
            .bytes(self.model.as_bytes())
            .u64(self.lambdas.len() as u64);
        let lambdas = self.lambdas.iter().fold(start, |transcript, one| one.describe(transcript));
        let betas =
            std::iter::once(&self.ols).chain(&self.eiv).fold(lambdas, |transcript, beta| {
                beta.iter().fold(transcript.u64(beta.len() as u64), |transcript, one| {
                    transcript.u64(one.cast_unsigned())
                })
            });
        let effects = self.effects.iter().fold(betas, |transcript, grid| {
            grid.lambda.describe(transcript.bytes(b"effects")).u64(grid.step)
        });
        effects.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantity_is_the_sum_of_its_split_parts(values in prop::collection::vec(-(1_i128 << VALUE_BITS)..=1 << VALUE_BITS, 1..50)) {
            let quantity = Quantity { name: "q".to_owned(), fraction_bits: 0, words: 2 };
            let mut sums = [0_i64; 2];
            for &value in &values {
                let mut words = Vec::new();
                quantity.split(value, &mut words).unwrap();
                prop_assert!(words.iter().all(|word| word.unsigned_abs() <= 1 << 50));
                sums = [sums[0] + words[0], sums[1] + words[1]];
            }
            prop_assert_eq!(quantity.join(&sums), values.iter().sum::<i128>());
        }

        #[test]
        fn a_lambda_is_within_a_part_in_two_to_the_32_of_the_number(lambda in 1e-6_f64..1e4) {
            let near = Lambda::nearest(lambda).unwrap().value();
            prop_assert!((near / lambda - 1.0).abs() <= 2f64.powi(-32));
        }
    }

    #[test]
    fn a_quantity_that_might_wrap_is_refused() {
        let wide = Quantity { name: "q".to_owned(), fraction_bits: 0, words: 2 };
        assert_eq!(wide.split((1 << VALUE_BITS) + 1, &mut Vec::new()), None);
        let one = Quantity { words: 1, ..wide };
        assert_eq!(one.split((1 << 50) + 1, &mut Vec::new()), None);
    }
}
