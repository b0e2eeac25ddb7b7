//! The release as a folder, and its check: by `sha256sum` and `openssl`, or by [`verify_folder`],
//! which also makes every derived file again.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Cell, Frame, Outcome, Parameters, Release, ReleaseError, RoundFacts, growth};
use crate::{
    canonical::{Digest, Pieces},
    identity::{IdentityKey, IdentitySecret, Signature},
    layout::Layout,
    schools::SchoolTable,
    study::{Mode, Study},
};

const RELEASE: &str = "release.json";
const TABLES: &str = "tables.csv";
const GROWTH: &str = "growth.json";
const PARAMETERS: &str = "parameters.json";
const STUDY: &str = "study.toml";
const SCHOOLS: &str = "schools.csv";
const HUB_KEY: &str = "hub-key.pem";
const VERIFY: &str = "VERIFY.txt";
const SUMS: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.sig";

/// The files of a release folder, all of them and no others, in byte order; with [`GROWTH_FILE`] where
/// the study has growth models.
pub const FOLDER_FILES: [&str; 9] =
    [SUMS, SIGNATURE, VERIFY, HUB_KEY, PARAMETERS, RELEASE, SCHOOLS, STUDY, TABLES];

/// The additional file of a study with growth models; it stands before `hub-key.pem`.
pub const GROWTH_FILE: &str = GROWTH;

/// DER of a SubjectPublicKeyInfo for Ed25519 up to the 32 key bytes (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];

/// Where the pieces of one file go.
type Put<'a, E> = &'a mut dyn FnMut(&[u8]) -> Result<(), E>;

impl Release {
    /// The files of the release folder, by name, signed by the hub.
    ///
    /// # Errors
    /// [`ReleaseError`] when the key is not the round's hub key, or the study or school table are
    /// not the bytes the release was made from.
    pub fn folder(
        self,
        hub: &IdentitySecret,
        study_toml: &[u8],
        schools_csv: &[u8],
    ) -> Result<Vec<(String, Vec<u8>)>, ReleaseError> {
        let mut files: BTreeMap<&'static str, Vec<u8>> = BTreeMap::new();
        self.write_folder(hub, study_toml, schools_csv, |name, piece| {
            files.entry(name).or_default().extend_from_slice(piece);
            Ok::<_, ReleaseError>(())
        })?;
        Ok(files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect())
    }

    /// The same, without the files ever being in memory: `put` takes them in pieces, one file after
    /// the other, each named with its every piece. Returns the SHA-256 of `release.json`.
    ///
    /// # Errors
    /// As [`Release::folder`], and those of `put`.
    pub fn write_folder<E: From<ReleaseError>>(
        &self,
        hub: &IdentitySecret,
        study_toml: &[u8],
        schools_csv: &[u8],
        mut put: impl FnMut(&'static str, &[u8]) -> Result<(), E>,
    ) -> Result<Digest, E> {
        let key = self.parameters.hub;
        if hub.public() != key {
            return Err(ReleaseError::HubKey.into());
        }
        for (file, bytes, hash) in [
            (STUDY, study_toml, self.study_hash()),
            (SCHOOLS, schools_csv, self.parameters.schools_hash()),
        ] {
            if Digest::of(bytes) != hash {
                return Err(ReleaseError::File { file }.into());
            }
        }
        let mut sums = String::new();
        let mut file = |name, write: &dyn Fn(Put<'_, E>) -> Result<(), E>| {
            let mut pieces = Pieces::new();
            write(&mut |piece| {
                pieces.update(piece);
                put(name, piece)
            })?;
            let digest = pieces.finish();
            sums.push_str(&sum_line(name, digest));
            Ok::<_, E>(digest)
        };
        // In the order of their names, as `sha256sum *` would list them.
        file(VERIFY, &|put| put(&instructions(key)))?;
        if !(self.growth.is_empty() && self.noisy_growth.is_empty()) {
            file(GROWTH, &|put| put(&self.growth_json()?))?;
        }
        file(HUB_KEY, &|put| put(&pem(key)))?;
        file(PARAMETERS, &|put| put(&self.parameters_json()?))?;
        let release = file(RELEASE, &|put| self.write_release_json(put))?;
        file(SCHOOLS, &|put| put(schools_csv))?;
        file(STUDY, &|put| put(study_toml))?;
        file(TABLES, &|put| self.write_tables_csv(put))?;
        put(SUMS, sums.as_bytes())?;
        put(SIGNATURE, hub.sign_bytes(sums.as_bytes()).as_bytes())?;
        Ok(release)
    }

    /// The files that follow from the release alone.
    fn derived_files(&self) -> Result<BTreeMap<&'static str, Vec<u8>>, ReleaseError> {
        let key = self.parameters.hub;
        Ok(BTreeMap::from([
            (RELEASE, self.release_json()?),
            (TABLES, self.tables_csv()),
            (PARAMETERS, self.parameters_json()?),
            (HUB_KEY, pem(key)),
            (VERIFY, instructions(key)),
        ]))
    }
}

