//! The district's own exact results, for its own eyes. They never leave: [`LocalCell`] has no wire
//! form, and is not part of a release.
//!
//! In: records, a study and its layout. Out: one [`LocalCell`] per cell of the layout, in its order:
//! blocks as in the layout, cells as in each block. Or, in: records and a [`LocalQuery`]. Out:
//! [`LocalResults`] of the district and its schools by the official rule of each ([`local`]), and the
//! students and rows behind any of them ([`records_behind`]).

mod behind;
mod engine;
mod query;
mod sbac;

use flashlight_proto::{
    layout::{Block, CellKey, Encoding, Layout},
    schools::SchoolTable,
    study::Study,
};

pub use self::{
    behind::records_behind,
    engine::local,
    query::{Behind, By, CellAsked, LocalQuery, LocalResults, LocalRow, SMALL_BELOW, Scope},
};
pub use crate::indicators::{catalogue, title_of, words_of};
use crate::{
    aggregate::{AggregateError, Whose, count},
    records::{Records, Report},
};

/// One cell of the district's own, exact and unsuppressed.
#[derive(Clone, PartialEq)]
pub struct LocalCell {
    /// Index into `Layout::blocks`.
    pub block: usize,
    /// The level, grade and group.
    pub key: CellKey,
    /// Students the value is over (for counts: the count).
    pub n: u64,
    /// Exact: Σ in grid units (for distance from standard of the distances), students in the
    /// numerator, favourable items, or the count.
    pub total: i64,
    /// What the total is a share of: answered items for a share of items, else `n`.
    pub den: u64,
    /// A share from 0 to 1, a mean in score points, or the count; `None` over no students.
    pub value: Option<f64>,
}

/// The district's exact value and n in every cell. `whose`: as for [`crate::aggregate::aggregate`].
///
/// # Errors
/// [`AggregateError::Refused`] as for [`crate::aggregate::aggregate`].
pub fn exact_cells<'a>(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    whose: impl Into<Whose<'a>>,
) -> Result<Vec<LocalCell>, AggregateError> {
    let counted = count(records, study, schools, layout, whose);
    let report = Report { files: Vec::new(), study: counted.findings };
    if report.is_refused() {
        return Err(AggregateError::Refused(Box::new(report)));
    }
    Ok(cells_of(study, layout, &counted.words))
}

/// The cells of a district's exact words, as [`crate::aggregate::aggregate`] counts them.
#[must_use]
pub fn cells_of(study: &Study, layout: &Layout, words: &[i64]) -> Vec<LocalCell> {
    let mut cells = Vec::new();
    for (index, block) in layout.blocks().iter().enumerate() {
        let grid = study.units_per_point(&study.tables[block.table]);
        let words = &words[block.first_word()..block.first_word() + block.words()];
        let own = words.chunks_exact(block.encoding.words());
        cells.extend(
            block.cells().iter().zip(own).map(|(key, words)| cell(index, block, key, words, grid)),
        );
    }
    cells
}

fn cell(index: usize, block: &Block, key: &CellKey, words: &[i64], grid: u32) -> LocalCell {
    if let (Encoding::Items, [part, rest, n]) = (block.encoding, words) {
        let value = (part + rest > 0).then(|| real(*part) / real(part + rest));
        let (n, den) = (n.unsigned_abs(), (part + rest).unsigned_abs());
        return LocalCell { block: index, key: *key, n, total: *part, den, value };
    }
    let (total, n) = match (block.encoding, words) {
        (Encoding::Rate, [part, rest]) => (*part, part + rest),
        (Encoding::Mean { mid, .. }, [sum, n]) => (sum + mid * n, *n),
        (_, [n, ..]) => (*n, *n),
        (_, []) => (0, 0),
    };
    let value = match block.encoding {
        Encoding::Count => Some(real(total)),
        Encoding::Rate | Encoding::Items => (n > 0).then(|| real(total) / real(n)),
        Encoding::Mean { .. } => (n > 0).then(|| real(total) / real(n) / f64::from(grid)),
    };
    let n = n.unsigned_abs();
    LocalCell { block: index, key: *key, n, total, den: n, value }
}

#[expect(clippy::cast_precision_loss, reason = "one district's sums stay below 2^53")]
const fn real(sum: i64) -> f64 {
    sum as f64
}
