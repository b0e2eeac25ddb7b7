//! Invitations: the one-time token that a hub gives to a district, and what the district signs with it.
//!
//! In: `flashlight-1.` and base64url text, from a mail or a phone call. Out: the hub's address, the
//! SHA-256 of its CA certificate, the secret and the expiry.
//!
//! Promise: a token that lost or changed a character is refused (a four-byte checksum), and exactly
//! one text stands for one token. Not promised: that the token came from the hub; the fingerprint
//! words (`words.rs`) are for that. Whoever holds the text can enrol once, so it is a secret.
//!
//! Bytes under the base64url: CA SHA-256 (32) ‖ secret (32) ‖ expiry, ms since 1970 (u64
//! little-endian) ‖ address (UTF-8, to the end) ‖ first four bytes of the checksum over all before.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use zeroize::{Zeroize, Zeroizing};

use crate::canonical::{Digest, Transcript};
use crate::identity::IdentityKey;

/// What a token's text begins with: the format and its version.
pub const TOKEN_PREFIX: &str = "flashlight-1.";

/// Longest host in a hub address, bytes (a DNS name).
pub const HOST_MAX: usize = 253;

/// Longest token text, bytes.
pub const TOKEN_TEXT_MAX: usize = 512;

/// What is wrong with an invitation or with an address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not the text that a hub printed.
    #[error("this is not a whole invitation token")]
    Malformed,
    /// Not `host:port`.
    #[error("a hub address is host:port, with a DNS name, an IPv4 address or an [IPv6 address]")]
    Address,
    /// Not 64 hex digits.
    #[error("a token secret is 64 hex digits")]
    Secret,
}

impl TokenError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Address => "address_invalid",
            Self::Secret => "token_unknown",
        }
    }
}

/// Where nodes dial: a host and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAddress {
    host: String,
    port: u16,
}

impl HubAddress {
    /// The DNS name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HubAddress {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (host, port) = text.rsplit_once(':').ok_or(TokenError::Address)?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().map_err(|_| TokenError::Address)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let plain = match bracketed {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.len() <= HOST_MAX && host.bytes().all(allowed),
        };
        if !plain || !digits || port == 0 {
            return Err(TokenError::Address);
        }
        let address = Self { host: bracketed.unwrap_or(host).to_owned(), port };
        if address.to_string() == text { Ok(address) } else { Err(TokenError::Address) }
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The 32 random bytes that make a token worth something. Neither shown nor copied; wiped on drop.
pub struct TokenSecret(Zeroizing<[u8; 32]>);

impl TokenSecret {
    /// Takes 32 bytes fresh from a secure generator.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// SHA-256 of the secret: the only thing the hub keeps of it.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&self.0[..])
    }

    /// The 64 hex digits that travel in an enrolment request.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(&self.0[..]))
    }

    /// Reads the 64 hex digits of an enrolment request.
    ///
    /// # Errors
    /// [`TokenError::Secret`] when they are not that.
    pub fn from_hex(text: &str) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, &mut bytes[..]).map_err(|_| TokenError::Secret)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSecret").finish_non_exhaustive()
    }
}

/// An invitation, as the hub prints it and the node reads it.
#[derive(Debug)]
pub struct Token {
    /// Where the hub listens.
    pub address: HubAddress,
    /// SHA-256 of the hub's CA certificate (DER).
    pub ca: Digest,
    /// What the hub recognises the invitation by.
    pub secret: TokenSecret,
    /// Milliseconds since 1970; from then on the hub refuses the token.
    pub expires_ms: u64,
}

impl Token {
    /// The text to hand to the district.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_TEXT_MAX));
        bytes.extend_from_slice(self.ca.as_bytes());
        bytes.extend_from_slice(&self.secret.0[..]);
        bytes.extend_from_slice(&self.expires_ms.to_le_bytes());
        bytes.extend_from_slice(self.address.to_string().as_bytes());
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_TEXT_MAX));
        text.push_str(TOKEN_PREFIX);
        encode_base64url(&bytes, &mut text);
        text
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// Reads a token's text; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let body = text.strip_prefix(TOKEN_PREFIX).ok_or(TokenError::Malformed)?;
        if text.len() > TOKEN_TEXT_MAX {
            return Err(TokenError::Malformed);
        }
        let bytes = decode_base64url(body).ok_or(TokenError::Malformed)?;
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Malformed)?;
        if checksum(content) != *sum {
            return Err(TokenError::Malformed);
        }
        let (ca, rest) = content.split_first_chunk::<32>().ok_or(TokenError::Malformed)?;
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or(TokenError::Malformed)?;
        let (expires, address) = rest.split_first_chunk::<8>().ok_or(TokenError::Malformed)?;
        let address = std::str::from_utf8(address).map_err(|_| TokenError::Malformed)?;
        Ok(Self {
            address: address.parse()?,
            ca: Digest::from(*ca),
            secret: TokenSecret(Zeroizing::new(*secret)),
            expires_ms: u64::from_le_bytes(*expires),
        })
    }
}

