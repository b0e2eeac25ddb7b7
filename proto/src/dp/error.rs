//! Why a study cannot be run with noise, and what to change.

use super::share::MAX_SCALE_BITS;
use crate::study::StudyError;

/// A study that cannot be run with noise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// There is no noise in `exact` mode.
    #[error("the study says mode = \"exact\": no noise, no formal privacy guarantee")]
    Exact,
    /// The numbers of the cohort do not work out.
    #[error("the cohort does not work out")]
    Cohort(#[source] Box<StudyError>),
    /// The layout or the school table is another study's.
    #[error("the layout, the school table and the study do not belong together")]
    Layout,
    /// A school without public enrolment in a year that is read.
    #[error(
        "the school table gives school {school_id} no enrollment in {year}; in dp mode every \
         school needs its public Census-Day enrolment in every year read"
    )]
    Enrollment {
        /// The school.
        school_id: String,
        /// The school year.
        year: i16,
    },
    /// More noise shares than the grid can be refined for.
    #[error(
        "{block}: the noise would be finer than 2^-{MAX_SCALE_BITS} of a grid unit; lower rho, \
         which hardly protects anybody"
    )]
    TooFine {
        /// The block.
        block: String,
    },
    /// Sums that might wrap.
    #[error(
        "{block}: the sums of all districts with their noise might pass 2^63; use a coarser grid \
         (units_per_point) or narrower bounds"
    )]
    Overflow {
        /// The block.
        block: String,
    },
}

impl NoiseError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exact => "noise_exact",
            Self::Cohort(error) => error.code(),
            Self::Layout => "noise_layout",
            Self::Enrollment { .. } => "noise_enrollment",
            Self::TooFine { .. } => "noise_too_fine",
            Self::Overflow { .. } => "noise_overflow",
        }
    }
}
