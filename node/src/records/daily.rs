//! `attendance_daily`: one row per student, school and school day, in any order, in bounded memory.
//!
//! In: the rows. Out: per student, school and school year one byte per day, and from it the days
//! expected and absent, or the rows again by student and date.
//!
//! Positive attendance: every day a student was expected has a row, so days expected = rows. A year
//! without a single `present` row is a list of absences and not that; it is told and not used. Absence
//! is the day's `fraction_absent`; where that is empty 1 for `absent_…` and `oss`, 0 for `present`,
//! `tardy` and `iss`; a `partial` day must have it. Two rows of one day with the same values count once;
//! with different values the day is left out.

use std::collections::{BTreeMap, HashMap};

use super::{
    model::{Attendance, Key, SchoolNumber},
    report::{Effect, Fault, MOST_PERCENT, Rule, Tally},
    rows::{Names, Row},
    tables::DAILY,
    value::{self, Day},
};

const STUDENT: usize = DAILY.place("student_id");
const SCHOOL: usize = DAILY.place("school_id");
const DATE: usize = DAILY.place("date");
const CATEGORY: usize = DAILY.place("category");
const FRACTION: usize = DAILY.place("fraction_absent");

/// Days of a school year.
const DAYS: usize = 366;
/// Most students × schools × years: a byte per day of each is 1.5 GiB.
const SHEETS_MAX: usize = 4_000_000;
/// Most pairs of category and fraction in a file.
const MARKS_MAX: usize = 250;
/// No row for the day.
const NONE: u8 = 0;
/// Rows that contradict each other.
const CONFLICT: u8 = u8::MAX;

const NO_FRACTION: Fault = Fault {
    rule: Rule::E004,
    problem: "is empty on a partial day",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
const REPEATED: Fault = Fault {
    rule: Rule::E005,
    problem: "repeats another row with the same values",
    hint: "One of them is kept",
    most_percent: None,
};
const CONTRADICTED: Fault = Fault {
    rule: Rule::E005,
    problem: "stands in another row with different values",
    hint: "None of them is believed",
    most_percent: Some(MOST_PERCENT),
};

/// What a day was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Category {
    /// There.
    Present,
    /// Away, excused.
    Excused,
    /// Away, not excused.
    Unexcused,
    /// Late.
    Tardy,
    /// There for a part of the day.
    Partial,
    /// Suspended out of school.
    OutOfSchool,
    /// Suspended in school.
    InSchool,
}

impl Category {
    /// All, by their spelling.
    pub(crate) const ALL: [(&'static str, Self); 7] = [
        ("present", Self::Present),
        ("absent_excused", Self::Excused),
        ("absent_unexcused", Self::Unexcused),
        ("tardy", Self::Tardy),
        ("partial", Self::Partial),
        ("oss", Self::OutOfSchool),
        ("iss", Self::InSchool),
    ];

    /// Its spelling.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(name, _)| *name)
    }

    /// The part of the day away where the row does not say, hundredths.
    const fn fraction(self) -> Option<u8> {
        match self {
            Self::Excused | Self::Unexcused | Self::OutOfSchool => Some(100),
            Self::Present | Self::Tardy | Self::InSchool => Some(0),
            Self::Partial => None,
        }
    }
}

/// What a day was, and the part of it away in hundredths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) category: Category,
    pub(crate) absent: u8,
}

/// One student at one school in one school year.
type Sheet = (Key, i16, SchoolNumber);

/// One row of a sheet.
pub(crate) struct DayRow {
    pub(crate) student: Key,
    pub(crate) school: SchoolNumber,
    pub(crate) date: Day,
    pub(crate) mark: Mark,
}

/// All sheets.
#[derive(Default)]
pub(crate) struct Book {
    places: HashMap<Sheet, usize>,
    #[expect(clippy::vec_box, reason = "growing must not copy hundreds of megabytes")]
    sheets: Vec<Box<[u8; DAYS]>>,
    marks: Vec<Mark>,
    last: Option<(Sheet, usize)>,
    /// Rows of `present` by year.
    present: BTreeMap<i16, u64>,
    is_full: bool,
}

impl Book {
    /// Enters one row.
    pub(crate) fn row(&mut self, mut row: Row<'_>, names: &mut Names) {
        let student = row.student(STUDENT, &mut names.students);
        let school = row.id(SCHOOL, &mut names.schools);
        let date = row.required(DATE, value::date);
        let category = row.required_code(CATEGORY, &Category::ALL);
        let fraction = row.optional(FRACTION, |text| value::hundredths(text, 100));
        let fraction = fraction.and_then(|fraction| u8::try_from(fraction).ok());
        let absent = fraction.or_else(|| category?.fraction());
        if category.is_some() && absent.is_none() {
            row.fault(&NO_FRACTION, FRACTION);
        }
        if !row.stands() {
            return;
        }
        if let (Some(student), Some(school), Some(date), Some(category), Some(absent)) =
            (student, school, date, category, absent)
        {
            let (year, day) = date.in_school_year();
            self.enter(&mut row, (student, year, school), day, Mark { category, absent });
        }
    }

