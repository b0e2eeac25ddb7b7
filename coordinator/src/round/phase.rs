//! The state of the open round, by step: takes a message to the state it is for.

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{
    CollectAcknowledgements, CollectConfirmations, CollectKeys, CollectMasked, CollectOrder,
    CollectSeals, CollectUnmask, Step,
};

use super::{Message, Refused};

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
