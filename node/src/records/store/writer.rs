//! The rows of a district's file that stand -> files of the store.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, Date32Array, Int16Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::{FileReader as _, SerializedFileReader},
    },
};

use super::{LoadError, file_name, manifest::Loaded};
use crate::progress::Progress;
use crate::records::{
    checked::Kept,
    daily::DayRow,
    frame::{EXPORT, Frame, SOURCE_ROW},
    inputs::{Input, reopened},
    keys::Students,
    mapping::Mapping,
    report::Tally,
    tables::Table,
};
use flashlight_store::generations::Next;

/// Rows buffered for each school year.
const BATCH: usize = 1 << 14;
/// Rows of a row group.
const GROUP: usize = 1 << 20;
/// Columns that hold students.
const STUDENTS: [&str; 2] = ["student_id", "respondent_key"];

fn properties(is_export: bool) -> WriterProperties {
    let told = is_export.then(|| vec![KeyValue::new(EXPORT.to_owned(), "true".to_owned())]);
    let level = ZstdLevel::try_new(3).map_or(Compression::SNAPPY, Compression::ZSTD);
    WriterProperties::builder()
        .set_compression(level)
        .set_max_row_group_row_count(Some(GROUP))
        .set_key_value_metadata(told)
        .build()
}

/// The rows of a file of the store; `None` when it cannot be read.
pub(super) fn rows_of(path: &Path) -> Option<u64> {
    let reader = SerializedFileReader::new(File::open(path).ok()?).ok()?;
    u64::try_from(reader.metadata().file_metadata().num_rows()).ok()
}

/// One table of the district, on its way into the store.
pub(super) struct TableWriter<'a> {
    pub(super) table: &'static Table,
    pub(super) path: &'a Path,
    pub(super) input: &'a Input,
    pub(super) mapping: &'a Mapping,
    pub(super) students: &'a mut Students,
}

impl TableWriter<'_> {
    /// Reads the file again, which must be the one that was checked, and writes the rows `kept`, which
    /// are sorted by number, to the files of their years.
    pub(super) fn write(
        self,
        kept: &[Kept],
        next: &Next<'_>,
        loaded: &mut Loaded,
    ) -> Result<(), LoadError> {
        let changed = || LoadError::Changed { file: self.input.file.clone() };
        let mut opened =
            reopened(self.path, self.table, self.mapping, self.input).ok_or_else(changed)?;
        let columns: Vec<usize> =
            (0..self.table.columns.len()).filter(|column| opened.has(*column)).collect();
        let is_export = opened.is_export();
        let mut years: BTreeMap<Option<i16>, Part> = BTreeMap::new();
        let mut progress =
            Progress::new(&format!("writing {}", self.table.name), kept.len() as u64);
        let (mut left, students) = (kept, self.students);
        let (mut failed, mut tally) = (None, Tally::default());
        let read = opened.each(&mut tally, |frame, _| {
            let mut write = || -> Result<(), LoadError> {
                for at in 0..frame.rows {
                    let number = frame.number(at);
                    let Some((first, rest)) = left.split_first() else { return Ok(()) };
                    if u64::from(first.row) != number {
                        continue;
                    }
                    left = rest;
                    let part = match years.entry(first.year) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            let name = file_name(self.table.name, first.year);
                            let path = next.replace(&name)?;
                            entry
                                .insert(Part::create(&path, name, self.table, &columns, is_export)?)
                        }
                    };
                    part.row(frame, at, first.row, &columns, students)?;
                }
                Ok(())
            };
            if failed.is_none() {
                failed = write().err();
            }
            progress.add(frame.rows as u64);
        });
        if let Some(error) = failed {
            return Err(error);
        }
        // The rows that were checked must all be there, or it was another file.
        if read.is_err() || !left.is_empty() {
            return Err(changed());
        }
        for (year, part) in years {
            let rows = part.close()?;
            loaded.wrote(self.table.name, year, rows);
        }
        Ok(())
    }
}

/// One file of the store being written.
struct Part {
    name: String,
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    is_student: Vec<bool>,
    texts: Vec<Vec<Option<String>>>,
    keys: Vec<Option<u64>>,
    numbers: Vec<u32>,
    rows: u64,
}

