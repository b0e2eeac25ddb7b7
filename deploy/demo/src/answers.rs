//! What no real network can do: the demo holds everybody's data, so it adds them up in the clear and
//! holds the release against that.
//!
//! In: a verified release and the pooled records of its survivors. Out: for an `exact` release that
//! every shown cell is the pooled one to the last integer; for a `dp` release an [`Agreement`], or an
//! error where its noise is not the noise that was promised. Two tests, each of which a correct network
//! fails at most once in a million runs: no noisy sum of a shown cell lies too many standard deviations
//! from the pooled one, and those of the large cells spread neither too much nor too little together.
//! Large cells have so many students that no noise the first test lets pass would hide them: a smaller
//! one may be shown because its noise was high, and the noise of such cells spreads too much of itself.
//! A network that forgets the noise, or draws a quarter of its variance, fails the second test once
//! about fifty sums belong to large cells.

use std::fmt::Display;

use anyhow::{Context as _, ensure};
use flashlight_node::local::exact_cells;
use flashlight_node::records::Records;
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::dp::forecast::Z99;
use flashlight_proto::layout::{Encoding, Layout, Part};
use flashlight_proto::release::{Noisy, NoisySums, Outcome, Verified};

use crate::inputs::Inputs;

/// Most chance that a correct network fails one test, and as much again for the other.
const ALPHA: f64 = 1e-6;

/// The pooled answer of one cell, in the clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Students.
    pub(crate) n: u64,
    /// Σ in grid units, students in the numerator, favourable items, or the count.
    pub(crate) total: i64,
    /// Answered items of a share of items; else `n`.
    pub(crate) den: u64,
    /// Students, a share from 0 to 1, or points; `None` over no students.
    pub(crate) value: Option<f64>,
}

/// How a `dp` release agrees with the pooled answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Agreement {
    pub(crate) shown: usize,
    pub(crate) hidden: usize,
    /// Shown cells whose interval holds the pooled answer.
    pub(crate) held: usize,
    /// Noisy sums behind the shown cells, each once.
    pub(crate) sums: usize,
    /// Farthest that a noisy sum lies from the pooled one, standard deviations.
    pub(crate) farthest: f64,
    /// Where the first test fails.
    pub(crate) farthest_most: f64,
    /// Noisy sums of the cells that are shown whatever their noise.
    pub(crate) large: usize,
    /// Sum of the squares of their distances.
    squares: f64,
    /// Chance that a correct network fails either test, at most.
    alpha: f64,
}

impl Agreement {
    fn new(words: f64, alpha: f64) -> Self {
        Self {
            shown: 0,
            hidden: 0,
            held: 0,
            sums: 0,
            farthest: 0.0,
            farthest_most: farthest_most(words, alpha),
            large: 0,
            squares: 0.0,
            alpha,
        }
    }

    /// Whether a cell of so many students is shown whatever the noise in its n: T and the farthest
    /// that noise may lie, so that which cells are large does not depend on their noise.
    fn is_large(&self, students: f64, min_n: f64, sd_n: f64) -> bool {
        students >= min_n + (Z99 + self.farthest_most) * sd_n
    }

    /// Counts the noisy sums of a shown cell in.
    fn add(&mut self, distances: &[f64], is_large: bool, name: impl Display) -> anyhow::Result<()> {
        for distance in distances {
            self.sums += 1;
            self.farthest = self.farthest.max(distance.abs());
            ensure!(
                distance.abs() <= self.farthest_most,
                "the noise of a published cell is {:.1} standard deviations, more than {:.1}: {name}",
                distance.abs(),
                self.farthest_most
            );
            if is_large {
                self.large += 1;
                self.squares += distance * distance;
            }
        }
        Ok(())
    }

    /// Mean square of the distances of the large cells' sums: 1 on average; `None` without any.
    pub(crate) fn spread(&self) -> Option<f64> {
        let large = f64::from(u32::try_from(self.large).unwrap_or(u32::MAX));
        (self.large > 0).then(|| self.squares / large)
    }

