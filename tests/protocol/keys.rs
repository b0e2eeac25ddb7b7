//! Hostile scripts on steps 0 and 1: advertisements, from districts and from the coordinator.

use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::IdentitySecret;
use flashlight_proto::secagg::sparse_plan::SparsePlan;
use flashlight_proto::secagg::{
    Advertisement, CollectKeys, ExpectKeys, GraphRule, LedgerHead, Party, Step, Terms, advertise,
};
use flashlight_tests::{Network, district, identity, seeded, witness};
use zeroize::Zeroizing;

use crate::{assert_aborts, assert_rejects, districts};

/// Five districts that have advertised; node 1 with its state, and what the coordinator shows it.
fn five() -> (Network, ExpectKeys, Vec<Advertisement>) {
    let mut net = Network::new(5, 1, 1);
    let mut advertised = net.advertise(&[]).unwrap();
    let node = advertised.nodes.remove(&district(1)).unwrap();
    (net, node, advertised.advertisements)
}

/// Shows node 1 what `change` makes of the five advertisements.
#[track_caller]
fn refuses_to_share(
    change: impl FnOnce(&Network, &mut Vec<Advertisement>),
    party: Option<u16>,
    code: &str,
) {
    let (net, node, mut shown) = five();
    change(&net, &mut shown);
    let shared = node.share(shown, &mut seeded(9, 9));
    assert_aborts(shared, Step::Share, party, code);
}

/// The coordinator is sent what `change` makes of district 2's advertisement, by district `from`.
#[track_caller]
fn refuses_to_take(change: impl FnOnce(&Network, &mut Advertisement), from: u16, code: &str) {
    let (net, _, shown) = five();
    let mut ours = shown[1].clone();
    change(&net, &mut ours);
    let taken = CollectKeys::new(Arc::clone(&net.terms)).accept(&district(from), ours);
    assert_rejects(taken, Step::Advertise, from, code);
}

fn ledger(digest: Digest) -> LedgerHead {
    LedgerHead { entries: 1, digest }
}

/// The keys of X25519 that agree on nothing with anybody.
fn low_order() -> Vec<[u8; 32]> {
    let with = |fill: u8, first: u8, last: u8| {
        let mut key = [fill; 32];
        key[0] = first;
        key[31] = last;
        key
    };
    let order_eight = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let mut parsed = [0; 32];
    hex::decode_to_slice(order_eight, &mut parsed).unwrap();
    vec![with(0, 0, 0), with(0, 1, 0), with(0, 0, 0x80), with(0xff, 0xec, 0x7f), parsed]
}

/// The terms of another round that the same districts were in.
fn other_terms(terms: &Terms, change: impl FnOnce(&mut Terms)) -> Arc<Terms> {
    let mut other = terms.clone();
    change(&mut other);
    Arc::new(other)
}

/// What district 2 advertised under these other terms.
fn advertised_under(terms: Arc<Terms>) -> Advertisement {
    let head = ledger(Digest::of(b"head"));
    advertise(terms, &district(2), &identity(2), head, &mut seeded(3, 2)).unwrap().1
}

#[test]
fn a_node_shares_when_it_is_shown_what_everybody_advertised() {
    let (_, node, shown) = five();
    assert!(node.share(shown, &mut seeded(9, 9)).is_ok());
}

#[test]
fn a_seal_key_substituted_by_the_coordinator_is_noticed() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| {
        shown[2].seal_key = witness::public(&[7; 32]);
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_mask_key_substituted_by_the_coordinator_is_noticed() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| {
        shown[2].mask_key = witness::public(&[7; 32]);
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_seed_commitment_substituted_by_the_coordinator_is_noticed() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        shown[2].seed_commitment = witness::commitment(&net.terms.ctx(), &district(3), &[7; 32]);
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_ledger_head_substituted_by_the_coordinator_is_noticed() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| {
        shown[2].ledger.digest = Digest::of(b"an older head");
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_count_of_ledger_entries_substituted_by_the_coordinator_is_noticed() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| shown[2].ledger.entries -= 1;
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn keys_of_the_coordinators_own_signed_by_another_identity_are_noticed() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        let mut forged = shown[2].clone();
        forged.seal_key = witness::public(&[7; 32]);
        forged.mask_key = witness::public(&[8; 32]);
        let own = IdentitySecret::from_seed(&Zeroizing::new([9; 32])).unwrap();
        witness::sign_again(&net.terms.ctx(), &mut forged, &own);
        shown[2] = forged;
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_colluders_advertisement_under_another_districts_name_is_noticed() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| {
        shown[2] = Advertisement { district: district(3), ..shown[4].clone() };
    };
    refuses_to_share(change, Some(3), "signature");
}

#[test]
fn a_nodes_own_advertisement_altered_is_noticed_by_that_node() {
    let change = |_: &Network, shown: &mut Vec<Advertisement>| {
        shown[0].mask_key = witness::public(&[7; 32]);
    };
    refuses_to_share(change, None, "self_changed");
}

#[test]
fn a_nodes_own_advertisement_of_another_attempt_is_noticed_by_that_node() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        let rng = &mut seeded(4, 4);
        let terms = Arc::clone(&net.terms);
        let head = ledger(Digest::of(b"head"));
        shown[0] = advertise(terms, &district(1), &identity(1), head, rng).unwrap().1;
    };
    refuses_to_share(change, None, "self_changed");
}

