//! The figures of a made network against those it is calibrated to.
//!
//! One network of 8 districts and 40,000 students over two years, seed 7. Tolerances are at least four
//! sd of what twelve other seeds of the same size gave, so that a network which is not at fault fails
//! less than once in a thousand seeds (α = 0.001 for each figure, taking them as normal).

use std::collections::{BTreeMap, BTreeSet};

use super::{super::marginals, *};

const SEED: u64 = 7;

struct Texts(BTreeMap<&'static str, Vec<String>>);

impl Texts {
    fn read(out: &Path) -> Self {
        let of = |name| {
            let read = |folder: PathBuf| fs::read_to_string(folder.join(name)).unwrap();
            (name, folders(out).into_iter().map(read).collect())
        };
        let names = [
            "enrollments.csv",
            "attendance_summary.csv",
            "assessments.csv",
            "discipline.csv",
            "graduation.csv",
        ];
        Self(names.into_iter().map(of).collect())
    }

    fn rows(&self, name: &str) -> impl Iterator<Item = Vec<&str>> {
        self.0[name].iter().flat_map(|text| rows(text))
    }
}

fn near(what: &str, found: f64, wanted: f64, within: f64) {
    assert!(
        (found - wanted).abs() <= within,
        "{what}: {found:.4}, not {wanted} ± {within} (seed {SEED})"
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test, far below 2^52")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

#[test]
fn a_made_network_has_the_states_figures() {
    let (_folder, out) =
        network(SEED, |args| (args.districts, args.students, args.years) = (8, 40_000, 2));
    let texts = Texts::read(&out);
    let enrolled = groups(&texts);
    absence(&texts);
    discipline(&texts, &enrolled);
    scores(&texts, &enrolled);
    graduation(&texts);
}

/// Students and years, by grade.
type Enrolled<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

fn groups(texts: &Texts) -> Enrolled<'_> {
    let mut enrolled = BTreeMap::new();
    let (mut flags, mut races) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    for row in texts.rows("enrollments.csv").filter(|row| row[7] == "primary") {
        if enrolled.insert((row[0], row[1]), row[3]).is_none() {
            for column in [10, 11, 12, 14, 15] {
                *flags.entry((column, row[column])).or_default() += 1;
            }
            *races.entry(row[8]).or_default() += 1;
        }
    }
    let all = enrolled.len();
    assert_eq!(all, 80_000);
    for (column, name, wanted, within, missing) in [
        (10, "el", marginals::EL, 0.013, 0.003),
        (11, "swd", marginals::SWD, 0.011, 0.004),
        (12, "sed", marginals::SED, 0.012, 0.006),
        (14, "homeless", marginals::HOMELESS, 0.005, 0.005),
        (15, "foster", marginals::FOSTER, 0.0017, 0.005),
    ] {
        let yes = flags[&(column, "Y")];
        near(name, share(yes, yes + flags[&(column, "N")]), wanted, within);
        near(name, share(flags[&(column, "")], all), missing, 0.0015);
    }
    for (name, wanted) in marginals::RACES.into_iter().zip(marginals::RACE_SHARE) {
        near(name, share(races[name], all), wanted, 0.016);
    }
    near("race missing", share(races["Missing"], all), 0.009, 0.002);
    enrolled
}

fn absence(texts: &Texts) {
    let mut days = BTreeMap::<_, (u32, u32)>::new();
    for row in texts.rows("attendance_summary.csv") {
        let sum = days.entry((row[0], row[1])).or_default();
        let expected = nearest_hundredths(row[3]);
        let attended = nearest_hundredths(row[4]) + nearest_hundredths(row[9]);
        *sum = (sum.0 + expected, sum.1 + expected - attended);
    }
    let eligible: Vec<_> = days.values().filter(|(expected, _)| *expected > 3000).collect();
    let chronic = eligible.iter().filter(|(expected, absent)| 10 * absent >= *expected).count();
    near("chronic", share(chronic, eligible.len()), marginals::CHRONIC, 0.014);
    let never = eligible.iter().filter(|(_, absent)| *absent == 0).count();
    near("never absent", share(never, eligible.len()), 0.06, 0.01);
}

fn discipline(texts: &Texts, enrolled: &Enrolled<'_>) {
    let of = |wanted: &[&str]| -> usize {
        let rows = texts.rows("discipline.csv");
        let rows = rows.filter(|row| wanted.contains(&row[6]));
        rows.map(|row| (row[0], row[3])).collect::<BTreeSet<_>>().len()
    };
    near("suspended", share(of(&["oss", "iss"]), enrolled.len()), marginals::SUSPENDED, 0.004);
    near("expelled", share(of(&["expulsion"]), enrolled.len()), 0.0009, 0.0006);
}

fn scores(texts: &Texts, enrolled: &Enrolled<'_>) {
    let mut found = BTreeMap::new();
    for row in texts.rows("assessments.csv") {
        if row[1] == "CAASPP-SBAC" && row[10] == "true" && !row[7].is_empty() {
            found.insert((row[4], row[5], row[0], row[3]), row[7].parse::<u32>().unwrap());
        }
    }
    let mut met = [(0, 0); 2];
    let mut scored = 0;
    for (at, (subject, scales)) in ["ELA", "MATH"].into_iter().zip(&marginals::SCALES).enumerate() {
        for scale in scales {
            let grade = life::GRADE[scale.grade];
            let from = (subject, grade, "", "");
            let to = (subject, grade, "~", "~");
            let points: Vec<f64> =
                found.range(from..to).map(|(_, points)| f64::from(*points)).collect();
            let n = share(points.len(), 1);
            let mean = points.iter().sum::<f64>() / n;
            near(&format!("{subject} {grade} mean"), mean, scale.mean, 12.0);
            let square = points.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>() / n;
            near(&format!("{subject} {grade} sd"), square.sqrt() / scale.sd, 0.96, 0.1);
            met[at].0 += points.iter().filter(|one| **one >= f64::from(scale.cuts[1])).count();
            met[at].1 += points.len();
            scored += points.len();
        }
        near(subject, share(met[at].0, met[at].1), marginals::MET[at], 0.030);
        let pairs = found.iter().filter(|((of, grade, ..), _)| *of == subject && *grade == "05");
        let pairs: Vec<(f64, f64)> = pairs
            .filter_map(|((_, _, id, year), now)| {
                assert_eq!(*year, year.trim());
                let before = found.get(&(subject, "04", *id, "2023"))?;
                (*year == "2024").then(|| (f64::from(*before), f64::from(*now)))
            })
            .collect();
        assert!(pairs.len() > 2000);
        near("prior correlation", correlation(&pairs), marginals::PRIOR_CORRELATION, 0.05);
    }
    let grades: Vec<_> =
        marginals::SCALES[0].iter().map(|scale| life::GRADE[scale.grade]).collect();
    let tested = 2 * enrolled.values().filter(|grade| grades.contains(*grade)).count();
    near("unscored", 1.0 - share(scored, tested), marginals::UNSCORED, 0.009);
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = share(pairs.len(), 1);
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let mut sums = [0.0; 3];
    for pair in pairs {
        let (a, b) = (pair.0 - x, pair.1 - y);
        sums = [sums[0] + a * a, sums[1] + b * b, sums[2] + a * b];
    }
    sums[2] / (sums[0] * sums[1]).sqrt()
}

fn graduation(texts: &Texts) {
    let mut outcomes = BTreeMap::<_, usize>::new();
    let mut ready = [0, 0];
    for row in texts.rows("graduation.csv").filter(|row| row[1] == "2024") {
        *outcomes.entry(row[7]).or_default() += 1;
        if !row[8].is_empty() {
            ready[usize::from(row[8] == "Y")] += 1;
        }
    }
    let all = outcomes.values().sum::<usize>() - outcomes["removed"];
    near("graduated", share(outcomes["diploma"], all), marginals::GRADUATED, 0.03);
    near("dropped", share(outcomes["dropout"], all), marginals::DROPPED, 0.031);
    near("ready", share(ready[1], ready[0] + ready[1]), marginals::MET_AG, 0.045);
}
