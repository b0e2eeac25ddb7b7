//! The plan of a study's noise: the split, the shares, the cost, the bounds, the forecast, and that
//! it is the same for everybody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

mod study_support;

use flashlight_proto::{
    dp::{NoiseError, NoisePlan, share},
    layout::Part,
};
use study_support::Draft;

/// 41 districts with two schools each: 82 × 83 = 6,806 students, as STAR's grade 3.
fn star_schools() -> String {
    let mut text = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                    enrollment\n"
        .to_owned();
    for school in 1..=82 {
        let district = (school + 1) / 2;
        text += &format!("{school:03},1989,School {school},S{district:02},ES,03,03,83\n");
    }
    text
}

/// Counts, means and shares in two subjects by sex, race and sed, no crosses.
fn star() -> Draft {
    let range = "{ \"03\" = { min = 450, max = 800, met = 616 } }";
    let table = |indicator: &str, test: &str| {
        format!(
            "[[table]]\nindicator = \"{indicator}\"\n{test}by = [[]]\n\
             families = [\"sex\", \"race_ethnicity\", \"sed\"]\n"
        )
    };
    let scored =
        ["math_mean", "math_met", "ela_mean", "ela_met"].map(|i| table(i, "test = \"T\"\n"));
    Draft {
        head: "id = \"star\"\ntitle = \"STAR\"\nschool_year = 1989\nas_of = \"1989-06-30\"\n"
            .into(),
        privacy: "mode = \"dp\"\nrho = 0.1\n".into(),
        cohort: "min_districts = 38\nmax_dropped = 3\nmax_colluding = 1\n".into(),
        suppression: "min_n = 11\n".into(),
        tests: format!("[[test]]\nid = \"T\"\nscores = {{ MATH = {range}, ELA = {range} }}\n"),
        tables: table("students", "") + &scored.concat(),
        schools: star_schools(),
    }
}

fn plan(draft: &Draft, n: u16) -> Result<NoisePlan, NoiseError> {
    NoisePlan::new(&draft.study().unwrap(), &draft.layout(), &draft.table(), n)
}

#[test]
fn in_star_the_noise_of_a_mean_for_half_the_students_is_about_0_4_points() {
    let draft = star();
    let plan = plan(&draft, 41).unwrap();
    let parts: Vec<_> = plan.blocks().iter().map(|one| (one.block.table, one.block.part)).collect();
    let (counts, sums) = (Part::Counts, Part::Sums);
    assert_eq!(parts, [(0, counts), (1, sums), (2, counts), (3, sums), (4, counts)]);
    assert_eq!(plan.carried().len(), 8);
    let math = plan.block(1, sums).unwrap();
    // 6,077 students have a math score; the mean, 618, is 7 points from the centre.
    let half = 6_077.0 / 2.0;
    let n = plan.sd_n(&draft.layout(), 1, 41).unwrap();
    let sd = math.sd(41).hypot(7.0 * n) / half;
    assert!((0.35..0.46).contains(&sd), "{sd}");
}

#[test]
fn the_parts_of_rho_follow_the_closed_form_and_make_up_the_studys() {
    let plan = plan(&star(), 41).unwrap();
    let got: Vec<_> = plan.blocks().iter().map(|one| one.rho).collect();
    let want = [1.0, 4.0, 1.0, 4.0, 1.0].map(|weight| 0.1 * weight / 11.0);
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < 1e-15, "{got} {want}");
    }
    assert!((got.iter().sum::<f64>() - 0.1).abs() < 1e-15);
}

