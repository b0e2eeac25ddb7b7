//! The processes of a network: started, watched and ended by their handles.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flashlight_node::enroll::Membership;
use flashlight_proto::category::Indicator;
use flashlight_store::files::write_private;

/// First argument of a process that is to be the coordinator.
pub const COORDINATOR_ROLE: &str = "__coordinator";

/// First argument of a process that is to be a node.
pub const NODE_ROLE: &str = "__node";

/// Longest wait for the coordinator to answer.
const START_WAIT: Duration = Duration::from_secs(20);

/// How often a file or socket that will appear is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A child process that is killed when its handle goes away.
pub struct Party(Child);

impl Party {
    /// Ends the process at once, as a power cut would, and waits for it.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }

    /// Whether the process is still running.
    ///
    /// # Errors
    /// The system's.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // Ended already is as good.
        drop(self.kill());
    }
}

/// The rules of a district that allows whatever this version can measure, exact sums too, and asks
/// no officer. `rho_most`: of a round and of a year. For demos, benches and tests.
#[must_use]
pub fn open_rules(rho_most: f64) -> String {
    let indicators: Vec<String> =
        Indicator::ALL.iter().map(|indicator| format!("\"{indicator}\"")).collect();
    format!(
        "[allow]\nindicators = [{}]\nexact_mode = true\nanonymous_surveys = true\n\n[floors]\nmin_survivors = 4\n\
         min_honest = 3\nmax_rho_round = {rho_most}\nmax_rho_year = {rho_most}\n\
         approval = \"within-policy\"\n",
        indicators.join(", ")
    )
}

/// A network on this machine.
pub struct Network {
    executable: PathBuf,
    out: PathBuf,
    coordinator: Option<Party>,
    nodes: BTreeMap<String, Party>,
}

