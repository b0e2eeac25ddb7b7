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
mod ids;
mod keys;
mod model;
mod network;
mod pupils;
mod report;
mod rows;
mod scan;
mod tables;
mod value;
mod values;

use std::{collections::HashMap, path::Path};

use flashlight_proto::{
    category::{Grade, Subject},
    identity::DistrictId,
    schools::SchoolTable,
    study::Date,
};

use self::{
    frame::{Found, Frame},
    keys::Students,
    tables::{ASSESSMENTS, ATTENDANCE, ENROLLMENTS, Table},
    values::Counting,
};
pub(crate) use self::{
    ids::ids_at,
    model::{
        Action, Answer, Attendance, College, CourseSubject, ElStatus, Elas, Enrollment, FAMILIES,
        Graduation, Key, Mark, Outcome, Pupil, Sanction, SchoolNumber, Score, Status,
    },
    network::{Days, Network, Student},
    report::{Fault, MOST_PERCENT_ORPHANS, ROWS_KEPT, ROWS_SHOWN, Tally},
    value::{Day, Decimal, OnGrid},
};
pub use self::{
    report::{Effect, FileReport, Finding, Report, Rule},
    values::ColumnCounts,
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
    /// Two students' ids gave one pseudonym.
    #[error("two student ids came to one pseudonym, which chance all but rules out; read again")]
    Collision,
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
            Self::NoSecret => "records_no_secret",
        }
    }

    /// What was found, where files were read.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Missing | Self::Collision | Self::NoSecret => None,
            Self::Refused(report) => Some(report),
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
        let mut reading = Reading::default();
        let mut students = Students::passing().map_err(|_| RecordsError::NoSecret)?;
        let (mut schools, mut tests) = Default::default();
        let enrollments = reading.table(folder, &ENROLLMENTS, |frame, tally| {
            enrollments::read(frame, tally, &mut students, &mut schools)
        });
        let enrolled = enrollments.as_deref().map(Enrolled::new);
        let attendance = reading.table(folder, &ATTENDANCE, |frame, tally| {
            let rows = attendance::read(frame, tally, &mut students, &mut schools);
            orphans(rows, enrolled.as_ref(), |row| (row.year, row.student, row.row), tally)
        });
        let scores = reading.table(folder, &ASSESSMENTS, |frame, tally| {
            let rows = assessments::read(frame, tally, &mut students, &mut tests);
            orphans(rows, enrolled.as_ref(), |row| (row.year, row.student, row.row), tally)
        });
        if students.collided() {
            return Err(RecordsError::Collision);
        }
        if reading.report.is_refused() {
            return Err(RecordsError::Refused(Box::new(reading.report)));
        }
        let enrollments = enrollments.ok_or(RecordsError::Missing)?;
        let (schools, tests) = (schools.into_names(), tests.into_names());
        let records = Self { enrollments, attendance, scores, schools, tests, ..Self::default() };
        Ok((records, reading.report))
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

    /// The student's score in a test and subject: its row, the grade tested and the score, in grid
    /// units.
    pub(crate) fn score(
        &self,
        student: &Student,
        test: TestNumber,
        subject: Subject,
        units_per_point: u32,
    ) -> Option<(u64, Grade, OnGrid)> {
        let scores = self.scores.as_deref()?;
        let key = (student.key, student.year, test.0, subject);
        let of = |one: &Score| (one.student, one.year, one.test, one.subject);
        let score = &scores[scores.binary_search_by_key(&key, of).ok()?];
        Some((score.row.into(), score.grade, score.score?.in_units(units_per_point)))
    }

    /// The number of a test, when some score that counts is of it.
    pub(crate) fn test(&self, id: &str) -> Option<TestNumber> {
        let place = self.tests.iter().position(|test| test == id)?;
        u32::try_from(place).ok().map(TestNumber)
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
        let columns = counted(&frame, table);
        let file = frame.file;
        self.report.files.push(FileReport { file, rows_read, rows_kept, findings, columns });
        Some(rows)
    }
}

/// What stands in a file's columns.
fn counted(frame: &Frame, table: &Table) -> Vec<ColumnCounts> {
    let mut counting = Counting::new(table.columns.iter().map(|column| column.name));
    for column in (0..table.columns.len()).filter(|column| frame.has(*column)) {
        for text in (0..frame.rows).filter_map(|at| frame.text(column, at)) {
            counting.see(column, text);
        }
    }
    counting.counts(frame.rows as u64, |column| frame.has(column))
}

/// Who is enrolled in which year.
struct Enrolled(HashMap<i16, Vec<Key>>);

impl Enrolled {
    fn new(rows: &[Enrollment]) -> Self {
        let mut years: HashMap<i16, Vec<Key>> = HashMap::new();
        // The rows come by student, so each list is sorted.
        rows.iter().for_each(|row| years.entry(row.year).or_default().push(row.student));
        Self(years)
    }
}

/// Leaves out the rows of students who are not enrolled in that year (E010). Years without any
/// enrolment are kept: a study that asks for them is refused by E009.
fn orphans<R>(
    rows: Vec<R>,
    enrolled: Option<&Enrolled>,
    key: impl Fn(&R) -> (i16, Key, u32),
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
    lost.into_iter().for_each(|row| tally.row(&ORPHAN, "student_id", row.into()));
    kept
}
