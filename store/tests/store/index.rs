//! The index may be lost, damaged or old without changing an answer; it may not be ahead.

use std::fs;
use std::path::{Path, PathBuf};

use flashlight_store::{Store, StoreError};

use super::{Note, Random, answers_are_right, code, copy_dir, filled, note};

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_deleted_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 20);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    answers_are_right(&Store::open(dir.path()).unwrap(), 20);
}

#[test]
fn an_index_that_is_a_file_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 20);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    fs::write(dir.path().join("index"), "what is this").unwrap();
    answers_are_right(&Store::open(dir.path()).unwrap(), 20);
}

#[test]
fn an_index_of_garbage_is_rebuilt() {
    let mut random = Random::seeded("an_index_of_garbage_is_rebuilt");
    for _ in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), 20);
        for file in files_in(&dir.path().join("index")) {
            let bytes: Vec<u8> = fs::read(&file).unwrap();
            let noise = bytes.iter().map(|_| u8::try_from(random.below(256)).unwrap());
            fs::write(&file, noise.collect::<Vec<_>>()).unwrap();
        }
        answers_are_right(&Store::open(dir.path()).unwrap(), 20);
    }
}

#[test]
fn a_damaged_index_never_changes_an_answer() {
    let mut random = Random::seeded("a_damaged_index_never_changes_an_answer");
    let original = tempfile::tempdir().unwrap();
    filled(original.path(), 40);
    for case in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let files = files_in(&dir.path().join("index"));
        let file = &files[case % files.len()];
        let mut bytes = fs::read(file).unwrap();
        // Mostly where data is: sled fills its file up with zeros.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let at = random.place(&bytes[..used]);
        match case / files.len() % 3 {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            _ => bytes[at..].iter_mut().take(64).for_each(|byte| *byte = 0),
        }
        fs::write(file, bytes).unwrap();
        answers_are_right(&Store::open(dir.path()).unwrap(), 40);
        answers_are_right(&Store::open(dir.path()).unwrap(), 40);
    }
}

#[test]
fn an_index_that_is_behind_catches_up() {
    for behind in [0, 1, 7] {
        let dir = tempfile::tempdir().unwrap();
        let old = tempfile::tempdir().unwrap();
        filled(dir.path(), behind);
        if behind > 0 {
            copy_dir(&dir.path().join("index"), old.path());
        }
        filled(dir.path(), 20);
        fs::remove_dir_all(dir.path().join("index")).unwrap();
        copy_dir(old.path(), &dir.path().join("index"));
        answers_are_right(&Store::open(dir.path()).unwrap(), 20);
        answers_are_right(&Store::open(dir.path()).unwrap(), 20);
    }
}

#[test]
fn a_journal_rolled_back_at_a_line_boundary_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 5);
    let path = dir.path().join("journal");
    let whole = fs::read_to_string(&path).unwrap();
    for lines in [4, 1, 0] {
        let back: String = whole.split_inclusive('\n').take(lines).collect();
        fs::write(&path, &back).unwrap();
        let error = Store::<Note>::open(dir.path()).unwrap_err();
        assert_eq!(error.code(), "journal_behind_index");
        assert!(error.to_string().contains("5 entries were recorded"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), back);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(code(Store::open(dir.path())), "journal_behind_index");
    fs::write(&path, whole).unwrap();
    answers_are_right(&Store::open(dir.path()).unwrap(), 5);
}

#[test]
fn a_journal_rolled_back_and_continued_otherwise_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    filled(dir.path(), 5);
    filled(other.path(), 4);
    let mut store = Store::open(other.path()).unwrap();
    for length in 5..8 {
        store.append(&note(1, "another history"), 1).unwrap();
        fs::copy(other.path().join("journal"), dir.path().join("journal")).unwrap();
        let error = Store::<Note>::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Forked { seq: 5, .. }), "{length} entries: {error}");
    }
}
