//! Files as they really arrive: each gives the message written beside it, and none shows a student.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use flashlight_node::check::{Validation, check};

/// What ids and names of the corpus hold and no report may.
pub(crate) const MARKS: [&str; 3] = ["004711", "Ibanez", "Ibáñez"];

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/bad-input")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The clean folder with a case's files over it, under the case's name.
fn laid(case: &str) -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join(case);
    fs::create_dir(&folder).unwrap();
    copy(&corpus().join("clean"), &folder);
    copy(&corpus().join(case), &folder);
    fs::remove_file(folder.join("expected.txt")).ok();
    (temporary, folder)
}

/// Every form of a report, for what must not be in any.
pub(crate) fn forms(report: &Validation) -> [String; 4] {
    let json = serde_json::to_string(report).unwrap();
    [report.to_string(), report.page(), json, format!("{report:?}")]
}

#[track_caller]
pub(crate) fn shows_none_of(report: &Validation, marks: &[&str]) {
    for form in forms(report) {
        assert!(marks.iter().all(|mark| !form.contains(mark)), "{form}");
    }
}

#[test]
fn every_bad_input_gives_exactly_the_report_written_beside_it_and_shows_no_student() {
    let rewrite = std::env::var_os("FLASHLIGHT_WRITE_EXPECTED").is_some();
    let mut cases: Vec<_> =
        fs::read_dir(corpus()).unwrap().map(|one| one.unwrap().path()).collect();
    cases.retain(|case| case.is_dir());
    cases.sort();
    assert!(cases.len() > 35);
    let mut wrong = Vec::new();
    for case in cases {
        let (_temporary, folder) = laid(case.file_name().unwrap().to_str().unwrap());
        let report = check(&folder, None).unwrap();
        shows_none_of(&report, &MARKS);
        let told = report.report.to_string();
        let beside = case.join("expected.txt");
        if rewrite {
            fs::write(&beside, &told).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if told != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- told\n{told}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the attendance file's one finding says when something else stands in its place.
#[track_caller]
fn attendance_says(put: impl FnOnce(&Path), told: &str) {
    let (_temporary, folder) = laid("clean");
    let path = folder.join("attendance_summary.csv");
    fs::remove_file(&path).unwrap();
    put(&path);
    let report = check(&folder, None).unwrap();
    let file = report.report.files.iter().find(|file| file.file.starts_with("attendance"));
    let findings = &file.unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].message, told);
    assert!(report.is_refused());
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    attendance_says(|path| fs::create_dir(path).unwrap(), "is not a file");
}

#[test]
fn a_link_to_nothing_is_refused() {
    let told = "cannot be read, or copied to the temporary folder (entity not found)";
    attendance_says(|path| std::os::unix::fs::symlink("/nothing/here", path).unwrap(), told);
}

#[test]
fn a_file_that_may_not_be_read_is_refused_unless_we_may_read_everything() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_temporary, folder) = laid("clean");
    let path = folder.join("attendance_summary.csv");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = File::open(&path).is_ok();
    let report = check(&folder, None).unwrap();
    let text = report.report.to_string();
    let told = "cannot be read, or copied to the temporary folder (permission denied)";
    assert_eq!(text.contains(told), !is_root, "{text}");
}

/// Peak memory of this process, KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn one_line_of_400_megabytes_is_refused_and_never_held() {
    const LINE: u64 = 400 << 20;
    let before = peak();
    attendance_says(
        |path| {
            let mut file = File::create(path).unwrap();
            file.write_all(b"student_id,school_year,school_id,days_expected,days_attended\n")
                .unwrap();
            // A hole: zeros that take no space.
            file.seek(SeekFrom::Start(LINE)).unwrap();
            file.write_all(b"\n").unwrap();
        },
        "a line is longer than 2097666 bytes: is this a CSV file?",
    );
    // Other tests run in this process at the same time; the line alone would show.
    assert!(peak() - before < LINE / 1024 / 2, "{before} KiB before, {} KiB after", peak());
}

#[test]
fn the_list_of_ids_is_the_only_output_with_ids_and_its_owner_alone_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_temporary, folder) = laid("conflicting-duplicates");
    let (page, list) = (folder.join("page.html"), folder.join("ids.csv"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flashlight-node"));
    command.arg("check").arg(&folder).arg("--html").arg(&page).arg("--ids").arg(&list);
    let output = command.output().unwrap();
    let page = fs::read_to_string(page).unwrap();
    for text in [&output.stdout, &output.stderr, page.as_bytes()].map(String::from_utf8_lossy) {
        assert!(!text.contains("004711"), "{text}");
    }
    let ids = fs::read_to_string(&list).unwrap();
    assert!(ids.contains("\"attendance_summary.csv\",2,E005,refused,\"9000004711\""), "{ids}");
    assert_eq!(ids.lines().filter(|line| line.contains(",E005,")).count(), 4, "{ids}");
    assert_eq!(fs::metadata(&list).unwrap().permissions().mode() & 0o777, 0o600);
}

fn load(folder: &Path, node: &Path) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flashlight-node"));
    command.arg("load").arg(folder).arg("--dir").arg(node).output().unwrap()
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_refused_load_says_what_check_says_and_leaves_the_store_byte_for_byte() {
    let node = tempfile::tempdir().unwrap();
    let (_temporary, clean) = laid("clean");
    assert!(load(&clean, node.path()).status.success());
    let store = node.path().join("records");
    let before = contents(&store);
    assert!(!before.is_empty());
    let mut refused = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        let case = entry.unwrap().path();
        let told = fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        if !told.contains(" refused: ") {
            continue;
        }
        let (_temporary, folder) = laid(case.file_name().unwrap().to_str().unwrap());
        let output = load(&folder, node.path());
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("nothing was loaded: the store is as it was"), "{text}");
        assert!(MARKS.iter().all(|mark| !text.contains(mark)), "{text}");
        assert!(before == contents(&store), "{} changed the store", case.display());
        refused += 1;
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn enrolment_is_compared_with_the_year_that_was_loaded_before() {
    let node = tempfile::tempdir().unwrap();
    let (_temporary, both) = laid("partial-export");
    // Last year alone is loaded, this year alone is checked.
    let split = |year: &str| {
        let temporary = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(both.join("enrollments.csv")).unwrap();
        let is_of = |line: &&str| line.starts_with("student_id") || line.contains(year);
        let lines: Vec<_> = text.lines().filter(is_of).collect();
        fs::write(temporary.path().join("enrollments.csv"), lines.join("\n") + "\n").unwrap();
        temporary
    };
    assert!(load(split(",2023,").path(), node.path()).status.success());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flashlight-node"));
    let this_year = split(",2024,");
    command.arg("check").arg(this_year.path()).arg("--dir").arg(node.path()).arg("--json");
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        text.contains("enrolment of 2024 against 2023: 33 % below at 0130229 (60 → 40)"),
        "{text}"
    );
}
