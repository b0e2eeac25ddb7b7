//! The table at the end: the network's published numbers beside one district's own.
//!
//! In: a verified release, the district's exact cells and, for a `dp` release, the pooled answers the
//! demo kept for itself, all in the order of the layout. Out: text. The district's own column is for
//! its own eyes, and nobody in a real network has the exact one; neither is part of the release.

use std::fmt::Write as _;

use flashlight_node::local::LocalCell;
use flashlight_proto::category::{Band, Construct, Indicator, Preset, Subject};
use flashlight_proto::release::{Cell, Noisy};

use crate::answers::Answer;

/// Rows shown before the reader is sent to `tables.csv`.
const ROWS_MAX: usize = 60;

/// Columns shown.
const COLUMNS_MAX: usize = 6;

/// Columns of a `dp` release beside each other: they are three numbers wide.
const ABREAST_MAX: usize = 2;

const LABEL_WIDTH: usize = 26;
const COLUMN_WIDTH: usize = 19;
const NOISY_WIDTH: usize = 35;

/// What the table shows.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The release.
    pub(crate) cells: &'a [Cell],
    /// The pooled answers; `None` for an `exact` release, whose cells they are.
    pub(crate) exact: Option<&'a [Answer]>,
    /// The cells of [`Self::district`].
    pub(crate) own: &'a [LocalCell],
    /// Whose own numbers are shown.
    pub(crate) district: &'a str,
    /// The study's.
    pub(crate) min_n: u32,
}

/// What a row is about.
#[derive(PartialEq, Eq)]
struct Row {
    year: i16,
    label: String,
}

/// One column: an indicator of one test.
#[derive(PartialEq, Eq)]
struct Column {
    indicator: Indicator,
    preset: Option<Preset>,
    test: Option<String>,
}

/// One cell, and where it stands.
struct Placed<'a> {
    row: usize,
    column: usize,
    cell: &'a Cell,
    exact: Option<&'a Answer>,
    own: &'a LocalCell,
}

impl View<'_> {
    fn width(&self) -> usize {
        if self.exact.is_some() { NOISY_WIDTH } else { COLUMN_WIDTH }
    }

    /// The numbers of one cell, side by side.
    fn numbers(&self, placed: &Placed<'_>) -> String {
        let Placed { cell, exact, own, .. } = *placed;
        let ours = ours(cell, own, self.min_n);
        match exact {
            None => format!("{:>9} {ours:>8}", network(cell)),
            Some(answer) => {
                let exact = answer.value.map_or_else(|| "-".to_owned(), |value| shown(cell, value));
                format!("{} {exact:>8} {ours:>8}", private(cell))
            }
        }
    }

    fn heads(&self) -> String {
        match self.exact {
            None => format!("{:>9} {:>8}", "network", self.district),
            Some(_) => format!("{:<16} {:>8} {:>8}", "  private ± 95 %", "exact", self.district),
        }
    }
}

/// The table of a release, as text: one under the other where the columns are wide.
pub(crate) fn table(view: &View<'_>) -> String {
    let (mut rows, mut columns): (Vec<Row>, Vec<Column>) = (Vec::new(), Vec::new());
    let mut placed = Vec::new();
    for (at, (cell, own)) in view.cells.iter().zip(view.own).enumerate() {
        let row = Row { year: cell.year, label: label(cell) };
        let test = cell.test.as_ref().map(ToString::to_string);
        let column = Column { indicator: cell.indicator, preset: cell.preset, test };
        let (row, column) = (place(&mut rows, row), place(&mut columns, column));
        let exact = view.exact.and_then(|answers| answers.get(at));
        placed.push(Placed { row, column, cell, exact, own });
    }
    let more = columns.len().saturating_sub(COLUMNS_MAX);
    columns.truncate(COLUMNS_MAX);
    let tables = abreast(&columns, view.exact.is_some());
    let mut tables: Vec<String> =
        tables.into_iter().map(|range| part(view, &rows, &columns, &placed, range)).collect();
    if more > 0 {
        tables.push(format!("  … {more} more columns in tables.csv\n"));
    }
    tables.join("\n")
}

