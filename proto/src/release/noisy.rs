//! Cells of a `dp` release: which are shown, and with what.
//!
//! In: the network's noisy sums on the fine grid, and the study's [`NoisePlan`]. Out: for each cell
//! a [`Noisy`] outcome, or suppressed. Everything is computed from the noisy sums, so that it costs
//! no privacy; the noise's variance is that of the shares of all survivors.
//! Promise: a cell over fewer than `min_n` students is shown with a chance of less than 1 % (per
//! cell and release), since ñ must reach T = min_n + z_.99·sd(ñ). At T the noise of n is less than
//! 1/z_.99 of it, so that Fieller's interval of a shown cell is always bounded.

use super::{
    Outcome, ReleaseError, RoundFacts,
    cell::Cell,
    estimate::{Measured, count, mean, rate},
};
use crate::{
    dp::{
        NoisePlan, Rho, epsilon_of,
        forecast::{DOMINATED_HALF_WIDTH, DOMINATED_SHARE, Z99},
    },
    identity::DistrictId,
    layout::{Block, Encoding, Layout, NoiseBlock, Part},
    schools::SchoolTable,
    study::Study,
};

/// Standard deviations of noise that no honest sum lies beyond its bound.
const NOISE_SDS: f64 = 12.0;

/// What a cell with noise shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noisy {
    /// The noisy sums it comes from.
    pub sums: NoisySums,
    /// Students, ñ as it is; a share from 0 to 1, of students or of answers; points.
    pub value: f64,
    /// Standard deviation of the noise in the value.
    pub sd: f64,
    /// Lower end of the 95 % interval for the noise.
    pub low: f64,
    /// Upper end of the 95 % interval for the noise.
    pub high: f64,
    /// ñ, students, rounded half up to a whole number of at least 0.
    pub n: u64,
    /// Standard deviation of the noise in ñ.
    pub sd_n: f64,
    /// sd(ñ)/ñ above 0.1, or an interval wider than 10 percentage points or 10 points either side.
    pub noise_dominated: bool,
}

/// Noisy sums as they left the aggregation: whole numbers on the fine grid, 2^`bits` to a student
/// or grid unit. They are private already, by the noise in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoisySums {
    /// A count of students.
    Count {
        /// Students.
        n: i64,
        /// Of n.
        n_scale_bits: u32,
    },
    /// A share of students; n is both together.
    Rate {
        /// In the numerator.
        num: i64,
        /// In the denominator only.
        rest: i64,
        /// Of both.
        n_scale_bits: u32,
    },
    /// A mean.
    Mean {
        /// Of distances from the centre, grid units.
        sum: i64,
        /// Of the sum.
        sum_scale_bits: u32,
        /// Scores; where the study also asks for a share of the same scores, that share's
        /// numerator and rest together.
        n: i64,
        /// Of n.
        n_scale_bits: u32,
        /// Grid units per point, or per whole of a share of answers.
        units_per_point: u32,
    },
}

/// The noise of one word.
#[derive(Clone, Copy)]
struct Scale {
    /// 2^bits to a unit.
    bits: u32,
    /// Grid units².
    variance: f64,
    /// Most that the survivors' data can come to, either side of 0, grid units.
    most: f64,
}

/// The noise of one block of the layout.
struct BlockNoise {
    encoding: Encoding,
    units_per_point: u32,
    /// Half-width of an interval from which noise dominates, points or parts of a share.
    widest: f64,
    /// Number of its first cell in the release, from 0.
    first_cell: usize,
    first_word: usize,
    /// Of a mean's sums.
    sum: Option<Scale>,
    /// Of each word that counts.
    n: Scale,
    /// The block of the layout whose counts are this mean's.
    from: Option<usize>,
}

impl BlockNoise {
    /// Variance of ñ: of one word, or of the two of a share.
    fn variance_of_n(&self) -> f64 {
        let two = self.encoding == Encoding::Rate || self.from.is_some();
        if two { 2.0 * self.n.variance } else { self.n.variance }
    }
}

/// The noise of a release.
pub(super) struct Noise {
    pub(super) plan: NoisePlan,
    pub(super) survivors: u16,
    /// ε of a student at one district, and at two.
    pub(super) epsilons: [f64; 2],
    min_n: f64,
    blocks: Vec<BlockNoise>,
}

