//! A study and the public school table -> the flat integer vector all parties agree on.
//!
//! In: a [`Study`] and the [`SchoolTable`] it names. Out: a [`Layout`]: blocks of cells in one
//! order, each cell one or two 64-bit words, each word with a name, and a hash over all that gives
//! the words their meaning. Two parties with equal hashes read every word alike.
//!
//! Order: tables as in the study × years × `by` × (all students, then each family) × cells by
//! (level, grade, group). A cell exists where the public table has a school of that level offering
//! that grade in that year, and the indicator counts that grade: for chronic absenteeism the grades
//! of its preset (`dashboard`: KN to 08, so TK and high school grades have no cells), for scores
//! the grades tested that the study gives bounds for, for graduating classes grade 12. Surveys of
//! staff and parents, who have no grade, have one place per level, under `UG`. A student outside every such level × grade
//! belongs to no cell of the block, whatever its `by`, so margins add up: the cells of `["level",
//! "grade"]` sum to those of `["level"]`, `["grade"]` and `[]`, and each family's groups sum to all
//! students. For score indicators "grade" is the grade tested, whose bounds and cut apply.

mod block;
mod growth;
mod noise;
mod offer;

use crate::{
    canonical::{Digest, Transcript},
    category::Indicator,
    growth::{Broadcast, BroadcastError},
    schools::SchoolTable,
    study::{Study, TableSpec},
};

pub use self::block::{Block, CellKey, Encoding};
pub use self::growth::GrowthBlock;
pub use self::noise::{
    Carried, NoiseBlock, NoiseBlocks, Part, Question, Run, questions, years_measured, years_read,
};

/// Most words of one layout: 32 MiB per contribution.
pub const MAX_WORDS: usize = 1 << 22;

/// A study and a school table that give no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The school table is not the one the study names.
    #[error("the school table has SHA-256 {found}, the study names {named}")]
    Schools {
        /// Hash of the table given.
        found: Digest,
        /// Hash in the study.
        named: Digest,
    },
    /// The school table has no row for a year the study measures.
    #[error(
        "[[table]] {table}: the school table has no schools in {year}; add them, or drop the year"
    )]
    Year {
        /// Number of the table, from 1.
        table: usize,
        /// The school year.
        year: i16,
    },
    /// No school offers a grade the table counts.
    #[error("[[table]] {table}: no school offers a grade that {indicator} counts in {year}")]
    Empty {
        /// Number of the table, from 1.
        table: usize,
        /// The indicator.
        indicator: Indicator,
        /// The school year.
        year: i16,
    },
    /// More than [`MAX_WORDS`].
    #[error(
        "[[table]] {table}: the study needs more than {MAX_WORDS} words; ask for fewer families, \
         years or break-downs"
    )]
    TooLarge {
        /// Number of the table, from 1.
        table: usize,
    },
    /// The growth models pass [`MAX_WORDS`].
    #[error("[[growth]]: the study needs more than {MAX_WORDS} words; ask for fewer grades")]
    GrowthTooLarge,
    /// The school table has no figure in a column that a growth model takes.
    #[error(
        "growth {id}: no school of {year} has a figure in the column {column} of the school table; add \
         the column, or drop it from the study"
    )]
    Public {
        /// The section.
        id: String,
        /// The column.
        column: String,
        /// The school year.
        year: i16,
    },
    /// The constants of a second round do not fit the study.
    #[error("the second round of the growth models cannot be")]
    Broadcast(#[from] BroadcastError),
    /// Constants of the second round and of the third.
    #[error("growth model {model}: its constants are of another round than the others'")]
    Mixed {
        /// The model.
        model: String,
    },
    /// There are not as many constants as models.
    #[error("there are constants for {got} growth models, the study has {want}")]
    Broadcasts {
        /// Given.
        got: usize,
        /// Models of the study.
        want: usize,
    },
}

impl LayoutError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Schools { .. } => "layout_schools",
            Self::Year { .. } => "layout_year",
            Self::Empty { .. } => "layout_empty",
            Self::TooLarge { .. } | Self::GrowthTooLarge => "layout_too_large",
            Self::Public { .. } => "layout_public",
            Self::Broadcast(error) => error.code(),
            Self::Broadcasts { .. } | Self::Mixed { .. } => "growth_broadcasts",
        }
    }
}

/// The meaning of every word of a contribution.
#[derive(Clone, Debug)]
pub struct Layout {
    blocks: Vec<Block>,
    growth: Vec<GrowthBlock>,
    words: usize,
    hash: Digest,
}

