//! This node's share of the discrete Gaussian noise.
//!
//! In: exact words, the plan's parameters for every block, and a [`Spend`], which exists only after
//! its charge is durable and is used up here. Out: [`Noisy`] words, the only ones that may be masked.
//! Promise: each word of a noisy block is multiplied by 2^bits and gets an independent draw from the
//! discrete Gaussian N_Z(0, s²) of the block, by opendp's exact sampler over OpenSSL's private random
//! source; words that the plan leaves to another block are sent as 0; every word belongs to exactly
//! one block; a word beyond its public bound is refused; nothing saturates or wraps. Not promised:
//! that one share protects anything. Only the sum of h shares does, so opendp's own privacy map is
//! never quoted.
//!
//! opendp's random source is global: the one exception to "randomness is an argument". Its
//! measurements do not move between threads, so each thread makes its own.

use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::{Contribution, ContributionError};
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::{Layout, Run};
use flashlight_proto::secagg::RoundId;
use flashlight_proto::study::Mode;
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::measurements::make_gaussian;
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::L2Distance;
use zeroize::Zeroizing;

use crate::ledger::{Loss, Spend};

/// Most threads that draw.
const THREADS_MAX: usize = 8;

/// Draws that a thread takes on at a time.
const CHUNK: usize = 2048;

/// Largest standard deviation of a share, in fine units: far from the end of 64 bits.
const SCALE_MAX: f64 = 1_125_899_906_842_624.0;

/// Largest power of two that words are multiplied by.
const BITS_MAX: u32 = 40;

/// What the plan says of one block of words.
#[derive(Clone, Debug)]
struct Share {
    /// Where its words are, in the order of the layout.
    words: Vec<Run>,
    /// What becomes of them.
    fill: Fill,
}

/// What becomes of a word.
#[derive(Clone, Copy, Debug)]
enum Fill {
    /// It is scaled and gets noise.
    Noise {
        /// s: standard deviation of this node's share, in fine units, that is after scaling.
        scale: f64,
        /// Words are multiplied by 2^bits.
        bits: u32,
        /// Largest word either side of 0 that the public school table allows this district, before
        /// scaling.
        bound: u64,
    },
    /// Another block carries its information: it is sent as 0.
    Carried,
}

/// Words that get no noise. Names words, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// A plan that leaves a word out, or names it twice.
    #[error("the noise plan does not cover every word exactly once (word {word})")]
    Cover {
        /// Place in the layout.
        word: usize,
    },
    /// Parameters that no plan has.
    #[error("the noise plan asks for noise that cannot be drawn")]
    Scale,
    /// A word beyond what the public school table allows.
    #[error(
        "word {word} is larger than this district's public enrolment allows; the school table or \
         the district's files are wrong: run `node check`"
    )]
    Bound {
        /// Place in the layout.
        word: usize,
    },
    /// A word that would not fit 64 bits.
    #[error("word {word} does not fit 64 bits with its noise; the noise plan is wrong")]
    Overflow {
        /// Place in the layout.
        word: usize,
    },
    /// The study is in the other mode.
    #[error("the round was charged as {charged}, not as {wanted}")]
    Mode {
        /// By the ledger.
        charged: Mode,
        /// By the caller.
        wanted: Mode,
    },
    /// A plan that costs more than was charged.
    #[error("the noise plan costs more than was charged to school year {year}")]
    Unpaid {
        /// Which.
        year: i16,
    },
    /// The sampler, or the system's random source, failed.
    #[error("no noise could be drawn: the random source failed")]
    Sampler,
}

impl NoiseError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Cover { .. } => "noise_cover",
            Self::Scale => "noise_scale",
            Self::Bound { .. } => "contribution_over_bound",
            Self::Overflow { .. } => "noise_overflow",
            Self::Mode { .. } => "noise_mode",
            Self::Unpaid { .. } => "noise_unpaid",
            Self::Sampler => "noise_sampler",
        }
    }
}

/// Words that were paid for, ready to be masked. Neither copied nor shown, and wiped when dropped.
pub struct Noisy {
    words: Zeroizing<Vec<i64>>,
    round: RoundId,
    study: Digest,
}

