//! The node's books in real rounds: what is charged, when, and that nothing resets it.

use std::fs;

use flashlight_node::journal::Entry;
use flashlight_node::round::now_ms;
use flashlight_proto::canonical::Digest;
use flashlight_proto::wire::pb::directive::Directive as Wire;

use crate::data::{self, DISTRICTS, StudyText};
use crate::fake_hub::{Call, FakeHub, VICTIM};
use crate::network::{Net, until};
use crate::puppets::Puppets;

/// ρ of one round of the noisy study.
const RHO: f64 = 0.5;

/// A dead node's books have charged so many rounds to the year of the tests.
#[track_caller]
fn has_spent(net: &Net, district: &str, rounds: u32) {
    let budget = net.budget(district);
    let year = budget.years.iter().find(|year| year.school_year == 2024);
    let spent = year.map_or(0.0, |year| year.rho_spent);
    assert!((spent - RHO * f64::from(rounds)).abs() < 1e-12, "{spent} for {rounds}");
}

#[test]
fn a_node_killed_at_any_point_around_the_debit_has_charged_every_vector_that_left() {
    let victim = "D3";
    let mut net = Net::start();
    net.start_nodes(DISTRICTS.into_iter().filter(|one| *one != victim));
    // Where it dies, whether it is charged, whether its books say that something may have left.
    let points = [
        ("mask:before", false, false),
        ("mask:charged", true, false),
        ("mask:recorded", true, true),
        ("mask:chunk", true, true),
        ("mask:after", true, true),
        ("confirm:before", true, true),
        ("confirm:recorded", true, true),
        ("confirm:after", true, true),
    ];
    let mut charges = 0;
    for (date, (point, charged, may_have_left)) in points.into_iter().enumerate() {
        net.start_node(victim, Some(point));
        let run = net.run(&StudyText::NOISY.at(date), 30);
        net.kill_at_pause(victim);
        let ended = run.end();
        assert_eq!(ended.code, 0, "{point}: {}", ended.said);
        let facts = net.release(&ended).verified.release.facts();
        let left = facts.survivors.iter().any(|one| one.as_str() == victim);

        let budget = net.budget(victim);
        let charge = budget.charges.iter().find(|charge| charge.round == facts.round_id);
        assert_eq!(charge.is_some(), charged, "{point}");
        assert!(charged || !left, "{point}: what is in the sum is in the books");
        if let Some(charge) = charge {
            assert_eq!(charge.may_have_left, may_have_left, "{point}");
            assert!(may_have_left || !left, "{point}");
            let explained = if may_have_left {
                "a masked vector may have left, so the charge stands"
            } else {
                "nothing left this machine; it is charged all the same"
            };
            assert!(charge.explanation.contains(explained), "{point}: {}", charge.explanation);
            assert_eq!(charge.state, "open", "{point}: its end was not seen");
            charges += 1;
        }
        assert_eq!(budget.charges.len(), charges, "{point}: nothing is forgotten");
        has_spent(&net, victim, u32::try_from(charges).unwrap());
    }
    net.start_node(victim, None);
    net.publish(&StudyText::NOISY.at(points.len())).is_among(&DISTRICTS, &[]);
    until("the node has heard of the end", || {
        net.log(victim).contains("the hub published a release").then_some(())
    });
    net.network.kill_node(victim).unwrap();
    let budget = net.budget(victim);
    assert_eq!(budget.charges.len(), charges + 1);
    assert!(budget.charges[charges].explanation.starts_with("published as "));
    // It had confirmed in the round before and died; it heard of the release with the next study.
    assert_eq!(budget.charges[charges - 1].state, "published");
}

#[test]
fn data_reloaded_and_a_study_renamed_are_charged_to_the_same_account() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::NOISY);
    net.change_policy(VICTIM, "max_rho_year = 1000", "max_rho_year = 1.2");
    hub.awaits_node();
    Puppets::masked(&net, &mut hub);
    // Every student under another id, and twice as many of them.
    let data = net.data(VICTIM);
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    let corrected = data::enrollments(VICTIM, 2).replace("0-", "corrected-");
    fs::write(data.join("enrollments.csv"), corrected).unwrap();
    let renamed = StudyText { id: "renamed", title: "Another study", ..StudyText::NOISY }.at(1);
    hub.ask(&renamed);
    Puppets::masked(&net, &mut hub);
    net.start_node(VICTIM, None);
    hub.awaits_node();
    for study in [StudyText::NOISY.at(2), StudyText { id: "third", ..renamed.at(2) }, renamed] {
        hub.ask(&study);
        hub.is_unwanted_as_round("max_rho_year");
    }
    net.network.kill_node(VICTIM).unwrap();
    has_spent(&net, VICTIM, 2);
}

