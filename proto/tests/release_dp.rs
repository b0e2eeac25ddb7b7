//! Releases with noise: what is shown follows from the noisy sums, small groups are withheld, and
//! intervals hold the truth as often as they say. Random tests fail by chance less often than once
//! in a million runs (α = 1e-6), and not at all for the seed printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "study_support/noisy.rs"]
mod noisy;
#[path = "study_support/round.rs"]
mod round;
mod study_support;

use flashlight_proto::{
    dp::forecast::{Z99, Z975},
    layout::{Encoding, Part},
    release::{Noisy, NoisySums, Outcome, RoundFacts},
    study::Mode,
};
use noisy::{add_noise, build, build_with, draft, fine, plan};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use round::facts;
use study_support::Draft;

const SEED: u64 = 0x5eed_0016;
/// Two-sided 1e-6 point of the normal distribution.
const Z_ALPHA: f64 = 4.892;

/// Words without noise: all cells alike. `n` students, of which a quarter in the numerator, and a
/// sum of `per` grid units a student from the centre.
fn exact(draft: &Draft, n: i64, per: i64) -> Vec<i64> {
    let layout = draft.layout();
    let mut words = vec![0; layout.words()];
    for block in layout.blocks() {
        let range = block.first_word()..block.first_word() + block.words();
        for cell in words[range].chunks_mut(block.encoding.words()) {
            match block.encoding {
                Encoding::Count => cell[0] = n,
                Encoding::Rate => (cell[0], cell[1]) = (n / 4, n - n / 4),
                Encoding::Items => panic!("items are for exact mode"),
                Encoding::Mean { .. } => (cell[0], cell[1]) = (n * per, n),
            }
        }
    }
    words
}

fn sums(draft: &Draft, n: i64, per: i64) -> Vec<i64> {
    fine(&plan(draft), &draft.layout(), &exact(draft, n, per))
}

/// The first cell of each table.
fn firsts(draft: &Draft, sums: &[i64]) -> Vec<Outcome> {
    let release = build(draft, sums).unwrap();
    let first = |table| release.cells().iter().find(|cell| cell.table == table).unwrap().outcome;
    (1..=5).map(first).collect()
}

fn shown(outcome: &Outcome) -> &Noisy {
    outcome.noisy().expect("the cell is withheld")
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1e-3), "{got}, not {want}");
}

fn small<T: TryInto<i32>>(number: T) -> f64 {
    number.try_into().map(f64::from).unwrap_or(f64::NAN)
}

#[test]
fn every_number_of_a_cell_follows_from_the_noisy_sums_and_the_plan() {
    every_number("0.5", 0);
}

#[test]
fn every_number_of_a_cell_follows_from_sums_on_a_finer_grid_too() {
    every_number("30", 3);
}

#[track_caller]
fn every_number(rho: &str, bits: u32) {
    let draft = draft(rho);
    let plan = plan(&draft);
    assert_eq!(plan.block(0, Part::Counts).unwrap().scale_bits, bits);
    let outcomes = firsts(&draft, &sums(&draft, 2_000, 30));
    let sd = |table, part| plan.block(table, part).unwrap().sd(4);
    let (students, met) = (sd(0, Part::Counts), sd(3, Part::Counts));
    let one = shown(&outcomes[0]);
    near(one.value, 2_000.0);
    near(one.sd, students);
    near(one.sd_n, students);
    near(one.low, 2_000.0 - Z975 * students);
    near(one.high, 2_000.0 + Z975 * students);
    let rate = shown(&outcomes[3]);
    near(rate.value, 0.25);
    near(rate.sd_n, 2_f64.sqrt() * met);
    near(rate.sd, met * (0.75_f64 * 0.75 + 0.25 * 0.25).sqrt() / 2_000.0);
    // Math lies between 100 and 220 points, its centre is 1600 grid units.
    let mean = shown(&outcomes[2]);
    near(mean.value, 163.0);
    near(mean.sd_n, 2_f64.sqrt() * met);
    let sum = sd(2, Part::Sums);
    near(mean.sd, sum.hypot(30.0 * 2_f64.sqrt() * met) / 2_000.0 / 10.0);
    // Reading has no share beside it, and counts its scores itself.
    near(shown(&outcomes[4]).sd_n, sd(4, Part::Counts));
    for outcome in &outcomes {
        assert_eq!(outcome.n(), Some(2_000));
        let one = shown(outcome);
        assert!(one.low < one.value && one.value < one.high, "{one:?}");
    }
}

