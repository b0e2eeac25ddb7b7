//! The promises of the store, each with the fault that would break it: damage, lost indexes, rolled
//! back journals, full disks and kill -9.

#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking, like tests")]

mod answers;
mod beside;
mod crash;
mod damage;
mod disk;
mod files;
mod index;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use flashlight_store::{Entry, Recorded, Store, StoreError};
use serde::{Deserialize, Serialize};

/// An entry with two keys: one of its topic, one that all notes share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    topic: u64,
    text: String,
}

impl Entry for Note {
    fn keys(&self) -> Vec<String> {
        vec![format!("topic/{}", self.topic), "any".to_owned()]
    }
}

fn note(topic: u64, text: &str) -> Note {
    Note { topic, text: text.to_owned() }
}

fn all(store: &Store<Note>) -> Vec<Recorded<Note>> {
    store.entries().unwrap().map(Result::unwrap).collect()
}

/// A store in `dir` with `count` notes on three topics, closed again.
fn filled(dir: &Path, count: u64) {
    let mut store = Store::open(dir).unwrap();
    for n in store.head().seq..count {
        store.append(&note(n % 3, &format!("text {n}")), 1_000 + n).unwrap();
    }
}

/// What the newest note of each topic of [`filled`] must be, with `count` notes in all.
fn answers_are_right(store: &Store<Note>, count: u64) {
    assert_eq!(store.head().seq, count);
    for topic in 0..3 {
        let newest = (0..count).rev().find(|n| n % 3 == topic);
        let got = store.latest(&format!("topic/{topic}")).unwrap();
        let got = got.map(|one| (one.seq, one.time_ms, one.entry));
        assert_eq!(got, newest.map(|n| (n + 1, 1_000 + n, note(topic, &format!("text {n}")))));
    }
    assert_eq!(
        store.latest("any").unwrap().map(|one| one.seq),
        count.checked_sub(1).map(|n| n + 1)
    );
    assert_eq!(store.latest("topic/9").unwrap(), None);
}

fn code(opened: Result<Store<Note>, StoreError>) -> &'static str {
    opened.map_or_else(|error| error.code(), |_| "ok")
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// splitmix64, seeded from `FLASHLIGHT_TEST_SEED` or anew each run; says which.
struct Random(u64);

impl Random {
    fn seeded(test: &str) -> Self {
        let given = std::env::var("FLASHLIGHT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(test));
        say(&format!("{test}: FLASHLIGHT_TEST_SEED={seed}"));
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        usize::try_from(self.below(bytes.len() as u64)).unwrap()
    }
}

#[expect(clippy::print_stdout, reason = "the harness shows it only when the test fails")]
fn say(line: &str) {
    println!("{line}");
}
