//! From pseudonyms back to the district's own ids, by way of its own files.
//!
//! The node keeps no ids. Whoever has the node's secret and the files it loaded can work out which
//! student is meant: every id of the files is put under the secret again and compared.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::{
    FileReport, RecordsError, Report,
    frame::{self, Broken, Opened},
    keys::{SECRET, Students},
    mapping::Mapping,
    report::Tally,
    tables::ENROLLMENTS,
};

const STUDENT: usize = ENROLLMENTS.place("student_id");

/// The ids in a folder's enrolments whose keys under `secret` are wanted, by key.
///
/// # Errors
/// [`RecordsError`] when the folder has no enrolments, or they cannot be read.
pub(crate) fn own_ids(
    folder: &Path,
    secret: &[u8; SECRET],
    wanted: &BTreeSet<u64>,
) -> Result<HashMap<u64, String>, RecordsError> {
    let paths =
        ["csv", "parquet"].map(|ending| folder.join(format!("{}.{ending}", ENROLLMENTS.name)));
    let path = paths.into_iter().find(|path| path.is_file()).ok_or(RecordsError::Missing)?;
    let mapping = Mapping::of(folder).map_err(super::FilesError::from)?;
    let (mut students, mut found) = (Students::under(secret), HashMap::new());
    let mut tally = Tally::of(ENROLLMENTS.name);
    let read = ids(&path, &mapping, &mut tally, |id| {
        let key = students.key(id).0;
        if wanted.contains(&key) && !found.contains_key(&key) {
            found.insert(key, id.to_owned());
        }
    });
    if let Err(broken) = read {
        broken.tell(&mut tally);
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let file = file.unwrap_or_default();
        let findings = tally.findings(0);
        let files =
            vec![FileReport { file, rows_read: 0, rows_kept: 0, findings, columns: Vec::new() }];
        return Err(RecordsError::Refused(Box::new(Report { files, study: Vec::new() })));
    }
    Ok(found)
}

fn ids(
    path: &Path,
    mapping: &Mapping,
    tally: &mut Tally,
    mut see: impl FnMut(&str),
) -> Result<(), Broken> {
    let copy = frame::copy_of(path, &ENROLLMENTS)?;
    let mut opened = Opened::of(path, copy, &ENROLLMENTS, mapping, tally)?;
    opened.each(tally, |frame, _| {
        (0..frame.rows).filter_map(|at| frame.text(STUDENT, at)).for_each(&mut see);
    })
}
