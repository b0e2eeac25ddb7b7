//! A node and the hubs it may meet: its own, an impostor, a broken one, none.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A CA as the hub has one.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let der = params.self_signed(&key).unwrap().into();
        Self { issuer: Issuer::new(params, key), der }
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.der)
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().into();
        Leaf { certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }

    fn client(&self) -> Leaf {
        self.leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }
}

struct Leaf {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn server_config(ca: &Ca, chain: Vec<CertificateDer<'static>>, leaf: Leaf) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, leaf.key)
        .unwrap()
}

/// Serves connections that echo one byte; returns the address.
async fn serve(config: ServerConfig) -> HubAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let known = stream.get_ref().1.peer_certificates().is_some();
                let _ = stream.write_all(&[u8::from(known)]).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    format!("localhost:{port}").parse().unwrap()
}

async fn hub(ca: &Ca) -> HubAddress {
    let leaf = ca.leaf(|_| {});
    serve(server_config(ca, vec![leaf.certificate.clone(), ca.der.clone()], leaf)).await
}

async fn dialled(address: HubAddress, ca: Digest) -> &'static str {
    let dialer = Dialer::anonymous(address, ca).unwrap();
    dialer.dial().await.map_or_else(|error| error.code(), |_| "connected")
}

#[tokio::test]
async fn a_node_with_a_certificate_is_known_to_its_hub() {
    let ca = Ca::new("hub");
    let client = ca.client();
    let dialer = Dialer::enrolled(hub(&ca).await, ca.digest(), client.certificate, client.key);
    let mut stream = dialer.unwrap().dial().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 1);
}

#[tokio::test]
async fn a_node_without_a_certificate_connects_as_nobody() {
    let ca = Ca::new("hub");
    let dialer = Dialer::anonymous(hub(&ca).await, ca.digest()).unwrap();
    let mut stream = dialer.dial().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0);
}

#[tokio::test]
async fn a_hub_with_a_foreign_ca_is_untrusted() {
    let address = hub(&Ca::new("other")).await;
    assert_eq!(dialled(address, Ca::new("hub").digest()).await, "hub_certificate_untrusted");
}

#[tokio::test]
async fn a_foreign_ca_under_the_same_name_is_untrusted() {
    let address = hub(&Ca::new("hub")).await;
    assert_eq!(dialled(address, Ca::new("hub").digest()).await, "hub_certificate_untrusted");
}

#[tokio::test]
async fn a_foreign_leaf_beside_the_right_ca_is_untrusted() {
    let (ours, theirs) = (Ca::new("hub"), Ca::new("hub"));
    let leaf = theirs.leaf(|_| {});
    let chain = vec![leaf.certificate.clone(), ours.der.clone()];
    let address = serve(server_config(&ours, chain, leaf)).await;
    assert_eq!(dialled(address, ours.digest()).await, "hub_certificate_untrusted");
}

#[tokio::test]
async fn a_hub_that_does_not_show_its_ca_is_untrusted() {
    let ca = Ca::new("hub");
    let leaf = ca.leaf(|_| {});
    let address = serve(server_config(&ca, vec![leaf.certificate.clone()], leaf)).await;
    assert_eq!(dialled(address, ca.digest()).await, "hub_certificate_untrusted");
}

#[tokio::test]
async fn another_district_cannot_pose_as_the_hub() {
    let ca = Ca::new("hub");
    let district = ca.client();
    let chain = vec![district.certificate.clone(), ca.der.clone()];
    let address = serve(server_config(&ca, chain, district)).await;
    assert_eq!(dialled(address, ca.digest()).await, "hub_certificate_untrusted");
}

#[tokio::test]
async fn a_hub_under_another_name_is_told_apart_from_an_untrusted_one() {
    let ca = Ca::new("hub");
    let named = |params: &mut CertificateParams| {
        params.subject_alt_names =
            CertificateParams::new(["hub.example".to_owned()]).unwrap().subject_alt_names;
    };
    let leaf = ca.leaf(named);
    let chain = vec![leaf.certificate.clone(), ca.der.clone()];
    let address = serve(server_config(&ca, chain, leaf)).await;
    assert_eq!(dialled(address, ca.digest()).await, "hub_name_mismatch");
}

#[tokio::test]
async fn an_expired_hub_certificate_is_told_apart_from_an_untrusted_one() {
    let ca = Ca::new("hub");
    let leaf = ca.leaf(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let chain = vec![leaf.certificate.clone(), ca.der.clone()];
    let address = serve(server_config(&ca, chain, leaf)).await;
    assert_eq!(dialled(address, ca.digest()).await, "hub_certificate_time");
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    assert_eq!(dialled(address, Digest::of(b"ca")).await, "hub_unreachable");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_u8().await;
    });
    let address = format!("localhost:{port}").parse().unwrap();
    assert_eq!(dialled(address, Digest::of(b"ca")).await, "hub_handshake");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_says_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    // The system completes the connection; nobody accepts it.
    assert_eq!(dialled(address.parse().unwrap(), Digest::of(b"ca")).await, "hub_timeout");
}

#[tokio::test]
async fn the_foreign_ca_is_found_under_the_error_of_a_channel() {
    let address = hub(&Ca::new("other")).await;
    let dialer = Dialer::anonymous(address, Ca::new("hub").digest()).unwrap();
    let error = dialer.connect().await.unwrap_err();
    assert_eq!(error.code(), "hub_certificate_untrusted");
    assert!(error.hint().starts_with("compare the fingerprint words"));
    assert!(matches!(DialError::find(&error), Some(DialError::Transport(_))));
    let source = error.source().unwrap();
    assert!(matches!(DialError::find(source), Some(DialError::Untrusted)));
}

#[test]
fn the_error_of_a_foreign_ca_holds_no_detail() {
    assert!(DialError::Untrusted.source().is_none());
    let text = "the hub's certificate is not the one this node enrolled with";
    assert_eq!(DialError::Untrusted.to_string(), text);
    assert!(!DialError::Untrusted.hint().contains('\n'));
}

#[test]
fn a_certificate_over_another_key_is_refused_at_home() {
    let ca = Ca::new("hub");
    let address: HubAddress = "localhost:1".parse().unwrap();
    let (one, two) = (ca.client(), ca.client());
    let error = Dialer::enrolled(address, ca.digest(), one.certificate, two.key).unwrap_err();
    assert_eq!(error.code(), "node_certificate");
}