/// A folder that is not the release it says it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file is missing.
    #[error("{file} is missing")]
    Missing {
        /// The file.
        file: &'static str,
    },
    /// There is a file that nothing vouches for.
    #[error("{file} does not belong to a release; move it elsewhere")]
    Extra {
        /// The file.
        file: String,
    },
    /// The folder was made by another hub.
    #[error("the folder is signed for hub key {found}, you expect {expected}")]
    Key {
        /// Key in the folder.
        found: IdentityKey,
        /// Key given.
        expected: IdentityKey,
    },
    /// `SHA256SUMS` was not signed by the hub key.
    #[error("SHA256SUMS.sig is not the hub's signature over SHA256SUMS")]
    Signature,
    /// `SHA256SUMS` does not list exactly the folder's files.
    #[error("SHA256SUMS does not list the files of a release")]
    Sums,
    /// A file was changed.
    #[error("{file} is not the file that was signed")]
    Changed {
        /// The file.
        file: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {file}: {what}")]
    Unreadable {
        /// The file.
        file: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A cell that the study and its sums cannot give.
    #[error("release.json: cell {number} cannot be: not of this study, or shown below min_n")]
    Cell {
        /// Number of the cell, from 1.
        number: usize,
    },
    /// A file does not follow from the release, although signed.
    #[error("{file} does not follow from the study and the cells of release.json")]
    Derived {
        /// The file.
        file: &'static str,
    },
    /// The parts do not make a release.
    #[error("the files of the folder do not make a release")]
    Release(#[from] ReleaseError),
}

impl VerifyError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "verify_missing",
            Self::Extra { .. } => "verify_extra",
            Self::Key { .. } => "verify_key",
            Self::Signature => "verify_signature",
            Self::Sums => "verify_sums",
            Self::Changed { .. } => "verify_changed",
            Self::Unreadable { .. } => "verify_unreadable",
            Self::Cell { .. } => "verify_cell",
            Self::Derived { .. } => "verify_derived",
            Self::Release(_) => "verify_release",
        }
    }
}

/// A folder that was checked.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The release, made again from its study, school table and cells.
    pub release: Release,
    /// The study.
    pub study: Study,
    /// The key that signed.
    pub hub: IdentityKey,
    /// Whether that is a key the caller already knew. If not, the signature says only that the
    /// folder is whole, not who made it.
    pub pinned: bool,
}

/// `release.json`, as read back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "guarantee")]
    _guarantee: String,
    parameters: Parameters,
    cells: Vec<Cell>,
}

/// Checks a release folder, given as file name -> bytes: the signature (by `hub` if given, else by
/// the folder's own key), the sums, and that every file follows from the study, the school table
/// and the integers in `release.json`.
///
/// # Errors
/// [`VerifyError`] naming the first file that is wrong.
pub fn verify_folder(
    files: &BTreeMap<String, Vec<u8>>,
    hub: Option<&IdentityKey>,
) -> Result<Verified, VerifyError> {
    let known = |name: &str| name == GROWTH || FOLDER_FILES.contains(&name);
    if let Some(extra) = files.keys().find(|name| !known(name)) {
        return Err(VerifyError::Extra { file: extra.clone() });
    }
    let file = |name: &'static str| {
        files.get(name).map(Vec::as_slice).ok_or(VerifyError::Missing { file: name })
    };
    for name in FOLDER_FILES {
        file(name)?;
    }
    let key = check_signature(files, hub)?;
    let study = Study::parse(file(STUDY)?).map_err(|error| unreadable(STUDY, error))?;
    let schools = SchoolTable::parse(file(SCHOOLS)?).map_err(|error| unreadable(SCHOOLS, error))?;
    let layout = Layout::derive(&study, &schools).map_err(|error| unreadable(STUDY, error))?;
    let (mut growth, mut noisy_growth) = (Vec::new(), Vec::new());
    match (study.growth.is_empty(), files.get(GROWTH)) {
        (true, None) => {}
        (true, Some(_)) => return Err(VerifyError::Extra { file: GROWTH.to_owned() }),
        (false, None) => return Err(VerifyError::Missing { file: GROWTH }),
        (false, Some(bytes)) => {
            let wrong = |error| unreadable(GROWTH, error);
            match study.mode {
                Mode::Exact => growth = serde_json::from_slice(bytes).map_err(wrong)?,
                Mode::Dp => noisy_growth = serde_json::from_slice(bytes).map_err(wrong)?,
            }
        }
    }
    growth::check(&study, &growth)?;
    let document: Document =
        serde_json::from_slice(file(RELEASE)?).map_err(|error| unreadable(RELEASE, error))?;
    let facts = document.parameters.facts();
    if facts.hub != key {
        return Err(VerifyError::Derived { file: RELEASE });
    }
    let release = remake(&study, &schools, &layout, facts, &document.cells)?;
    let release = Release { growth, ..release }.with_noisy_growth(&study, noisy_growth)?;
    for (name, bytes) in release.derived_files()? {
        if file(name)? != bytes {
            return Err(VerifyError::Derived { file: name });
        }
    }
    Ok(Verified { release, study, hub: key, pinned: hub.is_some() })
}

