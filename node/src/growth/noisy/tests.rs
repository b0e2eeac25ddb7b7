//! How far one student moves each word: never beyond what the noise covers.

use flashlight_proto::growth::{
    Broadcast, CROSSED, Column, ColumnKind, EFFECT_BITS, EffectGrid, Lambda,
};
use proptest::prelude::*;

use super::*;
use crate::growth::counts::{Offering, effect_words};

const CLIP: i64 = 9;
const SCHOOL_CLIP: i64 = 4;

fn model(start: bool) -> Model {
    let column = |name: &str, kind, reach: i64| Column {
        name: name.to_owned(),
        kind,
        centre: 0,
        low: -reach,
        high: reach,
        units: 1,
    };
    let public = |at| ColumnKind::Public(at);
    let start = start.then(|| vec![1_i64 << 38, -(1 << 39), 1 << 40]);
    Model {
        name: "m/04".to_owned(),
        section: 0,
        grade: flashlight_proto::category::Grade::G04,
        year: 2024,
        columns: vec![
            column("one", ColumnKind::Intercept, 1),
            column("a", public(0), 7),
            column("b", public(1), 3),
            column("y", ColumnKind::Outcome, 20),
        ],
        contexts: Vec::new(),
        measured: 0,
        noisy: Some(NoisyModel {
            rho: 0.1,
            third: 0.01,
            clip: CLIP,
            school_clip: SCHOOL_CLIP,
            start,
            scales: vec![1.0, 3.0, 2.0, 10.0],
        }),
        percentiles: true,
    }
}

type Drawn = (u32, i64, i64, i64);

fn drawn() -> impl Strategy<Value = Drawn> {
    let value = |reach: i64| prop_oneof![Just(-reach), Just(reach), -reach..=reach];
    (0_u32..3, value(7), value(3), value(20))
}

/// Also at a school that does not offer the grade.
fn anywhere() -> impl Strategy<Value = Drawn> {
    (drawn(), 0_u32..4).prop_map(|((_, a, b, y), school)| (school, a, b, y))
}

fn row((school, a, b, y): Drawn) -> GrowthRow {
    GrowthRow { school, values: vec![1, a, b, y], errors: Vec::new() }
}

fn moved(reaches: &[u64], with: &[i128], without: &[i128]) -> Result<(), TestCaseError> {
    prop_assert_eq!(reaches.len(), with.len());
    for (at, reach) in reaches.iter().enumerate() {
        let moved = (with[at] - without[at]).unsigned_abs();
        prop_assert!(moved <= u128::from(*reach), "word {} moved by {}, not {}", at, moved, reach);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_student_moves_a_word_of_the_first_round_beyond_its_reach(
        rows in prop::collection::vec(drawn(), 0..6), one in drawn(), start: bool,
    ) {
        let model = model(start);
        let noisy = model.noisy.clone().unwrap();
        let mut rows: Vec<GrowthRow> = rows.into_iter().map(row).collect();
        let without = first(&model, &noisy, &rows).unwrap();
        rows.push(row(one));
        let with = first(&model, &noisy, &rows).unwrap();
        let reaches: Vec<u64> = noisy.first(&model).iter().map(|one| one.reach).collect();
        moved(&reaches, &with, &without)?;
    }

    #[test]
    fn no_student_moves_a_word_of_the_second_round_beyond_its_reach(
        rows in prop::collection::vec(drawn(), 0..6), one in drawn(),
    ) {
        let model = model(false);
        let noisy = model.noisy.clone().unwrap();
        let at = Broadcast {
            model: model.name.clone(),
            lambdas: Vec::new(),
            ols: vec![1 << 38, -(1 << 39), 1 << 40],
            eiv: None,
            effects: None,
        };
        let mut rows: Vec<GrowthRow> = rows.into_iter().map(row).collect();
        let without = second(&model, &noisy, &at, &rows).unwrap();
        rows.push(row(one));
        let with = second(&model, &noisy, &at, &rows).unwrap();
        let reaches: Vec<u64> = noisy.second().iter().map(|one| one.reach).collect();
        moved(&reaches, &with, &without)?;
    }

    #[test]
    fn no_student_moves_the_counts_of_effects_by_more_than_the_noise_is_for(
        rows in prop::collection::vec(anywhere(), 0..8), one in anywhere(), lambda in 0.01_f64..3.0,
    ) {
        let model = model(false);
        let lambda = Lambda::nearest(lambda).unwrap();
        // The finest distance of thresholds that a node accepts.
        let most = (u128::from(CLIP.unsigned_abs()) * u128::from(lambda.mantissa)) << EFFECT_BITS;
        let step = u64::try_from(most.div_ceil(u128::from(CROSSED) << lambda.exponent)).unwrap();
        let at = |step| Broadcast {
            model: model.name.clone(),
            lambdas: Vec::new(),
            ols: vec![1 << 38, -(1 << 39), 1 << 40],
            eiv: None,
            effects: Some(EffectGrid { lambda, step }),
        };
        prop_assert!(at(step - 1).check(&model).is_err());
        prop_assert!(at(step).check(&model).is_ok());
        let broadcast = at(step);
        // A fourth is in the records, not in the public table.
        let offering = Offering { count: 3, numbers: [0, 1, 2].into() };
        let counts = |rows: &[GrowthRow]| {
            effect_words(&model, &broadcast, rows, &offering).unwrap()
        };
        let mut rows: Vec<GrowthRow> = rows.into_iter().map(row).collect();
        let without = counts(&rows);
        rows.push(row(one));
        let with = counts(&rows);
        let moved: u64 = with.iter().zip(&without).map(|(a, b)| a.abs_diff(*b)).sum();
        prop_assert!(moved <= CROSSED, "moved by {}", moved);
        // Three schools offer the grade, whoever is in the model.
        prop_assert!(with.iter().all(|count| (0..=3).contains(count)));
    }
}

#[test]
fn nine_tenths_of_the_reach_of_squared_school_sums_are_met() {
    // A school at its clip that one student at the other end pulls back.
    let model = model(false);
    let noisy = model.noisy.clone().unwrap();
    let at = Broadcast {
        model: model.name.clone(),
        lambdas: Vec::new(),
        ols: vec![0; 3],
        eiv: None,
        effects: None,
    };
    let row = |y| GrowthRow { school: 0, values: vec![1, 0, 0, y], errors: Vec::new() };
    let between = |rows: &[GrowthRow]| second(&model, &noisy, &at, rows).unwrap()[1];
    let moves = (1..400).map(|n| {
        let mut rows: Vec<GrowthRow> = (0..n).map(|_| row(4)).collect();
        let without = between(&rows);
        rows.push(row(-9));
        (between(&rows) - without).abs()
    });
    let most = moves.max().unwrap();
    let reach = i128::from(noisy.second()[1].reach);
    assert!(most <= reach && 10 * most > 9 * reach, "{most} of {reach}");
}
