//! How a node dials its hub: TLS 1.3 to the one CA it was told of, then HTTP/2.
//!
//! In: the hub's address, the SHA-256 of its CA certificate (from the token at first, from
//! `node.json` afterwards), and once enrolled a client certificate. Out: a tonic [`Channel`].
//!
//! Promise: no other CA is ever trusted, neither the system's nor one the peer brings along; a hub
//! with another CA is the one error [`DialError::Untrusted`], the same for every cause, so that a node
//! tells an impostor nothing and its operator what to do. Not promised: that the hub answers.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use flashlight_proto::token::HubAddress;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

mod traffic;

use traffic::Counted;
pub use traffic::Traffic;

/// Longest wait for a connection: name, TCP and TLS together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the hub is asked whether it is still there.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long it may take to answer that.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection to the hub.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Whoever answered does not hold a certificate of the hub's CA.
    #[error("the hub's certificate is not the one this node enrolled with")]
    Untrusted,
    /// The hub's certificate is genuine, but made for other names.
    #[error("the hub's certificate is not made for the name {host}")]
    Name {
        /// What this node dialled.
        host: String,
    },
    /// The hub's certificate is genuine, but this machine's clock says it is not in its time.
    #[error("the hub's certificate is past its time or before it, by this machine's clock")]
    Time,
    /// Nobody answered in time.
    #[error("no connection to {address} within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout {
        /// What this node dialled.
        address: String,
    },
    /// No such name, no route, nobody listening, or cut off.
    #[error("cannot reach {address}")]
    Unreachable {
        /// What this node dialled.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Whoever answered does not speak our TLS.
    #[error("cannot agree on TLS 1.3 with {address}")]
    Handshake {
        /// What this node dialled.
        address: String,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// This node's own key or certificate does not fit.
    #[error("this node's key and certificate do not fit together")]
    Identity(#[source] rustls::Error),
    /// The HTTP/2 layer; one of the above may be underneath.
    #[error("no connection to the hub")]
    Transport(#[source] tonic::transport::Error),
}

impl DialError {
    /// The stable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Untrusted => "hub_certificate_untrusted",
            Self::Name { .. } => "hub_name_mismatch",
            Self::Time => "hub_certificate_time",
            Self::Timeout { .. } => "hub_timeout",
            Self::Unreachable { .. } => "hub_unreachable",
            Self::Handshake { .. } => "hub_handshake",
            Self::Identity(_) => "node_certificate",
            Self::Transport(source) => Self::find(source).map_or("hub_transport", Self::code),
        }
    }

    /// What a person at the node can do about it: one line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Untrusted => {
                "compare the fingerprint words with the hub by phone; do not enrol again until the hub \
                 explains why its certificate changed"
            }
            Self::Name { .. } => {
                "dial the hub by a name it was set up with, or ask it to add this one"
            }
            Self::Time => {
                "check this machine's clock; if it is right, the hub has to restart its server"
            }
            Self::Timeout { .. } | Self::Unreachable { .. } => {
                "check the address and that the firewall lets this machine out to it"
            }
            Self::Handshake { .. } => {
                "something between this node and the hub may be opening TLS; ask IT to exempt the hub"
            }
            Self::Identity(_) => "restore the node's folder from its backup",
            Self::Transport(source) => {
                Self::find(source).map_or("try again in a few minutes", Self::hint)
            }
        }
    }

    /// The dial error underneath another error, as tonic wraps them: works for
    /// [`tonic::transport::Error`] and [`tonic::Status`].
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let source = |error: &&'a (dyn Error + 'static)| (*error).source();
        std::iter::successors(Some(error), source)
            .take(CHAIN_MAX)
            .find_map(|error| error.downcast_ref())
    }
}

const CHAIN_MAX: usize = 16;

/// Dials one hub.
#[derive(Clone)]
pub struct Dialer {
    address: HubAddress,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    traffic: Arc<Traffic>,
}

impl Dialer {
    /// Without a client certificate: such a connection can only enrol.
    ///
    /// `ca`: SHA-256 of the hub's CA certificate, DER.
    ///
    /// # Errors
    /// [`DialError::Name`] when the address holds no DNS name or IP address.
    pub fn anonymous(address: HubAddress, ca: Digest) -> Result<Self, DialError> {
        Self::new(address, ca, None)
    }

    /// With the node's certificate.
    ///
    /// # Errors
    /// [`DialError::Name`]; [`DialError::Identity`] when key and certificate do not fit together.
    pub fn enrolled(
        address: HubAddress,
        ca: Digest,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, DialError> {
        Self::new(address, ca, Some((certificate, key)))
    }

    fn new(
        address: HubAddress,
        ca: Digest,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, DialError> {
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_| DialError::Name { host: address.host().to_owned() })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = PinnedCa { ca, provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(DialError::Identity)?
            // "Dangerous" is any verifier but rustls's own; ours adds the pin and calls that one.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity {
            Some((certificate, key)) => builder
                .with_client_auth_cert(vec![certificate], key)
                .map_err(DialError::Identity)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { address, name, config: Arc::new(config), traffic: Arc::default() })
    }

    /// What all connections of this dialer and its clones have carried so far.
    #[must_use]
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Connects, once. A channel left to itself dials again for every call, and so a hub that refuses
    /// this node's certificate many times a second; here a lost channel stays lost, and who holds it
    /// decides when to connect anew. What went wrong is under the status of the next call
    /// ([`DialError::find`]).
    ///
    /// # Errors
    /// [`DialError::Transport`] with one of the others underneath; its code and hint are theirs.
    pub async fn connect(&self) -> Result<Channel, DialError> {
        // The scheme is plain because the connector brings its own TLS; it never leaves this process
        // unencrypted.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(DialError::Transport)?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let (dialer, dialled) = (self.clone(), AtomicBool::new(false));
        let connector = service_fn(move |_| {
            let (dialer, dialled) = (dialer.clone(), dialled.swap(true, Ordering::Relaxed));
            async move {
                if dialled {
                    return Err(dialer.sort(io::ErrorKind::ConnectionAborted.into()));
                }
                dialer.dial().await.map(TokioIo::new)
            }
        });
        endpoint.connect_with_connector(connector).await.map_err(DialError::Transport)
    }

    /// One TLS connection.
    pub(crate) async fn dial(&self) -> Result<TlsStream<Counted<TcpStream>>, DialError> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, async {
            let address = (self.address.host(), self.address.port());
            let stream = TcpStream::connect(address).await?;
            // Small messages leave at once; a round is made of them.
            stream.set_nodelay(true)?;
            let stream = Counted::new(stream, self.traffic());
            TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), stream).await
        });
        match connected.await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.sort(error)),
            Err(_) => Err(DialError::Timeout { address: self.address.to_string() }),
        }
    }

    fn sort(&self, error: io::Error) -> DialError {
        let address = self.address.to_string();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls.cloned() {
            None => DialError::Unreachable { address, source: error },
            Some(rustls::Error::InvalidCertificate(fault)) => match fault {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    DialError::Name { host: self.address.host().to_owned() }
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => DialError::Time,
                _ => DialError::Untrusted,
            },
            Some(rustls::Error::NoCertificatesPresented) => DialError::Untrusted,
            Some(source) => DialError::Handshake { address, source },
        }
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Trusts one CA, known by its hash alone: the peer presents it as the last of its chain.
#[derive(Debug)]
struct PinnedCa {
    ca: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let ca = intermediates.last().filter(|ca| Digest::of(ca) == self.ca).ok_or_else(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned()).map_err(|_| unknown())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|_| unknown())?
            .verify_server_cert(leaf, &[], name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
