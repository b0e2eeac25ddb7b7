//! `flashlight-coordinator`: the operator's commands.
//!
//! Results go to stdout; everything else to stderr as `coordinator: …`, then `hint:` lines. Exit
//! codes: 0 done, 1 failed, 2 usage, 75 nothing was published and the same run may succeed later.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use flashlight_proto::token::{HubAddress, TokenError};
use flashlight_proto::wire::pb::district_server::DistrictServer;
use flashlight_proto::wire::pb::enrolment_server::EnrolmentServer;
use flashlight_proto::wire::pb::hub_client::HubClient;
use flashlight_proto::wire::pb::hub_server::HubServer;
use flashlight_proto::wire::{CODE_KEY, MESSAGE_MAX, pb};
use flashlight_store::pause::Pause;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server};

use crate::ca::{Authority, CaError};
use crate::enrolment::OperatorError;
use crate::hub::{Hub, now_ms};
use crate::service::{DistrictService, EnrolmentService, HubService};
use crate::study_check::Check;
use crate::study_start;
use crate::tls;

/// HTTP/2 keepalive: a peer that is silent this long is asked, and dropped if it stays silent as long.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// HTTP/2 flow control per stream: what a node may send before it is read. Small, so that uploads
/// which wait for a place to be staged do not pile up in memory.
const STREAM_WINDOW: u32 = 128 * 1024;

/// Where the operator's commands reach the running coordinator.
const SOCKET: &str = "operator.sock";

/// What a result that cannot be written is told as.
const NO_STDOUT: &str = "cannot write to stdout";

/// The exit code when nobody reads stdout any more, as a shell tells it of a program that SIGPIPE ended.
const UNREAD: u8 = 141;

#[derive(Parser)]
#[command(name = "flashlight-coordinator", version, about = "The hub of a Flashlight network")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the hub's keys and certificate authority in a new folder
    Init {
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
        /// DNS name or IP address at which districts reach the hub; repeat for more
        #[arg(long = "name", required = true)]
        names: Vec<String>,
    },
    /// Serve districts and the operator until stopped
    Serve {
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
        /// Address and port to listen on
        #[arg(long, default_value = "0.0.0.0:7443")]
        listen: SocketAddr,
        /// Host and port that tokens carry; default: the first --name of init and the port listened on
        #[arg(long)]
        address: Option<String>,
        /// Stop at STEP:POINT and wait to be killed (debug builds)
        #[arg(long, hide = true)]
        pause_at: Option<String>,
    },
    /// Invite a district: prints the token its IT needs to enrol
    Invite {
        /// The district's name, as in "Fresno Unified"
        name: String,
        /// The district's id: letters, digits, '_' or '-', as in the public school table
        #[arg(long)]
        id: String,
        /// Hours until the token expires
        #[arg(long, default_value_t = 72)]
        hours: u32,
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
    },
    /// Shut a district out
    Revoke {
        /// The district's id
        id: String,
        /// Why, for the hub's journal
        #[arg(long)]
        reason: String,
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
    },
    /// Show who belongs to the network and who is connected
    Roster {
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
    },
    /// Work on a study before it is run
    Study {
        #[command(subcommand)]
        command: StudyCommand,
    },
    /// Run a study and publish its release
    Run {
        /// The study, TOML; its school table lies beside it
        study: PathBuf,
        /// The hub's folder
        #[arg(long)]
        dir: PathBuf,
        /// Longest wait for districts to be ready; the run starts earlier when all are
        #[arg(long, default_value_t = 120)]
        gather_seconds: u32,
        /// Longest wait for one step of a round
        #[arg(long, default_value_t = 60)]
        step_seconds: u32,
        /// Exactly these districts, of whom none may drop: for a second set of districts, or where
        /// officers have signed an override
        #[arg(long, value_name = "ID,ID,…", value_delimiter = ',')]
        cohort: Vec<String>,
    },
}

