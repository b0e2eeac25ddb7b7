//! Growth models in `dp`: what a study must say, what each round costs, and what is charged.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flashlight_proto::{
    canonical::Digest,
    dp::{GrowthNoise, NoisePlan},
    growth::{Broadcast, Term},
    layout::Layout,
    schools::SchoolTable,
    study::{Study, StudyError},
};

const SCHOOLS: &str = "\
school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment,public_sed
001,2024,Alder,A,ES,KN,05,600,37.5
002,2024,Birch,B,ES,KN,05,500,80
003,2024,Cedar,C,ES,KN,05,400,
004,2024,Dogwood,D,ES,KN,05,300,12.25
005,2024,Elm,E,ES,KN,05,300,55
";

const SECTION: &str = r#"
[[growth]]
id = "math"
test = "T"
subject = "MATH"
grades = ["04", "05"]
priors = [{ subject = "MATH", years_back = 1 }]
covariates = ["sed"]
public = [{ column = "public_sed", min = 0, max = 100 }]
rho = 0.2
clip = { student = 100, school = 40 }
"#;

fn parse(rho: &str, section: &str) -> Result<Study, StudyError> {
    let sha256 = Digest::of(SCHOOLS.as_bytes());
    let scores = "{ min = 200, max = 800, met = 500 }";
    let text = format!(
        "[study]\nid = \"g\"\ntitle = \"G\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n[privacy]\n{rho}\n\
         [cohort]\nmin_districts = 5\nmax_dropped = 1\nmax_colluding = 1\n[[test]]\nid = \"T\"\n\
         scores = {{ MATH = {{ \"03\" = {scores}, \"04\" = {scores}, \"05\" = {scores} }} }}\n{section}"
    );
    Study::parse(text.as_bytes())
}

const DP: &str = "mode = \"dp\"\nrho = 0.2";

fn study() -> (Study, SchoolTable, Layout) {
    let study = parse(DP, SECTION).unwrap();
    let schools = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
    let layout = Layout::derive(&study, &schools).unwrap();
    (study, schools, layout)
}

#[test]
fn what_a_growth_model_under_noise_lacks_or_may_not_have_is_said() {
    let bent =
        |from: &str, to: &str| parse(DP, &SECTION.replace(from, to)).unwrap_err().to_string();
    for (from, to, says) in [
        ("rho = 0.2\n", "", "is required in dp: the section's part"),
        ("rho = 0.2\n", "rho = 0\n", "must be a number above 0"),
        ("rho = 0.2\n", "rho = 0.3\n", "less than the rho of the [[growth]] sections"),
        ("rho = 0.2\n", "rho = 0.1\n", "no [[table]] to spend the rest on"),
        ("clip = { student = 100, school = 40 }\n", "", "is required in dp: how far"),
        ("school = 40", "school = 101", "must not be above a student's"),
        ("student = 100", "student = 0", "above 0"),
        ("covariates", "concentrations = [\"priors\"]\ncovariates", "means of private records"),
        ("covariates", "measurement = { MATH = 9 }\ncovariates", "is for exact mode"),
        ("public_sed\"", "sed\"", "must be a column public_"),
        ("min = 0", "min = 100", "min below max"),
    ] {
        let told = bent(from, to);
        assert!(told.contains(says), "{to:?}: {told}");
    }
    let exact = parse("mode = \"exact\"", SECTION).unwrap_err().to_string();
    assert!(exact.contains("is for dp"), "{exact}");
}

