//! Estimates of simulated networks against the truth they were made from.

use super::*;

const SEED: u64 = 20_241_123;

/// SplitMix64 (Steele, Lea, Flood 2014), and normal numbers of it by Box and Muller.
struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (f64::from(u32::try_from(z >> 32).unwrap()) + 0.5) / 2f64.powi(32)
    }

    fn normal(&mut self) -> f64 {
        let (one, two) = (self.uniform(), self.uniform());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }
}

const SECTION: &str = r#"
[[test]]
id = "T"
units_per_point = 1000
scores = { MATH = { "03" = { min = -20, max = 20, met = 0 }, "04" = { min = -20, max = 20, met = 0 } } }

[[growth]]
id = "m"
test = "T"
subject = "MATH"
grades = ["04"]
priors = [{ subject = "MATH", years_back = 1 }]
concentrations = ["priors"]
measurement = { MATH = 0.5 }
"#;

/// y = .8a + .3ā + u + ε: var u = .04, var ε = .30; a has variance .7 within and .3 between schools,
/// and is seen with an error of .5.
fn network(draw: &mut Draw, schools: u32) -> Vec<(u32, GrowthRow)> {
    with_effects(draw, schools).0
}

/// The same, and each school's u.
fn with_effects(draw: &mut Draw, schools: u32) -> (Vec<(u32, GrowthRow)>, Vec<f64>) {
    let (mut rows, mut effects) = (Vec::new(), Vec::new());
    for school in 0..schools {
        let (level, effect) = (0.3f64.sqrt() * draw.normal(), 0.2 * draw.normal());
        effects.push(effect);
        let students = 10 + school % 40;
        let priors: Vec<f64> =
            (0..students).map(|_| level + 0.7f64.sqrt() * draw.normal()).collect();
        let mean = priors.iter().sum::<f64>() / f64::from(students);
        for prior in priors {
            let y = 0.8 * prior + 0.3 * mean + effect + 0.3f64.sqrt() * draw.normal();
            let seen = prior + 0.5 * draw.normal();
            #[expect(clippy::cast_possible_truncation, reason = "within 20 points")]
            let units = |points: f64| (points * 1000.0).round() as i64;
            rows.push((
                school % 9,
                GrowthRow { school, values: vec![1, units(seen), units(y)], errors: vec![50] },
            ));
        }
    }
    (rows, effects)
}

#[test]
fn corrected_coefficients_and_variance_components_are_those_the_networks_were_made_from() {
    const NETWORKS: u32 = 60;
    /// Eight comparisons, two-sided at 4.5 standard errors: α = 8 × 7e-6.
    const MOST: f64 = 4.5;
    let (study, schools) = study(SECTION);
    let mut draw = Draw(SEED);
    let mut sums = [(0.0, 0.0); 7];
    let mut naive = 0.0;
    for _ in 0..NETWORKS {
        let rows = network(&mut draw, 250);
        let (_, found) = fit(&study, &schools, &rows, |district, _| district);
        let eiv = found.eiv.unwrap();
        let mixed = eiv.mixed.unwrap();
        naive += found.ols.beta[1] / f64::from(NETWORKS);
        // Standard errors of the sandwich, as multiples of what the coefficients do.
        let values = [
            eiv.beta[1],
            eiv.beta[2],
            mixed.beta[1],
            mixed.beta[2],
            eiv.sigma2,
            eiv.tau2,
            eiv.se_cr0.unwrap()[1],
        ];
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = (sum.0 + value, sum.1 + value * value);
        }
    }
    let n = f64::from(NETWORKS);
    let of = |at: usize| {
        let mean = sums[at].0 / n;
        (mean, ((sums[at].1 / n - mean * mean) * n / (n - 1.0)).sqrt())
    };
    for (what, at, truth) in [
        ("a", 0, 0.8),
        ("mean a", 1, 0.3),
        ("a, mixed", 2, 0.8),
        ("mean a, mixed", 3, 0.3),
        ("sigma2", 4, 0.30),
        ("tau2", 5, 0.04),
    ] {
        let (mean, sd) = of(at);
        let z = (mean - truth) / (sd / n.sqrt());
        assert!(
            z.abs() < MOST,
            "seed {SEED}: {what} is {mean}, not {truth}: {z:.1} standard errors"
        );
    }
    // The sandwich's error is the spread of the coefficient, within what 60 networks tell (±40 %).
    let (error, spread) = (of(6).0, of(0).1);
    assert!((0.6..1.6).contains(&(error / spread)), "seed {SEED}: {error} for {spread}");
    assert!(
        naive < 0.7,
        "seed {SEED}: uncorrected {naive} is not attenuated: the test tells nothing"
    );
}

