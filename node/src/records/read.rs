//! A district's files -> its records: every table read, checked alone and against the others.
//!
//! In: the files, and the secret of the pseudonyms. Out: [`Gathered`]: rows by student, what was found,
//! and which files it came from. All files are read before anything is refused, so that one report
//! tells all.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek},
    path::{Path, PathBuf},
};

use flashlight_proto::canonical::Digest;
use ring::digest;

use super::{
    FileReport, Records, RecordsError, Report, assessments, attendance, checked,
    checked::Kept,
    cohorts, course_grades,
    daily::Book,
    daily_sums, discipline, enrollments,
    frame::{self, Broken, Frame, Opened},
    keys::Students,
    mapping::Mapping,
    model::{Enrollment, FAMILIES, Key},
    report::{Effect, Fault, MOST_PERCENT_ORPHANS, Rule, Tally},
    rows::{Ids, Names, Row},
    survey,
    tables::{self, Table},
    values::Counting,
};
use crate::progress::Progress;

/// Most files that can be named.
const FILES_MAX: usize = 64;
/// Threads that sum daily attendance.
const THREADS: usize = 2;

const ORPHAN: Fault = Fault {
    rule: Rule::E010,
    problem: "has no enrolment in that school year",
    hint: "",
    most_percent: Some(MOST_PERCENT_ORPHANS),
};
const NO_SCHOOL: Fault = Fault {
    rule: Rule::E010,
    problem: "is not in the district's schools file",
    hint: "",
    most_percent: None,
};

