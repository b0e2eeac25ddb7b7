//! Growth models from their sums.

use flashlight_proto::growth::Broadcast;
use flashlight_proto::layout::Layout;
use flashlight_proto::release::GrowthEstimates;
use flashlight_proto::study::Study;

/// Sums that give no model. Names the model, never a sum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("growth model {model}: {what}")]
pub struct GrowthError {
    /// The model.
    pub model: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl GrowthError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "growth_model"
    }
}

/// The constants at which the second round is taken, from the sums of the first: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn constants(
    _study: &Study,
    layout: &Layout,
    _sums: &[i64],
) -> Result<Vec<Broadcast>, GrowthError> {
    Err(GrowthError { model: layout.hash().to_string(), what: "not there yet".to_owned() })
}

/// All estimates, from the sums of both rounds: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn estimates(
    _study: &Study,
    _first: (&Layout, &[i64]),
    second: (&Layout, &[i64]),
) -> Result<Vec<GrowthEstimates>, GrowthError> {
    Err(GrowthError { model: second.0.hash().to_string(), what: "not there yet".to_owned() })
}
