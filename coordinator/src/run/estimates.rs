//! The growth models of a run, under noise or not.
//!
//! In: what its rounds summed. Out: estimates of all models, where the third round counts school effects,
//! and, with its counts, their distribution. Touches nothing.

use flashlight_proto::growth::Broadcast;
use flashlight_proto::layout::Layout;
use flashlight_proto::release::{GrowthEstimates, NoisyGrowth};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

use super::RunError;
use crate::estimate::effects::{self, Counts};
use crate::estimate::growth;
use crate::estimate::noisy::{self, Public, Round};
use crate::round::Summed;

/// What is public of a run.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) study: &'a Study,
    pub(crate) schools: &'a SchoolTable,
}

/// One list has an entry per model, the other none.
#[derive(Default)]
pub(crate) struct Estimates {
    pub(crate) exact: Vec<GrowthEstimates>,
    pub(crate) noisy: Vec<NoisyGrowth>,
}

/// The constants of the second round.
pub(crate) fn second_constants(
    Inputs { study, schools }: Inputs<'_>,
    first: &Summed,
) -> Result<Vec<Broadcast>, RunError> {
    let public = Public { study, schools, survivors: first.sum.survivors() };
    let found = match first.under_noise() {
        None => growth::constants(&first.layout, first.sum.words())?,
        Some(round) => noisy::constants(round, public)?,
    };
    Ok(found)
}

impl Estimates {
    pub(crate) fn new(
        Inputs { study, schools }: Inputs<'_>,
        first: &Summed,
        second: &Summed,
    ) -> Result<Self, RunError> {
        let mut found = Self::default();
        match (first.under_noise(), second.under_noise()) {
            (Some(one), Some(two)) => {
                let public = Public { study, schools, survivors: first.sum.survivors() };
                found.noisy = noisy::estimates(one, two, public)?;
            }
            _ => {
                let [one, two] = [first, second].map(|one| (&*one.layout, one.sum.words()));
                found.exact = growth::estimates(study, one, two)?;
            }
        }
        Ok(found)
    }

    /// The constants of the third round: of models that ask for it and have effects.
    pub(crate) fn third_constants(&self, first: &Layout) -> Vec<Broadcast> {
        if self.noisy.is_empty() {
            effects::constants(first, &self.exact)
        } else {
            effects::noisy_constants(first, &self.noisy)
        }
    }

    /// Adds the distributions that the third round counted.
    pub(crate) fn add(&mut self, schools: &SchoolTable, third: &Summed) {
        let (layout, sums) = (&*third.layout, third.sum.words());
        let counts = Counts { layout, sums, plan: third.terms.noise.as_deref() };
        counts.add(&mut self.exact);
        counts.add_noisy(&mut self.noisy, schools, third.sum.survivors());
    }
}

impl Summed {
    fn under_noise(&self) -> Option<Round<'_>> {
        let plan = self.terms.noise.as_deref()?;
        Some(Round { layout: &self.layout, sums: self.sum.words(), plan })
    }
}
