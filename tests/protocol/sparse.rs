//! Rounds on the sparse graph: sums over 300 districts with losses at every step, the committed
//! order, and hostile scripts on what only this graph has. Small rounds set the graph by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::sparse_plan::SparsePlan;
use flashlight_proto::secagg::{
    Advertisement, CollectKeys, Confirmation, GraphRule, MAX_ORDERS_OPENED, OrdersOpened, Reason,
    Step,
};
use flashlight_tests::witness::{self, Secrets};
use flashlight_tests::{
    Acknowledged, Each, Frozen, Masked, Network, Ordered, Shared, district, identity, number,
    seeded, upload,
};

use crate::{assert_aborts, assert_rejects, districts};

/// Twelve districts with four neighbours each, of which three open a secret; of every two in a row
/// one must survive. Three may drop, one may collude: m = 9, t = 7.
const PLAN: SparsePlan = SparsePlan { neighbours: 4, threshold: 3, window: 1 };

fn twelve() -> Network {
    Network::sparse(12, 3, 1, PLAN)
}

fn ordered() -> (Network, Ordered) {
    let mut net = twelve();
    let ordered = net.freeze(&[]).unwrap().order().unwrap();
    (net, ordered)
}

/// A round of twelve up to the seals, and its circle.
fn shared() -> (Network, Shared, Vec<DistrictId>) {
    let (mut net, ordered) = ordered();
    let circle = witness::order(&net.terms.ctx(), &net.terms, &ordered.openings);
    let shared = ordered.share(&mut net, &[]).unwrap();
    (net, shared, circle)
}

fn acknowledged() -> (Network, Acknowledged, Vec<DistrictId>) {
    let (net, shared, circle) = shared();
    (net, shared.acknowledge(&[]).unwrap(), circle)
}

fn masked(lost: impl FnOnce(&[DistrictId]) -> Vec<DistrictId>) -> (Network, Masked) {
    let (net, state, circle) = acknowledged();
    let masked = state.mask(&net, &lost(&circle)).unwrap();
    (net, masked)
}

fn neighbours(circle: &[DistrictId], of: &DistrictId) -> Vec<DistrictId> {
    witness::neighbours(circle, 4, of)
}

/// All but these.
fn without(net: &Network, gone: &[DistrictId]) -> Vec<DistrictId> {
    net.everybody().into_iter().filter(|one| !gone.contains(one)).collect()
}

#[test]
fn the_sum_of_300_districts_is_exact_with_losses_at_every_step() {
    let mut net = Network::new(300, 20, 10);
    let GraphRule::Sparse(plan) = net.terms.graph else { panic!("300 are sparse") };
    assert!(plan.neighbours < 150, "{plan:?}");
    let lost = |from: u16, to: u16| districts((from..=to).map(|one| one * 7 % 300 + 1));
    let ordered = net.freeze(&lost(1, 3)).unwrap().order().unwrap();
    let shared = ordered.share(&mut net, &lost(4, 6)).unwrap();
    for seals in shared.seals.values() {
        assert!(seals.len() <= usize::from(plan.neighbours));
    }
    let acknowledged = shared.acknowledge(&lost(7, 9)).unwrap();
    let masked = acknowledged.mask(&net, &lost(10, 14)).unwrap();
    let survivors = masked.survivors.clone();
    assert_eq!(survivors.len(), 286);
    let sum = masked.confirm(&lost(15, 16)).unwrap().unmask(&lost(17, 18)).unwrap();
    assert_eq!(sum.survivors(), survivors);
    assert_eq!(sum.words(), net.plain_sum(&survivors));
    assert_eq!((sum.lost(), sum.liars()), (&sorted(lost(10, 14))[..], &[][..]));
}

fn sorted(mut list: Vec<DistrictId>) -> Vec<DistrictId> {
    list.sort();
    list
}

