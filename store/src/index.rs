//! The index: where in the journal the newest entry of each key is.
//!
//! In: recorded entries, in order. Out: places. Derived from the journal, so losing it costs only the
//! time to read the journal again. Two kinds: sled, and a map for simulations, which cannot have
//! sled's threads.
//!
//! Entries reach sled in atomic batches, each with the [`Mark`] up to which the index is complete.
//! The mark carries a check of its own and a sum over all places, so that an index which lost or
//! mixed up pages is noticed when it is opened and not believed. `flush` is not an fsync: after a
//! power cut the index may be behind, never wrong.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ring::digest::{Context, SHA256};
use sled::{Batch, Config, Db, Error};

use crate::Head;
use crate::journal::Mark;

/// sled's page cache, in bytes; an index is a few dozen bytes per key.
const CACHE_BYTES: u64 = 16 << 20;

/// Bytes of a place: number and offset, big-endian.
const PLACE_BYTES: usize = 16;

/// Bytes of the mark's record: number, length, hash, sum, check.
const MARK_BYTES: usize = 8 + 8 + 3 * 32;

/// Where the mark is kept; entries' keys are under [`KEY_PREFIX`].
const MARK_KEY: &[u8] = b"mark";
const KEY_PREFIX: &str = "key/";

/// An index of another version of this crate is rebuilt: the keys of an entry may have changed.
const VERSION_KEY: &[u8] = b"version";
const VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) offset: u64,
}

impl Place {
    fn encode(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (seq, rest) = u64_of(bytes).ok_or_else(damaged)?;
        let (offset, rest) = u64_of(rest).ok_or_else(damaged)?;
        if rest.is_empty() { Ok(Self { seq, offset }) } else { Err(damaged()) }
    }
}

/// Where the newest entry of each key is.
pub(crate) type Places = BTreeMap<String, Place>;

/// The index of an open store.
pub(crate) enum Index {
    /// On disk.
    Sled(Sled),
    /// For simulations.
    Memory(Places),
    /// sled failed after an entry was recorded; answers come from reading the journal until the next
    /// start builds the index again.
    Lost,
}

impl Index {
    /// The newest entry with this key.
    pub(crate) fn find(&self, key: &str) -> Result<Option<Place>, Error> {
        match self {
            Self::Sled(sled) => guarded(|| sled.find(key)),
            Self::Memory(places) => Ok(places.get(key).copied()),
            Self::Lost => Err(Error::Unsupported("the index was lost".to_owned())),
        }
    }

    /// Notes where the newest entries of these keys are, the journal now being at `mark`.
    pub(crate) fn record(&mut self, newest: Places, mark: Mark) -> Result<(), Error> {
        match self {
            Self::Sled(sled) => guarded(|| sled.record(newest, mark)),
            Self::Memory(places) => {
                places.extend(newest);
                Ok(())
            }
            Self::Lost => Ok(()),
        }
    }
}

/// An open sled database.
pub(crate) struct Sled {
    db: Db,
    mark: Mark,
    sum: [u8; 32],
}

impl Sled {
    /// Opens or creates the database in `path` and reads its mark.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        guarded(|| {
            // No flusher thread: `record` flushes, and dropping the database cannot wait for it.
            let config = Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
            let db = config.open()?;
            let (mark, sum) = match db.get(MARK_KEY)? {
                Some(bytes) => decode_mark(&bytes).ok_or_else(damaged)?,
                None if db.scan_prefix(KEY_PREFIX).next().is_none() => {
                    db.insert(VERSION_KEY, VERSION)?;
                    (Mark::START, [0; 32])
                }
                None => return Err(damaged()),
            };
            Ok(Self { db, mark, sum })
        })
    }

    /// How far the index has come.
    pub(crate) const fn mark(&self) -> Mark {
        self.mark
    }

    /// Whether all its places are there and as recorded, by this version.
    pub(crate) fn sound(&self) -> bool {
        let sum = guarded(|| {
            let mut sum = [0; 32];
            for entry in self.db.scan_prefix(KEY_PREFIX) {
                let (key, place) = entry?;
                add(&mut sum, &key, &place);
            }
            Ok((sum, self.db.get(VERSION_KEY)?))
        });
        matches!(sum, Ok((sum, Some(version))) if sum == self.sum && version == VERSION)
    }

    fn find(&self, key: &str) -> Result<Option<Place>, Error> {
        self.db.get(stored(key))?.map(|bytes| Place::decode(&bytes)).transpose()
    }

    fn record(&mut self, newest: Places, mark: Mark) -> Result<(), Error> {
        let mut sum = self.sum;
        let mut batch = Batch::default();
        for (key, place) in newest {
            let (key, place) = (stored(&key), place.encode());
            if let Some(before) = self.db.get(&key)? {
                add(&mut sum, &key, &before);
            }
            add(&mut sum, &key, &place);
            batch.insert(key, &place);
        }
        batch.insert(MARK_KEY, encode_mark(&mark, &sum));
        self.db.apply_batch(batch)?;
        (self.mark, self.sum) = (mark, sum);
        Ok(())
    }

    /// Hands what was recorded to the system, so that a killed process leaves a complete index.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        guarded(|| self.db.flush().map(|_| ()))
    }
}

/// Runs one operation of sled, which panics, rather than fails, on some kinds of damage.
fn guarded<T>(operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(operation))
        .unwrap_or_else(|_| Err(Error::ReportableBug("sled panicked".to_owned())))
}

fn damaged() -> Error {
    Error::ReportableBug("a record of the index is damaged".to_owned())
}

fn stored(key: &str) -> Vec<u8> {
    [KEY_PREFIX, key].concat().into_bytes()
}

/// Adds a place to the sum, or takes it out again: the exclusive or of hashes, in any order.
fn add(sum: &mut [u8; 32], key: &[u8], place: &[u8]) {
    let mut context = Context::new(&SHA256);
    context.update(place);
    context.update(key);
    for (byte, hash) in sum.iter_mut().zip(context.finish().as_ref()) {
        *byte ^= hash;
    }
}

fn encode_mark(mark: &Mark, sum: &[u8; 32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MARK_BYTES);
    bytes.extend_from_slice(&mark.head.seq.to_be_bytes());
    bytes.extend_from_slice(&mark.bytes.to_be_bytes());
    bytes.extend_from_slice(&mark.head.hash);
    bytes.extend_from_slice(sum);
    let check = ring::digest::digest(&SHA256, &bytes);
    bytes.extend_from_slice(check.as_ref());
    bytes
}

fn decode_mark(bytes: &[u8]) -> Option<(Mark, [u8; 32])> {
    let (seq, rest) = u64_of(bytes)?;
    let (length, rest) = u64_of(rest)?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (sum, _check) = rest.split_first_chunk::<32>()?;
    let mark = Mark { head: Head { seq, hash: *hash }, bytes: length };
    (encode_mark(&mark, sum) == bytes).then_some((mark, *sum))
}

fn u64_of(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}
