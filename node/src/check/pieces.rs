//! What a district's files hold, in the pieces that indicators need; and which export gives each.
//!
//! In: typed rows of every table. Out: per [`Piece`] the school years it is there for, or why it is not.

use std::collections::{BTreeSet, HashSet};

use flashlight_proto::category::{Construct, Grade, Respondent, Subject};

use crate::records::{CourseSubject, Elas, Outcome, Records, Sanction};

/// One piece of data that some indicator needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece {
    /// Who is enrolled.
    Enrolled,
    /// Days expected and absent.
    Attendance,
    /// Scores of a subject.
    Scores(Subject),
    /// Performance levels of the test of English language proficiency.
    Levels,
    /// Disciplinary actions.
    Actions,
    /// Lengths of suspensions.
    Durations,
    /// Final marks of grade 8 in English and mathematics.
    Marks8,
    /// Credits earned in grade 9.
    Credits9,
    /// First dates as an English learner, and redesignations.
    ElHistory,
    /// Cohort outcomes.
    Cohort,
    /// Whether graduates met the A–G requirements.
    Ag,
    /// Enrolments at colleges.
    College,
    /// Answers to the climate survey.
    Climate(Respondent),
    /// Answers to the social-emotional survey.
    Sel,
}

/// Years a piece is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Years {
    /// These.
    Of(BTreeSet<i16>),
    /// It is there, without school years of its own.
    Any,
}

impl Piece {
    /// All, in the order of this document's questions.
    pub(crate) const ALL: [Self; 19] = [
        Self::Enrolled,
        Self::Attendance,
        Self::Scores(Subject::Ela),
        Self::Scores(Subject::Math),
        Self::Scores(Subject::Sci),
        Self::Scores(Subject::Elp),
        Self::Levels,
        Self::Actions,
        Self::Durations,
        Self::Marks8,
        Self::Credits9,
        Self::ElHistory,
        Self::Cohort,
        Self::Ag,
        Self::College,
        Self::Climate(Respondent::Student),
        Self::Climate(Respondent::Staff),
        Self::Climate(Respondent::Parent),
        Self::Sel,
    ];

