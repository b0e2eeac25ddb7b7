//! The student ids of a few rows of one file, read afresh for the district's own eyes.
//!
//! In: a file and row numbers as a report gives them. Out: the ids that stand there. Used by
//! `check --ids` alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    frame::{self, Opened},
    mapping::Mapping,
    report::Tally,
    tables,
};

/// Columns that hold a student's id.
const COLUMNS: [&str; 2] = ["student_id", "respondent_key"];

/// The ids at these rows of a table's file; a row without one is not in the answer. `None`: the file
/// cannot be read that far, so that its rows have no ids.
pub(crate) fn ids_at(path: &Path, rows: &BTreeSet<u64>) -> Option<BTreeMap<u64, String>> {
    let stem = path.file_stem()?.to_str()?;
    let table = tables::ALL.into_iter().find(|table| table.name == stem)?;
    let column = table.columns.iter().position(|column| COLUMNS.contains(&column.name))?;
    let mapping = Mapping::of(path.parent()?).ok()?;
    let mut tally = Tally::of(table.name);
    let copy = frame::copy_of(path, table).ok()?;
    let mut opened = Opened::of(path, copy, table, &mapping, &mut tally).ok()?;
    let mut ids = BTreeMap::new();
    let read = opened.each(&mut tally, |frame, _| {
        let (first, end) = (frame.number(0), frame.number(frame.rows));
        for row in rows.range(first..end) {
            let at = usize::try_from(row - first).unwrap_or(usize::MAX);
            if let Some(id) = frame.text(column, at) {
                ids.insert(*row, id.to_owned());
            }
        }
    });
    read.ok().map(|()| ids)
}
