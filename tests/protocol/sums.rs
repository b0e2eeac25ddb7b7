//! The opened sum is the plaintext sum over U₃, to the last integer.

use flashlight_proto::contribution::MAX_WORD;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::NoisySum;
use flashlight_tests::{Network, Width, district, seeded};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand_core::Rng;

use crate::districts;

/// How many are lost before each step; who, follows from the seed.
#[derive(Clone, Copy, Debug)]
struct Losses {
    advertise: u16,
    share: u16,
    acknowledge: u16,
    mask: u16,
    confirm: u16,
    unmask: u16,
}

/// One round: its sizes, its losses, and the seed of everything else.
#[derive(Clone, Copy, Debug)]
struct Case {
    n: u16,
    max_dropped: u16,
    max_colluding: u16,
    losses: Losses,
    seed: u64,
}

/// Sizes and losses the rule permits: |U₁|, |U₂|, |U₃| ≥ m; t confirm; t of these unmask.
fn permitted() -> impl Strategy<Value = Case> {
    let sizes = (4u16..=24).prop_flat_map(|n| {
        (1..=n - 3).prop_flat_map(move |c| {
            let least = ((n + c) / 2 + 1).max(c + 3);
            (Just(n), Just(c), 0..=n - least)
        })
    });
    (sizes, any::<[u16; 6]>(), any::<u64>()).prop_map(|((n, c, dropped), draws, seed)| {
        let t = (n + c) / 2 + 1;
        let mut left = n;
        let mut floor = n - dropped;
        let mut lose = |draw: u16, least: u16| {
            floor = floor.min(least);
            let lost = draw % (left - floor + 1);
            left -= lost;
            lost
        };
        let m = n - dropped;
        let losses = Losses {
            advertise: lose(draws[0], m),
            share: lose(draws[1], m),
            acknowledge: lose(draws[2], m),
            mask: lose(draws[3], m),
            confirm: lose(draws[4], t),
            unmask: lose(draws[5], t),
        };
        Case { n, max_dropped: dropped, max_colluding: c, losses, seed }
    })
}

/// Random words over the whole range, its ends among them.
fn random_words(net: &mut Network, seed: u64) {
    let most = i64::try_from(MAX_WORD).unwrap();
    for (index, words) in (0..).zip(net.words.values_mut()) {
        let mut rng = seeded(seed, 1000 + index);
        for word in words {
            *word = match rng.next_u32() % 8 {
                0 => most,
                1 => -most,
                2 => 0,
                _ => i64::try_from(rng.next_u64() % (2 * MAX_WORD + 1)).unwrap() - most,
            };
        }
    }
}

/// Plays the case and gives the sum with the survivors it must be over.
fn play(case: Case) -> (Network, Vec<DistrictId>, NoisySum) {
    let Case { n, max_dropped, max_colluding, losses, seed } = case;
    let mut net = Network::of_width(n, max_dropped, max_colluding, Width::Narrow, 1);
    for (index, rng) in (0..).zip(net.rng.values_mut()) {
        *rng = seeded(seed, index);
    }
    random_words(&mut net, seed);
    let mut there = net.everybody();
    let mut rng = seeded(seed, 2000);
    let mut lose = |count: u16| -> Vec<DistrictId> {
        (0..count)
            .map(|_| {
                let place = rng.next_u32() as usize % there.len();
                there.remove(place)
            })
            .collect()
    };
    let advertised = net.advertise(&lose(losses.advertise)).unwrap();
    let shared = advertised.share(&mut net, &lose(losses.share)).unwrap();
    let acknowledged = shared.acknowledge(&lose(losses.acknowledge)).unwrap();
    let masked = acknowledged.mask(&net, &lose(losses.mask)).unwrap();
    let survivors = masked.survivors.clone();
    let confirmed = masked.confirm(&lose(losses.confirm)).unwrap();
    let sum = confirmed.unmask(&lose(losses.unmask)).unwrap();
    (net, survivors, sum)
}

