//! Hostile scripts on steps 3 and 4: confirmations, and the shares that open the sum.

use flashlight_proto::secagg::shamir::Share;
use flashlight_proto::secagg::{Abort, Confirmation, NoisySum, Step, Unmasking};
use flashlight_proto::wire;
use flashlight_tests::witness::{self, SHARE_BYTES, Secrets};
use flashlight_tests::{Collected, Network, district, identity, seeded};
use zeroize::Zeroizing;

use crate::{assert_aborts, assert_rejects, districts};

/// Node 1 of nine (m = 7, t = 6) is shown what `change` makes of nine confirmations.
#[track_caller]
fn refuses_to_unmask(change: impl FnOnce(&mut Vec<Confirmation>), party: Option<u16>, code: &str) {
    let mut state = Network::new(9, 2, 1).confirmed();
    let node = state.nodes.remove(&district(1)).unwrap();
    change(&mut state.confirmations);
    assert_aborts(node.unmask(&state.confirmations), Step::Unmask, party, code);
}

#[test]
fn a_node_shown_too_few_confirmations_gives_nothing() {
    refuses_to_unmask(|shown| shown.truncate(5), None, "confirmations");
}

#[test]
fn a_node_shown_no_confirmations_gives_nothing() {
    refuses_to_unmask(Vec::clear, None, "confirmations");
}

#[test]
fn a_repeated_confirmation_does_not_count_twice() {
    let repeat = |shown: &mut Vec<Confirmation>| {
        shown.truncate(5);
        shown.push(shown[4].clone());
    };
    refuses_to_unmask(repeat, Some(5), "set_not_ascending");
}

