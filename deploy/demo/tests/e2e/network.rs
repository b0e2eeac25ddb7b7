//! A network of real processes in a folder of its own.
//!
//! Enrolling takes longer than a round, so it is done once, over the wire; every test gets a copy of
//! the enrolled folders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use flashlight_coordinator::journal::Entry;
use flashlight_demo::network::{COORDINATOR_ROLE, NODE_ROLE, Network, open_rules};
use flashlight_node::consent::Policy;
use flashlight_node::enroll::Membership;
use flashlight_node::journal::Journal as NodeJournal;
use flashlight_node::ledger::{Budget, Ledger};
use flashlight_proto::release::{Outcome, Verified, verify_folder};
use tempfile::TempDir;

use crate::command::{Ended, Run, Told};
use crate::data::{self, DISTRICTS, StudyText, Sums};

/// The demo, which is every party.
pub(crate) const DEMO: &str = env!("CARGO_BIN_EXE_flashlight-demo");

/// No test waits for anything longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What every district of the test network lets a school year lose.
const RHO_MOST: f64 = 1000.0;

/// Between two looks at something that will happen.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `found` finds something.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A network on disk, its coordinator and nodes as processes.
pub(crate) struct Net {
    pub(crate) network: Network,
    pub(crate) port: u16,
    pub(crate) out: TempDir,
}

impl Net {
    /// A coordinator that runs, and six enrolled districts whose nodes do not run yet.
    pub(crate) fn start() -> Self {
        let mut net = Self::copied();
        net.start_hub(None);
        net
    }

    /// As [`Net::start`], every node running.
    pub(crate) fn full() -> Self {
        let mut net = Self::start();
        net.start_nodes(DISTRICTS);
        net
    }

    /// The folders of an enrolled network; nothing runs.
    pub(crate) fn copied() -> Self {
        let net = Self::empty();
        for folder in ["hub", "nodes"] {
            copy_folder(&enrolled().join(folder), &net.out.path().join(folder));
        }
        data::write(net.out.path());
        net
    }

    /// A network of nobody.
    pub(crate) fn empty() -> Self {
        let out = tempfile::Builder::new().prefix("fl").tempdir().unwrap();
        let network = Network::new(DEMO.into(), out.path()).unwrap();
        Self { network, port: 0, out }
    }

    pub(crate) fn path(&self) -> &Path {
        self.out.path()
    }

    /// Starts the coordinator where it was before, or on any port, and tells the nodes' folders.
    pub(crate) fn start_hub(&mut self, pause_at: Option<&str>) {
        drop(fs::remove_file(self.network.hub_pause_marker()));
        self.network.start_hub(self.port, pause_at).unwrap();
        self.port = until("the coordinator's port", || {
            let log = self.log("coordinator");
            let (_, port) = log.rsplit_once("serving districts on port ")?;
            port.split_once(' ')?.0.parse().ok()
        });
        for district in DISTRICTS {
            self.point(district, self.port);
        }
    }

    /// Writes into a node's settings where its hub is.
    pub(crate) fn point(&self, district: &str, port: u16) {
        let path = self.network.node_dir(district).join("node.json");
        let Ok(text) = fs::read_to_string(&path) else { return };
        let (before, rest) =
            text.split_once("localhost:").expect("settings hold the hub's address");
        let (_, after) = rest.split_once('"').expect("the address ends");
        fs::write(&path, format!("{before}localhost:{port}\"{after}")).unwrap();
    }

    pub(crate) fn start_node(&mut self, district: &str, pause_at: Option<&str>) {
        drop(fs::remove_file(self.network.pause_marker(district)));
        self.network.kill_node(district).unwrap();
        let data = self.data(district);
        self.network.start_node(district, &data, pause_at).unwrap();
    }

    /// Starts a node whose end can be seen.
    pub(crate) fn watch_node(&self, district: &str) -> Told {
        let mut command = Command::new(DEMO);
        command.args([NODE_ROLE, "run", "--dir"]).arg(self.network.node_dir(district));
        command.arg("--data").arg(self.data(district));
        Told::spawn(command)
    }

