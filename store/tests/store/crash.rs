//! kill -9 at any moment loses nothing that was acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flashlight_store::Store;

use super::{Note, Random, all, note};

/// Names the state folder for the child; without it the child's test does nothing.
const CHILD: &str = "FLASHLIGHT_STORE_CRASH_CHILD";

const KILLS: u64 = 40;

/// Not a test of its own: appends until it is killed, and says so after each entry.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let seq = store.head().seq + 1;
        let text = "x".repeat(usize::try_from(seq * 37 % 9_000).unwrap());
        let recorded = store.append(&note(seq % 5, &text), seq).unwrap();
        writeln!(out, "\nack {}", recorded.seq).unwrap();
        out.flush().unwrap();
    }
}

/// Starts the child, kills it at a random moment, returns the last entry it acknowledged.
fn run_and_kill(dir: &Path, random: &mut Random) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_appends_until_it_is_killed", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged =
        |line: std::io::Result<String>| line.unwrap().strip_prefix("ack ")?.parse().ok();
    // Every fourth is killed while it starts, the others after a few entries.
    let wait = if random.below(4) == 0 { 0 } else { 1 + random.below(12) };
    let mut last = None;
    for _ in 0..wait {
        last = lines.by_ref().find_map(acknowledged);
    }
    let spin = Duration::from_micros(random.below(if wait == 0 { 30_000 } else { 3_000 }));
    let start = Instant::now();
    while start.elapsed() < spin {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.filter_map(acknowledged).last().or(last)
}

#[test]
fn every_acknowledged_entry_survives_kill_9() {
    let mut random = Random::seeded("every_acknowledged_entry_survives_kill_9");
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        acknowledged = run_and_kill(dir.path(), &mut random).unwrap_or(0).max(acknowledged);
        if kill % 8 == 7 {
            let store = Store::<Note>::open(dir.path()).unwrap();
            // At most the one that was being written is there without having been acknowledged, per
            // kill since; all are whole.
            assert!(store.head().seq >= acknowledged, "lost after {acknowledged}");
            assert!(store.head().seq <= acknowledged + 8);
            let entries = all(&store);
            assert_eq!(entries.len() as u64, store.head().seq);
            for entry in &entries {
                assert_eq!(entry.entry.text.len() as u64, entry.seq * 37 % 9_000);
                assert_eq!(entry.time_ms, entry.seq);
            }
            let newest = store.latest("any").unwrap().map(|one| one.seq);
            assert_eq!(newest, entries.last().map(|one| one.seq));
        }
    }
    assert!(acknowledged > KILLS, "only {acknowledged} entries were written");
}
