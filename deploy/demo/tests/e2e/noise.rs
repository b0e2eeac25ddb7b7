//! Studies in `dp` mode, whole: what is released is the pooled sum with noise of the claimed size.

use flashlight_proto::dp::NoisePlan;
use flashlight_proto::layout::Part;
use flashlight_proto::release::{Cell, NoisySums, Outcome};
use serde_json::{Value, json};

use crate::data::{self, DISTRICTS, Pupil, StudyText, Sums};
use crate::fake_node::Question;
use crate::network::{Net, Release};

/// A test that is right fails this often.
const ALPHA: f64 = 1e-6;

/// Counts, means and rates, each with noise of its own.
const STUDY: StudyText = StudyText {
    id: "noisy",
    mode: "mode = \"dp\"\nrho = 4",
    schools: data::counted_schools,
    ..StudyText::SEVERAL
};

/// What the pooled records come to in one cell.
fn pooled(cell: &Cell, survivors: &[&str]) -> Sums {
    let counts = |pupil: &Pupil| {
        let level = cell.level.is_none_or(|level| pupil.middle == (level.as_str() == "MS"));
        level && cell.group.is_none_or(|sex| pupil.sex == sex)
    };
    data::pooled(survivors.iter().copied(), counts)
}

/// The noise of every word shown, in its own standard deviations.
fn deviations(release: &Release, plan: &NoisePlan, survivors: &[&str]) -> Vec<f64> {
    let many = u16::try_from(survivors.len()).unwrap();
    let mut all = Vec::new();
    for cell in release.verified.release.cells() {
        let Outcome::Noisy(shown) = cell.outcome else { continue };
        let sums = pooled(cell, survivors);
        let table = cell.table - 1;
        let mut add = |part, word: i64, bits: u32, exact: f64| {
            let block = plan.block(table, part).unwrap();
            assert_eq!(bits, block.scale_bits, "{cell:?}");
            let sd = (f64::from(many) * block.share_variance).sqrt();
            assert!((block.sd(many) / sd - 1.0).abs() < 1e-12);
            all.push((float(word) / f64::from(1 << bits) - exact) / sd);
        };
        match shown.sums {
            NoisySums::Count { n, n_scale_bits } => {
                add(Part::Counts, n, n_scale_bits, float(sums.students));
                let sd = plan.block(table, Part::Counts).unwrap().sd(many);
                assert!((shown.sd / sd - 1.0).abs() < 1e-12 && (shown.sd_n - shown.sd) == 0.0);
            }
            NoisySums::Rate { num, rest, n_scale_bits } => {
                add(Part::Counts, num, n_scale_bits, float(sums.met));
                add(Part::Counts, rest, n_scale_bits, float(sums.scores - sums.met));
            }
            NoisySums::Mean { sum, sum_scale_bits, .. } => {
                let centred = sums.points - 650 * i64::try_from(sums.scores).unwrap();
                add(Part::Sums, sum, sum_scale_bits, float(centred));
                let mean = float(sums.points) / float(sums.scores);
                // Of both ends together; wide enough for any permitted noise.
                let spare = 6.0 * (shown.high - shown.low) / 2.0;
                assert!((shown.value - mean).abs() < spare, "{cell:?}: {mean}");
            }
        }
    }
    all
}

/// Words of these tests are far below 2^53.
fn float(word: impl TryInto<i64>) -> f64 {
    let word: i64 = word.try_into().unwrap_or(i64::MAX);
    let halves = [word >> 32, word & 0xffff_ffff];
    let [high, low] = halves.map(|half| u32::try_from(half.unsigned_abs()).unwrap());
    let high = if word < 0 { -f64::from(high) } else { f64::from(high) };
    high * 4_294_967_296.0 + f64::from(low)
}

/// P[X ≥ x] of a chi-square with an even number of degrees of freedom.
fn above(x: f64, degrees: usize) -> f64 {
    let (mut term, mut sum) = (1.0, 0.0);
    for k in 0..degrees / 2 {
        sum += term;
        term *= x / 2.0 / f64::from(u32::try_from(k + 1).unwrap());
    }
    sum * (-x / 2.0).exp()
}

