//! `flashlight-demo`: prepares the data, runs the network, shows what came out.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, ValueEnum};
use flashlight_node::cli::study_beside;
use flashlight_node::local::exact_cells;
use flashlight_node::records::Records;
use flashlight_proto::layout::Layout;
use flashlight_proto::release::{Outcome, Verified, verify_folder};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::{Mode, Study};

use crate::network::{Network, open_rules, role, wait_for};
use crate::{report, star};

/// Nodes enrolled at a time.
const WORKERS: usize = 4;

/// Longest wait for nodes to read their data.
const GATHER_SECONDS: u32 = 300;

/// Longest wait for the node that is to be lost to come to its point.
const LOSE_WAIT: Duration = Duration::from_secs(60);

/// Most ρ that a district of the demo allows a round and a school year.
const RHO_MOST: f64 = 1.0;

/// Marks a folder as one the demo made and may empty.
const MARKER: &str = ".flashlight-demo";

/// Where a node that will be lost stops: its peers have masked with it, its own vector never leaves.
const LOSE_AT: &str = "mask:before";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// No noise
    Exact,
    /// Noise drawn at the nodes
    Dp,
}

#[derive(Parser)]
#[command(
    name = "flashlight-demo",
    version,
    about = "Runs a whole Flashlight network on this machine, every party its own process"
)]
struct Cli {
    /// A folder of district folders, each with enrollments.csv and the other tables; default: the
    /// Tennessee STAR data that comes with the demo
    #[arg(long, requires = "study")]
    data: Option<PathBuf>,
    /// The study, TOML, its school table beside it
    #[arg(long, requires = "data")]
    study: Option<PathBuf>,
    /// Must be the study's own mode
    #[arg(long)]
    mode: Option<ModeArg>,
    /// Where everything is written; emptied first if an earlier demo wrote it
    #[arg(long, default_value = "flashlight-demo")]
    out: PathBuf,
    /// Small districts whose nodes are killed in the middle of the round; default: 1 with the STAR
    /// data, 0 with --data
    #[arg(long)]
    lose: Option<usize>,
    /// The district whose own numbers stand beside the network's; default: the largest
    #[arg(long)]
    district: Option<String>,
}

/// Runs a role when re-executed as one, else the demo.
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
    match demo(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "demo: error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Lines for people, with the time since the start.
struct Teller(Instant);

impl Teller {
    fn say(&self, text: &str) -> anyhow::Result<()> {
        let seconds = self.0.elapsed().as_secs_f64();
        writeln!(io::stdout(), "{seconds:6.1} s  {text}").context("cannot write to stdout")
    }
}

/// One district of the network.
struct District {
    id: String,
    folder: PathBuf,
    /// Bytes of its enrolment file: how large it is, near enough.
    size: u64,
}

/// The data, the study, and where they are.
struct Inputs {
    districts: Vec<District>,
    study_path: PathBuf,
    study: Study,
    schools: SchoolTable,
    layout: Layout,
    star: Option<star::StarNetwork>,
}

fn demo(cli: &Cli) -> anyhow::Result<()> {
    let teller = Teller(Instant::now());
    let out = prepare_out(&cli.out)?;
    let inputs = inputs(cli, &out)?;
    check_mode(cli.mode, &inputs.study)?;
    let lost = choose_lost(cli, &inputs)?;
    let shown = choose_shown(cli, &inputs, &lost)?;
    let title = &inputs.study.title;
    teller.say(&format!("{title}: {} districts", inputs.districts.len()))?;

    let executable = std::env::current_exe().context("cannot find the demo's own binary")?;
    let mut network = Network::new(executable, &out)?;
    network.init_hub()?;
    network.start_hub(0, None)?;
    teller
        .say("the hub has made its keys and listens on loopback (TLS 1.3, client certificates)")?;
    enroll_all(&network, &inputs.districts)?;
    teller.say("every district has enrolled: its keys were made at its node and stay there")?;
    let ids: Vec<&str> = inputs.districts.iter().map(|district| district.id.as_str()).collect();
    network.write_policies(&ids, &open_rules(RHO_MOST))?;
    for district in &inputs.districts {
        let pause = lost.contains(&district.id).then_some(LOSE_AT);
        network.start_node(&district.id, &district.folder, pause)?;
    }
    let release = run(&mut network, &inputs, &lost, &teller)?;
    let verified = verify(&release)?;
    show(&inputs, &verified, shown, &teller)?;
    compare(&inputs, &verified, &teller)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "\n  release   {}", from_here(&release).display())?;
    writeln!(stdout, "  verify    see VERIFY.txt there: sha256sum and openssl are enough")?;
    writeln!(stdout, "  logs      {}", from_here(&out.join("logs")).display())?;
    Ok(())
}

/// A path as somebody in the current folder would type it.
fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let short = here.ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    short.unwrap_or_else(|| path.to_owned())
}

