//! The network's distribution of school effects in one growth model, and what a school's place in it is.
//!
//! In: counts of schools at or below public thresholds, with or without noise. Out: percentile rank and
//! level of an effect, with an interval. Reads nothing private that is not released.

use serde::{Deserialize, Serialize};

/// Half-width of a 95 % interval in standard errors.
const WIDTH: f64 = 1.96;
/// Levels: tenths of the percentiles.
const LEVELS: u8 = 10;
/// Most thresholds.
const THRESHOLDS_MAX: usize = 1_001;

/// How many schools have an effect at or below each threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectDistribution {
    /// τ²/σ² that the effects were shrunk with.
    pub lambda: f64,
    /// Schools that were counted. Under noise all that the public table gives the districts in the
    /// model's grade, with an effect of 0 where nobody is in the model.
    pub schools: u64,
    /// Points of the outcome, ascending.
    pub thresholds: Vec<f64>,
    /// Schools at or below each; never falling, 0 to `schools`.
    pub counts: Vec<f64>,
    /// Standard deviation of the noise in each count before it was made never to fall; 0 without noise.
    pub sd: f64,
}

/// A school's place among the network's. Of one school: neither shown nor serialised.
#[derive(Clone, Copy, PartialEq)]
pub struct Standing {
    /// Percent of schools whose effect is at or below this one's; higher is better.
    pub percentile: f64,
    /// 95 % interval: error of the effect, and noise of the counts.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// 1 to 10: 0–9 is 1, 10–19 is 2, …, 90–100 is 10, of the percentile rounded half up.
    pub level: u8,
}

impl EffectDistribution {
    /// Fits counts to what counts can be: never falling (isotonic least squares), 0 to `schools`.
    #[must_use]
    pub fn fit(lambda: f64, schools: u64, thresholds: Vec<f64>, counts: Vec<f64>, sd: f64) -> Self {
        let most = real(schools);
        let counts = isotonic(&counts).into_iter().map(|count| count.clamp(0.0, most)).collect();
        Self { lambda, schools, thresholds, counts, sd }
    }

    /// Percent of schools at or below an effect, linear between thresholds; 0 to 100.
    #[must_use]
    pub fn percentile(&self, effect: f64) -> f64 {
        let above = self.thresholds.partition_point(|threshold| *threshold <= effect);
        let count = match (above.checked_sub(1), above) {
            (None, _) => self.counts.first().copied().unwrap_or(0.0),
            (Some(last), at) if at == self.thresholds.len() => {
                self.counts.get(last).copied().unwrap_or(0.0)
            }
            (Some(below), at) => {
                let (from, to) = (self.thresholds[below], self.thresholds[at]);
                let part = (effect - from) / (to - from);
                part.mul_add(self.counts[at] - self.counts[below], self.counts[below])
            }
        };
        (100.0 * count / real(self.schools.max(1))).clamp(0.0, 100.0)
    }

    /// Where an effect with a standard error stands.
    #[must_use]
    pub fn standing(&self, effect: f64, error: f64) -> Standing {
        let percentile = self.percentile(effect);
        let noise = WIDTH * 100.0 * self.sd / real(self.schools.max(1));
        let [low, high] = [-WIDTH, WIDTH].map(|width| {
            let moved = self.percentile(width.mul_add(error, effect)) - percentile;
            let half = moved.hypot(noise).copysign(width);
            (percentile + half).clamp(0.0, 100.0)
        });
        Standing { percentile, low, high, level: level(percentile) }
    }

    /// Whether its lists are as long as each other, ascend and are numbers.
    pub(super) fn has_shape(&self) -> bool {
        let most = real(self.schools);
        let Self { lambda, thresholds, counts, sd, .. } = self;
        (2..=THRESHOLDS_MAX).contains(&thresholds.len())
            && thresholds.len() == counts.len()
            && thresholds.iter().chain(counts).chain([lambda, sd]).all(|one| one.is_finite())
            && thresholds.windows(2).all(|pair| pair[0] < pair[1])
            && counts.windows(2).all(|pair| pair[0] <= pair[1])
            && counts.iter().all(|count| (0.0..=most).contains(count))
            && *sd >= 0.0
            && *lambda > 0.0
    }
}

