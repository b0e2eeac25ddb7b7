//! One round on the sparse graph, in memory: all nodes on all cores, the hub beside them, no
//! network, disk or noise. Every node checks what a real one checks.
//!
//! A step's time is its wall time over all nodes with the hub's part. *Order* and *unmask* are nearly
//! nothing but signature checks, n for each of n nodes, which a network spreads over n machines. Peak memory is this
//! process's: the hub and all nodes at once.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{
    Advertisement, CollectConfirmations, CollectKeys, CollectMasked, CollectOrder, CollectSeals,
    ExpectKeys, ExpectOrder, ExpectSeals, ExpectSharers, ExpectSurvivors, GraphRule, LedgerHead,
    MaskedInput, NoisySum, Opening, OrdersOpened, Seal, advertise,
};
use getrandom::SysRng;
use rand_core::UnwrapErr;

use super::micro::Players;
use super::setting::{Setting, words};
use super::table::{MISSED, line, seconds};
use super::{note, peak_memory, processor_time};

/// The wall time to reach for masking and sums of 1,000 nodes on two cores.
const TARGET: Duration = Duration::from_secs(30);

/// Masked vectors on their way to the hub.
const IN_FLIGHT: usize = 8;

/// Nodes of one step, by district.
type Nodes<T> = Vec<(DistrictId, T)>;

