//! Records and a study -> this district's part of the network's sums.
//!
//! In: [`Records`], the study, the hub's public school table, the layout all parties derived from
//! them, and who we are. Out: exact integers, one per word, wiped when dropped, and what was found.
//! Promise: every word is a sum over the students of the network table (docs/INDICATORS.md §0),
//! each counted once; a year or a file that the study needs and the folder lacks is a refusal, never
//! a zero. Integers only. Touches nothing.

use std::collections::BTreeSet;

use flashlight_proto::{
    identity::DistrictId,
    layout::{Block, Encoding, Layout},
    schools::SchoolTable,
    study::Study,
};
use zeroize::Zeroizing;

use crate::{
    indicators::{self, Amount, Measured},
    records::{Effect, Finding, Network, Records, Report, Rule, Source},
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

/// This district's words for the study, and what was found while counting (`Report::study`).
///
/// # Errors
/// [`AggregateError::Refused`] with the whole report when a file or a year is missing, or too many
/// rows cannot be counted.
pub fn aggregate(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    district: &DistrictId,
) -> Result<(Zeroizing<Vec<i64>>, Report), AggregateError> {
    let counted = count(records, study, schools, layout, Some(district));
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
pub(crate) fn count(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    district: Option<&DistrictId>,
) -> Counted {
    let mut counted = Counted {
        words: Zeroizing::new(vec![0; layout.words()]),
        findings: missing(records, study),
    };
    if !counted.findings.is_empty() {
        return counted;
    }
    let years: BTreeSet<i16> = layout.blocks().iter().map(|block| block.year).collect();
    for year in years {
        let network = records.network(year, study.as_of, schools, district);
        let found = network.findings.clone();
        tell(&mut counted.findings, Source::Enrollments, year, found);
        for (index, table) in study.tables.iter().enumerate() {
            let blocks = || {
                layout.blocks().iter().filter(|block| (block.table, block.year) == (index, year))
            };
            if blocks().next().is_none() {
                continue;
            }
            let (measured, found) = indicators::measure(records, study, table, &network);
            tell(&mut counted.findings, indicators::source(table.indicator), year, found);
            blocks().for_each(|block| add(block, &network, &measured, &mut counted.words));
        }
    }
    counted
}

/// The files and years the study reads and the folder lacks (E009).
fn missing(records: &Records, study: &Study) -> Vec<Finding> {
    let mut needed: BTreeSet<(&str, i16)> = BTreeSet::new();
    let mut findings = Vec::new();
    for table in &study.tables {
        let source = indicators::source(table.indicator);
        let has_file = match source {
            Source::Enrollments => true,
            Source::Attendance => records.has_attendance(),
            Source::Assessments => records.has_assessments(),
        };
        if !has_file && needed.insert((source.name(), 0)) {
            let text = format!(
                "{} needs {1}.csv or {1}.parquet in the district's folder",
                table.indicator,
                source.name()
            );
            findings.push(refusal(Rule::E009, text));
        }
        for (source, year) in
            table.years.iter().flat_map(|year| [(Source::Enrollments, *year), (source, *year)])
        {
            let is_read = source == Source::Enrollments || has_file;
            if is_read && !records.has_year(source, year) && needed.insert((source.name(), year)) {
                let text = format!(
                    "{} has no row that counts of school year {year}, which the study reads",
                    source.name()
                );
                findings.push(refusal(Rule::E009, text));
            }
        }
    }
    findings
}

fn refusal(rule: Rule, message: String) -> Finding {
    Finding::whole(rule, Effect::Refused, message)
}

/// Adds findings under their file and year, each once.
fn tell(findings: &mut Vec<Finding>, source: Source, year: i16, found: Vec<Finding>) {
    for mut finding in found {
        finding.message = format!("{}, {year}: {}", source.name(), finding.message);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

/// Adds each student's amount to the block's words.
fn add(block: &Block, network: &Network, measured: &[Option<Measured>], words: &mut [i64]) {
    for (student, measured) in network.students.iter().zip(measured) {
        let Some(Measured { grade, amount }) = measured else { continue };
        let group = block.family.map_or(0, |family| usize::from(student.groups[family.index()]));
        let Some(word) = block.word_of(student.level, *grade, group) else { continue };
        match (block.encoding, *amount) {
            (Encoding::Mean { mid, .. }, Amount::Value(value)) => {
                words[word] += value - mid;
                words[word + 1] += 1;
            }
            (Encoding::Rate, Amount::Part(is_in)) => words[word + usize::from(!is_in)] += 1,
            (Encoding::Count, Amount::One) => words[word] += 1,
            // The encoding of a block follows from its indicator, and so does the amount.
            (Encoding::Mean { .. } | Encoding::Rate | Encoding::Count, _) => {}
        }
    }
}