/// Which columns stand beside each other: all, or those of one subject.
fn abreast(columns: &[Column], wide: bool) -> Vec<std::ops::Range<usize>> {
    if !wide {
        return std::iter::once(0..columns.len()).collect();
    }
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let joins = |range: &std::ops::Range<usize>| {
            let first = &columns[range.start];
            let same = first.indicator.subject() == column.indicator.subject();
            range.len() < ABREAST_MAX && first.test == column.test && same
        };
        match ranges.last_mut() {
            Some(range) if joins(range) => range.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}

/// Some columns of the table.
fn part(
    view: &View<'_>,
    rows: &[Row],
    columns: &[Column],
    placed: &[Placed<'_>],
    range: std::ops::Range<usize>,
) -> String {
    let width = view.width();
    let mut text = head(&columns[range.clone()], view);
    let mut year = None;
    for (at, row) in rows.iter().enumerate().take(ROWS_MAX) {
        let line: Vec<_> = placed.iter().filter(|one| one.row == at).collect();
        if line.iter().all(|one| is_empty(one)) {
            continue;
        }
        if year.replace(row.year) != Some(row.year) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "school year {}-{:02}", row.year - 1, row.year % 100);
        }
        let _ = write!(text, "  {:<LABEL_WIDTH$}", row.label);
        for column in range.clone() {
            let found = line.iter().find(|one| one.column == column);
            let numbers = found.map_or_else(String::new, |one| view.numbers(one));
            let _ = write!(text, "{numbers:>width$}");
        }
        text.push('\n');
    }
    if rows.len() > ROWS_MAX {
        let _ = writeln!(text, "  … {} more rows in tables.csv", rows.len() - ROWS_MAX);
    }
    text
}

fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|one| *one == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

fn head(columns: &[Column], view: &View<'_>) -> String {
    let width = view.width();
    let mut text = format!("  {:LABEL_WIDTH$}", "");
    for column in columns {
        let _ = write!(text, "{:>width$}", title(column.indicator));
    }
    let _ = write!(text, "\n  {:LABEL_WIDTH$}", "");
    for _ in columns {
        let _ = write!(text, "{:>width$}", view.heads());
    }
    text.push('\n');
    text
}

/// What the columns and marks of a `dp` release mean; what is hidden is told elsewhere.
pub(crate) fn legend_noisy(district: &str, min_n: u32) -> String {
    format!(
        "  private   what the network publishes, ± to the farther end of its 95 % interval for the noise;\n            \
         ~ dominated by noise\n  \
         exact     the pooled answer, which the demo kept for itself\n  \
         {district:<9} what this district knows of itself; *: fewer than {min_n} students, for its own eyes\n"
    )
}

/// What the rows hide and mark, for an `exact` release.
pub(crate) fn legend(min_n: u32) -> String {
    format!(
        "  hidden: fewer than {min_n} students in the network.  *: fewer than {min_n} of the district's\n  \
         own, for its own eyes only.\n"
    )
}

pub(crate) fn title(indicator: Indicator) -> String {
    let subject = |subject: Subject| match subject {
        Subject::Math => "math",
        Subject::Ela => "reading",
        Subject::Sci => "science",
        Subject::Elp => "English",
    };
    match indicator {
        Indicator::Students => "students".to_owned(),
        Indicator::Mean(of) => format!("{} mean", subject(of)),
        Indicator::Dfs(of) => format!("{} from std", subject(of)),
        Indicator::Met(of) => format!("{} met", subject(of)),
        Indicator::Participation(of) => format!("{} tested", subject(of)),
        Indicator::Climate(of, respondent) => format!("{respondent} {of}"),
        other => named(other).to_owned(),
    }
}

