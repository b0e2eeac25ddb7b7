//! What the tables' readers share: one row's values with their faults, ids as numbers, and
//! rows of one key.

use std::collections::HashMap;

use flashlight_proto::category::Grade;

use super::{
    crosswalk::LEFT_OUT,
    frame::Frame,
    keys::Students,
    model::{Key, SchoolNumber},
    report::{Fault, MOST_PERCENT, Rule, Tally},
    tables::Table,
    value::{self, CODE, EMPTY},
};

const SHORTENED: Fault = Fault {
    rule: Rule::W101,
    problem: "was shortened by a spreadsheet and cannot be recovered",
    hint: "Export the file again and do not open it in Excel",
    most_percent: Some(0),
};
const LONG: Fault = Fault {
    rule: Rule::E007,
    problem: "is longer than 64 bytes",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
/// Longest id of a school, test, survey or section, bytes: a column of anything else must not be kept.
const ID_MAX: usize = 64;
const REPEATED: Fault = Fault {
    rule: Rule::E005,
    problem: "repeats another row with the same values",
    hint: "One of them is kept",
    most_percent: None,
};
const CONFLICT: Fault = Fault {
    rule: Rule::E005,
    problem: "stands in several rows with different values",
    hint: "None of them is believed",
    most_percent: Some(MOST_PERCENT),
};

const NO_COUNTERPART: Fault = Fault {
    rule: Rule::W109,
    problem: "has no counterpart here",
    hint: "",
    most_percent: Some(100),
};

/// The ids met while files are read. They go when this does, but for those of schools and tests.
pub(crate) struct Names {
    /// Students and anonymous respondents.
    pub(crate) students: Students,
    /// Schools.
    pub(crate) schools: Ids,
    /// Tests.
    pub(crate) tests: Ids,
    /// Surveys.
    pub(crate) surveys: Ids,
}

impl Names {
    /// None yet.
    pub(crate) fn new(students: Students) -> Self {
        Self { students, schools: Ids::default(), tests: Ids::default(), surveys: Ids::default() }
    }
}

/// Ids as numbers in order of first sight. The ids themselves go when this does.
#[derive(Default)]
pub(crate) struct Ids {
    numbers: HashMap<String, u32>,
    next: u32,
}

impl Ids {
    /// The number of this id, a new one when it is new.
    pub(crate) fn number(&mut self, id: &str) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.next;
        // Each row brings one id at most, and rows are limited far below 2^32.
        self.next += 1;
        self.numbers.insert(id.to_owned(), number);
        number
    }

    /// The ids in the order of their text, and for each number the place in it.
    pub(crate) fn into_ordered(self) -> (Vec<String>, Vec<u32>) {
        let mut names: Vec<(String, u32)> = self.numbers.into_iter().collect();
        names.sort_unstable();
        let mut places = vec![0; names.len()];
        for (place, (_, number)) in names.iter().enumerate() {
            if let Ok(number) = usize::try_from(*number) {
                places[number] = u32::try_from(place).unwrap_or(u32::MAX);
            }
        }
        (names.into_iter().map(|(name, _)| name).collect(), places)
    }
}

/// One row being read: its values, and whether it still stands.
pub(crate) struct Row<'a> {
    frame: &'a Frame,
    table: &'static Table,
    tally: &'a mut Tally,
    at: usize,
    stands: bool,
}

impl<'a> Row<'a> {
    /// Row `at` of the frame.
    pub(crate) fn new(
        frame: &'a Frame,
        table: &'static Table,
        tally: &'a mut Tally,
        at: usize,
    ) -> Self {
        Self { frame, table, tally, at, stands: true }
    }

    /// Whether no fault has put the row out.
    pub(crate) const fn stands(&self) -> bool {
        self.stands
    }

    /// Its number in messages.
    pub(crate) fn number(&self) -> u64 {
        self.frame.number(self.at)
    }

    /// The same, as rows keep it: rows are limited far below 2^32.
    pub(crate) fn place(&self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    /// Tells a fault of this column.
    pub(crate) fn fault(&mut self, fault: &'static Fault, column: usize) {
        self.tally.row(fault, self.table.columns[column].name, self.number());
        self.stands &= fault.most_percent.is_none();
    }

    /// Tells a fault of several columns together.
    pub(crate) fn fault_of(&mut self, fault: &'static Fault, columns: &'static str) {
        self.tally.row(fault, columns, self.number());
    }

    /// The column's value, if supplied.
    pub(crate) fn optional<T>(
        &mut self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, &'static Fault>,
    ) -> Option<T> {
        let text = self.frame.text(column, self.at)?;
        if text == LEFT_OUT {
            self.fault(&NO_COUNTERPART, column);
            return None;
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(fault, column);
                None
            }
        }
    }

