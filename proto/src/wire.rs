//! The only file that turns generated messages into the types the protocol runs on, and back.
//!
//! Everything that arrives is checked here for length, range and order; what is not well-formed is
//! a [`WireError`] that names the field. No conversion exists for anything computed from students
//! but [`MaskedInput`](crate::secagg::MaskedInput), whose chunks are already uniformly random.

use crate::canonical::Digest;
use crate::identity::{DistrictId, Signature};
use crate::secagg::shamir::Share;
use crate::secagg::{Advertisement, Confirmation, LedgerHead, MAX_NODES, RoundId, Seal, Unmasking};

mod roster;

pub use self::roster::{FETCHED_ROSTER_MAX, fetched_roster, roster_reply};

/// The generated messages, clients and servers of `wire.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    clippy::use_self,
    clippy::too_many_lines,
    clippy::or_fun_call,
    reason = "generated from wire.proto, which carries the documentation"
)]
pub mod pb {
    tonic::include_proto!("flashlight.v1");
}

/// Longest study, bytes.
pub const STUDY_MAX: usize = 256 * 1024;
/// Longest public school table, bytes.
pub const SCHOOLS_MAX: usize = 16 * 1024 * 1024;
/// Longest roster text, bytes.
pub const ROSTER_MAX: usize = 1024 * 1024;
/// Longest message either side decodes: a study with its school table.
pub const MESSAGE_MAX: usize = STUDY_MAX + SCHOOLS_MAX + 4096;
/// Longest reason in a withdrawal, refusal or end, bytes.
pub const REASON_MAX: usize = 512;

/// The metadata key under which a refusal carries its stable code; its message is for people.
pub const CODE_KEY: &str = "flashlight-code";

/// A message is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {field} {problem}")]
pub struct WireError {
    /// The field, as `wire.proto` names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl WireError {
    const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "malformed"
    }
}

/// A run's id: one `coordinator run`, which may take several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub [u8; 16]);

/// What the hub's journal knows of a node's: a node that is behind it refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Its head when it last advertised.
    pub head: Option<LedgerHead>,
    /// The last round whose survivors it was one of.
    pub masked: Option<RoundId>,
}

/// What the coordinator chose for a round, as it arrives at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The run.
    pub run: RunId,
    /// The round.
    pub round: RoundId,
    /// From 1.
    pub round_number: u64,
    /// 32 bytes.
    pub nonce: [u8; 32],
    /// Of the study.
    pub study: Digest,
    /// Of the layout.
    pub layout: Digest,
    /// Of the roster text.
    pub roster: Digest,
    /// Ascending, all different, at most [`MAX_NODES`].
    pub cohort: Vec<DistrictId>,
    /// Districts.
    pub max_dropped: u32,
    /// Districts.
    pub max_colluding: u32,
    /// Releases the round builds on.
    pub parent_releases: Vec<Digest>,
    /// Head of the hub's log.
    pub log_checkpoint: Digest,
    /// t.
    pub quorum: u32,
}

/// How a round or run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub run: RunId,
    /// The round, if one had begun.
    pub round: Option<RoundId>,
    /// SHA-256 of `release.json`, when published.
    pub release: Option<Digest>,
    /// Stable code, when not.
    pub code: String,
    /// For people.
    pub reason: String,
    /// Another round of the same run follows at once.
    pub recut: bool,
}

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
    /// Step 1: U₁ and its keys.
    Share(RoundId, Vec<Advertisement>),
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

fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, WireError> {
    Digest::try_from(bytes).map_err(|_| WireError::new(field, "is not 32 bytes"))
}

fn array<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], WireError> {
    bytes.try_into().map_err(|_| WireError::new(field, "has the wrong length"))
}

fn signature(bytes: &[u8], field: &'static str) -> Result<Signature, WireError> {
    Signature::try_from(bytes).map_err(|_| WireError::new(field, "is not 64 bytes"))
}

fn district(text: &str, field: &'static str) -> Result<DistrictId, WireError> {
    text.parse().map_err(|_| WireError::new(field, "is not a district id"))
}