#[test]
fn noise_is_never_below_the_promise_whatever_the_study() {
    for rho in ["1e-9", "0.001", "0.1", "3", "1000", "1e6"] {
        for (n, cohort) in [(41, (38, 3, 1)), (4, (4, 0, 1)), (254, (50, 20, 9))] {
            let mut draft = star();
            draft.privacy = format!("mode = \"dp\"\nrho = {rho}\n");
            draft.cohort = format!(
                "min_districts = {}\nmax_dropped = {}\nmax_colluding = {}\n",
                cohort.0, cohort.1, cohort.2
            );
            let plan = plan(&draft, n).unwrap();
            let h = f64::from(plan.sizes().h);
            assert!(plan.realised_rho() <= plan.rho().value(), "rho {rho} n {n}");
            for one in plan.blocks() {
                let name = one.block.name();
                let fine = 2_f64.powi(i32::try_from(one.scale_bits).unwrap());
                assert!(one.realised_rho <= one.rho, "{name} rho {rho} n {n}");
                assert!(one.realised_rho > one.rho * (1.0 - 1e-9), "{name} rho {rho} n {n}");
                // Honest shares alone reach σ²; the scale drawn is no smaller than s.
                assert!(h * one.share_variance >= one.variance, "{name} rho {rho} n {n}");
                assert!(h * (one.scale / fine).powi(2) >= one.variance, "{name} rho {rho} n {n}");
                assert!(one.scale.powi(2) >= share::LEAST_VARIANCE, "{name} rho {rho} n {n}");
                let coarser = one.scale_bits == 0 || (one.scale / 2.0).powi(2) < 4.0 + 1e-6;
                assert!(coarser, "{name} rho {rho} n {n}: a coarser grid would do");
                assert!(one.sd(plan.sizes().m) >= one.variance.sqrt(), "{name} rho {rho} n {n}");
            }
        }
    }
}

#[test]
fn the_released_sd_is_that_of_all_survivors() {
    let plan = plan(&star(), 41).unwrap();
    let math = plan.block(1, Part::Sums).unwrap();
    assert!((math.variance - 4.0 * 175.0 * 175.0 / (2.0 * 0.4 / 11.0)).abs() < 1e-6);
    assert!((math.sd(37) / math.variance.sqrt() - 1.0).abs() < 1e-9, "h survivors: σ");
    assert!((math.sd(41) / math.sd(37) - (41.0_f64 / 37.0).sqrt()).abs() < 1e-12);
}

#[test]
fn the_cost_is_given_for_a_student_a_pair_of_districts_and_the_years() {
    let plan = plan(&star(), 41).unwrap();
    assert_eq!(plan.students(), 6_806);
    assert!((plan.delta().value() - 1e-6).abs() < 1e-18);
    assert!((plan.epsilon().value() - 2.1419).abs() < 1e-4);
    assert!((plan.rho_at_two() - 0.4).abs() < 1e-15);
    assert!((plan.charges()[&1989] - 0.1).abs() < 1e-15);
    assert_eq!(plan.questions().len(), 5);
}

/// One table reads two years, the other one of them.
const TWO_YEARS: &str = "[[table]]\nindicator = \"students\"\nyears = [2024, 2023]\n\
                         [[table]]\nindicator = \"math_met\"\ntest = \"T\"\n";
const TWO_YEARS_SCHOOLS: &str = "\
school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment
001,2023,Alder,A,ES,KN,05,300
001,2024,Alder,A,ES,KN,05,250
002,2024,Birch,B,ES,KN,05,100
003,2022,Closed,B,ES,KN,05,
";

fn two_years() -> Draft {
    Draft {
        privacy: "mode = \"dp\"\nrho = 0.3\n".into(),
        tables: TWO_YEARS.into(),
        schools: TWO_YEARS_SCHOOLS.into(),
        ..Draft::default()
    }
}

#[test]
fn every_year_read_is_charged_the_whole_rho_of_the_blocks_that_read_it() {
    let plan = plan(&two_years(), 5).unwrap();
    // Weights √2 and 1.
    let students = 0.3 * 2_f64.sqrt() / (2_f64.sqrt() + 1.0);
    let charges = plan.charges();
    assert!((charges[&2023] - students).abs() < 1e-15, "{charges:?}");
    assert!((charges[&2024] - 0.3).abs() < 1e-15, "{charges:?}");
    assert!((plan.charge_of_a_person() - 0.3 - students).abs() < 1e-15);
    assert_eq!(plan.students(), 350, "2024; 2022 is not read");
}

