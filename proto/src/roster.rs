//! The roster: which districts belong to the network, under which keys, signed by the hub.
//!
//! In: text and a signature from the hub. Out: members ascending by district id. Canonical text,
//! UTF-8, every line ended by one line feed:
//!
//! ```text
//! flashlight roster v1
//! hub ed25519:<64 hex digits>
//! version <number>
//! members <count>
//! <district id> <active|revoked> ed25519:<64 hex digits> <SHA-256 of the certificate> <name>
//! ```
//!
//! Promise: one roster has exactly one text; what [`SignedRoster::verify`] returns was signed by the
//! hub key that this party already knew; [`Roster::follows`] refuses a rolled-back version, a lost
//! member and a substituted key. Not promised: that the hub's members are real districts
//! (PRIVACY.md §2, trust), nor that all nodes see the same roster: a round's ctx binds its hash.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentityKey, IdentitySecret, Signature};

/// Most members of a roster, revoked ones included: as many as a round can hold. With the longest ids
/// and names they fit [`ROSTER_TEXT_MAX`].
pub const MEMBERS_MAX: usize = crate::study::MAX_DISTRICTS as usize;

/// Longest roster text, bytes.
pub const ROSTER_TEXT_MAX: usize = 1 << 20;

/// Longest district name, bytes.
pub const NAME_MAX: usize = 120;

const TITLE: &str = "flashlight roster v1";

mod error;

pub use error::RosterError;

/// Whether a member may take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// May take part.
    Active,
    /// Was shut out by the hub; its line stays.
    Revoked,
}

impl MemberState {
    /// `active` or `revoked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

/// One district of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Assigned by the hub's invitation.
    pub district: DistrictId,
    /// For people; see [`name_is_allowed`].
    pub name: String,
    /// Signs this district's protocol messages.
    pub key: IdentityKey,
    /// SHA-256 of the district's TLS certificate, DER.
    pub certificate: Digest,
    /// Whether it may take part.
    pub state: MemberState,
}

/// The districts of one network at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    version: u64,
    hub_key: IdentityKey,
    members: Vec<Member>,
}

impl Roster {
    /// Builds a roster; `members` in any order.
    ///
    /// # Errors
    /// [`RosterError::TooLarge`] over [`MEMBERS_MAX`]; [`RosterError::Duplicate`] when two members
    /// share an id, a key or a certificate; [`RosterError::Malformed`] when a name is not allowed.
    pub fn new(
        version: u64,
        hub_key: IdentityKey,
        mut members: Vec<Member>,
    ) -> Result<Self, RosterError> {
        members.sort_by(|one, two| one.district.cmp(&two.district));
        if members.len() > MEMBERS_MAX {
            return Err(RosterError::TooLarge);
        }
        if let Some(index) = members.iter().position(|member| !name_is_allowed(&member.name)) {
            return Err(RosterError::Malformed { line: HEADER_LINES + index + 1 });
        }
        let districts: BTreeSet<_> = members.iter().map(|member| &member.district).collect();
        let keys: BTreeSet<_> = members.iter().map(|member| member.key).collect();
        let certificates: BTreeSet<_> = members.iter().map(|member| member.certificate).collect();
        if [districts.len(), keys.len(), certificates.len()] != [members.len(); 3] {
            return Err(RosterError::Duplicate);
        }
        Ok(Self { version, hub_key, members })
    }

    /// Reads the canonical text, and no other text.
    ///
    /// # Errors
    /// [`RosterError::TooLarge`], [`RosterError::Malformed`] with the line, [`RosterError::Duplicate`].
    pub fn parse(text: &[u8]) -> Result<Self, RosterError> {
        if text.len() > ROSTER_TEXT_MAX {
            return Err(RosterError::TooLarge);
        }
        let malformed = |line| RosterError::Malformed { line };
        let text = std::str::from_utf8(text).map_err(|_| malformed(1))?;
        let mut lines = text.split('\n');
        let mut header = |line: usize, key: &str| {
            let found = lines.next().and_then(|found| found.strip_prefix(key));
            found.ok_or(RosterError::Malformed { line })
        };
        header(1, TITLE)?;
        let hub_key = header(2, "hub ")?.parse().map_err(|_| malformed(2))?;
        let version = header(3, "version ")?.parse().map_err(|_| malformed(3))?;
        let count: usize = header(4, "members ")?.parse().map_err(|_| malformed(4))?;
        if count > MEMBERS_MAX {
            return Err(RosterError::TooLarge);
        }
        let mut members = Vec::with_capacity(count);
        for line in HEADER_LINES + 1..=HEADER_LINES + count {
            let member = lines.next().and_then(parse_member).ok_or_else(|| malformed(line))?;
            members.push(member);
        }
        let ascending = members.is_sorted_by(|one, two| one.district < two.district);
        if !ascending {
            return Err(RosterError::Duplicate);
        }
        let roster = Self::new(version, hub_key, members)?;
        if let Some(line) = first_difference(&roster.to_text(), text) {
            return Err(malformed(line));
        }
        Ok(roster)
    }

