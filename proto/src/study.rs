//! A study: what is measured, over whom, with which bounds, privacy and suppression parameters.
//!
//! In: the exact bytes of a TOML document (docs/PROTOCOL.md, "Study"). Out: a checked [`Study`],
//! named everywhere by the SHA-256 of those bytes. Only the fixed catalogue of
//! [`Indicator`]s can be asked for; unknown keys, duplicates and impossible parameters are refused
//! with the line and what to change. Touches nothing.

mod cohort;
mod date;
mod error;
mod growth;
mod measurement;
mod parse;
mod raw;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    canonical::{Digest, Transcript},
    category::{Dimension, Family, Grade, Indicator, Preset, Subject},
};

pub use self::{
    cohort::{CohortRule, CohortSizes, MAX_DISTRICTS, MIN_HONEST},
    date::{Date, DateError},
    error::StudyError,
    growth::{
        Covariate, GrowthSpec, MAX_COVARIATES, MAX_GROWTH, MAX_PRIORS, MAX_PUBLIC, MAX_YEARS_BACK,
        NoisySpec, Prior, PublicColumn, Regressor, Sample, Start,
    },
    measurement::{MAX_SEM_RANGES, Measurement, PriorSem, SEM_UNITS_PER_POINT, SemRange},
};

/// Largest study document, bytes.
pub const MAX_STUDY_BYTES: usize = 256 * 1024;
/// Most `[[table]]` sections.
pub const MAX_TABLES: usize = 200;
/// Most `[[test]]` sections.
pub const MAX_TESTS: usize = 32;
/// Most break-downs (`by`) of one table.
pub const MAX_BY: usize = 8;
/// Most school years of one table.
pub const MAX_YEARS: usize = 16;
/// Least `suppression.min_n` a study may ask for.
pub const LEAST_MIN_N: u32 = 3;
/// Largest score, points either side of 0.
pub const MAX_POINTS: i64 = 100_000;
/// Finest grid, integer units per score point.
pub const MAX_UNITS_PER_POINT: u32 = 1_000;

/// Integer units of a respondent's favourable share: ten thousandths.
pub const SHARE_UNITS: u32 = 10_000;
/// Years as an English learner, when a study does not say.
pub const DEFAULT_EL_YEARS: u8 = 5;

/// A checked study.
#[derive(Clone, Debug)]
pub struct Study {
    /// Short name: letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Spring year of the school year studied: 2024 is 2023-24.
    pub school_year: i16,
    /// Records are taken as they stood on this date.
    pub as_of: Date,
    /// The hub's public school table, covering every year measured.
    pub schools: PublicFile,
    /// Whether noise is added.
    pub mode: Mode,
    /// Privacy loss of the whole study; absent in `exact`.
    pub rho: Option<Rho>,
    /// How many districts it needs, may lose and may not trust.
    pub cohort: CohortRule,
    /// What is withheld from the release.
    pub suppression: SuppressionRule,
    /// The tests whose scores are read, by id.
    pub tests: BTreeMap<String, TestSpec>,
    /// What is measured, in the order of the document.
    pub tables: Vec<TableSpec>,
    /// Growth models, in the order of the document.
    pub growth: Vec<GrowthSpec>,
    hash: Digest,
}

impl Study {
    /// Reads a study from the exact bytes of its document.
    ///
    /// # Errors
    /// [`StudyError`] naming the line, the key and what to change.
    pub fn parse(toml: &[u8]) -> Result<Self, StudyError> {
        parse::study(toml)
    }

    /// SHA-256 of the exact bytes it was parsed from.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// Integer units per point, or per whole of a favourable share, of a table's values; 1 where it
    /// counts students.
    #[must_use]
    pub fn units_per_point(&self, table: &TableSpec) -> u32 {
        match (table.indicator, table.preset) {
            (indicator, Some(Preset::PerRespondent)) if indicator.is_of_answers() => SHARE_UNITS,
            _ => self.scores(table).map_or(1, |(test, _)| test.units_per_point),
        }
    }

    /// The score ranges a table reads, by grade tested, with their grid; `None` when the table
    /// reads no scores.
    #[must_use]
    pub fn scores(&self, table: &TableSpec) -> Option<(&TestSpec, &BTreeMap<Grade, ScoreRange>)> {
        let test = self.tests.get(table.test.as_ref()?)?;
        Some((test, test.scores.get(&table.indicator.subject()?)?))
    }
}

/// What the hub signs: the study's bytes together with its public school table's.
#[must_use]
pub fn study_digest(study: Digest, schools: Digest) -> Digest {
    Transcript::new("flashlight/study/v1")
        .bytes(study.as_bytes())
        .bytes(schools.as_bytes())
        .finish()
}

/// A public file that comes with the study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicFile {
    /// Bare file name, beside the study.
    pub file: String,
    /// SHA-256 of its exact bytes.
    pub sha256: Digest,
}

/// Whether the released sums carry noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Discrete Gaussian noise drawn at the nodes.
    #[default]
    Dp,
    /// No noise, no formal privacy guarantee.
    Exact,
}

impl Mode {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dp => "dp",
            Self::Exact => "exact",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// zCDP loss ρ: finite, > 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rho(f64);

impl Rho {
    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Rho {
    type Error = StudyError;

    fn try_from(rho: f64) -> Result<Self, StudyError> {
        if rho.is_finite() && rho > 0.0 {
            return Ok(Self(rho));
        }
        Err(StudyError::value("[privacy] rho", "must be a number above 0, such as 0.1"))
    }
}

/// What is withheld from the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuppressionRule {
    /// A cell over fewer students is withheld. At least [`LEAST_MIN_N`]; 11 when not given.
    pub min_n: u32,
}

/// One test: the bounds and cuts of its scores, on an integer grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSpec {
    /// As in the assessments file's `test_id`.
    pub id: String,
    /// Grid: integer units per score point. 1 when not given.
    pub units_per_point: u32,
    /// The range of each subject and grade tested; no subject is empty.
    pub scores: BTreeMap<Subject, BTreeMap<Grade, ScoreRange>>,
}

/// Bounds and cut of one test, subject and grade tested, all in grid units: min ≤ met ≤ max.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRange {
    /// Lowest possible score.
    pub min: i64,
    /// Highest possible score.
    pub max: i64,
    /// Lowest score that meets the standard.
    pub met: i64,
}

/// One `[[table]]`: an indicator, its years and its break-downs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// What is measured.
    pub indicator: Indicator,
    /// Which test's scores; `Some` exactly when the indicator reads scores.
    pub test: Option<String>,
    /// The variant of the rule; `Some` exactly when the indicator has presets.
    pub preset: Option<Preset>,
    /// Years after which an English learner who was not redesignated counts; `Some` exactly for
    /// `el_redesignation`.
    pub el_years: Option<u8>,
    /// School years measured, each once. What an indicator reads may reach further back
    /// ([`Indicator::years_back`]).
    pub years: Vec<i16>,
    /// Break-downs, each once, level before grade; `[]` is the whole network.
    pub by: Vec<Vec<Dimension>>,
    /// Families broken out of each break-down, each once, beside all students.
    pub families: Vec<Family>,
}

impl TableSpec {
    /// School years before the first one measured whose records the table reads. Years at a school are
    /// counted from enrolments of the years before.
    #[must_use]
    pub fn years_back(&self) -> i16 {
        match (self.preset, self.el_years) {
            (Some(Preset::AtSchool), Some(years)) => i16::from(years) + 1,
            _ => self.indicator.years_back(),
        }
    }
}