#[test]
fn the_sum_of_twelve_is_exact_whoever_of_them_is_lost_as_long_as_the_graph_holds() {
    let (net, _, circle) = acknowledged();
    let (mut summed, mut ended) = (0, 0);
    for lost in [vec![0], vec![3, 4], vec![0, 6], vec![2, 5, 9], vec![1, 2, 3], vec![0, 3, 11]] {
        let (_, state, again) = acknowledged();
        assert_eq!(again, circle);
        let lost = sorted(lost.into_iter().map(|at: usize| circle[at].clone()).collect());
        match state.mask(&net, &lost) {
            Ok(masked) => {
                let sum = masked.confirm(&[]).unwrap().unmask(&[]).unwrap();
                assert_eq!(sum.words(), net.plain_sum(&without(&net, &lost)));
                assert_eq!(sum.lost(), lost);
                summed += 1;
            }
            Err(abort) => {
                assert!(["neighbours", "window"].contains(&abort.code()), "{abort}");
                ended += 1;
            }
        }
    }
    assert!(summed >= 2 && ended >= 2, "{summed} summed, {ended} ended");
}

#[test]
fn the_graph_of_a_real_round_is_complete_up_to_254_districts() {
    assert_eq!(Network::new(254, 20, 5).terms.graph, GraphRule::Complete);
    let mut net = Network::new(5, 1, 1);
    let (node, ours) = net.nodes(&[district(1)]).remove(&district(1)).unwrap();
    assert_eq!(ours.order_commitment, None);
    let state = net.advertise(&[]).unwrap();
    let opened = node.open_order(state.advertisements, &mut OrdersOpened::default());
    // Its randomness went on, so its advertisement is another one: that is noticed first.
    assert_aborts(opened, Step::Order, None, "self_changed");
    let mut state = Network::new(5, 1, 1).advertise(&[]).unwrap();
    let node = state.nodes.remove(&district(1)).unwrap();
    let opened = node.open_order(state.advertisements, &mut OrdersOpened::default());
    assert_aborts(opened, Step::Order, None, "order_step");
    let hub = CollectKeys::new(Arc::clone(&net.terms));
    assert_aborts(hub.freeze(), Step::Order, None, "order_step");
}

#[test]
fn no_node_shares_on_the_sparse_graph_before_the_order_is_open() {
    let mut state = twelve().freeze(&[]).unwrap();
    let node = state.nodes.remove(&district(1)).unwrap();
    let shared = node.share(state.advertisements, &mut seeded(1, 1));
    assert_aborts(shared, Step::Share, None, "order_step");
    let hub = CollectKeys::new(twelve().terms);
    assert_aborts(hub.close(), Step::Advertise, None, "order_step");
}

#[test]
fn an_advertisement_without_a_commitment_is_refused_and_so_is_one_that_nobody_asked_for() {
    let mut net = twelve();
    let (_, mut ours) = net.nodes(&[district(2)]).remove(&district(2)).unwrap();
    let commitment = ours.order_commitment.take();
    witness::sign_again(&net.terms.ctx(), &mut ours, &identity(2));
    let taken = CollectKeys::new(Arc::clone(&net.terms)).accept(&district(2), ours);
    assert_rejects(taken, Step::Advertise, 2, "order_commitment");
    let mut net = Network::new(5, 1, 1);
    let (_, mut ours) = net.nodes(&[district(2)]).remove(&district(2)).unwrap();
    ours.order_commitment = commitment;
    witness::sign_again(&net.terms.ctx(), &mut ours, &identity(2));
    let taken = CollectKeys::new(Arc::clone(&net.terms)).accept(&district(2), ours);
    assert_rejects(taken, Step::Advertise, 2, "order_commitment");
}

/// Node 1 of twelve is shown what `change` makes of the advertisements before it opens.
#[track_caller]
fn refuses_to_open(
    change: impl FnOnce(&Network, &mut Vec<Advertisement>),
    party: Option<u16>,
    code: &str,
) {
    let mut net = twelve();
    let mut state = net.freeze(&[]).unwrap();
    change(&net, &mut state.advertisements);
    let node = state.nodes.remove(&district(1)).unwrap();
    let mut opened = OrdersOpened::default();
    assert_aborts(node.open_order(state.advertisements, &mut opened), Step::Order, party, code);
}

