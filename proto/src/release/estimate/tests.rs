//! Intervals against hand-worked numbers and against simulated noise. Random tests fail by chance
//! less often than once in a million runs (α = 1e-6), and not at all for the seed printed.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use super::*;

const SEED: u64 = 0x5eed_0006;
const DRAWS: u32 = 20_000;
/// Two-sided 1e-6 point of the normal distribution.
const Z_ALPHA: f64 = 4.892;

fn measured(value: f64, variance: f64) -> Measured {
    Measured { value, variance }
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{got}, not {want}");
}

/// A standard normal number by Box and Muller.
fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let mut uniform = || f64::from(rng.next_u32() >> 1) / f64::from(1_u32 << 31);
    let (radius, angle) = (1.0 - uniform(), uniform());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[test]
fn fieller_gives_the_intervals_worked_out_by_hand() {
    // z = 1. 6/4, variances 36 and 7: 9θ² − 48θ + 0 = 0 at θ = 0 and 16/3.
    let (low, high) = fieller(measured(6.0, 36.0), measured(4.0, 7.0), 0.0, 1.0).unwrap();
    near(low, 0.0);
    near(high, 16.0 / 3.0);
    // z = 2. 30/100, variances 25 and 50, covariance 25: 9800θ² − 5800θ + 800 = 0.
    let (low, high) = fieller(measured(30.0, 25.0), measured(100.0, 50.0), 25.0, 2.0).unwrap();
    near(low, (2900.0 - 570_000_f64.sqrt()) / 9800.0);
    near(high, (2900.0 + 570_000_f64.sqrt()) / 9800.0);
    // Without noise in y it is x/y ± z·sd(x)/y.
    let (low, high) = fieller(measured(30.0, 4.0), measured(10.0, 0.0), 0.0, 3.0).unwrap();
    near(low, 2.4);
    near(high, 3.6);
}

#[test]
fn fieller_has_no_interval_where_y_may_be_nothing() {
    for y in [0.0, 1.9, -1.9, 2.0, f64::NAN] {
        assert_eq!(fieller(measured(5.0, 1.0), measured(y, 1.0), 0.0, 2.0), None, "{y}");
    }
    assert!(fieller(measured(5.0, 1.0), measured(2.1, 1.0), 0.0, 2.0).is_some());
}

#[test]
fn every_end_of_fiellers_interval_is_z_standard_deviations_away() {
    let (x, y, c, z) = (measured(1234.5, 900.0), measured(6543.0, 1600.0), 400.0, 1.7);
    let (low, high) = fieller(x, y, c, z).unwrap();
    for end in [low, high] {
        let distance = (x.value - end * y.value).abs();
        let sd = (x.variance - 2.0 * end * c + end * end * y.variance).sqrt();
        near(distance / sd, z);
    }
}

#[test]
fn a_rate_is_the_share_with_the_noise_of_both_its_words() {
    // z² · variance = 100.
    let variance = 100.0 / (Z975 * Z975);
    let got = rate(30.0, 70.0, variance);
    near(got.value, 0.3);
    near(got.sd, (variance * 0.58).sqrt() / 100.0);
    near(got.low, (2900.0 - 570_000_f64.sqrt()) / 9800.0);
    near(got.high, (2900.0 + 570_000_f64.sqrt()) / 9800.0);
    near(got.half_width, 570_000_f64.sqrt() / 9800.0);
}

#[test]
fn rates_stay_between_0_and_1_and_never_lose_their_width() {
    for (num, rest, value) in [(-40.0, 200.0, 0.0), (0.0, 160.0, 0.0), (170.0, -9.0, 1.0)] {
        let got = rate(num, rest, 100.0);
        near(got.value, value);
        assert!(got.low >= 0.0 && got.high <= 1.0 && got.high - got.low > 0.05, "{got:?}");
        assert!((got.low..=got.high).contains(&got.value), "{got:?}");
    }
    let unbounded = rate(3.0, 4.0, 100.0);
    assert_eq!((unbounded.low.to_bits(), unbounded.high.to_bits()), (0, 1.0_f64.to_bits()));
    assert!(unbounded.half_width.is_infinite());
}

#[test]
fn means_stay_within_their_bounds_and_never_lose_their_width() {
    let n = measured(100.0, 4.0);
    for (sum, value) in [(9_000.0, 50.0), (-9_000.0, -40.0), (1_000.0, 10.0)] {
        let got = mean(measured(sum, 10_000.0), n, (-40.0, 50.0));
        near(got.value, value);
        assert!(got.low >= -40.0 && got.high <= 50.0 && got.high - got.low > 1.9, "{got:?}");
        assert!((got.low..=got.high).contains(&got.value), "{got:?}");
    }
}

