//! The secret under which a node's pseudonyms are made.

use std::path::Path;

use flashlight_store::{StoreError, files};
use zeroize::Zeroizing;

use super::keys::SECRET;

/// The file's name in the node's folder.
const FILE: &str = "records-key";

/// The node's secret; `None` before the first load.
pub(crate) fn read(dir: &Path) -> Result<Option<Zeroizing<[u8; SECRET]>>, StoreError> {
    let path = dir.join(FILE);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = Zeroizing::new(files::read_limited(&path, SECRET as u64)?);
    let secret: Option<[u8; SECRET]> = bytes.as_slice().try_into().ok();
    let damaged = || StoreError::io("read", &path, std::io::ErrorKind::InvalidData.into());
    secret.map(|secret| Some(Zeroizing::new(secret))).ok_or_else(damaged)
}

/// The node's secret, made now if there is none.
pub(crate) fn read_or_make(dir: &Path) -> Result<Zeroizing<[u8; SECRET]>, StoreError> {
    if let Some(secret) = read(dir)? {
        return Ok(secret);
    }
    let mut secret = Zeroizing::new([0; SECRET]);
    let failed = |_| StoreError::io("make", &dir.join(FILE), std::io::ErrorKind::Other.into());
    getrandom::fill(&mut secret[..]).map_err(failed)?;
    files::create_private_dir(dir)?;
    files::write_private(&dir.join(FILE), &secret[..])?;
    Ok(secret)
}
