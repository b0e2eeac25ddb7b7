//! A preview as a table for a terminal: plain text, columns aligned, one line per word.

use std::fmt;

use super::text::{NOTHING, cell_name, change, count, facts, mark, noise, number, shown, value};
use super::view::{BlockView, CellView, Preview};

/// Most lines of words; the rest is counted in a note.
const LINES_MAX: usize = 2_000;

/// Columns that sentences are broken at.
const WIDTH: usize = 100;

/// The columns: their headings, and whether they are aligned to the right.
const COLUMNS: [(&str, bool); 9] = [
    ("cell", false),
    ("", false),
    ("n", true),
    ("value", true),
    ("word", false),
    ("exact", true),
    ("noise sd", true),
    ("would travel as", false),
    ("since last time", true),
];

type Line = [String; COLUMNS.len()];

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{NOTHING}\n")?;
        for (term, text) in facts(self) {
            wrapped(f, &format!("{term:<14}"), &text)?;
        }
        for (title, lines) in [("leaves", &self.leaves), ("stays here", &self.stays)] {
            writeln!(f, "\n{title}:")?;
            lines.iter().try_for_each(|line| wrapped(f, "  -", line))?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "\nleft out of the counts:")?;
            self.left_out.iter().try_for_each(|line| wrapped(f, "  -", &shown(line)))?;
        }
        writeln!(f, "\n\"would travel as\" is {}.", self.masked)?;
        if self.only_small {
            writeln!(f, "Only small cells are listed; totals are over all.")?;
        }
        let mut left = LINES_MAX;
        let mut hidden = 0;
        for block in &self.blocks {
            let room = left / block.total.words.len().max(1);
            let listed = &block.cells[..block.cells.len().min(room)];
            hidden += block.cells.len() - listed.len();
            left -= listed.len() * block.total.words.len();
            if !listed.is_empty() {
                write_block(f, self, block, listed)?;
            }
        }
        if hidden > 0 {
            let hidden = count(hidden);
            writeln!(f, "\n{hidden} more cells are not listed; --json, or --small-only, has them")?;
        }
        Ok(())
    }
}

/// A text after its heading, broken between words and indented below itself.
fn wrapped(f: &mut fmt::Formatter<'_>, heading: &str, text: &str) -> fmt::Result {
    let indent = heading.chars().count();
    let mut at = indent;
    write!(f, "{heading}")?;
    for word in text.split_whitespace() {
        let width = word.chars().count() + 1;
        if at > indent && at + width > WIDTH {
            write!(f, "\n{:indent$}", "")?;
            at = indent;
        }
        write!(f, " {word}")?;
        at += width;
    }
    writeln!(f)
}

fn write_block(
    f: &mut fmt::Formatter<'_>,
    preview: &Preview,
    block: &BlockView,
    listed: &[CellView],
) -> fmt::Result {
    let mut lines = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
    for cell in listed {
        lines.extend(cell_lines(preview, block, cell));
    }
    if block.total.cells > 1 {
        lines.extend(total_lines(block));
    }
    let family = block.family.map_or_else(|| "all students".to_owned(), |of| format!("by {of}"));
    writeln!(f, "\n{}, {family} ({})", shown(&block.name), block.encoding)?;
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..COLUMNS.len()).map(|at| width(at).unwrap_or(0)).collect();
    for line in &lines {
        let mut text = String::new();
        for ((field, width), (_, right)) in line.iter().zip(&widths).zip(COLUMNS) {
            let padding = " ".repeat(width - field.chars().count());
            let (before, after) = if right { (&*padding, "") } else { ("", &*padding) };
            text.push_str("  ");
            [before, field, after].iter().for_each(|part| text.push_str(part));
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

/// One line per word; what is the cell's stands on the first.
fn cell_lines(preview: &Preview, block: &BlockView, cell: &CellView) -> Vec<Line> {
    let mut lines = Vec::with_capacity(cell.words.len());
    for (at, word) in cell.words.iter().enumerate() {
        let of_cell = [
            cell_name(&cell.name),
            mark(cell.size).to_owned(),
            number(i64::try_from(cell.n).unwrap_or(i64::MAX)),
            value(cell, block.unit),
        ];
        let [name, mark, n, value] = if at == 0 { of_cell } else { Default::default() };
        let exact = number(word.exact);
        let (noise, change) = (noise(preview, word), change(preview, word));
        let masked = word.masked.clone();
        lines.push([name, mark, n, value, word.part.to_owned(), exact, noise, masked, change]);
    }
    lines
}

/// The block's sums; nothing that would travel.
fn total_lines(block: &BlockView) -> Vec<Line> {
    let parts = block.cells.first().map(|cell| cell.words.iter().map(|word| word.part));
    let words = parts.into_iter().flatten().zip(&block.total.words).enumerate();
    let line = |(at, (part, exact)): (usize, (&'static str, &i64))| {
        let mut line = Line::default();
        if at == 0 {
            "in all".clone_into(&mut line[0]);
            line[2] = number(i64::try_from(block.total.n).unwrap_or(i64::MAX));
        }
        part.clone_into(&mut line[4]);
        line[5] = number(*exact);
        line
    };
    words.map(line).collect()
}
