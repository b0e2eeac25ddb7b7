//! Growth models at a district: from records to sums of schools, and from those to words.

mod sums;

pub use self::sums::{GrowthError, GrowthRow, SchoolSums, growth_words};
