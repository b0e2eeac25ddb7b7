//! The network's distribution of school effects: in the third round every district counts, at public
//! thresholds, how many of its schools have an effect at or below each.
//!
//! A school's effect is û = λR/(1 + nλ), with R the sum of its n students' residuals and λ = τ²/σ². It is
//! compared as a fraction of integers: no two machines can differ. Thresholds are k·step, k = −K … K.
//!
//! **Under noise** residuals are clipped to ±c_e and R to ±n·c_E, and every school that the public table
//! gives the district in the model's grade counts, with 0 where nobody is in the model: the number of
//! schools is public. With r = |R|/n ≤ c_E ≤ c_e and x = nλ, one more student moves û by at most
//! λ(c_e + x(c_e + c_E))/((1 + x)(1 + x + λ)) ≤ λ·max(c_e, c_E), so that it passes at most
//! ⌈λ·max(c_e, c_E)/step⌉ thresholds, and each moves its count by 1. A step for which that is above
//! [`CROSSED`] is refused: Δ₁ = Δ₂² = [`CROSSED`] for all counts together.

use serde::{Deserialize, Serialize};

use super::{Lambda, Model};

/// Fraction bits of a step and of a school's residual sum, grid units of the outcome.
pub const EFFECT_BITS: u32 = 16;
/// Most thresholds that one student moves a school's effect across, under noise.
pub const CROSSED: u64 = 4;
/// Largest step: 2²⁸ grid units.
const STEP_MOST: u64 = 1 << (28 + EFFECT_BITS);

/// What the effects of a model's schools are, and where they are counted. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EffectGrid {
    /// τ²/σ².
    pub lambda: Lambda,
    /// Distance of two thresholds, grid units of the outcome in 2^−[`EFFECT_BITS`].
    pub step: u64,
}

impl Model {
    /// K: thresholds on each side of 0.
    #[must_use]
    pub const fn thresholds_each_side(&self) -> i64 {
        // Coarse enough under noise that few are crossed, and neighbours average it (isotonic fit).
        if self.noisy.is_some() { 20 } else { 100 }
    }

    /// The thresholds as multiples of the step, ascending.
    pub fn thresholds(&self) -> impl Iterator<Item = i64> + use<> {
        let most = self.thresholds_each_side();
        -most..=most
    }
}

impl EffectGrid {
    /// What is wrong with it for a model.
    pub(super) fn fault(&self, model: &Model) -> Option<&'static str> {
        let Self { lambda, step } = *self;
        if !lambda.is_sound() {
            return Some("lambda is 0 or too fine");
        }
        if step == 0 || step > STEP_MOST {
            return Some("the distance of two thresholds is 0 or too large");
        }
        let moved = model.noisy.as_ref().is_some_and(|noisy| {
            let reach = u128::from(noisy.effect_reach().unsigned_abs());
            let effect = (reach * u128::from(lambda.mantissa)) << EFFECT_BITS;
            effect > (u128::from(CROSSED) * u128::from(step)) << lambda.exponent
        });
        moved.then_some("one student might pass more thresholds than the noise is for")
    }

    /// Whether the effect of a school of `n` students whose residuals sum to `residual`, grid units in
    /// 2^−[`EFFECT_BITS`], is at most `threshold` steps. `None` where the numbers are too large.
    #[must_use]
    pub fn is_at_most(&self, n: i64, residual: i128, threshold: i64) -> Option<bool> {
        let mantissa = i128::from(self.lambda.mantissa);
        let effect = mantissa.checked_mul(residual)?;
        let below = (1_i128 << self.lambda.exponent) + i128::from(n) * mantissa;
        let limit = i128::from(self.step) * i128::from(threshold);
        Some(effect <= limit.checked_mul(below)?)
    }

    /// Its threshold number `k` in points of the outcome.
    #[must_use]
    pub fn threshold(&self, model: &Model, k: i64) -> f64 {
        let units = f64::from(model.columns[model.outcome()].units);
        #[expect(clippy::cast_precision_loss, reason = "at most 2⁴⁴ · 100, below 2⁵³")]
        let grid = (self.step.cast_signed() * k) as f64;
        grid / 2f64.powi(EFFECT_BITS.cast_signed()) / units
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clipped(residuals: &[i64], one: i64, school: i64) -> i128 {
        let sum: i64 = residuals.iter().map(|residual| (*residual).clamp(-one, one)).sum();
        let most = i64::try_from(residuals.len()).unwrap() * school;
        i128::from(sum.clamp(-most, most)) << EFFECT_BITS
    }

    proptest! {
        #[test]
        fn one_student_passes_no_more_thresholds_than_the_noise_is_for(
            residuals in prop::collection::vec(-300_i64..=300, 0..60),
            added in -300_i64..=300,
            (one, part) in (1_i64..=200, 1_i64..=4),
            lambda in 0.001_f64..5.0,
        ) {
            let school = (one / part).max(1);
            let lambda = Lambda::nearest(lambda).unwrap();
            // The finest step that is allowed.
            let most = (u128::from(one.unsigned_abs()) * u128::from(lambda.mantissa)) << EFFECT_BITS;
            let step = most.div_ceil(u128::from(CROSSED) << lambda.exponent);
            let grid = EffectGrid { lambda, step: u64::try_from(step).unwrap() };
            let counts = |residuals: &[i64]| {
                let n = i64::try_from(residuals.len()).unwrap();
                let sum = clipped(residuals, one, school);
                (-100..=100)
                    .map(|k| i64::from(grid.is_at_most(n, sum, k).unwrap()))
                    .collect::<Vec<i64>>()
            };
            let before = counts(&residuals);
            let after = counts(&[residuals.as_slice(), &[added]].concat());
            let moved: u64 = before.iter().zip(&after).map(|(a, b)| a.abs_diff(*b)).sum();
            prop_assert!(moved <= CROSSED, "{moved}");
        }

        #[test]
        fn an_effect_is_counted_where_its_value_says(
            n in 1_i32..4_096,
            residual in -1_000_000_i32..1_000_000,
            lambda in 0.001_f64..5.0,
            threshold in -100_i32..100,
        ) {
            let lambda = Lambda::nearest(lambda).unwrap();
            let grid = EffectGrid { lambda, step: 40_000 };
            let (n_real, residual_real) = (f64::from(n), f64::from(residual));
            let effect = lambda.value() * residual_real / lambda.value().mul_add(n_real, 1.0);
            let limit = f64::from(threshold) * 40_000.0 / 65_536.0;
            prop_assume!((effect - limit).abs() > 1e-9 * limit.abs().max(1.0));
            let said = grid.is_at_most(n.into(), i128::from(residual) << EFFECT_BITS, threshold.into()).unwrap();
            prop_assert_eq!(said, effect <= limit);
        }
    }
}