/// The class of 2024 was in school from 2021 on; the public table knows 2023 and 2024 alone.
#[test]
fn earlier_years_that_are_looked_at_are_charged_and_need_no_public_enrolment() {
    let mut draft = two_years();
    draft.tables = "[[table]]\nindicator = \"students\"\n\
                    [[table]]\nindicator = \"graduation_4yr\"\n"
        .into();
    let school = "002,2024,Birch,B,ES,KN,05,100";
    draft.schools = draft.schools.replace(school, "002,2024,Birch,B,HS,09,12,100");
    let plan = plan(&draft, 5).unwrap();
    let charges = plan.charges();
    assert_eq!(charges.keys().copied().collect::<Vec<_>>(), [2021, 2022, 2023, 2024]);
    for earlier in [2021, 2022, 2023] {
        assert!((charges[&earlier] - 0.15).abs() < 1e-15, "{charges:?}");
    }
    assert!((charges[&2024] - 0.3).abs() < 1e-15, "{charges:?}");
    assert!((plan.charge_of_a_person() - 0.75).abs() < 1e-12);
    let class = &plan.block(1, Part::Counts).unwrap().block;
    assert_eq!(
        (class.measured.as_slice(), class.years.as_slice()),
        (&[2024][..], &[2021, 2022, 2023, 2024][..])
    );
    let bound = |id: &str| plan.bound(class, &id.parse().unwrap());
    assert_eq!(bound("A"), 4 * 250 + 1000, "2024, not the 300 of 2023");
    assert_eq!(plan.students(), 350, "2024; 2023 is not measured");
}

#[test]
fn a_districts_bound_follows_its_largest_public_enrolment() {
    let draft = two_years();
    let plan = plan(&draft, 5).unwrap();
    let students = &plan.block(0, Part::Counts).unwrap().block;
    let bound = |id: &str| plan.bound(students, &id.parse().unwrap());
    assert_eq!(bound("A"), 4 * 300 + 1000);
    assert_eq!(bound("B"), 4 * 100 + 1000);
    assert_eq!(bound("nobody"), 1000);
    let plan = self::plan(&star(), 41).unwrap();
    let math = &plan.block(1, Part::Sums).unwrap().block;
    assert_eq!(plan.bound(math, &"S01".parse().unwrap()), (4 * 166 + 1000) * 175);
}

#[test]
fn sums_that_might_wrap_are_refused_and_named() {
    let mut draft = two_years();
    draft.schools = draft.schools.replace(",300\n", ",40000000\n");
    draft.tests = "[[test]]\nid = \"T\"\nunits_per_point = 1000\n[test.scores.MATH]\n\
                   \"03\" = { min = -100000, max = 100000, met = 0 }\n"
        .into();
    draft.tables = "[[table]]\nindicator = \"math_mean\"\ntest = \"T\"\nyears = [2023]\n".into();
    // 4·4e7·1e8 = 1.6e16 fits into one word, 2^54; twice as much does not.
    assert!(plan(&draft, 5).is_ok());
    let refused = |draft: &Draft| {
        let error = plan(draft, 5).unwrap_err();
        assert_eq!(error.code(), "noise_overflow");
        assert!(error.to_string().starts_with("[[table]] 1 math_mean, sums"), "{error}");
    };
    let fitting = draft.schools.clone();
    draft.schools += "4,2023,Vast,A,ES,KN,05,40000000\n";
    refused(&draft);
    draft.schools = fitting;
    // Nor do six hundred districts of that size fit into their sum, 2^63.
    for district in 0..600 {
        let line = format!("V{district},2023,Vast,D{district},ES,KN,05,40000000\n");
        draft.schools += &line;
    }
    refused(&draft);
}

#[test]
fn noise_finer_than_any_grid_is_refused() {
    let mut draft = two_years();
    draft.privacy = "mode = \"dp\"\nrho = 1e20\n".into();
    assert_eq!(plan(&draft, 5).unwrap_err().code(), "noise_too_fine");
}

#[test]
fn a_school_without_public_enrolment_in_a_year_read_is_named() {
    let mut draft = two_years();
    draft.schools =
        draft.schools.replace("002,2024,Birch,B,ES,KN,05,100", "002,2024,Birch,B,ES,KN,05,");
    let error = plan(&draft, 5).unwrap_err();
    assert_eq!(error, NoiseError::Enrollment { school_id: "002".into(), year: 2024 });
}

