//! A district's own school effects, from its schools' sums and the network's public coefficients.
//!
//! The mean residual of a school is shrunk towards 0 by how much of it is chance (empirical best linear
//! unbiased prediction): û = γr̄, γ = nτ²/(σ² + nτ²), with prediction error variance
//! τ²(1 − γ) + γ²D̄'Var(β)D̄. Stays at the district.

use flashlight_proto::growth::Model;
use flashlight_proto::release::{EivEstimates, MixedEstimates};
use flashlight_proto::study::SEM_UNITS_PER_POINT;

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
    if fit.covariance.len() != model.p() {
        return None;
    }
    let (means, residual) = mean_residual(model, school, &fit.beta)?;
    let n = points(school.n);
    let gamma = n * fit.tau2 / n.mul_add(fit.tau2, fit.sigma2);
    let pev = fit.tau2 * (1.0 - gamma) + gamma * gamma * spread(&fit.covariance, &means);
    Some(SchoolEffect {
        n: school.n,
        residual,
        effect: gamma * residual,
        error: pev.max(0.0).sqrt(),
    })
}

/// The effect of one school under coefficients corrected for the priors' errors of measurement.
///
/// School means are of observed priors, so a mean residual holds −ν̄'(β + γ), β and γ the coefficients of
/// the priors and of their means: its variance but for u is σ̃²/n, σ̃² = σ² + (β + γ)'Σ̄(β + γ), Σ̄ the
/// school's mean squared errors of measurement. The prediction error variance is τ²(1 − γ) + γ²D̄'Var(β)D̄
/// with the sandwich covariance of the coefficients without random intercepts, in place of those with
/// them, whose scores nobody sums. Where the release has none (only a share of the correction was made),
/// the coefficients' error is left out, and intervals are too short. `None` where there are no such
/// coefficients or sizes differ.
#[must_use]
pub fn corrected_effect(
    model: &Model,
    school: &SchoolSums,
    fit: &EivEstimates,
) -> Option<SchoolEffect> {
    let beta = &fit.mixed.as_ref()?.beta;
    let (means, residual) = mean_residual(model, school, beta)?;
    let of_coefficients = match &fit.covariance {
        Some(covariance) if covariance.len() != model.p() => return None,
        Some(covariance) => spread(covariance, &means),
        None => 0.0,
    };
    let n = points(school.n);
    let sigma2 = fit.share.mul_add(observed_error(model, school, beta), fit.sigma2);
    let gamma = n * fit.tau2 / n.mul_add(fit.tau2, sigma2);
    let pev = fit.tau2 * (1.0 - gamma) + gamma * gamma * of_coefficients;
    Some(SchoolEffect {
        n: school.n,
        residual,
        effect: gamma * residual,
        error: pev.max(0.0).sqrt(),
    })
}

/// (β + γ)'Σ̄(β + γ), points squared.
fn observed_error(model: &Model, school: &SchoolSums, beta: &[f64]) -> f64 {
    let per_point = f64::from(SEM_UNITS_PER_POINT);
    let priors = school.c.iter().enumerate().map(|(at, sum)| {
        let of = model.sources().zip(beta).filter(|(source, _)| *source == 1 + at);
        let slope: f64 = of.map(|(_, one)| one).sum();
        let sum = i64::try_from(*sum).map_or(f64::NAN, points);
        slope * slope * sum / (points(school.n) * per_point * per_point)
    });
    priors.sum()
}

/// D̄'Var(β)D̄.
fn spread(covariance: &[Vec<f64>], means: &[f64]) -> f64 {
    let row = |row: &Vec<f64>| row.iter().zip(means).map(|(a, b)| a * b).sum::<f64>();
    covariance.iter().zip(means).map(|(one, mean)| mean * row(one)).sum()
}

/// D̄ and r̄ of one school, points. `None` where the sizes differ or nobody is there.
fn mean_residual(model: &Model, school: &SchoolSums, beta: &[f64]) -> Option<(Vec<f64>, f64)> {
    if beta.len() != model.p() || school.n < 1 {
        return None;
    }
    let n = points(school.n);
    let mean = |at: usize| points(school.t[at]) / (n * f64::from(model.columns[at].units));
    let means: Vec<f64> = model.sources().map(mean).collect();
    let y = mean(model.outcome()) + model.centre(model.outcome());
    let residual = y - means.iter().zip(beta).map(|(mean, beta)| mean * beta).sum::<f64>();
    Some((means, residual))
}

/// A sum of one school, which is far below 2⁵³.
fn points(sum: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 4,096 values below 2⁴⁰")]
    let points = sum as f64;
    points
}
