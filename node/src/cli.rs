//! `flashlight-node`: what district IT and the privacy officer type.
//!
//! Results go to stdout; everything else to stderr as `node: …`, then `hint:` lines. Exit codes:
//! 0 done, 1 failed, 2 usage, 3 refused by the district's own rules or the hub.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use flashlight_proto::identity::IdentityKey;
use flashlight_proto::layout::LayoutError;
use flashlight_proto::release::verify_folder;
use flashlight_proto::schools::{SchoolTable, SchoolsError};
use flashlight_proto::study::{Study, StudyError};
use flashlight_proto::token::TOKEN_TEXT_MAX;
use flashlight_proto::wire::{SCHOOLS_MAX, STUDY_MAX};
use flashlight_store::StoreError;
use flashlight_store::files::read_limited;
use flashlight_store::pause::Pause;
use zeroize::Zeroizing;

use crate::aggregate::{Whose, aggregate, records_for};
use crate::check;
use crate::consent::Policy;
use crate::enroll::{EnrollError, Membership, enroll};
use crate::gate::POLICY_FILE;
use crate::journal::Journal;
use crate::link;
use crate::load;
use crate::officer;
use crate::preview::{self, Asked};
use crate::records::Records;
use crate::results;
use crate::round::{Node, Question, Refusal, Words, now_ms};

/// What a result that cannot be written is told as.
const NO_STDOUT: &str = "cannot write to stdout";

/// The exit code when nobody reads stdout any more, as a shell tells it of a program that SIGPIPE ended.
const UNREAD: u8 = 141;

#[derive(Parser)]
#[command(name = "flashlight-node", version, about = "A district's part of a Flashlight network")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Join a network with the token the hub sent
    Enroll {
        /// The token, as the hub sent it; - reads it from standard input, so that it stands in no
        /// process list or shell history
        token: String,
        /// This node's folder: keys, certificate and journal
        #[arg(long)]
        dir: PathBuf,
    },
    /// Check the district's files; nothing is sent
    Check {
        /// The folder with enrollments.csv and the other tables
        folder: PathBuf,
        /// Also check the files against this study (TOML); its school table lies beside it
        #[arg(long)]
        study: Option<PathBuf>,
        /// The district's id; without it every school of the table counts
        #[arg(long, requires = "study")]
        district: Option<String>,
        /// This node's folder: compares enrolment with what was loaded into it
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
        /// Also write the report as a page to read in a browser
        #[arg(long)]
        html: Option<PathBuf>,
        /// Also list the student ids behind each finding in this file, for this district's eyes alone
        #[arg(long)]
        ids: Option<PathBuf>,
    },
    /// Check files and load them into this node's own store; nothing is sent
    Load {
        /// The folder with enrollments.csv and the other tables, or files named after their tables
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// This node's folder
        #[arg(long)]
        dir: PathBuf,
    },
    /// Show what a study would take from this district, cell by cell; nothing is sent or spent
    Preview {
        /// The study; its school table lies beside it
        study: PathBuf,
        /// This node's folder
        #[arg(long)]
        dir: PathBuf,
        /// A folder of files to read instead of the loaded records
        #[arg(long)]
        data: Option<PathBuf>,
        /// For machines
        #[arg(long)]
        json: bool,
        /// Also write a page to read in a browser
        #[arg(long)]
        html: Option<PathBuf>,
        /// List only cells over few students
        #[arg(long)]
        small_only: bool,
    },
    /// Show the district's own exact numbers; nothing is sent
    Local(results::LocalArgs),
    /// Write the students and rows behind one number to a file, and note it
    Extract(results::ExtractArgs),
    /// Show the growth of the district's own schools under a release's models
    Growth(results::GrowthArgs),
    /// Stay connected to the hub and take part in studies
    Run {
        /// This node's folder
        #[arg(long)]
        dir: PathBuf,
        /// A folder of files to read, afresh for every round, instead of the loaded records
        #[arg(long)]
        data: Option<PathBuf>,
        /// Stop at STEP:POINT and wait to be killed (debug builds)
        #[arg(long, hide = true)]
        pause_at: Option<String>,
    },
    /// Check a release folder offline: signature, files, and that the tables follow from the sums
    Verify {
        /// The release folder
        folder: PathBuf,
        /// The hub's key, as ed25519:…; default: the key of the network in --dir
        #[arg(long)]
        hub_key: Option<String>,
        /// This node's folder, to take the hub's key from
        #[arg(long, conflicts_with = "hub_key")]
        dir: Option<PathBuf>,
    },
    #[command(flatten)]
    Officer(officer::Command),
}

/// Parses the command line, runs the command, reports.
#[must_use]
pub fn main() -> ExitCode {
    main_from(std::env::args_os())
}

