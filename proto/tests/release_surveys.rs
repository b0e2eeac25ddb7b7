//! Releases of surveys: shares of answers by respondent and by item, exact and with noise.

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

use std::collections::BTreeMap;

use flashlight_proto::{
    layout::{Encoding, Part},
    release::{Outcome, Release, ReleaseError, Verified, VerifyError, verify_folder},
};
use noisy::{build, draft, fine, plan};
use round::{facts, hub};
use study_support::Draft;

/// The same survey by respondent and by item, over the network: five words.
const BOTH: &str = "[[table]]\nindicator = \"climate_belonging_parent\"\n\
                    [[table]]\nindicator = \"climate_belonging_parent\"\npreset = \"item\"\n";

fn exact(sums: &[i64]) -> Result<Release, ReleaseError> {
    let draft = Draft { tables: BOTH.into(), ..Draft::default() };
    let study = draft.study().unwrap();
    Release::build(&study, &draft.table(), &draft.layout(), sums, facts(&study), Vec::new())
}

fn folder(draft: &Draft, release: &Release) -> Result<Verified, VerifyError> {
    let files = release.clone().folder(&hub(), draft.toml().as_bytes(), draft.schools.as_bytes());
    let files: BTreeMap<_, _> = files.unwrap().into_iter().collect();
    verify_folder(&files, Some(&hub().public()))
}

#[test]
fn a_survey_shows_the_mean_of_respondents_shares_and_the_share_of_items() {
    // Three parents: all of 2 items, half of 4, none of 1.
    let release = exact(&[10_000 + 5_000 - 3 * 5_000, 3, 4, 3, 3]).unwrap();
    let [respondent, item] = [0, 1].map(|cell| release.cells()[cell].outcome);
    assert_eq!(respondent, Outcome::Mean { sum: 15_000, n: 3, units_per_point: 10_000 });
    assert_eq!(item, Outcome::Items { num: 4, den: 7, n: 3 });
    assert_eq!(respondent.value().map(f64::to_bits), Some(0.5_f64.to_bits()));
    assert_eq!(item.value().map(f64::to_bits), Some((4.0_f64 / 7.0).to_bits()));
}

#[test]
fn the_numbers_of_a_survey_have_their_own_columns_and_are_read_back() {
    let release = exact(&[0, 3, 4, 3, 3]).unwrap();
    let csv = String::from_utf8(release.tables_csv()).unwrap();
    let rows: Vec<_> = csv.lines().collect();
    assert!(rows[0].ends_with("suppressed,value,n,num,den,sum,units_per_point,guarantee"), "{csv}");
    assert!(rows[1].contains(",false,0.5,3,,,15000,10000,no formal"), "{}", rows[1]);
    assert!(rows[2].contains(",false,0.5714285714285714,3,4,7,,,no formal"), "{}", rows[2]);
    let draft = Draft { tables: BOTH.into(), ..Draft::default() };
    let verified = folder(&draft, &release).unwrap();
    assert_eq!(verified.release.cells(), release.cells());
}

#[test]
fn surveys_of_fewer_respondents_than_min_n_are_withheld_however_many_items_they_answered() {
    let release = exact(&[0, 2, 400, 300, 2]).unwrap();
    assert!(release.cells().iter().all(|cell| cell.outcome == Outcome::Suppressed));
}

#[test]
fn sums_that_no_respondents_can_give_are_refused() {
    let faults: [&[i64]; 6] = [
        // A share lies between 0 and 1.
        &[15_001, 3, 4, 3, 3],
        &[-15_001, 3, 4, 3, 3],
        &[0, -3, 4, 3, 3],
        &[0, 3, -1, 9, 3],
        &[0, 3, 4, -1, 3],
        // Whoever is counted answered at least one item.
        &[0, 3, 1, 1, 3],
    ];
    for sums in faults {
        assert_eq!(exact(sums).unwrap_err().code(), "sum_impossible", "{sums:?}");
    }
    assert!(exact(&[15_000, 3, 3, 0, 3]).is_ok() && exact(&[-15_000, 3, 0, 3, 3]).is_ok());
}

