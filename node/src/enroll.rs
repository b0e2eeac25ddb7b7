//! Joining a network: from an invitation token to a folder with keys and a certificate.
//!
//! In: the token's text, an empty folder, the time. Out: the folder below and the fingerprint words to
//! compare by phone.
//!
//! ```text
//! identity.key   Ed25519 seed, 64 hex digits: signs this district's messages
//! tls.key        ECDSA P-256, PKCS#8 PEM: the key of the certificate
//! node.pem       the certificate the hub issued
//! node.json      who we are, where the hub is, its key and its CA's hash; written last
//! ```
//!
//! Promise: both keys are born here and never leave; the token's secret is sent only over TLS to the
//! CA whose hash the token carries; a reply that does not fit our keys and that CA changes nothing.
//! After any failure, also a lost reply, the same command can be run again with the same token: the
//! keys are kept and the hub gives the same certificate. Not promised: that the token came from the
//! hub; that is what the words are for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::name_is_allowed;
use flashlight_proto::token::{HubAddress, Token, TokenError, possession};
use flashlight_proto::wire::pb::enrolment_client::EnrolmentClient;
use flashlight_proto::wire::{CODE_KEY, pb};
use flashlight_proto::words::{FINGERPRINT_WORDS, fingerprint_words};
use flashlight_store::StoreError;
use flashlight_store::files::create_private_dir;
use rcgen::PublicKeyData;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};

use crate::tls::{DialError, Dialer};

mod keys;
mod membership;

use keys::Keys;
pub use membership::Membership;

/// Longest wait for the hub's reply.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest certificate in a reply, bytes.
const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Longest sentence of the hub that is shown, characters.
const MESSAGE_CHARS_MAX: usize = 512;

/// What a node that enrolled tells its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Assigned by the hub.
    pub district: DistrictId,
    /// Assigned by the hub.
    pub name: String,
    /// The hub's fingerprint, to compare by phone.
    pub words: [&'static str; FINGERPRINT_WORDS],
}

