//! The validation report as text, for a terminal or a mail.

use std::fmt;

use super::{
    compute::Computable,
    coverage::SchoolYear,
    view::{Validation, spanned},
};
use crate::records::{ColumnCounts, Effect, FileReport, Finding};

/// School years shown; the page and the JSON have all.
const SCHOOLS_SHOWN: usize = 24;
/// Codes shown per column.
const CODES_SHOWN: usize = 15;
/// Widest line, characters.
const WIDTH: usize = 100;

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict;
        writeln!(f, "{}: {}", verdict.word().to_uppercase(), verdict.sentence())?;
        let count = |effect| self.findings(effect);
        writeln!(
            f,
            "{} refused, {} left out, {} noted; {} of {} indicators can be computed",
            count(Effect::Refused),
            count(Effect::LeftOut),
            count(Effect::Noted),
            self.computable(),
            self.indicators.len()
        )?;
        for file in &self.report.files {
            writeln!(f)?;
            file_lines(f, file)?;
        }
        if !self.report.study.is_empty() {
            writeln!(f, "\nagainst the study:")?;
            self.report.study.iter().try_for_each(|finding| finding_lines(f, finding))?;
        }
        coverage(f, &self.coverage.schools, self.coverage.unlisted)?;
        indicators(f, &self.indicators)?;
        if !self.unlocks.is_empty() {
            writeln!(f, "\nwhat unlocks the next indicators:")?;
        }
        for unlock in &self.unlocks {
            let (alone, more) = (unlock.indicators.len(), unlock.with_others.len());
            let worth = match (alone, more) {
                (_, 0) => format!("{alone} more"),
                (0, _) => format!("{more} with others"),
                _ => format!("{alone} more, {more} with others"),
            };
            writeln!(f, "  {:<20} {worth:<26} {}", unlock.table, unlock.export)?;
        }
        writeln!(f, "\nwhat to do next:")?;
        for (at, step) in self.next.iter().enumerate() {
            wrapped(f, &format!("  {}. ", at + 1), step)?;
        }
        Ok(())
    }
}

fn file_lines(f: &mut fmt::Formatter<'_>, file: &FileReport) -> fmt::Result {
    let (read, kept) = (file.rows_read, file.rows_kept);
    writeln!(f, "{}: {read} rows read, {kept} kept", file.file)?;
    file.findings.iter().try_for_each(|finding| finding_lines(f, finding))?;
    let width = file.columns.iter().map(|column| column.column.len()).max().unwrap_or(0);
    for column in file.columns.iter().filter(|column| is_coded(column)) {
        let name = column.column;
        wrapped(f, &format!("  {name:<width$}  "), &codes(column))?;
    }
    Ok(())
}

/// A heading and the count under it.
type Counted = (&'static str, fn(&SchoolYear) -> u64);

fn is_coded(column: &ColumnCounts) -> bool {
    !column.codes.is_empty() || column.others > 0
}

fn codes(column: &ColumnCounts) -> String {
    let mut codes = column.codes.clone();
    codes.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    let rest: u64 = codes.iter().skip(CODES_SHOWN).map(|(_, rows)| rows).sum();
    codes.truncate(CODES_SHOWN);
    let mut parts: Vec<_> = codes.iter().map(|(code, rows)| format!("{code} {rows}")).collect();
    let rests =
        [("less common", rest), ("not a known code", column.others), ("empty", column.empty)];
    parts.extend(
        rests.iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("{what} {rows}")),
    );
    parts.join(", ")
}

fn finding_lines(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    wrapped(f, "  ", &finding.to_string())
}

