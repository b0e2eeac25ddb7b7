//! Local results for people: one table per indicator, one column per school year.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flashlight_proto::category::{Better, Indicator};

use super::{label, title};
use crate::local::{LocalResults, LocalRow, SMALL_BELOW};

/// Widest label.
const LABEL_MAX: usize = 44;

/// The tables, and what they need to be read rightly.
pub(super) fn results(results: &LocalResults, years: &[i16]) -> String {
    let mut text = String::new();
    let mut small = false;
    let of_one = |a: &LocalRow, b: &LocalRow| (a.indicator, a.preset) == (b.indicator, b.preset);
    for rows in results.rows.chunk_by(of_one) {
        small |= rows.iter().any(|row| row.small);
        table(&mut text, rows, years);
    }
    if text.is_empty() {
        return "nothing can be computed from these records".to_owned();
    }
    // Writing to a string cannot fail.
    text += "\nexact and unsuppressed: for the district's own eyes. ";
    if small {
        let _ = write!(text, "*: fewer than {SMALL_BELOW} students. ");
    }
    text += "`extract` writes the records behind a number.\n";
    if !results.findings.is_empty() {
        text += "found on the way:\n";
        results.findings.iter().for_each(|finding| {
            let _ = writeln!(text, "  {finding}");
        });
    }
    text
}

fn table(text: &mut String, rows: &[LocalRow], years: &[i16]) {
    let Some(first) = rows.first() else { return };
    let better = match first.indicator.better() {
        Better::High => ", higher is better",
        Better::Low => ", lower is better",
        Better::None => "",
    };
    let _ = writeln!(text, "\n{}{better}", title(first.indicator, first.preset));
    if let Some(missing) = rows.iter().find_map(|row| row.missing.as_ref()) {
        let _ = writeln!(text, "  not computed: {missing}");
    }
    // By place and group, since one year may have rows that another has not.
    let mut places: BTreeMap<_, Vec<Option<&LocalRow>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.missing.is_none()) {
        let group = row
            .group
            .map(|(family, group)| (family, family.groups().iter().position(|one| *one == group)));
        let key = (row.scope.clone(), row.level, row.grade, group);
        let cells = places.entry(key).or_insert_with(|| vec![None; years.len()]);
        if let Some(year) = years.iter().position(|year| *year == row.year) {
            cells[year] = Some(row);
        }
    }
    let name = |cells: &[Option<&LocalRow>]| {
        let row = cells.iter().flatten().next();
        row.map(|row| label(&row.scope, row.level, row.grade, row.group)).unwrap_or_default()
    };
    let lines: Vec<_> = places.into_values().map(|cells| (name(&cells), cells)).collect();
    if lines.is_empty() {
        return;
    }
    let longest = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let width = longest.min(LABEL_MAX);
    if years.len() > 1 {
        let heads: Vec<_> = years.iter().map(|year| format!("{year:>26}")).collect();
        let _ = writeln!(text, "  {:width$}{}", "", heads.concat());
    }
    for (label, cells) in lines {
        let cells: Vec<_> = cells.into_iter().map(cell).collect();
        let _ = writeln!(text, "  {label:width$}{}", cells.concat().trim_end());
    }
}

fn cell(row: Option<&LocalRow>) -> String {
    let Some(row) = row else { return format!("{:>26}", "") };
    let mark = if row.small { "*" } else { " " };
    let value = row.value.map_or_else(|| "–".to_owned(), |value| shown(row, value));
    let of = match row.indicator {
        Indicator::Students => String::new(),
        Indicator::Mean(_) | Indicator::Dfs(_) => format!("n {}", grouped(row.n)),
        _ if row.units > 1 || row.den.unsigned_abs() != row.n => format!("n {}", grouped(row.n)),
        _ => format!("{} of {}", grouped(row.num.unsigned_abs()), grouped(row.n)),
    };
    format!("{value:>10}{mark} {of:<14}")
}

fn shown(row: &LocalRow, value: f64) -> String {
    match row.indicator {
        Indicator::Students => grouped(row.n),
        Indicator::Mean(_) => format!("{value:.1}"),
        Indicator::Dfs(_) => format!("{value:+.1}"),
        _ => format!("{:.1} %", 100.0 * value),
    }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<_> = [0, 999, 1_000, 12_345_678].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "999", "1,000", "12,345,678"]);
    }
}
