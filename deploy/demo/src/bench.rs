//! `secure-sum-bench`: a secure sum of 60 nodes × 100,000 cells over gRPC and mutual TLS on
//! loopback, timed step by step.
//!
//! The coordinator is a process of its own (this binary, re-executed), so that its peak memory can
//! be read; the nodes are tasks of this process, each with its own keys, journal and connection.
//! Everything they run is the code of `flashlight-coordinator` and `flashlight-node`. Every sum is
//! compared with the plain sum of the survivors' words. Linux only: memory is read from `/proc`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use flashlight_node::enroll::Membership;
use flashlight_proto::release::{Outcome, verify_folder};
use flashlight_proto::secagg::COMPLETE_MAX;
use tokio::runtime::Runtime;

use crate::network::{Network, role};

pub mod growth_noise;
mod micro;
mod nodes;
mod noise;
mod setting;
mod sparse;
mod table;

use setting::{CELLS, MAX_DROPPED, Setting, district, sums};

/// Longest wait for all nodes to be ready.
const GATHER_SECONDS: u32 = 120;

/// The steps of a round as the coordinator's progress names them; `order` on the sparse graph only.
const STEPS: [&str; 8] =
    ["advertise", "order", "share", "acknowledge", "mask", "confirm", "unmask", "publish"];

/// Most nodes whose sums stay exact in a release.
const NODES_MAX: usize = 500;

#[derive(Parser)]
#[command(
    name = "secure-sum-bench",
    version,
    about = "Times a secure sum of 100,000 cells over gRPC and mutual TLS on loopback"
)]
struct Cli {
    /// Districts: 8 to 500 [default: 60], or 255 to 1000 with --sparse [default: 1000]
    #[arg(long, value_parser = clap::value_parser!(u16).range(8..=1000))]
    nodes: Option<u16>,
    /// How often each case is run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeat: u16,
    /// Time the steps of the protocol alone, without a network, instead
    #[arg(long)]
    micro: bool,
    /// Time a round of more than 254 nodes on the sparse graph, in memory, instead
    #[arg(long, conflicts_with = "micro")]
    sparse: bool,
    /// With --sparse: districts that may be lost once they have masked, and are
    #[arg(long, default_value_t = 20, requires = "sparse")]
    dropped: u16,
    /// With --sparse: districts that may collude
    #[arg(long, default_value_t = 10, requires = "sparse")]
    colluding: u16,
}

/// Runs a role when re-executed as one, else the bench.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = role(&args) {
        return code;
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            let failed = error.print().is_err() || error.use_stderr();
            return ExitCode::from(if failed { 2 } else { 0 });
        }
    };
    let result = if cli.micro {
        micro::run()
    } else if cli.sparse {
        sparse::run(usize::from(cli.nodes.unwrap_or(1000)), usize::from(cli.dropped), cli.colluding)
    } else {
        bench(&cli)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "bench: error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn note(text: &str) {
    drop(writeln!(io::stderr(), "bench: {text}"));
}

/// What one run took.
struct Measured {
    lost: usize,
    /// From the first directive of the round until the sum is open.
    wall: Duration,
    /// Where [`Self::wall`] went, in the order of [`STEPS`] without `publish`; the last is followed
    /// by `open`, which is the coordinator's part of *unmask*.
    steps: Vec<(&'static str, Duration)>,
    /// Processor time over [`Self::wall`], of the nodes' process and of the coordinator's.
    busy: [Duration; 2],
    /// Of the whole command: gathering, the round, building and writing the release.
    run: Duration,
    /// Most bytes a survivor sent, from its TLS handshake to the end.
    sent: u64,
    /// Most bytes a survivor received.
    received: u64,
    /// The coordinator's peak resident memory once the sum was open, and after the release, bytes.
    peak: [u64; 2],
}

/// A network with every district enrolled.
struct Bench {
    network: Network,
    runtime: Runtime,
    setting: Setting,
    out: PathBuf,
    port: u16,
    nodes: usize,
}

fn bench(cli: &Cli) -> anyhow::Result<()> {
    ensure!(cfg!(debug_assertions), "nodes are lost by a pause that only debug builds have");
    let nodes = usize::from(cli.nodes.unwrap_or(60));
    ensure!(nodes <= NODES_MAX, "more than {NODES_MAX} nodes need --sparse");
    let out = tempfile::tempdir().context("cannot make a folder for the bench")?;
    let mut bench = Bench::new(out.path(), nodes)?;
    let mut measured = Vec::new();
    for lost in [0, MAX_DROPPED] {
        for _ in 0..cli.repeat {
            let one = bench.run(lost, measured.len())?;
            note(&format!("{lost} lost: {:.2} s", one.wall.as_secs_f64()));
            measured.push(one);
        }
    }
    let text = table::table(&measured, bench.nodes)?;
    write!(io::stdout(), "{text}").context("cannot write to stdout")?;
    ensure!(!text.contains(table::MISSED), "a target was missed");
    Ok(())
}

impl Bench {
    fn new(out: &Path, nodes: usize) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("cannot find this binary")?;
        let mut network = Network::new(executable, out)?;
        network.init_hub()?;
        network.start_hub(0, None)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")?;
        note(&format!("enrolling {nodes} nodes"));
        nodes::enroll_all(&network, runtime.handle(), nodes)?;
        let port = Membership::open(&network.node_dir(&district(0)))?.address().port();
        let (setting, out) = (Setting::new(nodes)?, out.to_owned());
        Ok(Self { network, runtime, setting, out, port, nodes })
    }

