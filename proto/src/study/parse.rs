//! TOML text -> [`Study`]: shape by serde (`raw.rs`), meaning by the checks below.

use std::{collections::BTreeMap, fmt};

use toml::Spanned;

mod growth;

use super::{
    CohortRule, DEFAULT_EL_YEARS, LEAST_MIN_N, MAX_BY, MAX_POINTS, MAX_STUDY_BYTES, MAX_TABLES,
    MAX_TESTS, MAX_UNITS_PER_POINT, MAX_YEARS, Mode, PublicFile, Rho, ScoreRange, Study,
    StudyError, SuppressionRule, TableSpec, TestSpec,
    raw::{Points, RawPrivacy, RawRange, RawStudy, RawSuppression, RawTable, RawTest},
};
use crate::{
    canonical::Digest,
    category::{Dimension, Indicator, Preset},
};

/// Longest `id`, characters.
const ID_MAX: usize = 64;
/// Longest `title`, bytes.
const TITLE_MAX: usize = 200;
/// School years a study may read.
const YEARS: std::ops::RangeInclusive<i16> = 1950..=2150;
/// Years as an English learner a study may ask for.
const EL_YEARS: std::ops::RangeInclusive<u8> = 1..=12;
/// `suppression.min_n` when not given: California's "10 or fewer".
const DEFAULT_MIN_N: u32 = 11;

/// Where in the document a check looks, for messages: line, section, number.
struct Place<'a> {
    line: usize,
    section: &'a str,
    number: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: [[{}]] {}", self.line, self.section, self.number)
    }
}

impl Place<'_> {
    fn value(&self, key: &str, what: impl fmt::Display) -> StudyError {
        StudyError::value(format_args!("{self}, {key}"), what)
    }

    fn duplicate(&self, key: &str, what: impl fmt::Display) -> StudyError {
        StudyError::duplicate(format_args!("{self}, {key}"), what)
    }

    fn within(&self, key: &str, found: usize, most: usize) -> Result<(), StudyError> {
        within(format_args!("{self}, {key}"), found, most)
    }
}

/// What a table is checked against.
struct Frame<'a> {
    school_year: i16,
    mode: Mode,
    tests: &'a BTreeMap<String, TestSpec>,
}

pub(super) fn study(bytes: &[u8]) -> Result<Study, StudyError> {
    if bytes.len() > MAX_STUDY_BYTES {
        return Err(StudyError::TooLarge { bytes: bytes.len(), most: MAX_STUDY_BYTES });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| StudyError::Text { at: error.valid_up_to() })?;
    toml::de::DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    let raw: RawStudy = toml::from_str(text).map_err(|error| shape(text, &error))?;

    let head = raw.study;
    name("[study] id", &head.id)?;
    name("[study] schools.file", &head.schools.file)?;
    if head.schools.file.eq_ignore_ascii_case("study.toml") {
        let what = "is the study's own name; name the school table otherwise";
        return Err(StudyError::value("[study] schools.file", what));
    }
    if head.title.trim().is_empty()
        || head.title.len() > TITLE_MAX
        || head.title.contains(char::is_control)
    {
        let what = format!("must be one line of 1 to {TITLE_MAX} bytes");
        return Err(StudyError::value("[study] title", what));
    }
    year(head.school_year).map_err(|what| StudyError::value("[study] school_year", what))?;
    let cohort = CohortRule {
        min_districts: raw.cohort.min_districts,
        max_dropped: raw.cohort.max_dropped,
        max_colluding: raw.cohort.max_colluding,
    };
    cohort.sizes(cohort.min_districts)?;
    let tests = tests(text, raw.test)?;
    let frame = Frame { school_year: head.school_year, mode: raw.privacy.mode, tests: &tests };
    let growth = growth::growth(text, raw.growth, raw.privacy.mode, &tests)?;
    let tables = tables(text, raw.table, &frame, !growth.is_empty())?;
    let rho = rho(&raw.privacy)?;
    growth::parts(rho, &growth, tables.is_empty())?;
    Ok(Study {
        id: head.id,
        title: head.title,
        school_year: head.school_year,
        as_of: head.as_of,
        schools: PublicFile { file: head.schools.file, sha256: head.schools.sha256 },
        mode: raw.privacy.mode,
        rho,
        cohort,
        suppression: suppression(&raw.suppression)?,
        tests,
        tables,
        growth,
        hash: Digest::of(bytes),
    })
}

