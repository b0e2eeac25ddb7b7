//! `flashlight-demo` as somebody types it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn demo(out: &Path, args: &[&str]) -> Output {
    let demo = env!("CARGO_BIN_EXE_flashlight-demo");
    Command::new(demo).arg("--out").arg(out).args(args).output().unwrap()
}

#[test]
fn the_demo_publishes_with_noise_and_shows_beside_it_what_it_kept_for_itself() {
    let out = tempfile::tempdir().unwrap();
    let ran = demo(out.path(), &[]);
    let (said, error) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{error}\n{said}");
    let line = |start: &str| {
        let found = said.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?}: {said}"))
    };
    assert!(line("private ± 95 %").contains("exact"), "{said}");
    assert!(line("sex F").contains(" ± ") && line("race_ethnicity Hispanic").contains("hidden"));
    assert!(line("privacy ").contains("rho = 0.1 (zCDP): epsilon 2.15 at delta 1e-6"), "{said}");
    assert!(line("checked ").contains("noisy sums"), "{said}");
    assert!(line("the noise of 50 of them").contains("too large for any noise to hide"), "{said}");
    let ledger = line("ledger ");
    assert!(
        ledger.contains("rho 0.1 charged of 1, 0.9 left; star-1989-grade-3 (published)"),
        "{said}"
    );
    assert!(line("note ").contains("derived from the data"), "{said}");
    if cfg!(debug_assertions) {
        assert!(line("lost ").contains("charged rho 0.1 although nothing left it"), "{said}");
    }
    let wide: Vec<&str> = said.lines().filter(|line| line.chars().count() > 100).collect();
    let wide: Vec<&&str> = wide.iter().filter(|line| !line.contains("  release ")).collect();
    assert!(wide.is_empty(), "lines over 100 columns: {wide:?}");
}

#[test]
fn exact_sums_have_no_rho() {
    let out = tempfile::tempdir().unwrap();
    let ran = demo(out.path(), &["--mode", "exact", "--rho", "1"]);
    assert_eq!(ran.status.code(), Some(1));
    let error = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(error, "demo: error: --rho is for --mode dp; exact sums have no noise\n");
}
