//! What a release says of one growth model: everything a district needs to recompute its own schools'
//! effects, and everything a reader needs to judge the coefficients.
//!
//! Scores are in points: outcomes as they are, priors less their public centre; flags are 0 or 1; school
//! means are of the same. Variances are in points². Matrices are by row, in the order of `names`.

use serde::{Deserialize, Serialize};

use super::{ReleaseError, effects::EffectDistribution};
use crate::{growth::Model, study::Study};

/// One growth model's estimates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowthEstimates {
    /// `math/03`: the section and the grade.
    pub model: String,
    /// The model as a formula.
    pub formula: String,
    /// The model in words.
    pub words: String,
    /// Spring year of the scores explained.
    pub school_year: i16,
    /// Names of the coefficients, in order.
    pub names: Vec<String>,
    /// Public centre of each regressor, points.
    pub centres: Vec<f64>,
    /// Students.
    pub students: u64,
    /// Schools.
    pub schools: u64,
    /// Ordinary least squares.
    pub ols: OlsEstimates,
    /// Least squares within schools, and Henderson's method III.
    pub henderson: HendersonEstimates,
    /// Random intercepts by restricted maximum likelihood; `None` where they could not be fitted, as
    /// `notes` says.
    pub reml: Option<MixedEstimates>,
    /// Random intercepts by maximum likelihood, alike.
    pub ml: Option<MixedEstimates>,
    /// Corrected for the priors' errors of measurement; `None` where none are known.
    pub eiv: Option<EivEstimates>,
    /// The network's distribution of school effects under `reml`; `None` where none was asked for, or there
    /// are no effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectDistribution>,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
}

/// Ordinary least squares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OlsEstimates {
    /// Coefficients.
    pub beta: Vec<f64>,
    /// Residual sum of squares.
    pub rss: f64,
    /// RSS/(N − p).
    pub s2: f64,
    /// Standard errors if students were independent.
    pub se_iid: Vec<f64>,
    /// Standard errors under the variance components of `henderson` (Moulton).
    pub se_moulton: Vec<f64>,
    /// Cluster-robust standard errors, CR0; the clusters are schools.
    pub se_cr0: Vec<f64>,
    /// CR1: × √(S/(S−1)·(N−1)/(N−p)).
    pub se_cr1: Vec<f64>,
}

/// Least squares within schools, and Henderson's method III.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HendersonEstimates {
    /// Coefficients of the students' regressors within schools, without the intercept.
    pub within_beta: Vec<f64>,
    /// Residual sum of squares within schools.
    pub within_rss: f64,
    /// σ².
    pub sigma2: f64,
    /// τ², at least 0.
    pub tau2: f64,
    /// tr[(D'D)⁻¹D'ZZ'D]: τ² was divided by N less this.
    pub trace: f64,
}

/// Random intercepts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedEstimates {
    /// τ²/σ².
    pub lambda: f64,
    /// σ², between students of a school.
    pub sigma2: f64,
    /// τ², between schools.
    pub tau2: f64,
    /// −2 log-likelihood (restricted, or not).
    pub deviance: f64,
    /// Coefficients.
    pub beta: Vec<f64>,
    /// Standard errors.
    pub se: Vec<f64>,
    /// Covariance of the coefficients.
    pub covariance: Vec<Vec<f64>>,
}

/// Errors in variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EivEstimates {
    /// Coefficients.
    pub beta: Vec<f64>,
    /// Sandwich standard errors, CR0; the clusters are schools. `None` where `share` is below 1.
    pub se_cr0: Option<Vec<f64>>,
    /// Their covariance, alike; of the random intercepts' coefficients it is an approximation.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// σ², without the errors of measurement.
    pub sigma2: f64,
    /// τ², at least 0.
    pub tau2: f64,
    /// How much of the correction was made: 1, or less where all of it would leave no positive definite
    /// matrix (Fuller's modification).
    pub share: f64,
    /// Random intercepts, corrected at λ = τ²/σ² of these; `None` where they could not be fitted.
    pub mixed: Option<MixedEivEstimates>,
}

/// Random intercepts, corrected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedEivEstimates {
    /// τ²/σ² at which they were taken.
    pub lambda: f64,
    /// Coefficients.
    pub beta: Vec<f64>,
}

/// Whether the estimates are those of the study's models: one for each, in order, with its names, and
/// numbers of the right shape.
pub(super) fn check(study: &Study, estimates: &[GrowthEstimates]) -> Result<(), ReleaseError> {
    let models = Model::of_study(study).into_iter().filter(|model| model.noisy.is_none());
    let models: Vec<Model> = models.collect();
    let wrong = |model: &str, what| Err(ReleaseError::Growth { model: model.to_owned(), what });
    if models.len() != estimates.len() {
        let first = models.get(estimates.len()).map_or("", |model| model.name.as_str());
        return wrong(first, "there is not one estimate for each model of the study");
    }
    for (model, estimate) in models.iter().zip(estimates) {
        if estimate.model != model.name {
            return wrong(&model.name, "its place holds another model's estimates");
        }
        if estimate.school_year != model.year {
            return wrong(&model.name, "the estimates are another year's");
        }
        if estimate.names != model.coefficient_names() {
            return wrong(&model.name, "the coefficients are not the model's");
        }
        if estimate.eiv.is_some() && model.measured == 0 {
            return wrong(&model.name, "it is corrected for errors that the study does not know");
        }
        if !estimate.has_shape(model.p(), model.within().len()) {
            return wrong(&model.name, "a list is too short or too long, or a number is no number");
        }
        if estimate.effects.is_some() && !model.percentiles {
            return wrong(&model.name, "it has a distribution that the study does not ask for");
        }
    }
    Ok(())
}

impl GrowthEstimates {
    /// Whether there are `p` coefficients, `within` of them within schools, and every number is finite.
    fn has_shape(&self, p: usize, within: usize) -> bool {
        let finite = |list: &[f64]| list.iter().all(|number| number.is_finite());
        let list = |list: &[f64]| list.len() == p && finite(list);
        let square = |rows: &[Vec<f64>]| rows.len() == p && rows.iter().all(|row| list(row));
        let mixed = |fit: &MixedEstimates| {
            list(&fit.beta)
                && list(&fit.se)
                && square(&fit.covariance)
                && finite(&[fit.lambda, fit.sigma2, fit.tau2, fit.deviance])
        };
        let Self { ols, henderson, reml, ml, eiv, .. } = self;
        let ols_fits = [&ols.beta, &ols.se_iid, &ols.se_moulton, &ols.se_cr0, &ols.se_cr1]
            .into_iter()
            .all(|one| list(one))
            && finite(&[ols.rss, ols.s2]);
        let henderson_fits = henderson.within_beta.len() == within
            && finite(&henderson.within_beta)
            && finite(&[henderson.within_rss, henderson.sigma2, henderson.tau2, henderson.trace]);
        let eiv_fits = eiv.as_ref().is_none_or(|fit| {
            let corrected = fit
                .mixed
                .as_ref()
                .is_none_or(|mixed| list(&mixed.beta) && mixed.lambda.is_finite());
            list(&fit.beta)
                && fit.se_cr0.as_ref().is_none_or(|se| list(se))
                && fit.covariance.as_ref().is_none_or(|rows| square(rows))
                && finite(&[fit.sigma2, fit.tau2, fit.share])
                && corrected
        });
        list(&self.centres)
            && ols_fits
            && henderson_fits
            && reml.iter().chain(ml).all(mixed)
            && eiv_fits
            && self.effects.as_ref().is_none_or(EffectDistribution::has_shape)
    }
}
