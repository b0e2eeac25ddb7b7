//! The node's two keys: made once, before the hub is called, and kept whatever the hub answers.

use std::fmt;
use std::path::Path;

use flashlight_proto::identity::IdentitySecret;
use flashlight_store::files::{read_limited, write_private};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::EnrollError;

/// Longest file of the node's folder, bytes.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024;

pub(super) struct Keys {
    pub(super) identity: IdentitySecret,
    pub(super) tls: KeyPair,
}

impl Keys {
    /// The keys in `dir`; those that are missing are made and durable when this returns.
    pub(super) fn open_or_make(dir: &Path) -> Result<Self, EnrollError> {
        let identity = dir.join("identity.key");
        if !identity.exists() {
            let mut seed = Zeroizing::new([0; 32]);
            SystemRandom::new().fill(&mut seed[..]).map_err(|_| EnrollError::Randomness)?;
            let digits = Zeroizing::new(hex::encode(&seed[..]));
            let text = Zeroizing::new(format!("{}\n", *digits));
            write_private(&identity, text.as_bytes()).map_err(EnrollError::Store)?;
        }
        let tls = dir.join("tls.key");
        if !tls.exists() {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(EnrollError::Keys)?;
            let text = Zeroizing::new(key.serialize_pem());
            write_private(&tls, text.as_bytes()).map_err(EnrollError::Store)?;
        }
        Self::open(dir)
    }

    /// The keys in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, EnrollError> {
        let path = dir.join("identity.key");
        let invalid = || EnrollError::KeyFile { path: path.clone() };
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(read(&path)?.trim_ascii_end(), &mut seed[..])
            .map_err(|_| invalid())?;
        let identity = IdentitySecret::from_seed(&seed).map_err(|_| invalid())?;

        let path = dir.join("tls.key");
        let invalid = || EnrollError::KeyFile { path: path.clone() };
        let text = read(&path)?;
        let text = std::str::from_utf8(&text).map_err(|_| invalid())?;
        let tls = KeyPair::from_pem(text).map_err(|_| invalid())?;
        Ok(Self { identity, tls })
    }

    /// A request for a certificate, PKCS#10 DER. The hub uses nothing of it but the public key.
    pub(super) fn certificate_request(&self) -> Result<Vec<u8>, EnrollError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "flashlight node");
        let csr = params.serialize_request(&self.tls).map_err(EnrollError::Keys)?;
        Ok(csr.der().to_vec())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, EnrollError> {
    Ok(Zeroizing::new(read_limited(path, FILE_BYTES_MAX).map_err(EnrollError::Store)?))
}