#[test]
fn a_node_missing_from_the_first_set_refuses_to_share() {
    refuses_to_share(|_, shown| drop(shown.remove(0)), None, "self_missing");
}

#[test]
fn a_district_that_advertises_twice_in_the_first_set_is_noticed() {
    refuses_to_share(|_, shown| shown[3] = shown[2].clone(), Some(3), "set_not_ascending");
}

#[test]
fn a_first_set_out_of_order_is_noticed() {
    refuses_to_share(|_, shown| shown.swap(2, 3), Some(3), "set_not_ascending");
}

#[test]
fn a_stranger_in_the_first_set_is_noticed() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        let mut stranger = Advertisement { district: district(6), ..shown[4].clone() };
        witness::sign_again(&net.terms.ctx(), &mut stranger, &identity(6));
        shown[4] = stranger;
    };
    refuses_to_share(change, Some(6), "stranger");
}

#[test]
fn a_node_shown_only_itself_and_a_colluder_refuses_to_share() {
    refuses_to_share(|_, shown| shown.truncate(2), None, "too_few");
}

#[test]
fn a_node_refuses_to_share_one_district_below_the_floor() {
    refuses_to_share(|_, shown| shown.truncate(3), None, "too_few");
}

#[test]
fn an_advertisement_recorded_under_an_older_context_is_noticed() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        shown[1] = advertised_under(other_terms(&net.terms, |terms| terms.nonce = [99; 32]));
    };
    refuses_to_share(change, Some(2), "signature");
}

#[test]
fn the_coordinator_refuses_an_advertisement_recorded_under_an_older_context() {
    let replay = |net: &Network, ours: &mut Advertisement| {
        *ours = advertised_under(other_terms(&net.terms, |terms| terms.nonce = [99; 32]));
    };
    refuses_to_take(replay, 2, "signature");
}

#[test]
fn a_district_that_was_told_of_another_layout_does_not_verify() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        let layout = Digest::of(b"another layout");
        shown[1] = advertised_under(other_terms(&net.terms, |terms| terms.layout = layout));
    };
    refuses_to_share(change, Some(2), "signature");
}

fn sparse(neighbours: u8, threshold: u8, window: u8) -> GraphRule {
    GraphRule::Sparse(SparsePlan { neighbours, threshold, window })
}

