//! Why an officer's command did not do what was asked, by who is at fault.

use std::path::PathBuf;

use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::RosterError;
use flashlight_proto::study::StudyError;
use flashlight_proto::wire::{CODE_KEY, WireError, reason};
use flashlight_store::StoreError;

use crate::consent::{DecisionsError, PolicyError};
use crate::enroll::EnrollError;
use crate::journal::RosterRefusal;
use crate::ledger::{OverrideError, Question};
use crate::tls::DialError;

/// The codes with which a hub refuses an officer's call.
const REFUSALS: [&str; 9] = [
    "vouch_malformed",
    "vouch_signature",
    "vouch_sender",
    "vouch_self",
    "vouch_unknown",
    "vouches_full",
    "certificate_missing",
    "certificate_unknown",
    "certificate_revoked",
];

/// A command that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OfficerError {
    /// The node's folder.
    #[error(transparent)]
    Folder(#[from] EnrollError),
    /// The journal, or another file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The policy.
    #[error("the policy cannot be used")]
    Policy(#[from] PolicyError),
    /// The decision.
    #[error(transparent)]
    Decisions(#[from] DecisionsError),
    /// The async runtime.
    #[error("cannot start the network")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// JSON that could not be written.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    /// The file is none.
    #[error("{} is not a valid study", path.display())]
    Study {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: StudyError,
    },
    /// Neither a file nor a study the journal knows.
    #[error(
        "{text:?} is neither a file, nor a SHA-256, nor the beginning of a study's that this node was asked about"
    )]
    StudyUnknown {
        /// As typed.
        text: String,
    },
    /// The beginning of several.
    #[error("{count} studies begin with {text}")]
    StudyAmbiguous {
        /// As typed.
        text: String,
        /// How many.
        count: usize,
    },
    /// No connection.
    #[error("cannot reach the hub")]
    Dial(#[from] DialError),
    /// The call failed on the way.
    #[error("the call to the hub failed")]
    Call(#[source] Box<tonic::Status>),
    /// The hub refused, with a code we know.
    #[error("the hub refused: {message}")]
    Refused {
        /// One of [`REFUSALS`], or `hub_refused`.
        code: &'static str,
        /// The hub's sentence, cut to what can be shown.
        message: String,
    },
    /// The hub's reply is not well-formed.
    #[error("the hub's reply cannot be read")]
    Wire(#[from] WireError),
    /// Not signed by the hub, or not a roster.
    #[error("the hub's roster is refused")]
    Roster(#[from] RosterError),
    /// The last roster this node accepted cannot be read.
    #[error("the last roster this node accepted cannot be used")]
    LastRoster(#[from] RosterRefusal),
    /// This node never accepted a roster.
    #[error("this node has not accepted a roster yet")]
    RosterUnseen,
    /// Nobody to vouch for.
    #[error("the roster holds no active district {district}")]
    NotMember {
        /// As typed.
        district: DistrictId,
    },
    /// For oneself.
    #[error("{district} is this district; it cannot vouch for itself")]
    Own {
        /// As typed.
        district: DistrictId,
    },
    /// The key from the phone is not the roster's.
    #[error("the roster shows {district} under {roster}, not under {typed}; nothing was signed")]
    KeyDiffers {
        /// As typed.
        district: DistrictId,
        /// The hub's.
        roster: IdentityKey,
        /// As typed.
        typed: IdentityKey,
    },
    /// An override.
    #[error("the override: {0}")]
    Override(OverrideError),
    /// No set to override.
    #[error("this node signed no set of survivors for {question}")]
    Unanswered {
        /// The first such question.
        question: Question,
    },
}

impl OfficerError {
    /// The stable name of this error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Folder(source) => source.code(),
            Self::Store(source) => source.code(),
            Self::Policy(source) => source.code(),
            Self::Decisions(source) => source.code(),
            Self::Runtime(_) | Self::Json(_) => "internal",
            Self::Study { source, .. } => source.code(),
            Self::StudyUnknown { .. } => "study_not_asked",
            Self::StudyAmbiguous { .. } => "study_ambiguous",
            Self::Dial(source) => source.code(),
            Self::Call(status) => DialError::find(&**status).map_or("hub_call", DialError::code),
            Self::Refused { code, .. } => code,
            Self::Wire(source) => source.code(),
            Self::Roster(source) => source.code(),
            Self::LastRoster(source) => source.code(),
            Self::RosterUnseen => "roster_unseen",
            Self::NotMember { .. } => "district_unknown",
            Self::Own { .. } => "vouch_self",
            Self::KeyDiffers { .. } => "vouch_key_differs",
            Self::Override(source) => source.code(),
            Self::Unanswered { .. } => "override_unanswered",
        }
    }

    /// What the officer can do about it: one line.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Folder(source) => source.hint(),
            Self::Store(_) => "check the path, the disk and the permissions of the node's folder",
            Self::Policy(_) => {
                "correct policy.toml as the message says; the node takes part in nothing until then"
            }
            Self::Decisions(_) => "nothing was decided; correct what the message names",
            Self::Runtime(_) | Self::Json(_) => "try again; if it stays, this machine is not fit",
            Self::Study { .. } => "use the file exactly as the hub published it",
            Self::StudyUnknown { .. } => {
                "run `flashlight-node pending` for the studies that wait, or give the study's file"
            }
            Self::StudyAmbiguous { .. } => "give more digits",
            Self::Dial(source) => source.hint(),
            Self::Call(status) => DialError::find(&**status)
                .map_or("run the same command again; it may have been done", DialError::hint),
            Self::Refused { code, .. } => match *code {
                "vouch_unknown" => "run `flashlight-node peers` again: the roster has changed",
                _ => "ask the hub",
            },
            Self::Wire(_) => "the hub runs other software, or does not tell the truth; ask it",
            Self::Roster(source) => source.hint(),
            Self::LastRoster(source) => source.hint(),
            Self::RosterUnseen => {
                "start the node; it accepts a roster when the hub asks it for a study"
            }
            Self::NotMember { .. } => "run `flashlight-node peers` for the ids of all districts",
            Self::Own { .. } => "ask two other districts to vouch for this one",
            Self::KeyDiffers { .. } => {
                "compare the whole key with the district once more; if the typed one is right, the \
                 hub's roster is wrong: tell the hub and the other districts"
            }
            Self::Override(_) => "have it drafted and signed anew",
            Self::Unanswered { .. } => "nothing has to be overridden; a round may run without it",
        }
    }

    /// Whether the district's own rules or the hub said no; everything else failed.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Roster(_)
                | Self::NotMember { .. }
                | Self::Own { .. }
                | Self::KeyDiffers { .. }
                | Self::Override(_)
        )
    }
}

impl From<tonic::Status> for OfficerError {
    /// The hub's refusal when it carries a code, or the failed call.
    fn from(status: tonic::Status) -> Self {
        let Some(code) = status.metadata().get(CODE_KEY).and_then(|code| code.to_str().ok()) else {
            return Self::Call(Box::new(status));
        };
        let code = REFUSALS.into_iter().find(|known| *known == code).unwrap_or("hub_refused");
        Self::Refused { code, message: reason(status.message()) }
    }
}

impl From<OverrideError> for OfficerError {
    fn from(error: OverrideError) -> Self {
        Self::Override(error)
    }
}
