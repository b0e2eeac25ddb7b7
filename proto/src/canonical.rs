//! Canonical bytes: what every hash and signature in Flashlight is taken over.
//!
//! In: labelled fields. Out: a SHA-256 [`Digest`]. Every field is length-prefixed (u64 little-endian)
//! and every transcript begins with its own label, so that no two different lists of fields, and no
//! two purposes, share bytes (docs/PROTOCOL.md §2).

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-256 value, shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of exactly these bytes: no label, no length. What `sha256sum` prints.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        Self::finish(context)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn finish(context: Context) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

/// A [`Digest::of`] over bytes that come in pieces.
pub(crate) struct Pieces(Context);

impl Pieces {
    pub(crate) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::finish(self.0)
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self(bytes.try_into()?))
    }
}

impl std::str::FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Fields on their way into one [`Digest`].
pub struct Transcript(Context);

impl Transcript {
    /// Begins a transcript. `label` names the purpose and version, as `flashlight/study/v1`.
    #[must_use]
    pub fn new(label: &str) -> Self {
        Self(Context::new(&SHA256)).bytes(label.as_bytes())
    }

    /// Adds one field: its length in bytes as u64 little-endian, then the bytes.
    #[must_use]
    pub fn bytes(mut self, field: &[u8]) -> Self {
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
        self
    }

    /// Adds a number as an eight-byte little-endian field.
    #[must_use]
    pub fn u64(self, field: u64) -> Self {
        self.bytes(&field.to_le_bytes())
    }

    /// Adds a list: its length, then each item as a field.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(self, items: impl ExactSizeIterator<Item = T>) -> Self {
        let counted = self.u64(items.len() as u64);
        items.fold(counted, |transcript, item| transcript.bytes(item.as_ref()))
    }

    /// Ends the transcript.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::finish(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_nothing_is_the_published_sha256_value() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap(), Digest::of(b""));
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_digest() {
        let one = Transcript::new("t").bytes(b"ab").bytes(b"c").finish();
        let two = Transcript::new("t").bytes(b"a").bytes(b"bc").finish();
        assert_ne!(one, two);
    }

    #[test]
    fn an_empty_list_differs_from_no_list() {
        let none: [&[u8]; 0] = [];
        assert_ne!(Transcript::new("t").list(none.iter()).finish(), Transcript::new("t").finish());
    }
}
