//! An enrolled node: its keys, its journal, and what it checks before any record is read.
//!
//! In: rosters and studies as the hub sends them. Out: the same, checked, or a [`Refusal`]. Promise:
//! nothing is taken from the hub that this node can derive itself, and a roster that contradicts an
//! earlier one is refused. Not here: rounds (`round.rs`).

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey, IdentitySecret, Signature};
use flashlight_proto::layout::Layout;
use flashlight_proto::roster::{Roster, SignedRoster};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::secagg::{Abort, LedgerHead, OrdersOpened};
use flashlight_proto::study::{Study, study_digest};
use flashlight_proto::wire::pb;
use flashlight_store::pause::Pause;
use zeroize::Zeroizing;

use crate::journal::{Entry, Journal, accept_roster};
use crate::ledger::salted_head;

/// Why this node does not take part, or no longer: a stable code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable.
    pub code: &'static str,
    /// For people; no student value, name or id.
    pub reason: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl From<Abort> for Refusal {
    fn from(abort: Abort) -> Self {
        Self::new(abort.code(), abort.to_string())
    }
}

/// What a study asks of the records, once everything public about it has been checked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The study, signed by the hub.
    pub study: &'a Study,
    /// The public school table that came with it.
    pub schools: &'a SchoolTable,
    /// The layout this node derived from both.
    pub layout: &'a Layout,
    /// Who this node is.
    pub district: &'a DistrictId,
    /// `[allow] anonymous_surveys`: whether answers under keys that are no student's count.
    pub accept_responses: bool,
}

/// A study's words, exact, in the order of its layout.
pub type Words = Zeroizing<Vec<i64>>;

/// Where words come from: the district's folder, or a bench's made-up ones.
pub type Contribute = Box<dyn Fn(Question<'_>) -> Result<Words, Refusal> + Send + Sync + 'static>;

/// An enrolled node with its keys and its journal.
pub struct Node {
    /// Signs this district's messages.
    pub identity: IdentitySecret,
    /// Who we are in the roster.
    pub district: DistrictId,
    /// Signs rosters and studies.
    pub hub_key: IdentityKey,
    /// This node's folder: policy, decisions, studies that wait.
    pub home: PathBuf,
    /// Where words come from.
    pub contribute: Contribute,
    /// The truth about what this node did.
    pub journal: Mutex<Journal>,
    /// Orders of sparse graphs opened since the last masking: here and not in a session, so that a
    /// hub cannot reset it by cutting the connection or starting another run.
    pub orders: Mutex<OrdersOpened>,
    /// Where a test stops this node.
    pub pause: Pause,
}

/// Milliseconds since 1970. The clock is read here and nowhere below.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    /// Reads or changes the journal.
    pub(crate) fn with_journal<T>(&self, work: impl FnOnce(&mut Journal) -> T) -> T {
        work(&mut self.journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads or changes the count of opened orders.
    pub(crate) fn with_orders<T>(&self, work: impl FnOnce(&mut OrdersOpened) -> T) -> T {
        work(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes an entry durable. Nothing that depends on it may leave before this returns.
    pub(crate) fn record(&self, entry: &Entry) -> Result<(), Refusal> {
        let appended = self.with_journal(|journal| journal.append(entry, now_ms()));
        appended.map(|_| ()).map_err(|error| Refusal::new(error.code(), error.to_string()))
    }

    pub(crate) fn latest(&self, key: &str) -> Result<Option<Entry>, Refusal> {
        let found = self.with_journal(|journal| journal.latest(key));
        let found = found.map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        Ok(found.map(|recorded| recorded.entry))
    }

    /// The head of the journal, salted by a signature only this node can make: it commits to the
    /// journal without telling what is in it.
    pub(crate) fn ledger_head(&self) -> LedgerHead {
        let head = self.with_journal(|journal| journal.head());
        LedgerHead { entries: head.seq, digest: salted_head(&self.identity, head) }
    }

    /// Stops here if a test asked for it.
    pub(crate) async fn pause(&self, step: &str, point: &str) {
        if self.pause.is_at(step, point) {
            std::future::pending::<()>().await;
        }
    }

    /// Takes the hub's newest roster, unless it contradicts what this node has seen before.
    pub(crate) fn accept_roster(&self, signed: &SignedRoster) -> Result<Roster, Refusal> {
        let key = self.identity.public();
        let accepted = self.with_journal(|journal| {
            accept_roster(journal, &self.hub_key, &self.district, &key, signed, now_ms())
        });
        accepted.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}"));
            let reason = format!("{error}{}; {}", cause.unwrap_or_default(), error.hint());
            Refusal::new(error.code(), reason)
        })
    }

    /// Checks a study as it came, before any record is read for it.
    pub(crate) fn accept_study(
        &self,
        wanted: Digest,
        signed: &pb::SignedStudy,
    ) -> Result<(Study, SchoolTable, Layout), Refusal> {
        let bad = |code, text: String| Refusal::new(code, text);
        let hashes = (Digest::of(&signed.study_toml), Digest::of(&signed.schools_csv));
        if hashes.0 != wanted {
            return Err(bad("study_hash", "the study is not the one announced".to_owned()));
        }
        let signature = Signature::try_from(&signed.signature[..]);
        signature
            .and_then(|signature| {
                self.hub_key.verify(&study_digest(hashes.0, hashes.1), &signature)
            })
            .map_err(|_| bad("study_signature", "the hub did not sign this study".to_owned()))?;
        let study = Study::parse(&signed.study_toml)
            .map_err(|error| bad(error.code(), error.to_string()))?;
        if study.schools.sha256 != hashes.1 {
            let text = "the school table is not the one the study names";
            return Err(bad("schools_hash", text.to_owned()));
        }
        let schools = SchoolTable::parse(&signed.schools_csv)
            .map_err(|error| bad(error.code(), error.to_string()))?;
        let layout = Layout::derive(&study, &schools)
            .map_err(|error| bad(error.code(), error.to_string()))?;
        Ok((study, schools, layout))
    }
}
