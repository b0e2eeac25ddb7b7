//! The attack on the survivor set: the coordinator shows two camps of honest districts different
//! sets, and its c colluders sign both. With 2t > n + c it never has t signatures on two sets, so
//! it never opens two sums whose difference would be one district.

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{Confirmation, ExpectConfirmations};
use flashlight_proto::study::{CohortRule, CohortSizes};
use flashlight_tests::{Network, district, identity, number, witness};

use crate::districts;

/// Every cohort the rule accepts up to 254 districts (for each n and c, the most that may drop).
fn accepted() -> impl Iterator<Item = CohortSizes> {
    (4..=254u16).flat_map(|n| {
        (1..n).filter_map(move |c| {
            let rule = |max_dropped| CohortRule { min_districts: n, max_dropped, max_colluding: c };
            (0..n).rev().find_map(|dropped| rule(dropped).sizes(n).ok())
        })
    })
}

/// Signatures the coordinator can gather on two different sets: honest districts sign one each.
fn two_sets_can_be_signed(honest: u16, c: u16, t: u16) -> bool {
    (0..=honest).any(|first| first + c >= t && honest - first + c >= t)
}

#[test]
fn no_split_of_the_honest_gathers_t_signatures_on_two_sets_in_any_accepted_cohort() {
    let mut seen = 0;
    for sizes in accepted() {
        let CohortSizes { n, t, c, .. } = sizes;
        assert!(!two_sets_can_be_signed(n - c, c, t), "{sizes:?}");
        seen += 1;
    }
    assert!(seen > 10_000, "{seen}");
}

#[test]
fn with_one_signature_less_required_the_attack_would_succeed_in_every_even_case() {
    for CohortSizes { n, t, c, .. } in accepted().filter(|sizes| (sizes.n + sizes.c) % 2 == 0) {
        assert!(two_sets_can_be_signed(n - c, c, t - 1), "n {n}, c {c}");
    }
}

/// A subtler split: some honest districts are shown another U₂ than the t − c honest signers. Their
/// vectors could be summed apart only if the honest districts in that U₂ (m − c at least) were all
/// among themselves or lost, and those are n − t at most: m + t > n + c forbids it.
#[test]
fn no_group_that_was_shown_another_second_set_can_be_summed_apart() {
    for CohortSizes { n, m, t, c, .. } in accepted() {
        assert!(m - c > n - t, "n {n}, m {m}, t {t}, c {c}");
    }
}

/// One attack on real nodes: `first` honest districts are told that everybody survived, the other
/// honest ones that district 1 of the first camp is lost; the last c districts collude and sign both.
/// Gives how many nodes of either camp gave shares.
fn attack(net: &mut Network, first: u16) -> (usize, usize) {
    let (n, c) = (net.terms.cohort.n, net.terms.cohort.c);
    let honest = n - c;
    let advertised = net.advertise(&[]).unwrap();
    let shown = advertised.advertisements.clone();
    let acknowledged = advertised.share(net, &[]).unwrap().acknowledge(&[]).unwrap();
    let all = net.everybody();
    let others: Vec<DistrictId> = all[1..].to_vec();
    let masked = acknowledged.mask(net, &[]).unwrap();
    let ctx = net.terms.ctx();
    let digests = [&all, &others].map(|set| witness::confirm_digest(&ctx, &shown, &all, set));
    let mut camps: [Vec<(ExpectConfirmations, Confirmation)>; 2] = [Vec::new(), Vec::new()];
    for (one, node) in masked.nodes.into_iter().filter(|(one, _)| number(one) <= honest) {
        let camp = usize::from(number(&one) > first);
        let set = if camp == 0 { &all } else { &others };
        let (node, signature) = node.confirm(set.clone(), &identity(number(&one))).unwrap();
        camps[camp].push((node, Confirmation { district: one, signature }));
    }
    let opened = [0, 1].map(|camp| {
        let mut signed: Vec<Confirmation> =
            camps[camp].iter().map(|(_, one)| one.clone()).collect();
        signed.extend((honest + 1..=n).map(|colluder| {
            witness::confirmation(&district(colluder), &identity(colluder), &digests[camp])
        }));
        let nodes = std::mem::take(&mut camps[camp]);
        nodes.into_iter().filter_map(|(node, _)| node.unmask(&signed).ok()).count()
    });
    (opened[0], opened[1])
}

#[test]
fn two_camps_of_real_nodes_never_both_open_with_the_colluders_signing_for_both() {
    for (n, dropped, c) in [(5, 1, 1), (7, 1, 2), (8, 1, 2), (9, 1, 3)] {
        let honest = n - c;
        let mut opened_some = false;
        for first in 1..honest {
            let (one, other) = attack(&mut Network::new(n, dropped, c), first);
            assert!(one == 0 || other == 0, "n {n}, c {c}, {first} in the first camp");
            opened_some |= one + other > 0;
        }
        assert!(opened_some, "n {n}, c {c}: a camp with a quorum opens, or this test sees nothing");
    }
}

/// The shares that colluders hold are too few for any secret: c < t in every cohort, and with the
/// honest camp that lost the vote still too few.
#[test]
fn the_shares_of_colluders_and_of_the_losing_camp_open_no_secret() {
    for CohortSizes { n, t, c, .. } in accepted() {
        assert!(c < t);
        let losing = n - c - (t - c);
        assert!(losing + c < t, "n {n}, t {t}, c {c}");
    }
    assert_eq!(districts([1]), vec![district(1)]);
}
