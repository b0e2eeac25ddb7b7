//! Hostile scripts on step 1: sealed shares and who opened them.

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{CollectSeals, Seal, Step};
use flashlight_tests::witness::{self, Secrets};
use flashlight_tests::{Network, Shared, district, identity, number};

use crate::{assert_aborts, assert_rejects, districts};

/// Five districts, or one more than `dropped` + 4; seals are with the coordinator.
fn shared(n: u16, dropped: u16) -> (Network, Shared) {
    let mut net = Network::new(n, dropped, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    (net, shared)
}

/// What node 1 of five says it opened when the coordinator forwards what `change` makes of its
/// seals from 2, 3, 4 and 5.
fn opened_by_one(change: impl FnOnce(&mut Shared, &mut Vec<Seal>)) -> Vec<DistrictId> {
    let (_, mut shared) = shared(5, 1);
    let mut seals = shared.seals.remove(&district(1)).unwrap();
    change(&mut shared, &mut seals);
    let node = shared.nodes.remove(&district(1)).unwrap();
    node.acknowledge(seals).unwrap().1
}

/// Node 1 leaves the round over these seals.
#[track_caller]
fn refuses_to_acknowledge(change: impl FnOnce(&mut Vec<Seal>), party: u16, code: &str) {
    let (_, mut shared) = shared(5, 1);
    let mut seals = shared.seals.remove(&district(1)).unwrap();
    change(&mut seals);
    let node = shared.nodes.remove(&district(1)).unwrap();
    assert_aborts(node.acknowledge(seals), Step::Share, Some(party), code);
}

#[test]
fn a_node_opens_what_everybody_sealed_for_it() {
    assert_eq!(opened_by_one(|_, _| {}), districts([2, 3, 4, 5]));
}

#[test]
fn a_seal_made_for_another_district_does_not_open() {
    let opened = opened_by_one(|shared, seals| {
        let for_three = &shared.seals[&district(3)];
        seals[0].sealed =
            for_three.iter().find(|seal| seal.peer == district(2)).unwrap().sealed.clone();
    });
    assert_eq!(opened, districts([3, 4, 5]));
}

#[test]
fn a_seal_under_another_makers_name_does_not_open() {
    let opened = opened_by_one(|_, seals| {
        let sealed = seals[0].sealed.clone();
        seals[0].sealed = seals[1].sealed.clone();
        seals[1].sealed = sealed;
    });
    assert_eq!(opened, districts([4, 5]));
}

#[test]
fn a_nodes_own_seal_sent_back_to_it_does_not_open() {
    let opened = opened_by_one(|shared, seals| {
        let for_two = &shared.seals[&district(2)];
        seals[0].sealed =
            for_two.iter().find(|seal| seal.peer == district(1)).unwrap().sealed.clone();
    });
    assert_eq!(opened, districts([3, 4, 5]));
}

/// The districts' keys are the same in both rounds here, as they never are: the context alone
/// keeps the old seal shut.
#[test]
fn a_seal_recorded_in_another_round_does_not_open() {
    let mut earlier = Network::new(5, 1, 1);
    let rng = earlier.rng.clone();
    let recorded = earlier.advertise(&[]).unwrap().share(&mut earlier, &[]).unwrap();
    let mut net = Network::new(5, 1, 1);
    net.terms = net.setting.terms(5, 2);
    net.rng = rng;
    let mut shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let mut seals = shared.seals.remove(&district(1)).unwrap();
    seals[0] = recorded.seals[&district(1)][0].clone();
    let node = shared.nodes.remove(&district(1)).unwrap();
    assert_eq!(node.acknowledge(seals).unwrap().1, districts([3, 4, 5]));
}

#[test]
fn a_seal_with_any_one_bit_changed_does_not_open() {
    for byte in [0, 32, 33, 65, 66, 81] {
        let opened = opened_by_one(|_, seals| seals[0].sealed[byte] ^= 1);
        assert_eq!(opened, districts([3, 4, 5]), "byte {byte}");
    }
}

#[test]
fn a_seal_of_another_length_does_not_open() {
    for length in [0, 1, 16, 81] {
        let opened = opened_by_one(|_, seals| seals[0].sealed.truncate(length));
        assert_eq!(opened, districts([3, 4, 5]), "{length} bytes");
    }
    let opened = opened_by_one(|_, seals| seals[0].sealed.push(0));
    assert_eq!(opened, districts([3, 4, 5]));
}

/// District 2 seals for 1, with the right key, the shares of holder 4.
#[test]
fn a_seal_that_holds_another_holders_shares_counts_as_unopened() {
    let mut net = Network::new(5, 1, 1);
    let secrets = Secrets::drawn_from(&net.rng[&district(2)]);
    let advertised = net.advertise(&[]).unwrap();
    let (ctx, theirs) = (net.terms.ctx(), advertised.advertisements[0].seal_key);
    let mut shared = advertised.share(&mut net, &[]).unwrap();
    let (two, one) = (district(2), district(1));
    let key = witness::key(&secrets.seal, &theirs, &ctx, "share", (&two, &one));
    let mut seals = shared.seals.remove(&one).unwrap();
    let [mut seed, mask] = witness::open(&key, &ctx, (&two, &one), &seals[0].sealed).unwrap();
    seed[0] = 4;
    seals[0].sealed = witness::seal(&key, &ctx, (&two, &one), [&seed, &mask]);
    let node = shared.nodes.remove(&one).unwrap();
    assert_eq!(node.acknowledge(seals).unwrap().1, districts([3, 4, 5]));
}

#[test]
fn a_seal_from_outside_the_first_set_makes_the_node_leave() {
    refuses_to_acknowledge(|seals| seals[3].peer = district(6), 6, "stranger");
}

#[test]
fn a_seal_in_a_nodes_own_name_makes_the_node_leave() {
    refuses_to_acknowledge(|seals| seals[0].peer = district(1), 1, "stranger");
}

#[test]
fn two_seals_from_one_district_make_the_node_leave() {
    refuses_to_acknowledge(|seals| seals[1] = seals[0].clone(), 2, "set_not_ascending");
}

/// The coordinator of five before it has taken any seal, and what district 1 made.
fn collecting() -> (CollectSeals, Vec<Seal>) {
    let mut net = Network::new(5, 1, 1);
    let mut advertised = net.advertise(&[]).unwrap();
    let node = advertised.nodes.remove(&district(1)).unwrap();
    let rng = net.rng.get_mut(&district(1)).unwrap();
    let (_, seals) = node.share(advertised.advertisements, rng).unwrap();
    (advertised.hub, seals)
}

#[track_caller]
fn refuses_the_seals(change: impl FnOnce(&mut Vec<Seal>)) {
    let (mut hub, mut seals) = collecting();
    change(&mut seals);
    assert_rejects(hub.accept(&district(1), seals), Step::Share, 1, "seal_shape");
    assert_eq!(hub.have(), []);
}

#[test]
fn the_coordinator_refuses_one_seal_too_few() {
    refuses_the_seals(|seals| drop(seals.pop()));
}

#[test]
fn the_coordinator_refuses_one_seal_too_many() {
    refuses_the_seals(|seals| seals.push(seals[3].clone()));
}

#[test]
fn the_coordinator_refuses_two_seals_for_one_holder() {
    refuses_the_seals(|seals| seals[1] = seals[0].clone());
}

#[test]
fn the_coordinator_refuses_seals_out_of_order() {
    refuses_the_seals(|seals| seals.swap(0, 1));
}

#[test]
fn the_coordinator_refuses_a_seal_a_byte_short() {
    refuses_the_seals(|seals| seals[2].sealed.truncate(81));
}

#[test]
fn the_coordinator_refuses_a_seal_a_byte_long() {
    refuses_the_seals(|seals| seals[2].sealed.push(0));
}

#[test]
fn the_coordinator_refuses_seals_from_outside_the_first_set() {
    let (mut hub, seals) = collecting();
    assert_rejects(hub.accept(&district(6), seals), Step::Share, 6, "stranger");
}

#[test]
fn the_coordinator_refuses_a_second_set_of_seals() {
    let (mut hub, seals) = collecting();
    hub.accept(&district(1), seals.clone()).unwrap();
    assert_rejects(hub.accept(&district(1), seals), Step::Share, 1, "duplicate");
}

/// Of seven, district 4 spoils its seals for all but district 1; two may be lost.
#[test]
fn a_node_whose_seals_open_at_few_peers_is_left_out_of_the_second_set() {
    let (_, mut shared) = shared(7, 2);
    for (holder, seals) in &mut shared.seals {
        if *holder != district(1) {
            seals.iter_mut().filter(|seal| seal.peer == district(4)).for_each(|seal| {
                seal.sealed[5] ^= 1;
            });
        }
    }
    let acknowledged = shared.acknowledge(&[]).unwrap();
    assert_eq!(acknowledged.sharers, districts([1, 2, 3, 5, 6, 7]));
}

#[test]
fn a_node_that_says_it_opened_nothing_is_left_out_and_takes_nobody_along() {
    let (_, mut shared) = shared(7, 2);
    shared.seals.get_mut(&district(4)).unwrap().clear();
    let acknowledged = shared.acknowledge(&[]).unwrap();
    assert_eq!(acknowledged.sharers, districts([1, 2, 3, 5, 6, 7]));
}

/// Of seven, district 7 says that the seal of district 1 did not open. Either may lie.
#[test]
fn of_two_that_contradict_each_other_both_are_left_out() {
    let (_, mut shared) = shared(7, 2);
    shared.seals.get_mut(&district(7)).unwrap().remove(0);
    let acknowledged = shared.acknowledge(&[]).unwrap();
    assert_eq!(acknowledged.sharers, districts(2..=6));
}

/// Twelve districts of which the last c collude and claim, in every pattern of victims up to four,
/// that these seals did not open: they take at most c honest ones along, and go themselves.
#[test]
fn colluders_that_slander_others_take_along_at_most_as_many_as_they_are() {
    for c in 1..=3u16 {
        for victims in 1u16..=4 {
            let mut net = Network::new(12, 12 - 6 - c, c);
            let mut shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
            let honest = 12 - c;
            for colluder in honest + 1..=12 {
                let seals = shared.seals.get_mut(&district(colluder)).unwrap();
                seals.retain(|seal| number(&seal.peer) > victims);
            }
            for (one, node) in shared.nodes {
                let seals = shared.seals.remove(&one).unwrap();
                shared.hub.accept(&one, &node.acknowledge(seals).unwrap().1).unwrap();
            }
            let agreed = shared.hub.agreed();
            let left = agreed.iter().filter(|one| number(one) <= honest).count();
            assert!(left >= usize::from(honest - c), "c {c}, {victims} victims: {agreed:?}");
            let slander = agreed.iter().any(|one| number(one) > honest)
                && agreed.iter().any(|one| number(one) <= victims);
            assert!(!slander, "c {c}, {victims} victims: {agreed:?}");
        }
    }
}

#[test]
fn seals_that_open_at_too_few_peers_end_the_round_at_share() {
    let (_, mut shared) = shared(5, 1);
    for maker in [2, 4] {
        for seals in shared.seals.values_mut() {
            seals.retain(|seal| seal.peer != district(maker));
        }
    }
    assert_aborts(shared.acknowledge(&[]), Step::Share, None, "too_few");
}

#[track_caller]
fn refuses_the_list(opened: &[DistrictId], from: u16, code: &str) {
    let (_, mut shared) = shared(5, 1);
    let taken = shared.hub.accept(&district(from), opened);
    assert_rejects(taken, Step::Share, from, code);
}

#[test]
fn the_coordinator_refuses_a_list_that_names_a_stranger() {
    refuses_the_list(&districts([2, 6]), 1, "stranger");
}

#[test]
fn the_coordinator_refuses_a_list_that_names_its_sender() {
    refuses_the_list(&districts([1, 2]), 1, "stranger");
}

#[test]
fn the_coordinator_refuses_a_list_that_names_a_district_twice() {
    refuses_the_list(&districts([2, 2]), 1, "set_not_ascending");
}

#[test]
fn the_coordinator_refuses_a_list_from_a_district_that_did_not_share() {
    refuses_the_list(&districts([2]), 6, "stranger");
}

#[test]
fn the_coordinator_refuses_a_second_list() {
    let (_, mut shared) = shared(5, 1);
    shared.hub.accept(&district(1), &districts([2])).unwrap();
    let again = shared.hub.accept(&district(1), &districts([2, 3]));
    assert_rejects(again, Step::Share, 1, "duplicate");
}

/// The key of one direction does not open the other: each key seals one message only.
#[test]
fn the_two_directions_between_two_districts_have_different_keys() {
    let mut net = Network::new(5, 1, 1);
    let one = Secrets::drawn_from(&net.rng[&district(1)]);
    let two = Secrets::drawn_from(&net.rng[&district(2)]);
    let advertised = net.advertise(&[]).unwrap();
    let ctx = net.terms.ctx();
    let there = (&district(1), &district(2));
    let back = (&district(2), &district(1));
    let keys = [&advertised.advertisements[0].seal_key, &advertised.advertisements[1].seal_key];
    let forth = witness::key(&one.seal, keys[1], &ctx, "share", there);
    assert_eq!(forth, witness::key(&two.seal, keys[0], &ctx, "share", there));
    assert_ne!(forth, witness::key(&two.seal, keys[0], &ctx, "share", back));
    assert_eq!(advertised.advertisements[0].signature, {
        let digest = witness::advertise_digest(&ctx, &advertised.advertisements[0]);
        identity(1).sign(&digest)
    });
}