/// Reads a list of districts; order and membership are the protocol's to check.
///
/// # Errors
/// [`WireError`] when one is not an id or there are more than [`MAX_NODES`].
pub fn districts(list: &[String], field: &'static str) -> Result<Vec<DistrictId>, WireError> {
    limit(list.len(), field)?;
    list.iter().map(|text| district(text, field)).collect()
}

fn limit(length: usize, field: &'static str) -> Result<(), WireError> {
    if length > MAX_NODES {
        return Err(WireError::new(field, "names more districts than a round can hold"));
    }
    Ok(())
}

/// Reads a round id.
///
/// # Errors
/// [`WireError`] when it is not 16 bytes.
pub fn round_id(bytes: &[u8]) -> Result<RoundId, WireError> {
    RoundId::try_from(bytes).map_err(|_| WireError::new("round_id", "is not 16 bytes"))
}

/// Reads a run id.
///
/// # Errors
/// [`WireError`] when it is not 16 bytes.
pub fn run_id(bytes: &[u8]) -> Result<RunId, WireError> {
    Ok(RunId(array(bytes, "run_id")?))
}

fn strings(list: &[DistrictId]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// A text in which the other side had a say, for a terminal: control characters become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// A reason for people: [`one_line`], cut to [`REASON_MAX`] bytes on a character border.
#[must_use]
pub fn reason(text: &str) -> String {
    let mut end = text.len().min(REASON_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    one_line(&text[..end])
}

fn ledger(entries: u64, head: &[u8]) -> Result<LedgerHead, WireError> {
    Ok(LedgerHead { entries, digest: digest(head, "ledger_head")? })
}

impl TryFrom<pb::Advertisement> for Advertisement {
    type Error = WireError;

    fn try_from(wire: pb::Advertisement) -> Result<Self, WireError> {
        Ok(Self {
            district: district(&wire.district, "district")?,
            seal_key: array(&wire.seal_key, "seal_key")?,
            mask_key: array(&wire.mask_key, "mask_key")?,
            seed_commitment: digest(&wire.seed_commitment, "seed_commitment")?,
            ledger: ledger(wire.ledger_entries, &wire.ledger_head)?,
            signature: signature(&wire.signature, "signature")?,
        })
    }
}

impl From<Advertisement> for pb::Advertisement {
    fn from(ours: Advertisement) -> Self {
        Self {
            district: ours.district.to_string(),
            seal_key: ours.seal_key.to_vec(),
            mask_key: ours.mask_key.to_vec(),
            seed_commitment: ours.seed_commitment.as_bytes().to_vec(),
            ledger_entries: ours.ledger.entries,
            ledger_head: ours.ledger.digest.as_bytes().to_vec(),
            signature: ours.signature.as_bytes().to_vec(),
        }
    }
}

/// A node's advertisement as the request of its rpc.
#[must_use]
pub fn advertise_request(round: RoundId, ours: Advertisement) -> pb::AdvertiseRequest {
    pb::AdvertiseRequest {
        round_id: round.as_bytes().to_vec(),
        seal_key: ours.seal_key.to_vec(),
        mask_key: ours.mask_key.to_vec(),
        seed_commitment: ours.seed_commitment.as_bytes().to_vec(),
        ledger_entries: ours.ledger.entries,
        ledger_head: ours.ledger.digest.as_bytes().to_vec(),
        signature: ours.signature.as_bytes().to_vec(),
    }
}

/// The advertisement in a request from an authenticated district.
///
/// # Errors
/// [`WireError`] naming the field.
pub fn advertisement(
    from: &DistrictId,
    wire: &pb::AdvertiseRequest,
) -> Result<Advertisement, WireError> {
    Ok(Advertisement {
        district: from.clone(),
        seal_key: array(&wire.seal_key, "seal_key")?,
        mask_key: array(&wire.mask_key, "mask_key")?,
        seed_commitment: digest(&wire.seed_commitment, "seed_commitment")?,
        ledger: ledger(wire.ledger_entries, &wire.ledger_head)?,
        signature: signature(&wire.signature, "signature")?,
    })
}

impl TryFrom<pb::Seal> for Seal {
    type Error = WireError;

    fn try_from(wire: pb::Seal) -> Result<Self, WireError> {
        Ok(Self { peer: district(&wire.peer, "peer")?, sealed: wire.sealed })
    }
}

impl From<Seal> for pb::Seal {
    fn from(ours: Seal) -> Self {
        Self { peer: ours.peer.to_string(), sealed: ours.sealed }
    }
}

/// Reads a list of seals.
///
/// # Errors
/// [`WireError`] naming the field.
pub fn seals(list: Vec<pb::Seal>) -> Result<Vec<Seal>, WireError> {
    limit(list.len(), "seals")?;
    list.into_iter().map(Seal::try_from).collect()
}

fn confirmations(list: &[pb::Confirmation]) -> Result<Vec<Confirmation>, WireError> {
    limit(list.len(), "confirmations")?;
    list.iter()
        .map(|one| {
            Ok(Confirmation {
                district: district(&one.district, "district")?,
                signature: signature(&one.signature, "signature")?,
            })
        })
        .collect()
}

/// The signature in a confirm request.
///
/// # Errors
/// [`WireError`] when it is not 64 bytes.
pub fn confirm_signature(wire: &pb::ConfirmRequest) -> Result<Signature, WireError> {
    signature(&wire.signature, "signature")
}

/// A survivor's shares as the request of its rpc.
#[must_use]
pub fn unmask_request(round: RoundId, ours: &Unmasking) -> pb::UnmaskRequest {
    let list = |shares: &[(DistrictId, Share)]| {
        shares
            .iter()
            .map(|(district, share)| pb::PeerShare {
                district: district.to_string(),
                share: share.as_bytes().to_vec(),
            })
            .collect()
    };
    pb::UnmaskRequest {
        round_id: round.as_bytes().to_vec(),
        seed_shares: list(&ours.seeds),
        mask_key_shares: list(&ours.mask_keys),
    }
}

/// The shares in an unmask request; `x` is the sender's Shamir place.
///
/// # Errors
/// [`WireError`] when a share is not 33 bytes or under another's place.
pub fn unmasking(x: u8, wire: &pb::UnmaskRequest) -> Result<Unmasking, WireError> {
    Ok(Unmasking {
        seeds: peer_shares(x, &wire.seed_shares, "seed_shares")?,
        mask_keys: peer_shares(x, &wire.mask_key_shares, "mask_key_shares")?,
    })
}

fn peer_shares(
    x: u8,
    list: &[pb::PeerShare],
    field: &'static str,
) -> Result<Vec<(DistrictId, Share)>, WireError> {
    limit(list.len(), field)?;
    list.iter()
        .map(|one| {
            let share = Share::parse(&one.share, x)
                .map_err(|_| WireError::new(field, "holds a share of the wrong shape"))?;
            Ok((district(&one.district, field)?, share))
        })
        .collect()
}

impl TryFrom<pb::BeginAdvertise> for Begin {
    type Error = WireError;

    fn try_from(wire: pb::BeginAdvertise) -> Result<Self, WireError> {
        limit(wire.parent_releases.len(), "parent_releases")?;
        Ok(Self {
            run: run_id(&wire.run_id)?,
            round: round_id(&wire.round_id)?,
            round_number: wire.round_number,
            nonce: array(&wire.nonce, "nonce")?,
            study: digest(&wire.study_hash, "study_hash")?,
            layout: digest(&wire.layout_hash, "layout_hash")?,
            roster: digest(&wire.roster_hash, "roster_hash")?,
            cohort: districts(&wire.cohort, "cohort")?,
            max_dropped: wire.max_dropped,
            max_colluding: wire.max_colluding,
            parent_releases: wire
                .parent_releases
                .iter()
                .map(|bytes| digest(bytes, "parent_releases"))
                .collect::<Result<_, _>>()?,
            log_checkpoint: digest(&wire.log_checkpoint, "log_checkpoint")?,
            quorum: wire.quorum,
        })
    }
}

impl From<Begin> for pb::BeginAdvertise {
    fn from(ours: Begin) -> Self {
        Self {
            run_id: ours.run.0.to_vec(),
            round_id: ours.round.as_bytes().to_vec(),
            round_number: ours.round_number,
            nonce: ours.nonce.to_vec(),
            study_hash: ours.study.as_bytes().to_vec(),
            layout_hash: ours.layout.as_bytes().to_vec(),
            roster_hash: ours.roster.as_bytes().to_vec(),
            cohort: strings(&ours.cohort),
            max_dropped: ours.max_dropped,
            max_colluding: ours.max_colluding,
            parent_releases: ours
                .parent_releases
                .iter()
                .map(|release| release.as_bytes().to_vec())
                .collect(),
            log_checkpoint: ours.log_checkpoint.as_bytes().to_vec(),
            quorum: ours.quorum,
        }
    }
}

impl TryFrom<pb::RoundEnded> for Ended {
    type Error = WireError;

    fn try_from(wire: pb::RoundEnded) -> Result<Self, WireError> {
        let round = if wire.round_id.is_empty() { None } else { Some(round_id(&wire.round_id)?) };
        let release =
            if wire.published { Some(digest(&wire.release_hash, "release_hash")?) } else { None };
        Ok(Self {
            run: run_id(&wire.run_id)?,
            round,
            release,
            code: reason(&wire.code),
            reason: reason(&wire.reason),
            recut: wire.recut,
        })
    }
}

impl From<Ended> for pb::RoundEnded {
    fn from(ours: Ended) -> Self {
        Self {
            round_id: ours.round.map(|round| round.as_bytes().to_vec()).unwrap_or_default(),
            run_id: ours.run.0.to_vec(),
            published: ours.release.is_some(),
            release_hash: ours.release.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
            code: ours.code,
            reason: reason(&ours.reason),
            recut: ours.recut,
        }
    }
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
                },
            },
            Wire::Advertise(one) => Self::Advertise(Box::new(one.try_into()?)),
            Wire::Share(one) => {
                limit(one.advertisements.len(), "advertisements")?;
                let list = one.advertisements.into_iter().map(Advertisement::try_from);
                Self::Share(round_id(&one.round_id)?, list.collect::<Result<_, _>>()?)
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
            }),
            Directive::Advertise(begin) => Wire::Advertise((*begin).into()),
            Directive::Share(round, advertisements) => Wire::Share(pb::BeginShare {
                round_id: round.as_bytes().to_vec(),
                advertisements: advertisements.into_iter().map(Into::into).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Begin {
        Begin {
            run: RunId([1; 16]),
            round: RoundId::from([2; 16]),
            round_number: 3,
            nonce: [4; 32],
            study: Digest::of(b"study"),
            layout: Digest::of(b"layout"),
            roster: Digest::of(b"roster"),
            cohort: vec!["A".parse().unwrap(), "B".parse().unwrap()],
            max_dropped: 1,
            max_colluding: 1,
            parent_releases: vec![Digest::of(b"parent")],
            log_checkpoint: Digest::of(b"log"),
            quorum: 2,
        }
    }

    #[test]
    fn directives_survive_the_wire_unchanged() {
        let directives = [
            Directive::Advertise(Box::new(begin())),
            Directive::Mask(RoundId::from([2; 16]), begin().cohort),
            Directive::Ended(Ended {
                run: RunId([1; 16]),
                round: None,
                release: Some(Digest::of(b"release")),
                code: String::new(),
                reason: String::new(),
                recut: false,
            }),
            Directive::KeepAlive,
        ];
        for directive in directives {
            let wire = pb::Directive::from(directive.clone());
            assert_eq!(Directive::try_from(wire), Ok(directive));
        }
    }

    #[test]
    fn a_short_nonce_is_refused_by_name() {
        let mut wire = pb::BeginAdvertise::from(begin());
        wire.nonce.pop();
        assert_eq!(Begin::try_from(wire).map_err(|error| error.field), Err("nonce"));
    }

    #[test]
    fn a_cohort_beyond_the_limit_is_refused() {
        let mut wire = pb::BeginAdvertise::from(begin());
        wire.cohort = vec!["A".to_owned(); MAX_NODES + 1];
        assert_eq!(Begin::try_from(wire).map_err(|error| error.field), Err("cohort"));
    }

    #[test]
    fn a_reason_cannot_steer_a_terminal() {
        assert_eq!(reason("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }

    #[test]
    fn reasons_are_cut_on_a_character_border() {
        let long = "ä".repeat(REASON_MAX);
        assert!(reason(&long).len() <= REASON_MAX);
    }
}
