//! What a district's own policy and officer say, whatever the hub asks for.

use std::fs;

use flashlight_node::consent::{Decision, leave};
use flashlight_proto::canonical::Digest;

use crate::data::{self, DISTRICTS, StudyText};
use crate::fake_hub::{FakeHub, VICTIM};
use crate::network::{Net, until};

/// The victim refuses the hub's study while this part of its policy reads otherwise.
#[track_caller]
fn refuses(net: &Net, hub: &mut FakeHub, from: &str, to: &str, code: &str) {
    let path = net.network.node_dir(VICTIM).join("policy.toml");
    let before = fs::read(&path).unwrap();
    net.change_policy(VICTIM, from, to);
    hub.is_unwanted(code);
    fs::write(path, before).unwrap();
}

/// As `refuses`, when a round is opened.
#[track_caller]
fn refuses_round(net: &Net, hub: &mut FakeHub, from: &str, to: &str, code: &str) {
    let path = net.network.node_dir(VICTIM).join("policy.toml");
    let before = fs::read(&path).unwrap();
    net.change_policy(VICTIM, from, to);
    hub.is_unwanted_as_round(code);
    fs::write(path, before).unwrap();
}

/// Ends the victim; nothing was ever charged to it.
#[track_caller]
fn was_not_charged(net: &mut Net) {
    net.network.kill_node(VICTIM).unwrap();
    assert!(net.budget(VICTIM).charges.is_empty());
}

#[test]
fn a_study_the_policy_does_not_allow_is_refused_before_any_record_is_read() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    // Whoever read records now would say that there are none.
    let data = net.data(VICTIM);
    fs::rename(&data, net.path().join("elsewhere")).unwrap();
    refuses(&net, &mut hub, "exact_mode = true", "exact_mode = false", "exact_not_allowed");
    refuses(&net, &mut hub, "\"students\", ", "", "indicator_not_allowed");
    refuses(&net, &mut hub, "[floors]\n", "[floors]\nmin_cell = 12\n", "min_cell");
    refuses(&net, &mut hub, "\"within-policy\"", "\"manual\"", "approval_pending");
    hub.ask(&StudyText::NOISY);
    refuses(&net, &mut hub, "max_rho_round = 1000", "max_rho_round = 0.499", "max_rho_round");
    hub.ask(&StudyText { min_n: 10, ..StudyText::SMALL });
    hub.is_unwanted("min_cell");
    hub.ask(&StudyText::SMALL);
    hub.is_unwanted("records_missing");
    fs::rename(net.path().join("elsewhere"), &data).unwrap();
    hub.prepared();
    was_not_charged(&mut net);
}

#[test]
fn a_policy_that_is_missing_or_broken_allows_nothing_and_its_text_stays_here() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    refuses(&net, &mut hub, "[floors]", "[floors", "policy_shape");
    refuses(&net, &mut hub, "min_survivors", "min_survivor", "policy_shape");
    refuses(&net, &mut hub, "min_survivors = 4", "min_survivors = 2", "policy_value");
    let path = net.network.node_dir(VICTIM).join("policy.toml");
    let text = fs::read(&path).unwrap();
    fs::write(&path, b"\xff\xfe").unwrap();
    hub.is_unwanted("policy_shape");
    fs::write(&path, vec![b'#'; 1 << 21]).unwrap();
    hub.is_unwanted("policy_unreadable");
    fs::remove_file(&path).unwrap();
    hub.is_unwanted("policy_missing");
    fs::write(&path, text).unwrap();
    hub.prepared();
    was_not_charged(&mut net);
}