    fn enter(&mut self, row: &mut Row<'_>, sheet: Sheet, day: usize, mark: Mark) {
        const KEY: &str = "(student_id, school_id, date)";
        *self.present.entry(sheet.1).or_default() += u64::from(mark.category == Category::Present);
        let Some(code) = self.code(mark) else { return };
        let Some(place) = self.place(sheet) else { return };
        let Some(cell) = self.sheets.get_mut(place).and_then(|sheet| sheet.get_mut(day)) else {
            return;
        };
        match *cell {
            NONE => *cell = code,
            same if same == code => row.fault_of(&REPEATED, KEY),
            _ => {
                *cell = CONFLICT;
                row.fault_of(&CONTRADICTED, KEY);
            }
        }
    }

    /// The byte of a mark.
    fn code(&mut self, mark: Mark) -> Option<u8> {
        let at = self.marks.iter().position(|one| *one == mark).or_else(|| {
            self.is_full |= self.marks.len() >= MARKS_MAX;
            (!self.is_full).then(|| {
                self.marks.push(mark);
                self.marks.len() - 1
            })
        });
        u8::try_from(at? + 1).ok()
    }

    fn place(&mut self, sheet: Sheet) -> Option<usize> {
        if let Some((last, place)) = self.last
            && last == sheet
        {
            return Some(place);
        }
        let next = self.sheets.len();
        let place = *self.places.entry(sheet).or_insert(next);
        if place == next {
            if next >= SHEETS_MAX {
                self.places.remove(&sheet);
                self.is_full = true;
                return None;
            }
            self.sheets.push(Box::new([NONE; DAYS]));
        }
        self.last = Some((sheet, place));
        Some(place)
    }

    /// Tells what goes for the whole file, and drops the years that are no positive attendance.
    pub(crate) fn close(&mut self, tally: &mut Tally) {
        if self.is_full {
            let text = format!(
                "more than {SHEETS_MAX} students × schools × years, or more than {MARKS_MAX} different \
                 pairs of category and fraction: split the file by school year"
            );
            tally.whole(Rule::E001, Effect::Refused, text);
        }
        let absences: Vec<i16> =
            self.present.iter().filter(|(_, rows)| **rows == 0).map(|(year, _)| *year).collect();
        for year in absences {
            let text = format!(
                "school year {year} has no row \"present\": this is a list of absences, from which days \
                 expected cannot be counted; it is not used. Supply attendance_summary, or a row for \
                 every student and school day"
            );
            tally.whole(Rule::W103, Effect::Noted, text);
            self.drop_year(year);
        }
    }

    /// Days that are known.
    pub(crate) fn kept(&self) -> usize {
        let days = |place: &usize| {
            self.sheets[*place].iter().filter(|code| self.mark(**code).is_some()).count()
        };
        self.places.values().map(days).sum()
    }

    /// Forgets a year.
    pub(crate) fn drop_year(&mut self, year: i16) {
        self.places.retain(|(_, of, _), _| *of != year);
        self.present.remove(&year);
    }

    /// The years there are.
    pub(crate) fn years(&self) -> Vec<i16> {
        let mut years: Vec<_> = self.places.keys().map(|(_, year, _)| *year).collect();
        years.sort_unstable();
        years.dedup();
        years
    }

    /// Leaves out students who are not enrolled; how many rows that were.
    pub(crate) fn retain(&mut self, is_known: impl Fn(Key, i16) -> bool) -> u64 {
        let (sheets, mut lost) = (&self.sheets, 0);
        self.places.retain(|(student, year, _), place| {
            let known = is_known(*student, *year);
            if !known {
                lost += sheets[*place].iter().filter(|code| **code != NONE).count() as u64;
            }
            known
        });
        lost
    }

    /// Gives the schools other numbers.
    pub(crate) fn renumber(&mut self, number: impl Fn(SchoolNumber) -> SchoolNumber) {
        let places = std::mem::take(&mut self.places);
        self.places = places
            .into_iter()
            .map(|((student, year, school), place)| ((student, year, number(school)), place))
            .collect();
        self.last = None;
    }

    /// Days expected and absent of every sheet, unsorted.
    pub(crate) fn sums(&self) -> impl Iterator<Item = Attendance> {
        self.places.iter().filter_map(|((student, year, school), place)| {
            let (mut expected, mut absent) = (0, 0);
            for mark in self.sheets[*place].iter().filter_map(|code| self.mark(*code)) {
                expected += 100;
                absent += i32::from(mark.absent);
            }
            (expected > 0).then_some(Attendance {
                student: *student,
                year: *year,
                school: *school,
                expected,
                attended: Some(expected - absent),
                absent: Some(absent),
                exempt: false,
                row: 0,
            })
        })
    }

    /// The rows of a year by student, school and date.
    pub(crate) fn rows(&self, year: i16) -> impl Iterator<Item = DayRow> {
        let first = Day::first_of_school_year(year);
        let mut sheets: Vec<_> = self.places.iter().filter(|((_, of, _), _)| *of == year).collect();
        sheets.sort_unstable_by_key(|((student, _, school), _)| (*student, *school));
        sheets.into_iter().flat_map(move |((student, _, school), place)| {
            let codes = self.sheets[*place].iter().zip(0..);
            codes.filter_map(move |(code, day)| {
                let mark = self.mark(*code)?;
                Some(DayRow { student: *student, school: *school, date: first.plus(day), mark })
            })
        })
    }

    fn mark(&self, code: u8) -> Option<Mark> {
        self.marks.get(usize::from(code).checked_sub(1)?).copied()
    }
}
