//! One suite for both kinds of store.

use flashlight_store::{ENTRY_BYTES_MAX, Entry, Head, KEY_BYTES_MAX, KEYS_MAX, Store};
use serde::{Deserialize, Serialize};

use super::{Note, all, answers_are_right, code, filled, note};

fn on_both(check: impl Fn(Store<Note>)) {
    check(Store::in_memory());
    let dir = tempfile::tempdir().unwrap();
    check(Store::open(dir.path()).unwrap());
}

#[test]
fn an_empty_store_has_no_entries_and_a_zero_head() {
    on_both(|store| {
        assert_eq!(store.head(), Head { seq: 0, hash: [0; 32] });
        assert!(all(&store).is_empty());
        assert_eq!(store.latest("any").unwrap(), None);
    });
}

#[test]
fn entries_come_back_in_order_with_their_times_and_hashes() {
    on_both(|mut store| {
        let mut appended = Vec::new();
        for n in 0..10 {
            // The clock may step back.
            let one = note(n % 3, "line\nbreak, \u{1f526}, \"quotes\" and \u{0}");
            let recorded = store.append(&one, 100 - n).unwrap();
            assert_eq!(recorded.hash, store.head().hash);
            appended.push((recorded.seq, recorded.time_ms, recorded.hash, one));
        }
        let read: Vec<_> =
            all(&store).into_iter().map(|r| (r.seq, r.time_ms, r.hash, r.entry)).collect();
        assert_eq!(read, appended);
        assert_eq!(read.iter().map(|one| one.0).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    });
}

#[test]
fn latest_is_the_newest_entry_with_that_key() {
    on_both(|mut store| {
        for n in 0..20 {
            store.append(&note(n % 3, &format!("text {n}")), 1_000 + n).unwrap();
            answers_are_right(&store, n + 1);
        }
    });
}

#[test]
fn both_kinds_of_store_have_the_same_head_after_the_same_entries() {
    let dir = tempfile::tempdir().unwrap();
    let (mut disk, mut memory) = (Store::open(dir.path()).unwrap(), Store::in_memory());
    for n in 0..5 {
        let one = note(n, "same");
        assert_eq!(disk.append(&one, n).unwrap(), memory.append(&one, n).unwrap());
    }
    assert_eq!(disk.head(), memory.head());
}

#[test]
fn the_longest_entry_is_recorded_and_one_byte_more_is_refused() {
    let around = serde_json::to_vec(&note(1, "")).unwrap().len();
    on_both(|mut store| {
        let longest = note(1, &"x".repeat(ENTRY_BYTES_MAX - around));
        store.append(&longest, 1).unwrap();
        let longer = note(1, &"x".repeat(ENTRY_BYTES_MAX - around + 1));
        assert_eq!(store.append(&longer, 2).unwrap_err().code(), "entry_too_large");
        assert_eq!(store.head().seq, 1);
        assert_eq!(store.latest("any").unwrap().unwrap().entry, longest);
    });
}

/// Comes back from JSON only when it is a number.
#[derive(Serialize, Deserialize)]
struct Rate(f64);

impl Entry for Rate {
    fn keys(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn an_entry_that_could_not_be_read_again_is_refused() {
    let mut store = Store::in_memory();
    store.append(&Rate(0.5), 1).unwrap();
    assert_eq!(store.append(&Rate(f64::NAN), 2).unwrap_err().code(), "entry_invalid");
    assert_eq!(store.head().seq, 1);
}

#[derive(Serialize, Deserialize)]
struct Keyed(Vec<String>);

impl Entry for Keyed {
    fn keys(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[test]
fn keys_over_the_limits_are_refused() {
    let mut store = Store::in_memory();
    let many = |count: usize| Keyed((0..count).map(|n| n.to_string()).collect());
    store.append(&many(KEYS_MAX), 1).unwrap();
    assert_eq!(store.append(&many(KEYS_MAX + 1), 2).unwrap_err().code(), "entry_invalid");
    let long = |length: usize| Keyed(vec!["k".repeat(length)]);
    store.append(&long(KEY_BYTES_MAX), 3).unwrap();
    assert_eq!(store.append(&long(KEY_BYTES_MAX + 1), 4).unwrap_err().code(), "entry_invalid");
    assert_eq!(store.head().seq, 2);
}

#[test]
fn a_key_given_twice_is_found_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let twice = Keyed(vec!["a".to_owned(), "a".to_owned()]);
    for seq in 1..4 {
        let mut store = Store::open(dir.path()).unwrap();
        store.append(&twice, 1).unwrap();
        assert_eq!(store.latest("a").unwrap().unwrap().seq, seq);
    }
}

#[test]
fn a_reopened_store_gives_the_same_answers_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    for count in [0, 1, 4, 9] {
        filled(dir.path(), count);
        answers_are_right(&Store::open(dir.path()).unwrap(), count);
    }
}

#[test]
fn an_open_store_is_locked_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::<Note>::open(dir.path()).unwrap();
    let error = Store::<Note>::open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "store_locked");
    let told =
        format!("{} is in use by another process; stop that one first", dir.path().display());
    assert_eq!(error.to_string(), told);
    drop(first);
    assert_eq!(code(Store::open(dir.path())), "ok");
}

#[test]
fn an_entry_of_another_kind_is_an_error_that_does_not_quote_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2);
    let store = Store::<Rate>::open(dir.path()).unwrap();
    let error = store.latest("any").map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "entry_unreadable");
    let told = format!("{error} {error:?}");
    assert!(told.contains("line 2") && !told.contains("text 1"), "{told}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/state");
    filled(&dir, 1);
    let mode = |name: &str| dir.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(["", "index"].map(mode), [0o700; 2]);
    assert_eq!(["journal", "lock"].map(mode), [0o600; 2]);
}
