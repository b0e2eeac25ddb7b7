//! What the authority signs, and what it does not let a request talk it into.

use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::RootCertStore;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;

use super::*;

const NOW_MS: u64 = 1_780_000_000_000;

fn authority() -> (tempfile::TempDir, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let authority = Authority::init(&dir.path().join("hub"), &names, NOW_MS).unwrap();
    (dir, authority)
}

fn csr(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    change(&mut params);
    params.serialize_request(key).unwrap().der().to_vec()
}

fn district() -> DistrictId {
    "0961".parse().unwrap()
}

fn client_verifier(authority: &Authority) -> Arc<dyn ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Whether `certificate` contains these DER bytes.
fn holds(certificate: &CertificateDer<'_>, der: &[u8]) -> bool {
    certificate.windows(der.len()).any(|window| window == der)
}

/// Object identifiers, DER: extended key usage of servers, subject alternative name.
const SERVER_AUTH: &[u8] = &[0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 2];
const ALTERNATIVE_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
/// Basic constraints, critical: first the empty sequence of "not a CA", then CA:TRUE.
const NO_CA: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00];
const CA_TRUE: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];

#[test]
fn a_plain_request_gets_a_client_certificate_over_its_own_key() {
    let (_dir, authority) = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = authority.sign_csr(&csr(&key, |_| {}), &district(), NOW_MS).unwrap();
    assert_eq!(public_key(&certificate), Some(key.subject_public_key_info()));
    assert!(holds(&certificate, CLIENT_AUTH) && holds(&certificate, NO_CA));
    assert!(holds(&certificate, b"0961"));
    let verifier = client_verifier(&authority);
    assert!(verifier.verify_client_cert(&certificate, &[], at(NOW_MS / 1000)).is_ok());
}

#[test]
fn a_request_for_a_ca_certificate_gets_a_plain_client_certificate() {
    let (_dir, authority) = authority();
    let key = KeyPair::generate().unwrap();
    let request = csr(&key, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    });
    assert!(holds(&request.clone().into(), CA_TRUE), "the request does ask");
    let certificate = authority.sign_csr(&request, &district(), NOW_MS).unwrap();
    assert!(holds(&certificate, NO_CA) && !holds(&certificate, CA_TRUE));
}

#[test]
fn a_request_for_names_and_server_use_gets_neither() {
    let (_dir, authority) = authority();
    let key = KeyPair::generate().unwrap();
    let request = csr(&key, |params| {
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "Flashlight hub");
    });
    assert!(holds(&request.clone().into(), SERVER_AUTH), "the request does ask");
    let certificate = authority.sign_csr(&request, &district(), NOW_MS).unwrap();
    assert!(!holds(&certificate, SERVER_AUTH) && !holds(&certificate, ALTERNATIVE_NAME));
    assert!(!holds(&certificate, b"localhost") && !holds(&certificate, b"Flashlight coordinator"));
    assert!(holds(&certificate, CLIENT_AUTH));
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let (_dir, authority) = authority();
    let mut request = csr(&KeyPair::generate().unwrap(), |_| {});
    let last = request.len() - 1;
    request[last] ^= 1;
    let error = authority.sign_csr(&request, &district(), NOW_MS).unwrap_err();
    assert_eq!(error.code(), "csr_invalid");
}

#[test]
fn garbage_and_oversized_requests_are_refused() {
    let (_dir, authority) = authority();
    for request in [vec![], vec![0x30; 40], vec![0x30; CSR_BYTES_MAX + 1]] {
        let error = authority.sign_csr(&request, &district(), NOW_MS).unwrap_err();
        assert_eq!(error.code(), "csr_invalid");
    }
}

#[test]
fn a_key_of_another_algorithm_is_refused() {
    let (_dir, authority) = authority();
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let error = authority.sign_csr(&csr(&key, |_| {}), &district(), NOW_MS).unwrap_err();
    assert_eq!(error.code(), "csr_invalid");
}

#[test]
fn client_certificates_are_valid_from_an_hour_ago_for_two_years() {
    let (_dir, authority) = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = authority.sign_csr(&csr(&key, |_| {}), &district(), NOW_MS).unwrap();
    let verifier = client_verifier(&authority);
    let now = NOW_MS / 1000;
    let days = LEAF_DAYS * 86_400;
    for (seconds, valid) in
        [(now - 3_601, false), (now - 3_600, true), (now + days, true), (now + days + 1, false)]
    {
        let result = verifier.verify_client_cert(&certificate, &[], at(seconds));
        assert_eq!(result.is_ok(), valid, "{seconds}");
    }
}

#[test]
fn two_certificates_over_one_key_differ() {
    let (_dir, authority) = authority();
    let request = csr(&KeyPair::generate().unwrap(), |_| {});
    let one = authority.sign_csr(&request, &district(), NOW_MS).unwrap();
    let two = authority.sign_csr(&request, &district(), NOW_MS).unwrap();
    assert_ne!(one, two);
}

#[test]
fn a_hub_is_never_overwritten() {
    let (dir, authority) = authority();
    let path = dir.path().join("hub");
    let error = Authority::init(&path, &["localhost".to_owned()], NOW_MS).unwrap_err();
    assert_eq!(error.code(), "already_initialised");
    let again = Authority::open(&path).unwrap();
    assert_eq!(again.ca_digest(), authority.ca_digest());
    assert_eq!(again.hub_key(), authority.hub_key());
    assert_eq!(again.names(), ["localhost", "127.0.0.1"]);
}

#[test]
fn an_init_that_was_cut_short_can_be_run_again() {
    let (dir, _authority) = authority();
    let path = dir.path().join("hub");
    std::fs::remove_file(path.join("ca.pem")).unwrap();
    assert_eq!(Authority::open(&path).unwrap_err().code(), "not_initialised");
    assert!(Authority::init(&path, &["localhost".to_owned()], NOW_MS).is_ok());
}

#[test]
fn the_keys_can_be_read_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, _authority) = authority();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("hub");
    assert_eq!(mode(&path), 0o700);
    for name in ["hub.key", "ca.key"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_ca_certificate_of_other_keys_is_refused() {
    let (one, _authority) = authority();
    let (two, _authority) = authority();
    let path = one.path().join("hub");
    std::fs::copy(two.path().join("hub/ca.pem"), path.join("ca.pem")).unwrap();
    assert_eq!(Authority::open(&path).unwrap_err().code(), "key_file_invalid");
}

#[test]
fn a_damaged_key_file_is_refused_without_showing_it() {
    for name in ["hub.key", "ca.key", "ca.pem"] {
        let (dir, _authority) = authority();
        let path = dir.path().join("hub");
        std::fs::write(path.join(name), "secret").unwrap();
        let error = Authority::open(&path).unwrap_err();
        assert_eq!(error.code(), "key_file_invalid", "{name}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn names_that_no_node_could_dial_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let many = vec!["a.example".to_owned(); HUB_NAMES_MAX + 1];
    for names in [&[][..], &["a b".to_owned()], &["https://x".to_owned()], &many] {
        let error = Authority::init(dir.path(), names, NOW_MS).unwrap_err();
        assert_eq!(error.code(), "names_invalid", "{names:?}");
    }
    assert!(dir.path().read_dir().unwrap().next().is_none(), "nothing was written");
}

#[test]
fn a_clock_far_off_is_refused_without_a_panic() {
    let (_dir, authority) = authority();
    assert_eq!(authority.issue_server(u64::MAX).unwrap_err().code(), "clock_invalid");
    assert!(authority.issue_server(0).is_ok());
}
