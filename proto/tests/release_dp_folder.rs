//! The folder of a release with noise: what its files say, and what it takes to notice a change.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "study_support/noisy.rs"]
mod noisy;
#[path = "study_support/round.rs"]
mod round;
mod study_support;

use std::collections::BTreeMap;

use flashlight_proto::{
    canonical::Digest,
    layout::Encoding,
    release::{FOLDER_FILES, Outcome, Release, verify_folder},
};
use noisy::{build, draft, fine, plan};
use round::hub;
use serde_json::Value;

type Files = BTreeMap<String, Vec<u8>>;

/// 2,000 students in the network and 1,000 of each sex; the first group has none.
fn release() -> Release {
    let draft = draft("0.1");
    let layout = draft.layout();
    let mut words = vec![0; layout.words()];
    for block in layout.blocks() {
        for (at, key) in block.cells().iter().enumerate() {
            let n = match (block.family, key.group) {
                (None, _) => 2_000,
                (Some(_), 0) => 0,
                (Some(_), _) => 1_000,
            };
            let first = block.first_word() + at * block.encoding.words();
            match block.encoding {
                Encoding::Count => words[first] = n,
                Encoding::Rate => (words[first], words[first + 1]) = (n / 4, n - n / 4),
                Encoding::Items => panic!("items are for exact mode"),
                Encoding::Mean { .. } => (words[first], words[first + 1]) = (n * 30, n),
            }
        }
    }
    build(&draft, &fine(&plan(&draft), &layout, &words)).unwrap()
}

fn folder() -> Files {
    let draft = draft("0.1");
    let files = release().folder(&hub(), draft.toml().as_bytes(), draft.schools.as_bytes());
    files.unwrap().into_iter().collect()
}

/// Signs the files again, as a hub could that changed them.
fn signed_again(mut files: Files) -> Files {
    let sums: String = files
        .iter()
        .filter(|(name, _)| !name.starts_with("SHA256SUMS"))
        .map(|(name, bytes)| format!("{}  {name}\n", Digest::of(bytes)))
        .collect();
    files.insert("SHA256SUMS.sig".into(), hub().sign_bytes(sums.as_bytes()).as_bytes().to_vec());
    files.insert("SHA256SUMS".into(), sums.into_bytes());
    files
}

/// Changes `release.json` and signs it: the first line that holds `line`, by `change`.
fn code(line: &str, change: impl FnOnce(&mut Value)) -> &'static str {
    let mut files = folder();
    let json = String::from_utf8(files["release.json"].clone()).unwrap();
    let old = json.lines().find(|one| one.contains(line)).unwrap();
    let comma = if old.ends_with(',') { "," } else { "" };
    let mut cell: Value = serde_json::from_str(old.trim_end_matches(',')).unwrap();
    change(&mut cell);
    let json = json.replacen(old, &format!("    {cell}{comma}"), 1);
    files.insert("release.json".into(), json.into_bytes());
    verify_folder(&signed_again(files), Some(&hub().public())).expect_err("it verifies").code()
}

fn json(files: &Files, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

#[test]
fn a_folder_verifies_and_gives_the_release_back() {
    let files = folder();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, FOLDER_FILES);
    let verified = verify_folder(&files, Some(&hub().public())).unwrap();
    assert_eq!(verified.release.cells(), release().cells());
    assert_eq!(verified.release.guarantee(), release().guarantee());
    assert_eq!(signed_again(files.clone()), files);
}

#[test]
fn the_bytes_of_a_known_release_do_not_change_between_machines() {
    let sums = Digest::of(&folder()["SHA256SUMS"]);
    let known = "99848fe23404cd74a2da6018df4246342335f14748c236c0e742778d227875e4";
    assert_eq!(sums.to_string(), known);
}

