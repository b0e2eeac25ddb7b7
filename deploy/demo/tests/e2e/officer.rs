//! The privacy officer's commands beside a running node and a real hub, or one that lies.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;

use flashlight_demo::network::{COORDINATOR_ROLE, open_rules};
use flashlight_node::journal::Journal;
use flashlight_proto::identity::IdentityKey;
use flashlight_proto::roster::Roster;
use flashlight_proto::vouch::{VOUCHES_MAX, Vouch, log_origin};
use flashlight_proto::wire::{CODE_KEY, pb};

use crate::command::{Ended, node};
use crate::data::{DISTRICTS, StudyText};
use crate::fake_hub::{FakeHub, VICTIM};
use crate::fake_node::{dial, runtime};
use crate::network::Net;

/// One command of a district's officer.
fn officer(net: &Net, district: &str, args: &[&str]) -> Ended {
    let dir = net.network.node_dir(district);
    let mut all: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    all.extend([OsStr::new("--dir"), dir.as_os_str()]);
    node(&all)
}

#[track_caller]
fn said(ended: &Ended) -> &str {
    assert_eq!(ended.code, 0, "{}", ended.said);
    &ended.stdout
}

#[track_caller]
fn refused(ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, exit, "{}", ended.said);
    assert!(ended.said.contains(&format!("({code})\nnode: hint: ")), "{}", ended.said);
}

fn key(net: &Net, district: &str) -> IdentityKey {
    net.membership(district).identity().public()
}

/// Writes a policy that allows everything and lists these districts.
fn list(net: &Net, district: &str, listed: &[&str]) {
    let lines = listed.iter().map(|one| format!("\"{one}\" = \"{}\"\n", key(net, one)));
    let text = format!("{}[trust.districts]\n{}", open_rules(1.0), lines.collect::<String>());
    fs::write(policy(net, district), text).unwrap();
}

fn policy(net: &Net, district: &str) -> PathBuf {
    net.network.node_dir(district).join("policy.toml")
}

fn vouch(net: &Net, voucher: &str, district: &str, key: IdentityKey) -> Ended {
    officer(net, voucher, &["vouch", district, "--key", &key.to_string()])
}

fn roster(net: &Net) -> String {
    let dir = net.network.hub_dir();
    net.network
        .call(COORDINATOR_ROLE, &["roster".as_ref(), "--dir".as_ref(), dir.as_os_str()])
        .unwrap()
}

#[test]
fn two_listed_districts_vouch_for_a_third_and_the_running_nodes_officer_sees_it() {
    let mut net = Net::start();
    list(&net, "D1", &["D2", "D3"]);
    net.start_node("D1", None);
    net.await_connected(1);
    let line = |standing: &str| format!("\n  {}\n  {standing}\n", key(&net, "D4"));
    let peers = officer(&net, "D1", &["peers"]);
    let text = said(&peers);
    assert!(text.contains(&line("not trusted: nobody listed knows it")), "{text}");
    assert!(text.contains("\n3 active districts count as colluding"), "{text}");
    assert!(text.contains("max_colluding is at least 4"), "{text}");
    assert!(peers.said.contains("call that district"), "{}", peers.said);

    assert_eq!(vouch(&net, "D2", "D4", key(&net, "D4")).code, 0);
    let peers = officer(&net, "D1", &["peers"]);
    let text = said(&peers);
    assert!(
        text.contains(&line("not trusted: D2 vouches for it, at least one more is needed")),
        "{text}"
    );
    // D6 is not listed: its word counts for nothing here.
    assert_eq!(vouch(&net, "D6", "D4", key(&net, "D4")).code, 0);
    let peers = officer(&net, "D1", &["peers"]);
    assert!(said(&peers).contains("one more is needed"), "{}", peers.stdout);

    assert_eq!(vouch(&net, "D3", "D4", key(&net, "D4")).code, 0);
    net.network.kill_hub().unwrap();
    net.start_hub(None);
    let peers = officer(&net, "D1", &["peers"]);
    let line = format!("\n  {}\n  trusted: D2, D3 vouch for it\n", key(&net, "D4"));
    assert!(said(&peers).contains(&line), "{}", peers.stdout);
    let json = officer(&net, "D1", &["peers", "--json"]);
    let json: serde_json::Value = serde_json::from_str(said(&json)).unwrap();
    assert_eq!(json["colluding"], 2);
    assert_eq!(json["members"][3]["counts"], true);
    let text = roster(&net);
    assert!(text.contains("District D4  (vouches: 3)\n"), "{text}");
    assert_eq!(text.matches("(vouches").count(), 1, "{text}");
}

