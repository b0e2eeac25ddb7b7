//! What a preview shows, as data: the schema of `preview --json` (docs/PREVIEW.md).
//!
//! It holds exact numbers about the district's students: no `Debug`, no `Clone`, and it is for the
//! district alone.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::study::{Date, Mode};
use serde::Serialize;

/// A preview.
#[derive(Serialize)]
pub struct Preview {
    /// `flashlight/preview/v1`.
    pub format: &'static str,
    /// Of what.
    pub study: StudyView,
    /// This district.
    pub district: DistrictId,
    /// The day it was made, UTC.
    pub day: String,
    /// What the round would cost.
    pub cost: Cost,
    /// Which cells are small.
    pub small: SmallRule,
    /// What it is compared with.
    pub last: Option<LastTime>,
    /// What the masked words are: an example.
    pub masked: &'static str,
    /// What leaves the district.
    pub leaves: Vec<&'static str>,
    /// What does not.
    pub stays: Vec<&'static str>,
    /// Why a round would be refused here, a sentence each; none when nothing is known against it.
    pub refusals: Vec<String>,
    /// Rows that the study leaves out, a sentence each.
    pub left_out: Vec<String>,
    /// The growth models, whose words are no cells.
    pub growth: Vec<GrowthView>,
    /// Over all cells, shown or not, and the first words of the growth models.
    pub totals: Totals,
    /// Whether only small cells are listed.
    pub only_small: bool,
    /// The cells, by what they measure.
    pub blocks: Vec<BlockView>,
}

/// The study previewed.
#[derive(Serialize)]
pub struct StudyView {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// SHA-256 of its bytes.
    pub hash: Digest,
    /// SHA-256 of its school table.
    pub schools: Digest,
    /// Spring year of the school year studied.
    pub school_year: i16,
    /// Records are taken as they stood on this date.
    pub as_of: Date,
    /// Least surviving districts in any sum.
    pub min_survivors: u16,
}

/// What the round would cost this district.
#[derive(Serialize)]
pub struct Cost {
    /// `dp` or `exact`.
    pub mode: Mode,
    /// The whole study's; `None` in `exact`.
    pub rho: Option<f64>,
    /// ε at `delta`, for a student at one district; `None` when not worked out.
    pub epsilon: Option<f64>,
    /// δ; `None` when not worked out.
    pub delta: Option<f64>,
    /// A sentence for people.
    pub guarantee: String,
    /// Whether `noise_sd` of the words is known.
    pub noise: Noise,
    /// Every school year read.
    pub years: Vec<YearCost>,
}

/// Whether noise is added, and its size known.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The study is exact.
    None,
    /// `noise_sd` says how much.
    Known,
    /// It cannot be worked out, and a round would be refused.
    Unknown,
}

impl Noise {
    /// For people.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::None => "none: the network's sums would be exact",
            Self::Known => {
                "every district draws its own and adds it to each word before the masks; the sd of \
                 this district's, at the least number of districts, stands beside each word; a sum \
                 carries the noise of all survivors"
            }
            Self::Unknown => {
                "cannot be worked out from this study and school table: a round would be refused"
            }
        }
    }
}

/// What one school year is charged.
#[derive(Serialize)]
pub struct YearCost {
    /// Spring year.
    pub school_year: i16,
    /// zCDP; `None` in `exact`, which marks the year instead.
    pub rho: Option<f64>,
}

/// Which cells are small.
#[derive(Serialize)]
pub struct SmallRule {
    /// A cell over fewer students, but not none, is small: the greater of the next two.
    pub below: u32,
    /// The study's `min_n`.
    pub study_min_n: u32,
    /// The district's own, if it has a policy.
    pub policy_min_cell: Option<u32>,
}

/// What a preview is compared with.
#[derive(Serialize)]
pub struct LastTime {
    /// Id of the study previewed then.
    pub study: String,
    /// Whether that is this study's id.
    pub same_study: bool,
    /// Whether the study's bytes were the same.
    pub same_text: bool,
    /// The day, UTC.
    pub day: String,
    /// Cells that were there and are no more.
    pub gone: usize,
}

