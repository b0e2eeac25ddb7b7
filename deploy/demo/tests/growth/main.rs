//! The growth model of Tennessee STAR against its exact answers, from rows to release, through the words
//! that districts send (tests/data/star/README.md says where rows and answers are from).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test binary")]

mod noise;
mod percentiles;
mod refusals;
mod simulation;
mod splits;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use flashlight_coordinator::estimate::growth::{constants, estimates};
use flashlight_node::growth::{
    GrowthRow, SchoolSums, corrected_effect, growth_words, school_effect,
};
use flashlight_proto::canonical::Digest;
use flashlight_proto::growth::{Broadcast, Model};
use flashlight_proto::layout::{GrowthBlock, Layout};
use flashlight_proto::release::GrowthEstimates;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;
use serde_json::Value;

const ROWS: &str = include_str!("../../../../tests/data/star/star.csv");
const ANSWERS: &str = include_str!("../../../../tests/data/star/growth.json");
/// What every number must reach.
const RELATIVE: f64 = 1e-8;

const SCHOOLS: &str = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment,\
    public_sed\n001,1989,One,S01,ES,03,03,100,0.5\n";

fn study(sections: &str) -> (Study, SchoolTable) {
    let sha256 = Digest::of(SCHOOLS.as_bytes());
    let text = format!(
        "[study]\nid = \"star\"\ntitle = \"STAR\"\nschool_year = 1989\nas_of = \"1989-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\
         [privacy]\nmode = \"exact\"\n[cohort]\nmin_districts = 5\nmax_dropped = 1\nmax_colluding = 1\n\
         {sections}"
    );
    (Study::parse(text.as_bytes()).unwrap(), SchoolTable::parse(SCHOOLS.as_bytes()).unwrap())
}

const STAR: &str = r#"
[[test]]
id = "SAT"
scores = { MATH = { "02" = { min = 380, max = 780, met = 580 }, "03" = { min = 456, max = 776, met = 616 } }, ELA = { "02" = { min = 385, max = 785, met = 585 }, "03" = { min = 456, max = 776, met = 616 } } }

[[growth]]
id = "math"
test = "SAT"
subject = "MATH"
grades = ["03"]
priors = [{ subject = "MATH", years_back = 1, centre = 580 }, { subject = "ELA", years_back = 1, centre = 585 }]
covariates = ["sed", "race_ethnicity=Black", "sex=F"]
concentrations = ["priors", "sed", "race_ethnicity=Black"]
measurement = { MATH = 14.0, ELA = 15.0 }
sample = "all"
"#;

/// (district, row) of every pupil with all it takes.
fn rows(model: &Model) -> Vec<(u32, GrowthRow)> {
    let whole = |text: &str| text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok());
    let of = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let [gender, ethnicity, read2, _, math2, math3, lunch, system, school] = fields[..] else {
            panic!("a line has not nine columns")
        };
        if gender.is_empty() || ethnicity.is_empty() || lunch.is_empty() {
            return None;
        }
        let centred = |text: &str, column: usize| Some(whole(text)? - model.columns[column].centre);
        let values = vec![
            1,
            centred(math2, 1)?,
            centred(read2, 2)?,
            i64::from(lunch == "free"),
            i64::from(ethnicity == "afam"),
            i64::from(gender == "female"),
            centred(math3, 6)?,
        ];
        let school = u32::try_from(whole(school)?).unwrap();
        let errors = if model.measured > 0 { vec![1400, 1500] } else { Vec::new() };
        Some((u32::try_from(whole(system)?).unwrap(), GrowthRow { school, values, errors }))
    };
    ROWS.lines().skip(1).filter_map(of).collect()
}