#[test]
fn a_commitment_substituted_by_the_coordinator_is_noticed_before_anything_is_opened() {
    let change = |net: &Network, shown: &mut Vec<Advertisement>| {
        let ctx = net.terms.ctx();
        shown[2].order_commitment = Some(witness::order_commitment(&ctx, &district(3), &[7; 32]));
    };
    refuses_to_open(change, Some(3), "signature");
}

#[test]
fn a_node_does_not_open_for_a_first_set_that_is_too_small_or_without_it() {
    refuses_to_open(|_, shown| shown.truncate(8), None, "too_few");
    refuses_to_open(|_, shown| drop(shown.remove(0)), None, "self_missing");
}

#[test]
fn the_coordinator_refuses_an_opening_that_is_not_what_was_committed_to() {
    let state = twelve().freeze(&[]).unwrap();
    let Frozen { nodes, mut hub, advertisements } = state;
    for (one, node) in nodes.into_iter().take(2) {
        let opened = node.open_order(advertisements.clone(), &mut OrdersOpened::default());
        let (_, random) = opened.unwrap();
        let mut other = random;
        other[0] ^= 1;
        assert_rejects(hub.accept(&one, other), Step::Order, number(&one), "order_commitment");
        hub.accept(&one, random).unwrap();
        assert_rejects(hub.accept(&one, random), Step::Order, number(&one), "duplicate");
        assert_rejects(hub.accept(&district(12), random), Step::Order, 12, "order_commitment");
        assert_rejects(hub.accept(&district(13), random), Step::Order, 13, "stranger");
    }
    assert_aborts(hub.close(), Step::Order, Some(3), "order_unopened");
}

/// Node 1 is shown these openings.
#[track_caller]
fn refuses_to_share(change: impl FnOnce(&mut Ordered), party: u16, code: &str) {
    let (_, mut state) = ordered();
    change(&mut state);
    let node = state.nodes.remove(&district(1)).unwrap();
    let shared = node.share(&state.openings, &mut seeded(1, 1));
    assert_aborts(shared, Step::Share, Some(party), code);
}

#[test]
fn openings_that_the_coordinator_substituted_dropped_or_repeated_are_noticed() {
    refuses_to_share(|state| state.openings[4].random[31] ^= 1, 5, "order_commitment");
    refuses_to_share(
        |state| state.openings[4].random = state.openings[5].random,
        5,
        "order_commitment",
    );
    refuses_to_share(|state| state.openings[0].random[0] ^= 1, 1, "order_commitment");
    refuses_to_share(|state| drop(state.openings.remove(4)), 5, "order_unopened");
    refuses_to_share(|state| drop(state.openings.remove(0)), 1, "order_unopened");
    refuses_to_share(|state| state.openings.swap(4, 5), 5, "set_not_ascending");
    refuses_to_share(|state| state.openings[4] = state.openings[3].clone(), 4, "set_not_ascending");
    let stranger = |state: &mut Ordered| {
        let mut another = state.openings[11].clone();
        another.district = district(13);
        state.openings.push(another);
    };
    refuses_to_share(stranger, 13, "stranger");
}

#[test]
fn a_node_opens_its_order_eight_times_without_masking_and_not_again_until_it_has_masked() {
    let mut opened = OrdersOpened::default();
    let open = |opened: &mut OrdersOpened| {
        let mut state = twelve().freeze(&[]).unwrap();
        let node = state.nodes.remove(&district(1)).unwrap();
        node.open_order(state.advertisements, opened).map(|_| ())
    };
    for _ in 0..MAX_ORDERS_OPENED {
        assert_eq!(open(&mut opened), Ok(()));
    }
    assert_aborts(open(&mut opened), Step::Order, None, "order_restarts");
    opened.masked();
    assert_eq!(open(&mut opened), Ok(()));
}

