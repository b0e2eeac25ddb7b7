//! A growth model under noise: what is summed, and how far one student moves each sum.
//!
//! All regressors are public or a student's own: w = (1, priors, covariates, public columns, outcome), so
//! the normal equations are one matrix M = Σ ww' (docs/GROWTH.md). The first round sums M without the
//! outcome's square; or, from public coefficients β⁰ of an earlier release, M of the regressors and the
//! gradient g = Σ x·clip(y − x'β⁰, ±c_e). The second, at public coefficients, sums Σ e², Σ_s R_s²/n_s with
//! R_s = Σ e clipped to ±n_s·c_E, and the number of schools, for the variance components.
//!
//! Neighbours differ in one student. An entry of M then moves by at most b_j·b_k, of g by b_j·c_e, Σ e² by
//! c_e², the number of schools by 1, and Σ R²/n by max(c_e², 2c_e·c_E + c_E²), and 1 for the floor of each
//! school's term: with r = R/n, one more residual e changes R²/n by (2nre + e² − nr²)/(n + 1), at most the
//! larger of c_e² and 2c_e·c_E, at least −(2c_e·c_E + c_E²). Every word gets its own noise; its part of the model's ρ is proportional
//! to (b_j·b_k/(α_j·α_k))², so that its standard deviation is proportional to α_j·α_k. α is public.

use super::{COEFFICIENT_BITS, Column, ColumnKind, Model, Quantity, upper};
use crate::{
    canonical::Transcript,
    category::Grade,
    study::{GrowthSpec, NoisySpec},
};

/// Part of a section's ρ that the second round takes.
const SECOND: f64 = 0.05;
/// Part of a section's ρ that the third round takes, where there is one.
const THIRD: f64 = 0.10;
/// Part of the first round that goes to the regressors' moments where there is a gradient. A fifth leaves
/// them no positive definite matrix in a third of networks of 75,000 students at ρ = 0.1; a half in none
/// of 20 (`growth-noise-bench`).
const CURVATURE: f64 = 0.5;
/// Ledgers count 10⁻¹² of ρ.
const LEDGER_UNITS: f64 = 1e12;
/// Parts of the second round: Σ e², Σ R²/n, schools.
const RESIDUALS: [f64; 3] = [0.45, 0.45, 0.1];

/// What a model in `dp` is taken with; all of it public.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisyModel {
    /// The model's ρ, of all rounds.
    pub rho: f64,
    /// Of it: the third round's; 0 where there is none.
    pub third: f64,
    /// c_e, grid units of the outcome.
    pub clip: i64,
    /// c_E, alike.
    pub school_clip: i64,
    /// β⁰: grid units of outcome per grid unit of regressor, in 2^−[`COEFFICIENT_BITS`]; the outcome is
    /// centred.
    pub start: Option<Vec<i64>>,
    /// α of each column of a row, grid units.
    pub scales: Vec<f64>,
}

/// One sum of a model in `dp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Σ w_j·w_k.
    Moment(usize, usize),
    /// Σ x_j·clip(y − x'β⁰).
    Gradient(usize),
    /// Σ clip(e)².
    Squares,
    /// Σ_s R_s²/n_s.
    Between,
    /// Schools with a student.
    Schools,
    /// Schools whose effect is at most this many steps.
    AtMost(i64),
}

/// A sum, how far one student moves it, and what it is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoisyQuantity {
    /// Which.
    pub term: Term,
    /// Δ: most that it moves when one student comes or goes, grid units.
    pub reach: u64,
    /// Its part of the section's ρ.
    pub rho: f64,
}

impl NoisyModel {
    pub(super) fn new(
        spec: &NoisySpec,
        section: &GrowthSpec,
        grade: Grade,
        columns: &[Column],
    ) -> Self {
        let at = section.grades.iter().position(|one| *one == grade);
        let start = at.and_then(|at| spec.start.get(at));
        let (outcome, regressors) =
            columns.split_last().map_or((None, columns), |(y, x)| (Some(y), x));
        let units = outcome.map_or(1.0, |outcome| f64::from(outcome.units));
        let centre = outcome.map_or(0.0, |outcome| small(outcome.centre));
        let beta = start.map(|start| {
            let fixed =
                start.beta.iter().zip(regressors).enumerate().map(|(at, (beta, column))| {
                    let grid = beta * units / f64::from(column.units);
                    fixed(if at == 0 { grid - centre } else { grid })
                });
            fixed.collect()
        });
        let mut scales: Vec<f64> = match start {
            Some(start) => {
                let both = start.scales.iter().zip(regressors);
                both.map(|(scale, column)| scale * f64::from(column.units)).collect()
            }
            None => regressors.iter().map(usual).collect(),
        };
        scales.extend(outcome.map(usual));
        Self {
            rho: spec.rho.value(),
            third: if section.percentiles { part(spec.rho.value(), THIRD) } else { 0.0 },
            clip: spec.clip,
            school_clip: spec.school_clip,
            start: beta,
            scales,
        }
    }

