//! The indicators: what each counts of one student (docs/INDICATORS.md §3).
//!
//! In: a [`Student`], all rows of all tables, placed in one school year, and an [`Ask`]. Out: what the
//! student adds to the district's number and to the network table ([`one`]: at most one cell), and
//! what it adds to each entity of the local results by that entity's official rule ([`locally`]).
//! One file per indicator, or per rule that several share: its definition in words, as data for the
//! documents, then in code. Integers only.

mod achievement;
mod ag_completion;
mod attendance;
mod attendance_bands;
mod chronic_absenteeism;
mod cohort;
mod college_going;
mod definition;
mod discipline;
mod dropout;
mod el_progress;
mod el_redesignation;
mod el_status;
mod expulsion;
mod grade9_on_track;
mod graduation;
mod graduation_rate;
mod hs_readiness;
mod notes;
mod participation;
mod place;
#[cfg(test)]
mod properties;
mod schools;
mod student;
mod students;
mod survey;
mod survey_response;
mod suspension;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::{
    category::{Grade, Indicator, Preset, Subject},
    study::{DEFAULT_EL_YEARS, ScoreRange, Study, TableSpec},
};

pub use self::words::{catalogue, title_of, words_of};
pub(crate) use self::{
    achievement::{NO_DATE, is_continuous_at, on_grid, tested_at},
    definition::Definition,
    notes::Notes,
    schools::Schools,
    student::{Counted, Place, Student, Term},
};
use crate::records::{Records, Source};

/// How much one student adds to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// One student.
    One,
    /// One to the denominator, and to the numerator when true.
    Part(bool),
    /// One value, in grid units.
    Value(i64),
    /// Items answered, and those of them answered favourably.
    Items {
        /// Favourable.
        favourable: i64,
        /// Answered.
        answered: i64,
    },
}

/// The scores an indicator reads.
#[derive(Clone, Copy)]
pub(crate) struct Test<'a> {
    /// Its number among the records'; `None`: no score is of it.
    pub(crate) number: Option<u32>,
    /// Integer units per point.
    pub(crate) units_per_point: u32,
    /// Bounds and cut by grade tested.
    pub(crate) ranges: &'a BTreeMap<Grade, ScoreRange>,
}

/// What is asked of every student alike.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// What is measured.
    pub(crate) indicator: Indicator,
    /// By which variant of the rule.
    pub(crate) preset: Option<Preset>,
    /// Years as an English learner after which one who is not redesignated counts.
    pub(crate) el_years: u8,
    /// The scores it reads, where it reads any.
    pub(crate) test: Option<Test<'a>>,
    /// Whether answers of respondents who are no student of the district count.
    pub(crate) accept_responses: bool,
}

impl<'a> Ask<'a> {
    /// What a study's table asks.
    pub(crate) fn of(records: &Records, study: &'a Study, table: &'a TableSpec) -> Self {
        let test = study.scores(table).map(|(test, ranges)| Test {
            number: records.test_number(&test.id),
            units_per_point: test.units_per_point,
            ranges,
        });
        Self {
            indicator: table.indicator,
            preset: table.preset,
            el_years: table.el_years.unwrap_or(DEFAULT_EL_YEARS),
            test,
            accept_responses: false,
        }
    }

    /// The subject whose bounds and cuts it reads scores by.
    const fn subject(&self) -> Option<Subject> {
        self.indicator.subject()
    }

    /// The subject of the scores it reads, where it reads any.
    pub(crate) fn subject_read(&self) -> Subject {
        self.subject().unwrap_or(Subject::Elp)
    }
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    /// The district's, each student once.
    District,
    /// The school's that [`Counted::school`] names.
    School,
}

/// What the student adds to the district's number and to the network table: one cell at most.
pub(crate) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    match ask.indicator {
        Indicator::Students => students::one(student),
        Indicator::Mean(_) | Indicator::Dfs(_) | Indicator::Met(_) => {
            achievement::one(student, ask, notes)
        }
        Indicator::Participation(_) => participation::one(student, ask),
        Indicator::ChronicAbsenteeism => chronic_absenteeism::one(student, ask, notes),
        Indicator::Attendance(band) => attendance_bands::one(student, band, notes),
        Indicator::Suspension => suspension::one(student, ask, notes),
        Indicator::Expulsion => expulsion::one(student),
        Indicator::Graduation4 => graduation::four_years(student, notes),
        Indicator::Graduation5 => graduation::five_years(student, notes),
        Indicator::GraduationRate => graduation_rate::one(student, notes),
        Indicator::Dropout => dropout::one(student, notes),
        Indicator::HsReadiness => hs_readiness::one(student, notes),
        Indicator::ElRedesignation => el_redesignation::one(student, ask, notes),
        Indicator::ElProgress => el_progress::one(student, ask, notes),
        Indicator::AgCompletion => ag_completion::one(student, notes),
        Indicator::Grade9OnTrack => grade9_on_track::one(student, ask, notes),
        Indicator::CollegeGoing => college_going::one(student, ask, notes),
        Indicator::Climate(construct, respondent) => {
            survey::one(student, ask, construct, respondent, notes)
        }
        Indicator::Sel(construct) => survey::one(student, ask, construct, survey::STUDENT, notes),
        Indicator::ClimateResponse => survey_response::one(student, false),
        Indicator::SelResponse => survey_response::one(student, true),
    }
}

