//! One `[[growth]]` section: the growth models a study asks for, one per grade.
//!
//! A model regresses a score on the same students' earlier scores, their flags, and the means of any of
//! those in their school, with a random intercept per school (docs/GROWTH.md). Everything here is
//! public: bounds and centres come from the study's `[[test]]` and from the section, never from data.

use std::fmt;

use super::{Measurement, Rho};
use crate::{
    canonical::Digest,
    category::{Family, Grade, Subject},
};

/// Most `[[growth]]` sections.
pub const MAX_GROWTH: usize = 16;
/// Most priors of one model.
pub const MAX_PRIORS: usize = 8;
/// Most covariates of one model.
pub const MAX_COVARIATES: usize = 16;
/// Farthest back a prior may lie, school years.
pub const MAX_YEARS_BACK: u8 = 4;
/// Most columns of the public school table in one model.
pub const MAX_PUBLIC: usize = 16;

/// A checked `[[growth]]` section.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthSpec {
    /// Names the model, as `math`.
    pub id: String,
    /// The test whose scores are read; its bounds and grid are in `Study::tests`.
    pub test: String,
    /// Subject of the score explained.
    pub subject: Subject,
    /// Grades, ascending, each once; each is a model of its own.
    pub grades: Vec<Grade>,
    /// Earlier scores, at least one.
    pub priors: Vec<Prior>,
    /// Flags of the student.
    pub covariates: Vec<Covariate>,
    /// Which priors and covariates also enter as the mean of the student's school, ascending.
    pub concentrations: Vec<Regressor>,
    /// What is known of the error of the priors.
    pub measurement: Measurement,
    /// Which students count.
    pub sample: Sample,
    /// Columns of the public school table as regressors.
    pub public: Vec<PublicColumn>,
    /// What `dp` needs; `None` in `exact`.
    pub noisy: Option<NoisySpec>,
    /// Whether the network's distribution of school effects is counted, for percentiles and levels.
    pub percentiles: bool,
}

/// A column of the public school table as a regressor: the same for all students of a school.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicColumn {
    /// `public_sed`.
    pub column: String,
    /// Least value, hundredths: lower ones count as this.
    pub min: i64,
    /// Greatest value, hundredths.
    pub max: i64,
    /// Centre, hundredths.
    pub centre: i64,
}

/// What a growth model in `dp` mode needs beside: all of it public.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisySpec {
    /// The section's part of the study's ρ. A student is in one grade, so its models share it.
    pub rho: Rho,
    /// c_e: a student's residual counts as no more than this either side of 0, grid units.
    pub clip: i64,
    /// c_E: a school's mean residual, alike.
    pub school_clip: i64,
    /// Coefficients of an earlier release to start from, by model in the order of the grades; none:
    /// moments.
    pub start: Vec<Start>,
}

/// An earlier release's coefficients of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Hash of that release.
    pub release: Digest,
    /// Its coefficients, points, in the model's order; the intercept is of the outcome as it is.
    pub beta: Vec<f64>,
    /// α of each coefficient's regressor: the noise of its words is proportional to it.
    pub scales: Vec<f64>,
}

/// An earlier score as a regressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prior {
    /// Its subject.
    pub subject: Subject,
    /// School years before the score explained; also grades below it.
    pub years_back: u8,
    /// Public centre, grid units; `None`: the middle of the bounds.
    pub centre: Option<i64>,
}

impl fmt::Display for Prior {
    /// `MATH-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.subject, self.years_back)
    }
}

/// A flag as a regressor: 1 for a student in one group of a family, 0 for any other known group. A
/// student whose group is not known is in no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covariate {
    /// The family.
    pub family: Family,
    /// Index into the family's groups; never its last, `unknown`.
    pub group: usize,
}

impl fmt::Display for Covariate {
    /// `sed`, `race_ethnicity=Black`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family.groups()[self.group] {
            "yes" => fmt::Display::fmt(&self.family, f),
            group => write!(f, "{}={group}", self.family),
        }
    }
}

/// A regressor by its place in the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regressor {
    /// Index into `priors`.
    Prior(usize),
    /// Index into `covariates`.
    Covariate(usize),
}

/// Which students count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sample {
    /// Continuously enrolled at the school tested, from Census Day to the test.
    #[default]
    Continuous,
    /// Everybody with the scores and flags.
    All,
}

impl GrowthSpec {
    /// The grade in which a prior of a model's students was taken: as many grades below as years back.
    /// `None` below grade 1.
    #[must_use]
    pub fn prior_grade(grade: Grade, years_back: u8) -> Option<Grade> {
        let at = grade.index().checked_sub(usize::from(years_back))?;
        let found = *Grade::ALL.get(at)?;
        (Grade::G01..=Grade::G12).contains(&found).then_some(found)
    }

    /// Farthest year back that is read.
    #[must_use]
    pub fn years_back(&self) -> u8 {
        self.priors.iter().map(|prior| prior.years_back).max().unwrap_or(0)
    }

    /// A regressor's name: `MATH-1`, `sed`, `race_ethnicity=Black`.
    #[must_use]
    pub fn name(&self, regressor: Regressor) -> String {
        match regressor {
            Regressor::Prior(at) => self.priors[at].to_string(),
            Regressor::Covariate(at) => self.covariates[at].to_string(),
        }
    }
}
