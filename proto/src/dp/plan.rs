//! How much noise every district adds to every word, and what it costs (docs/PRIVACY.md §2, §6.2).
//!
//! In: a study in `dp` mode, its layout, the public school table, and n districts. Out: a
//! [`NoisePlan`]. With h = m − c honest survivors at least, a block with part ρ of the study's
//! budget needs σ² = Δ₂²/(2ρ) in its sum, so each district draws s² = σ²/h. The sum over all |U₃|
//! survivors then has the variance |U₃|·s² ≥ σ², which is what released cells carry.
//!
//! **Split.** ρ_b ∝ √k · (4 for sums, 1 for counts). Noise costs Σ_b v_b/ρ_b in total, with v_b =
//! k·(R/s)², the noise variance in units of the sampling variance of what is published; under a
//! fixed Σρ_b this is least at ρ_b ∝ √v_b. A count's sampling sd is of the order of √n (R/s = 1).
//! For scores R/s = 4: bounds that span eight standard deviations between students, as scale scores
//! do. For shares of survey answers, from 0 to 1, R/s = 2. Nothing private enters.
//!
//! **Rounding.** s² carries a margin of 2⁻⁴⁰, more than all floating point rounding and τ; that
//! [`BlockPlan::realised_rho`] stays within the block's ρ is checked, and s² is raised until it does.
//! s² and everything in [`NoisePlan::digest`] come from +, −, ×, ÷ and √ alone, in one order: these
//! are exact to the bit everywhere, so that node and hub derive the same digest on their own.
//!
//! **No overflow.** By the public enrolment no district's word can pass [`NoisePlan::bound`]; the
//! node refuses otherwise. All bounds, with twelve standard deviations of noise, stay below 2⁶³.

use std::collections::{BTreeMap, BTreeSet};

use super::growth::{GrowthNoise, growth_noise, sections};
use super::{
    Delta, Epsilon, NoiseError, Rho, epsilon_of,
    share::{rho_of_sum, root_up, scale_bits, tau, up},
};
use crate::{
    canonical::{Digest, Transcript},
    contribution::max_word_bits,
    identity::DistrictId,
    layout::{Carried, Layout, NoiseBlock, NoiseBlocks, Part, Question},
    schools::SchoolTable,
    study::{CohortSizes, Mode, Study},
};

/// R/s of scores: half the range of a score, in standard deviations between students.
pub(super) const SPREADS: f64 = 4.0;
/// R/s of shares of answers: from 0 to 1, with a standard deviation of about a quarter.
const SHARE_SPREADS: f64 = 2.0;
/// s² is this much above σ²/h: 2⁻⁴⁰.
const MARGIN: f64 = 4_096.0 * f64::EPSILON;
/// Most times the margin is doubled.
const RAISES: u32 = 60;
/// Standard deviations of noise that a sum must hold beside the data.
const NOISE_SDS: f64 = 12.0;
/// A year's students may be this many times the Census-Day enrolment …
const TURNOVER: u128 = 4;
/// … and this many more: transfers, corrected enrolments, schools that opened late.
const NEWCOMERS: u128 = 1_000;
/// What a word modulo 2⁶⁴ can hold either side of 0.
const WORD_MAX: f64 = 9_223_372_036_854_775_808.0;

/// The noise of one block. Variances are in grid units² unless said to be fine.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockPlan {
    /// Its words and sensitivities.
    pub block: NoiseBlock,
    /// Its part of the study's ρ.
    pub rho: f64,
    /// σ² = Δ₂²/(2ρ): what the honest shares alone come to at least.
    pub variance: f64,
    /// s²: what every district adds, at least σ²/h.
    pub share_variance: f64,
    /// b: the data are multiplied by 2ᵇ before the noise is added, and sums divided by it.
    pub scale_bits: u32,
    /// 2ᵇ·s, rounded up: the scale of the discrete Gaussian each district draws, fine grid units.
    pub scale: f64,
    /// τ of h shares.
    pub tau: f64,
    /// ρ that h shares give by the three bounds: at most `rho`.
    pub realised_rho: f64,
}

impl BlockPlan {
    /// Standard deviation of a released word over `survivors` districts: √|U₃|·s, grid units.
    #[must_use]
    pub fn sd(&self, survivors: u16) -> f64 {
        (f64::from(survivors) * self.share_variance).sqrt()
    }

