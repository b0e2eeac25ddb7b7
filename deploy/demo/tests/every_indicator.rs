//! Studies of every indicator over real processes and a made network of six districts: what is
//! published is what the districts' own files come to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flashlight_node::aggregate::Whose;
use flashlight_node::local::exact_cells;
use flashlight_node::records::Records;
use flashlight_proto::canonical::Digest;
use flashlight_proto::category::{Indicator, Preset};
use flashlight_proto::layout::Layout;
use flashlight_proto::release::{Outcome, Verified, verify_folder};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

/// The made network: six districts, five school years, so that every class has its earlier ones.
const ARGS: [&str; 9] =
    ["make", "--districts", "6", "--students", "3600", "--years", "5", "--seed", "44"];

fn demo(args: &[&str], paths: &[(&str, &Path)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashlight-demo"));
    command.args(args);
    for (name, path) in paths {
        command.arg(name).arg(path);
    }
    let ran = command.output().unwrap();
    let (said, error) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{error}\n{said}");
    format!("{error}{said}")
}

/// The network's folder, made once for all tests of this file.
fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("every-indicator");
        drop(fs::remove_dir_all(&out));
        demo(&ARGS, &[("--out", &out)]);
        out
    })
}

/// The tests of the made study, with bounds for subjects it has none for.
fn tests() -> String {
    let study = fs::read_to_string(made().join("study.toml")).unwrap();
    let (_, tests) = study.split_once("[[test]]").unwrap();
    let (tests, _) = tests.split_once("[[table]]").unwrap();
    format!("[[test]]{tests}\n")
}

/// Every indicator and preset that the mode takes and the tests have scores for.
fn tables(is_exact: bool, test: &str, subjects: &str) -> String {
    let mut text = String::new();
    for &indicator in Indicator::ALL {
        let reads = indicator.subject();
        if reads.is_some_and(|subject| !subjects.contains(&format!("scores.{subject}"))) {
            continue;
        }
        let presets = indicator.presets().iter().filter(|one| is_exact || **one != Preset::PerItem);
        let mut presets: Vec<String> =
            presets.map(|preset| format!("preset = \"{preset}\"\n")).collect();
        if presets.is_empty() {
            presets.push(String::new());
        }
        for preset in presets {
            let _ = writeln!(text, "[[table]]\nindicator = \"{indicator}\"\n{preset}");
            if reads.is_some() {
                let _ = writeln!(text, "test = \"{test}\"");
            }
            let _ = match (is_exact, indicator.is_of_adults()) {
                (false, _) => writeln!(text, "by = [[]]"),
                (true, true) => writeln!(text, "by = [[], [\"level\"]]"),
                (true, false) => writeln!(
                    text,
                    "by = [[], [\"level\", \"grade\"]]\nfamilies = [\"el\", \"race_ethnicity\"]"
                ),
            };
        }
    }
    text
}

/// Writes the study beside the made school table.
fn study(name: &str, privacy: &str) -> PathBuf {
    let is_exact = privacy.contains("exact");
    let tests = tests();
    let (_, id) = tests.split_once("id").unwrap();
    let test = id.split('"').nth(1).unwrap();
    let schools = Digest::of(&fs::read(made().join("schools.csv")).unwrap());
    let text = format!(
        "[study]\nid = \"{name}\"\ntitle = \"Every indicator\"\nschool_year = 2024\n\
         as_of = \"2024-08-31\"\nschools = {{ file = \"schools.csv\", sha256 = \"{schools}\" }}\n\
         [privacy]\n{privacy}\n[cohort]\nmin_districts = 5\nmax_dropped = 1\nmax_colluding = 1\n\
         [suppression]\nmin_n = 3\n{tests}{}",
        tables(is_exact, test, &tests)
    );
    let path = made().join(format!("{name}.toml"));
    fs::write(&path, text).unwrap();
    path
}