fn coverage(f: &mut fmt::Formatter<'_>, schools: &[SchoolYear], unlisted: u64) -> fmt::Result {
    if schools.is_empty() && unlisted == 0 {
        return Ok(());
    }
    writeln!(f, "\nby school and school year:")?;
    let width = schools.iter().map(|one| one.school_id.chars().count()).max().unwrap_or(0).max(6);
    let columns: [Counted; 7] = [
        ("students", |one| one.students),
        ("attendance", |one| one.attendance),
        ("scores", |one| one.scores),
        ("discipline", |one| one.actions),
        ("marks", |one| one.marks),
        ("cohort", |one| one.graduation),
        ("answers", |one| one.answers),
    ];
    let used: Vec<_> =
        columns.iter().filter(|(_, of)| schools.iter().any(|one| of(one) > 0)).collect();
    write!(f, "  {:<width$}  year", "school")?;
    for (at, (heading, _)) in used.iter().enumerate() {
        write!(f, "  {heading:>10}")?;
        if at == 0 {
            write!(f, "  {:>8}", "change")?;
        }
    }
    writeln!(f)?;
    for one in schools.iter().take(SCHOOLS_SHOWN) {
        write!(f, "  {:<width$}  {}", one.school_id, one.school_year)?;
        for (at, (_, of)) in used.iter().enumerate() {
            write!(f, "  {:>10}", of(one))?;
            if at == 0 {
                write!(f, "  {:>8}", change(one))?;
            }
        }
        writeln!(f)?;
    }
    if schools.len() > SCHOOLS_SHOWN {
        let more = schools.len() - SCHOOLS_SHOWN;
        writeln!(f, "  and {more} more lines: --html or --json has them")?;
    }
    if unlisted > 0 {
        let noun = if unlisted == 1 { "school" } else { "schools" };
        writeln!(f, "  and {unlisted} {noun} of under 11 students that no school table names")?;
    }
    Ok(())
}

/// Change of enrolment against the year before, whole percent.
pub(super) fn change(one: &SchoolYear) -> String {
    match one.students_before {
        None => "–".to_owned(),
        Some(0) => "new".to_owned(),
        Some(before) => {
            let percent = before.abs_diff(one.students) * 100 / before;
            let sign = if one.students < before { "−" } else { "+" };
            format!("{sign}{percent} %")
        }
    }
}

fn indicators(f: &mut fmt::Formatter<'_>, indicators: &[Computable]) -> fmt::Result {
    writeln!(f, "\nwhat you can compute now:")?;
    let (now, not): (Vec<_>, Vec<_>) = indicators.iter().partition(|one| !one.years.is_empty());
    // Indicators of the same years stand together.
    let mut by_years: Vec<(String, Vec<String>)> = Vec::new();
    for one in &now {
        let mut name = one.indicator.as_str().to_owned();
        if !one.lacking.is_empty() {
            name.push_str(&format!(" (but {})", one.lacking.join("; ")));
        }
        let years = spanned(&one.years);
        match by_years.iter_mut().find(|(known, _)| *known == years) {
            Some((_, names)) => names.push(name),
            None => by_years.push((years, vec![name])),
        }
    }
    let width = by_years.iter().map(|(years, _)| years.chars().count()).max().unwrap_or(0);
    for (years, names) in &by_years {
        wrapped(f, &format!("  {years:<width$}  "), &names.join(", "))?;
    }
    if now.is_empty() {
        writeln!(f, "  nothing yet")?;
    }
    if !not.is_empty() {
        writeln!(f, "\nnot yet, and why:")?;
    }
    // Indicators of one reason stand together.
    for group in grouped(&not) {
        let names: Vec<_> = group.1.iter().map(|one| one.indicator.as_str()).collect();
        wrapped(f, "  ", &format!("{}: {}", group.0, names.join(", ")))?;
    }
    Ok(())
}

/// Indicators by their reasons, in order.
pub(super) fn grouped<'a>(not: &[&'a Computable]) -> Vec<(String, Vec<&'a Computable>)> {
    let mut groups: Vec<(String, Vec<&Computable>)> = Vec::new();
    for one in not {
        let reason = one.lacking.join("; ");
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, group)) => group.push(one),
            None => groups.push((reason, vec![one])),
        }
    }
    groups
}

/// Writes words after `lead`, broken at the width and indented under it.
fn wrapped(f: &mut fmt::Formatter<'_>, lead: &str, text: &str) -> fmt::Result {
    let indent = lead.chars().count().max(4);
    write!(f, "{lead}")?;
    let mut at = lead.chars().count();
    let mut first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !first && at + 1 + length > WIDTH {
            write!(f, "\n{:indent$}{word}", "")?;
            at = indent + length;
        } else {
            write!(f, "{}{word}", if first { "" } else { " " })?;
            at += length + usize::from(!first);
        }
        first = false;
    }
    writeln!(f)
}