    /// Δ₂, grid units, rounded.
    #[must_use]
    pub fn delta2(&self) -> f64 {
        up(self.block.delta2_squared()).sqrt()
    }

    /// Δ₁, grid units, rounded.
    #[must_use]
    pub fn delta1(&self) -> f64 {
        up(self.block.delta1())
    }

    fn new(block: NoiseBlock, rho: f64, honest: u16) -> Result<Self, NoiseError> {
        let moved = (block.delta2_squared(), block.delta1());
        let drawn = Drawn::new(moved, rho, honest, block.len())
            .ok_or_else(|| NoiseError::TooFine { block: block.name() })?;
        let Drawn { variance, share_variance, scale_bits, scale, tau, realised_rho } = drawn;
        Ok(Self { block, rho, variance, share_variance, scale_bits, scale, tau, realised_rho })
    }
}

/// What every district draws for words that share one noise scale; fields as in [`BlockPlan`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// σ².
    pub variance: f64,
    /// s².
    pub share_variance: f64,
    /// b.
    pub scale_bits: u32,
    /// 2ᵇ·s, rounded up.
    pub scale: f64,
    /// τ of h shares.
    pub tau: f64,
    /// ρ that h shares give.
    pub realised_rho: f64,
}

impl Drawn {
    /// (Δ₂², Δ₁) of `words` words that are given `rho`; `None` where no grid is fine enough.
    pub(super) fn new(moved: (u128, u128), rho: f64, honest: u16, words: usize) -> Option<Self> {
        let (squared, total) = (up(moved.0), up(moved.1));
        let variance = squared / (2.0 * rho);
        let mut margin = MARGIN;
        for _ in 0..RAISES {
            let share_variance = variance / f64::from(honest) * (1.0 + margin);
            let scale_bits = scale_bits(share_variance)?;
            let units = f64::from(1_u32 << scale_bits);
            let fine = share_variance * units * units;
            let (d2, d1) = (squared * units * units, total * units);
            let realised_rho = rho_of_sum(d2, d1, fine, honest, words);
            if realised_rho <= rho {
                let (scale, tau) = (root_up(fine), tau(fine, honest));
                return Some(Self {
                    variance,
                    share_variance,
                    scale_bits,
                    scale,
                    tau,
                    realised_rho,
                });
            }
            margin *= 2.0;
        }
        None
    }
}

/// The noise of a whole study among n districts.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisePlan {
    sizes: CohortSizes,
    rho: Rho,
    delta: Delta,
    students: u64,
    blocks: Vec<BlockPlan>,
    carried: Vec<Carried>,
    growth: Vec<GrowthNoise>,
    /// Of the growth models' second round, where this is the first.
    later: Vec<GrowthNoise>,
    /// Public enrolment, by school year and district.
    enrolled: BTreeMap<i16, BTreeMap<DistrictId, u64>>,
    digest: Digest,
}

impl NoisePlan {
    /// Plans the noise of a study among `n` districts. `layout` is derived from `study` and
    /// `schools`.
    ///
    /// # Errors
    /// [`NoiseError`] when the study is in `exact` mode, the parts do not belong together, a school
    /// has no public enrolment, the cohort does not work out, or a sum might wrap.
    ///
    /// # Source
    /// docs/PRIVACY.md §6.1, §6.2; `proto/tests/dp_plan.rs`.
    pub fn new(
        study: &Study,
        layout: &Layout,
        schools: &SchoolTable,
        n: u16,
    ) -> Result<Self, NoiseError> {
        if study.mode == Mode::Exact {
            return Err(NoiseError::Exact);
        }
        let sizes = study.cohort.sizes(n).map_err(|error| NoiseError::Cohort(Box::new(error)))?;
        Self::for_round(study, layout, schools, sizes)
    }

