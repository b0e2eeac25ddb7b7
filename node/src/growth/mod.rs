//! Growth models at a district: from records to rows, from those to sums of schools and to words, and from
//! the network's coefficients back to the district's own schools.

mod counts;
mod effects;
mod local;
mod noisy;
mod rows;
mod sums;
mod words;

pub use self::counts::{Offering, effect_words};
pub use self::effects::{SchoolEffect, corrected_effect, school_effect};
pub use self::local::{LocalGrowth, local_growth, shrinkage};
pub use self::noisy::noisy_words;
pub(crate) use self::rows::{PRIOR_SCORES, growth_rows};
pub use self::sums::{GrowthError, GrowthRow, SchoolSums, growth_words};
pub use self::words::block_words;