/// The files of a district, by table.
#[derive(Default)]
pub(crate) struct Files {
    of: Vec<(&'static Table, PathBuf)>,
    mapping: Mapping,
    /// Tables given twice.
    twice: Vec<(&'static Table, PathBuf)>,
    /// Daily attendance of the store, by school year.
    daily: Vec<(i16, PathBuf)>,
    /// Whether these are files of the store, of which a table has one per school year.
    is_stored: bool,
}

/// Why files cannot be told apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file is named after no table.
    #[error("{} is not named after a table; name it TABLE.csv or TABLE.parquet, TABLE one of {}", .path.display(), table_names())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Too many files.
    #[error("more than {FILES_MAX} files")]
    Many,
    /// The mapping cannot be used.
    #[error(transparent)]
    Mapping(#[from] super::MappingError),
}

fn table_names() -> String {
    tables::ALL.map(|table| table.name).join(", ")
}

impl Files {
    /// Those of a folder: each table as `.csv` or `.parquet`.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, FilesError> {
        let mut files = Self { mapping: Mapping::of(folder)?, ..Self::default() };
        for table in tables::ALL {
            for ending in ["csv", "parquet"] {
                let path = folder.join(format!("{}.{ending}", table.name));
                if path.symlink_metadata().is_ok() {
                    files.add(table, path);
                }
            }
        }
        Ok(files)
    }

    /// A folder, or files each named after its table; their mapping lies beside the first.
    pub(crate) fn of_paths(paths: &[PathBuf]) -> Result<Self, FilesError> {
        if let [folder] = paths
            && folder.is_dir()
        {
            return Self::of_folder(folder);
        }
        if paths.len() > FILES_MAX {
            return Err(FilesError::Many);
        }
        let beside = paths.first().and_then(|path| path.parent()).unwrap_or_else(|| Path::new("."));
        let mut files = Self { mapping: Mapping::of(beside)?, ..Self::default() };
        for path in paths {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let table = tables::ALL.into_iter().find(|table| table.name == stem);
            match table.filter(|_| matches!(ending, Some("csv" | "parquet"))) {
                Some(table) => files.add(table, path.clone()),
                None => return Err(FilesError::Name { path: path.clone() }),
            }
        }
        Ok(files)
    }

    /// Each table's file.
    pub(crate) fn sources(&self) -> Vec<(&'static Table, PathBuf)> {
        self.of.clone()
    }

    /// The same mapping, read anew.
    pub(crate) fn mapping_again(&self, paths: &[PathBuf]) -> Result<Mapping, FilesError> {
        Ok(Self::of_paths(paths)?.mapping)
    }

    /// Files of the store: tables, and daily attendance by school year.
    pub(crate) fn stored(of: Vec<(&'static Table, PathBuf)>, daily: Vec<(i16, PathBuf)>) -> Self {
        Self { of, daily, is_stored: true, ..Self::default() }
    }

    fn add(&mut self, table: &'static Table, path: PathBuf) {
        let is_there = self.of.iter().any(|(known, _)| known.name == table.name);
        let list = if is_there { &mut self.twice } else { &mut self.of };
        list.push((table, path));
    }
}

/// What a file was, for the manifest. No value of it.
pub(crate) struct Input {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: Digest,
    pub(crate) rows: u64,
}

impl Input {
    /// Whether it was the file at this path.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == self.file.as_str())
    }
}

/// The file again, if its bytes are those that were read; `None` when it was changed.
pub(crate) fn reopened(
    path: &Path,
    table: &'static Table,
    mapping: &Mapping,
    input: &Input,
) -> Option<Opened> {
    let mut copy = frame::copy_of(path, table).ok()?;
    let (bytes, sha256) = hashed(&mut copy).ok()?;
    if (bytes, sha256) != (input.bytes, input.sha256) {
        return None;
    }
    let mut tally = Tally::default();
    if path.extension().is_some_and(|ending| ending == "csv") {
        Opened::csv(copy, table, mapping, &mut tally).ok()
    } else {
        Opened::parquet(copy, table, mapping, &mut tally).ok()
    }
}

/// What was read.
pub(crate) struct Gathered {
    /// By student; attendance is that of `attendance_summary` alone.
    pub(crate) records: Records,
    /// Daily attendance of the years that have it.
    pub(crate) book: Option<Book>,
    /// What was found.
    pub(crate) report: Report,
    /// The files, where they were asked for.
    pub(crate) inputs: Vec<Input>,
    /// The rows that stand of tables that no record is made of, by table.
    pub(crate) kept: Vec<(&'static str, Vec<Kept>)>,
}

/// Reads all files. `is_hashed`: the manifest needs the digests of what was read.
///
/// # Errors
/// [`RecordsError`] when a file is refused, or there are no enrolments.
pub(crate) fn gather(
    files: Files,
    students: Students,
    is_hashed: bool,
) -> Result<Gathered, RecordsError> {
    let mut reading = Reading {
        files,
        is_hashed,
        names: Names::new(students),
        report: Report::default(),
        inputs: Vec::new(),
        kept: Vec::new(),
        enrolled: Enrolled::default(),
    };
    let (records, book) = reading.all();
    if reading.names.students.collided() {
        return Err(RecordsError::Collision);
    }
    if reading.report.is_refused() {
        return Err(RecordsError::Refused(Box::new(reading.report)));
    }
    let (mut records, mut book) = (records.ok_or(RecordsError::Missing)?, book);
    records.number(
        std::mem::replace(&mut reading.names, Names::new(Students::stored())),
        book.as_mut(),
    );
    let Reading { report, inputs, kept, .. } = reading;
    Ok(Gathered { records, book, report, inputs, kept })
}

/// Files read so far.
struct Reading {
    files: Files,
    is_hashed: bool,
    names: Names,
    report: Report,
    inputs: Vec<Input>,
    kept: Vec<(&'static str, Vec<Kept>)>,
    enrolled: Enrolled,
}

/// A file whose rows are to be read.
struct Open {
    file: String,
    opened: Opened,
    tally: Tally,
    counting: Counting,
}

impl Reading {
    fn all(&mut self) -> (Option<Records>, Option<Book>) {
        let listed = self.schools();
        let (flags, has_flags) = self.flags();
        let flags_of = enrollments::by_student(&flags);
        let rows =
            self.all_files(|reading| reading.enrollments(&flags_of, has_flags, listed.as_deref()));
        let Some(rows) = rows else { return (self.rest(None), None) };
        self.enrolled = Enrolled::of(&rows);
        self.orphan_flags(&flags);
        let book = self.daily();
        let mut records = self.rest(Some(rows));
        if let Some(records) = &mut records {
            self.stored_daily(records);
        }
        (records, book)
    }

