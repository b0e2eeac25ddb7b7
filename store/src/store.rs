//! A store: the journal, the index over it and the lock on both.
//!
//! In: typed entries and the time. Out: the entries again. Order of every change: journal, fsync,
//! index. Promises and limits are those of the crate (`lib.rs`).

use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::index::{Index, Place, Places, Sled};
use crate::journal::{self, Journal, Mark};
use crate::line::Line;
use crate::lock::{self, Lock};
use crate::{Head, JOURNAL_BYTES_MAX, KEY_BYTES_MAX, KEYS_MAX, StoreError, files};

/// Keys told to the index at a time when it is rebuilt: a few MiB at most.
const BATCH_KEYS: usize = 8192;

/// What a store holds. Its JSON is what is hashed and kept forever: a field that is renamed or removed
/// makes old entries unreadable.
pub trait Entry: Serialize + DeserializeOwned {
    /// Every key this entry can be found by, such as `district/0961`: at most [`KEYS_MAX`] of at most
    /// [`KEY_BYTES_MAX`] bytes, the same ones each time. Changing them takes a new version of the
    /// workspace, at which indexes are rebuilt.
    fn keys(&self) -> Vec<String>;
}

/// An entry as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Its number: 1 for the first entry.
    pub seq: u64,
    /// When it was recorded, ms since 1970-01-01 UTC, as the caller said.
    pub time_ms: u64,
    /// Hash of its line, and so of the journal up to it.
    pub hash: [u8; 32],
    /// The entry; `()` from [`Store::append`].
    pub entry: E,
}

/// An open store; see the crate's documentation for what it promises.
pub struct Store<E: Entry> {
    journal: Journal,
    index: Index,
    /// Released last.
    _lock: Option<Lock>,
    entry: PhantomData<fn(E) -> E>,
}