/// One growth model.
#[derive(Serialize)]
pub struct GrowthView {
    /// `math/04`.
    pub model: String,
    /// What the words are sums of.
    pub columns: Vec<String>,
    /// Words of the first round.
    pub words: usize,
    /// Words of the later rounds; `None` in `exact`, where they depend on the first sums.
    pub later_words: Option<usize>,
    /// Its part of ρ, all rounds, which the grades of a section share; `None` in `exact`.
    pub rho: Option<f64>,
}

/// Counts over all cells.
#[derive(Default, Serialize)]
pub struct Totals {
    /// Cells.
    pub cells: usize,
    /// Words.
    pub words: usize,
    /// Bytes of the words as they travel.
    pub bytes: usize,
    /// Small cells.
    pub small: usize,
    /// Cells over no student.
    pub empty: usize,
    /// Cells with another word than last time.
    pub changed: usize,
    /// Cells that last time does not have, or not on the same scale.
    pub new: usize,
}

/// One indicator, year, break-down and family.
#[derive(Serialize)]
pub struct BlockView {
    /// As in the names of the words: `math_mean[STAR]@1989/level+grade`.
    pub name: String,
    /// The family broken out; `None`: all students.
    pub family: Option<&'static str>,
    /// Spring year.
    pub school_year: i16,
    /// What `value` is: `students`, `share` from 0 to 1, or `points`.
    pub unit: &'static str,
    /// What the words are, such as `sum of scores less 625 points, and scores counted`.
    pub encoding: String,
    /// Over all its cells, shown or not.
    pub total: BlockTotal,
    /// Its cells, in the layout's order.
    pub cells: Vec<CellView>,
}

/// A block's sums.
#[derive(Serialize)]
pub struct BlockTotal {
    /// Cells.
    pub cells: usize,
    /// Students.
    pub n: u64,
    /// Each word, exact.
    pub words: Vec<i64>,
}

/// One cell.
#[derive(Serialize)]
pub struct CellView {
    /// `ES,03/sed=yes`, `all/all`.
    pub name: String,
    /// Students, exact.
    pub n: u64,
    /// Exact, in the block's unit; `None` over no students.
    pub value: Option<f64>,
    /// Whether there are students enough.
    pub size: Size,
    /// Against last time; `None` when there was none.
    pub compared: Option<Compared>,
    /// One or two.
    pub words: Vec<WordView>,
}

/// How many students a cell is over.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// As many as the rule asks for, or more.
    Enough,
    /// Fewer, but not none.
    Small,
    /// None.
    Empty,
}

/// A cell against last time.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// Every word is as it was.
    Same,
    /// A word is another.
    Changed,
    /// It was not there, or on another scale.
    New,
}

/// One word.
#[derive(Serialize)]
pub struct WordView {
    /// `n`, `num`, `rest` or `sum`.
    pub part: &'static str,
    /// Exact: students, or grid units less the centre.
    pub exact: i64,
    /// Standard deviation of the noise this node adds, in the word's unit; 0 in `exact` and where
    /// 0 is sent, `None` when not known.
    pub noise_sd: Option<f64>,
    /// Whether 0 is sent in its place, because another table carries the same count.
    pub sent_as_zero: bool,
    /// As it would travel, 16 hex digits: an example.
    pub masked: String,
    /// Exact less last time; `None` when there is nothing to compare with.
    pub change: Option<i64>,
}

impl Preview {
    /// Lists the small cells only; totals stay those of all cells.
    #[must_use]
    pub fn small_only(mut self) -> Self {
        self.only_small = true;
        for block in &mut self.blocks {
            block.cells.retain(|cell| cell.size == Size::Small);
        }
        self.blocks.retain(|block| !block.cells.is_empty());
        self
    }
}
