//! Random draws that depend on nothing but a key and a number.
//!
//! In: a key (of the seed and a district) and a stream (a student, and what is drawn). Out: uniform,
//! normal and categorical draws. The same key and stream give the same draws, whatever was drawn before
//! from others; so a student who moves is the same student in both districts.
//!
//! The generator is SplitMix64 with a step of its own per stream (Steele, Lea and Flood, "Fast splittable
//! pseudorandom number generators", OOPSLA 2014): a student-year takes some 100 draws from five
//! streams, and ChaCha's set-up alone would be most of the time, in a debug build nearly all. Nothing
//! here is secret: the seed is printed. Noise and keys are never drawn from it.

use flashlight_proto::canonical::Digest;

/// 2³², so that a 32-bit word becomes a number in [0, 1).
const WORDS: f64 = 4_294_967_296.0;

/// 2⁶⁴ over the golden ratio, odd.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A key of all that `parts` say.
pub(super) fn key(parts: &[&str]) -> u64 {
    let digest = Digest::of(parts.join("\u{1f}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// One stream of draws.
pub(super) struct Draw {
    state: u64,
    step: u64,
    spare: Option<f64>,
}

impl Draw {
    /// The draws of `number` for `part`.
    pub(super) fn new(key: u64, number: u64, part: u16) -> Self {
        let number = mix(number.wrapping_add(GOLDEN));
        let state = mix(key ^ mix(number ^ (u64::from(part) + 1).wrapping_mul(GOLDEN)));
        Self { state, step: mix(state ^ number) | 1, spare: None }
    }

    /// 32 uniform bits.
    pub(super) fn word(&mut self) -> u32 {
        self.state = self.state.wrapping_add(self.step);
        u32::try_from(mix(self.state) >> 32).unwrap_or(0)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.word()) / WORDS
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in 0..n; 0 when n is 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        let product = u64::from(self.word()) * u64::from(n);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// Standard normal (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// The place of one of `shares`, drawn by their size; the last when they add to less than 1.
    pub(super) fn pick(&mut self, shares: &[f64]) -> usize {
        let mut left = self.unit();
        for (place, share) in shares.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return place;
            }
        }
        shares.len().saturating_sub(1)
    }
}

impl Draw {
    /// [`Self::pick`] as a number.
    pub(super) fn pick_u32(&mut self, shares: &[f64]) -> u32 {
        u32::try_from(self.pick(shares)).unwrap_or(0)
    }
}

/// SplitMix64's finalizer: a permutation that spreads every bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// ⌊x⌋ within 0..=2³²−1.
pub(super) fn floor(x: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and NaN becomes 0"
    )]
    let whole = x as u32;
    whole
}

/// The nearest whole number within 0..=2³²−1.
pub(super) fn nearest(x: f64) -> u32 {
    floor(x + 0.5)
}

/// 1/(1 + e⁻ˣ).
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_and_stream_give_the_same_draws_and_another_stream_gives_others() {
        let key = key(&["7", "a"]);
        let draws = |number, part| {
            let mut draw = Draw::new(key, number, part);
            (0..100).map(|_| draw.word()).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, 2), draws(1, 2));
        assert_ne!(draws(1, 2), draws(1, 3));
        assert_ne!(draws(1, 2), draws(2, 2));
    }

    #[test]
    fn draws_have_the_moments_they_should_have() {
        // 40,000 draws of seed 7; bounds at 5 sd of each mean: α < 1e-5 in all.
        let mut draw = Draw::new(key(&["7"]), 0, 0);
        let (mut sum, mut squares, mut picked, mut hits) = (0.0, 0.0, [0_u32; 3], 0_u32);
        for _ in 0..40_000 {
            let x = draw.normal();
            (sum, squares) = (sum + x, squares + x * x);
            picked[draw.pick(&[0.2, 0.3, 0.5])] += 1;
            hits += u32::from(draw.chance(0.1));
        }
        assert!((sum / 4e4).abs() < 0.025, "{sum}");
        assert!((squares / 4e4 - 1.0).abs() < 0.036, "{squares}");
        assert!((f64::from(picked[0]) / 4e4 - 0.2).abs() < 0.01, "{picked:?}");
        assert!((f64::from(hits) / 4e4 - 0.1).abs() < 0.0075, "{hits}");
    }

    #[test]
    fn first_draws_of_neighbouring_streams_are_independent() {
        // Of 40,000 neighbours; correlations of sd 0.005, bounds at 5 sd: α < 1e-6 each.
        let key = key(&["7"]);
        let first = |number, part| Draw::new(key, number, part).unit() - 0.5;
        for (by, part) in [(1, 0), (64, 0), (1024, 0), (0, 1)] {
            let products = (0..40_000_u64).map(|at| first(at, 5) * first(at + by, 5 + part));
            let correlation = 12.0 * products.sum::<f64>() / 4e4;
            assert!(correlation.abs() < 0.025, "{by} {part}: {correlation}");
        }
    }

    #[test]
    fn draws_below_n_are_below_n() {
        let mut draw = Draw::new(key(&["7"]), 0, 1);
        assert!((0..1000).all(|_| draw.below(7) < 7));
        assert_eq!(draw.below(0), 0);
    }
}
