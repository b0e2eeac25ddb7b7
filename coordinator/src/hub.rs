//! What every part of the coordinator shares: the journal, the roster, the sessions of connected
//! districts, and the one run that may be under way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::roster::{Roster, SignedRoster};
use flashlight_proto::secagg::{LedgerHead, RoundId};
use flashlight_proto::wire::{Directive, Logged, pb};
use flashlight_store::pause::Pause;
use flashlight_store::{Head, StoreError, files};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::ca::Authority;
use crate::enrolment::{Enrolment, OperatorError};
use crate::journal::{Entry, Journal};
use crate::round::Event;

/// Directives queued for one district before it counts as gone.
const OUTBOX: usize = 64;

/// Uploads held in memory at a time.
pub(crate) const UPLOADS_MAX: usize = 8;

/// One connection of one district, never the same twice while the coordinator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(u64);

/// Journal and membership: always changed together.
pub(crate) struct State {
    pub(crate) journal: Journal,
    pub(crate) enrolment: Enrolment,
}

struct Session {
    id: SessionId,
    outbox: mpsc::Sender<Arc<pb::Directive>>,
}

/// The study that districts may fetch while it runs.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) hash: Digest,
    pub(crate) signed: pb::SignedStudy,
}

struct Running {
    events: mpsc::Sender<Event>,
    offered: Offered,
}

/// The coordinator's shared state.
pub struct Hub {
    dir: PathBuf,
    state: Mutex<State>,
    sessions: Mutex<(u64, BTreeMap<DistrictId, Session>)>,
    changes: watch::Sender<u64>,
    running: Mutex<Option<Running>>,
    uploading: Mutex<BTreeSet<DistrictId>>,
    pub(crate) uploads: Arc<Semaphore>,
    words: OnceLock<String>,
    pause: Pause,
}