#[test]
fn a_number_that_does_not_follow_from_the_noisy_sums_is_caught() {
    for (indicator, names) in [
        ("students", &["value", "sd", "low", "high", "n", "sd_n", "n_scale_bits"][..]),
        ("math_met", &["value", "sd", "low", "high", "n", "sd_n", "n_scale_bits"]),
        ("math_mean", &["value", "sd", "sum_scale_bits", "n_scale_bits", "units_per_point"]),
    ] {
        for name in names {
            let line = format!("\"indicator\":\"{indicator}\"");
            let code = code(&line, |cell| {
                let whole = cell[*name].as_u64();
                cell[*name] = match whole {
                    Some(whole) => (whole + 1).into(),
                    None => (cell[*name].as_f64().unwrap() + 0.25).into(),
                };
            });
            assert_eq!(code, "verify_derived", "{indicator} {name}");
        }
        let line = format!("\"indicator\":\"{indicator}\"");
        let flipped = code(&line, |cell| {
            cell["noise_dominated"] = (!cell["noise_dominated"].as_bool().unwrap()).into();
        });
        assert_eq!(flipped, "verify_derived", "{indicator}");
    }
}

#[test]
fn noisy_sums_that_cannot_be_are_caught() {
    let students = "\"indicator\":\"students\"";
    // Below the threshold a cell is not shown; beyond the bounds no sum can be.
    assert_eq!(code(students, |cell| cell["noisy_n"] = 1.into()), "verify_cell");
    assert_eq!(code(students, |cell| cell["noisy_n"] = i64::MAX.into()), "verify_cell");
    // A mean's n is that of the share beside it, and both are shown or neither.
    let mean = "\"indicator\":\"math_mean\"";
    assert_eq!(code(mean, |cell| cell["noisy_n"] = 1_999.into()), "verify_cell");
    let hide = |cell: &mut Value| {
        let kept = cell.as_object_mut().unwrap();
        for name in ["value", "sd", "low", "high", "n", "sd_n", "noise_dominated"] {
            kept.remove(name);
        }
        kept.retain(|name, _| !name.starts_with("noisy_") && !name.ends_with("_bits"));
        kept.remove("units_per_point");
        kept.insert("suppressed".into(), true.into());
    };
    assert_eq!(code(mean, hide), "verify_cell");
    assert_eq!(code("\"indicator\":\"math_met\"", hide), "verify_cell");
}

#[test]
fn a_cell_without_noise_is_no_cell_of_this_release() {
    let exact = |cell: &mut Value| {
        let kept = cell.as_object_mut().unwrap();
        for name in ["sd", "low", "high", "sd_n", "noise_dominated", "noisy_n", "n_scale_bits"] {
            kept.remove(name);
        }
    };
    assert_eq!(code("\"indicator\":\"students\"", exact), "verify_cell");
    let half = |cell: &mut Value| {
        cell.as_object_mut().unwrap().remove("low");
    };
    assert_eq!(code("\"indicator\":\"students\"", half), "verify_unreadable");
}

#[test]
fn suppressed_cells_say_nothing_in_any_file() {
    let (files, release) = (folder(), release());
    let json = json(&files, "release.json");
    let csv = String::from_utf8(files["tables.csv"].clone()).unwrap();
    let attributes = [
        "table",
        "indicator",
        "test",
        "year",
        "preset",
        "by",
        "level",
        "grade",
        "family",
        "group",
        "suppressed",
    ];
    let mut hidden = 0;
    let cells = json["cells"].as_array().unwrap();
    for ((cell, json), row) in release.cells().iter().zip(cells).zip(csv.lines().skip(1)) {
        let is_hidden = cell.outcome == Outcome::Suppressed;
        let keys = json.as_object().unwrap().keys();
        let said = keys.filter(|key| !attributes.contains(&key.as_str())).count();
        assert_eq!(said == 0, is_hidden, "{json}");
        assert_eq!(row.contains(",true,,,,,,,,,,,,,,,zCDP rho"), is_hidden, "{row}");
        hidden += usize::from(is_hidden);
    }
    assert_eq!(hidden, 5, "the first group of every table");
}

