//! A set of files that changes whole or not at all.
//!
//! A folder holds generations, `gen-1`, `gen-2`, …, and a file `CURRENT` that names the one in force. A
//! change is made in a new generation, which begins as links to every file of the one before; it is
//! synced, and then `CURRENT` is replaced in one step. A crash at any moment leaves the old set or the
//! new one. What a crash left half-made is removed by the next writer.
//!
//! One writer at a time, by a lock. Readers take no notice of it: whoever has a [`Generation`] open
//! keeps its files, which the writer removes only when nobody has it open any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::lock::Lock;
use crate::{StoreError, files};

/// The file that names the generation in force.
const CURRENT: &str = "CURRENT";
/// Before the number of a generation's folder.
const PREFIX: &str = "gen-";
/// In each generation: locked as long as somebody reads it.
const IN_USE: &str = ".in-use";
/// Most files of a generation.
pub const FILES_MAX: usize = 4096;
/// How often a reader looks again when the generation went away under its hands.
const TRIES: u32 = 16;

/// The only writer of a folder of generations, until it is dropped.
#[derive(Debug)]
pub struct Generations {
    dir: PathBuf,
    _lock: Lock,
}

impl Generations {
    /// Opens the folder for writing, or makes an empty one; only its owner can read it. Removes what a
    /// crash left, and old generations that nobody reads.
    ///
    /// # Errors
    /// `store_locked` when another writer has it; `disk_full` or `io`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        files::create_private_dir(dir)?;
        let generations = Self { dir: dir.to_owned(), _lock: Lock::take(dir)? };
        files::sweep_partial(dir)?;
        generations.sweep()?;
        Ok(generations)
    }

    /// Begins the next generation with all files of the one in force.
    ///
    /// # Errors
    /// `disk_full` or `io`; nothing has changed then.
    pub fn begin(&self) -> Result<Next<'_>, StoreError> {
        let number = current(&self.dir)?.unwrap_or(0);
        let path = folder(&self.dir, number + 1);
        if path.symlink_metadata().is_ok() {
            // Left by a crash, or by a writer that gave up: it is in force for nobody.
            fs::remove_dir_all(&path).map_err(StoreError::at("remove", &path))?;
        }
        files::create_private_dir(&path)?;
        let next = Next { of: self, number: number + 1, path };
        mark(&next.path)?;
        if number > 0 {
            let old = folder(&self.dir, number);
            for name in names(&old)? {
                let (from, to) = (old.join(&name), next.path.join(&name));
                match fs::hard_link(&from, &to) {
                    Ok(()) => {}
                    // Copying onto a link would change the file that is in force.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        return Err(StoreError::io("link", &to, error));
                    }
                    // A file system without links gets copies.
                    Err(_) => {
                        fs::copy(&from, &to).map(drop).map_err(StoreError::at("copy", &from))?;
                    }
                }
            }
        }
        Ok(next)
    }

    /// Removes every generation but the one in force, unless somebody reads it.
    fn sweep(&self) -> Result<(), StoreError> {
        let keep = current(&self.dir)?.unwrap_or(0);
        if keep > 0 && !folder(&self.dir, keep).is_dir() {
            // Somebody removed what is in force: nothing else is.
            return Ok(());
        }
        for entry in fs::read_dir(&self.dir).map_err(StoreError::at("read", &self.dir))? {
            let entry = entry.map_err(StoreError::at("read", &self.dir))?;
            let Some(number) = entry.file_name().to_str().and_then(number) else { continue };
            let path = entry.path();
            // The lock is held until the marker is gone, so that no reader can begin in between.
            let Some(_held) = unread(&path).filter(|_| number != keep) else { continue };
            let _ = fs::remove_file(path.join(IN_USE));
            fs::remove_dir_all(&path).map_err(StoreError::at("remove", &path))?;
        }
        Ok(())
    }
}

/// A generation being made. Dropped before [`Self::publish`], it is removed.
#[derive(Debug)]
pub struct Next<'a> {
    of: &'a Generations,
    number: u64,
    path: PathBuf,
}

