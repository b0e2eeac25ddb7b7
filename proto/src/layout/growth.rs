//! The words of growth models in a layout (`growth.rs` of the crate says what they sum).

use super::{LayoutError, MAX_WORDS};
use crate::{
    canonical::Transcript,
    growth::{Broadcast, Model, Quantity},
    schools::SchoolTable,
    study::Study,
};

/// One model's words of one round.
#[derive(Clone, Debug)]
pub struct GrowthBlock {
    /// The model.
    pub model: Model,
    /// What the second round is taken at; `None` in the first.
    pub broadcast: Option<Broadcast>,
    /// What is summed, in the order of the words.
    pub quantities: Vec<Quantity>,
    first_word: usize,
    words: usize,
}

impl GrowthBlock {
    fn new(
        model: Model,
        broadcast: Option<Broadcast>,
        words: &mut usize,
    ) -> Result<Self, LayoutError> {
        let quantities = broadcast.as_ref().map_or_else(|| model.first(), |at| model.later(at));
        let first_word = *words;
        let ours = quantities.iter().map(|one| one.words).sum();
        *words += ours;
        if *words > MAX_WORDS {
            return Err(LayoutError::GrowthTooLarge);
        }
        Ok(Self { model, broadcast, quantities, first_word, words: ours })
    }

    /// Where its words are in a contribution.
    #[must_use]
    pub const fn range(&self) -> std::ops::Range<usize> {
        self.first_word..self.first_word + self.words
    }

    /// The summed quantities, in order. `words` is the whole layout's; missing ones count as 0.
    #[must_use]
    pub fn join(&self, words: &[i64]) -> Vec<i128> {
        let mut at = self.first_word;
        let joined = self.quantities.iter().map(|quantity| {
            let value = quantity.join(words.get(at..at + quantity.words).unwrap_or_default());
            at += quantity.words;
            value
        });
        joined.collect()
    }

    /// The word's name; `None` when it is not of this block.
    pub(super) fn name(&self, word: usize) -> Option<String> {
        if !self.range().contains(&word) {
            return None;
        }
        let mut end = self.first_word;
        let found = self.quantities.iter().find(|quantity| {
            end += quantity.words;
            word < end
        })?;
        let part = match (found.words, end - word) {
            (1, _) => "",
            (_, 2) => "/high",
            _ => "/low",
        };
        Some(format!("{}{part}", found.name))
    }

    /// Adds all that names and scales the block's words.
    pub(super) fn describe(&self, transcript: Transcript) -> Transcript {
        let start = self.model.describe(transcript).u64(self.first_word as u64);
        let named = self.quantities.iter().fold(start, |transcript, quantity| {
            transcript
                .bytes(quantity.name.as_bytes())
                .u64(u64::from(quantity.fraction_bits))
                .u64(quantity.words as u64)
        });
        match &self.broadcast {
            None => named.u64(0),
            Some(broadcast) => named.u64(1).bytes(broadcast.digest().as_bytes()),
        }
    }
}

/// Whether the school table has a figure in every column that a model takes.
pub(super) fn figures(study: &Study, schools: &SchoolTable) -> Result<(), LayoutError> {
    let year = study.school_year;
    for spec in &study.growth {
        let is_there = |column: &str| {
            let mut ours = schools.iter().filter(|school| school.school_year == year);
            ours.any(|school| school.public.contains_key(column))
        };
        if let Some(missing) = spec.public.iter().find(|one| !is_there(&one.column)) {
            let (id, column) = (spec.id.clone(), missing.column.clone());
            return Err(LayoutError::Public { id, column, year });
        }
    }
    Ok(())
}

pub(super) fn first(study: &Study, words: &mut usize) -> Result<Vec<GrowthBlock>, LayoutError> {
    let models = Model::of_study(study).into_iter();
    models.map(|model| GrowthBlock::new(model, None, words)).collect()
}

/// Of the second round, and of the third.
pub(super) fn later(
    study: &Study,
    broadcasts: &[Broadcast],
    words: &mut usize,
) -> Result<Vec<GrowthBlock>, LayoutError> {
    let mut models = Model::of_study(study);
    // The third counts effects, of the models that have any.
    if broadcasts.iter().any(|one| one.effects.is_some()) {
        models.retain(|model| broadcasts.iter().any(|one| one.model == model.name));
        if let Some(other) = broadcasts.iter().find(|one| one.effects.is_none()) {
            return Err(LayoutError::Mixed { model: other.model.clone() });
        }
    }
    if models.len() != broadcasts.len() {
        return Err(LayoutError::Broadcasts { got: broadcasts.len(), want: models.len() });
    }
    let mut blocks = Vec::with_capacity(models.len());
    for (model, broadcast) in models.into_iter().zip(broadcasts) {
        broadcast.check(&model)?;
        blocks.push(GrowthBlock::new(model, Some(broadcast.clone()), words)?);
    }
    Ok(blocks)
}