    fn check_spread(&self) -> anyhow::Result<()> {
        let Some(spread) = self.spread() else { return Ok(()) };
        let sums = f64::from(u32::try_from(self.large)?);
        ensure!(
            spreads_as_promised(spread, sums, self.alpha),
            "the noise of {sums} published sums has {spread:.2} times the variance that was promised"
        );
        Ok(())
    }
}

/// The survivors of a release, by id.
pub(crate) fn survivors(verified: &Verified) -> Vec<String> {
    verified.release.facts().survivors.iter().map(ToString::to_string).collect()
}

/// The answer of every cell over the survivors' records, in the order of the layout.
pub(crate) fn pooled(inputs: &Inputs, survivors: &[String]) -> anyhow::Result<Vec<Answer>> {
    let Inputs { study, schools, layout, .. } = inputs;
    let sums = if let Some(star) = &inputs.star {
        let ids: Vec<&str> = survivors.iter().map(String::as_str).collect();
        star.pooled(&ids).iter().map(|cell| (cell.n, cell.total, cell.n)).collect()
    } else {
        let mut sums: Vec<(u64, i64, u64)> = Vec::new();
        for district in inputs.districts.iter().filter(|one| survivors.contains(&one.id)) {
            let (records, _) = Records::read(&district.folder)?;
            let cells = exact_cells(&records, study, schools, layout, &district.id.parse()?)?;
            sums.resize(cells.len(), (0, 0, 0));
            for (sum, cell) in sums.iter_mut().zip(&cells) {
                *sum = (sum.0 + cell.n, sum.1 + cell.total, sum.2 + cell.den);
            }
        }
        sums
    };
    let answers = places(layout).zip(sums).map(|((block, _), (n, total, den))| {
        let block = &layout.blocks()[block];
        let units = study.units_per_point(&study.tables[block.table]);
        let value = match block.encoding {
            Encoding::Count => Some(real(total)),
            _ if n == 0 => None,
            Encoding::Rate | Encoding::Items => Some(real(total) / wide(den)),
            Encoding::Mean { .. } => Some(real(total) / wide(n) / f64::from(units)),
        };
        Answer { n, total, den, value }
    });
    Ok(answers.collect())
}

/// Block and place in it of every cell, in the order of the release.
fn places(layout: &Layout) -> impl Iterator<Item = (usize, usize)> + '_ {
    let blocks = layout.blocks().iter().enumerate();
    blocks.flat_map(|(block, shape)| (0..shape.cells().len()).map(move |cell| (block, cell)))
}

/// Cells shown, and hidden, of an `exact` release.
///
/// # Errors
/// When a shown cell differs from the pooled one, in any integer.
pub(crate) fn check_exact(
    verified: &Verified,
    answers: &[Answer],
) -> anyhow::Result<(usize, usize)> {
    let (mut equal, mut hidden) = (0, 0);
    for (cell, answer) in verified.release.cells().iter().zip(answers) {
        let Answer { n, total, den, .. } = *answer;
        let same = match cell.outcome {
            Outcome::Suppressed => {
                hidden += 1;
                continue;
            }
            Outcome::Count { n: got } => got == n,
            Outcome::Rate { num, n: got } => got == n && i64::try_from(num).ok() == Some(total),
            Outcome::Items { num, den: answered, n: got } => {
                (got, answered) == (n, den) && i64::try_from(num).ok() == Some(total)
            }
            Outcome::Mean { sum, n: got, .. } => got == n && sum == total,
            Outcome::Noisy(_) => false,
        };
        ensure!(same, "a published cell differs from the pooled sum: {}", cell.indicator);
        equal += 1;
    }
    Ok((equal, hidden))
}

