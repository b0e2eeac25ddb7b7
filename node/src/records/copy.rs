//! A private copy of an export, taken while nobody rewrites it.
//!
//! In: a path. Out: an open file without a name, complete and unchanging: it is read twice, first for
//! its shape, then for its rows. The copy cannot be reached by anyone else, and is gone when the process
//! is, however it ends.
//! Promise: the copy is the source as it stood at one moment, as far as size, times and, for a
//! source changed in the last seconds, a second reading can tell.
//! Not promised: that the export was finished; an export that pauses between rows looks finished.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, SystemTime},
};

/// Copies tried before giving up on a file that keeps changing.
const TRIES: usize = 4;

/// A file changed this recently is read twice: times alone may hide a second change.
const RECENT: Duration = Duration::from_secs(3);

const CHUNK: usize = 1 << 20;

/// Why there is no copy.
pub(crate) enum CopyError {
    /// It kept changing while it was copied.
    Changing,
    /// It is larger than the limit.
    TooLarge,
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// It cannot be read, or the copy cannot be written.
    Io(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Copies the file at `path`, of at most `bytes_max` bytes, positioned at its start.
pub(crate) fn private(path: &Path, bytes_max: u64) -> Result<File, CopyError> {
    for _ in 0..TRIES {
        if let Some(copy) = attempt(path, bytes_max)? {
            return Ok(copy);
        }
    }
    Err(CopyError::Changing)
}

/// One copy; `None` when the source changed meanwhile.
fn attempt(path: &Path, bytes_max: u64) -> Result<Option<File>, CopyError> {
    // Asked before opening: opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(CopyError::NotAFile);
    }
    let mut source = File::open(path)?;
    let before = source.metadata()?;
    if before.len() > bytes_max {
        return Err(CopyError::TooLarge);
    }
    let mut copy = tempfile::tempfile()?;
    let copied = io::copy(&mut (&source).take(bytes_max.saturating_add(1)), &mut copy)?;
    copy.flush()?;
    copy.rewind()?;
    let recent = changed_recently(&before);
    let same = copied == before.len()
        && is_unchanged(&before, &source.metadata()?)
        && (!recent
            || is_equal(&mut source, &mut copy)? && is_unchanged(&before, &source.metadata()?));
    Ok(same.then_some(copy))
}

fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

fn changed_recently(source: &Metadata) -> bool {
    let age = source.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_none_or(|age| age < RECENT)
}

/// Whether both files hold the same bytes; leaves `copy` at its start.
fn is_equal(source: &mut File, copy: &mut File) -> io::Result<bool> {
    source.seek(SeekFrom::Start(0))?;
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = fill(copy, &mut ours)?;
        if fill(source, &mut theirs)? != read || ours[..read] != theirs[..read] {
            return Ok(false);
        }
        if read == 0 {
            copy.rewind()?;
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_stays_when_the_source_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, b"a,b\n1,2\n").unwrap();
        let mut copy = private(&path, 100).ok().unwrap();
        File::create(&path).unwrap();
        let mut text = String::new();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a,b\n1,2\n");
    }

    #[test]
    fn a_folder_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(private(folder.path(), 100), Err(CopyError::NotAFile)));
    }
}