/// One honest part changes the whole order, whatever all others opened.
#[test]
fn the_order_is_another_when_one_opening_or_the_context_is_another() {
    let (net, mut state) = ordered();
    let ctx = net.terms.ctx();
    let order = witness::order(&ctx, &net.terms, &state.openings);
    assert_eq!(sorted(order.clone()), net.everybody());
    state.openings[7].random[3] ^= 1;
    assert_ne!(witness::order(&ctx, &net.terms, &state.openings), order);
    state.openings[7].random[3] ^= 1;
    let other = net.setting.terms(12, 2).ctx();
    assert_ne!(witness::order(&other, &net.terms, &state.openings), order);
}

/// The witness makes the circle from the openings alone; each node seals for its neighbours on it,
/// under their places among them.
#[test]
fn every_node_seals_for_its_neighbours_on_the_circle_and_nobody_else() {
    let mut net = twelve();
    let secrets: Each<Secrets> =
        net.rng.iter().map(|(one, rng)| (one.clone(), Secrets::drawn_from(rng))).collect();
    let ordered = net.freeze(&[]).unwrap().order().unwrap();
    let ctx = net.terms.ctx();
    for (one, opening) in net.everybody().iter().zip(&ordered.openings) {
        assert_eq!((one, secrets[one].order), (&opening.district, opening.random));
    }
    let shown: BTreeMap<DistrictId, Advertisement> =
        ordered.advertisements.iter().map(|ad| (ad.district.clone(), ad.clone())).collect();
    let circle = witness::order(&ctx, &net.terms, &ordered.openings);
    let shared = ordered.share(&mut net, &[]).unwrap();
    for holder in net.everybody() {
        let from: Vec<DistrictId> =
            shared.seals[&holder].iter().map(|seal| seal.peer.clone()).collect();
        assert_eq!(from, neighbours(&circle, &holder));
        for seal in &shared.seals[&holder] {
            let pair = (&seal.peer, &holder);
            let theirs = &shown[&holder].seal_key;
            let key = witness::key(&secrets[&seal.peer].seal, theirs, &ctx, "share", pair);
            let [seed, mask] = witness::open(&key, &ctx, pair, &seal.sealed).unwrap();
            let near = neighbours(&circle, &seal.peer);
            let x = near.iter().position(|one| *one == holder).unwrap() + 1;
            assert_eq!((usize::from(seed[0]), usize::from(mask[0])), (x, x));
        }
    }
}

#[test]
fn a_seal_or_a_list_of_somebody_who_is_no_neighbour_is_refused() {
    let (net, mut state, circle) = shared();
    let one = district(1);
    let far = without(&net, &neighbours(&circle, &one)).into_iter().find(|other| *other != one);
    let far = far.unwrap();
    let refused = state.hub.accept(&one, std::slice::from_ref(&far));
    assert_rejects(refused, Step::Share, 1, "stranger");
    let mut seals = state.seals.remove(&one).unwrap();
    seals[0].peer = far.clone();
    seals.sort_by(|a, b| a.peer.cmp(&b.peer));
    let node = state.nodes.remove(&one).unwrap();
    assert_aborts(node.acknowledge(seals), Step::Share, Some(number(&far)), "stranger");

    let (mut net, mut ordered) = ordered();
    let node = ordered.nodes.remove(&one).unwrap();
    let rng = net.rng.get_mut(&one).unwrap();
    let mut seals = node.share(&ordered.openings, rng).unwrap().1;
    seals[0].peer = far;
    seals.sort_by(|a, b| a.peer.cmp(&b.peer));
    assert_rejects(ordered.hub.accept(&one, seals), Step::Share, 1, "seal_shape");
}

#[test]
fn districts_that_are_no_neighbours_cannot_disagree_about_seals() {
    let (_, mut state, circle) = shared();
    for (one, node) in state.nodes {
        let mut seals = state.seals.remove(&one).unwrap();
        if one == circle[5] {
            seals.retain(|seal| seal.peer != circle[6]);
        }
        state.hub.accept(&one, &node.acknowledge(seals).unwrap().1).unwrap();
    }
    let gone: Vec<DistrictId> = circle[5..=6].to_vec();
    let left: Vec<DistrictId> = (1..=12).map(district).filter(|o| !gone.contains(o)).collect();
    assert_eq!(state.hub.agreed(), left);
}

