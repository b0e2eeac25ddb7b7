//! The tables, column by column (docs/INDICATORS.md §1).

use super::{Column, Kind, Table, codes};

const fn id(name: &'static str, aliases: &'static [&'static str]) -> Column {
    Column { name, aliases, required: false, kind: Kind::Id }
}

const fn code(
    name: &'static str,
    aliases: &'static [&'static str],
    codes: &'static [(&'static str, &'static str)],
) -> Column {
    Column { name, aliases, required: false, kind: Kind::Code(codes) }
}

const fn value(name: &'static str, aliases: &'static [&'static str]) -> Column {
    Column { name, aliases, required: false, kind: Kind::Value }
}

impl Column {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// Most rows of a table, but for daily attendance.
const ROWS: u64 = 40_000_000;
/// Largest file, but for daily attendance: 4 GiB.
const BYTES: u64 = 4 << 30;

const STUDENT: Column = id("student_id", &["studentUniqueId"]).required();
const SCHOOL: Column = id("school_id", &[]);
const YEAR: Column = value("school_year", &[]);

const fn table(name: &'static str, mark: &'static str, columns: &'static [Column]) -> Table {
    Table { name, columns, rows_max: ROWS, bytes_max: BYTES, mark }
}

/// Who was enrolled where and when, with the student's groups.
pub(crate) static ENROLLMENTS: Table = table(
    "enrollments",
    "entry_date",
    &[
        STUDENT,
        YEAR.required(),
        SCHOOL.required(),
        code("grade", &[], codes::GRADE).required(),
        value("entry_date", &[]),
        value("exit_date", &[]),
        code("enrollment_status", &[], &[]),
        code("sex", &[], codes::SEX),
        code("race_ethnicity", &[], codes::RACE),
        value("el", &["ell"]),
        value("swd", &[]),
        value("sed", &[]),
        value("homeless", &[]),
        value("foster", &[]),
        value("frpm", &[]),
        value("migrant", &[]),
        value("parent_education", &[]),
        code("source", &[], &[]),
    ],
);

/// The groups of a student in a year; they win over those of the enrolments.
pub(crate) static STUDENT_FLAGS: Table = table(
    "student_flags",
    // No column of its own: it shares all with the enrolments.
    "student_flags",
    &[
        STUDENT,
        YEAR.required(),
        code("sex", &[], codes::SEX),
        code("race_ethnicity", &[], codes::RACE),
        value("el", &["ell"]),
        value("swd", &[]),
        value("sed", &[]),
        value("homeless", &[]),
        value("foster", &[]),
        value("frpm", &[]),
        value("migrant", &[]),
        value("parent_education", &[]),
    ],
);

/// Days expected, attended and absent, per student and school.
pub(crate) static ATTENDANCE: Table = table(
    "attendance_summary",
    "days_expected",
    &[
        STUDENT,
        YEAR.required(),
        SCHOOL.required(),
        value("days_expected", &["days_enrolled"]).required(),
        value("days_attended", &[]),
        value("absent_excused", &["days_absent_excused"]),
        value("absent_unexcused", &["days_absent_unexcused"]),
        value("absent_oss", &["days_absent_oss"]),
        value("absent_incomplete_is", &["days_absent_incomplete_is"]),
        value("in_school_suspension", &["days_in_school_suspension"]),
        value("exempt", &[]),
    ],
);

/// One row per student, school and school day.
pub(crate) static DAILY: Table = Table {
    name: "attendance_daily",
    columns: &[
        STUDENT,
        SCHOOL.required(),
        value("date", &[]).required(),
        code("category", &[], codes::CATEGORY).required(),
        value("fraction_absent", &["duration"]),
    ],
    rows_max: 400_000_000,
    bytes_max: 16 << 30,
    mark: "category",
};

/// One score per student, test, subject and date.
pub(crate) static ASSESSMENTS: Table = table(
    "assessments",
    "scale_score",
    &[
        STUDENT,
        id("test_id", &["assessment_id"]).required(),
        YEAR,
        code("subject", &[], codes::SUBJECT).required(),
        code("grade_tested", &["grade"], codes::GRADE).required(),
        value("scale_score", &["score"]).required(),
        value("included", &[]),
        value("test_date", &[]),
        SCHOOL,
        code("performance_level", &[], codes::LEVEL),
        code("score_type", &[], codes::SCORE_TYPE),
        value("sem", &[]),
    ],
);

/// What followed an incident.
pub(crate) static DISCIPLINE: Table = table(
    "discipline",
    "incident_date",
    &[
        STUDENT,
        id("incident_id", &[]).required(),
        SCHOOL,
        YEAR,
        value("incident_date", &[]).required(),
        code("result", &["action"], codes::RESULT).required(),
        value("action_seq", &[]),
        value("duration_days", &[]),
    ],
);

/// One mark per student, section and term.
pub(crate) static COURSE_GRADES: Table = table(
    "course_grades",
    "section_id",
    &[
        STUDENT,
        YEAR.required(),
        SCHOOL,
        id("section_id", &[]).required(),
        id("term", &[]).required(),
        code("subject", &[], codes::COURSE_SUBJECT),
        code("final_grade", &[], &[]),
        value("grade_points", &[]),
        value("credits_earned", &[]),
        code("grade", &[], codes::GRADE),
    ],
);

/// A student's status as a learner of English, with its dates.
pub(crate) static EL_HISTORY: Table = table(
    "el_history",
    "elas_start_date",
    &[
        STUDENT,
        code("elas", &[], &[]).required(),
        value("elas_start_date", &[]).required(),
        value("elas_end_date", &[]),
        SCHOOL,
    ],
);

/// A student's place in a cohort.
pub(crate) static GRADUATION: Table = table(
    "graduation",
    "cohort_year",
    &[
        STUDENT,
        value("cohort_year", &[]).required(),
        SCHOOL,
        value("exit_date", &[]),
        code("outcome", &[], &[]).required(),
        value("met_ag", &[]),
    ],
);

/// One answered item of a survey.
pub(crate) static SURVEY: Table = table(
    "survey_responses",
    "survey_id",
    &[
        id("survey_id", &[]).required(),
        id("respondent_key", &["response_id"]).required(),
        id("item_id", &["question_code"]).required(),
        SCHOOL,
        YEAR.required(),
        code("respondent", &[], &[]).required(),
        code("grade", &[], codes::GRADE),
        code("scale", &[], &[]).required(),
        value("value", &[]),
        value("scale_max", &[]),
    ],
);

/// One enrolment at a college.
pub(crate) static POSTSECONDARY: Table = table(
    "postsecondary",
    "college_seq",
    &[STUDENT, id("college_seq", &[]).required(), value("enrolled_begin", &[])],
);

/// Scores of earlier years as this year's file carries them: growth reads them where the district has no
/// own.
pub(crate) static PRIOR_SCORES: Table = table(
    "prior_scores",
    "years_back",
    &[
        STUDENT,
        code("subject", &[], codes::SUBJECT).required(),
        value("as_of_year", &[]).required(),
        value("years_back", &[]).required(),
        value("score", &[]).required(),
        value("sem", &[]),
        code("grade", &[], codes::GRADE),
    ],
);

/// What was done for whom and when. Checked; no indicator of this version reads it.
pub(crate) static INTERVENTIONS: Table = table(
    "interventions",
    "intervention",
    &[
        STUDENT,
        id("intervention", &[]).required(),
        value("start_date", &[]).required(),
        value("end_date", &[]),
        value("hours", &[]),
    ],
);

/// The district's own list of schools: adds local columns only.
pub(crate) static SCHOOLS: Table = table(
    "schools",
    "instructional_days",
    &[SCHOOL.required(), YEAR, value("instructional_days", &[])],
);

/// All tables.
pub(crate) static ALL: [&Table; 14] = [
    &SCHOOLS,
    &STUDENT_FLAGS,
    &ENROLLMENTS,
    &ATTENDANCE,
    &DAILY,
    &ASSESSMENTS,
    &PRIOR_SCORES,
    &DISCIPLINE,
    &COURSE_GRADES,
    &EL_HISTORY,
    &GRADUATION,
    &SURVEY,
    &POSTSECONDARY,
    &INTERVENTIONS,
];
