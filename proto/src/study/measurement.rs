//! What a study knows of the errors of measurement of earlier scores: nothing, public standard errors, or
//! those beside the scores.
//!
//! A test's technical report gives its conditional standard error of measurement (CSEM) by grade and scale
//! score. Here it is by ranges, in exact integers, and covers every score that a model can read.

use std::collections::BTreeMap;

use crate::category::Grade;

/// Grid of standard errors of measurement: hundredths of a point.
pub const SEM_UNITS_PER_POINT: u32 = 100;
/// Most ranges of scores of one subject and grade.
pub const MAX_SEM_RANGES: usize = 1_000;

/// What is known of the priors' errors of measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// Nothing: no errors-in-variables estimates.
    None,
    /// Public standard errors of each prior, in the order of the priors.
    Public(Vec<PriorSem>),
    /// The `sem` beside each score; a student without one is in no model.
    Column,
}

/// Public standard errors of measurement of one prior.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriorSem {
    /// One for all scores, hundredths of a point.
    Constant(u32),
    /// By the grade of the prior; a grade's ranges ascend without gap or overlap, and reach over the
    /// test's bounds.
    Ranges(BTreeMap<Grade, Vec<SemRange>>),
}

/// Scores with one standard error of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemRange {
    /// Least score, grid units.
    pub from: i64,
    /// Greatest score, grid units.
    pub to: i64,
    /// Standard error, hundredths of a point.
    pub sem: u32,
}

impl Measurement {
    /// Whether errors-in-variables estimates are asked for.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// `none`, `constant`, `table` or `column`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let is_constant = |one: &PriorSem| matches!(one, PriorSem::Constant(_));
        match self {
            Self::None => "none",
            Self::Public(all) if all.iter().all(is_constant) => "constant",
            Self::Public(_) => "table",
            Self::Column => "column",
        }
    }
}

impl PriorSem {
    /// The standard error of a score taken in a grade, grid units and clipped to the test's bounds. A checked
    /// study has one for every such score that its models read.
    #[must_use]
    pub fn at(&self, grade: Grade, score: i64) -> Option<u32> {
        match self {
            Self::Constant(sem) => Some(*sem),
            Self::Ranges(grades) => {
                let ranges = grades.get(&grade)?;
                let at = ranges.partition_point(|range| range.to < score);
                ranges.get(at).filter(|range| range.from <= score).map(|range| range.sem)
            }
        }
    }
}
