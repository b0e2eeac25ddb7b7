//! The only file that turns generated messages into the types the protocol runs on, and back.
//!
//! Everything that arrives is checked here for length, range and order; what is not well-formed is
//! a [`WireError`] that names the field. No conversion exists for anything computed from students
//! but [`MaskedInput`](crate::secagg::MaskedInput), whose chunks are already uniformly random.

use crate::canonical::Digest;
use crate::growth::Broadcast;
use crate::identity::{DistrictId, Signature};
use crate::secagg::shamir::Share;
use crate::secagg::{
    Advertisement, COMPLETE_MAX, Confirmation, LedgerHead, MAX_NODES, Opening, RoundId, Seal,
    Unmasking,
};

mod directive;

pub use directive::Directive;

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
/// Most peers that a node can have something for: all others of the complete graph, or all
/// neighbours. Whatever a node sends or is sent one by one has no more entries.
pub const PEERS_MAX: usize = COMPLETE_MAX as usize;
/// Longest constants of a second round of growth models, bytes of JSON.
pub const CONSTANTS_MAX: usize = 1024 * 1024;
/// Most releases that a round builds on.
const PARENTS_MAX: usize = 254;
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
    /// What that round published, for a node that did not see its end.
    pub release: Option<Digest>,
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
    /// What a second round of growth models is taken at, one per model; empty in every other round.
    pub constants: Vec<Broadcast>,
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
    limit(list.len(), MAX_NODES, field)?;
    list.iter().map(|text| district(text, field)).collect()
}

/// Reads a list of peers of one node.
///
/// # Errors
/// [`WireError`] when one is not an id or there are more than [`PEERS_MAX`].
pub fn peers(list: &[String], field: &'static str) -> Result<Vec<DistrictId>, WireError> {
    limit(list.len(), PEERS_MAX, field)?;
    districts(list, field)
}

fn limit(length: usize, most: usize, field: &'static str) -> Result<(), WireError> {
    if length > most {
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

fn order_commitment(bytes: &[u8]) -> Result<Option<Digest>, WireError> {
    if bytes.is_empty() { Ok(None) } else { digest(bytes, "order_commitment").map(Some) }
}

fn order_bytes(commitment: Option<Digest>) -> Vec<u8> {
    commitment.map_or_else(Vec::new, |commitment| commitment.as_bytes().to_vec())
}

impl TryFrom<pb::Advertisement> for Advertisement {
    type Error = WireError;

    fn try_from(wire: pb::Advertisement) -> Result<Self, WireError> {
        Ok(Self {
            district: district(&wire.district, "district")?,
            seal_key: array(&wire.seal_key, "seal_key")?,
            mask_key: array(&wire.mask_key, "mask_key")?,
            seed_commitment: digest(&wire.seed_commitment, "seed_commitment")?,
            order_commitment: order_commitment(&wire.order_commitment)?,
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
            order_commitment: order_bytes(ours.order_commitment),
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
        order_commitment: order_bytes(ours.order_commitment),
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
        order_commitment: order_commitment(&wire.order_commitment)?,
        ledger: ledger(wire.ledger_entries, &wire.ledger_head)?,
        signature: signature(&wire.signature, "signature")?,
    })
}

/// A node's part of the order as the request of its rpc.
#[must_use]
pub fn open_order_request(round: RoundId, random: &[u8; 32]) -> pb::OpenOrderRequest {
    pb::OpenOrderRequest { round_id: round.as_bytes().to_vec(), random: random.to_vec() }
}

/// The part of the order in a request.
///
/// # Errors
/// [`WireError`] when it is not 32 bytes.
pub fn order_random(wire: &pb::OpenOrderRequest) -> Result<[u8; 32], WireError> {
    array(&wire.random, "random")
}

fn openings(list: &[pb::OrderOpening]) -> Result<Vec<Opening>, WireError> {
    limit(list.len(), MAX_NODES, "openings")?;
    list.iter()
        .map(|one| {
            let district = district(&one.district, "district")?;
            Ok(Opening { district, random: array(&one.random, "random")? })
        })
        .collect()
}

fn advertisements(list: Vec<pb::Advertisement>) -> Result<Vec<Advertisement>, WireError> {
    limit(list.len(), MAX_NODES, "advertisements")?;
    list.into_iter().map(Advertisement::try_from).collect()
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
    limit(list.len(), PEERS_MAX, "seals")?;
    list.into_iter().map(Seal::try_from).collect()
}

fn confirmations(list: &[pb::Confirmation]) -> Result<Vec<Confirmation>, WireError> {
    limit(list.len(), MAX_NODES, "confirmations")?;
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

/// The shares in an unmask request; `x_of` says the place of the sender's share of a district's
/// secret, if it has one.
///
/// # Errors
/// [`WireError`] when a share is not 33 bytes, under another's place or of a stranger's secret.
pub fn unmasking(
    x_of: impl Fn(&DistrictId) -> Option<u8>,
    wire: &pb::UnmaskRequest,
) -> Result<Unmasking, WireError> {
    Ok(Unmasking {
        seeds: peer_shares(&x_of, &wire.seed_shares, "seed_shares")?,
        mask_keys: peer_shares(&x_of, &wire.mask_key_shares, "mask_key_shares")?,
    })
}

fn peer_shares(
    x_of: impl Fn(&DistrictId) -> Option<u8>,
    list: &[pb::PeerShare],
    field: &'static str,
) -> Result<Vec<(DistrictId, Share)>, WireError> {
    limit(list.len(), PEERS_MAX, field)?;
    list.iter()
        .map(|one| {
            let dealer = district(&one.district, field)?;
            let share = x_of(&dealer).and_then(|x| Share::parse(&one.share, x).ok());
            let share =
                share.ok_or_else(|| WireError::new(field, "holds a share of the wrong shape"))?;
            Ok((dealer, share))
        })
        .collect()
}

impl TryFrom<pb::BeginAdvertise> for Begin {
    type Error = WireError;

    fn try_from(wire: pb::BeginAdvertise) -> Result<Self, WireError> {
        limit(wire.parent_releases.len(), PARENTS_MAX, "parent_releases")?;
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
            constants: constants(&wire.constants)?,
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
            constants: constants_json(&ours.constants),
        }
    }
}

/// No bytes: none. A list of none is written as no bytes, and nothing else.
fn constants(json: &[u8]) -> Result<Vec<Broadcast>, WireError> {
    if json.len() > CONSTANTS_MAX {
        return Err(WireError::new("constants", "are longer than 1 MiB"));
    }
    if json.is_empty() {
        return Ok(Vec::new());
    }
    match serde_json::from_slice::<Vec<Broadcast>>(json) {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(WireError::new("constants", "is not a list of constants of growth models")),
    }
}

fn constants_json(list: &[Broadcast]) -> Vec<u8> {
    // Integers and names: nothing here that JSON cannot say.
    if list.is_empty() { Vec::new() } else { serde_json::to_vec(list).unwrap_or_default() }
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

#[cfg(test)]
mod tests;