    /// The canonical text (module documentation).
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{TITLE}\nhub {}\nversion {}\nmembers {}\n",
            self.hub_key,
            self.version,
            self.members.len()
        );
        for member in &self.members {
            text.push_str(&member.to_string());
            text.push('\n');
        }
        text
    }

    /// Signs the canonical text. Only the hub can.
    #[must_use]
    pub fn sign(&self, hub: &IdentitySecret) -> SignedRoster {
        let text = self.to_text().into_bytes();
        let signature = hub.sign(&signed_digest(&text));
        SignedRoster { text, signature }
    }

    /// Counts the changes of the roster; larger is newer.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The key that signs this network's rosters, studies and releases.
    #[must_use]
    pub const fn hub_key(&self) -> IdentityKey {
        self.hub_key
    }

    /// All members, ascending by district id, revoked ones included.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member with this id, active or revoked.
    #[must_use]
    pub fn find(&self, district: &DistrictId) -> Option<&Member> {
        let index = self.members.binary_search_by(|member| member.district.cmp(district)).ok()?;
        self.members.get(index)
    }

    /// SHA-256 of the canonical text.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// Checks that this roster may come after `previous`, the last one accepted.
    ///
    /// Versions may be skipped. A revoked district may come back with the same identity key and a new
    /// certificate; a changed identity key is refused, whoever asks for it.
    ///
    /// # Errors
    /// [`RosterError::HubKey`], [`RosterError::RolledBack`], [`RosterError::Forked`],
    /// [`RosterError::MemberMissing`], [`RosterError::KeyChanged`], [`RosterError::Unrevoked`].
    pub fn follows(&self, previous: &Self) -> Result<(), RosterError> {
        if self.hub_key != previous.hub_key {
            return Err(RosterError::HubKey);
        }
        if self.version < previous.version {
            return Err(RosterError::RolledBack { seen: previous.version, offered: self.version });
        }
        for before in &previous.members {
            let district = || before.district.clone();
            let Some(now) = self.find(&before.district) else {
                return Err(RosterError::MemberMissing { district: district() });
            };
            if now.key != before.key {
                return Err(RosterError::KeyChanged { district: district() });
            }
            let revived = before.state == MemberState::Revoked && now.state == MemberState::Active;
            if revived && now.certificate == before.certificate {
                return Err(RosterError::Unrevoked { district: district() });
            }
        }
        if self.version == previous.version && self != previous {
            return Err(RosterError::Forked { version: self.version });
        }
        Ok(())
    }
}

/// A roster as it travels: the exact text and the hub's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoster {
    /// Canonical text, at most [`ROSTER_TEXT_MAX`] bytes when it verifies.
    pub text: Vec<u8>,
    /// By the hub key, over the transcript `flashlight/roster/v1` of the text.
    pub signature: Signature,
}

impl SignedRoster {
    /// Checks size, signature and form, in this order; nothing unsigned is parsed.
    ///
    /// # Errors
    /// [`RosterError`]; [`RosterError::Signature`] when `hub_key` did not sign this text.
    pub fn verify(&self, hub_key: &IdentityKey) -> Result<Roster, RosterError> {
        if self.text.len() > ROSTER_TEXT_MAX {
            return Err(RosterError::TooLarge);
        }
        hub_key
            .verify(&signed_digest(&self.text), &self.signature)
            .map_err(|_| RosterError::Signature)?;
        let roster = Roster::parse(&self.text)?;
        if roster.hub_key != *hub_key {
            return Err(RosterError::HubKey);
        }
        Ok(roster)
    }

    /// SHA-256 of the text, as a round's ctx binds it.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&self.text)
    }
}

/// Whether `name` may stand in a roster: 1 to [`NAME_MAX`] bytes, no control characters, no marks that
/// turn the direction of writing, no white space at either end.
#[must_use]
pub fn name_is_allowed(name: &str) -> bool {
    let hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    (1..=NAME_MAX).contains(&name.len()) && name.trim() == name && !name.contains(hidden)
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { district, name, key, certificate, state } = self;
        write!(f, "{district} {} {key} {certificate} {name}", state.as_str())
    }
}

impl FromStr for MemberState {
    type Err = RosterError;

    fn from_str(text: &str) -> Result<Self, RosterError> {
        match text {
            "active" => Ok(Self::Active),
            "revoked" => Ok(Self::Revoked),
            _ => Err(RosterError::Malformed { line: 0 }),
        }
    }
}

const HEADER_LINES: usize = 4;

fn parse_member(line: &str) -> Option<Member> {
    let mut fields = line.splitn(5, ' ');
    Some(Member {
        district: fields.next()?.parse().ok()?,
        state: fields.next()?.parse().ok()?,
        key: fields.next()?.parse().ok()?,
        certificate: fields.next()?.parse().ok()?,
        name: fields.next()?.to_owned(),
    })
}

/// The first line, from 1, on which two texts differ.
fn first_difference(one: &str, two: &str) -> Option<usize> {
    if one == two {
        return None;
    }
    let same = one.split('\n').zip(two.split('\n')).take_while(|(one, two)| one == two).count();
    Some(same + 1)
}

fn signed_digest(text: &[u8]) -> Digest {
    Transcript::new("flashlight/roster/v1").bytes(text).finish()
}

#[cfg(test)]
mod tests;
