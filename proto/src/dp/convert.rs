//! From zCDP to (ε, δ): the one conversion in use (Canonne, Kamath, Steinke 2020, Proposition 12):
//!
//! δ(ε) = min over α > 1 of exp((α−1)(αρ−ε) + α·ln(1−1/α)) / (α−1).
//!
//! With u = α − 1 the logarithm is u((1+u)ρ − ε) − u·ln(1+1/u) − ln(1+u), whose slope
//! (1+2u)ρ − ε − ln(1+1/u) rises strictly from −∞: one root, found by bisection of ln u. Every u
//! gives a valid bound, so what the search leaves can only overstate δ.

use std::fmt;

use super::Rho;

/// Steps of a bisection: enough to reach neighbouring floats.
const STEPS: usize = 200;
/// |ln u| that is searched: u and 1/u stay finite.
const LN_U_MAX: f64 = 700.0;

/// A privacy parameter that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// ε must be finite and at least 0.
    #[error("epsilon must be a number of at least 0, such as 2.1")]
    Epsilon,
    /// δ must lie between 0 and 1.
    #[error("delta must be a number above 0 and below 1, such as 1e-6")]
    Delta,
}

impl ParameterError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Epsilon => "parameter_epsilon",
            Self::Delta => "parameter_delta",
        }
    }
}

