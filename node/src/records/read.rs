//! A district's files -> its records: every table read, checked alone and against the others.
//!
//! In: the files, and the secret of the pseudonyms. Out: [`Gathered`]: rows by student, what was found,
//! and which files it came from. All files are read before anything is refused, so that one report
//! tells all.

use std::{collections::HashMap, path::Path};

use super::{
    FileReport, Records, RecordsError, Report, assessments, attendance, checked,
    checked::Kept,
    cohorts, course_grades,
    daily::Book,
    daily_sums, discipline, enrollments,
    frame::{self, Broken, Frame, Opened},
    inputs::{Files, Input, hashed},
    keys::Students,
    model::{Enrollment, FAMILIES, Key},
    priors,
    report::{Effect, Fault, MOST_PERCENT_ORPHANS, Rule, Tally},
    rows::{Ids, Names, Row},
    survey,
    tables::{self, Table},
    values::Counting,
};
use crate::progress::Progress;

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
        let el_history = self.table(&tables::EL_HISTORY, cohorts::el_row, |rows, tally, _| {
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
        let priors = self.table(&tables::PRIOR_SCORES, priors::prior_score, |rows, tally, _| {
            let rows = priors::priors(rows, tally);
            priors::disagreeing(&rows, own, tally);
            rows
        });
        let mut kinds = Ids::default();
        let interventions = self.table(
            &tables::INTERVENTIONS,
            |row, names| checked::intervention(row, names, &mut kinds),
            |rows, _, _| rows,
        );
        self.kept.extend(interventions.map(|rows| (tables::INTERVENTIONS.name, rows)));
        Some(Records {
            enrollments: rows?,
            attendance,
            scores,
            priors,
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
            return Opened::stored(path, table);
        }
        let mut copy = frame::copy_of(path, table)?;
        let input = if self.is_hashed { Some(hashed(&mut copy)?) } else { None };
        let opened = Opened::of(path, copy, table, &self.files.mapping, tally)?;
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
