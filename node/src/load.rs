//! `flashlight-node load`: a district's files into the node's own store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{note, say};
use crate::records::{LoadError, RecordsError, load};
use crate::round::now_ms;

/// Loads a folder or files; what is wrong with them is shown, and then nothing was loaded.
pub(crate) fn command(paths: &[PathBuf], dir: &Path) -> anyhow::Result<ExitCode> {
    let (loaded, report) = match load(paths, dir, now_ms()) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let LoadError::Records(RecordsError::Refused(report)) = &error {
                say(&report.to_string())?;
            }
            let code = error.code();
            note(&format!("error: {:#} ({code})", anyhow::Error::new(error)));
            note("nothing was loaded: the store is as it was");
            return Ok(ExitCode::FAILURE);
        }
    };
    say(report.to_string().trim_end())?;
    say("\nloaded:")?;
    for one in &loaded.tables {
        let year = one.school_year.map_or_else(|| "all years".to_owned(), |year| year.to_string());
        say(&format!("  {:<20} {year:>9} {:>12} rows", one.table, one.rows))?;
    }
    for one in &loaded.strays {
        let year = one.school_year.unwrap_or_default();
        note(&format!(
            "{} {year}: {} rows were not loaded: the files have no enrolments of {year}, and the store \
             holds far more rows of it. Load that year's files together",
            one.table, one.rows
        ));
    }
    note("student ids are kept as pseudonyms only; `flashlight-node local` shows your numbers");
    Ok(ExitCode::SUCCESS)
}
