//! An enrolled node's folder, opened.

use std::path::{Path, PathBuf};

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey, IdentitySecret};
use flashlight_proto::token::HubAddress;
use flashlight_proto::words::{FINGERPRINT_WORDS, fingerprint_words};
use flashlight_store::StoreError;
use flashlight_store::files::write_private;
use rcgen::PublicKeyData;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};

use super::keys::{Keys, read};
use super::{EnrollError, Granted};
use crate::journal::{Entry, Journal};
use crate::tls::{DialError, Dialer};

/// `node.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Assigned by the hub.
    district: DistrictId,
    /// Assigned by the hub.
    name: String,
    /// `host:port`; may be edited when the hub moves.
    hub_address: String,
    /// Signs rosters, studies and releases.
    hub_key: IdentityKey,
    /// SHA-256 of the hub's CA certificate, DER.
    ca: Digest,
}

/// What this node is in its network, with its keys.
#[derive(Debug)]
pub struct Membership {
    district: DistrictId,
    name: String,
    address: HubAddress,
    hub_key: IdentityKey,
    ca: Digest,
    certificate: CertificateDer<'static>,
    keys: Keys,
}

impl Membership {
    /// Opens the folder of an enrolled node.
    ///
    /// # Errors
    /// [`EnrollError::NotEnrolled`]; [`EnrollError::KeyFile`] when a file was changed or certificate
    /// and key do not belong together; [`EnrollError::Store`].
    pub fn open(dir: &Path) -> Result<Self, EnrollError> {
        if !exists(dir) {
            return Err(EnrollError::NotEnrolled { dir: dir.to_owned() });
        }
        let path = settings_path(dir);
        let invalid = || EnrollError::KeyFile { path: path.clone() };
        let settings: Settings = serde_json::from_slice(&read(&path)?).map_err(|_| invalid())?;
        let address = settings.hub_address.parse().map_err(|_| invalid())?;

        let keys = Keys::open(dir)?;
        let path = certificate_path(dir);
        let invalid = || EnrollError::KeyFile { path: path.clone() };
        let certificate =
            CertificateDer::from_pem_slice(&read(&path)?).map_err(|_| invalid())?.into_owned();
        let parsed = ParsedCertificate::try_from(&certificate).map_err(|_| invalid())?;
        if *parsed.subject_public_key_info() != *keys.tls.subject_public_key_info() {
            return Err(invalid());
        }
        let Settings { district, name, hub_key, ca, .. } = settings;
        Ok(Self { district, name, address, hub_key, ca, certificate, keys })
    }

    /// This district's id.
    #[must_use]
    pub const fn district(&self) -> &DistrictId {
        &self.district
    }

    /// This district's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Signs this district's messages.
    #[must_use]
    pub const fn identity(&self) -> &IdentitySecret {
        &self.keys.identity
    }

    /// Gives the identity key away; what else is here is dropped.
    #[must_use]
    pub fn into_identity(self) -> IdentitySecret {
        self.keys.identity
    }

    /// Signs this network's rosters, studies and releases.
    #[must_use]
    pub const fn hub_key(&self) -> IdentityKey {
        self.hub_key
    }

    /// Where the hub is.
    #[must_use]
    pub const fn address(&self) -> &HubAddress {
        &self.address
    }

    /// The hub's fingerprint, to compare by phone. Takes about a tenth of a second.
    #[must_use]
    pub fn words(&self) -> [&'static str; FINGERPRINT_WORDS] {
        fingerprint_words(&self.ca)
    }

    /// Dials the hub with this node's certificate.
    ///
    /// # Errors
    /// [`DialError::Identity`] when rustls refuses key or certificate.
    pub fn dialer(&self) -> Result<Dialer, DialError> {
        let key = PrivatePkcs8KeyDer::from(self.keys.tls.serialize_der()).into();
        Dialer::enrolled(self.address.clone(), self.ca, self.certificate.clone(), key)
    }

    /// Records in the journal which network this is, unless its last entry of that kind says the same.
    ///
    /// # Errors
    /// The journal's.
    pub fn record(&self, journal: &mut Journal, now_ms: u64) -> Result<(), StoreError> {
        let entry = Entry::Enrolled {
            district: self.district.clone(),
            hub_address: self.address.to_string(),
            hub_key: self.hub_key,
            ca: self.ca,
            certificate: Digest::of(&self.certificate),
        };
        let last = journal.latest("enrolled")?.map(|recorded| recorded.entry);
        if last.as_ref() != Some(&entry) {
            journal.append(&entry, now_ms)?;
        }
        Ok(())
    }
}

/// Whether `dir` holds an enrolled node: its `node.json` is written last.
pub(super) fn exists(dir: &Path) -> bool {
    settings_path(dir).exists()
}

/// Keeps what the hub granted; the keys are there already.
pub(super) fn write(dir: &Path, granted: &Granted) -> Result<(), EnrollError> {
    let settings = Settings {
        district: granted.district.clone(),
        name: granted.name.clone(),
        hub_address: granted.address.to_string(),
        hub_key: granted.hub_key,
        ca: granted.ca,
    };
    let path = settings_path(dir);
    let mut text = serde_json::to_vec_pretty(&settings)
        .map_err(|_| EnrollError::KeyFile { path: path.clone() })?;
    text.push(b'\n');
    let certificate = pem(&granted.certificate);
    write_private(&certificate_path(dir), certificate.as_bytes()).map_err(EnrollError::Store)?;
    write_private(&path, &text).map_err(EnrollError::Store)
}

fn settings_path(dir: &Path) -> PathBuf {
    dir.join("node.json")
}

fn certificate_path(dir: &Path) -> PathBuf {
    dir.join("node.pem")
}

/// A certificate as PEM (RFC 7468).
fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine;
    let body = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|letter| char::from(*letter)));
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}
