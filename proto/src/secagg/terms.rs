//! The terms of one round, and the context every hash, key and signature of the round is bound to.
//!
//! In: what the study, the layout, the roster and the directive say. Out: a [`Digest`] `ctx`. Two
//! parties who differ in any of it derive different contexts: their masks do not cancel and their
//! signatures do not verify (docs/PROTOCOL.md §3).

use std::fmt;
use std::sync::Arc;

use crate::canonical::{Digest, Transcript};
use crate::dp::{NoiseError, NoisePlan};
use crate::identity::{DistrictId, IdentityKey};
use crate::layout::Layout;
use crate::schools::SchoolTable;
use crate::study::{CohortSizes, MAX_DISTRICTS, Mode, Study, StudyError};

use super::graph::GraphRule;
use super::sparse_plan::SparseError;

/// Most districts in one round.
pub const MAX_NODES: usize = MAX_DISTRICTS as usize;

/// A round's id: 16 random bytes, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundId([u8; 16]);

impl RoundId {
    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for RoundId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for RoundId {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self(bytes.try_into()?))
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One member of a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its id.
    pub district: DistrictId,
    /// Its identity key, from the signed roster.
    pub key: IdentityKey,
}

/// What every party to a round must agree on, to the byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// `exact` or `dp`.
    pub mode: Mode,
    /// This round.
    pub round_id: RoundId,
    /// Rounds of a study count from 1.
    pub round_number: u64,
    /// Chosen by the coordinator, 32 bytes.
    pub nonce: [u8; 32],
    /// The data's date, ISO.
    pub as_of: String,
    /// Releases this round builds on.
    pub parent_releases: Vec<Digest>,
    /// SHA-256 of the study's bytes.
    pub study: Digest,
    /// SHA-256 of the layout.
    pub layout: Digest,
    /// SHA-256 of the public school table's bytes.
    pub schools: Digest,
    /// Privacy parameters of the study.
    pub privacy: Digest,
    /// Suppression policy of the study.
    pub suppression: Digest,
    /// SHA-256 of the signed roster's text.
    pub roster: Digest,
    /// The hub's log, as named in the directive.
    pub log_checkpoint: Digest,
    /// The cohort, ascending by district.
    pub parties: Vec<Party>,
    /// n, m, t, c and h.
    pub cohort: CohortSizes,
    /// Words in every contribution.
    pub words: usize,
    /// The noise every party adds; none in `exact`.
    pub noise: Option<Arc<NoisePlan>>,
    /// Who shares and masks with whom: [`GraphRule::of`] the cohort.
    pub graph: GraphRule,
}

/// A study and a choice that make no round.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The cohort does not fit the study.
    #[error("the cohort does not fit the study")]
    Cohort(#[source] StudyError),
    /// There is no noise plan for it.
    #[error("the noise cannot be planned")]
    Noise(#[source] NoiseError),
    /// There is no safe graph for so many.
    #[error("there is no safe graph for this cohort")]
    Graph(#[source] SparseError),
}

impl TermsError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cohort(error) => error.code(),
            Self::Noise(error) => error.code(),
            Self::Graph(error) => error.code(),
        }
    }
}

/// What the coordinator chooses for a round; the rest of the [`Terms`] each party derives itself.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// This round.
    pub round_id: RoundId,
    /// From 1.
    pub round_number: u64,
    /// 32 random bytes.
    pub nonce: [u8; 32],
    /// Releases this round builds on.
    pub parent_releases: Vec<Digest>,
    /// SHA-256 of the signed roster's text.
    pub roster: Digest,
    /// Head of the hub's log.
    pub log_checkpoint: Digest,
    /// The cohort, ascending by district.
    pub parties: Vec<Party>,
    /// Districts that may drop once masked: the study's number, or fewer.
    pub max_dropped: u16,
    /// t: the study's quorum for this cohort, or more.
    pub quorum: u16,
}

