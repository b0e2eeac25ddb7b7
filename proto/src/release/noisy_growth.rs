//! What a `dp` release says of one growth model.
//!
//! Units as in `growth.rs`. Everything is computed from noisy sums and public tables, so that none of it
//! costs privacy. Errors hold both: that students and schools are a sample, and the noise.

use serde::{Deserialize, Serialize};

use super::{ReleaseError, effects::EffectDistribution};
use crate::{growth::Model, study::Study};

/// One growth model's estimates under noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyGrowth {
    /// `math/04`: the section and the grade.
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
    /// Students, with noise.
    pub students: f64,
    /// Schools with a student, with noise.
    pub schools: f64,
    /// The model's ρ, of all rounds.
    pub rho: f64,
    /// Hash of the release whose coefficients were started from; none: moments.
    pub start: Option<String>,
    /// Coefficients.
    pub beta: Vec<f64>,
    /// Standard errors: sampling and noise.
    pub se: Vec<f64>,
    /// Of these: what is the noise's.
    pub se_noise: Vec<f64>,
    /// Covariance of the coefficients, by row: sampling and noise.
    pub covariance: Vec<Vec<f64>>,
    /// σ², between students of a school.
    pub sigma2: f64,
    /// τ², between schools, at least 0.
    pub tau2: f64,
    /// α of each coefficient's regressor that suits a study starting from these.
    pub scales: Vec<f64>,
    /// The network's distribution of school effects; `None` where none was asked for, or there are no effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectDistribution>,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
}

impl NoisyGrowth {
    fn has_shape(&self, p: usize) -> bool {
        let list = |list: &[f64]| list.len() == p && list.iter().all(|one| one.is_finite());
        let lists = [&self.centres, &self.beta, &self.se, &self.se_noise, &self.scales];
        lists.into_iter().all(|one| list(one))
            && self.covariance.len() == p
            && self.covariance.iter().all(|row| list(row))
            && [self.students, self.schools, self.rho, self.sigma2, self.tau2]
                .iter()
                .all(|one| one.is_finite())
            && self.tau2 >= 0.0
            && self.effects.as_ref().is_none_or(EffectDistribution::has_shape)
    }
}

/// Whether the estimates are those of the study's models: one for each, in order, with its names, and
/// numbers of the right shape.
pub(super) fn check(study: &Study, estimates: &[NoisyGrowth]) -> Result<(), ReleaseError> {
    let models = Model::of_study(study).into_iter().filter(|model| model.noisy.is_some());
    let models: Vec<Model> = models.collect();
    let wrong = |model: &str, what| Err(ReleaseError::Growth { model: model.to_owned(), what });
    if models.len() != estimates.len() {
        let first = models.get(estimates.len()).map_or("", |model| model.name.as_str());
        return wrong(first, "there is not one estimate for each model of the study");
    }
    for (model, estimate) in models.iter().zip(estimates) {
        if (&estimate.model, estimate.school_year) != (&model.name, model.year) {
            return wrong(&model.name, "its place holds another model's estimates");
        }
        if estimate.names != model.coefficient_names() {
            return wrong(&model.name, "the coefficients are not the model's");
        }
        if !estimate.has_shape(model.p()) {
            return wrong(&model.name, "a list is too short or too long, or a number is no number");
        }
        if estimate.effects.is_some() && !model.percentiles {
            return wrong(&model.name, "it has a distribution that the study does not ask for");
        }
    }
    Ok(())
}
