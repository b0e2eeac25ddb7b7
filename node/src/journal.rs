//! What a node records, durably, before anything that depends on it leaves the machine.
//!
//! In: one [`Entry`] per event. Out: what this district has joined, seen and promised, after any
//! crash. Promise: an entry holds ids, public keys, rosters and hashes. Never here: private keys,
//! shares, seeds, masked or plain values, anything computed from a student.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::{Roster, RosterError, SignedRoster};
use flashlight_proto::study::Mode;
use flashlight_store::{Recorded, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::ledger::{Loss, Question};

/// The node's journal.
pub type Journal = Store<Entry>;

/// One event at the node. Adding a kind is compatible, changing one is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Entry {
    /// The node joined a network.
    Enrolled {
        /// Assigned by the hub.
        district: DistrictId,
        /// `host:port`.
        hub_address: String,
        /// Signs rosters, studies and releases.
        hub_key: IdentityKey,
        /// SHA-256 of the hub's CA certificate, DER.
        ca: Digest,
        /// SHA-256 of this node's certificate, DER.
        certificate: Digest,
    },
    /// A roster was accepted; later ones have to follow it.
    RosterSeen {
        /// Of the roster.
        version: u64,
        /// SHA-256 of `text`.
        hash: Digest,
        /// Canonical.
        text: String,
    },
    /// A round's terms were accepted; the same context is never accepted again.
    CtxAccepted {
        /// What every key, mask and signature of the round is bound to.
        ctx: Digest,
        /// The round, hex.
        round: String,
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// Of the study, from 1.
        number: u64,
    },
    /// A masked vector is about to leave. It may not have left; it never left without this.
    Masked {
        /// The round, hex.
        round: String,
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// Words in the vector.
        words: u64,
    },
    /// A round is paid for. Comes before [`Entry::Masked`]; never undone.
    Charged {
        /// The round, hex.
        round: String,
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// The study's short name.
        study_id: String,
        /// `exact` leaves a permanent mark on every year.
        mode: Mode,
        /// The year the study measures.
        school_year: i16,
        /// zCDP loss charged to every school year read, ascending; 0 in `exact`.
        years: Vec<(i16, Loss)>,
        /// What the round asks.
        questions: Vec<Question>,
        /// The roster of the round, ascending.
        cohort: Vec<DistrictId>,
        /// m: the least set of survivors.
        survivors_min: u16,
        /// t: signatures needed.
        quorum: u16,
        /// Least number of districts two sets of survivors may lie apart: `min_honest` + c, or the
        /// most there is where no second set is signed.
        apart: u16,
        /// The officers' override that let this round in.
        document: Option<Digest>,
        /// The first round, hex, of growth models whose second round this is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continues: Option<String>,
    },
    /// The one set of survivors of the round's questions, before the confirm signature leaves.
    Answered {
        /// The round, hex.
        round: String,
        /// What was asked.
        questions: Vec<Question>,
        /// U₃, ascending.
        survivors: Vec<DistrictId>,
    },
    /// A round that was charged is over.
    RoundEnded {
        /// The round, hex.
        round: String,
        /// What was published; none when it failed.
        release: Option<Digest>,
        /// Why it failed, a stable code; empty when it did not.
        code: String,
    },
    /// A study waits for the officer.
    Waiting {
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// The study's short name.
        study_id: String,
        /// One line for people.
        title: String,
    },
    /// The officer said yes to a study.
    Approved {
        /// SHA-256 of the study's bytes.
        study: Digest,
    },
    /// The officer said no to a study.
    Refused {
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// For the hub to read; one line.
        reason: String,
    },
}

impl flashlight_store::Entry for Entry {
    fn keys(&self) -> Vec<String> {
        match self {
            Self::Enrolled { .. } => vec!["enrolled".to_owned()],
            Self::RosterSeen { .. } => vec![ROSTER.to_owned()],
            Self::CtxAccepted { ctx, round, .. } => {
                vec![format!("ctx/{ctx}"), format!("round/{round}")]
            }
            Self::Masked { round, study, .. } => {
                vec![format!("round/{round}"), format!("study/{study}")]
            }
            Self::Answered { round, .. } | Self::RoundEnded { round, .. } => {
                vec![format!("round/{round}")]
            }
            Self::Charged { round, study, years, .. } => {
                let mut keys = vec![format!("round/{round}"), format!("study/{study}")];
                keys.extend(years.iter().map(|(year, _)| format!("year/{year}")));
                keys
            }
            Self::Waiting { study, .. }
            | Self::Approved { study }
            | Self::Refused { study, .. } => vec![format!("consent/{study}")],
        }
    }
}

/// Makes an entry durable, and gives it back as recorded for whoever keeps a fold over the journal.
pub(crate) fn append(
    journal: &mut Journal,
    entry: Entry,
    now_ms: u64,
) -> Result<Recorded<Entry>, StoreError> {
    let Recorded { seq, time_ms, hash, .. } = journal.append(&entry, now_ms)?;
    Ok(Recorded { seq, time_ms, hash, entry })
}

/// Why the node does not go on with the roster it was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterRefusal {
    /// Not signed, not well-formed, or not a successor of the last one accepted.
    #[error("the hub's roster is refused")]
    Roster(#[source] RosterError),
    /// This district is missing or stands under a key that is not this node's.
    #[error("the hub's roster does not hold this district under this node's identity key")]
    OwnKey,
    /// The last roster could not be read, or this one not be recorded.
    #[error("cannot use the node's journal")]
    Journal(#[source] StoreError),
}

impl RosterRefusal {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Roster(source) => source.code(),
            Self::OwnKey => "roster_own_key",
            Self::Journal(source) => source.code(),
        }
    }

    /// What a person at the node can do about it: one line.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Roster(source) => source.hint(),
            Self::OwnKey => "tell the hub: somebody else may have enrolled in this district's name",
            Self::Journal(_) => {
                "check the disk that holds the node's folder, then restart the node"
            }
        }
    }
}

