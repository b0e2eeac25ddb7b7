//! The node's store of records: canonical Parquet, one file per table and school year.
//!
//! In: a district's files, checked as by `check`. Out: `records/` in the node's folder, a folder of
//! [generations](flashlight_store::generations): `enrollments-2024.parquet` and so on, tables without a
//! year as `el_history-all.parquet`, and `manifest.json`, which says what was loaded when. Columns and
//! codes are canonical; students are keys under the node's secret; names, birth dates and every column
//! that is not canonical are not there. Loading a table of a year again replaces it; a load is there
//! whole or not at all.

mod manifest;
mod writer;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use flashlight_store::{
    StoreError,
    generations::{Generation, Generations, Next},
};

pub use self::manifest::{Loaded, LoadedFile, LoadedTable};
use self::writer::{DailyWriter, TableWriter};
use super::{
    Records, RecordsError, Report,
    checked::Kept,
    inputs::Files,
    keys::Students,
    read::{self, Gathered},
    secret,
    tables::{self, Table},
};
use crate::progress::Progress;

/// The store's folder in the node's.
const FOLDER: &str = "records";
/// In file names: tables that are kept whole.
const ALL_YEARS: &str = "all";
/// School years before the first one asked that a record may be needed from: cohorts look back four
/// years, redesignation at the enrolments of up to thirteen.
const LOOK_BACK: i16 = 13;
/// A file of another year is not replaced by one with fewer than its rows by this factor.
const STRAYS: u64 = 2;

/// Why nothing was loaded. The store is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The files were refused.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A file was changed while it was being loaded.
    #[error("{file} was changed while it was being loaded; try again when the export is finished")]
    Changed {
        /// The file's name.
        file: String,
    },
    /// The store cannot be written.
    #[error("the node's store cannot be written")]
    Store(#[from] StoreError),
    /// A file of the store cannot be written.
    #[error("{file} of the node's store cannot be written: is the disk full?")]
    Write {
        /// The file's name.
        file: String,
    },
}

impl LoadError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Records(error) => error.code(),
            Self::Changed { .. } => "load_changed",
            Self::Store(error) => error.code(),
            Self::Write { .. } => "load_write",
        }
    }
}

/// Loads a folder, or files named after their tables, into the node whose folder is `dir`. What was
/// found in the files is in the report. `now_ms`: ms since 1970-01-01 UTC.
///
/// # Errors
/// [`LoadError`]; the store is then as it was.
pub fn load(
    paths: &[PathBuf],
    dir: &Path,
    now_ms: u64,
) -> Result<(Loaded, Records, Report), LoadError> {
    let generations = Generations::open(&dir.join(FOLDER))?;
    let secret = secret::read_or_make(dir)?;
    let files = Files::of_paths(paths).map_err(RecordsError::from)?;
    let sources = files.sources();
    let mapping = files.mapping();
    let gathered = read::gather(files, Students::under(&secret), true)?;
    let next = generations.begin()?;
    let mut loaded = Loaded::new(now_ms, &gathered.inputs);
    let mut students = Students::under(&secret);
    for (table, path) in sources {
        let Some(rows) = kept(&gathered, table) else { continue };
        let Some(input) = gathered.inputs.iter().find(|input| input.is_of(&path)) else { continue };
        let rows = without_strays(rows, table, &gathered.records, &next, &mut loaded);
        TableWriter { table, path: &path, input, mapping: &mapping, students: &mut students }
            .write(&rows, &next, &mut loaded)?;
    }
    daily(&gathered, &next, &mut loaded)?;
    one_attendance(&next, &loaded)?;
    manifest::add(&next, &loaded)?;
    next.publish()?;
    let (records, report) = gathered.summed();
    Ok((loaded, records, report))
}