#[test]
fn the_table_has_a_column_for_every_number_and_the_guarantee_in_every_row() {
    let (files, release) = (folder(), release());
    let csv = String::from_utf8(files["tables.csv"].clone()).unwrap();
    let header: Vec<_> = csv.lines().next().unwrap().split(',').collect();
    let json = String::from_utf8(files["release.json"].clone()).unwrap();
    // As text: what a reader's parser makes of a float is not our subject.
    let cells: Vec<_> = json.lines().filter(|line| line.contains("\"suppressed\":")).collect();
    for (row, cell) in csv.lines().skip(1).zip(&cells) {
        let row: Vec<_> = row.split(',').collect();
        assert_eq!(row.len(), header.len());
        assert_eq!(*row.last().unwrap(), release.guarantee());
        for (name, text) in header.iter().zip(&row).skip(10).filter(|(_, text)| !text.is_empty()) {
            let is_same = cell.contains(&format!("\"{name}\":{text}"));
            assert!(is_same || *name == "guarantee", "{name} {text} {cell}");
        }
    }
    assert_eq!(cells.len(), csv.lines().count() - 1);
}

#[test]
fn the_certificate_states_the_loss_the_noise_and_the_inputs() {
    let draft = draft("0.1");
    let plan = plan(&draft);
    let parameters = json(&folder(), "parameters.json");
    assert_eq!(parameters["guarantee"], release().guarantee());
    let privacy = &parameters["privacy"];
    assert_eq!(privacy["mode"], "dp");
    let certificate = &privacy["certificate"];
    assert_eq!(certificate["rho"], 0.1);
    assert_eq!(certificate["at_two_districts"]["rho"], 0.4);
    assert!((certificate["epsilon"].as_f64().unwrap() - 2.1419).abs() < 1e-4);
    assert!((certificate["at_two_districts"]["epsilon"].as_f64().unwrap() - 4.6).abs() < 0.1);
    assert_eq!(certificate["years"], serde_json::json!([{ "year": 2024, "rho": 0.1 }]));
    assert_eq!(certificate["charge_of_a_person"], 0.1);
    assert_eq!(certificate["questions"].as_array().unwrap().len(), 5);
    assert_eq!(certificate["noise_plan"], plan.digest().to_string());
    let honest = serde_json::json!({
        "least_survivors": 4, "survivors": 4, "least_honest": 3, "honest": 3
    });
    assert_eq!(certificate["honest"], honest);
    let blocks = certificate["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), plan.blocks().len());
    for (block, plan) in blocks.iter().zip(plan.blocks()) {
        let number = |name: &str| block[name].as_f64().unwrap();
        assert_eq!(block["delta2_squared"], plan.block.delta2_squared().to_string());
        assert!(number("rho_of_h") <= number("rho") && number("sd") > number("sd_promised"));
        assert!((number("rho_of_honest") / number("rho_of_h") - 1.0).abs() < 1e-9, "h survived");
        assert_eq!(block["scale_bits"], plan.scale_bits);
        assert!((number("scale") / plan.scale - 1.0).abs() < 1e-12);
    }
    let carried = serde_json::json!([{ "table": 3, "from_table": 4, "words": 5 }]);
    assert_eq!(certificate["carried"], carried);
    let inputs = certificate["public_inputs"].as_array().unwrap();
    assert_eq!(inputs[0]["sha256"], draft.study().unwrap().hash().to_string());
    assert_eq!(inputs[1]["sha256"], Digest::of(draft.schools.as_bytes()).to_string());
    let suppression = &parameters["suppression"];
    assert_eq!(suppression["complementary"], false);
    let thresholds = suppression["threshold"]["tables"].as_array().unwrap();
    assert_eq!(thresholds.len(), 5);
    let text = parameters.to_string();
    for words in ["sampling error is not included", "subtracting", "opendp 0.16", "Proposition 12"]
    {
        assert!(text.contains(words), "{words}");
    }
}
