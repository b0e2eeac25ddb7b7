//! Rows of students -> the words of one growth model in the round that is asked.

use flashlight_proto::layout::GrowthBlock;

use super::counts::{Offering, effect_words};
use super::noisy::noisy_words;
use super::sums::{GrowthError, GrowthRow, SchoolSums, growth_words};

/// The words of one model, exact; `offering` is asked for where the round counts school effects.
///
/// # Errors
/// [`GrowthError`] when the rows are not the model's, or a sum passes its bound.
pub fn block_words(
    block: &GrowthBlock,
    rows: &[GrowthRow],
    offering: impl FnOnce() -> Offering,
) -> Result<Vec<i64>, GrowthError> {
    let counts = block.broadcast.as_ref().filter(|broadcast| broadcast.effects.is_some());
    match (counts, &block.model.noisy) {
        (Some(broadcast), _) => effect_words(&block.model, broadcast, rows, &offering()),
        (None, Some(_)) => noisy_words(block, rows),
        (None, None) => growth_words(block, &SchoolSums::of(rows, &block.model)?),
    }
}
