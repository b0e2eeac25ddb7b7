//! `flashlight-demo`: prepares the data, runs the network, shows what came out. With `make` first it
//! makes up a network instead.

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
use flashlight_node::local::{LocalCell, exact_cells};
use flashlight_node::records::Records;
use flashlight_proto::release::{Verified, verify_folder};
use flashlight_proto::study::Mode;

use crate::inputs::{District, Inputs};
use crate::network::{Network, role, wait_for, wait_for_line};
use crate::report::{self, View};
use crate::{answers, growth, make, summary};

/// The made-up network that runs after the STAR data: enough students for a benchmark that says something.
const MADE_DISTRICTS: u32 = 12;
const MADE_STUDENTS: u32 = 12_000;
const MADE_YEARS: u16 = 1;
const MADE_SEED: u64 = 2024;

/// Nodes enrolled at a time.
const WORKERS: usize = 4;

/// Longest wait for nodes to read their data.
const GATHER_SECONDS: u32 = 300;

/// Longest wait for the node that is to be lost to come to its point.
const LOSE_WAIT: Duration = Duration::from_secs(60);

/// Longest wait for a node to hear that the release is published.
const HEAR_WAIT: Duration = Duration::from_secs(20);

/// What a node tells when it has heard.
const HEARD: &str = "the hub published a release";

/// Marks a folder as one the demo made and may empty.
const MARKER: &str = ".flashlight-demo";

/// Where a node that will be lost stops: its peers have masked with it and it has paid; its own vector
/// never leaves.
const LOSE_AT: &str = "mask:charged";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// No noise, no formal privacy guarantee
    Exact,
    /// Noise drawn at the nodes
    Dp,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Exact => Self::Exact,
            ModeArg::Dp => Self::Dp,
        }
    }
}

