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
mod copy;
mod enrollments;
mod frame;
mod network;
mod report;
mod rows;
mod scan;
mod tables;
mod value;

use std::{collections::HashMap, ops::Range, path::Path};

use flashlight_proto::{
    category::{Grade, Subject},
    identity::DistrictId,
    schools::SchoolTable,
    study::Date,
};

pub use self::report::{Effect, FileReport, Finding, Report, Rule};
use self::{
    assessments::Score,
    attendance::Attendance,
    enrollments::Enrollment,
    frame::{Found, Frame},
    tables::{ASSESSMENTS, ATTENDANCE, ENROLLMENTS, Table},
};
pub(crate) use self::{
    network::{Days, Network, Student},
    report::{Fault, MOST_PERCENT_ORPHANS, Tally},
    value::OnGrid,
};

/// Why a folder gave no records.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// No folder is there, or it has no enrolments.
    #[error("there is no enrollments.csv or enrollments.parquet in the district's folder")]
    Missing,
    /// A file was refused.
    #[error("{}", .0.first_refusal())]
    Refused(Box<Report>),
}

impl RecordsError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "records_missing",
            Self::Refused(_) => "records_refused",
        }
    }

    /// What was found, where files were read.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Missing => None,
            Self::Refused(report) => Some(report),
        }
    }
}

/// A district's student records. They stay in this process.
pub struct Records {
    /// By year, student, school, entry.
    enrollments: Vec<Enrollment>,
    /// By year, student, school; `None`: no file.
    attendance: Option<Vec<Attendance>>,
    /// By year, student, test, subject; `None`: no file.
    assessments: Option<Vec<Score>>,
    /// Ids by school number.
    schools: Vec<String>,
    /// Ids by test number.
    tests: Vec<String>,
}

impl Records {
    /// Reads a district's folder.
    ///
    /// # Errors
    /// [`RecordsError`] when there are no enrolments or a file is refused; all files are read
    /// before it is told.
    pub fn read(folder: &Path) -> Result<(Self, Report), RecordsError> {
        let mut reading = Reading::default();
        let (mut students, mut schools, mut tests) = Default::default();
        let ids = (&mut students, &mut schools);
        let enrollments = reading.table(folder, &ENROLLMENTS, |frame, tally| {
            enrollments::read(frame, tally, ids.0, ids.1)
        });
        let enrolled = enrollments.as_deref().map(Enrolled::new);
        let attendance = reading.table(folder, &ATTENDANCE, |frame, tally| {
            let rows = attendance::read(frame, tally, &mut students, &mut schools);
            orphans(rows, enrolled.as_ref(), |row| (row.year, row.student, row.row), tally)
        });
        let assessments = reading.table(folder, &ASSESSMENTS, |frame, tally| {
            let rows = assessments::read(frame, tally, &mut students, &mut tests);
            orphans(rows, enrolled.as_ref(), |row| (row.year, row.student, row.row), tally)
        });
        if reading.report.is_refused() {
            return Err(RecordsError::Refused(Box::new(reading.report)));
        }
        let enrollments = enrollments.ok_or(RecordsError::Missing)?;
        let (schools, tests) = (schools.into_names(), tests.into_names());
        let records = Self { enrollments, attendance, assessments, schools, tests };
        Ok((records, reading.report))
    }

    /// Whether there is an attendance file.
    #[must_use]
    pub const fn has_attendance(&self) -> bool {
        self.attendance.is_some()
    }

    /// Whether there is an assessment file.
    #[must_use]
    pub const fn has_assessments(&self) -> bool {
        self.assessments.is_some()
    }

    /// The students of one school year, each once at the primary school. Without a district any
    /// school of the public table counts.
    pub(crate) fn network(
        &self,
        year: i16,
        as_of: Date,
        schools: &SchoolTable,
        district: Option<&DistrictId>,
    ) -> Network {
        network::network(self, year, as_of, schools, district)
    }

    /// Whether a table has rows of the year; one without a file has none.
    pub(crate) fn has_year(&self, table: Source, year: i16) -> bool {
        match table {
            Source::Enrollments => self.enrollments.iter().any(|row| row.year == year),
            Source::Attendance => self.attendance.iter().flatten().any(|row| row.year == year),
            Source::Assessments => !self.scores_of(year).is_empty(),
        }
    }