/// The noise of a release, as everybody can plan it.
pub(crate) fn plan(inputs: &Inputs, verified: &Verified) -> anyhow::Result<NoisePlan> {
    let Inputs { study, schools, layout, .. } = inputs;
    let sizes = verified.release.facts().sizes;
    NoisePlan::for_round(study, layout, schools, sizes).context("the noise cannot be planned")
}

/// How a `dp` release agrees with the pooled answers.
///
/// # Errors
/// When its noise is not what the plan promises.
pub(crate) fn check_noisy(
    inputs: &Inputs,
    verified: &Verified,
    plan: &NoisePlan,
    answers: &[Answer],
) -> anyhow::Result<Agreement> {
    let survivors = u16::try_from(verified.release.facts().survivors.len())?;
    let words = f64::from(u32::try_from(inputs.layout.words())?);
    let min_n = f64::from(inputs.study.suppression.min_n);
    let mut found = Agreement::new(words, ALPHA);
    for (((block, _), cell), answer) in
        places(&inputs.layout).zip(verified.release.cells()).zip(answers)
    {
        let noisy = match cell.outcome {
            Outcome::Suppressed => {
                found.hidden += 1;
                continue;
            }
            Outcome::Noisy(noisy) => noisy,
            _ => anyhow::bail!("a published cell has no noise: {}", cell.indicator),
        };
        found.shown += 1;
        let holds = |value| (noisy.low..=noisy.high).contains(&value);
        found.held += usize::from(answer.value.is_some_and(holds));
        let is_large = found.is_large(wide(answer.n), min_n, noisy.sd_n);
        let distances = distances(inputs, plan, survivors, block, &noisy, answer);
        found.add(&distances, is_large, cell.indicator)?;
    }
    found.check_spread()?;
    Ok(found)
}

/// Distances of a cell's noisy sums from the pooled ones, in standard deviations of their noise. An n
/// that is carried by another cell is that cell's.
fn distances(
    inputs: &Inputs,
    plan: &NoisePlan,
    survivors: u16,
    block: usize,
    noisy: &Noisy,
    answer: &Answer,
) -> Vec<f64> {
    let shape = &inputs.layout.blocks()[block];
    let sd = |part| plan.block(shape.table, part).map(|one| one.sd(survivors));
    let distance = |word: i64, bits: u32, exact: f64, part| {
        Some((real(word) / f64::from(1_u32 << bits) - exact) / sd(part)?)
    };
    let (n, total) = (wide(answer.n), real(answer.total));
    let found = match (noisy.sums, shape.encoding) {
        (NoisySums::Count { n: word, n_scale_bits: bits }, _) => {
            [distance(word, bits, n, Part::Counts), None]
        }
        (NoisySums::Rate { num, rest, n_scale_bits: bits }, _) => [
            distance(num, bits, total, Part::Counts),
            distance(rest, bits, n - total, Part::Counts),
        ],
        (
            NoisySums::Mean { sum, sum_scale_bits, n: word, n_scale_bits, .. },
            Encoding::Mean { mid, .. },
        ) => [
            distance(sum, sum_scale_bits, total - real(mid) * n, Part::Sums),
            distance(word, n_scale_bits, n, Part::Counts),
        ],
        (NoisySums::Mean { .. }, _) => [None, None],
    };
    found.into_iter().flatten().collect()
}

/// z with 2·exp(−z²/2)·`words` = α: noise of that many words stays within it but with chance α. Holds
/// for discrete Gaussians and for normal noise, whichever cells are shown.
fn farthest_most(words: f64, alpha: f64) -> f64 {
    (2.0 * (2.0 * words / alpha).ln()).sqrt()
}

/// Whether `spread` can be the mean square of so many standard normals, by Chernoff's bound on both
/// tails of χ²: P ≤ 2·exp(−k/2·(a − 1 − ln a)), for half of α. The other half is for a large cell that
/// is hidden all the same, by noise in its n below −`farthest_most`.
fn spreads_as_promised(spread: f64, sums: f64, alpha: f64) -> bool {
    sums / 2.0 * (spread - 1.0 - spread.ln()) <= (4.0 / alpha).ln()
}

