//! Which words are noised together, and how far one student can move them (docs/PRIVACY.md §6.1).
//!
//! In: a study and its layout. Out: [`NoiseBlocks`]: the words of the layout split into blocks that
//! share one noise scale, each with its exact sensitivities, the school years it reads and the
//! questions it asks.
//!
//! Neighbours differ in one student's records at one district, in all school years the block reads:
//! there, or not there. Such a student falls in at most one cell of each of a table's k (year ×
//! break-down × all students or family) blocks of the layout, because every district counts each
//! student once per year, at one level, in one grade and in one group of each family. So:
//!
//! * *counts* of a table (students; numerator and rest of a rate; scores of a mean): one word of
//!   each of k blocks moves by 1. Δ₂² = k, Δ₁ = k.
//! * *sums* of a table (Σ(x − mid) of a mean): one word of each of k blocks moves by at most
//!   R = max(high − mid, mid − low), since x is clipped to the bounds. Δ₂² = k·R², Δ₁ = k·R.
//!
//! A mean's scores are not counted twice: where a rate table of the same test and subject covers
//! the mean's years, break-downs and families, the mean's own count is [`Carried`]: its words are
//! sent as 0, without noise and without cost, and n is the rate's numerator and rest together. This
//! is for `dp` alone; the layout and its hash are the same in both modes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Block, Encoding, Layout};
use crate::{
    category::{Dimension, Family, Indicator, Subject},
    study::{Date, Study, TableSpec},
};

/// What a noise block holds of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Words that count students.
    Counts,
    /// Words that sum centred values.
    Sums,
}

impl Part {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Sums => "sums",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Words `first`, `first + step`, …: `len` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first word.
    pub first: usize,
    /// How many.
    pub len: usize,
    /// Distance between two.
    pub step: usize,
}

impl Run {
    /// The words, ascending.
    pub fn words(self) -> impl Iterator<Item = usize> {
        (0..self.len).map(move |at| self.first + at * self.step)
    }
}

/// What one survivor set answers, ever (docs/PRIVACY.md §6.4): an indicator in a school year, as the
/// records stood on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What is measured.
    pub indicator: Indicator,
    /// School year measured; for a graduating class of the year before, its own.
    pub year: i16,
    /// The study's `as_of`.
    pub as_of: Date,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} as of {}", self.indicator, self.year, self.as_of)
    }
}

/// The questions a study asks, in either mode.
#[must_use]
pub fn questions(study: &Study) -> BTreeSet<Question> {
    study.tables.iter().flat_map(|table| table_questions(study, table)).collect()
}

/// The school years a study measures, in either mode: those the public school table must cover.
#[must_use]
pub fn years_measured(study: &Study) -> BTreeSet<i16> {
    let tables = study.tables.iter().flat_map(|table| table.years.iter().copied());
    tables.chain(study.growth.iter().map(|_| study.school_year)).collect()
}

/// The school years a study reads, in either mode: those it measures and those before that its
/// indicators look at.
#[must_use]
pub fn years_read(study: &Study) -> BTreeSet<i16> {
    let growth = study
        .growth
        .iter()
        .flat_map(|spec| study.school_year - i16::from(spec.years_back())..=study.school_year);
    study.tables.iter().flat_map(table_years).chain(growth).collect()
}

/// The school years a table reads: those it measures and those before that its indicator looks at.
fn table_years(table: &TableSpec) -> BTreeSet<i16> {
    let back = table.years_back();
    table.years.iter().flat_map(|year| year - back..=*year).collect()
}

fn table_questions(study: &Study, table: &TableSpec) -> impl Iterator<Item = Question> {
    let (indicator, as_of) = (table.indicator, study.as_of);
    let years = table.years.iter().flat_map(move |&year| year - indicator.classes_back()..=year);
    years.map(move |year| Question { indicator, year, as_of })
}

/// Words of one table that share one noise scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseBlock {
    /// Index into `Study::tables`.
    pub table: usize,
    /// What the table measures.
    pub indicator: Indicator,
    /// Which of its words.
    pub part: Part,
    /// k: words that one student can move.
    pub touched: u32,
    /// R: most that one student moves each of them, grid units; 1 for counts.
    pub reach: u64,
    /// School years measured, ascending: those of its cells.
    pub measured: Vec<i16>,
    /// School years it reads, ascending: those measured, and those before that the indicator looks at.
    /// Each is charged the block's whole ρ.
    pub years: Vec<i16>,
    /// Questions it asks, ascending.
    pub questions: Vec<Question>,
    /// Its words, ascending.
    pub runs: Vec<Run>,
}

impl NoiseBlock {
    /// Δ₂² = k·R², grid units²: exact.
    #[must_use]
    pub fn delta2_squared(&self) -> u128 {
        u128::from(self.touched) * u128::from(self.reach) * u128::from(self.reach)
    }

