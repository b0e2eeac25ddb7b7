//! What may stand where in the Rust files.

use std::collections::BTreeSet;

use crate::report;
use crate::tree::{FILES, File, ending};

/// Longest Rust file, lines.
const LINES_MAX: usize = 600;

/// Files longer than that, with the length they may not pass. Empty, and to stay so.
const LONG: [(&str, usize); 0] = [];

/// Where generated messages may be named: the conversions, the rpcs of each side, and what hands them
/// on unread.
const GENERATED: [&str; 15] = [
    "coordinator/src/cli.rs", // the operator's calls, and the services it starts
    "coordinator/src/hub.rs", // the queues to the districts
    "coordinator/src/round.rs", // progress lines
    "coordinator/src/round/phase.rs", // shares, whose place only the round knows
    "coordinator/src/run.rs", // progress lines; the signed study as it is handed out
    "coordinator/src/service.rs", // the rpcs
    "node/src/enroll.rs",     // the one call of a node without a certificate
    "node/src/gate.rs",       // the study as it came, kept for the officer
    "node/src/link.rs",       // the stream of directives
    "node/src/node.rs",       // the study as it came
    "node/src/officer/hub.rs", // the officer's two calls
    "node/src/round.rs",      // a district's calls
    "proto/src/wire.rs",      // the conversions
    "proto/src/wire/directive.rs",
    "proto/src/wire/roster.rs",
];

/// Where something may be written out by serde.
const SERIALIZE: [&str; 32] = [
    "node/src/records/store/manifest.rs", // what was loaded: files, sizes, hashes, counts
    "node/src/results/journal.rs",        // extracts: questions, counts, hashes
    "node/src/check/compute.rs",          // `check --json`: indicators and exports
    "node/src/check/coverage.rs",         // `check --json`: counts by school and year
    "node/src/check/view.rs",             // `check --json`: the whole report
    "node/src/records/values.rs",         // `check --json`: known codes and counts
    "coordinator/src/journal.rs",         // entries: ids, public keys, hashes
    "node/src/enroll/membership.rs",      // node.json: who we are and where the hub is
    "node/src/journal.rs",                // entries: ids, public keys, hashes
    "node/src/ledger/budget.rs",          // `budget --json`: rounds, years and what they cost
    "node/src/ledger/loss.rs",            // a privacy loss
    "proto/src/question.rs",              // what was asked: indicator, year, date
    "node/src/officer/books.rs",          // `pending --json`: studies that wait
    "node/src/officer/peers.rs",          // `peers --json`: the roster as this district sees it
    "node/src/preview/last.rs", // the exact words of the last preview, for this node alone
    "node/src/preview/view.rs", // `preview --json`: exact, for the district alone
    "node/src/records/report.rs", // `check --json`: files, rules, row numbers, counts
    "proto/src/canonical.rs",   // a digest
    "proto/src/category.rs",    // the spelling of a category
    "proto/src/identity.rs",    // district ids and public keys
    "proto/src/growth.rs",      // public constants of a later round
    "proto/src/growth/distribution.rs", // where school effects are counted: public constants
    "proto/src/release/effects.rs", // the released distribution of school effects
    "proto/src/release.rs",     // the release
    "proto/src/release/growth.rs", // released estimates of growth models
    "proto/src/release/noisy_growth.rs", // the same under noise
    "proto/src/release/cell.rs", // a released cell
    "proto/src/release/certificate.rs", // what the noise was and what it promises
    "proto/src/release/json.rs", // a released cell with noise
    "proto/src/release/parameters.rs", // what produced the release
    "proto/src/study.rs",       // the spellings of mode and preset
    "proto/src/study/date.rs",  // a date
];

fn rust() -> impl Iterator<Item = &'static File> {
    ending(".rs")
}

/// Compares where something is with where it may be, both ways.
fn exactly(rule: &str, found: &BTreeSet<&str>, allowed: &[&str]) {
    let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
    let more = found.difference(&allowed).map(|path| format!("{path}: not on the list"));
    let fewer = allowed.difference(found).map(|path| format!("{path}: on the list without need"));
    report(rule, &more.chain(fewer).collect::<Vec<_>>());
}

