//! Rules over a district's typed rows: what no single row can show.
//!
//! In: the rows of [`Seen`]. Out: findings by table, to stand beside those of reading (docs/INDICATORS.md
//! §2). All of them only note: the rows stay. Promise: a message holds counts, row numbers, school years
//! and the ids of schools that [`SchoolLabels`] allows; never a student's id or a value of a row.

mod attendance;
mod el;
mod enrolled;
mod scores;
pub(crate) mod volume;

use std::collections::HashMap;

use flashlight_proto::schools::SchoolTable;

use crate::records::{
    Attendance, Effect, ElStatus, Enrollment, Finding, ROWS_KEPT, ROWS_SHOWN, Records, Rule, Score,
};

/// Students below which a school is not named unless the public table knows it: a column of student
/// ids given as schools must not be listed.
pub(crate) const SMALL: usize = 11;
/// Schools named in one finding.
const SCHOOLS_SHOWN: usize = 5;

/// The rows that rules read.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// By student, year, school, entry.
    pub(crate) enrollments: &'a [Enrollment],
    pub(crate) attendance: Option<&'a [Attendance]>,
    pub(crate) scores: Option<&'a [Score]>,
    pub(crate) el_history: Option<&'a [ElStatus]>,
    /// The ids of schools by number.
    pub(crate) schools: &'a [String],
}

impl<'a> Seen<'a> {
    /// The rows of these records.
    pub(crate) fn of(records: &'a Records) -> Self {
        Self {
            enrollments: &records.enrollments,
            attendance: records.attendance.as_deref(),
            scores: records.scores.as_deref(),
            el_history: records.el_history.as_deref(),
            schools: &records.schools,
        }
    }
}

/// Findings by the table they concern.
pub(crate) type Found = Vec<(&'static str, Finding)>;

/// Every rule over these rows. `folder`: the name of the folder read, if it has one.
pub(crate) fn all(
    seen: Seen<'_>,
    labels: &SchoolLabels<'_>,
    folder: Option<&str>,
    before: &[volume::Before],
) -> Found {
    let mut found = Found::new();
    enrolled::years(seen, folder, &mut found);
    enrolled::overlap(seen, &mut found);
    enrolled::races(seen, &mut found);
    volume::change(seen, labels, before, &mut found);
    attendance::rules(seen, labels, &mut found);
    scores::rules(seen, labels, &mut found);
    el::rules(seen, &mut found);
    found
}

/// What a school may be called in a report.
pub(crate) struct SchoolLabels<'a> {
    /// By number: the id and, where the public table has it, the name.
    names: HashMap<u32, (&'a str, Option<&'a str>)>,
}

impl<'a> SchoolLabels<'a> {
    /// Schools with enough students in some year, or that the public table knows.
    pub(crate) fn new(seen: Seen<'a>, table: Option<&'a SchoolTable>) -> Self {
        let mut students: HashMap<u32, usize> = HashMap::new();
        let mut last = None;
        for row in seen.enrollments {
            if last != Some((row.student, row.school)) {
                *students.entry(row.school).or_default() += 1;
                last = Some((row.student, row.school));
            }
        }
        let public = table.into_iter().flat_map(SchoolTable::iter);
        let public: HashMap<_, _> =
            public.map(|school| (school.school_id.as_str(), school.name.as_str())).collect();
        let mut names = HashMap::new();
        for (number, id) in (0_u32..).zip(seen.schools) {
            let name = public.get(id.as_str()).copied();
            if name.is_some() || students.get(&number).is_some_and(|many| *many >= SMALL) {
                names.insert(number, (id.as_str(), name));
            }
        }
        Self { names }
    }

    /// The school's id; `None`: it may not be shown.
    pub(crate) fn id(&self, school: u32) -> Option<&'a str> {
        self.names.get(&school).map(|(id, _)| *id)
    }

    /// The school's public name, where the table has it.
    pub(crate) fn name(&self, school: u32) -> Option<&'a str> {
        self.names.get(&school).and_then(|(_, name)| *name)
    }

    /// Id and name for a sentence.
    pub(crate) fn told(&self, school: u32) -> String {
        match (self.id(school), self.name(school)) {
            (Some(id), Some(name)) => format!("{id} {name}"),
            (Some(id), None) => id.to_owned(),
            (None, _) => format!("a school of under {SMALL} students"),
        }
    }
}

/// A finding over rows: `count` things (students or rows), told with the first row numbers.
pub(crate) fn over_rows(
    rule: Rule,
    mut rows: Vec<u64>,
    nouns: [&str; 2],
    problem: &str,
    hint: &str,
) -> Option<Finding> {
    rows.sort_unstable();
    let count = rows.len();
    if count == 0 {
        return None;
    }
    let shown: Vec<_> = rows.iter().take(ROWS_SHOWN).map(u64::to_string).collect();
    let noun = nouns[usize::from(count != 1)];
    let word = if shown.len() == 1 { "row" } else { "rows" };
    let more = if count > ROWS_SHOWN { ", …" } else { "" };
    let mut message = format!("{count} {noun} {problem} ({word} {}{more})", shown.join(", "));
    if !hint.is_empty() {
        message.push_str(". ");
        message.push_str(hint);
    }
    let first_rows = rows.iter().copied().take(ROWS_SHOWN).collect();
    rows.truncate(ROWS_KEPT);
    let count = count as u64;
    Some(Finding { rule, effect: Effect::Noted, rows: count, first_rows, message, behind: rows })
}

/// A finding about whole schools or the whole table.
pub(crate) const fn whole(rule: Rule, message: String) -> Finding {
    Finding::whole(rule, Effect::Noted, message)
}

/// A list for a sentence: at most five, then how many more.
pub(crate) fn listed(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(SCHOOLS_SHOWN);
    items.truncate(SCHOOLS_SHOWN);
    let mut text = items.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// Whole percent of `part` in `all`, rounded down; 0 of nothing.
pub(crate) fn percent(part: u64, all: u64) -> u64 {
    (part * 100).checked_div(all).unwrap_or(0)
}