#[test]
fn a_round_below_the_floors_or_above_the_budget_is_refused_before_keys_are_made() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::NOISY);
    hub.awaits_node();
    // n = 6, m = 5, h = 4, c = 1 and rho = 0.5.
    refuses_round(&net, &mut hub, "min_survivors = 4", "min_survivors = 6", "min_survivors");
    refuses_round(&net, &mut hub, "min_honest = 3", "min_honest = 5", "min_honest");
    refuses_round(&net, &mut hub, "[floors]\n", "[floors]\nmin_colluding = 2\n", "min_colluding");
    refuses_round(&net, &mut hub, "max_rho_year = 1000", "max_rho_year = 0.499", "max_rho_year");
    let reserve = "[floors]\nreserve_for_later_years = 999.501\n";
    refuses_round(&net, &mut hub, "[floors]\n", reserve, "reserve_for_later_years");
    hub.cohort.truncate(5);
    refuses_round(&net, &mut hub, "min_survivors = 4", "min_survivors = 5", "min_survivors");
    was_not_charged(&mut net);
}

#[test]
fn a_study_that_counts_on_nobody_colluding_is_refused() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    let text = StudyText::SMALL.text().replace("max_colluding = 1", "max_colluding = 0");
    let study = hub.sign(text.as_bytes(), &(StudyText::SMALL.schools)());
    hub.offer(|offer| offer.study = study);
    assert_eq!(hub.announce(Digest::of(text.as_bytes())), "cohort_arithmetic");
    was_not_charged(&mut net);
}

#[test]
fn districts_that_the_policy_does_not_list_cannot_fill_the_cohort() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    let policy = fs::read_to_string(net.network.node_dir(VICTIM).join("policy.toml")).unwrap();
    let (_, listed) = policy.split_once("districts = { ").unwrap();
    let listed = listed.trim_end().trim_end_matches(" }").to_owned();
    let entries: Vec<&str> = listed.split(", ").collect();
    assert_eq!(entries.len(), 5);
    // The hub enrolled D4, D5 and D6 itself, and this district knows D2 and D3 alone.
    refuses_round(&net, &mut hub, &listed, &entries[..2].join(", "), "cohort_untrusted");
    // One stranger is as many as may collude, and somebody trusted may collude too.
    refuses_round(&net, &mut hub, &listed, &entries[..4].join(", "), "cohort_untrusted");
    // D6 is absent, and the key its officer gave by phone is not the one in the hub's roster.
    let other = format!("\"D6\" = \"ed25519:{}\"", "ab".repeat(32));
    refuses_round(&net, &mut hub, entries[4], &other, "cohort_untrusted");
    was_not_charged(&mut net);
}

#[test]
fn a_district_that_approves_by_hand_waits_and_takes_part_after_its_officer_said_yes() {
    let net = Net::full();
    let manual = ["D5", "D6"];
    for district in manual {
        net.change_policy(district, "\"within-policy\"", "\"manual\"");
    }
    let study = Digest::of(StudyText::SMALL.text().as_bytes());
    let ended = net.run(&StudyText::SMALL, 30).aborts("too_few_ready");
    for district in manual {
        let told = format!("district {district} does not take part: the study waits for this");
        assert!(ended.said.contains(&told), "{}", ended.said);
        assert!(ended.said.contains("(approval_pending)"), "{}", ended.said);
        let kept = net.network.node_dir(district).join("studies").join(study.to_string());
        let text = fs::read_to_string(kept.join("study.toml")).unwrap();
        assert_eq!(text, StudyText::SMALL.text(), "what the officer looks at");
        assert!(kept.join("small.csv").is_file());
        let decisions = net.network.node_dir(district).join("decisions");
        leave(&decisions, study, Decision::Approved).unwrap();
    }
    net.publish(&StudyText::SMALL).is_over(&DISTRICTS, &[]);
    // An approval holds for the bytes of one study.
    let ended = net.run(&StudyText::SMALL.at(1), 30).aborts("too_few_ready");
    assert_eq!(ended.said.matches("(approval_pending)").count(), 2, "{}", ended.said);
}