    /// What the first round sums, in order.
    #[must_use]
    pub fn first(&self, model: &Model) -> Vec<NoisyQuantity> {
        let reach = |at: usize| model.columns[at].reach();
        let relative = |at: usize| {
            let part = large(reach(at)) / self.scales[at];
            part * part
        };
        let moment = |at: usize| {
            let part = large(reach(at)) / usual(&model.columns[at]);
            part * part
        };
        let size = if self.start.is_some() { model.outcome() } else { model.q() };
        let pairs: Vec<(usize, usize)> =
            upper(size).filter(|pair| *pair != (model.outcome(), model.outcome())).collect();
        let whole: f64 = pairs.iter().map(|&(j, k)| moment(j) * moment(k)).sum();
        let rho = self.rho - part(self.rho, SECOND) - self.third;
        let curvature = if self.start.is_some() { CURVATURE * rho } else { rho };
        let mut all: Vec<NoisyQuantity> = pairs
            .iter()
            .map(|&(j, k)| NoisyQuantity {
                term: Term::Moment(j, k),
                reach: reach(j).saturating_mul(reach(k)),
                rho: curvature * (moment(j) * moment(k) / whole),
            })
            .collect();
        if self.start.is_some() {
            let whole: f64 = (0..size).map(relative).sum();
            all.extend((0..size).map(|at| NoisyQuantity {
                term: Term::Gradient(at),
                reach: reach(at).saturating_mul(self.clip.unsigned_abs()),
                rho: (rho - curvature) * (relative(at) / whole),
            }));
        }
        all
    }

    /// What the second round sums, in order.
    #[must_use]
    pub fn second(&self) -> Vec<NoisyQuantity> {
        let (one, school) = (self.clip.unsigned_abs(), self.school_clip.unsigned_abs());
        let square = one * one;
        let between = square.max(2 * one * school + school * school);
        let reaches = [(Term::Squares, square), (Term::Between, between + 1), (Term::Schools, 1)];
        let whole = part(self.rho, SECOND);
        let parts = reaches.into_iter().zip(RESIDUALS);
        parts
            .map(|((term, reach), part)| NoisyQuantity { term, reach, rho: whole * part })
            .collect()
    }

    /// Most that one student moves a school's effect, divided by λ, grid units (`distribution.rs`).
    #[must_use]
    pub fn effect_reach(&self) -> i64 {
        self.clip.max(self.school_clip)
    }

    /// What the third round sums, in order. One student moves all of it by [`super::CROSSED`] together, so
    /// that ρ is of the whole and in equal parts.
    #[must_use]
    pub fn effects(&self, model: &Model) -> Vec<NoisyQuantity> {
        if self.third <= 0.0 {
            return Vec::new();
        }
        let count = large(model.thresholds_each_side().unsigned_abs() * 2 + 1);
        let rho = self.third / count;
        model.thresholds().map(|k| NoisyQuantity { term: Term::AtMost(k), reach: 1, rho }).collect()
    }

    pub(crate) fn words(&self, model: &Model, quantities: &[NoisyQuantity]) -> Vec<Quantity> {
        let name = |at: usize| model.columns[at].name.as_str();
        let one = |quantity: &NoisyQuantity| match quantity.term {
            Term::Moment(j, k) => format!("M/{}*{}", name(j), name(k)),
            Term::Gradient(at) => format!("g/{}", name(at)),
            Term::Squares => "squares".to_owned(),
            Term::Between => "between".to_owned(),
            Term::Schools => "schools".to_owned(),
            Term::AtMost(k) => format!("effects/{k}"),
        };
        quantities.iter().map(|quantity| model.whole(one(quantity))).collect()
    }

    pub(super) fn describe(&self, transcript: Transcript) -> Transcript {
        let start = transcript
            .u64(self.clip.cast_unsigned())
            .u64(self.school_clip.cast_unsigned())
            .list(self.scales.iter().map(|scale| scale.to_bits().to_le_bytes()));
        let beta = self.start.as_deref().unwrap_or_default();
        start.list(beta.iter().map(|one| one.to_le_bytes()))
    }
}

/// α of a column of which nothing is known but its bounds: √(b·sd), with sd = b/4 for scores.
fn usual(column: &Column) -> f64 {
    let reach = large(column.reach());
    match column.kind {
        ColumnKind::Intercept => reach,
        ColumnKind::Covariate(_) => reach * 0.7,
        ColumnKind::Prior(_) | ColumnKind::Public(_) | ColumnKind::Outcome => reach * 0.5,
    }
}

/// A round's part of ρ, in whole units of ledgers, which round every charge up: the rounds' charges then
/// come to no more than ρ's.
fn part(rho: f64, share: f64) -> f64 {
    (rho * share * LEDGER_UNITS).floor() / LEDGER_UNITS
}

/// Nearest in 2^−[`COEFFICIENT_BITS`]; saturates, and [`super::Broadcast::check`] bounds what is sent.
fn fixed(grid: f64) -> i64 {
    let scaled = grid * 2f64.powi(i32::try_from(COEFFICIENT_BITS).unwrap_or(0));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates; a study bounds what it starts from"
    )]
    let whole = scaled.round() as i64;
    whole
}

/// A bound or a centre: below 2³¹ for any study.
fn small(value: i64) -> f64 {
    f64::from(i32::try_from(value).unwrap_or(i32::MAX))
}

fn large(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}
