//! Replies a hub may give, good and bad, and the folder they leave behind.

use flashlight_proto::identity::Signature;
use flashlight_proto::token::TokenSecret;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use zeroize::Zeroizing;

use super::*;
use crate::journal::Journal;

const NOW_MS: u64 = 1_780_000_000_000;

/// A hub's CA, and what it would answer.
struct Hub {
    issuer: Issuer<'static, KeyPair>,
    ca_der: Vec<u8>,
}

impl Hub {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "hub");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), ca_der }
    }

    fn token(&self) -> Token {
        Token {
            address: "localhost:7443".parse().unwrap(),
            ca: Digest::of(&self.ca_der),
            secret: TokenSecret::new(Zeroizing::new([5; 32])),
            expires_ms: NOW_MS + 1000,
        }
    }

    fn certificate(
        &self,
        request: &pb::EnrollRequest,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let csr = request.csr_der.as_slice().into();
        let key = CertificateSigningRequestParams::from_der(&csr).unwrap().public_key;
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    fn reply(&self, request: &pb::EnrollRequest) -> pb::EnrollReply {
        pb::EnrollReply {
            district_id: "0961".to_owned(),
            district_name: "Some Unified".to_owned(),
            certificate_der: self.certificate(request, |_| {}),
            ca_der: self.ca_der.clone(),
            hub_key: vec![3; 32],
        }
    }
}

/// A folder with keys and the request made from them.
struct Joining {
    dir: tempfile::TempDir,
    hub: Hub,
    keys: Keys,
    request: pb::EnrollRequest,
}

impl Joining {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::new();
        let keys = Keys::open_or_make(dir.path()).unwrap();
        let request = request(&hub.token(), &keys).unwrap();
        Self { dir, hub, keys, request }
    }

    fn check(&self, reply: pb::EnrollReply) -> Result<Granted, EnrollError> {
        check_reply(reply, &self.hub.token(), &self.keys, NOW_MS)
    }

    /// The fault found in the hub's reply after one change.
    fn fault(&self, change: impl FnOnce(&mut pb::EnrollReply)) -> &'static str {
        let mut reply = self.hub.reply(&self.request);
        change(&mut reply);
        match self.check(reply) {
            Err(EnrollError::Reply { fault }) => fault,
            other => panic!("{other:?}"),
        }
    }

    fn enrolled(self) -> Self {
        let granted = self.check(self.hub.reply(&self.request)).unwrap();
        membership::write(self.dir.path(), &granted).unwrap();
        self
    }
}

#[test]
fn a_request_shows_that_the_node_holds_its_identity_key() {
    let Joining { hub, request, keys, .. } = Joining::new();
    let key = IdentityKey::try_from(&request.identity_key[..]).unwrap();
    let signature = Signature::try_from(&request.possession[..]).unwrap();
    let digest = possession(&hub.token().secret.hash(), &request.csr_der, &key);
    assert_eq!(key, keys.identity.public());
    assert_eq!(key.verify(&digest, &signature), Ok(()));
}

#[test]
fn what_the_hub_grants_is_read_back_from_the_folder() {
    let joining = Joining::new().enrolled();
    let membership = Membership::open(joining.dir.path()).unwrap();
    assert_eq!(membership.district().as_str(), "0961");
    assert_eq!(membership.name(), "Some Unified");
    assert_eq!(membership.hub_key(), IdentityKey::from([3; 32]));
    assert_eq!(membership.address().to_string(), "localhost:7443");
    assert_eq!(membership.identity().public(), joining.keys.identity.public());
    assert_eq!(membership.words(), fingerprint_words(&joining.hub.token().ca));
    assert!(membership.dialer().is_ok());
}

#[test]
fn a_certificate_over_another_key_is_refused() {
    let other = Joining::new();
    let joining = Joining::new();
    let fault = joining.fault(|reply| {
        reply.certificate_der = joining.hub.certificate(&other.request, |_| {});
    });
    assert_eq!(fault, "the certificate is not over this node's key");
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let joining = Joining::new();
    let fault = joining.fault(|reply| {
        reply.certificate_der = Hub::new().certificate(&joining.request, |_| {});
    });
    assert_eq!(fault, "the certificate is not a client certificate of the hub's CA");
}

#[test]
fn another_ca_than_the_tokens_is_refused() {
    let joining = Joining::new();
    let fault = joining.fault(|reply| reply.ca_der = Hub::new().ca_der);
    assert_eq!(fault, "the CA is not the one of the token");
}

#[test]
fn a_certificate_that_is_not_for_clients_is_refused() {
    let joining = Joining::new();
    let fault = joining.fault(|reply| {
        reply.certificate_der = joining.hub.certificate(&joining.request, |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        });
    });
    assert_eq!(fault, "the certificate is not a client certificate of the hub's CA");
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    let joining = Joining::new();
    let fault = joining.fault(|reply| {
        reply.certificate_der = joining.hub.certificate(&joining.request, |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        });
    });
    assert_eq!(fault, "the certificate is not a client certificate of the hub's CA");
}

