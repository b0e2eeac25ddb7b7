//! A journal is read beside the process that writes it: nothing is locked, made or changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use flashlight_store::{Recorded, Store, StoreError, read_journal};

use super::{Note, all, filled, note};

fn read(dir: &Path) -> Result<Vec<Recorded<Note>>, StoreError> {
    read_journal::<Note>(dir)?.collect()
}

/// Every file of a folder, with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_journal_is_read_while_a_store_has_it_open_and_goes_on_writing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    for n in 0..40 {
        store.append(&note(n % 3, &format!("text {n}")), n).unwrap();
        let found = read(dir.path()).unwrap();
        assert_eq!(found, all(&store));
        assert_eq!(found.last().unwrap().hash, store.head().hash);
    }
}

#[test]
fn a_reader_beside_a_busy_writer_never_sees_half_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1);
    let mut store = Store::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for n in 0..60 {
                store.append(&note(n, &"long ".repeat(4000)), n).unwrap();
            }
        });
        let mut seen = 0;
        while !writer.is_finished() {
            let now = read(dir.path()).unwrap().len();
            assert!(now >= seen, "{now} entries after {seen}");
            seen = now;
        }
    });
    assert_eq!(read(dir.path()).unwrap().len(), 61);
}

#[test]
fn entries_recorded_after_the_reading_began_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2);
    let reading = read_journal::<Note>(dir.path()).unwrap();
    filled(dir.path(), 5);
    assert_eq!(reading.map(Result::unwrap).count(), 2);
}

#[test]
fn every_changed_byte_is_found_by_the_reader_too() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let path = dir.path().join("journal");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(dir.path()).unwrap_err().code(), "journal_corrupt", "byte {at}");
    }
}

#[test]
fn reading_ends_after_the_first_error_and_what_came_before_it_was_verified() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5);
    let path = dir.path().join("journal");
    let text = fs::read_to_string(&path).unwrap().replace("text 2", "Text 2");
    fs::write(&path, text).unwrap();
    let items: Vec<_> = read_journal::<Note>(dir.path()).unwrap().collect();
    assert_eq!(items.len(), 3);
    assert!(matches!(items[2], Err(StoreError::Corrupt { line: 3, .. })), "{:?}", items[2]);
}

#[test]
fn a_last_line_cut_short_anywhere_is_left_out_and_left_there() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let path = dir.path().join("journal");
    let whole = fs::read(&path).unwrap();
    let second = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in second..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let before = files(dir.path());
        assert_eq!(read(dir.path()).unwrap().len(), 2, "cut at {length}");
        assert_eq!(files(dir.path()), before, "cut at {length}");
    }
}

#[test]
fn a_whole_last_line_with_a_damaged_line_break_is_no_line_being_written() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2);
    let path = dir.path().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() = b'x';
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read(dir.path()).unwrap_err().code(), "journal_corrupt");
}

#[test]
fn where_there_is_no_journal_there_are_no_entries_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()).unwrap(), []);
    assert_eq!(read(&dir.path().join("state")).unwrap(), []);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn reading_changes_no_file_of_the_folder_and_takes_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 4);
    let before = files(dir.path());
    let reading = read_journal::<Note>(dir.path()).unwrap();
    let store = Store::<Note>::open(dir.path()).unwrap();
    assert_eq!(reading.count(), 4);
    drop(store);
    assert_eq!(files(dir.path()), before);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read_as_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join("journal")).unwrap();
    assert_eq!(read(dir.path()).unwrap_err().code(), "io");
}
