//! The rules of the house, each a test whose name says the rule.
//!
//! In: the files of this repository. Out: for every breach the file, the line and what to do. A list
//! in here of places where something is allowed is exact: a place that no longer needs it fails too.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check that cannot run fails"
)]

mod arrows;
mod codes;
mod documents;
mod samples;
mod sources;
mod tree;

/// Fails with one line per breach.
fn report(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}
