//! What can go wrong with the state folder. Messages name files, lines, sizes and what to do; never
//! the content of an entry.

use std::io;
use std::path::{Path, PathBuf};

/// A store or file operation that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another `Store` of this one, has the folder open.
    #[error("{} is in use by another process; stop that one first", dir.display())]
    Locked {
        /// The state folder.
        dir: PathBuf,
    },
    /// A line of the journal is not what was written.
    #[error(
        "{} line {line} {fault}: the journal was damaged or edited and is left as it is; \
         restore it from a backup",
        path.display()
    )]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// The first bad line, counted from 1.
        line: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The journal ends before an entry that the index knows was in it.
    #[error(
        "{} ends at entry {entries}, but {indexed} entries were recorded: the journal was rolled \
         back or replaced by an older copy; restore the newest one. If it is lost for good, first \
         tell the other parties, then remove the folder `index` beside it",
        path.display()
    )]
    Behind {
        /// The journal.
        path: PathBuf,
        /// Entries in the journal.
        entries: u64,
        /// Entries the index has seen.
        indexed: u64,
    },
    /// The journal is long enough, but is another history than the one the index has seen.
    #[error(
        "{} is not the journal that was kept here: entry {seq} differs from the one recorded; \
         restore the right one. If it is lost for good, first tell the other parties, then remove \
         the folder `index` beside it",
        path.display()
    )]
    Forked {
        /// The journal.
        path: PathBuf,
        /// The last entry the index has seen.
        seq: u64,
    },
    /// The journal has reached its largest size.
    #[error(
        "{} would grow past its limit of {max_bytes} bytes; nothing was recorded; archive the \
         state folder and start a new one",
        path.display()
    )]
    Full {
        /// The journal.
        path: PathBuf,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// One entry is longer than an entry may be.
    #[error("an entry of {bytes} bytes is longer than {max_bytes} bytes; nothing was recorded")]
    TooLarge {
        /// Its length as JSON, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        max_bytes: usize,
    },
    /// An entry that could not be found or read again; the calling code is wrong.
    #[error("an entry {fault}; nothing was recorded")]
    Invalid {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A line is intact, but this program does not know that kind of entry.
    #[error(
        "{} line {line} is intact, but not an entry this version can read; use the newest version \
         that has written to this folder",
        path.display()
    )]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A write or fsync failed in a way that leaves the end of the journal unknown.
    #[error(
        "a write to {} failed and could not be undone; everything acknowledged before is safe, but \
         whether the last entry was recorded is unknown: check the disk, then restart",
        path.display()
    )]
    Poisoned {
        /// The journal.
        path: PathBuf,
        /// The failure, when it happened in this very call.
        #[source]
        source: Option<io::Error>,
    },
    /// No room to write.
    #[error(
        "cannot {action} {}: the disk holding it is full; free space and try again; nothing was \
         recorded",
        path.display()
    )]
    DiskFull {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The index could not be rebuilt; the journal is whole.
    #[error("cannot build the index {}; the journal is whole", path.display())]
    Index {
        /// The index folder.
        path: PathBuf,
        /// What sled said.
        #[source]
        source: sled::Error,
    },
    /// A file is longer than the caller accepts.
    #[error("{} is longer than {max_bytes} bytes", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// Something is already there, and is never overwritten.
    #[error("{} already exists and is not overwritten", path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// A name that is not a plain file name, or given twice.
    #[error("`{name}` is not a plain file name, or is given twice")]
    Name {
        /// The name.
        name: String,
    },
}

impl StoreError {
    /// Stable name of this kind of error, for logs, metrics and CLI output.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "store_locked",
            Self::Corrupt { .. } => "journal_corrupt",
            Self::Behind { .. } => "journal_behind_index",
            Self::Forked { .. } => "journal_forked",
            Self::Full { .. } => "journal_full",
            Self::TooLarge { .. } => "entry_too_large",
            Self::Invalid { .. } => "entry_invalid",
            Self::Unreadable { .. } => "entry_unreadable",
            Self::Poisoned { .. } => "store_poisoned",
            Self::DiskFull { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::Index { .. } => "index",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::Exists { .. } => "already_exists",
            Self::Name { .. } => "file_name",
        }
    }

    /// A failure of the file system: [`Self::DiskFull`] when there was no room (disk, quota or
    /// largest file size), [`Self::Io`] otherwise.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = path.to_path_buf();
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// Shorthand for `map_err`.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::io(action, path, source)
    }
}
