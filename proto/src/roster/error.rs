//! Why a roster is refused, and what a person can do about it.

use super::MEMBERS_MAX;
use crate::identity::DistrictId;

/// Why a roster is refused. Every one of them is the hub's fault or an attack on its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The signature is not the hub's.
    #[error("the roster is not signed by the hub's key")]
    Signature,
    /// Signed by the right key, but the text names another one.
    #[error("the roster names another hub key than the one it is signed with")]
    HubKey,
    /// Over [`ROSTER_TEXT_MAX`](super::ROSTER_TEXT_MAX) or [`MEMBERS_MAX`].
    #[error("the roster is over 1 MiB or {MEMBERS_MAX} members")]
    TooLarge,
    /// Not the canonical text.
    #[error("line {line} of the roster is not in canonical form")]
    Malformed {
        /// From 1.
        line: usize,
    },
    /// A district, a key or a certificate occurs twice, or the districts are not ascending.
    #[error("the roster's districts, keys and certificates are not all different and in order")]
    Duplicate,
    /// A version below one already seen.
    #[error("the roster went back from version {seen} to {offered}")]
    RolledBack {
        /// The highest version accepted so far.
        seen: u64,
        /// The version offered now.
        offered: u64,
    },
    /// Two texts under one version.
    #[error("the roster shows two different texts under version {version}")]
    Forked {
        /// Of both.
        version: u64,
    },
    /// A member once seen is gone.
    #[error("district {district} was removed from the roster; a district that leaves is revoked")]
    MemberMissing {
        /// Whose line is gone.
        district: DistrictId,
    },
    /// A member's identity key is another one.
    #[error("the roster shows another identity key for district {district} than before")]
    KeyChanged {
        /// Whose key it is.
        district: DistrictId,
    },
    /// A revoked certificate is active again.
    #[error("the revoked certificate of district {district} is active again")]
    Unrevoked {
        /// Whose certificate it is.
        district: DistrictId,
    },
}

impl RosterError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature => "roster_signature",
            Self::HubKey => "roster_hub_key",
            Self::TooLarge => "roster_too_large",
            Self::Malformed { .. } => "roster_malformed",
            Self::Duplicate => "roster_duplicate",
            Self::RolledBack { .. } => "roster_rolled_back",
            Self::Forked { .. } => "roster_forked",
            Self::MemberMissing { .. } => "roster_member_missing",
            Self::KeyChanged { .. } => "roster_key_changed",
            Self::Unrevoked { .. } => "roster_unrevoked",
        }
    }

    /// What a person at the node can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::KeyChanged { .. } => {
                "take part in nothing until that district itself confirms, by phone, that it changed \
                 its key; if it did, the hub has to enrol it under a new district id"
            }
            Self::RolledBack { .. } => {
                "the hub may have restored an old backup; ask it to restore the newest one"
            }
            Self::Forked { .. } | Self::MemberMissing { .. } | Self::Unrevoked { .. } => {
                "the hub shows different parties different rosters, or lost its journal; take part in \
                 nothing until it explains"
            }
            Self::Signature | Self::HubKey => {
                "compare the fingerprint words with the hub by phone; do not enrol again before"
            }
            Self::TooLarge | Self::Malformed { .. } | Self::Duplicate => {
                "the hub runs other software or a newer version; update this node or ask the hub"
            }
        }
    }
}
