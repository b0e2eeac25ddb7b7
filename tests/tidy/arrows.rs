//! Which crate may depend on which. `node → proto ← coordinator`, and nothing points back.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::report;
use crate::tree::{FILES, file, root};

/// One dependency as a manifest names it.
struct Arrow {
    to: String,
    /// `normal`, `dev` or `build`.
    kind: String,
}

/// The crates of the workspace by name, each with its direct dependencies.
fn crates() -> BTreeMap<String, Vec<Arrow>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let arrow = |one: &Value| Arrow { to: text(&one["name"]), kind: text(&one["kind"]) };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            (text(&package["name"]), dependencies.iter().map(arrow).collect())
        })
        .collect()
}

/// All crates of the workspace that `from` needs, tests included.
fn reach(crates: &BTreeMap<String, Vec<Arrow>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for arrow in crates[&name].iter().filter(|arrow| crates.contains_key(&arrow.to)) {
            if reached.insert(arrow.to.clone()) {
                open.push(arrow.to.clone());
            }
        }
    }
    reached
}

#[test]
fn crates_of_the_house_depend_one_way() {
    let allowed = [
        ("flashlight-proto", &[][..]),
        ("flashlight-store", &[]),
        ("flashlight-node", &["flashlight-proto", "flashlight-store"]),
        ("flashlight-coordinator", &["flashlight-proto", "flashlight-store"]),
    ];
    let crates = crates();
    let breaches: Vec<String> = allowed
        .iter()
        .flat_map(|(from, allowed)| {
            let reached = reach(&crates, from);
            let beyond = reached.into_iter().filter(|to| !allowed.contains(&to.as_str()));
            beyond.map(move |to| format!("{from} reaches {to}")).collect::<Vec<_>>()
        })
        .collect();
    report(
        "node and coordinator see proto and store, which see neither them nor each other",
        &breaches,
    );
}

#[test]
fn only_the_node_reads_parquet() {
    let crates = crates();
    let breaches: Vec<String> = crates
        .iter()
        .filter(|(name, _)| *name != "flashlight-node")
        .flat_map(|(name, arrows)| arrows.iter().map(move |arrow| (name, arrow)))
        .filter(|(_, arrow)| arrow.to == "parquet" || arrow.to.starts_with("arrow-"))
        .map(|(name, arrow)| format!("{name} depends on {}", arrow.to))
        .collect();
    report("student records are read in the node and nowhere else", &breaches);
    // The demo needs the node; everybody else builds without it.
    for name in ["flashlight-proto", "flashlight-store", "flashlight-coordinator"] {
        assert!(!reach(&crates, name).contains("flashlight-node"), "{name} needs the node");
    }
}

#[test]
fn proto_depends_on_nothing_that_does_io_or_draws_randomness() {
    let banned = ["getrandom", "parquet", "rand", "rcgen", "rustls", "sled", "tempfile", "tokio"];
    let breaches: Vec<String> = crates()["flashlight-proto"]
        .iter()
        .filter(|arrow| arrow.kind == "normal" && banned.contains(&arrow.to.as_str()))
        .map(|arrow| format!("proto depends on {}", arrow.to))
        .collect();
    report("what both sides must agree on is pure", &breaches);
}

/// The folders of the workspace's crates.
fn members() -> Vec<String> {
    let members = &manifest("Cargo.toml")["workspace"]["members"];
    let members = members.as_array().unwrap().iter();
    members.map(|member| member.as_str().unwrap().to_owned()).collect()
}

fn manifest(path: &str) -> toml::Table {
    file(path).text.parse().unwrap()
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let breaches: Vec<String> = members()
        .iter()
        .map(|member| format!("{member}/Cargo.toml"))
        .filter(|path| {
            let own = manifest(path);
            let lints = own.get("lints").and_then(|lints| lints.get("workspace"));
            lints.and_then(toml::Value::as_bool) != Some(true)
        })
        .collect();
    report("`[lints] workspace = true` is missing", &breaches);
}

#[test]
fn no_crate_can_hold_unsafe_code() {
    let lint = &manifest("Cargo.toml")["workspace"]["lints"]["rust"]["unsafe_code"];
    assert_eq!(lint.as_str(), Some("forbid"), "the workspace forbids it");
    let roots = |member: &String| [format!("{member}/src/lib.rs"), format!("{member}/src/main.rs")];
    let paths: Vec<String> = members().iter().flat_map(roots).collect();
    let breaches: Vec<String> = FILES
        .iter()
        .filter(|one| paths.contains(&one.path))
        .filter(|one| !one.text.contains("#![forbid(unsafe_code)]"))
        .map(|one| one.path.clone())
        .collect();
    report("`#![forbid(unsafe_code)]` is missing", &breaches);
}
