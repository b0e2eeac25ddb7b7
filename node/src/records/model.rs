//! The rows that indicators read, typed; and one student's rows in every table.
//!
//! All lists of [`Records`](super::Records) are sorted by student first, so that one walk over them
//! gives every student with all rows of all school years read. Students are keyed by pseudonyms that
//! mean nothing outside the node. Rows are never printed, copied or serialised.

use flashlight_proto::category::{Construct, Family, Grade, Respondent, Subject};

use super::value::{Day, Decimal};

/// Families of groups.
pub(crate) const FAMILIES: usize = Family::ALL.len();

/// A student (or an anonymous respondent of a survey) by a keyed pseudonym of the id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// A school by its number among the records'.
pub(crate) type SchoolNumber = u32;

/// How a student is enrolled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// The school that claims the student.
    Primary,
    /// Another school beside it.
    Secondary,
    /// Short-term.
    Short,
    /// Not counted for average daily attendance.
    NonAda,
}

/// One enrolment, by student, year, school, entry.
pub(crate) struct Enrollment {
    pub(crate) student: Key,
    pub(crate) year: i16,
    pub(crate) school: SchoolNumber,
    pub(crate) entry: Option<Day>,
    pub(crate) exit: Option<Day>,
    pub(crate) grade: Grade,
    pub(crate) status: Status,
    /// The place among each family's groups, by `Family::index`; `None`: not supplied. Those of
    /// `student_flags` win over the row's own; `sed` is derived where it is not supplied.
    pub(crate) groups: [Option<u8>; FAMILIES],
    /// The row's number in its file.
    pub(crate) row: u32,
}

/// One student's days in one year at one school, by student, year, school. Hundredths of a day.
pub(crate) struct Attendance {
    pub(crate) student: Key,
    pub(crate) year: i16,
    pub(crate) school: SchoolNumber,
    pub(crate) expected: i32,
    pub(crate) attended: Option<i32>,
    /// `None`: not known.
    pub(crate) absent: Option<i32>,
    /// Outside compulsory attendance.
    pub(crate) exempt: bool,
    pub(crate) row: u32,
}

/// One included score, by student, year, test, subject; the latest test date of several.
pub(crate) struct Score {
    pub(crate) student: Key,
    pub(crate) year: i16,
    /// The test by its number among the records'.
    pub(crate) test: u32,
    pub(crate) subject: Subject,
    pub(crate) date: Option<Day>,
    /// The grade tested.
    pub(crate) grade: Grade,
    /// The school tested at, when supplied.
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) score: Option<Decimal>,
    /// Standard error of measurement, points, greater than 0; `None`: not supplied.
    pub(crate) sem: Option<Decimal>,
    pub(crate) level: Option<i8>,
    pub(crate) row: u32,
}

/// One score of an earlier year as a later file carries it, by student, year of that file, subject,
/// years back. It names no test: that of the study that reads it is taken for granted.
pub(crate) struct PriorScore {
    pub(crate) student: Key,
    /// School year of the file that carried it.
    pub(crate) as_of: i16,
    pub(crate) subject: Subject,
    /// School years before `as_of` in which it was taken.
    pub(crate) back: i16,
    pub(crate) score: Decimal,
    /// Standard error of measurement, as of [`Score`].
    pub(crate) sem: Option<Decimal>,
    /// The grade tested, when supplied.
    pub(crate) grade: Option<Grade>,
    pub(crate) row: u32,
}

/// What followed an incident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sanction {
    /// Out-of-school suspension.
    OutOfSchool,
    /// In-school suspension.
    InSchool,
    /// Expulsion.
    Expulsion,
    /// Anything else, or nothing.
    Other,
}

/// One disciplinary action, by student, year, date.
pub(crate) struct Action {
    pub(crate) student: Key,
    pub(crate) year: i16,
    pub(crate) date: Day,
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) sanction: Sanction,
    /// Hundredths of a day; `None`: not supplied, which is not 0.
    pub(crate) duration: Option<i32>,
    pub(crate) row: u32,
}