/// The network's sums when each school is at the node that `node` says.
fn sums(
    block: &GrowthBlock,
    rows: &[(u32, GrowthRow)],
    node: impl Fn(u32, u32) -> u32,
) -> Vec<i64> {
    let mut nodes: BTreeMap<u32, Vec<&GrowthRow>> = BTreeMap::new();
    for (district, row) in rows {
        nodes.entry(node(*district, row.school)).or_default().push(row);
    }
    let mut sums = vec![0; block.range().len()];
    for rows in nodes.into_values() {
        let schools = SchoolSums::of(rows, &block.model).unwrap();
        for (sum, word) in sums.iter_mut().zip(growth_words(block, &schools).unwrap()) {
            *sum += word;
        }
    }
    sums
}

fn fit(
    study: &Study,
    schools: &SchoolTable,
    rows: &[(u32, GrowthRow)],
    node: impl Fn(u32, u32) -> u32 + Copy,
) -> (Vec<Broadcast>, GrowthEstimates) {
    let first = Layout::derive(study, schools).unwrap();
    let one = sums(&first.growth()[0], rows, node);
    let public = constants(&first, &one).unwrap();
    let second = Layout::later(study, schools, &public).unwrap();
    let two = sums(&second.growth()[0], rows, node);
    let mut all = estimates(study, (&first, &one), (&second, &two)).unwrap();
    (public, all.pop().unwrap())
}

#[track_caller]
fn agree(what: &str, found: f64, want: &Value) {
    let want = want.as_f64().unwrap();
    let relative = (found / want - 1.0).abs();
    assert!(relative <= RELATIVE, "{what}: {found} is not {want}: {relative:e} relative");
}

/// The model's order of columns, in the answers' order: sed, Black, F are free, afam, female.
#[track_caller]
fn agree_all(what: &str, found: &[f64], want: &Value) {
    assert_eq!(found.len(), want.as_array().unwrap().len());
    for (at, one) in found.iter().enumerate() {
        agree(&format!("{what}[{at}]"), *one, &want[at]);
    }
}

/// Every number of the answers but the schools' effects.
#[track_caller]
fn agrees(found: &GrowthEstimates, want: &Value) {
    assert_eq!((found.students, found.schools), (4551, 74));
    agree_all("OLS", &found.ols.beta, &want["ols"]["beta"]);
    agree("RSS", found.ols.rss, &want["ols"]["rss"]);
    agree("s2", found.ols.s2, &want["ols"]["s2"]);
    agree_all("OLS iid", &found.ols.se_iid, &want["ols"]["se_iid"]);
    agree_all("OLS Moulton", &found.ols.se_moulton, &want["ols"]["se_moulton"]);
    agree_all("OLS CR0", &found.ols.se_cr0, &want["ols"]["se_CR0"]);
    agree_all("OLS CR1", &found.ols.se_cr1, &want["ols"]["se_CR1"]);
    agree_all("within", &found.henderson.within_beta, &want["within_fe"]["beta"]);
    agree("within RSS", found.henderson.within_rss, &want["within_fe"]["rss"]);
    agree("Henderson s2", found.henderson.sigma2, &want["henderson3"]["sigma2"]);
    agree("Henderson t2", found.henderson.tau2, &want["henderson3"]["tau2"]);
    agree("Henderson trace", found.henderson.trace, &want["henderson3"]["trace"]);
    for (name, found) in [("reml", &found.reml), ("ml", &found.ml)] {
        let (found, want) = (found.as_ref().unwrap(), &want[name]);
        agree(&format!("{name} lambda"), found.lambda, &want["lambda_"]);
        agree(&format!("{name} sigma2"), found.sigma2, &want["sigma2"]);
        agree(&format!("{name} tau2"), found.tau2, &want["tau2"]);
        agree(&format!("{name} deviance"), found.deviance, &want["deviance"]);
        agree_all(&format!("{name} beta"), &found.beta, &want["beta"]);
        agree_all(&format!("{name} se"), &found.se, &want["se"]);
    }
    let eiv = found.eiv.as_ref().unwrap();
    agree_all("EIV", &eiv.beta, &want["eiv"]["beta"]);
    agree_all("EIV se", eiv.se_cr0.as_ref().unwrap(), &want["eiv"]["se_CR0"]);
    let covariance = eiv.covariance.as_ref().unwrap();
    let diagonal = covariance.iter().enumerate().map(|(at, row)| row[at].sqrt());
    agree_all("EIV covariance", &diagonal.collect::<Vec<_>>(), &want["eiv"]["se_CR0"]);
    assert!((eiv.share - 1.0).abs() < f64::EPSILON);
}

