//! `flashlight-node check FOLDER`: what is wrong with a district's files, what can be computed from them
//! now, and what a study would count. Sends nothing, keeps nothing.
//!
//! In: a folder of canonical files, perhaps a study. Out: a [`Validation`], as text, JSON and a page, that
//! names no student; and, only where asked for, a private file with the ids behind each finding.

mod command;
mod compute;
mod coverage;
mod ids;
mod page;
mod pieces;
mod rules;
mod text;
mod view;

use std::{collections::BTreeSet, path::Path};

use flashlight_proto::{
    identity::DistrictId,
    layout::{Layout, LayoutError},
    schools::SchoolTable,
    study::Study,
};

pub(crate) use self::command::{Asked, command};
use self::{
    compute::Held,
    rules::{SchoolLabels, Seen, volume::Before},
};
pub use self::{
    compute::{Computable, Unlock},
    coverage::{Coverage, SchoolYear},
    view::{Validation, Verdict},
};
use crate::{
    aggregate::count,
    records::{Effect, FileReport, Finding, Records, RecordsError, Report, Rule},
};

/// The version of the report's keys.
const FORMAT: u32 = 1;

/// The study to check a folder against.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The study.
    pub study: &'a Study,
    /// The hub's public school table.
    pub schools: &'a SchoolTable,
    /// Whose folder it is; without it any school of the table counts.
    pub district: Option<&'a DistrictId>,
}

/// Reads the folder and, if given, counts the study over it. What is refused is in the report
/// ([`Validation::is_refused`]); it shows by `Display`, `Serialize` and [`Validation::page`].
///
/// # Errors
/// [`LayoutError`] when the study and the school table do not fit together.
pub fn check(folder: &Path, against: Option<Against<'_>>) -> Result<Validation, LayoutError> {
    check_beside(folder, against, &[])
}

/// As [`check`], beside the enrolments that were loaded `before`.
pub(crate) fn check_beside(
    folder: &Path,
    against: Option<Against<'_>>,
    before: &[Before],
) -> Result<Validation, LayoutError> {
    let layout =
        against.map(|against| Layout::derive(against.study, against.schools)).transpose()?;
    let (records, mut report) = match Records::read(folder) {
        Ok((records, report)) => (Some(records), report),
        Err(RecordsError::Refused(report)) => (None, *report),
        Err(error) => (None, nothing(&error)),
    };
    if let (Some(records), Some(against), Some(layout)) = (&records, against, layout) {
        let counted = count(records, against.study, against.schools, &layout, against.district);
        report.study = counted.findings;
    }
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let schools = against.map(|against| against.schools);
    let beside = Beside { folder: name, schools, before };
    Ok(validation(records.as_ref(), report, beside))
}

/// What records are held against.
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// The name of the folder they were read from.
    pub(crate) folder: Option<&'a str>,
    /// The public school table.
    pub(crate) schools: Option<&'a SchoolTable>,
    /// What was loaded before.
    pub(crate) before: &'a [Before],
}

/// Students per school and year in the store of the node whose folder is `dir`; none when nothing was
/// loaded.
///
/// # Errors
/// [`RecordsError`] when the store cannot be read.
pub(crate) fn loaded_before(dir: &Path) -> Result<Vec<Before>, RecordsError> {
    match Records::loaded(dir, None, Some(&BTreeSet::new())) {
        Ok(records) => Ok(rules::volume::before(Seen::of(&records))),
        Err(RecordsError::NotLoaded) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The report over records already read.
pub(crate) fn validation(
    records: Option<&Records>,
    mut report: Report,
    beside: Beside<'_>,
) -> Validation {
    let Beside { folder, schools, before } = beside;
    let mut coverage = Coverage::default();
    let mut school_years = BTreeSet::new();
    if let Some(records) = records {
        let seen = Seen::of(records);
        let labels = SchoolLabels::new(seen, schools);
        for (table, finding) in rules::all(seen, &labels, folder, before) {
            place(&mut report, table, finding);
        }
        no_sem(&mut report);
        coverage = coverage::coverage(records, seen, &labels, before);
        school_years.extend(records.enrollments.iter().map(|row| row.year));
    }
    let held = Held::new(records, &report);
    let unlocks = compute::unlocks(&held);
    let next = view::next(&report, &unlocks);
    Validation {
        format: FORMAT,
        verdict: Verdict::of(&report),
        school_years: school_years.into_iter().collect(),
        report,
        coverage,
        indicators: compute::computable(&held),
        unlocks,
        next,
    }
}

/// Adds a finding to the file of its table.
fn place(report: &mut Report, table: &str, finding: Finding) {
    let is_of = |file: &&mut FileReport| {
        let stem = file.file.rsplit_once('.').map_or(file.file.as_str(), |(stem, _)| stem);
        stem == table || table == "attendance_summary" && stem == "attendance_daily"
    };
    if let Some(file) = report.files.iter_mut().find(is_of) {
        file.findings.push(finding);
        file.findings.sort_by_key(|finding| (finding.effect, finding.rule));
    }
}

/// Tells score files without a standard error of measurement, which growth weighs scores by (W106).
fn no_sem(report: &mut Report) {
    let files = report.files.iter().filter(|file| file.file.starts_with("assessments."));
    let is_filled = |file: &FileReport| {
        file.columns.iter().any(|column| column.column == "sem" && column.filled > 0)
    };
    if files.clone().any(|file| !is_filled(file)) {
        let text = "sem is empty or missing: growth will be less sure. TOMS has it as \
                    StandardErrorMeasurement";
        let finding = Finding::whole(Rule::W106, Effect::Noted, text.to_owned());
        place(report, "assessments", finding);
    }
}

fn nothing(error: &RecordsError) -> Report {
    let finding = Finding::whole(Rule::E001, Effect::Refused, error.to_string());
    let file = "enrollments.csv".to_owned();
    let findings = vec![finding];
    let file = FileReport { file, rows_read: 0, rows_kept: 0, findings, columns: Vec::new() };
    Report { files: vec![file], study: Vec::new() }
}
