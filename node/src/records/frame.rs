//! One file of a district's folder, read as columns of text.
//!
//! In: a folder and a [`Table`]. Out: a [`Frame`] of the needed columns and nothing else, or faults.
//! Everything is read as text, so that leading zeros survive and messages carry exact row numbers;
//! types are given by the table's own module. In CSV row numbers are line numbers (the header is row
//! 1); in Parquet the first record is row 1.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{
    copy::{self, CopyError, FILE_MAX},
    report::{Effect, FileReport, Rule, Tally},
    scan::{self, COLUMNS_MAX, FIELD_MAX, ROWS_MAX, ScanError},
    tables::Table,
};

/// A file's needed columns, as text.
pub(crate) struct Frame {
    /// The file's name, without its folder.
    pub(crate) file: String,
    /// Rows.
    pub(crate) rows: usize,
    /// The number of the first row in messages.
    first_row: u64,
    columns: Vec<Option<Texts>>,
}

/// A column of text; an empty value and a missing one are the same.
#[derive(Default)]
struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.push_str(text.trim());
        self.ends.push(self.bytes.len());
    }

    fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end).filter(|text| !text.is_empty())
    }
}

impl Frame {
    /// The number of row `at` in messages.
    pub(crate) const fn number(&self, at: usize) -> u64 {
        self.first_row + at as u64
    }

    /// The trimmed text of a column at a row; `None` when it is empty or there is no such column.
    pub(crate) fn text(&self, column: usize, at: usize) -> Option<&str> {
        self.columns.get(column)?.as_ref()?.get(at)
    }

    /// Whether the file has this column.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(Option::is_some)
    }
}

/// What became of one table's file.
pub(crate) enum Found {
    /// There is none.
    Missing,
    /// It was refused; the report says why.
    Refused(FileReport),
    /// Its columns, and faults so far.
    Read(Frame, Tally),
}

/// Why a file gives no frame.
enum Fault {
    /// One sentence for the report.
    Told(Rule, String),
    /// The tally holds the reason.
    Tallied,
}

