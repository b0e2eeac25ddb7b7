//! Records and a study -> this district's part of the network's sums.
//!
//! In: [`Records`], the study, the hub's public school table, the layout all parties derived from
//! them, and who we are. Out: exact integers, one per word, wiped when dropped, and what was found.
//! Promise: every word is a sum over the students of the network table (docs/INDICATORS.md §0),
//! each counted once; a year or a file that the study needs and the folder lacks is a refusal, never
//! a zero. Integers only. Touches nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use flashlight_proto::{
    category::Indicator,
    identity::DistrictId,
    layout::{Block, Encoding, GrowthBlock, Layout},
    schools::SchoolTable,
    study::Study,
};
use zeroize::Zeroizing;

use crate::{
    growth::{self, Offering, block_words, growth_rows},
    indicators::{self, Amount, Ask, Counted as One, Notes, Schools, Student, Term},
    records::{Effect, Finding, Records, RecordsError, Report, Rule, Source},
};

/// Why there is no contribution.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// The records cannot answer the study.
    #[error("{}", .0.first_refusal())]
    Refused(Box<Report>),
}

impl AggregateError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "aggregate_refused",
        }
    }

    /// What was found, where the records were refused.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused(report) => Some(report),
        }
    }
}

/// Whose records they are, and what its policy allows.
#[derive(Clone, Copy, Default)]
pub struct Whose<'a> {
    /// The district; without it any school of the public table counts.
    pub district: Option<&'a DistrictId>,
    /// Whether answers to surveys count whose respondents are no student of the district: their
    /// unit is the response, and one person may have given several.
    pub accept_responses: bool,
}

impl<'a> From<&'a DistrictId> for Whose<'a> {
    fn from(district: &'a DistrictId) -> Self {
        Self { district: Some(district), accept_responses: false }
    }
}

impl<'a> From<Option<&'a DistrictId>> for Whose<'a> {
    fn from(district: Option<&'a DistrictId>) -> Self {
        Self { district, accept_responses: false }
    }
}

/// The records a study is counted over: those of the folder `data`, or of what was loaded into the
/// node whose folder is `dir`, as far as the study needs them.
///
/// # Errors
/// [`RecordsError`] when files are refused, or nothing was loaded.
pub(crate) fn records_for(
    study: &Study,
    data: Option<&Path>,
    dir: &Path,
) -> Result<Records, RecordsError> {
    if let Some(data) = data {
        return Ok(Records::read(data)?.0);
    }
    let tables = study.tables.iter().flat_map(|table| table.years.iter().copied());
    let growth = study.growth.iter().map(|_| study.school_year);
    let years: BTreeSet<i16> = tables.chain(growth).collect();
    let years: Vec<i16> = years.into_iter().collect();
    let mut names = indicators::tables_of(study.tables.iter().map(|table| table.indicator));
    if !study.growth.is_empty() {
        names.extend([Source::Assessments.name(), growth::PRIOR_SCORES]);
    }
    Records::loaded(dir, Some(&years), Some(&names))
}

/// This district's words for the study, and what was found while counting (`Report::study`).
///
/// `whose`: the district, or a [`Whose`] that also says what its policy accepts.
///
/// # Errors
/// [`AggregateError::Refused`] with the whole report when a file or a year is missing, or too many
/// rows cannot be counted.
pub fn aggregate<'a>(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    whose: impl Into<Whose<'a>>,
) -> Result<(Zeroizing<Vec<i64>>, Report), AggregateError> {
    let counted = count(records, study, schools, layout, whose);
    let report = Report { files: Vec::new(), study: counted.findings };
    if report.is_refused() {
        return Err(AggregateError::Refused(Box::new(report)));
    }
    Ok((counted.words, report))
}

/// Exact words of one district. Wiped when dropped.
pub(crate) struct Counted {
    /// The words, in the layout's order; all 0 where the findings refuse the study.
    pub(crate) words: Zeroizing<Vec<i64>>,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
}

/// Counts the study's words. Without a district any school of the public table counts.
pub(crate) fn count<'a>(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    whose: impl Into<Whose<'a>>,
) -> Counted {
    let whose = whose.into();
    let mut counted = Counted {
        words: Zeroizing::new(vec![0; layout.words()]),
        findings: missing(records, study),
    };
    if !counted.findings.is_empty() {
        return counted;
    }
    let mut years: BTreeMap<i16, BTreeMap<usize, Vec<&Block>>> = BTreeMap::new();
    for block in layout.blocks() {
        years.entry(block.year).or_default().entry(block.table).or_default().push(block);
    }
    // Growth places students as the tables of its year do, and that walk tells what is wrong with them.
    for block in layout.growth() {
        years.entry(block.model.year).or_default();
    }
    let table = schools;
    let schools = Schools::public(records, schools, whose.district);
    for (year, tables) in years {
        let term = Term::new(year, study.as_of.into(), &schools);
        let asked = tables.into_iter().map(|(table, blocks)| Asked {
            ask: Ask {
                accept_responses: whose.accept_responses,
                ..Ask::of(records, study, &study.tables[table])
            },
            blocks,
            notes: Notes::default(),
        });
        count_year(records, &term, asked.collect(), &mut counted);
    }
    for block in layout.growth() {
        let offering = || Offering::of(&block.model, table, records, whose.district);
        count_growth(records, study, (&schools, offering), block, &mut counted);
    }
    counted
}