impl Layout {
    /// Derives the layout of a study.
    ///
    /// # Errors
    /// [`LayoutError`] when the school table is not the study's, lacks a year or a grade, or the
    /// layout would pass [`MAX_WORDS`].
    pub fn derive(study: &Study, schools: &SchoolTable) -> Result<Self, LayoutError> {
        if schools.hash() != study.schools.sha256 {
            let named = study.schools.sha256;
            return Err(LayoutError::Schools { found: schools.hash(), named });
        }
        let offers = offer::offers(schools);
        let mut blocks = Vec::new();
        let mut words = 0;
        for (index, table) in study.tables.iter().enumerate() {
            let number = index + 1;
            for &year in &table.years {
                let offered = offers
                    .get(&year)
                    .ok_or(LayoutError::Year { table: number, year })?
                    .counted(study, table);
                if offered.is_empty() {
                    let indicator = table.indicator;
                    return Err(LayoutError::Empty { table: number, indicator, year });
                }
                let families =
                    || std::iter::once(None).chain(table.families.iter().map(|f| Some(*f)));
                for (by, family) in table.by.iter().flat_map(|by| families().map(move |f| (by, f)))
                {
                    let block = Block::new(study, index, year, by, family, &offered, words);
                    words += block.words();
                    if words > MAX_WORDS {
                        return Err(LayoutError::TooLarge { table: number });
                    }
                    blocks.push(block);
                }
            }
        }
        growth::figures(study, schools)?;
        let growth = growth::first(study, &mut words)?;
        let hash = hash(study, &blocks, &growth, words);
        Ok(Self { blocks, growth, words, hash })
    }

    /// The layout of a later round of a study's growth models, at the constants that the round before
    /// gave: of the second, or of the third where they say where school effects are counted. It has no
    /// blocks.
    ///
    /// # Errors
    /// [`LayoutError`] when the school table is not the study's, or the constants are not one for
    /// each model (in the third: of those that have effects), in order and fitting.
    pub fn later(
        study: &Study,
        schools: &SchoolTable,
        broadcasts: &[Broadcast],
    ) -> Result<Self, LayoutError> {
        if schools.hash() != study.schools.sha256 {
            let named = study.schools.sha256;
            return Err(LayoutError::Schools { found: schools.hash(), named });
        }
        let mut words = 0;
        let growth = growth::later(study, broadcasts, &mut words)?;
        let hash = hash(study, &[], &growth, words);
        Ok(Self { blocks: Vec::new(), growth, words, hash })
    }

    /// Number of words.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.words
    }

    /// Hash over everything that gives the words their meaning.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The blocks, in the order of their words.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The growth models, in the order of their words, which follow those of the blocks.
    #[must_use]
    pub fn growth(&self) -> &[GrowthBlock] {
        &self.growth
    }

    /// The word's name, as `math_mean[STAR]@1989/level+grade/ES,03/race_ethnicity=Black/sum`, or
    /// `no such word`.
    #[must_use]
    pub fn cell_name(&self, word: usize) -> String {
        if let Some(name) = self.growth.iter().find_map(|block| block.name(word)) {
            return name;
        }
        let after = self.blocks.partition_point(|block| block.first_word() <= word);
        let block = after.checked_sub(1).map(|index| &self.blocks[index]);
        block.and_then(|block| block.name(word)).unwrap_or_else(|| "no such word".to_owned())
    }
}

/// Everything that gives the words their meaning: names, bounds, cuts, grids and centres.
fn hash(study: &Study, blocks: &[Block], growth: &[GrowthBlock], words: usize) -> Digest {
    let start = Transcript::new("flashlight/layout/v1").u64(words as u64).u64(blocks.len() as u64);
    let named = blocks.iter().fold(start, |transcript, block| block.describe(transcript));
    let tables =
        study.tables.iter().fold(named, |transcript, table| describe(transcript, study, table));
    if growth.is_empty() {
        return tables.finish();
    }
    growth
        .iter()
        .fold(tables.u64(growth.len() as u64), |transcript, block| block.describe(transcript))
        .finish()
}

/// The bounds and cuts a table's scores are read with.
fn describe(transcript: Transcript, study: &Study, table: &TableSpec) -> Transcript {
    let Some((test, ranges)) = study.scores(table) else { return transcript.u64(0) };
    let start = transcript
        .u64(ranges.len() as u64)
        .bytes(test.id.as_bytes())
        .u64(u64::from(test.units_per_point));
    ranges.iter().fold(start, |transcript, (grade, range)| {
        [range.min, range.max, range.met]
            .into_iter()
            .fold(transcript.bytes(grade.as_str().as_bytes()), |transcript, bound| {
                transcript.u64(bound.cast_unsigned())
            })
    })
}
