//! A study in `dp` mode of five districts, and sums with noise for it.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use flashlight_proto::{
    dp::NoisePlan,
    layout::Layout,
    release::{Release, ReleaseError, RoundFacts},
};
use rand_chacha::{ChaCha20Rng, rand_core::Rng};

use super::{round::facts, study_support::Draft};

/// One school of 2,000 in each district, grades 03 to 05.
fn schools() -> String {
    let mut text = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                    enrollment\n"
        .to_owned();
    for district in ["A", "B", "C", "D", "E"] {
        text += &format!("1{district},2024,School {district},{district},ES,03,05,2000\n");
    }
    text
}

/// Tables 1 and 2 count students, 3 takes its n from 4, 5 has its own.
pub(crate) fn draft(rho: &str) -> Draft {
    Draft {
        privacy: format!("mode = \"dp\"\nrho = {rho}\n"),
        suppression: "min_n = 11\n".into(),
        tables: "[[table]]\nindicator = \"students\"\nfamilies = [\"sex\"]\n\
                 [[table]]\nindicator = \"chronic_absenteeism\"\nfamilies = [\"sex\"]\n\
                 [[table]]\nindicator = \"math_mean\"\ntest = \"T\"\nfamilies = [\"sex\"]\n\
                 [[table]]\nindicator = \"math_met\"\ntest = \"T\"\nfamilies = [\"sex\"]\n\
                 [[table]]\nindicator = \"ela_mean\"\ntest = \"T\"\nfamilies = [\"sex\"]\n"
            .into(),
        schools: schools(),
        ..Draft::default()
    }
}

pub(crate) fn plan(draft: &Draft) -> NoisePlan {
    NoisePlan::new(&draft.study().unwrap(), &draft.layout(), &draft.table(), 5).unwrap()
}

pub(crate) fn build_with(
    draft: &Draft,
    sums: &[i64],
    facts: RoundFacts,
) -> Result<Release, ReleaseError> {
    Release::build(
        &draft.study().unwrap(),
        &draft.table(),
        &draft.layout(),
        sums,
        facts,
        Vec::new(),
    )
}

pub(crate) fn build(draft: &Draft, sums: &[i64]) -> Result<Release, ReleaseError> {
    build_with(draft, sums, facts(&draft.study().unwrap()))
}

/// The sums of these words without noise, on the fine grid; carried words are sent as 0.
pub(crate) fn fine(plan: &NoisePlan, layout: &Layout, exact: &[i64]) -> Vec<i64> {
    let mut sums = vec![0; layout.words()];
    for one in plan.blocks() {
        one.block.words().for_each(|word| sums[word] = exact[word] << one.scale_bits);
    }
    sums
}

/// A standard normal number by Box and Muller.
fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let mut uniform = || f64::from(rng.next_u32() >> 1) / f64::from(1_u32 << 31);
    let (radius, angle) = (1.0 - uniform(), uniform());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Adds the shares of so many districts: rounded normal noise, which at a variance of 4 and more
/// differs from a discrete Gaussian by less than any test here can tell.
#[expect(clippy::cast_possible_truncation, reason = "rounded, and far below 2^53")]
pub(crate) fn add_noise(
    plan: &NoisePlan,
    survivors: usize,
    sums: &mut [i64],
    rng: &mut ChaCha20Rng,
) {
    for one in plan.blocks() {
        for word in one.block.words() {
            for _ in 0..survivors {
                sums[word] += (one.scale * normal(rng)).round() as i64;
            }
        }
    }
}