#[test]
fn a_second_set_with_a_neighbour_that_did_not_open_is_refused_and_a_stranger_to_it_is_none() {
    let (net, mut state, circle) = shared();
    let one = district(1);
    let near = neighbours(&circle, &one);
    let seals: Vec<_> = state.seals[&one].iter().filter(|s| s.peer != near[1]).cloned().collect();
    let open = |state: &mut Shared| {
        let node = state.nodes.remove(&one).unwrap();
        node.acknowledge(seals.clone()).unwrap()
    };
    let (node, opened) = open(&mut state);
    assert_eq!(opened.len(), 3);
    let refused = node.mask(&net.everybody(), net.contribution(&one));
    assert_aborts(refused, Step::Mask, Some(number(&near[1])), "seal_unopened");
    let (net, mut state, _) = shared();
    let (node, _) = open(&mut state);
    let rest = without(&net, &near[1..2]);
    assert!(node.mask(&rest, net.contribution(&one)).is_ok());
    let (net, mut state, _) = acknowledged();
    let node = state.nodes.remove(&one).unwrap();
    let mut more = net.everybody();
    more.push(district(13));
    let refused = node.mask(&more, net.contribution(&one));
    assert_aborts(refused, Step::Mask, Some(13), "seal_unopened");
}

/// The coordinator shows district 1 a second set without two of its neighbours, large enough by
/// the count: those two could then open its own mask.
#[test]
fn a_node_does_not_mask_without_enough_of_its_neighbours() {
    let (net, mut state, circle) = acknowledged();
    let one = district(1);
    let near = neighbours(&circle, &one);
    let node = state.nodes.remove(&one).unwrap();
    let refused = node.mask(&without(&net, &near[..2]), net.contribution(&one));
    assert_aborts(refused, Step::Mask, None, "neighbours");
}

#[test]
fn a_node_does_not_confirm_survivors_without_enough_of_its_neighbours() {
    let (net, state, circle) = acknowledged();
    let mut state = state.mask(&net, &[]).unwrap();
    let one = district(1);
    let near = neighbours(&circle, &one);
    let node = state.nodes.remove(&one).unwrap();
    let refused = node.confirm(without(&net, &near[2..]), &identity(1));
    assert_aborts(refused, Step::Confirm, None, "neighbours");
}

/// Two in a row are gone, far from district `circle[0]`: its own neighbours are all there.
#[test]
fn a_node_does_not_confirm_survivors_that_leave_a_run_of_the_order_empty() {
    let (net, state, circle) = acknowledged();
    let mut state = state.mask(&net, &[]).unwrap();
    let one = circle[0].clone();
    let node = state.nodes.remove(&one).unwrap();
    let refused = node.confirm(without(&net, &circle[6..8]), &identity(number(&one)));
    assert_aborts(refused, Step::Confirm, None, "window");
}

#[test]
fn the_coordinator_ends_the_round_itself_when_nobody_would_confirm_its_survivors() {
    let (net, state, circle) = acknowledged();
    let lost = circle[6..8].to_vec();
    let abort = state.mask(&net, &lost).map(|_| ()).unwrap_err();
    // circle[5] has both among its four neighbours; with other numbers the run would show first.
    assert_eq!((abort.step, abort.code()), (Step::Mask, "neighbours"));
    let plan = SparsePlan { neighbours: 4, threshold: 2, window: 2 };
    let mut net = Network::sparse(12, 3, 1, plan);
    let ordered = net.freeze(&[]).unwrap().order().unwrap();
    let circle = witness::order(&net.terms.ctx(), &net.terms, &ordered.openings);
    let state = ordered.share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
    let ended = state.mask(&net, &circle[3..4]);
    assert_aborts(ended, Step::Mask, None, "window");
}

