//! A hub that breaks the rules: the node says no by a stable code, nothing masked leaves it, and it
//! stays for an honest round.
//!
//! Every other call than the one expected fails these tests, so a masked vector that leaves does.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{IdentitySecret, Signature};
use flashlight_proto::roster::{Roster, SignedRoster};
use flashlight_proto::secagg::Seal;
use flashlight_proto::wire::pb;
use flashlight_proto::wire::pb::directive::Directive as Wire;
use zeroize::Zeroizing;

use crate::data::{DISTRICTS, StudyText};
use crate::fake_hub::{Call, FakeHub, VICTIM, id, signed_by};
use crate::network::{Net, until};
use crate::puppets::Puppets;

/// The beginning of a second round.
const CONSTANTS: &[u8] = br#"[{"model": "math/03", "lambdas": [], "ols": [0], "eiv": null}]"#;

fn start() -> (Net, FakeHub) {
    let (net, mut hub) = FakeHub::start(&StudyText::SMALL);
    hub.awaits_node();
    (net, hub)
}

fn stranger() -> IdentitySecret {
    IdentitySecret::from_seed(&Zeroizing::new([3; 32])).unwrap()
}

#[test]
fn a_study_the_hub_did_not_sign_as_announced_is_refused() {
    let (_net, mut hub) = start();
    let text = StudyText::SMALL.text();
    let (bytes, schools) = (text.as_bytes(), (StudyText::SMALL.schools)());
    let announced = Digest::of(bytes);
    let other = text.replace("A study of the tests", "Another study");
    let more = format!("{schools}799,2024,Elementary,D1,ES,KN,05\n");
    let mut damaged = hub.sign(bytes, &schools);
    damaged.signature[0] ^= 1;
    let mut short = hub.sign(bytes, &schools);
    short.signature.truncate(63);
    let mut swapped = hub.sign(bytes, &schools);
    swapped.schools_csv = more.clone().into_bytes();
    let cases = [
        (announced, damaged, "study_signature"),
        (announced, short, "study_signature"),
        (announced, signed_by(&stranger(), bytes, &schools), "study_signature"),
        (announced, swapped, "study_signature"),
        (announced, hub.sign(other.as_bytes(), &schools), "study_hash"),
        (announced, hub.sign(bytes, &more), "schools_hash"),
    ];
    for (announced, study, code) in cases {
        hub.offer(|offer| offer.study = study);
        assert_eq!(hub.announce(announced), code);
    }
    let honest = hub.sign(bytes, &schools);
    hub.offer(|offer| offer.study = honest);
    hub.prepared();
}

#[test]
fn a_study_that_cannot_be_read_is_refused() {
    let (_net, mut hub) = start();
    for nonsense in [&b"[study"[..], b"\xff\xfe", b""] {
        let study = hub.sign(nonsense, &(StudyText::SMALL.schools)());
        hub.offer(|offer| offer.study = study);
        assert_ne!(hub.announce(Digest::of(nonsense)), "");
    }
}

#[test]
fn a_roster_rolled_back_forged_or_with_a_substituted_key_is_refused() {
    let (_net, mut hub) = start();
    let honest = hub.roster.clone();
    hub.prepared();
    let changed = |version: u64, victim: &str, key| {
        let mut members = honest.members().to_vec();
        members.iter_mut().filter(|one| one.district == id(victim)).for_each(|one| one.key = key);
        Roster::new(version, honest.hub_key(), members).unwrap()
    };
    let (next, key) = (honest.version() + 1, stranger().public());
    let old =
        Roster::new(honest.version() - 1, honest.hub_key(), honest.members().to_vec()).unwrap();
    let lost = Roster::new(next, honest.hub_key(), honest.members()[..5].to_vec()).unwrap();
    let forged = |roster: &Roster| SignedRoster {
        text: roster.to_text().into(),
        signature: stranger().sign(&roster.hash()),
    };
    let by_hub = |roster: &Roster| roster.sign(hub.authority.hub());
    let cases = [
        (by_hub(&changed(next, "D2", key)), "roster_key_changed"),
        (by_hub(&changed(next, VICTIM, key)), "roster_own_key"),
        (by_hub(&old), "roster_rolled_back"),
        (by_hub(&lost), "roster_member_missing"),
        (forged(&honest), "roster_signature"),
    ];
    for (roster, code) in cases {
        hub.offer(|offer| offer.roster = roster);
        let study = Digest::of(StudyText::SMALL.text().as_bytes());
        assert_eq!(hub.announce(study), code);
    }
    let roster = honest.sign(hub.authority.hub());
    hub.offer(|offer| offer.roster = roster);
    hub.prepared();
}