/// ε of (ε, δ)-differential privacy: finite, ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Epsilon {
    type Error = ParameterError;

    fn try_from(epsilon: f64) -> Result<Self, ParameterError> {
        let is_valid = epsilon.is_finite() && epsilon >= 0.0;
        if is_valid { Ok(Self(epsilon)) } else { Err(ParameterError::Epsilon) }
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// δ of (ε, δ)-differential privacy: 0 < δ < 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Delta(f64);

impl Delta {
    /// Largest δ any study uses.
    pub const MOST: Self = Self(1e-6);

    /// δ of a study over `students` people by public enrolment: min(1e-6, 1/(10·students)).
    #[must_use]
    pub fn of_students(students: u64) -> Self {
        // Saturating only makes δ larger than it would be beyond 4 billion students.
        let students = f64::from(u32::try_from(students.max(1)).unwrap_or(u32::MAX));
        Self(Self::MOST.0.min(1.0 / (10.0 * students)))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Delta {
    type Error = ParameterError;

    fn try_from(delta: f64) -> Result<Self, ParameterError> {
        let is_valid = delta > 0.0 && delta < 1.0;
        if is_valid { Ok(Self(delta)) } else { Err(ParameterError::Delta) }
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerExp::fmt(&self.0, f)
    }
}

/// The δ for which ρ-zCDP implies (ε, δ)-differential privacy; between 0 and 1.
///
/// # Source
/// Canonne, Kamath, Steinke 2020; `vectors_of_the_paper`.
#[must_use]
pub fn delta_of(rho: Rho, epsilon: Epsilon) -> f64 {
    ln_delta(rho.value(), epsilon.0).exp()
}

/// The least ε, up to rounding and never below it, for which ρ-zCDP implies (ε, δ)-differential
/// privacy.
///
/// # Source
/// Canonne, Kamath, Steinke 2020; `epsilon_has_the_published_values`.
#[must_use]
pub fn epsilon_of(rho: Rho, delta: Delta) -> Epsilon {
    let (rho, goal) = (rho.value(), delta.0.ln());
    if ln_delta(rho, 0.0) <= goal {
        return Epsilon(0.0);
    }
    // Bun and Steinke 2016: this ε always suffices.
    let (mut low, mut high) = (0.0, rho + 2.0 * (rho * -goal).sqrt());
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if ln_delta(rho, middle) <= goal {
            high = middle;
        } else {
            low = middle;
        }
    }
    Epsilon(high)
}

/// ln δ, at most 0.
fn ln_delta(rho: f64, epsilon: f64) -> f64 {
    let most = ((epsilon + 1.0) / (2.0 * rho)).max(1.0).ln().min(LN_U_MAX);
    let (mut low, mut high) = (-LN_U_MAX, most);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        let u = middle.exp();
        if (1.0 + 2.0 * u) * rho - epsilon - u.recip().ln_1p() < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let u = high.exp();
    (u * ((1.0 + u) * rho - epsilon) - u * u.recip().ln_1p() - u.ln_1p()).min(0.0)
}

/// A loss as it is shown: rounded up to so many decimals, so that no more is lost than is said.
#[must_use]
pub fn rounded_up(value: f64, decimals: i32) -> f64 {
    let unit = 10_f64.powi(decimals);
    (value * unit).ceil() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rho(value: f64) -> Rho {
        Rho::try_from(value).unwrap()
    }

    #[test]
    fn epsilon_has_the_published_values() {
        let delta = Delta::try_from(1e-6).unwrap();
        let known = [
            (0.05, 1.4716),
            (0.1, 2.1419),
            (0.125, 2.4191),
            (0.25, 3.5423),
            (0.5, 5.2215),
            (1.0, 7.7662),
        ];
        for (loss, epsilon) in known {
            let got = epsilon_of(rho(loss), delta).value();
            assert!((got - epsilon).abs() <= 0.5e-4, "rho {loss}: {got}, not {epsilon}");
        }
    }

    #[test]
    fn vectors_of_the_paper() {
        let epsilon = epsilon_of(rho(1.0 / 32.0), Delta::try_from(1e-3).unwrap()).value();
        assert!((epsilon - 0.688_002_455_487_808_6).abs() < 1e-13, "{epsilon}");
        let delta = delta_of(rho(0.5), Epsilon::try_from(0.0).unwrap());
        assert!((delta - 0.558_835_639_347_435_1).abs() < 1e-14, "{delta}");
    }

    #[test]
    fn no_alpha_on_a_fine_grid_does_better_than_the_search() {
        for loss in [1e-6, 1e-3, 0.1, 1.0, 30.0] {
            for epsilon in [0.0, 1e-3, 0.5, 2.0, 40.0] {
                let found = ln_delta(loss, epsilon);
                for step in -4000..4000 {
                    let u = (f64::from(step) / 200.0).exp();
                    let grid = u * ((1.0 + u) * loss - epsilon) - u * u.recip().ln_1p() - u.ln_1p();
                    assert!(found <= grid.min(0.0) + 1e-12, "rho {loss} epsilon {epsilon} u {u}");
                }
            }
        }
    }

    #[test]
    fn epsilon_and_delta_undo_each_other_at_every_scale() {
        for loss in [1e-9, 1e-4, 0.01, 0.1, 1.0, 10.0, 1e3] {
            for target in [1e-15, 1e-9, 1e-6, 1e-3] {
                let epsilon = epsilon_of(rho(loss), Delta::try_from(target).unwrap());
                let delta = delta_of(rho(loss), epsilon);
                assert!(delta <= target * (1.0 + 1e-9), "rho {loss} delta {target}: {delta}");
                let tight = epsilon.value() == 0.0 || delta > target * (1.0 - 1e-6);
                assert!(tight, "rho {loss} delta {target}: epsilon {epsilon} is not the least");
            }
        }
    }

    #[test]
    fn extreme_losses_give_numbers_not_nan() {
        for loss in [f64::MIN_POSITIVE, 1e-300, 1e300] {
            for epsilon in [0.0, 1.0, 1e300] {
                let delta = delta_of(rho(loss), Epsilon::try_from(epsilon).unwrap());
                assert!((0.0..=1.0).contains(&delta), "rho {loss} epsilon {epsilon}: {delta}");
            }
            assert!(!epsilon_of(rho(loss), Delta::MOST).value().is_nan());
        }
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, -1e-9] {
            assert_eq!(Epsilon::try_from(bad).unwrap_err().code(), "parameter_epsilon");
            assert_eq!(Delta::try_from(bad).unwrap_err().code(), "parameter_delta");
        }
        assert!(Delta::try_from(0.0).is_err() && Delta::try_from(1.0).is_err());
    }

    #[test]
    fn delta_shrinks_with_the_public_enrolment_and_never_passes_one_in_a_million() {
        assert!((Delta::of_students(0).value() - 1e-6).abs() < f64::EPSILON);
        assert!((Delta::of_students(6_802).value() - 1e-6).abs() < f64::EPSILON);
        assert!((Delta::of_students(5_800_000).value() - 1.0 / 58e6).abs() < 1e-20);
    }
}
