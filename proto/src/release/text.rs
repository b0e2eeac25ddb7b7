//! A release as bytes: `release.json`, `tables.csv`, `parameters.json`. The same release gives the
//! same bytes, so that a reader can make them again and compare.

use std::convert::Infallible;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Release, ReleaseError, json::CellText};
use crate::study::Mode;

/// The header of `tables.csv`. `guarantee` is a column and not a comment, so that every CSV reader
/// reads the file and every row, wherever it is copied, keeps the warning.
const HEADER: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,n,num,den,sum,units_per_point,guarantee\n";
/// The header in `dp` mode.
const HEADER_DP: &str = "table,indicator,test,preset,year,by,level,grade,family,group,suppressed,\
    value,sd,low,high,n,sd_n,noise_dominated,noisy_num,noisy_rest,noisy_n,n_scale_bits,noisy_sum,\
    sum_scale_bits,units_per_point,guarantee\n";

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
    /// `value` and `n` with the integers they come from (`num` of `n`, `num` of `den` items answered
    /// by `n` respondents, or `sum` in grid units over `n` × `units_per_point`); with noise it also has `sd`, `low`, `high`, `sd_n` and
    /// `noise_dominated`, and for integers the noisy sums, in 2^`scale_bits` parts of a student or
    /// grid unit. A suppressed cell has none of them.
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
        for (key, value) in [("format", self.format), ("guarantee", self.guarantee())] {
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

    /// `growth.json`: the estimates of the growth models, ending in a newline.
    ///
    /// # Errors
    /// [`ReleaseError::Json`] when it cannot be written.
    pub fn growth_json(&self) -> Result<Vec<u8>, ReleaseError> {
        let text = if self.noisy_growth.is_empty() {
            pretty(&self.growth)?
        } else {
            pretty(&self.noisy_growth)?
        };
        Ok((text + "\n").into_bytes())
    }

    /// `tables.csv`: one row per cell, in the same order, with the same numbers under the same
    /// names. Suppressed cells have `suppressed` = true and empty numbers.
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
        let is_noisy = self.mode() == Mode::Dp;
        let mut pieces = Pieces::new(out);
        pieces.text.push_str(if is_noisy { HEADER_DP } else { HEADER });
        for cell in &self.cells {
            let text = CellText::from(cell.clone());
            let numbers = if is_noisy { noisy(&text) } else { exact(&text) };
            row(&mut pieces.text, &text, &numbers, &self.guarantee);
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
        text(cell.den),
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
