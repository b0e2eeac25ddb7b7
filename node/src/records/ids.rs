//! The student ids of a few rows of one file, read afresh for the district's own eyes.
//!
//! In: a file and row numbers as a report gives them. Out: the ids that stand there. Used by
//! `check --ids` alone; nothing else gives an id back.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use arrow_array::{Array, LargeStringArray};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{
    copy::{self, CopyError},
    scan::{self, ScanError},
};

/// Columns that hold a student's id.
const COLUMNS: [&str; 2] = ["student_id", "respondent_key"];

/// The ids at these rows; a row without one is not in the answer.
///
/// # Errors
/// When the file cannot be read any more.
pub(crate) fn ids_at(path: &Path, rows: &BTreeSet<u64>) -> io::Result<BTreeMap<u64, String>> {
    let copy = copy::private(path).map_err(|error| match error {
        CopyError::Io(error) => error,
        CopyError::Changing | CopyError::TooLarge | CopyError::NotAFile => changed(),
    })?;
    if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet")) {
        parquet(copy, rows).map_err(|_| changed())
    } else {
        csv(copy, rows)
    }
}

fn changed() -> io::Error {
    io::Error::other("a file has changed since it was checked; run the check again")
}

fn place(header: &[String]) -> Option<usize> {
    header.iter().position(|name| COLUMNS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

fn csv(mut copy: std::fs::File, rows: &BTreeSet<u64>) -> io::Result<BTreeMap<u64, String>> {
    let told = |error| match error {
        ScanError::Shape(_) => changed(),
        ScanError::Io(error) => error,
    };
    let mut ids = BTreeMap::new();
    let shape = scan::scan(&mut copy).map_err(told)?;
    let Some(place) = place(&shape.header) else { return Ok(ids) };
    // The header is row 1.
    let mut row = 1;
    scan::rows(&mut copy, |field, text| {
        row += u64::from(field == 0);
        if field == place && rows.contains(&row) && !text.trim().is_empty() {
            ids.insert(row, text.trim().to_owned());
        }
    })
    .map_err(told)?;
    Ok(ids)
}

fn parquet(copy: std::fs::File, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, String>, ArrowError> {
    let mut ids = BTreeMap::new();
    let builder = ParquetRecordBatchReaderBuilder::try_new(copy)?;
    let header: Vec<_> = builder.schema().fields().iter().map(|one| one.name().clone()).collect();
    let Some(place) = place(&header) else { return Ok(ids) };
    let mask = ProjectionMask::roots(builder.parquet_schema(), [place]);
    let mut row = 0;
    for batch in builder.with_projection(mask).build()? {
        let text = arrow_cast::cast(batch?.column(0), &DataType::LargeUtf8)?;
        let Some(text) = text.as_any().downcast_ref::<LargeStringArray>() else { return Ok(ids) };
        for id in text {
            row += 1;
            if let Some(id) = id.filter(|_| rows.contains(&row)) {
                ids.insert(row, id.trim().to_owned());
            }
        }
    }
    Ok(ids)
}
