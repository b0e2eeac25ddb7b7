//! A release: the only thing computed from student data that may be published.
//!
//! In: the network sums of one round, with the study, layout and facts that produced them. Out: a
//! [`Release`]: for every cell of the layout either a value with its n, or suppressed with neither;
//! and a folder that `sha256sum` and `openssl` alone can check (docs/PROTOCOL.md, "Release").
//! Promise: no cell over fewer than `min_n` students is shown, as value, n or sum; every value is
//! one correctly rounded division of the exact integers printed beside it. Not promised:
//! complementary suppression. A withheld cell may follow from shown ones by subtraction, and the
//! release says so. Touches nothing.

mod cell;
mod folder;
mod parameters;
mod text;

use std::sync::Arc;

use serde::Serialize;

use crate::{
    canonical::Digest,
    identity::{DistrictId, IdentityKey},
    layout::{Block, Layout},
    schools::SchoolTable,
    study::{CohortSizes, Mode, Study},
};

use self::parameters::Parameters;

pub use self::{
    cell::{Cell, MAX_EXACT, Outcome},
    folder::{FOLDER_FILES, Verified, VerifyError, verify_folder},
};

/// What every output of `exact` mode says.
pub const NO_GUARANTEE: &str = "no formal privacy guarantee";
/// Format name in `release.json`.
const FORMAT: &str = "flashlight/release/v1";
/// The word for "not broken down by this".
const ALL: &str = "all";
/// Longest `software`, bytes.
const SOFTWARE_MAX: usize = 200;

/// Sums, facts or files that make no release. Names cells, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The study is in `dp` mode, whose estimates and certificate this version does not make.
    #[error("this version releases studies in exact mode only; the study says mode = \"dp\"")]
    DpNotAvailable,
    /// The layout was not derived from this study and school table.
    #[error("the layout, the school table and the study do not belong together")]
    Layout,
    /// Not as many sums as the layout has words.
    #[error("there are {got} sums, the layout has {want} words")]
    Length {
        /// Sums given.
        got: usize,
        /// Words of the layout.
        want: usize,
    },
    /// Sums that no students could give.
    #[error("{name}: no students can give this sum; a node or the aggregation is wrong")]
    SumImpossible {
        /// Name of the cell's first word.
        name: String,
    },
    /// Facts of the round that contradict each other or the study.
    #[error("the facts of the round are wrong: {what}")]
    Facts {
        /// Which fact.
        what: &'static str,
    },
    /// A file is not the one the release was made from.
    #[error("{file} is not the file this release was made from")]
    File {
        /// `study.toml` or `schools.csv`.
        file: &'static str,
    },
    /// The key given to sign with is not the hub's of this round.
    #[error("the signing key is not the hub key of this round")]
    HubKey,
    /// JSON could not be written.
    #[error("cannot write the release as JSON")]
    Json,
}

impl ReleaseError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DpNotAvailable => "dp_not_available",
            Self::Layout => "release_layout",
            Self::Length { .. } => "release_length",
            Self::SumImpossible { .. } => "sum_impossible",
            Self::Facts { .. } => "release_facts",
            Self::File { .. } => "release_file",
            Self::HubKey => "release_hub_key",
            Self::Json => "release_json",
        }
    }
}

/// What the round that gave the sums was. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundFacts {
    /// Id of the round, lower-case hex.
    pub round_id: String,
    /// Number of the round, from 1.
    pub round_number: u64,
    /// The context all keys and masks of the round were bound to.
    pub ctx: Digest,
    /// Hash of the signed roster.
    pub roster_hash: Digest,
    /// n, m, t, c, h as the round ran.
    pub sizes: CohortSizes,
    /// The n districts that started, in order of id.
    pub cohort: Vec<DistrictId>,
    /// Those whose contributions are in the sums, in order of id.
    pub survivors: Vec<DistrictId>,
    /// The others, in order of id.
    pub lost: Vec<DistrictId>,
    /// Head of the coordinator's journal when the sums were known.
    pub log_checkpoint: Digest,
    /// When it was released, milliseconds since 1970 UTC.
    pub released_at_ms: u64,
    /// The hub's key, which signs the folder.
    pub hub: IdentityKey,
    /// Name, version and commit of the software.
    pub software: String,
}