#[derive(Parser)]
#[command(
    name = "flashlight-demo",
    version,
    about = "Runs a whole Flashlight network on this machine, every party its own process",
    after_help = "flashlight-demo make --help: makes up a network to run it on"
)]
struct Cli {
    /// A folder of district folders, each with enrollments.csv and the other tables; default: the
    /// Tennessee STAR data that comes with the demo
    #[arg(long, requires = "study")]
    data: Option<PathBuf>,
    /// The study, TOML, its school table beside it
    #[arg(long, requires = "data")]
    study: Option<PathBuf>,
    /// dp by default; with --study it must be the study's own
    #[arg(long)]
    mode: Option<ModeArg>,
    /// Privacy loss (zCDP) of the STAR study in dp mode [default: 0.1]; more is sharper
    #[arg(long, conflicts_with = "data")]
    rho: Option<f64>,
    /// Run the STAR data alone, without the made-up network after it
    #[arg(long, conflicts_with = "data")]
    star_only: bool,
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
    if args.get(1).is_some_and(|first| first == "make") {
        return make::main(&args[1..]);
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

fn demo(cli: &Cli) -> anyhow::Result<()> {
    let teller = Teller(Instant::now());
    let out = prepare_out(&cli.out)?;
    one_network(cli, inputs(cli, &out)?, &out, &teller)?;
    if cli.data.is_some() || cli.star_only {
        return Ok(());
    }
    writeln!(io::stdout(), "\n{}\n", "-".repeat(100)).context("cannot write to stdout")?;
    let folder = out.join("made");
    let size = (MADE_DISTRICTS, MADE_STUDENTS, MADE_YEARS, MADE_SEED);
    let made = make::small(&folder, size)?;
    teller.say(&format!("made a second network: {made}"))?;
    let mode = cli.mode.map_or(Mode::Dp, Mode::from);
    let inputs = Inputs::made(&folder, mode)?;
    one_network(cli, inputs, &folder.join("run"), &teller)?;
    if mode == Mode::Exact {
        // The STAR study had its growth model already.
        return Ok(());
    }
    writeln!(io::stdout(), "\n{}\n", "-".repeat(100)).context("cannot write to stdout")?;
    let folder = out.join("growth");
    one_network(cli, Inputs::star_growth(&folder)?, &folder.join("run"), &teller)?;
    writeln!(io::stdout(), "\n{}\n", "-".repeat(100)).context("cannot write to stdout")?;
    let folder = out.join("noisy-growth");
    let inputs = Inputs::noisy_growth(&folder)?;
    teller.say("made a network for growth under noise: 75,000 students of one grade")?;
    one_network(cli, inputs, &folder.join("run"), &teller)
}

/// Runs a whole network over `inputs`, every party under `out`.
fn one_network(cli: &Cli, inputs: Inputs, out: &Path, teller: &Teller) -> anyhow::Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let lost = choose_lost(cli, &inputs)?;
    let shown = choose_shown(cli, &inputs, &lost)?;
    let title = &inputs.study.title;
    teller.say(&format!("{title}: {} districts", inputs.districts.len()))?;

    let executable = std::env::current_exe().context("cannot find the demo's own binary")?;
    let mut network = Network::new(executable, out)?;
    network.init_hub()?;
    network.start_hub(0, None)?;
    teller
        .say("the hub has made its keys and listens on loopback (TLS 1.3, client certificates)")?;
    enroll_all(&network, &inputs.districts)?;
    teller.say("every district has enrolled: its keys were made at its node and stay there")?;
    let ids: Vec<&str> = inputs.districts.iter().map(|district| district.id.as_str()).collect();
    network.write_policies(&ids, &inputs.rules())?;
    for district in &inputs.districts {
        let pause = lost.contains(&district.id).then_some(LOSE_AT);
        network.start_node(&district.id, &district.folder, pause)?;
    }
    let release = run(&mut network, &inputs, &lost, teller)?;
    let verified = verify(&release)?;
    if inputs.study.mode == Mode::Dp {
        wait_for_line(&network.log(&shown.id), HEARD, HEAR_WAIT)?;
    }
    network.stop_nodes()?;
    show(&network, &inputs, &verified, Whose { shown, lost: &lost }, teller)?;
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
    let mode = cli.mode.map(Mode::from);
    match (&cli.data, &cli.study) {
        (Some(data), Some(study)) => Inputs::of_folder(data, study, mode),
        _ => Inputs::star(out, mode.unwrap_or_default(), cli.rho),
    }
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
    // --district names one of the data given, or of the STAR data.
    let is_made = cli.data.is_none() && inputs.star.is_none();
    match cli.district.as_ref().filter(|_| !is_made) {
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

/// Whose own numbers are shown, and whose nodes were killed.
struct Whose<'a> {
    shown: &'a District,
    lost: &'a [String],
}

/// The table and what there is to say about it. The nodes have ended.
fn show(
    network: &Network,
    inputs: &Inputs,
    verified: &Verified,
    whose: Whose<'_>,
    teller: &Teller,
) -> anyhow::Result<()> {
    let facts = verified.release.facts();
    let lost: Vec<&str> = facts.lost.iter().map(|lost| lost.as_str()).collect();
    let lost =
        if lost.is_empty() { "none lost".to_owned() } else { format!("lost: {}", lost.join(", ")) };
    teller.say(&format!(
        "release verified: {} of {} districts in the sums ({lost})",
        facts.survivors.len(),
        facts.cohort.len()
    ))?;
    writeln!(io::stdout(), "\n  {}", inputs.study.title)?;
    let own = own_cells(inputs, whose.shown)?;
    match inputs.study.mode {
        Mode::Exact => show_exact(inputs, verified, &whose.shown.id, &own, teller)?,
        Mode::Dp => show_noisy(network, inputs, verified, &whose, &own)?,
    }
    write!(io::stdout(), "{}", summary::notes(inputs)).context("cannot write to stdout")
}

/// What one district knows of itself.
fn own_cells(inputs: &Inputs, district: &District) -> anyhow::Result<Vec<LocalCell>> {
    let (records, _) = Records::read(&district.folder)?;
    let Inputs { study, schools, layout, .. } = inputs;
    let id = district.id.parse()?;
    Ok(exact_cells(&records, study, schools, layout, inputs.whose(&id))?)
}

fn show_exact(
    inputs: &Inputs,
    verified: &Verified,
    district: &str,
    own: &[LocalCell],
    teller: &Teller,
) -> anyhow::Result<()> {
    let min_n = inputs.study.suppression.min_n;
    let view = View { cells: verified.release.cells(), exact: None, own, district, min_n };
    let mut stdout = io::stdout();
    writeln!(stdout, "  exact sums, NO FORMAL PRIVACY GUARANTEE\n")?;
    if inputs.study.tables.is_empty() {
        return growth::show(inputs, verified, district);
    }
    writeln!(stdout, "{}\n{}", report::table(&view), report::legend(min_n))?;
    let answers = answers::pooled(inputs, &answers::survivors(verified))?;
    let (equal, hidden) = answers::check_exact(verified, &answers)?;
    growth::show(inputs, verified, district)?;
    teller.say(&format!(
        "checked against the pooled records: {equal} published cells equal to the last integer, \
         {hidden} hidden"
    ))
}

fn show_noisy(
    network: &Network,
    inputs: &Inputs,
    verified: &Verified,
    whose: &Whose<'_>,
    own: &[LocalCell],
) -> anyhow::Result<()> {
    if inputs.study.tables.is_empty() {
        let district = whose.shown.id.as_str();
        writeln!(
            io::stdout(),
            "  private: noise drawn at every district, before anything left it"
        )?;
        growth::show(inputs, verified, district)?;
        let books = summary::books(&network.node_dir(district))?;
        return write!(io::stdout(), "{}", summary::ledger_line(district, &books))
            .context("cannot write to stdout");
    }
    let answers = answers::pooled(inputs, &answers::survivors(verified))?;
    let plan = answers::plan(inputs, verified)?;
    let (district, min_n) = (whose.shown.id.as_str(), inputs.study.suppression.min_n);
    let cells = verified.release.cells();
    let view = View { cells, exact: Some(&answers), own, district, min_n };
    let mut stdout = io::stdout();
    writeln!(stdout, "  private: noise drawn at every district, before anything left it\n")?;
    writeln!(stdout, "{}\n{}", report::table(&view), report::legend_noisy(district, min_n))?;
    write!(stdout, "{}", summary::hidden(inputs, verified, &plan)?)?;
    let agreement = answers::check_noisy(inputs, verified, &plan, &answers)?;
    write!(stdout, "{}", summary::quality(inputs, verified, &plan, &agreement, &answers)?)?;
    let books = |district: &str| {
        summary::books(&network.node_dir(district))
            .with_context(|| format!("the books of district {district} cannot be read"))
    };
    write!(stdout, "{}", summary::ledger_line(district, &books(district)?))?;
    for lost in whose.lost {
        write!(stdout, "{}", summary::lost_line(lost, &books(lost)?))?;
    }
    Ok(())
}