/// Why a node did not enrol, or its folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollError {
    /// Not a token.
    #[error("the token cannot be read")]
    Token(#[source] TokenError),
    /// By this machine's clock.
    #[error("the token has expired")]
    Expired,
    /// The folder holds an enrolled node.
    #[error("{} holds a node that is enrolled already; nothing was changed", dir.display())]
    AlreadyEnrolled {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds none.
    #[error("{} holds no enrolled node", dir.display())]
    NotEnrolled {
        /// The folder.
        dir: PathBuf,
    },
    /// A file of the folder is not what was written there.
    #[error("{} is not a file that `enroll` wrote, or belongs to another node", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error("cannot read or write the node's folder")]
    Store(#[source] StoreError),
    /// Making keys or the request.
    #[error("cannot make this node's keys")]
    Keys(#[source] rcgen::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Randomness,
    /// No connection.
    #[error("cannot enrol")]
    Dial(#[source] DialError),
    /// The hub refused, with a code we know.
    #[error("the hub refused: {message}")]
    Refused {
        /// One of the codes in `wire.proto`, or `hub_refused`.
        code: &'static str,
        /// The hub's sentence, cut to what can be shown.
        message: String,
    },
    /// The call failed on the way.
    #[error("the call to the hub failed")]
    Call(#[source] Box<tonic::Status>),
    /// The hub's reply does not fit what was asked.
    #[error("the hub's reply is not valid: {fault}")]
    Reply {
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl EnrollError {
    /// The stable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(source) => source.code(),
            Self::Expired => "token_expired",
            Self::AlreadyEnrolled { .. } => "already_enrolled",
            Self::NotEnrolled { .. } => "not_enrolled",
            Self::KeyFile { .. } => "key_file_invalid",
            Self::Store(source) => source.code(),
            Self::Keys(_) => "keys",
            Self::Randomness => "randomness",
            Self::Dial(source) => source.code(),
            Self::Refused { code, .. } => code,
            Self::Call(status) => DialError::find(&**status).map_or("hub_call", DialError::code),
            Self::Reply { .. } => "reply_invalid",
        }
    }

    /// What a person at the node can do about it: one line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Dial(source) => source.hint(),
            Self::Call(status) => DialError::find(&**status)
                .map_or("run the same command again; the token is still good", DialError::hint),
            Self::AlreadyEnrolled { .. } => {
                "use another folder; or, when the hub has revoked this node and invited it again, move \
                 node.json and tls.key away and keep identity.key"
            }
            Self::NotEnrolled { .. } => "run `flashlight-node enroll` with the token from the hub",
            Self::KeyFile { .. } => "restore the node's folder from its backup",
            Self::Store(_) => "check the disk and the permissions of the folder, then try again",
            Self::Reply { .. } => "the hub runs other software or a newer version; ask it",
            Self::Keys(_) | Self::Randomness => "try again; if it stays, this machine is not fit",
            Self::Token(_) | Self::Expired | Self::Refused { .. } => match self.code() {
                "token_malformed" => "copy the whole token, from `flashlight-1.` to its end",
                "token_expired" => "ask the hub for a new token, and check this machine's clock",
                "token_used" => "if this district did not use it, tell the hub at once",
                "token_unknown" => "ask the hub for a new token; a newer one ends the older",
                "identity_changed" => {
                    "enrol from the folder that holds this district's first identity.key, or ask the \
                     hub for a new district id"
                }
                "identity_taken" => "each node needs its own folder; do not copy identity.key",
                "district_taken" => "ask the hub to revoke the district before it enrols again",
                _ => "ask the hub",
            },
        }
    }
}

/// Enrols this node with the hub that `token_text` names, and keeps the result in `dir`.
///
/// `now_ms`: since 1970. `dir` is made when it is missing and may hold the keys of an earlier try.
///
/// # Errors
/// [`EnrollError`], with a code and a hint; the same call may be made again.
pub async fn enroll(token_text: &str, dir: &Path, now_ms: u64) -> Result<Enrolled, EnrollError> {
    let token: Token = token_text.parse().map_err(EnrollError::Token)?;
    if membership::exists(dir) {
        return Err(EnrollError::AlreadyEnrolled { dir: dir.to_owned() });
    }
    if now_ms >= token.expires_ms {
        return Err(EnrollError::Expired);
    }
    create_private_dir(dir).map_err(EnrollError::Store)?;
    let keys = Keys::open_or_make(dir)?;
    let reply = call(&token, request(&token, &keys)?).await?;
    let granted = check_reply(reply, &token, &keys, now_ms)?;
    membership::write(dir, &granted)?;
    let words = fingerprint_words(&token.ca);
    Ok(Enrolled { district: granted.district, name: granted.name, words })
}

/// What the hub granted, checked.
struct Granted {
    district: DistrictId,
    name: String,
    address: HubAddress,
    ca: Digest,
    hub_key: IdentityKey,
    certificate: CertificateDer<'static>,
}

fn request(token: &Token, keys: &Keys) -> Result<pb::EnrollRequest, EnrollError> {
    let csr_der = keys.certificate_request()?;
    let identity_key = keys.identity.public();
    let digest = possession(&token.secret.hash(), &csr_der, &identity_key);
    Ok(pb::EnrollRequest {
        token_secret: token.secret.to_hex().to_string(),
        csr_der,
        identity_key: identity_key.as_bytes().to_vec(),
        possession: keys.identity.sign(&digest).as_bytes().to_vec(),
    })
}

async fn call(token: &Token, request: pb::EnrollRequest) -> Result<pb::EnrollReply, EnrollError> {
    let dialer = Dialer::anonymous(token.address.clone(), token.ca).map_err(EnrollError::Dial)?;
    let channel = dialer.connect().await.map_err(EnrollError::Dial)?;
    let mut request = tonic::Request::new(request);
    request.set_timeout(CALL_TIMEOUT);
    let mut client =
        EnrolmentClient::new(channel).max_decoding_message_size(4 * CERTIFICATE_BYTES_MAX);
    let reply = client.enroll(request).await.map_err(refusal)?;
    Ok(reply.into_inner())
}

/// The hub's refusal when it carries a code, or the failed call.
fn refusal(status: tonic::Status) -> EnrollError {
    let Some(code) = status.metadata().get(CODE_KEY).and_then(|code| code.to_str().ok()) else {
        return EnrollError::Call(Box::new(status));
    };
    let code = REFUSALS.into_iter().find(|known| *known == code).unwrap_or("hub_refused");
    let shown = |letter: &char| !letter.is_control();
    let message = status.message().chars().filter(shown).take(MESSAGE_CHARS_MAX).collect();
    EnrollError::Refused { code, message }
}

/// The codes with which a hub refuses an enrolment.
const REFUSALS: [&str; 9] = [
    "token_unknown",
    "token_used",
    "token_expired",
    "csr_invalid",
    "identity_possession",
    "identity_taken",
    "identity_changed",
    "district_taken",
    "roster_full",
];

/// Checks that the reply is about our keys and the CA of our token.
fn check_reply(
    reply: pb::EnrollReply,
    token: &Token,
    keys: &Keys,
    now_ms: u64,
) -> Result<Granted, EnrollError> {
    let invalid = |fault| EnrollError::Reply { fault };
    let district =
        reply.district_id.parse().map_err(|_| invalid("the district id is not allowed"))?;
    if !name_is_allowed(&reply.district_name) {
        return Err(invalid("the district name is not allowed"));
    }
    let hub_key = IdentityKey::try_from(&reply.hub_key[..])
        .map_err(|_| invalid("the hub key is not 32 bytes"))?;
    if reply.certificate_der.len().max(reply.ca_der.len()) > CERTIFICATE_BYTES_MAX {
        return Err(invalid("a certificate is too long"));
    }
    if Digest::of(&reply.ca_der) != token.ca {
        return Err(invalid("the CA is not the one of the token"));
    }
    let certificate = CertificateDer::from(reply.certificate_der);
    let parsed = ParsedCertificate::try_from(&certificate)
        .map_err(|_| invalid("the certificate cannot be read"))?;
    if *parsed.subject_public_key_info() != *keys.tls.subject_public_key_info() {
        return Err(invalid("the certificate is not over this node's key"));
    }
    verify_client(&certificate, reply.ca_der.into(), now_ms)
        .ok_or_else(|| invalid("the certificate is not a client certificate of the hub's CA"))?;
    let (name, address) = (reply.district_name, token.address.clone());
    Ok(Granted { district, name, address, ca: token.ca, hub_key, certificate })
}

/// Whether the CA issued this certificate, for clients, and it is in its time: as the hub will check.
fn verify_client(
    certificate: &CertificateDer<'_>,
    ca: CertificateDer<'static>,
    now_ms: u64,
) -> Option<()> {
    let mut roots = RootCertStore::empty();
    roots.add(ca).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().ok()?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
    verifier.verify_client_cert(certificate, &[], now).ok().map(|_| ())
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("district", &self.district).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
