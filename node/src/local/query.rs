//! What may be asked of the district's own records, and what comes back.

use flashlight_proto::{
    category::{Family, Grade, Indicator, Level, Preset},
    study::{DEFAULT_EL_YEARS, Date},
};

use crate::{
    check::Against,
    records::{Finding, Records, Source},
};

/// A cell over fewer students is marked small.
pub const SMALL_BELOW: u64 = 11;

/// What results are broken out by, beside the district as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Every school.
    School,
    /// The level of the school; of the district's numbers alone.
    Level,
    /// The grade.
    Grade,
    /// All groups of all families.
    Family,
}

/// A question to the district's own records.
#[derive(Clone)]
pub struct LocalQuery<'a> {
    /// Indicators, each by a preset; `None`: its default one.
    pub indicators: Vec<(Indicator, Option<Preset>)>,
    /// School years.
    pub years: Vec<i16>,
    /// Break-downs; all margins come with them.
    pub by: Vec<By>,
    /// Ids of the schools to show; empty: all, where `by` has [`By::School`].
    pub schools: Vec<String>,
    /// Records are taken as they stood on this date; `None`: 30 June of each year.
    pub as_of: Option<Date>,
    /// Years as an English learner after which one who is not redesignated counts.
    pub el_years: u8,
    /// A study, for its tests and its public school table; without it levels follow from the grades
    /// enrolled and scores from the built-in cuts of CAASPP-SBAC.
    pub against: Option<Against<'a>>,
}

impl LocalQuery<'_> {
    /// These indicators, in one year, over the whole district.
    #[must_use]
    pub const fn new(indicators: Vec<(Indicator, Option<Preset>)>, years: Vec<i16>) -> Self {
        Self {
            indicators,
            years,
            by: Vec::new(),
            schools: Vec::new(),
            as_of: None,
            el_years: DEFAULT_EL_YEARS,
            against: None,
        }
    }

    /// Every indicator by every preset.
    #[must_use]
    pub fn everything() -> Vec<(Indicator, Option<Preset>)> {
        let presets = |one: &Indicator| match one.presets() {
            [] => vec![(*one, None)],
            presets => presets.iter().map(|preset| (*one, Some(*preset))).collect(),
        };
        Indicator::ALL.iter().flat_map(presets).collect()
    }

    /// The school years of which the records have enrolments, in order.
    #[must_use]
    pub fn years_of(records: &Records) -> Vec<i16> {
        let years = records.enrollments.iter().map(|row| row.year);
        years.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

/// Whose number it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The district's: each student once.
    District,
    /// The school's of this id, by the official rule.
    School(String),
}

/// One exact result, unsuppressed, for the district's own eyes. It has no wire form.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalRow {
    /// What is measured.
    pub indicator: Indicator,
    /// By which variant; `None` where it has none.
    pub preset: Option<Preset>,
    /// School year.
    pub year: i16,
    /// The district or a school.
    pub scope: Scope,
    /// The level; `None`: all.
    pub level: Option<Level>,
    /// The grade; `None`: all.
    pub grade: Option<Grade>,
    /// A group of a family; `None`: all students.
    pub group: Option<(Family, &'static str)>,
    /// Students, or respondents, the value is over.
    pub n: u64,
    /// Students in the numerator; favourable items; or the sum of the values in grid units.
    pub num: i64,
    /// What `num` is divided by: students, or answered items.
    pub den: i64,
    /// Grid units per point, or per whole of a favourable share; 1 for shares of students.
    pub units: u32,
    /// A share from 0 to 1, a mean in points, or the count; `None` over nobody.
    pub value: Option<f64>,
    /// Whether it is over somebody, and over fewer than [`SMALL_BELOW`].
    pub small: bool,
    /// Why there is no number.
    pub missing: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalResults {
    /// By indicator as asked, year, scope, level, grade, family and group. Groups without a student are
    /// left out; the district as a whole never is.
    pub rows: Vec<LocalRow>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

/// Which students to look up: those of one row of the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellAsked {
    /// What is measured.
    pub indicator: Indicator,
    /// By which variant; `None`: the default.
    pub preset: Option<Preset>,
    /// School year.
    pub year: i16,
    /// The district or a school.
    pub scope: Scope,
    /// The level; `None`: all.
    pub level: Option<Level>,
    /// The grade; `None`: all.
    pub grade: Option<Grade>,
    /// A group of a family; `None`: all students.
    pub group: Option<(Family, &'static str)>,
}

/// One student behind a number. Never printed: written to a file the district asks for.
pub struct Behind {
    /// The student's pseudonym in these records.
    pub key: u64,
    /// Whether it is in the numerator; `None` for counts and means.
    pub in_numerator: Option<bool>,
    /// What the student adds to `num` and `den`.
    pub num: i64,
    /// See `num`.
    pub den: i64,
    /// The id of the school the student counts at.
    pub school: Option<String>,
    /// The school's level.
    pub level: Level,
    /// The grade.
    pub grade: Grade,
    /// The group of each family, in the order of [`Family::ALL`].
    pub groups: Vec<&'static str>,
    /// The rows the number is made of: table and number of the row in its file.
    pub rows: Vec<(Source, u32)>,
}