    /// Every table but enrolments and daily attendance.
    fn rest(&mut self, rows: Option<Vec<Enrollment>>) -> Option<Records> {
        let attendance = self.all_files(Self::attendance);
        let scores = self.all_files(Self::scores);
        let mut incidents = Ids::default();
        let actions = self.table(
            &tables::DISCIPLINE,
            |row, names| discipline::action(row, names, &mut incidents),
            |rows, tally, enrolled| {
                let key = |row: &super::model::Action| (row.year, row.student, row.row);
                enrolled.keep(discipline::actions(rows, tally), key, tally)
            },
        );
        let mut sections = course_grades::Sections::default();
        let marks = self.table(
            &tables::COURSE_GRADES,
            |row, names| course_grades::mark(row, names, &mut sections),
            |rows, tally, enrolled| {
                let key = |row: &super::model::Mark| (row.year, row.student, row.row);
                enrolled.keep(course_grades::marks(rows, tally), key, tally)
            },
        );
        let el_history = self.table(&tables::EL_HISTORY, cohorts::el_status, |rows, tally, _| {
            cohorts::el_history(rows, tally)
        });
        let graduation = self.table(&tables::GRADUATION, cohorts::graduate, |rows, tally, _| {
            cohorts::graduation(rows, tally)
        });
        let mut items = Ids::default();
        let answers = self.table(
            &tables::SURVEY,
            |row, names| survey::answer(row, names, &mut items),
            |rows, tally, _| survey::answers(rows, tally),
        );
        let mut numbers = Ids::default();
        let colleges = self.table(
            &tables::POSTSECONDARY,
            |row, names| cohorts::college(row, names, &mut numbers),
            |rows, tally, _| cohorts::colleges(rows, tally),
        );
        let own = scores.as_deref().unwrap_or(&[]);
        let priors = self.table(&tables::PRIOR_SCORES, checked::prior_score, |rows, tally, _| {
            checked::disagreeing(&rows, own, tally);
            rows.iter().map(checked::Prior::kept).collect()
        });
        let mut kinds = Ids::default();
        let interventions = self.table(
            &tables::INTERVENTIONS,
            |row, names| checked::intervention(row, names, &mut kinds),
            |rows, _, _| rows,
        );
        for (table, rows) in
            [(&tables::PRIOR_SCORES, priors), (&tables::INTERVENTIONS, interventions)]
        {
            self.kept.extend(rows.map(|rows| (table.name, rows)));
        }
        Some(Records {
            enrollments: rows?,
            attendance,
            scores,
            actions,
            marks,
            el_history,
            graduation,
            answers,
            colleges,
            ..Records::default()
        })
    }

    /// The schools the district lists, by number.
    fn schools(&mut self) -> Option<Vec<u32>> {
        let rows = self.table(&tables::SCHOOLS, checked::school, |rows, _, _| rows)?;
        self.kept.push((tables::SCHOOLS.name, rows.iter().map(|(_, kept)| *kept).collect()));
        let mut schools: Vec<_> = rows.into_iter().map(|(school, _)| school).collect();
        schools.sort_unstable();
        Some(schools)
    }

