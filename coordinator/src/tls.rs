//! The hub's one port: TLS 1.3 only, with client certificates for all but enrolment.
//!
//! In: a listening socket and the hub's [`Authority`]. Out: a stream of [`TlsIo`] for tonic's
//! `serve_with_incoming`; each call finds a [`ConnectInfo`] among its request's extensions.
//!
//! Promise: a client certificate was issued by our CA, for clients, and is in its time, or there is
//! none; whose it is and whether it was revoked is for `Enrolment::authorise`, at every call. One
//! peer's slow, broken or hostile handshake neither stops nor delays another's: handshakes run beside
//! each other, each within a timeout, and every number of things has a limit ([`Limits`]). Failures
//! are logged with the peer's address and a stable code, a few a minute for each code.
//! Not promised: that a peer who opens connections from many machines cannot use up the limits.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::ca::{Authority, CaError};

mod refusal;

pub use refusal::Refusal;
use refusal::RefusalLog;

/// Connections that the system keeps for us until they are accepted.
const BACKLOG: u32 = 1024;

/// Wait after the system refused to accept, as when it has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much the port takes on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Handshakes at one time; the next ones wait in the system's queue. Default 256.
    pub handshakes: usize,
    /// Longest handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// Open connections with a client certificate. Default 4096.
    pub connections: usize,
    /// Open connections without one. Default 256.
    pub anonymous: usize,
    /// Longest life of a connection without a client certificate: they only enrol. Default 60 s.
    pub anonymous_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            connections: 4096,
            anonymous: 256,
            anonymous_lifetime: Duration::from_secs(60),
        }
    }
}

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The hub's keys.
    #[error("cannot make the server's certificate")]
    Authority(#[source] CaError),
    /// rustls refused our own keys or CA.
    #[error("cannot set up TLS")]
    Config(#[source] rustls::Error),
    /// rustls refused our CA for client certificates.
    #[error("cannot set up the check of client certificates")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

impl TlsError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Authority(source) => source.code(),
            Self::Config(_) | Self::Verifier(_) => "tls_config",
        }
    }
}

/// The server side of TLS: ring, TLS 1.3 only, HTTP/2, no resumption, client certificates of our CA
/// or none. The server's key and certificate are made here, afresh.
///
/// # Errors
/// [`TlsError`].
pub fn server_config(authority: &Authority, now_ms: u64) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.ca().clone()).map_err(TlsError::Config)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Verifier)?;
    let identity = authority.issue_server(now_ms).map_err(TlsError::Authority)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Config)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Listens on `address`, with TCP keepalive on what it accepts. HTTP/2 keepalive, which notices a dead
/// peer much sooner, is the server's to set.
///
/// # Errors
/// The system's, as when the port is taken.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the returned stream is dropped; needs a tokio runtime.
#[must_use]
pub fn accept(listener: TcpListener, config: Arc<ServerConfig>, limits: Limits) -> Incoming {
    let (connections, receiver) = mpsc::channel(limits.handshakes.max(1));
    let port = Port {
        acceptor: TlsAcceptor::from(config),
        limits,
        handshakes: Arc::new(Semaphore::new(limits.handshakes)),
        known: Arc::new(Semaphore::new(limits.connections)),
        anonymous: Arc::new(Semaphore::new(limits.anonymous)),
        log: Arc::new(RefusalLog::default()),
        connections,
    };
    Incoming { connections: receiver, task: tokio::spawn(port.run(listener)) }
}

/// Connections whose handshake is done. Never ends; dropping it stops accepting.
#[derive(Debug)]
pub struct Incoming {
    connections: mpsc::Receiver<TlsIo>,
    task: JoinHandle<()>,
}

impl Stream for Incoming {
    type Item = io::Result<TlsIo>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(context).map(|connection| connection.map(Ok))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectInfo {
    /// The peer's address and port.
    pub peer_addr: SocketAddr,
    /// SHA-256 of the client certificate, DER; none on a connection that can only enrol.
    pub certificate: Option<Digest>,
}

/// One connection, encrypted.
pub struct TlsIo {
    stream: TlsStream<TcpStream>,
    info: ConnectInfo,
    /// When a connection without a certificate ends.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Its place among the open connections.
    _place: OwnedSemaphorePermit,
}

impl Connected for TlsIo {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.info
    }
}

impl AsyncRead for TlsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl fmt::Debug for TlsIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIo").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What every handshake of one port shares.
#[derive(Clone)]
struct Port {
    acceptor: TlsAcceptor,
    limits: Limits,
    handshakes: Arc<Semaphore>,
    known: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
    log: Arc<RefusalLog>,
    connections: mpsc::Sender<TlsIo>,
}

impl Port {
    async fn run(self, listener: TcpListener) {
        // Dropped with this task, and every handshake in it.
        let mut handshakes = JoinSet::new();
        while let Ok(turn) = Arc::clone(&self.handshakes).acquire_owned().await {
            while handshakes.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let port = self.clone();
                    handshakes.spawn(async move {
                        port.serve(stream, peer).await;
                        drop(turn);
                    });
                }
                Err(error) => {
                    self.log.accept_failed(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        match self.shake_hands(stream, peer).await {
            // Fails only when nobody listens any more.
            Ok(connection) => drop(self.connections.send(connection).await),
            Err(refusal) => self.log.refused(peer, refusal),
        }
    }

    async fn shake_hands(&self, stream: TcpStream, peer: SocketAddr) -> Result<TlsIo, Refusal> {
        // Small messages leave at once; without it a round waits for delayed acknowledgements.
        stream.set_nodelay(true).map_err(|_| Refusal::Disconnected)?;
        let handshake = self.acceptor.accept(stream);
        let stream = tokio::time::timeout(self.limits.handshake_timeout, handshake)
            .await
            .map_err(|_| Refusal::Timeout)?
            .map_err(|error| Refusal::of(&error))?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = leaf.map(|leaf| Digest::of(leaf));
        let (places, full) = match certificate {
            Some(_) => (&self.known, Refusal::ConnectionsFull),
            None => (&self.anonymous, Refusal::AnonymousFull),
        };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| full)?;
        let deadline = match certificate {
            Some(_) => None,
            None => Some(Box::pin(tokio::time::sleep(self.limits.anonymous_lifetime))),
        };
        let info = ConnectInfo { peer_addr: peer, certificate };
        Ok(TlsIo { stream, info, deadline, _place: place })
    }
}