    /// One run of the study over fresh connections to a fresh coordinator.
    fn run(&mut self, lost: usize, repetition: usize) -> anyhow::Result<Measured> {
        let study = self.setting.write(&self.out, repetition)?;
        self.network.kill_hub()?;
        self.network.start_hub(self.port, None)?;
        let process = self.network.hub_process().context("the coordinator is gone")?;
        let process = process.to_string();
        let handle = self.runtime.handle();
        let running = nodes::start_all(&self.network, handle, self.nodes, lost)?;

        let start = Instant::now();
        let mut run = self.network.start_run(&study, GATHER_SECONDS)?;
        nodes::lose(handle, &running);
        let mut marks: Vec<(&'static str, Instant, Instant)> = Vec::new();
        let mut peak = [0; 2];
        let mut busy = Vec::new();
        while let Some(line) = run.next_line()? {
            let now = Instant::now();
            let word = line.split([' ', ':']).next().unwrap_or_default();
            let Some(step) = STEPS.into_iter().find(|step| *step == word) else { continue };
            match marks.last_mut() {
                Some((last, _, until)) if *last == step => *until = now,
                _ => {
                    marks.push((step, now, now));
                    busy.push([processor_time("self")?, processor_time(&process)?]);
                }
            }
            if step == "publish" {
                peak[0] = peak_memory(&process)?;
            }
        }
        let release = run.finish()?;
        let took = start.elapsed();
        peak[1] = peak_memory(&process)?;
        check(&release, lost, self.nodes)?;
        let survivors = || running[lost..].iter().map(|node| &node.traffic);
        let (wall, steps) = split(&marks, self.nodes > usize::from(COMPLETE_MAX))?;
        Ok(Measured {
            lost,
            wall,
            steps,
            busy: [0, 1].map(|at| busy[marks.len() - 1][at].saturating_sub(busy[0][at])),
            run: took,
            sent: survivors().map(|traffic| traffic.sent()).max().unwrap_or(0),
            received: survivors().map(|traffic| traffic.received()).max().unwrap_or(0),
            peak,
        })
    }
}

/// The time between the first line of each step and the first of the next.
fn split(
    marks: &[(&'static str, Instant, Instant)],
    is_sparse: bool,
) -> anyhow::Result<(Duration, Vec<(&'static str, Duration)>)> {
    let seen: Vec<&str> = marks.iter().map(|(step, ..)| *step).collect();
    let wanted: Vec<&str> =
        STEPS.into_iter().filter(|step| is_sparse || *step != "order").collect();
    ensure!(seen == wanted, "the round went through the steps {seen:?}, not {wanted:?}");
    let mut steps = Vec::new();
    for pair in marks.windows(2) {
        let ((step, from, until), (_, next, _)) = (pair[0], pair[1]);
        if step == "unmask" {
            // The last share is in; what is left is the coordinator's own work.
            steps.push((step, until - from));
            steps.push(("open", next - until));
        } else {
            steps.push((step, next - from));
        }
    }
    Ok((marks[wanted.len() - 1].1 - marks[0].1, steps))
}

/// Peak resident memory of a process so far, bytes.
fn peak_memory(process: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .context("cannot read the coordinator's memory from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024).context("/proc does not tell the coordinator's peak memory")
}

/// Processor time of a process so far, in all its threads.
fn processor_time(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))
        .context("cannot read the processor time of a process from /proc")?;
    // After the name, which stands in parentheses: state, then numbers; utime and stime are fields
    // 14 and 15 of the whole line, in hundredths of a second (proc(5)).
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Compares every released cell with the plain sum of the survivors' words.
fn check(release: &Path, lost: usize, nodes: usize) -> anyhow::Result<()> {
    let mut files = std::collections::BTreeMap::new();
    for entry in fs::read_dir(release)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    let verified = verify_folder(&files, None).context("the release does not verify")?;
    let names: Vec<String> =
        verified.release.facts().survivors.iter().map(ToString::to_string).collect();
    let expected: Vec<String> = (lost..nodes).map(district).collect();
    ensure!(names == expected, "the survivors are {names:?}");
    let plain = sums(lost..nodes);
    let cells = verified.release.cells();
    ensure!(cells.len() == CELLS, "the release has {} cells", cells.len());
    let equal = cells.iter().zip(plain).all(|(cell, n)| cell.outcome == Outcome::Count { n });
    ensure!(equal, "a released cell differs from the plain sum of the survivors");
    Ok(())
}
