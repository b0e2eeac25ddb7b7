//! Privacy loss as the ledger adds it: whole units, so that sums are exact in every order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Units per ρ = 1.
const UNITS: u64 = 1_000_000_000_000;

/// Decimal places of one unit.
const PLACES: usize = 12;

/// Most ρ the ledger counts; nothing near it protects anybody.
const RHO_MAX: f64 = 1e6;

/// A zCDP loss in units of 10⁻¹² ρ. As JSON, that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss(u64);

impl Loss {
    /// No loss.
    pub const ZERO: Self = Self(0);

    /// What a charge of ρ comes to: the decimal number as it is written, rounded up. `None` unless
    /// 0 ≤ ρ ≤ 10⁶.
    #[must_use]
    pub fn of_charge(rho: f64) -> Option<Self> {
        let (units, more) = units(rho)?;
        Some(Self(units + u64::from(more)))
    }

    /// What a limit of ρ comes to: rounded down. `None` unless 0 ≤ ρ ≤ 10⁶.
    #[must_use]
    pub fn of_limit(rho: f64) -> Option<Self> {
        units(rho).map(|(units, _)| Self(units))
    }

    /// The sum; a sum that does not fit is larger than every limit.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of `self` after `other`; 0 when `other` is larger.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// ρ, the nearest number to the exact decimal; for reports alone.
    #[must_use]
    pub fn rho(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }
}

/// ρ in whole units, and whether something is left over. Works on the shortest decimal form, so that
/// ten charges of 0.1 fill a limit of 1 exactly.
fn units(rho: f64) -> Option<(u64, bool)> {
    if !(0.0..=RHO_MAX).contains(&rho) {
        return None;
    }
    let text = rho.abs().to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let (part, beyond) = part.split_at(part.len().min(PLACES));
    let units = whole.parse::<u64>().ok()?.checked_mul(UNITS)?;
    let part = format!("{part:0<PLACES$}").parse::<u64>().ok()?;
    Some((units.checked_add(part)?, beyond.bytes().any(|digit| digit != b'0')))
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:0PLACES$}", self.0 / UNITS, self.0 % UNITS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(rho: f64) -> Loss {
        Loss::of_charge(rho).unwrap()
    }

    #[test]
    fn ten_tenths_make_one_whole() {
        let sum = (0..10).fold(Loss::ZERO, |sum, _| sum.plus(charge(0.1)));
        assert_eq!(sum, Loss::of_limit(1.0).unwrap());
        let thirds = (0..3).fold(Loss::ZERO, |sum, _| sum.plus(charge(0.7)));
        assert_eq!(thirds.to_string(), "2.1");
    }

    #[test]
    fn charges_round_up_and_limits_down() {
        for (rho, up, down) in [
            (1.0 / 3.0, "0.333333333334", "0.333333333333"),
            (1e-20, "0.000000000001", "0"),
            (0.0, "0", "0"),
            (1e6, "1000000", "1000000"),
        ] {
            assert_eq!(charge(rho).to_string(), up);
            assert_eq!(Loss::of_limit(rho).unwrap().to_string(), down);
        }
    }

    #[test]
    fn what_is_no_loss_is_refused() {
        for bad in [-0.1, f64::NAN, f64::INFINITY, 1.1e6] {
            assert_eq!((Loss::of_charge(bad), Loss::of_limit(bad)), (None, None), "{bad}");
        }
    }

    #[test]
    fn a_sum_beyond_the_range_stays_above_every_limit() {
        assert!(Loss(u64::MAX).plus(charge(1.0)) > Loss::of_limit(1e6).unwrap());
    }
}
