//! A node's books put back to an earlier state, by accident or to spend twice.

use std::fs;
use std::path::{Path, PathBuf};

use flashlight_coordinator::journal::Entry as HubEntry;
use flashlight_node::journal::{Entry, Journal};
use flashlight_node::ledger::{Ledger, check_not_behind};
use flashlight_proto::canonical::Digest;
use flashlight_proto::wire::{Directive, Logged};

use crate::data::{DISTRICTS, StudyText};
use crate::fake_hub::FakeHub;
use crate::fake_node::Fake;
use crate::network::{Net, copy_folder};
use crate::puppets::Puppets;

/// Whose books they are.
const OWNER: &str = "D6";

fn state(net: &Net) -> PathBuf {
    net.network.node_dir(OWNER).join("state")
}

fn put_back(net: &Net, copy: &Path) {
    fs::remove_dir_all(state(net)).unwrap();
    copy_folder(copy, &state(net));
}

/// A network that has published twice; the owner's node is dead. Returns copies of its state: after
/// the first round, and after the second.
fn two_rounds() -> (Net, PathBuf, PathBuf) {
    let mut net = Net::full();
    let mut copies = Vec::new();
    for date in 0..2 {
        net.publish(&StudyText::SMALL.at(date)).is_over(&DISTRICTS, &[]);
        crate::network::until("the node has heard of the end", || {
            (net.log(OWNER).matches("the hub published a release").count() == date + 1)
                .then_some(())
        });
        net.network.kill_node(OWNER).unwrap();
        let copy = net.path().join(format!("copy-{date}"));
        copy_folder(&state(&net), &copy);
        copies.push(copy);
        if date == 0 {
            net.start_node(OWNER, None);
        }
    }
    let newest = copies.pop().unwrap();
    (net, copies.pop().unwrap(), newest)
}

/// The owner's node is left out of a run, by its own word.
#[track_caller]
fn is_left_out(net: &Net, study: &StudyText, code: &str) {
    let ended = net.run(study, 30).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    let told = format!("district {OWNER} does not take part: ");
    let line = ended.said.lines().find(|line| line.contains(&told));
    let line = line.unwrap_or_else(|| panic!("{}", ended.said));
    assert!(line.ends_with(&format!("({code})")), "{line}");
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
}

#[test]
fn a_node_restored_from_an_older_copy_takes_part_in_nothing_until_the_newest_is_back() {
    let (mut net, older, newest) = two_rounds();
    put_back(&net, &older);
    net.start_node(OWNER, None);
    is_left_out(&net, &StudyText::SMALL.at(2), "ledger_behind");
    net.network.kill_node(OWNER).unwrap();
    put_back(&net, &newest);
    net.start_node(OWNER, None);
    net.publish(&StudyText::SMALL.at(3)).is_over(&DISTRICTS, &[]);
}

/// Cuts the journal before the last entry like this, at a line, and takes the index away.
fn cut(net: &Net, is_first: impl Fn(&Entry) -> bool) {
    let journal = Journal::open(&state(net)).unwrap();
    let entries: Vec<Entry> =
        journal.entries().unwrap().map(|recorded| recorded.unwrap().entry).collect();
    drop(journal);
    let keep = entries.iter().rposition(is_first).unwrap();
    let path = state(net).join("journal");
    let text = fs::read_to_string(&path).unwrap();
    let kept: String = text.split_inclusive('\n').take(keep).collect();
    assert!(kept.len() < text.len());
    for entry in fs::read_dir(state(net)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    fs::write(&path, kept).unwrap();
}

#[test]
fn a_journal_cut_at_a_line_before_the_last_round_or_before_its_charge_is_noticed() {
    let (mut net, _, newest) = two_rounds();
    // Before the head that was advertised, and after it: there the vector in the sum tells.
    let cuts: [fn(&Entry) -> bool; 2] = [
        |entry| matches!(entry, Entry::CtxAccepted { .. }),
        |entry| matches!(entry, Entry::Charged { .. }),
    ];
    for (at, is_first) in cuts.into_iter().enumerate() {
        put_back(&net, &newest);
        cut(&net, is_first);
        net.start_node(OWNER, None);
        is_left_out(&net, &StudyText::SMALL.at(2 + at), "ledger_behind");
        net.network.kill_node(OWNER).unwrap();
    }
}

/// The node does not start.
#[track_caller]
fn does_not_start(net: &Net, code: &str) {
    let ended = net.watch_node(OWNER).end();
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains(&format!("({code})\n")), "{}", ended.said);
}