/// The titles that are the same whatever the subject.
fn named(indicator: Indicator) -> &'static str {
    match indicator {
        Indicator::ChronicAbsenteeism => "chronic absence",
        Indicator::Attendance(Band::Severe) => "severely absent",
        Indicator::Attendance(Band::Moderate) => "moderately absent",
        Indicator::Attendance(Band::AtRisk) => "absence at risk",
        Indicator::Attendance(Band::Satisfactory) => "good attendance",
        Indicator::Suspension => "suspended",
        Indicator::Expulsion => "expelled",
        Indicator::Graduation4 => "graduated in 4",
        Indicator::Graduation5 => "graduated in 5",
        Indicator::GraduationRate => "graduation rate",
        Indicator::Dropout => "dropped out",
        Indicator::HsReadiness => "ready for grade 9",
        Indicator::ElRedesignation => "redesignated",
        Indicator::ElProgress => "EL progress",
        Indicator::AgCompletion => "met A-G",
        Indicator::Grade9OnTrack => "grade 9 on track",
        Indicator::CollegeGoing => "went to college",
        Indicator::Sel(Construct::GrowthMindset) => "growth mindset",
        Indicator::Sel(Construct::SelfEfficacy) => "self-efficacy",
        Indicator::Sel(Construct::SelfManagement) => "self-management",
        Indicator::Sel(Construct::SocialAwareness) => "social awareness",
        Indicator::ClimateResponse => "climate answered",
        Indicator::SelResponse => "SEL answered",
        other => other.as_str(),
    }
}

/// What a value is in.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Students,
    /// A share, shown in percent.
    Share,
    /// Points either side of a cut.
    Distance,
    Points,
}

const fn unit(indicator: Indicator) -> Unit {
    match indicator {
        Indicator::Students => Unit::Students,
        Indicator::Mean(_) => Unit::Points,
        Indicator::Dfs(_) => Unit::Distance,
        _ => Unit::Share,
    }
}

fn label(cell: &Cell) -> String {
    let place: Vec<&str> =
        [cell.level.map(|level| level.as_str()), cell.grade.map(|grade| grade.as_str())]
            .into_iter()
            .flatten()
            .collect();
    let place = if place.is_empty() { String::new() } else { format!("{} ", place.join(" ")) };
    match (cell.family, cell.group) {
        (Some(family), Some(group)) => format!("{place}{family} {group}"),
        _ => format!("{place}all students"),
    }
}

/// A cell that is withheld because nobody may be in it is not worth a line of its own.
fn is_empty(placed: &Placed<'_>) -> bool {
    let Placed { cell, exact, own, .. } = placed;
    cell.outcome.n().is_none() && own.n == 0 && exact.is_none_or(|answer| answer.n == 0)
}

fn network(cell: &Cell) -> String {
    match cell.outcome.value() {
        Some(value) => shown(cell, value),
        None => "hidden".to_owned(),
    }
}

/// A noisy value and how far its 95 % interval reaches, 16 wide.
fn private(cell: &Cell) -> String {
    let Some(Noisy { value, low, high, noise_dominated, .. }) = cell.outcome.noisy().copied()
    else {
        return format!("{:>13}   ", network(cell));
    };
    let reach = (high - value).max(value - low);
    let (value, reach, unit) = match unit(cell.indicator) {
        Unit::Students => (format!("{value:.0}"), format!("{reach:.0}"), "  "),
        Unit::Share => (format!("{:.1}", 100.0 * value), format!("{:.1}", 100.0 * reach), " %"),
        Unit::Distance => (format!("{value:+.1}"), format!("{reach:.1}"), "  "),
        Unit::Points => (format!("{value:.1}"), format!("{reach:.1}"), "  "),
    };
    let mark = if noise_dominated { "~" } else { " " };
    format!("{value:>6} ± {reach:>4}{unit}{mark}")
}

fn ours(cell: &Cell, own: &LocalCell, min_n: u32) -> String {
    let mark = if own.n < u64::from(min_n) { "*" } else { "" };
    match own.value {
        Some(value) => format!("{}{mark}", shown(cell, value)),
        None => "-".to_owned(),
    }
}

fn shown(cell: &Cell, value: f64) -> String {
    match unit(cell.indicator) {
        Unit::Students => format!("{value:.0}"),
        Unit::Share => format!("{:.1} %", 100.0 * value),
        Unit::Distance => format!("{value:+.1}"),
        Unit::Points => format!("{value:.1}"),
    }
}

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