impl Noise {
    /// The noise of a study in `dp` mode. `layout` is derived from `study` and `schools`; the facts
    /// are checked.
    pub(super) fn new(
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        facts: &RoundFacts,
    ) -> Result<Self, ReleaseError> {
        let plan = NoisePlan::for_round(study, layout, schools, facts.sizes)?;
        if plan.sizes() != facts.sizes {
            return Err(ReleaseError::Facts { what: "n, m, t, c, h are not those of the noise" });
        }
        let survivors = u16::try_from(facts.survivors.len()).unwrap_or(u16::MAX);
        let scale = |table, part| {
            let found = plan.block(table, part)?;
            Some(Scale {
                bits: found.scale_bits,
                variance: f64::from(survivors) * found.share_variance,
                most: most(&plan, &found.block, &facts.survivors),
            })
        };
        let (mut blocks, mut first_cell) = (Vec::new(), 0);
        for (index, block) in layout.blocks().iter().enumerate() {
            let table = &study.tables[block.table];
            let from = plan.carried().iter().find(|one| one.block == index).map(|one| one.from);
            let counted = from.map_or(block.table, |from| layout.blocks()[from].table);
            blocks.push(BlockNoise {
                encoding: block.encoding,
                units_per_point: study.units_per_point(table),
                widest: widest(block),
                first_cell,
                first_word: block.first_word(),
                sum: scale(block.table, Part::Sums),
                n: scale(counted, Part::Counts).ok_or(ReleaseError::Layout)?,
                from,
            });
            first_cell += block.cells().len();
        }
        let two = Rho::try_from(plan.rho_at_two());
        let two = two.map_or(f64::MAX, |rho| epsilon_of(rho, plan.delta()).value());
        let epsilons = [plan.epsilon().value(), two];
        let min_n = f64::from(study.suppression.min_n);
        Ok(Self { plan, survivors, epsilons, min_n, blocks })
    }

    /// sd(ñ) and T of one block of the layout, students.
    pub(super) fn threshold(&self, block: usize) -> (f64, f64) {
        let sd = self.blocks[block].variance_of_n().sqrt();
        (sd, self.min_n + Z99 * sd)
    }

    /// The outcome of one cell, by block of the layout and place in it, from the sums of all words;
    /// `None` when no honest survivors could have sent them.
    pub(super) fn outcome(&self, block: usize, cell: usize, sums: &[i64]) -> Option<Outcome> {
        let found = self.sums(block, cell, sums).filter(|sums| self.can_be(block, sums));
        found.map(|sums| self.of_sums(block, sums))
    }

    /// Reads the sums of one cell; `None` when a word that is sent as 0 is not 0.
    fn sums(&self, block: usize, cell: usize, words: &[i64]) -> Option<NoisySums> {
        let shape = &self.blocks[block];
        let words_at = |shape: &BlockNoise| {
            let first = shape.first_word + cell * shape.encoding.words();
            &words[first..first + shape.encoding.words()]
        };
        let n_scale_bits = shape.n.bits;
        match (shape.encoding, words_at(shape)) {
            (Encoding::Count, &[n]) => Some(NoisySums::Count { n, n_scale_bits }),
            (Encoding::Rate, &[num, rest]) => Some(NoisySums::Rate { num, rest, n_scale_bits }),
            (Encoding::Mean { .. }, &[sum, own]) => {
                let n = match shape.from {
                    None => own,
                    Some(_) if own != 0 => return None,
                    Some(from) => match words_at(&self.blocks[from]) {
                        // What saturates cannot be, and the share's own cell says so.
                        &[num, rest] => num.saturating_add(rest),
                        _ => return None,
                    },
                };
                self.mean_sums(block, sum, n)
            }
            _ => None,
        }
    }

    fn mean_sums(&self, block: usize, sum: i64, n: i64) -> Option<NoisySums> {
        let shape = &self.blocks[block];
        Some(NoisySums::Mean {
            sum,
            sum_scale_bits: shape.sum?.bits,
            n,
            n_scale_bits: shape.n.bits,
            units_per_point: shape.units_per_point,
        })
    }

    /// Whether honest survivors could have sent these sums. A carried n is the share's to check.
    fn can_be(&self, block: usize, sums: &NoisySums) -> bool {
        let shape = &self.blocks[block];
        let within = |word: i64, scale: Scale, least: f64| {
            let spare = NOISE_SDS * scale.variance.sqrt();
            (least - spare..=scale.most + spare).contains(&units(word, scale.bits))
        };
        let counts = |word: i64| within(word, shape.n, 0.0);
        match *sums {
            NoisySums::Count { n, .. } => counts(n),
            NoisySums::Rate { num, rest, .. } => counts(num) && counts(rest),
            NoisySums::Mean { sum, n, .. } => {
                let sum = shape.sum.is_some_and(|scale| within(sum, scale, -scale.most));
                sum && (shape.from.is_some() || counts(n))
            }
        }
    }