/// As [`main`], from given arguments, the first of which names the program.
pub fn main_from(args: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let failed = error.print().is_err() || error.use_stderr();
            return ExitCode::from(if failed { 2 } else { 0 });
        }
    };
    tracing_subscriber::fmt().with_writer(io::stderr).with_target(false).init();
    quiet_panics();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) if is_unread(&error) => ExitCode::from(UNREAD),
        Err(error) => {
            note(&format!("error: {error:#}{}", coded(&error)));
            if let Some(error) = error.downcast_ref::<EnrollError>() {
                note(&format!("hint: {}", error.hint()));
            }
            ExitCode::FAILURE
        }
    }
}

/// The stable code of an error in brackets, where it has one.
fn coded(error: &anyhow::Error) -> String {
    let code = error.chain().find_map(|cause| {
        let node = cause.downcast_ref::<EnrollError>().map(EnrollError::code);
        node.or_else(|| cause.downcast_ref::<StoreError>().map(StoreError::code))
            .or_else(|| cause.downcast_ref::<StudyError>().map(StudyError::code))
            .or_else(|| cause.downcast_ref::<SchoolsError>().map(SchoolsError::code))
            .or_else(|| cause.downcast_ref::<LayoutError>().map(LayoutError::code))
    });
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

/// One line for people, on stderr.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr(), "node: {text}"));
}

/// A panic message may quote what was being read, so only its place is printed.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => note(&format!("internal error at {}:{}", place.file(), place.line())),
        None => note("internal error"),
    }));
}

/// A result, on stdout.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context(NO_STDOUT)
}

/// Whether whoever read stdout has gone, which is no news to them.
fn is_unread(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    error.to_string() == NO_STDOUT && kind == Some(io::ErrorKind::BrokenPipe)
}

pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Enroll { token, dir } => join(&token, &dir),
        Command::Check { folder, study, district, dir, json, html, ids } => {
            check_folder(&check::Asked {
                folder: &folder,
                study: study.as_deref(),
                district: district.as_deref(),
                dir: dir.as_deref(),
                json,
                html: html.as_deref(),
                ids: ids.as_deref(),
            })
        }
        Command::Preview { study, dir, data, json, html, small_only } => {
            let (study, dir, data, html) = (&study, &dir, data.as_deref(), html.as_deref());
            look(&Asked { study, dir, data, json, html, small_only })
        }
        Command::Load { paths, dir } => load::command(&paths, &dir),
        Command::Local(args) => results::show(&args),
        Command::Extract(args) => results::extract(&args),
        Command::Growth(args) => results::growth(&args),
        Command::Run { dir, data, pause_at } => serve(&dir, data, pause_at),
        Command::Verify { folder, hub_key, dir } => {
            verify(&folder, hub_key.as_deref(), dir.as_deref())
        }
        Command::Officer(command) => officer::run(command),
    }
}

