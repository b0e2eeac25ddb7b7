//! From a study file to a published release: checks and signs the study, drives its rounds
//! (`round.rs`), and publishes what they open.

use std::path::Path;
use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::{Layout, LayoutError};
use flashlight_proto::release::{Release, ReleaseError, RoundFacts};
use flashlight_proto::roster::{MemberState, Roster};
use flashlight_proto::schools::{SchoolTable, SchoolsError};
use flashlight_proto::secagg::{Abort, Chosen, Party, RoundId, TermsError};
use flashlight_proto::study::{Mode, Study, StudyError, study_digest};
use flashlight_proto::wire::{Directive, Ended, RunId, SCHOOLS_MAX, STUDY_MAX, pb};
use flashlight_store::StoreError;
use flashlight_store::files::{self, Draft};
use rand_core::{Rng as _, UnwrapErr};
use tokio::sync::mpsc;

use crate::hub::{Hub, Offered, now_ms};
use crate::journal::Entry;
use crate::round::{Driver, EVENT_QUEUE, Finished, Patience};

/// A run did not end in a release. Sorted by who can mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    /// The study file cannot be read.
    #[error("cannot read the study or its school table")]
    Read(#[source] StoreError),
    /// The study is not valid.
    #[error("the study is not valid")]
    Study(#[source] Box<StudyError>),
    /// The public school table is not valid.
    #[error("the public school table {file} is not valid")]
    Schools {
        /// Its name in the study.
        file: String,
        /// What is wrong.
        #[source]
        source: Box<SchoolsError>,
    },
    /// The school table is not the one the study names.
    #[error(
        "the file {file} is not the one the study names: its SHA-256 is {got}, the study says {want}"
    )]
    SchoolsHash {
        /// Its name in the study.
        file: String,
        /// Found.
        got: Digest,
        /// Named.
        want: Digest,
    },
    /// The study asks for something the school table cannot give.
    #[error("the study does not fit its school table")]
    Layout(#[source] Box<LayoutError>),
    /// The study's numbers do not fit the districts that are ready.
    #[error("the cohort does not work out")]
    Cohort(#[source] Box<TermsError>),
    /// The study asks for noise.
    #[error("this version cannot add noise; it runs studies with mode = \"exact\" only")]
    DpNotAvailable,
    /// Another run is under way.
    #[error("another run is under way; wait until it has ended")]
    InProgress,
    /// Not enough districts were ready.
    #[error("only {ready} districts are ready, the study needs {need}")]
    TooFewReady {
        /// Ready.
        ready: usize,
        /// `min_districts`.
        need: usize,
    },
    /// The cohort was cut again and again.
    #[error("districts kept dropping out before masking; run the study again when they are back")]
    TooManyRecuts,
    /// The protocol ended the round.
    #[error("the round was aborted: {0}")]
    Aborted(Abort),
    /// The sums do not make a release.
    #[error("the sums do not make a release")]
    Release(#[source] Box<ReleaseError>),
    /// The journal or the release folder could not be written.
    #[error("the hub's state or release could not be written")]
    Store(#[from] StoreError),
    /// The coordinator is stopping.
    #[error("the coordinator is stopping")]
    HubStopped,
}

impl From<Abort> for RunError {
    fn from(abort: Abort) -> Self {
        Self::Aborted(abort)
    }
}

impl From<ReleaseError> for RunError {
    fn from(error: ReleaseError) -> Self {
        Self::Release(Box::new(error))
    }
}

impl RunError {
    /// The stable code.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Read(error) | Self::Store(error) => error.code(),
            Self::Study(error) => error.code(),
            Self::Cohort(error) => error.code(),
            Self::Schools { source, .. } => source.code(),
            Self::SchoolsHash { .. } => "schools_hash",
            Self::Layout(error) => error.code(),
            Self::DpNotAvailable => "dp_not_available",
            Self::InProgress => "run_in_progress",
            Self::TooFewReady { .. } => "too_few_ready",
            Self::TooManyRecuts => "too_many_recuts",
            Self::Aborted(abort) => abort.code(),
            Self::Release(error) => error.code(),
            Self::HubStopped => "hub_stopped",
        }
    }

    /// The sentence and everything under it, for people.
    #[must_use]
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

/// One study on its way to a release.
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) study: Arc<Study>,
    pub(crate) schools: Arc<SchoolTable>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) roster: ActiveRoster,
    pub(crate) gather: std::time::Duration,
    pub(crate) step: std::time::Duration,
    study_toml: Arc<Vec<u8>>,
    schools_csv: Arc<Vec<u8>>,
}

