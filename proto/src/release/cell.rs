//! One published cell: a value and its n, or suppressed with neither.

use std::sync::Arc;

use serde::Serialize;

use super::{json::CellText, noisy::Noisy};
use crate::{
    category::{Dimension, Family, Grade, Indicator, Level, Preset},
    layout::{Block, CellKey, Encoding},
    study::TableSpec,
};

/// Largest integer in a release: up to here every integer is exactly one float, so that each value
/// is a single correctly rounded division.
pub const MAX_EXACT: i64 = 1 << 53;

/// One cell of a release. Everything but the outcome is public beforehand.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "CellText")]
pub struct Cell {
    /// Number of the study's `[[table]]`, from 1.
    pub table: usize,
    /// What is measured.
    pub indicator: Indicator,
    /// The test whose scores are read.
    pub test: Option<Arc<str>>,
    /// The variant of the rule.
    pub preset: Option<Preset>,
    /// School year.
    pub year: i16,
    /// Level; `None` when not broken down by level.
    pub level: Option<Level>,
    /// Grade; `None` when not broken down by grade.
    pub grade: Option<Grade>,
    /// Family; `None` for all students.
    pub family: Option<Family>,
    /// Group of the family; `None` for all students.
    pub group: Option<&'static str>,
    /// What is shown.
    pub outcome: Outcome,
}

impl Cell {
    pub(super) fn new(
        block: &Block,
        table: &TableSpec,
        test: Option<Arc<str>>,
        key: &CellKey,
        outcome: Outcome,
    ) -> Self {
        Self {
            table: block.table + 1,
            indicator: block.indicator,
            test,
            preset: table.preset,
            year: block.year,
            level: key.level,
            grade: key.grade,
            family: block.family,
            group: block.family.map(|family| family.groups()[key.group]),
            outcome,
        }
    }

    /// The break-down it belongs to, level before grade; empty for the whole network.
    #[must_use]
    pub fn by(&self) -> Vec<Dimension> {
        let level = self.level.map(|_| Dimension::Level);
        level.into_iter().chain(self.grade.map(|_| Dimension::Grade)).collect()
    }
}

/// What a cell shows: in `exact` mode a count, rate or mean, in `dp` mode [`Noisy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Fewer than `min_n` students, perhaps none, or in `dp` mode too few to tell: nothing is shown.
    Suppressed,
    /// A count of students.
    Count {
        /// Students.
        n: u64,
    },
    /// A share of students.
    Rate {
        /// Students in the numerator.
        num: u64,
        /// Students in the denominator.
        n: u64,
    },
    /// A share of answered items.
    Items {
        /// Favourable items.
        num: u64,
        /// Answered items.
        den: u64,
        /// Respondents.
        n: u64,
    },
    /// A mean.
    Mean {
        /// Sum of scores, or of distances from standard, grid units.
        sum: i64,
        /// Scores.
        n: u64,
        /// Grid units per point.
        units_per_point: u32,
    },
    /// Any of them with noise.
    Noisy(Noisy),
}

impl Outcome {
    /// The outcome of one cell's exact sums; `None` when no students could give them.
    pub(super) fn of_sums(
        encoding: Encoding,
        units_per_point: u32,
        sums: &[i64],
        min_n: u32,
    ) -> Option<Self> {
        let count = |sum: i64| u64::try_from(sum).ok().filter(|_| sum <= MAX_EXACT);
        let outcome = match (encoding, sums) {
            (Encoding::Count, &[n]) => Self::Count { n: count(n)? },
            (Encoding::Rate, &[num, rest]) => {
                let (num, rest) = (count(num)?, count(rest)?);
                let n = i64::try_from(num + rest).ok().and_then(count)?;
                Self::Rate { num, n }
            }
            (Encoding::Items, &[num, rest, n]) => {
                let (num, rest, n) = (count(num)?, count(rest)?, count(n)?);
                let den = i64::try_from(num + rest).ok().and_then(count).filter(|den| *den >= n)?;
                Self::Items { num, den, n }
            }
            (Encoding::Mean { mid, low, high }, &[centred, n]) => {
                let n = count(n)?;
                let total = i128::from(centred) + i128::from(mid) * i128::from(n);
                let possible = i128::from(low) * i128::from(n)..=i128::from(high) * i128::from(n);
                let units = i128::from(n) * i128::from(units_per_point);
                let exact = i128::from(MAX_EXACT);
                let sum = i64::try_from(total).ok().filter(|_| possible.contains(&total))?;
                if total.abs() > exact || units > exact {
                    return None;
                }
                Self::Mean { sum, n, units_per_point }
            }
            _ => return None,
        };
        let shown = outcome.n().is_some_and(|n| n >= u64::from(min_n));
        Some(if shown { outcome } else { Self::Suppressed })
    }