impl RoundFacts {
    fn check(&self, study: &Study) -> Result<(), ReleaseError> {
        let wrong = |what| Err(ReleaseError::Facts { what });
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !(1..=64).contains(&self.round_id.len()) || !self.round_id.bytes().all(hex) {
            return wrong("the round id is not lower-case hex");
        }
        if self.software.len() > SOFTWARE_MAX || self.software.contains(char::is_control) {
            return wrong("software is not one short line");
        }
        let ascending = |ids: &[DistrictId]| ids.windows(2).all(|pair| pair[0] < pair[1]);
        if ![&self.cohort, &self.survivors, &self.lost].into_iter().all(|ids| ascending(ids)) {
            return wrong("a list of districts is not in order, or names one twice");
        }
        let mut parts: Vec<_> = self.survivors.iter().chain(&self.lost).collect();
        parts.sort_unstable();
        if !parts.into_iter().eq(&self.cohort) {
            return wrong("survivors and lost districts do not make up the cohort");
        }
        let n = u16::try_from(self.cohort.len()).unwrap_or(u16::MAX);
        if study.cohort.sizes(n).ok() != Some(self.sizes) {
            return wrong("n, m, t, c, h are not what the study's cohort rule gives");
        }
        if self.survivors.len() < usize::from(self.sizes.m) {
            return wrong("fewer than m districts survived");
        }
        Ok(())
    }
}

/// A finished release.
#[derive(Clone, Debug, Serialize)]
pub struct Release {
    format: &'static str,
    guarantee: &'static str,
    parameters: Parameters,
    cells: Vec<Cell>,
}

impl Release {
    /// Makes a release from the network's sums, one per word of the layout, in grid units and
    /// students.
    ///
    /// # Errors
    /// [`ReleaseError`] when the study is in `dp` mode, the parts do not belong together, a sum
    /// cannot be, or the facts contradict each other.
    pub fn build(
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        sums: &[i64],
        facts: RoundFacts,
    ) -> Result<Self, ReleaseError> {
        if sums.len() != layout.words() {
            return Err(ReleaseError::Length { got: sums.len(), want: layout.words() });
        }
        let mut at = 0;
        Self::assemble(study, schools, layout, facts, |block, units_per_point| {
            let words = &sums[at..at + block.encoding.words()];
            let min_n = study.suppression.min_n;
            let outcome = Outcome::of_sums(block.encoding, units_per_point, words, min_n)
                .ok_or_else(|| ReleaseError::SumImpossible { name: layout.cell_name(at) })?;
            at += words.len();
            Ok(outcome)
        })
    }

    /// Puts a release together, asking `outcome` for each cell in the order of the layout.
    fn assemble<E: From<ReleaseError>>(
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        facts: RoundFacts,
        mut outcome: impl FnMut(&Block, u32) -> Result<Outcome, E>,
    ) -> Result<Self, E> {
        if study.mode == Mode::Dp {
            return Err(ReleaseError::DpNotAvailable.into());
        }
        let own = Layout::derive(study, schools).map_err(|_| ReleaseError::Layout)?;
        if own.hash() != layout.hash() {
            return Err(ReleaseError::Layout.into());
        }
        facts.check(study)?;
        let mut cells = Vec::new();
        for block in layout.blocks() {
            let table = &study.tables[block.table];
            let test: Option<Arc<str>> = table.test.as_deref().map(Arc::from);
            let units_per_point = study.scores(table).map_or(1, |(test, _)| test.units_per_point);
            for key in block.cells() {
                let outcome = outcome(block, units_per_point)?;
                cells.push(Cell::new(block, table, test.clone(), key, outcome));
            }
        }
        let parameters = Parameters::new(study, schools, layout, facts);
        Ok(Self { format: FORMAT, guarantee: NO_GUARANTEE, parameters, cells })
    }

    /// All cells, in the order of the layout.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What the round that gave the sums was.
    #[must_use]
    pub fn facts(&self) -> RoundFacts {
        self.parameters.facts()
    }

    /// SHA-256 of the study's bytes.
    #[must_use]
    pub const fn study_hash(&self) -> Digest {
        self.parameters.study.sha256
    }
}
