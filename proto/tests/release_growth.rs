//! A release folder of a study with growth models.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "study_support/round.rs"]
mod round;
mod study_support;

use std::collections::BTreeMap;

use flashlight_proto::{
    canonical::Digest,
    growth::Model,
    release::{
        EivEstimates, FOLDER_FILES, GROWTH_FILE, GrowthEstimates, HendersonEstimates, LaterRound,
        OlsEstimates, Release, ReleaseError, verify_folder,
    },
};
use round::{facts, hub};
use study_support::Draft;

type Files = BTreeMap<String, Vec<u8>>;

const GROWTH: &str = r#"
[[growth]]
id = "math"
test = "T"
subject = "MATH"
grades = ["04"]
priors = [{ subject = "MATH", years_back = 1 }]
covariates = ["sed"]
concentrations = ["priors"]
"#;

/// Growth alone, without a table.
fn draft() -> Draft {
    Draft { tables: GROWTH.into(), ..Draft::default() }
}

fn estimates(draft: &Draft) -> Vec<GrowthEstimates> {
    let study = draft.study().unwrap();
    let one = |model: &Model| {
        let list = |number: f64| vec![number; model.p()];
        GrowthEstimates {
            model: model.name.clone(),
            formula: "MATH ~ MATH-1 + sed + mean(MATH-1) + (1 | school)".into(),
            words: "Scores by last year's.".into(),
            school_year: model.year,
            names: model.coefficient_names(),
            centres: list(150.0),
            students: 40,
            schools: 4,
            ols: OlsEstimates {
                beta: list(0.1),
                rss: 12.5,
                s2: 0.3,
                se_iid: list(0.01),
                se_moulton: list(0.02),
                se_cr0: list(0.03),
                se_cr1: list(0.04),
            },
            henderson: HendersonEstimates {
                within_beta: vec![0.5; model.outcome() - 1],
                within_rss: 11.0,
                sigma2: 0.25,
                tau2: 0.0,
                trace: 30.0,
            },
            reml: None,
            ml: None,
            eiv: None,
            effects: None,
            notes: vec!["Four schools are few.".into()],
        }
    };
    Model::of_study(&study).iter().map(one).collect()
}

fn build(draft: &Draft, second: bool, all: Vec<GrowthEstimates>) -> Result<Release, ReleaseError> {
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let mut facts = facts(&study);
    let round = LaterRound { id: "00ff13".into(), number: 4, ctx: Digest::of(b"second") };
    facts.second = second.then_some(round);
    Release::build(&study, &draft.table(), &layout, &vec![0; layout.words()], facts, all)
}

fn folder() -> Files {
    let draft = draft();
    let release = build(&draft, true, estimates(&draft)).unwrap();
    let files = release.folder(&hub(), draft.toml().as_bytes(), draft.schools.as_bytes());
    files.unwrap().into_iter().collect()
}

/// Signs the files again, as a hub could that changed them.
fn signed_again(mut files: Files) -> Files {
    let listed = |name: &str| !name.starts_with("SHA256SUMS");
    let sums: String = files
        .iter()
        .filter(|(name, _)| listed(name))
        .map(|(name, bytes)| format!("{}  {name}\n", Digest::of(bytes)))
        .collect();
    files.insert("SHA256SUMS.sig".into(), hub().sign_bytes(sums.as_bytes()).as_bytes().to_vec());
    files.insert("SHA256SUMS".into(), sums.into_bytes());
    files
}

fn changed(file: &str, from: &str, to: &str) -> Files {
    let mut files = folder();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}");
    files.insert(file.into(), text.replacen(from, to, 1).into_bytes());
    files
}

#[track_caller]
fn refused(files: &Files, code: &str, word: &str) {
    let error = verify_folder(files, Some(&hub().public())).expect_err("the folder verifies");
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert_eq!(error.code(), code, "{error}");
    assert!(format!("{error}: {source}").contains(word), "{word:?} is not in {error}: {source}");
}