/// Leaves out the years that the load has no enrolments of, where the store holds more than twice as many
/// rows: a few stray dates must not replace a whole year. They are told.
fn without_strays(
    rows: Vec<Kept>,
    table: &Table,
    records: &Records,
    next: &Next<'_>,
    loaded: &mut Loaded,
) -> Vec<Kept> {
    let own: BTreeSet<i16> = records.enrollments.iter().map(|row| row.year).collect();
    let years: BTreeSet<i16> = rows.iter().filter_map(|row| row.year).collect();
    let is_stray = |year: &i16| {
        let new = rows.iter().filter(|row| row.year == Some(*year)).count() as u64;
        let old = next.file(&file_name(table.name, Some(*year)));
        !own.contains(year)
            && old.and_then(|path| writer::rows_of(&path)).is_some_and(|old| old > STRAYS * new)
    };
    let strays: BTreeSet<i16> = years.into_iter().filter(is_stray).collect();
    for year in &strays {
        let count = rows.iter().filter(|row| row.year == Some(*year)).count() as u64;
        loaded.kept_old(table.name, *year, count);
    }
    rows.into_iter().filter(|row| row.year.is_none_or(|year| !strays.contains(&year))).collect()
}

/// Of a year's attendance, as days and as a summary, only what was loaded last stays.
fn one_attendance(next: &Next<'_>, loaded: &Loaded) -> Result<(), StoreError> {
    let has = |table: &Table, year| {
        loaded.tables.iter().any(|one| one.table == table.name && one.school_year == Some(year))
    };
    for year in loaded.tables.iter().filter_map(|one| one.school_year) {
        let (summary, days) = (has(&tables::ATTENDANCE, year), has(&tables::DAILY, year));
        match (summary, days) {
            (true, false) => next.remove(&file_name(tables::DAILY.name, Some(year)))?,
            (false, true) => next.remove(&file_name(tables::ATTENDANCE.name, Some(year)))?,
            _ => {}
        }
    }
    Ok(())
}

/// The rows of a table that stand, by number; `None` for daily attendance and files without rows.
fn kept(gathered: &Gathered, table: &Table) -> Option<Vec<Kept>> {
    let records = &gathered.records;
    let by_year = |rows: Vec<(u32, i16)>| -> Vec<Kept> {
        rows.into_iter().map(|(row, year)| Kept { row, year: Some(year) }).collect()
    };
    let whole = |rows: Vec<u32>| -> Vec<Kept> {
        rows.into_iter().map(|row| Kept { row, year: None }).collect()
    };
    macro_rules! rows {
        ($list:expr, $year:ident) => {
            by_year($list.iter().flatten().map(|one| (one.row, one.$year)).collect())
        };
    }
    let mut rows = match table.name {
        name if name == tables::ENROLLMENTS.name => {
            by_year(records.enrollments.iter().map(|one| (one.row, one.year)).collect())
        }
        name if name == tables::ATTENDANCE.name => rows!(records.attendance, year),
        name if name == tables::ASSESSMENTS.name => rows!(records.scores, year),
        name if name == tables::PRIOR_SCORES.name => rows!(records.priors, as_of),
        name if name == tables::DISCIPLINE.name => rows!(records.actions, year),
        name if name == tables::COURSE_GRADES.name => rows!(records.marks, year),
        name if name == tables::GRADUATION.name => rows!(records.graduation, cohort),
        name if name == tables::SURVEY.name => rows!(records.answers, year),
        name if name == tables::EL_HISTORY.name => {
            whole(records.el_history.iter().flatten().map(|one| one.row).collect())
        }
        name if name == tables::POSTSECONDARY.name => {
            whole(records.colleges.iter().flatten().map(|one| one.row).collect())
        }
        name => gathered.kept.iter().find(|(known, _)| *known == name)?.1.clone(),
    };
    rows.sort_unstable();
    (!rows.is_empty()).then_some(rows)
}