#[test]
fn a_hub_that_floods_the_officer_with_studies_is_refused_and_fills_no_disk() {
    let (net, mut hub) = FakeHub::start(&StudyText::SMALL);
    net.change_policy(VICTIM, "\"within-policy\"", "\"manual\"");
    hub.awaits_node();
    let schools = (StudyText::SMALL.schools)();
    for number in 0..66 {
        let title = format!("Study number {number}");
        let text = StudyText::SMALL.text().replace("A study of the tests", &title);
        let study = hub.sign(text.as_bytes(), &schools);
        hub.offer(|offer| offer.study = study);
        let code = if number < 64 { "approval_pending" } else { "too_many_pending" };
        assert_eq!(hub.announce(Digest::of(text.as_bytes())), code, "{number}");
    }
    let kept = fs::read_dir(net.network.node_dir(VICTIM).join("studies")).unwrap();
    assert_eq!(kept.count(), 64);
}

#[test]
fn what_is_no_decision_stops_everything_until_it_is_removed() {
    let (net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    let decisions = net.network.node_dir(VICTIM).join("decisions");
    let study = Digest::of(StudyText::SMALL.text().as_bytes());
    let reason = "not this year".to_owned();
    leave(&decisions, study, Decision::Refused { reason }).unwrap();
    let junk = decisions.join("approve.json");
    fs::write(&junk, b"{}").unwrap();
    hub.is_unwanted("decision_file");
    fs::remove_file(junk).unwrap();
    hub.is_unwanted("study_declined");
    leave(&decisions, study, Decision::Approved).unwrap();
    hub.prepared();
}

#[test]
fn an_officers_no_reaches_the_hub_with_its_reason() {
    let net = Net::full();
    let study = Digest::of(StudyText::SMALL.text().as_bytes());
    let decisions = net.network.node_dir("D6").join("decisions");
    let reason = "the board meets in May".to_owned();
    leave(&decisions, study, Decision::Refused { reason }).unwrap();
    let ended = net.run(&StudyText::SMALL, 30).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
    let told = "district D6 does not take part: this district's officer refused the study: the \
                board meets in May (study_declined)";
    assert!(ended.said.contains(told), "{}", ended.said);
}

#[test]
fn a_node_whose_policy_is_mended_needs_no_restart() {
    let net = Net::full();
    net.await_connected(6);
    net.change_policy("D6", "[floors]", "[floors");
    let ended = net.run(&StudyText::SMALL, 30).end();
    assert!(ended.said.contains("(policy_shape)"), "{}", ended.said);
    // What is wrong with it is for the district alone.
    assert!(!ended.said.contains("expected"), "{}", ended.said);
    until("the reason in the node's log", || {
        net.log("D6").contains("policy.toml cannot be used").then_some(())
    });
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
    net.change_policy("D6", "[floors", "[floors]");
    net.publish(&StudyText::SMALL.at(1)).is_over(&DISTRICTS, &[]);
}

#[test]
fn a_school_table_changed_under_a_study_is_refused_by_the_hub() {
    let net = Net::start();
    let path = StudyText::SMALL.write(net.path());
    let table = net.path().join("small.csv");
    let more = fs::read_to_string(&table).unwrap() + "799,2024,Elementary,D1,ES,KN,05\n";
    fs::write(&table, more).unwrap();
    let ended = net.run_file(&path, &["--gather-seconds", "1"]).end();
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(ended.said.contains("(schools_hash)"), "{}", ended.said);
}

/// The school table of a hub that wants to know how many pupils a school has.
fn without_a_school_of_the_victim() -> String {
    let lines = data::schools();
    let kept = lines.lines().filter(|line| !line.starts_with("101,"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_hub_that_leaves_a_school_out_learns_neither_how_many_rows_were_in_it_nor_which() {
    let net = Net::full();
    let study =
        StudyText { id: "probe", schools: without_a_school_of_the_victim, ..StudyText::SMALL };
    let ended = net.run(&study, 30).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    let told = format!(
        "district {VICTIM} does not take part: this district's files cannot answer the study; its \
         own log says why (aggregate_refused)"
    );
    assert!(ended.said.contains(&told), "{}", ended.said);
    let kept = net.log(VICTIM);
    assert!(kept.contains(" rows (rows "), "the district itself is told: {kept}");
    assert!(!ended.said.contains(" rows"), "{}", ended.said);
}
