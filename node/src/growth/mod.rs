//! Growth models at a district: from records to sums of schools, and from those to words.

mod rows;
mod sums;

pub(crate) use self::rows::{PRIOR_SCORES, growth_rows};
pub use self::sums::{GrowthError, GrowthRow, SchoolSums, growth_words};
