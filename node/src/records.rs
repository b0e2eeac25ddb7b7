//! A district's records: canonical tables read from its own folder (docs/INDICATORS.md §1, §2).
//!
//! In: a folder with `enrollments` and, as far as the study needs them, `attendance_summary` and
//! `assessments`, each as `.csv` or `.parquet`. Out: [`Records`], and a [`Report`] of what was found.
//!
//! Promise: each file is read from a private copy, so an export rewritten meanwhile gives the old
//! rows, the new ones or a clear refusal. A file with more than 1 % of its rows at fault is refused.
//! Student ids live while the files are read and not after; names, birth dates and every other
//! column not needed are never parsed. Rows are reached from this crate alone, and never printed,
//! copied or serialised:
//!
//! ```
//! fn passed(records: flashlight_node::records::Records) -> flashlight_node::records::Records {
//!     records
//! }
//! ```
//! ```compile_fail
//! fn passed(records: flashlight_node::records::Records) -> flashlight_node::records::Records {
//!     records.clone()
//! }
//! ```
//! ```compile_fail
//! fn shown(records: &flashlight_node::records::Records) -> String {
//!     format!("{records:?}")
//! }
//! ```
//! The report may be serialised, the records not:
//! ```
//! fn written(report: &flashlight_node::records::Report) -> String {
//!     serde_json::to_string(report).unwrap()
//! }
//! ```
//! ```compile_fail
//! fn written(records: &flashlight_node::records::Records) -> String {
//!     serde_json::to_string(records).unwrap()
//! }
//! ```

mod assessments;
mod attendance;
mod bounds;
mod calendar;
mod checked;
mod cohorts;
mod copy;
mod course_grades;
mod crosswalk;
mod daily;
mod daily_sums;
mod discipline;
mod enrollments;
mod frame;
mod ids;
mod inputs;
mod keys;
mod mapping;
mod model;
mod numbering;
mod own_ids;
mod priors;
mod pupils;
mod read;
mod report;
mod rows;
mod scan;
pub(crate) mod secret;
mod store;
mod survey;
mod tables;
mod value;
mod values;

use std::{collections::BTreeSet, path::Path};

pub(crate) use self::own_ids::own_ids;
pub use self::store::{LoadError, Loaded, LoadedFile, LoadedTable, load};
pub(crate) use self::{
    ids::ids_at,
    model::{
        Action, Answer, Attendance, College, CourseSubject, ElStatus, Elas, Enrollment, FAMILIES,
        Graduation, Mark, Outcome, PriorScore, Pupil, Sanction, SchoolNumber, Score, Status,
    },
    priors::DISAGREES,
    report::{Fault, MOST_PERCENT_ORPHANS, ROWS_KEPT, ROWS_SHOWN, Tally},
    value::{Day, Decimal},
};
use self::{inputs::Files, keys::Students, read::Gathered};
pub use self::{
    inputs::FilesError,
    mapping::MappingError,
    report::{Effect, FileReport, Finding, Report, Rule},
    values::ColumnCounts,
};

/// Why a folder gave no records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// No folder is there, or it has no enrolments.
    #[error(
        "there is no enrollments.csv or enrollments.parquet: the other tables are checked against it, so give it with them"
    )]
    Missing,
    /// A file was refused.
    #[error("{}", .0.first_refusal())]
    Refused(Box<Report>),
    /// Two students' ids gave one pseudonym.
    #[error("two student ids came to one pseudonym, which chance all but rules out; read again")]
    Collision,
    /// The files cannot be told apart, or their mapping cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Nothing was loaded into the node.
    #[error(
        "nothing was loaded into this node yet: flashlight-node load FOLDER --dir NODE, or give --data FOLDER"
    )]
    NotLoaded,
    /// The node's store cannot be read.
    #[error("the node's store cannot be read: load the files again")]
    Store(#[from] flashlight_store::StoreError),
    /// The system gave no randomness.
    #[error("the operating system gave no randomness for the pseudonyms")]
    NoSecret,
}

impl RecordsError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "records_missing",
            Self::Refused(_) => "records_refused",
            Self::Collision => "records_collision",
            Self::Files(_) => "records_files",
            Self::NoSecret => "records_no_secret",
            Self::NotLoaded => "records_not_loaded",
            Self::Store(_) => "records_store",
        }
    }

    /// What was found, where files were read.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused(report) => Some(report),
            _ => None,
        }
    }
}

/// A district's student records. They stay in this process.
///
/// All lists are sorted by student first, then by year (where they have one). `None`: no such table.
#[derive(Default)]
pub struct Records {
    pub(crate) enrollments: Vec<Enrollment>,
    pub(crate) attendance: Option<Vec<Attendance>>,
    pub(crate) scores: Option<Vec<Score>>,
    /// `prior_scores`: carried scores of earlier years.
    pub(crate) priors: Option<Vec<PriorScore>>,
    pub(crate) actions: Option<Vec<Action>>,
    pub(crate) marks: Option<Vec<Mark>>,
    pub(crate) el_history: Option<Vec<ElStatus>>,
    pub(crate) graduation: Option<Vec<Graduation>>,
    pub(crate) answers: Option<Vec<Answer>>,
    pub(crate) colleges: Option<Vec<College>>,
    /// Ids by school number.
    pub(crate) schools: Vec<String>,
    /// Ids by test number.
    pub(crate) tests: Vec<String>,
}

