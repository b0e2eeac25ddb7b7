//! `flashlight-node check FOLDER`: what is wrong with a district's files, and what a study would
//! count of them. Sends nothing, keeps nothing.

use std::path::Path;

use flashlight_proto::{
    identity::DistrictId,
    layout::{Layout, LayoutError},
    schools::SchoolTable,
    study::Study,
};

use crate::{
    aggregate::count,
    records::{Effect, FileReport, Finding, Records, RecordsError, Report, Rule},
};

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
/// ([`Report::is_refused`]); it shows by `Display` and `Serialize`, and may be mailed.
///
/// # Errors
/// [`LayoutError`] when the study and the school table do not fit together.
pub fn check(folder: &Path, against: Option<Against<'_>>) -> Result<Report, LayoutError> {
    let layout =
        against.map(|against| Layout::derive(against.study, against.schools)).transpose()?;
    let (records, mut report) = match Records::read(folder) {
        Ok(read) => read,
        Err(RecordsError::Refused(report)) => return Ok(*report),
        Err(error) => return Ok(nothing(&error)),
    };
    if let (Some(against), Some(layout)) = (against, layout) {
        let counted = count(&records, against.study, against.schools, &layout, against.district);
        report.study = counted.findings;
    }
    Ok(report)
}

fn nothing(error: &RecordsError) -> Report {
    let message = error.to_string();
    let effect = Effect::Refused;
    let finding = Finding { rule: Rule::E001, effect, rows: 0, first_rows: Vec::new(), message };
    let file = "enrollments.csv".to_owned();
    let file = FileReport { file, rows_read: 0, rows_kept: 0, findings: vec![finding] };
    Report { files: vec![file], study: Vec::new() }
}
