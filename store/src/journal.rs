//! The journal: an append-only file of hash-chained lines (`line.rs`), synced line by line.
//!
//! In: an entry as JSON. Out: its place, once it is on the disk. Promise: after `Ok` the line is
//! durable; after an error the file is as before, or, where that cannot be promised, the journal is
//! poisoned and takes nothing more until it is opened, and so read, again. After a failed fsync the
//! page cache may show bytes that the disk never got, so nothing is retried on it.
//!
//! Opening reads and verifies every line. The only thing ever repaired is a last line without its
//! line break, the trace of a crash inside `append`: [`Journal::settle`] removes it. A last line that
//! is whole except for a damaged line break is damage, not such a trace.
//!
//! In memory (for simulations) the same bytes are kept in a vector.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::line::{LINE_BYTES_MAX, Line, render};
use crate::{ENTRY_BYTES_MAX, Head, StoreError, files};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A point between two lines of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The journal up to here.
    pub(crate) head: Head,
    /// Its length, in bytes.
    pub(crate) bytes: u64,
}

impl Mark {
    /// Before the first line.
    pub(crate) const START: Self = Self { head: Head::EMPTY, bytes: 0 };
}

/// An open journal.
pub(crate) struct Journal {
    path: PathBuf,
    medium: Medium,
    end: Mark,
    /// Bytes after `end` that a crash left behind.
    torn: u64,
    poisoned: bool,
    max_bytes: u64,
}

enum Medium {
    File(File),
    Memory(Vec<u8>),
}

impl Journal {
    /// Opens or creates the file and verifies every line. Changes nothing yet: a torn last line stays
    /// until [`Self::settle`].
    pub(crate) fn open(path: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = files::private(&mut options).open(path).map_err(StoreError::at("open", path))?;
        let about = file.metadata().map_err(StoreError::at("read", path))?;
        if !about.is_file() {
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(StoreError::io("use as a journal", path, source));
        }
        let mut journal = Self::over(path, Medium::File(file), max_bytes);
        // Verifies up to the length now; the lock on the folder keeps others from adding to it.
        let until = Mark { head: Head::EMPTY, bytes: about.len() };
        (journal.end, journal.torn) = {
            let mut lines = Lines::new(journal.reader(0)?, path, Mark::START, until);
            while lines.next_line()?.is_some() {}
            (lines.at, lines.torn)
        };
        Ok(journal)
    }

    /// An empty journal without a file.
    pub(crate) fn in_memory() -> Self {
        Self::over(Path::new("memory"), Medium::Memory(Vec::new()), crate::JOURNAL_BYTES_MAX)
    }

    fn over(path: &Path, medium: Medium, max_bytes: u64) -> Self {
        let path = path.to_path_buf();
        Self { path, medium, end: Mark::START, torn: 0, poisoned: false, max_bytes }
    }

    /// Whether `mark` is a point of this journal; an index that was here before knows one.
    pub(crate) fn holds(&self, mark: &Mark) -> Result<(), StoreError> {
        let path = || self.path.clone();
        let (entries, indexed) = (self.end.head.seq, mark.head.seq);
        if indexed > entries {
            return Err(StoreError::Behind { path: path(), entries, indexed });
        }
        let same = match *mark {
            Mark::START => true,
            _ if indexed == entries => *mark == self.end,
            // The next line names the hash that this one must have.
            _ => match self.lines(*mark)?.next_line() {
                Ok(next) => next.is_some(),
                Err(StoreError::Corrupt { .. }) => false,
                Err(error) => return Err(error),
            },
        };
        if same { Ok(()) } else { Err(StoreError::Forked { path: path(), seq: indexed }) }
    }

    /// Removes a torn last line and syncs. What a killed process had written, but not yet synced, was
    /// read as valid and becomes durable here.
    pub(crate) fn settle(&mut self) -> Result<(), StoreError> {
        let Medium::File(file) = &self.medium else { return Ok(()) };
        if self.torn > 0 {
            tracing::warn!(
                journal = %self.path.display(),
                line = self.end.head.seq + 1,
                bytes = self.torn,
                "removing a last line that a crash cut short; it was never acknowledged"
            );
            file.set_len(self.end.bytes).map_err(StoreError::at("shorten", &self.path))?;
        }
        file.sync_all().map_err(StoreError::at("sync", &self.path))?;
        self.torn = 0;
        files::sync_parent(&self.path)
    }