    /// Δ₁ = k·R, grid units: exact.
    #[must_use]
    pub fn delta1(&self) -> u128 {
        u128::from(self.touched) * u128::from(self.reach)
    }

    /// d: number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(|run| run.len).sum()
    }

    /// Whether it has no words. Never so for a layout that was derived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its words, ascending.
    pub fn words(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().flat_map(|run| run.words())
    }

    /// `[[table]] 2 math_mean, sums`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("[[table]] {} {}, {}", self.table + 1, self.indicator, self.part)
    }
}

/// A block of the layout whose counts are taken from another, cell by cell in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Index into [`Layout::blocks`]: a mean whose second words are sent as 0.
    pub block: usize,
    /// Index into [`Layout::blocks`]: the rate whose two words together are that count.
    pub from: usize,
}

/// The words of a layout by how they are noised. Every word is in one block, or is carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseBlocks {
    /// By table, counts before sums.
    pub blocks: Vec<NoiseBlock>,
    /// By block of the layout.
    pub carried: Vec<Carried>,
}

impl NoiseBlocks {
    /// The noise blocks of a study in `dp` mode. `layout` is derived from `study`.
    #[must_use]
    pub fn derive(study: &Study, layout: &Layout) -> Self {
        let rates = rates(study, layout);
        let (mut blocks, mut carried) = (Vec::new(), Vec::new());
        for (index, table) in study.tables.iter().enumerate() {
            let ours: Vec<(usize, &Block)> =
                layout.blocks().iter().enumerate().filter(|(_, b)| b.table == index).collect();
            let Some(reach) = ours.first().map(|(_, block)| reach(block.encoding)) else {
                continue;
            };
            let from = ours.iter().map(|&(block, shape)| {
                let (Indicator::Mean(subject) | Indicator::Dfs(subject)) = table.indicator else {
                    return None;
                };
                let &from = rates.get(&scores(study, shape, subject))?;
                Some(Carried { block, from })
            });
            let mut add = |part, reach| {
                let questions: BTreeSet<_> = table_questions(study, table).collect();
                let measured: BTreeSet<_> = table.years.iter().copied().collect();
                blocks.push(NoiseBlock {
                    table: index,
                    indicator: table.indicator,
                    part,
                    // At most MAX_YEARS · MAX_BY · 8, so it always fits.
                    touched: u32::try_from(ours.len()).unwrap_or(u32::MAX),
                    reach,
                    measured: measured.into_iter().collect(),
                    years: table_years(table).into_iter().collect(),
                    questions: questions.into_iter().collect(),
                    runs: ours.iter().map(|(_, block)| run(block, part)).collect(),
                });
            };
            // All of a table's counts are carried or none: one noise scale, one n per table.
            match from.collect::<Option<Vec<_>>>() {
                Some(all) => carried.extend(all),
                None => add(Part::Counts, 1),
            }
            if let Some(reach) = reach {
                add(Part::Sums, reach);
            }
        }
        Self { blocks, carried }
    }
}

/// Most that one student moves a sum, grid units; `None` where nothing is summed.
fn reach(encoding: Encoding) -> Option<u64> {
    match encoding {
        Encoding::Count | Encoding::Rate | Encoding::Items => None,
        Encoding::Mean { mid, low, high } => Some(high.abs_diff(mid).max(mid.abs_diff(low))),
    }
}

/// The words of one part of a block of the layout.
fn run(block: &Block, part: Part) -> Run {
    let (first, cells) = (block.first_word(), block.cells().len());
    match (block.encoding, part) {
        (Encoding::Mean { .. }, Part::Sums) => Run { first, len: cells, step: 2 },
        (Encoding::Mean { .. }, Part::Counts) => Run { first: first + 1, len: cells, step: 2 },
        (Encoding::Count | Encoding::Rate | Encoding::Items, _) => {
            Run { first, len: block.words(), step: 1 }
        }
    }
}

/// What a rate and a mean of the same scores share.
type Scores<'a> = (Subject, &'a Option<String>, i16, &'a [Dimension], Option<Family>);

fn scores<'a>(study: &'a Study, block: &'a Block, subject: Subject) -> Scores<'a> {
    (subject, &study.tables[block.table].test, block.year, &block.by, block.family)
}

/// The rates over scores, by what they count: `met` counts exactly the scores that a mean of the
/// same test, subject, year, break-down and family sums, in the same cells.
fn rates<'a>(study: &'a Study, layout: &'a Layout) -> BTreeMap<Scores<'a>, usize> {
    let found = layout.blocks().iter().enumerate().filter_map(|(at, block)| {
        let Indicator::Met(subject) = block.indicator else { return None };
        Some((scores(study, block, subject), at))
    });
    found.collect()
}
