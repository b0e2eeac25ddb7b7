//! One block: one indicator, year, break-down and family, cell by cell.

use crate::{
    canonical::Transcript,
    category::{Dimension, Family, Grade, Indicator, Level, Preset},
    study::{SHARE_UNITS, Study, TableSpec},
};

/// How a cell's students become words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One word: students n.
    Count,
    /// Two words: students in the numerator, and in the denominator only (den − num).
    Rate,
    /// Three words: answered items that are favourable, answered items that are not, and respondents
    /// n. `exact` mode only: one respondent moves it by many.
    Items,
    /// Two words: Σ(x − mid) in grid units, and scores n. x is the score, or for distance from
    /// standard the score less the cut of the grade tested. For a survey Σ(x − mid) over respondents,
    /// x being each one's favourable share in ten thousandths, and respondents n.
    Mean {
        /// Public centre: ⌊(low + high)/2⌋, grid units.
        mid: i64,
        /// Least x of any grade of the subject, grid units.
        low: i64,
        /// Greatest x of any grade of the subject, grid units.
        high: i64,
    },
}

impl Encoding {
    /// Words per cell.
    #[must_use]
    pub const fn words(self) -> usize {
        match self {
            Self::Count => 1,
            Self::Rate | Self::Mean { .. } => 2,
            Self::Items => 3,
        }
    }

    /// The last part of each word's name.
    #[must_use]
    pub const fn word_names(self) -> &'static [&'static str] {
        match self {
            Self::Count => &["n"],
            Self::Rate => &["num", "rest"],
            Self::Items => &["num", "rest", "n"],
            Self::Mean { .. } => &["sum", "n"],
        }
    }

    /// The encoding of a table's indicator.
    fn of(study: &Study, table: &TableSpec) -> Self {
        let cut = match table.indicator {
            Indicator::Students => return Self::Count,
            indicator if indicator.is_of_answers() => {
                let high = i64::from(SHARE_UNITS);
                return match table.preset {
                    Some(Preset::PerItem) => Self::Items,
                    _ => Self::Mean { mid: high / 2, low: 0, high },
                };
            }
            Indicator::Mean(_) => false,
            Indicator::Dfs(_) => true,
            _ => return Self::Rate,
        };
        let Some((_, ranges)) = study.scores(table) else { return Self::Rate };
        let centred = |x: i64, met: i64| if cut { x - met } else { x };
        let low = ranges.values().map(|range| centred(range.min, range.met)).min().unwrap_or(0);
        let high = ranges.values().map(|range| centred(range.max, range.met)).max().unwrap_or(0);
        Self::Mean { mid: (low + high).div_euclid(2), low, high }
    }
}

/// What one cell counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    /// The level; `None` when not broken down by level.
    pub level: Option<Level>,
    /// The grade; `None` when not broken down by grade.
    pub grade: Option<Grade>,
    /// Index into the family's groups; 0 for all students.
    pub group: usize,
}

/// One indicator, year, break-down and family: cells by (level, grade, group).
#[derive(Clone, Debug)]
pub struct Block {
    /// Index into `Study::tables`.
    pub table: usize,
    /// What is measured.
    pub indicator: Indicator,
    /// School year.
    pub year: i16,
    /// Break-down, level before grade; empty for the whole network.
    pub by: Vec<Dimension>,
    /// The family broken out; `None` for all students.
    pub family: Option<Family>,
    /// How a cell becomes words.
    pub encoding: Encoding,
    cells: Vec<CellKey>,
    /// For each level × grade, the index of its first cell.
    slots: Vec<Option<usize>>,
    first_word: usize,
    /// `math_mean[STAR]@1989/level+grade`: the part of the name all its words share.
    prefix: String,
}

impl Block {
    pub(super) fn new(
        study: &Study,
        index: usize,
        year: i16,
        by: &[Dimension],
        family: Option<Family>,
        offered: &[(Level, Grade)],
        first_word: usize,
    ) -> Self {
        let table = &study.tables[index];
        let stratum = |(level, grade): (Level, Grade)| {
            let level = by.contains(&Dimension::Level).then_some(level);
            (level, by.contains(&Dimension::Grade).then_some(grade))
        };
        let mut strata: Vec<_> = offered.iter().copied().map(stratum).collect();
        strata.sort_unstable();
        strata.dedup();
        let groups = group_count(family);
        let mut slots = vec![None; Level::ALL.len() * Grade::ALL.len()];
        for &pair in offered {
            let found = strata.binary_search(&stratum(pair)).ok();
            slots[slot(pair.0, pair.1)] = found.map(|at| at * groups);
        }
        let cells = strata.iter().flat_map(|&(level, grade)| {
            (0..groups).map(move |group| CellKey { level, grade, group })
        });
        Self {
            table: index,
            indicator: table.indicator,
            year,
            by: by.to_vec(),
            family,
            encoding: Encoding::of(study, table),
            cells: cells.collect(),
            slots,
            first_word,
            prefix: prefix(table, year, by),
        }
    }