    /// Where the journal ends.
    pub(crate) const fn end(&self) -> Mark {
        self.end
    }

    /// Where the journal is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Records one entry, durably. Returns the offset of its line.
    pub(crate) fn append(&mut self, time_ms: u64, json: &[u8]) -> Result<u64, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone(), source: None });
        }
        let bytes = json.len();
        if bytes > ENTRY_BYTES_MAX {
            return Err(StoreError::TooLarge { bytes, max_bytes: ENTRY_BYTES_MAX });
        }
        if json.contains(&b'\n') {
            return Err(StoreError::Invalid { fault: "has a line break in its JSON" });
        }
        let Mark { head, bytes: offset } = self.end;
        let (line, head) = render(head.seq + 1, time_ms, &head.hash, json);
        let bytes = offset + line.len() as u64;
        if bytes > self.max_bytes {
            let (path, max_bytes) = (self.path.clone(), self.max_bytes);
            return Err(StoreError::Full { path, max_bytes });
        }
        self.write(&line)?;
        self.end = Mark { head, bytes };
        Ok(offset)
    }

    /// Writes and syncs, or leaves the file as it was, or poisons the journal.
    fn write(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let file = match &mut self.medium {
            Medium::File(file) => file,
            Medium::Memory(bytes) => {
                bytes.extend_from_slice(line);
                return Ok(());
            }
        };
        let length = file.metadata().map_err(StoreError::at("read", &self.path))?.len();
        if length != self.end.bytes {
            self.poisoned = true;
            let (path, line) = (self.path.clone(), self.end.head.seq + 1);
            return Err(StoreError::Corrupt { path, line, fault: "was changed while it was open" });
        }
        let start = SeekFrom::Start(self.end.bytes);
        if let Err(source) = file.seek(start).and_then(|_| file.write_all(line)) {
            let undone = file.set_len(self.end.bytes).and_then(|()| file.sync_data());
            if undone.is_ok() {
                return Err(StoreError::io("append to", &self.path, source));
            }
            return Err(self.poison(source));
        }
        if let Err(source) = file.sync_data() {
            // Whether this helps is unknown too; it makes the entry less likely to come back.
            let _ = file.set_len(self.end.bytes);
            return Err(self.poison(source));
        }
        Ok(())
    }

    fn poison(&mut self, source: io::Error) -> StoreError {
        self.poisoned = true;
        StoreError::Poisoned { path: self.path.clone(), source: Some(source) }
    }

    /// Reads the line of entry `seq` that starts at `offset`.
    pub(crate) fn read(&self, seq: u64, offset: u64) -> Result<Line, StoreError> {
        let corrupt = |fault| StoreError::Corrupt { path: self.path.clone(), line: seq, fault };
        let mut text = Vec::new();
        let mut reader = self.reader(offset)?;
        read_text(&mut reader, &mut text).map_err(StoreError::at("read", &self.path))?;
        let text = text.strip_suffix(b"\n").ok_or_else(|| corrupt("is cut short"))?;
        let line = Line::parse(text).map_err(corrupt)?;
        if line.head.seq == seq { Ok(line) } else { Err(corrupt("is out of order")) }
    }

    /// The lines after `from`, each verified to continue the one before. The last one must be the one
    /// that this journal ends with.
    pub(crate) fn lines(&self, from: Mark) -> Result<Lines<'_>, StoreError> {
        Ok(Lines::new(self.reader(from.bytes)?, &self.path, from, self.end))
    }

    /// A handle of its own, since handles share their position with their clones.
    fn reader(&self, offset: u64) -> Result<Box<dyn BufRead + Send + '_>, StoreError> {
        match &self.medium {
            Medium::File(_) => {
                let mut file =
                    File::open(&self.path).map_err(StoreError::at("open", &self.path))?;
                file.seek(SeekFrom::Start(offset)).map_err(StoreError::at("read", &self.path))?;
                Ok(Box::new(BufReader::with_capacity(READ_BYTES, file)))
            }
            Medium::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(Box::new(&bytes[start..]))
            }
        }
    }
}