    /// The officer rewrites a part of the policy; the next study is judged by it.
    #[track_caller]
    pub(crate) fn change_policy(&self, district: &str, from: &str, to: &str) {
        let path = self.network.node_dir(district).join("policy.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} in {text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    pub(crate) fn start_nodes<'a>(&mut self, districts: impl IntoIterator<Item = &'a str>) {
        for district in districts {
            self.start_node(district, None);
        }
    }

    pub(crate) fn data(&self, district: &str) -> PathBuf {
        self.path().join("data").join(district)
    }

    /// Everything a party wrote.
    pub(crate) fn log(&self, party: &str) -> String {
        fs::read_to_string(self.network.log(party)).unwrap_or_default()
    }

    /// Waits until a node stops where `--pause-at` said, and ends it there.
    pub(crate) fn kill_at_pause(&mut self, district: &str) {
        let marker = self.network.pause_marker(district);
        until(&format!("the pause of {district}"), || marker.exists().then_some(()));
        self.network.kill_node(district).unwrap();
    }

    pub(crate) fn membership(&self, district: &str) -> Membership {
        Membership::open(&self.network.node_dir(district)).unwrap()
    }

    /// Districts whose nodes are connected, by the operator's command.
    pub(crate) fn connected(&self) -> Vec<String> {
        let dir = self.network.hub_dir();
        let args = ["roster".as_ref(), "--dir".as_ref(), dir.as_os_str()];
        let text = self.network.call(COORDINATOR_ROLE, &args).unwrap();
        let live = text.lines().filter(|line| line.contains(" connected "));
        live.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    }

    pub(crate) fn await_connected(&self, count: usize) {
        until(&format!("{count} connected nodes"), || {
            (self.connected().len() == count).then_some(())
        });
    }

    /// Starts a run of a study.
    pub(crate) fn run(&self, study: &StudyText, gather_seconds: u32) -> Run {
        self.run_patiently(study, gather_seconds, 20)
    }

    /// Starts a run of a study whose steps may each take so long.
    pub(crate) fn run_patiently(
        &self,
        study: &StudyText,
        gather_seconds: u32,
        step_seconds: u32,
    ) -> Run {
        let [gather, step] = [gather_seconds, step_seconds].map(|seconds| seconds.to_string());
        self.run_with(study, &["--gather-seconds", &gather, "--step-seconds", &step])
    }

    /// Starts a run of a study over exactly these districts.
    pub(crate) fn run_among(&self, study: &StudyText, cohort: &[&str]) -> Run {
        self.run_with(study, &["--gather-seconds", "30", "--cohort", &cohort.join(",")])
    }

    fn run_with(&self, study: &StudyText, more: &[&str]) -> Run {
        self.run_file(&study.write(self.path()), more)
    }

    /// Starts a run of a study as it lies there.
    pub(crate) fn run_file(&self, study: &Path, more: &[&str]) -> Run {
        let dir = self.network.hub_dir();
        let mut command = Command::new(DEMO);
        command.args([COORDINATOR_ROLE, "run"]).arg(study).arg("--dir").arg(dir).args(more);
        Run(Told::spawn(command))
    }

    /// Runs a study to its release.
    pub(crate) fn publish(&self, study: &StudyText) -> Release {
        let ended = self.run(study, 30).end();
        assert_eq!(ended.code, 0, "{}\n{}", ended.said, self.log("coordinator"));
        self.release(&ended)
    }

    /// The release of a run that published, checked against the hub's key.
    pub(crate) fn release(&self, ended: &Ended) -> Release {
        let folder = PathBuf::from(ended.stdout.trim());
        self.verified(&folder)
    }

    pub(crate) fn verified(&self, folder: &Path) -> Release {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            files.insert(name, fs::read(entry.path()).unwrap());
        }
        let hub = self.membership("D1").hub_key();
        let verified = verify_folder(&files, Some(&hub)).unwrap();
        assert!(verified.pinned);
        Release { folder: folder.to_owned(), verified }
    }

    /// Folders in `releases/`, whole or not.
    pub(crate) fn releases(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.network.hub_dir().join("releases")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// Entries of the hub's journal.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        journal(&self.network.hub_dir())
    }

