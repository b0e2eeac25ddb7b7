//! Estimates from one cell's noisy sums, with intervals for the noise (docs/PRIVACY.md §6.3).
//!
//! In: noisy sums, in students and grid units, and the variances of their noise, which is public and
//! close to normal: a sum of many discrete Gaussians. Out: an [`Estimate`]. A 95 % interval holds
//! the value that the same students give without noise, for 95 % of the noise that could have been
//! drawn; the students are taken as they are, without any sampling error. Ratios have Fieller's
//! interval, which is exact for normal noise and knows that n is a part of what is noisy.
//!
//! What cannot be is moved to the nearest that can before it is divided: a negative count to 0, a
//! mean to its bounds. The truth lies among what can be, so that this never moves the truth out of
//! the interval; an interval is never empty and always holds its value.
//!
//! Only +, −, ×, ÷ and √, in one order: the same on every machine, to the bit.

use crate::dp::forecast::Z975;

/// A number and the variance of its noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) value: f64,
    pub(super) variance: f64,
}

impl Measured {
    pub(super) fn sd(self) -> f64 {
        self.variance.sqrt()
    }
}

/// A value, the standard deviation of its noise and its 95 % interval: `low` ≤ `value` ≤ `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) sd: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Half the width of the interval before it was cut to what can be; infinite without bounds.
    pub(super) half_width: f64,
}

/// A number of students, ñ as it is.
pub(super) fn count(n: Measured) -> Estimate {
    let half_width = Z975 * n.sd();
    let (low, high) = ((n.value - half_width).max(0.0), n.value + half_width);
    Estimate { value: n.value, sd: n.sd(), low, high, half_width }
}

/// A share num/(num + rest), from 0 to 1. `variance` is that of each of the two, which are
/// independent; num + rest > 0. The sd is that of the first-order (delta) method.
pub(super) fn rate(num: f64, rest: f64, variance: f64) -> Estimate {
    let (num, rest) = (num.max(0.0), rest.max(0.0));
    let n = num + rest;
    let value = num / n;
    let other = 1.0 - value;
    let sd = (variance * (other * other + value * value)).sqrt() / n;
    let part = Measured { value: num, variance };
    let whole = Measured { value: n, variance: 2.0 * variance };
    let interval = fieller(part, whole, variance, Z975);
    bounded(value, sd, interval, (0.0, 1.0))
}

/// A mean sum/n between `bounds`; n > 0. Sum and n are independent. The sd is that of the
/// first-order (delta) method.
pub(super) fn mean(sum: Measured, n: Measured, bounds: (f64, f64)) -> Estimate {
    let value = (sum.value / n.value).max(bounds.0).min(bounds.1);
    let sd = (sum.variance + value * value * n.variance).sqrt() / n.value;
    let possible = Measured { value: value * n.value, ..sum };
    bounded(value, sd, fieller(possible, n, 0.0, Z975), bounds)
}

/// Cuts an interval to `bounds`; without one it is all of them.
fn bounded(value: f64, sd: f64, interval: Option<(f64, f64)>, bounds: (f64, f64)) -> Estimate {
    let Some((low, high)) = interval else {
        let (low, high) = bounds;
        return Estimate { value, sd, low, high, half_width: f64::INFINITY };
    };
    let half_width = (high - low) / 2.0;
    // The value solves the equation the interval is made of; min and max undo its rounding.
    let (low, high) = (low.max(bounds.0).min(value), high.min(bounds.1).max(value));
    Estimate { value, sd, low, high, half_width }
}

/// Fieller's interval for x/y: all θ with |x − θy| ≤ z·sd(x − θy). `None` where that is no
/// interval, which is where y is within z standard deviations of 0.
///
/// # Source
/// Fieller 1954, with the discriminant multiplied out, so that large sums cancel before they are
/// rounded; `fieller_gives_the_intervals_worked_out_by_hand`.
fn fieller(x: Measured, y: Measured, covariance: f64, z: f64) -> Option<(f64, f64)> {
    let square = z * z;
    let (vx, vy, c) = (square * x.variance, square * y.variance, square * covariance);
    let (x, y) = (x.value, y.value);
    let leading = y * y - vy;
    if leading.is_nan() || leading <= 0.0 {
        return None;
    }
    let spread = (y * y * vx - 2.0 * x * y * c + x * x * vy + c * c - vx * vy).max(0.0).sqrt();
    let middle = x * y - c;
    Some(((middle - spread) / leading, (middle + spread) / leading))
}

#[cfg(test)]
#[path = "estimate/tests.rs"]
mod tests;