/// Puts the words of one growth model where they belong.
fn count_growth(
    records: &Records,
    study: &Study,
    (schools, offering): (&Schools, impl FnOnce() -> Offering),
    block: &GrowthBlock,
    counted: &mut Counted,
) {
    let (rows, findings) = growth_rows(records, study, schools, &block.model);
    counted.findings.extend(findings);
    let words = block_words(block, &rows, offering).map(Zeroizing::new);
    match words {
        Ok(words) => match counted.words.get_mut(block.range()) {
            Some(place) if place.len() == words.len() => place.copy_from_slice(&words),
            _ => {
                let text = format!("growth {}: its words are not the layout's", block.model.name);
                counted.findings.push(refusal(Rule::E008, text));
            }
        },
        Err(error) => counted.findings.push(refusal(Rule::E008, error.to_string())),
    }
}

/// One table in one year.
struct Asked<'a> {
    ask: Ask<'a>,
    blocks: Vec<&'a Block>,
    notes: Notes,
}

/// Counts one year's tables in one walk over the students.
fn count_year(
    records: &Records,
    term: &Term<'_>,
    mut asked: Vec<Asked<'_>>,
    counted: &mut Counted,
) {
    let mut placing = Notes::default();
    let mut rows = 0;
    for pupil in records.pupils() {
        let student = Student::new(pupil, term, &mut placing);
        rows += student.enrollments.len() as u64;
        for Asked { ask, blocks, notes } in &mut asked {
            if let Some(one) = indicators::one(&student, ask, notes) {
                blocks.iter().for_each(|block| add(block, &one, &mut counted.words));
            }
        }
    }
    let findings = &mut counted.findings;
    tell(findings, Source::Enrollments, term.year, placing.findings(rows, None));
    for Asked { ask, notes, .. } in asked {
        // Nothing here leaves out more than so many rows, so their number does not matter.
        let found = notes.findings(0, ask.indicator.subject());
        tell(findings, indicators::source(ask.indicator), term.year, found);
    }
}

/// The files and years the study reads and the folder lacks (E009).
fn missing(records: &Records, study: &Study) -> Vec<Finding> {
    let mut needed: BTreeSet<(&str, i16)> = BTreeSet::new();
    let mut findings = Vec::new();
    for table in &study.tables {
        for source in indicators::sources(table.indicator) {
            if !records.has(*source) && needed.insert((source.name(), 0)) {
                findings.push(refusal(Rule::E009, lacks(table.indicator, *source)));
            }
        }
        let years = table.years.iter();
        for (source, year) in years.flat_map(|year| indicators::needs(table.indicator, *year)) {
            let Some(year) = year.filter(|_| records.has(source)) else { continue };
            if !records.has_year(source, year) && needed.insert((source.name(), year)) {
                findings.push(refusal(Rule::E009, no_row(source, year)));
            }
        }
    }
    let growth = study.growth.iter();
    let of_growth =
        growth.flat_map(|spec| [Source::Enrollments, Source::Assessments].map(|one| (spec, one)));
    for (spec, source) in of_growth {
        let year = study.school_year;
        let name = source.name();
        if !records.has(source) && needed.insert((name, 0)) {
            let text = format!(
                "growth {} needs {name}.csv or {name}.parquet in the district's folder",
                spec.id
            );
            findings.push(refusal(Rule::E009, text));
        } else if records.has(source)
            && !records.has_year(source, year)
            && needed.insert((name, year))
        {
            findings.push(refusal(Rule::E009, no_row(source, year)));
        }
    }
    findings
}

fn no_row(source: Source, year: i16) -> String {
    let name = source.name();
    format!("{name} has no row that counts of school year {year}, which the study reads")
}

/// That an indicator needs a file.
pub(crate) fn lacks(indicator: Indicator, source: Source) -> String {
    format!("{indicator} needs {0}.csv or {0}.parquet in the district's folder", source.name())
}

fn refusal(rule: Rule, message: String) -> Finding {
    Finding::whole(rule, Effect::Refused, message)
}

/// Adds findings under their file and year, each once.
pub(crate) fn tell(findings: &mut Vec<Finding>, source: Source, year: i16, found: Vec<Finding>) {
    for mut finding in found {
        finding.message = format!("{}, {year}: {}", source.name(), finding.message);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

/// Adds one student's amount to the block's words.
fn add(block: &Block, one: &One, words: &mut [i64]) {
    let place = &one.place;
    let group = block.family.map_or(0, |family| usize::from(place.groups[family.index()]));
    let Some(word) = block.word_of(place.level, place.grade, group) else { return };
    match (block.encoding, one.amount) {
        (Encoding::Mean { mid, .. }, Amount::Value(value)) => {
            words[word] += value - mid;
            words[word + 1] += 1;
        }
        (Encoding::Rate, Amount::Part(is_in)) => words[word + usize::from(!is_in)] += 1,
        (Encoding::Count, Amount::One) => words[word] += 1,
        (Encoding::Items, Amount::Items { favourable, answered }) => {
            words[word] += favourable;
            words[word + 1] += answered - favourable;
            words[word + 2] += 1;
        }
        // The encoding of a block follows from its indicator, and so does the amount.
        (Encoding::Mean { .. } | Encoding::Rate | Encoding::Count | Encoding::Items, _) => {}
    }
}