fn rho(raw: &RawPrivacy) -> Result<Option<Rho>, StudyError> {
    let place = "[privacy] rho";
    match (raw.mode, raw.rho) {
        (Mode::Dp, Some(rho)) => Ok(Some(Rho::try_from(rho)?)),
        (Mode::Dp, None) => {
            Err(StudyError::value(place, "is required in dp mode: the loss of the whole study"))
        }
        (Mode::Exact, None) => Ok(None),
        (Mode::Exact, Some(_)) => {
            Err(StudyError::value(place, "must not be given in exact mode: there is no noise"))
        }
    }
}

fn suppression(raw: &RawSuppression) -> Result<SuppressionRule, StudyError> {
    let min_n = raw.min_n.unwrap_or(DEFAULT_MIN_N);
    if min_n < LEAST_MIN_N {
        let what = format!("is {min_n}, must be at least {LEAST_MIN_N}");
        return Err(StudyError::value("[suppression] min_n", what));
    }
    Ok(SuppressionRule { min_n })
}

fn tests(text: &str, raw: Vec<Spanned<RawTest>>) -> Result<BTreeMap<String, TestSpec>, StudyError> {
    within("[[test]]", raw.len(), MAX_TESTS)?;
    let mut tests = BTreeMap::new();
    for (index, spanned) in raw.into_iter().enumerate() {
        let line = line_at(text, spanned.span().start);
        let place = Place { line, section: "test", number: index + 1 };
        let raw = spanned.into_inner();
        name(format_args!("{place}, id"), &raw.id)?;
        let units_per_point = raw.units_per_point.unwrap_or(1);
        if !(1..=MAX_UNITS_PER_POINT).contains(&units_per_point) {
            let what = format!("is {units_per_point}, must be 1 to {MAX_UNITS_PER_POINT}");
            return Err(place.value("units_per_point", what));
        }
        if raw.scores.is_empty() {
            return Err(place.value("scores", "is empty; give at least one subject"));
        }
        let mut scores = BTreeMap::new();
        for (subject, grades) in raw.scores {
            if grades.is_empty() {
                return Err(place.value(&format!("scores.{subject}"), "has no grade"));
            }
            let mut ranges = BTreeMap::new();
            for (grade, range) in grades {
                let key = format!("scores.{subject}.{grade}");
                ranges.insert(grade, score_range(&place, &key, &range, units_per_point)?);
            }
            scores.insert(subject, ranges);
        }
        let spec = TestSpec { id: raw.id.clone(), units_per_point, scores };
        if tests.insert(raw.id.clone(), spec).is_some() {
            return Err(place.duplicate("id", format_args!("test {:?}", raw.id)));
        }
    }
    Ok(tests)
}

fn score_range(
    place: &Place<'_>,
    key: &str,
    raw: &RawRange,
    units_per_point: u32,
) -> Result<ScoreRange, StudyError> {
    let grid = |points: Points, bound: &str| {
        points.on_grid(units_per_point).ok_or_else(|| {
            let what = format!(
                "must lie within {MAX_POINTS} points of 0 and be a multiple of \
                 1/{units_per_point} point; change it or units_per_point"
            );
            place.value(&format!("{key}.{bound}"), what)
        })
    };
    let range = ScoreRange {
        min: grid(raw.min, "min")?,
        max: grid(raw.max, "max")?,
        met: grid(raw.met, "met")?,
    };
    if range.min >= range.max {
        return Err(place.value(key, "min must be below max"));
    }
    if !(range.min..=range.max).contains(&range.met) {
        return Err(place.value(key, "met must lie between min and max"));
    }
    Ok(range)
}