#[test]
fn a_round_under_other_terms_than_the_node_derives_is_refused() {
    let (_net, mut hub) = start();
    hub.prepared();
    let named = |names: &[&str]| -> Vec<String> { names.iter().map(|&one| one.into()).collect() };
    type Change = Box<dyn Fn(&mut pb::BeginAdvertise)>;
    let cohort = |names: &[&str]| -> Change {
        let names = named(names);
        Box::new(move |begin| begin.cohort.clone_from(&names))
    };
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|begin| begin.study_hash[0] ^= 1), "study_hash"),
        (Box::new(|begin| begin.layout_hash[0] ^= 1), "layout_hash"),
        (Box::new(|begin| begin.roster_hash[0] ^= 1), "roster_hash"),
        (Box::new(|begin| begin.max_dropped = 2), "cohort_arithmetic"),
        (Box::new(|begin| begin.quorum = 3), "cohort_arithmetic"),
        (Box::new(|begin| begin.quorum = 6), "cohort_arithmetic"),
        (Box::new(|begin| begin.max_colluding = 0), "cohort_rule"),
        (Box::new(|begin| begin.run_id[0] ^= 1), "not_prepared"),
        (cohort(&["D1", "D2", "D3", "D4", "D5", "D9"]), "cohort_stranger"),
        (cohort(&["D1", "D2", "D2", "D3", "D4", "D5"]), "set_not_ascending"),
        (cohort(&["D2", "D1", "D3", "D4", "D5", "D6"]), "set_not_ascending"),
        (cohort(&["D1", "D2"]), "cohort_arithmetic"),
        (cohort(&["D1"]), "cohort_arithmetic"),
        (cohort(&[]), "cohort_arithmetic"),
        (cohort(&DISTRICTS[1..]), "not_mine"),
        (Box::new(|begin| begin.constants = CONSTANTS.to_vec()), "growth_unasked"),
    ];
    for (change, code) in cases {
        let mut begin = hub.begin();
        change(&mut begin);
        hub.is_refused(Wire::Advertise(begin), "advertise", code);
    }
    let begin = hub.begin();
    hub.send(Wire::Advertise(begin));
    assert!(matches!(hub.next(), Call::Advertise(_)));
}

#[test]
fn a_context_is_accepted_once_also_after_the_node_was_restarted() {
    let (mut net, mut hub) = start();
    hub.prepared();
    let begin = hub.begin();
    hub.send(Wire::Advertise(begin.clone()));
    assert!(matches!(hub.next(), Call::Advertise(_)));
    hub.is_refused(Wire::Advertise(begin.clone()), "advertise", "ctx_replayed");
    net.start_node(VICTIM, None);
    hub.awaits_node();
    hub.prepared();
    hub.is_refused(Wire::Advertise(begin), "advertise", "ctx_replayed");
}

#[test]
fn directives_out_of_order_are_refused() {
    let (net, mut hub) = start();
    hub.prepared();
    let round_id = vec![77; 16];
    let (sharers, survivors) = (DISTRICTS.map(str::to_owned).to_vec(), Vec::new());
    let mask = Wire::Mask(pb::BeginMask { round_id: round_id.clone(), sharers });
    hub.is_refused(mask, "mask", "wrong_step");
    let confirm = Wire::Confirm(pb::BeginConfirm { round_id: round_id.clone(), survivors });
    hub.is_refused(confirm, "confirm", "wrong_step");
    let unmask = pb::BeginUnmask { round_id, confirmations: Vec::new() };
    hub.is_refused(Wire::Unmask(unmask), "unmask", "wrong_step");
    let puppets = Puppets::advertised(&net, &mut hub);
    hub.is_refused(puppets.mask(&DISTRICTS), "mask", "wrong_step");
    let puppets = Puppets::advertised(&net, &mut hub);
    hub.is_refused(puppets.acknowledge(Vec::new()), "share", "wrong_step");
    let mut puppets = Puppets::advertised(&net, &mut hub);
    puppets.round_id[0] ^= 1;
    let other_round = puppets.share(puppets.advertisements.clone());
    hub.is_refused(other_round, "share", "wrong_step");
}

#[test]
fn keys_that_are_missing_forged_or_shown_twice_are_refused() {
    let (net, mut hub) = start();
    type Change = fn(&mut Vec<flashlight_proto::secagg::Advertisement>);
    let cases: [(Change, &str); 7] = [
        (|ads| ads[0].mask_key = ads[1].mask_key, "self_changed"),
        (|ads| drop(ads.remove(0)), "self_missing"),
        (|ads| ads.truncate(2), "too_few"),
        (|ads| ads[1].mask_key = [9; 32], "signature"),
        (|ads| ads[1].seed_commitment = Digest::of(b"another"), "signature"),
        (|ads| ads.insert(1, ads[1].clone()), "set_not_ascending"),
        (|ads| ads[5].district = id("D9"), "stranger"),
    ];
    for (change, code) in cases {
        let puppets = Puppets::advertised(&net, &mut hub);
        let mut shown = puppets.advertisements.clone();
        change(&mut shown);
        hub.is_refused(puppets.share(shown), "share", code);
    }
}