    /// What sums that can be show.
    fn of_sums(&self, block: usize, sums: NoisySums) -> Outcome {
        let shape = &self.blocks[block];
        let (total, bits) = match sums {
            NoisySums::Count { n, n_scale_bits } | NoisySums::Mean { n, n_scale_bits, .. } => {
                (i128::from(n), n_scale_bits)
            }
            NoisySums::Rate { num, rest, n_scale_bits } => {
                (i128::from(num) + i128::from(rest), n_scale_bits)
            }
        };
        let n = Measured { value: wide_units(total, bits), variance: shape.variance_of_n() };
        let (sd_n, threshold) = self.threshold(block);
        if n.value < threshold {
            return Outcome::Suppressed;
        }
        let per_point = f64::from(shape.units_per_point);
        let (estimate, least, per_unit) = match (sums, shape.encoding) {
            (NoisySums::Rate { num, rest, .. }, _) => {
                (rate(units(num, bits), units(rest, bits), shape.n.variance), 0.0, 1.0)
            }
            (NoisySums::Mean { sum, sum_scale_bits, .. }, Encoding::Mean { mid, low, high }) => {
                let variance = shape.sum.map_or(0.0, |scale| scale.variance);
                let sum = Measured { value: units(sum, sum_scale_bits), variance };
                let bounds = (units(low - mid, 0), units(high - mid, 0));
                (mean(sum, n, bounds), units(mid, 0), per_point)
            }
            _ => (count(n), 0.0, 1.0),
        };
        let half_width = estimate.half_width / per_unit;
        Outcome::Noisy(Noisy {
            sums,
            value: (least + estimate.value) / per_unit,
            sd: estimate.sd / per_unit,
            low: (least + estimate.low) / per_unit,
            high: (least + estimate.high) / per_unit,
            n: rounded(total, bits),
            sd_n,
            noise_dominated: sd_n / n.value > DOMINATED_SHARE || half_width > shape.widest,
        })
    }

    /// The outcome of one cell made again from the sums it shows; `None` when it cannot be. A mean
    /// whose n is a share's is shown with the same n as that, or not at all.
    pub(super) fn again(&self, block: usize, cell: usize, cells: &[Cell]) -> Option<Outcome> {
        let shape = &self.blocks[block];
        let read = |shape: &BlockNoise| cells.get(shape.first_cell + cell).map(|one| one.outcome);
        let counted = match shape.from {
            None => None,
            Some(from) => Some(read(&self.blocks[from])?),
        };
        let noisy = match (read(shape)?, counted) {
            (Outcome::Suppressed, None | Some(Outcome::Suppressed)) => {
                return Some(Outcome::Suppressed);
            }
            (Outcome::Noisy(noisy), _) => noisy,
            _ => return None,
        };
        let n_scale_bits = shape.n.bits;
        let sums = match (noisy.sums, shape.encoding, counted) {
            (NoisySums::Count { n, .. }, Encoding::Count, _) => {
                NoisySums::Count { n, n_scale_bits }
            }
            (NoisySums::Rate { num, rest, .. }, Encoding::Rate, _) => {
                NoisySums::Rate { num, rest, n_scale_bits }
            }
            (NoisySums::Mean { sum, n, .. }, Encoding::Mean { .. }, None) => {
                self.mean_sums(block, sum, n)?
            }
            (
                NoisySums::Mean { sum, n, .. },
                Encoding::Mean { .. },
                Some(Outcome::Noisy(Noisy { sums: NoisySums::Rate { num, rest, .. }, .. })),
            ) if num.checked_add(rest) == Some(n) => self.mean_sums(block, sum, n)?,
            _ => return None,
        };
        let shown = self.can_be(block, &sums).then(|| self.of_sums(block, sums))?;
        (shown != Outcome::Suppressed).then_some(shown)
    }
}

/// Half the width of an interval from which noise dominates a block's cells.
fn widest(block: &Block) -> f64 {
    match block.encoding {
        Encoding::Count => f64::INFINITY,
        // A share is of 1, the limit in percentage points.
        Encoding::Rate | Encoding::Items => DOMINATED_HALF_WIDTH / 100.0,
        Encoding::Mean { .. } if block.indicator.is_of_answers() => DOMINATED_HALF_WIDTH / 100.0,
        Encoding::Mean { .. } => DOMINATED_HALF_WIDTH,
    }
}

/// Most that a word of the survivors together can be without noise.
fn most(plan: &NoisePlan, block: &NoiseBlock, survivors: &[DistrictId]) -> f64 {
    let bound = |district| u128::from(plan.bound(block, district));
    let total: u128 = survivors.iter().map(bound).sum();
    wide_units(i128::try_from(total).unwrap_or(i128::MAX), 0)
}

/// A word in students or grid units: the float nearest to word/2^bits.
fn units(word: i64, bits: u32) -> f64 {
    wide_units(i128::from(word), bits)
}

pub(super) fn wide_units(word: i128, bits: u32) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounds to the nearest float; noise is far coarser, and everybody rounds alike"
    )]
    let nearest = word as f64;
    // A power of two: dividing by it changes no digit.
    nearest / f64::from(1_u32 << bits)
}

/// word/2^bits rounded half up, at least 0.
fn rounded(word: i128, bits: u32) -> u64 {
    let half = (1_i128 << bits) >> 1;
    u64::try_from((word + half) >> bits).unwrap_or(0)
}