fn tables(
    text: &str,
    raw: Vec<Spanned<RawTable>>,
    frame: &Frame<'_>,
    may_be_none: bool,
) -> Result<Vec<TableSpec>, StudyError> {
    if raw.is_empty() && !may_be_none {
        return Err(StudyError::value("[[table]]", "there is none; a study measures something"));
    }
    within("[[table]]", raw.len(), MAX_TABLES)?;
    let mut tables: Vec<TableSpec> = Vec::with_capacity(raw.len());
    for (index, spanned) in raw.into_iter().enumerate() {
        let line = line_at(text, spanned.span().start);
        let place = Place { line, section: "table", number: index + 1 };
        let spec = table(&place, spanned.into_inner(), frame)?;
        if let Some(first) = tables.iter().position(|earlier| overlap(earlier, &spec)) {
            let what = format!(
                "a break-down of {} that [[table]] {} already has, for the same year,",
                spec.indicator,
                first + 1
            );
            return Err(place.duplicate("by", what));
        }
        tables.push(spec);
    }
    Ok(tables)
}

/// Whether two tables would sum the same cells for all students.
fn overlap(one: &TableSpec, two: &TableSpec) -> bool {
    one.indicator == two.indicator
        && one.test == two.test
        && one.preset == two.preset
        && one.el_years == two.el_years
        && one.years.iter().any(|year| two.years.contains(year))
        && one.by.iter().any(|by| two.by.contains(by))
}

fn table(place: &Place<'_>, raw: RawTable, frame: &Frame<'_>) -> Result<TableSpec, StudyError> {
    let (indicator, school_year) = (raw.indicator, frame.school_year);
    table_test(place, indicator, raw.test.as_deref(), frame.tests)?;
    let preset = preset(place, indicator, raw.preset, frame.mode)?;
    let el_years = el_years(place, indicator, raw.el_years)?;
    let years = raw.years.unwrap_or_else(|| vec![school_year]);
    place.within("years", years.len(), MAX_YEARS)?;
    if years.is_empty() {
        return Err(place.value("years", "is empty; leave it out for the study's own year"));
    }
    for one in &years {
        year(*one).map_err(|what| place.value("years", what))?;
        if *one > school_year {
            let what = format!("{one} is after the study's school_year {school_year}");
            return Err(place.value("years", what));
        }
    }
    if let Some(twice) = twice(&years) {
        return Err(place.duplicate("years", twice));
    }
    let mut by = raw.by.unwrap_or_else(|| vec![vec![]]);
    place.within("by", by.len(), MAX_BY)?;
    if by.is_empty() {
        return Err(place.value("by", "is empty; write [[]] for the whole network"));
    }
    for dimensions in &mut by {
        dimensions.sort_unstable();
        if let Some(dimension) = twice(dimensions) {
            return Err(place.duplicate("by", format_args!("{:?}", dimension.as_str())));
        }
    }
    if let Some(dimensions) = twice(&by) {
        let names: Vec<_> = dimensions.iter().map(|one| one.as_str()).collect();
        return Err(place.duplicate("by", format_args!("{names:?}")));
    }
    if let Some(family) = twice(&raw.families) {
        return Err(place.duplicate("families", format_args!("{:?}", family.as_str())));
    }
    if indicator.is_of_adults() {
        if !raw.families.is_empty() {
            let what = format!("{indicator} is of adults, who are in no family; remove it");
            return Err(place.value("families", what));
        }
        if by.iter().any(|dimensions| dimensions.contains(&Dimension::Grade)) {
            let what = format!("{indicator} is of adults, who have no grade; leave \"grade\" out");
            return Err(place.value("by", what));
        }
    }
    let families = raw.families;
    Ok(TableSpec { indicator, test: raw.test, preset, el_years, years, by, families })
}

