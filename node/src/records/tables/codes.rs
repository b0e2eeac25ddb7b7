//! What the codes of Ed-Fi exports mean here: the default descriptors' code values, and no others.
//!
//! In: a code as such an export writes it. Out: our code, or that it has no counterpart. Codes are
//! never guessed: a district's own descriptors are mapped by the district in `mapping.toml`.

/// The value is read as not supplied.
pub(crate) const NOT_SUPPLIED: &str = "";
/// The row is left out and told.
pub(crate) const LEAVE_OUT: &str = "-";

type Codes = &'static [(&'static str, &'static str)];

pub(super) const GRADE: Codes = &[
    ("Transitional Kindergarten", "TK"),
    ("Kindergarten", "KN"),
    ("First grade", "01"),
    ("Second grade", "02"),
    ("Third grade", "03"),
    ("Fourth grade", "04"),
    ("Fifth grade", "05"),
    ("Sixth grade", "06"),
    ("Seventh grade", "07"),
    ("Eighth grade", "08"),
    ("Ninth grade", "09"),
    ("Tenth grade", "10"),
    ("Eleventh grade", "11"),
    ("Twelfth grade", "12"),
    ("Ungraded", "UG"),
];
pub(super) const SEX: Codes =
    &[("Female", "F"), ("Male", "M"), ("Non-binary", "X"), ("Not Selected", NOT_SUPPLIED)];
pub(super) const RACE: Codes = &[
    ("American Indian - Alaska Native", "AmIndian"),
    ("Black - African American", "Black"),
    ("Native Hawaiian - Pacific Islander", "PacIsl"),
];
pub(super) const SUBJECT: Codes = &[
    ("English Language Arts", "ELA"),
    ("Mathematics", "MATH"),
    ("Science", "SCI"),
    // Parts of a subject, or several of them.
    ("English", LEAVE_OUT),
    ("Reading", LEAVE_OUT),
    ("Writing", LEAVE_OUT),
    ("Composite", LEAVE_OUT),
    ("Social Studies", LEAVE_OUT),
    ("Other", LEAVE_OUT),
];
pub(super) const COURSE_SUBJECT: Codes = &[
    ("English Language Arts", "ELA"),
    ("Mathematics", "MATH"),
    ("Science", "SCI"),
    ("Social Studies", "HSS"),
    ("Other", "OTHER"),
];
/// How an Ed-Fi score is told: only scale scores stand for a scale score.
pub(super) const SCORE_TYPE: Codes = &[
    ("Scale score", "scale"),
    ("Scale Score", "scale"),
    ("Raw score", LEAVE_OUT),
    ("Composite Score", LEAVE_OUT),
    ("National College-Bound Percentile", LEAVE_OUT),
    ("State College-Bound Percentile", LEAVE_OUT),
    ("Percentile", LEAVE_OUT),
    ("Percentile rank", LEAVE_OUT),
    ("Vertical score", LEAVE_OUT),
    ("Lexile Measure", LEAVE_OUT),
    ("Quantile Measure", LEAVE_OUT),
    ("Percent correct", LEAVE_OUT),
    ("Grade equivalent", LEAVE_OUT),
];
/// Names of performance levels give no number: their order is the test's.
pub(super) const LEVEL: Codes = &[
    ("Advanced", NOT_SUPPLIED),
    ("Proficient", NOT_SUPPLIED),
    ("Basic", NOT_SUPPLIED),
    ("Below Basic", NOT_SUPPLIED),
    ("Well Below Basic", NOT_SUPPLIED),
    ("Met Standard", NOT_SUPPLIED),
    ("Did Not Meet Standard", NOT_SUPPLIED),
    ("Pass", NOT_SUPPLIED),
    ("Fail", NOT_SUPPLIED),
];
pub(super) const RESULT: Codes = &[
    ("In School Suspension", "iss"),
    ("Out of School Suspension", "oss"),
    ("Expulsion", "expulsion"),
    ("Expulsion with Services", "expulsion"),
    ("Community Service", "other"),
    ("Removal from Classroom", "other"),
    ("Other", "other"),
];
pub(super) const CATEGORY: Codes = &[
    ("In Attendance", "present"),
    ("Excused Absence", "absent_excused"),
    ("Unexcused Absence", "absent_unexcused"),
    ("Tardy", "tardy"),
    ("Partial", "partial"),
    ("Out of School Suspension", "oss"),
    ("In School Suspension", "iss"),
];
