//! A disk without room: nothing half-recorded, a clear error, and on it goes when there is room.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use flashlight_store::Store;

use super::{Note, all, note};

const CHILD: &str = "FLASHLIGHT_STORE_DISK_CHILD";

/// Not a test of its own: runs where no file may grow past 2 MiB (4 MiB with some shells), so that
/// the kernel itself cuts a write short and then refuses the rest.
#[test]
fn child_fills_its_disk() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    let big = "x".repeat(700_000);
    let error = (0..10).find_map(|n| store.append(&note(n, &big), n).err()).unwrap();
    assert_eq!(error.code(), "disk_full");
    let told = error.to_string();
    assert!(told.contains("journal") && told.contains("free space"), "{told}");
    assert!(told.contains("nothing was recorded"), "{told}");

    let before = store.head();
    assert!(before.seq >= 2);
    let length = Path::new(&dir).join("journal").metadata().unwrap().len();
    assert!(length < before.seq * 701_000, "the part of a line is still there");
    assert_eq!(store.append(&note(1, &big), 1).unwrap_err().code(), "disk_full");
    assert_eq!(store.append(&note(1, "small"), 2).unwrap().seq, before.seq + 1);
    assert_eq!(store.latest("any").unwrap().unwrap().entry, note(1, "small"));
}

#[test]
fn a_write_cut_short_leaves_no_trace_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::child_fills_its_disk", "--nocapture"])
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{} {told}", String::from_utf8_lossy(&child.stdout));

    let mut store = Store::<Note>::open(dir.path()).unwrap();
    let entries = all(&store);
    assert_eq!(entries.last().unwrap().entry, note(1, "small"));
    let next = store.append(&note(1, "there is room again"), 3).unwrap();
    assert_eq!(next.seq, entries.len() as u64 + 1);
}
