//! A release as bytes: `release.json`, `tables.csv`, `parameters.json`. The same release gives the
//! same bytes, so that a reader can make them again and compare.

use std::convert::Infallible;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Cell, Outcome, Release, ReleaseError, cell::or_all};
use crate::category::{Dimension, Family, Grade, Level};

/// The header of `tables.csv`. `guarantee` is a column and not a comment, so that every CSV reader
/// reads the file and every row, wherever it is copied, keeps the warning.
const HEADER: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,n,num,sum,units_per_point,guarantee\n";

/// Bytes of a piece, about: what is made of a file at a time.
const PIECE: usize = 64 * 1024;

/// Text on its way out in pieces.
struct Pieces<F> {
    text: String,
    out: F,
}

impl<E, F: FnMut(&[u8]) -> Result<(), E>> Pieces<F> {
    fn new(out: F) -> Self {
        Self { text: String::new(), out }
    }

    /// Lets a full piece go.
    fn flow(&mut self) -> Result<(), E> {
        if self.text.len() < PIECE {
            return Ok(());
        }
        let sent = (self.out)(self.text.as_bytes());
        self.text.clear();
        sent
    }

    fn finish(mut self) -> Result<(), E> {
        (self.out)(self.text.as_bytes())
    }
}

impl Release {
    /// `release.json`: parameters and cells, one cell a line, ending in a newline. A shown cell has
    /// `value` and `n` with the integers they come from (`num` of `n`, or `sum` in grid units over
    /// `n` × `units_per_point`); a suppressed cell has none of them.
    ///
    /// # Errors
    /// [`ReleaseError::Json`] when it cannot be written.
    pub fn release_json(&self) -> Result<Vec<u8>, ReleaseError> {
        let mut json = Vec::new();
        self.write_release_json(collect::<ReleaseError>(&mut json))?;
        Ok(json)
    }

    /// The same in pieces: a release of many cells need not be in memory as text.
    pub(super) fn write_release_json<E: From<ReleaseError>>(
        &self,
        out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let fail = |_| ReleaseError::Json;
        let mut pieces = Pieces::new(out);
        let json = &mut pieces.text;
        json.push_str("{\n");
        for (key, value) in [("format", self.format), ("guarantee", self.guarantee)] {
            let value = serde_json::to_string(value).map_err(fail)?;
            let _ = writeln!(json, "  \"{key}\": {value},");
        }
        let parameters = pretty(&self.parameters)?.replace('\n', "\n  ");
        let _ = write!(json, "  \"parameters\": {parameters},\n  \"cells\": [");
        for (index, cell) in self.cells.iter().enumerate() {
            let cell = serde_json::to_string(cell).map_err(fail)?;
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(pieces.text, "{comma}\n    {cell}");
            pieces.flow()?;
        }
        pieces.text.push_str("\n  ]\n}\n");
        pieces.finish()
    }

    /// `parameters.json`: the same parameters on their own, ending in a newline.
    ///
    /// # Errors
    /// [`ReleaseError::Json`] when it cannot be written.
    pub fn parameters_json(&self) -> Result<Vec<u8>, ReleaseError> {
        Ok((pretty(&self.parameters)? + "\n").into_bytes())
    }

    /// `tables.csv`: one row per cell, in the same order, with the same numbers. Suppressed cells
    /// have `suppressed` = true and empty numbers.
    #[must_use]
    pub fn tables_csv(&self) -> Vec<u8> {
        let mut csv = Vec::new();
        let Ok(()) = self.write_tables_csv(collect::<Infallible>(&mut csv));
        csv
    }

    /// The same in pieces.
    pub(super) fn write_tables_csv<E>(
        &self,
        out: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pieces = Pieces::new(out);
        pieces.text.push_str(HEADER);
        for cell in &self.cells {
            row(&mut pieces.text, cell, self.guarantee);
            pieces.flow()?;
        }
        pieces.finish()
    }
}

/// Puts pieces together.
fn collect<E>(whole: &mut Vec<u8>) -> impl FnMut(&[u8]) -> Result<(), E> {
    |piece| {
        whole.extend_from_slice(piece);
        Ok(())
    }
}

/// Appends one row. No value needs quoting: names and categories hold no comma or quote.
fn row(csv: &mut String, cell: &Cell, guarantee: &str) {
    let by: Vec<_> = cell.by().into_iter().map(Dimension::as_str).collect();
    let text = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let (num, sum, units_per_point) = match cell.outcome {
        Outcome::Suppressed | Outcome::Count { .. } => (None, String::new(), None),
        Outcome::Rate { num, .. } => (Some(num), String::new(), None),
        Outcome::Mean { sum, units_per_point, .. } => {
            (None, sum.to_string(), Some(u64::from(units_per_point)))
        }
    };
    let _ = writeln!(
        csv,
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
        cell.table,
        cell.indicator,
        cell.test.as_deref().unwrap_or(""),
        cell.preset.map_or("", |preset| preset.as_str()),
        cell.year,
        by.join("+"),
        or_all(cell.level.map(Level::as_str)),
        or_all(cell.grade.map(Grade::as_str)),
        or_all(cell.family.map(Family::as_str)),
        or_all(cell.group),
        cell.outcome == Outcome::Suppressed,
        cell.outcome.number().map_or_else(String::new, |value| value.to_string()),
        text(cell.outcome.n()),
        text(num),
        sum,
        text(units_per_point),
        guarantee,
    );
}

fn pretty<T: Serialize>(value: &T) -> Result<String, ReleaseError> {
    serde_json::to_string_pretty(value).map_err(|_| ReleaseError::Json)
}
