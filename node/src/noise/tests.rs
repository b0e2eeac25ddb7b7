//! The noise itself: its distribution, its source, and that nothing goes without it. Draws cannot be
//! seeded (opendp's random source is OpenSSL's), so statistical tests print their statistic, and fail
//! by chance once in a million runs.
#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "counts of draws are far below 2^52; a statistic that was drawn is printed"
)]

use std::ops::Range;
use std::process::Command;
use std::time::Instant;

use flashlight_proto::category::Indicator;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

use super::*;

/// Probability of failing by chance.
const ALPHA: f64 = 1e-6;

fn run(words: Range<usize>) -> Run {
    Run { first: words.start, len: words.len(), step: 1 }
}

fn noisy(words: Range<usize>, scale: f64, bits: u32, bound: u64) -> Share {
    Share { words: vec![run(words)], fill: Fill::Noise { scale, bits, bound } }
}

fn add_to(words: &[i64], shares: &[Share]) -> Result<Vec<i64>, NoiseError> {
    add(Zeroizing::new(words.to_vec()), shares).map(|words| words.to_vec())
}

/// log Γ, by Stirling's series after moving up.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 15.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    shift + (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

/// P[χ² with `freedom` degrees > statistic], by the series of the lower incomplete gamma function.
fn chi_square_tail(statistic: f64, freedom: f64) -> f64 {
    let (a, x) = (freedom / 2.0, statistic / 2.0);
    let (mut term, mut sum, mut k) = (1.0 / a, 1.0 / a, a);
    while term > sum * 1e-17 {
        k += 1.0;
        term *= x / k;
        sum += term;
    }
    1.0 - sum * (a * x.ln() - x - ln_gamma(a)).exp()
}

