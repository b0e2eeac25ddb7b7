//! Every stable code that a program can give stands in docs/PROTOCOL.md, and no other.

use std::collections::{BTreeMap, BTreeSet};

use crate::report;
use crate::tree::{ending, file};

/// Calls whose first string is a code.
const CALLS: [&str; 9] = [
    "Refusal::new(",
    "Refused::new(",
    "bad(",
    "differs(",
    "status(",
    "refuse(event,",
    "code: \"",
    "code = \"",
    ".unwrap_or(\"",
];

/// The string literals of a line that look like codes.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    let is_code = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
    };
    line.split('"').skip(1).step_by(2).filter(is_code)
}

/// The codes in the program, each with a file that gives it.
fn given() -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    let crates = ["proto/src/", "store/src/", "node/src/", "coordinator/src/"];
    for source in ending(".rs") {
        if !crates.iter().any(|prefix| source.path.starts_with(prefix)) || source.is_test() {
            continue;
        }
        let lines: Vec<&str> = source.code().map(|(_, line)| line).collect();
        let mut depth = None;
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if line.contains("fn code(") {
                depth = Some(indent);
            }
            let found: Vec<&str> = if depth.is_some() {
                literals(line).collect()
            } else if CALLS.iter().any(|call| line.contains(call)) {
                // The code may stand on the next line.
                let next = lines.get(at + 1).copied().unwrap_or_default();
                literals(line).chain(literals(next)).take(1).collect()
            } else {
                Vec::new()
            };
            for code in found {
                codes.entry(code.to_owned()).or_insert_with(|| source.path.clone());
            }
            if depth == Some(indent) && line.trim() == "}" {
                depth = None;
            }
        }
    }
    codes
}

/// The codes in the tables of docs/PROTOCOL.md, "Codes": the first cell of each row.
fn documented() -> BTreeSet<String> {
    let text = &file("docs/PROTOCOL.md").text;
    let (_, section) = text.split_once(" Codes\n").expect("docs/PROTOCOL.md has a section Codes");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_code_is_documented_and_every_documented_code_is_given() {
    let (given, documented) = (given(), documented());
    let missing = given
        .iter()
        .filter(|(code, _)| !documented.contains(*code))
        .map(|(code, path)| format!("`{code}` ({path}) is not in docs/PROTOCOL.md, \"Codes\""));
    let stale = documented
        .iter()
        .filter(|code| !given.contains_key(*code))
        .map(|code| format!("`{code}` stands in docs/PROTOCOL.md, but nothing gives it"));
    report("codes are part of the protocol", &missing.chain(stale).collect::<Vec<_>>());
}