#[test]
fn a_vouch_for_another_key_than_the_rosters_is_refused_and_nothing_is_sent() {
    let net = Net::start();
    refused(&vouch(&net, "D2", "D4", key(&net, "D5")), 3, "vouch_key_differs");
    refused(&vouch(&net, "D2", "D2", key(&net, "D2")), 3, "vouch_self");
    refused(&vouch(&net, "D2", "D9", key(&net, "D5")), 3, "district_unknown");
    assert_eq!(officer(&net, "D2", &["vouch", "D4", "--key", "ed25519:12"]).code, 2);
    assert!(!roster(&net).contains("vouches"));
    assert!(!net.log("coordinator").contains("vouch"));
}

#[test]
fn a_district_that_vouches_in_anothers_name_is_refused_by_the_hub() {
    let net = Net::start();
    let runtime = runtime();
    let mut client = dial(&runtime, &net.membership("D1"));
    let origin = log_origin(&net.membership("D1").hub_key());
    let (voucher, of) = ("D2".parse().unwrap(), "D4".parse().unwrap());
    let theirs = net.membership("D2");
    let vouch = Vouch::sign(voucher, theirs.identity(), of, key(&net, "D4"), &origin);
    let request = pb::VouchRequest { vouch: vouch.to_string() };
    let status = runtime.block_on(client.vouch(request)).unwrap_err();
    assert_eq!(status.metadata().get(CODE_KEY).unwrap(), "vouch_sender");
    assert!(!roster(&net).contains("vouches"));
    assert!(net.log("coordinator").contains("code=\"vouch_sender\""));
}

#[test]
fn the_books_are_read_and_a_decision_left_while_the_node_holds_its_journal() {
    let mut net = Net::start();
    fs::remove_file(policy(&net, "D1")).unwrap();
    net.start_node("D1", None);
    net.await_connected(1);
    let state = net.network.node_dir("D1").join("state");
    assert_eq!(Journal::open(&state).unwrap_err().code(), "store_locked");
    let budget = officer(&net, "D1", &["budget"]);
    assert_eq!(said(&budget), "nothing was ever charged\n");
    assert!(budget.said.contains("every study is refused"), "{}", budget.said);
    assert_eq!(said(&officer(&net, "D1", &["pending"])), "no study waits\n");
    assert_eq!(said(&officer(&net, "D1", &["pending", "--json"])), "[]\n");
    let study = StudyText::SMALL.write(net.path());
    let approved = officer(&net, "D1", &["approve", study.to_str().unwrap()]);
    assert!(said(&approved).starts_with("approved "), "{}", approved.stdout);
    let decisions = fs::read_dir(net.network.node_dir("D1").join("decisions")).unwrap();
    assert_eq!(decisions.count(), 1);
    refused(&officer(&net, "D1", &["approve", "0123456789"]), 1, "study_not_asked");
    refused(&officer(&net, "elsewhere", &["budget"]), 1, "not_enrolled");
    assert!(!net.network.node_dir("elsewhere").exists());
}