#[test]
fn a_journal_cut_under_its_index_or_with_a_flipped_bit_does_not_start() {
    let (net, _, newest) = two_rounds();
    let path = state(&net).join("journal");
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    fs::write(&path, &whole[..=last]).unwrap();
    does_not_start(&net, "journal_behind_index");
    let text = String::from_utf8(whole.clone()).unwrap();
    let charge = text.find("\"kind\":\"charged\"").unwrap();
    for at in [charge + 9, whole.len() / 2, whole.len() - 3] {
        put_back(&net, &newest);
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        does_not_start(&net, "journal_corrupt");
    }
}

#[test]
fn the_hub_says_how_far_a_nodes_books_had_come_and_in_which_sum_it_was_last() {
    let (net, ..) = two_rounds();
    let mut fake = Fake::join(&net, OWNER, &StudyText::SMALL);
    let _run = net.run(&StudyText::SMALL.at(2), 30);
    let Directive::Announce { logged: Logged { head, masked, release }, .. } = fake.next() else {
        panic!("not announced")
    };
    let journal = net.node_journal(OWNER);
    let identity = net.membership(OWNER).into_identity();
    let head = head.expect("it has advertised");
    check_not_behind(&journal, &identity, Some((head.entries, head.digest))).unwrap();
    let entries: Vec<_> = journal.entries().unwrap().map(Result::unwrap).collect();
    let advertised = |entry: &Entry| matches!(entry, Entry::CtxAccepted { .. });
    let last = entries.iter().rfind(|recorded| advertised(&recorded.entry)).unwrap();
    assert_eq!(head.entries, last.seq, "as of its last round");
    let masked = masked.expect("it was in a sum");
    assert!(Ledger::from_journal(&journal).unwrap().has_charged(masked));
    let Entry::CtxAccepted { round, .. } = &last.entry else { unreachable!() };
    assert_eq!(masked.to_string(), *round);
    let published = net.journal().into_iter().rev().find_map(|entry| match entry {
        HubEntry::Published { release, .. } => Some(release),
        _ => None,
    });
    assert_eq!(release, published, "a node that missed its end hears of it");
}

#[test]
fn a_node_that_the_hubs_log_knows_more_of_than_itself_refuses() {
    let (net, mut hub) = FakeHub::start(&StudyText::NOISY);
    hub.awaits_node();
    let puppets = Puppets::masked(&net, &mut hub);
    let shown = &puppets.advertisements[0].ledger;
    hub.logged.ledger_entries = shown.entries;
    hub.logged.ledger_head = shown.digest.as_bytes().to_vec();
    hub.logged.last_masked = puppets.round_id.clone();
    hub.prepared();
    hub.logged.last_masked[0] ^= 1;
    hub.is_unwanted("ledger_behind");
    hub.logged.last_masked.clear();
    hub.logged.ledger_entries = shown.entries + 1000;
    hub.is_unwanted("ledger_behind");
    hub.logged.ledger_entries = shown.entries - 1;
    hub.is_unwanted("ledger_forked");
    hub.logged.ledger_entries = shown.entries;
    hub.logged.ledger_head = Digest::of(b"another history").as_bytes().to_vec();
    hub.is_unwanted("ledger_forked");
    hub.logged = Default::default();
    hub.prepared();
}