    /// Whether this could stand in a cell of this encoding: the check of [`Self::of_sums`] on an
    /// outcome that was read back.
    pub(super) fn fits(self, encoding: Encoding, units_per_point: u32, min_n: u32) -> bool {
        let word = |n: u64| i64::try_from(n).ok();
        let sums = match (self, encoding) {
            (Self::Suppressed, _) => return true,
            (Self::Count { n }, Encoding::Count) => word(n).map(|n| vec![n]),
            (Self::Rate { num, n }, Encoding::Rate) => n
                .checked_sub(num)
                .and_then(word)
                .and_then(|rest| word(num).map(|num| vec![num, rest])),
            (Self::Items { num, den, n }, Encoding::Items) => {
                let rest = den.checked_sub(num).and_then(word);
                word(num).zip(rest).zip(word(n)).map(|((num, rest), n)| vec![num, rest, n])
            }
            (Self::Mean { sum, n, .. }, Encoding::Mean { mid, .. }) => word(n).and_then(|n| {
                let centred = sum.checked_sub(mid.checked_mul(n)?)?;
                Some(vec![centred, n])
            }),
            _ => None,
        };
        sums.and_then(|sums| Self::of_sums(encoding, units_per_point, &sums, min_n)) == Some(self)
    }

    /// Students behind the value: counted, in the denominator, or with a score; with noise, rounded
    /// to a whole number of at least 0. `None` when suppressed.
    #[must_use]
    pub const fn n(self) -> Option<u64> {
        match self {
            Self::Suppressed => None,
            Self::Count { n }
            | Self::Rate { n, .. }
            | Self::Items { n, .. }
            | Self::Mean { n, .. } => Some(n),
            Self::Noisy(noisy) => Some(noisy.n),
        }
    }

    /// The value: students, a share from 0 to 1, or points. `None` when suppressed.
    ///
    /// Computed once from the integers, which without noise are at most [`MAX_EXACT`]: the float
    /// nearest to the true quotient.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "of_sums keeps all of them within MAX_EXACT")]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Suppressed => None,
            Self::Count { n } => Some(n as f64),
            Self::Rate { num, n } => Some(num as f64 / n as f64),
            Self::Items { num, den, .. } => Some(num as f64 / den as f64),
            Self::Mean { sum, n, units_per_point } => {
                Some(sum as f64 / (n * u64::from(units_per_point)) as f64)
            }
            Self::Noisy(noisy) => Some(noisy.value),
        }
    }

    /// What is shown with noise; `None` when suppressed, or without noise.
    #[must_use]
    pub const fn noisy(&self) -> Option<&Noisy> {
        match self {
            Self::Noisy(noisy) => Some(noisy),
            _ => None,
        }
    }

    /// The value as it is written, in JSON and CSV alike: the shortest decimal that reads back as
    /// the same float, and an integer for a count without noise.
    pub(super) fn number(self) -> Option<serde_json::Number> {
        match self {
            Self::Count { n } => Some(n.into()),
            other => other.value().and_then(serde_json::Number::from_f64),
        }
    }
}
