//! A vouch: one district's signed word that another one is real, under this key, in this network.
//!
//! In: the voucher's Ed25519 key over the vouched district's id, its identity key and the origin of
//! the hub's log. Out: a [`Vouch`] that anybody who has the voucher's key can check. Promise: a vouch
//! for one key or one network is none for another. Not promised: that the voucher looked; who is
//! believed, and how many are needed, is each node's own policy. Touches nothing.
//!
//! As text, one line: `vouch <voucher> <district> ed25519:<64 hex digits> <128 hex digits>`.

use std::fmt;
use std::str::FromStr;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentityKey, IdentitySecret, Signature};

/// Most vouches looked at for one roster.
pub const VOUCHES_MAX: usize = 10_000;

/// Longest vouch as text, bytes.
pub const VOUCH_TEXT_MAX: usize = 300;

/// The name of a network, as vouches and the officers' overrides sign it: the text of the key that
/// signs its rosters, studies and releases. Both sides take it from here alone.
#[must_use]
pub fn log_origin(hub_key: &IdentityKey) -> String {
    hub_key.to_string()
}

/// A vouch that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VouchError {
    /// Not the one line of the module documentation.
    #[error("not a vouch; it is one line: vouch VOUCHER DISTRICT ed25519:KEY SIGNATURE")]
    Malformed,
    /// The voucher's key did not sign this, or signed it for another network.
    #[error("the voucher did not sign this vouch for this network")]
    Signature,
}

impl VouchError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "vouch_malformed",
            Self::Signature => "vouch_signature",
        }
    }
}

/// One district's word for another, or, signed with its old key, for its own new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// Who vouches.
    pub voucher: DistrictId,
    /// For whom.
    pub district: DistrictId,
    /// Under which identity key.
    pub key: IdentityKey,
    /// By the voucher's identity key.
    pub signature: Signature,
}

impl Vouch {
    /// Vouches. `secret`: the voucher's own; `log_origin`: names the network, as in its checkpoints.
    #[must_use]
    pub fn sign(
        voucher: DistrictId,
        secret: &IdentitySecret,
        district: DistrictId,
        key: IdentityKey,
        log_origin: &str,
    ) -> Self {
        let signature = secret.sign(&digest(&district, &key, log_origin));
        Self { voucher, district, key, signature }
    }

    /// Checks that the holder of `voucher_key` vouched for exactly this in exactly this network.
    ///
    /// `voucher_key`: the key under which the *reader* knows the voucher.
    ///
    /// # Errors
    /// [`VouchError::Signature`] when it did not.
    pub fn verify(&self, voucher_key: &IdentityKey, log_origin: &str) -> Result<(), VouchError> {
        voucher_key
            .verify(&digest(&self.district, &self.key, log_origin), &self.signature)
            .map_err(|_| VouchError::Signature)
    }
}

/// What is signed.
fn digest(district: &DistrictId, key: &IdentityKey, log_origin: &str) -> Digest {
    Transcript::new("flashlight/vouch/v1")
        .bytes(district.as_ref())
        .bytes(key.as_bytes())
        .bytes(log_origin.as_bytes())
        .finish()
}

impl fmt::Display for Vouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { voucher, district, key, signature } = self;
        write!(f, "vouch {voucher} {district} {key} {}", hex::encode(signature.as_bytes()))
    }
}

impl FromStr for Vouch {
    type Err = VouchError;

    fn from_str(text: &str) -> Result<Self, VouchError> {
        if text.len() > VOUCH_TEXT_MAX {
            return Err(VouchError::Malformed);
        }
        let mut words = text.split(' ');
        let mut next = || words.next().ok_or(VouchError::Malformed);
        let kind = next()?;
        let voucher = next()?.parse().map_err(|_| VouchError::Malformed)?;
        let district = next()?.parse().map_err(|_| VouchError::Malformed)?;
        let key = next()?.parse().map_err(|_| VouchError::Malformed)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(next()?, &mut bytes).map_err(|_| VouchError::Malformed)?;
        let signature = Signature::try_from(&bytes[..]).map_err(|_| VouchError::Malformed)?;
        let vouch = Self { voucher, district, key, signature };
        // One vouch has one text: upper-case digits and trailing words are refused.
        if kind != "vouch" || vouch.to_string() != text {
            return Err(VouchError::Malformed);
        }
        Ok(vouch)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const ORIGIN: &str = "hub.example/flashlight";

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn vouch() -> Vouch {
        let (voucher, district) = ("a".parse().unwrap(), "b".parse().unwrap());
        Vouch::sign(voucher, &secret(1), district, secret(2).public(), ORIGIN)
    }

    #[test]
    fn a_vouch_verifies_under_the_vouchers_key_and_no_other() {
        assert_eq!(vouch().verify(&secret(1).public(), ORIGIN), Ok(()));
        assert_eq!(vouch().verify(&secret(2).public(), ORIGIN), Err(VouchError::Signature));
    }

    #[test]
    fn a_vouch_for_one_network_is_none_in_another() {
        let error = vouch().verify(&secret(1).public(), "evil.example/flashlight").unwrap_err();
        assert_eq!(error.code(), "vouch_signature");
    }

    #[test]
    fn a_vouch_for_one_key_or_district_is_none_for_another() {
        let other_key = Vouch { key: secret(3).public(), ..vouch() };
        let other_district = Vouch { district: "c".parse().unwrap(), ..vouch() };
        for altered in [other_key, other_district] {
            let verified = altered.verify(&secret(1).public(), ORIGIN);
            assert_eq!(verified, Err(VouchError::Signature));
        }
    }

    #[test]
    fn a_vouch_is_read_back_from_its_one_text_and_from_no_other() {
        let text = vouch().to_string();
        assert!(text.len() <= VOUCH_TEXT_MAX);
        assert_eq!(text.parse::<Vouch>().unwrap(), vouch());
        let upper = text.to_uppercase();
        let short = &text[..text.len() - 2];
        for bad in [upper.as_str(), short, &format!("{text} "), &format!("{text} x"), "", "vouch"] {
            assert_eq!(bad.parse::<Vouch>(), Err(VouchError::Malformed), "{bad:?}");
        }
    }
}
