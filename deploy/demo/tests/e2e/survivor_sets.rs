//! One set of survivors per question: a hub that asks for a second one is told no by every node.

use flashlight_proto::wire::pb::directive::Directive as Wire;

use crate::data::{DISTRICTS, StudyText};
use crate::fake_hub::{Call, FakeHub, VICTIM};
use crate::network::Net;
use crate::puppets::Puppets;

fn start(study: &StudyText) -> (Net, FakeHub) {
    let (net, mut hub) = FakeHub::start(study);
    hub.awaits_node();
    (net, hub)
}

/// The hub asks for exactly these districts from now on.
fn exactly(hub: &mut FakeHub, cohort: &[&'static str]) {
    hub.cohort = cohort.to_vec();
    hub.max_dropped = 0;
}

#[test]
fn a_second_set_of_survivors_is_refused_under_every_name_and_after_a_restart() {
    let (mut net, mut hub) = start(&StudyText::SMALL);
    Puppets::answered(&net, &mut hub);
    let renamed = StudyText { id: "renamed", title: "Another study", ..StudyText::SMALL };
    let wider = StudyText::SEVERAL;
    for restarted in [false, true] {
        if restarted {
            net.start_node(VICTIM, None);
            hub.awaits_node();
        }
        for study in [StudyText::SMALL, renamed, wider] {
            hub.ask(&study);
            hub.is_unwanted_as_round("later_round_dropouts");
            exactly(&mut hub, &DISTRICTS[..5]);
            hub.is_unwanted_as_round("survivors_missing");
            exactly(&mut hub, &DISTRICTS);
        }
        hub.ask(&StudyText::SMALL);
    }
    // With exactly the same districts, as often as need be.
    exactly(&mut hub, &DISTRICTS);
    for _ in 0..2 {
        Puppets::answered(&net, &mut hub);
    }
    // A second study may go on from there, but not to another set.
    hub.ask(&renamed);
    exactly(&mut hub, &DISTRICTS);
    let puppets = Puppets::masked(&net, &mut hub);
    hub.is_refused(puppets.confirm(&DISTRICTS[..5]), "confirm", "too_few");
}

#[test]
fn a_district_that_came_late_or_took_anothers_place_waits_for_the_next_date() {
    let (net, mut hub) = start(&StudyText::SMALL);
    exactly(&mut hub, &DISTRICTS[..5]);
    Puppets::answered(&net, &mut hub);
    exactly(&mut hub, &DISTRICTS);
    hub.is_unwanted_as_round("district_late");
    exactly(&mut hub, &["D1", "D2", "D3", "D4", "D6"]);
    hub.is_unwanted_as_round("second_set");
    hub.ask(&StudyText::SMALL.at(1));
    hub.cohort = DISTRICTS.to_vec();
    Puppets::answered(&net, &mut hub);
}

#[test]
fn an_override_that_cannot_be_read_lets_nothing_in_and_keeps_nothing_out() {
    let (net, mut hub) = start(&StudyText::SMALL);
    Puppets::answered(&net, &mut hub);
    let path = net.network.node_dir(VICTIM).join("override.toml");
    for junk in [&b"reason = 5"[..], b"\xff\xfe", b""] {
        std::fs::write(&path, junk).unwrap();
        exactly(&mut hub, &DISTRICTS[..5]);
        hub.is_unwanted_as_round("override_shape");
        exactly(&mut hub, &DISTRICTS);
        Puppets::answered(&net, &mut hub);
    }
}

#[test]
fn a_round_that_was_masked_and_not_signed_is_signed_once_for_another_set_and_then_no_more() {
    let (net, mut hub) = start(&StudyText::SMALL);
    Puppets::masked(&net, &mut hub);
    let puppets = Puppets::masked(&net, &mut hub);
    hub.send(puppets.confirm(&DISTRICTS[..5]));
    assert!(matches!(hub.next(), Call::Confirm));
    exactly(&mut hub, &DISTRICTS);
    hub.is_unwanted_as_round("district_late");
    exactly(&mut hub, &DISTRICTS[..5]);
    Puppets::answered(&net, &mut hub);
}

#[test]
fn a_retry_that_two_sets_could_both_be_signed_in_is_refused() {
    let four = StudyText { max_dropped: 0, ..StudyText::SMALL };
    let (net, mut hub) = start(&four);
    hub.cohort.truncate(4);
    // t = 3 of four.
    Puppets::masked(&net, &mut hub);
    hub.cohort = DISTRICTS.to_vec();
    // Six and a colluder: t + 3 must be more than 7, and the rule alone gives t = 4.
    hub.is_unwanted_as_round("retry_quorum");
    hub.quorum = 5;
    Puppets::answered(&net, &mut hub);
}

#[test]
fn a_date_too_soon_or_before_the_last_one_is_refused_under_every_name() {
    let (net, mut hub) = start(&StudyText::SMALL);
    Puppets::masked(&net, &mut hub);
    // 2024-06-30 and 27 days, the day after, a year before.
    for as_of in ["2024-07-27", "2024-07-01", "2023-06-30"] {
        for id in ["small", "renamed"] {
            hub.ask(&StudyText { id, as_of, ..StudyText::SMALL });
            hub.is_unwanted_as_round("min_days_between");
        }
    }
    hub.ask(&StudyText { as_of: "2024-07-28", ..StudyText::SMALL });
    hub.prepared();
    let begin = hub.begin();
    hub.send(Wire::Advertise(begin));
    assert!(matches!(hub.next(), Call::Advertise(_)));
}
