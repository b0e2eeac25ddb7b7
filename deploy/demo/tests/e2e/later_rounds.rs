//! Later rounds on an answered question, by an honest hub: with exactly the districts of the first,
//! or with none.

use std::collections::BTreeSet;

use flashlight_node::consent::log_origin;
use flashlight_node::ledger::{Override, Question};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::study::Study;

use crate::command::Ended;
use crate::data::{self, DISTRICTS, StudyText};
use crate::fake_hub::id;
use crate::network::Net;

/// Runs a study and kills a node when the others mask with it.
fn lose(net: &mut Net, victim: &str, study: &StudyText) -> Ended {
    net.start_node(victim, Some("mask:before"));
    let run = net.run(study, 30);
    net.kill_at_pause(victim);
    let ended = run.end();
    net.start_node(victim, None);
    ended
}

#[test]
fn a_later_round_runs_with_exactly_the_first_survivors_and_says_for_whom_it_waits() {
    let mut net = Net::full();
    let ended = lose(&mut net, "D6", &StudyText::SMALL);
    net.release(&ended).is_over(&DISTRICTS, &["D6"]);
    net.await_connected(6);
    // D6 is back, and waits for the next date.
    let later = net.publish(&StudyText::SMALL);
    later.is_over(&DISTRICTS[..5], &[]);
    let sizes = later.verified.release.facts().sizes;
    assert_eq!((sizes.n, sizes.m), (5, 5));

    net.network.kill_node("D4").unwrap();
    net.await_connected(5);
    let ended = net.run(&StudyText::SMALL, 1).aborts("survivors_missing");
    let waiting = "waiting for exactly 5 districts, answered by these districts before: D1, D2, \
                   D3, D4, D5";
    assert!(ended.said.contains(waiting), "{}", ended.said);
    assert!(ended.said.contains("of which D4 is not ready"), "{}", ended.said);
    // Under another name it is the same question, and a wider study asks it too.
    let renamed = StudyText { id: "renamed", title: "Another study", ..StudyText::SMALL };
    for study in [renamed, StudyText::SEVERAL] {
        net.run(&study, 1).aborts("survivors_missing");
    }
    let ended = net.run(&StudyText::SMALL.at(1), 1).end();
    net.release(&ended).is_over(&["D1", "D2", "D3", "D5", "D6"], &[]);
    let run = net.run(&renamed, 30);
    run.await_line(waiting);
    net.start_node("D4", None);
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
}

#[test]
fn a_later_round_that_loses_somebody_on_the_way_publishes_nothing_and_can_be_run_again() {
    let mut net = Net::full();
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS, &[]);
    // Before masking, where a first round would be cut anew.
    net.start_node("D2", Some("share:before"));
    let run = net.run(&StudyText::SMALL, 30);
    net.kill_at_pause("D2");
    let ended = run.aborts("survivors_missing");
    assert!(ended.said.contains("of which D2 is not ready"), "{}", ended.said);
    net.start_node("D2", None);
    // After it, where a first round could lose one.
    let ended = lose(&mut net, "D3", &StudyText::SMALL);
    assert_eq!(ended.code, 75, "{}", ended.said);
    assert!(ended.said.contains("mask: only 5") && ended.said.contains("(too_few)"));
    assert_eq!(net.releases().len(), 1);
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS, &[]);
}

#[test]
fn a_retry_after_some_had_masked_needs_signatures_the_first_try_leaves_none_of() {
    let four = StudyText { max_dropped: 0, ..StudyText::SMALL };
    let mut net = Net::start();
    net.start_nodes(DISTRICTS[..4].iter().copied());
    net.start_node("D4", Some("mask:before"));
    let run = net.run(&four, 2);
    net.kill_at_pause("D4");
    run.aborts("too_few");
    // Two others in the place of two: six have been asked, and all four could sign twice.
    for district in ["D1", "D2"] {
        net.network.kill_node(district).unwrap();
    }
    net.start_nodes(["D4", "D5", "D6"]);
    net.await_connected(4);
    let ended = net.run(&four, 2).aborts("retry_quorum");
    let told = "a retry needs 5 signatures and only 4 districts are ready";
    assert!(ended.said.contains(told), "{}", ended.said);
    net.start_nodes(["D1", "D2"]);
    let release = net.publish(&four);
    release.is_over(&DISTRICTS, &[]);
    let sizes = release.verified.release.facts().sizes;
    assert_eq!((sizes.n, sizes.m, sizes.t), (6, 6, 5), "the rule alone gives t = 4");
}

