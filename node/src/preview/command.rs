//! What `flashlight-node preview` does: reads, previews, keeps what the next preview compares with.

use std::path::{Path, PathBuf};

use flashlight_proto::dp::NoisePlan;
use flashlight_proto::layout::Layout;
use flashlight_proto::study::Mode;
use flashlight_store::files::write_private;
use getrandom::SysRng;
use rand_core::UnwrapErr;

use super::{Given, Previews, preview};
use crate::aggregate::records_for;
use crate::cli::study_beside;
use crate::consent::Policy;
use crate::enroll::Membership;
use crate::round::now_ms;

/// What was asked for.
pub(crate) struct Asked<'a> {
    /// The study; its school table lies beside it.
    pub(crate) study: &'a Path,
    /// This node's folder.
    pub(crate) dir: &'a Path,
    /// The district's files; without them what was loaded into the node.
    pub(crate) data: Option<&'a Path>,
    /// JSON instead of a table.
    pub(crate) json: bool,
    /// Where to write the page.
    pub(crate) html: Option<&'a Path>,
    /// Small cells only.
    pub(crate) small_only: bool,
}

/// The result for stdout, and lines for stderr. The page is written and the preview kept when this
/// returns; the journal is not opened, and nothing is sent.
///
/// # Errors
/// When the node is not enrolled, a file cannot be read or written, or the records cannot answer the
/// study.
pub(crate) fn command(asked: &Asked<'_>) -> anyhow::Result<(String, Vec<String>)> {
    let (study, schools) = study_beside(asked.study)?;
    let layout = Layout::derive(&study, &schools)?;
    let district = Membership::open(asked.dir)?.district().clone();
    let hint = |code: &str, text: String| {
        let study = asked.study.display();
        let folder =
            asked.data.map_or_else(|| "FOLDER".to_owned(), |data| data.display().to_string());
        anyhow::anyhow!(
            "{text} ({code})\nnode: hint: `flashlight-node check {folder} --study {study} --district \
             {district}` lists everything that is wrong"
        )
    };
    let policy = Policy::load(&asked.dir.join("policy.toml"))?;
    let mut notes = Vec::new();
    let plan = match study.mode {
        Mode::Exact => None,
        Mode::Dp => NoisePlan::new(&study, &layout, &schools, study.cohort.min_districts)
            .map_err(|error| notes.push(format!("a round would be refused: {error}")))
            .ok(),
    };
    let records = records_for(&study, asked.data, asked.dir)
        .map_err(|error| hint(error.code(), error.to_string()))?;
    let given = Given {
        study: &study,
        schools: &schools,
        layout: &layout,
        district: &district,
        min_cell: (!policy.is_missing()).then_some(policy.floors.min_cell),
        accept_responses: policy.allow.anonymous_surveys,
        plan: plan.as_ref(),
        now_ms: now_ms(),
    };
    let previews = Previews::of(asked.dir);
    let (last, unread) = previews.last(given);
    notes.extend(unread.as_deref().map(unreadable));
    let made = preview(&records, given, last.as_ref(), &mut UnwrapErr(SysRng));
    let (preview, kept) = made.map_err(|error| hint(error.code(), error.to_string()))?;
    let preview = if asked.small_only { preview.small_only() } else { preview };
    if let Some(path) = asked.html {
        write_private(path, preview.page().as_bytes())?;
        notes.push(format!("wrote {}; it holds exact numbers, keep it here", path.display()));
    }
    let text =
        if asked.json { serde_json::to_string_pretty(&preview)? } else { preview.to_string() };
    previews.keep(&kept)?;
    Ok((text, notes))
}

fn unreadable(path: &Path) -> String {
    let path: PathBuf = path.to_owned();
    format!("{} is not a preview this version can read; nothing to compare with", path.display())
}
