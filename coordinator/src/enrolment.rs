//! Who belongs to the network: invitations, certificates, the roster, revocation, vouches.
//!
//! In: the journal's entries, then one call per event. Out: tokens, certificates, the signed roster,
//! and for every rpc the district that its client certificate stands for.
//!
//! Promise: an event is durable before its reply leaves; the state is a fold over the journal and the
//! same after a restart; a token enrols one district once. A node whose reply was lost may ask again
//! with the same token and the same two keys until the token expires, and gets the same certificate.
//! Only the SHA-256 of a token's secret is kept, and tokens are found by it, never compared.
//! Not promised: that the invited district is who it says; that is between people (PRIVACY.md §2).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::{
    MEMBERS_MAX, Member, MemberState, Roster, RosterError, SignedRoster, name_is_allowed,
};
use flashlight_proto::token::{HubAddress, Token, TokenSecret};
use rand_core::CryptoRng;
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::ca::{Authority, public_key};
use crate::journal::{Entry, Journal};

mod error;
mod request;
mod vouches;

pub use error::{AuthError, EnrolError, OperatorError, VouchRefused};
use request::checked_keys;
pub use request::{EnrolReply, EnrolRequest};
use vouches::Vouches;

/// Most invitations that are neither used nor expired.
pub const INVITATIONS_MAX: usize = 1000;

/// Shortest life of a token.
pub const TTL_MIN: Duration = Duration::from_secs(60);

/// Longest life of a token: 30 days.
pub const TTL_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Longest reason of a revocation, bytes.
pub const REASON_MAX: usize = 512;

/// The network's members and invitations.
pub struct Enrolment {
    authority: Arc<Authority>,
    address: HubAddress,
    invitations: BTreeMap<Digest, Invitation>,
    members: BTreeMap<DistrictId, Member>,
    /// Every certificate ever issued: a revoked one stays known as revoked.
    certificates: BTreeMap<Digest, DistrictId>,
    vouches: Vouches,
    /// Enrolments and revocations so far.
    version: u64,
    roster: Roster,
    signed: SignedRoster,
}

struct Invitation {
    district: DistrictId,
    name: String,
    expires_ms: u64,
    /// The certificate it was exchanged for, and the identity key that asked.
    used: Option<(Vec<u8>, IdentityKey)>,
}

impl Enrolment {
    /// Rebuilds the state from the journal; begins the journal when it is empty.
    ///
    /// `address`: where nodes dial; its host has to be one of the authority's names.
    ///
    /// # Errors
    /// [`OperatorError::JournalForeign`] when the journal belongs to other keys,
    /// [`OperatorError::AddressUnnamed`], [`OperatorError::Journal`].
    pub fn open(
        authority: Arc<Authority>,
        address: HubAddress,
        journal: &mut Journal,
        now_ms: u64,
    ) -> Result<Self, OperatorError> {
        if !authority.names().iter().any(|name| name == address.host()) {
            return Err(OperatorError::AddressUnnamed { host: address.host().to_owned() });
        }
        let ours = Entry::Initialised { hub_key: authority.hub_key(), ca: authority.ca_digest() };
        if journal.head().seq == 0 {
            journal.append(&ours, now_ms).map_err(OperatorError::Journal)?;
        }
        let roster =
            Roster::new(0, authority.hub_key(), Vec::new()).map_err(OperatorError::Roster)?;
        let signed = roster.sign(authority.hub());
        let mut enrolment = Self {
            authority,
            address,
            invitations: BTreeMap::new(),
            members: BTreeMap::new(),
            certificates: BTreeMap::new(),
            vouches: Vouches::new(),
            version: 0,
            roster,
            signed,
        };
        for (index, recorded) in journal.entries().map_err(OperatorError::Journal)?.enumerate() {
            let entry = recorded.map_err(OperatorError::Journal)?.entry;
            let initialises = matches!(entry, Entry::Initialised { .. });
            if initialises != (index == 0) || (initialises && entry != ours) {
                return Err(OperatorError::JournalForeign);
            }
            enrolment.fold(entry);
        }
        enrolment.refresh().map_err(OperatorError::Roster)?;
        Ok(enrolment)
    }