    /// The student's score in a test and subject: its row, the grade tested and the score, in grid
    /// units.
    pub(crate) fn score(
        &self,
        student: &Student,
        test: TestNumber,
        subject: Subject,
        units_per_point: u32,
    ) -> Option<(u64, Grade, OnGrid)> {
        let scores = self.assessments.as_deref()?.get(student.scores.clone())?;
        let score = scores.iter().find(|one| one.test == test.0 && one.subject == subject)?;
        Some((score.row, score.grade, score.score.in_units(units_per_point)))
    }

    /// The number of a test, when some score that counts is of it.
    pub(crate) fn test(&self, id: &str) -> Option<TestNumber> {
        let place = self.tests.iter().position(|test| test == id)?;
        u32::try_from(place).ok().map(TestNumber)
    }

    fn scores_of(&self, year: i16) -> Range<usize> {
        let scores = self.assessments.as_deref().unwrap_or(&[]);
        let start = scores.partition_point(|row| row.year < year);
        start..scores.partition_point(|row| row.year <= year)
    }
}

/// A canonical table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `enrollments`.
    Enrollments,
    /// `attendance_summary`.
    Attendance,
    /// `assessments`.
    Assessments,
}

impl Source {
    /// The table's name, and its file's without the ending.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Enrollments => ENROLLMENTS.name,
            Self::Attendance => ATTENDANCE.name,
            Self::Assessments => ASSESSMENTS.name,
        }
    }
}

/// A test by its number among the records'.
#[derive(Clone, Copy)]
pub(crate) struct TestNumber(u32);

/// Files read so far.
#[derive(Default)]
struct Reading {
    report: Report,
}

impl Reading {
    /// Reads one table's file, if there is one; what is wrong goes to the report.
    fn table<R>(
        &mut self,
        folder: &Path,
        table: &Table,
        rows_of: impl FnOnce(&Frame, &mut Tally) -> Vec<R>,
    ) -> Option<Vec<R>> {
        let (frame, mut tally) = match frame::read(folder, table) {
            Found::Missing => return None,
            Found::Refused(report) => {
                self.report.files.push(report);
                return None;
            }
            Found::Read(frame, tally) => (frame, tally),
        };
        let rows = rows_of(&frame, &mut tally);
        let rows_read = frame.rows as u64;
        let findings = tally.findings(rows_read);
        let rows_kept = rows.len() as u64;
        self.report.files.push(FileReport { file: frame.file, rows_read, rows_kept, findings });
        Some(rows)
    }
}

/// Who is enrolled in which year.
struct Enrolled(HashMap<i16, Vec<u32>>);

impl Enrolled {
    fn new(rows: &[Enrollment]) -> Self {
        let mut years: HashMap<i16, Vec<u32>> = HashMap::new();
        // The rows come by year and student, so each list is sorted.
        rows.iter().for_each(|row| years.entry(row.year).or_default().push(row.student));
        Self(years)
    }
}

/// Leaves out the rows of students who are not enrolled in that year (E010). Years without any
/// enrolment are kept: a study that asks for them is refused by E009.
fn orphans<R>(
    rows: Vec<R>,
    enrolled: Option<&Enrolled>,
    key: impl Fn(&R) -> (i16, u32, u64),
    tally: &mut Tally,
) -> Vec<R> {
    const ORPHAN: Fault = Fault {
        rule: Rule::E010,
        problem: "has no enrolment in that school year",
        hint: "",
        most_percent: Some(MOST_PERCENT_ORPHANS),
    };
    let Some(Enrolled(years)) = enrolled else { return rows };
    let is_known = |row: &R| {
        let (year, student, _) = key(row);
        years.get(&year).is_none_or(|students| students.binary_search(&student).is_ok())
    };
    let (kept, lost): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_known);
    let mut lost: Vec<_> = lost.iter().map(|row| key(row).2).collect();
    lost.sort_unstable();
    lost.into_iter().for_each(|row| tally.row(&ORPHAN, "student_id", row));
    kept
}