/// The roster a run is bound to.
pub(crate) struct ActiveRoster {
    roster: Roster,
    hash: Digest,
}

impl ActiveRoster {
    fn of(hub: &Hub) -> Self {
        let (roster, signed) = hub.roster();
        Self { roster, hash: signed.hash() }
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = Party> {
        self.roster
            .members()
            .iter()
            .filter(|member| member.state == MemberState::Active)
            .map(|member| Party { district: member.district.clone(), key: member.key })
    }
}

impl Run {
    /// Reads and checks a study and its school table.
    pub(crate) fn load(hub: &Hub, path: &Path, patience: Patience) -> Result<Self, RunError> {
        let study_toml = files::read_limited(path, STUDY_MAX as u64).map_err(RunError::Read)?;
        let study = Study::parse(&study_toml).map_err(|error| RunError::Study(Box::new(error)))?;
        let file = study.schools.file.clone();
        let beside = path.parent().unwrap_or_else(|| Path::new(".")).join(&file);
        let schools_csv =
            files::read_limited(&beside, SCHOOLS_MAX as u64).map_err(RunError::Read)?;
        let got = Digest::of(&schools_csv);
        if got != study.schools.sha256 {
            return Err(RunError::SchoolsHash { file, got, want: study.schools.sha256 });
        }
        let schools = SchoolTable::parse(&schools_csv)
            .map_err(|source| RunError::Schools { file, source: Box::new(source) })?;
        let layout =
            Layout::derive(&study, &schools).map_err(|error| RunError::Layout(Box::new(error)))?;
        if study.mode == Mode::Dp {
            return Err(RunError::DpNotAvailable);
        }
        Ok(Self {
            id: RunId(random()),
            study: Arc::new(study),
            schools: Arc::new(schools),
            layout: Arc::new(layout),
            roster: ActiveRoster::of(hub),
            gather: patience.gather,
            step: patience.step,
            study_toml: Arc::new(study_toml),
            schools_csv: Arc::new(schools_csv),
        })
    }

    /// Takes the newest roster; whether it is another than before. Nodes that looked at the old one
    /// have to look again.
    pub(crate) fn renew_roster(&mut self, hub: &Hub) -> bool {
        let newest = ActiveRoster::of(hub);
        let changed = newest.hash != self.roster.hash;
        self.roster = newest;
        changed
    }

    fn offered(&self, hub: &Hub) -> Offered {
        let hash = self.study.hash();
        let digest = study_digest(hash, self.schools.hash());
        let signature = hub.authority().hub().sign(&digest);
        Offered {
            hash,
            signed: pb::SignedStudy {
                study_toml: self.study_toml.to_vec(),
                schools_csv: self.schools_csv.to_vec(),
                signature: signature.as_bytes().to_vec(),
            },
        }
    }

    /// What the coordinator chooses for the next round.
    pub(crate) fn choose<'a>(
        &self,
        hub: &Hub,
        cohort: impl Iterator<Item = &'a DistrictId>,
    ) -> Result<Chosen, RunError> {
        let parties: Vec<Party> = cohort
            .filter_map(|district| {
                let member = self.roster.roster.find(district)?;
                Some(Party { district: district.clone(), key: member.key })
            })
            .collect();
        let n = u16::try_from(parties.len()).unwrap_or(u16::MAX);
        Ok(Chosen {
            round_id: RoundId::from(random()),
            round_number: hub.next_round_number(self.study.hash())?,
            nonce: random(),
            parent_releases: Vec::new(),
            roster: self.roster.hash,
            log_checkpoint: Digest::from(hub.head().hash),
            parties,
            max_dropped: self.study.cohort.max_dropped,
            quorum: self.study.cohort.quorum(n),
        })
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut bytes);
    bytes
}