/// Checks signature and sums; returns the key that signed.
fn check_signature(
    files: &BTreeMap<String, Vec<u8>>,
    hub: Option<&IdentityKey>,
) -> Result<IdentityKey, VerifyError> {
    let claimed = serde_json::from_slice(&files[PARAMETERS]).map(|found: Parameters| found.hub);
    let key = match (hub, &claimed) {
        (Some(hub), _) => *hub,
        (None, Ok(claimed)) => *claimed,
        (None, Err(error)) => return Err(unreadable(PARAMETERS, error)),
    };
    Signature::try_from(files[SIGNATURE].as_slice())
        .and_then(|signature| key.verify_bytes(&files[SUMS], &signature))
        .map_err(|_| match claimed {
            Ok(found) if found != key => VerifyError::Key { found, expected: key },
            _ => VerifyError::Signature,
        })?;
    let growth = files.contains_key(GROWTH).then_some(GROWTH);
    let mut summed: Vec<_> = FOLDER_FILES
        .into_iter()
        .chain(growth)
        .filter(|name| ![SUMS, SIGNATURE].contains(name))
        .collect();
    summed.sort_unstable();
    let lines: Vec<_> = files[SUMS].split_inclusive(|byte| *byte == b'\n').collect();
    if lines.len() != summed.len() {
        return Err(VerifyError::Sums);
    }
    for (line, name) in lines.into_iter().zip(summed) {
        if line != sum_line(name, Digest::of(&files[name])).as_bytes() {
            let named = line.ends_with(format!("  {name}\n").as_bytes());
            return Err(if named {
                VerifyError::Changed { file: name }
            } else {
                VerifyError::Sums
            });
        }
    }
    Ok(key)
}

/// Makes the release again from the integers that were read.
fn remake(
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    facts: RoundFacts,
    cells: &[Cell],
) -> Result<Release, VerifyError> {
    let min_n = study.suppression.min_n;
    let mut number = 0;
    let frame = Frame::new(study, schools, layout, facts)?;
    let release = frame.release(|place| {
        number += 1;
        let outcome = match &frame.noise {
            Some(noise) => noise.again(place.index, place.cell, cells),
            None => cells.get(number - 1).map(|cell| cell.outcome).filter(|outcome: &Outcome| {
                outcome.fits(place.block.encoding, place.units_per_point, min_n)
            }),
        };
        outcome.ok_or(VerifyError::Cell { number })
    })?;
    if cells.len() > number {
        return Err(VerifyError::Cell { number: number + 1 });
    }
    Ok(release)
}

fn unreadable(file: &'static str, error: impl std::fmt::Display) -> VerifyError {
    VerifyError::Unreadable { file, what: error.to_string() }
}

/// The line `sha256sum` prints.
fn sum_line(name: &str, digest: Digest) -> String {
    format!("{digest}  {name}\n")
}

/// An Ed25519 public key as SubjectPublicKeyInfo in PEM.
fn pem(key: IdentityKey) -> Vec<u8> {
    let der: Vec<u8> = SPKI_PREFIX.iter().chain(key.as_bytes()).copied().collect();
    let body = base64(&der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n").into_bytes()
}

/// Base64 (RFC 4648 §4). 44 bytes give the one line of 60 characters that a key needs.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| usize::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let symbol = char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]);
            text.push(if digit <= chunk.len() { symbol } else { '=' });
        }
    }
    text
}

fn instructions(key: IdentityKey) -> Vec<u8> {
    format!(
        "Check this release with sha256sum and openssl 3. In this folder run:\n\n\
         sha256sum -c SHA256SUMS\n\
         openssl pkeyutl -verify -pubin -inkey hub-key.pem -rawin -in SHA256SUMS \
         -sigfile SHA256SUMS.sig\n\n\
         The first says OK for every file, the second says the signature is verified.\n\
         hub-key.pem holds the hub key {key}.\n\
         Compare it with the one your district recorded when it enrolled: a key that only this\n\
         folder vouches for says that the folder is whole, not who made it.\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_values_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