/// Accepts the hub's roster, or refuses it; what is accepted is durable when this returns.
///
/// `district`, `key`: this node's own. A roster is refused when the hub did not sign it, when it does
/// not follow the last one accepted ([`Roster::follows`]: rolled back, forked, a member
/// lost, a key substituted), or when it shows another key for this node. Whether this district is
/// active is the caller's to look at.
///
/// # Errors
/// [`RosterRefusal`]; then nothing was recorded.
pub fn accept_roster(
    journal: &mut Journal,
    hub_key: &IdentityKey,
    district: &DistrictId,
    key: &IdentityKey,
    signed: &SignedRoster,
    now_ms: u64,
) -> Result<Roster, RosterRefusal> {
    let roster = signed.verify(hub_key).map_err(RosterRefusal::Roster)?;
    if roster.find(district).is_none_or(|member| member.key != *key) {
        return Err(RosterRefusal::OwnKey);
    }
    let last = journal.latest(ROSTER).map_err(RosterRefusal::Journal)?;
    if let Some(Entry::RosterSeen { text, hash, .. }) = last.map(|recorded| recorded.entry) {
        if hash == signed.hash() {
            return Ok(roster);
        }
        let previous = Roster::parse(text.as_bytes()).map_err(RosterRefusal::Roster)?;
        roster.follows(&previous).map_err(RosterRefusal::Roster)?;
    }
    let entry = Entry::RosterSeen {
        version: roster.version(),
        hash: signed.hash(),
        text: roster.to_text(),
    };
    journal.append(&entry, now_ms).map_err(RosterRefusal::Journal)?;
    Ok(roster)
}

/// The newest roster among these entries: the last one this node accepted.
///
/// # Errors
/// The first error among the entries; [`RosterRefusal::Roster`] when what was recorded is none.
pub fn last_roster(
    entries: impl Iterator<Item = Result<Recorded<Entry>, StoreError>>,
) -> Result<Option<Roster>, RosterRefusal> {
    let mut last = None;
    for recorded in entries {
        if let Entry::RosterSeen { text, .. } = recorded.map_err(RosterRefusal::Journal)?.entry {
            last = Some(text);
        }
    }
    let read = |text: String| Roster::parse(text.as_bytes()).map_err(RosterRefusal::Roster);
    last.map(read).transpose()
}

/// The key of the last roster accepted.
const ROSTER: &str = "roster";

#[cfg(test)]
mod tests {
    use flashlight_proto::identity::IdentitySecret;
    use flashlight_proto::roster::{Member, MemberState};
    use zeroize::Zeroizing;

    use super::*;

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    /// Our own district "a" has key 11; "b" has key `b`.
    fn roster(version: u64, a: u8, b: u8) -> SignedRoster {
        let member = |id: &str, seed: u8| Member {
            district: id.parse().unwrap(),
            name: "Some Unified".to_owned(),
            key: secret(seed).public(),
            certificate: Digest::of(&[seed]),
            state: MemberState::Active,
        };
        let members = vec![member("a", a), member("b", b)];
        Roster::new(version, secret(1).public(), members).unwrap().sign(&secret(1))
    }

    fn accept(journal: &mut Journal, signed: &SignedRoster) -> Result<Roster, RosterRefusal> {
        let (hub, own) = (secret(1).public(), secret(11).public());
        accept_roster(journal, &hub, &"a".parse().unwrap(), &own, signed, 0)
    }

    fn code(result: Result<Roster, RosterRefusal>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn an_accepted_roster_is_recorded_once() {
        let mut journal = Journal::in_memory();
        assert_eq!(accept(&mut journal, &roster(2, 11, 12)).unwrap().version(), 2);
        assert!(accept(&mut journal, &roster(2, 11, 12)).is_ok());
        assert_eq!(journal.head().seq, 1);
        assert!(accept(&mut journal, &roster(3, 11, 12)).is_ok());
        assert_eq!(journal.head().seq, 2);
    }

    #[test]
    fn a_key_substituted_while_the_node_was_down_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        accept(&mut journal, &roster(2, 11, 12)).unwrap();
        drop(journal);
        let mut journal = Journal::open(dir.path()).unwrap();
        assert_eq!(code(accept(&mut journal, &roster(3, 11, 66))), "roster_key_changed");
        assert!(accept(&mut journal, &roster(3, 11, 12)).is_ok(), "nothing was recorded");
    }

    #[test]
    fn a_roster_rolled_back_is_refused() {
        let mut journal = Journal::in_memory();
        accept(&mut journal, &roster(5, 11, 12)).unwrap();
        assert_eq!(code(accept(&mut journal, &roster(4, 11, 12))), "roster_rolled_back");
    }

    #[test]
    fn a_roster_with_another_key_for_this_very_node_is_refused() {
        let mut journal = Journal::in_memory();
        assert_eq!(code(accept(&mut journal, &roster(2, 66, 12))), "roster_own_key");
    }

    #[test]
    fn a_roster_signed_by_another_hub_is_refused() {
        let mut journal = Journal::in_memory();
        let mut signed = roster(2, 11, 12);
        signed.signature = secret(2).sign(&signed.hash());
        assert_eq!(code(accept(&mut journal, &signed)), "roster_signature");
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let entry = Entry::Enrolled {
            district: "a".parse().unwrap(),
            hub_address: "hub.example:7443".to_owned(),
            hub_key: secret(1).public(),
            ca: Digest::of(b"ca"),
            certificate: Digest::of(b"certificate"),
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.starts_with(r#"{"kind":"enrolled","district":"a""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