impl Terms {
    /// Puts the terms together from the study and what the coordinator chose.
    ///
    /// # Errors
    /// [`TermsError`] when the study's numbers and this cohort do not fit together, or there is no
    /// noise plan or no safe graph for them.
    pub fn of_study(
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        chosen: Chosen,
    ) -> Result<Self, TermsError> {
        let n = u16::try_from(chosen.parties.len()).unwrap_or(u16::MAX);
        let cohort = study.cohort.round(n, chosen.max_dropped, chosen.quorum);
        let cohort = cohort.map_err(TermsError::Cohort)?;
        let graph = GraphRule::of(cohort).map_err(TermsError::Graph)?;
        let noise = match study.mode {
            Mode::Exact => None,
            Mode::Dp => {
                let plan = NoisePlan::for_round(study, layout, schools, cohort);
                Some(Arc::new(plan.map_err(TermsError::Noise)?))
            }
        };
        Ok(Self {
            mode: study.mode,
            round_id: chosen.round_id,
            round_number: chosen.round_number,
            nonce: chosen.nonce,
            as_of: study.as_of.to_string(),
            parent_releases: chosen.parent_releases,
            study: study.hash(),
            layout: layout.hash(),
            schools: schools.hash(),
            privacy: privacy_digest(study, noise.as_deref()),
            suppression: suppression_digest(study),
            roster: chosen.roster,
            log_checkpoint: chosen.log_checkpoint,
            parties: chosen.parties,
            cohort,
            words: layout.words(),
            noise,
            graph,
        })
    }

    /// The context (docs/PROTOCOL.md §3).
    #[must_use]
    pub fn ctx(&self) -> Digest {
        let numbers = self.cohort;
        let all = Transcript::new("flashlight/secagg/v1")
            .bytes(self.mode.as_str().as_bytes())
            .bytes(self.round_id.as_bytes())
            .u64(self.round_number)
            .bytes(&self.nonce)
            .bytes(self.as_of.as_bytes())
            .list(self.parent_releases.iter().map(Digest::as_bytes))
            .bytes(self.study.as_bytes())
            .bytes(self.layout.as_bytes())
            .bytes(self.schools.as_bytes())
            .bytes(self.privacy.as_bytes())
            .bytes(self.suppression.as_bytes())
            .bytes(self.roster.as_bytes())
            .bytes(self.log_checkpoint.as_bytes())
            .list(self.parties.iter().map(|party| party.district.as_str()))
            .list(self.parties.iter().map(|party| party.key.as_bytes()))
            .list(
                [numbers.n, numbers.m, numbers.t, numbers.c].iter().map(|size| size.to_le_bytes()),
            )
            .u64(self.words as u64);
        match self.graph {
            GraphRule::Complete => all.finish(),
            GraphRule::Sparse(plan) => {
                all.bytes(&[plan.neighbours, plan.threshold, plan.window]).finish()
            }
        }
    }

    /// A party's place in the order, from 0.
    pub(crate) fn index_of(&self, district: &DistrictId) -> Option<usize> {
        self.parties.binary_search_by(|party| party.district.cmp(district)).ok()
    }

    /// Whether each party, by its place, is in a set.
    pub(crate) fn flags(&self, set: &[DistrictId]) -> Vec<bool> {
        let mut flags = vec![false; self.parties.len()];
        for index in set.iter().filter_map(|district| self.index_of(district)) {
            flags[index] = true;
        }
        flags
    }

    pub(crate) fn key_of(&self, district: &DistrictId) -> Option<&IdentityKey> {
        self.index_of(district).map(|index| &self.parties[index].key)
    }
}

/// The privacy parameters, named on their own although the study's hash covers them, so that a
/// reader of the context need not trust how a study was parsed. In `dp` the whole noise plan: parties
/// who would draw other noise cannot complete a round.
fn privacy_digest(study: &Study, noise: Option<&NoisePlan>) -> Digest {
    let start = Transcript::new("flashlight/privacy/v1").bytes(study.mode.as_str().as_bytes());
    match noise {
        Some(plan) => start.bytes(plan.digest().as_bytes()).finish(),
        None => start.u64(0).finish(),
    }
}

/// The study's suppression policy.
fn suppression_digest(study: &Study) -> Digest {
    Transcript::new("flashlight/suppression/v1").u64(u64::from(study.suppression.min_n)).finish()
}