impl<E: Entry> Store<E> {
    /// Opens the store in `dir`, or makes an empty one there; only its owner can read it. Reads and
    /// verifies the whole journal, removes a last line that a crash cut short, and brings the index
    /// up to date, or builds it anew when it is missing, damaged or of another version.
    ///
    /// # Errors
    /// `store_locked` when it is open elsewhere; `journal_corrupt` naming the first bad line;
    /// `journal_behind_index` or `journal_forked` when the index has seen entries that the journal
    /// does not have (nothing is changed then); `entry_unreadable`, `index`, `disk_full`, `io`.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_limited(dir, JOURNAL_BYTES_MAX)
    }

    fn open_limited(dir: &Path, max_bytes: u64) -> Result<Self, StoreError> {
        let dir = &std::path::absolute(dir).map_err(StoreError::at("open", dir))?;
        files::create_private_dir(dir)?;
        let lock = Some(Lock::take(dir)?);
        let mut journal = Journal::open(&dir.join("journal"), max_bytes)?;
        // Nothing is repaired before the index had its say: what looks torn may have been rolled back.
        let path = dir.join("index");
        let sled = open_index(&path, &journal)?;
        journal.settle()?;
        let from = sled.mark();
        let mut store = Self { journal, index: Index::Sled(sled), _lock: lock, entry: PhantomData };
        store.catch_up(from, &path)?;
        Ok(store)
    }

    /// An empty store without files, for simulations: the same answers, nothing durable.
    #[must_use]
    pub fn in_memory() -> Self {
        let index = Index::Memory(Places::new());
        Self { journal: Journal::in_memory(), index, _lock: None, entry: PhantomData }
    }

    /// Records one entry. It is durable when this returns `Ok`. `now_ms`: ms since 1970-01-01 UTC.
    ///
    /// # Errors
    /// Nothing was recorded: `disk_full`, `io`, `journal_full`, `entry_too_large`; `entry_invalid`
    /// when the entry does not come back from its own JSON or its keys are over the limits.
    /// `store_poisoned`: whether it was recorded is unknown; this store takes no more entries.
    /// `journal_corrupt` when the file was changed under our hands, with the same consequence.
    pub fn append(&mut self, entry: &E, now_ms: u64) -> Result<Recorded<()>, StoreError> {
        let (json, keys) = encode(entry)?;
        let offset = self.journal.append(now_ms, &json)?;
        let end = self.journal.end();
        let Head { seq, hash } = end.head;
        let newest = keys.into_iter().map(|key| (key, Place { seq, offset })).collect();
        let indexed = self.index.record(newest, end);
        if let Err(error) = indexed.and_then(|()| self.flush()) {
            // The entry is recorded, so this is no failure of `append`.
            tracing::warn!(
                code = "index",
                error = %error,
                "the index failed; entries are looked up in the journal itself until the next start"
            );
            self.index = Index::Lost;
        }
        Ok(Recorded { seq, time_ms: now_ms, hash, entry: () })
    }

    /// The newest entry with this key.
    ///
    /// # Errors
    /// `journal_corrupt` when its line is no longer what was written; `entry_unreadable`; `io`.
    pub fn latest(&self, key: &str) -> Result<Option<Recorded<E>>, StoreError> {
        match self.index.find(key) {
            Ok(None) => Ok(None),
            Ok(Some(place)) => {
                let line = self.journal.read(place.seq, place.offset)?;
                self.decode(line).map(Some)
            }
            Err(error) => {
                tracing::warn!(code = "index", error = %error, "reading the whole journal instead");
                let mut newest = None;
                for recorded in self.entries()? {
                    let recorded = recorded?;
                    if recorded.entry.keys().iter().any(|one| one == key) {
                        newest = Some(recorded);
                    }
                }
                Ok(newest)
            }
        }
    }

    /// All entries, oldest first, each verified again as it is read; ends after the first error.
    ///
    /// # Errors
    /// `io` when the journal cannot be opened; each item as for [`Self::latest`].
    pub fn entries(
        &self,
    ) -> Result<impl Iterator<Item = Result<Recorded<E>, StoreError>>, StoreError> {
        let lines = self.journal.lines(Mark::START)?;
        Ok(lines.map(|line| line.and_then(|(_, line)| self.decode(line))))
    }

    /// How many entries there are, and the hash that stands for all of them.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.journal.end().head
    }

    /// Tells the index of every entry after `from`.
    fn catch_up(&mut self, from: Mark, path: &Path) -> Result<(), StoreError> {
        let failed = |source| StoreError::Index { path: path.to_path_buf(), source };
        let (mut mark, mut newest) = (from, Places::new());
        for line in self.journal.lines(from)? {
            let (offset, line) = line?;
            let place = Place { seq: line.head.seq, offset };
            mark = Mark { head: line.head, bytes: offset + line.bytes };
            newest.extend(self.decode(line)?.entry.keys().into_iter().map(|key| (key, place)));
            if newest.len() >= BATCH_KEYS {
                self.index.record(std::mem::take(&mut newest), mark).map_err(failed)?;
            }
        }
        if mark == from {
            return Ok(());
        }
        self.index.record(newest, mark).and_then(|()| self.flush()).map_err(failed)
    }

    fn flush(&self) -> Result<(), sled::Error> {
        if let Index::Sled(sled) = &self.index { sled.flush() } else { Ok(()) }
    }

    fn decode(&self, line: Line) -> Result<Recorded<E>, StoreError> {
        decode(line, self.journal.path())
    }
}

/// Reads the journal in `dir` beside a [`Store`] that may have it open, in this process or another:
/// takes no lock, makes and changes nothing. Entries as they stood when it was called, oldest first,
/// each verified as [`Store::open`] verifies it; ends after the first error. No journal holds no
/// entries. A last line that is still being written, or that a crash cut short, is left out.
///
/// Not promised: that the journal was not cut back at a line boundary. The index, which could know, is
/// the open store's.
///
/// # Errors
/// `io` when the journal cannot be opened; items are `journal_corrupt`, `entry_unreadable` or `io`.
pub fn read_journal<E: Entry>(
    dir: &Path,
) -> Result<impl Iterator<Item = Result<Recorded<E>, StoreError>> + use<E>, StoreError> {
    let path = dir.join("journal");
    let mut lines = journal::beside(&path)?;
    Ok(std::iter::from_fn(move || {
        let next = lines.as_mut()?.next_line().transpose()?;
        let recorded = next.and_then(|(_, line)| decode(line, &path));
        if recorded.is_err() {
            lines = None;
        }
        Some(recorded)
    }))
}

fn decode<E: Entry>(line: Line, path: &Path) -> Result<Recorded<E>, StoreError> {
    let Head { seq, hash } = line.head;
    // serde_json's message would quote the entry, so it is dropped.
    let entry = serde_json::from_slice(&line.json)
        .map_err(|_| StoreError::Unreadable { path: path.to_path_buf(), line: seq })?;
    Ok(Recorded { seq, time_ms: line.time_ms, hash, entry })
}

impl<E: Entry> fmt::Debug for Store<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, head) = (self.journal.path(), self.head());
        f.debug_struct("Store").field("path", &path).field("head", &head).finish_non_exhaustive()
    }
}