#[test]
fn two_parties_that_differ_in_any_one_of_the_terms_have_different_contexts() {
    let (net, ..) = five();
    let other = Digest::of(b"other");
    type Change = (&'static str, fn(&mut Terms, Digest));
    let changes: [Change; 23] = [
        ("mode", |terms, _| terms.mode = flashlight_proto::study::Mode::Dp),
        ("round_id", |terms, _| terms.round_id = [9; 16].into()),
        ("round_number", |terms, _| terms.round_number += 1),
        ("nonce", |terms, _| terms.nonce[31] ^= 1),
        ("as_of", |terms, _| terms.as_of.push('1')),
        ("parent_releases", |terms, other| terms.parent_releases.push(other)),
        ("study", |terms, other| terms.study = other),
        ("layout", |terms, other| terms.layout = other),
        ("schools", |terms, other| terms.schools = other),
        ("privacy", |terms, other| terms.privacy = other),
        ("suppression", |terms, other| terms.suppression = other),
        ("roster", |terms, other| terms.roster = other),
        ("log_checkpoint", |terms, other| terms.log_checkpoint = other),
        ("a key", |terms, _| terms.parties[4].key = identity(9).public()),
        ("a member", |terms, _| drop(terms.parties.pop())),
        ("m", |terms, _| terms.cohort.m -= 1),
        ("t", |terms, _| terms.cohort.t -= 1),
        ("c", |terms, _| terms.cohort.c += 1),
        ("words", |terms, _| terms.words += 1),
        ("a sparse graph", |terms, _| terms.graph = sparse(2, 2, 1)),
        ("k", |terms, _| terms.graph = sparse(4, 2, 1)),
        ("t_nb", |terms, _| terms.graph = sparse(2, 1, 1)),
        ("w", |terms, _| terms.graph = sparse(2, 2, 0)),
    ];
    let mut seen = std::collections::BTreeSet::from([net.terms.ctx()]);
    for (name, change) in changes {
        let changed = other_terms(&net.terms, |terms| change(terms, other));
        assert!(seen.insert(changed.ctx()), "{name}");
        assert_eq!(changed.ctx(), witness::ctx(&changed), "{name}");
    }
}

#[test]
fn the_coordinator_refuses_a_low_order_key_from_the_district_that_signed_it() {
    for low in low_order() {
        let seal = |net: &Network, ours: &mut Advertisement| {
            ours.seal_key = low;
            witness::sign_again(&net.terms.ctx(), ours, &identity(2));
        };
        refuses_to_take(seal, 2, "weak_key");
        let mask = |net: &Network, ours: &mut Advertisement| {
            ours.mask_key = low;
            witness::sign_again(&net.terms.ctx(), ours, &identity(2));
        };
        refuses_to_take(mask, 2, "weak_key");
    }
}

#[test]
fn a_node_refuses_a_low_order_key_that_a_colluder_signed() {
    for low in low_order() {
        let seal = |net: &Network, shown: &mut Vec<Advertisement>| {
            shown[1].seal_key = low;
            witness::sign_again(&net.terms.ctx(), &mut shown[1], &identity(2));
        };
        refuses_to_share(seal, Some(2), "weak_key");
        let mask = |net: &Network, shown: &mut Vec<Advertisement>| {
            shown[1].mask_key = low;
            witness::sign_again(&net.terms.ctx(), &mut shown[1], &identity(2));
        };
        refuses_to_share(mask, Some(2), "weak_key");
    }
}

#[test]
fn the_coordinator_refuses_a_second_advertisement() {
    let mut net = Network::new(5, 1, 1);
    let mut hub = CollectKeys::new(Arc::clone(&net.terms));
    let (_, ours) = net.nodes(&districts([2])).remove(&district(2)).unwrap();
    hub.accept(&district(2), ours.clone()).unwrap();
    assert_rejects(hub.accept(&district(2), ours), Step::Advertise, 2, "duplicate");
    assert_eq!(hub.have(), districts([2]));
}

#[test]
fn the_coordinator_refuses_an_advertisement_in_another_districts_name() {
    refuses_to_take(|_, _| {}, 3, "stranger");
}

#[test]
fn the_coordinator_refuses_an_advertisement_from_outside_the_cohort() {
    let outside = |net: &Network, ours: &mut Advertisement| {
        ours.district = district(6);
        witness::sign_again(&net.terms.ctx(), ours, &identity(6));
    };
    refuses_to_take(outside, 6, "stranger");
}

#[test]
fn a_node_outside_the_cohort_does_not_advertise() {
    let (net, ..) = five();
    let head = ledger(Digest::of(b"head"));
    let made = advertise(net.terms, &district(6), &identity(6), head, &mut seeded(1, 1));
    assert_aborts(made, Step::Advertise, Some(6), "not_mine");
}

#[test]
fn a_node_whose_roster_key_was_replaced_does_not_advertise() {
    let (net, ..) = five();
    let key = identity(77).public();
    let terms = other_terms(&net.terms, |terms| terms.parties[1].key = key);
    let made =
        advertise(terms, &district(2), &identity(2), ledger(Digest::of(b"")), &mut seeded(1, 1));
    assert_aborts(made, Step::Advertise, Some(2), "not_mine");
}

#[test]
fn a_node_does_not_advertise_to_a_cohort_that_names_a_district_twice() {
    let (net, ..) = five();
    let twice = |terms: &mut Terms| {
        terms.parties[3] = Party { district: district(3), key: identity(3).public() };
    };
    let terms = other_terms(&net.terms, twice);
    let made =
        advertise(terms, &district(1), &identity(1), ledger(Digest::of(b"")), &mut seeded(1, 1));
    assert_aborts(made, Step::Advertise, Some(3), "set_not_ascending");
}