#[test]
fn a_study_that_waits_is_shown_previewed_approved_and_then_taken_up_by_the_running_node() {
    let mut net = Net::start();
    let text = fs::read_to_string(policy(&net, "D1")).unwrap();
    fs::write(policy(&net, "D1"), text.replace("\"within-policy\"", "\"manual\"")).unwrap();
    net.start_node("D1", None);
    net.await_connected(1);
    // The other nodes do not run, so nothing comes of it but the question.
    net.run(&StudyText::SMALL, 2).aborts("too_few_ready");
    let pending = officer(&net, "D1", &["pending"]);
    let text = said(&pending).to_owned();
    assert!(text.starts_with("1 study waits\n"), "{text}");
    assert!(text.contains("\n  lies with its school table in "), "{text}");
    let typed = |word: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.contains(&format!("flashlight-node {word} ")));
        line.unwrap().split_whitespace().skip(1).map(str::to_owned).collect()
    };
    // The commands are typed as they stand there.
    let data = net.data("D1").display().to_string();
    let run = |word: &str| {
        let args = typed(word).into_iter().map(|arg| arg.replace("FOLDER", &data));
        let args: Vec<OsString> = args.map(OsString::from).collect();
        node(&args.iter().map(OsString::as_os_str).collect::<Vec<_>>())
    };
    assert_eq!(run("preview").code, 0);
    let approved = run("approve");
    assert!(said(&approved).starts_with("approved "), "{}", approved.stdout);
    assert!(!approved.said.contains("refused all the same"), "{}", approved.said);
    let pending = officer(&net, "D1", &["pending"]);
    assert!(said(&pending).contains("\n  approved; the node takes that up"), "{}", pending.stdout);
    net.run(&StudyText::SMALL, 2).aborts("too_few_ready");
    assert_eq!(said(&officer(&net, "D1", &["pending"])), "no study waits\n");
    let decisions = fs::read_dir(net.network.node_dir("D1").join("decisions")).unwrap();
    assert_eq!(decisions.count(), 0);
}

#[test]
fn a_hub_that_lies_about_roster_or_vouches_is_named_and_its_vouches_count_for_nothing() {
    let (net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    hub.prepared();
    list(&net, VICTIM, &["D2", "D3"]);
    let peers = || officer(&net, VICTIM, &["peers"]);
    assert!(said(&peers()).contains("roster version"));

    let garbage = vec!["vouch D2 D4".to_owned()];
    hub.offer(|offer| offer.vouches = garbage);
    refused(&peers(), 1, "malformed");
    let origin = log_origin(&net.membership(VICTIM).hub_key());
    let forged = |voucher: &str| {
        let (voucher, of) = (voucher.parse().unwrap(), "D4".parse().unwrap());
        let other = net.membership("D5");
        Vouch::sign(voucher, other.identity(), of, key(&net, "D4"), &origin).to_string()
    };
    hub.offer(|offer| offer.vouches = vec![forged("D2"); VOUCHES_MAX + 1]);
    refused(&peers(), 1, "malformed");
    hub.offer(|offer| offer.vouches = vec![forged("D2"), forged("D3")]);
    let ended = peers();
    assert!(!said(&ended).contains("vouch for it"), "{}", ended.stdout);

    let honest = hub.roster.clone();
    let mut members = honest.members().to_vec();
    members[3].key = net.membership("D4").hub_key();
    let changed = Roster::new(honest.version() + 1, honest.hub_key(), members).unwrap();
    let changed = changed.sign(hub.authority.hub());
    let mut unsigned = changed.clone();
    hub.offer(|offer| offer.roster = changed);
    let ended = peers();
    assert_eq!(ended.code, 3, "{}", ended.said);
    assert!(ended.said.contains("WARNING") && ended.said.contains("(roster_key_changed)"));
    unsigned.text.push(b'\n');
    hub.offer(|offer| offer.roster = unsigned);
    refused(&peers(), 3, "roster_signature");
    // What the officer looked at changed nothing: the node goes on from what it accepted itself.
    hub.offer(|offer| offer.roster = honest.sign(hub.authority.hub()));
    hub.prepared();
    assert_eq!(honest.members().len(), DISTRICTS.len());
}
