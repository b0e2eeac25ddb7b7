//! Books that were rolled back, cut, changed or replaced.

use std::fs;
use std::path::Path;

use flashlight_node::journal::Journal;
use flashlight_node::ledger::{check_not_behind, salted_head};
use flashlight_proto::canonical::Digest;

use crate::setting::{Ask, Books, code, secret};

/// What the node would have shown when it advertised.
fn shown(journal: &Journal) -> Option<(u64, Digest)> {
    let head = journal.head();
    Some((head.seq, salted_head(&secret(0), head)))
}

fn checked(journal: &Journal, logged: Option<(u64, Digest)>) -> &'static str {
    code(check_not_behind(journal, &secret(0), logged))
}

fn open(dir: &Path) -> Books {
    Books::over(Journal::open(dir).unwrap())
}

fn charge(books: &mut Books, as_of: &'static str) {
    books.charge(&Ask { rho: 0.3, as_of, ..Ask::default() }).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_journal_that_has_grown_since_it_was_logged_is_in_order() {
    let mut books = Books::new();
    assert_eq!(checked(&books.journal, None), "no refusal");
    charge(&mut books, "2024-06-30");
    let logged = shown(&books.journal);
    assert_eq!(checked(&books.journal, logged), "no refusal");
    charge(&mut books, "2024-08-30");
    assert_eq!(checked(&books.journal, logged), "no refusal");
}

#[test]
fn a_folder_restored_from_an_older_backup_is_found_by_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (state, backup) = (dir.path().join("state"), dir.path().join("backup"));
    let mut books = open(&state);
    charge(&mut books, "2024-06-30");
    drop(books);
    copy(&state, &backup);
    let mut books = open(&state);
    charge(&mut books, "2024-08-30");
    let logged = shown(&books.journal);
    drop(books);
    // The whole folder, index and all: nothing in it tells.
    let books = open(&backup);
    assert_eq!(checked(&books.journal, logged), "ledger_behind");
}

#[test]
fn a_journal_cut_at_a_line_is_found_by_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut books = open(dir.path());
    charge(&mut books, "2024-06-30");
    charge(&mut books, "2024-08-30");
    let logged = shown(&books.journal);
    drop(books);
    let path = dir.path().join("journal");
    let text = fs::read(&path).unwrap();
    let first = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&path, &text[..first]).unwrap();
    assert_eq!(Journal::open(dir.path()).unwrap_err().code(), "journal_behind_index");
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let books = open(dir.path());
    assert_eq!(checked(&books.journal, logged), "ledger_behind");
}

#[test]
fn another_history_of_the_same_length_is_found_by_the_log() {
    let (mut one, mut other) = (Books::new(), Books::new());
    charge(&mut one, "2024-06-30");
    charge(&mut other, "2024-06-29");
    assert_eq!(checked(&other.journal, shown(&one.journal)), "ledger_forked");
    charge(&mut other, "2024-08-30");
    assert_eq!(checked(&other.journal, shown(&one.journal)), "ledger_forked");
    assert_eq!(checked(&one.journal, Some((0, Digest::of(b"")))), "ledger_forked");
}

#[test]
fn a_flipped_bit_anywhere_in_a_charge_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut books = open(dir.path());
    charge(&mut books, "2024-06-30");
    charge(&mut books, "2024-08-30");
    drop(books);
    let path = dir.path().join("journal");
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(37) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(Journal::open(dir.path()).is_err(), "byte {at}");
    }
    fs::write(&path, &good).unwrap();
    assert!(Journal::open(dir.path()).is_ok());
}

#[test]
fn a_journal_changed_under_our_hands_gives_no_right_to_spend() {
    for cut in [1, 40] {
        let dir = tempfile::tempdir().unwrap();
        let mut books = open(dir.path());
        charge(&mut books, "2024-06-30");
        let path = dir.path().join("journal");
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - cut]).unwrap();
        let spend = books.charge(&Ask { as_of: "2024-08-30", ..Ask::default() });
        assert_eq!(code(spend), "journal_corrupt");
    }
}