impl Network {
    /// An empty network whose files lie under `out`; `executable` is the demo itself.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn new(executable: PathBuf, out: &Path) -> anyhow::Result<Self> {
        for folder in ["logs", "nodes"] {
            let folder = out.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { executable, out: out.to_owned(), coordinator: None, nodes: BTreeMap::new() })
    }

    /// The coordinator's folder.
    #[must_use]
    pub fn hub_dir(&self) -> PathBuf {
        self.out.join("hub")
    }

    /// A node's folder.
    #[must_use]
    pub fn node_dir(&self, district: &str) -> PathBuf {
        self.out.join("nodes").join(district)
    }

    /// What a party wrote for people.
    #[must_use]
    pub fn log(&self, party: &str) -> PathBuf {
        self.out.join("logs").join(format!("{party}.log"))
    }

    fn command(&self, role: &str, args: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.executable);
        command.arg(role).args(args).stdin(Stdio::null());
        command
    }

    fn spawn(&self, role: &str, name: &str, args: &[&OsStr]) -> anyhow::Result<Party> {
        let log = File::options().create(true).append(true).open(self.log(name))?;
        let child = self
            .command(role, args)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Party(child))
    }

    /// Runs one command of a role to its end and returns what it printed.
    ///
    /// # Errors
    /// With what it wrote on stderr when it fails.
    pub fn call(&self, role: &str, args: &[&OsStr]) -> anyhow::Result<String> {
        let output = self.command(role, args).output().context("cannot start a command")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("a command printed something that is not text")
    }

    /// Makes the hub's keys.
    ///
    /// # Errors
    /// As [`Network::call`].
    pub fn init_hub(&self) -> anyhow::Result<()> {
        let dir = self.hub_dir();
        let args = ["init".as_ref(), "--dir".as_ref(), dir.as_os_str()];
        let names =
            ["--name".as_ref(), "localhost".as_ref(), "--name".as_ref(), "127.0.0.1".as_ref()];
        self.call(COORDINATOR_ROLE, &[&args[..], &names[..]].concat()).map(|_| ())
    }

    /// Starts the coordinator on `port` (0: any) and waits until it answers.
    ///
    /// # Errors
    /// When it does not within 20 s.
    pub fn start_hub(&mut self, port: u16, pause_at: Option<&str>) -> anyhow::Result<()> {
        let dir = self.hub_dir();
        let listen = format!("127.0.0.1:{port}");
        let mut args: Vec<&OsStr> = vec!["serve".as_ref(), "--dir".as_ref(), dir.as_os_str()];
        args.extend([OsStr::new("--listen"), listen.as_ref()]);
        if let Some(at) = pause_at {
            args.extend([OsStr::new("--pause-at"), at.as_ref()]);
        }
        let mut party = self.spawn(COORDINATOR_ROLE, "coordinator", &args)?;
        let socket = dir.join("operator.sock");
        let since = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let running = party.is_running()? && since.elapsed() < START_WAIT;
            ensure!(running, "the coordinator did not start: {}", self.log_tail("coordinator"));
            std::thread::sleep(LOOK_EVERY);
        }
        self.coordinator = Some(party);
        Ok(())
    }

    /// The coordinator's process id, while there is one.
    #[must_use]
    pub fn hub_process(&self) -> Option<u32> {
        self.coordinator.as_ref().map(|party| party.0.id())
    }

    /// Ends the coordinator at once.
    ///
    /// # Errors
    /// The system's.
    pub fn kill_hub(&mut self) -> io::Result<()> {
        self.coordinator.as_mut().map_or(Ok(()), Party::kill)
    }

    /// Invites a district; returns its token.
    ///
    /// # Errors
    /// As [`Network::call`].
    pub fn invite(&self, district: &str, name: &str) -> anyhow::Result<String> {
        let dir = self.hub_dir();
        let args: [&OsStr; 6] = [
            "invite".as_ref(),
            name.as_ref(),
            "--id".as_ref(),
            district.as_ref(),
            "--dir".as_ref(),
            dir.as_os_str(),
        ];
        Ok(self.call(COORDINATOR_ROLE, &args)?.trim().to_owned())
    }

    /// Enrols a node with a token.
    ///
    /// # Errors
    /// As [`Network::call`].
    pub fn enroll(&self, district: &str, token: &str) -> anyhow::Result<()> {
        let dir = self.node_dir(district);
        let args: [&OsStr; 4] =
            ["enroll".as_ref(), token.as_ref(), "--dir".as_ref(), dir.as_os_str()];
        self.call(NODE_ROLE, &args).map(|_| ())
    }

    /// Writes the policy of every one of these districts, which have all enrolled: `rules` (its
    /// `[allow]` and `[floors]`), and trust in all the others.
    ///
    /// A real officer compares keys by phone first.
    ///
    /// # Errors
    /// When a node's folder cannot be read or written.
    pub fn write_policies(&self, districts: &[&str], rules: &str) -> anyhow::Result<()> {
        let mut keys = Vec::new();
        for district in districts {
            let membership = Membership::open(&self.node_dir(district))?;
            keys.push(format!("\"{district}\" = \"{}\"", membership.identity().public()));
        }
        for (own, district) in districts.iter().enumerate() {
            let others = keys.iter().enumerate().filter(|(at, _)| *at != own);
            let others: Vec<&str> = others.map(|(_, key)| key.as_str()).collect();
            let text = format!("{rules}\n[trust]\ndistricts = {{ {} }}\n", others.join(", "));
            write_private(&self.node_dir(district).join("policy.toml"), text.as_bytes())?;
        }
        Ok(())
    }

    /// Starts a district's node over its data.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_node(
        &mut self,
        district: &str,
        data: &Path,
        pause_at: Option<&str>,
    ) -> anyhow::Result<()> {
        let dir = self.node_dir(district);
        let mut args: Vec<&OsStr> = vec!["run".as_ref(), "--dir".as_ref(), dir.as_os_str()];
        args.extend([OsStr::new("--data"), data.as_os_str()]);
        if let Some(at) = pause_at {
            args.extend([OsStr::new("--pause-at"), at.as_ref()]);
        }
        let party = self.spawn(NODE_ROLE, district, &args)?;
        self.nodes.insert(district.to_owned(), party);
        Ok(())
    }

    /// Ends a node at once.
    ///
    /// # Errors
    /// The system's.
    pub fn kill_node(&mut self, district: &str) -> io::Result<()> {
        self.nodes.get_mut(district).map_or(Ok(()), Party::kill)
    }

    /// Ends all nodes at once; their folders can be read then.
    ///
    /// # Errors
    /// The system's.
    pub fn stop_nodes(&mut self) -> io::Result<()> {
        self.nodes.values_mut().try_for_each(Party::kill)
    }

    /// The file that tells a node has stopped where `--pause-at` said.
    #[must_use]
    pub fn pause_marker(&self, district: &str) -> PathBuf {
        self.node_dir(district).join("paused")
    }

    /// The file that tells the coordinator has stopped where `--pause-at` said.
    #[must_use]
    pub fn hub_pause_marker(&self) -> PathBuf {
        self.hub_dir().join("paused")
    }

    /// Starts a run of a study; its progress is read from the result.
    ///
    /// # Errors
    /// When the command cannot be started.
    pub fn start_run(&self, study: &Path, gather_seconds: u32) -> anyhow::Result<StudyRun> {
        let dir = self.hub_dir();
        let gather = gather_seconds.to_string();
        let args: [&OsStr; 6] = [
            "run".as_ref(),
            study.as_os_str(),
            "--dir".as_ref(),
            dir.as_os_str(),
            "--gather-seconds".as_ref(),
            gather.as_ref(),
        ];
        let mut child = self
            .command(COORDINATOR_ROLE, &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the run")?;
        let stderr = child.stderr.take().context("the run has no progress")?;
        Ok(StudyRun { child: Party(child), lines: BufReader::new(stderr), said: Vec::new() })
    }

    /// The last lines a party wrote, for an error message.
    #[must_use]
    pub fn log_tail(&self, party: &str) -> String {
        let text = fs::read_to_string(self.log(party)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

/// A run of a study under way.
pub struct StudyRun {
    child: Party,
    lines: BufReader<std::process::ChildStderr>,
    said: Vec<String>,
}

impl StudyRun {
    /// The next line of progress; `None` when the run has ended.
    ///
    /// # Errors
    /// The system's.
    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim().trim_start_matches("coordinator: ").to_owned();
        self.said.push(line.clone());
        Ok(Some(line))
    }

    /// Waits for the end: the release folder, or everything the run said.
    ///
    /// # Errors
    /// With the progress when nothing was published.
    pub fn finish(mut self) -> anyhow::Result<PathBuf> {
        while self.next_line()?.is_some() {}
        let mut folder = String::new();
        if let Some(stdout) = self.child.0.stdout.take() {
            io::Read::read_to_string(&mut BufReader::new(stdout), &mut folder)?;
        }
        let status = self.child.0.wait()?;
        ensure!(status.success(), "the run ended without a release:\n  {}", self.said.join("\n  "));
        Ok(PathBuf::from(folder.trim()))
    }
}

/// Waits until a file appears.
///
/// # Errors
/// When it does not within `longest`.
pub fn wait_for(file: &Path, longest: Duration) -> anyhow::Result<()> {
    let since = Instant::now();
    while !file.exists() {
        ensure!(since.elapsed() < longest, "{} did not appear", file.display());
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Waits until a party's log holds `text`.
///
/// # Errors
/// When it does not within `longest`.
pub fn wait_for_line(log: &Path, text: &str, longest: Duration) -> anyhow::Result<()> {
    let since = Instant::now();
    while !fs::read_to_string(log).is_ok_and(|said| said.contains(text)) {
        ensure!(since.elapsed() < longest, "{} does not say {text:?}", log.display());
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Runs a role in this process, if the arguments ask for one.
#[must_use]
pub fn role(args: &[OsString]) -> Option<std::process::ExitCode> {
    let renamed =
        |name: &str| std::iter::once(OsString::from(name)).chain(args[2..].iter().cloned());
    match args.get(1)?.to_str()? {
        COORDINATOR_ROLE => {
            Some(flashlight_coordinator::cli::main_from(renamed("flashlight-coordinator")))
        }
        NODE_ROLE => Some(flashlight_node::cli::main_from(renamed("flashlight-node"))),
        _ => None,
    }
}
