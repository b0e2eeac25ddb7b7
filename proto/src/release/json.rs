//! A cell by the names its parts have in every file: `release.json`, and the columns of `tables.csv`.
//! Parts that an outcome does not have are left out.

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Number;

use super::{
    ALL, Cell, Outcome,
    noisy::{Noisy, NoisySums},
};
use crate::category::{CategoryError, Dimension, Family, Grade, Indicator, Level, Preset};

/// The text of an attribute, or the word for "not broken down by this".
pub(super) fn or_all(text: Option<&'static str>) -> &'static str {
    text.unwrap_or(ALL)
}

/// Reads an attribute back.
fn unless_all<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text == ALL { Ok(None) } else { text.parse().map(Some) }
}

/// A cell as it stands in `release.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CellText {
    pub(super) table: usize,
    pub(super) indicator: Indicator,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) test: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preset: Option<Preset>,
    pub(super) year: i16,
    pub(super) by: Vec<Dimension>,
    pub(super) level: String,
    pub(super) grade: String,
    pub(super) family: String,
    pub(super) group: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sd: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) low: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) high: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sd_n: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noise_dominated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) den: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noisy_num: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noisy_rest: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noisy_n: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n_scale_bits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noisy_sum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sum_scale_bits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) units_per_point: Option<u32>,
    pub(super) suppressed: bool,
}

impl From<Cell> for CellText {
    fn from(cell: Cell) -> Self {
        let mut text = Self {
            table: cell.table,
            indicator: cell.indicator,
            test: cell.test.as_deref().map(str::to_owned),
            preset: cell.preset,
            year: cell.year,
            by: cell.by(),
            level: or_all(cell.level.map(Level::as_str)).to_owned(),
            grade: or_all(cell.grade.map(Grade::as_str)).to_owned(),
            family: or_all(cell.family.map(Family::as_str)).to_owned(),
            group: or_all(cell.group).to_owned(),
            value: cell.outcome.number(),
            sd: None,
            low: None,
            high: None,
            n: cell.outcome.n(),
            sd_n: None,
            noise_dominated: None,
            num: None,
            den: None,
            sum: None,
            noisy_num: None,
            noisy_rest: None,
            noisy_n: None,
            n_scale_bits: None,
            noisy_sum: None,
            sum_scale_bits: None,
            units_per_point: None,
            suppressed: cell.outcome == Outcome::Suppressed,
        };
        match cell.outcome {
            Outcome::Suppressed | Outcome::Count { .. } => {}
            Outcome::Rate { num, .. } => text.num = Some(num),
            Outcome::Items { num, den, .. } => (text.num, text.den) = (Some(num), Some(den)),
            Outcome::Mean { sum, units_per_point, .. } => {
                (text.sum, text.units_per_point) = (Some(sum), Some(units_per_point));
            }
            Outcome::Noisy(noisy) => text.fill(&noisy),
        }
        text
    }
}

impl CellText {
    /// Adds what only noise has.
    fn fill(&mut self, noisy: &Noisy) {
        let number = Number::from_f64;
        (self.sd, self.low, self.high) = (number(noisy.sd), number(noisy.low), number(noisy.high));
        (self.sd_n, self.noise_dominated) = (number(noisy.sd_n), Some(noisy.noise_dominated));
        match noisy.sums {
            NoisySums::Count { n, n_scale_bits } => {
                (self.noisy_n, self.n_scale_bits) = (Some(n), Some(n_scale_bits));
            }
            NoisySums::Rate { num, rest, n_scale_bits } => {
                (self.noisy_num, self.noisy_rest) = (Some(num), Some(rest));
                self.n_scale_bits = Some(n_scale_bits);
            }
            NoisySums::Mean { sum, sum_scale_bits, n, n_scale_bits, units_per_point } => {
                (self.noisy_sum, self.sum_scale_bits) = (Some(sum), Some(sum_scale_bits));
                (self.noisy_n, self.n_scale_bits) = (Some(n), Some(n_scale_bits));
                self.units_per_point = Some(units_per_point);
            }
        }
    }

    /// The outcome, without recomputing it; `None` when its parts do not belong together.
    fn outcome(&self) -> Option<Outcome> {
        let exact = (self.num, self.den, self.sum, self.units_per_point);
        match (self.suppressed, &self.value, self.n, self.sd.is_some()) {
            (true, None, None, false) if exact == (None, None, None, None) => {
                Some(Outcome::Suppressed)
            }
            (false, Some(_), Some(n), false) => match exact {
                (None, None, None, None) => Some(Outcome::Count { n }),
                (Some(num), None, None, None) => Some(Outcome::Rate { num, n }),
                (Some(num), Some(den), None, None) => Some(Outcome::Items { num, den, n }),
                (None, None, Some(sum), Some(units_per_point)) => {
                    Some(Outcome::Mean { sum, n, units_per_point })
                }
                _ => None,
            },
            (false, Some(_), Some(n), true) => self.noisy(n).map(Outcome::Noisy),
            _ => None,
        }
    }

    fn noisy(&self, n: u64) -> Option<Noisy> {
        let n_scale_bits = self.n_scale_bits?;
        let count = (self.noisy_num, self.noisy_rest, self.noisy_n);
        let sums = match (count, self.noisy_sum, self.sum_scale_bits, self.units_per_point) {
            ((None, None, Some(n)), None, None, None) => NoisySums::Count { n, n_scale_bits },
            ((Some(num), Some(rest), None), None, None, None) => {
                NoisySums::Rate { num, rest, n_scale_bits }
            }
            ((None, None, Some(n)), Some(sum), Some(sum_scale_bits), Some(units_per_point)) => {
                NoisySums::Mean { sum, sum_scale_bits, n, n_scale_bits, units_per_point }
            }
            _ => return None,
        };
        let float = |number: &Option<Number>| number.as_ref()?.as_f64();
        Some(Noisy {
            sums,
            value: float(&self.value)?,
            sd: float(&self.sd)?,
            low: float(&self.low)?,
            high: float(&self.high)?,
            n,
            sd_n: float(&self.sd_n)?,
            noise_dominated: self.noise_dominated?,
        })
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(CellText::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A cell that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub(super) enum CellError {
    #[error("a cell shows a value with its integers, or is suppressed with none of them")]
    Outcome,
    #[error("a cell names a group that its family does not have")]
    Group,
    #[error(transparent)]
    Category(#[from] CategoryError),
}

impl TryFrom<CellText> for Cell {
    type Error = CellError;

    /// Reads a cell back. What is computed is left to be computed again from the integers.
    fn try_from(text: CellText) -> Result<Self, Self::Error> {
        let outcome = text.outcome().ok_or(CellError::Outcome)?;
        let family: Option<Family> = unless_all(&text.family)?;
        let group = family.map_or(Some(ALL), |family| {
            family.groups().iter().copied().find(|group| *group == text.group)
        });
        let group = group.filter(|group| *group == text.group).ok_or(CellError::Group)?;
        Ok(Self {
            table: text.table,
            indicator: text.indicator,
            test: text.test.map(Arc::from),
            preset: text.preset,
            year: text.year,
            level: unless_all(&text.level)?,
            grade: unless_all(&text.grade)?,
            family,
            group: family.map(|_| group),
            outcome,
        })
    }
}
