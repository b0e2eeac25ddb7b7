//! The bench's nodes: tasks of this process, each with its own keys, journal and mTLS connection.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flashlight_node::enroll::{Membership, enroll};
use flashlight_node::journal::Journal;
use flashlight_node::link;
use flashlight_node::round::{Node, Question, Refusal, Words, now_ms};
use flashlight_node::tls::Traffic;
use flashlight_store::pause::Pause;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::setting::{district, words};
use crate::network::{Network, open_rules};

/// Where a node that will be lost stops: its peers have masked with it, its vector never leaves.
const LOSE_AT: &str = "mask:before";

/// Most ρ of a round and of a year; the bench's sums are exact.
const RHO_MOST: f64 = 1.0;

/// How often a marker or a count is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Longest wait for all nodes to be connected.
const CONNECT_WAIT: Duration = Duration::from_secs(60);

/// Enrols all nodes, each with its own token.
pub(super) fn enroll_all(network: &Network, runtime: &Handle, nodes: usize) -> anyhow::Result<()> {
    for place in 0..nodes {
        let id = district(place);
        let token = network.invite(&id, &format!("District {id}"))?;
        runtime
            .block_on(enroll(&token, &network.node_dir(&id), now_ms()))
            .with_context(|| format!("district {id} could not enrol"))?;
    }
    let districts: Vec<String> = (0..nodes).map(district).collect();
    let districts: Vec<&str> = districts.iter().map(String::as_str).collect();
    network.write_policies(&districts, &open_rules(RHO_MOST))
}

/// One node under way; it ends, and its connection with it, when this is dropped.
pub(super) struct Running {
    pub(super) traffic: Arc<Traffic>,
    task: JoinHandle<()>,
    marker: Option<PathBuf>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts all nodes, the first `lost` of which will stop before their upload, and waits until
/// all are connected.
pub(super) fn start_all(
    network: &Network,
    runtime: &Handle,
    nodes: usize,
    lost: usize,
) -> anyhow::Result<Vec<Running>> {
    let connected = Arc::new(AtomicUsize::new(0));
    let running = (0..nodes)
        .map(|place| {
            let dir = network.node_dir(&district(place));
            start(runtime, &dir, place, place < lost, Arc::clone(&connected))
        })
        .collect::<anyhow::Result<Vec<Running>>>()?;
    let since = Instant::now();
    while connected.load(Ordering::Relaxed) < nodes {
        ensure!(since.elapsed() < CONNECT_WAIT, "the nodes did not connect");
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(running)
}

fn start(
    runtime: &Handle,
    dir: &Path,
    place: usize,
    is_lost: bool,
    connected: Arc<AtomicUsize>,
) -> anyhow::Result<Running> {
    let membership = Membership::open(dir)?;
    let mut journal = Journal::open(&dir.join("state"))?;
    membership.record(&mut journal, now_ms())?;
    let dialer = membership.dialer()?;
    let traffic = dialer.traffic();
    let marker = dir.join("paused");
    if marker.exists() {
        std::fs::remove_file(&marker)?;
    }
    let node = Arc::new(Node {
        district: membership.district().clone(),
        hub_key: membership.hub_key(),
        identity: membership.into_identity(),
        home: dir.to_owned(),
        contribute: Box::new(move |question| contribute(place, question)),
        journal: Mutex::new(journal),
        orders: Mutex::default(),
        pause: Pause::new(is_lost.then(|| LOSE_AT.to_owned()), marker.clone()),
    });
    let task = runtime.spawn(async move {
        let connect = || async { dialer.connect().await.map_err(|error| error.to_string()) };
        let tell = |line: &str| {
            if line == "connected to the hub" {
                connected.fetch_add(1, Ordering::Relaxed);
            }
        };
        // The coordinator's end shows in the run.
        drop(link::hold(&node, connect, tell).await);
    });
    Ok(Running { traffic, task, marker: is_lost.then_some(marker) })
}

fn contribute(place: usize, _: Question<'_>) -> Result<Words, Refusal> {
    Ok(Words::new(words(place).map(u64::cast_signed).collect()))
}

/// Cuts the connection of every node that is to be lost, as soon as it has come to its point.
pub(super) fn lose(runtime: &Handle, nodes: &[Running]) {
    for node in nodes {
        let Some(marker) = node.marker.clone() else { continue };
        let task = node.task.abort_handle();
        runtime.spawn(async move {
            while !marker.exists() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            task.abort();
        });
    }
}
