//! The hub's keys: a certificate authority for TLS and an Ed25519 key for everything that is signed.
//!
//! In: a folder and the names nodes dial. Out: an [`Authority`] that issues certificates. The folder:
//!
//! ```text
//! hub.key      Ed25519 seed, 64 hex digits: signs rosters, studies, releases
//! ca.key       ECDSA P-256, PKCS#8 PEM: signs certificates
//! names        DNS names and IP addresses of the hub, one a line; may be edited, then restart
//! ca.pem       the CA's certificate; written last, so its presence means the folder is whole
//! ```
//!
//! Promise: keys are written with mode 0600 and never overwritten; a certificate request contributes
//! its public key and nothing else. The server's own certificate has a fresh key at every start and is
//! never stored. Not promised: protection from somebody who can read the folder: back it up encrypted,
//! for with it lost every district has to enrol again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey, IdentitySecret};
use flashlight_proto::words::{FINGERPRINT_WORDS, fingerprint_words};
use flashlight_store::StoreError;
use flashlight_store::files::{create_private_dir, read_limited, write_private};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName,
};
use zeroize::Zeroizing;

/// Longest certificate request, bytes.
pub const CSR_BYTES_MAX: usize = 4096;

/// Most names of one hub.
pub const HUB_NAMES_MAX: usize = 16;

/// The CA's certificate is valid this long, days.
pub const CA_DAYS: u64 = 3652;

/// Certificates of the server and of districts are valid this long, days.
pub const LEAF_DAYS: u64 = 730;

/// Certificates begin this long before they are issued, for clocks that are slow; seconds.
pub const BACKDATE_SECONDS: u64 = 3600;

const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Clocks beyond the year 9000 are refused; milliseconds since 1970.
const CLOCK_MS_MAX: u64 = 221_845_392_000_000;

/// Why the hub's keys could not be made, read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// Keys of a hub are there already.
    #[error("{} already holds a hub; nothing was changed", dir.display())]
    AlreadyInitialised {
        /// The folder.
        dir: PathBuf,
    },
    /// No hub there.
    #[error("{} holds no hub; run `flashlight-coordinator init` first", dir.display())]
    NotInitialised {
        /// The folder.
        dir: PathBuf,
    },
    /// None, too many, or one that is not a DNS name or IP address.
    #[error("a hub needs 1 to {HUB_NAMES_MAX} names, each a DNS name or an IP address")]
    Names,
    /// Not what was written there.
    #[error("{} is not a file that `init` wrote, or belongs to another hub", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The certificate request is not one, is too long, or was not signed by its own key.
    #[error("the certificate request is not valid")]
    Csr,
    /// The clock shows no year that a certificate can hold.
    #[error("the clock shows no year that a certificate can hold")]
    Clock,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Randomness,
    /// Reading or writing the folder.
    #[error("cannot read or write the hub's keys")]
    Store(#[source] StoreError),
    /// The certificate library refused.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
}

impl CaError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyInitialised { .. } => "already_initialised",
            Self::NotInitialised { .. } => "not_initialised",
            Self::Names => "names_invalid",
            Self::KeyFile { .. } => "key_file_invalid",
            Self::Csr => "csr_invalid",
            Self::Clock => "clock_invalid",
            Self::Randomness => "randomness",
            Self::Store(source) => source.code(),
            Self::Certificate(_) => "certificate",
        }
    }
}