impl Next<'_> {
    /// Where to write the file `name` anew; the one that is there, if any, is taken away first. Create
    /// it, do not append: an older generation may share the bytes of what was there.
    ///
    /// # Errors
    /// `file_name` for a name that is not a plain file name or begins with a dot; `io`.
    pub fn replace(&self, name: &str) -> Result<PathBuf, StoreError> {
        self.remove(name)?;
        Ok(self.path.join(name))
    }

    /// Takes the file `name` away, if it is there.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        if !is_plain(name) {
            return Err(StoreError::Name { name: name.to_owned() });
        }
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// Where the file `name` is so far, to be read; `None` when it is not there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.path.join(name);
        (is_plain(name) && path.is_file()).then_some(path)
    }

    /// The files it has so far, by name.
    ///
    /// # Errors
    /// `io`; `limit` with more than [`FILES_MAX`].
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        names(&self.path)
    }

    /// Its number, one above that of the generation in force.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Puts the generation in force, durably.
    ///
    /// # Errors
    /// `disk_full` or `io`: the old generation stays in force. Only an `io` error for "sync" may come
    /// after the new one took its place.
    pub fn publish(mut self) -> Result<(), StoreError> {
        for name in self.names()? {
            let path = self.path.join(name);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(StoreError::at("sync", &path))?;
        }
        files::sync_dir(&self.path)?;
        files::sync_parent(&self.path)?;
        let text = format!("{PREFIX}{}\n", self.number);
        let named = files::write_private(&self.of.dir.join(CURRENT), text.as_bytes());
        // An error may come after the name took its place: then the folder must stay.
        if named.is_ok() || current(&self.of.dir).is_ok_and(|now| now == Some(self.number)) {
            self.path.clear();
        }
        named?;
        // The change is made; what cannot be cleared away now is at the next start.
        if let Err(error) = self.of.sweep() {
            tracing::warn!(code = "io", %error, "an old generation could not be removed");
        }
        Ok(())
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// One generation, open for reading. Its files stay until it is dropped.
#[derive(Debug)]
pub struct Generation {
    path: PathBuf,
    number: u64,
    // Holds the shared lock.
    _in_use: File,
}

impl Generation {
    /// The generation in force; `None` when there is none yet.
    ///
    /// # Errors
    /// `io`; `journal_corrupt` when `CURRENT` is not what was written.
    pub fn current(dir: &Path) -> Result<Option<Self>, StoreError> {
        for _ in 0..TRIES {
            let Some(number) = current(dir)? else { return Ok(None) };
            let path = folder(dir, number);
            let marker = path.join(IN_USE);
            // Between reading the name and taking the lock a writer may have moved on: look again.
            let Ok(in_use) = File::open(&marker) else { continue };
            if in_use.try_lock_shared().is_ok() && marker.exists() {
                return Ok(Some(Self { path, number, _in_use: in_use }));
            }
        }
        let error = io::Error::from(io::ErrorKind::NotFound);
        Err(StoreError::io("open", &dir.join(CURRENT), error))
    }

    /// Where the file `name` is; `None` when it is not of this generation.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        let path = self.path.join(name);
        (is_plain(name) && path.is_file()).then_some(path)
    }

    /// Its files, by name.
    ///
    /// # Errors
    /// `io`; `limit` with more than [`FILES_MAX`].
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        names(&self.path)
    }

    /// Its number: 1 for the first.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
}

fn folder(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{number}"))
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

/// The number that `CURRENT` names.
fn current(dir: &Path) -> Result<Option<u64>, StoreError> {
    let path = dir.join(CURRENT);
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_limited(&path, 64)?;
    let named = str::from_utf8(&text).ok().and_then(|text| number(text.trim_end()));
    let named = named.filter(|number| *number > 0);
    named.map(Some).ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "names no generation");
        StoreError::io("read", &path, error)
    })
}