    /// Plans the noise of one round whose sizes are known.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_round(
        study: &Study,
        layout: &Layout,
        schools: &SchoolTable,
        sizes: CohortSizes,
    ) -> Result<Self, NoiseError> {
        let (Mode::Dp, Some(rho)) = (study.mode, study.rho) else { return Err(NoiseError::Exact) };
        let fits = layout.blocks().iter().all(|block| study.tables.get(block.table).is_some());
        if schools.hash() != study.schools.sha256 || !fits {
            return Err(NoiseError::Layout);
        }
        let NoiseBlocks { blocks, carried } = NoiseBlocks::derive(study, layout);
        let [growth, later] = growth_noise(study, layout, sizes.h)?;
        let tables = blocks.iter().flat_map(|block| block.measured.iter().copied());
        let years = tables.chain(study.growth.iter().map(|_| study.school_year)).collect();
        let enrolled = enrolled(schools, &years)?;
        let most = enrolled.values().map(|year| year.values().sum::<u64>()).max();
        let students = most.unwrap_or(0);
        let whole: f64 = blocks.iter().map(weight).sum();
        let parts: f64 =
            study.growth.iter().filter_map(|spec| Some(spec.noisy.as_ref()?.rho.value())).sum();
        let left = rho.value() - parts;
        let blocks = blocks.into_iter().map(|block| {
            let part = left * (weight(&block) / whole);
            BlockPlan::new(block, part, sizes.h)
        });
        let mut plan = Self {
            sizes,
            rho,
            delta: Delta::of_students(students),
            students,
            blocks: blocks.collect::<Result<_, _>>()?,
            carried,
            growth,
            later,
            enrolled,
            digest: study.hash(),
        };
        plan.check_overflow()?;
        plan.digest = plan.digest_of(study, layout);
        Ok(plan)
    }

    /// n, m, t, c and h.
    #[must_use]
    pub const fn sizes(&self) -> CohortSizes {
        self.sizes
    }

    /// The noised blocks, by table, counts before sums.
    #[must_use]
    pub fn blocks(&self) -> &[BlockPlan] {
        &self.blocks
    }

    /// The noise of one part of a table, by index into `Study::tables`; `None` where there is none,
    /// or where the counts are carried.
    #[must_use]
    pub fn block(&self, table: usize, part: Part) -> Option<&BlockPlan> {
        let key = |plan: &BlockPlan| (plan.block.table, plan.block.part);
        let found = self.blocks.binary_search_by_key(&(table, part), key).ok()?;
        self.blocks.get(found)
    }

    /// The blocks of the layout whose counts are sent as 0 and taken from a rate, by block.
    #[must_use]
    pub fn carried(&self) -> &[Carried] {
        &self.carried
    }

    /// The noise of the growth models' words of this round, model by model.
    #[must_use]
    pub fn growth(&self) -> &[GrowthNoise] {
        &self.growth
    }

    /// The noise of the second round of growth models, where this plan is of the first.
    #[must_use]
    pub fn later(&self) -> &[GrowthNoise] {
        &self.later
    }

    /// ρ of the whole study: the blocks' parts together.
    #[must_use]
    pub const fn rho(&self) -> Rho {
        self.rho
    }

    /// ρ of the noise as it is drawn, of this round and of the one after it: at most [`Self::rho`].
    #[must_use]
    pub fn realised_rho(&self) -> f64 {
        let blocks: f64 = self.blocks.iter().map(|plan| plan.realised_rho).sum();
        let rounds = [&self.growth, &self.later].into_iter();
        let growth =
            rounds.flat_map(|one| sections(one, |one| one.drawn.realised_rho).into_values());
        blocks + growth.sum::<f64>()
    }

    /// δ of the study: min(1e-6, 1/(10·students)).
    #[must_use]
    pub const fn delta(&self) -> Delta {
        self.delta
    }

    /// ε of the study at [`Self::delta`], for a student at one district.
    #[must_use]
    pub fn epsilon(&self) -> Epsilon {
        epsilon_of(self.rho, self.delta)
    }

    /// ρ for a student with records at two districts: 4ρ.
    #[must_use]
    pub const fn rho_at_two(&self) -> f64 {
        4.0 * self.rho.value()
    }

    /// N: students by public enrolment, in the largest year measured.
    #[must_use]
    pub const fn students(&self) -> u64 {
        self.students
    }

    /// What each school year read is charged for this round: the whole ρ of every block that reads it.
    #[must_use]
    pub fn charges(&self) -> BTreeMap<i16, f64> {
        self.charges_of(&[&self.growth])
    }

    /// As [`Self::charges`], with the round after it.
    #[must_use]
    pub fn charges_of_study(&self) -> BTreeMap<i16, f64> {
        self.charges_of(&[&self.growth, &self.later])
    }

    fn charges_of(&self, growth: &[&Vec<GrowthNoise>]) -> BTreeMap<i16, f64> {
        let mut charges = BTreeMap::new();
        for plan in &self.blocks {
            for year in &plan.block.years {
                *charges.entry(*year).or_insert(0.0) += plan.rho;
            }
        }
        for round in growth {
            for (section, part) in sections(round, |one| one.rho) {
                let years = round.iter().find(|one| one.section == section);
                for year in years.into_iter().flat_map(|one| &one.years) {
                    *charges.entry(*year).or_insert(0.0) += part;
                }
            }
        }
        // A study that reads every year in every block is charged its ρ, not a sum of roundings.
        let most = self.rho.value();
        let many = growth.iter().any(|round| !round.is_empty());
        let settle = |charge: &mut f64| {
            // Of the words of growth models, whose parts are many.
            *charge = if many { settled(*charge) } else { *charge }.min(most);
        };
        charges.values_mut().for_each(settle);
        charges
    }

    /// The sum of [`Self::charges_of_study`] over the years: what one person who was there in all of them
    /// is charged in the ledgers.
    #[must_use]
    pub fn charge_of_a_person(&self) -> f64 {
        self.charges_of_study().values().sum()
    }

    /// The questions the study asks.
    #[must_use]
    pub fn questions(&self) -> BTreeSet<Question> {
        self.blocks.iter().flat_map(|plan| plan.block.questions.iter().copied()).collect()
    }

    /// X_u of one block without its factor 2ᵇ: most that a word of this district can be, either
    /// side of 0, grid units. A node whose word is beyond it refuses.
    #[must_use]
    pub fn bound(&self, block: &NoiseBlock, district: &DistrictId) -> u64 {
        u64::try_from(self.bound_of(block, district)).unwrap_or(u64::MAX)
    }

    /// As [`Self::bound`], of a word of a growth model.
    #[must_use]
    pub fn growth_bound(&self, one: &GrowthNoise, district: &DistrictId) -> u64 {
        u64::try_from(self.bound_of_growth(one, district)).unwrap_or(u64::MAX)
    }

    fn bound_of_growth(&self, one: &GrowthNoise, district: &DistrictId) -> u128 {
        let most = self.enrolled.get(&one.year).and_then(|year| year.get(district)).copied();
        (TURNOVER * u128::from(most.unwrap_or(0)) + NEWCOMERS) * u128::from(one.reach)
    }

    fn bound_of(&self, block: &NoiseBlock, district: &DistrictId) -> u128 {
        // Whoever is counted is counted in a year measured: earlier years are only looked at.
        let years = block.measured.iter();
        let years = years.filter_map(|year| self.enrolled.get(year)?.get(district));
        let most = years.copied().max().unwrap_or(0);
        (TURNOVER * u128::from(most) + NEWCOMERS) * u128::from(block.reach)
    }

    /// Every X_u·2ᵇ + 12·s·2ᵇ is a word a contribution may hold, and
    /// ΣX_u·2ᵇ + 12·√(n/h)·σ·2ᵇ < 2⁶³, over every district of the school table and n more.
    fn check_overflow(&self) -> Result<(), NoiseError> {
        let districts: BTreeSet<_> = self.enrolled.values().flat_map(BTreeMap::keys).collect();
        for plan in &self.blocks {
            let known = districts.iter().map(|district| self.bound_of(&plan.block, district));
            let others = u128::from(self.sizes.n) * NEWCOMERS * u128::from(plan.block.reach);
            let data = up(known.sum::<u128>() + others);
            let spread = f64::from(self.sizes.n) / f64::from(self.sizes.h) * plan.variance;
            let units = f64::from(1_u32 << plan.scale_bits);
            if (data + NOISE_SDS * spread.sqrt()) * units >= WORD_MAX {
                return Err(NoiseError::Overflow { block: plan.block.name() });
            }
            let most = districts.iter().map(|district| self.bound_of(&plan.block, district)).max();
            let most = up(most.unwrap_or(0)) * units + NOISE_SDS * plan.scale;
            if most > up(1_u128 << max_word_bits(self.sizes.n)) {
                return Err(NoiseError::Overflow { block: plan.block.name() });
            }
        }
        for one in &self.growth {
            let known = districts.iter().map(|district| self.bound_of_growth(one, district));
            let others = u128::from(self.sizes.n) * NEWCOMERS * u128::from(one.reach);
            let data = up(known.sum::<u128>() + others);
            let spread = f64::from(self.sizes.n) / f64::from(self.sizes.h) * one.drawn.variance;
            let units = f64::from(1_u32 << one.drawn.scale_bits);
            let most = districts.iter().map(|district| self.bound_of_growth(one, district)).max();
            let most = up(most.unwrap_or(0)) * units + NOISE_SDS * one.drawn.scale;
            if (data + NOISE_SDS * spread.sqrt()) * units >= WORD_MAX
                || most > up(1_u128 << max_word_bits(self.sizes.n))
            {
                return Err(NoiseError::Overflow { block: one.name.clone() });
            }
        }
        Ok(())
    }

    /// Hash over all of the plan that a district acts on; it goes into the terms of the round, so
    /// that parties who would draw different noise cannot complete one.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    fn digest_of(&self, study: &Study, layout: &Layout) -> Digest {
        let sizes = [self.sizes.n, self.sizes.m, self.sizes.t, self.sizes.c, self.sizes.h];
        let start = Transcript::new("flashlight/noise/v1")
            .bytes(study.hash().as_bytes())
            .bytes(study.schools.sha256.as_bytes())
            .bytes(layout.hash().as_bytes())
            .list(sizes.iter().map(|size| size.to_le_bytes()))
            .u64(self.rho.value().to_bits())
            .u64(self.delta.value().to_bits())
            .u64(self.blocks.len() as u64);
        let blocks = self.blocks.iter().fold(start, |transcript, plan| {
            let block = &plan.block;
            let start = transcript
                .u64(block.table as u64)
                .bytes(block.part.as_str().as_bytes())
                .bytes(&block.delta2_squared().to_le_bytes())
                .bytes(&block.delta1().to_le_bytes())
                .list(block.years.iter().map(|year| year.to_le_bytes()))
                .u64(u64::from(plan.scale_bits))
                .list([plan.rho, plan.variance, plan.share_variance, plan.scale].iter().map(
                    // Their bits, in this order.
                    |number| number.to_bits().to_le_bytes(),
                ))
                .u64(block.runs.len() as u64);
            block.runs.iter().fold(start, |transcript, run| {
                transcript.u64(run.first as u64).u64(run.len as u64).u64(run.step as u64)
            })
        });
        let carried =
            self.carried.iter().fold(blocks.u64(self.carried.len() as u64), |transcript, one| {
                transcript.u64(one.block as u64).u64(one.from as u64)
            });
        if self.growth.is_empty() {
            return carried.finish();
        }
        let growth = carried.u64(self.growth.len() as u64);
        self.growth.iter().fold(growth, |transcript, one| one.describe(transcript)).finish()
    }
}