/// Writes the years of daily attendance, by student, school and date.
fn daily(gathered: &Gathered, next: &Next<'_>, loaded: &mut Loaded) -> Result<(), LoadError> {
    let Some(book) = &gathered.book else { return Ok(()) };
    let total = book.kept() as u64;
    let mut progress = Progress::new("writing daily attendance", total);
    for year in book.years() {
        let name = file_name(tables::DAILY.name, Some(year));
        let mut writer = DailyWriter::create(&next.replace(&name)?, &name)?;
        let mut rows = 0_u64;
        for row in book.rows(year) {
            let school = usize::try_from(row.school).ok();
            let school = school.and_then(|at| gathered.records.schools.get(at));
            writer.row(&row, school.map_or("", String::as_str))?;
            rows += 1;
            if rows.is_multiple_of(1 << 16) {
                progress.add(1 << 16);
            }
        }
        writer.close()?;
        loaded.wrote(tables::DAILY.name, Some(year), rows);
    }
    Ok(())
}

/// `enrollments-2024.parquet`.
fn file_name(table: &str, year: Option<i16>) -> String {
    match year {
        Some(year) => format!("{table}-{year}.parquet"),
        None => format!("{table}-{ALL_YEARS}.parquet"),
    }
}

/// The table and year of a file of the store.
fn of_name(name: &str) -> Option<(&'static Table, Option<i16>)> {
    let (table, year) = name.strip_suffix(".parquet")?.rsplit_once('-')?;
    let table = tables::ALL.into_iter().find(|known| known.name == table)?;
    match year {
        ALL_YEARS => Some((table, None)),
        year => Some((table, Some(year.parse().ok()?))),
    }
}

/// The store, open for reading as it stood at one moment.
pub(crate) struct Open(Generation);

impl Open {
    /// The store of the node whose folder is `dir`; `None` when nothing was loaded yet.
    pub(crate) fn of(dir: &Path) -> Result<Option<Self>, StoreError> {
        Ok(Generation::current(&dir.join(FOLDER))?.map(Self))
    }

    /// The school years that have enrolments, ascending.
    pub(crate) fn years(&self) -> Result<Vec<i16>, StoreError> {
        let names = self.0.names()?;
        let years = names.iter().filter_map(|name| of_name(name));
        let of_enrollments = |(table, year): (&Table, Option<i16>)| {
            if table.name == tables::ENROLLMENTS.name { year } else { None }
        };
        Ok(years.filter_map(of_enrollments).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The records that questions about `years` may need; about all years without. `names`: the tables
    /// read beside the enrolments, their flags and the schools; all of them without.
    pub(crate) fn read(
        &self,
        years: Option<&[i16]>,
        names: Option<&BTreeSet<&str>>,
    ) -> Result<Records, RecordsError> {
        let span = years.and_then(|years| Some((*years.iter().min()?, *years.iter().max()?)));
        let always = [&tables::ENROLLMENTS, &tables::STUDENT_FLAGS, &tables::SCHOOLS];
        let is_asked = |table: &Table| {
            always.iter().any(|one| one.name == table.name)
                || names.is_none_or(|names| names.contains(table.name))
        };
        let (mut files, mut daily) = (Vec::new(), Vec::new());
        for name in self.0.names()? {
            let Some((table, year)) = of_name(&name) else { continue };
            let Some(path) = self.0.file(&name) else { continue };
            // Of later years only the enrolments count: who came after a class was not in it.
            let is_open = table.name == tables::ENROLLMENTS.name;
            let is_near = year.zip(span).is_none_or(|(year, (first, last))| {
                year >= first.saturating_sub(LOOK_BACK) && (is_open || year <= last)
            });
            if table.name == tables::DAILY.name {
                // Days are summed for the years asked alone; nobody looks back at them.
                let summed = names.is_none_or(|names| names.contains(tables::ATTENDANCE.name));
                let is_exact =
                    year.is_some_and(|year| years.is_none_or(|years| years.contains(&year)));
                daily.extend(year.filter(|_| summed && is_exact).map(|year| (year, path)));
            } else if is_asked(table) && is_near {
                files.push((table, path));
            }
        }
        let gathered = read::gather(Files::stored(files, daily), Students::stored(), false)?;
        Ok(gathered.records)
    }
}