#[test]
fn n_is_rounded_half_up_and_the_value_of_a_count_is_not() {
    let draft = draft("30");
    for (eighths, n) in [(3, 2_000), (4, 2_001), (-4, 2_000), (-5, 1_999)] {
        let mut sums = sums(&draft, 2_000, 0);
        sums[0] += eighths;
        let one = *shown(&firsts(&draft, &sums)[0]);
        assert_eq!(one.n, n, "{eighths}");
        near(one.value, 2_000.0 + small(eighths) / 8.0);
    }
}

#[test]
fn a_mean_prints_the_n_of_the_share_it_is_carried_by() {
    let draft = draft("0.5");
    let outcomes = firsts(&draft, &sums(&draft, 2_000, 30));
    let (NoisySums::Mean { n, n_scale_bits, units_per_point, .. }, rate) =
        (shown(&outcomes[2]).sums, shown(&outcomes[3]).sums)
    else {
        panic!("table 3 is no mean");
    };
    assert_eq!(n, 2_000 << n_scale_bits);
    assert_eq!(units_per_point, 10);
    let bits = n_scale_bits;
    let (num, rest) = (500 << bits, 1_500 << bits);
    assert_eq!(rate, NoisySums::Rate { num, rest, n_scale_bits });
}

#[test]
fn noise_is_that_of_the_districts_that_survived() {
    let draft = draft("0.5");
    let four = facts(&draft.study().unwrap());
    let five = RoundFacts { survivors: four.cohort.clone(), lost: vec![], ..four.clone() };
    let sums = sums(&draft, 2_000, 30);
    let sd = |facts| {
        let release = build_with(&draft, &sums, facts).unwrap();
        release.cells().iter().map(|cell| shown(&cell.outcome).sd).collect::<Vec<_>>()
    };
    for (five, four) in sd(five).into_iter().zip(sd(four)) {
        near(five / four, 1.25_f64.sqrt());
    }
}

#[test]
fn cells_are_shown_from_the_threshold_on_in_every_table_and_group() {
    ["0.5", "30"].into_iter().for_each(shown_from_the_threshold_on);
}

fn shown_from_the_threshold_on(rho: &str) {
    let draft = draft(rho);
    let (plan, layout) = (plan(&draft), draft.layout());
    for block in layout.blocks() {
        // Table 3 takes its n from table 4.
        let counted = if block.table == 2 { 3 } else { block.table };
        let counts = plan.block(counted, Part::Counts).unwrap();
        let is_two = [1, 2, 3].contains(&block.table);
        let sd = counts.sd(4) * if is_two { 2_f64.sqrt() } else { 1.0 };
        let threshold = (11.0 + Z99 * sd) * small(1 << counts.scale_bits);
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
        let least = threshold.ceil() as i64;
        for (n, is_shown) in [(least - 1, false), (least, true)] {
            let mut sums = vec![0; layout.words()];
            for at in layout.blocks().iter().filter(|at| at.table == counted) {
                let cells = at.first_word()..at.first_word() + at.words();
                let words = at.encoding.words();
                sums[cells].chunks_mut(words).for_each(|cell| cell[words - 1] = n);
            }
            let release = build(&draft, &sums).unwrap();
            let cells = release
                .cells()
                .iter()
                .filter(|cell| cell.table == block.table + 1 && cell.family == block.family);
            for cell in cells {
                assert_eq!(cell.outcome.noisy().is_some(), is_shown, "{n} {cell:?}");
            }
        }
    }
}