#[test]
fn questions_that_different_districts_answered_are_not_asked_together() {
    let mut net = Net::full();
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS, &[]);
    net.network.kill_node("D6").unwrap();
    net.await_connected(5);
    let means = StudyText { id: "means", tables: data::MEANS, ..StudyText::SMALL };
    net.publish(&means).is_among(&DISTRICTS[..5], &[]);
    net.start_node("D6", None);
    net.await_connected(6);

    let asked = || DISTRICTS.map(|district| net.log(district).matches("ready for study").count());
    let before = (asked(), net.journal().len());
    assert_eq!(before.0, [2, 2, 2, 2, 2, 1]);
    // Asks the students and the means of the same date.
    let ended = net.run(&StudyText::SEVERAL, 1).end();
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains("(answered_apart)\n"), "{}", ended.said);
    assert!(ended.said.contains("mend the study"), "{}", ended.said);
    assert_eq!(ended.stdout, "");
    assert_eq!((asked(), net.journal().len()), before, "{}", net.log("coordinator"));
    assert_eq!(net.releases().len(), 2);
    // Each is still asked of its own districts.
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS, &[]);
    net.publish(&means).is_among(&DISTRICTS[..5], &[]);
}

/// What the officers of these districts agree to, in every district's folder.
fn agree(net: &Net, study: &StudyText, before: &[&str], signers: &[&str]) {
    let set =
        |names: &[&str]| -> BTreeSet<DistrictId> { names.iter().map(|one| id(one)).collect() };
    let questions = Question::of_study(&Study::parse(study.text().as_bytes()).unwrap());
    let origin = log_origin(&net.membership("D1").hub_key());
    let reason = "D6 was without power".to_owned();
    let mut document = Override::new(origin, questions, [set(before)], set(&DISTRICTS), reason);
    for signer in signers {
        document.sign(id(signer), &net.membership(signer).into_identity());
    }
    for district in DISTRICTS {
        let path = net.network.node_dir(district).join("override.toml");
        std::fs::write(path, document.to_text()).unwrap();
    }
}

#[test]
fn another_set_is_let_in_by_the_officers_of_whom_it_gives_away_and_of_four_others_alone() {
    let mut net = Net::full();
    let study = StudyText::SMALL;
    let ended = lose(&mut net, "D6", &study);
    net.release(&ended).is_over(&DISTRICTS, &["D6"]);
    let ended = net.run_among(&study, &DISTRICTS).aborts("cohort_missing");
    assert_eq!(ended.said.matches("(district_late)").count(), 5, "{}", ended.said);
    // min_honest + c = 4 others beside D6.
    for (signers, code) in
        [(&DISTRICTS[..5], "override_touched"), (&DISTRICTS[2..], "override_others")]
    {
        agree(&net, &study, &DISTRICTS[..5], signers);
        let ended = net.run_among(&study, &DISTRICTS).aborts("cohort_missing");
        assert_eq!(ended.said.matches(code).count(), 5, "{}", ended.said);
    }
    agree(&net, &study, &DISTRICTS[..5], &DISTRICTS[1..]);
    let ended = net.run_among(&study, &DISTRICTS).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS, &[]);
    // From now on with these.
    net.publish(&study).is_over(&DISTRICTS, &[]);
}

#[test]
fn a_run_over_named_districts_asks_nobody_else() {
    let net = Net::full();
    let named = ["D1", "D3", "D4", "D5", "D6"];
    let ended = net.run_among(&StudyText::SMALL, &named).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&named, &[]);
    assert!(ended.said.contains("waiting for exactly 5 districts, as the operator says"));
    assert!(!net.log("D2").contains("ready for study"), "{}", net.log("D2"));
    let ended = net.run_among(&StudyText::SMALL.at(1), &["D1", "D2", "D3", "D9"]).end();
    assert_eq!(ended.code, 75, "{}", ended.said);
    assert!(ended.said.contains("named with --cohort D9 is not ready"), "{}", ended.said);
}
