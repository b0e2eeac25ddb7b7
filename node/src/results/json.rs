//! Local results for machines.

use serde_json::{Value, json};

use crate::local::{LocalResults, LocalRow, Scope};

/// `{"format", "notice", "results": […], "findings": […]}`; a result is on one line.
pub(super) fn results(results: &LocalResults) -> anyhow::Result<String> {
    let mut text = String::from(
        "{\"format\": \"flashlight/local/v1\",\n \"notice\": \"exact and unsuppressed: for the \
         district's own eyes\",\n \"results\": [",
    );
    for (at, row) in results.rows.iter().enumerate() {
        text += if at == 0 { "\n  " } else { ",\n  " };
        text += &serde_json::to_string(&of_row(row))?;
    }
    text += "\n ],\n \"findings\": ";
    text += &serde_json::to_string(&results.findings)?;
    text += "}";
    Ok(text)
}

fn of_row(row: &LocalRow) -> Value {
    let school = match &row.scope {
        Scope::District => None,
        Scope::School(id) => Some(id),
    };
    json!({
        "indicator": row.indicator.as_str(),
        "preset": row.preset.map(|preset| preset.as_str()),
        "better": row.indicator.better().as_str(),
        "year": row.year,
        "school": school,
        "level": row.level.map(|level| level.as_str()),
        "grade": row.grade.map(|grade| grade.as_str()),
        "family": row.group.map(|(family, _)| family.as_str()),
        "group": row.group.map(|(_, group)| group),
        "n": row.n,
        "num": row.num,
        "den": row.den,
        "units": row.units,
        "value": row.value,
        "small": row.small,
        "missing": row.missing,
    })
}
