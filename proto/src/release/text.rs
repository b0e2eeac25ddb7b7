//! A release as bytes: `release.json`, `tables.csv`, `parameters.json`. The same release gives the
//! same bytes, so that a reader can make them again and compare.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Release, ReleaseError, json::CellText};
use crate::study::Mode;

/// The header of `tables.csv`. `guarantee` is a column and not a comment, so that every CSV reader
/// reads the file and every row, wherever it is copied, keeps the warning.
const HEADER: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,n,num,sum,units_per_point,guarantee\n";
/// The header in `dp` mode.
const HEADER_DP: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,sd,low,high,n,sd_n,noise_dominated,noisy_num,noisy_rest,noisy_n,n_scale_bits,noisy_sum,\
    sum_scale_bits,units_per_point,guarantee\n";

impl Release {
    /// `release.json`: parameters and cells, one cell a line, ending in a newline. A shown cell has
    /// `value` and `n` with the integers they come from (`num` of `n`, or `sum` in grid units over
    /// `n` × `units_per_point`); with noise it also has `sd`, `low`, `high`, `sd_n` and
    /// `noise_dominated`, and for integers the noisy sums, in 2^`scale_bits` parts of a student or
    /// grid unit. A suppressed cell has none of them.
    ///
    /// # Errors
    /// [`ReleaseError::Json`] when it cannot be written.
    pub fn release_json(&self) -> Result<Vec<u8>, ReleaseError> {
        let fail = |_| ReleaseError::Json;
        let mut json = String::from("{\n");
        for (key, value) in [("format", self.format), ("guarantee", self.guarantee())] {
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

    /// `tables.csv`: one row per cell, in the same order, with the same numbers under the same
    /// names. Suppressed cells have `suppressed` = true and empty numbers.
    #[must_use]
    pub fn tables_csv(&self) -> Vec<u8> {
        let is_noisy = self.mode() == Mode::Dp;
        let mut csv = if is_noisy { HEADER_DP } else { HEADER }.to_owned();
        for cell in &self.cells {
            let text = CellText::from(cell.clone());
            let numbers = if is_noisy { noisy(&text) } else { exact(&text) };
            row(&mut csv, &text, &numbers, &self.guarantee);
        }
        csv.into_bytes()
    }
}

/// Appends one row. No value needs quoting: names, categories and guarantees hold no comma or quote.
fn row(csv: &mut String, cell: &CellText, numbers: &[String], guarantee: &str) {
    let by: Vec<_> = cell.by.iter().map(|dimension| dimension.as_str()).collect();
    let _ = writeln!(
        csv,
        "{},{},{},{},{},{},{},{},{},{},{},{},{}",
        cell.table,
        cell.indicator,
        cell.test.as_deref().unwrap_or(""),
        cell.preset.map_or("", |preset| preset.as_str()),
        cell.year,
        by.join("+"),
        cell.level,
        cell.grade,
        cell.family,
        cell.group,
        cell.suppressed,
        numbers.join(","),
        guarantee,
    );
}

/// The numbers in the order of [`HEADER`].
fn exact(cell: &CellText) -> Vec<String> {
    vec![
        text(cell.value.as_ref()),
        text(cell.n),
        text(cell.num),
        text(cell.sum),
        text(cell.units_per_point),
    ]
}

/// The numbers in the order of [`HEADER_DP`].
fn noisy(cell: &CellText) -> Vec<String> {
    vec![
        text(cell.value.as_ref()),
        text(cell.sd.as_ref()),
        text(cell.low.as_ref()),
        text(cell.high.as_ref()),
        text(cell.n),
        text(cell.sd_n.as_ref()),
        text(cell.noise_dominated),
        text(cell.noisy_num),
        text(cell.noisy_rest),
        text(cell.noisy_n),
        text(cell.n_scale_bits),
        text(cell.noisy_sum),
        text(cell.sum_scale_bits),
        text(cell.units_per_point),
    ]
}

fn text<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn pretty<T: Serialize>(value: &T) -> Result<String, ReleaseError> {
    serde_json::to_string_pretty(value).map_err(|_| ReleaseError::Json)
}
