//! From a study file to a published release: checks and signs the study, drives its rounds
//! (`round.rs`), and publishes what they open.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::dp::{NoiseError, NoisePlan};
use flashlight_proto::growth::Broadcast;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::{Layout, LayoutError};
use flashlight_proto::question::Question;
use flashlight_proto::release::ReleaseError;
use flashlight_proto::roster::{MemberState, Roster};
use flashlight_proto::schools::{SchoolTable, SchoolsError};
use flashlight_proto::secagg::{Abort, Chosen, Party, RoundId, TermsError};
use flashlight_proto::study::{Mode, Study, StudyError, study_digest};
use flashlight_proto::wire::{RunId, SCHOOLS_MAX, STUDY_MAX, pb};
use flashlight_store::StoreError;
use flashlight_store::files;
use rand_core::{Rng as _, UnwrapErr};
use tokio::sync::mpsc;

use crate::estimate::growth::GrowthError;
use crate::history::{Past, Sizes};
use crate::hub::{Hub, Offered};
use crate::round::{Driver, EVENT_QUEUE, Patience};

mod estimates;
mod publish;

pub(crate) use estimates::{Estimates, Inputs, second_constants};
pub(crate) use publish::blocking;
use publish::{abandon, publish};

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
    /// The study's noise cannot be planned.
    #[error("the study's noise cannot be planned")]
    Noise(#[source] Box<NoiseError>),
    /// The question was answered by a set of districts, of which some are not there.
    #[error(
        "a question of this study was answered before by a set of districts of which {} not ready; \
         only exactly the same districts may answer it again, so that no district's part can be \
         worked out by subtraction: run the study when they are back, or with --cohort where their \
         officers have signed an override",
        are(missing)
    )]
    SurvivorsMissing {
        /// Who has to come back.
        missing: Vec<DistrictId>,
    },
    /// Not everybody the operator named is there.
    #[error(
        "of the districts named with --cohort {} not ready, and none may be missing",
        are(missing)
    )]
    CohortMissing {
        /// Who.
        missing: Vec<DistrictId>,
    },
    /// Different sets answered different questions of the study.
    #[error(
        "the study's questions were answered before by different sets of districts; ask them in \
         studies of their own"
    )]
    AnsweredApart,
    /// A retry with too few districts.
    #[error(
        "an earlier round on these questions failed after districts had masked and may have been \
         signed by some of them; a retry needs {need} signatures and only {n} districts are ready"
    )]
    RetryQuorum {
        /// t.
        need: u16,
        /// Ready.
        n: usize,
    },
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
    /// The growth models cannot be estimated.
    #[error("the growth models cannot be estimated from their sums")]
    Growth(#[source] Box<GrowthError>),
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

impl From<GrowthError> for RunError {
    fn from(error: GrowthError) -> Self {
        Self::Growth(Box::new(error))
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
            Self::Noise(error) => error.code(),
            Self::SurvivorsMissing { .. } => "survivors_missing",
            Self::CohortMissing { .. } => "cohort_missing",
            Self::AnsweredApart => "answered_apart",
            Self::RetryQuorum { .. } => "retry_quorum",
            Self::InProgress => "run_in_progress",
            Self::TooFewReady { .. } => "too_few_ready",
            Self::TooManyRecuts => "too_many_recuts",
            Self::Aborted(abort) => abort.code(),
            Self::Growth(error) => error.code(),
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
    /// Of the first round.
    first_layout: Arc<Layout>,
    /// Later rounds of growth models, in order.
    later: Vec<Later>,
    pub(crate) roster: ActiveRoster,
    pub(crate) gather: std::time::Duration,
    pub(crate) step: std::time::Duration,
    pub(crate) questions: BTreeSet<Question>,
    past: Past,
    /// The only districts that may take part, ascending: those who answered before, or as the
    /// operator says. None of them may drop.
    fixed: Option<Vec<DistrictId>>,
    study_toml: Arc<Vec<u8>>,
    schools_csv: Arc<Vec<u8>>,
}

/// What a later round of growth models is taken at.
struct Later {
    layout: Arc<Layout>,
    constants: Vec<Broadcast>,
    /// The round that it follows.
    before: RoundId,
}

/// A study and its school table, read and checked.
pub(crate) struct Loaded {
    pub(crate) study: Study,
    pub(crate) schools: SchoolTable,
    pub(crate) layout: Layout,
    study_toml: Vec<u8>,
    schools_csv: Vec<u8>,
}

impl Loaded {
    /// Reads the study at `path` and the school table beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, RunError> {
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
        Ok(Self { study, schools, layout, study_toml, schools_csv })
    }
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
    ///
    /// `cohort`: the districts the operator names; empty for whoever is ready.
    pub(crate) fn load(
        hub: &Hub,
        path: &Path,
        patience: Patience,
        cohort: BTreeSet<DistrictId>,
    ) -> Result<Self, RunError> {
        let Loaded { study, schools, layout, study_toml, schools_csv } = Loaded::read(path)?;
        if study.mode == Mode::Dp {
            // A study that no cohort can be given noise for is told before anybody is asked.
            NoisePlan::new(&study, &layout, &schools, study.cohort.min_districts)
                .map_err(|error| RunError::Noise(Box::new(error)))?;
        }
        let questions = Question::of_study(&study);
        let past = hub.with_state(|state| Past::of(&state.journal, &questions))?;
        let fixed = fixed(&past, cohort)?;
        Ok(Self {
            id: RunId(random()),
            study: Arc::new(study),
            schools: Arc::new(schools),
            first_layout: Arc::new(layout),
            later: Vec::new(),
            roster: ActiveRoster::of(hub),
            gather: patience.gather,
            step: patience.step,
            questions,
            past,
            fixed,
            study_toml: Arc::new(study_toml),
            schools_csv: Arc::new(schools_csv),
        })
    }

    /// Goes on to a later round, after `before`: over exactly the survivors of the first.
    pub(crate) fn go_on(
        &mut self,
        hub: &Hub,
        survivors: Vec<DistrictId>,
        constants: Vec<Broadcast>,
        before: RoundId,
    ) -> Result<(), RunError> {
        let layout = Layout::later(&self.study, &self.schools, &constants)
            .map_err(|error| RunError::Layout(Box::new(error)))?;
        self.later.push(Later { layout: Arc::new(layout), constants, before });
        // Read again: the round before is an answer by now.
        self.past = hub.with_state(|state| Past::of(&state.journal, &self.questions))?;
        self.fixed = Some(survivors);
        Ok(())
    }

    /// The layout of the round that the run is at.
    pub(crate) fn layout(&self) -> &Arc<Layout> {
        self.later.last().map_or(&self.first_layout, |later| &later.layout)
    }

    /// The rounds that the run is past, in order.
    pub(crate) fn past_rounds(&self) -> impl Iterator<Item = RoundId> {
        self.later.iter().map(|later| later.before)
    }

    /// What the round that the run is at is taken at; none in the first.
    pub(crate) fn constants(&self) -> &[Broadcast] {
        self.later.last().map_or(&[], |later| &later.constants)
    }

    /// Takes the newest roster; whether it is another than before. Nodes that looked at the old one
    /// have to look again.
    pub(crate) fn renew_roster(&mut self, hub: &Hub) -> bool {
        let newest = ActiveRoster::of(hub);
        let changed = newest.hash != self.roster.hash;
        self.roster = newest;
        changed
    }

    /// Whether only certain districts may take part, and all of them must.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// A line for the operator.
    pub(crate) fn why_fixed(&self) -> Option<String> {
        // A later round goes on with those who have just answered: that is told already.
        let fixed = self.fixed.as_ref().filter(|_| self.later.is_empty())?;
        let why = if self.past.answers.contains(fixed) {
            "answered by these districts before"
        } else {
            "as the operator says"
        };
        Some(format!("waiting for exactly {} districts, {why}: {}", fixed.len(), named(fixed)))
    }

    /// Why a run over fixed districts cannot go on without these.
    pub(crate) fn incomplete(&self, missing: Vec<DistrictId>) -> RunError {
        match &self.fixed {
            Some(fixed) if self.past.answers.contains(fixed) => {
                RunError::SurvivorsMissing { missing }
            }
            _ => RunError::CohortMissing { missing },
        }
    }

    /// Districts to wait for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = DistrictId> {
        let fixed = self.fixed.as_deref();
        let active = self.roster.active().map(|party| party.district);
        active.filter(move |one| fixed.is_none_or(|fixed| fixed.binary_search(one).is_ok()))
    }

    /// Whether a round may begin with those who are ready.
    pub(crate) fn enough<T>(&self, ready: &BTreeMap<DistrictId, T>) -> Result<(), RunError> {
        if let Some(fixed) = &self.fixed {
            let missing = fixed.iter().filter(|one| !ready.contains_key(*one));
            let missing: Vec<DistrictId> = missing.cloned().collect();
            return if missing.is_empty() { Ok(()) } else { Err(self.incomplete(missing)) };
        }
        let need = usize::from(self.study.cohort.min_districts);
        let ready = ready.len();
        if ready < need { Err(RunError::TooFewReady { ready, need }) } else { Ok(()) }
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
        let cohort: Vec<DistrictId> = parties.iter().map(|party| party.district.clone()).collect();
        let sizes = match &self.fixed {
            // As the operator says: nobody may drop, whatever was asked before.
            Some(fixed) if !self.past.answers.contains(fixed) => {
                let n = u16::try_from(parties.len()).unwrap_or(u16::MAX);
                Sizes { max_dropped: 0, quorum: self.study.cohort.quorum(n) }
            }
            _ => self
                .past
                .sizes(&self.study.cohort, &cohort)
                .map_err(|need| RunError::RetryQuorum { need, n: parties.len() })?,
        };
        Ok(Chosen {
            round_id: RoundId::from(random()),
            round_number: hub.next_round_number(self.study.hash())?,
            nonce: random(),
            parent_releases: Vec::new(),
            roster: self.roster.hash,
            log_checkpoint: Digest::from(hub.head().hash),
            parties,
            max_dropped: sizes.max_dropped,
            quorum: sizes.quorum,
        })
    }
}