/// Milliseconds since 1970. The clock is read here and nowhere below.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A poisoned lock means a panic in one handler; the state behind these locks is changed only by
/// single assignments, so it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// Opens the hub's state in `dir` and settles what a crash left open.
    ///
    /// # Errors
    /// [`OperatorError`] when the journal, the keys or the address are not usable.
    pub fn open(
        dir: &Path,
        authority: Arc<Authority>,
        address: flashlight_proto::token::HubAddress,
        pause: Pause,
    ) -> Result<Self, OperatorError> {
        let mut journal = Journal::open(&dir.join("state")).map_err(OperatorError::Journal)?;
        let enrolment = Enrolment::open(authority, address, &mut journal, now_ms())?;
        let hub = Self {
            dir: dir.to_owned(),
            state: Mutex::new(State { journal, enrolment }),
            sessions: Mutex::new((0, BTreeMap::new())),
            changes: watch::channel(0).0,
            running: Mutex::new(None),
            uploading: Mutex::new(BTreeSet::new()),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            words: OnceLock::new(),
            pause,
        };
        files::create_private_dir(&hub.releases()).map_err(OperatorError::Journal)?;
        hub.settle().map_err(OperatorError::Journal)?;
        Ok(hub)
    }

    /// Where releases are published.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.dir.join("releases")
    }

    /// Ends in the journal whatever a crash left open there: rounds in flight are aborted, a release
    /// that was renamed into place is recorded as published, half-written folders are removed.
    fn settle(&self) -> Result<(), StoreError> {
        files::sweep_partial(&self.releases())?;
        let mut rounds = BTreeSet::new();
        let mut publishing = BTreeMap::new();
        let state = &mut *lock(&self.state);
        for recorded in state.journal.entries()? {
            match recorded?.entry {
                Entry::RoundStarted { round, .. } => {
                    rounds.insert(round);
                }
                Entry::RoundEnded { round, .. } | Entry::Published { round, .. } => {
                    rounds.remove(&round);
                    publishing.remove(&round);
                }
                Entry::Publishing { round, folder, release } => {
                    publishing.insert(round, (folder, release));
                }
                _ => {}
            }
        }
        for round in rounds {
            let placed = publishing
                .remove(&round)
                .filter(|(folder, _)| self.releases().join(folder).is_dir());
            let entry = match placed {
                Some((folder, release)) => Entry::Published { round, folder, release },
                None => Entry::RoundEnded {
                    round,
                    code: "restarted".to_owned(),
                    reason: "the coordinator stopped during this round".to_owned(),
                },
            };
            state.journal.append(&entry, now_ms())?;
        }
        Ok(())
    }

    /// Changes or reads journal and membership.
    pub(crate) fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.state))
    }

    /// Makes one entry durable.
    pub(crate) fn record(&self, entry: &Entry) -> Result<(), StoreError> {
        self.with_state(|state| state.journal.append(entry, now_ms()).map(|_| ()))
    }

    pub(crate) fn head(&self) -> Head {
        self.with_state(|state| state.journal.head())
    }

    pub(crate) fn roster(&self) -> (Roster, SignedRoster) {
        self.with_state(|state| {
            (state.enrolment.roster().clone(), state.enrolment.signed_roster().clone())
        })
    }

    pub(crate) fn authority(&self) -> Arc<Authority> {
        self.with_state(|state| Arc::clone(state.enrolment.authority()))
    }

    /// The hub's fingerprint in words. Stretched, so worked out once.
    pub(crate) fn words(&self) -> &str {
        self.words.get_or_init(|| self.authority().words().join(" "))
    }

    /// The number of the next round of a study, from 1.
    pub(crate) fn next_round_number(&self, study: Digest) -> Result<u64, StoreError> {
        let latest = self.with_state(|state| state.journal.latest(&format!("study/{study}")))?;
        Ok(match latest.map(|recorded| recorded.entry) {
            Some(Entry::RoundStarted { number, .. }) => number + 1,
            _ => 1,
        })
    }

    /// What this hub's journal knows of a district's own.
    pub(crate) fn logged(&self, district: &DistrictId) -> Result<Logged, StoreError> {
        let latest = |key: String| self.with_state(|state| state.journal.latest(&key));
        let advertised = latest(format!("ledger/{district}"))?.map(|recorded| recorded.entry);
        let head = match advertised {
            Some(Entry::Advertised { ledgers, .. }) => {
                let own = ledgers.into_iter().find(|(one, ..)| one == district);
                own.map(|(_, entries, digest)| LedgerHead { entries, digest })
            }
            _ => None,
        };
        let named = latest(format!("masked/{district}"))?.map(|recorded| recorded.entry);
        let masked = match named {
            Some(Entry::SurvivorsNamed { round, .. }) => {
                let bytes = hex::decode(round).unwrap_or_default();
                RoundId::try_from(&bytes[..]).ok()
            }
            _ => None,
        };
        let ended = match masked {
            Some(round) => latest(format!("round/{round}"))?.map(|recorded| recorded.entry),
            None => None,
        };
        let release = match ended {
            Some(Entry::Published { release, .. }) => Some(release),
            _ => None,
        };
        Ok(Logged { head, masked, release })
    }

    // ---- Sessions

    /// Registers a district's directive stream; an older one of the same district ends.
    pub(crate) fn connect(
        self: &Arc<Self>,
        district: DistrictId,
    ) -> (mpsc::Receiver<Arc<pb::Directive>>, SessionGuard) {
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let id = {
            let (last, sessions) = &mut *lock(&self.sessions);
            *last += 1;
            let id = SessionId(*last);
            sessions.insert(district.clone(), Session { id, outbox });
            id
        };
        self.changed();
        (inbox, SessionGuard { hub: Arc::clone(self), district, id })
    }

    /// Ends a district's directive stream, as after a revocation.
    pub(crate) fn disconnect(&self, district: &DistrictId) {
        lock(&self.sessions).1.remove(district);
        self.changed();
    }

    /// Who is connected, by session.
    pub(crate) fn sessions(&self) -> BTreeMap<DistrictId, SessionId> {
        let sessions = lock(&self.sessions);
        sessions.1.iter().map(|(district, session)| (district.clone(), session.id)).collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Queues a directive. A district whose queue is full has stopped reading: it is disconnected.
    pub(crate) fn send(&self, district: &DistrictId, directive: Directive) {
        self.queue(district, Arc::new(directive.into()));
    }

    /// Queues one directive for many: it is held once, however many have not read it yet.
    pub(crate) fn send_all(&self, districts: &[DistrictId], directive: Directive) {
        let directive = Arc::new(directive.into());
        for district in districts {
            self.queue(district, Arc::clone(&directive));
        }
    }

    fn queue(&self, district: &DistrictId, directive: Arc<pb::Directive>) {
        let outbox = lock(&self.sessions).1.get(district).map(|session| session.outbox.clone());
        let Some(outbox) = outbox else { return };
        if outbox.try_send(directive).is_err() {
            tracing::warn!(%district, code = "outbox_full", "disconnected");
            self.disconnect(district);
        }
    }

    // ---- The run

    /// Makes a run the one that is under way, until the guard is dropped; `None` when one is.
    pub(crate) fn begin_run(
        self: &Arc<Self>,
        events: mpsc::Sender<Event>,
        offered: Offered,
    ) -> Option<RunGuard> {
        let running = &mut *lock(&self.running);
        if running.is_some() {
            return None;
        }
        *running = Some(Running { events, offered });
        Some(RunGuard(Arc::clone(self)))
    }

    pub(crate) fn events(&self) -> Option<mpsc::Sender<Event>> {
        lock(&self.running).as_ref().map(|running| running.events.clone())
    }

    pub(crate) fn offered(&self) -> Option<Offered> {
        lock(&self.running).as_ref().map(|running| running.offered.clone())
    }

    /// Claims the one upload a district may have in flight.
    pub(crate) fn claim_upload(self: &Arc<Self>, district: &DistrictId) -> Option<UploadGuard> {
        lock(&self.uploading)
            .insert(district.clone())
            .then(|| UploadGuard { hub: Arc::clone(self), district: district.clone() })
    }

    /// Stops here if a test asked for it.
    pub(crate) async fn pause(&self, step: &str, point: &str) {
        if self.pause.is_at(step, point) {
            std::future::pending::<()>().await;
        }
    }
}

/// Ends a session when the stream it belongs to is dropped.
pub(crate) struct SessionGuard {
    hub: Arc<Hub>,
    district: DistrictId,
    id: SessionId,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        {
            let sessions = &mut lock(&self.hub.sessions).1;
            if sessions.get(&self.district).is_some_and(|session| session.id == self.id) {
                sessions.remove(&self.district);
            }
        }
        self.hub.changed();
    }
}

/// Ends the run it was given for, however that ended.
pub(crate) struct RunGuard(Arc<Hub>);

impl Drop for RunGuard {
    fn drop(&mut self) {
        *lock(&self.0.running) = None;
    }
}

/// Gives the claim on an upload back.
pub(crate) struct UploadGuard {
    hub: Arc<Hub>,
    district: DistrictId,
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        lock(&self.hub.uploading).remove(&self.district);
    }
}