#[test]
fn a_group_below_min_n_is_shown_less_than_once_in_a_hundred() {
    let draft = draft("0.2");
    let (plan, layout) = (plan(&draft), draft.layout());
    let clean = fine(&plan, &layout, &exact(&draft, 10, 0));
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let (mut all, mut seen) = (0_u32, 0_u32);
    for _ in 0..1_000 {
        let mut sums = clean.clone();
        add_noise(&plan, 4, &mut sums, &mut rng);
        for cell in build(&draft, &sums).unwrap().cells() {
            // Cells of table 3 show when those of table 4 do.
            if cell.table != 3 {
                all += 1;
                seen += u32::from(cell.outcome != Outcome::Suppressed);
            }
        }
    }
    let share = f64::from(seen) / f64::from(all);
    let error = Z_ALPHA * (0.01 * 0.99 / f64::from(all)).sqrt();
    assert!(share <= 0.01 + error, "seed {SEED}: {share} of {all} shown, more than 0.01 + {error}");
    assert!(share > 0.0, "seed {SEED}: the noise of this test never reaches the threshold");
}

#[test]
fn intervals_hold_the_truth_and_noise_has_the_sd_stated_for_every_kind_of_value() {
    ["0.5", "30"].into_iter().for_each(intervals_hold_the_truth);
}

fn intervals_hold_the_truth(rho: &str) {
    let draft = draft(rho);
    let (plan, layout) = (plan(&draft), draft.layout());
    let clean = fine(&plan, &layout, &exact(&draft, 1_200, 30));
    let truth = [1_200.0, 0.25, 163.0, 0.25, 3.5];
    let mut rng = ChaCha20Rng::seed_from_u64(SEED + 1);
    let (mut draws, mut held, mut squares) = (0.0, [0.0; 5], [0.0; 5]);
    for _ in 0..800 {
        let mut sums = clean.clone();
        add_noise(&plan, 4, &mut sums, &mut rng);
        let release = build(&draft, &sums).unwrap();
        for cell in release.cells() {
            let (kind, got) = (cell.table - 1, shown(&cell.outcome));
            held[kind] += f64::from(u8::from((got.low..=got.high).contains(&truth[kind])));
            squares[kind] += ((got.value - truth[kind]) / got.sd).powi(2);
        }
        draws += small(release.cells().len()) / 5.0;
    }
    for kind in 0..5 {
        let share: f64 = held[kind] / draws;
        let error = |share: f64| Z_ALPHA * (share * (1.0 - share) / draws).sqrt();
        let range = 0.94 - error(0.94)..=0.975 + error(0.975);
        let table = kind + 1;
        assert!(range.contains(&share), "seed {SEED} + 1, table {table}: {share} of {draws}");
        // 1 % for what the first order leaves out.
        let error = Z_ALPHA * (2.0 / draws).sqrt() + 0.01;
        let ratio: f64 = squares[kind] / draws;
        assert!((ratio - 1.0).abs() <= error, "seed {SEED} + 1, table {table}: {ratio} ± {error}");
    }
}

#[test]
fn small_or_wide_cells_are_marked_as_dominated_by_noise() {
    let mut draft = draft("0.5");
    // A mean of so wide a range needs more students than a count.
    draft.tests = draft.tests.replace("max = 200,", "max = 2000,");
    let plan = plan(&draft);
    let sd_n = |table: usize| plan.sd_n(&draft.layout(), table, 4).unwrap();
    let widest = (0..5).map(sd_n).fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
    let few = (11.0 + Z99 * widest).ceil() as i64 + 5;
    let mut only_wide = [false; 5];
    // 83 and 100: n is good enough, and a share, or a mean, is not.
    for (n, many) in [(few, false), (83, false), (100, false), (8_000, true)] {
        for (table, outcome) in firsts(&draft, &sums(&draft, n, 0)).iter().enumerate() {
            let one = shown(outcome);
            let wide = match table {
                0 => false,
                1 | 3 => one.high - one.low > 0.2,
                _ => one.high - one.low > 20.0,
            };
            let share = sd_n(table) / small(n) > 0.1;
            assert_eq!(one.noise_dominated, wide || share, "{n} table {table}: {one:?}");
            only_wide[table] |= wide && !share;
            assert!(!(many && one.noise_dominated), "{n} table {table}: {one:?}");
        }
    }
    assert_eq!(only_wide, [false, true, true, true, false]);
    let few = firsts(&draft, &sums(&draft, few, 0));
    assert!(few.iter().any(|outcome| shown(outcome).noise_dominated));
}