#[test]
fn no_source_file_is_longer_than_six_hundred_lines() {
    let breaches: Vec<String> = rust()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(file, lines)| {
            let known = LONG.iter().find(|(path, _)| *path == file.path);
            *lines > known.map_or(LINES_MAX, |(_, most)| *most)
        })
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();
    report("split the file by concept", &breaches);
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    let breaches: Vec<String> =
        rust().filter(|file| !file.text.starts_with("//!")).map(|file| file.path.clone()).collect();
    report("the first line is a `//!` line", &breaches);
}

#[test]
fn generated_messages_are_named_in_the_shells_and_the_conversions_only() {
    let named =
        |line: &str| line.contains("pb::") || line.contains("{pb,") || line.contains(" pb}");
    let found = rust()
        .filter(|file| !file.is_test() && file.code().any(|(_, line)| named(line)))
        .map(|file| file.path.as_str())
        .collect();
    exactly("the protocol's own types are used everywhere else", &found, &GENERATED);
}

#[test]
fn only_listed_types_can_be_written_out() {
    let writes = |line: &str| {
        line.contains("Serialize for") || (line.contains("derive(") && line.contains("Serialize"))
    };
    let found = rust()
        .filter(|file| !file.is_test() && file.code().any(|(_, line)| writes(line)))
        .map(|file| file.path.as_str())
        .collect();
    exactly(
        "what is computed from students has no written form but the release",
        &found,
        &SERIALIZE,
    );
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Written in two parts, so that this file does not find itself.
    let banned = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("#[ig", "nore"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let breaches: Vec<String> = rust()
        .flat_map(|file| {
            let lines = file.text.lines().enumerate();
            lines
                .filter(|(_, line)| banned.iter().any(|word| line.contains(word)))
                .map(move |(at, line)| format!("{}:{}: {}", file.path, at + 1, line.trim()))
        })
        .collect();
    report("finish it, or leave it out", &breaches);
}

#[test]
fn proto_touches_no_file_clock_thread_or_unordered_map() {
    // proto/.clippy.toml bans the types; this bans the modules they come from.
    let banned = [
        "std::env",
        "std::fs",
        "std::io",
        "std::process",
        "std::thread",
        "std::time",
        "HashMap",
        "HashSet",
        "SysRng",
        "SystemRandom",
        "async ",
    ];
    let breaches: Vec<String> = rust()
        .filter(|file| file.path.starts_with("proto/src/") && !file.is_test())
        .flat_map(|file| {
            let found =
                file.code().filter(|(_, line)| banned.iter().any(|word| line.contains(word)));
            found.map(move |(at, line)| format!("{}:{at}: {}", file.path, line.trim()))
        })
        .collect();
    report("proto is pure: time, randomness and bytes are arguments", &breaches);
}

#[test]
fn no_file_is_larger_than_two_mebibytes() {
    let breaches: Vec<String> = FILES
        .iter()
        .filter(|file| file.bytes > 2 << 20)
        .map(|file| format!("{}: {} bytes", file.path, file.bytes))
        .collect();
    report("data that large does not belong in the repository", &breaches);
}

#[test]
fn no_file_names_a_machine_or_another_source_of_packages() {
    let folders = [
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
    ];
    let keys =
        [concat!("replace", "-with"), concat!("sparse", "+http"), concat!("[registr", "ies")];
    let breaches: Vec<String> = FILES
        .iter()
        .filter(|file| file.path != "LICENSE")
        .flat_map(|file| {
            let lines = file.text.lines().enumerate();
            lines
                .filter(|(_, line)| folders.iter().chain(&keys).any(|word| line.contains(word)))
                .map(move |(at, line)| format!("{}:{}: {}", file.path, at + 1, line.trim()))
        })
        .collect();
    report("the repository works on any machine", &breaches);
    let lock = crate::tree::file("Cargo.lock");
    let elsewhere: Vec<String> = lock
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("source = "))
        .filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        .map(str::to_owned)
        .collect();
    report("every dependency comes from crates.io", &elsewhere);
}