impl Fault {
    fn told(text: impl Into<String>) -> Self {
        Self::Told(Rule::E001, text.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        // The kind only: the system's text may hold a path.
        Self::told(format!("cannot be read, or copied to the temporary folder ({})", error.kind()))
    }
}

/// Reads `folder`'s CSV or Parquet file of this table.
pub(crate) fn read(folder: &Path, table: &Table) -> Found {
    let names = [format!("{}.csv", table.name), format!("{}.parquet", table.name)];
    let [csv, parquet] = names.clone().map(|name| folder.join(name).symlink_metadata().is_ok());
    let [csv_name, parquet_name] = names;
    let file = if csv { csv_name } else { parquet_name };
    if !csv && !parquet {
        return Found::Missing;
    }
    let mut tally = Tally::default();
    let read = if csv && parquet {
        let text = format!("{}.parquet is there too: keep one of them", table.name);
        Err(Fault::Told(Rule::E002, text))
    } else {
        open(&folder.join(&file)).and_then(|copy| {
            if csv {
                csv_columns(copy, table, &mut tally)
            } else {
                parquet_columns(copy, table, &mut tally)
            }
        })
    };
    match read {
        Ok((columns, rows)) => {
            let first_row = if csv { 2 } else { 1 };
            Found::Read(Frame { file, rows, first_row, columns }, tally)
        }
        Err(fault) => {
            if let Fault::Told(rule, text) = fault {
                tally.whole(rule, Effect::Refused, text);
            }
            let findings = tally.findings(0);
            Found::Refused(FileReport {
                file,
                rows_read: 0,
                rows_kept: 0,
                findings,
                columns: Vec::new(),
            })
        }
    }
}

fn open(path: &Path) -> Result<File, Fault> {
    copy::private(path).map_err(|error| match error {
        CopyError::Changing => {
            Fault::told("is being rewritten; try again when the export is finished")
        }
        CopyError::TooLarge => Fault::told(format!("is larger than {} GiB", FILE_MAX >> 30)),
        CopyError::NotAFile => Fault::told("is not a file"),
        CopyError::Io(error) => error.into(),
    })
}

type Columns = (Vec<Option<Texts>>, usize);

fn csv_columns(mut copy: File, table: &Table, tally: &mut Tally) -> Result<Columns, Fault> {
    let told = |error| match error {
        ScanError::Shape(text) => Fault::told(text),
        ScanError::Io(error) => error.into(),
    };
    let shape = scan::scan(&mut copy).map_err(told)?;
    let places = table.places(&shape.header, tally).ok_or(Fault::Tallied)?;
    let mut columns: Vec<_> = places.iter().map(|place| place.map(|_| Texts::default())).collect();
    // Of each field of a line, the columns it goes to; a field may not be needed at all.
    let mut wanted: Vec<Option<usize>> = vec![None; shape.header.len()];
    for (column, place) in places.iter().enumerate() {
        if let Some(place) = place {
            wanted[*place] = Some(column);
        }
    }
    scan::rows(&mut copy, |field, text| {
        let column = wanted.get(field).copied().flatten();
        if let Some(Some(texts)) = column.and_then(|column| columns.get_mut(column)) {
            texts.push(text);
        }
    })
    .map_err(told)?;
    let rows = usize::try_from(shape.rows).map_err(|_| Fault::told("too many rows"))?;
    Ok((columns, rows))
}

fn parquet_columns(copy: File, table: &Table, tally: &mut Tally) -> Result<Columns, Fault> {
    let builder =
        shielded(|| ParquetRecordBatchReaderBuilder::try_new(copy).map_err(ArrowError::from))?;
    let (header, rows): (Vec<String>, i64) = {
        let metadata = builder.metadata().file_metadata();
        (
            builder.schema().fields().iter().map(|field| field.name().clone()).collect(),
            metadata.num_rows(),
        )
    };
    if rows.cast_unsigned() > ROWS_MAX {
        return Err(Fault::told(format!("more than {ROWS_MAX} rows")));
    }
    if header.len() > COLUMNS_MAX {
        return Err(Fault::told(format!("more than {COLUMNS_MAX} columns")));
    }
    if rows == 0 {
        return Err(Fault::told("no rows: was the export cut short?"));
    }
    let places = table.places(&header, tally).ok_or(Fault::Tallied)?;
    let kinds = builder.schema().fields().clone();
    let mut columns: Vec<_> = places.iter().map(|place| place.map(|_| Texts::default())).collect();
    for (column, place) in table.columns.iter().zip(&places) {
        let Some(place) = place else { continue };
        id_kind(column.name, &kinds[*place], tally)?;
    }
    let mut needed: Vec<usize> = places.iter().flatten().copied().collect();
    needed.sort_unstable();
    let mask = ProjectionMask::roots(builder.parquet_schema(), needed.iter().copied());
    let mut reader = shielded(|| builder.with_projection(mask).build().map_err(ArrowError::from))?;
    let mut read = 0;
    while let Some(batch) = shielded(|| reader.next().transpose())? {
        read += batch.num_rows();
        for (column, (place, texts)) in places.iter().zip(&mut columns).enumerate() {
            let (Some(place), Some(texts)) = (place, texts) else { continue };
            let at = needed.binary_search(place).map_err(|_| Fault::told("has lost a column"))?;
            append(batch.column(at), table.columns[column].name, texts)?;
        }
    }
    if i64::try_from(read).ok() != Some(rows) {
        return Err(Fault::told("holds another number of rows than it says"));
    }
    Ok((columns, read))
}

/// Ids stored as numbers: fractions are refused, whole numbers told.
fn id_kind(name: &str, field: &Field, tally: &mut Tally) -> Result<(), Fault> {
    if !name.ends_with("_id") {
        return Ok(());
    }
    let kind = field.data_type();
    if kind.is_floating() || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        let text = format!("{name} is stored as a fraction; store ids as text");
        return Err(Fault::Told(Rule::W101, text));
    }
    if kind.is_integer() {
        let text = format!(
            "{name} is stored as a number, so leading zeros, if it had any, are lost; store ids as text"
        );
        tally.whole(Rule::W101, Effect::Noted, text);
    }
    Ok(())
}

/// Appends a column's values as text.
fn append(column: &ArrayRef, name: &str, texts: &mut Texts) -> Result<(), Fault> {
    let cast = |column: &ArrayRef, to: &DataType| shielded(|| arrow_cast::cast(column, to));
    let column = match column.data_type() {
        DataType::Timestamp(
            TimeUnit::Nanosecond | TimeUnit::Microsecond | TimeUnit::Millisecond | TimeUnit::Second,
            _,
        )
        | DataType::Date64 => cast(column, &DataType::Date32)?,
        _ => ArrayRef::clone(column),
    };
    let text = cast(&column, &DataType::LargeUtf8)?;
    let text = text.as_any().downcast_ref::<LargeStringArray>().ok_or_else(damaged)?;
    for value in text {
        let value = value.unwrap_or("");
        if value.len() > FIELD_MAX {
            let text = format!("{name} has a value longer than {FIELD_MAX} bytes");
            return Err(Fault::told(text));
        }
        texts.push(value);
    }
    Ok(())
}

fn damaged() -> Fault {
    Fault::told("is damaged or not what its name says")
}

/// Runs a decoder on bytes nobody has vouched for: its errors quote cells and it may panic on a
/// damaged file, so both end as one sentence without a value.
fn shielded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) | Err(_) => Err(damaged()),
    }
}
