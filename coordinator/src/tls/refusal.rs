//! Why a connection was refused, and how often that is worth a line in the log.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use tokio::time::Instant;

/// Log lines for one code within one [`WINDOW`]; the rest are counted.
const LINES_MAX: u32 = 10;

const WINDOW: Duration = Duration::from_secs(60);

/// Why a connection never became one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The client's certificate was issued by somebody else's CA.
    ForeignCa,
    /// The client's certificate is past its time or before it.
    Expired,
    /// The client's certificate is ours, but not for clients, or is damaged.
    Certificate,
    /// The client does not trust our CA: it enrolled elsewhere, or our keys were changed.
    CaRefused,
    /// The client offers no TLS 1.3, or nothing else that we do.
    Version,
    /// Whatever arrived was not TLS, or broke its rules.
    Protocol,
    /// No handshake in time.
    Timeout,
    /// The client went away.
    Disconnected,
    /// Too many connections with a certificate.
    ConnectionsFull,
    /// Too many connections without one.
    AnonymousFull,
}

impl Refusal {
    const COUNT: usize = Self::AnonymousFull as usize + 1;

    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ForeignCa => "foreign_ca",
            Self::Expired => "certificate_expired",
            Self::Certificate => "certificate_invalid",
            Self::CaRefused => "ca_refused",
            Self::Version => "tls_version",
            Self::Protocol => "tls_protocol",
            Self::Timeout => "handshake_timeout",
            Self::Disconnected => "disconnected",
            Self::ConnectionsFull => "connections_full",
            Self::AnonymousFull => "anonymous_full",
        }
    }

    /// Sorts the error of a failed handshake.
    pub(super) fn of(error: &io::Error) -> Self {
        let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            return Self::Disconnected;
        };
        match error {
            rustls::Error::InvalidCertificate(fault) => match fault {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::ForeignCa,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                _ => Self::Certificate,
            },
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::DecryptError,
            ) => Self::CaRefused,
            rustls::Error::PeerIncompatible(_) => Self::Version,
            _ => Self::Protocol,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Writes refusals to the log, [`LINES_MAX`] a minute for each kind: a flood of one kind neither
/// fills the disk nor hides another kind.
#[derive(Debug, Default)]
pub(super) struct RefusalLog([Mutex<Pace>; Refusal::COUNT], Mutex<Pace>);

impl RefusalLog {
    pub(super) fn refused(&self, peer: SocketAddr, refusal: Refusal) {
        if let Some(unlogged) = due(&self.0[refusal as usize]) {
            tracing::warn!(%peer, code = refusal.code(), unlogged, "connection refused");
        }
    }

    pub(super) fn accept_failed(&self, error: &io::Error) {
        if let Some(unlogged) = due(&self.1) {
            tracing::warn!(code = "accept_failed", %error, unlogged, "cannot accept connections");
        }
    }
}

/// How many lines the current window has seen.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    seen: u32,
}

impl Pace {
    /// Counts one event. A number when it is to be logged: how many were not, in the window before.
    fn note(&mut self, now: Instant) -> Option<u32> {
        let mut unlogged = 0;
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            unlogged = self.seen.saturating_sub(LINES_MAX);
            *self = Self { since: Some(now), seen: 0 };
        }
        self.seen = self.seen.saturating_add(1);
        (self.seen <= LINES_MAX).then_some(unlogged)
    }
}

fn due(pace: &Mutex<Pace>) -> Option<u32> {
    pace.lock().unwrap_or_else(PoisonError::into_inner).note(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_ten_lines_a_minute_are_logged_and_the_rest_are_counted() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let logged = (0..25).filter(|_| pace.note(start).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(pace.note(start + WINDOW), Some(15));
        assert_eq!(pace.note(start + WINDOW), Some(0));
    }

    #[test]
    fn every_refusal_has_its_own_place_in_the_log() {
        let log = RefusalLog::default();
        assert_eq!(Refusal::AnonymousFull as usize, log.0.len() - 1);
    }
}