/// The preset in force: the one named, or the indicator's default.
fn preset(
    place: &Place<'_>,
    indicator: Indicator,
    named: Option<Preset>,
    mode: Mode,
) -> Result<Option<Preset>, StudyError> {
    let presets = indicator.presets();
    match named {
        None => Ok(presets.first().copied()),
        Some(_) if presets.is_empty() => {
            Err(place.value("preset", format_args!("{indicator} has no presets; remove it")))
        }
        Some(named) if !presets.contains(&named) => {
            let names: Vec<_> = presets.iter().map(|one| one.as_str()).collect();
            let what = format!("{indicator} has the presets {}", names.join(", "));
            Err(place.value("preset", what))
        }
        Some(Preset::PerItem) if mode == Mode::Dp => {
            let what = "\"item\" is for exact mode alone: one student answers many items; use \
                        \"respondent\"";
            Err(place.value("preset", what))
        }
        Some(named) => Ok(Some(named)),
    }
}

fn el_years(
    place: &Place<'_>,
    indicator: Indicator,
    years: Option<u8>,
) -> Result<Option<u8>, StudyError> {
    let redesignation = indicator == Indicator::ElRedesignation;
    match years {
        Some(_) if !redesignation => {
            Err(place.value("el_years", format_args!("{indicator} has no el_years; remove it")))
        }
        Some(years) if !EL_YEARS.contains(&years) => {
            let (least, most) = (EL_YEARS.start(), EL_YEARS.end());
            Err(place.value("el_years", format_args!("is {years}, must be {least} to {most}")))
        }
        Some(years) => Ok(Some(years)),
        None => Ok(redesignation.then_some(DEFAULT_EL_YEARS)),
    }
}

fn table_test(
    place: &Place<'_>,
    indicator: Indicator,
    test: Option<&str>,
    tests: &BTreeMap<String, TestSpec>,
) -> Result<(), StudyError> {
    match (indicator.subject(), test) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(place.value("test", format_args!("{indicator} reads no scores; remove it")))
        }
        (Some(_), None) => {
            Err(place.value("test", format_args!("{indicator} needs the id of a [[test]]")))
        }
        (Some(subject), Some(id)) => match tests.get(id) {
            None => Err(place.value("test", format_args!("there is no [[test]] with id {id:?}"))),
            Some(test) if !test.scores.contains_key(&subject) => {
                Err(place.value("test", format_args!("{id:?} has no scores for {subject}")))
            }
            Some(_) => Ok(()),
        },
    }
}

/// The first item that appears again.
fn twice<T: PartialEq>(items: &[T]) -> Option<&T> {
    items.iter().enumerate().find(|(at, item)| items[..*at].contains(item)).map(|(_, item)| item)
}

fn within(place: impl fmt::Display, found: usize, most: usize) -> Result<(), StudyError> {
    if found > most { Err(StudyError::limit(place, found, most)) } else { Ok(()) }
}

fn year(year: i16) -> Result<(), String> {
    if YEARS.contains(&year) {
        return Ok(());
    }
    Err(format!("{year} is not a school year between {} and {}", YEARS.start(), YEARS.end()))
}

/// Checks a name that goes into file names, cell names and logs.
fn name(place: impl fmt::Display, text: &str) -> Result<(), StudyError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let length = (1..=ID_MAX).contains(&text.len());
    if length && text.bytes().all(allowed) && !text.starts_with('.') {
        return Ok(());
    }
    let what =
        format!("must be 1 to {ID_MAX} letters, digits, '.', '_' or '-', not beginning with '.'");
    Err(StudyError::value(place, what))
}

fn syntax(text: &str, error: &toml::de::Error) -> StudyError {
    StudyError::Syntax { line: error_line(text, error), what: one_line(error.message()) }
}

/// Sorts serde's complaints, which have no codes of their own, by their fixed first words.
fn shape(text: &str, error: &toml::de::Error) -> StudyError {
    let (line, what) = (error_line(text, error), one_line(error.message()));
    if what.starts_with("unknown field") {
        StudyError::UnknownKey { line, what: what.replacen("field", "key", 1) }
    } else if what.starts_with("missing field") {
        StudyError::MissingKey { line, what: what.replacen("field", "key", 1) }
    } else {
        StudyError::Type { line, what }
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn error_line(text: &str, error: &toml::de::Error) -> usize {
    line_at(text, error.span().map_or(0, |span| span.start))
}

/// The line, from 1, of a byte offset.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
