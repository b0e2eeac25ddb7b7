//! What is loaded into a node, and what is read back from it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flashlight_node::local::{By, LocalQuery, LocalResults, local};
use flashlight_node::records::{LoadError, Records, load};
use parquet::basic::Type;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

const NOW: u64 = 1_700_000_000_000;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/every-indicator")
}

fn everything(records: &Records) -> LocalResults {
    let mut query = LocalQuery::new(LocalQuery::everything(), LocalQuery::years_of(records));
    query.by = vec![By::School, By::Level, By::Grade, By::Family];
    local(records, &query)
}

fn loaded(dir: &Path) -> LocalResults {
    everything(&Records::loaded(dir, None, None).unwrap())
}

/// Where the store's files are.
fn generation(dir: &Path) -> PathBuf {
    let records = dir.join("records");
    let current = fs::read_to_string(records.join("CURRENT")).unwrap();
    records.join(current.trim_end())
}

/// The store's files by name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let generation = generation(dir);
    let names = fs::read_dir(&generation).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap()).filter(|name| !name.starts_with('.'));
    names.map(|name| (name.clone(), fs::read(generation.join(name)).unwrap())).collect()
}

/// A copy of some of the fixture's files.
fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        fs::copy(fixture().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Runs the node; whether it ended well.
fn run(args: &[&str]) -> bool {
    let node = Command::new(env!("CARGO_BIN_EXE_flashlight-node")).args(args).output().unwrap();
    node.status.success()
}

#[test]
fn every_number_from_the_store_is_the_one_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    load(&[fixture()], dir.path(), NOW).unwrap();
    let (records, _) = Records::read(&fixture()).unwrap();
    let from_files = everything(&records);
    assert!(from_files.rows.len() > 3_000, "{}", from_files.rows.len());
    assert_eq!(loaded(dir.path()), from_files);
}

#[test]
fn asking_for_one_year_reads_less_and_counts_the_same() {
    let dir = tempfile::tempdir().unwrap();
    load(&[fixture()], dir.path(), NOW).unwrap();
    let query = LocalQuery::new(LocalQuery::everything(), vec![2024]);
    let whole = local(&Records::loaded(dir.path(), None, None).unwrap(), &query);
    let part = local(&Records::loaded(dir.path(), Some(&[2024]), None).unwrap(), &query);
    assert_eq!(part.rows, whole.rows);
}

#[test]
fn one_indicator_asked_from_the_store_is_what_the_files_say() {
    let dir = tempfile::tempdir().unwrap();
    load(&[fixture()], dir.path(), NOW).unwrap();
    let node = |args: &[&str]| {
        let node = Command::new(env!("CARGO_BIN_EXE_flashlight-node")).args(args).output().unwrap();
        assert!(node.status.success(), "{args:?}");
        String::from_utf8(node.stdout).unwrap()
    };
    let (home, files) = (dir.path().to_str().unwrap().to_owned(), fixture());
    for indicator in
        ["suspension", "el_progress", "math_met", "graduation_4yr", "el_redesignation:at_school"]
    {
        let ask = ["--indicator", indicator, "--by", "school,families", "--year", "2024", "--json"];
        let from_store: Vec<_> = ["local", "--dir", &home].into_iter().chain(ask).collect();
        let from_files: Vec<_> =
            ["local", "--data", files.to_str().unwrap()].into_iter().chain(ask).collect();
        let rows = |text: &str| {
            text.lines()
                .take_while(|line| !line.starts_with(" ]"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&node(&from_store)), rows(&node(&from_files)), "{indicator}");
    }
}

#[test]
fn days_loaded_count_as_days_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = fixture().join("daily");
    load(std::slice::from_ref(&folder), dir.path(), NOW).unwrap();
    assert!(files(dir.path()).contains_key("attendance_daily-2024.parquet"));
    let rows = everything(&Records::read(&folder).unwrap().0).rows;
    assert!(rows.iter().any(|row| row.indicator.as_str() == "chronic_absenteeism" && row.n > 0));
    assert_eq!(loaded(dir.path()).rows, rows);
}