/// A sum of parts without what floating point added: 13 digits, less than the margin of the noise.
fn settled(sum: f64) -> f64 {
    format!("{sum:.12e}").parse().unwrap_or(sum)
}

/// A block's weight in the split: √k · R/s.
fn weight(block: &NoiseBlock) -> f64 {
    let spreads = match block.part {
        Part::Counts => 1.0,
        Part::Sums if block.indicator.is_of_answers() => SHARE_SPREADS,
        Part::Sums => SPREADS,
    };
    f64::from(block.touched).sqrt() * spreads
}

/// Public enrolment of the years measured, by year and district.
fn enrolled(
    schools: &SchoolTable,
    years: &BTreeSet<i16>,
) -> Result<BTreeMap<i16, BTreeMap<DistrictId, u64>>, NoiseError> {
    let mut enrolled: BTreeMap<i16, BTreeMap<DistrictId, u64>> = BTreeMap::new();
    for school in schools.iter().filter(|school| years.contains(&school.school_year)) {
        let students = school.enrollment.ok_or_else(|| NoiseError::Enrollment {
            school_id: school.school_id.clone(),
            year: school.school_year,
        })?;
        let districts = enrolled.entry(school.school_year).or_default();
        *districts.entry(school.district.clone()).or_default() += u64::from(students);
    }
    Ok(enrolled)
}
