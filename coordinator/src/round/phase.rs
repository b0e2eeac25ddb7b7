//! What districts say during a run, and the protocol state each message goes to.
//!
//! In: one message of an authenticated district. Out: taken, or [`Refused`] with a code. Everything is
//! decided by the states of `secagg`. Not here: who is waited for, and for how long (`round.rs`).

use flashlight_proto::identity::{DistrictId, Signature};
use flashlight_proto::secagg::{
    Advertisement, CollectAcknowledgements, CollectConfirmations, CollectKeys, CollectMasked,
    CollectOrder, CollectSeals, CollectUnmask, Reject, RoundId, Seal, Staging, Step,
};
use flashlight_proto::wire::{RunId, pb};
use tokio::sync::oneshot;

/// Why a message was not taken. The node shows both fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self { code: reject.code(), reason: reject.to_string() }
    }
}

/// Where an answer to a message goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// What a district says during a run.
pub(crate) enum Event {
    /// Ready, or refused with a code and a reason.
    Prepared { from: DistrictId, run: RunId, refusal: Option<(String, String)> },
    /// A message of a step.
    Message { from: DistrictId, round: RoundId, message: Message, reply: Reply<()> },
    /// The first chunk of an upload is here.
    Upload { from: DistrictId, round: RoundId, reply: Reply<Staging> },
    /// An upload broke off or broke the rules before it was whole.
    Spoilt { from: DistrictId, round: RoundId, refused: Refused },
}

/// A message of one step.
pub(crate) enum Message {
    Advertise(Box<Advertisement>),
    OpenOrder([u8; 32]),
    Share(Vec<Seal>),
    Acknowledge(Vec<DistrictId>),
    Mask(Staging),
    Confirm(Signature),
    Unmask(pb::UnmaskRequest),
    Withdraw { step: String, code: String, reason: String },
}

/// The protocol state of the round that is open, by step.
pub(super) enum Phase {
    Keys(CollectKeys),
    Order(CollectOrder),
    Seals(CollectSeals),
    Acknowledgements(CollectAcknowledgements),
    Masked(CollectMasked),
    Confirmations(CollectConfirmations),
    Unmask(CollectUnmask),
}

impl Phase {
    pub(super) const fn step(&self) -> Step {
        match self {
            Self::Keys(_) => Step::Advertise,
            Self::Order(_) => Step::Order,
            Self::Seals(_) | Self::Acknowledgements(_) => Step::Share,
            Self::Masked(_) => Step::Mask,
            Self::Confirmations(_) => Step::Confirm,
            Self::Unmask(_) => Step::Unmask,
        }
    }

    /// The step as progress shows it: the second half of *share* has a word of its own.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Acknowledgements(_) => "acknowledge",
            other => other.step().as_str(),
        }
    }

    pub(super) fn have(&self) -> Vec<DistrictId> {
        match self {
            Self::Keys(state) => state.have(),
            Self::Order(state) => state.have(),
            Self::Seals(state) => state.have(),
            Self::Acknowledgements(state) => state.have(),
            Self::Masked(state) => state.have(),
            Self::Confirmations(state) => state.have(),
            Self::Unmask(state) => state.have(),
        }
    }

    pub(super) fn accept(&mut self, from: &DistrictId, message: Message) -> Result<(), Refused> {
        match (self, message) {
            (Self::Keys(state), Message::Advertise(ours)) => state.accept(from, *ours)?,
            (Self::Order(state), Message::OpenOrder(random)) => state.accept(from, random)?,
            (Self::Seals(state), Message::Share(seals)) => state.accept(from, seals)?,
            (Self::Acknowledgements(state), Message::Acknowledge(opened)) => {
                state.accept(from, &opened)?;
            }
            (Self::Masked(state), Message::Mask(upload)) => state.accept(&upload)?,
            (Self::Confirmations(state), Message::Confirm(signature)) => {
                state.accept(from, signature)?;
            }
            (Self::Unmask(state), Message::Unmask(wire)) => {
                if !state.expects(from) {
                    return Err(Refused::new("stranger", "unmask: not part of this round"));
                }
                let x_of = |dealer: &DistrictId| state.x_of(dealer, from);
                let ours = flashlight_proto::wire::unmasking(x_of, &wire)
                    .map_err(|error| Refused::new(error.code(), error.to_string()))?;
                state.accept(from, ours)?;
            }
            (state, _) => {
                let reason = format!("the round is at step {}", state.word());
                return Err(Refused::new("wrong_step", reason));
            }
        }
        Ok(())
    }
}