    /// Rounds in the hub's journal that have neither ended nor been published.
    pub(crate) fn open_rounds(&self) -> Vec<String> {
        let mut open = Vec::new();
        for entry in self.journal() {
            match entry {
                Entry::RoundStarted { round, .. } => open.push(round),
                Entry::RoundEnded { round, .. } | Entry::Published { round, .. } => {
                    open.retain(|one| *one != round);
                }
                _ => {}
            }
        }
        open
    }

    /// A dead node's journal.
    pub(crate) fn node_journal(&self, district: &str) -> NodeJournal {
        NodeJournal::open(&self.network.node_dir(district).join("state")).unwrap()
    }

    /// What a dead node's books say, against its policy.
    pub(crate) fn budget(&self, district: &str) -> Budget {
        let ledger = Ledger::from_journal(&self.node_journal(district)).unwrap();
        let policy = Policy::load(&self.network.node_dir(district).join("policy.toml")).unwrap();
        ledger.budget(&policy.floors)
    }

    /// No party has panicked.
    pub(crate) fn nobody_panicked(&self) {
        for entry in fs::read_dir(self.path().join("logs")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let panicked = text.contains("panicked") || text.contains("internal error");
            assert!(!panicked, "{}: {text}", path.display());
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for party in DISTRICTS.iter().chain(&["coordinator"]) {
                let tail = self.network.log_tail(party);
                #[expect(clippy::print_stderr, reason = "what a failed test leaves to its reader")]
                {
                    eprintln!("{party}: {tail}");
                }
            }
        } else {
            self.nobody_panicked();
        }
    }
}

/// A published release.
pub(crate) struct Release {
    pub(crate) folder: PathBuf,
    pub(crate) verified: Verified,
}

impl Release {
    /// Its cohort is `cohort`, it lost `lost` of them, and it counts the students of all others.
    #[track_caller]
    pub(crate) fn is_over(&self, cohort: &[&str], lost: &[&str]) {
        let survivors = self.is_among(cohort, lost);
        let Sums { students, .. } = data::pooled(survivors, |_| true);
        let all = self.verified.release.cells().first().unwrap();
        assert_eq!(all.outcome, Outcome::Count { n: students });
    }

    /// Its cohort is `cohort`, and it lost `lost` of them. Returns all others.
    #[track_caller]
    pub(crate) fn is_among<'a>(&self, cohort: &[&'a str], lost: &[&str]) -> Vec<&'a str> {
        let facts = self.verified.release.facts();
        let names = |ids: &[flashlight_proto::identity::DistrictId]| -> Vec<String> {
            ids.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&facts.cohort), cohort, "cohort");
        assert_eq!(names(&facts.lost), lost, "lost");
        let survivors: Vec<&str> =
            cohort.iter().copied().filter(|one| !lost.contains(one)).collect();
        assert_eq!(names(&facts.survivors), survivors, "survivors");
        survivors
    }

    pub(crate) fn round(&self) -> u64 {
        self.verified.release.facts().round_number
    }
}

/// Entries of a hub's journal, read beside the coordinator that writes it.
pub(crate) fn journal(hub: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(hub.join("state").join("journal")).unwrap();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line.splitn(5, ' ').last().unwrap()).unwrap()).collect()
}

/// A hub with six enrolled districts that nobody runs; made once.
fn enrolled() -> &'static Path {
    static ENROLLED: OnceLock<TempDir> = OnceLock::new();
    let made = ENROLLED.get_or_init(|| {
        let mut net = Net::empty();
        net.network.init_hub().unwrap();
        net.start_hub(None);
        for district in DISTRICTS {
            let token = net.network.invite(district, &format!("District {district}")).unwrap();
            net.network.enroll(district, &token).unwrap();
        }
        let rules = format!("{}max_failed_rounds = 1000\n", open_rules(RHO_MOST));
        net.network.write_policies(&DISTRICTS, &rules).unwrap();
        net.network.kill_hub().unwrap();
        let kept = tempfile::tempdir().unwrap();
        for folder in ["hub", "nodes"] {
            copy_folder(&net.path().join(folder), &kept.path().join(folder));
        }
        kept
    });
    made.path()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    match fs::DirBuilder::new().mode(0o700).create(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.unwrap(),
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