#[test]
fn an_exact_study_has_no_plan() {
    assert_eq!(plan(&Draft::default(), 5).unwrap_err().code(), "noise_exact");
}

#[test]
fn a_cohort_that_does_not_work_out_has_no_plan() {
    assert_eq!(plan(&star(), 37).unwrap_err().code(), "cohort_arithmetic");
}

#[test]
fn another_studys_school_table_has_no_plan() {
    let (one, two) = (star(), two_years());
    let result = NoisePlan::new(&one.study().unwrap(), &one.layout(), &two.table(), 41);
    assert_eq!(result.unwrap_err().code(), "noise_layout");
}

#[test]
fn two_parties_derive_the_same_plan_and_other_noise_has_another_digest() {
    let known = plan(&star(), 41).unwrap();
    assert_eq!(known, plan(&star(), 41).unwrap());
    let other_n = plan(&star(), 42).unwrap();
    let mut sharper = star();
    sharper.privacy = "mode = \"dp\"\nrho = 1\n".into();
    let mut fewer = star();
    fewer.tables = fewer.tables.replace(", \"sed\"", "");
    let digests = [known, other_n, plan(&sharper, 41).unwrap(), plan(&fewer, 41).unwrap()]
        .map(|p| p.digest());
    for (at, one) in digests.iter().enumerate() {
        assert!(!digests[..at].contains(one), "{at}");
    }
}

#[test]
fn the_digest_of_a_known_study_does_not_change_between_machines() {
    let known = "eb924552bcb19e261992688f6581b283e995d8713689004710f01eb6f80262a3";
    assert_eq!(plan(&star(), 41).unwrap().digest().to_string(), known);
}

#[test]
fn the_forecast_hides_small_cells_and_flags_noisy_ones() {
    let draft = two_years();
    let plan = plan(&draft, 5).unwrap();
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let forecast = plan.forecast(&study, &draft.table(), &layout, 5);
    assert_eq!(forecast.len(), 2);
    let students = &forecast[0];
    let counts = plan.block(0, Part::Counts).unwrap();
    assert!((students.sd_n - counts.sd(5)).abs() < 1e-12);
    assert!((students.threshold - 3.0 - 2.326_347_874 * counts.sd(5)).abs() < 1e-6);
    let sizes: Vec<_> =
        students.cells.iter().map(|cell| (cell.name.as_str(), cell.at.students)).collect();
    // 350 students in grades KN to 05; math is tested in grades 03 and 04.
    assert_eq!(
        sizes.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["students@2024/network/all/all", "students@2023/network/all/all"]
    );
    assert!((sizes[0].1 - 350.0).abs() < 1e-9 && (sizes[1].1 - 300.0).abs() < 1e-9);
    let math = &forecast[1];
    assert!((math.cells[0].at.students - 350.0 / 3.0).abs() < 1e-9);
    assert!((math.sd_n - 2_f64.sqrt() * plan.block(1, Part::Counts).unwrap().sd(5)).abs() < 1e-12);
    assert!(!math.cells[0].at.hidden);
    for table in &forecast {
        for at in &table.sizes {
            assert_eq!(at.hidden, at.students < table.threshold);
            let share = table.sd_n / at.students > 0.1;
            assert!(at.noise_dominated || !share);
        }
    }
}

#[test]
fn the_forecast_of_a_small_budget_hides_what_a_large_one_shows() {
    let hidden = |rho: &str| {
        let mut draft = two_years();
        draft.privacy = format!("mode = \"dp\"\nrho = {rho}\n");
        let plan = plan(&draft, 5).unwrap();
        let forecast = plan.forecast(&draft.study().unwrap(), &draft.table(), &draft.layout(), 5);
        forecast.iter().flat_map(|table| &table.cells).filter(|cell| cell.at.hidden).count()
    };
    assert_eq!((hidden("10"), hidden("0.00001")), (0, 3));
}