#[test]
fn a_study_of_growth_alone_gives_a_folder_with_growth_json_that_verifies() {
    let files = folder();
    let mut names = FOLDER_FILES.to_vec();
    names.push(GROWTH_FILE);
    names.sort_unstable();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert!(files[GROWTH_FILE].starts_with(b"[\n  {\n    \"model\": \"math/04\","));
    let verified = verify_folder(&files, Some(&hub().public())).unwrap();
    assert_eq!(verified.release.growth(), estimates(&draft()));
    assert!(verified.release.cells().is_empty());
    let second = verified.release.facts().second.unwrap();
    assert_eq!((second.id.as_str(), second.number), ("00ff13", 4));
    assert_eq!(signed_again(files.clone()), files);
}

#[test]
fn a_changed_missing_or_needless_growth_json_is_noticed() {
    refused(&changed(GROWTH_FILE, "0.1", "0.2"), "verify_changed", GROWTH_FILE);
    let mut fewer = folder();
    fewer.remove(GROWTH_FILE);
    refused(&fewer, "verify_sums", "SHA256SUMS");
    refused(&signed_again(fewer), "verify_missing", GROWTH_FILE);
    let plain = Draft::default();
    let release = build(&plain, false, Vec::new()).unwrap();
    let files = release.folder(&hub(), plain.toml().as_bytes(), plain.schools.as_bytes());
    let mut more: Files = files.unwrap().into_iter().collect();
    assert!(verify_folder(&more, None).is_ok());
    more.insert(GROWTH_FILE.into(), b"[]\n".to_vec());
    refused(&signed_again(more), "verify_extra", GROWTH_FILE);
}

#[test]
fn a_signed_growth_json_of_other_models_or_names_is_caught() {
    let change = |from, to| signed_again(changed(GROWTH_FILE, from, to));
    refused(&change("math/04", "math/05"), "verify_release", "another model's");
    refused(&change("\"sed\"", "\"el\""), "verify_release", "coefficients");
    refused(&change("2024", "2023"), "verify_release", "year");
    refused(&change("\"ols\"", "\"wls\""), "verify_unreadable", GROWTH_FILE);
    refused(&change("      0.1,\n", ""), "verify_release", "too short");
    refused(&change("\"eiv\": null", "\"eiv\": 1"), "verify_unreadable", GROWTH_FILE);
    let round = signed_again(changed("release.json", "\"number\": 4", "\"number\": 3"));
    refused(&round, "verify_release", "second round");
}

#[test]
fn no_release_is_made_of_estimates_or_rounds_that_the_study_does_not_have() {
    let code = |result: Result<Release, ReleaseError>| result.map_err(|error| error.code()).err();
    let (draft, plain) = (draft(), Draft::default());
    let good = estimates(&draft);
    assert_eq!(code(build(&draft, true, Vec::new())), Some("release_growth"));
    assert_eq!(code(build(&plain, false, good.clone())), Some("release_growth"));
    assert_eq!(code(build(&draft, false, good.clone())), Some("release_facts"));
    assert_eq!(code(build(&plain, true, Vec::new())), Some("release_facts"));
    let mut infinite = good.clone();
    infinite[0].ols.rss = f64::INFINITY;
    assert_eq!(code(build(&draft, true, infinite)), Some("release_growth"));
    assert_eq!(code(build(&draft, true, good)), None);
}

#[test]
fn a_covariance_of_corrected_coefficients_is_square_and_of_their_number_or_absent() {
    let measured = format!("{GROWTH}measurement = {{ MATH = 2.5 }}\n");
    let draft = Draft { tables: measured, ..Draft::default() };
    let p = Model::of_study(&draft.study().unwrap())[0].p();
    let code = |covariance| {
        let mut all = estimates(&draft);
        let (beta, mixed) = (vec![0.1; p], None);
        let se_cr0 = Some(vec![0.2; p]);
        let (sigma2, tau2, share) = (0.3, 0.1, 1.0);
        all[0].eiv = Some(EivEstimates { beta, se_cr0, covariance, sigma2, tau2, share, mixed });
        build(&draft, true, all).map_err(|error| error.code()).err()
    };
    let square = vec![vec![0.01; p]; p];
    assert_eq!(code(None), None);
    assert_eq!(code(Some(square.clone())), None);
    assert_eq!(code(Some(square[1..].to_vec())), Some("release_growth"));
    let (mut short, mut infinite) = (square.clone(), square);
    short[1].pop();
    assert_eq!(code(Some(short)), Some("release_growth"));
    infinite[1][0] = f64::INFINITY;
    assert_eq!(code(Some(infinite)), Some("release_growth"));
}