/// Who must take part: as the operator says, or whoever answered before.
fn fixed(past: &Past, cohort: BTreeSet<DistrictId>) -> Result<Option<Vec<DistrictId>>, RunError> {
    if !cohort.is_empty() {
        return Ok(Some(cohort.into_iter().collect()));
    }
    // Each question by itself: a set that answered one of them only is no answer to the study.
    let sets: BTreeSet<&Vec<DistrictId>> = past.newest.values().collect();
    let mut sets = sets.into_iter();
    match (sets.next(), sets.next()) {
        (Some(_), Some(_)) => Err(RunError::AnsweredApart),
        (answer, _) => Ok(answer.cloned()),
    }
}

/// `0961 is`, or `0961, 0970 are`.
fn are(missing: &[DistrictId]) -> String {
    format!("{} {}", named(missing), if missing.len() == 1 { "is" } else { "are" })
}

/// Districts for people; long lists are cut.
fn named(districts: &[DistrictId]) -> String {
    const MOST: usize = 12;
    let shown: Vec<&str> = districts.iter().take(MOST).map(DistrictId::as_str).collect();
    match districts.len().checked_sub(MOST) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
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
    cohort: BTreeSet<DistrictId>,
    progress: mpsc::Sender<pb::Progress>,
) -> Result<String, RunError> {
    let run = Run::load(&hub, path, patience, cohort)?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let Some(_running) = hub.begin_run(sender, run.offered(&hub)) else {
        return Err(RunError::InProgress);
    };
    let changes = hub.changes();
    let withdrawn = BTreeSet::new();
    let mut driver = Driver { hub: Arc::clone(&hub), run, events, changes, progress, withdrawn };
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