fn prepare_out(out: &Path) -> anyhow::Result<PathBuf> {
    let shown = out.display();
    if out.exists() {
        let empty =
            fs::read_dir(out).with_context(|| format!("cannot read {shown}"))?.next().is_none();
        ensure!(
            empty || out.join(MARKER).exists(),
            "{shown} holds something else; name an empty or new folder with --out"
        );
        fs::remove_dir_all(out).with_context(|| format!("cannot empty {shown}"))?;
    }
    fs::create_dir_all(out).with_context(|| format!("cannot make {shown}"))?;
    fs::write(out.join(MARKER), "made by flashlight-demo, which may empty it\n")?;
    out.canonicalize().with_context(|| format!("cannot resolve {shown}"))
}

fn inputs(cli: &Cli, out: &Path) -> anyhow::Result<Inputs> {
    let (folders, study_path, star) = match (&cli.data, &cli.study) {
        (Some(data), Some(study)) => (subfolders(data)?, study.clone(), None),
        _ => {
            let star = star::write_network(out).context("cannot write the STAR data")?;
            let folders =
                star.districts.iter().map(|one| (one.id.clone(), one.folder.clone())).collect();
            (folders, star.study.clone(), Some(star))
        }
    };
    let (study, schools) = study_beside(&study_path)?;
    let layout = Layout::derive(&study, &schools)?;
    let districts = folders
        .into_iter()
        .map(|(id, folder)| {
            let size = ["enrollments.csv", "enrollments.parquet"]
                .iter()
                .filter_map(|file| fs::metadata(folder.join(file)).ok())
                .map(|file| file.len())
                .max();
            let size = size.with_context(|| format!("{} has no enrollments", folder.display()))?;
            Ok(District { id, folder, size })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Inputs { districts, study_path, study, schools, layout, star })
}

/// District folders, by name, which is the district's id.
fn subfolders(data: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    let entries = fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            folders.push((name, path.canonicalize()?));
        }
    }
    folders.sort();
    ensure!(!folders.is_empty(), "{} holds no district folders", data.display());
    Ok(folders)
}

fn check_mode(asked: Option<ModeArg>, study: &Study) -> anyhow::Result<()> {
    let asked = match asked {
        Some(ModeArg::Exact) => Mode::Exact,
        Some(ModeArg::Dp) => Mode::Dp,
        None => study.mode,
    };
    ensure!(
        asked == study.mode,
        "--mode {asked}, but the study says mode = \"{}\": change [privacy] in the study",
        study.mode
    );
    ensure!(
        study.mode == Mode::Exact,
        "this version cannot add noise yet; it runs studies with mode = \"exact\""
    );
    Ok(())
}

/// The smallest districts, whose nodes will be killed in the middle of the round.
fn choose_lost(cli: &Cli, inputs: &Inputs) -> anyhow::Result<Vec<String>> {
    let by_default = inputs.star.is_some() && cfg!(debug_assertions);
    let count = cli.lose.unwrap_or_else(|| usize::from(by_default));
    let most = usize::from(inputs.study.cohort.max_dropped);
    ensure!(count <= most, "--lose {count}, but the study lets only {most} districts drop");
    if count > 0 && !cfg!(debug_assertions) {
        bail!("--lose needs a debug build: a release build cannot be stopped at a point");
    }
    let mut by_size: Vec<&District> = inputs.districts.iter().collect();
    by_size.sort_by_key(|district| district.size);
    Ok(by_size.iter().take(count).map(|district| district.id.clone()).collect())
}

fn choose_shown<'a>(
    cli: &Cli,
    inputs: &'a Inputs,
    lost: &[String],
) -> anyhow::Result<&'a District> {
    let candidates = || inputs.districts.iter().filter(|district| !lost.contains(&district.id));
    match &cli.district {
        Some(id) => candidates()
            .find(|district| district.id == *id)
            .with_context(|| format!("--district {id} is not one of the districts that stay")),
        None => candidates().max_by_key(|district| district.size).context("no district stays"),
    }
}

/// Invites and enrols all districts, a few at a time.
fn enroll_all(network: &Network, districts: &[District]) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(district) = districts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("District {}", district.id);
                    let result = network
                        .invite(&district.id, &name)
                        .and_then(|token| network.enroll(&district.id, &token))
                        .with_context(|| format!("district {} could not enrol", district.id));
                    if let (Err(error), Ok(mut failed)) = (result, failed.lock()) {
                        *failed = Some(error);
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => bail!("enrolling the districts ended unexpectedly"),
    }
}