#[test]
fn a_node_masks_with_nobody_whose_seal_it_could_not_open_and_not_alone_with_a_colluder() {
    let (net, mut hub) = start();
    let cases: [(&[&str], &str); 6] = [
        (&["D1", "D2"], "too_few"),
        (&["D1"], "too_few"),
        (&["D2", "D3", "D4", "D5", "D6"], "self_missing"),
        (&["D1", "D2", "D2", "D3", "D4", "D5"], "set_not_ascending"),
        (&["D2", "D1", "D3", "D4", "D5"], "set_not_ascending"),
        (&["D1", "D2", "D3", "D4", "D9"], "seal_unopened"),
    ];
    for (sharers, code) in cases {
        let puppets = Puppets::acknowledged(&net, &mut hub);
        hub.is_refused(puppets.mask(sharers), "mask", code);
    }
    let puppets = Puppets::shared(&net, &mut hub);
    let mut seals = puppets.for_victim();
    seals.iter_mut().take(3).for_each(|Seal { sealed, .. }| sealed[0] ^= 1);
    hub.send(puppets.acknowledge(seals));
    let Call::Acknowledge(opened) = hub.next() else { panic!("no acknowledgement") };
    assert_eq!(opened.opened, ["D5", "D6"]);
    hub.is_refused(puppets.mask(&DISTRICTS), "mask", "seal_unopened");
}

#[test]
fn survivors_too_few_named_twice_or_never_masked_with_are_refused() {
    let (net, mut hub) = start();
    let cases: [(&[&str], &str); 5] = [
        (&["D1", "D2"], "too_few"),
        (&["D1", "D2", "D3", "D4"], "too_few"),
        (&["D1", "D2", "D3", "D4", "D4"], "set_not_ascending"),
        (&["D2", "D3", "D4", "D5", "D6"], "self_missing"),
        (&["D1", "D2", "D3", "D4", "D9"], "stranger"),
    ];
    for (survivors, code) in cases {
        let puppets = Puppets::masked(&net, &mut hub);
        hub.is_refused(puppets.confirm(survivors), "confirm", code);
    }
}

#[test]
fn one_set_of_survivors_is_confirmed_and_no_second() {
    let (net, mut hub) = start();
    let puppets = Puppets::answered(&net, &mut hub);
    hub.is_refused(puppets.confirm(&DISTRICTS[..5]), "confirm", "wrong_step");
}

#[test]
fn nothing_is_opened_on_signatures_that_are_few_forged_or_on_other_survivors() {
    let (net, mut hub) = start();
    // Five puppets that saw other survivors than the victim; t is 4.
    let cases: [(&[&str], usize, bool, &str); 4] = [
        (&DISTRICTS, 3, false, "confirmations"),
        (&DISTRICTS, 0, false, "confirmations"),
        (&DISTRICTS, 5, true, "signature"),
        (&DISTRICTS[..5], 4, false, "signature"),
    ];
    for (date, (shown, count, forged, code)) in cases.into_iter().enumerate() {
        hub.ask(&StudyText::SMALL.at(date));
        let mut puppets = Puppets::answered(&net, &mut hub);
        let mut confirmations = puppets.confirmations(shown);
        confirmations.truncate(count);
        if forged {
            confirmations[0].signature = Signature::try_from(&[1; 64][..]).unwrap();
        }
        hub.is_refused(puppets.unmask(&confirmations), "unmask", code);
    }
    hub.ask(&StudyText::SMALL.at(4));
    let mut puppets = Puppets::answered(&net, &mut hub);
    let confirmations = puppets.confirmations(&DISTRICTS);
    hub.send(puppets.unmask(&confirmations));
    let Call::Unmask(shares) = hub.next() else { panic!("an honest round is opened") };
    assert_eq!((shares.seed_shares.len(), shares.mask_key_shares.len()), (6, 0));
    hub.is_refused(puppets.unmask(&confirmations), "unmask", "wrong_step");
}

#[test]
fn a_directive_that_cannot_be_read_ends_the_connection_and_the_node_comes_back() {
    let (net, mut hub) = start();
    hub.send_raw(pb::Directive { directive: None });
    hub.awaits_node();
    let mut begin = hub.begin();
    begin.round_id.pop();
    hub.send(Wire::Advertise(begin));
    hub.awaits_node();
    hub.prepared();
    assert!(net.log(VICTIM).contains("the hub sent nonsense"), "{}", net.log(VICTIM));
}

#[test]
fn a_node_that_is_ready_too_late_keeps_its_connection() {
    let (net, mut hub) = start();
    hub.offer(|offer| offer.refuses = Some("no_run"));
    hub.prepared();
    until("the node is told", || {
        net.log(VICTIM).contains("the run went on without this node").then_some(())
    });
    hub.offer(|offer| offer.refuses = None);
    hub.prepared();
}
