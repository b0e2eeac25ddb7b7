//! Hostile scripts on the sets U₂ and U₃: at *mask*, at *confirm*, and shown differently to
//! different districts.

use std::sync::Arc;

use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{Advertisement, ExpectSurvivors, Step};
use flashlight_proto::study::CohortRule;
use flashlight_proto::wire::pb;
use flashlight_tests::{
    Acknowledged, Each, Network, Setting, Width, district, identity, number, upload, witness,
};

use crate::{assert_aborts, assert_rejects, districts};

/// Seven districts, two may drop, one may collude: m = 5, t = 5. U₂ is all of them.
fn acknowledged() -> (Network, Acknowledged) {
    let mut net = Network::new(7, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    (net, shared.acknowledge(&[]).unwrap())
}

/// Node 1 is told to mask with these.
#[track_caller]
fn refuses_to_mask_with(sharers: impl IntoIterator<Item = u16>, party: Option<u16>, code: &str) {
    let (net, mut state) = acknowledged();
    let node = state.nodes.remove(&district(1)).unwrap();
    let masked = node.mask(&districts(sharers), net.contribution(&district(1)));
    assert_aborts(masked, Step::Mask, party, code);
}

/// Node 1, having masked with all seven, is told that these survive.
#[track_caller]
fn refuses_to_confirm(survivors: impl IntoIterator<Item = u16>, party: Option<u16>, code: &str) {
    let mut state = Network::new(7, 2, 1).masked();
    let node = state.nodes.remove(&district(1)).unwrap();
    let confirmed = node.confirm(districts(survivors), &identity(1));
    assert_aborts(confirmed, Step::Confirm, party, code);
}

#[test]
fn a_node_shown_only_itself_and_a_colluder_refuses_to_mask() {
    refuses_to_mask_with([1, 2], None, "too_few");
}

#[test]
fn a_node_refuses_to_mask_one_district_below_the_floor() {
    refuses_to_mask_with([1, 2, 3, 4], None, "too_few");
}

#[test]
fn a_node_refuses_to_mask_with_a_set_it_is_missing_from() {
    refuses_to_mask_with([2, 3, 4, 5, 6, 7], None, "self_missing");
}

#[test]
fn a_node_refuses_to_mask_with_a_district_named_twice() {
    refuses_to_mask_with([1, 2, 2, 3, 4, 5], Some(2), "set_not_ascending");
}

#[test]
fn a_node_refuses_to_mask_with_a_set_out_of_order() {
    refuses_to_mask_with([1, 2, 4, 3, 5], Some(3), "set_not_ascending");
}

#[test]
fn a_node_refuses_to_mask_with_a_district_from_nowhere() {
    refuses_to_mask_with([1, 2, 3, 4, 9], Some(9), "seal_unopened");
}

#[test]
fn a_node_refuses_to_mask_with_a_district_whose_seal_did_not_open() {
    let mut net = Network::new(7, 2, 1);
    let mut shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let mut seals = shared.seals.remove(&district(1)).unwrap();
    seals[2].sealed[0] ^= 1;
    let node = shared.nodes.remove(&district(1)).unwrap().acknowledge(seals).unwrap().0;
    let masked = node.mask(&net.everybody(), net.contribution(&district(1)));
    assert_aborts(masked, Step::Mask, Some(4), "seal_unopened");
}

#[test]
fn a_contribution_for_another_layout_is_not_masked() {
    let (_, mut state) = acknowledged();
    let rule = CohortRule { min_districts: 7, max_dropped: 2, max_colluding: 1 };
    let wide = Setting::new(rule, Width::Wide, "2024-06-30").layout;
    let ours = Contribution::new(&wide, vec![0; wide.words()]).unwrap();
    let node = state.nodes.remove(&district(1)).unwrap();
    assert_aborts(node.mask(&state.sharers, ours), Step::Mask, Some(1), "layout");
}

#[test]
fn survivors_named_twice_are_refused() {
    refuses_to_confirm([1, 2, 2, 3, 4, 5], Some(2), "set_not_ascending");
}

#[test]
fn survivors_out_of_order_are_refused() {
    refuses_to_confirm([1, 3, 2, 4, 5], Some(2), "set_not_ascending");
}

#[test]
fn a_survivor_that_never_masked_is_refused() {
    let mut net = Network::new(7, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let acknowledged = shared.acknowledge(&districts([7])).unwrap();
    let mut state = acknowledged.mask(&net, &[]).unwrap();
    let node = state.nodes.remove(&district(1)).unwrap();
    let confirmed = node.confirm(net.everybody(), &identity(1));
    assert_aborts(confirmed, Step::Confirm, Some(7), "stranger");
}

#[test]
fn a_node_missing_from_the_survivors_refuses_to_confirm() {
    refuses_to_confirm([2, 3, 4, 5, 6], None, "self_missing");
}

#[test]
fn a_node_shown_only_itself_and_a_colluder_as_survivors_refuses_to_confirm() {
    refuses_to_confirm([1, 2], None, "too_few");
}

#[test]
fn a_node_refuses_to_confirm_one_survivor_below_the_floor() {
    refuses_to_confirm([1, 2, 3, 4], None, "too_few");
}

/// *Confirm* carries one list: who is not on it is lost. There is no message in which somebody is
/// alive and dead; this stops compiling when the wire gains one.
#[test]
fn the_wire_cannot_say_that_a_district_is_alive_and_dead() {
    let pb::BeginConfirm { round_id, survivors } = pb::BeginConfirm::default();
    let pb::BeginUnmask { round_id: same, confirmations } = pb::BeginUnmask::default();
    assert!(round_id == same && survivors.is_empty() && confirmations.is_empty());
}

/// Whoever survives, a node gives exactly one share per member of U₂: of the seed when it is in
/// U₃, of the mask key when it is not.
#[test]
fn a_node_gives_one_share_per_district_and_never_both_kinds() {
    for lost in [vec![], vec![2], vec![7], vec![2, 6]] {
        let mut net = Network::new(7, 2, 1);
        let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
        let lost = districts(lost);
        let masked = shared.acknowledge(&[]).unwrap().mask(&net, &lost).unwrap();
        let collected = masked.confirm(&[]).unwrap().collect(&[]);
        for ours in collected.shares.values() {
            let seeds: Vec<_> = ours.seeds.iter().map(|(one, _)| one.clone()).collect();
            let keys: Vec<_> = ours.mask_keys.iter().map(|(one, _)| one.clone()).collect();
            assert_eq!(seeds, collected.survivors);
            assert_eq!(keys, lost);
        }
    }
}

/// Nodes of seven sign the survivors that their camp was shown: 1 to 4 lose 7, 5 to 7 lose nobody.
fn two_camps(nodes: Each<ExpectSurvivors>) -> Each<(bool, Vec<DistrictId>, ExpectSurvivors)> {
    nodes
        .into_iter()
        .map(|(one, node)| {
            let first = number(&one) <= 4;
            let shown = if first { districts(1..=6) } else { districts(1..=7) };
            (one, (first, shown, node))
        })
        .collect()
}

/// t = 5: neither the four of one camp nor the three of the other are enough, and mixed they do
/// not verify.
#[test]
fn nobody_unmasks_when_two_camps_were_shown_different_survivors() {
    let state = Network::new(7, 2, 1).masked();
    let mut signed = Vec::new();
    let mut nodes = Vec::new();
    for (one, (first, shown, node)) in two_camps(state.nodes) {
        let (node, signature) = node.confirm(shown, &identity(number(&one))).unwrap();
        signed.push(flashlight_proto::secagg::Confirmation { district: one, signature });
        nodes.push((first, node));
    }
    for (first, node) in nodes {
        let camp = if first { &signed[..4] } else { &signed[4..] };
        if first {
            let mixed = node.unmask(&signed[..6]);
            assert_aborts(mixed, Step::Unmask, Some(5), "signature");
        } else {
            assert_aborts(node.unmask(camp), Step::Unmask, None, "confirmations");
        }
    }
}

#[test]
fn the_coordinator_refuses_a_signature_on_other_survivors_than_its_own() {
    let state = Network::new(7, 2, 1).masked();
    let mut hub = state.hub;
    for (one, (_, shown, node)) in two_camps(state.nodes) {
        let other = shown.len() == 6;
        let (_, signature) = node.confirm(shown, &identity(number(&one))).unwrap();
        let taken = hub.accept(&one, signature);
        if other {
            assert_rejects(taken, Step::Confirm, number(&one), "signature");
        } else {
            assert_eq!(taken, Ok(()));
        }
    }
}

/// Nodes 1 to 4 are told that U₂ is 1 to 6, the others that it is all seven.
#[test]
fn signatures_do_not_verify_between_nodes_that_were_shown_different_second_sets() {
    let (net, state) = acknowledged();
    let mut confirmed = Vec::new();
    for (one, node) in state.nodes {
        let sharers = if number(&one) <= 4 { districts(1..=6) } else { districts(1..=7) };
        let (node, _) = node.mask(&sharers, net.contribution(&one)).unwrap();
        let survivors = if number(&one) == 7 { districts(1..=7) } else { districts(1..=6) };
        confirmed.push((one.clone(), node.confirm(survivors, &identity(number(&one))).unwrap()));
    }
    let signed: Vec<_> = confirmed
        .iter()
        .map(|(one, (_, signature))| {
            let (district, signature) = (one.clone(), *signature);
            flashlight_proto::secagg::Confirmation { district, signature }
        })
        .collect();
    let (_, (node, _)) = confirmed.remove(0);
    assert_aborts(node.unmask(&signed[..6]), Step::Unmask, Some(5), "signature");
}

/// Colluder 7 signs two advertisements; the coordinator shows one to 1 to 4, the other to 5 and 6.
#[test]
fn signatures_do_not_verify_between_nodes_that_were_shown_two_keys_of_a_colluder() {
    let mut net = Network::new(7, 2, 1);
    let advertised = net.advertise(&[]).unwrap();
    let mut second: Vec<Advertisement> = advertised.advertisements.clone();
    second[6].mask_key = witness::public(&[7; 32]);
    witness::sign_again(&net.terms.ctx(), &mut second[6], &identity(7));
    let (ctx, all) = (net.terms.ctx(), net.everybody());
    let digest = |shown: &[Advertisement]| witness::confirm_digest(&ctx, shown, &all, &all);
    let others =
        [5, 6].map(|n| witness::confirmation(&district(n), &identity(n), &digest(&second)));
    let first = advertised.advertisements.clone();
    let confirmed = advertised
        .share(&mut net, &[])
        .unwrap()
        .acknowledge(&[])
        .unwrap()
        .mask(&net, &[])
        .unwrap()
        .confirm(&[])
        .unwrap();
    let own = confirmed.confirmations[0].clone();
    let expected = witness::confirmation(&district(1), &identity(1), &digest(&first));
    assert_eq!(own, expected);
    let mut shown: Vec<_> = confirmed.confirmations[..4].to_vec();
    shown.extend(others);
    let node = confirmed.nodes.into_iter().next().unwrap().1;
    assert_aborts(node.unmask(&shown), Step::Unmask, Some(5), "signature");
}

/// District 2 masked under a study with another date. Its signatures for this round exist all the
/// same, as if forged: the control cells still refuse the sum.
#[test]
fn the_control_cells_refuse_a_vector_masked_under_another_study() {
    let rule = CohortRule { min_districts: 5, max_dropped: 1, max_colluding: 1 };
    let mut net = Network::new(5, 1, 1);
    let setting = Setting::new(rule, Width::Narrow, "2024-07-01");
    let mut other = Network::of_setting(setting, 5, 1);
    assert_ne!(other.terms.ctx(), net.terms.ctx());
    let play = |net: &mut Network| {
        let shared = net.advertise(&[]).unwrap().share(net, &[]).unwrap();
        shared.acknowledge(&[]).unwrap()
    };
    let (mut state, mut elsewhere) = (play(&mut net), play(&mut other));
    let two = district(2);
    let node = elsewhere.nodes.remove(&two).unwrap();
    let (_, foreign) = node.mask(&elsewhere.sharers, other.contribution(&two)).unwrap();
    let mut confirming = Each::new();
    for (one, node) in state.nodes {
        let (node, masked) = node.mask(&state.sharers, net.contribution(&one)).unwrap();
        let sent = if one == two { &foreign } else { &masked };
        upload(&mut state.hub, &one, sent).unwrap();
        confirming.insert(one, node);
    }
    let (hub, survivors) = state.hub.close().unwrap();
    let masked = flashlight_tests::Masked { nodes: confirming, hub, survivors };
    let sum = masked.confirm(&[]).unwrap().unmask(&[]);
    assert_aborts(sum, Step::Unmask, None, "control_cell");
}

#[test]
fn advertisements_do_not_verify_between_nodes_that_were_told_of_different_studies() {
    let rule = CohortRule { min_districts: 5, max_dropped: 1, max_colluding: 1 };
    let mut net = Network::new(5, 1, 1);
    let mut other = Network::of_setting(Setting::new(rule, Width::Narrow, "2024-07-01"), 5, 1);
    let mut state = net.advertise(&[]).unwrap();
    let foreign = other.nodes(&districts([3])).remove(&district(3)).unwrap().1;
    let hub = flashlight_proto::secagg::CollectKeys::new(Arc::clone(&net.terms))
        .accept(&district(3), foreign.clone());
    assert_rejects(hub, Step::Advertise, 3, "signature");
    state.advertisements[2] = foreign;
    let node = state.nodes.remove(&district(1)).unwrap();
    let rng = net.rng.get_mut(&district(1)).unwrap();
    assert_aborts(node.share(state.advertisements, rng), Step::Share, Some(3), "signature");
}
