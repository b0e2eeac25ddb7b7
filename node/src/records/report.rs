//! What was found in a district's files: one entry per file, one line per rule and column.
//!
//! In: faults noticed row by row. Out: a [`Report`] for a person (`Display`) or a machine
//! (`Serialize`), fit to be mailed: it names files, columns, row numbers and counts, and never a
//! student, an id or a value from a row.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::values::ColumnCounts;

/// Row numbers shown per finding.
pub(crate) const ROWS_SHOWN: usize = 5;
/// Row numbers of a finding kept for the private copy.
pub(crate) const ROWS_KEPT: usize = 1000;

/// A validation rule (docs/INDICATORS.md §2). `E` may refuse a file or a row, `W` only warns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Rule {
    /// The file cannot be read: encoding, delimiter, ragged lines, limits.
    E001,
    /// The wrong file, or a header that fits none.
    E002,
    /// A required column is missing.
    E003,
    /// A required value is empty.
    E004,
    /// The same key twice.
    E005,
    /// Not a date or not a number.
    E006,
    /// A code that is not in the list.
    E007,
    /// A value that cannot be.
    E008,
    /// No row of the year the study asks for.
    E009,
    /// A row that refers to nothing.
    E010,
    /// A whole column is empty.
    E011,
    /// Zeros or digits lost on the way.
    W101,
    /// A school's enrolment changed much against the year before.
    W102,
    /// Students without attendance, or attendance too good to be true.
    W103,
    /// Students enrolled in more than one school.
    W104,
    /// Days that do not fit: absences worked out from attended days, more than a year, stale.
    W105,
    /// Students without a score, or scores not used.
    W106,
    /// Changes of English learner status that cannot be.
    W107,
    /// Schools too small to be shown.
    W108,
    /// An Ed-Fi export: names and codes read as ours, groups left out.
    W109,
    /// Names or birth dates in the file.
    W110,
    /// Earlier scores that disagree.
    W111,
}

/// What a finding did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The file, or the study over it, is refused.
    Refused,
    /// The rows are left out.
    LeftOut,
    /// Nothing: to be known.
    Noted,
}

/// One rule's outcome for one column of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it did.
    pub effect: Effect,
    /// Rows concerned; 0 when the finding is about the whole file.
    pub rows: u64,
    /// The first of them, at most five. In CSV the header is row 1; in Parquet the first record is.
    pub first_rows: Vec<u64>,
    /// A sentence for a person, without any value from a row.
    pub message: String,
    /// The first rows, at most [`ROWS_KEPT`]: what the district's private copy is made of.
    #[serde(skip)]
    pub(crate) behind: Vec<u64>,
}

impl Effect {
    /// In words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::LeftOut => "left out",
            Self::Noted => "noted",
        }
    }
}

impl Finding {
    /// One about a whole file or study.
    pub(crate) const fn whole(rule: Rule, effect: Effect, message: String) -> Self {
        Self { rule, effect, rows: 0, first_rows: Vec::new(), message, behind: Vec::new() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.rule, self.effect.as_str(), self.message)
    }
}

/// What was found in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// The file's name, without its folder.
    pub file: String,
    /// Rows in the file, the header not counted.
    pub rows_read: u64,
    /// Rows that no rule left out.
    pub rows_kept: u64,
    /// What was found, refusals first.
    pub findings: Vec<Finding>,
    /// What stands in the columns read.
    pub columns: Vec<ColumnCounts>,
}

/// What was found in a district's folder, and in its folder against a study.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One entry per file read.
    pub files: Vec<FileReport>,
    /// What the study adds: schools not in its table, scores outside its bounds, years missing.
    pub study: Vec<Finding>,
}

impl Report {
    /// The refusals, each with the file it concerns (`None`: the study).
    pub fn refusals(&self) -> impl Iterator<Item = (Option<&str>, &Finding)> {
        let files = self.files.iter().flat_map(|file| {
            file.findings.iter().map(move |finding| (Some(file.file.as_str()), finding))
        });
        let study = self.study.iter().map(|finding| (None, finding));
        files.chain(study).filter(|(_, finding)| finding.effect == Effect::Refused)
    }

    /// Adds findings to those of a table's file.
    pub(crate) fn add(&mut self, table: &str, tally: Tally) {
        let is_of = |file: &&mut FileReport| {
            file.file.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
        };
        if let Some(file) = self.files.iter_mut().find(is_of) {
            file.findings.extend(tally.findings(file.rows_read));
            file.findings.sort_by_key(|finding| (finding.effect, finding.rule));
        }
    }

    /// Whether anything was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refusals().next().is_some()
    }

    /// The first refusal and how many follow, for an error's one sentence.
    pub(crate) fn first_refusal(&self) -> String {
        let mut refusals = self.refusals();
        let Some((file, finding)) = refusals.next() else {
            return "nothing was refused".to_owned();
        };
        let file = file.map(|file| format!("{file}: ")).unwrap_or_default();
        let more = match refusals.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        format!("{file}{}{more}", finding.message)
    }

    /// How many rows this rule left out, over all files and the study.
    #[must_use]
    pub fn left_out(&self, rule: Rule) -> u64 {
        let files = self.files.iter().flat_map(|file| &file.findings);
        files
            .chain(&self.study)
            .filter(|finding| finding.rule == rule && finding.effect == Effect::LeftOut)
            .map(|finding| finding.rows)
            .sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            let (read, kept) = (file.rows_read, file.rows_kept);
            writeln!(f, "{}: {read} rows read, {kept} kept", file.file)?;
            file.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        }
        if !self.study.is_empty() {
            writeln!(f, "against the study:")?;
            self.study.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        }
        if self.files.is_empty() && self.study.is_empty() {
            writeln!(f, "nothing was read")?;
        }
        Ok(())
    }
}

