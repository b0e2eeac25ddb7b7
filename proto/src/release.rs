//! A release: the only thing computed from student data that may be published.
//!
//! In: the network sums of one round, with the study, layout and facts that produced them. Out: a
//! [`Release`]: for every cell of the layout either a value with its n, or suppressed with neither;
//! and a folder that `sha256sum` and `openssl` alone can check (docs/PROTOCOL.md, "Release").
//! Every number shown is computed from the integers printed beside it, in one way, so that a reader
//! can do it again. Suppressed cells look alike, whatever the reason. Touches nothing.
//!
//! * `exact`: promised is that no cell over fewer than `min_n` students is shown, as value, n or
//!   sum; every value is one correctly rounded division. Not promised: complementary suppression. A
//!   withheld cell may follow from shown ones by subtraction, and the release says so.
//! * `dp`: the sums are on the fine grid of the study's [`NoisePlan`](crate::dp::NoisePlan) and
//!   carry the noise of all survivors. Cells show a value, its noise's standard deviation and 95 %
//!   interval, and a noisy n. Promised is the study's ρ, whatever is shown; and that a cell over
//!   fewer than `min_n` students is shown with a chance of less than 1 %.
//!
//! The two modes have different columns in `tables.csv` and different members in `release.json`,
//! which names its format: what has no noise has no place for it.

mod cell;
mod certificate;
mod effects;
mod estimate;
mod folder;
mod growth;
mod json;
mod noisy;
mod noisy_growth;
mod parameters;
mod text;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    canonical::Digest,
    dp::NoiseError,
    identity::{DistrictId, IdentityKey},
    layout::{Block, Layout},
    schools::SchoolTable,
    study::{CohortSizes, Mode, Study},
};

use self::{noisy::Noise, parameters::Parameters};

pub use self::effects::{EffectDistribution, Standing, isotonic, level};
pub use self::growth::{
    EivEstimates, GrowthEstimates, HendersonEstimates, MixedEivEstimates, MixedEstimates,
    OlsEstimates,
};
pub use self::{
    cell::{Cell, MAX_EXACT, Outcome},
    folder::{FOLDER_FILES, GROWTH_FILE, Verified, VerifyError, verify_folder},
    noisy::{Noisy, NoisySums},
    noisy_growth::NoisyGrowth,
};

/// What every output of `exact` mode says.
pub const NO_GUARANTEE: &str = "no formal privacy guarantee";
/// Format names in `release.json`.
const FORMAT: &str = "flashlight/release/v1";
const FORMAT_DP: &str = "flashlight/release-dp/v1";
/// The word for "not broken down by this".
const ALL: &str = "all";
/// Longest `software`, bytes.
const SOFTWARE_MAX: usize = 200;