    fn flags(&mut self) -> (Vec<enrollments::FlagsRow>, [bool; FAMILIES]) {
        let table = &tables::STUDENT_FLAGS;
        let mut has = [false; FAMILIES];
        let rows = self.all_files(|reading| {
            let mut open = reading.open(table)?;
            let here = enrollments::families(&open.opened, table.name);
            has.iter_mut().zip(here).for_each(|(has, here)| *has |= here);
            let rows = reading.rows(&mut open, enrollments::flags);
            let rows = enrollments::flags_of(rows, &mut open.tally);
            reading.close(open, rows.len());
            Some(rows)
        });
        let rows = rows.unwrap_or_default();
        let kept = rows.iter().map(|one| Kept { row: one.row, year: Some(one.year) });
        let kept: Vec<_> = kept.collect();
        if !kept.is_empty() {
            self.kept.push((table.name, kept));
        }
        (rows, has)
    }

    /// Flags of students who are not enrolled in that year.
    fn orphan_flags(&mut self, flags: &[enrollments::FlagsRow]) {
        let is_lost = |row: &&enrollments::FlagsRow| !self.enrolled.has(row.year, row.student);
        let lost = flags.iter().filter(is_lost).count();
        if lost > 0 {
            let table = tables::STUDENT_FLAGS.name;
            let mut tally = Tally::of(table);
            let text = format!("students without an enrolment in that school year: {lost} rows");
            tally.whole(Rule::E010, Effect::Noted, text);
            self.report.add(table, tally);
        }
    }

    fn enrollments(
        &mut self,
        flags: &enrollments::FlagsOf,
        has_flags: [bool; FAMILIES],
        listed: Option<&[u32]>,
    ) -> Option<Vec<Enrollment>> {
        let table = &tables::ENROLLMENTS;
        let mut open = self.open(table)?;
        let mut has = enrollments::families(&open.opened, table.name);
        has.iter_mut().zip(has_flags).for_each(|(has, other)| *has |= other);
        let mut sources = enrollments::Sources::default();
        let rows = self
            .rows(&mut open, |row, names| enrollments::enrollment(row, names, flags, &mut sources));
        let rows = enrollments::enrollments(rows, &mut open.tally);
        sources.tell(&mut open.tally);
        enrollments::whole_columns(has, &rows, &mut open.tally);
        if let Some(listed) = listed {
            let unknown = rows.iter().filter(|row| listed.binary_search(&row.school).is_err());
            unknown.for_each(|row| open.tally.row(&NO_SCHOOL, "school_id", row.row.into()));
        }
        self.close(open, rows.len());
        Some(rows)
    }

    fn attendance(&mut self) -> Option<Vec<super::model::Attendance>> {
        let mut open = self.open(&tables::ATTENDANCE)?;
        if !attendance::is_enough(&open.opened, &mut open.tally) {
            self.close(open, 0);
            return None;
        }
        let has_incomplete = attendance::has_incomplete(&open.opened);
        let rows =
            self.rows(&mut open, |row, names| attendance::attendance(row, names, has_incomplete));
        let rows = attendance::attendances(rows, &mut open.tally);
        let key = |row: &super::model::Attendance| (row.year, row.student, row.row);
        let rows = self.enrolled.keep(rows, key, &mut open.tally);
        self.close(open, rows.len());
        Some(rows)
    }

    fn scores(&mut self) -> Option<Vec<super::model::Score>> {
        let mut open = self.open(&tables::ASSESSMENTS)?;
        if !assessments::is_enough(&open.opened, &mut open.tally) {
            self.close(open, 0);
            return None;
        }
        let columns = assessments::Columns::of(&open.opened);
        let rows = self.rows(&mut open, |row, names| assessments::score(row, names, columns));
        let rows = assessments::scores(rows, &mut open.tally);
        let key = |row: &super::model::Score| (row.year, row.student, row.row);
        let rows = self.enrolled.keep(rows, key, &mut open.tally);
        self.close(open, rows.len());
        Some(rows)
    }