    /// Invites a district: a token that enrols it once within `ttl`. An earlier unused token of the
    /// same district ends. A revoked district may be invited again and keeps its identity key.
    ///
    /// # Errors
    /// [`OperatorError`]: `name_invalid`, `ttl_invalid`, `district_taken`, `too_many_invitations`,
    /// `roster_full`, or the journal's; then nothing was recorded.
    pub fn invite(
        &mut self,
        district: DistrictId,
        name: &str,
        ttl: Duration,
        journal: &mut Journal,
        now_ms: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Token, OperatorError> {
        if !name_is_allowed(name) {
            return Err(OperatorError::Name);
        }
        let ttl_ms = u64::try_from(ttl.as_millis()).map_err(|_| OperatorError::Ttl)?;
        if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
            return Err(OperatorError::Ttl);
        }
        self.check_room(&district, now_ms)?;
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut bytes[..]);
        let secret = TokenSecret::new(bytes);
        let expires_ms = now_ms.saturating_add(ttl_ms);
        let name = name.to_owned();
        let entry = Entry::Invited { district, name, token_hash: secret.hash(), expires_ms };
        journal.append(&entry, now_ms).map_err(OperatorError::Journal)?;
        self.fold(entry);
        Ok(Token {
            address: self.address.clone(),
            ca: self.authority.ca_digest(),
            secret,
            expires_ms,
        })
    }

    /// Exchanges a token for a certificate. Durable when it returns.
    ///
    /// # Errors
    /// [`EnrolError`]: `token_unknown`, `token_used`, `token_expired`, `csr_invalid`,
    /// `identity_possession`, `identity_taken`, `identity_changed`, `district_taken`; then nothing was
    /// recorded and the token is as good as before.
    pub fn enroll(
        &mut self,
        request: &EnrolRequest<'_>,
        journal: &mut Journal,
        now_ms: u64,
    ) -> Result<EnrolReply, EnrolError> {
        let secret =
            TokenSecret::from_hex(request.token_secret).map_err(|_| EnrolError::TokenUnknown)?;
        let token_hash = secret.hash();
        let invitation = self.invitations.get(&token_hash).ok_or(EnrolError::TokenUnknown)?;
        let expired = now_ms >= invitation.expires_ms;
        match &invitation.used {
            Some(_) if expired => return Err(EnrolError::TokenUsed),
            None if expired => return Err(EnrolError::TokenExpired),
            _ => {}
        }
        let (key, tls_key) = checked_keys(request, &token_hash)?;
        if let Some((certificate_der, first_key)) = &invitation.used {
            let certificate = CertificateDer::from(certificate_der.as_slice());
            let same = *first_key == key && public_key(&certificate).as_ref() == Some(&tls_key);
            let active = self.authorise(Some(Digest::of(certificate_der))).is_ok();
            if !same || !active {
                return Err(EnrolError::TokenUsed);
            }
            return Ok(self.reply(invitation, certificate_der.clone()));
        }
        self.check_identity(&invitation.district, &key)?;
        let district = invitation.district.clone();
        let certificate = self
            .authority
            .sign_csr(request.csr_der, &district, now_ms)
            .map_err(EnrolError::Authority)?;
        let reply = self.reply(invitation, certificate.to_vec());
        let entry = Entry::Enrolled {
            district,
            name: invitation.name.clone(),
            key,
            certificate: Digest::of(&certificate),
            certificate_der: certificate.to_vec(),
            token_hash,
        };
        journal.append(&entry, now_ms).map_err(EnrolError::Journal)?;
        self.fold(entry);
        self.refresh().map_err(EnrolError::Roster)?;
        Ok(reply)
    }

    /// Shuts a district out: its certificate is refused from the next call on, and an invitation it
    /// holds ends. The caller closes the streams the district has open. Durable when it returns.
    ///
    /// # Errors
    /// [`OperatorError`]: `reason_invalid`, `district_unknown`, `already_revoked`, or the journal's.
    pub fn revoke(
        &mut self,
        district: DistrictId,
        reason: &str,
        journal: &mut Journal,
        now_ms: u64,
    ) -> Result<(), OperatorError> {
        if reason.len() > REASON_MAX || reason.chars().any(char::is_control) {
            return Err(OperatorError::Reason);
        }
        let invited = self.invited(now_ms).any(|(invited, _)| *invited == district);
        match self.members.get(&district).map(|member| member.state) {
            None if !invited => return Err(OperatorError::DistrictUnknown { district }),
            Some(MemberState::Revoked) if !invited => {
                return Err(OperatorError::AlreadyRevoked { district });
            }
            _ => {}
        }
        let entry = Entry::Revoked { district, reason: reason.to_owned() };
        journal.append(&entry, now_ms).map_err(OperatorError::Journal)?;
        self.fold(entry);
        self.refresh().map_err(OperatorError::Roster)
    }

    /// The district that a connection's client certificate stands for. Asked for every call, so that
    /// a revocation takes effect on connections that are already open.
    ///
    /// # Errors
    /// [`AuthError`]: `certificate_missing`, `certificate_unknown`, `certificate_revoked`.
    pub fn authorise(&self, certificate: Option<Digest>) -> Result<DistrictId, AuthError> {
        let certificate = certificate.ok_or(AuthError::Missing)?;
        let district = self.certificates.get(&certificate).ok_or(AuthError::Unknown)?;
        let member = self.members.get(district).ok_or(AuthError::Unknown)?;
        if member.state == MemberState::Active && member.certificate == certificate {
            Ok(district.clone())
        } else {
            Err(AuthError::Revoked)
        }
    }

    /// The current roster. Its version counts enrolments and revocations.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The current roster as nodes fetch it.
    #[must_use]
    pub const fn signed_roster(&self) -> &SignedRoster {
        &self.signed
    }

    /// Districts, ids and names, that hold an invitation neither used nor expired.
    pub fn invited(&self, now_ms: u64) -> impl Iterator<Item = (&DistrictId, &str)> {
        self.invitations
            .values()
            .filter(move |invitation| invitation.used.is_none() && now_ms < invitation.expires_ms)
            .map(|invitation| (&invitation.district, invitation.name.as_str()))
    }

    /// The hub's keys.
    #[must_use]
    pub const fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    fn check_room(&self, district: &DistrictId, now_ms: u64) -> Result<(), OperatorError> {
        let member = self.members.get(district);
        if member.is_some_and(|member| member.state == MemberState::Active) {
            return Err(OperatorError::DistrictTaken { district: district.clone() });
        }
        let others =
            || self.invited(now_ms).map(|(other, _)| other).filter(|other| *other != district);
        if others().count() >= INVITATIONS_MAX {
            return Err(OperatorError::TooManyInvitations);
        }
        let newcomers = others().filter(|other| !self.members.contains_key(*other)).count();
        if member.is_none() && self.members.len() + newcomers >= MEMBERS_MAX {
            return Err(OperatorError::RosterFull);
        }
        Ok(())
    }

    fn check_identity(&self, district: &DistrictId, key: &IdentityKey) -> Result<(), EnrolError> {
        if self.members.values().any(|member| member.key == *key && member.district != *district) {
            return Err(EnrolError::IdentityTaken);
        }
        match self.members.get(district) {
            Some(member) if member.state == MemberState::Active => Err(EnrolError::DistrictTaken),
            Some(member) if member.key != *key => Err(EnrolError::IdentityChanged),
            None if self.members.len() >= MEMBERS_MAX => Err(EnrolError::RosterFull),
            _ => Ok(()),
        }
    }

    fn reply(&self, invitation: &Invitation, certificate_der: Vec<u8>) -> EnrolReply {
        EnrolReply {
            district: invitation.district.clone(),
            name: invitation.name.clone(),
            certificate_der,
            ca_der: self.authority.ca().to_vec(),
            hub_key: self.authority.hub_key(),
        }
    }

    /// Applies one entry. Total: what an entry may say was decided before it was recorded.
    fn fold(&mut self, entry: Entry) {
        match entry {
            // The hub's identity was checked in `open`; rounds belong to `round.rs`.
            Entry::Initialised { .. }
            | Entry::RoundStarted { .. }
            | Entry::Advertised { .. }
            | Entry::Masking { .. }
            | Entry::SurvivorsNamed { .. }
            | Entry::RoundEnded { .. }
            | Entry::Publishing { .. }
            | Entry::Published { .. } => {}
            Entry::Invited { district, name, token_hash, expires_ms } => {
                self.end_invitations(&district);
                let invitation = Invitation { district, name, expires_ms, used: None };
                self.invitations.insert(token_hash, invitation);
            }
            Entry::Enrolled { district, name, key, certificate, certificate_der, token_hash } => {
                if let Some(invitation) = self.invitations.get_mut(&token_hash) {
                    invitation.used = Some((certificate_der, key));
                }
                self.certificates.insert(certificate, district.clone());
                let state = MemberState::Active;
                let member = Member { district: district.clone(), name, key, certificate, state };
                self.members.insert(district, member);
                self.version += 1;
            }
            Entry::Vouched { vouch } => vouches::add(&mut self.vouches, vouch),
            Entry::Revoked { district, .. } => {
                self.end_invitations(&district);
                if let Some(member) = self.members.get_mut(&district)
                    && member.state == MemberState::Active
                {
                    member.state = MemberState::Revoked;
                    self.version += 1;
                }
            }
        }
    }

    fn end_invitations(&mut self, district: &DistrictId) {
        self.invitations
            .retain(|_, invitation| invitation.used.is_some() || invitation.district != *district);
    }

    fn refresh(&mut self) -> Result<(), RosterError> {
        let members = self.members.values().cloned().collect();
        self.roster = Roster::new(self.version, self.authority.hub_key(), members)?;
        self.signed = self.roster.sign(self.authority.hub());
        Ok(())
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment")
            .field("version", &self.version)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
