//! A release as bytes: `release.json`, `tables.csv`, `parameters.json`. The same release gives the
//! same bytes, so that a reader can make them again and compare.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Cell, Outcome, Release, ReleaseError, cell::or_all};
use crate::category::{Dimension, Family, Grade, Level};

/// The header of `tables.csv`. `guarantee` is a column and not a comment, so that every CSV reader
/// reads the file and every row, wherever it is copied, keeps the warning.
const HEADER: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,n,num,sum,units_per_point,guarantee\n";

impl Release {
    /// `release.json`: parameters and cells, one cell a line, ending in a newline. A shown cell has
    /// `value` and `n` with the integers they come from (`num` of `n`, or `sum` in grid units over
    /// `n` × `units_per_point`); a suppressed cell has none of them.
    ///
    /// # Errors
    /// [`ReleaseError::Json`] when it cannot be written.
    pub fn release_json(&self) -> Result<Vec<u8>, ReleaseError> {
        let fail = |_| ReleaseError::Json;
        let mut json = String::from("{\n");
        for (key, value) in [("format", self.format), ("guarantee", self.guarantee)] {
            let value = serde_json::to_string(value).map_err(fail)?;
            let _ = writeln!(json, "  \"{key}\": {value},");
        }
        let parameters = pretty(&self.parameters)?.replace('\n', "\n  ");
        let _ = write!(json, "  \"parameters\": {parameters},\n  \"cells\": [");
        for (index, cell) in self.cells.iter().enumerate() {
            let cell = serde_json::to_string(cell).map_err(fail)?;
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(json, "{comma}\n    {cell}");
        }
        json.push_str("\n  ]\n}\n");
        Ok(json.into_bytes())
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
        let mut csv = HEADER.to_owned();
        for cell in &self.cells {
            row(&mut csv, cell, self.guarantee);
        }
        csv.into_bytes()
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
