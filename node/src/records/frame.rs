//! One file of a district's folder, read by polars as columns of text.
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

use polars::prelude::{
    CsvReadOptions, DataFrame, DataType, Field, ParquetReader, PolarsResult, Schema, SerReader,
    StringChunked,
};

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
    columns: Vec<Option<StringChunked>>,
}

impl Frame {
    /// The number of row `at` in messages.
    pub(crate) const fn number(&self, at: usize) -> u64 {
        self.first_row + at as u64
    }

    /// The trimmed text of a column at a row; `None` when it is empty or there is no such column.
    pub(crate) fn text(&self, column: usize, at: usize) -> Option<&str> {
        let text = self.columns.get(column)?.as_ref()?.get(at)?.trim();
        (!text.is_empty()).then_some(text)
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
            Found::Refused(FileReport { file, rows_read: 0, rows_kept: 0, findings })
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

type Columns = (Vec<Option<StringChunked>>, usize);

fn csv_columns(mut copy: File, table: &Table, tally: &mut Tally) -> Result<Columns, Fault> {
    let shape = scan::scan(&mut copy).map_err(|error| match error {
        ScanError::Shape(text) => Fault::told(text),
        ScanError::Io(error) => error.into(),
    })?;
    let places = table.places(&shape.header, tally).ok_or(Fault::Tallied)?;
    let name = |place: usize| format!("c{place}");
    let fields = (0..shape.header.len()).map(|at| Field::new(name(at).into(), DataType::String));
    let needed: Vec<_> = places.iter().flatten().map(|place| name(*place).into()).collect();
    let options = CsvReadOptions::default()
        .with_has_header(true)
        .with_schema(Some(Schema::from_iter(fields).into()))
        .with_columns(Some(needed.into()))
        .with_rechunk(true);
    let frame = shielded(|| options.into_reader_with_file_handle(copy).finish())?;
    if frame.height() as u64 != shape.rows {
        return Err(Fault::told("was parsed into another number of rows than it has lines"));
    }
    columns(&frame, places.iter().map(|place| place.map(name)), table, tally)
}

fn parquet_columns(copy: File, table: &Table, tally: &mut Tally) -> Result<Columns, Fault> {
    let mut reader = ParquetReader::new(copy);
    let (header, rows) = shielded(|| {
        let schema = reader.schema()?;
        Ok((schema.iter_names().map(ToString::to_string).collect::<Vec<_>>(), reader.num_rows()?))
    })?;
    if rows as u64 > ROWS_MAX {
        return Err(Fault::told(format!("more than {ROWS_MAX} rows")));
    }
    if header.len() > COLUMNS_MAX {
        return Err(Fault::told(format!("more than {COLUMNS_MAX} columns")));
    }
    if rows == 0 {
        return Err(Fault::told("no rows: was the export cut short?"));
    }
    let places = table.places(&header, tally).ok_or(Fault::Tallied)?;
    let needed = places.iter().flatten().map(|place| header[*place].clone()).collect();
    let frame = shielded(|| reader.with_columns(Some(needed)).finish())?;
    columns(&frame, places.iter().map(|place| place.map(|at| header[at].clone())), table, tally)
}

/// Runs polars on bytes nobody has vouched for: its errors quote cells and some of its decoders
/// panic on a damaged file, so both end as one sentence without a value.
fn shielded<T>(read: impl FnOnce() -> PolarsResult<T>) -> Result<T, Fault> {
    let damaged = "is damaged or not what its name says";
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) | Err(_) => Err(Fault::told(damaged)),
    }
}

/// The frame's columns as text, in the table's order.
fn columns(
    frame: &DataFrame,
    names: impl Iterator<Item = Option<String>>,
    table: &Table,
    tally: &mut Tally,
) -> Result<Columns, Fault> {
    let mut columns = Vec::new();
    for (name, column) in names.zip(table.columns) {
        let Some(name) = name else {
            columns.push(None);
            continue;
        };
        let series =
            shielded(|| frame.column(&name).map(|found| found.as_materialized_series().clone()))?;
        let is_id = column.name.ends_with("_id");
        let cast = match series.dtype() {
            DataType::String => Ok(series),
            kind if is_id && kind.is_float() => {
                let text = format!("{} is stored as a fraction; store ids as text", column.name);
                return Err(Fault::Told(Rule::W101, text));
            }
            kind if is_id && kind.is_integer() => {
                let text = format!(
                    "{} is stored as a number, so leading zeros, if it had any, are lost; store ids \
                     as text",
                    column.name
                );
                tally.whole(Rule::W101, Effect::Noted, text);
                shielded(|| series.cast(&DataType::String))
            }
            DataType::Datetime(_, _) => {
                shielded(|| series.cast(&DataType::Date)?.cast(&DataType::String))
            }
            _ => shielded(|| series.cast(&DataType::String)),
        }?;
        let text = shielded(|| cast.str().map(|text| text.rechunk().into_owned()))?;
        if text.iter().flatten().any(|text| text.len() > FIELD_MAX) {
            let text = format!("{} has a value longer than {FIELD_MAX} bytes", column.name);
            return Err(Fault::told(text));
        }
        columns.push(Some(text));
    }
    Ok((columns, frame.height()))
}
