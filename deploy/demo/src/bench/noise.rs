//! What the noise costs a node: from a durable charge to words that may be masked.
//!
//! The noise demands a [`Spend`](flashlight_node::ledger::Spend), so every run is judged by a policy
//! and charged to books as in a round; the books are in memory, for the disk is not what is timed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flashlight_node::consent::{Facts, Policy, log_origin};
use flashlight_node::journal::Journal;
use flashlight_node::ledger::Ledger;
use flashlight_node::noise::perturb;
use flashlight_node::round::{Words, now_ms};
use flashlight_proto::canonical::Digest;
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::identity::{DistrictId, IdentityKey, IdentitySecret};
use flashlight_proto::roster::{Member, MemberState, Roster};
use flashlight_proto::secagg::{Party, RoundId};

use super::setting::{CELLS, Setting, district};
use super::table::{line, seconds};
use crate::network::open_rules;

/// Districts of the round.
const NODES: u16 = 60;

/// ρ of the study. The time does not depend on it.
const RHO: f64 = 0.1;

/// How often it is timed.
const RUNS: u8 = 3;

/// The time to reach on two cores.
const TARGET: Duration = Duration::from_millis(1_500);

/// The fastest of [`RUNS`] runs over [`CELLS`] cells, as a line of the table.
pub(super) fn run(text: &mut String) -> anyhow::Result<()> {
    let setting = Setting::noisy(usize::from(NODES), RHO)?;
    let mut fastest = Duration::MAX;
    for run in 1..=RUNS {
        fastest = fastest.min(once(&setting, run)?);
    }
    let cores = thread::available_parallelism()?;
    let reached = if fastest <= TARGET { "reached" } else { "MISSED" };
    writeln!(text, "\n  one node x {CELLS} cells, {cores} cores")?;
    let remark = format!("fastest of {RUNS}; target {:.1} s: {reached}", TARGET.as_secs_f64());
    Ok(line(text, "noise", &seconds(fastest), &remark)?)
}

/// Charges one round and draws its noise; the time the noise took.
fn once(setting: &Setting, run: u8) -> anyhow::Result<Duration> {
    let Setting { study, schools, layout, .. } = setting;
    let plan = NoisePlan::new(study, layout, schools, NODES).context("no noise can be planned")?;
    let ours: DistrictId = district(0).parse()?;
    let (parties, hub) = (parties()?, secret(u8::MAX)?.public());
    let member = |party: &Party| Member {
        district: party.district.clone(),
        name: party.district.to_string(),
        key: party.key,
        certificate: Digest::of(party.district.to_string().as_bytes()),
        state: MemberState::Active,
    };
    let roster = Roster::new(1, hub, parties.iter().map(member).collect())?;
    let charges = plan.charges();
    let permit = policy(&parties)?.judge(&Facts {
        study,
        charges: &charges,
        sizes: plan.sizes(),
        cohort: &parties,
        roster: &roster,
        vouches: &[],
        log_origin: &log_origin(&hub),
        district: &ours,
        decision: None,
    })?;
    let (mut journal, mut ledger) = (Journal::in_memory(), Ledger::default());
    let spend = ledger.charge(&mut journal, permit, RoundId::from([run; 16]), now_ms())?;
    let words = Words::new(vec![1; layout.words()]);
    let since = Instant::now();
    let noisy = perturb(spend, words, &plan, layout, &ours)?;
    let took = since.elapsed();
    let sent = noisy.into_contribution(layout)?;
    ensure!(sent.len() == CELLS, "the noise left words out");
    Ok(took)
}

/// All districts of the round, ascending.
fn parties() -> anyhow::Result<Vec<Party>> {
    (0..NODES)
        .map(|place| {
            let key = secret(u8::try_from(place)?)?.public();
            Ok(Party { district: district(usize::from(place)).parse()?, key })
        })
        .collect()
}

/// A made-up key; nothing here is secret.
fn secret(place: u8) -> anyhow::Result<IdentitySecret> {
    Ok(IdentitySecret::from_seed(&[place; 32].into())?)
}

/// A policy that allows the study and trusts everybody in it.
fn policy(parties: &[Party]) -> anyhow::Result<Policy> {
    let keys: BTreeMap<&DistrictId, &IdentityKey> =
        parties.iter().map(|party| (&party.district, &party.key)).collect();
    let listed: Vec<String> = keys.iter().map(|(id, key)| format!("{id} = \"{key}\"")).collect();
    let trust = format!("\n[trust]\ndistricts = {{ {} }}\n", listed.join(", "));
    Ok(Policy::parse(&(open_rules(RHO) + &trust), Path::new("policy.toml"))?)
}