    /// The column's value, whose absence is a fault.
    pub(crate) fn required<T>(
        &mut self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, &'static Fault>,
    ) -> Option<T> {
        if self.frame.text(column, self.at).is_none() {
            self.fault(&EMPTY, column);
        }
        self.optional(column, parse)
    }

    /// The key of a student, or of an anonymous respondent.
    pub(crate) fn student(&mut self, column: usize, students: &mut Students) -> Option<Key> {
        self.required(column, |id| {
            if value::is_shortened(id) { Err(&SHORTENED) } else { Ok(students.key(id)) }
        })
    }

    /// An id's number.
    pub(crate) fn id(&mut self, column: usize, ids: &mut Ids) -> Option<u32> {
        if self.frame.text(column, self.at).is_none() {
            self.fault(&EMPTY, column);
        }
        self.optional_id(column, ids)
    }

    /// A school's number, if one is named.
    pub(crate) fn optional_id(&mut self, column: usize, ids: &mut Ids) -> Option<SchoolNumber> {
        self.optional(column, |id| {
            if value::is_shortened(id) {
                Err(&SHORTENED)
            } else if id.len() > ID_MAX {
                Err(&LONG)
            } else {
                Ok(ids.number(id))
            }
        })
    }

    /// A code, by its place in a list.
    pub(crate) fn code<T: Copy>(&mut self, column: usize, codes: &[(&str, T)]) -> Option<T> {
        let of = |text: &str| codes.iter().find(|(code, _)| *code == text).map(|(_, one)| *one);
        self.optional(column, |text| of(text).ok_or(&CODE))
    }

    /// The same where it may not be empty.
    pub(crate) fn required_code<T: Copy>(
        &mut self,
        column: usize,
        codes: &[(&str, T)],
    ) -> Option<T> {
        let of = |text: &str| codes.iter().find(|(code, _)| *code == text).map(|(_, one)| *one);
        self.required(column, |text| of(text).ok_or(&CODE))
    }

    /// Whether the file is an export with Ed-Fi's names.
    pub(crate) const fn is_export(&self) -> bool {
        self.frame.is_export
    }

    /// Whether the column is empty here, or not there.
    pub(crate) fn is_empty(&self, column: usize) -> bool {
        self.frame.text(column, self.at).is_none()
    }

    /// A grade, putting back a lost leading zero.
    pub(crate) fn grade(&mut self, column: usize) -> Option<Grade> {
        if self.frame.text(column, self.at).is_none() {
            self.fault(&EMPTY, column);
        }
        self.optional_grade(column)
    }

    /// The same where it may be empty.
    pub(crate) fn optional_grade(&mut self, column: usize) -> Option<Grade> {
        const PADDED: Fault = Fault {
            rule: Rule::W101,
            problem: "lost its leading zero",
            hint: "It was put back: 3 was read as 03",
            most_percent: None,
        };
        let (grade, padded) = self.optional(column, value::grade)?;
        if padded {
            self.fault(&PADDED, column);
        }
        Some(grade)
    }
}

/// Keeps one row per key. `rows` must be sorted so that equal keys are neighbours.
///
/// Rows of one key with the same values become one; with different values all are left out.
/// `number` gives a row's number in messages.
pub(crate) fn one_per_key<R>(
    rows: Vec<R>,
    key: &'static str,
    same_key: impl Fn(&R, &R) -> bool,
    same_values: impl Fn(&R, &R) -> bool,
    number: impl Fn(&R) -> u32,
    tally: &mut Tally,
) -> Vec<R> {
    let (mut repeated, mut conflict) = (Vec::new(), Vec::new());
    let mut kept = Vec::with_capacity(rows.len());
    let mut group: Vec<R> = Vec::new();
    let mut close = |group: &mut Vec<R>| {
        let Some((first, others)) = group.split_first() else { return };
        if others.iter().all(|other| same_values(first, other)) {
            repeated.extend(others.iter().map(&number));
            kept.extend(group.drain(..).take(1));
        } else {
            conflict.extend(group.drain(..).map(|row| number(&row)));
        }
    };
    for row in rows {
        if group.first().is_some_and(|first| !same_key(first, &row)) {
            close(&mut group);
        }
        group.push(row);
    }
    close(&mut group);
    for (mut numbers, fault) in [(repeated, &REPEATED), (conflict, &CONFLICT)] {
        numbers.sort_unstable();
        numbers.into_iter().for_each(|row| tally.row(fault, key, row.into()));
    }
    kept
}