#[derive(Subcommand)]
enum StudyCommand {
    /// Show what a study would read, cost and show; nothing is asked, nothing is spent
    Check {
        /// The study, TOML; its school table lies beside it
        study: PathBuf,
        /// Number of districts; default: those the school table names
        #[arg(long)]
        districts: Option<u16>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a later study's growth models may start from, as TOML for its [[growth]] sections
    Start {
        /// A release folder of a study with growth models in dp
        release: PathBuf,
    },
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
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
        .and_then(|runtime| runtime.block_on(run(cli.command)));
    match result {
        Ok(code) => code,
        Err(error) if is_unread(&error) => ExitCode::from(UNREAD),
        Err(error) => {
            note(&format!("error: {error:#}{}", coded(&error)));
            ExitCode::FAILURE
        }
    }
}

/// The stable code of an error in brackets, where it has one.
fn coded(error: &anyhow::Error) -> String {
    let code = error.chain().find_map(|cause| {
        let hub = cause.downcast_ref::<OperatorError>().map(OperatorError::code);
        hub.or_else(|| cause.downcast_ref::<CaError>().map(CaError::code))
            .or_else(|| cause.downcast_ref::<tls::TlsError>().map(tls::TlsError::code))
            .or_else(|| cause.downcast_ref::<TokenError>().map(TokenError::code))
    });
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

/// One line for people, on stderr.
fn note(text: &str) {
    drop(writeln!(io::stderr(), "coordinator: {text}"));
}

/// One line of a result, on stdout.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context(NO_STDOUT)
}

/// Whether whoever read stdout has gone, which is no news to them.
fn is_unread(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    error.to_string() == NO_STDOUT && kind == Some(io::ErrorKind::BrokenPipe)
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init { dir, names } => {
            let authority = Authority::init(&dir, &names, now_ms())?;
            say(&format!("hub key      {}", authority.hub_key()))?;
            say(&format!("fingerprint  {}", authority.words().join(" ")))?;
            note(&format!("keys are in {}; back them up, and keep them private", dir.display()));
        }
        Command::Serve { dir, listen, address, pause_at } => {
            serve(&dir, listen, address, pause_at).await?;
        }
        Command::Invite { name, id, hours, dir } => {
            let request =
                pb::InviteRequest { district_id: id, district_name: name, expires_hours: hours };
            let reply = connect(&dir).await?.invite(request).await.map_err(told)?.into_inner();
            say(&reply.token)?;
            note("send the token to the district; it works once");
            note(&format!("compare by phone: {}", reply.words));
        }
        Command::Revoke { id, reason, dir } => {
            let request = pb::RevokeRequest { district_id: id.clone(), reason };
            connect(&dir).await?.revoke(request).await.map_err(told)?;
            note(&format!("district {id} is revoked from its next call on"));
        }
        Command::Roster { dir } => {
            let request = pb::ShowRosterRequest {};
            let reply = connect(&dir).await?.show_roster(request).await.map_err(told)?.into_inner();
            say(&format!("roster version {}", reply.version))?;
            for line in reply.lines {
                let live = if line.connected { "connected" } else { "" };
                let pb::RosterLine { district_id, district_name, state, vouches, .. } = line;
                let vouched = match vouches {
                    0 => String::new(),
                    count => format!("  (vouches: {count})"),
                };
                say(&format!("{district_id:<32} {state:<8} {live:<9} {district_name}{vouched}"))?;
            }
        }
        Command::Study { command: StudyCommand::Check { study, districts, json } } => {
            let check = Check::new(&study, districts)?;
            if json {
                say(&format!("{:#}", check.json()))?;
            } else {
                check.text().iter().try_for_each(|line| say(line))?;
            }
        }
        Command::Study { command: StudyCommand::Start { release } } => {
            say(study_start::start(&release)?.trim_end())?;
        }
        Command::Run { study, dir, gather_seconds, step_seconds, cohort } => {
            let study_path =
                std::path::absolute(study).context("cannot resolve the study's path")?;
            let study_path = study_path.display().to_string();
            let request = pb::RunRequest { study_path, gather_seconds, step_seconds, cohort };
            return run_study(&dir, request).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the coordinator said, with its stable code.
fn told(status: tonic::Status) -> anyhow::Error {
    let code = status.metadata().get(CODE_KEY).and_then(|code| code.to_str().ok());
    match code {
        Some(code) => anyhow::anyhow!("{} ({code})", status.message()),
        None => anyhow::anyhow!("the coordinator did not answer: {}", status.message()),
    }
}

async fn run_study(dir: &Path, request: pb::RunRequest) -> anyhow::Result<ExitCode> {
    let mut lines = connect(dir).await?.run(request).await.map_err(told)?.into_inner();
    let mut masked = false;
    while let Some(line) = lines.message().await.map_err(told)? {
        match line.step.as_str() {
            "done" => {
                say(&line.release_path)?;
                return Ok(ExitCode::SUCCESS);
            }
            "aborted" => {
                note(&format!("error: {} ({})", line.text, line.code));
                let (hint, exit) = advice(&line.code, masked);
                note(&format!("hint: {hint}"));
                return Ok(ExitCode::from(exit));
            }
            _ => {
                masked |= line.step == "mask";
                note(&progress_text(&line));
            }
        }
    }
    anyhow::bail!("the coordinator stopped before the run ended; nothing more was published")
}

/// What to do about a run that published nothing, and the exit code: 75 when the same command may
/// succeed later, 1 when something has to be mended first.
fn advice(code: &str, masked: bool) -> (&'static str, u8) {
    let in_study =
        ["study_", "schools_", "layout_", "noise_"].iter().any(|kind| code.starts_with(kind));
    match code {
        "schools_hash" => {
            ("nothing was published; if it is the right table, write its SHA-256 into the study", 1)
        }
        "io" | "file_too_large" if !masked => {
            ("nothing was published; check the path, the disk and who may read and write", 1)
        }
        "run_in_progress" => ("nothing was started; the other run goes on", 75),
        "cohort_arithmetic" | "answered_apart" => ("nothing was published; mend the study", 1),
        "survivors_missing" | "cohort_missing" | "retry_quorum" => {
            ("nothing was published; run the study again when these districts are back", 75)
        }
        _ if in_study => ("nothing was published; mend the study or its school table", 1),
        _ if masked => (
            "nothing was published, but districts had masked; read docs/PRIVACY.md §6.4 before you run \
             the study again",
            75,
        ),
        _ => ("nothing was published; the study can be run again at once", 75),
    }
}

fn progress_text(line: &pb::Progress) -> String {
    let count =
        if line.want == 0 { String::new() } else { format!(" {}/{}", line.have, line.want) };
    if line.text.is_empty() {
        format!("{}{count}", line.step)
    } else {
        format!("{}{count}: {}", line.step, line.text)
    }
}

/// Reaches the running coordinator through its socket.
async fn connect(dir: &Path) -> anyhow::Result<HubClient<Channel>> {
    let path = dir.join(SOCKET);
    let shown = path.display().to_string();
    let channel = Endpoint::from_static("http://operator")
        .connect_with_connector(tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        }))
        .await
        .map_err(|error| {
            let error = anyhow::Error::new(error);
            let cause = error.root_cause();
            anyhow::anyhow!(
                "no coordinator answers at {shown}: {cause}; start `flashlight-coordinator serve` \
                 first, and use the account that started it"
            )
        })?;
    Ok(HubClient::new(channel))
}

async fn serve(
    dir: &Path,
    listen: SocketAddr,
    address: Option<String>,
    pause_at: Option<String>,
) -> anyhow::Result<()> {
    let authority = Arc::new(Authority::open(dir)?);
    let listener = tls::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let port = listener.local_addr()?.port();
    let first = authority.names().first().cloned().unwrap_or_default();
    let address = address.unwrap_or_else(|| format!("{first}:{port}"));
    let shown = address.clone();
    let address: HubAddress =
        address.parse().with_context(|| format!("--address {shown} is not HOST:PORT"))?;
    let config = tls::server_config(&authority, now_ms())?;
    let pause = Pause::new(pause_at, dir.join("paused"));
    let hub = Arc::new(Hub::open(dir, authority, address, pause)?);
    let socket = dir.join(SOCKET);
    if socket.exists() {
        // The state folder's lock is held, so no other coordinator listens on it.
        std::fs::remove_file(&socket).context("cannot remove the socket of an earlier run")?;
    }
    let operator = UnixListener::bind(&socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    restrict(&socket)?;
    note(&format!("serving districts on port {port} as {shown}"));
    let districts = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(2 * STREAM_WINDOW)
        .add_service(
            DistrictServer::new(DistrictService(Arc::clone(&hub)))
                .max_decoding_message_size(MESSAGE_IN_MAX)
                .max_encoding_message_size(MESSAGE_MAX),
        )
        .add_service(EnrolmentServer::new(EnrolmentService(Arc::clone(&hub))))
        .serve_with_incoming(tls::accept(listener, config, tls::Limits::default()));
    let operator = Server::builder()
        .add_service(HubServer::new(HubService(hub)))
        .serve_with_incoming(UnixListenerStream::new(operator));
    tokio::select! {
        result = districts => result.context("the districts' port failed")?,
        result = operator => result.context("the operator's socket failed")?,
        result = tokio::signal::ctrl_c() => {
            result.context("cannot wait for ctrl-C")?;
            note("stopping; a round in flight is aborted");
        }
    }
    Ok(())
}

/// Longest message a district may send: a chunk, or the seals of the largest cohort.
const MESSAGE_IN_MAX: usize = 256 * 1024;

/// Only the operator's account may open the socket.
fn restrict(socket: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))
        .context("cannot restrict the operator's socket")
}