impl Records {
    /// Reads a district's folder.
    ///
    /// # Errors
    /// [`RecordsError`] when there are no enrolments or a file is refused; all files are read
    /// before it is told.
    pub fn read(folder: &Path) -> Result<(Self, Report), RecordsError> {
        let students = Students::passing().map_err(|_| RecordsError::NoSecret)?;
        Ok(read::gather(Files::of_folder(folder)?, students, false)?.summed())
    }

    /// Whether there is such a table.
    #[must_use]
    pub const fn has(&self, source: Source) -> bool {
        match source {
            Source::Enrollments => true,
            Source::Attendance => self.attendance.is_some(),
            Source::Assessments => self.scores.is_some(),
            Source::Discipline => self.actions.is_some(),
            Source::CourseGrades => self.marks.is_some(),
            Source::ElHistory => self.el_history.is_some(),
            Source::Graduation => self.graduation.is_some(),
            Source::Survey => self.answers.is_some(),
            Source::Postsecondary => self.colleges.is_some(),
        }
    }

    /// Whether a table has rows of the year; one without a file has none. For `graduation` the
    /// year is the cohort's; `el_history` and `postsecondary` carry no year: any row will do.
    pub(crate) fn has_year(&self, source: Source, year: i16) -> bool {
        fn any<R>(rows: Option<&[R]>, is: impl Fn(&R) -> bool) -> bool {
            rows.is_some_and(|rows| rows.iter().any(is))
        }
        match source {
            Source::Enrollments => any(Some(&self.enrollments), |row| row.year == year),
            Source::Attendance => any(self.attendance.as_deref(), |row| row.year == year),
            Source::Assessments => any(self.scores.as_deref(), |row| row.year == year),
            Source::Discipline => any(self.actions.as_deref(), |row| row.year == year),
            Source::CourseGrades => any(self.marks.as_deref(), |row| row.year == year),
            Source::ElHistory => any(self.el_history.as_deref(), |_| true),
            Source::Graduation => any(self.graduation.as_deref(), |row| row.cohort == year),
            Source::Survey => any(self.answers.as_deref(), |row| row.year == year),
            Source::Postsecondary => any(self.colleges.as_deref(), |_| true),
        }
    }

    /// Every student with all rows, by key: whoever occurs in any table, and every anonymous
    /// respondent of a survey.
    pub(crate) fn pupils(&self) -> impl Iterator<Item = Pupil<'_>> {
        pupils::Pupils::of(self)
    }

    /// The records loaded into the node whose folder is `dir`, as far as questions about `years` (all
    /// without) and the tables `names` (all without) need them.
    ///
    /// # Errors
    /// [`RecordsError::NotLoaded`] when nothing was loaded yet; others when the store is damaged.
    pub fn loaded(
        dir: &Path,
        years: Option<&[i16]>,
        names: Option<&BTreeSet<&str>>,
    ) -> Result<Self, RecordsError> {
        let open = store::Open::of(dir)?.ok_or(RecordsError::NotLoaded)?;
        open.read(years, names)
    }

    /// The school years loaded into the node whose folder is `dir`.
    ///
    /// # Errors
    /// As [`Self::loaded`].
    pub fn loaded_years(dir: &Path) -> Result<Vec<i16>, RecordsError> {
        Ok(store::Open::of(dir)?.ok_or(RecordsError::NotLoaded)?.years()?)
    }

    /// As [`Self::pupils`], in two parts of about one size, the first before the second by key.
    pub(crate) fn halves(&self) -> [impl Iterator<Item = Pupil<'_>> + Send; 2] {
        pupils::Pupils::of(self).halves()
    }

    /// The number of a test, when some score that counts is of it.
    pub(crate) fn test_number(&self, id: &str) -> Option<u32> {
        let place = self.tests.iter().position(|test| test == id)?;
        u32::try_from(place).ok()
    }
}

impl Gathered {
    /// The records with daily attendance summed, and the report.
    fn summed(self) -> (Records, Report) {
        let Self { mut records, book, mut report, .. } = self;
        if let Some(book) = book {
            let summed = records.add_daily(&book.years(), book.sums());
            let mut tally = Tally::of(tables::DAILY.name);
            numbering::tell_summed(&summed, &mut tally);
            report.add(tables::DAILY.name, tally);
        }
        (records, report)
    }
}

/// A canonical table that indicators read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `enrollments`.
    Enrollments,
    /// `attendance_summary`, or `attendance_daily` summed.
    Attendance,
    /// `assessments`.
    Assessments,
    /// `discipline`.
    Discipline,
    /// `course_grades`.
    CourseGrades,
    /// `el_history`.
    ElHistory,
    /// `graduation`.
    Graduation,
    /// `survey_responses`.
    Survey,
    /// `postsecondary`.
    Postsecondary,
}

impl Source {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Enrollments,
        Self::Attendance,
        Self::Assessments,
        Self::Discipline,
        Self::CourseGrades,
        Self::ElHistory,
        Self::Graduation,
        Self::Survey,
        Self::Postsecondary,
    ];

    /// The table's name, and its file's without the ending.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enrollments => "enrollments",
            Self::Attendance => "attendance_summary",
            Self::Assessments => "assessments",
            Self::Discipline => "discipline",
            Self::CourseGrades => "course_grades",
            Self::ElHistory => "el_history",
            Self::Graduation => "graduation",
            Self::Survey => "survey_responses",
            Self::Postsecondary => "postsecondary",
        }
    }
}

#[cfg(test)]
pub(crate) use self::model::{Key, OTHER_MARK};
