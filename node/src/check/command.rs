//! What `flashlight-node check` does: reads, checks, writes the page and the private list where asked for.

use std::path::Path;

use flashlight_proto::identity::DistrictId;
use flashlight_store::files::write_private;

use super::{Against, check_beside, ids, loaded_before};
use crate::cli::study_beside;

/// What was asked for.
pub(crate) struct Asked<'a> {
    /// The district's files.
    pub(crate) folder: &'a Path,
    /// A study; its school table lies beside it.
    pub(crate) study: Option<&'a Path>,
    /// Whose folder it is.
    pub(crate) district: Option<&'a str>,
    /// A node's folder, whose loaded records the enrolment is compared with.
    pub(crate) dir: Option<&'a Path>,
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Where to write the page.
    pub(crate) html: Option<&'a Path>,
    /// Where to write the ids behind the findings.
    pub(crate) ids: Option<&'a Path>,
}

/// The result for stdout, lines for stderr, and whether anything was refused.
///
/// # Errors
/// When the folder or the study cannot be read, or a file cannot be written.
pub(crate) fn command(asked: &Asked<'_>) -> anyhow::Result<(String, Vec<String>, bool)> {
    let folder = asked.folder;
    anyhow::ensure!(folder.is_dir(), "{} is not a folder that can be entered", folder.display());
    let district: Option<DistrictId> = asked.district.map(str::parse).transpose()?;
    let study = asked.study.map(study_beside).transpose()?;
    let against = study.as_ref().map(|(study, schools)| Against {
        study,
        schools,
        district: district.as_ref(),
    });
    let before = asked.dir.map(loaded_before).transpose()?.unwrap_or_default();
    let checked = check_beside(folder, against, &before)?;
    let mut notes = Vec::new();
    if against.is_some() && checked.is_refused() && checked.report.study.is_empty() {
        notes.push("the study was not counted, because a file is refused".to_owned());
    }
    if let Some(path) = asked.html {
        write_private(path, checked.page().as_bytes())?;
        notes.push(format!("wrote {}; it names no student", path.display()));
    }
    if let Some(path) = asked.ids {
        let (list, rows) = ids::list(folder, &checked.report);
        write_private(path, list.as_bytes())?;
        notes.push(format!(
            "wrote {} with the student ids of {rows} rows; it is for this district alone: never mail it",
            path.display()
        ));
    }
    let text =
        if asked.json { serde_json::to_string_pretty(&checked)? } else { checked.to_string() };
    Ok((text, notes, checked.is_refused()))
}
