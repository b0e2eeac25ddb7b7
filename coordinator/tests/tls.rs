//! The hub's port, over real sockets on loopback: who gets in, who does not, and what the log says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flashlight_coordinator::ca::{Authority, ServerIdentity};
use flashlight_coordinator::tls::{Incoming, Limits, TlsIo, accept, bind, server_config};
use flashlight_proto::canonical::Digest;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;
use tonic::transport::server::Connected;

const THREE_YEARS_MS: u64 = 3 * 365 * 86_400_000;

/// The test waits for nothing longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn authority() -> Authority {
    let dir = tempfile::tempdir().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    Authority::init(dir.path(), &names, now_ms()).unwrap()
}

struct Hub {
    authority: Authority,
    address: SocketAddr,
    incoming: Incoming,
    log: Log,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Hub {
    fn new(limits: Limits) -> Self {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let subscriber = tracing::subscriber::set_default(subscriber);
        let authority = authority();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let config = server_config(&authority, now_ms()).unwrap();
        let incoming = accept(listener, config, limits);
        Self { authority, address, incoming, log, _subscriber: subscriber }
    }

    async fn next(&mut self) -> TlsIo {
        patient(self.incoming.next()).await.unwrap().unwrap()
    }

    async fn dial(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = "localhost".try_into().unwrap();
        patient(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// A certificate of this hub for a fresh key, issued at `now_ms`.
    fn client(&self, now_ms: u64) -> ServerIdentity {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        let district = "0961".parse().unwrap();
        let leaf = self.authority.sign_csr(csr.der(), &district, now_ms).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        ServerIdentity { chain: vec![leaf], key }
    }

    /// Dials with a client certificate that the hub refuses and returns its log line.
    async fn refused(&mut self, identity: ServerIdentity, code: &str) -> String {
        let config = client_config(&self.authority, Some((identity.chain, identity.key)));
        // In TLS 1.3 the client learns of it only when it reads.
        let mut stream = self.dial(config).await.unwrap();
        assert!(patient(stream.read(&mut [0; 1])).await.is_err());
        self.log.line_with(code).await
    }

    /// Someone else is still served.
    async fn still_serves(&mut self) {
        let stream = self.dial(client_config(&self.authority, None)).await.unwrap();
        let port = stream.get_ref().0.local_addr().unwrap();
        assert_eq!(self.next().await.connect_info().peer_addr, port);
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_config(authority: &Authority, identity: Option<Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("the test waited too long")
}

async fn ends(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let _ = patient(stream.read_to_end(&mut rest)).await;
}

/// Everything logged on this thread.
#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<String>>,
    written: Arc<Notify>,
}

impl Log {
    async fn line_with(&self, word: &str) -> String {
        let found = async {
            loop {
                let written = self.written.notified();
                let text = self.text.lock().unwrap().clone();
                if let Some(line) = text.lines().find(|line| line.contains(word)) {
                    return line.to_owned();
                }
                written.await;
            }
        };
        patient(found).await
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        self.written.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_client_is_known_by_the_digest_of_its_certificate() {
    let mut hub = Hub::new(Limits::default());
    let identity = hub.client(now_ms());
    let digest = Digest::of(&identity.chain[0]);
    let config = client_config(&hub.authority, Some((identity.chain, identity.key)));
    let mut client = hub.dial(config).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut server = hub.next().await;
    let info = server.connect_info();
    assert_eq!(info.certificate, Some(digest));
    assert_eq!(info.peer_addr, client.get_ref().0.local_addr().unwrap());

    client.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    patient(server.read_exact(&mut bytes)).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    server.flush().await.unwrap();
    patient(client.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

#[tokio::test]
async fn a_client_without_a_certificate_connects_as_nobody() {
    let mut hub = Hub::new(Limits::default());
    let client = hub.dial(client_config(&hub.authority, None)).await.unwrap();
    assert_eq!(hub.next().await.connect_info().certificate, None);
    let chain = client.get_ref().1.peer_certificates().unwrap();
    assert_eq!(Digest::of(&chain[chain.len() - 1]), hub.authority.ca_digest());
}

#[tokio::test]
async fn the_hub_is_known_by_every_one_of_its_names() {
    let mut hub = Hub::new(Limits::default());
    for name in ["localhost", "127.0.0.1"] {
        let stream = TcpStream::connect(hub.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(client_config(&hub.authority, None)));
        assert!(
            patient(connector.connect(name.try_into().unwrap(), stream)).await.is_ok(),
            "{name}"
        );
        hub.next().await;
    }
}

#[tokio::test]
async fn a_client_certificate_of_a_foreign_ca_is_refused_and_logged_with_its_address() {
    let mut hub = Hub::new(Limits::default());
    let foreign = Hub::new(Limits::default()).client(now_ms());
    let line = hub.refused(foreign, "foreign_ca").await;
    assert!(line.contains("WARN") && line.contains("127.0.0.1:"), "{line}");
    hub.still_serves().await;
}

#[tokio::test]
async fn an_expired_client_certificate_is_refused() {
    let mut hub = Hub::new(Limits::default());
    let expired = hub.client(now_ms() - THREE_YEARS_MS);
    hub.refused(expired, "certificate_expired").await;
}

#[tokio::test]
async fn the_servers_own_certificate_is_refused_as_a_clients() {
    let mut hub = Hub::new(Limits::default());
    let server = hub.authority.issue_server(now_ms()).unwrap();
    hub.refused(server, "certificate_invalid").await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_our_ca_is_logged() {
    let mut hub = Hub::new(Limits::default());
    let error = hub.dial(client_config(&authority(), None)).await.unwrap_err();
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).unwrap();
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert_eq!(*error, unknown);
    let line = hub.log.line_with("ca_refused").await;
    assert!(line.contains("127.0.0.1:"), "{line}");
    hub.still_serves().await;
}

/// A ClientHello that offers TLS 1.2 and nothing newer (RFC 5246 §7.4.1.2).
fn tls_1_2_hello() -> Vec<u8> {
    let extensions = [
        &[0x00, 0x0a, 0, 4, 0, 2, 0x00, 0x17][..],
        &[0x00, 0x0b, 0, 2, 1, 0],
        &[0x00, 0x0d, 0, 4, 0, 2, 0x04, 0x03],
    ]
    .concat();
    let suites = [0, 2, 0xc0, 0x2b];
    let length = [0, u8::try_from(extensions.len()).unwrap()];
    let hello = [&[3, 3][..], &[7; 32], &[0], &suites, &[1, 0], &length, &extensions].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()
}

#[tokio::test]
async fn a_tls_1_2_client_is_refused() {
    let mut hub = Hub::new(Limits::default());
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(&tls_1_2_hello()).await.unwrap();
    let mut alert = [0; 7];
    patient(stream.read_exact(&mut alert)).await.unwrap();
    // An alert record: fatal, protocol_version (RFC 8446 §6).
    assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 70]);
    hub.log.line_with("tls_version").await;
    hub.still_serves().await;
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let mut hub = Hub::new(Limits::default());
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    ends(&mut stream).await;
    hub.log.line_with("tls_protocol").await;
    hub.still_serves().await;
}

#[tokio::test]
async fn a_handshake_that_hangs_does_not_hold_up_another() {
    let mut hub = Hub::new(Limits::default());
    let mut hanging = TcpStream::connect(hub.address).await.unwrap();
    hanging.write_all(&[0x16, 3, 1]).await.unwrap();
    hub.still_serves().await;
}

#[tokio::test]
async fn a_handshake_that_hangs_is_dropped() {
    let handshake_timeout = Duration::from_millis(20);
    let hub = Hub::new(Limits { handshake_timeout, ..Limits::default() });
    let mut hanging = TcpStream::connect(hub.address).await.unwrap();
    hanging.write_all(&[0x16, 3, 1]).await.unwrap();
    ends(&mut hanging).await;
    hub.log.line_with("handshake_timeout").await;
}

#[tokio::test]
async fn handshakes_over_the_limit_wait_for_their_turn() {
    let handshake_timeout = Duration::from_secs(1);
    let mut hub = Hub::new(Limits { handshake_timeout, handshakes: 1, ..Limits::default() });
    let _hanging = TcpStream::connect(hub.address).await.unwrap();
    hub.still_serves().await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_forgotten() {
    let mut hub = Hub::new(Limits::default());
    drop(TcpStream::connect(hub.address).await.unwrap());
    hub.log.line_with("disconnected").await;
    hub.still_serves().await;
}

#[tokio::test]
async fn connections_without_a_certificate_have_their_own_limit() {
    let mut hub = Hub::new(Limits { anonymous: 1, ..Limits::default() });
    let _first = hub.dial(client_config(&hub.authority, None)).await.unwrap();
    let held = hub.next().await;
    let mut second = hub.dial(client_config(&hub.authority, None)).await.unwrap();
    ends(&mut second).await;
    hub.log.line_with("anonymous_full").await;

    let identity = hub.client(now_ms());
    let config = client_config(&hub.authority, Some((identity.chain, identity.key)));
    let _district = hub.dial(config).await.unwrap();
    assert!(hub.next().await.connect_info().certificate.is_some());

    drop(held);
    hub.still_serves().await;
}

#[tokio::test]
async fn connections_with_a_certificate_have_a_limit() {
    let hub = Hub::new(Limits { connections: 0, ..Limits::default() });
    let identity = hub.client(now_ms());
    let config = client_config(&hub.authority, Some((identity.chain, identity.key)));
    let mut stream = hub.dial(config).await.unwrap();
    ends(&mut stream).await;
    hub.log.line_with("connections_full").await;
}

#[tokio::test]
async fn a_connection_without_a_certificate_does_not_live_long() {
    let anonymous_lifetime = Duration::from_millis(20);
    let mut hub = Hub::new(Limits { anonymous_lifetime, ..Limits::default() });
    let _client = hub.dial(client_config(&hub.authority, None)).await.unwrap();
    let mut server = hub.next().await;
    let error = patient(server.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_port() {
    let hub = Hub::new(Limits::default());
    let mut hanging = TcpStream::connect(hub.address).await.unwrap();
    let address = hub.address;
    drop(hub);
    ends(&mut hanging).await;
    assert!(TcpStream::connect(address).await.is_err());
}