/// Enough have signed by the count (t = 7), but two in a row on the circle have not: they may have
/// been shown other sets.
#[test]
fn nobody_unmasks_for_signers_that_leave_a_run_of_the_order_empty() {
    let (_, state, circle) = acknowledged();
    let (net, masked) = masked(|_| Vec::new());
    drop(state);
    let mut confirmed = masked.confirm(&[]).unwrap();
    let silent = &circle[6..8];
    confirmed.confirmations.retain(|one| !silent.contains(&one.district));
    assert!(confirmed.confirmations.len() >= usize::from(net.terms.cohort.t));
    let node = confirmed.nodes.remove(&circle[0]).unwrap();
    assert_aborts(node.unmask(&confirmed.confirmations), Step::Unmask, None, "window");
    let (_, masked) = self::masked(|_| Vec::new());
    assert_aborts(masked.confirm(silent), Step::Confirm, None, "window");
}

/// What the two rules above are for. Everybody but district 1 is shown all twelve; district 1, a
/// second set in which its honest neighbours are missing. If it masked, its neighbours would open
/// its own mask, and its words would lie open.
#[test]
fn a_district_shown_another_second_set_cannot_be_cut_off_from_its_neighbours() {
    let (net, mut state, circle) = acknowledged();
    let one = district(1);
    let near = neighbours(&circle, &one);
    let node = state.nodes.remove(&one).unwrap();
    for keep in 0..3 {
        let gone: Vec<DistrictId> = near[keep..].to_vec();
        let shown = without(&net, &gone);
        let (net, mut again, _) = acknowledged();
        let node = again.nodes.remove(&one).unwrap();
        assert!(node.mask(&shown, net.contribution(&one)).is_err(), "{keep} neighbours");
    }
    assert!(node.mask(&net.everybody(), net.contribution(&one)).is_ok());
}

#[test]
fn a_node_gives_one_share_per_neighbour_and_never_both_kinds() {
    let (_, _, circle) = acknowledged();
    let lost = sorted(vec![circle[2].clone(), circle[8].clone()]);
    let (net, masked) = masked(|_| lost.clone());
    let collected = masked.confirm(&[]).unwrap().collect(&[]);
    for (one, ours) in &collected.shares {
        let near = neighbours(&circle, one);
        let (gone, there): (Vec<_>, Vec<_>) = near.into_iter().partition(|o| lost.contains(o));
        let names = |list: &[(DistrictId, _)]| -> Vec<DistrictId> {
            list.iter().map(|(of, _)| of.clone()).collect()
        };
        assert_eq!((names(&ours.seeds), names(&ours.mask_keys)), (there, gone));
    }
    let sum = collected.close().unwrap();
    assert_eq!(sum.words(), net.plain_sum(&without(&net, &lost)));
}

#[test]
fn shares_of_a_district_that_is_no_neighbour_are_refused() {
    let (_, _, circle) = acknowledged();
    let (_, masked) = masked(|_| Vec::new());
    let mut state = masked.confirm(&[]).unwrap().collect(&[]);
    let one = district(1);
    let far = circle.iter().find(|o| **o != one && !neighbours(&circle, &one).contains(o));
    let mut ours = state.shares.remove(&one).unwrap();
    ours.seeds[0].0 = far.unwrap().clone();
    ours.seeds.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_rejects(state.hub.accept(&one, ours), Step::Unmask, 1, "share_shape");
}

/// Four shares of which three are needed: one wrong share is worked around, but who gave it is not
/// to be told (3 + 2 > 4).
#[test]
fn a_wrong_share_is_worked_around_and_nobody_is_named_beyond_half_the_distance() {
    for (plan, named) in [(PLAN, false), (SparsePlan { neighbours: 8, ..PLAN }, true)] {
        let mut net = Network::sparse(12, 3, 1, SparsePlan { threshold: 3, ..plan });
        let ordered = net.freeze(&[]).unwrap().order().unwrap();
        let state = ordered.share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
        let mut state = state.mask(&net, &[]).unwrap().confirm(&[]).unwrap().collect(&[]);
        let one = district(1);
        let share = &mut state.shares.get_mut(&one).unwrap().seeds[0].1;
        let mut bytes = share.as_bytes().to_vec();
        bytes[9] ^= 1;
        *share = flashlight_proto::secagg::shamir::Share::parse(&bytes, share.x()).unwrap();
        let sum = state.close().unwrap();
        assert_eq!(sum.words(), net.plain_sum(&net.everybody()));
        assert_eq!(sum.liars(), if named { districts([1]) } else { Vec::new() });
    }
}