#[test]
fn a_clock_set_back_a_year_brings_back_neither_budget_nor_dates() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::NOISY);
    net.change_policy(VICTIM, "max_rho_year = 1000", "max_rho_year = 1.2");
    hub.awaits_node();
    Puppets::masked(&net, &mut hub);
    net.network.kill_node(VICTIM).unwrap();
    // What the node wrote when its clock was a year ahead of now.
    let entry = Entry::Approved { study: Digest::of(b"a study of the year after") };
    let ahead = now_ms() + 365 * 24 * 3_600_000;
    net.node_journal(VICTIM).append(&entry, ahead).unwrap();
    net.start_node(VICTIM, None);
    hub.awaits_node();
    hub.ask(&StudyText { as_of: "2024-07-27", ..StudyText::NOISY });
    hub.is_unwanted_as_round("min_days_between");
    hub.ask(&StudyText::NOISY.at(1));
    Puppets::masked(&net, &mut hub);
    hub.ask(&StudyText::NOISY.at(2));
    hub.is_unwanted_as_round("max_rho_year");
    net.network.kill_node(VICTIM).unwrap();
    has_spent(&net, VICTIM, 2);
}

#[test]
fn a_word_beyond_the_public_enrolment_is_refused_before_anything_is_charged() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::NOISY);
    hub.awaits_node();
    // The table gives each district 100 students; 4 x 100 + 1000 is the most that can be.
    let path = net.data(VICTIM).join("enrollments.csv");
    let pupils = data::pupils(VICTIM).len();
    let times = 1400 / pupils;
    fs::write(&path, data::enrollments(VICTIM, times + 1)).unwrap();
    hub.is_unwanted_as_round("contribution_over_bound");
    let log = net.log(VICTIM);
    assert!(!log.contains(&(pupils * (times + 1)).to_string()), "no value is told: {log}");
    fs::write(&path, data::enrollments(VICTIM, times)).unwrap();
    hub.prepared();
    let begin = hub.begin();
    hub.send(Wire::Advertise(begin));
    assert!(matches!(hub.next(), Call::Advertise(_)));
    net.network.kill_node(VICTIM).unwrap();
    assert!(net.budget(VICTIM).charges.is_empty());
}

#[test]
fn of_two_rounds_at_once_one_is_masked_and_charged() {
    let (mut net, mut hub) = FakeHub::start(&StudyText::NOISY);
    hub.awaits_node();
    let first = Puppets::acknowledged(&net, &mut hub);
    let second = Puppets::acknowledged(&net, &mut hub);
    hub.is_refused(first.mask(&DISTRICTS), "mask", "wrong_step");
    // Asking for the first ended neither the node nor the right to refuse the second.
    hub.is_refused(second.confirm(&DISTRICTS), "confirm", "wrong_step");
    let third = Puppets::masked(&net, &mut hub);
    hub.is_refused(first.mask(&DISTRICTS), "mask", "wrong_step");
    hub.is_refused(third.mask(&DISTRICTS), "mask", "wrong_step");
    net.network.kill_node(VICTIM).unwrap();
    has_spent(&net, VICTIM, 1);
    assert_eq!(net.budget(VICTIM).charges.len(), 1);
}

#[test]
fn a_year_that_was_paid_for_in_vain_too_often_is_closed() {
    let (net, mut hub) = FakeHub::start(&StudyText::NOISY);
    net.change_policy(VICTIM, "max_failed_rounds = 1000", "max_failed_rounds = 2");
    hub.awaits_node();
    for _ in 0..2 {
        Puppets::masked(&net, &mut hub);
    }
    hub.is_unwanted_as_round("max_failed_rounds");
    hub.ask(&StudyText::SMALL.at(1));
    hub.is_unwanted_as_round("max_failed_rounds");
}

#[test]
fn an_exact_round_marks_its_year_for_good() {
    let mut net = Net::full();
    net.publish(&StudyText::SMALL);
    net.publish(&StudyText::NOISY.at(1)).is_among(&DISTRICTS, &[]);
    until("the node has heard of the end", || {
        (net.log("D6").matches("the hub published a release").count() == 2).then_some(())
    });
    net.network.kill_node("D6").unwrap();
    let budget = net.budget("D6");
    let year = &budget.years[0];
    assert!(year.exact && budget.years.len() == 1);
    assert_eq!((year.rho_spent, year.failed_rounds), (RHO, 0));
    assert_eq!(
        budget.charges.iter().map(|charge| charge.state).collect::<Vec<_>>(),
        ["published", "published"]
    );
}
