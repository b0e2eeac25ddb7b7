//! `flashlight-node load`: a district's files into the node's own store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::check::{Beside, loaded_before, validation};
use crate::cli::{note, say};
use crate::records::{LoadError, RecordsError, load};
use crate::round::now_ms;

/// Loads a folder or files; what is wrong with them is shown, and then nothing was loaded.
pub(crate) fn command(paths: &[PathBuf], dir: &Path) -> anyhow::Result<ExitCode> {
    let before = loaded_before(dir)?;
    let (loaded, records, report) = match load(paths, dir, now_ms()) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let LoadError::Records(RecordsError::Refused(report)) = &error {
                let refused = validation(None, (**report).clone(), Beside::default());
                say(refused.to_string().trim_end())?;
            }
            let code = error.code();
            note(&format!("error: {:#} ({code})", anyhow::Error::new(error)));
            note("nothing was loaded: the store is as it was");
            return Ok(ExitCode::FAILURE);
        }
    };
    let folder = paths.first().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    let beside =
        Beside { folder: folder.filter(|_| paths.len() == 1), schools: None, before: &before };
    say(validation(Some(&records), report, beside).to_string().trim_end())?;
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
