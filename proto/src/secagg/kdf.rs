//! Keys of a round: X25519 agreement, then HKDF-SHA256 bound to the context and the two parties.

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::canonical::{Digest, Transcript};
use crate::identity::DistrictId;

use super::error::Reason;

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// The public keys of low order, which send every X25519 scalar (a multiple of 8) to zero: 0, 1, the
/// two of order 8, p − 1, and 0 and 1 once more as p and p + 1. X25519 ignores the last byte's top bit.
const LOW_ORDER: [[u8; 32]; 7] = [
    ends([0; 32], 0x00, 0x00),
    ends([0; 32], 0x01, 0x00),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    ends([0xff; 32], 0xec, 0x7f),
    ends([0xff; 32], 0xed, 0x7f),
    ends([0xff; 32], 0xee, 0x7f),
];

const fn ends(mut bytes: [u8; 32], first: u8, last: u8) -> [u8; 32] {
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// Whether this public key is of low order: no agreement with it gives a secret.
pub(super) fn is_low_order(public: &[u8; 32]) -> bool {
    let key = ends(*public, public[0], public[31] & 0x7f);
    LOW_ORDER.contains(&key)
}

/// A 32-byte key for `purpose` between `first` and `second`, in that order.
///
/// # Errors
/// [`Reason::WeakKey`] when the agreement is not contributory (a low-order public key).
pub(super) fn derive(
    ours: &StaticSecret,
    theirs: &[u8; 32],
    ctx: &Digest,
    purpose: &str,
    first: &DistrictId,
    second: &DistrictId,
) -> Result<Zeroizing<[u8; 32]>, Reason> {
    let shared = ours.diffie_hellman(&PublicKey::from(*theirs));
    if !shared.was_contributory() {
        return Err(Reason::WeakKey);
    }
    let info = Transcript::new("flashlight/secagg/v1/key")
        .bytes(purpose.as_bytes())
        .bytes(first.as_ref())
        .bytes(second.as_ref())
        .finish();
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, ctx.as_bytes())
        .extract(shared.as_bytes())
        .expand(&[info.as_bytes()], Len32)
        .and_then(|okm| okm.fill(&mut key[..]))
        .map_err(|_| Reason::WeakKey)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_listed_as_of_low_order_gives_no_secret_and_others_do() {
        let secret = StaticSecret::from([7; 32]);
        let agrees = |key| secret.diffie_hellman(&PublicKey::from(key)).was_contributory();
        for low in LOW_ORDER {
            let high_bit = ends(low, low[0], low[31] | 0x80);
            for key in [low, high_bit] {
                assert!(is_low_order(&key) && !agrees(key), "{}", hex::encode(key));
            }
        }
        for first in 2..=255 {
            let key = ends([0; 32], first, 0);
            assert!(!is_low_order(&key) && agrees(key), "{}", hex::encode(key));
        }
    }
}
