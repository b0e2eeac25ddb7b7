//! Daily attendance -> days per student and school, in one streaming pass over a file of the store.
//!
//! In: a Parquet file with `student` (unsigned 64 bits), `school` (text) and `absent` (hundredths of the
//! day, 0 to 100), one row per student, school and school day, in any order. Out: [`Attendance`] by
//! student and school. Memory grows with students, not with rows: some forty bytes for each student and
//! school a thread sees, and a few batches.
//!
//! Row groups are shared out between threads; each keeps its own sums, which are added at the end:
//! integers, so that no order matters. Files come sorted by student or by date. In the one the next row is
//! of the same student, in the other of the student who came next the day before: both are looked at
//! before anything is hashed.

use std::{
    collections::HashMap,
    fs::File,
    hash::{BuildHasherDefault, Hasher},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int16Array, RecordBatch, RecordBatchReader, StringArray,
    UInt64Array, cast::AsArray, types::Int32Type,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};

use super::model::{Attendance, Key, SchoolNumber};

/// Rows decoded at a time.
const BATCH: usize = 32 * 1024;
/// Hundredths in a day.
const DAY: u32 = 100;
/// Most days of one student at one school: a year of them.
const DAYS_MAX: u32 = 366;

/// The columns read, in the order a batch gives them.
const COLUMNS: [&str; 3] = ["student", "school", "absent"];

/// A file that is not what the store wrote.
#[derive(Debug, thiserror::Error)]
#[error("the store's daily attendance is damaged: load it again")]
pub(crate) struct Damaged;

impl From<ArrowError> for Damaged {
    fn from(_: ArrowError) -> Self {
        // The decoder's message may quote a value.
        Self
    }
}

/// Sums the file's days, by student and school. `number` gives a school's number.
///
/// # Errors
/// [`Damaged`] when the file cannot be read, lacks a column or holds what cannot be.
pub(crate) fn sums(
    path: &Path,
    year: i16,
    threads: usize,
    mut number: impl FnMut(&str) -> SchoolNumber,
) -> Result<Vec<Attendance>, Damaged> {
    let metadata = metadata(path)?;
    let next = AtomicUsize::new(0);
    let parts = thread::scope(|scope| {
        let read = || part(path, &metadata, &next);
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(read)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().map_err(|_| Damaged)?);
        ended.collect::<Result<Vec<_>, Damaged>>()
    })?;
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.merge(part)?;
    }
    let numbers: Vec<_> = all.schools.iter().map(|school| number(school)).collect();
    let mut rows = Vec::with_capacity(all.sums.days.len());
    for days in all.sums.days {
        rows.push(days.attendance(year, &numbers).ok_or(Damaged)?);
    }
    rows.sort_unstable_by_key(|row| (row.student, row.school));
    Ok(rows)
}

/// What a file says of itself, with schools to be read as numbers into a dictionary.
fn metadata(path: &Path) -> Result<ArrowReaderMetadata, Damaged> {
    let file = File::open(path).map_err(|_| Damaged)?;
    let plain =
        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(ArrowError::from)?;
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let as_read = |field: &Arc<Field>| match field.name().as_str() {
        "school" => Field::new("school", text.clone(), field.is_nullable()),
        _ => field.as_ref().clone(),
    };
    let fields: Vec<Field> = plain.schema().fields().iter().map(as_read).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options);
    Ok(metadata.map_err(ArrowError::from)?)
}

/// Takes row groups until there are none left.
fn part(path: &Path, metadata: &ArrowReaderMetadata, next: &AtomicUsize) -> Result<Part, Damaged> {
    let mut part = Part::default();
    loop {
        let group = next.fetch_add(1, Ordering::Relaxed);
        if group >= metadata.metadata().num_row_groups() {
            return Ok(part);
        }
        // Opened anew: threads that share a file share its position.
        let file = File::open(path).map_err(|_| Damaged)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
        let reader = builder.with_projection(mask).with_row_groups(vec![group]);
        let reader = reader.with_batch_size(BATCH).build().map_err(ArrowError::from)?;
        // The order of a file's columns is the file's, not ours.
        let place = |name| reader.schema().index_of(name).map_err(Damaged::from);
        let [student, school, absent] = COLUMNS.map(place);
        let places = [student?, school?, absent?];
        for batch in reader {
            part.add(&batch?, places)?;
        }
    }
}

/// One student's days at one school.
struct Days {
    student: u64,
    school: u32,
    days: u32,
    /// Hundredths of a day.
    absent: u32,
}