fn assert_exact(case: Case) {
    let (net, survivors, sum) = play(case);
    let losses = case.losses;
    let before = losses.advertise + losses.share + losses.acknowledge;
    assert_eq!(survivors.len(), usize::from(case.n - before - losses.mask), "{case:?}");
    assert_eq!(sum.survivors(), survivors, "{case:?}");
    assert_eq!(sum.lost().len(), usize::from(losses.mask), "{case:?}");
    assert_eq!(sum.words(), net.plain_sum(&survivors), "{case:?}");
    assert_eq!(sum.liars(), [], "{case:?}");
}

#[test]
fn the_sum_is_exact_for_every_permitted_cohort_and_set_of_losses() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x5e; 32]);
    TestRunner::new_with_rng(config, rng)
        .run(&permitted(), |case| {
            assert_exact(case);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_sum_of_60_districts_is_exact_with_three_lost_after_they_shared() {
    let losses = Losses { advertise: 0, share: 0, acknowledge: 0, mask: 3, confirm: 2, unmask: 1 };
    assert_exact(Case { n: 60, max_dropped: 3, max_colluding: 1, losses, seed: 60 });
}

/// The largest cohort, with places up to 254; many are lost at the start, to keep the test short.
#[test]
fn the_sum_of_a_cohort_of_254_is_exact_with_losses_at_every_step() {
    let losses =
        Losses { advertise: 116, share: 2, acknowledge: 2, mask: 3, confirm: 2, unmask: 1 };
    assert_exact(Case { n: 254, max_dropped: 126, max_colluding: 1, losses, seed: 254 });
}

#[test]
fn a_contribution_over_three_chunks_is_summed_exactly_with_one_lost() {
    let mut net = Network::of_width(5, 1, 1, Width::Wide, 1);
    assert!(net.terms.words > 2 * 16_383, "{}", net.terms.words);
    random_words(&mut net, 3);
    let acknowledged =
        net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
    let masked = acknowledged.mask(&net, &[district(3)]).unwrap();
    let sum = masked.confirm(&[]).unwrap().unmask(&[]).unwrap();
    assert_eq!(sum.words(), net.plain_sum(&districts([1, 2, 4, 5])));
}

/// Of 65,000 × 64 masked bits of zeros half are ones: within 6 standard deviations (α < 1e-8 for
/// the two-sided normal tail), and so for every bit of the word (α < 64e-8). No word stays 0.
#[test]
fn a_masked_vector_of_zeros_looks_like_coin_tosses_in_every_bit() {
    let mut net = Network::of_width(5, 1, 1, Width::Wide, 1);
    let one = district(1);
    net.words.get_mut(&one).unwrap().fill(0);
    let mut acknowledged =
        net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
    let node = acknowledged.nodes.remove(&one).unwrap();
    let (_, masked) = node.mask(&acknowledged.sharers, net.contribution(&one)).unwrap();
    let words: Vec<u64> = masked
        .chunks()
        .flat_map(|chunk| {
            let eights: Vec<u64> = chunk
                .chunks_exact(8)
                .map(|eight| u64::from_le_bytes(eight.try_into().unwrap()))
                .collect();
            eights
        })
        .collect();
    assert_eq!(words.len(), net.terms.words + 3);
    assert!(!words.contains(&0));
    let half = words.len() / 2;
    let six_sd = 3 * words.len().isqrt();
    for bit in 0..64 {
        let ones = words.iter().filter(|word| *word >> bit & 1 == 1).count();
        assert!(ones.abs_diff(half) <= six_sd, "bit {bit}: {ones} of {}", words.len());
    }
}

#[test]
fn the_same_words_are_masked_otherwise_by_every_district_and_in_every_round() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in [1, 2] {
        let mut net = Network::of_width(5, 1, 1, Width::Narrow, seed);
        net.words.values_mut().for_each(|words| words.fill(7));
        let mut acknowledged =
            net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap().acknowledge(&[]).unwrap();
        for one in net.everybody() {
            let node = acknowledged.nodes.remove(&one).unwrap();
            let (_, masked) = node.mask(&acknowledged.sharers, net.contribution(&one)).unwrap();
            for chunk in masked.chunks() {
                assert!(chunk.chunks_exact(8).all(|word| seen.insert(word.to_vec())), "{one}");
            }
        }
    }
    assert_eq!(seen.len(), 2 * 5 * 8);
}