/// What the student adds to the local results: the district's, each student once, and each
/// school's by its official rule.
pub(crate) fn locally(
    student: &Student<'_>,
    ask: &Ask<'_>,
    notes: &mut Notes,
    out: &mut dyn FnMut(Entity, Counted),
) {
    match ask.indicator {
        Indicator::Mean(_) | Indicator::Dfs(_) | Indicator::Met(_) => {
            return achievement::locally(student, ask, notes, out);
        }
        _ => {}
    }
    let counted = one(student, ask, notes);
    if let Some(counted) = counted {
        out(Entity::District, counted);
    }
    let mut school = |counted| out(Entity::School, counted);
    match ask.indicator {
        Indicator::Students => students::schools(student, &mut school),
        Indicator::ChronicAbsenteeism => chronic_absenteeism::schools(student, ask, &mut school),
        Indicator::Attendance(band) => attendance_bands::schools(student, band, &mut school),
        Indicator::Suspension => suspension::schools(student, ask, &mut school),
        Indicator::Expulsion => expulsion::schools(student, &mut school),
        Indicator::GraduationRate => graduation_rate::school(student, counted, &mut school),
        Indicator::ElRedesignation => {
            counted
                .and_then(|counted| el_redesignation::school(student, counted))
                .into_iter()
                .for_each(school);
        }
        Indicator::Climate(construct, respondent) => {
            counted
                .map(|one| survey::school(student, construct, respondent, one))
                .into_iter()
                .for_each(school);
        }
        Indicator::Sel(construct) => {
            counted
                .map(|one| survey::school(student, construct, survey::STUDENT, one))
                .into_iter()
                .for_each(school);
        }
        // The school of the one cell: the primary school, or the cohort's.
        _ => counted.into_iter().for_each(school),
    }
}

/// An indicator's definition in words.
pub(crate) const fn definition(indicator: Indicator) -> &'static Definition {
    match indicator {
        Indicator::Students => &students::DEFINITION,
        Indicator::Mean(_) => &achievement::MEAN,
        Indicator::Dfs(_) => &achievement::DFS,
        Indicator::Met(_) => &achievement::MET,
        Indicator::Participation(_) => &participation::DEFINITION,
        Indicator::ChronicAbsenteeism => &chronic_absenteeism::DEFINITION,
        Indicator::Attendance(_) => &attendance_bands::DEFINITION,
        Indicator::Suspension => &suspension::DEFINITION,
        Indicator::Expulsion => &expulsion::DEFINITION,
        Indicator::Graduation4 => &graduation::FOUR_YEARS,
        Indicator::Graduation5 => &graduation::FIVE_YEARS,
        Indicator::GraduationRate => &graduation_rate::DEFINITION,
        Indicator::Dropout => &dropout::DEFINITION,
        Indicator::HsReadiness => &hs_readiness::DEFINITION,
        Indicator::ElRedesignation => &el_redesignation::DEFINITION,
        Indicator::ElProgress => &el_progress::DEFINITION,
        Indicator::AgCompletion => &ag_completion::DEFINITION,
        Indicator::Grade9OnTrack => &grade9_on_track::DEFINITION,
        Indicator::CollegeGoing => &college_going::DEFINITION,
        Indicator::Climate(..) => &survey::CLIMATE,
        Indicator::Sel(_) => &survey::SEL,
        Indicator::ClimateResponse => &survey_response::CLIMATE,
        Indicator::SelResponse => &survey_response::SEL,
    }
}

/// The tables an indicator reads beside the enrolments.
pub(crate) const fn sources(indicator: Indicator) -> &'static [Source] {
    definition(indicator).tables
}

/// The names of the tables that these indicators read beside the enrolments: those they cannot do
/// without, attendance, which decides where a student counts, and the history of English learners
/// where a flag may be missing.
pub(crate) fn tables_of(indicators: impl Iterator<Item = Indicator>) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::from([Source::Attendance.name()]);
    for one in indicators {
        names.extend(sources(one).iter().map(|source| source.name()));
        if one == Indicator::ElProgress {
            names.insert(Source::ElHistory.name());
        }
    }
    names
}

/// The table whose rows an indicator's findings name.
pub(crate) fn source(indicator: Indicator) -> Source {
    sources(indicator).first().copied().unwrap_or(Source::Enrollments)
}

/// What an indicator cannot do without: a table, and the year of its rows where they have one.
/// Earlier years' enrolments are read where they are there.
pub(crate) fn needs(indicator: Indicator, year: i16) -> Vec<(Source, Option<i16>)> {
    let year_of = |source: Source| match (source, indicator) {
        (Source::ElHistory | Source::Postsecondary, _) => None,
        (Source::Graduation, Indicator::Graduation5) => Some(year - 1),
        (Source::Assessments, Indicator::ElProgress) => Some(year),
        _ => Some(year),
    };
    let own = sources(indicator).iter().map(|source| (*source, year_of(*source)));
    std::iter::once((Source::Enrollments, Some(year))).chain(own).collect()
}
