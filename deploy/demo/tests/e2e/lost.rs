//! Nodes killed (SIGKILL) at every step: before anybody has masked the cohort is cut anew at no
//! cost; afterwards the round goes on without them while enough are left.

use flashlight_coordinator::journal::Entry;

use crate::data::{DISTRICTS, StudyText};
use crate::network::Net;

/// Whoever is killed.
const VICTIM: &str = "D3";
/// Everybody else.
const OTHERS: [&str; 5] = ["D1", "D2", "D4", "D5", "D6"];

fn others() -> Vec<&'static str> {
    DISTRICTS.into_iter().filter(|one| *one != VICTIM).collect()
}

/// Runs a study and kills the victim where it pauses.
fn lose_at(net: &mut Net, study: &StudyText, point: &str) -> (crate::network::Release, String) {
    net.start_node(VICTIM, Some(point));
    let run = net.run(study, 30);
    net.kill_at_pause(VICTIM);
    let ended = run.end();
    assert_eq!(ended.code, 0, "{point}: {}", ended.said);
    (net.release(&ended), ended.said)
}

/// Rounds started in the hub's journal, with their contexts and cohorts.
fn started(net: &Net) -> Vec<(String, String, usize)> {
    let started = net.journal().into_iter().filter_map(|entry| match entry {
        Entry::RoundStarted { round, ctx, cohort, .. } => {
            Some((round, ctx.to_string(), cohort.len()))
        }
        _ => None,
    });
    started.collect()
}

#[test]
fn a_node_killed_before_it_is_ready_is_left_out() {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    net.start_node(VICTIM, Some("prepare:before"));
    let run = net.run(&StudyText::SMALL, 3);
    net.kill_at_pause(VICTIM);
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&others(), &[]);
    assert_eq!(started(&net).len(), 1);
}

#[test]
fn a_node_killed_before_anybody_masks_costs_nothing_but_a_new_round_under_new_terms() {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    let points = [
        "advertise:before",
        "advertise:after",
        "share:before",
        "share:after",
        "acknowledge:before",
    ];
    for (at, point) in points.iter().enumerate() {
        let (release, said) = lose_at(&mut net, &StudyText::SMALL.at(at), point);
        release.is_over(&others(), &[]);
        assert!(said.contains("lost D3 before anybody had masked; the cohort is re-cut"), "{said}");
        let rounds = started(&net);
        assert_eq!(rounds.len(), 2 * (at + 1), "{point}");
        let [first, second] = &rounds[2 * at..] else { panic!("{point}: two rounds") };
        assert!(first.0 != second.0 && first.1 != second.1, "{point}: new round id and context");
        assert_eq!((first.2, second.2), (6, 5), "{point}");
    }
    assert!(net.open_rounds().is_empty());
}

#[test]
fn a_node_killed_when_its_peers_mask_with_it_is_lost_and_the_others_are_published() {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    let points =
        ["acknowledge:after", "mask:before", "mask:charged", "mask:recorded", "mask:chunk"];
    for (at, point) in points.iter().enumerate() {
        let (release, said) = lose_at(&mut net, &StudyText::SMALL.at(at), point);
        release.is_over(&DISTRICTS, &[VICTIM]);
        assert!(said.contains("mask 5/6: lost D3"), "{point}: {said}");
        assert_eq!(started(&net).len(), at + 1, "{point}");
    }
}

#[test]
fn a_node_killed_after_its_upload_is_still_counted() {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    let points = [
        ("mask:after", "confirm 5/6: lost D3"),
        ("confirm:before", "confirm 5/6: lost D3"),
        ("confirm:recorded", "confirm 5/6: lost D3"),
        ("confirm:after", "unmask 5/6: lost D3"),
        ("unmask:before", "unmask 5/6: lost D3"),
        ("unmask:after", ""),
    ];
    for (at, (point, told)) in points.into_iter().enumerate() {
        let (release, said) = lose_at(&mut net, &StudyText::SMALL.at(at), point);
        release.is_over(&DISTRICTS, &[]);
        assert!(said.contains(told), "{point}: {said}");
    }
}

#[test]
fn too_many_nodes_killed_after_masking_abort_the_round_which_can_be_run_again() {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    let cases: [(&str, &[&str], &str); 3] = [
        ("mask:before", &["D3", "D4"], "too_few"),
        ("confirm:before", &["D3", "D4", "D5"], "confirmations"),
        ("unmask:before", &["D3", "D4", "D5"], "too_few"),
    ];
    for (point, victims, code) in cases {
        for victim in victims {
            net.start_node(victim, Some(point));
        }
        let run = net.run(&StudyText::SMALL, 30);
        for victim in victims {
            net.kill_at_pause(victim);
        }
        let said = run.aborts(code).said;
        let step = point.split(':').next().unwrap();
        assert!(said.contains(&format!("the round was aborted: {step}: only ")), "{said}");
        net.start_nodes(victims.iter().copied());
    }
    assert!(net.releases().is_empty());
    let release = net.publish(&StudyText::SMALL);
    release.is_over(&DISTRICTS, &[]);
    assert_eq!(release.round(), 4);
    assert!(net.open_rounds().is_empty());
}