#[test]
fn ids_names_keys_and_certificates_that_are_not_well_formed_are_refused() {
    let joining = Joining::new();
    let id = joining.fault(|reply| reply.district_id = "../0961".to_owned());
    assert_eq!(id, "the district id is not allowed");
    let name = joining.fault(|reply| reply.district_name = "\u{1b}[2J".to_owned());
    assert_eq!(name, "the district name is not allowed");
    let key = joining.fault(|reply| reply.hub_key.push(0));
    assert_eq!(key, "the hub key is not 32 bytes");
    let garbage = joining.fault(|reply| reply.certificate_der = vec![0x30; 9]);
    assert_eq!(garbage, "the certificate cannot be read");
    let long = joining.fault(|reply| reply.certificate_der = vec![0; CERTIFICATE_BYTES_MAX + 1]);
    assert_eq!(long, "a certificate is too long");
}

#[test]
fn a_second_try_uses_the_keys_of_the_first() {
    let joining = Joining::new();
    let again = Keys::open_or_make(joining.dir.path()).unwrap();
    assert_eq!(again.identity.public(), joining.keys.identity.public());
    assert_eq!(again.tls.subject_public_key_info(), joining.keys.tls.subject_public_key_info());
}

#[test]
fn the_keys_can_be_read_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let joining = Joining::new().enrolled();
    for name in ["identity.key", "tls.key", "node.pem", "node.json"] {
        let metadata = std::fs::metadata(joining.dir.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_folder_without_its_last_file_is_not_enrolled() {
    let joining = Joining::new();
    let error = Membership::open(joining.dir.path()).unwrap_err();
    assert_eq!(error.code(), "not_enrolled");
}

#[test]
fn a_damaged_folder_is_refused_without_showing_what_is_in_it() {
    for name in ["identity.key", "tls.key", "node.pem", "node.json"] {
        let joining = Joining::new().enrolled();
        std::fs::write(joining.dir.path().join(name), "secret").unwrap();
        let error = Membership::open(joining.dir.path()).unwrap_err();
        assert_eq!(error.code(), "key_file_invalid", "{name}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{name}");
    }
}

#[test]
fn keys_copied_from_another_node_are_refused() {
    let (one, two) = (Joining::new().enrolled(), Joining::new().enrolled());
    std::fs::copy(two.dir.path().join("tls.key"), one.dir.path().join("tls.key")).unwrap();
    assert_eq!(Membership::open(one.dir.path()).unwrap_err().code(), "key_file_invalid");
}

#[test]
fn the_network_is_recorded_in_the_journal_once() {
    let joining = Joining::new().enrolled();
    let membership = Membership::open(joining.dir.path()).unwrap();
    let mut journal = Journal::in_memory();
    membership.record(&mut journal, NOW_MS).unwrap();
    membership.record(&mut journal, NOW_MS).unwrap();
    assert_eq!(journal.head().seq, 1);
}

#[test]
fn the_debug_text_of_a_membership_shows_no_key() {
    let joining = Joining::new().enrolled();
    let seed = std::fs::read_to_string(joining.dir.path().join("identity.key")).unwrap();
    let text = format!("{:?}", Membership::open(joining.dir.path()).unwrap());
    assert!(!text.contains(seed.trim()), "{text}");
}

#[tokio::test]
async fn a_node_that_is_enrolled_does_not_enrol_again() {
    let joining = Joining::new().enrolled();
    let text = joining.hub.token().to_text();
    let error = enroll(&text, joining.dir.path(), NOW_MS).await.unwrap_err();
    assert_eq!(error.code(), "already_enrolled");
}

#[tokio::test]
async fn an_expired_token_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node");
    let text = Hub::new().token().to_text();
    let error = enroll(&text, &path, NOW_MS + 1000).await.unwrap_err();
    assert_eq!(error.code(), "token_expired");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_token_that_was_cut_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = Hub::new().token().to_text();
    let error = enroll(&text[..text.len() - 9], dir.path(), NOW_MS).await.unwrap_err();
    assert_eq!(error.code(), "token_malformed");
}

#[tokio::test]
async fn keys_survive_a_hub_that_cannot_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut token = Hub::new().token();
    token.address = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let error = enroll(&token.to_text(), dir.path(), NOW_MS).await.unwrap_err();
    assert_eq!(error.code(), "hub_unreachable");
    assert!(Keys::open(dir.path()).is_ok());
}

#[test]
fn a_refusal_carries_the_hubs_code_and_no_control_characters() {
    let mut status = tonic::Status::permission_denied("used\u{1b}[2J by others\n");
    status.metadata_mut().insert(CODE_KEY, "token_used".parse().unwrap());
    let error = refusal(status);
    assert_eq!(error.code(), "token_used");
    assert_eq!(error.to_string(), "the hub refused: used[2J by others");
}

#[test]
fn a_refusal_with_an_unknown_code_has_a_code_of_ours() {
    let mut status = tonic::Status::permission_denied("no");
    status.metadata_mut().insert(CODE_KEY, "made_up".parse().unwrap());
    assert_eq!(refusal(status).code(), "hub_refused");
    assert_eq!(refusal(tonic::Status::unavailable("gone")).code(), "hub_call");
}