    fn daily(&mut self) -> Option<Book> {
        let mut open = self.open(&tables::DAILY)?;
        let mut book = Book::default();
        let rows = open.opened.rows;
        self.rows(&mut open, |row, names| {
            book.row(row, names);
            None::<()>
        });
        book.close(&mut open.tally);
        let lost = book.retain(|student, year| {
            !self.enrolled.has_year(year) || self.enrolled.has(year, student)
        });
        if lost > 0 {
            let is_refused = lost * 100 > MOST_PERCENT_ORPHANS * rows;
            let effect = if is_refused { Effect::Refused } else { Effect::LeftOut };
            let text =
                format!("{lost} rows are of students without an enrolment in that school year");
            open.tally.whole(Rule::E010, effect, text);
        }
        let kept = book.kept();
        self.close(open, kept);
        (!book.years().is_empty()).then_some(book)
    }

    /// Reads one table of the simple kind.
    fn table<R, K>(
        &mut self,
        table: &'static Table,
        mut row: impl FnMut(Row<'_>, &mut Names) -> Option<R>,
        mut finish: impl FnMut(Vec<R>, &mut Tally, &Enrolled) -> Vec<K>,
    ) -> Option<Vec<K>> {
        self.all_files(|reading| {
            let mut open = reading.open(table)?;
            let rows = reading.rows(&mut open, &mut row);
            let rows = finish(rows, &mut open.tally, &reading.enrolled);
            reading.close(open, rows.len());
            Some(rows)
        })
    }

    /// Reads a table's files one after the other: the store has one per school year.
    fn all_files<R>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<Vec<R>>,
    ) -> Option<Vec<R>> {
        let mut all: Option<Vec<R>> = None;
        while let Some(rows) = read(self) {
            match &mut all {
                None => all = Some(rows),
                Some(all) => all.extend(rows),
            }
        }
        all
    }

    /// Adds the store's daily attendance of years that `attendance_summary` does not have.
    fn stored_daily(&mut self, records: &mut Records) {
        for (year, path) in std::mem::take(&mut self.files.daily) {
            if records.attendance.iter().flatten().any(|row| row.year == year) {
                continue;
            }
            let schools = &mut self.names.schools;
            match daily_sums::sums(&path, year, THREADS, |id| schools.number(id)) {
                Ok(rows) => records.attendance.get_or_insert_default().extend(rows),
                Err(damaged) => {
                    let mut tally = Tally::of(tables::DAILY.name);
                    tally.whole(Rule::E001, Effect::Refused, damaged.to_string());
                    self.report.add(tables::DAILY.name, tally);
                }
            }
        }
    }

    /// Opens a table's file, if there is one; why it cannot be read goes to the report.
    fn open(&mut self, table: &'static Table) -> Option<Open> {
        let at = self.files.of.iter().position(|(known, _)| known.name == table.name)?;
        let (_, path) = self.files.of.remove(at);
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or(table.name).to_owned();
        let mut tally = Tally::of(table.name);
        let twice = self.files.twice.iter().find(|(known, _)| known.name == table.name);
        let opened = if let Some((_, other)) = twice {
            let other = other.file_name().and_then(|name| name.to_str()).unwrap_or(table.name);
            let text = format!("{other} is there too: keep one of them");
            Err(Broken::Told(Rule::E002, text))
        } else {
            self.opened(&path, &file, table, &mut tally)
        };
        match opened {
            Ok(opened) => {
                let counting = Counting::new(table.columns.iter().map(|column| column.name));
                Some(Open { file, opened, tally, counting })
            }
            Err(broken) => {
                broken.tell(&mut tally);
                let findings = tally.findings(0);
                let columns = Vec::new();
                let report = FileReport { file, rows_read: 0, rows_kept: 0, findings, columns };
                self.report.files.push(report);
                None
            }
        }
    }

    fn opened(
        &mut self,
        path: &Path,
        file: &str,
        table: &'static Table,
        tally: &mut Tally,
    ) -> Result<Opened, Broken> {
        if self.files.is_stored {
            return Opened::stored(path, table, tally);
        }
        let mut copy = frame::copy_of(path, table)?;
        let input = if self.is_hashed { Some(hashed(&mut copy)?) } else { None };
        let opened = if path.extension().is_some_and(|ending| ending == "csv") {
            Opened::csv(copy, table, &self.files.mapping, tally)
        } else {
            Opened::parquet(copy, table, &self.files.mapping, tally)
        }?;
        if let Some((bytes, sha256)) = input {
            let (file, rows) = (file.to_owned(), opened.rows);
            self.inputs.push(Input { file, bytes, sha256, rows });
        }
        Ok(opened)
    }

