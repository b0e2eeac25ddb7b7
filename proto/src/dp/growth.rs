//! The noise of growth models: every word has its own (`crate::growth::NoisyModel`).

use std::{collections::BTreeMap, ops::Range};

use super::{Drawn, NoiseError};
use crate::{
    canonical::Transcript,
    growth::{CROSSED, Model, NoisyQuantity, Quantity, Term},
    layout::Layout,
    study::Study,
};

/// The noise of one word of a growth model.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthNoise {
    /// Index into `Study::growth`. A student is in one model of a section, so that its models share ρ.
    pub section: usize,
    /// The model: index into the layout's growth blocks.
    pub model: usize,
    /// What is summed.
    pub term: Term,
    /// `growth/math/04/M/one*MATH-1`.
    pub name: String,
    /// Its word.
    pub word: usize,
    /// Most that one student moves it, grid units: Δ₁ = Δ₂ of the word alone.
    pub reach: u64,
    /// School year measured.
    pub year: i16,
    /// School years read; each is charged.
    pub years: Vec<i16>,
    /// Its part of the section's ρ.
    pub rho: f64,
    /// What every district draws.
    pub drawn: Drawn,
}

impl GrowthNoise {
    /// Standard deviation of a released word over `survivors` districts, grid units.
    #[must_use]
    pub fn sd(&self, survivors: u16) -> f64 {
        (f64::from(survivors) * self.drawn.share_variance).sqrt()
    }

    pub(super) fn describe(&self, transcript: Transcript) -> Transcript {
        let Drawn { variance, share_variance, scale_bits, scale, .. } = self.drawn;
        transcript
            .bytes(self.name.as_bytes())
            .u64(self.word as u64)
            .u64(self.reach)
            .list(self.years.iter().map(|year| year.to_le_bytes()))
            .u64(u64::from(scale_bits))
            .list(
                [self.rho, variance, share_variance, scale]
                    .map(|number| number.to_bits().to_le_bytes())
                    .iter(),
            )
    }
}

/// The noise of a layout's growth words, and of those of the rounds after it; none in `exact`.
pub(super) fn growth_noise(
    study: &Study,
    layout: &Layout,
    honest: u16,
) -> Result<[Vec<GrowthNoise>; 2], NoiseError> {
    let (mut all, mut later) = (Vec::new(), Vec::new());
    for (at, block) in layout.growth().iter().enumerate() {
        let model = &block.model;
        let Some(noisy) = &model.noisy else { continue };
        let words = (block.quantities.as_slice(), block.range());
        let rounds = [noisy.first(model), noisy.second(), noisy.effects(model)];
        let round = match &block.broadcast {
            None => 0,
            Some(broadcast) => 1 + usize::from(broadcast.effects.is_some()),
        };
        all.extend(of_model(study, (at, model), &rounds[round], words, honest)?);
        for to_come in &rounds[round + 1..] {
            // Their places are the later layout's; here they only say what is still to come.
            let named = noisy.words(model, to_come);
            let words = (named.as_slice(), 0..named.len());
            later.extend(of_model(study, (at, model), to_come, words, honest)?);
        }
    }
    Ok([all, later])
}

fn of_model(
    study: &Study,
    (at, model): (usize, &Model),
    quantities: &[NoisyQuantity],
    (names, words): (&[Quantity], Range<usize>),
    honest: u16,
) -> Result<Vec<GrowthNoise>, NoiseError> {
    let back = i16::from(study.growth[model.section].years_back());
    let too_fine = |name: &str| NoiseError::TooFine { block: name.to_owned() };
    // School effects move together: one noise scale for all, in equal parts.
    let shared = match (quantities, names) {
        ([one, ..], [first, ..]) if matches!(one.term, Term::AtMost(_)) => {
            let whole: f64 = quantities.iter().map(|one| one.rho).sum();
            let moved = (u128::from(CROSSED), u128::from(CROSSED));
            let drawn = Drawn::new(moved, whole, honest, quantities.len())
                .ok_or_else(|| too_fine(&first.name))?;
            Some(Drawn { realised_rho: drawn.realised_rho * (one.rho / whole), ..drawn })
        }
        _ => None,
    };
    let one = |((one, named), word): ((&NoisyQuantity, &Quantity), usize)| {
        let reach = u128::from(one.reach);
        let alone = || Drawn::new((reach * reach, reach), one.rho, honest, 1);
        let drawn = shared.or_else(alone).ok_or_else(|| too_fine(&named.name))?;
        Ok(GrowthNoise {
            section: model.section,
            model: at,
            term: one.term,
            name: named.name.clone(),
            word,
            reach: one.reach,
            year: model.year,
            years: (model.year - back..=model.year).collect(),
            rho: one.rho,
            drawn,
        })
    };
    quantities.iter().zip(names).zip(words).map(one).collect()
}

/// By section: the most of what its models' words come to.
pub(super) fn sections(
    growth: &[GrowthNoise],
    of: impl Fn(&GrowthNoise) -> f64,
) -> BTreeMap<usize, f64> {
    let mut models: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for one in growth {
        *models.entry((one.section, one.model)).or_insert(0.0) += of(one);
    }
    let mut sections: BTreeMap<usize, f64> = BTreeMap::new();
    for ((section, _), sum) in models {
        let most = sections.entry(section).or_insert(0.0);
        *most = most.max(sum);
    }
    sections
}
