//! Who may open a state folder: one store at a time.
//!
//! The lock belongs to the open file, so it is gone with the process, however that ends. A child
//! process that is just being started holds a copy of every open file for a moment, so a lock is
//! released in so many words, not by closing the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::{StoreError, files};

/// How often, and after how long, [`wait`] looks again: a second in all.
const WAITS_MAX: u32 = 200;
const WAIT: Duration = Duration::from_millis(5);

/// The lock on a state folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of the folder `dir`, or says that another store has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let open = files::private(&mut options).open(&path);
        let file = open.map_err(StoreError::at("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.to_path_buf() }),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Waits until nobody holds the lock on `path`, sled's file. sled releases it by closing the file, and
/// says of a held lock only that it cannot open: that would look like damage and cost the index.
pub(crate) fn wait(path: &Path) -> Result<(), StoreError> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    for _ in 0..WAITS_MAX {
        match file.try_lock() {
            Ok(()) => return file.unlock().map_err(StoreError::at("unlock", path)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path, error)),
        }
    }
    Err(StoreError::Locked { dir: path.to_path_buf() })
}