impl Part {
    fn create(
        path: &Path,
        name: String,
        table: &Table,
        columns: &[usize],
        is_export: bool,
    ) -> Result<Self, LoadError> {
        let failed = || LoadError::Write { file: name.clone() };
        let is_student = |column: &usize| STUDENTS.contains(&table.columns[*column].name);
        let field = |column: &usize| {
            let kind = if is_student(column) { DataType::UInt64 } else { DataType::Utf8 };
            Field::new(table.columns[*column].name, kind, true)
        };
        let mut fields: Vec<_> = columns.iter().map(field).collect();
        fields.push(Field::new(SOURCE_ROW, DataType::UInt32, false));
        let schema = Arc::new(Schema::new(fields));
        let file = File::create_new(path).map_err(|_| failed())?;
        let properties = properties(is_export);
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties));
        Ok(Self {
            writer: writer.map_err(|_| failed())?,
            schema,
            is_student: columns.iter().map(is_student).collect(),
            texts: vec![Vec::new(); columns.len()],
            keys: Vec::new(),
            numbers: Vec::new(),
            rows: 0,
            name,
        })
    }

    fn row(
        &mut self,
        frame: &Frame,
        at: usize,
        number: u32,
        columns: &[usize],
        students: &mut Students,
    ) -> Result<(), LoadError> {
        for ((column, texts), is_student) in
            columns.iter().zip(&mut self.texts).zip(&self.is_student)
        {
            let text = frame.text(*column, at);
            if *is_student {
                self.keys.push(text.map(|id| students.key(id).0));
            } else {
                texts.push(text.map(str::to_owned));
            }
        }
        self.numbers.push(number);
        self.rows += 1;
        if self.numbers.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LoadError> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.texts.len() + 1);
        for (texts, is_student) in self.texts.iter_mut().zip(&self.is_student) {
            arrays.push(if *is_student {
                Arc::new(UInt64Array::from(std::mem::take(&mut self.keys)))
            } else {
                Arc::new(StringArray::from_iter(texts.drain(..)))
            });
        }
        arrays.push(Arc::new(UInt32Array::from(std::mem::take(&mut self.numbers))));
        let failed = || LoadError::Write { file: self.name.clone() };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|_| failed())?;
        self.writer.write(&batch).map_err(|_| failed())
    }

    fn close(mut self) -> Result<u64, LoadError> {
        self.flush()?;
        let rows = self.rows;
        self.writer.close().map_err(|_| LoadError::Write { file: self.name })?;
        Ok(rows)
    }
}

/// A year of daily attendance being written.
pub(super) struct DailyWriter {
    name: String,
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    students: Vec<u64>,
    schools: Vec<String>,
    dates: Vec<i32>,
    categories: Vec<&'static str>,
    absent: Vec<i16>,
}

impl DailyWriter {
    pub(super) fn create(path: &Path, name: &str) -> Result<Self, LoadError> {
        let failed = || LoadError::Write { file: name.to_owned() };
        let schema = Arc::new(Schema::new(vec![
            Field::new("student", DataType::UInt64, false),
            Field::new("school", DataType::Utf8, false),
            Field::new("date", DataType::Date32, false),
            Field::new("category", DataType::Utf8, false),
            Field::new("absent", DataType::Int16, false),
        ]));
        let file = File::create_new(path).map_err(|_| failed())?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(false)));
        Ok(Self {
            name: name.to_owned(),
            writer: writer.map_err(|_| failed())?,
            schema,
            students: Vec::new(),
            schools: Vec::new(),
            dates: Vec::new(),
            categories: Vec::new(),
            absent: Vec::new(),
        })
    }

    pub(super) fn row(&mut self, row: &DayRow, school: &str) -> Result<(), LoadError> {
        self.students.push(row.student.0);
        self.schools.push(school.to_owned());
        self.dates.push(row.date.since_1970());
        self.categories.push(row.mark.category.as_str());
        self.absent.push(i16::from(row.mark.absent));
        if self.students.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), LoadError> {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(std::mem::take(&mut self.students))),
            Arc::new(StringArray::from(std::mem::take(&mut self.schools))),
            Arc::new(Date32Array::from(std::mem::take(&mut self.dates))),
            Arc::new(StringArray::from(std::mem::take(&mut self.categories))),
            Arc::new(Int16Array::from(std::mem::take(&mut self.absent))),
        ];
        let failed = || LoadError::Write { file: self.name.clone() };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|_| failed())?;
        self.writer.write(&batch).map_err(|_| failed())
    }

    pub(super) fn close(mut self) -> Result<(), LoadError> {
        self.flush()?;
        self.writer.close().map(drop).map_err(|_| LoadError::Write { file: self.name })
    }
}
