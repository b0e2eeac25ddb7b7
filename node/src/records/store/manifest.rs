//! What was loaded when: `manifest.json` of the store. Names, sizes, hashes and counts; no value.

use std::fs;

use flashlight_proto::canonical::Digest;
use flashlight_store::{files::read_limited, generations::Next};
use serde::{Deserialize, Serialize};

use super::LoadError;
use crate::records::inputs::Input;

/// The file's name.
const FILE: &str = "manifest.json";
/// Largest manifest, bytes.
const BYTES_MAX: u64 = 16 << 20;
/// Loads remembered; older ones are forgotten.
const LOADS_MAX: usize = 1_000;

/// One load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Loaded {
    /// When, ms since 1970-01-01 UTC.
    pub time_ms: u64,
    /// The files, as they were read.
    pub files: Vec<LoadedFile>,
    /// What it replaced or added.
    pub tables: Vec<LoadedTable>,
    /// What it left out: too few rows of years it has no enrolments of, to replace what was there.
    #[serde(default)]
    pub strays: Vec<LoadedTable>,
}

/// A file that was loaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadedFile {
    /// Its name, without its folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its rows.
    pub rows: u64,
}

/// A table of a school year in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadedTable {
    /// The table.
    pub table: String,
    /// The school year; `None`: all.
    pub school_year: Option<i16>,
    /// Rows kept.
    pub rows: u64,
}

impl Loaded {
    pub(super) fn new(time_ms: u64, inputs: &[Input]) -> Self {
        let file = |input: &Input| LoadedFile {
            file: input.file.clone(),
            bytes: input.bytes,
            sha256: input.sha256,
            rows: input.rows,
        };
        Self {
            time_ms,
            files: inputs.iter().map(file).collect(),
            tables: Vec::new(),
            strays: Vec::new(),
        }
    }

    pub(super) fn kept_old(&mut self, table: &str, school_year: i16, rows: u64) {
        let school_year = Some(school_year);
        self.strays.push(LoadedTable { table: table.to_owned(), school_year, rows });
    }

    pub(super) fn wrote(&mut self, table: &str, school_year: Option<i16>, rows: u64) {
        self.tables.push(LoadedTable { table: table.to_owned(), school_year, rows });
    }
}

/// Adds a load to the generation's manifest.
pub(super) fn add(next: &Next<'_>, loaded: &Loaded) -> Result<(), LoadError> {
    let failed = || LoadError::Write { file: FILE.to_owned() };
    let before = next.file(FILE);
    let mut loads: Vec<Loaded> = match before {
        // One that cannot be read is begun anew: it only tells what was.
        Some(path) => serde_json::from_slice(&read_limited(&path, BYTES_MAX)?).unwrap_or_default(),
        None => Vec::new(),
    };
    loads.push(loaded.clone());
    let first = loads.len().saturating_sub(LOADS_MAX);
    let text = serde_json::to_vec_pretty(&loads[first..]).map_err(|_| failed())?;
    fs::write(next.replace(FILE)?, text).map_err(|_| failed())
}
