//! Which files a district gives, and that a file is still the one that was read.

use std::{
    fs::File,
    io::{self, Seek},
    path::{Path, PathBuf},
    sync::Arc,
};

use flashlight_proto::canonical::Digest;
use ring::digest;

use super::{
    frame::{self, Opened},
    mapping::Mapping,
    report::Tally,
    tables::{self, Table},
};

/// Most files that can be named.
const FILES_MAX: usize = 64;

/// The files of a district, by table.
#[derive(Default)]
pub(crate) struct Files {
    pub(super) of: Vec<(&'static Table, PathBuf)>,
    pub(super) mapping: Arc<Mapping>,
    /// Tables given twice.
    pub(super) twice: Vec<(&'static Table, PathBuf)>,
    /// Daily attendance of the store, by school year.
    pub(super) daily: Vec<(i16, PathBuf)>,
    /// Whether these are files of the store, of which a table has one per school year.
    pub(super) is_stored: bool,
}

/// Why files cannot be told apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file is named after no table.
    #[error("{} is not named after a table; name it TABLE.csv or TABLE.parquet, TABLE one of {}", .path.display(), table_names())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Too many files.
    #[error("more than {FILES_MAX} files")]
    Many,
    /// The mapping cannot be used.
    #[error(transparent)]
    Mapping(#[from] super::MappingError),
}

fn table_names() -> String {
    tables::ALL.map(|table| table.name).join(", ")
}

impl Files {
    /// Those of a folder: each table as `.csv` or `.parquet`.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, FilesError> {
        let mut files = Self { mapping: Arc::new(Mapping::of(folder)?), ..Self::default() };
        for table in tables::ALL {
            for ending in ["csv", "parquet"] {
                let path = folder.join(format!("{}.{ending}", table.name));
                if path.symlink_metadata().is_ok() {
                    files.add(table, path);
                }
            }
        }
        Ok(files)
    }

    /// A folder, or files each named after its table; their mapping lies beside the first.
    pub(crate) fn of_paths(paths: &[PathBuf]) -> Result<Self, FilesError> {
        if let [folder] = paths
            && folder.is_dir()
        {
            return Self::of_folder(folder);
        }
        if paths.len() > FILES_MAX {
            return Err(FilesError::Many);
        }
        let beside = paths.first().and_then(|path| path.parent()).unwrap_or_else(|| Path::new("."));
        let mut files = Self { mapping: Arc::new(Mapping::of(beside)?), ..Self::default() };
        for path in paths {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let table = tables::ALL.into_iter().find(|table| table.name == stem);
            match table.filter(|_| matches!(ending, Some("csv" | "parquet"))) {
                Some(table) => files.add(table, path.clone()),
                None => return Err(FilesError::Name { path: path.clone() }),
            }
        }
        Ok(files)
    }

    /// Each table's file.
    pub(crate) fn sources(&self) -> Vec<(&'static Table, PathBuf)> {
        self.of.clone()
    }

    /// The folder's own names and codes.
    pub(crate) fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.mapping)
    }

    /// Files of the store: tables, and daily attendance by school year.
    pub(crate) fn stored(of: Vec<(&'static Table, PathBuf)>, daily: Vec<(i16, PathBuf)>) -> Self {
        Self { of, daily, is_stored: true, ..Self::default() }
    }

    fn add(&mut self, table: &'static Table, path: PathBuf) {
        let is_there = self.of.iter().any(|(known, _)| known.name == table.name);
        let list = if is_there { &mut self.twice } else { &mut self.of };
        list.push((table, path));
    }
}

/// What a file was, for the manifest. No value of it.
pub(crate) struct Input {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: Digest,
    pub(crate) rows: u64,
}

impl Input {
    /// Whether it was the file at this path.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == self.file.as_str())
    }
}

/// The file again, if its bytes are those that were read; `None` when it was changed.
pub(crate) fn reopened(
    path: &Path,
    table: &'static Table,
    mapping: &Mapping,
    input: &Input,
) -> Option<Opened> {
    let mut copy = frame::copy_of(path, table).ok()?;
    let (bytes, sha256) = hashed(&mut copy).ok()?;
    if (bytes, sha256) != (input.bytes, input.sha256) {
        return None;
    }
    Opened::of(path, copy, table, mapping, &mut Tally::default()).ok()
}

/// Length and SHA-256 of a private copy, left at its start.
pub(super) fn hashed(copy: &mut File) -> io::Result<(u64, Digest)> {
    struct Hash(digest::Context);
    impl io::Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(digest::Context::new(&digest::SHA256));
    let mut reader = io::BufReader::with_capacity(1 << 20, &*copy);
    let bytes = io::copy(&mut reader, &mut hash)?;
    copy.rewind()?;
    let mut sha256 = [0; 32];
    sha256.iter_mut().zip(hash.0.finish().as_ref()).for_each(|(byte, from)| *byte = *from);
    Ok((bytes, Digest::from(sha256)))
}
