//! One file of a district's folder, read as columns of text, a batch of rows at a time.
//!
//! In: a file and a [`Table`]. Out: [`Frame`]s of the needed columns and nothing else, or faults.
//! Everything is read as text, so that leading zeros survive and messages carry exact row numbers;
//! types are given by the table's own module. In CSV row numbers are line numbers (the header is row
//! 1); in Parquet the first record is row 1. Codes of exports and of `mapping.toml` come out as ours.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use arrow_array::{Array, ArrayRef, LargeStringArray, UInt32Array, cast::AsArray};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};

use super::{
    copy::{self, CopyError},
    crosswalk::Crosswalk,
    mapping::Mapping,
    report::{Effect, Rule, Tally},
    scan::{self, COLUMNS_MAX, FIELD_MAX, ScanError},
    tables::{Kind, Places, Table},
};

/// In a file of the store: the row's number in the file it came from.
pub(crate) const SOURCE_ROW: &str = "source_row";
/// In a file of the store: it came from an export with Ed-Fi's names.
pub(crate) const EXPORT: &str = "flashlight.export";

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 16;

/// A batch of a file's rows: the needed columns, as text.
pub(crate) struct Frame {
    /// Rows.
    pub(crate) rows: usize,
    /// Whether the file is an export with Ed-Fi's names.
    pub(crate) is_export: bool,
    /// The number of the first row in messages.
    first_row: u64,
    /// In the store: the rows' numbers in the district's own file.
    numbers: Vec<u32>,
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
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end).filter(|text| !text.is_empty())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Frame {
    /// The number of row `at` in messages.
    pub(crate) fn number(&self, at: usize) -> u64 {
        match self.numbers.get(at) {
            Some(number) => u64::from(*number),
            None => self.first_row + at as u64,
        }
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

/// Why a file gives no rows, or no more of them.
pub(crate) enum Broken {
    /// One sentence for the report.
    Told(Rule, String),
    /// The tally holds the reason.
    Tallied,
}

impl Broken {
    fn told(text: impl Into<String>) -> Self {
        Self::Told(Rule::E001, text.into())
    }

    /// Puts the reason into the tally.
    pub(crate) fn tell(self, tally: &mut Tally) {
        if let Self::Told(rule, text) = self {
            tally.whole(rule, Effect::Refused, text);
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        // The kind only: the system's text may hold a path.
        Self::told(format!("cannot be read, or copied to the temporary folder ({})", error.kind()))
    }
}

impl From<ScanError> for Broken {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Shape(text) => Self::told(text),
            ScanError::Io(error) => error.into(),
        }
    }
}

/// A file whose rows can be read.
pub(crate) struct Opened {
    /// Its rows.
    pub(crate) rows: u64,
    /// What it holds.
    pub(crate) table: &'static Table,
    frame: Frame,
    crosswalks: Vec<Crosswalk>,
    source: Source,
}

enum Source {
    /// Of each field of a line, the column it goes to; a field may not be needed at all.
    Csv { rows: scan::Rows, wanted: Vec<Option<usize>> },
    /// The columns read, in the file's order, and the batches.
    Parquet {
        places: Vec<Option<usize>>,
        needed: Vec<usize>,
        reader: ParquetRecordBatchReader,
        /// In the store: where the numbers of the rows in the district's own file stand.
        row_at: Option<usize>,
    },
}

/// A private copy of the table's file.
pub(crate) fn copy_of(path: &Path, table: &Table) -> Result<File, Broken> {
    copy::private(path, table.bytes_max).map_err(|error| match error {
        CopyError::Changing => {
            Broken::told("is being rewritten; try again when the export is finished")
        }
        CopyError::TooLarge => {
            Broken::told(format!("is larger than {} GiB", table.bytes_max >> 30))
        }
        CopyError::NotAFile => Broken::told("is not a file"),
        CopyError::Io(error) => error.into(),
    })
}

impl Opened {
    /// A private copy of the file at `path`, read as what its ending says.
    pub(crate) fn of(
        path: &Path,
        copy: File,
        table: &'static Table,
        mapping: &Mapping,
        tally: &mut Tally,
    ) -> Result<Self, Broken> {
        if path.extension().is_some_and(|ending| ending == "csv") {
            Self::csv(copy, table, mapping, tally)
        } else {
            Self::parquet(copy, table, mapping, tally)
        }
    }

    /// Checks the shape of a private copy and finds the table's columns in it.
    fn csv(
        mut copy: File,
        table: &'static Table,
        mapping: &Mapping,
        tally: &mut Tally,
    ) -> Result<Self, Broken> {
        let shape = scan::scan(&mut copy, table.rows_max)?;
        let places = table.places(&shape.header, mapping, tally).ok_or(Broken::Tallied)?;
        let mut wanted: Vec<Option<usize>> = vec![None; shape.header.len()];
        for (column, place) in places.at.iter().enumerate() {
            if let Some(place) = place {
                wanted[*place] = Some(column);
            }
        }
        let source = Source::Csv { rows: scan::Rows::of(copy)?, wanted };
        Ok(Self::new(table, &places, mapping, shape.rows, 2, source))
    }

    /// The same for Parquet.
    fn parquet(
        copy: File,
        table: &'static Table,
        mapping: &Mapping,
        tally: &mut Tally,
    ) -> Result<Self, Broken> {
        let builder =
            shielded(|| ParquetRecordBatchReaderBuilder::try_new(copy).map_err(ArrowError::from))?;
        let fields = builder.schema().fields().clone();
        let header: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let rows = builder.metadata().file_metadata().num_rows().cast_unsigned();
        if rows > table.rows_max {
            return Err(Broken::told(format!("more than {} rows", table.rows_max)));
        }
        if header.len() > COLUMNS_MAX {
            return Err(Broken::told(format!("more than {COLUMNS_MAX} columns")));
        }
        if rows == 0 {
            return Err(Broken::told("no rows: was the export cut short?"));
        }
        let places = table.places(&header, mapping, tally).ok_or(Broken::Tallied)?;
        for (column, place) in table.columns.iter().zip(&places.at) {
            if let Some(place) = place
                && column.kind == Kind::Id
            {
                id_kind(column.name, &fields[*place], tally)?;
            }
        }
        let mut needed: Vec<usize> = places.at.iter().flatten().copied().collect();
        needed.sort_unstable();
        needed.dedup();
        let mask = ProjectionMask::roots(builder.parquet_schema(), needed.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        let reader = shielded(|| builder.build().map_err(ArrowError::from))?;
        let source = Source::Parquet { places: places.at.clone(), needed, reader, row_at: None };
        Ok(Self::new(table, &places, mapping, rows, 1, source))
    }

    /// A file of the store: ours, so neither copied nor mapped, and its students are keys.
    pub(crate) fn stored(path: &Path, table: &'static Table) -> Result<Self, Broken> {
        let file = File::open(path)?;
        let builder =
            shielded(|| ParquetRecordBatchReaderBuilder::try_new(file).map_err(ArrowError::from))?;
        let told = builder.metadata().file_metadata().key_value_metadata();
        let is_export = told.is_some_and(|told| told.iter().any(|one| one.key == EXPORT));
        let header: Vec<String> =
            builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let rows = builder.metadata().file_metadata().num_rows().cast_unsigned();
        let place = |name: &str| header.iter().position(|one| one == name);
        let at: Vec<_> = table.columns.iter().map(|column| place(column.name)).collect();
        let row_at = place(SOURCE_ROW);
        if header.len() > COLUMNS_MAX || rows > table.rows_max {
            return Err(damaged());
        }
        let needed: Vec<usize> = (0..header.len()).collect();
        let builder = builder.with_batch_size(BATCH_ROWS);
        let reader = shielded(|| builder.build().map_err(ArrowError::from))?;
        let source = Source::Parquet { places: at.clone(), needed, reader, row_at };
        let places = Places { at, is_export };
        Ok(Self::new(table, &places, &Mapping::default(), rows, 1, source))
    }

    fn new(
        table: &'static Table,
        places: &Places,
        mapping: &Mapping,
        rows: u64,
        first_row: u64,
        source: Source,
    ) -> Self {
        let columns = places.at.iter().map(|place| place.map(|_| Texts::default())).collect();
        let (is_export, numbers) = (places.is_export, Vec::new());
        let frame = Frame { rows: 0, is_export, first_row, numbers, columns };
        let crosswalks = table
            .columns
            .iter()
            .map(|column| Crosswalk::of(column, mapping.values(table.name, column.name)));
        Self { rows, table, frame, crosswalks: crosswalks.collect(), source }
    }

    /// Whether the file has this column.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.frame.has(column)
    }

    /// Whether the file is an export with Ed-Fi's names.
    pub(crate) const fn is_export(&self) -> bool {
        self.frame.is_export
    }

    /// Shows all rows, a batch at a time; then what codes were read as.
    pub(crate) fn each(
        &mut self,
        tally: &mut Tally,
        mut see: impl FnMut(&Frame, &mut Tally),
    ) -> Result<(), Broken> {
        let mut read = 0;
        while self.next()? {
            see(&self.frame, tally);
            read += self.frame.rows as u64;
        }
        if read != self.rows {
            return Err(Broken::told("holds another number of rows than it says"));
        }
        for (column, crosswalk) in self.table.columns.iter().zip(&self.crosswalks) {
            crosswalk.tell(column.name, tally);
        }
        Ok(())
    }

    /// Reads the next batch; false at the end.
    fn next(&mut self) -> Result<bool, Broken> {
        let Self { frame, crosswalks, source, table, .. } = self;
        frame.first_row += frame.rows as u64;
        frame.columns.iter_mut().flatten().for_each(Texts::clear);
        frame.rows = match source {
            Source::Csv { rows, wanted } => {
                let mut put = |field: usize, text: &str| {
                    let column = wanted.get(field).copied().flatten();
                    if let Some(column) = column
                        && let Some(Some(texts)) = frame.columns.get_mut(column)
                    {
                        texts.push(crosswalks[column].read(text.trim()));
                    }
                };
                let mut read = 0;
                while read < BATCH_ROWS && rows.next(&mut put)? {
                    read += 1;
                }
                read
            }
            Source::Parquet { places, needed, reader, row_at } => {
                let Some(batch) = shielded(|| reader.next().transpose())? else { return Ok(false) };
                for (column, place) in places.iter().enumerate() {
                    let Some(place) = place else { continue };
                    let at = needed.binary_search(place).map_err(|_| damaged())?;
                    let Some(Some(texts)) = frame.columns.get_mut(column) else { continue };
                    let name = table.columns[column].name;
                    append(batch.column(at), name, texts, &mut crosswalks[column])?;
                }
                frame.numbers.clear();
                if let Some(at) = row_at {
                    let numbers: &UInt32Array =
                        batch.column(*at).as_primitive_opt().ok_or_else(damaged)?;
                    frame.numbers.extend_from_slice(numbers.values());
                }
                batch.num_rows()
            }
        };
        Ok(frame.rows > 0)
    }
}

/// Ids stored as numbers: fractions are refused, whole numbers told.
fn id_kind(name: &str, field: &Field, tally: &mut Tally) -> Result<(), Broken> {
    let kind = field.data_type();
    if kind.is_floating() || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) {
        let text = format!("{name} is stored as a fraction; store ids as text");
        return Err(Broken::Told(Rule::W101, text));
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
fn append(
    column: &ArrayRef,
    name: &str,
    texts: &mut Texts,
    crosswalk: &mut Crosswalk,
) -> Result<(), Broken> {
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
            return Err(Broken::told(text));
        }
        texts.push(crosswalk.read(value.trim()));
    }
    Ok(())
}

fn damaged() -> Broken {
    Broken::told("is damaged or not what its name says")
}

/// Runs a decoder on bytes nobody has vouched for: its errors quote cells and it may panic on a
/// damaged file, so both end as one sentence without a value.
fn shielded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, Broken> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) | Err(_) => Err(damaged()),
    }
}