/// Runs a study from file to release folder, telling `progress` on the way.
///
/// # Errors
/// [`RunError`]; the journal then says why, and the nodes were told.
pub(crate) async fn run(
    hub: Arc<Hub>,
    path: &Path,
    patience: Patience,
    progress: mpsc::Sender<pb::Progress>,
) -> Result<String, RunError> {
    let run = Run::load(&hub, path, patience)?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let Some(_running) = hub.begin_run(sender, run.offered(&hub)) else {
        return Err(RunError::InProgress);
    };
    let changes = hub.changes();
    let mut driver = Driver { hub: Arc::clone(&hub), run, events, changes, progress };
    let result = driver.drive().await;
    let result = match result {
        Ok(finished) => publish(&driver, finished).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &result {
        abandon(&driver, error);
    }
    result
}

/// Makes the release durable: files under a temporary name, then the journal, then the rename.
async fn publish(driver: &Driver, finished: Finished) -> Result<String, RunError> {
    let Driver { hub, run, .. } = driver;
    let Finished { terms, sum } = finished;
    driver.say("publish", 0, 0, "writing the release");
    for liar in sum.liars() {
        let text =
            format!("a share from district {liar} does not fit: it lied, or who dealt it did");
        driver.say("unmask", 0, 0, &text);
    }
    let authority = hub.authority();
    let facts = RoundFacts {
        round_id: terms.round_id.to_string(),
        round_number: terms.round_number,
        ctx: terms.ctx(),
        roster_hash: terms.roster,
        sizes: terms.cohort,
        cohort: terms.parties.iter().map(|party| party.district.clone()).collect(),
        survivors: sum.survivors().to_vec(),
        lost: sum.lost().to_vec(),
        log_checkpoint: Digest::from(hub.head().hash),
        released_at_ms: now_ms(),
        hub: authority.hub_key(),
        software: concat!("flashlight ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let [study_toml, schools_csv] = [&run.study_toml, &run.schools_csv].map(Arc::clone);
    let (study, schools, layout) =
        (Arc::clone(&run.study), Arc::clone(&run.schools), Arc::clone(&run.layout));
    let round = terms.round_id.to_string();
    // Two studies may share an id; no two rounds share theirs.
    let folder = format!("{}-{:04}-{}", run.study.id, terms.round_number, &round[..8]);
    let path = hub.releases().join(&folder);
    let mut draft = Draft::begin(&path)?;
    let written = blocking(move || {
        let release = Release::build(&study, &schools, &layout, sum.words(), facts)?;
        let put = |name: &str, piece: &[u8]| draft.put(name, piece).map_err(RunError::from);
        let hash = release.write_folder(authority.hub(), &study_toml, &schools_csv, put)?;
        Ok::<_, RunError>((draft, hash))
    });
    let (draft, release) = written.await??;
    hub.record(&Entry::Publishing { round: round.clone(), folder: folder.clone(), release })?;
    hub.pause("publish", "before").await;
    blocking(move || draft.publish()).await??;
    hub.pause("publish", "after").await;
    hub.record(&Entry::Published { round, folder, release })?;
    tell(driver, Some(terms.round_id), Some(release), "", "");
    Ok(path.display().to_string())
}

/// Work on a whole release: the districts' connections and the operator's progress go on beside it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RunError::HubStopped)
}

/// Writes down why a run ended without a release, and tells the nodes.
fn abandon(driver: &Driver, error: &RunError) {
    let latest = |key: String| {
        let found = driver.hub.with_state(|state| state.journal.latest(&key));
        found.ok().flatten().map(|recorded| recorded.entry)
    };
    let round = match latest(format!("run/{}", hex::encode(driver.run.id.0))) {
        Some(Entry::RoundStarted { round, .. }) => Some(round),
        _ => None,
    };
    let open = round.as_ref().filter(|round| {
        !matches!(latest(format!("round/{round}")), Some(Entry::RoundEnded { .. }))
    });
    if let Some(round) = open {
        let ended = Entry::RoundEnded {
            round: round.clone(),
            code: error.code().to_owned(),
            reason: error.chain(),
        };
        if let Err(error) = driver.hub.record(&ended) {
            tracing::error!(code = error.code(), "the end of a round could not be recorded");
        }
    }
    let round = round.and_then(|text| hex::decode(text).ok());
    let round = round.and_then(|bytes| RoundId::try_from(bytes.as_slice()).ok());
    tell(driver, round, None, error.code(), &error.chain());
}

fn tell(
    driver: &Driver,
    round: Option<RoundId>,
    release: Option<Digest>,
    code: &str,
    reason: &str,
) {
    let ended = Ended {
        run: driver.run.id,
        round,
        release,
        code: code.to_owned(),
        reason: reason.to_owned(),
        recut: false,
    };
    for district in driver.hub.sessions().keys() {
        driver.hub.send(district, Directive::Ended(ended.clone()));
    }
}