/// The subject of a course.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CourseSubject {
    /// English language arts.
    Ela,
    /// Mathematics.
    Math,
    /// Science.
    Sci,
    /// History and social science.
    Hss,
    /// Any other, or not supplied.
    Other,
}

/// A final mark that is none of A to F.
pub(crate) const OTHER_MARK: u8 = b'P';

/// One mark, by student, year.
pub(crate) struct Mark {
    pub(crate) student: Key,
    pub(crate) year: i16,
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) subject: CourseSubject,
    /// The letter in upper case without its sign, as `A` or `F`; [`OTHER_MARK`] for any other final
    /// mark (pass, credit, incomplete); `None`: no final mark.
    pub(crate) letter: Option<u8>,
    /// Grade points in hundredths.
    pub(crate) points: Option<i32>,
    /// Credits earned in hundredths.
    pub(crate) earned: Option<i32>,
    pub(crate) grade: Option<Grade>,
    pub(crate) row: u32,
}

/// Status as a learner of English.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Elas {
    /// English only.
    EnglishOnly,
    /// English learner.
    Learner,
    /// Initially fluent.
    InitiallyFluent,
    /// Redesignated fluent.
    Redesignated,
    /// To be determined, or an adult learner.
    Other,
}

/// One status with its dates, by student, start.
pub(crate) struct ElStatus {
    pub(crate) student: Key,
    pub(crate) elas: Elas,
    pub(crate) start: Day,
    pub(crate) end: Option<Day>,
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) row: u32,
}

/// How a student left the cohort.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// A regular diploma.
    Diploma,
    /// A certificate of completion.
    Certificate,
    /// An equivalency, as the GED.
    Equivalency,
    /// Dropped out.
    Dropout,
    /// Still enrolled.
    StillEnrolled,
    /// Removed from the cohort: transfer, emigration, death.
    Removed,
}

/// One place in a cohort, by student, cohort year.
pub(crate) struct Graduation {
    pub(crate) student: Key,
    pub(crate) cohort: i16,
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) exit: Option<Day>,
    pub(crate) outcome: Outcome,
    /// Met the A–G requirements; `None`: not supplied.
    pub(crate) met_ag: Option<bool>,
    pub(crate) row: u32,
}

/// One answered item, by respondent, year, survey, item.
pub(crate) struct Answer {
    /// The student, or the anonymous key of a respondent.
    pub(crate) student: Key,
    pub(crate) year: i16,
    /// The survey by its number, in the order of the ids' text.
    pub(crate) survey: u32,
    pub(crate) respondent: Respondent,
    pub(crate) construct: Construct,
    pub(crate) school: Option<SchoolNumber>,
    pub(crate) grade: Option<Grade>,
    /// Answered: 2·value > scale_max + 1. `None`: not answered.
    pub(crate) favourable: Option<bool>,
    pub(crate) row: u32,
}

/// One enrolment at a college, by student, begin.
pub(crate) struct College {
    pub(crate) student: Key,
    pub(crate) begin: Option<Day>,
    pub(crate) row: u32,
}

/// One student's rows in every table, over all school years read.
#[derive(Clone, Copy)]
pub(crate) struct Pupil<'a> {
    pub(crate) key: Key,
    pub(crate) enrollments: &'a [Enrollment],
    pub(crate) attendance: &'a [Attendance],
    pub(crate) scores: &'a [Score],
    pub(crate) priors: &'a [PriorScore],
    pub(crate) actions: &'a [Action],
    pub(crate) marks: &'a [Mark],
    pub(crate) el_history: &'a [ElStatus],
    pub(crate) graduation: &'a [Graduation],
    pub(crate) answers: &'a [Answer],
    pub(crate) colleges: &'a [College],
}
