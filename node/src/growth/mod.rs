//! Growth models at a district: from records to sums of schools, from those to words, and from the
//! network's coefficients back to the district's own schools.

mod effects;
mod sums;

pub use self::effects::{SchoolEffect, school_effect};
pub use self::sums::{GrowthError, GrowthRow, SchoolSums, growth_words};