#[test]
fn too_few_shares_of_one_secret_name_its_owner() {
    let (_, _, circle) = acknowledged();
    let (_, masked) = masked(|_| Vec::new());
    let one = district(1);
    let near = neighbours(&circle, &one);
    let sum = masked.confirm(&[]).unwrap().unmask(&near[..2]);
    let abort = sum.map(|_| ()).unwrap_err();
    assert_eq!((abort.step, abort.code()), (Step::Unmask, "unrecoverable"));
    assert!(matches!(abort.reason, Reason::Unrecoverable { got: 2, need: 3 }), "{abort}");
}

/// District 2 was shown another order of the same districts, as if forged: it masks with others,
/// and its masks cancel with nobody's.
#[test]
fn a_vector_masked_on_another_graph_is_refused_by_the_control_cells() {
    let mut net = twelve();
    let mut other =
        Network::sparse(12, 3, 1, SparsePlan { neighbours: 6, threshold: 4, window: 1 });
    assert_ne!(net.terms.ctx(), other.terms.ctx());
    let play = |net: &mut Network| {
        let ordered = net.freeze(&[]).unwrap().order().unwrap();
        ordered.share(net, &[]).unwrap().acknowledge(&[]).unwrap()
    };
    let (mut state, mut elsewhere) = (play(&mut net), play(&mut other));
    let two = district(2);
    let node = elsewhere.nodes.remove(&two).unwrap();
    let (_, foreign) = node.mask(&elsewhere.sharers, other.contribution(&two)).unwrap();
    let mut confirming = Each::new();
    for (one, node) in state.nodes {
        let (node, masked) = node.mask(&state.sharers, net.contribution(&one)).unwrap();
        upload(&mut state.hub, &one, if one == two { &foreign } else { &masked }).unwrap();
        confirming.insert(one, node);
    }
    let (hub, survivors) = state.hub.close().unwrap();
    let masked = Masked { nodes: confirming, hub, survivors };
    assert_aborts(masked.confirm(&[]).unwrap().unmask(&[]), Step::Unmask, None, "control_cell");
}

#[test]
fn a_confirmation_covers_the_commitments_to_the_order() {
    let (net, masked) = masked(|_| Vec::new());
    let confirmed = masked.confirm(&[]).unwrap();
    let (all, ctx) = (net.everybody(), net.terms.ctx());
    let mut shown = twelve().freeze(&[]).unwrap().advertisements;
    let digest = witness::confirm_digest(&ctx, &shown, &all, &all);
    let expected = |digest| witness::confirmation(&district(1), &identity(1), digest);
    assert_eq!(confirmed.confirmations[0], expected(&digest));
    shown[3].order_commitment = Some(witness::order_commitment(&ctx, &district(4), &[0; 32]));
    let other = witness::confirm_digest(&ctx, &shown, &all, &all);
    let forged: Confirmation = expected(&other);
    assert_ne!(confirmed.confirmations[0], forged);
}

/// The sizes of a large round on the graph of a small one: the limit goes by the number of districts.
#[test]
fn words_that_254_districts_may_add_up_are_too_large_for_255() {
    let one = district(1);
    for (n, fits) in [(254, true), (255, false)] {
        let mut net = twelve();
        Arc::make_mut(&mut net.terms).cohort.n = n;
        net.words.get_mut(&one).unwrap()[0] = (1 << 51) + 1;
        let ordered = net.freeze(&[]).unwrap().order().unwrap();
        let mut state = ordered.share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
        let node = state.nodes.remove(&one).unwrap();
        let masked = node.mask(&state.sharers, net.contribution(&one));
        if fits {
            assert!(masked.is_ok());
        } else {
            assert_aborts(masked, Step::Mask, Some(1), "contribution_too_large");
        }
    }
}