/// The files of a generation, by name.
fn names(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(StoreError::at("read", path))? {
        let entry = entry.map_err(StoreError::at("read", path))?;
        let name = entry.file_name();
        if let Some(name) = name.to_str().filter(|name| is_plain(name)) {
            names.push(name.to_owned());
        }
        if names.len() > FILES_MAX {
            let error = io::Error::new(io::ErrorKind::InvalidData, "holds too many files");
            return Err(StoreError::io("read", path, error));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn mark(path: &Path) -> Result<(), StoreError> {
    let marker = path.join(IN_USE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    files::private(&mut options).open(&marker).map(drop).map_err(StoreError::at("create", &marker))
}

/// The generation's marker, locked, when nobody has it open; a folder without one was never whole.
fn unread(path: &Path) -> Option<Option<File>> {
    let Ok(marker) = File::open(path.join(IN_USE)) else { return Some(None) };
    marker.try_lock().is_ok().then_some(Some(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(next: &Next<'_>, name: &str, text: &str) {
        fs::write(next.replace(name).unwrap(), text).unwrap();
    }

    fn read(dir: &Path) -> Option<Vec<(String, String)>> {
        let generation = Generation::current(dir).unwrap()?;
        let names = generation.names().unwrap();
        let text = |name: &String| fs::read_to_string(generation.file(name).unwrap()).unwrap();
        Some(names.iter().map(|name| (name.clone(), text(name))).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_generation_is_there_whole_or_not_at_all_and_keeps_what_it_does_not_replace() {
        let dir = tempfile::tempdir().unwrap();
        let store = Generations::open(dir.path()).unwrap();
        assert_eq!(read(dir.path()), None);
        let next = store.begin().unwrap();
        write(&next, "a", "1");
        write(&next, "b", "1");
        assert_eq!(read(dir.path()), None);
        next.publish().unwrap();
        assert_eq!(read(dir.path()), pairs(&[("a", "1"), ("b", "1")]));
        let next = store.begin().unwrap();
        write(&next, "b", "2");
        assert_eq!(read(dir.path()), pairs(&[("a", "1"), ("b", "1")]));
        next.publish().unwrap();
        assert_eq!(read(dir.path()), pairs(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn what_was_dropped_or_left_by_a_crash_changes_nothing_and_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let store = Generations::open(dir.path()).unwrap();
        let next = store.begin().unwrap();
        write(&next, "a", "1");
        next.publish().unwrap();
        let next = store.begin().unwrap();
        write(&next, "a", "2");
        drop(next);
        assert_eq!(read(dir.path()), pairs(&[("a", "1")]));
        // As a kill between writing and publishing leaves it.
        let next = store.begin().unwrap();
        write(&next, "a", "3");
        let left = next.path.clone();
        std::mem::forget(next);
        drop(store);
        assert!(left.exists());
        assert_eq!(read(dir.path()), pairs(&[("a", "1")]));
        let store = Generations::open(dir.path()).unwrap();
        assert!(!left.exists());
        assert_eq!(store.begin().unwrap().number(), 2);
    }

    #[test]
    fn a_reader_keeps_its_generation_until_it_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Generations::open(dir.path()).unwrap();
        let next = store.begin().unwrap();
        write(&next, "a", "1");
        next.publish().unwrap();
        let reader = Generation::current(dir.path()).unwrap().unwrap();
        for text in ["2", "3"] {
            let next = store.begin().unwrap();
            write(&next, "a", text);
            next.publish().unwrap();
        }
        assert_eq!(fs::read_to_string(reader.file("a").unwrap()).unwrap(), "1");
        drop(reader);
        store.sweep().unwrap();
        assert!(!folder(dir.path(), 1).exists());
        assert_eq!(read(dir.path()), pairs(&[("a", "3")]));
    }

    #[test]
    fn there_is_one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Generations::open(dir.path()).unwrap();
        assert_eq!(Generations::open(dir.path()).unwrap_err().code(), "store_locked");
    }

    #[test]
    fn names_that_could_lead_out_of_the_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Generations::open(dir.path()).unwrap();
        let next = store.begin().unwrap();
        for name in ["", "../a", "a/b", ".in-use", "a:b"] {
            assert_eq!(next.replace(name).unwrap_err().code(), "file_name", "{name:?}");
        }
    }
}
