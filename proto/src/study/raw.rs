//! The shape of a study document, as serde reads it. Every unknown key is an error.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::{Date, MAX_POINTS, Mode};
use crate::{
    canonical::Digest,
    category::{Dimension, Family, Grade, Indicator, Preset, Subject},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStudy {
    pub(super) study: RawHead,
    #[serde(default)]
    pub(super) privacy: RawPrivacy,
    pub(super) cohort: RawCohort,
    #[serde(default)]
    pub(super) suppression: RawSuppression,
    #[serde(default)]
    pub(super) test: Vec<Spanned<RawTest>>,
    #[serde(default)]
    pub(super) table: Vec<Spanned<RawTable>>,
    #[serde(default)]
    pub(super) growth: Vec<Spanned<RawGrowth>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHead {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) school_year: i16,
    pub(super) as_of: Date,
    pub(super) schools: RawFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) file: String,
    pub(super) sha256: Digest,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrivacy {
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) rho: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCohort {
    pub(super) min_districts: u16,
    pub(super) max_dropped: u16,
    pub(super) max_colluding: u16,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSuppression {
    pub(super) min_n: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    pub(super) id: String,
    pub(super) units_per_point: Option<u32>,
    pub(super) scores: BTreeMap<Subject, BTreeMap<Grade, RawRange>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRange {
    pub(super) min: Points,
    pub(super) max: Points,
    pub(super) met: Points,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTable {
    pub(super) indicator: Indicator,
    pub(super) test: Option<String>,
    pub(super) preset: Option<Preset>,
    pub(super) el_years: Option<u8>,
    pub(super) years: Option<Vec<i16>>,
    pub(super) by: Option<Vec<Vec<Dimension>>>,
    #[serde(default)]
    pub(super) families: Vec<Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrowth {
    pub(super) id: String,
    pub(super) test: String,
    pub(super) subject: Subject,
    pub(super) grades: Vec<Grade>,
    pub(super) priors: Vec<RawPrior>,
    #[serde(default)]
    pub(super) covariates: Vec<String>,
    #[serde(default)]
    pub(super) concentrations: Vec<String>,
    pub(super) measurement: Option<RawMeasurement>,
    pub(super) sample: Option<String>,
    #[serde(default)]
    pub(super) public: Vec<RawPublic>,
    #[serde(default)]
    pub(super) percentiles: bool,
    pub(super) rho: Option<f64>,
    pub(super) clip: Option<RawClip>,
    #[serde(default)]
    pub(super) start: Vec<RawStart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPublic {
    pub(super) column: String,
    pub(super) min: Points,
    pub(super) max: Points,
    pub(super) centre: Option<Points>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClip {
    pub(super) student: Points,
    pub(super) school: Points,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStart {
    pub(super) grade: Grade,
    pub(super) release: Digest,
    pub(super) names: Vec<String>,
    pub(super) centres: Vec<f64>,
    pub(super) beta: Vec<f64>,
    pub(super) scales: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrior {
    pub(super) subject: Subject,
    pub(super) years_back: u8,
    pub(super) centre: Option<Points>,
}

pub(super) enum RawMeasurement {
    Word(String),
    Subjects(BTreeMap<Subject, RawSem>),
}

impl<'de> Deserialize<'de> for RawMeasurement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> de::Visitor<'de> for Words {
            type Value = RawMeasurement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"none\", \"column\" or standard errors by subject")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RawMeasurement, E> {
                Ok(RawMeasurement::Word(word.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawMeasurement, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                Deserialize::deserialize(map).map(RawMeasurement::Subjects)
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// Standard errors of measurement of one subject.
pub(super) enum RawSem {
    Constant(Points),
    Grades(BTreeMap<Grade, Vec<RawSemRange>>),
}

impl<'de> Deserialize<'de> for RawSem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = RawSem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a standard error in points, or ranges of scores by grade")
            }

            fn visit_i64<E: de::Error>(self, points: i64) -> Result<RawSem, E> {
                Ok(RawSem::Constant(Points::Whole(points)))
            }

            fn visit_f64<E: de::Error>(self, points: f64) -> Result<RawSem, E> {
                Ok(RawSem::Constant(Points::Decimal(points)))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawSem, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                Deserialize::deserialize(map).map(RawSem::Grades)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSemRange {
    pub(super) from: Points,
    pub(super) to: Points,
    pub(super) sem: Points,
}

/// A score as written: points, whole or decimal.
#[derive(Clone, Copy)]
pub(super) enum Points {
    Whole(i64),
    Decimal(f64),
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl de::Visitor<'_> for Number {
            type Value = Points;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a score in points")
            }

            fn visit_i64<E: de::Error>(self, points: i64) -> Result<Points, E> {
                Ok(Points::Whole(points))
            }

            fn visit_f64<E: de::Error>(self, points: f64) -> Result<Points, E> {
                Ok(Points::Decimal(points))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

impl Points {
    /// The score in grid units, when it lies on the grid and within [`MAX_POINTS`].
    pub(super) fn on_grid(self, units_per_point: u32) -> Option<i64> {
        let units = f64::from(units_per_point);
        let grid = match self {
            Self::Whole(points) => points.checked_mul(i64::from(units_per_point))?,
            Self::Decimal(points) => {
                let grid = (points * units).round();
                // The nearest float to grid/units is what a decimal on the grid parses to.
                let nearest = (grid / units).to_bits() == (points + 0.0).to_bits();
                let on_grid = points.is_finite() && nearest;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "saturates, is whole, and is checked against the range below"
                )]
                on_grid.then_some(grid as i64)?
            }
        };
        let most = MAX_POINTS * i64::from(units_per_point);
        (-most..=most).contains(&grid).then_some(grid)
    }
}