/// A certificate chain and its key, for the server side of TLS.
pub struct ServerIdentity {
    /// Leaf first, then the CA: nodes that enrol know the CA only by its hash.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS#8.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerIdentity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// The hub's keys, loaded.
pub struct Authority {
    hub: IdentitySecret,
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
    names: Vec<String>,
}

impl Authority {
    /// Makes the keys of a new hub in `dir`, which may exist but may not hold a hub.
    ///
    /// `names`: DNS names and IP addresses under which nodes dial this hub. `now_ms`: since 1970.
    ///
    /// # Errors
    /// [`CaError::AlreadyInitialised`] and nothing is changed; [`CaError::Names`]; the system's.
    pub fn init(dir: &Path, names: &[String], now_ms: u64) -> Result<Self, CaError> {
        check_names(names)?;
        let paths = Paths::of(dir);
        if paths.ca.exists() {
            return Err(CaError::AlreadyInitialised { dir: dir.to_owned() });
        }
        create_private_dir(dir).map_err(CaError::Store)?;
        let mut seed = Zeroizing::new([0; 32]);
        random(&mut seed[..])?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Certificate)?;
        let mut params = params("Flashlight hub", Some(&key), now_ms, CA_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(CaError::Certificate)?;

        let seed_text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(&seed[..]))));
        let key_text = Zeroizing::new(key.serialize_pem());
        let names_text = names.join("\n") + "\n";
        for (path, text) in [
            (&paths.hub, seed_text.as_bytes()),
            (&paths.key, key_text.as_bytes()),
            (&paths.names, names_text.as_bytes()),
            (&paths.ca, certificate.pem().as_bytes()),
        ] {
            write_private(path, text).map_err(CaError::Store)?;
        }
        Self::open(dir)
    }

    /// Loads the keys of the hub in `dir`.
    ///
    /// # Errors
    /// [`CaError::NotInitialised`]; [`CaError::KeyFile`] when a file was changed or the CA's key and
    /// certificate do not belong together; [`CaError::Names`]; [`CaError::Store`].
    pub fn open(dir: &Path) -> Result<Self, CaError> {
        let paths = Paths::of(dir);
        if !paths.ca.exists() {
            return Err(CaError::NotInitialised { dir: dir.to_owned() });
        }
        let invalid = |path: &Path| CaError::KeyFile { path: path.to_owned() };
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(read(&paths.hub)?.trim_ascii_end(), &mut seed[..])
            .map_err(|_| invalid(&paths.hub))?;
        let hub = IdentitySecret::from_seed(&seed).map_err(|_| invalid(&paths.hub))?;

        let key_text = read(&paths.key)?;
        let key = std::str::from_utf8(&key_text).map_err(|_| invalid(&paths.key))?;
        let key = KeyPair::from_pem(key).map_err(|_| invalid(&paths.key))?;
        let ca = CertificateDer::from_pem_slice(&read(&paths.ca)?)
            .map_err(|_| invalid(&paths.ca))?
            .into_owned();
        if public_key(&ca).as_ref() != Some(&key.subject_public_key_info()) {
            return Err(invalid(&paths.ca));
        }
        let issuer = Issuer::from_ca_cert_der(&ca, key).map_err(|_| invalid(&paths.ca))?;

        let names = read(&paths.names)?;
        let names = std::str::from_utf8(&names).map_err(|_| invalid(&paths.names))?;
        let names: Vec<String> = names
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        check_names(&names)?;
        Ok(Self { hub, issuer, ca, names })
    }

    /// The key that signs rosters, studies and releases.
    #[must_use]
    pub const fn hub(&self) -> &IdentitySecret {
        &self.hub
    }

    /// The public half of [`Self::hub`].
    #[must_use]
    pub fn hub_key(&self) -> IdentityKey {
        self.hub.public()
    }

    /// The CA's certificate.
    #[must_use]
    pub const fn ca(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    /// SHA-256 of the CA's certificate, DER: what tokens carry.
    #[must_use]
    pub fn ca_digest(&self) -> Digest {
        Digest::of(&self.ca)
    }

    /// The hub's fingerprint, to compare by phone. Takes about a tenth of a second.
    #[must_use]
    pub fn words(&self) -> [&'static str; FINGERPRINT_WORDS] {
        fingerprint_words(&self.ca_digest())
    }

    /// DNS names and IP addresses in the server's certificate.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A fresh key and certificate for the server, valid [`LEAF_DAYS`].
    ///
    /// # Errors
    /// [`CaError::Clock`], [`CaError::Randomness`], [`CaError::Certificate`].
    pub fn issue_server(&self, now_ms: u64) -> Result<ServerIdentity, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CaError::Certificate)?;
        let mut params = params("Flashlight coordinator", None, now_ms, LEAF_DAYS)?;
        params.subject_alt_names = CertificateParams::new(self.names.clone())
            .map_err(CaError::Certificate)?
            .subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.issuer).map_err(CaError::Certificate)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(ServerIdentity { chain: vec![leaf.into(), self.ca.clone()], key })
    }

    /// A client certificate for `district` over the public key of a certificate request.
    ///
    /// Of the request (PKCS#10, DER) only the public key is used: no name, no extension, no CA bit.
    ///
    /// # Errors
    /// [`CaError::Csr`] when the request is not one, was not signed by its own key, or its key is
    /// neither ECDSA P-256 nor Ed25519; [`CaError::Clock`], [`CaError::Randomness`].
    pub fn sign_csr(
        &self,
        csr_der: &[u8],
        district: &DistrictId,
        now_ms: u64,
    ) -> Result<CertificateDer<'static>, CaError> {
        let key = request_key(csr_der)?;
        let mut params = params(district.as_str(), None, now_ms, LEAF_DAYS)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(CaError::Certificate)?;
        Ok(certificate.into())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The public key of a certificate request, after its own signature was checked.
