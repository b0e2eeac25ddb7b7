//! The validation report as it is shown: by `Display`, as JSON (`Serialize`) and as a page.
//!
//! Promise: it names files, columns, row numbers, counts, codes and ids of schools, and never a student,
//! an id of one or a value that is no known code. So it may go by mail to whoever may see the district's
//! own counts; it is not for publication, for counts are exact.

use serde::Serialize;

use super::{
    compute::{Computable, Unlock},
    coverage::Coverage,
};
use crate::records::{Effect, FileReport, Finding, Report};

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// The version of these keys.
    pub format: u32,
    /// Whether the files can be used.
    pub verdict: Verdict,
    /// The school years of the enrolments, by their springs.
    pub school_years: Vec<i16>,
    /// What was found in the files, and what the study adds.
    #[serde(flatten)]
    pub report: Report,
    /// Students and rows by school and year; empty when a file is refused.
    pub coverage: Coverage,
    /// Every indicator of the catalogue.
    pub indicators: Vec<Computable>,
    /// Exports that are missing, those that unlock most first.
    pub unlocks: Vec<Unlock>,
    /// What to do next, most urgent first.
    pub next: Vec<String>,
}

/// Whether the files can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was found.
    Ready,
    /// They can be used; something was left out or noted.
    #[serde(rename = "usable")]
    Look,
    /// Something was refused.
    #[serde(rename = "refused")]
    Mend,
}

impl Verdict {
    /// Of what was found.
    pub(super) fn of(report: &Report) -> Self {
        if report.is_refused() {
            return Self::Mend;
        }
        let mut files = report.files.iter().map(|file| &file.findings).chain([&report.study]);
        if files.all(Vec::is_empty) { Self::Ready } else { Self::Look }
    }

    /// One word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Look => "usable",
            Self::Mend => "refused",
        }
    }

    /// One sentence.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Ready => "Nothing was found: the files can be used as they are.",
            Self::Look => "The files can be used. Look at what was noted or left out.",
            Self::Mend => "Mend what is refused before the files are used.",
        }
    }
}

impl Validation {
    /// Whether anything was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.report.is_refused()
    }

    /// Findings of one effect, over all files and the study.
    pub(super) fn findings(&self, effect: Effect) -> usize {
        let files = self.report.files.iter().flat_map(|file| &file.findings);
        files.chain(&self.report.study).filter(|finding| finding.effect == effect).count()
    }

    /// Indicators that can be computed for some year.
    pub(super) fn computable(&self) -> usize {
        self.indicators.iter().filter(|one| !one.years.is_empty()).count()
    }
}

/// A file's state in one word.
pub(super) fn state(file: &FileReport) -> Verdict {
    match file.findings.first().map(|first| first.effect) {
        Some(Effect::Refused) => Verdict::Mend,
        Some(_) => Verdict::Look,
        None => Verdict::Ready,
    }
}

/// What to do next, most urgent first.
pub(super) fn next(report: &Report, unlocks: &[Unlock]) -> Vec<String> {
    const STEPS: usize = 5;
    let mut next = Vec::new();
    let refusals: Vec<_> = report.refusals().collect();
    for refused in refusals.chunk_by(|a, b| a.0 == b.0).take(STEPS) {
        let Some((file, finding)) = refused.first() else { continue };
        let more = match refused.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        next.push(format!("Mend {}: {}{more}.", file.unwrap_or("the study"), finding.message));
    }
    if !next.is_empty() {
        next.push("Then run the check again.".to_owned());
        return next;
    }
    if let Some(first) = unlocks.iter().find(|one| !one.indicators.is_empty()) {
        let many = first.indicators.len();
        let noun = if many == 1 { "indicator" } else { "indicators" };
        next.push(format!(
            "Add {} ({}): it unlocks {many} more {noun}.",
            first.table, first.export
        ));
    }
    let noted = |finding: &&Finding| finding.effect != Effect::Refused;
    let files = report.files.iter().flat_map(|file| &file.findings).chain(&report.study);
    let many = files.filter(noted).count();
    if many > 0 {
        let each = if many == 1 { "the finding" } else { "the findings of each file" };
        next.insert(
            0,
            format!("Look at {each}; correct in the student system what is wrong there."),
        );
    }
    next.push("Go on with load or run: the files are accepted.".to_owned());
    next
}

/// Years for a sentence: `2022, 2024`, or a span when they follow each other.
pub(super) fn spanned(years: &[i16]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for run in years.chunk_by(|a, b| *b == a + 1) {
        match run {
            [only] => parts.push(only.to_string()),
            [first, .., last] => parts.push(format!("{first}–{last}")),
            [] => {}
        }
    }
    parts.join(", ")
}
