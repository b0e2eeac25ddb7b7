//! Durable files outside the journal: private files (keys, certificates) and published folders.
//!
//! Everything is written under a temporary name in the same folder, `.NAME.partial-PID-N`, synced and
//! renamed: a reader, and a restart after a crash at any moment, sees the old thing, the new thing or
//! nothing, never a part. Leftover temporary names are removed by [`sweep_partial`].
//!
//! Permission bits exist on Unix only; elsewhere files inherit the folder's access rules. Folders are
//! synced on Unix only; elsewhere the file system keeps renames in its own order.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::StoreError;

/// Most temporary names tried before giving up; each one tried is a leftover of a crash.
const NAMES_MAX: u32 = 10_000;

/// Writes a file that only its owner can read (0600), replacing an old one in one step, durably.
///
/// # Errors
/// `disk_full` or `io`: the old file, if any, is still there. Only an `io` error for "sync" may come
/// after the new file took its place.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    private(options.write(true).create_new(true));
    let (partial, file) = fresh(path, |partial| options.open(partial))?;
    let written = fill(&file, &partial, bytes)
        .and_then(|()| fs::rename(&partial, path).map_err(StoreError::at("write", path)));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written?;
    sync_parent(path)
}

/// Makes a folder, and the folders above it that are missing, that only its owner can enter (0700).
/// One that exists already keeps its permissions.
///
/// # Errors
/// `disk_full` or `io`, also when something else than a folder is there.
pub fn create_private_dir(path: &Path) -> Result<(), StoreError> {
    let existed = path.is_dir();
    if !existed {
        let parent = parent(path);
        if !parent.exists() {
            create_private_dir(parent)?;
        }
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(StoreError::at("create", path))?,
        }
    }
    match sync_parent(path) {
        // The folder was given to us inside one that we may not read; whoever made it answers for it.
        Err(StoreError::Io { source, .. })
            if existed && source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Reads a whole file of at most `max_bytes` bytes.
///
/// # Errors
/// `file_too_large` when it is longer, after reading no more than one byte too many; `io` when it
/// cannot be read.
pub fn read_limited(path: &Path, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
    let file = File::open(path).map_err(StoreError::at("open", path))?;
    let mut bytes = Vec::new();
    let limit = max_bytes.saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(StoreError::at("read", path))?;
    if bytes.len() as u64 > max_bytes {
        return Err(StoreError::FileTooLarge { path: path.to_path_buf(), max_bytes });
    }
    Ok(bytes)
}

/// Publishes a folder of files, whole or not at all, as [`Draft`] does.
///
/// # Errors
/// Those of [`Draft`].
pub fn publish_folder(final_path: &Path, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
    let mut draft = Draft::begin(final_path)?;
    for (name, bytes) in files {
        draft.put(name, bytes)?;
        draft.close()?;
    }
    draft.publish()
}

/// A folder of files that will be published whole or not at all: each file is written and synced
/// under a temporary folder name, then the folder is renamed to its final one and its parent is
/// synced. Dropped before that, it is removed.
///
/// Readable by everyone the umask allows. Nothing is ever overwritten: an *empty* folder that another
/// process makes at the same moment is the only thing that can be replaced.
#[derive(Debug)]
pub struct Draft {
    partial: PathBuf,
    final_path: PathBuf,
    names: BTreeSet<String>,
    open: Option<(String, PathBuf, File)>,
}

impl Draft {
    /// Starts a folder that will be `final_path`.
    ///
    /// # Errors
    /// `already_exists` when there is anything at `final_path`; `disk_full` or `io`.
    pub fn begin(final_path: &Path) -> Result<Self, StoreError> {
        match fs::symlink_metadata(final_path) {
            Ok(_) => return Err(StoreError::Exists { path: final_path.to_path_buf() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("publish", final_path, error)),
        }
        let (partial, ()) = fresh(final_path, |partial| fs::create_dir(partial))?;
        let (final_path, names) = (final_path.to_path_buf(), BTreeSet::new());
        Ok(Self { partial, final_path, names, open: None })
    }

    /// Appends bytes to the file `name`; a file is whole when another is named.
    ///
    /// # Errors
    /// `file_name` for a name that is not a plain file name, begins with a dot or comes back after
    /// another; `disk_full` or `io`.
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if self.open.as_ref().is_none_or(|(open, ..)| open != name) {
            self.close()?;
            let plain = !name.is_empty()
                && !name.starts_with('.')
                && !name.contains(['/', '\\', ':', '\0']);
            if !plain || !self.names.insert(name.to_owned()) {
                return Err(StoreError::Name { name: name.to_owned() });
            }
            let path = self.partial.join(name);
            let file = File::create_new(&path).map_err(StoreError::at("create", &path))?;
            self.open = Some((name.to_owned(), path, file));
        }
        let Some((_, path, file)) = &mut self.open else { return Ok(()) };
        file.write_all(bytes).map_err(StoreError::at("write", path))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let Some((_, path, file)) = self.open.take() else { return Ok(()) };
        file.sync_all().map_err(StoreError::at("sync", &path))
    }

    /// Gives the folder its final name.
    ///
    /// # Errors
    /// `already_exists` when something took that name meanwhile; `disk_full` or `io`: nothing is
    /// published. Only an `io` error for "sync" may come after the folder took its place.
    pub fn publish(mut self) -> Result<(), StoreError> {
        self.close()?;
        sync_dir(&self.partial)?;
        let final_path = &self.final_path;
        fs::rename(&self.partial, final_path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists
            | io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::NotADirectory => StoreError::Exists { path: final_path.clone() },
            _ => StoreError::io("publish", final_path, error),
        })?;
        sync_parent(final_path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already when it was published.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

/// Removes the temporary files and folders that a crash left in `dir`; returns how many. Call it at
/// start, when nobody else writes there.
///
/// # Errors
/// `io` when the folder cannot be read or something in it cannot be removed.
pub fn sweep_partial(dir: &Path) -> Result<usize, StoreError> {
    let mut removed = 0;
    for entry in fs::read_dir(dir).map_err(StoreError::at("read", dir))? {
        let entry = entry.map_err(StoreError::at("read", dir))?;
        if !entry.file_name().to_str().is_some_and(is_partial) {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().map_err(StoreError::at("read", &path))?;
        let gone = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone.map_err(StoreError::at("remove", &path))?;
        tracing::warn!(path = %path.display(), "removed what a crash left half-written");
        removed += 1;
    }
    Ok(removed)
}

/// Owner-only, for a file about to be created.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes a name in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    sync_dir(parent(path))
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        File::open(dir).and_then(|open| open.sync_all()).map_err(StoreError::at("sync", dir))?;
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Makes something under a temporary name beside `path` that nothing has yet.
fn fresh<T>(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T), StoreError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(StoreError::Name { name: path.display().to_string() });
    };
    let mut tried = 0;
    loop {
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let partial = parent(path).join(format!(".{name}.partial-{process}-{next}"));
        tried += 1;
        match make(&partial) {
            Ok(made) => return Ok((partial, made)),
            // A process before us had our number; in a container that is the rule.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < NAMES_MAX => {}
            Err(error) => return Err(StoreError::io("create", &partial, error)),
        }
    }
}

/// Whether `name` is one that [`fresh`] makes.
fn is_partial(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix('.')
        .and_then(|rest| rest.rsplit_once(".partial-"))
        .and_then(|(of, number)| number.split_once('-').map(|number| (of, number)))
        .is_some_and(|(of, (process, next))| !of.is_empty() && digits(process) && digits(next))
}

fn fill(mut file: &File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file.write_all(bytes).map_err(StoreError::at("write", path))?;
    file.sync_all().map_err(StoreError::at("sync", path))
}