impl Noisy {
    /// The round that was charged for them.
    #[must_use]
    pub const fn round(&self) -> RoundId {
        self.round
    }

    /// SHA-256 of the bytes of the study that was charged.
    #[must_use]
    pub const fn study(&self) -> Digest {
        self.study
    }

    /// The words as the contribution to be masked.
    ///
    /// # Errors
    /// [`ContributionError`] when they are not of this layout.
    pub fn into_contribution(mut self, layout: &Layout) -> Result<Contribution, ContributionError> {
        Contribution::new(layout, std::mem::take(&mut *self.words))
    }
}

impl fmt::Debug for Noisy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noisy").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

/// Adds this node's noise to exact words. Uses up the right to send them, also when it fails.
///
/// `words`: one per word of `layout`, which `plan` was made for; `district`: this one.
///
/// # Errors
/// [`NoiseError`]; nothing may be sent then, and nothing is refunded.
pub fn perturb(
    spend: Spend,
    words: Zeroizing<Vec<i64>>,
    plan: &NoisePlan,
    layout: &Layout,
    district: &DistrictId,
) -> Result<Noisy, NoiseError> {
    paid_as(&spend, Mode::Dp)?;
    for (year, rho) in plan.charges() {
        let paid = spend.years().get(&year).copied().unwrap_or_default();
        if Loss::of_charge(rho).is_none_or(|loss| loss > paid) {
            return Err(NoiseError::Unpaid { year });
        }
    }
    let words = add(words, &shares(plan, layout, district))?;
    Ok(Noisy { words, round: spend.round(), study: spend.study() })
}

/// Whether every word is within what the public school table allows this district: asked before a
/// charge is made for them.
///
/// # Errors
/// [`NoiseError::Bound`] naming the first word that is not, or [`NoiseError::Cover`] when the plan
/// and the words are not of one layout.
pub fn within_bounds(
    words: &[i64],
    plan: &NoisePlan,
    layout: &Layout,
    district: &DistrictId,
) -> Result<(), NoiseError> {
    check(words, &shares(plan, layout, district))
}

/// Passes exact words on, for a round that was charged as `exact`.
///
/// # Errors
/// [`NoiseError::Mode`] when it was not.
pub fn leave_exact(spend: Spend, words: Zeroizing<Vec<i64>>) -> Result<Noisy, NoiseError> {
    paid_as(&spend, Mode::Exact)?;
    Ok(Noisy { words, round: spend.round(), study: spend.study() })
}

/// The plan, block by block, for one district.
fn shares(plan: &NoisePlan, layout: &Layout, district: &DistrictId) -> Vec<Share> {
    let noisy = plan.blocks().iter().map(|one| {
        let bound = plan.bound(&one.block, district);
        let fill = Fill::Noise { scale: one.scale, bits: one.scale_bits, bound };
        Share { words: one.block.runs.clone(), fill }
    });
    // The second word of a mean's cell is its count.
    let counts = plan.carried().iter().filter_map(|one| layout.blocks().get(one.block));
    let counts = counts.map(|block| Run {
        first: block.first_word() + 1,
        len: block.cells().len(),
        step: block.encoding.words(),
    });
    let carried = Share { words: counts.collect(), fill: Fill::Carried };
    let growth = plan.growth().iter().map(|one| {
        let (scale, bits) = (one.drawn.scale, one.drawn.scale_bits);
        let fill = Fill::Noise { scale, bits, bound: plan.growth_bound(one, district) };
        Share { words: vec![Run { first: one.word, len: 1, step: 1 }], fill }
    });
    noisy.chain([carried]).chain(growth).collect()
}

fn paid_as(spend: &Spend, wanted: Mode) -> Result<(), NoiseError> {
    let charged = spend.mode();
    if charged == wanted { Ok(()) } else { Err(NoiseError::Mode { charged, wanted }) }
}

