//! What the coordinator asks of a node, between the generated message and the protocol's types.

use crate::canonical::Digest;
use crate::identity::DistrictId;
use crate::secagg::{Advertisement, Confirmation, Opening, RoundId, Seal};

use super::{
    Begin, Ended, Logged, RunId, WireError, advertisements, confirmations, digest, districts,
    ledger, openings, pb, round_id, run_id, seals, strings,
};

/// What the coordinator asks of a node next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// A study is about to run.
    Announce {
        /// The run.
        run: RunId,
        /// Of the study.
        study: Digest,
        /// What the hub's journal knows of the node's.
        logged: Logged,
    },
    /// Step 0.
    Advertise(Box<Begin>),
    /// Above 254 districts: U₁ and its keys, and the order is to be opened.
    Order(RoundId, Vec<Advertisement>),
    /// Step 1 up to 254 districts: U₁ and its keys.
    Share(RoundId, Vec<Advertisement>),
    /// Step 1 above 254 districts: what the order is made of.
    Ordered(RoundId, Vec<Opening>),
    /// Step 1, end: what the others sealed for this node.
    Acknowledge(RoundId, Vec<Seal>),
    /// Step 2: U₂.
    Mask(RoundId, Vec<DistrictId>),
    /// Step 3: U₃.
    Confirm(RoundId, Vec<DistrictId>),
    /// Step 4: the signatures.
    Unmask(RoundId, Vec<Confirmation>),
    /// The round or run is over.
    Ended(Ended),
    /// Nothing to do.
    KeepAlive,
}

impl TryFrom<pb::Directive> for Directive {
    type Error = WireError;

    fn try_from(wire: pb::Directive) -> Result<Self, WireError> {
        use pb::directive::Directive as Wire;
        let directive =
            wire.directive.ok_or_else(|| WireError::new("directive", "is of an unknown kind"))?;
        Ok(match directive {
            Wire::Announce(one) => Self::Announce {
                run: run_id(&one.run_id)?,
                study: digest(&one.study_hash, "study_hash")?,
                logged: Logged {
                    head: match (one.ledger_entries, &one.ledger_head[..]) {
                        (0, []) => None,
                        (entries, head) => Some(ledger(entries, head)?),
                    },
                    masked: match &one.last_masked[..] {
                        [] => None,
                        round => Some(round_id(round)?),
                    },
                    release: match &one.last_release[..] {
                        [] => None,
                        release => Some(digest(release, "last_release")?),
                    },
                },
            },
            Wire::Advertise(one) => Self::Advertise(Box::new(one.try_into()?)),
            Wire::Order(one) => {
                Self::Order(round_id(&one.round_id)?, advertisements(one.advertisements)?)
            }
            Wire::Share(one) => {
                let round = round_id(&one.round_id)?;
                match (one.advertisements.is_empty(), one.openings.is_empty()) {
                    (_, true) => Self::Share(round, advertisements(one.advertisements)?),
                    (true, false) => Self::Ordered(round, openings(&one.openings)?),
                    (false, false) => {
                        return Err(WireError::new("openings", "stand beside advertisements"));
                    }
                }
            }
            Wire::Acknowledge(one) => {
                Self::Acknowledge(round_id(&one.round_id)?, seals(one.seals)?)
            }
            Wire::Mask(one) => {
                Self::Mask(round_id(&one.round_id)?, districts(&one.sharers, "sharers")?)
            }
            Wire::Confirm(one) => {
                Self::Confirm(round_id(&one.round_id)?, districts(&one.survivors, "survivors")?)
            }
            Wire::Unmask(one) => {
                Self::Unmask(round_id(&one.round_id)?, confirmations(&one.confirmations)?)
            }
            Wire::Ended(one) => Self::Ended(one.try_into()?),
            Wire::KeepAlive(pb::KeepAlive {}) => Self::KeepAlive,
        })
    }
}

impl From<Directive> for pb::Directive {
    fn from(ours: Directive) -> Self {
        use pb::directive::Directive as Wire;
        let directive = match ours {
            Directive::Announce { run, study, logged } => Wire::Announce(pb::Announce {
                run_id: run.0.to_vec(),
                study_hash: study.as_bytes().to_vec(),
                ledger_entries: logged.head.map_or(0, |head| head.entries),
                ledger_head: logged
                    .head
                    .map_or_else(Vec::new, |head| head.digest.as_bytes().to_vec()),
                last_masked: logged.masked.map_or_else(Vec::new, |round| round.as_bytes().to_vec()),
                last_release: logged
                    .release
                    .map_or_else(Vec::new, |release| release.as_bytes().to_vec()),
            }),
            Directive::Advertise(begin) => Wire::Advertise((*begin).into()),
            Directive::Order(round, advertisements) => Wire::Order(pb::BeginOrder {
                round_id: round.as_bytes().to_vec(),
                advertisements: advertisements.into_iter().map(Into::into).collect(),
            }),
            Directive::Share(round, advertisements) => Wire::Share(pb::BeginShare {
                round_id: round.as_bytes().to_vec(),
                advertisements: advertisements.into_iter().map(Into::into).collect(),
                openings: Vec::new(),
            }),
            Directive::Ordered(round, openings) => Wire::Share(pb::BeginShare {
                round_id: round.as_bytes().to_vec(),
                advertisements: Vec::new(),
                openings: openings
                    .into_iter()
                    .map(|one| pb::OrderOpening {
                        district: one.district.to_string(),
                        random: one.random.to_vec(),
                    })
                    .collect(),
            }),
            Directive::Acknowledge(round, seals) => Wire::Acknowledge(pb::BeginAcknowledge {
                round_id: round.as_bytes().to_vec(),
                seals: seals.into_iter().map(Into::into).collect(),
            }),
            Directive::Mask(round, sharers) => Wire::Mask(pb::BeginMask {
                round_id: round.as_bytes().to_vec(),
                sharers: strings(&sharers),
            }),
            Directive::Confirm(round, survivors) => Wire::Confirm(pb::BeginConfirm {
                round_id: round.as_bytes().to_vec(),
                survivors: strings(&survivors),
            }),
            Directive::Unmask(round, list) => Wire::Unmask(pb::BeginUnmask {
                round_id: round.as_bytes().to_vec(),
                confirmations: list
                    .into_iter()
                    .map(|one| pb::Confirmation {
                        district: one.district.to_string(),
                        signature: one.signature.as_bytes().to_vec(),
                    })
                    .collect(),
            }),
            Directive::Ended(ended) => Wire::Ended(ended.into()),
            Directive::KeepAlive => Wire::KeepAlive(pb::KeepAlive {}),
        };
        Self { directive: Some(directive) }
    }
}