/// 1 to 10, of a percentile in 0 to 100.
#[must_use]
pub fn level(percentile: f64) -> u8 {
    let whole = (percentile + 0.5).floor();
    (1..LEVELS).rfind(|tenth| whole >= f64::from(*tenth) * 10.0).map_or(1, |tenth| tenth + 1)
}

/// The never-falling list nearest to a list (pool adjacent violators).
#[must_use]
pub fn isotonic(values: &[f64]) -> Vec<f64> {
    // Means of runs, with how long each run is.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for &value in values {
        let mut run = (value, 1);
        while let Some(&(mean, length)) = runs.last()
            && mean >= run.0
        {
            let (one, two) = (real(length as u64), real(run.1 as u64));
            run = ((mean * one + run.0 * two) / (one + two), length + run.1);
            runs.pop();
        }
        runs.push(run);
    }
    runs.into_iter().flat_map(|(mean, length)| std::iter::repeat_n(mean, length)).collect()
}

/// A number of schools.
fn real(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn levels_are_the_tenths_that_the_report_card_uses() {
        let found = [0.0, 9.4, 9.5, 10.0, 19.0, 19.6, 55.0, 89.4, 89.5, 90.0, 100.0].map(level);
        assert_eq!(found, [1, 1, 2, 2, 2, 3, 6, 9, 10, 10, 10]);
    }

    #[test]
    fn a_percentile_is_linear_between_thresholds_and_flat_beyond_them() {
        let counts = vec![10.0, 30.0, 90.0];
        let found = EffectDistribution::fit(0.1, 100, vec![-1.0, 0.0, 2.0], counts, 0.0);
        let want = [10.0, 10.0, 20.0, 30.0, 60.0, 90.0, 90.0];
        for (effect, want) in [-5.0, -1.0, -0.5, 0.0, 1.0, 2.0, 9.0].into_iter().zip(want) {
            assert!((found.percentile(effect) - want).abs() < 1e-9, "{effect}");
        }
        let standing = found.standing(0.0, 1.0 / WIDTH);
        assert!((standing.low - 10.0).abs() < 1e-9 && (standing.high - 60.0).abs() < 1e-9);
        assert_eq!(standing.level, 4);
    }

    #[test]
    fn noise_widens_the_interval_of_a_school_whose_effect_is_certain() {
        let found = EffectDistribution::fit(0.1, 100, vec![-1.0, 1.0], vec![0.0, 100.0], 2.0);
        let standing = found.standing(0.0, 0.0);
        assert!((standing.low - 46.08).abs() < 1e-9 && (standing.high - 53.92).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn an_isotonic_fit_never_falls_and_keeps_the_sum(values in prop::collection::vec(-100.0_f64..100.0, 1..60)) {
            let fitted = isotonic(&values);
            prop_assert_eq!(fitted.len(), values.len());
            prop_assert!(fitted.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9));
            let difference = fitted.iter().sum::<f64>() - values.iter().sum::<f64>();
            prop_assert!(difference.abs() < 1e-6);
        }

        #[test]
        fn no_other_never_falling_list_is_nearer_than_the_isotonic_fit(
            values in prop::collection::vec(-100.0_f64..100.0, 1..20),
            mut other in prop::collection::vec(-100.0_f64..100.0, 20),
        ) {
            other.sort_by(f64::total_cmp);
            let far = |list: &[f64]| -> f64 {
                list.iter().zip(&values).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            prop_assert!(far(&isotonic(&values)) <= far(&other[..values.len()]) + 1e-9);
        }
    }
}
