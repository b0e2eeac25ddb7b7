//! What a node asks for when it enrols, and what it gets.

use std::fmt;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey, Signature};
use flashlight_proto::token::possession;
use rcgen::PublicKeyData;

use super::EnrolError;
use crate::ca::request_key;

/// A node's request for a certificate, as it came from the wire: nothing in it is checked yet.
pub struct EnrolRequest<'a> {
    /// 64 hex digits.
    pub token_secret: &'a str,
    /// PKCS#10, DER.
    pub csr_der: &'a [u8],
    /// Ed25519 public key, 32 bytes.
    pub identity_key: &'a [u8],
    /// Ed25519 signature over [`possession`], 64 bytes.
    pub possession: &'a [u8],
}

impl fmt::Debug for EnrolRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest").field("csr", &self.csr_der.len()).finish_non_exhaustive()
    }
}

/// What an enrolled node gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolReply {
    /// Assigned by the invitation.
    pub district: DistrictId,
    /// Assigned by the invitation.
    pub name: String,
    /// The node's TLS certificate, DER.
    pub certificate_der: Vec<u8>,
    /// The CA's certificate, DER.
    pub ca_der: Vec<u8>,
    /// Signs rosters, studies and releases.
    pub hub_key: IdentityKey,
}

/// The two public keys of a request, each shown to be held by whoever asks: identity, then TLS (DER).
pub(super) fn checked_keys(
    request: &EnrolRequest<'_>,
    token: &Digest,
) -> Result<(IdentityKey, Vec<u8>), EnrolError> {
    let tls_key = request_key(request.csr_der).map_err(|_| EnrolError::Csr)?;
    let key = IdentityKey::try_from(request.identity_key).map_err(|_| EnrolError::Possession)?;
    let signature = Signature::try_from(request.possession).map_err(|_| EnrolError::Possession)?;
    key.verify(&possession(token, request.csr_der, &key), &signature)
        .map_err(|_| EnrolError::Possession)?;
    Ok((key, tls_key.subject_public_key_info()))
}
