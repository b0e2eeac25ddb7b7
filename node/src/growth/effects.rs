//! A district's own school effects, from its schools' sums and the network's public coefficients.
//!
//! The mean residual of a school is shrunk towards 0 by how much of it is chance (empirical best linear
//! unbiased prediction): û = γr̄, γ = nτ²/(σ² + nτ²), with prediction error variance
//! τ²(1 − γ) + γ²D̄'Var(β)D̄. Stays at the district.

use flashlight_proto::growth::Model;
use flashlight_proto::release::MixedEstimates;

use super::SchoolSums;

/// One school's growth in one model. Points of the test.
#[derive(Clone, Copy, PartialEq)]
pub struct SchoolEffect {
    /// Students.
    pub n: i64,
    /// r̄: mean residual.
    pub residual: f64,
    /// û: the residual, shrunk.
    pub effect: f64,
    /// √PEV: how far û may be from the school's true effect.
    pub error: f64,
}

/// The effect of one school; `fit` is the release's, of this model. `None` where their sizes differ.
#[must_use]
pub fn school_effect(
    model: &Model,
    school: &SchoolSums,
    fit: &MixedEstimates,
) -> Option<SchoolEffect> {
    let p = model.p();
    if fit.beta.len() != p || fit.covariance.len() != p || school.n < 1 {
        return None;
    }
    let n = points(school.n);
    let mean = |at: usize| points(school.t[at]) / (n * f64::from(model.columns[at].units));
    let means: Vec<f64> = model.sources().map(mean).collect();
    let outcome = &model.columns[model.outcome()];
    let y = mean(model.outcome()) + points(outcome.centre) / f64::from(outcome.units);
    let residual = y - means.iter().zip(&fit.beta).map(|(mean, beta)| mean * beta).sum::<f64>();
    let gamma = n * fit.tau2 / n.mul_add(fit.tau2, fit.sigma2);
    let rows = fit.covariance.iter().zip(&means);
    let spread: f64 =
        rows.map(|(row, one)| one * row.iter().zip(&means).map(|(a, b)| a * b).sum::<f64>()).sum();
    let pev = fit.tau2 * (1.0 - gamma) + gamma * gamma * spread;
    Some(SchoolEffect {
        n: school.n,
        residual,
        effect: gamma * residual,
        error: pev.max(0.0).sqrt(),
    })
}

/// A sum of one school, which is far below 2⁵³.
fn points(sum: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 4,096 values below 2²⁸")]
    let points = sum as f64;
    points
}