#[test]
fn corrected_school_effects_miss_the_true_ones_as_often_as_their_intervals_say() {
    const NETWORKS: u32 = 160;
    const SCHOOLS: u32 = 250;
    let seed = SEED + 1;
    let (study, table) = study(SECTION);
    let mut draw = Draw(seed);
    let (mut covered, mut ours, mut own_only, mut total) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..NETWORKS {
        let (rows, truth) = with_effects(&mut draw, SCHOOLS);
        let (_, found) = fit(&study, &table, &rows, |district, _| district);
        let eiv = found.eiv.unwrap();
        let model = Model::of_study(&study).pop().unwrap();
        let slopes = &eiv.mixed.as_ref().unwrap().beta;
        for (school, sums) in SchoolSums::of(rows.iter().map(|(_, row)| row), &model).unwrap() {
            let one = corrected_effect(&model, &sums, &eiv).unwrap();
            let u = truth[usize::try_from(school).unwrap()];
            covered += f64::from(u8::from((one.effect - u).abs() <= 1.96 * one.error));
            let miss = f64::from(u32::try_from(one.n).unwrap()) * (one.residual - u).powi(2);
            ours += miss / (eiv.sigma2 + 0.25 * (slopes[1] + slopes[2]).powi(2));
            own_only += miss / (eiv.sigma2 + 0.25 * slopes[1].powi(2));
            total += 1.0;
        }
    }
    // Over 1,600 networks coverage was .9478: the error of τ² is in no interval. It varies by .016 between
    // networks, so by .00125 over 160: five of those, two-sided, α = 6e-7. A mean square over its claim
    // varies by .09 between networks: error .007, 1 ± .1.
    let coverage = covered / total;
    assert!((coverage - 0.948).abs() < 0.0063, "seed {seed}: coverage {coverage}");
    let ratio = ours / total;
    assert!((ratio - 1.0).abs() < 0.1, "seed {seed}: mean square over its claim {ratio}");
    // Without the coefficient of the mean the claim would be .46 for .6025.
    let without = own_only / total;
    assert!(without > 1.2, "seed {seed}: {without}: the coefficient of the mean tells nothing");
}

#[test]
fn intervals_of_corrected_school_effects_hold_the_coefficients_error() {
    const NETWORKS: u32 = 600;
    const SCHOOLS: u32 = 50;
    let seed = SEED + 2;
    let (study, table) = study(SECTION);
    let mut draw = Draw(seed);
    let model = Model::of_study(&study).pop().unwrap();
    let (mut covered, mut with, mut without, mut total) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..NETWORKS {
        let (rows, truth) = with_effects(&mut draw, SCHOOLS);
        let (_, found) = fit(&study, &table, &rows, |district, _| district);
        // At the variance components that networks are made from: their own error is in no interval.
        let mut eiv = found.eiv.unwrap();
        (eiv.sigma2, eiv.tau2) = (0.3, 0.04);
        let mut bare = eiv.clone();
        bare.covariance = None;
        for (school, sums) in SchoolSums::of(rows.iter().map(|(_, row)| row), &model).unwrap() {
            let u = truth[usize::try_from(school).unwrap()];
            let one = corrected_effect(&model, &sums, &eiv).unwrap();
            covered += f64::from(u8::from((one.effect - u).abs() <= 1.96 * one.error));
            with += ((one.effect - u) / one.error).powi(2);
            let one = corrected_effect(&model, &sums, &bare).unwrap();
            without += ((one.effect - u) / one.error).powi(2);
            total += 1.0;
        }
    }
    // Between networks of 50 schools coverage varies by .0325 and the mean square by .21 (4,000 networks):
    // errors .0013 and .0086, five of them two-sided, α = 6e-7 each.
    let coverage = covered / total;
    assert!((coverage - 0.95).abs() < 0.0066, "seed {seed}: coverage {coverage}");
    let (with, without) = (with / total, without / total);
    assert!((with - 1.0).abs() < 0.043, "seed {seed}: mean square over its claim {with}");
    assert!(without > 1.043, "seed {seed}: {without}: the coefficients' error tells nothing");
}
