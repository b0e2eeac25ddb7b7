//! The sum of discrete Gaussians: what h shares of noise are worth together (Kairouz, Liu, Steinke
//! 2021, Theorem 1).
//!
//! All in grid units. The sum of h discrete Gaussians of variance s² each is not exactly one
//! discrete Gaussian; the distance is bounded through τ, which vanishes doubly fast in s². The
//! plan therefore scales the data up until s² ≥ [`LEAST_VARIANCE`].

use std::f64::consts::PI;

/// Least variance of one share, fine grid units²: below it the data are multiplied by 2ᵇ.
pub const LEAST_VARIANCE: f64 = 4.0;
/// Most bits b the data are scaled up by.
pub const MAX_SCALE_BITS: u32 = 24;

/// τ = 10·Σ_{k=1}^{h−1} exp(−2π²s²k/(k+1)).
///
/// # Source
/// docs/PRIVACY.md §6.2; `tau_has_the_published_values`.
#[must_use]
pub fn tau(variance: f64, honest: u16) -> f64 {
    let term = |k: u16| (-2.0 * PI * PI * variance * f64::from(k) / (f64::from(k) + 1.0)).exp();
    10.0 * (1..honest).map(term).sum::<f64>()
}

/// ρ of a block that h honest shares of variance s² each protect:
/// ½·min{ l₂² + 2τd, l₂² + 2l₁τ + τ²d, (l₂ + √d·τ)² } with l₂ = Δ₂/(√h·s), l₁ = Δ₁/(√h·s).
///
/// `delta2_squared`, `delta1`: the block's sensitivities, on the same grid as `variance`. `words`: d.
///
/// # Source
/// Kairouz, Liu, Steinke 2021, Theorem 1; `the_least_of_the_three_bounds_is_taken`.
#[must_use]
pub fn rho_of_sum(
    delta2_squared: f64,
    delta1: f64,
    variance: f64,
    honest: u16,
    words: usize,
) -> f64 {
    let tau = tau(variance, honest);
    let total = f64::from(honest) * variance;
    let l2_squared = delta2_squared / total;
    let (l2, l1) = (l2_squared.sqrt(), delta1 / total.sqrt());
    let d = f64::from(u32::try_from(words).unwrap_or(u32::MAX));
    let first = l2_squared + 2.0 * tau * d;
    let second = l2_squared + 2.0 * l1 * tau + tau * tau * d;
    let third = l2 + d.sqrt() * tau;
    0.5 * first.min(second).min(third * third)
}

/// Least b ≥ 0 with 4ᵇ·s² ≥ [`LEAST_VARIANCE`]; `None` beyond [`MAX_SCALE_BITS`].
#[must_use]
pub fn scale_bits(variance: f64) -> Option<u32> {
    let mut scaled = variance;
    for bits in 0..=MAX_SCALE_BITS {
        if scaled >= LEAST_VARIANCE {
            return Some(bits);
        }
        scaled *= 4.0;
    }
    None
}

/// The least float whose exact square is at least `variance`: finite, > 0.
#[must_use]
pub fn root_up(variance: f64) -> f64 {
    let mut root = variance.sqrt();
    // A fused multiply-add has the sign of the exact root² − variance.
    while root.mul_add(root, -variance) < 0.0 {
        root = root.next_up();
    }
    root
}

/// The least float not below `value`.
#[must_use]
pub(super) fn up(value: u128) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "rounds to nearest, and is then compared and raised"
    )]
    let nearest = value as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the float of an integer is whole, not negative, and saturates"
    )]
    let back = nearest as u128;
    if back < value { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tau_has_the_published_values() {
        // Ten terms: h = 11.
        for (variance, known, unit) in [
            (1.0, 5.44e-4, 1e-6),
            (2.0, 2.68e-8, 1e-10),
            (4.0, 7.16e-17, 1e-19),
            (8.0, 5.1e-34, 1e-35),
        ] {
            let got = tau(variance, 11);
            assert!((got - known).abs() <= unit / 2.0, "s² = {variance}: {got}, not {known}");
        }
        assert!(tau(4.0, 1).abs() < f64::MIN_POSITIVE, "one share is exactly one Gaussian");
    }

    #[test]
    fn the_least_of_the_three_bounds_is_taken() {
        // s² = 1 makes τ visible: 5.44e-4 with h = 11.
        let (variance, honest) = (1.0, 11);
        let tau = tau(variance, honest);
        let few = 0.5 * (4.0 + 2.0 * tau);
        assert!((rho_of_sum(44.0, 40.0, variance, honest, 1) - few).abs() < 1e-15);
        let l2_squared = 4.0 / 11.0;
        let l1 = 2.0 / 11_f64.sqrt();
        let short = 0.5 * (l2_squared + 2.0 * l1 * tau + tau * tau * 1000.0);
        assert!((rho_of_sum(4.0, 2.0, variance, honest, 1000) - short).abs() < 1e-15);
        let root = l2_squared.sqrt() + 1000_f64.sqrt() * tau;
        let many = 0.5 * root * root;
        assert!((rho_of_sum(4.0, 400.0, variance, honest, 1000) - many).abs() < 1e-15);
    }

    #[test]
    fn a_tiny_tau_leaves_the_rho_of_one_gaussian() {
        let rho = rho_of_sum(9.0, 9.0, 4.0, 37, 4096);
        assert!((rho / (9.0 / (2.0 * 4.0 * 37.0)) - 1.0).abs() < 1e-9, "{rho}");
    }

    #[test]
    fn the_fine_grid_is_the_coarsest_that_is_fine_enough() {
        for (variance, bits) in [(4.0, 0), (1e9, 0), (3.999, 1), (1.0, 1), (0.999, 2), (0.25, 2)] {
            assert_eq!(scale_bits(variance), Some(bits), "{variance}");
        }
        assert_eq!(scale_bits(1e-30), None);
        assert_eq!(scale_bits(f64::NAN), None);
    }

    #[test]
    fn roots_are_rounded_up_and_no_further() {
        for variance in [4.0, 4.1, 2.0e7 / 3.0, 1e-3, 45_522.972_972_972_97] {
            let root = root_up(variance);
            assert!(root.mul_add(root, -variance) >= 0.0);
            let below = root.next_down();
            assert!(below.mul_add(below, -variance) < 0.0, "{variance}");
        }
    }

    #[test]
    fn integers_are_rounded_up() {
        assert_eq!(up(7).to_bits(), 7.0_f64.to_bits());
        let odd = (1_u128 << 60) + 1;
        assert!(up(odd) > up(1 << 60));
        assert_eq!(up(u128::from(u64::MAX)).to_bits(), 2_f64.powi(64).to_bits());
    }
}
