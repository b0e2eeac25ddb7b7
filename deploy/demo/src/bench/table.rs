//! What the bench prints.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;

use super::Measured;
use super::setting::CELLS;

/// The wall time to reach, for 60 nodes on two cores.
const WALL_TARGET: Duration = Duration::from_secs(3);

/// How a target that is not reached is marked.
pub(super) const MISSED: &str = "MISSED";

/// Bytes of one vector.
const VECTOR: u64 = 8 * CELLS as u64;

/// The upload to stay below: 1.05 vectors and 64 KiB.
const UPLOAD_TARGET: u64 = VECTOR + VECTOR / 20 + 64 * 1024;

/// The coordinator's memory to stay below: 9 vectors and 64 MB.
const MEMORY_TARGET: u64 = 9 * VECTOR + 64_000_000;

/// Times of others for 60 parties × 100,000 cells on such a machine.
const OTHERS: &str = "  published comparison, not run here (60 parties x 100,000 cells, 2 cores)
    Flower 1.41 SecAgg+, full sharing, one process, no network      72 s    75 s with 3 lost
    Fed-BioMed LOM, one process, no network                         67 s    cannot lose anybody
    MPyC                                                            12.7 s
";

/// The table over all runs; with repeats, the fastest run of each case and the median.
pub(super) fn table(measured: &[Measured], nodes: usize) -> anyhow::Result<String> {
    let mut cases: Vec<usize> = measured.iter().map(|one| one.lost).collect();
    cases.dedup();
    let cores = std::thread::available_parallelism()?;
    let mut text = String::new();
    writeln!(
        text,
        "\n  secure sum, {nodes} nodes x {CELLS} cells, gRPC and mutual TLS on loopback, {cores} cores"
    )?;
    for lost in cases {
        let mut runs: Vec<&Measured> = measured.iter().filter(|one| one.lost == lost).collect();
        runs.sort_by_key(|one| one.wall);
        let best = runs.first().context("no run")?;
        let median = runs[runs.len() / 2].wall;
        writeln!(text, "\n  {lost} nodes lost after masking began, runs: {}", runs.len())?;
        line(
            &mut text,
            "wall, first directive to open sum",
            &seconds(best.wall),
            &verdict(best.wall <= WALL_TARGET),
        )?;
        line(&mut text, "  median over the runs", &seconds(median), "")?;
        for (step, took) in &best.steps {
            line(&mut text, &format!("  {step}"), &seconds(*took), "")?;
        }
        let [nodes, hub] = best.busy.map(seconds);
        line(&mut text, "processor time, all nodes", &nodes, "")?;
        line(&mut text, "processor time, coordinator", &hub, "")?;
        line(&mut text, "whole run, gathering to publishing", &seconds(best.run), "")?;
        let sent = runs.iter().map(|one| one.sent).max().unwrap_or(0);
        line(&mut text, "upload per node, at most", &bytes(sent), &bound(sent, UPLOAD_TARGET))?;
        let received = runs.iter().map(|one| one.received).max().unwrap_or(0);
        line(&mut text, "download per node, at most", &bytes(received), "")?;
        let peak = |at: usize| runs.iter().map(|one| one.peak[at]).max().unwrap_or(0);
        line(
            &mut text,
            "coordinator, peak memory, sum",
            &bytes(peak(0)),
            &bound(peak(0), MEMORY_TARGET),
        )?;
        line(
            &mut text,
            "coordinator, peak memory, release",
            &bytes(peak(1)),
            &bound(peak(1), MEMORY_TARGET),
        )?;
        line(&mut text, "released cells equal to plain sums", &format!("{CELLS}"), "all")?;
    }
    writeln!(text, "\n{OTHERS}")?;
    Ok(text)
}

pub(super) fn line(text: &mut String, what: &str, value: &str, remark: &str) -> std::fmt::Result {
    writeln!(text, "    {what:<38} {value:>16}   {remark}")
}

pub(super) fn seconds(took: Duration) -> String {
    format!("{:.3} s", took.as_secs_f64())
}

/// With commas between thousands.
fn bytes(bytes: u64) -> String {
    let digits = bytes.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + " B"
}

fn verdict(reached: bool) -> String {
    format!("target 3 s: {}", if reached { "reached" } else { MISSED })
}

fn bound(found: u64, most: u64) -> String {
    let word = if found <= most { "kept" } else { MISSED };
    format!("bound {}: {word}", bytes(most))
}
