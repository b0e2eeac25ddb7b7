//! The journal of extracts: who took which records out of the store, when, and what the file's hash was.
//!
//! A hash-chained, fsynced journal of its own, `extracts/` in the node's folder, since the node's main
//! journal belongs to the running node while an extract is made beside it. An entry names the question
//! and the number of students; never a student, a value or the file's path.

use std::path::Path;

use flashlight_proto::canonical::Digest;
use flashlight_store::{Recorded, Store, StoreError, read_journal};
use serde::{Deserialize, Serialize};

/// One extract. Recorded before the file is put in place: an entry without a file is possible, a file
/// without an entry is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extracted {
    /// What was asked, as `chronic_absenteeism[dashboard]/2024, school 0101, el=yes`.
    pub(crate) question: String,
    /// Students in the file.
    pub(crate) students: u64,
    /// Whether the file holds the district's own ids, not pseudonyms.
    pub(crate) with_ids: bool,
    /// SHA-256 of the file.
    pub(crate) sha256: Digest,
}

impl flashlight_store::Entry for Extracted {
    fn keys(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Records an extract; it is durable when this returns.
pub(crate) fn record(dir: &Path, entry: &Extracted, now_ms: u64) -> Result<(), StoreError> {
    Store::open(&dir.join(FOLDER))?.append(entry, now_ms).map(drop)
}

/// All extracts so far, oldest first; empty where none was ever made.
pub(crate) fn all(dir: &Path) -> Result<Vec<Recorded<Extracted>>, StoreError> {
    let folder = dir.join(FOLDER);
    if !folder.join("journal").exists() {
        return Ok(Vec::new());
    }
    read_journal(&folder)?.collect()
}

const FOLDER: &str = "extracts";
