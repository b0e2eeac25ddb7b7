//! The network's distribution of school effects in growth models.
//!
//! In: the estimates of the first two rounds; later, the counts of the third. Out: where effects are
//! counted, and the distribution. Under noise everything here is computed from what is private already.
//! Touches nothing.

use std::collections::BTreeSet;

use flashlight_proto::dp::NoisePlan;
use flashlight_proto::growth::{Broadcast, CROSSED, EFFECT_BITS, EffectGrid, Lambda, Model};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::{GrowthBlock, Layout};
use flashlight_proto::release::{EffectDistribution, GrowthEstimates, NoisyGrowth};
use flashlight_proto::schools::SchoolTable;

/// Standard deviations of effects, τ, that the thresholds cover on each side.
const COVERED: f64 = 4.0;

/// Where the effects of models without noise are counted: of those that have a REML fit and effects.
#[must_use]
pub fn constants(first: &Layout, estimates: &[GrowthEstimates]) -> Vec<Broadcast> {
    let both = first.growth().iter().zip(estimates);
    both.filter_map(|(block, one)| {
        let fit = one.reml.as_ref()?;
        grid(&block.model, fit.lambda, fit.tau2, &fit.beta)
    })
    .collect()
}

/// The same under noise.
#[must_use]
pub fn noisy_constants(first: &Layout, estimates: &[NoisyGrowth]) -> Vec<Broadcast> {
    let both = first.growth().iter().zip(estimates);
    both.filter_map(|(block, one)| grid(&block.model, one.tau2 / one.sigma2, one.tau2, &one.beta))
        .collect()
}

/// `None` where there are no effects, or none is asked for.
fn grid(model: &Model, lambda: f64, tau2: f64, beta: &[f64]) -> Option<Broadcast> {
    if !model.percentiles || tau2 <= 0.0 {
        return None;
    }
    let lambda = Lambda::nearest(lambda)?;
    let units = f64::from(model.columns[model.outcome()].units);
    let sides = f64::from(i32::try_from(model.thresholds_each_side()).ok()?);
    let fine = 2f64.powi(EFFECT_BITS.cast_signed());
    let wanted = COVERED * tau2.sqrt() * units * fine / sides;
    // Under noise no finer than what one student may pass.
    let least = model.noisy.as_ref().map_or(1.0, |noisy| {
        let clip = f64::from(i32::try_from(noisy.effect_reach()).unwrap_or(i32::MAX));
        let crossed = f64::from(u32::try_from(CROSSED).unwrap_or(1));
        clip * lambda.value() * fine / crossed
    });
    let step = wanted.max(least).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "above 0; saturates, and a grid that is too large is refused by its check"
    )]
    let step = step as u64;
    let centre = model.centre(model.outcome());
    let centred = beta.iter().enumerate();
    let centred = centred.map(|(at, beta)| if at == 0 { beta - centre } else { *beta });
    let found = Broadcast {
        model: model.name.clone(),
        lambdas: Vec::new(),
        ols: model.on_grid(centred)?,
        eiv: None,
        effects: Some(EffectGrid { lambda, step }),
    };
    found.check(model).is_ok().then_some(found)
}

/// The counts of the third round.
#[derive(Clone, Copy)]
pub struct Counts<'a> {
    /// Of the third round.
    pub layout: &'a Layout,
    /// Its sums.
    pub sums: &'a [i64],
    /// Its noise; `None` in `exact`.
    pub plan: Option<&'a NoisePlan>,
}

impl Counts<'_> {
    fn block(&self, model: &str) -> Option<(usize, &GrowthBlock)> {
        self.layout.growth().iter().enumerate().find(|(_, block)| block.model.name == model)
    }

    /// Adds the distribution to the estimates of each model that was counted.
    pub fn add(&self, estimates: &mut [GrowthEstimates]) {
        for one in estimates {
            let found = self.block(&one.model);
            one.effects = found.and_then(|(at, block)| self.of(at, block, one.schools, 1));
        }
    }

    /// The same under noise, of every school of the survivors that offers the grade.
    pub fn add_noisy(
        &self,
        estimates: &mut [NoisyGrowth],
        schools: &SchoolTable,
        survivors: &[DistrictId],
    ) {
        let known: BTreeSet<&DistrictId> = survivors.iter().collect();
        let count = u16::try_from(survivors.len()).unwrap_or(u16::MAX);
        for one in estimates {
            let Some((at, block)) = self.block(&one.model) else { continue };
            let offering = schools.offering(block.model.year, block.model.grade, None);
            let ours = offering.filter(|school| known.contains(&school.district)).count();
            one.effects = self.of(at, block, ours as u64, count);
        }
    }

    fn of(
        &self,
        at: usize,
        block: &GrowthBlock,
        schools: u64,
        survivors: u16,
    ) -> Option<EffectDistribution> {
        let grid = block.broadcast.as_ref()?.effects?;
        let noise = self.plan.and_then(|plan| plan.growth().iter().find(|one| one.model == at));
        let fine = noise.map_or(1.0, |one| f64::from(1_u32 << one.drawn.scale_bits));
        let counts = self.sums.get(block.range())?.iter().map(|word| count(*word) / fine);
        let thresholds = block.model.thresholds().map(|k| grid.threshold(&block.model, k));
        let sd = noise.map_or(0.0, |one| one.sd(survivors));
        let (thresholds, counts) = (thresholds.collect(), counts.collect());
        Some(EffectDistribution::fit(grid.lambda.value(), schools, thresholds, counts, sd))
    }
}

/// A noisy count of schools on its fine grid: far below 2⁵³.
fn count(word: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "schools times 2 to the few bits of the grid")]
    let count = word as f64;
    count
}