/// Sums, facts or files that make no release. Names cells, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The study is in `dp` mode, and its noise cannot be planned.
    #[error("the noise of the study cannot be planned")]
    Noise(#[from] NoiseError),
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
    /// Estimates of growth models that are not those of the study.
    #[error("growth model {model}: {what}")]
    Growth {
        /// The model.
        model: String,
        /// What is wrong.
        what: &'static str,
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
    pub fn code(&self) -> &'static str {
        match self {
            Self::Noise(error) => error.code(),
            Self::Layout => "release_layout",
            Self::Length { .. } => "release_length",
            Self::SumImpossible { .. } => "sum_impossible",
            Self::Growth { .. } => "release_growth",
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
    /// The second round of the study's growth models, over the same survivors.
    pub second: Option<LaterRound>,
    /// The third, which counts school effects, where one was asked for and there were any.
    pub third: Option<LaterRound>,
    /// Head of the coordinator's journal when the sums were known.
    pub log_checkpoint: Digest,
    /// When it was released, milliseconds since 1970 UTC.
    pub released_at_ms: u64,
    /// The hub's key, which signs the folder.
    pub hub: IdentityKey,
    /// Name, version and commit of the software.
    pub software: String,
}

/// What a later round of growth models was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaterRound {
    /// Id of the round, lower-case hex.
    pub id: String,
    /// Number of the round, above that of the one before.
    pub number: u64,
    /// The context its keys and masks were bound to; it fixes the constants it was taken at.
    pub ctx: Digest,
}

impl RoundFacts {
    fn check(&self, study: &Study) -> Result<(), ReleaseError> {
        let wrong = |what| Err(ReleaseError::Facts { what });
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let hex = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(digit);
        if self.second.is_some() == study.growth.is_empty() {
            return wrong("there is a second round without growth models, or the other way around");
        }
        if self.third.is_some() && !study.growth.iter().any(|spec| spec.percentiles) {
            return wrong("there is a third round that the study does not ask for");
        }
        let mut last = Some(self.round_number);
        for later in [&self.second, &self.third] {
            last = match (later, last) {
                (None, _) => None,
                (Some(later), Some(before)) if later.number > before && hex(&later.id) => {
                    Some(later.number)
                }
                _ => return wrong("the second round's number or id cannot be, or the third's"),
            };
        }
        if !hex(&self.round_id) {
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
        // Later rounds and retries are stricter than the study's rule, never laxer.
        let max_dropped = n.saturating_sub(self.sizes.m);
        if study.cohort.round(n, max_dropped, self.sizes.t).ok() != Some(self.sizes) {
            return wrong("n, m, t, c, h are not what the study's cohort rule allows");
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
    guarantee: String,
    parameters: Parameters,
    cells: Vec<Cell>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growth: Vec<GrowthEstimates>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    noisy_growth: Vec<NoisyGrowth>,
}

impl Release {
    /// Makes a release from the network's sums, one per word of the layout: in grid units and
    /// students, and in `dp` mode each multiplied by 2^`scale_bits` of its noise block, with the
    /// noise of all survivors; words that are carried are 0. `estimates`: the study's growth models.
    ///
    /// # Errors
    /// [`ReleaseError`] when the parts do not belong together, a sum cannot be, the facts
    /// contradict each other, or the noise of a study in `dp` mode cannot be planned.
    pub fn build(
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        sums: &[i64],
        facts: RoundFacts,
        estimates: Vec<GrowthEstimates>,
    ) -> Result<Self, ReleaseError> {
        if sums.len() != layout.words() {
            return Err(ReleaseError::Length { got: sums.len(), want: layout.words() });
        }
        let frame = Frame::new(study, schools, layout, facts)?;
        growth::check(study, &estimates)?;
        let min_n = study.suppression.min_n;
        let release = frame.release(|place| {
            let words = &sums[place.word..place.word + place.block.encoding.words()];
            let outcome = match &frame.noise {
                None => Outcome::of_sums(place.block.encoding, place.units_per_point, words, min_n),
                Some(noise) => noise.outcome(place.index, place.cell, sums),
            };
            outcome
                .ok_or_else(|| ReleaseError::SumImpossible { name: layout.cell_name(place.word) })
        })?;
        Ok(Self { growth: estimates, ..release })
    }

    /// What protects the students, in one line: for `dp` the loss, for `exact` [`NO_GUARANTEE`].
    #[must_use]
    pub fn guarantee(&self) -> &str {
        &self.guarantee
    }

    /// Whether the sums carry noise.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.parameters.mode()
    }

    /// All cells, in the order of the layout.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The growth models, in the order of the study; none where it asks for none.
    #[must_use]
    pub fn growth(&self) -> &[GrowthEstimates] {
        &self.growth
    }

    /// The growth models of a study in `dp` mode, in its order; none in `exact`.
    #[must_use]
    pub fn noisy_growth(&self) -> &[NoisyGrowth] {
        &self.noisy_growth
    }

    /// The same release with the growth models of a study in `dp` mode.
    ///
    /// # Errors
    /// [`ReleaseError::Growth`] when they are not those of the study.
    pub fn with_noisy_growth(
        self,
        study: &Study,
        noisy_growth: Vec<NoisyGrowth>,
    ) -> Result<Self, ReleaseError> {
        noisy_growth::check(study, &noisy_growth)?;
        Ok(Self { noisy_growth, ..self })
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

/// Everything of a release that is known before its sums.
struct Frame<'a> {
    study: &'a Study,
    schools: &'a SchoolTable,
    layout: &'a Layout,
    facts: RoundFacts,
    /// `None` in `exact` mode.
    noise: Option<Noise>,
}

/// One cell's place.
struct Place<'a> {
    block: &'a Block,
    /// The block's place in the layout.
    index: usize,
    /// The cell's place in the block.
    cell: usize,
    /// The cell's first word.
    word: usize,
    units_per_point: u32,
}

impl<'a> Frame<'a> {
    /// Checks that the parts belong together.
    fn new(
        study: &'a Study,
        schools: &'a SchoolTable,
        layout: &'a Layout,
        facts: RoundFacts,
    ) -> Result<Self, ReleaseError> {
        let own = Layout::derive(study, schools).map_err(|_| ReleaseError::Layout)?;
        if own.hash() != layout.hash() {
            return Err(ReleaseError::Layout);
        }
        facts.check(study)?;
        let noise = match study.mode {
            Mode::Exact => None,
            Mode::Dp => Some(Noise::new(study, schools, layout, &facts)?),
        };
        Ok(Self { study, schools, layout, facts, noise })
    }

    /// Puts a release together, asking `outcome` for each cell in the order of the layout.
    fn release<E>(
        &self,
        mut outcome: impl FnMut(Place<'a>) -> Result<Outcome, E>,
    ) -> Result<Release, E> {
        let mut cells = Vec::new();
        for (index, block) in self.layout.blocks().iter().enumerate() {
            let table = &self.study.tables[block.table];
            let test: Option<Arc<str>> = table.test.as_deref().map(Arc::from);
            let units_per_point = self.study.units_per_point(table);
            for (cell, key) in block.cells().iter().enumerate() {
                let word = block.first_word() + cell * block.encoding.words();
                let outcome = outcome(Place { block, index, cell, word, units_per_point })?;
                cells.push(Cell::new(block, table, test.clone(), key, outcome));
            }
        }
        let parameters = Parameters::new(self);
        let format = if self.noise.is_some() { FORMAT_DP } else { FORMAT };
        let (growth, noisy_growth) = (Vec::new(), Vec::new());
        let guarantee = self.guarantee();
        Ok(Release { format, guarantee, parameters, cells, growth, noisy_growth })
    }

    fn guarantee(&self) -> String {
        self.noise.as_ref().map_or_else(|| NO_GUARANTEE.to_owned(), certificate::guarantee)
    }
}