#[test]
fn what_no_students_can_have_is_moved_to_what_they_can() {
    let draft = draft("0.5");
    let layout = draft.layout();
    let mut sums = sums(&draft, 2_000, 0);
    let bits = plan(&draft).block(3, Part::Counts).unwrap().scale_bits;
    for block in layout.blocks() {
        let first = block.first_word();
        match block.table {
            3 => sums[first] = -(3 << bits),
            4 => sums[first] = 500_000,
            _ => {}
        }
    }
    let outcomes = firsts(&draft, &sums);
    let rate = shown(&outcomes[3]);
    assert!(rate.value.abs() < 1e-12 && rate.low.abs() < 1e-12 && rate.high > 0.0, "{rate:?}");
    let mean = shown(&outcomes[4]);
    near(mean.value, 21.0);
    near(mean.high, 21.0);
    assert!(mean.low < 21.0);
}

#[test]
fn sums_that_no_honest_districts_send_are_refused_by_cell_name_without_the_value() {
    let draft = draft("0.5");
    let layout = draft.layout();
    let clean = sums(&draft, 2_000, 0);
    for block in layout.blocks().iter().filter(|block| block.family.is_none()) {
        let last = block.first_word() + block.encoding.words() - 1;
        // The count of table 3 is carried, and 0 alone is sent.
        let bad = if block.table == 2 { [1, -1] } else { [987_654_321_987, -987_654_321_987] };
        for bad in bad {
            let mut sums = clean.clone();
            sums[last] = bad;
            let error = build(&draft, &sums).unwrap_err();
            assert_eq!(error.code(), "sum_impossible", "table {}", block.table);
            let message = error.to_string();
            let indicator = block.indicator.as_str();
            assert!(message.contains(indicator) && !message.contains("987"), "{message}");
        }
    }
}

#[test]
fn a_study_whose_noise_cannot_be_planned_has_no_release() {
    let mut draft = draft("0.5");
    let sums = sums(&draft, 2_000, 0);
    draft.schools = draft.schools.replace("A,ES,03,05,2000", "A,ES,03,05,");
    assert_eq!(build(&draft, &sums).unwrap_err().code(), "noise_enrollment");
}

#[test]
fn facts_of_another_cohort_are_refused() {
    let draft = draft("0.5");
    let mut facts = facts(&draft.study().unwrap());
    facts.sizes.h += 1;
    let error = build_with(&draft, &sums(&draft, 2_000, 0), facts).unwrap_err();
    assert_eq!(error.code(), "release_facts");
}

#[test]
fn the_guarantee_is_computed_from_the_study() {
    let text = |rho: &str| {
        let draft = draft(rho);
        let release = build(&draft, &sums(&draft, 2_000, 0)).unwrap();
        assert_eq!(release.mode(), Mode::Dp);
        let json = String::from_utf8(release.release_json().unwrap()).unwrap();
        assert!(json.contains(&format!("\"guarantee\": \"{}\"", release.guarantee())));
        release.guarantee().to_owned()
    };
    assert_eq!(
        text("0.1"),
        "zCDP rho = 0.1 (epsilon = 2.142 at delta = 1e-6) per student and district; add/remove; \
         see parameters.json"
    );
    assert!(text("1").contains("rho = 1 (epsilon = 7.767 at"));
}