impl Days {
    fn attendance(self, year: i16, numbers: &[SchoolNumber]) -> Option<Attendance> {
        (self.days <= DAYS_MAX && self.absent <= self.days * DAY).then_some(())?;
        let expected = i32::try_from(self.days * DAY).ok()?;
        let absent = i32::try_from(self.absent).ok()?;
        Some(Attendance {
            student: Key(self.student),
            year,
            school: *numbers.get(usize::try_from(self.school).ok()?)?,
            expected,
            attended: Some(expected - absent),
            absent: Some(absent),
            exempt: false,
            row: 0,
        })
    }
}

/// Hashes keys that are pseudonyms, and so spread already: one multiplication mixes the school in.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
}

/// Sums by student and school, in the order they were first seen.
#[derive(Default)]
struct Sums {
    days: Vec<Days>,
    places: HashMap<(u64, u32), usize, BuildHasherDefault<Spread>>,
    last: usize,
}

impl Sums {
    /// The sums of a student at a school; those of the last row, and of whoever came after it before,
    /// are looked at first.
    #[inline]
    fn of(&mut self, student: u64, school: u32) -> Option<&mut Days> {
        let is = |days: Option<&Days>| {
            days.is_some_and(|days| days.student == student && days.school == school)
        };
        if !is(self.days.get(self.last)) {
            self.last += 1;
            if !is(self.days.get(self.last)) {
                self.last = self.find(student, school);
            }
        }
        self.days.get_mut(self.last)
    }

    #[cold]
    fn find(&mut self, student: u64, school: u32) -> usize {
        let new = self.days.len();
        let place = *self.places.entry((student, school)).or_insert(new);
        if place == new {
            self.days.push(Days { student, school, days: 0, absent: 0 });
        }
        place
    }
}

/// What one thread has summed.
#[derive(Default)]
struct Part {
    sums: Sums,
    /// Schools in the order they were first seen, and their places.
    schools: Vec<String>,
    places: HashMap<String, u32>,
    /// The schools' places by number in the dictionary read last.
    codes: Vec<u32>,
    dictionary: Option<ArrayRef>,
}

impl Part {
    fn add(&mut self, batch: &RecordBatch, places: [usize; 3]) -> Result<(), Damaged> {
        let [students, schools, absent] = places.map(|place| batch.column(place));
        if [students, schools, absent].into_iter().any(|column| column.null_count() > 0) {
            return Err(Damaged);
        }
        let students: &UInt64Array = students.as_primitive_opt().ok_or(Damaged)?;
        let schools: &DictionaryArray<Int32Type> = schools.as_dictionary_opt().ok_or(Damaged)?;
        let absent: &Int16Array = absent.as_primitive_opt().ok_or(Damaged)?;
        self.learn(schools.values())?;
        let keys = schools.keys().values();
        for ((student, key), absent) in students.values().iter().zip(keys).zip(absent.values()) {
            let code = usize::try_from(*key).ok().and_then(|key| self.codes.get(key));
            let days = self.sums.of(*student, *code.ok_or(Damaged)?).ok_or(Damaged)?;
            days.days += 1;
            days.absent += u32::try_from(*absent).map_err(|_| Damaged)?;
        }
        Ok(())
    }

    /// Maps the dictionary's schools to ours, unless it is the one before.
    fn learn(&mut self, dictionary: &ArrayRef) -> Result<(), Damaged> {
        let names: &StringArray = dictionary.as_string_opt().ok_or(Damaged)?;
        let bytes =
            |known: &ArrayRef| known.as_string_opt::<i32>().map(|one| one.values().as_ptr());
        if self.dictionary.as_ref().is_some_and(|known| bytes(known) == bytes(dictionary)) {
            return Ok(());
        }
        self.codes.clear();
        for name in names {
            let code = self.school(name.unwrap_or(""))?;
            self.codes.push(code);
        }
        // Held, so that no other dictionary can come to lie at its address.
        self.dictionary = Some(Arc::clone(dictionary));
        Ok(())
    }

    fn school(&mut self, id: &str) -> Result<u32, Damaged> {
        if let Some(place) = self.places.get(id) {
            return Ok(*place);
        }
        let place = u32::try_from(self.schools.len()).map_err(|_| Damaged)?;
        self.places.insert(id.to_owned(), place);
        self.schools.push(id.to_owned());
        Ok(place)
    }

    fn merge(&mut self, other: Self) -> Result<(), Damaged> {
        let mut codes = Vec::with_capacity(other.schools.len());
        for school in &other.schools {
            codes.push(self.school(school)?);
        }
        for days in other.sums.days {
            let school = usize::try_from(days.school).ok().and_then(|at| codes.get(at).copied());
            let sum = self.sums.of(days.student, school.ok_or(Damaged)?).ok_or(Damaged)?;
            sum.days += days.days;
            sum.absent += days.absent;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "daily_sums/tests.rs"]
mod tests;