/// The noise is neither larger nor smaller than it is said to be.
#[track_caller]
fn is_of_the_claimed_size(mut all: Vec<f64>) {
    // Drawn from the system's random source: there is no seed, so that the values are shown.
    all.truncate(all.len() / 2 * 2);
    let square: f64 = all.iter().map(|one| one * one).sum();
    let upper = above(square, all.len());
    assert!(all.len() >= 20, "{all:?}");
    assert!(upper > ALPHA / 2.0 && 1.0 - upper > ALPHA / 2.0, "p = {upper} of {square}: {all:?}");
}

fn parameters(release: &Release) -> Value {
    let text = std::fs::read_to_string(release.folder.join("parameters.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_chi_square_of_this_file_is_the_published_one() {
    // 95th percentiles of 2 and 10 degrees of freedom, to four decimals.
    assert!((above(5.9915, 2) - 0.05).abs() < 1e-5);
    assert!((above(18.3070, 10) - 0.05).abs() < 1e-5);
    assert_eq!((float(-3), float(1_i64 << 40)), (-3.0, 1_099_511_627_776.0));
}

#[test]
fn a_study_with_noise_releases_the_pooled_sums_with_noise_of_the_claimed_size() {
    let net = Net::full();
    let release = net.publish(&STUDY);
    let survivors = release.is_among(&DISTRICTS, &[]);
    let question = Question::of(&STUDY);
    let facts = release.verified.release.facts();
    let Question { study, schools, layout } = &question;
    let plan = NoisePlan::for_round(study, layout, schools, facts.sizes).unwrap();
    is_of_the_claimed_size(deviations(&release, &plan, &survivors));

    let parameters = parameters(&release);
    let certificate = &parameters["privacy"]["certificate"];
    assert_eq!(certificate["rho"], 4.0);
    assert_eq!(certificate["noise_plan"], plan.digest().to_string());
    assert_eq!(certificate["students"], 600);
    assert_eq!(certificate["delta"], 1e-6);
    let epsilon = certificate["epsilon"].as_f64().unwrap();
    assert!((epsilon - plan.epsilon().value()).abs() < 1e-6, "{epsilon}");
    assert!(certificate["rho_of_h"].as_f64().unwrap() <= 4.0);
    assert_eq!(certificate["years"], json!([{ "year": 2024, "rho": 4.0 }]));
    let honest = json!({ "least_survivors": 5, "survivors": 6, "least_honest": 4, "honest": 5 });
    assert_eq!(certificate["honest"], honest);
    let cohort = &parameters["cohort"];
    let sizes = ["n", "m", "t", "c", "h"].map(|key| cohort[key].as_u64().unwrap());
    assert_eq!(sizes, [6, 5, 4, 1, 4]);
    assert_eq!(cohort["survivors"], json!(DISTRICTS));
    let asked: Vec<&Value> = certificate["questions"].as_array().unwrap().iter().collect();
    assert!(asked.iter().all(|one| one["year"] == 2024 && one["as_of"] == "2024-06-30"));
}

#[test]
fn a_round_that_lost_a_district_says_whose_noise_is_in_it_and_it_is() {
    let mut net = Net::full();
    net.start_node("D3", Some("mask:charged"));
    let run = net.run(&STUDY, 30);
    net.kill_at_pause("D3");
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    let release = net.release(&ended);
    let survivors = release.is_among(&DISTRICTS, &["D3"]);
    let Question { study, schools, layout } = Question::of(&STUDY);
    let facts = release.verified.release.facts();
    let plan = NoisePlan::for_round(&study, &layout, &schools, facts.sizes).unwrap();
    is_of_the_claimed_size(deviations(&release, &plan, &survivors));
    let parameters = parameters(&release);
    assert_eq!(parameters["privacy"]["certificate"]["honest"]["survivors"], 5);
    assert_eq!(parameters["cohort"]["lost"], json!(["D3"]));
    // A later round of these five plans anew.
    net.start_node("D3", None);
    let later = net.publish(&STUDY);
    let survivors = later.is_among(&survivors, &[]);
    let later_plan =
        NoisePlan::for_round(&study, &layout, &schools, later.verified.release.facts().sizes)
            .unwrap();
    is_of_the_claimed_size(deviations(&later, &later_plan, &survivors));
    assert_ne!(plan.digest(), later_plan.digest());
}
