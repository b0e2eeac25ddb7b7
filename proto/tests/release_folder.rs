//! The release folder: what checks it, and what it takes to notice a change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "study_support/round.rs"]
mod round;
mod study_support;

use std::{collections::BTreeMap, path::Path, process::Command};

use flashlight_proto::{
    canonical::Digest,
    identity::IdentitySecret,
    release::{FOLDER_FILES, Outcome, Release, verify_folder},
};
use round::{facts, hub};
use study_support::Draft;
use zeroize::Zeroizing;

type Files = BTreeMap<String, Vec<u8>>;

fn release(draft: &Draft) -> Release {
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let mut sums = vec![0; layout.words()];
    for block in layout.blocks() {
        for (index, words) in sums[block.first_word()..][..block.words()]
            .chunks_mut(block.encoding.words())
            .enumerate()
        {
            words[words.len() - 1] = i64::try_from(index % 7).unwrap();
            if words.len() == 2 {
                words[0] = words[1] * 3;
            }
        }
    }
    Release::build(&study, &draft.table(), &layout, &sums, facts(&study), Vec::new()).unwrap()
}

fn folder(draft: &Draft) -> Files {
    let files = release(draft).folder(&hub(), draft.toml().as_bytes(), draft.schools.as_bytes());
    files.unwrap().into_iter().collect()
}

/// Signs the files again, as a hub could that changed them.
fn signed_again(mut files: Files, by: &IdentitySecret) -> Files {
    let listed = |name: &str| !name.starts_with("SHA256SUMS");
    let sums: String = files
        .iter()
        .filter(|(name, _)| listed(name))
        .map(|(name, bytes)| format!("{}  {name}\n", Digest::of(bytes)))
        .collect();
    files.insert("SHA256SUMS.sig".into(), by.sign_bytes(sums.as_bytes()).as_bytes().to_vec());
    files.insert("SHA256SUMS".into(), sums.into_bytes());
    files
}

#[track_caller]
fn refused(files: &Files, code: &str, word: &str) {
    let error = verify_folder(files, Some(&hub().public())).expect_err("the folder verifies");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(word), "{word:?} is not in {error}");
}

fn replace(files: &mut Files, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    files.insert(file.into(), text.replacen(from, to, 1).into_bytes());
}

#[test]
fn a_folder_verifies_and_gives_the_release_back() {
    let draft = Draft::default();
    let files = folder(&draft);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, FOLDER_FILES);
    let verified = verify_folder(&files, Some(&hub().public())).unwrap();
    assert!(verified.pinned);
    assert_eq!(verified.hub, hub().public());
    assert_eq!(verified.release.cells(), release(&draft).cells());
    let shown = verified.release.cells().iter().filter(|cell| cell.outcome != Outcome::Suppressed);
    assert!(shown.count() > 5);
    assert!(!verify_folder(&files, None).unwrap().pinned);
    assert_eq!(signed_again(files.clone(), &hub()), files);
}

#[test]
fn the_same_release_gives_the_same_bytes() {
    assert_eq!(folder(&Draft::default()), folder(&Draft::default()));
}

#[test]
fn the_bytes_of_an_exact_release_are_those_of_version_one() {
    let sums = Digest::of(&folder(&Draft::default())["SHA256SUMS"]);
    let known = "5132164d1157017e21e9d861872fc25cc12a23c80562cd32f87c102b46f3650b";
    assert_eq!(sums.to_string(), known);
}