#[test]
fn every_number_of_star_agrees_with_the_exact_answers_to_eight_digits() {
    let (study, schools) = study(STAR);
    let model = Model::of_study(&study).remove(0);
    let rows = rows(&model);
    let (_, found) = fit(&study, &schools, &rows, |district, _| district);
    let want: Value = serde_json::from_str(ANSWERS).unwrap();
    agrees(&found, &want);
    let effects = want["school_effects_reml"]["rows"].as_array().unwrap();
    assert_eq!(effects.len(), 74);
    let sums = SchoolSums::of(rows.iter().map(|(_, row)| row), &model).unwrap();
    for row in effects {
        let school = u32::try_from(row[0].as_u64().unwrap()).unwrap();
        let effect = school_effect(&model, &sums[&school], found.reml.as_ref().unwrap()).unwrap();
        assert_eq!(effect.n, row[1].as_i64().unwrap());
        agree("mean residual", effect.residual, &row[2]);
        agree("EBLUP", effect.effect, &row[3]);
        agree("root PEV", effect.error, &row[4]);
    }
}

#[test]
fn the_estimates_are_the_same_to_the_last_bit_however_schools_are_split_over_nodes() {
    let (study, schools) = study(STAR);
    let rows = rows(&Model::of_study(&study)[0]);
    let by_district = fit(&study, &schools, &rows, |district, _| district);
    assert!(by_district == fit(&study, &schools, &rows, |_, _| 0));
    assert!(by_district == fit(&study, &schools, &rows, |_, school| school));
    let mut reversed = rows;
    reversed.reverse();
    assert!(by_district == fit(&study, &schools, &reversed, |district, _| district % 7));
}

#[test]
fn a_release_of_forty_one_real_nodes_agrees_with_the_exact_answers_to_eight_digits() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("growth-star");
    drop(fs::remove_dir_all(&out));
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashlight-demo"));
    let ran = command
        .args(["--mode", "exact", "--star-only", "--lose", "0", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{}\n{said}", String::from_utf8_lossy(&ran.stderr));
    let release = fs::read_dir(out.join("hub/releases")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read(release.join("growth.json")).unwrap();
    let found: Vec<GrowthEstimates> = serde_json::from_slice(&text).unwrap();
    let want: Value = serde_json::from_str(ANSWERS).unwrap();
    agrees(&found[0], &want);
    // The district's own schools, as its node shows them.
    let effects = want["school_effects_reml"]["rows"].as_array().unwrap();
    let (_, own) = said.split_once("district S11, at its own node:").unwrap();
    // The answers hold no effects under corrected coefficients: a simulation checks those.
    let (own, corrected) = own.split_once("corrected for the priors' errors").unwrap();
    let shown = own.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let school: u64 = fields.first()?.parse().ok()?;
        let row = effects.iter().find(|row| row[0].as_u64() == Some(school))?;
        Some((fields.get(1..4)?.join(" "), row.clone()))
    });
    let mut count = 0;
    for (shown, row) in shown {
        let number = |at: usize| row[at].as_f64().unwrap();
        assert_eq!(shown, format!("{} {:+.1} {:+.1}", row[1], number(2), number(3)));
        count += 1;
    }
    assert!(count > 5, "only {count} schools are shown: {said}");
    let ids =
        |text: &str| text.lines().filter_map(|line| line.trim().get(..3)?.parse().ok()).collect();
    let (plain, corrected): (Vec<u64>, Vec<u64>) = (ids(own), ids(corrected));
    assert_eq!(plain, corrected, "the two tables are of other schools: {said}");
}
