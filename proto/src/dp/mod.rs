//! Differential privacy by arithmetic alone: losses, the discrete Gaussian noise that is drawn in
//! shares, and what it does to a study's tables (docs/PRIVACY.md §6).
//!
//! In: a study, its layout, the public school table and the number of districts. Out: a
//! [`NoisePlan`]: per block the exact sensitivity, its part of the study's ρ, the variance every
//! node must draw, and proof that no sum can wrap; [`forecast`](plan::NoisePlan::forecast)s of the
//! error; and the conversion from ρ to (ε, δ).
//! Promise: the noise of any m − c honest survivors alone gives the ρ the study names, for every
//! pair of neighbouring data sets. Node and hub derive the plan separately and bind the round to
//! its digest. Not promised: that a node draws what the plan says; nothing here draws noise, keeps
//! a ledger, or reads student data.

pub mod convert;
mod error;
pub mod forecast;
pub mod growth;
mod plan;
pub mod share;

pub use convert::{Delta, Epsilon, ParameterError, delta_of, epsilon_of, rounded_up};
pub use error::NoiseError;
pub use forecast::{CellForecast, SizeForecast, TableForecast};
pub use growth::GrowthNoise;
pub use plan::{BlockPlan, Drawn, NoisePlan};

pub use crate::study::Rho;