/// Runs the network; returns what it said and the release it published.
fn run(study: &Path) -> (String, Verified) {
    let out = tempfile::tempdir().unwrap();
    let districts = made().join("districts");
    let said = demo(&[], &[("--out", out.path()), ("--data", &districts), ("--study", study)]);
    let releases = out.path().join("hub/releases");
    let folder = fs::read_dir(releases).unwrap().next().unwrap().unwrap().path();
    let files: BTreeMap<String, Vec<u8>> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    (said, verify_folder(&files, None).unwrap())
}

/// n, total and items of every cell, added up over the districts that are in the sums.
fn pooled(study: &Path, verified: &Verified) -> Vec<(u64, i64, u64)> {
    let study = Study::parse(&fs::read(study).unwrap()).unwrap();
    let schools = SchoolTable::parse(&fs::read(made().join("schools.csv")).unwrap()).unwrap();
    let layout = Layout::derive(&study, &schools).unwrap();
    let mut sums: Vec<(u64, i64, u64)> = Vec::new();
    for district in verified.release.facts().survivors {
        let folder = made().join("districts").join(district.as_str());
        let (records, _) = Records::read(&folder).unwrap();
        let whose = Whose { district: Some(&district), accept_responses: true };
        let cells = exact_cells(&records, &study, &schools, &layout, whose).unwrap();
        sums.resize(cells.len(), (0, 0, 0));
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum = (sum.0 + cell.n, sum.1 + cell.total, sum.2 + cell.den);
        }
    }
    sums
}

#[test]
fn exact_sums_of_every_indicator_are_those_of_the_districts_own_results() {
    let study = study("exact", "mode = \"exact\"");
    let (said, verified) = run(&study);
    let sums = pooled(&study, &verified);
    let cells = verified.release.cells();
    assert_eq!(sums.len(), cells.len());
    let mut shown = BTreeSet::new();
    for (cell, (n, total, den)) in cells.iter().zip(sums) {
        let total_n = u64::try_from(total).ok();
        let is_same = match cell.outcome {
            Outcome::Suppressed => n < 3,
            Outcome::Count { n: got } => got == n,
            Outcome::Rate { num, n: got } => (Some(num), got) == (total_n, n),
            Outcome::Items { num, den: items, n: got } => {
                (Some(num), items, got) == (total_n, den, n)
            }
            Outcome::Mean { sum, n: got, .. } => (sum, got) == (total, n),
            Outcome::Noisy(_) => false,
        };
        assert!(is_same, "{cell:?}: {n} {total} {den}");
        if cell.outcome != Outcome::Suppressed {
            shown.insert((cell.indicator, cell.preset));
        }
    }
    let asked: BTreeSet<_> =
        verified.study.tables.iter().map(|table| (table.indicator, table.preset)).collect();
    let hidden: Vec<_> = asked.difference(&shown).collect();
    assert!(hidden.is_empty(), "nothing is shown of {hidden:?}: {said}");
    assert!(asked.len() > 60, "{}", asked.len());
    assert!(said.contains("published cells equal to the last integer"), "{said}");
}

#[test]
fn noisy_sums_of_every_indicator_carry_the_noise_that_was_promised() {
    let study = study("noisy", "mode = \"dp\"\nrho = 20");
    let (said, verified) = run(&study);
    // The demo ends with an error where the noise is not what the plan promises.
    assert!(said.contains("noisy sums"), "{said}");
    let shown: BTreeSet<Indicator> = verified
        .release
        .cells()
        .iter()
        .filter(|cell| cell.outcome != Outcome::Suppressed)
        .map(|cell| cell.indicator)
        .collect();
    assert!(shown.len() > 40, "{shown:?}");
    for cell in verified.release.cells().iter().filter(|one| one.indicator.is_of_answers()) {
        let Some(noisy) = cell.outcome.noisy() else { continue };
        assert!(0.0 <= noisy.low && noisy.high <= 1.0 && noisy.sd > 0.0, "{cell:?}");
    }
}