    /// The cells, in the order of their words.
    #[must_use]
    pub fn cells(&self) -> &[CellKey] {
        &self.cells
    }

    /// First word of the block.
    #[must_use]
    pub const fn first_word(&self) -> usize {
        self.first_word
    }

    /// Number of words.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.cells.len() * self.encoding.words()
    }

    /// First word of the cell that a student of this level, grade and group (index into the
    /// family's groups; 0 for all students) falls in. `None` when the public table offers no such
    /// level × grade, the indicator does not count the grade, or there is no such group.
    #[must_use]
    pub fn word_of(&self, level: Level, grade: Grade, group: usize) -> Option<usize> {
        let first = self.slots[slot(level, grade)].filter(|_| group < group_count(self.family))?;
        Some(self.first_word + (first + group) * self.encoding.words())
    }

    /// The word's name; `None` when it is not of this block.
    pub(super) fn name(&self, word: usize) -> Option<String> {
        let offset = word.checked_sub(self.first_word)?;
        let cell = self.cells.get(offset / self.encoding.words())?;
        let part = self.encoding.word_names()[offset % self.encoding.words()];
        Some(format!("{}/{}/{}/{part}", self.prefix, stratum_name(cell), self.group_name(cell)))
    }

    /// `race_ethnicity=Black`, or `all`.
    fn group_name(&self, cell: &CellKey) -> String {
        self.family.map_or_else(
            || "all".to_owned(),
            |family| format!("{family}={}", family.groups()[cell.group]),
        )
    }

    /// Adds all that names and scales the block's words.
    pub(super) fn describe(&self, transcript: Transcript) -> Transcript {
        let (kind, scale) = match self.encoding {
            Encoding::Count => ("count", [0; 3]),
            Encoding::Rate => ("rate", [0; 3]),
            Encoding::Items => ("items", [0; 3]),
            Encoding::Mean { mid, low, high } => ("mean", [mid, low, high]),
        };
        let names: Vec<_> = self
            .cells
            .iter()
            .map(|cell| format!("{}/{}", stratum_name(cell), self.group_name(cell)))
            .collect();
        let headed = transcript
            .u64(self.table as u64)
            .u64(self.first_word as u64)
            .bytes(self.prefix.as_bytes())
            .bytes(kind.as_bytes());
        scale
            .into_iter()
            .fold(headed, |transcript, number| transcript.u64(number.cast_unsigned()))
            .list(self.encoding.word_names().iter())
            .list(names.iter())
    }
}

fn group_count(family: Option<Family>) -> usize {
    family.map_or(1, |family| family.groups().len())
}

const fn slot(level: Level, grade: Grade) -> usize {
    level.index() * Grade::ALL.len() + grade.index()
}

/// `ES,03`, `ES`, `03` or `all`.
fn stratum_name(cell: &CellKey) -> String {
    match (cell.level, cell.grade) {
        (None, None) => "all".to_owned(),
        (Some(level), None) => level.to_string(),
        (None, Some(grade)) => grade.to_string(),
        (Some(level), Some(grade)) => format!("{level},{grade}"),
    }
}

fn prefix(table: &TableSpec, year: i16, by: &[Dimension]) -> String {
    let variant = match (&table.test, table.indicator) {
        (Some(test), _) => format!("[{test}]"),
        (None, _) => match (table.preset, table.el_years) {
            (Some(preset), Some(years)) => format!("[{preset},{years}]"),
            (Some(preset), None) => format!("[{preset}]"),
            (None, _) => String::new(),
        },
    };
    let names: Vec<_> = by.iter().map(|dimension| dimension.as_str()).collect();
    let by = if names.is_empty() { "network".to_owned() } else { names.join("+") };
    format!("{}{variant}@{year}/{by}", table.indicator)
}