/// What a node signs with its identity key to show, when it enrols, that it holds that key.
///
/// `token`: SHA-256 of the token's secret. `csr`: the certificate request, DER. Bound to both, so that
/// the signature is of no use with another invitation or another TLS key (docs/PROTOCOL.md, Enrolment).
#[must_use]
pub fn possession(token: &Digest, csr: &[u8], key: &IdentityKey) -> Digest {
    Transcript::new("flashlight/enroll/v1")
        .bytes(token.as_bytes())
        .bytes(Digest::of(csr).as_bytes())
        .bytes(key.as_bytes())
        .finish()
}

fn checksum(content: &[u8]) -> [u8; 4] {
    let digest = Transcript::new("flashlight/token/v1").bytes(content).finish();
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url without padding (RFC 4648 §5).
fn encode_base64url(bytes: &[u8], text: &mut String) {
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..=group.len() {
            let index = (bits >> (18 - 6 * position)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
}

/// The inverse of [`encode_base64url`]; nothing for any text that it does not produce.
fn decode_base64url(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_TEXT_MAX));
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for position in 0..4 {
            let value = match group.get(position) {
                Some(letter) => ALPHABET.iter().position(|known| known == letter)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let [_, first, second, third] = bits.to_be_bytes();
        match group.len() {
            4 => bytes.extend_from_slice(&[first, second, third]),
            3 if third == 0 => bytes.extend_from_slice(&[first, second]),
            2 if second == 0 && third == 0 => bytes.push(first),
            _ => return None,
        }
        bits.zeroize();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        Token {
            address: "hub.example.org:7443".parse().unwrap(),
            ca: Digest::of(b"ca"),
            secret: TokenSecret::new(Zeroizing::new([9; 32])),
            expires_ms: 1_800_000_000_000,
        }
    }

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        let read: Token = token().to_text().parse().unwrap();
        assert_eq!(read.address, token().address);
        assert_eq!(read.ca, token().ca);
        assert_eq!(read.secret.hash(), token().secret.hash());
        assert_eq!(read.expires_ms, token().expires_ms);
    }

    #[test]
    fn white_space_around_a_token_is_ignored() {
        let text = format!(" \n{}\r\n", *token().to_text());
        assert!(text.parse::<Token>().is_ok());
    }

    #[test]
    fn a_token_that_lost_its_last_character_is_refused() {
        let text = token().to_text();
        let cut = &text[..text.len() - 1];
        assert_eq!(cut.parse::<Token>().unwrap_err(), TokenError::Malformed);
    }

    #[test]
    fn a_token_with_any_one_character_changed_is_refused() {
        let text = token().to_text();
        for index in TOKEN_PREFIX.len()..text.len() {
            let mut letters = text.as_bytes().to_vec();
            letters[index] = if letters[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(letters).unwrap();
            assert_eq!(changed.parse::<Token>().unwrap_err(), TokenError::Malformed, "{index}");
        }
    }

    #[test]
    fn the_secret_is_not_in_the_debug_text() {
        let text = format!("{:?}", token());
        assert!(!text.contains(&"09".repeat(4)) && !text.contains("9, 9"), "{text}");
    }

    #[test]
    fn addresses_without_a_host_or_a_port_are_refused() {
        let bad = [
            "",
            "hub",
            "hub:",
            ":1",
            "hub:0",
            "hub:99999",
            "::1:80",
            "[::1:80",
            "h ub:1",
            "h/b:1",
            "hub:+1",
        ];
        for text in bad {
            assert_eq!(text.parse::<HubAddress>(), Err(TokenError::Address), "{text}");
        }
    }

    #[test]
    fn names_and_both_kinds_of_ip_address_are_read() {
        for text in ["hub.example.org:443", "127.0.0.1:7443", "[::1]:7443"] {
            assert_eq!(text.parse::<HubAddress>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:7443".parse::<HubAddress>().unwrap().host(), "::1");
    }

    #[test]
    fn base64url_equals_the_published_vectors() {
        // RFC 4648 §10, without padding.
        for (plain, coded) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            let mut text = String::new();
            encode_base64url(plain.as_bytes(), &mut text);
            assert_eq!(text, coded);
            assert_eq!(**decode_base64url(coded).unwrap(), *plain.as_bytes());
        }
        assert!(decode_base64url("Zh").is_none(), "loose bits");
        assert!(decode_base64url("Z").is_none(), "half a byte");
        assert!(decode_base64url("Zg==").is_none(), "padding");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,200}") {
            let _ = text.parse::<Token>();
            let _ = format!("{TOKEN_PREFIX}{text}").parse::<Token>();
            let _ = text.parse::<HubAddress>();
        }

        #[test]
        fn base64url_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut text = String::new();
            encode_base64url(&bytes, &mut text);
            prop_assert_eq!(&**decode_base64url(&text).unwrap(), &bytes[..]);
        }
    }
}