/// A fault a row can have: how it is told and what follows.
pub(crate) struct Fault {
    /// The rule it falls under.
    pub(crate) rule: Rule,
    /// The predicate after the column's name, as "is empty".
    pub(crate) problem: &'static str,
    /// What to do about it; may be empty.
    pub(crate) hint: &'static str,
    /// `Some(p)`: the row is left out, and more than p percent of such rows refuse the file.
    /// `None`: it is only noted.
    pub(crate) most_percent: Option<u64>,
}

/// Percent of a file's rows a rule may leave out before the file is refused.
pub(crate) const MOST_PERCENT: u64 = 1;
/// The same, for rows that refer to nothing (E010).
pub(crate) const MOST_PERCENT_ORPHANS: u64 = 10;

#[derive(Default)]
struct Count {
    rows: u64,
    first: Vec<u64>,
    hint: &'static str,
    most_percent: Option<u64>,
}

/// Faults on their way into a [`FileReport`].
#[derive(Default)]
pub(crate) struct Tally {
    table: &'static str,
    counts: BTreeMap<(Rule, &'static str, &'static str), Count>,
    whole: Vec<Finding>,
}

impl Tally {
    /// Of a table.
    pub(crate) fn of(table: &'static str) -> Self {
        Self { table, ..Self::default() }
    }

    /// Counts one row's fault in `column`.
    pub(crate) fn row(&mut self, fault: &'static Fault, column: &'static str, row: u64) {
        let count = self.counts.entry((fault.rule, column, fault.problem)).or_default();
        count.rows += 1;
        count.hint = fault.hint;
        count.most_percent = fault.most_percent;
        let place = count.first.partition_point(|first| *first < row);
        if place < ROWS_KEPT {
            count.first.insert(place, row);
            count.first.truncate(ROWS_KEPT);
        }
    }

    /// Adds what another walk over other rows of the file found.
    pub(crate) fn merge(&mut self, other: Self) {
        for (key, found) in other.counts {
            let count = self.counts.entry(key).or_default();
            count.rows += found.rows;
            count.hint = found.hint;
            count.most_percent = found.most_percent;
            count.first.extend(found.first);
            count.first.sort_unstable();
            count.first.truncate(ROWS_KEPT);
        }
        self.whole.extend(other.whole);
    }

    /// Adds a finding about the whole file.
    pub(crate) fn whole(&mut self, rule: Rule, effect: Effect, message: String) {
        self.whole.push(Finding::whole(rule, effect, message));
    }

    /// The findings over `rows` rows, refusals first.
    pub(crate) fn findings(self, rows: u64) -> Vec<Finding> {
        let told = self.counts.into_iter().map(|((rule, column, problem), count)| {
            let effect = match count.most_percent {
                None => Effect::Noted,
                Some(most) if count.rows * 100 > most * rows => Effect::Refused,
                Some(_) => Effect::LeftOut,
            };
            let message = sentence(self.table, column, problem, &count, effect);
            let first_rows = count.first.iter().copied().take(ROWS_SHOWN).collect();
            Finding { rule, effect, rows: count.rows, first_rows, message, behind: count.first }
        });
        let mut findings: Vec<_> = self.whole.into_iter().chain(told).collect();
        findings.sort_by_key(|finding| (finding.effect, finding.rule));
        findings
    }
}

fn sentence(table: &str, column: &str, problem: &str, count: &Count, effect: Effect) -> String {
    let shown: Vec<_> = count.first.iter().take(ROWS_SHOWN).map(u64::to_string).collect();
    let more = if count.rows > shown.len() as u64 { ", …" } else { "" };
    let (noun, rest) = if count.rows == 1 { ("row", "it is") } else { ("rows", "they are") };
    let rows = shown.join(", ");
    let mut text = format!("{column} {problem} in {} {noun} ({noun} {rows}{more})", count.rows);
    match (effect, count.most_percent) {
        (Effect::Refused, Some(most)) => {
            text.push_str(&format!("; more than {most} % of the rows, so the file is refused"));
        }
        (Effect::LeftOut, _) => text.push_str(&format!("; {rest} left out")),
        _ => {}
    }
    if !count.hint.is_empty() {
        text.push_str(". ");
        text.push_str(&count.hint.replace("{table}", table).replace("{column}", column));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Fault =
        Fault { rule: Rule::E004, problem: "is empty", hint: "", most_percent: Some(MOST_PERCENT) };

    #[test]
    fn one_percent_of_the_rows_is_left_out_and_one_more_row_refuses_the_file() {
        for (rows, effect) in [(200, Effect::LeftOut), (199, Effect::Refused)] {
            let mut tally = Tally::default();
            tally.row(&EMPTY, "student_id", 4);
            tally.row(&EMPTY, "student_id", 19);
            let findings = tally.findings(rows);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].effect, effect, "{rows} rows");
        }
    }

    #[test]
    fn a_finding_shows_its_first_five_rows_and_counts_them_all() {
        let mut tally = Tally::default();
        (2..9).for_each(|row| tally.row(&EMPTY, "grade", row));
        let finding = tally.findings(1000).remove(0);
        assert_eq!(finding.rows, 7);
        assert_eq!(finding.first_rows, [2, 3, 4, 5, 6]);
        let told = "grade is empty in 7 rows (rows 2, 3, 4, 5, 6, …); they are left out";
        assert_eq!(finding.message, told);
    }
}