    /// The rows that stand; a file that breaks off is told.
    fn rows<R>(
        &mut self,
        open: &mut Open,
        mut row: impl FnMut(Row<'_>, &mut Names) -> Option<R>,
    ) -> Vec<R> {
        let mut rows = Vec::new();
        let mut progress = Progress::new(&format!("reading {}", open.file), open.opened.rows);
        let names = &mut self.names;
        let table = open.opened.table;
        let counting = &mut open.counting;
        let read = open.opened.each(&mut open.tally, |frame, tally| {
            count(counting, frame, table);
            for at in 0..frame.rows {
                rows.extend(row(Row::new(frame, table, tally, at), names));
            }
            progress.add(frame.rows as u64);
        });
        if let Err(broken) = read {
            broken.tell(&mut open.tally);
        }
        rows
    }

    fn close(&mut self, open: Open, kept: usize) {
        let rows_read = open.opened.rows;
        let findings = open.tally.findings(rows_read);
        let rows_kept = kept as u64;
        let opened = &open.opened;
        let columns = open.counting.counts(rows_read, |column| opened.has(column));
        let file = open.file;
        self.report.files.push(FileReport { file, rows_read, rows_kept, findings, columns });
    }
}

/// Counts what stands in the columns.
fn count(counting: &mut Counting, frame: &Frame, table: &Table) {
    for column in (0..table.columns.len()).filter(|column| frame.has(*column)) {
        for text in (0..frame.rows).filter_map(|at| frame.text(column, at)) {
            counting.see(column, text);
        }
    }
}

/// Length and SHA-256 of a private copy, left at its start.
fn hashed(copy: &mut File) -> io::Result<(u64, Digest)> {
    struct Hash(digest::Context);
    impl io::Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = Hash(digest::Context::new(&digest::SHA256));
    let mut reader = io::BufReader::with_capacity(1 << 20, &*copy);
    let bytes = io::copy(&mut reader, &mut hash)?;
    copy.rewind()?;
    let mut sha256 = [0; 32];
    sha256.iter_mut().zip(hash.0.finish().as_ref()).for_each(|(byte, from)| *byte = *from);
    Ok((bytes, Digest::from(sha256)))
}

/// Who is enrolled in which year.
#[derive(Default)]
struct Enrolled(HashMap<i16, Vec<Key>>);

impl Enrolled {
    fn of(rows: &[Enrollment]) -> Self {
        let mut years: HashMap<i16, Vec<Key>> = HashMap::new();
        // The rows come by student, so each list is sorted.
        rows.iter().for_each(|row| years.entry(row.year).or_default().push(row.student));
        Self(years)
    }

    fn has_year(&self, year: i16) -> bool {
        self.0.contains_key(&year)
    }

    fn has(&self, year: i16, student: Key) -> bool {
        self.0.get(&year).is_some_and(|students| students.binary_search(&student).is_ok())
    }

    /// Leaves out the rows of students who are not enrolled in that year (E010). Years without any
    /// enrolment are kept: a study that asks for them is refused by E009.
    fn keep<R>(
        &self,
        rows: Vec<R>,
        key: impl Fn(&R) -> (i16, Key, u32),
        tally: &mut Tally,
    ) -> Vec<R> {
        let is_known = |row: &R| {
            let (year, student, _) = key(row);
            !self.has_year(year) || self.has(year, student)
        };
        let (kept, lost): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_known);
        lost.iter().for_each(|row| tally.row(&ORPHAN, "student_id", key(row).2.into()));
        kept
    }
}