#[test]
fn a_count_is_its_noisy_self_with_a_normal_interval() {
    let got = count(measured(60.0, 100.0));
    near(got.value, 60.0);
    near(got.low, 60.0 - 19.599_639_845_400_54);
    near(got.high, 60.0 + 19.599_639_845_400_54);
    near(count(measured(5.0, 100.0)).low, 0.0);
}

/// The share of draws whose interval holds the truth.
fn coverage(seed: u64, truth: f64, draw: impl Fn(&mut ChaCha20Rng) -> Estimate) -> f64 {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let held = (0..DRAWS).filter(|_| {
        let got = draw(&mut rng);
        assert!(got.low <= got.value && got.value <= got.high, "seed {seed}: {got:?}");
        got.low <= truth && truth <= got.high
    });
    f64::from(u32::try_from(held.count()).unwrap()) / f64::from(DRAWS)
}

/// True coverage between 94 and 97.5 %, as far as the draws can tell.
#[track_caller]
fn covers(what: &str, seed: u64, got: f64) {
    let error = |share: f64| Z_ALPHA * (share * (1.0 - share) / f64::from(DRAWS)).sqrt();
    let range = 0.94 - error(0.94)..=0.975 + error(0.975);
    assert!(range.contains(&got), "{what}, seed {seed}: {got}");
}

/// Coverage of exactly 95 %, as far as the draws can tell.
#[track_caller]
fn covers_exactly(what: &str, seed: u64, got: f64) {
    let error = Z_ALPHA * (0.95_f64 * 0.05 / f64::from(DRAWS)).sqrt();
    assert!((got - 0.95).abs() <= error, "{what}, seed {seed}: {got} ± {error}");
}

#[test]
fn intervals_of_rates_hold_the_truth_as_often_as_they_say() {
    let sd = 20.0;
    for (at, (num, rest)) in
        [(50.0, 50.0), (100.0, 400.0), (1_000.0, 5_000.0), (0.0, 300.0), (300.0, 3.0)]
            .into_iter()
            .enumerate()
    {
        let seed = SEED + u64::try_from(at).unwrap();
        let got = coverage(seed, num / (num + rest), |rng| {
            rate(num + sd * normal(rng), rest + sd * normal(rng), sd * sd)
        });
        covers(&format!("{num}/{rest}"), seed, got);
        if num > 5.0 * sd && rest > 5.0 * sd {
            covers_exactly(&format!("{num}/{rest}"), seed, got);
        }
    }
}

#[test]
fn intervals_of_means_hold_the_truth_as_often_as_they_say() {
    // Grid units: bounds ±175, sums with the noise of R = 175.
    let (sd_sum, sd_n) = (1_200.0, 15.0);
    for (at, (mean_of, n)) in
        [(7.0, 3_000.0), (-120.0, 500.0), (60.0, 120.0), (175.0, 200.0)].into_iter().enumerate()
    {
        let seed = SEED + 100 + u64::try_from(at).unwrap();
        let got = coverage(seed, mean_of, |rng| {
            let sum = measured(mean_of * n + sd_sum * normal(rng), sd_sum * sd_sum);
            mean(sum, measured(n + sd_n * normal(rng), sd_n * sd_n), (-175.0, 175.0))
        });
        covers(&format!("{mean_of} of {n}"), seed, got);
        if mean_of < 100.0 {
            covers_exactly(&format!("{mean_of} of {n}"), seed, got);
        }
    }
}

#[test]
fn the_sd_of_a_ratio_is_that_of_its_noise() {
    let seed = SEED + 200;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (num, rest, sd) = (800.0, 1_200.0, 20.0);
    let stated = rate(num, rest, sd * sd).sd;
    let mut squares = 0.0;
    for _ in 0..DRAWS {
        let got = rate(num + sd * normal(&mut rng), rest + sd * normal(&mut rng), sd * sd);
        squares += (got.value - 0.4).powi(2);
    }
    let ratio = squares / f64::from(DRAWS) / (stated * stated);
    // Of a variance over so many draws; 1 % for what the first order leaves out.
    let error = Z_ALPHA * (2.0 / f64::from(DRAWS)).sqrt() + 0.01;
    assert!((ratio - 1.0).abs() <= error, "seed {seed}: {ratio} ± {error}");
}