/// What each step took, on the wall and of the processors.
#[derive(Default)]
struct Watch(Vec<(&'static str, [Duration; 2])>);

impl Watch {
    fn time<T>(
        &mut self,
        step: &'static str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (since, busy) = (Instant::now(), processor_time("self")?);
        let done = work().with_context(|| format!("the step {step} failed"))?;
        let took = [since.elapsed(), processor_time("self")?.saturating_sub(busy)];
        note(&format!("{step}: {:.2} s", took[0].as_secs_f64()));
        self.0.push((step, took));
        Ok(done)
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool) -> [Duration; 2] {
        let steps = || self.0.iter().filter(|(step, _)| wanted(step));
        [0, 1].map(|at| steps().map(|(_, took)| took[at]).sum())
    }
}

/// Times one round of `nodes`, of which the last `dropped` are lost before they have masked.
pub(super) fn run(nodes: usize, dropped: usize, colluding: u16) -> anyhow::Result<()> {
    let players = Players::new(nodes, Setting::sparse(nodes, dropped, colluding)?)?;
    let GraphRule::Sparse(plan) = players.terms.graph else {
        return Err(anyhow!("{nodes} nodes are on the complete graph; --sparse is for more"));
    };
    let mut watch = Watch::default();
    let sum = play(&players, dropped, &mut watch)?;
    check(&players, nodes - dropped, &sum)?;

    let cells = players.setting.layout.words();
    let cores = thread::available_parallelism()?;
    let mut text = format!(
        "\n  secure sum in memory, {nodes} nodes x {cells} cells, {cores} cores\n  \
         {dropped} lost before they masked, {colluding} may collude: k = {}, t = {}, w = {}\n\n",
        plan.neighbours, plan.threshold, plan.window
    );
    for (step, took) in &watch.0 {
        row(&mut text, step, *took, "")?;
    }
    let is_check = |step: &str| ["order", "unmask"].contains(&step);
    let (checks, masking) = (watch.sum(is_check), watch.sum(|step| !is_check(step)));
    let reached = if masking[0] <= TARGET { "reached" } else { MISSED };
    let whole = watch.sum(|_| true);
    let verdict = format!("target 30 s: {reached}; {} with order and unmask", seconds(whole[0]));
    row(&mut text, "masking and sums", masking, &verdict)?;
    let each = checks[1] / u32::try_from(nodes)?;
    let remark = format!("{} a node", seconds(each));
    row(&mut text, "signatures (order, unmask)", checks, &remark)?;
    row(&mut text, "whole round, all nodes on one machine", whole, "")?;
    let peak = peak_memory("self")? / 1_000_000;
    line(&mut text, "peak memory, hub and all nodes", &format!("{peak} MB"), "")?;
    line(&mut text, "cells equal to plain sums", &cells.to_string(), "all")?;
    writeln!(io::stdout(), "{text}").context("cannot write to stdout")?;
    ensure!(masking[0] <= TARGET, "a target was missed");
    Ok(())
}

/// Wall time, then processor time and a remark.
fn row(text: &mut String, what: &str, took: [Duration; 2], remark: &str) -> std::fmt::Result {
    let busy = format!("processor {:>10}   {remark}", seconds(took[1]));
    line(text, what, &seconds(took[0]), busy.trim_end())
}

/// Every node's words are those of its place; the survivors are the first places.
fn check(players: &Players, survivors: usize, sum: &NoisySum) -> anyhow::Result<()> {
    let mut plain = vec![0_i64; players.setting.layout.words()];
    for place in 0..survivors {
        for (total, word) in plain.iter_mut().zip(words(place)) {
            *total += word.cast_signed();
        }
    }
    ensure!(sum.survivors().len() == survivors, "{} survived", sum.survivors().len());
    ensure!(sum.words() == plain, "the sum is not the plain sum of the survivors");
    Ok(())
}

fn play(players: &Players, dropped: usize, watch: &mut Watch) -> anyhow::Result<NoisySum> {
    let (hub, nodes, shown) = watch.time("advertise", || advertise_all(players))?;
    let (hub, nodes, openings) = watch.time("order", || order(hub, nodes, &shown))?;
    let nodes = watch.time("share", || {
        at_once(nodes, |_, node| Ok(node.share(&openings, &mut UnwrapErr(SysRng))?))
    })?;
    let (hub, nodes, sharers) = watch.time("acknowledge", || acknowledge(hub, nodes))?;
    let kept = nodes.len() - dropped;
    let nodes = nodes.into_iter().take(kept).collect();
    let (hub, nodes, survivors) = watch.time("mask", || mask(players, hub, nodes, &sharers))?;
    let (hub, nodes, confirmations) = watch.time("confirm", || {
        let mut hub: CollectConfirmations = hub;
        let done = at_once(nodes, |id, node: ExpectSurvivors| {
            Ok(node.confirm(survivors.clone(), &players.identities[id])?)
        })?;
        let mut nodes = Nodes::new();
        for (id, (node, signature)) in done {
            hub.accept(&id, signature)?;
            nodes.push((id, node));
        }
        let (hub, confirmations) = hub.close()?;
        Ok((hub, nodes, confirmations))
    })?;
    let hub = watch.time("unmask", || {
        let mut hub = hub;
        for (id, shares) in at_once(nodes, |_, node| Ok(node.unmask(&confirmations)?))? {
            hub.accept(&id, shares)?;
        }
        Ok(hub)
    })?;
    watch.time("open", || Ok(hub.close()?))
}

type Advertised = (CollectOrder, Nodes<ExpectKeys>, Vec<Advertisement>);

fn advertise_all(players: &Players) -> anyhow::Result<Advertised> {
    let mut hub = CollectKeys::new(Arc::clone(&players.terms));
    let mut nodes = Nodes::new();
    for (id, identity) in &players.identities {
        let head = LedgerHead { entries: 1, digest: Digest::of(b"ledger") };
        let terms = Arc::clone(&players.terms);
        let (node, ours) = advertise(terms, id, identity, head, &mut UnwrapErr(SysRng))?;
        hub.accept(id, ours)?;
        nodes.push((id.clone(), node));
    }
    let (hub, shown) = hub.freeze()?;
    Ok((hub, nodes, shown))
}

fn order(
    mut hub: CollectOrder,
    nodes: Nodes<ExpectKeys>,
    shown: &[Advertisement],
) -> anyhow::Result<(CollectSeals, Nodes<ExpectOrder>, Vec<Opening>)> {
    let done = at_once(nodes, |_, node| {
        Ok(node.open_order(shown.to_vec(), &mut OrdersOpened::default())?)
    })?;
    let mut nodes = Nodes::new();
    for (id, (node, random)) in done {
        hub.accept(&id, random)?;
        nodes.push((id, node));
    }
    let (hub, openings) = hub.close()?;
    Ok((hub, nodes, openings))
}

type Acknowledged = (CollectMasked, Nodes<ExpectSharers>, Vec<DistrictId>);

fn acknowledge(
    mut hub: CollectSeals,
    nodes: Nodes<(ExpectSeals, Vec<Seal>)>,
) -> anyhow::Result<Acknowledged> {
    let mut waiting = Nodes::new();
    for (id, (node, seals)) in nodes {
        hub.accept(&id, seals)?;
        waiting.push((id, node));
    }
    let (mut hub, mut seals) = hub.close()?;
    let waiting: Nodes<_> = waiting
        .into_iter()
        .map(|(id, node)| {
            let ours = seals.remove(&id).unwrap_or_default();
            (id, (node, ours))
        })
        .collect();
    let mut nodes = Nodes::new();
    for (id, (node, opened)) in at_once(waiting, |_, (node, ours)| Ok(node.acknowledge(ours)?))? {
        hub.accept(&id, &opened)?;
        nodes.push((id, node));
    }
    let (hub, sharers) = hub.close()?;
    Ok((hub, nodes, sharers))
}

type Masked = (CollectConfirmations, Nodes<ExpectSurvivors>, Vec<DistrictId>);

/// The hub adds each vector as it comes, and keeps none.
fn mask(
    players: &Players,
    mut hub: CollectMasked,
    nodes: Nodes<ExpectSharers>,
    sharers: &[DistrictId],
) -> anyhow::Result<Masked> {
    let layout = &players.setting.layout;
    let (sender, uploads) = mpsc::sync_channel::<(DistrictId, MaskedInput)>(IN_FLIGHT);
    let nodes = thread::scope(|scope| {
        let working = scope.spawn(move || {
            at_once(nodes, |id, node| {
                let place: usize = id.as_str()[1..].parse()?;
                let ours = words(place).take(layout.words()).map(u64::cast_signed).collect();
                let (node, masked) = node.mask(sharers, Contribution::new(layout, ours)?)?;
                sender.send((id.clone(), masked)).map_err(|_| anyhow!("the hub is gone"))?;
                Ok(node)
            })
        });
        for (id, masked) in uploads {
            let mut upload = hub.stage(&id)?;
            for (index, chunk) in (0..).zip(masked.chunks()) {
                upload.chunk(index, &chunk)?;
            }
            hub.accept(&upload)?;
        }
        working.join().map_err(|_| anyhow!("a node panicked"))?
    })?;
    let (hub, survivors) = hub.close()?;
    Ok((hub, nodes, survivors))
}

/// Does the same work for every node, on all cores.
fn at_once<T: Send, U: Send>(
    nodes: Nodes<T>,
    work: impl Fn(&DistrictId, T) -> anyhow::Result<U> + Sync,
) -> anyhow::Result<Nodes<U>> {
    let cores = thread::available_parallelism()?.get();
    let share = nodes.len().div_ceil(cores).max(1);
    let (work, mut rest, mut parts) = (&work, nodes, Vec::new());
    while !rest.is_empty() {
        let more = rest.split_off(share.min(rest.len()));
        parts.push(std::mem::replace(&mut rest, more));
    }
    let each = move |(id, node): (DistrictId, T)| {
        let done = work(&id, node)?;
        Ok((id, done))
    };
    thread::scope(|scope| {
        let running: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || part.into_iter().map(each).collect()))
            .collect();
        let mut done = Nodes::new();
        for part in running {
            let part: anyhow::Result<Nodes<U>> =
                part.join().map_err(|_| anyhow!("a node panicked"))?;
            done.extend(part?);
        }
        Ok(done)
    })
}