/// The index in `path`, when it can be believed; otherwise an empty one in its place.
fn open_index(path: &Path, journal: &Journal) -> Result<Sled, StoreError> {
    let failed = |source| StoreError::Index { path: path.to_path_buf(), source };
    if fs::symlink_metadata(path).is_ok() {
        lock::wait(&path.join("db"))?;
        match Sled::open(path) {
            Ok(sled) => {
                journal.holds(&sled.mark())?;
                if sled.sound() {
                    return Ok(sled);
                }
                tracing::warn!(index = %path.display(), "the index is damaged or old; rebuilding");
            }
            Err(error) => {
                tracing::warn!(index = %path.display(), %error, "cannot open the index; rebuilding");
            }
        }
        let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        gone.map_err(StoreError::at("remove", path))?;
    }
    files::create_private_dir(path)?;
    Sled::open(path).map_err(failed)
}

/// An entry's JSON, and the keys it will have whenever it is read again.
fn encode<E: Entry>(entry: &E) -> Result<(Vec<u8>, Vec<String>), StoreError> {
    let invalid = |fault| StoreError::Invalid { fault };
    let json = serde_json::to_vec(entry).map_err(|_| invalid("cannot be written as JSON"))?;
    let again: E = serde_json::from_slice(&json)
        .map_err(|_| invalid("could not be read back from its own JSON"))?;
    let keys = again.keys();
    if keys.len() > KEYS_MAX || keys.iter().any(|key| key.len() > KEY_BYTES_MAX) {
        return Err(invalid("has too many keys, or one that is too long"));
    }
    Ok((json, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
    struct Word(String);

    impl Entry for Word {
        fn keys(&self) -> Vec<String> {
            vec![self.0.clone()]
        }
    }

    fn word(text: &str) -> Word {
        Word(text.to_owned())
    }

    #[test]
    fn a_journal_at_its_limit_takes_nothing_more_and_stays_readable() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open_limited(dir.path(), 500).unwrap();
        let error = (0..10).find_map(|n| store.append(&word("a"), n).err()).unwrap();
        assert_eq!(error.code(), "journal_full");
        assert!(error.to_string().contains("500 bytes"), "{error}");
        let count = store.head().seq;
        assert!(count > 0 && dir.path().join("journal").metadata().unwrap().len() <= 500);
        drop(store);
        let store = Store::<Word>::open_limited(dir.path(), 500).unwrap();
        assert_eq!(store.entries().unwrap().filter_map(Result::ok).count() as u64, count);
    }

    #[test]
    fn a_store_whose_index_failed_still_answers() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.append(&word("a"), 1).unwrap();
        store.index = Index::Lost;
        store.append(&word("b"), 2).unwrap();
        store.append(&word("a"), 3).unwrap();
        let seq = |store: &Store<Word>, key| store.latest(key).unwrap().map(|one| one.seq);
        assert_eq!(["a", "b", "c"].map(|key| seq(&store, key)), [Some(3), Some(2), None]);
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(["a", "b", "c"].map(|key| seq(&store, key)), [Some(3), Some(2), None]);
    }

    /// Waits as a store does: sled lets go of its file a moment after it is dropped.
    fn freed(index: &Path) {
        lock::wait(&index.join("db")).unwrap();
    }

    #[test]
    fn an_index_of_another_version_is_rebuilt() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap().append(&word("a"), 1).unwrap();
        let path = dir.path().join("index");
        freed(&path);
        let db = sled::open(&path).unwrap();
        db.insert("version", "0.0.0").unwrap();
        drop(db);
        freed(&path);
        assert!(!Sled::open(&path).unwrap().sound());
        drop(Store::<Word>::open(dir.path()).unwrap());
        freed(&path);
        assert!(Sled::open(&path).unwrap().sound());
    }

    #[test]
    fn an_index_that_lost_or_changed_a_place_is_not_believed() {
        for change in [None, Some([0; 16])] {
            let dir = tempfile::tempdir().unwrap();
            let mut store = Store::open(dir.path()).unwrap();
            for text in ["a", "b", "a"] {
                store.append(&word(text), 1).unwrap();
            }
            drop(store);
            freed(&dir.path().join("index"));
            let db = sled::open(dir.path().join("index")).unwrap();
            match change {
                None => db.remove("key/b").unwrap(),
                Some(place) => db.insert("key/b", &place).unwrap(),
            };
            drop(db);
            let store = Store::<Word>::open(dir.path()).unwrap();
            assert_eq!(store.latest("b").unwrap().unwrap().seq, 2);
        }
    }
}