#[test]
fn a_start_must_be_this_models_names_and_centres_for_every_grade() {
    let start = |grades: &[&str], names: &str, centres: &str| {
        let release = Digest::of(b"release");
        let one = |grade: &&str| {
            format!(
                "{{ grade = \"{grade}\", release = \"{release}\", names = [{names}], centres = \
                 [{centres}], beta = [500.0, 0.8, -4.0, 0.0], scales = [1.0, 9.0, 0.5, 9.0] }}"
            )
        };
        let all: Vec<String> = grades.iter().map(one).collect();
        parse(DP, &format!("{SECTION}start = [{}]\n", all.join(", ")))
    };
    let names = "\"one\", \"MATH-1\", \"sed\", \"public_sed\"";
    let centres = "0.0, 500.0, 0.5, 50.0";
    assert!(start(&["04", "05"], names, centres).is_ok());
    for (grades, names, centres, says) in [
        (&["04"][..], names, centres, "one per grade"),
        (&["05", "04"][..], names, centres, "ascending"),
        (&["04", "05"][..], "\"one\"", centres, "not this model's coefficients"),
        (&["04", "05"][..], names, "0.0, 500.0, 0.0, 50.0", "its centres are not"),
    ] {
        let told = start(grades, names, centres).unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn grades_of_a_section_share_its_rho_and_both_rounds_together_cost_it() {
    let (study, schools, layout) = study();
    let plan = NoisePlan::new(&study, &layout, &schools, 5).unwrap();
    let sum = |all: &[GrowthNoise], model| {
        all.iter().filter(|one| one.model == model).map(|one| one.rho).sum::<f64>()
    };
    for model in 0..2 {
        assert!((sum(plan.growth(), model) - 0.19).abs() < 1e-12);
        assert!((sum(plan.later(), model) - 0.01).abs() < 1e-12);
    }
    for (year, charge) in plan.charges() {
        assert!((charge - 0.19).abs() < 1e-12, "{year}: {charge}");
    }
    let whole = plan.charges_of_study();
    assert_eq!(whole.keys().copied().collect::<Vec<_>>(), [2023, 2024]);
    assert!(whole.values().all(|charge| (charge - 0.2).abs() < 1e-12), "{whole:?}");
    assert!(plan.realised_rho() <= 0.2);

    let constants: Vec<Broadcast> = layout
        .growth()
        .iter()
        .map(|block| Broadcast {
            model: block.model.name.clone(),
            lambdas: Vec::new(),
            ols: vec![0; block.model.p()],
            eiv: None,
            effects: None,
        })
        .collect();
    let second = Layout::later(&study, &schools, &constants).unwrap();
    let second = NoisePlan::new(&study, &second, &schools, 5).unwrap();
    assert!(second.later().is_empty() && second.blocks().is_empty());
    for (year, charge) in second.charges() {
        assert!((charge - 0.01).abs() < 1e-12, "{year}: {charge}");
    }
}

#[test]
fn a_words_reach_is_the_product_of_its_columns_and_its_noise_covers_it() {
    let (study, schools, layout) = study();
    let plan = NoisePlan::new(&study, &layout, &schools, 5).unwrap();
    // Scores reach 300 points, flags one half of 2 units, sed 50 percent in hundredths.
    let reaches = [1_u64, 300, 1, 5_000, 300];
    for one in plan.growth() {
        let Term::Moment(j, k) = one.term else { panic!("{:?}", one.term) };
        assert_eq!(one.reach, reaches[j] * reaches[k], "{}", one.name);
        // Every honest share together: Δ²/2σ² is at most the word's part.
        let reach = 1.0 * f64::from(u32::try_from(one.reach).unwrap());
        assert!(reach * reach / (2.0 * 3.0 * one.drawn.share_variance) <= one.rho * (1.0 + 1e-9));
    }
    assert!(!plan.growth().iter().any(|one| one.term == Term::Moment(4, 4)), "no outcome's square");
}

#[test]
fn a_public_column_that_no_school_of_the_year_has_is_refused_before_anybody_is_asked() {
    let section = SECTION.replace("public_sed", "public_other");
    let study = parse(DP, &section).unwrap();
    let schools = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
    let error = Layout::derive(&study, &schools).unwrap_err();
    assert_eq!(error.code(), "layout_public");
    assert!(error.to_string().contains("public_other"), "{error}");
}

#[test]
fn columns_of_the_school_table_that_are_no_numbers_are_refused_by_line() {
    for (from, to, says) in [
        ("80\n", "8x\n", "line 3, public_: public_sed must be a number"),
        ("public_sed\n", "public_Sed\n", "names have small letters"),
        ("12.25", "12.255", "line 5"),
    ] {
        let told =
            SchoolTable::parse(SCHOOLS.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
    }
}