#[expect(clippy::cast_precision_loss, reason = "sums of a demo; noise is far coarser")]
const fn real(sum: i64) -> f64 {
    sum as f64
}

#[expect(clippy::cast_precision_loss, reason = "students of a demo stay below 2^53")]
const fn wide(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 0x5eed_0058;

    /// Networks simulated; a test is right but once in a million of its runs, over all of these.
    const ROUNDS: u32 = 50;

    /// Cells of each network.
    const CELLS: u32 = 300;

    const MIN_N: f64 = 11.0;

    /// As in a sum that is shown from T = 92.
    const SD: f64 = 34.75;

    #[test]
    fn noise_of_a_quarter_of_the_variance_or_none_is_found_out_over_fifty_sums() {
        let is_promised = |spread, sums| spreads_as_promised(spread, sums, ALPHA);
        assert!(is_promised(1.0, 50.0));
        assert!(is_promised(0.5, 50.0) && is_promised(1.8, 50.0));
        assert!(!is_promised(0.25, 50.0));
        assert!(!is_promised(0.0, 50.0));
        assert!(!is_promised(4.0, 50.0));
        assert!(!is_promised(0.0, 1.0), "no noise at all is found out over one sum");
    }

    #[test]
    fn the_farthest_sum_may_lie_about_six_standard_deviations_away() {
        for (words, z) in [(1.0, 5.387), (119.0, 6.211), (100_000.0, 7.214)] {
            let found = farthest_most(words, ALPHA);
            assert!((found - z).abs() < 0.001, "{found}");
        }
    }

    /// Standard normals by Box and Muller over SplitMix64.
    fn normals(mut state: u64) -> impl FnMut() -> f64 {
        let mut uniform = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (wide((mixed ^ (mixed >> 31)) >> 11) + 0.5) / wide(1 << 53)
        };
        move || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()
    }

    /// A network of cells of so many students, shown from T, whose noise has `factor` times the
    /// promised standard deviation.
    fn network(students: f64, factor: f64, normal: &mut impl FnMut() -> f64) -> Agreement {
        let alpha = ALPHA / f64::from(ROUNDS);
        let mut found = Agreement::new(f64::from(CELLS), alpha);
        for _ in 0..CELLS {
            let noise = factor * normal();
            if students + SD * noise < MIN_N + Z99 * SD {
                continue;
            }
            let is_large = found.is_large(students, MIN_N, SD);
            found.add(&[noise], is_large, "a cell").unwrap();
        }
        found
    }

    /// α = 1e-6 over all rounds.
    #[test]
    fn cells_shown_because_their_noise_was_high_are_no_sign_of_too_much_noise() {
        let mut normal = normals(SEED);
        let mut shown = 0;
        for round in 0..ROUNDS {
            let small = network(58.0, 1.0, &mut normal);
            assert_eq!((small.large, small.spread()), (0, None), "seed {SEED:#x}, round {round}");
            small.check_spread().unwrap();
            shown += small.sums;
        }
        assert!(shown > 1_000, "seed {SEED:#x}: {shown} shown");
    }

    /// α = 1e-6 over all rounds.
    #[test]
    fn large_cells_are_all_counted_and_give_away_a_quarter_of_the_variance() {
        let mut normal = normals(SEED);
        for round in 0..ROUNDS {
            let large = network(400.0, 1.0, &mut normal);
            assert_eq!(large.large, 300, "seed {SEED:#x}, round {round}");
            let told = large.check_spread();
            assert!(told.is_ok(), "seed {SEED:#x}, round {round}: {told:?}");
            let quarter = network(400.0, 0.5, &mut normal).check_spread();
            assert!(quarter.is_err(), "seed {SEED:#x}, round {round}");
        }
    }
}
