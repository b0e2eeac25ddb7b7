//! The table at the end: the network's published numbers beside one district's own.
//!
//! In: a verified release and the district's exact cells, both in the order of the layout. Out: text.
//! The district's own column is for its own eyes; it is never part of the release.

use std::fmt::Write as _;

use flashlight_node::local::LocalCell;
use flashlight_proto::category::{Indicator, Subject};
use flashlight_proto::release::{Cell, Outcome};

/// Rows shown before the reader is sent to `tables.csv`.
const ROWS_MAX: usize = 60;

/// Columns shown.
const COLUMNS_MAX: usize = 6;

const LABEL_WIDTH: usize = 26;
const COLUMN_WIDTH: usize = 19;

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
    test: Option<String>,
}

/// The table of a release, as text; `district` is the one whose own numbers stand beside it.
pub(crate) fn table(cells: &[Cell], own: &[LocalCell], district: &str, min_n: u32) -> String {
    let (mut rows, mut columns): (Vec<Row>, Vec<Column>) = (Vec::new(), Vec::new());
    let mut placed = Vec::new();
    for (cell, own) in cells.iter().zip(own) {
        let row = Row { year: cell.year, label: label(cell) };
        let column =
            Column { indicator: cell.indicator, test: cell.test.as_ref().map(ToString::to_string) };
        let row = place(&mut rows, row);
        let column = place(&mut columns, column);
        placed.push((row, column, cell, own));
    }
    columns.truncate(COLUMNS_MAX);
    let mut text = head(&columns, district);
    let mut year = None;
    for (at, row) in rows.iter().enumerate().take(ROWS_MAX) {
        let line: Vec<_> = placed.iter().filter(|(place, ..)| *place == at).collect();
        if line.iter().all(|(_, _, cell, own)| is_empty(cell) && own.n == 0) {
            continue;
        }
        if year.replace(row.year) != Some(row.year) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "school year {}-{:02}", row.year - 1, row.year % 100);
        }
        let _ = write!(text, "  {:<LABEL_WIDTH$}", row.label);
        for column in 0..columns.len() {
            let found = line.iter().find(|(_, place, ..)| *place == column);
            let both = found.map_or_else(String::new, |(_, _, cell, own)| {
                format!("{:>9} {:>8}", network(cell), ours(cell, own, min_n))
            });
            let _ = write!(text, "{both:>COLUMN_WIDTH$}");
        }
        text.push('\n');
    }
    if rows.len() > ROWS_MAX {
        let _ = writeln!(text, "  … {} more rows in tables.csv", rows.len() - ROWS_MAX);
    }
    let _ = writeln!(
        text,
        "\n  hidden: fewer than {min_n} students in the network.  *: fewer than {min_n} of the district's\n  \
         own, for its own eyes only."
    );
    text
}

fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|one| *one == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

fn head(columns: &[Column], district: &str) -> String {
    let mut text = format!("  {:LABEL_WIDTH$}", "");
    for column in columns {
        let _ = write!(text, "{:>COLUMN_WIDTH$}", title(column.indicator));
    }
    let _ = write!(text, "\n  {:LABEL_WIDTH$}", "");
    for _ in columns {
        let both = format!("{:>9} {:>8}", "network", district);
        let _ = write!(text, "{both:>COLUMN_WIDTH$}");
    }
    text.push('\n');
    text
}

fn title(indicator: Indicator) -> String {
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
        Indicator::ChronicAbsenteeism => "chronic absence".to_owned(),
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
fn is_empty(cell: &Cell) -> bool {
    cell.outcome.n().is_none()
}

fn network(cell: &Cell) -> String {
    match cell.outcome.value() {
        Some(value) => shown(cell.outcome, cell.indicator, value),
        None => "hidden".to_owned(),
    }
}

fn ours(cell: &Cell, own: &LocalCell, min_n: u32) -> String {
    let mark = if own.n < u64::from(min_n) { "*" } else { "" };
    match own.value {
        Some(value) => format!("{}{mark}", shown(cell.outcome, cell.indicator, value)),
        None => "-".to_owned(),
    }
}

fn shown(outcome: Outcome, indicator: Indicator, value: f64) -> String {
    match (outcome, indicator) {
        (Outcome::Count { .. }, _) | (_, Indicator::Students) => format!("{value:.0}"),
        (_, Indicator::Met(_) | Indicator::ChronicAbsenteeism) => {
            format!("{:.1} %", 100.0 * value)
        }
        (_, Indicator::Dfs(_)) => format!("{value:+.1}"),
        _ => format!("{value:.1}"),
    }
}