fn add(
    mut words: Zeroizing<Vec<i64>>,
    shares: &[Share],
) -> Result<Zeroizing<Vec<i64>>, NoiseError> {
    check(&words, shares)?;
    let mut tasks = Vec::new();
    for share in shares {
        let places: Vec<usize> = share.words.iter().flat_map(|run| run.words()).collect();
        match share.fill {
            Fill::Carried => places.iter().for_each(|place| words[*place] = 0),
            Fill::Noise { scale, bits, .. } => {
                if !(scale > 0.0 && scale <= SCALE_MAX) || bits > BITS_MAX {
                    return Err(NoiseError::Scale);
                }
                for word in &places {
                    let scaled = words[*word].checked_mul(1 << bits);
                    words[*word] = scaled.ok_or(NoiseError::Overflow { word: *word })?;
                }
                tasks.extend(places.chunks(CHUNK).map(|places| (scale, places.to_vec())));
            }
        }
    }
    for (places, noise) in draw_all(&tasks)? {
        for (word, noise) in places.iter().zip(noise.iter()) {
            let noisy = words[*word].checked_add(*noise);
            words[*word] = noisy.ok_or(NoiseError::Overflow { word: *word })?;
        }
    }
    Ok(words)
}

/// Every word in exactly one share, and none beyond its public bound.
fn check(words: &[i64], shares: &[Share]) -> Result<(), NoiseError> {
    covered_once(words.len(), shares)?;
    for share in shares {
        let Fill::Noise { bound, .. } = share.fill else { continue };
        let mut places = share.words.iter().flat_map(|run| run.words());
        if let Some(word) = places.find(|word| words[*word].unsigned_abs() > bound) {
            return Err(NoiseError::Bound { word });
        }
    }
    Ok(())
}

/// Every word in exactly one share: a word that none names would leave as it is.
fn covered_once(words: usize, shares: &[Share]) -> Result<(), NoiseError> {
    let mut covered = vec![false; words];
    for word in shares.iter().flat_map(|share| &share.words).flat_map(|run| run.words()) {
        match covered.get_mut(word) {
            Some(covered) if !*covered => *covered = true,
            _ => return Err(NoiseError::Cover { word }),
        }
    }
    match covered.iter().position(|covered| !covered) {
        Some(word) => Err(NoiseError::Cover { word }),
        None => Ok(()),
    }
}

/// Standard deviation and places of a chunk.
type Task = (f64, Vec<usize>);

/// The places of a chunk and their draws.
type Drawn<'a> = (&'a [usize], Zeroizing<Vec<i64>>);

/// Draws for all tasks, on all processors.
fn draw_all(tasks: &[Task]) -> Result<Vec<Drawn<'_>>, NoiseError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut drawn = Vec::new();
        while let Some((scale, places)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            drawn.push((&places[..], draw(*scale, places.len())?));
        }
        Ok(drawn)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(THREADS_MAX).min(tasks.len());
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut drawn = work()?;
        for other in others {
            drawn.extend(other.join().map_err(|_| NoiseError::Sampler)??);
        }
        Ok(drawn)
    })
}

/// Independent draws from the discrete Gaussian on the integers with P(x) ∝ exp(−x²/2s²).
///
/// `scale`: s, above 0.
///
/// # Errors
/// [`NoiseError::Scale`], [`NoiseError::Sampler`].
///
/// # Source
/// Canonne, Kamath, Steinke 2020; `draws_follow_the_discrete_gaussian`.
fn draw(scale: f64, count: usize) -> Result<Zeroizing<Vec<i64>>, NoiseError> {
    if !(scale > 0.0 && scale <= SCALE_MAX) {
        return Err(NoiseError::Scale);
    }
    // Noise on zeros. opendp saturates when it casts back to 64 bits; at SCALE_MAX that is 2¹³
    // standard deviations away.
    let sampler = make_gaussian::<_, _, ZeroConcentratedDivergence>(
        VectorDomain::new(AtomDomain::<i64>::default()),
        L2Distance::<f64>::default(),
        scale,
        None,
    )
    .map_err(|_| NoiseError::Scale)?;
    sampler.invoke(&vec![0; count]).map(Zeroizing::new).map_err(|_| NoiseError::Sampler)
}

#[cfg(test)]
mod tests;
