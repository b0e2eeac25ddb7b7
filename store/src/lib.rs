//! Durable state of a Flashlight node or coordinator.
//!
//! In: entries (anything `serde` can write as JSON), each under the keys it can be found by. Out:
//! the same entries, in order or by key, after any crash. A [`Store`] is one folder:
//!
//! ```text
//! state/
//!   lock       held exclusively while the store is open
//!   journal    the truth: append-only, hash-chained, fsynced; one line of text per entry
//!   index/     sled: key -> newest entry with that key; derived from the journal, never the reverse
//! ```
//!
//! Promise: when [`Store::append`] returns `Ok`, the entry survives kill -9 and a power cut; when it
//! returns an error other than `store_poisoned`, nothing was recorded. Any changed, missing or
//! inserted byte in the journal is found when the store is opened and reported, never repaired; the
//! one exception is a last line that a crash cut short, which was never acknowledged and is removed.
//!
//! Not promised: a journal cut back at a line boundary is a valid, shorter journal. The index
//! remembers how far the journal had come and the store then refuses (`journal_behind_index`,
//! `journal_forked`), but somebody who may write to the folder can remove the index too. Only the
//! witnesses of a published log can see that. Nor is anything encrypted: entries hold ids, counts and
//! hashes, never keys or student values.
//!
//! sled's `flush` is not an fsync. It matters nowhere here: the journal is synced before the index
//! hears of an entry, and an index that is missing, damaged or behind is rebuilt from the journal.
//!
//! The format of a line, and how to verify a journal with a shell and `sha256sum`, is in
//! `src/line.rs`. Time is always an argument. [`files`] holds the other durable writes: private files
//! and published folders.
#![forbid(unsafe_code)]

mod error;
pub mod files;
pub mod generations;
mod index;
mod journal;
mod line;
mod lock;
pub mod pause;
mod store;

pub use error::StoreError;
pub use line::Head;
pub use store::{Entry, Recorded, Store, read_journal};

/// Longest entry, in bytes of JSON: 1 MiB.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Largest journal file, in bytes: 4 GiB. It is read and verified whole at every start.
pub const JOURNAL_BYTES_MAX: u64 = 4 << 30;

/// Most keys of one entry.
pub const KEYS_MAX: usize = 4096;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