/// The lines of a journal as it stands now, which another process may hold open and write to: takes
/// no lock and changes nothing. `None`: there is no journal. Use [`Lines::next_line`], which ends
/// before a last line that is being written.
pub(crate) fn beside(path: &Path) -> Result<Option<Lines<'static>>, StoreError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(StoreError::at("open", path))?,
    };
    let about = file.metadata().map_err(StoreError::at("read", path))?;
    if !about.is_file() {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(StoreError::io("use as a journal", path, source));
    }
    let until = Mark { head: Head::EMPTY, bytes: about.len() };
    let reader = Box::new(BufReader::with_capacity(READ_BYTES, file));
    Ok(Some(Lines::new(reader, path, Mark::START, until)))
}

/// Verified lines of a journal, each with its offset.
pub(crate) struct Lines<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    path: PathBuf,
    at: Mark,
    until: Mark,
    text: Vec<u8>,
    torn: u64,
}

impl<'a> Lines<'a> {
    fn new(reader: Box<dyn BufRead + Send + 'a>, path: &Path, at: Mark, until: Mark) -> Self {
        let left = until.bytes.saturating_sub(at.bytes);
        let reader = Box::new(reader.take(left));
        Self { reader, path: path.to_path_buf(), at, until, text: Vec::new(), torn: 0 }
    }

    /// The next line and its offset; `None` at the end and, when opening, before a torn last line.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, Line)>, StoreError> {
        self.text.clear();
        read_text(&mut self.reader, &mut self.text).map_err(StoreError::at("read", &self.path))?;
        let length = self.text.len() as u64;
        let Some(text) = self.text.strip_suffix(b"\n") else {
            return self.tail(length).map(|()| None);
        };
        let line = Line::parse(text).map_err(|fault| self.corrupt(fault))?;
        line.follows(&self.at.head).map_err(|fault| self.corrupt(fault))?;
        let offset = self.at.bytes;
        self.at = Mark { head: line.head, bytes: offset + line.bytes };
        Ok(Some((offset, line)))
    }

    /// The end of the file: nothing, or a line without its line break.
    fn tail(&mut self, length: u64) -> Result<(), StoreError> {
        if length > LINE_BYTES_MAX {
            return Err(self.corrupt("is longer than a line may be"));
        }
        // A write cut short is a strict prefix of a line; a whole line and one more byte is not.
        let whole = self.text.split_last().map(|(_, text)| Line::parse(text));
        if matches!(whole, Some(Ok(_))) {
            return Err(self.corrupt("has a damaged line break"));
        }
        self.torn = length;
        Ok(())
    }

    fn corrupt(&self, fault: &'static str) -> StoreError {
        let line = self.at.head.seq + 1;
        StoreError::Corrupt { path: self.path.clone(), line, fault }
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<(u64, Line), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.until {
            return None;
        }
        let next = match self.next_line() {
            Ok(None) => Err(self.corrupt("is missing or cut short")),
            Ok(Some(line)) => Ok(line),
            Err(error) => Err(error),
        };
        if next.is_err() {
            self.until = self.at;
        }
        Some(next)
    }
}

/// Reads up to and with a line break, at most one byte more than the longest line.
fn read_text(reader: &mut dyn BufRead, text: &mut Vec<u8>) -> io::Result<()> {
    reader.take(LINE_BYTES_MAX + 1).read_until(b'\n', text)?;
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn over(device: &str) -> Journal {
        let file = OpenOptions::new().read(true).write(true).open(device).unwrap();
        Journal::over(Path::new(device), Medium::File(file), 1 << 20)
    }

    #[test]
    fn a_failed_write_that_cannot_be_undone_poisons() {
        // Writing fails with ENOSPC, and a device cannot be shortened.
        let mut journal = over("/dev/full");
        let error = journal.append(1, b"{}").unwrap_err();
        let StoreError::Poisoned { source: Some(source), .. } = error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(journal.append(1, b"{}").unwrap_err().code(), "store_poisoned");
        assert_eq!(journal.end(), Mark::START);
    }

    #[test]
    fn a_failed_sync_poisons() {
        // Writing works, syncing does not.
        let mut journal = over("/dev/null");
        assert_eq!(journal.append(1, b"{}").unwrap_err().code(), "store_poisoned");
        assert_eq!(journal.append(1, b"{}").unwrap_err().code(), "store_poisoned");
        assert_eq!(journal.end(), Mark::START);
    }

    #[test]
    fn no_room_of_any_kind_is_disk_full() {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        for kind in [StorageFull, QuotaExceeded, FileTooLarge] {
            let error = StoreError::io("append to", Path::new("journal"), kind.into());
            assert_eq!(error.code(), "disk_full");
        }
    }
}
