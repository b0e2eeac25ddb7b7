//! What no real network can do: the demo holds everybody's data, so it adds them up in the clear and
//! holds the release against that.
//!
//! In: a verified release and the pooled records of its survivors. Out: for an `exact` release that
//! every shown cell is the pooled one to the last integer; for a `dp` release an [`Agreement`], or an
//! error where its noise is not the noise that was promised. Two tests over the noisy sums of all
//! shown cells, each of which a correct network fails once in a million runs: no sum lies too many
//! standard deviations from the pooled one, and all together spread neither too much nor too little.
//! A network that forgets the noise, or draws a quarter of its variance, fails the second.

use anyhow::{Context as _, ensure};
use flashlight_node::local::exact_cells;
use flashlight_node::records::Records;
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::layout::{Encoding, Layout, Part};
use flashlight_proto::release::{Noisy, NoisySums, Outcome, Verified};

use crate::inputs::Inputs;

/// Chance that a correct network fails either test.
const ALPHA: f64 = 1e-6;

/// The pooled answer of one cell, in the clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Students.
    pub(crate) n: u64,
    /// Σ in grid units, students in the numerator, or the count.
    pub(crate) total: i64,
    /// Students, a share from 0 to 1, or points; `None` over no students.
    pub(crate) value: Option<f64>,
}

/// How a `dp` release agrees with the pooled answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    /// Mean square of these distances: 1 on average.
    pub(crate) spread: f64,
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
        star.pooled(&ids).iter().map(|cell| (cell.n, cell.total)).collect()
    } else {
        let mut sums: Vec<(u64, i64)> = Vec::new();
        for district in inputs.districts.iter().filter(|one| survivors.contains(&one.id)) {
            let (records, _) = Records::read(&district.folder)?;
            let cells = exact_cells(&records, study, schools, layout, &district.id.parse()?)?;
            sums.resize(cells.len(), (0, 0));
            for (sum, cell) in sums.iter_mut().zip(&cells) {
                *sum = (sum.0 + cell.n, sum.1 + cell.total);
            }
        }
        sums
    };
    let answers = places(layout).zip(sums).map(|((block, _), (n, total))| {
        let block = &layout.blocks()[block];
        let units =
            study.scores(&study.tables[block.table]).map_or(1, |(test, _)| test.units_per_point);
        let value = match block.encoding {
            Encoding::Count => Some(real(total)),
            _ if n == 0 => None,
            Encoding::Rate => Some(real(total) / wide(n)),
            Encoding::Mean { .. } => Some(real(total) / wide(n) / f64::from(units)),
        };
        Answer { n, total, value }
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
        let Answer { n, total, .. } = *answer;
        let same = match cell.outcome {
            Outcome::Suppressed => {
                hidden += 1;
                continue;
            }
            Outcome::Count { n: got } => got == n,
            Outcome::Rate { num, n: got } => got == n && i64::try_from(num).ok() == Some(total),
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
    let mut found = Agreement { farthest_most: farthest_most(words), ..Agreement::default() };
    let mut squares = 0.0;
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
        for distance in distances(inputs, plan, survivors, block, &noisy, answer) {
            found.sums += 1;
            squares += distance * distance;
            found.farthest = found.farthest.max(distance.abs());
            ensure!(
                distance.abs() <= found.farthest_most,
                "the noise of a published cell is {:.1} standard deviations, more than {:.1}: {}",
                distance.abs(),
                found.farthest_most,
                cell.indicator
            );
        }
    }
    let sums = f64::from(u32::try_from(found.sums)?);
    found.spread = if found.sums == 0 { 1.0 } else { squares / sums };
    ensure!(
        spreads_as_promised(found.spread, sums),
        "the noise of {} published sums has {:.2} times the variance that was promised",
        found.sums,
        found.spread
    );
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
fn farthest_most(words: f64) -> f64 {
    (2.0 * (2.0 * words / ALPHA).ln()).sqrt()
}

/// Whether `spread` can be the mean square of so many standard normals, by Chernoff's bound on both
/// tails of χ²: P ≤ 2·exp(−k/2·(a − 1 − ln a)).
fn spreads_as_promised(spread: f64, sums: f64) -> bool {
    sums == 0.0 || sums / 2.0 * (spread - 1.0 - spread.ln()) <= (2.0 / ALPHA).ln()
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

    #[test]
    fn noise_of_a_quarter_of_the_variance_or_none_is_found_out_over_fifty_sums() {
        assert!(spreads_as_promised(1.0, 50.0));
        assert!(spreads_as_promised(0.5, 50.0) && spreads_as_promised(1.8, 50.0));
        assert!(!spreads_as_promised(0.25, 50.0));
        assert!(!spreads_as_promised(0.0, 50.0));
        assert!(!spreads_as_promised(4.0, 50.0));
        assert!(!spreads_as_promised(0.0, 1.0), "no noise at all is found out over one sum");
    }

    #[test]
    fn the_farthest_sum_may_lie_about_six_standard_deviations_away() {
        for (words, z) in [(1.0, 5.387), (119.0, 6.211), (100_000.0, 7.214)] {
            assert!((farthest_most(words) - z).abs() < 0.001, "{}", farthest_most(words));
        }
    }
}
