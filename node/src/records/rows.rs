//! What the three tables' readers share: one row's values with their faults, ids as numbers, and
//! rows of one key.

use std::collections::HashMap;

use super::{
    frame::Frame,
    keys::Students,
    model::Key,
    report::{Fault, MOST_PERCENT, Rule, Tally},
    tables::Table,
    value::{self, EMPTY},
};

const SHORTENED: Fault = Fault {
    rule: Rule::W101,
    problem: "was shortened by a spreadsheet and cannot be recovered",
    hint: "Export the file again and do not open it in Excel",
    most_percent: Some(0),
};
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

    /// The ids in order of their numbers.
    pub(crate) fn into_names(self) -> Vec<String> {
        let mut names: Vec<_> = self.numbers.into_iter().collect();
        names.sort_unstable_by_key(|(_, number)| *number);
        names.into_iter().map(|(name, _)| name).collect()
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
    pub(crate) const fn number(&self) -> u64 {
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

    /// The column's value, if supplied.
    pub(crate) fn optional<T>(
        &mut self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, &'static Fault>,
    ) -> Option<T> {
        match parse(self.frame.text(column, self.at)?) {
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
        self.required(column, |id| {
            if value::is_shortened(id) { Err(&SHORTENED) } else { Ok(ids.number(id)) }
        })
    }

    /// A grade, putting back a lost leading zero.
    pub(crate) fn grade(&mut self, column: usize) -> Option<flashlight_proto::category::Grade> {
        const PADDED: Fault = Fault {
            rule: Rule::W101,
            problem: "lost its leading zero",
            hint: "It was put back: 3 was read as 03",
            most_percent: None,
        };
        let (grade, padded) = self.required(column, value::grade)?;
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
