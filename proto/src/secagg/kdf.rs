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

/// Whether agreeing with this public key gives a secret at all: false for the points of low order,
/// which send every X25519 scalar (a multiple of 8) to zero.
pub(super) fn is_contributory(public: &[u8; 32]) -> bool {
    let any = StaticSecret::from([1; 32]);
    any.diffie_hellman(&PublicKey::from(*public)).was_contributory()
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
