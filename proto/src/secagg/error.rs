//! What can go wrong in a round, by who is at fault: always the step, the party and the reason.

use std::fmt;

use crate::identity::DistrictId;

/// A step of the protocol, by its one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Step 0: fresh keys.
    Advertise,
    /// Between 0 and 1, on the sparse graph: what the order is made of.
    Order,
    /// Step 1: sealed Shamir shares.
    Share,
    /// Step 2: the masked vector.
    Mask,
    /// Step 3: signatures on the sets.
    Confirm,
    /// Step 4: shares that open the sum.
    Unmask,
}

impl Step {
    /// The word used in rpcs, logs, metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advertise => "advertise",
            Self::Order => "order",
            Self::Share => "share",
            Self::Mask => "mask",
            Self::Confirm => "confirm",
            Self::Unmask => "unmask",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message or a round was refused. Carries sizes, never values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The party is not in the set this step is about.
    #[error("is not part of this step")]
    Stranger,
    /// The party answered this step before.
    #[error("answered twice")]
    Duplicate,
    /// A list of districts is not strictly ascending, or names one twice.
    #[error("is named twice or out of order")]
    SetNotAscending,
    /// A set fell below the least survivor set m.
    #[error("only {got} districts are left, the round needs {need}")]
    TooFew {
        /// Districts in the set.
        got: usize,
        /// The least allowed.
        need: usize,
    },
    /// This node is missing from a set that must hold it.
    #[error("this node is missing from the set it is asked to serve")]
    SelfMissing,
    /// The advertisement shown for this node is not the one it sent.
    #[error("the advertisement shown for this node is not the one it sent")]
    SelfChanged,
    /// A signature does not verify under the roster key.
    #[error("the signature does not verify under the roster key")]
    Signature,
    /// Key agreement gave a non-contributory result.
    #[error("the key agreement is not contributory")]
    WeakKey,
    /// Sealed shares: wrong number or length.
    #[error("sent sealed shares of the wrong number or length")]
    SealShape,
    /// A node is asked to mask with a peer whose seal it could not open.
    #[error("its sealed shares did not open here, so it cannot take part")]
    SealUnopened,
    /// The contribution was made for another layout.
    #[error("the contribution follows another layout than the round")]
    Layout,
    /// A chunk is out of order, repeated, of the wrong size, or one too many.
    #[error("chunk {got} is not the chunk {want} expected, or has the wrong size")]
    Chunk {
        /// The index received.
        got: u32,
        /// The index expected next.
        want: u32,
    },
    /// The upload stopped before its last chunk.
    #[error("the upload stopped after {got} of {want} chunks")]
    Truncated {
        /// Chunks received.
        got: u32,
        /// Chunks in a whole upload.
        want: u32,
    },
    /// Fewer than t signatures on identical sets.
    #[error("only {got} confirmations, the round needs {need}")]
    Confirmations {
        /// Valid confirmations.
        got: usize,
        /// The threshold t.
        need: usize,
    },
    /// Shares of the wrong number, length, index or kind.
    #[error("sent shares of the wrong number, length, index or kind")]
    ShareShape,
    /// No subset of the received shares opens a committed secret.
    #[error("no {need} of the {got} shares received open its secret")]
    Unrecoverable {
        /// Shares received.
        got: usize,
        /// The threshold t.
        need: usize,
    },
    /// A control cell does not count the survivors: somebody masked under other terms.
    #[error(
        "a control cell does not count the survivors: not everybody masked under the same terms"
    )]
    ControlCell,
    /// The secret could not be split: threshold or size out of range.
    #[error("the secret could not be split")]
    Split,
    /// An order is to be opened, or not to be, on this round's graph.
    #[error("the round's graph is another: the order has to be opened first, or there is none")]
    OrderStep,
    /// A part of the order is missing, unexpected, or not what was committed to.
    #[error("did not commit to an order as the graph asks, or opened something else")]
    OrderCommitment,
    /// A member of U₁ did not open its part of the order.
    #[error("did not open its part of the order")]
    OrderUnopened,
    /// The node opened its part of the order too often without coming to *mask*.
    #[error(
        "this node opened its part of the order {most} times without a round coming to mask; a hub \
         could look for an order it likes: ask why its rounds fail, then restart the node"
    )]
    OrderRestarts {
        /// The most there may be.
        most: u8,
    },
    /// Fewer of a district's neighbours are in a set than open its secrets.
    #[error("only {got} neighbours are left, {need} are needed to open its secrets")]
    Neighbours {
        /// Neighbours in the set.
        got: usize,
        /// The threshold `t_nb`.
        need: usize,
    },
    /// A run of the order holds too few of a set.
    #[error(
        "a run of the order holds only {got} districts, {need} are needed, or the graph might fall \
         apart; run the study again"
    )]
    Window {
        /// Districts in the run.
        got: usize,
        /// The least, w.
        need: usize,
    },
    /// A word beyond what so many districts can add up.
    #[error("a word is beyond 2^{bits} and might wrap when summed over so many districts")]
    WordTooLarge {
        /// The limit's power of two.
        bits: u32,
    },
    /// This node is not in the cohort, or its key is not the roster's.
    #[error("this node's identity key is not the roster's")]
    NotMine,
}

impl Reason {
    /// The stable code for gRPC details, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Duplicate => "duplicate",
            Self::SetNotAscending => "set_not_ascending",
            Self::TooFew { .. } => "too_few",
            Self::SelfMissing => "self_missing",
            Self::SelfChanged => "self_changed",
            Self::Signature => "signature",
            Self::WeakKey => "weak_key",
            Self::SealShape => "seal_shape",
            Self::SealUnopened => "seal_unopened",
            Self::Layout => "layout",
            Self::Chunk { .. } => "chunk",
            Self::Truncated { .. } => "truncated",
            Self::Confirmations { .. } => "confirmations",
            Self::ShareShape => "share_shape",
            Self::Unrecoverable { .. } => "unrecoverable",
            Self::ControlCell => "control_cell",
            Self::Split => "split",
            Self::OrderStep => "order_step",
            Self::OrderCommitment => "order_commitment",
            Self::OrderUnopened => "order_unopened",
            Self::OrderRestarts { .. } => "order_restarts",
            Self::Neighbours { .. } => "neighbours",
            Self::Window { .. } => "window",
            Self::WordTooLarge { .. } => "contribution_too_large",
            Self::NotMine => "not_mine",
        }
    }
}

macro_rules! fault {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The step.
            pub step: Step,
            /// Whose message or entry is at fault, when it is one district's.
            pub party: Option<DistrictId>,
            /// Why.
            pub reason: Reason,
        }

        impl $name {
            pub(crate) fn new(step: Step, party: Option<&DistrictId>, reason: Reason) -> Self {
                Self { step, party: party.cloned(), reason }
            }

            /// The stable code of the reason.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                self.reason.code()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match &self.party {
                    Some(party) => write!(f, "{}: district {party}: {}", self.step, self.reason),
                    None => write!(f, "{}: {}", self.step, self.reason),
                }
            }
        }

        impl std::error::Error for $name {}
    };
}

fault! {
    /// One district's message was wrong; the round goes on without it.
    Reject
}

fault! {
    /// The round is over for whoever says this.
    Abort
}
