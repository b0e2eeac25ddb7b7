//! What was previewed last time: `state/previews/<study id>.json` in the node's folder.
//!
//! In: the exact words of a preview. Out: the same, at the next one. The file holds exact numbers
//! about the district's students, cell by cell, and no row, name or id; it is readable by its owner
//! alone (0600), never leaves, and may be deleted: the next preview then has nothing to compare with.
//! It is not the journal and proves nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flashlight_proto::canonical::Digest;
use flashlight_proto::layout::Encoding;
use flashlight_proto::study::Date;
use flashlight_store::StoreError;
use flashlight_store::files::{create_private_dir, read_limited, write_private};
use serde::{Deserialize, Serialize};

use super::Given;
use super::fill::{grid, names};
use crate::ledger::utc;

/// Largest file, bytes: a layout of the most words.
const FILE_MAX: u64 = 512 * 1024 * 1024;

/// Most files of other studies looked at.
const FILES_MAX: usize = 256;

/// The version of the file.
const FORMAT: u32 = 1;

/// The exact words of one preview.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastPreview {
    format: u32,
    study: String,
    hash: Digest,
    as_of: Date,
    time_ms: u64,
    /// By the part of the name that all words of a table share.
    blocks: BTreeMap<String, KeptBlock>,
}

/// Cells on one scale.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptBlock {
    /// Words on another scale cannot be subtracted.
    scale: String,
    /// By stratum and group.
    cells: BTreeMap<String, Vec<i64>>,
}

impl LastPreview {
    /// What to keep of these words.
    pub(super) fn new(given: Given<'_>, words: &[i64]) -> Self {
        let Given { study, layout, .. } = given;
        let mut blocks = BTreeMap::new();
        for block in layout.blocks() {
            let scale = scale(block.encoding, grid(study, block.table));
            let own = &words[block.first_word()..block.first_word() + block.words()];
            for (at, words) in own.chunks_exact(block.encoding.words()).enumerate() {
                let first = block.first_word() + at * block.encoding.words();
                let (prefix, name) = names(&layout.cell_name(first));
                let kept = blocks.entry(prefix).or_insert_with(|| {
                    let scale = scale.clone();
                    KeptBlock { scale, cells: BTreeMap::new() }
                });
                kept.cells.insert(name, words.to_vec());
            }
        }
        let (study_id, hash, as_of) = (study.id.clone(), study.hash(), study.as_of);
        Self { format: FORMAT, study: study_id, hash, as_of, time_ms: given.now_ms, blocks }
    }

    /// The study's id.
    pub(super) fn study(&self) -> &str {
        &self.study
    }

    /// SHA-256 of the study's bytes.
    pub(super) const fn hash(&self) -> Digest {
        self.hash
    }

    /// The day it was made.
    pub(super) fn day(&self) -> String {
        day(self.time_ms)
    }

    /// How many cells it has.
    pub(super) fn cells(&self) -> usize {
        self.blocks.values().map(|block| block.cells.len()).sum()
    }

    /// A cell's words, if it was there on this scale.
    pub(super) fn words(&self, prefix: &str, scale: &str, name: &str) -> Option<&[i64]> {
        let block = self.blocks.get(prefix).filter(|block| block.scale == scale)?;
        block.cells.get(name).map(Vec::as_slice)
    }

    /// Whether it has a table of `given`: the same indicator, test, year and break-down.
    fn asks_of(&self, given: Given<'_>) -> bool {
        let blocks = given.layout.blocks().iter();
        let mut firsts = blocks.map(|block| given.layout.cell_name(block.first_word()));
        firsts.any(|name| self.blocks.contains_key(&names(&name).0))
    }
}

/// Where a node keeps them.
pub struct Previews(PathBuf);

impl Previews {
    /// Of the node's folder.
    #[must_use]
    pub fn of(node: &Path) -> Self {
        Self(node.join("state").join("previews"))
    }

    /// What this study was previewed with last time; else the newest preview of another study that
    /// asked some of the same. `None` when there is neither. A file that cannot be read counts as
    /// none: it is replaced by the next [`Previews::keep`], and its path is given back to be told.
    #[must_use]
    pub fn last(&self, given: Given<'_>) -> (Option<LastPreview>, Option<PathBuf>) {
        let own = self.path(&given.study.id);
        let unread = match read(&own) {
            Ok(last) if last.study == given.study.id => return (Some(last), None),
            _ if !own.exists() => None,
            _ => Some(own),
        };
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let others = paths.take(FILES_MAX).filter_map(|path| read(&path).ok());
        let others = others.filter(|last| last.study != given.study.id && last.asks_of(given));
        (others.max_by_key(|last| last.time_ms), unread)
    }

    /// Keeps a preview for the next time, in place of the study's last one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; the last one is then still there.
    pub fn keep(&self, preview: &LastPreview) -> Result<(), StoreError> {
        let path = self.path(&preview.study);
        create_private_dir(&self.0)?;
        let bytes = serde_json::to_vec(preview).map_err(|error| {
            let (action, path, source) = ("write", path.clone(), error.into());
            StoreError::Io { action, path, source }
        })?;
        write_private(&path, &bytes)
    }

    fn path(&self, study: &str) -> PathBuf {
        self.0.join(format!("{study}.json"))
    }
}

/// Reads one file; any fault is the same to the caller.
fn read(path: &Path) -> Result<LastPreview, ()> {
    let bytes = read_limited(path, FILE_MAX).map_err(drop)?;
    let last: LastPreview = serde_json::from_slice(&bytes).map_err(drop)?;
    (last.format == FORMAT).then_some(last).ok_or(())
}

/// What two words must share to be subtracted.
pub(super) fn scale(encoding: Encoding, grid: u32) -> String {
    match encoding {
        Encoding::Count => "count".to_owned(),
        Encoding::Rate => "rate".to_owned(),
        Encoding::Items => "items".to_owned(),
        Encoding::Mean { mid, .. } => format!("mean, centre {mid}, {grid} per point"),
    }
}

/// The day of a time, UTC, as `2026-11-23`. `time_ms`: since 1970.
pub(crate) fn day(time_ms: u64) -> String {
    let mut text = utc(time_ms);
    text.truncate("2026-11-23".len());
    text
}