#[test]
fn loading_a_table_again_replaces_its_years_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    load(&[fixture()], dir.path(), NOW).unwrap();
    let before = files(dir.path());
    // Attendance cannot be judged without enrolments, so these come along, unchanged.
    let again = folder(&["enrollments.csv", "attendance_summary.csv"]);
    let text = fs::read_to_string(again.path().join("attendance_summary.csv")).unwrap();
    let lines: Vec<_> = text.lines().take(20).collect();
    fs::write(again.path().join("attendance_summary.csv"), lines.join("\n") + "\n").unwrap();
    load(&[again.path().to_owned()], dir.path(), NOW + 1).unwrap();
    let after = files(dir.path());
    let changed: Vec<_> = after
        .iter()
        .filter(|(name, bytes)| before.get(*name) != Some(bytes))
        .map(|(name, _)| name.as_str())
        .filter(|name| !name.starts_with("enrollments"))
        .collect();
    assert_eq!(changed, ["attendance_summary-2024.parquet", "manifest.json"]);
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_file_that_is_refused_leaves_the_store_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    load(&[fixture()], dir.path(), NOW).unwrap();
    let before = files(dir.path());
    let bad = folder(&["enrollments.csv", "attendance_summary.csv"]);
    fs::write(bad.path().join("attendance_summary.csv"), "student_id,school_year\n1,2024\n")
        .unwrap();
    let error = load(&[bad.path().to_owned()], dir.path(), NOW + 1).err().unwrap();
    assert!(matches!(error, LoadError::Records(_)), "{error}");
    assert_eq!(files(dir.path()), before);
}

#[test]
fn no_file_of_the_store_has_a_column_of_ids_or_names() {
    let named = folder(&["enrollments.csv", "survey_responses.csv"]);
    let path = named.path().join("enrollments.csv");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().map(|line| format!("{line},Somebody"));
    let header = lines.next().unwrap().replace("Somebody", "student_name");
    let rows: Vec<_> = lines.collect();
    fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    load(&[named.path().to_owned()], dir.path(), NOW).unwrap();
    let names = files(dir.path()).into_keys().filter(|name| name != "manifest.json");
    for name in names {
        let file = fs::File::open(generation(dir.path()).join(&name)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        for column in reader.metadata().file_metadata().schema_descr().columns() {
            assert!(!column.name().contains("name"), "{name}: {}", column.name());
            if ["student_id", "respondent_key"].contains(&column.name()) {
                assert_eq!(column.physical_type(), Type::INT64, "{name}");
            }
        }
    }
}

#[test]
fn an_extract_is_private_never_replaces_a_file_and_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("node");
    load(&[fixture()], &home, NOW).unwrap();
    let (home, out) = (home.to_str().unwrap(), dir.path().join("out.csv"));
    let out_text = out.to_str().unwrap();
    let ids = fixture();
    let args =
        ["extract", "chronic_absenteeism", "--dir", home, "--year", "2024", "--out", out_text];
    let with_ids: Vec<_> = args.into_iter().chain(["--ids", ids.to_str().unwrap()]).collect();
    assert!(run(&with_ids));
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("student,in_numerator,num,den,school_id,level,grade,"), "{text}");
    assert!(text.lines().skip(1).all(|line| line.starts_with("00")), "ids are the district's own");
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(home_of(home, "extracts/journal").contains("chronic_absenteeism[dashboard]/2024"));
    assert!(!home_of(home, "extracts/journal").contains(",0001"));
    assert!(!run(&args), "a file that is there is not replaced");
    assert_eq!(fs::read_to_string(&out).unwrap(), text);
}

fn home_of(home: &str, file: &str) -> String {
    fs::read_to_string(Path::new(home).join(file)).unwrap()
}