///
/// # Errors
/// [`CaError::Csr`].
pub(crate) fn request_key(csr_der: &[u8]) -> Result<rcgen::PublicKey, CaError> {
    if csr_der.len() > CSR_BYTES_MAX {
        return Err(CaError::Csr);
    }
    let csr = CertificateSigningRequestDer::from(csr_der);
    let key = CertificateSigningRequestParams::from_der(&csr).map_err(|_| CaError::Csr)?.public_key;
    let p256 = key.algorithm() == &PKCS_ECDSA_P256_SHA256 && key.der_bytes().len() == 65;
    let ed25519 = key.algorithm() == &PKCS_ED25519 && key.der_bytes().len() == 32;
    if p256 || ed25519 { Ok(key) } else { Err(CaError::Csr) }
}

/// The SubjectPublicKeyInfo of a certificate, DER.
pub(crate) fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = rustls::server::ParsedCertificate::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().to_vec())
}

struct Paths {
    hub: PathBuf,
    key: PathBuf,
    names: PathBuf,
    ca: PathBuf,
}

impl Paths {
    fn of(dir: &Path) -> Self {
        Self {
            hub: dir.join("hub.key"),
            key: dir.join("ca.key"),
            names: dir.join("names"),
            ca: dir.join("ca.pem"),
        }
    }
}

/// What all our certificates share. A CA's name ends in part of its key's hash: two hubs never have
/// one name, so that "unknown issuer" and "bad signature" are not confused.
fn params(
    name: &str,
    ca_key: Option<&KeyPair>,
    now_ms: u64,
    days: u64,
) -> Result<CertificateParams, CaError> {
    if now_ms > CLOCK_MS_MAX {
        return Err(CaError::Clock);
    }
    let mut serial = [0; 16];
    random(&mut serial)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    let suffix = ca_key.map_or_else(String::new, |key| {
        format!(" {:.16}", Digest::of(&key.subject_public_key_info()).to_string())
    });
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{name}{suffix}"));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = ca_key.is_none();
    let now_s = now_ms / 1000;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now_s.saturating_sub(BACKDATE_SECONDS));
    params.not_after = epoch + Duration::from_secs(now_s + days * 86_400);
    Ok(params)
}

fn check_names(names: &[String]) -> Result<(), CaError> {
    let valid = |name: &String| ServerName::try_from(name.as_str()).is_ok();
    let enough = (1..=HUB_NAMES_MAX).contains(&names.len());
    if enough && names.iter().all(valid) { Ok(()) } else { Err(CaError::Names) }
}

fn random(bytes: &mut [u8]) -> Result<(), CaError> {
    SystemRandom::new().fill(bytes).map_err(|_| CaError::Randomness)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CaError> {
    Ok(Zeroizing::new(read_limited(path, FILE_BYTES_MAX).map_err(CaError::Store)?))
}

#[cfg(test)]
mod tests;