/// Students' answers with noise, in the network's one school level.
fn noisy_draft(rho: &str) -> Draft {
    Draft {
        tables: "[[table]]\nindicator = \"sel_growth_mindset\"\nfamilies = [\"sex\"]\n\
                 [[table]]\nindicator = \"climate_safety_staff\"\n"
            .into(),
        ..draft(rho)
    }
}

/// `n` respondents in every cell, each `share` ten thousandths from the middle.
fn words(draft: &Draft, n: i64, share: i64) -> Vec<i64> {
    let layout = draft.layout();
    let cells = layout.blocks().iter().flat_map(|block| {
        assert_eq!(block.encoding, Encoding::Mean { mid: 5_000, low: 0, high: 10_000 });
        block.cells()
    });
    cells.flat_map(|_| [n * share, n]).collect()
}

#[test]
fn with_noise_a_survey_shows_a_share_its_interval_and_its_units() {
    let draft = noisy_draft("0.1");
    let sums = fine(&plan(&draft), &draft.layout(), &words(&draft, 4_000, 2_000));
    let release = build(&draft, &sums).unwrap();
    for cell in release.cells() {
        let shown = cell.outcome.noisy().unwrap();
        assert!((shown.value - 0.7).abs() < 1e-12, "{shown:?}");
        assert!(0.0 < shown.sd && shown.sd < 0.05, "{shown:?}");
        assert!(0.0 <= shown.low && shown.low < 0.7 && 0.7 < shown.high && shown.high <= 1.0);
        assert!((shown.high - shown.low - 3.92 * shown.sd).abs() < 0.01, "{shown:?}");
    }
    let json = String::from_utf8(release.release_json().unwrap()).unwrap();
    assert!(json.contains("\"units_per_point\": 10000") && json.contains("\"mid\": 5000"));
    let verified = folder(&draft, &release).unwrap();
    assert_eq!(verified.release.cells(), release.cells());
}

#[test]
fn an_interval_wider_than_ten_percentage_points_is_dominated_by_noise() {
    let flags = |rho: &str| {
        let draft = noisy_draft(rho);
        let sums = fine(&plan(&draft), &draft.layout(), &words(&draft, 4_000, 0));
        let release = build(&draft, &sums).unwrap();
        let noisy = release.cells()[0].outcome.noisy().copied().unwrap();
        let wide = noisy.high - noisy.low > 0.2;
        assert_eq!(noisy.noise_dominated, wide || noisy.sd_n / 4_000.0 > 0.1, "{noisy:?}");
        wide
    };
    assert!(!flags("0.1"));
    assert!(flags("0.00001"));
}

#[test]
fn a_share_beyond_its_bounds_by_noise_is_moved_to_them() {
    let draft = noisy_draft("0.1");
    let plan = plan(&draft);
    let mut sums = fine(&plan, &draft.layout(), &words(&draft, 4_000, 5_000));
    let sums_block = plan.block(0, Part::Sums).unwrap();
    sums[sums_block.block.words().next().unwrap()] += 1_i64 << (10 + sums_block.scale_bits);
    let shown = *build(&draft, &sums).unwrap().cells()[0].outcome.noisy().unwrap();
    assert!((shown.value - 1.0).abs() < 1e-12 && shown.high <= 1.0, "{shown:?}");
}

#[test]
fn the_forecast_of_a_survey_is_in_percentage_points() {
    let draft = noisy_draft("0.1");
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let plan = plan(&draft);
    let forecast = &plan.forecast(&study, &draft.table(), &layout, 5)[0];
    let at = forecast.sizes[2];
    let sums = fine(&plan, &layout, &words(&draft, 10_000, 0));
    // All five survive in the forecast, four in the facts.
    let shown = *build(&draft, &sums).unwrap().cells()[0].outcome.noisy().unwrap();
    let own = shown.sd * (5.0_f64 / 4.0).sqrt();
    // The middle share costs the noise of n, too: half of it counts.
    assert!((at.sd / 100.0 - own).abs() < 0.3 * own, "{at:?} {shown:?}");
}
