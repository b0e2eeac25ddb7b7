//! What can go wrong with an enrolment, by who is at fault.

use flashlight_proto::identity::DistrictId;
use flashlight_proto::roster::{MEMBERS_MAX, NAME_MAX, RosterError};
use flashlight_proto::vouch::{VOUCHES_MAX, VouchError};
use flashlight_store::StoreError;

use super::{INVITATIONS_MAX, REASON_MAX};
use crate::ca::CaError;

/// A node's enrolment was refused; nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// Never issued, superseded by a newer invitation, withdrawn, or not a token at all.
    #[error("this hub knows no such token; ask the hub for a new one")]
    TokenUnknown,
    /// Exchanged already, by other keys or long ago.
    #[error("the token was used; if not by this district, tell the hub at once")]
    TokenUsed,
    /// Too late.
    #[error("the token has expired; ask the hub for a new one")]
    TokenExpired,
    /// Not a PKCS#10 request signed by its own P-256 or Ed25519 key.
    #[error("the certificate request is not valid")]
    Csr,
    /// The signature over token, request and identity key is missing or wrong.
    #[error("the request does not show that the node holds its identity key")]
    Possession,
    /// Another district has this identity key.
    #[error("the identity key belongs to another district; each node needs its own folder")]
    IdentityTaken,
    /// The district was enrolled before, with another identity key.
    #[error(
        "the district enrolled before with another identity key; enrol from the folder that holds \
         the first one, or ask the hub for a new district id"
    )]
    IdentityChanged,
    /// The district is enrolled and not revoked.
    #[error("the district is enrolled already; the hub has to revoke it first")]
    DistrictTaken,
    /// No room.
    #[error("the network has {MEMBERS_MAX} districts and takes no more")]
    RosterFull,
    /// The hub could not record the enrolment.
    #[error("the hub cannot record the enrolment")]
    Journal(#[source] StoreError),
    /// The hub could not issue the certificate.
    #[error("the hub cannot issue a certificate")]
    Authority(#[source] CaError),
    /// The hub could not write its roster.
    #[error("the hub cannot write its roster")]
    Roster(#[source] RosterError),
}

impl EnrolError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TokenUnknown => "token_unknown",
            Self::TokenUsed => "token_used",
            Self::TokenExpired => "token_expired",
            Self::Csr => "csr_invalid",
            Self::Possession => "identity_possession",
            Self::IdentityTaken => "identity_taken",
            Self::IdentityChanged => "identity_changed",
            Self::DistrictTaken => "district_taken",
            Self::RosterFull => "roster_full",
            Self::Journal(source) => source.code(),
            Self::Authority(source) => source.code(),
            Self::Roster(source) => source.code(),
        }
    }

    /// Whether the hub is at fault and the node may try again unchanged.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Journal(_) | Self::Authority(_) | Self::Roster(_))
    }
}

/// What the operator asked for was refused; nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// Empty, too long, or with characters that do not show.
    #[error("a district's name is 1 to {NAME_MAX} bytes without control characters")]
    Name,
    /// Too short or too long.
    #[error("an invitation is valid for one minute to 30 days")]
    Ttl,
    /// Too long or with control characters.
    #[error("a reason is at most {REASON_MAX} bytes without control characters")]
    Reason,
    /// Enrolled and active.
    #[error("district {district} is enrolled; revoke it before inviting it again")]
    DistrictTaken {
        /// Which one.
        district: DistrictId,
    },
    /// Neither enrolled nor invited.
    #[error("no district {district} is enrolled or invited")]
    DistrictUnknown {
        /// Which one.
        district: DistrictId,
    },
    /// Nothing left to revoke.
    #[error("district {district} is revoked already")]
    AlreadyRevoked {
        /// Which one.
        district: DistrictId,
    },
    /// Over [`INVITATIONS_MAX`].
    #[error("{INVITATIONS_MAX} invitations are open; wait for some to expire, or revoke some")]
    TooManyInvitations,
    /// Over [`MEMBERS_MAX`].
    #[error("the network has room for {MEMBERS_MAX} districts, invited ones included")]
    RosterFull,
    /// Nodes could never verify the server under this name.
    #[error(
        "{host} is not among the hub's names; add it to the file `names` beside the hub's keys"
    )]
    AddressUnnamed {
        /// The host nodes were to dial.
        host: String,
    },
    /// The journal begins with other keys.
    #[error("the journal belongs to a hub with other keys; nothing was changed")]
    JournalForeign,
    /// The journal refused.
    #[error("cannot use the journal")]
    Journal(#[source] StoreError),
    /// The journal's members do not make a roster.
    #[error("cannot write the roster")]
    Roster(#[source] RosterError),
}

impl OperatorError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name => "name_invalid",
            Self::Ttl => "ttl_invalid",
            Self::Reason => "reason_invalid",
            Self::DistrictTaken { .. } => "district_taken",
            Self::DistrictUnknown { .. } => "district_unknown",
            Self::AlreadyRevoked { .. } => "already_revoked",
            Self::TooManyInvitations => "too_many_invitations",
            Self::RosterFull => "roster_full",
            Self::AddressUnnamed { .. } => "address_unnamed",
            Self::JournalForeign => "journal_foreign",
            Self::Journal(source) => source.code(),
            Self::Roster(source) => source.code(),
        }
    }
}

/// A district's vouch was refused; nothing was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VouchRefused {
    /// Not a vouch, or not signed by the sender's identity key for this network.
    #[error(transparent)]
    Vouch(VouchError),
    /// Made by another district than the one that sent it.
    #[error("a district vouches in its own name only")]
    Sender,
    /// For the sender itself.
    #[error("a district cannot vouch for itself")]
    Own,
    /// For a district or a key that the roster does not show.
    #[error(
        "the roster holds no active district {district} under that key; fetch the newest roster"
    )]
    Unknown {
        /// For whom.
        district: DistrictId,
    },
    /// No room.
    #[error("the hub keeps {VOUCHES_MAX} vouches and takes no more")]
    Full,
    /// The hub could not record it.
    #[error("the hub cannot record the vouch")]
    Journal(#[source] StoreError),
}

impl VouchRefused {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Vouch(source) => source.code(),
            Self::Sender => "vouch_sender",
            Self::Own => "vouch_self",
            Self::Unknown { .. } => "vouch_unknown",
            Self::Full => "vouches_full",
            Self::Journal(source) => source.code(),
        }
    }

    /// Whether the hub is at fault and the node may try again unchanged.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Journal(_))
    }
}

/// A call came without the certificate of an active district.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The connection has no client certificate.
    #[error("the call needs the certificate of an enrolled district")]
    Missing,
    /// Signed by our CA, but not in the roster.
    #[error("the certificate is not one of this network's")]
    Unknown,
    /// The district was shut out, or has a newer certificate.
    #[error("the certificate was revoked")]
    Revoked,
}

impl AuthError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "certificate_missing",
            Self::Unknown => "certificate_unknown",
            Self::Revoked => "certificate_revoked",
        }
    }
}