#[test]
fn a_changed_byte_in_any_file_is_noticed() {
    let files = folder(&Draft::default());
    for name in FOLDER_FILES {
        let mut changed = files.clone();
        let bytes = changed.get_mut(name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        let code =
            if name.starts_with("SHA256SUMS") { "verify_signature" } else { "verify_changed" };
        refused(&changed, code, name);
    }
}

#[test]
fn missing_and_extra_files_are_noticed() {
    let files = folder(&Draft::default());
    for name in FOLDER_FILES {
        let mut fewer = files.clone();
        fewer.remove(name);
        refused(&fewer, "verify_missing", name);
    }
    let mut more = files;
    more.insert("notes.txt".into(), vec![]);
    refused(&more, "verify_extra", "notes.txt");
}

#[test]
fn a_folder_signed_by_another_key_is_refused() {
    let other = IdentitySecret::from_seed(&Zeroizing::new([6; 32])).unwrap();
    let files = folder(&Draft::default());
    refused(&signed_again(files.clone(), &other), "verify_signature", "SHA256SUMS.sig");
    let error = verify_folder(&files, Some(&other.public())).unwrap_err();
    assert_eq!(error.code(), "verify_key");
}

#[test]
fn a_hub_that_signs_what_does_not_follow_is_caught() {
    let files = folder(&Draft::default());
    let json = String::from_utf8(files["release.json"].clone()).unwrap();
    let line = json.lines().find(|line| line.contains("\"num\":9")).unwrap();
    let changed = |file: &str, from: &str, to: &str| {
        let mut files = files.clone();
        replace(&mut files, file, from, to);
        signed_again(files, &hub())
    };
    let release = |from: &str, to: &str| changed("release.json", line, &line.replace(from, to));
    refused(&release("\"value\":0.75", "\"value\":0.76"), "verify_derived", "release.json");
    refused(&release("\"num\":9", "\"num\":8"), "verify_derived", "release.json");
    refused(&release("\"num\":9", "\"num\":90"), "verify_cell", "cell");
    refused(&release("\"n\":12", "\"n\":2"), "verify_cell", "min_n");
    refused(&release("\"level\":\"MS\"", "\"level\":\"HS\""), "verify_derived", "release.json");
    refused(&release("\"suppressed\":false", "\"suppressed\":true"), "verify_unreadable", "cell");
    refused(&changed("tables.csv", "false", "true"), "verify_derived", "tables.csv");
    refused(&changed("parameters.json", "\"lost\"", "\"gone\""), "verify_derived", "parameters");
    refused(&changed("VERIFY.txt", "-pubin", ""), "verify_derived", "VERIFY.txt");
    refused(&changed("study.toml", "min_n = 3", "min_n = 4"), "verify_cell", "min_n");
    refused(&changed("schools.csv", "Alder", "Oak"), "verify_unreadable", "study.toml");
    refused(&changed("release.json", "no formal", "a formal"), "verify_derived", "release.json");
}

#[test]
fn a_folder_is_made_only_by_its_hub_from_its_own_files() {
    let draft = Draft::default();
    let other = IdentitySecret::from_seed(&Zeroizing::new([6; 32])).unwrap();
    let make = |key: &IdentitySecret, study: &str, schools: &str| {
        release(&draft).folder(key, study.as_bytes(), schools.as_bytes()).unwrap_err()
    };
    assert_eq!(make(&other, &draft.toml(), &draft.schools).code(), "release_hub_key");
    let error = make(&hub(), "", &draft.schools);
    assert!(error.code() == "release_file" && error.to_string().contains("study.toml"));
    let error = make(&hub(), &draft.toml(), "");
    assert!(error.code() == "release_file" && error.to_string().contains("schools.csv"));
}

/// Runs a program in a folder; `None` when the machine does not have it.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<(bool, String)> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test writes files; proto itself does not")]
#[expect(clippy::print_stderr, reason = "says what it could not check")]
fn the_two_commands_of_verify_txt_pass_and_notice_a_change() {
    let files = folder(&Draft::default());
    let name = format!("release-folder-{}", std::process::id());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    for (name, bytes) in &files {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    let text = String::from_utf8(files["VERIFY.txt"].clone()).unwrap();
    let commands: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("sha256sum ") || line.starts_with("openssl "))
        .map(|line| line.split(' ').collect())
        .collect();
    assert_eq!(commands.len(), 2);
    let mut passed = Vec::new();
    for command in &commands {
        match run(command[0], &command[1..], &path) {
            None => eprintln!("skipped: this machine has no {}", command[0]),
            Some((success, said)) => {
                assert!(success, "{}: {said}", command.join(" "));
                passed.push(command);
            }
        }
    }
    std::fs::write(path.join("tables.csv"), b"changed").unwrap();
    std::fs::write(path.join("SHA256SUMS"), [&files["SHA256SUMS"][..], b"\n"].concat()).unwrap();
    for command in passed {
        let (success, said) = run(command[0], &command[1..], &path).unwrap();
        assert!(!success, "{} misses a change: {said}", command.join(" "));
    }
    std::fs::remove_dir_all(&path).unwrap();
}
