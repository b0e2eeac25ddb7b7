//! The ids behind the findings, for the district's own people: the one output that holds any.
//!
//! In: the files again, and the row numbers of a report. Out: CSV text with file, row, rule and id.
//! Promise: nothing of it goes anywhere but to the file asked for, which its owner alone can read.

use std::{collections::BTreeSet, path::Path};

use crate::records::{Report, ids_at};

/// The list, and how many rows of files it names. A file that cannot be read any more gives rows
/// without ids.
pub(super) fn list(folder: &Path, report: &Report) -> (String, usize) {
    let mut list = String::from("file,row,rule,effect,student_id,finding\n");
    let mut named = 0;
    for file in &report.files {
        let rows: BTreeSet<u64> =
            file.findings.iter().flat_map(|finding| finding.behind.iter().copied()).collect();
        if rows.is_empty() {
            continue;
        }
        let ids = ids_at(&folder.join(&file.file), &rows).unwrap_or_default();
        named += ids.len();
        for finding in &file.findings {
            for row in &finding.behind {
                let id = ids.get(row).map_or("", String::as_str);
                let (rule, effect) = (finding.rule, finding.effect.as_str());
                let (name, id, message) =
                    (quoted(&file.file), quoted(id), quoted(&finding.message));
                list.push_str(&format!("{name},{row},{rule:?},{effect},{id},{message}\n"));
            }
        }
    }
    (list, named)
}

/// A field of CSV. A text that a spreadsheet would take for a formula keeps its first letter quoted in.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