#[test]
fn a_confirmation_from_a_district_that_was_lost_does_not_count() {
    let mut net = Network::new(9, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let acknowledged = shared.acknowledge(&[]).unwrap();
    let masked = acknowledged.mask(&net, &districts([9])).unwrap();
    let mut state = masked.confirm(&[]).unwrap();
    let nine = Confirmation { district: district(9), ..state.confirmations[7].clone() };
    state.confirmations.push(nine);
    let node = state.nodes.remove(&district(1)).unwrap();
    assert_aborts(node.unmask(&state.confirmations), Step::Unmask, Some(9), "stranger");
}

#[test]
fn a_confirmation_from_outside_the_cohort_does_not_count() {
    let outside = |shown: &mut Vec<Confirmation>| shown[8].district = district(10);
    refuses_to_unmask(outside, Some(10), "stranger");
}

#[test]
fn a_confirmation_under_another_districts_name_does_not_count() {
    let relabel = |shown: &mut Vec<Confirmation>| shown[8].signature = shown[7].signature;
    refuses_to_unmask(relabel, Some(9), "signature");
}

#[test]
fn a_confirmation_of_an_earlier_round_does_not_count() {
    let earlier = Network::of_width(9, 2, 1, flashlight_tests::Width::Narrow, 2).confirmed();
    let old = earlier.confirmations[3].clone();
    refuses_to_unmask(|shown| shown[3] = old, Some(4), "signature");
}

#[test]
fn the_coordinator_refuses_a_signature_from_a_lost_district_and_a_second_one() {
    let mut net = Network::new(9, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let state = shared.acknowledge(&[]).unwrap().mask(&net, &districts([9])).unwrap();
    let (mut hub, survivors) = (state.hub, state.survivors);
    let node = state.nodes.into_iter().next().unwrap().1;
    let (_, signature) = node.confirm(survivors, &identity(1)).unwrap();
    assert_rejects(hub.accept(&district(9), signature), Step::Confirm, 9, "stranger");
    hub.accept(&district(1), signature).unwrap();
    assert_rejects(hub.accept(&district(1), signature), Step::Confirm, 1, "duplicate");
}

/// Nine districts (t = 6), of which `lost` masked nothing; the survivors have answered.
fn collected(lost: &[u16]) -> (Network, Collected) {
    let mut net = Network::new(9, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let acknowledged = shared.acknowledge(&[]).unwrap();
    let masked = acknowledged.mask(&net, &districts(lost.iter().copied())).unwrap();
    (net, masked.confirm(&[]).unwrap().collect(&[]))
}

/// The share with one bit of its value changed.
fn spoilt(share: &Share) -> Share {
    let mut bytes: [u8; SHARE_BYTES] = share.as_bytes().try_into().unwrap();
    bytes[20] ^= 4;
    Share::parse(&bytes, share.x()).unwrap()
}

/// The sum when each of these districts gives a wrong share of district `of`'s seed.
fn sum_with_wrong_shares(by: &[u16], of: u16) -> (Network, Result<NoisySum, Abort>) {
    let (net, mut state) = collected(&[]);
    for &liar in by {
        let shares = &mut state.shares.get_mut(&district(liar)).unwrap().seeds;
        let place = usize::from(of) - 1;
        shares[place].1 = spoilt(&shares[place].1);
    }
    (net, state.close())
}

#[test]
fn one_wrong_share_is_worked_around_and_its_giver_named() {
    let (net, sum) = sum_with_wrong_shares(&[1], 5);
    let sum = sum.unwrap();
    assert_eq!(sum.words(), net.plain_sum(&net.everybody()));
    assert_eq!(sum.liars(), districts([1]));
}

/// Nine shares of which six are needed: with two wrong ones seven good ones still prove nothing
/// about who lied (6 + 2·2 > 9), but they open the secret.
#[test]
fn as_many_wrong_shares_as_there_are_to_spare_are_worked_around() {
    for by in [&[1, 2][..], &[2, 9], &[1, 5, 9], &[7, 8, 9]] {
        let (net, sum) = sum_with_wrong_shares(by, 5);
        let sum = sum.unwrap();
        assert_eq!(sum.words(), net.plain_sum(&net.everybody()), "{by:?}");
        assert_eq!(sum.liars(), [], "{by:?}");
    }
}

#[test]
fn one_wrong_share_more_than_there_are_to_spare_names_the_secret_that_stays_shut() {
    let (_, sum) = sum_with_wrong_shares(&[1, 2, 3, 4], 5);
    assert_aborts(sum, Step::Unmask, Some(5), "unrecoverable");
}

#[test]
fn a_share_of_the_mask_key_given_for_the_seed_is_a_wrong_share() {
    let mut net = Network::new(9, 2, 1);
    let two = Secrets::drawn_from(&net.rng[&district(2)]);
    let advertised = net.advertise(&[]).unwrap();
    let theirs = advertised.advertisements[0].seal_key;
    let shared = advertised.share(&mut net, &[]).unwrap();
    let (ctx, pair) = (net.terms.ctx(), (district(2), district(1)));
    let key = witness::key(&two.seal, &theirs, &ctx, "share", (&pair.0, &pair.1));
    let sealed = shared.seals[&district(1)][0].sealed.clone();
    let [_, mask] = witness::open(&key, &ctx, (&pair.0, &pair.1), &sealed).unwrap();
    let masked = shared.acknowledge(&[]).unwrap().mask(&net, &[]).unwrap();
    let mut state = masked.confirm(&[]).unwrap().collect(&[]);
    let ours = state.shares.get_mut(&district(1)).unwrap();
    ours.seeds[1].1 = Share::parse(&mask, 1).unwrap();
    let sum = state.close().unwrap();
    assert_eq!(sum.liars(), districts([1]));
    assert_eq!(sum.words(), net.plain_sum(&net.everybody()));
}

/// The coordinator is given what `change` makes of district 1's answer; district 9 was lost.
#[track_caller]
fn refuses_the_shares(change: impl FnOnce(&mut Unmasking), from: u16, code: &str) {
    let (_, mut state) = collected(&[9]);
    let mut ours = state.shares.remove(&district(1)).unwrap();
    change(&mut ours);
    let taken = state.hub.accept(&district(from), ours);
    assert_rejects(taken, Step::Unmask, from, code);
    assert_eq!(state.hub.have(), []);
}

#[test]
fn an_answer_that_gives_a_lost_districts_share_among_the_seeds_is_refused() {
    let wrong_kind = |ours: &mut Unmasking| {
        let lost = ours.mask_keys.pop().unwrap();
        ours.seeds.push(lost);
    };
    refuses_the_shares(wrong_kind, 1, "share_shape");
}

#[test]
fn an_answer_that_gives_a_survivors_share_among_the_mask_keys_is_refused() {
    let wrong_kind = |ours: &mut Unmasking| {
        let survivor = ours.seeds.pop().unwrap();
        ours.mask_keys.insert(0, survivor);
    };
    refuses_the_shares(wrong_kind, 1, "share_shape");
}

#[test]
fn an_answer_that_gives_both_kinds_for_one_district_is_refused() {
    let both = |ours: &mut Unmasking| {
        let bytes: Vec<u8> = ours.seeds[7].1.as_bytes().to_vec();
        let again = (ours.seeds[7].0.clone(), Share::parse(&bytes, 1).unwrap());
        ours.mask_keys.insert(0, again);
    };
    refuses_the_shares(both, 1, "share_shape");
}

#[test]
fn an_answer_one_share_short_is_refused() {
    refuses_the_shares(|ours| drop(ours.seeds.pop()), 1, "share_shape");
}

#[test]
fn an_answer_out_of_order_is_refused() {
    refuses_the_shares(|ours| ours.seeds.swap(0, 1), 1, "share_shape");
}

#[test]
fn an_answer_with_another_holders_share_is_refused() {
    let other_x = |ours: &mut Unmasking| {
        let mut bytes: [u8; SHARE_BYTES] = ours.seeds[3].1.as_bytes().try_into().unwrap();
        bytes[0] = 2;
        ours.seeds[3].1 = Share::parse(&bytes, 2).unwrap();
    };
    refuses_the_shares(other_x, 1, "share_shape");
}

#[test]
fn an_answer_sent_by_another_survivor_is_refused() {
    refuses_the_shares(|_| {}, 2, "share_shape");
}

#[test]
fn an_answer_from_a_lost_district_is_refused() {
    refuses_the_shares(|_| {}, 9, "stranger");
}

#[test]
fn a_second_answer_is_refused() {
    let (_, mut state) = collected(&[]);
    let copy = |ours: &Unmasking| {
        wire::unmasking(|_| Some(1), &wire::unmask_request([1; 16].into(), ours)).unwrap()
    };
    let ours = state.shares.remove(&district(1)).unwrap();
    let again = copy(&ours);
    state.hub.accept(&district(1), ours).unwrap();
    assert_rejects(state.hub.accept(&district(1), again), Step::Unmask, 1, "duplicate");
}

#[test]
fn a_share_under_another_place_is_refused_on_the_wire() {
    let (_, state) = collected(&[9]);
    let sent = wire::unmask_request([1; 16].into(), &state.shares[&district(1)]);
    let refused = wire::unmasking(|_| Some(2), &sent).map(|_| ()).unwrap_err();
    assert_eq!((refused.field, refused.code()), ("seed_shares", "malformed"));
    assert!(wire::unmasking(|_| Some(0), &sent).is_err());
}

#[test]
fn a_share_a_byte_short_is_refused_on_the_wire() {
    let (_, state) = collected(&[9]);
    let mut sent = wire::unmask_request([1; 16].into(), &state.shares[&district(1)]);
    sent.mask_key_shares[0].share.pop();
    let refused = wire::unmasking(|_| Some(1), &sent).map(|_| ()).unwrap_err();
    assert_eq!((refused.field, refused.code()), ("mask_key_shares", "malformed"));
}

/// The sum when district 2 deals, in good order and properly sealed, shares of other secrets than
/// it committed to; it masks and answers honestly, or is lost after U₂.
fn sum_with_a_dealer_of_others(
    instead: impl Fn(&Secrets) -> [[u8; 32]; 2],
    lost: &[u16],
) -> Result<NoisySum, Abort> {
    let mut net = Network::new(9, 2, 1);
    let two = district(2);
    let secrets = Secrets::drawn_from(&net.rng[&two]);
    let advertised = net.advertise(&[]).unwrap();
    let shown = advertised.advertisements.clone();
    let mut shared = advertised.share(&mut net, &[]).unwrap();
    let (ctx, xs) = (net.terms.ctx(), (1..=9).collect::<Vec<u8>>());
    let [seed, mask] = instead(&secrets).map(|secret| {
        witness::deal(&secret, usize::from(net.terms.cohort.t), &xs, &mut seeded(8, 8))
    });
    for (index, holder) in net.everybody().iter().enumerate().filter(|(_, one)| **one != two) {
        let pair = (&two, holder);
        let key = witness::key(&secrets.seal, &shown[index].seal_key, &ctx, "share", pair);
        let sealed = witness::seal(&key, &ctx, pair, [&seed[index], &mask[index]]);
        let seals = shared.seals.get_mut(holder).unwrap();
        seals.iter_mut().find(|seal| seal.peer == two).unwrap().sealed = sealed;
    }
    let acknowledged = shared.acknowledge(&[]).unwrap();
    let masked = acknowledged.mask(&net, &districts(lost.iter().copied())).unwrap();
    masked.confirm(&[]).unwrap().unmask(&[])
}

#[test]
fn shares_of_another_seed_than_the_one_committed_to_name_their_dealer() {
    let sum = sum_with_a_dealer_of_others(|secrets| [[7; 32], secrets.mask], &[]);
    assert_aborts(sum, Step::Unmask, Some(2), "unrecoverable");
}

#[test]
fn shares_of_another_mask_key_than_the_one_advertised_name_their_dealer() {
    let sum = sum_with_a_dealer_of_others(|secrets| [secrets.seed, [7; 32]], &[2]);
    assert_aborts(sum, Step::Unmask, Some(2), "unrecoverable");
}

#[test]
fn a_dealer_of_wrong_shares_nobody_needs_does_no_harm() {
    let sum = sum_with_a_dealer_of_others(|secrets| [secrets.seed, [7; 32]], &[]);
    assert_eq!(sum.unwrap().survivors().len(), 9);
}

#[test]
fn a_redealt_true_secret_opens_the_sum() {
    assert!(sum_with_a_dealer_of_others(|secrets| [secrets.seed, secrets.mask], &[]).is_ok());
}

/// The coordinator sees a share off the polynomial; whether its giver changed it or its dealer made
/// it so, it cannot see. `liars` names the giver.
#[test]
fn a_dealer_that_deals_one_holder_a_wrong_share_makes_that_holder_look_like_a_liar() {
    let mut net = Network::new(9, 2, 1);
    let (two, one) = (district(2), district(1));
    let secrets = Secrets::drawn_from(&net.rng[&two]);
    let advertised = net.advertise(&[]).unwrap();
    let theirs = advertised.advertisements[0].seal_key;
    let mut shared = advertised.share(&mut net, &[]).unwrap();
    let (ctx, pair) = (net.terms.ctx(), (&two, &one));
    let key = witness::key(&secrets.seal, &theirs, &ctx, "share", pair);
    let sealed = &mut shared.seals.get_mut(&one).unwrap()[0].sealed;
    let [mut seed, mask] = witness::open(&key, &ctx, pair, sealed).unwrap();
    seed[7] ^= 1;
    *sealed = witness::seal(&key, &ctx, pair, [&seed, &mask]);
    let masked = shared.acknowledge(&[]).unwrap().mask(&net, &[]).unwrap();
    let sum = masked.confirm(&[]).unwrap().unmask(&[]).unwrap();
    assert_eq!(sum.words(), net.plain_sum(&net.everybody()));
    assert_eq!(sum.liars(), districts([1]));
}

/// X25519 clears five bits of a scalar: a wrong share that recovers another scalar of the same
/// public key still opens the sum, and frames nobody.
#[test]
fn a_wrong_share_hidden_in_the_bits_x25519_ignores_frames_nobody() {
    let (net, mut state) = collected(&[9]);
    let ours = &mut state.shares.get_mut(&district(1)).unwrap().mask_keys[0].1;
    let mut bytes: [u8; SHARE_BYTES] = ours.as_bytes().try_into().unwrap();
    bytes[1] ^= 1;
    *ours = Share::parse(&bytes, 1).unwrap();
    let survivors = state.survivors.clone();
    let sum = state.close().unwrap();
    assert_eq!(sum.words(), net.plain_sum(&survivors));
    assert!(sum.liars().iter().all(|one| *one == district(1)), "{:?}", sum.liars());
}

#[test]
fn what_holds_shares_or_sums_does_not_show_them() {
    let (_, state) = collected(&[9]);
    let ours = &state.shares[&district(1)];
    let shown = format!("{ours:?}");
    let bytes = Zeroizing::new(ours.seeds[0].1.as_bytes().to_vec());
    assert!(!shown.contains(&hex::encode(&bytes[1..])) && shown.contains("Share"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", &bytes[1..])), "{shown}");
    let sum = state.close().unwrap();
    assert_eq!(format!("{sum:?}"), "NoisySum { words: 7, .. }");
}