fn join(token: &str, dir: &Path) -> anyhow::Result<ExitCode> {
    let mut line = Zeroizing::new(String::new());
    if token == "-" {
        let mut stdin = io::stdin().lock().take(TOKEN_TEXT_MAX as u64 + 2);
        stdin.read_line(&mut line).context("cannot read the token from standard input")?;
    } else {
        line.push_str(token);
    }
    let token = line.trim();
    match runtime()?.block_on(enroll(token, dir, now_ms())) {
        Ok(enrolled) => {
            say(&format!("enrolled as {} ({})", enrolled.name, enrolled.district))?;
            say(&format!("hub fingerprint: {}", enrolled.words.join(" ")))?;
            note("call the hub and compare these words before the first study");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let (code, hint) = (error.code(), error.hint());
            note(&format!("error: {:#} ({code})", anyhow::Error::new(error)));
            note(&format!("hint: {hint}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A study from a file, with the school table beside it.
///
/// # Errors
/// When either cannot be read or is not valid.
pub fn study_beside(path: &Path) -> anyhow::Result<(Study, SchoolTable)> {
    let study = Study::parse(&read_limited(path, STUDY_MAX as u64)?)
        .with_context(|| format!("{} is not a valid study", path.display()))?;
    let file = path.parent().unwrap_or_else(|| Path::new(".")).join(&study.schools.file);
    let schools = SchoolTable::parse(&read_limited(&file, SCHOOLS_MAX as u64)?)
        .with_context(|| format!("{} is not a valid school table", file.display()))?;
    anyhow::ensure!(
        schools.hash() == study.schools.sha256,
        "{} is not the school table the study names: its SHA-256 is {}, the study says {} \
         (schools_hash)",
        file.display(),
        schools.hash(),
        study.schools.sha256
    );
    Ok((study, schools))
}

fn check_folder(asked: &check::Asked<'_>) -> anyhow::Result<ExitCode> {
    let (text, notes, refused) = check::command(asked)?;
    say(text.trim_end())?;
    notes.iter().for_each(|line| note(line));
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look(asked: &Asked<'_>) -> anyhow::Result<ExitCode> {
    let (text, notes) = preview::command(asked)?;
    say(text.trim_end())?;
    notes.iter().for_each(|line| note(line));
    Ok(ExitCode::SUCCESS)
}

fn serve(dir: &Path, data: Option<PathBuf>, pause_at: Option<String>) -> anyhow::Result<ExitCode> {
    let membership = Membership::open(dir)?;
    let mut journal = Journal::open(&dir.join("state"))?;
    membership.record(&mut journal, now_ms())?;
    let dialer = membership.dialer()?;
    let (district, hub_key) = (membership.district().clone(), membership.hub_key());
    note(&format!("district {district}, hub {}", membership.address()));
    if Policy::load(&dir.join(POLICY_FILE))?.is_missing() {
        note(&format!(
            "{} has no {POLICY_FILE}; every study is refused until it has",
            dir.display()
        ));
        note("hint: deploy/samples/policy.toml is one to start from; it is read for every study");
    }
    match &data {
        Some(data) if !data.is_dir() => {
            note(&format!("{} is not there; every study is refused until it is", data.display()));
        }
        None if Records::loaded_years(dir).is_err() => {
            note("nothing is loaded; every study is refused until it is");
            note(&format!("hint: `flashlight-node load FOLDER --dir {}`", dir.display()));
        }
        _ => {}
    }
    let home = dir.to_owned();
    let node = Arc::new(Node {
        identity: membership.into_identity(),
        district,
        hub_key,
        home: dir.to_owned(),
        contribute: Box::new(move |question| contribute(data.as_deref(), &home, question)),
        journal: Mutex::new(journal),
        orders: Mutex::default(),
        pause: Pause::new(pause_at, dir.join("paused")),
    });
    let connect = || async {
        dialer.connect().await.map_err(|error| {
            let (code, hint) = (error.code(), error.hint());
            format!(
                "{:#} ({code})\nnode: hint: {hint}\nnode: the hub was not reached",
                anyhow::Error::new(error)
            )
        })
    };
    let held = runtime()?.block_on(async {
        tokio::select! {
            held = link::hold(&node, connect, note) => Some(held),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    match held {
        Some(Err(shut_out)) => {
            note(&format!("error: {shut_out}"));
            note("hint: ask the hub; a revoked district needs a new invitation");
            Ok(ExitCode::from(3))
        }
        Some(Ok(())) | None => {
            note("stopping; a round in flight goes on without this node");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// This district's words: files, or what is loaded, are read afresh for every run. What is wrong with them is told here
/// and not to the hub: the sentences hold counts and row numbers.
fn contribute(data: Option<&Path>, dir: &Path, question: Question<'_>) -> Result<Words, Refusal> {
    let Question { study, schools, layout, district, accept_responses } = question;
    let keep = |code: &'static str, error: &dyn std::fmt::Display| {
        note(&format!("the files cannot answer study {}: {error} ({code})", study.hash()));
        if let Some(data) = data {
            let folder = data.display();
            note(&format!("hint: `flashlight-node check {folder}` lists everything that is wrong"));
        }
        Refusal::new(code, "this district's files cannot answer the study; its own log says why")
    };
    let records = records_for(study, data, dir).map_err(|error| keep(error.code(), &error))?;
    let whose = Whose { district: Some(district), accept_responses };
    let (words, _) = aggregate(&records, study, schools, layout, whose)
        .map_err(|error| keep(error.code(), &error))?;
    Ok(words)
}

fn verify(folder: &Path, hub_key: Option<&str>, dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    let hub: Option<IdentityKey> = match (hub_key, dir) {
        (Some(text), _) => {
            Some(text.parse().context("--hub-key is not ed25519: and 64 hex digits")?)
        }
        (None, Some(dir)) => Some(Membership::open(dir)?.hub_key()),
        (None, None) => None,
    };
    let files = results::release_files(folder)?;
    let verified = match verify_folder(&files, hub.as_ref()) {
        Ok(verified) => verified,
        Err(error) => {
            let code = error.code();
            note(&format!("error: {:#} ({code})", anyhow::Error::new(error)));
            return Ok(ExitCode::FAILURE);
        }
    };
    say(&format!("release of study {:?}: whole", verified.study.id))?;
    say(&format!("signed by {}", verified.hub))?;
    say(&format!("guarantee: {}", verified.release.guarantee()))?;
    if !verified.pinned {
        note("the signing key was taken from the folder itself: it shows that the folder is whole");
        note("hint: give --dir or --hub-key to check who signed it");
    }
    Ok(ExitCode::SUCCESS)
}
