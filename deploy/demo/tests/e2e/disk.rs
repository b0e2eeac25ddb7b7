//! Disks without room: the kernel cuts a write short, and the party says so and goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use flashlight_demo::network::Network;
use flashlight_node::journal::{Entry, Journal};
use flashlight_node::round::now_ms;
use flashlight_proto::identity::DistrictId;

use crate::data::{DISTRICTS, StudyText};
use crate::network::{DEMO, Net};

/// Bytes in a block of the shell's `ulimit -f`.
const BLOCK: u64 = 512;

/// The demo with no file that may grow past so many blocks.
fn limited(net: &Net, blocks: u64) -> Network {
    let script: PathBuf = net.path().join(format!("limited-{blocks}"));
    let text = format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f {blocks}\nexec '{DEMO}' \"$@\"\n");
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    Network::new(script, net.path()).unwrap()
}

#[test]
fn a_hub_whose_disk_fills_while_it_publishes_publishes_nothing_and_later_all() {
    let mut net = Net::full();
    net.await_connected(6);
    net.network.kill_hub().unwrap();
    let mut limited = limited(&net, 2048);
    limited.start_hub(net.port, None).unwrap();
    let ended = net.run(&StudyText::WIDE, 30).aborts("disk_full");
    assert!(ended.said.contains("publish: writing the release"), "{}", ended.said);
    assert!(ended.said.contains("could not be written: "), "{}", ended.said);
    assert_eq!(net.releases(), Vec::<PathBuf>::new());
    assert!(net.open_rounds().is_empty());
    limited.kill_hub().unwrap();
    net.start_hub(None);
    let release = net.publish(&StudyText::WIDE);
    assert_eq!(release.round(), 2);
}

#[test]
fn a_node_whose_disk_is_full_leaves_the_round_before_it_says_anything() {
    let mut net = Net::full();
    net.publish(&StudyText::SMALL);
    net.network.kill_node("D6").unwrap();
    let state = net.network.node_dir("D6").join("state");
    // The journal has to be what fills up, and not the index beside it.
    let long: DistrictId = "a-district-of-thirty-two-letters".parse().unwrap();
    let filler = Entry::Answered {
        round: "00".to_owned(),
        questions: Vec::new(),
        survivors: vec![long; 25_000],
    };
    Journal::open(&state).unwrap().append(&filler, now_ms()).unwrap();
    let blocks = fs::metadata(state.join("journal")).unwrap().len() / BLOCK;
    let mut limited = limited(&net, blocks);
    limited.start_node("D6", &net.data("D6"), None).unwrap();
    let ended = net.run(&StudyText::SMALL.at(1), 30).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(ended.said.contains("district D6 withdraws at advertise: "), "{}", ended.said);
    assert!(ended.said.contains("(disk_full)"), "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
    limited.kill_node("D6").unwrap();
    net.start_node("D6", None);
    net.publish(&StudyText::SMALL.at(2)).is_over(&DISTRICTS, &[]);
}
