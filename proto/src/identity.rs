//! Who signs: district ids, Ed25519 identity keys and signatures over [`Digest`]s.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::canonical::Digest;

/// Longest district id, bytes.
pub const DISTRICT_ID_MAX: usize = 32;

/// What is wrong with an identity value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not 1 to 32 of `A-Z a-z 0-9 _ -`.
    #[error("a district id is 1 to 32 letters, digits, '_' or '-'")]
    DistrictId,
    /// Not 32 bytes, or not a key.
    #[error("an Ed25519 key is 32 bytes")]
    Key,
    /// Not 64 bytes.
    #[error("an Ed25519 signature is 64 bytes")]
    SignatureLength,
    /// The signature was not made by this key over this digest.
    #[error("the signature does not verify")]
    Signature,
}

/// A district's id in the roster, ordered as bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistrictId(String);

impl DistrictId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DistrictId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if text.is_empty() || text.len() > DISTRICT_ID_MAX || !text.bytes().all(allowed) {
            return Err(IdentityError::DistrictId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl AsRef<[u8]> for DistrictId {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for DistrictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DistrictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for DistrictId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DistrictId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 public key, shown as `ed25519:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks that this key signed `digest`.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] when it did not.
    pub fn verify(&self, digest: &Digest, signature: &Signature) -> Result<(), IdentityError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(digest.as_bytes(), &signature.0)
            .map_err(|_| IdentityError::Signature)
    }

    /// Checks that this key signed exactly these bytes (for files that `openssl` verifies too).
    ///
    /// # Errors
    /// [`IdentityError::Signature`] when it did not.
    pub fn verify_bytes(&self, bytes: &[u8], signature: &Signature) -> Result<(), IdentityError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(bytes, &signature.0)
            .map_err(|_| IdentityError::Signature)
    }
}

impl From<[u8; 32]> for IdentityKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for IdentityKey {
    type Error = IdentityError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(bytes.try_into().map_err(|_| IdentityError::Key)?))
    }
}

impl std::str::FromStr for IdentityKey {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let digits = text.strip_prefix("ed25519:").ok_or(IdentityError::Key)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| IdentityError::Key)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for IdentityKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IdentityKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = IdentityError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(bytes.try_into().map_err(|_| IdentityError::SignatureLength)?))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

/// An Ed25519 private key. Neither shown nor copied; the seed is wiped once the key is loaded.
pub struct IdentitySecret(Ed25519KeyPair);

impl IdentitySecret {
    /// Loads the key from its 32-byte seed (RFC 8032).
    ///
    /// # Errors
    /// [`IdentityError::Key`] when the seed is refused.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Result<Self, IdentityError> {
        Ok(Self(Ed25519KeyPair::from_seed_unchecked(&seed[..]).map_err(|_| IdentityError::Key)?))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        IdentityKey(bytes)
    }

    /// Signs a digest.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> Signature {
        self.sign_bytes(digest.as_bytes())
    }

    /// Signs exactly these bytes (for files that `openssl` verifies too).
    #[must_use]
    pub fn sign_bytes(&self, bytes: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(bytes).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentitySecret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_under_its_own_key_and_digest_only() {
        let secret = IdentitySecret::from_seed(&Zeroizing::new([7; 32])).unwrap();
        let other = IdentitySecret::from_seed(&Zeroizing::new([8; 32])).unwrap();
        let digest = Digest::of(b"one");
        let signature = secret.sign(&digest);
        assert_eq!(secret.public().verify(&digest, &signature), Ok(()));
        assert_eq!(other.public().verify(&digest, &signature), Err(IdentityError::Signature));
        let wrong = Digest::of(b"two");
        assert_eq!(secret.public().verify(&wrong, &signature), Err(IdentityError::Signature));
    }

    #[test]
    fn district_ids_outside_the_alphabet_are_refused() {
        for bad in ["", "a b", "ä", "a/b", "x".repeat(33).as_str()] {
            assert_eq!(bad.parse::<DistrictId>(), Err(IdentityError::DistrictId), "{bad:?}");
        }
        assert_eq!("19-64733_a".parse::<DistrictId>().unwrap().as_str(), "19-64733_a");
    }
}