    /// The table it stands in.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Enrolled => "enrollments",
            Self::Attendance => "attendance_summary",
            Self::Scores(_) | Self::Levels => "assessments",
            Self::Actions | Self::Durations => "discipline",
            Self::Marks8 | Self::Credits9 => "course_grades",
            Self::ElHistory => "el_history",
            Self::Cohort | Self::Ag => "graduation",
            Self::College => "postsecondary",
            Self::Climate(_) | Self::Sel => "survey_responses",
        }
    }

    /// What is missing of a table that is there.
    pub(crate) const fn lacking(self) -> &'static str {
        match self {
            Self::Enrolled => "enrollments has no rows",
            Self::Attendance => "attendance_summary has no absences that are known",
            Self::Scores(Subject::Ela) => "assessments has no ELA scores",
            Self::Scores(Subject::Math) => "assessments has no MATH scores",
            Self::Scores(Subject::Sci) => "assessments has no SCI scores",
            Self::Scores(Subject::Elp) => "assessments has no ELP scores",
            Self::Levels => "assessments has no performance_level for ELP",
            Self::Actions => "discipline has no rows",
            Self::Durations => "discipline has no duration_days for any suspension",
            Self::Marks8 => "course_grades has no marks of grade 08 in ELA and MATH",
            Self::Credits9 => "course_grades has no credits_earned in grade 09",
            Self::ElHistory => "el_history has no row with EL",
            Self::Cohort => "graduation has no rows",
            Self::Ag => "met_ag is empty for every graduate",
            Self::College => "postsecondary has no enrolled_begin",
            Self::Climate(Respondent::Student) => {
                "survey_responses has no climate answers of students"
            }
            Self::Climate(Respondent::Staff) => "survey_responses has no climate answers of staff",
            Self::Climate(Respondent::Parent) => {
                "survey_responses has no climate answers of parents"
            }
            Self::Sel => "survey_responses has no social-emotional answers",
        }
    }

    /// The export that gives it.
    pub(crate) const fn export(self) -> &'static str {
        match self {
            Self::Enrolled => {
                "CALPADS 8.1 Student Profile – List (EOY 3), or SENR, SINF, SPRG and SELA"
            }
            Self::Attendance => "CALPADS 14.2 Student Absences – Student List, or STAS",
            Self::Scores(Subject::Ela | Subject::Math) => {
                "TOMS: CAASPP Student Score Data File (by tested LEA)"
            }
            Self::Scores(Subject::Sci) => "TOMS: CAASPP Student Score Data File with CAST",
            Self::Scores(Subject::Elp) | Self::Levels => {
                "TOMS: ELPAC Student Score Data File, both years"
            }
            Self::Actions | Self::Durations => {
                "CALPADS 7.12 Incident Results – Student List, or SINC and SIRS"
            }
            Self::Marks8 | Self::Credits9 => "CALPADS SCSC with CRSC (course completion, EOY 1)",
            Self::ElHistory => "CALPADS SELA",
            Self::Cohort => {
                "CALPADS cohort outcome list, or 1.23 Graduates and Completers – Student List"
            }
            Self::Ag => "CALPADS SENR, field 1.29 (met UC/CSU requirements)",
            Self::College => "National Student Clearinghouse: StudentTracker detail file",
            Self::Climate(_) => "the climate survey's answers, one line per item",
            Self::Sel => "the social-emotional survey's answers, one line per item",
        }
    }

    /// The years it is there for; `None`: it is not there.
    pub(crate) fn years(self, records: &Records) -> Option<Years> {
        let of = |years: BTreeSet<i16>| (!years.is_empty()).then_some(Years::Of(years));
        let any = |is_there: bool| is_there.then_some(Years::Any);
        let in_grade = |grade: Grade| {
            let rows = records.enrollments.iter().filter(move |row| row.grade == grade);
            rows.map(|row| (row.student, row.year)).collect::<HashSet<_>>()
        };
        match self {
            Self::Enrolled => of(records.enrollments.iter().map(|row| row.year).collect()),
            Self::Attendance => {
                let rows = records.attendance.iter().flatten();
                of(rows.filter(|row| row.absent.is_some()).map(|row| row.year).collect())
            }
            Self::Scores(subject) => {
                let rows = records.scores.iter().flatten().filter(|row| row.subject == subject);
                of(rows.filter(|row| row.score.is_some()).map(|row| row.year).collect())
            }
            Self::Levels => {
                let rows =
                    records.scores.iter().flatten().filter(|row| row.subject == Subject::Elp);
                of(rows.filter(|row| row.level.is_some()).map(|row| row.year).collect())
            }
            Self::Actions => of(records.actions.iter().flatten().map(|row| row.year).collect()),
            Self::Durations => {
                let rows = records.actions.iter().flatten();
                let suspended = [Sanction::InSchool, Sanction::OutOfSchool];
                let known =
                    rows.filter(|row| row.duration.is_some() || !suspended.contains(&row.sanction));
                of(known.map(|row| row.year).collect())
            }
            Self::Marks8 => {
                let students = in_grade(Grade::G08);
                let rows = records.marks.iter().flatten();
                let rows = rows.filter(|row| {
                    matches!(row.subject, CourseSubject::Ela | CourseSubject::Math)
                        && students.contains(&(row.student, row.year))
                });
                of(rows.map(|row| row.year).collect())
            }
            Self::Credits9 => {
                let students = in_grade(Grade::G09);
                let rows = records.marks.iter().flatten().filter(|row| row.earned.is_some());
                let rows = rows.filter(|row| students.contains(&(row.student, row.year)));
                of(rows.map(|row| row.year).collect())
            }
            Self::ElHistory => {
                let mut rows = records.el_history.iter().flatten();
                any(rows.any(|row| row.elas == Elas::Learner))
            }
            Self::Cohort => of(records.graduation.iter().flatten().map(|row| row.cohort).collect()),
            Self::Ag => {
                let rows = records.graduation.iter().flatten();
                let rows =
                    rows.filter(|row| row.met_ag.is_some() && row.outcome == Outcome::Diploma);
                of(rows.map(|row| row.cohort).collect())
            }
            Self::College => any(records.colleges.iter().flatten().any(|row| row.begin.is_some())),
            Self::Climate(respondent) => {
                of(answers(records, |construct, who| !construct.is_sel() && who == respondent))
            }
            Self::Sel => of(answers(records, |construct, _| construct.is_sel())),
        }
    }
}

fn answers(records: &Records, is: impl Fn(Construct, Respondent) -> bool) -> BTreeSet<i16> {
    let rows = records.answers.iter().flatten();
    rows.filter(|row| row.favourable.is_some() && is(row.construct, row.respondent))
        .map(|row| row.year)
        .collect()
}