/// Runs the study, killing the nodes that are to be lost on the way.
fn run(
    network: &mut Network,
    inputs: &Inputs,
    lost: &[String],
    teller: &Teller,
) -> anyhow::Result<PathBuf> {
    let mut run = network.start_run(&inputs.study_path, GATHER_SECONDS)?;
    // A step says many lines; people want the last one, and whatever went wrong.
    let (mut step, mut last) = (String::new(), String::new());
    let mut killed = false;
    while let Some(line) = run.next_line()? {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        if word != step && !last.is_empty() {
            teller.say(&format!("hub: {last}"))?;
        }
        let (count, detail) = line.split_once(": ").unwrap_or((&line, ""));
        count.clone_into(&mut last);
        if !detail.is_empty() && !detail.ends_with("is ready") {
            teller.say(&format!("hub: {line}"))?;
            last.clear();
        }
        if word == "mask" && !killed {
            killed = true;
            for district in lost {
                wait_for(&network.pause_marker(district), LOSE_WAIT)?;
                network.kill_node(district)?;
                teller.say(&format!(
                    "killed the node of district {district}, after its peers masked with it"
                ))?;
            }
        }
        step = word;
    }
    let release = run.finish()?;
    teller.say("published")?;
    Ok(release)
}

fn verify(release: &Path) -> anyhow::Result<Verified> {
    let mut files = std::collections::BTreeMap::new();
    for entry in fs::read_dir(release)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    verify_folder(&files, None).context("the release does not verify")
}

fn show(
    inputs: &Inputs,
    verified: &Verified,
    district: &District,
    teller: &Teller,
) -> anyhow::Result<()> {
    let facts = verified.release.facts();
    let (records, _) = Records::read(&district.folder)?;
    let Inputs { study, schools, layout, .. } = inputs;
    let own = exact_cells(&records, study, schools, layout, &district.id.parse()?)?;
    let lost: Vec<&str> = facts.lost.iter().map(|lost| lost.as_str()).collect();
    let lost =
        if lost.is_empty() { "none lost".to_owned() } else { format!("lost: {}", lost.join(", ")) };
    teller.say(&format!(
        "release verified: {} of {} districts in the sums ({lost})",
        facts.survivors.len(),
        facts.cohort.len()
    ))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "\n  {}", study.title)?;
    writeln!(stdout, "  exact sums, NO FORMAL PRIVACY GUARANTEE\n")?;
    let min_n = study.suppression.min_n;
    let table = report::table(verified.release.cells(), &own, &district.id, min_n);
    write!(stdout, "{table}").context("cannot write to stdout")
}

/// What no real network can do: the demo holds everybody's data, so it adds them up in the clear.
fn compare(inputs: &Inputs, verified: &Verified, teller: &Teller) -> anyhow::Result<()> {
    let survivors: Vec<String> =
        verified.release.facts().survivors.iter().map(ToString::to_string).collect();
    let pooled = pooled(inputs, &survivors)?;
    let (mut equal, mut hidden) = (0, 0);
    for (cell, (n, total)) in verified.release.cells().iter().zip(&pooled) {
        let same = match cell.outcome {
            Outcome::Suppressed => {
                hidden += 1;
                continue;
            }
            Outcome::Count { n: got } => got == *n,
            Outcome::Rate { num, n: got } => got == *n && i64::try_from(num).ok() == Some(*total),
            Outcome::Mean { sum, n: got, .. } => got == *n && sum == *total,
            Outcome::Noisy(_) => anyhow::bail!(
                "the release carries noise, so its cells cannot equal the pooled sums; the demo \
                 checks studies with mode = \"exact\""
            ),
        };
        ensure!(same, "a published cell differs from the pooled sum: {}", cell.indicator);
        equal += 1;
    }
    writeln!(io::stdout())?;
    teller.say(&format!(
        "checked against the pooled records: {equal} published cells equal to the last integer, \
         {hidden} hidden"
    ))?;
    if inputs.star.is_some() {
        teller.say(
            "note: the demo's public school table was derived from the data, which a real network \
             must not do",
        )?;
    }
    Ok(())
}

/// (n, total) of every cell over the survivors' records.
fn pooled(inputs: &Inputs, survivors: &[String]) -> anyhow::Result<Vec<(u64, i64)>> {
    if let Some(star) = &inputs.star {
        let ids: Vec<&str> = survivors.iter().map(String::as_str).collect();
        return Ok(star.pooled(&ids).iter().map(|cell| (cell.n, cell.total)).collect());
    }
    let Inputs { study, schools, layout, .. } = inputs;
    let mut sums: Vec<(u64, i64)> = Vec::new();
    for district in inputs.districts.iter().filter(|one| survivors.contains(&one.id)) {
        let (records, _) = Records::read(&district.folder)?;
        let cells = exact_cells(&records, study, schools, layout, &district.id.parse()?)?;
        sums.resize(cells.len(), (0, 0));
        for (sum, cell) in sums.iter_mut().zip(&cells) {
            *sum = (sum.0 + cell.n, sum.1 + cell.total);
        }
    }
    Ok(sums)
}