/// P[X = x] for every |x| ≤ reach, from the definition: exp(−x²/2s²) over its sum.
fn masses(scale: f64, reach: i32) -> Vec<f64> {
    let weight = |x: i32| (-f64::from(x).powi(2) / (2.0 * scale * scale)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    (-reach..=reach).map(|x| weight(x) / total).collect()
}

#[test]
fn the_tail_of_chi_square_matches_tables() {
    for (statistic, freedom, tail) in
        [(3.841_458_8, 1.0, 0.05), (18.307_038, 10.0, 0.05), (149.449_25, 100.0, 0.001)]
    {
        let found = chi_square_tail(statistic, freedom);
        assert!((found / tail - 1.0).abs() < 1e-5, "{statistic} {freedom}: {found}");
    }
}

#[test]
fn draws_follow_the_discrete_gaussian() {
    const DRAWS: usize = 100_000;
    for (scale, twelve_sd) in [(2.0, 24), (3.3, 40), (57.123_456_789, 685)] {
        let begun = Instant::now();
        let whole = [noisy(0..DRAWS, scale, 0, 0)];
        let drawn = add_to(&vec![0; DRAWS], &whole).unwrap();
        let took = begun.elapsed();
        let reach = i32::try_from(drawn.iter().map(|x| x.unsigned_abs()).max().unwrap()).unwrap();
        let reach = reach.max(twelve_sd);
        let mut counts = vec![0_u32; masses(scale, reach).len()];
        for x in &drawn {
            counts[usize::try_from(*x + i64::from(reach)).unwrap()] += 1;
        }
        // Neighbouring values are put together until 20 draws are expected of them.
        let (mut statistic, mut cells) = (0.0, 0.0);
        let (mut expected, mut found, mut left) = (0.0, 0.0, DRAWS as f64);
        for (mass, count) in masses(scale, reach).into_iter().zip(counts) {
            let mass = mass * DRAWS as f64;
            (expected, found, left) = (expected + mass, found + f64::from(count), left - mass);
            if expected >= 20.0 && left >= 20.0 {
                statistic += (found - expected).powi(2) / expected;
                (cells, expected, found) = (cells + 1.0, 0.0, 0.0);
            }
        }
        statistic += (found - expected).powi(2) / expected;
        let tail = chi_square_tail(statistic, cells);
        println!(
            "s = {scale}: chi-square {statistic:.1}, {cells} degrees, p = {tail:.3}, {took:?}"
        );
        assert!(tail > ALPHA, "s = {scale}: chi-square {statistic}, {cells} degrees, p = {tail}");
    }
}

#[test]
fn two_rounds_draw_different_noise() {
    let whole = [noisy(0..64, 1000.0, 0, 0)];
    assert_ne!(add_to(&[0; 64], &whole).unwrap(), add_to(&[0; 64], &whole).unwrap());
}

#[test]
fn noise_comes_from_the_secure_source() {
    // Without `use-openssl` opendp silently draws from a thread's generator.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "opendp", "--depth", "0"])
        .args(["--prefix", "none", "--format", "{p}|{f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (package, features) = text.trim().split_once('|').unwrap();
    assert!(package.starts_with("opendp v0.16."), "{text}");
    let has = |name: &str| features.split(',').any(|feature| feature == name);
    assert!(has("use-openssl"), "{text}");
    assert!(!has("idealized-numerics") && !has("untrusted"), "{text}");
}

#[test]
fn words_are_scaled_before_the_noise_is_added() {
    // At this scale a draw other than 0 has a probability of 10⁻²¹⁷ or so.
    let shares = [noisy(0..2, 1.0 / 32.0, 5, 100), noisy(2..3, 1.0 / 32.0, 0, 100)];
    assert_eq!(add_to(&[3, -7, 9], &shares).unwrap(), [96, -224, 9]);
}

#[test]
fn carried_words_are_sent_as_nothing() {
    let carried = Share { words: vec![Run { first: 1, len: 2, step: 2 }], fill: Fill::Carried };
    let shares =
        [Share { words: vec![run(0..1), run(2..3)], ..noisy(0..0, 1.0 / 32.0, 0, 50) }, carried];
    assert_eq!(add_to(&[10, 20, 30, 40], &shares).unwrap(), [10, 0, 30, 0]);
}

#[test]
fn a_word_that_no_block_names_is_refused() {
    let error = add_to(&[1, 2, 3], &[noisy(0..1, 2.0, 0, 9), noisy(2..3, 2.0, 0, 9)]).unwrap_err();
    assert_eq!(error, NoiseError::Cover { word: 1 });
}

#[test]
fn a_word_that_two_blocks_name_or_that_is_not_there_is_refused() {
    let twice = [noisy(0..2, 2.0, 0, 9), noisy(1..3, 2.0, 0, 9)];
    assert_eq!(add_to(&[1, 2, 3], &twice).unwrap_err(), NoiseError::Cover { word: 1 });
    let beyond = [noisy(0..4, 2.0, 0, 9)];
    assert_eq!(add_to(&[1, 2, 3], &beyond).unwrap_err(), NoiseError::Cover { word: 3 });
}

#[test]
fn a_word_beyond_its_public_bound_is_refused() {
    for word in [11, -11, i64::MIN] {
        let error = add_to(&[10, word], &[noisy(0..2, 2.0, 0, 10)]).unwrap_err();
        assert_eq!(error.code(), "contribution_over_bound");
        assert!(!error.to_string().contains("11"), "an error never tells a value: {error}");
    }
}

#[test]
fn a_word_that_would_wrap_is_refused() {
    let error = add_to(&[i64::MAX / 2], &[noisy(0..1, 2.0, 2, u64::MAX)]).unwrap_err();
    assert_eq!(error, NoiseError::Overflow { word: 0 });
}

#[test]
fn noise_that_is_none_is_refused() {
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, SCALE_MAX * 2.0] {
        assert_eq!(add_to(&[1], &[noisy(0..1, scale, 0, 9)]), Err(NoiseError::Scale), "{scale}");
        assert_eq!(draw(scale, 1).unwrap_err(), NoiseError::Scale, "{scale}");
    }
    assert_eq!(add_to(&[1], &[noisy(0..1, 2.0, BITS_MAX + 1, 9)]), Err(NoiseError::Scale));
}

/// Twelve districts with 83 students each; a mean whose counts the shares carry, and the students.
fn study() -> (Study, SchoolTable) {
    let mut schools = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                       enrollment\n"
        .to_owned();
    for school in 0..12 {
        schools += &format!("{school},2024,School {school},d{school:02},ES,03,03,83\n");
    }
    let table = |indicator: &str, test: &str| {
        format!("[[table]]\nindicator = \"{indicator}\"\nby = [[]]\nfamilies = [\"sex\"]\n{test}\n")
    };
    let text = format!(
        "[study]\nid = \"s\"\ntitle = \"S\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n[privacy]\nrho = 40.0\n\
         [cohort]\nmin_districts = 12\nmax_dropped = 1\nmax_colluding = 1\n\
         [[test]]\nid = \"T\"\n[test.scores.MATH]\n\"03\" = {{ min = 1, max = 90, met = 50 }}\n\
         {}{}{}",
        Digest::of(schools.as_bytes()),
        table("students", ""),
        table("math_mean", "test = \"T\""),
        table("math_met", "test = \"T\""),
    );
    (Study::parse(text.as_bytes()).unwrap(), SchoolTable::parse(schools.as_bytes()).unwrap())
}

#[test]
fn every_word_gets_the_noise_of_its_block_around_its_scaled_value() {
    const TIMES: usize = 1500;
    let (study, schools) = study();
    let layout = Layout::derive(&study, &schools).unwrap();
    let plan = NoisePlan::new(&study, &layout, &schools, 12).unwrap();
    let shares = shares(&plan, &layout, &"d03".parse().unwrap());
    let exact: Vec<i64> =
        (0..layout.words()).map(|word| i64::try_from(word).unwrap() + 10).collect();
    let drawn: Vec<Vec<i64>> = (0..TIMES).map(|_| add_to(&exact, &shares).unwrap()).collect();
    let mut kinds = [0, 0];
    for word in 0..layout.words() {
        let column = drawn.iter().map(|words| words[word]);
        let block = plan.blocks().iter().find(|one| one.block.words().any(|one| one == word));
        let Some(block) = block else {
            let of = layout.blocks().iter().rfind(|block| block.first_word() <= word).unwrap();
            assert_eq!(of.indicator, Indicator::Mean(flashlight_proto::category::Subject::Math));
            assert!(column.clone().all(|word| word == 0), "{}", layout.cell_name(word));
            kinds[0] += 1;
            continue;
        };
        kinds[1] += 1;
        let centre = exact[word] << block.scale_bits;
        let squares = column.map(|x| ((x - centre) as f64).powi(2)).sum::<f64>();
        // Σ(x − centre)²/s² is chi-square with TIMES degrees, nearly.
        let off = (squares / block.scale.powi(2) - TIMES as f64) / (2.0 * TIMES as f64).sqrt();
        println!("{}: s = {:.3}, {off:+.2} sd off", layout.cell_name(word), block.scale);
        assert!(off.abs() < 6.0, "{}: {off} sd off", layout.cell_name(word));
    }
    assert_eq!(kinds, [5, 20], "five counts are carried, everything else is noisy");
    assert!(plan.blocks().iter().any(|block| block.scale_bits > 0), "a fine grid is in use");
}

/// Every way a round may lose districts and colluders may take off their own noise, on the very shares
/// that nodes draw. α < 1e-6 a comparison, two-sided against the claim and one-sided against the
/// promise; the draws are the system's and have no seed, so the statistics are printed.
#[test]
fn what_is_left_of_the_noise_has_the_claimed_variance_and_is_never_below_the_promise() {
    const CELLS: usize = 4000;
    // Two-sided 2e-9 for a normal, which χ² with so many degrees nearly is.
    const SDS: f64 = 6.0;
    let (study, schools) = study();
    let layout = Layout::derive(&study, &schools).unwrap();
    let plan = NoisePlan::new(&study, &layout, &schools, 12).unwrap();
    let sizes = plan.sizes();
    let spread = (2.0 / CELLS as f64).sqrt();
    let mut worst = f64::INFINITY;
    for block in plan.blocks() {
        let fine = f64::from(1_u32 << block.scale_bits);
        let shares: Vec<_> =
            (0..sizes.n).map(|_| draw(block.scale, CELLS).unwrap().to_vec()).collect();
        for survivors in sizes.m..=sizes.n {
            for colluders in 0..=sizes.c {
                let left = &shares[usize::from(colluders)..usize::from(survivors)];
                let squares: f64 = (0..CELLS)
                    .map(|cell| {
                        (left.iter().map(|share| share[cell]).sum::<i64>() as f64 / fine).powi(2)
                    })
                    .sum();
                let found = squares / CELLS as f64;
                let honest = survivors - colluders;
                let claimed = f64::from(honest) * block.share_variance;
                assert!(claimed >= block.variance, "{} honest of h = {}", honest, sizes.h);
                if colluders == 0 {
                    assert!((block.sd(survivors).powi(2) / claimed - 1.0).abs() < 1e-12);
                }
                let off = (found / claimed - 1.0) / spread;
                let above = (found / block.variance - 1.0) / spread;
                worst = worst.min(above);
                let name = block.block.name();
                println!(
                    "{name}: {survivors} survivors, {colluders} take theirs off: {off:+.2} sd"
                );
                assert!(off.abs() < SDS, "{name}, {honest} honest: {off} sd off the claim");
                assert!(above > -SDS, "{name}, {honest} honest: {above} sd below the promise");
            }
        }
        // The same test sees a quarter of the noise missing.
        let found = block.variance * 0.75;
        assert!((found / block.variance - 1.0) / spread < -SDS, "the test has no power");
    }
    println!("least noise: {worst:+.2} sd from the promise");
}
