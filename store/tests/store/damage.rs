//! Anything changed in the journal is found; only a last line cut short is removed.

use std::fs;

use flashlight_store::{Store, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Note, all, code, filled, note};

/// A folder with nothing but this journal: no index that could know better.
fn only_journal(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal"), bytes).unwrap();
    dir
}

fn open(bytes: &[u8]) -> (TempDir, Result<Store<Note>, StoreError>) {
    let dir = only_journal(bytes);
    let opened = Store::open(dir.path());
    (dir, opened)
}

fn journal_of(count: u64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), count);
    fs::read(dir.path().join("journal")).unwrap()
}

/// Offset at which the last line starts.
fn last_line(bytes: &[u8]) -> usize {
    let before = &bytes[..bytes.len() - 1];
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

#[test]
fn every_flipped_bit_of_a_journal_is_found() {
    let whole = journal_of(3);
    let dir = only_journal(&whole);
    let path = dir.path().join("journal");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(code(Store::open(dir.path())), "journal_corrupt", "byte {at} bit {bit}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "byte {at} bit {bit} was repaired");
        }
    }
}

#[test]
fn the_error_names_the_first_bad_line() {
    let mut bytes = journal_of(5);
    let at = bytes.windows(6).position(|text| text == b"text 2").unwrap();
    bytes[at] = b'T';
    let error = open(&bytes).1.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { line: 3, .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("ext 2"));
}

#[test]
fn every_torn_last_line_is_removed_and_the_lines_before_survive() {
    let whole = journal_of(3);
    let last = last_line(&whole);
    for length in last..whole.len() {
        let (dir, opened) = open(&whole[..length]);
        let mut store = opened.unwrap();
        let texts: Vec<_> = all(&store).into_iter().map(|one| one.entry.text).collect();
        assert_eq!(texts, ["text 0", "text 1"], "cut at {length}");
        assert_eq!(fs::read(dir.path().join("journal")).unwrap(), &whole[..last]);
        if length % 16 == 0 {
            store.append(&note(7, "after"), 9).unwrap();
            drop(store);
            assert_eq!(Store::<Note>::open(dir.path()).unwrap().head().seq, 3);
        }
    }
}

#[test]
fn a_torn_line_is_not_removed_when_the_index_knows_it_was_whole() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let path = dir.path().join("journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    assert_eq!(code(Store::open(dir.path())), "journal_behind_index");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_last_line_of_zeros_without_an_end_is_removed() {
    let mut bytes = journal_of(2);
    let length = bytes.len();
    bytes.extend([0; 300]);
    let (dir, opened) = open(&bytes);
    assert_eq!(opened.unwrap().head().seq, 2);
    assert_eq!(fs::read(dir.path().join("journal")).unwrap().len(), length);
}

#[test]
fn removed_swapped_and_repeated_lines_are_found() {
    let whole = String::from_utf8(journal_of(4)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for order in [&[1, 2, 3][..], &[0, 2, 3], &[0, 2, 1, 3], &[0, 1, 1, 2, 3], &[0, 1, 2, 3, 3]] {
        let text: String = order.iter().map(|n| format!("{}\n", lines[*n])).collect();
        assert_eq!(code(open(text.as_bytes()).1), "journal_corrupt", "{order:?}");
    }
    for text in [format!("{whole}\n"), format!("\n{whole}"), whole.replace('\n', "\r\n")] {
        assert_eq!(code(open(text.as_bytes()).1), "journal_corrupt");
    }
}

#[test]
fn a_line_of_another_journal_is_found() {
    let ours = journal_of(3);
    let dir = tempfile::tempdir().unwrap();
    let mut other = Store::open(dir.path()).unwrap();
    for n in 0..3 {
        other.append(&note(n, "theirs"), n).unwrap();
    }
    let theirs = fs::read(dir.path().join("journal")).unwrap();
    let spliced = [&ours[..last_line(&ours)], &theirs[last_line(&theirs)..]].concat();
    let error = open(&spliced).1.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { line: 3, .. }), "{error}");
}

#[test]
fn a_line_longer_than_a_line_may_be_is_refused() {
    let mut bytes = journal_of(1);
    bytes.extend(vec![b'x'; 2 << 20]);
    assert_eq!(code(open(&bytes).1), "journal_corrupt");
}

#[test]
fn damage_after_opening_is_found_by_whoever_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3);
    let mut store = Store::<Note>::open(dir.path()).unwrap();
    let path = dir.path().join("journal");
    let whole = fs::read(&path).unwrap();

    let mut bytes = whole.clone();
    let at = bytes.windows(6).position(|text| text == b"text 1").unwrap();
    bytes[at] = b'T';
    fs::write(&path, &bytes).unwrap();
    assert_eq!(store.latest("topic/1").unwrap_err().code(), "journal_corrupt");
    let read: Vec<_> = store.entries().unwrap().map(|one| one.map(|one| one.seq)).collect();
    assert!(matches!(read[..], [Ok(1), Err(StoreError::Corrupt { line: 2, .. })]), "{read:?}");

    fs::write(&path, &whole[..last_line(&whole)]).unwrap();
    let read: Vec<_> = store.entries().unwrap().map(|one| one.map(|one| one.seq)).collect();
    assert!(matches!(read[..], [Ok(1), Ok(2), Err(StoreError::Corrupt { line: 3, .. })]));
    assert_eq!(store.append(&note(1, "x"), 1).unwrap_err().code(), "journal_corrupt");
    assert_eq!(store.append(&note(1, "x"), 1).unwrap_err().code(), "store_poisoned");
}

#[cfg(unix)]
#[test]
fn a_journal_that_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join("journal")).unwrap();
    assert_eq!(code(Store::open(dir.path())), "io");
}

/// The script of `src/line.rs`, word for word.
#[cfg(target_os = "linux")]
#[test]
fn a_shell_and_sha256sum_verify_a_journal() {
    let source = include_str!("../../src/line.rs");
    let script = source.split("//! ```sh\n").nth(1).unwrap().split("//! ```").next().unwrap();
    let script = script.replace("//! ", "");
    let verify = |bytes: &[u8]| {
        let dir = only_journal(bytes);
        let mut sh = std::process::Command::new("sh");
        let ran = sh.arg("-c").arg(&script).current_dir(dir.path()).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    for text in ["", "two  spaces \\ and % é", "\t\n"] {
        store.append(&note(1, text), 5).unwrap();
    }
    let head: String = store.head().hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut bytes = fs::read(dir.path().join("journal")).unwrap();
    assert_eq!(verify(&bytes), format!("3 entries, head {head}\n"));
    let at = bytes.windows(3).position(|text| text == b"two").unwrap();
    bytes[at] = b'T';
    assert_eq!(verify(&bytes), "line 2 is wrong\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_changed_byte_of_any_journal_is_found(
        texts in prop::collection::vec(".{0,200}", 1..8),
        place: prop::sample::Index,
        change in 1_u8..,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        for (n, text) in (0..).zip(&texts) {
            store.append(&note(n, text), n).unwrap();
        }
        drop(store);
        let path = dir.path().join("journal");
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[place.index(whole.len())] ^= change;
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(code(Store::open(dir.path())), "journal_corrupt");
        prop_assert_eq!(code(open(&bytes).1), "journal_corrupt");
        fs::write(&path, &whole).unwrap();
        prop_assert_eq!(code(Store::open(dir.path())), "ok");
    }
}
