//! Simulated growth networks under noise, against the truth they were made from.
//!
//! In: how many students, ρ, whether to start from earlier coefficients, a seed. Out: how far noise moves
//! coefficients and school effects, and how often 95 % intervals hold the truth. Rows, words, reaches,
//! noise plan and estimates are the network's own code; students are drawn, and so is the noise.
//!
//! The model is docs/PRIVACY.md's: 4 priors, 6 flags, 9 published figures of the school and an intercept;
//! scores have a standard deviation of 100 points, schools τ = 12, students σ = 45, 80 to a school.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use flashlight_coordinator::estimate::effects::{self, Counts};
use flashlight_coordinator::estimate::noisy::{Public, Round, constants, estimates};
use flashlight_node::growth::{
    GrowthRow, Offering, SchoolSums, block_words, school_effect, shrinkage,
};
use flashlight_proto::canonical::Digest;
use flashlight_proto::dp::{GrowthNoise, NoisePlan};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::release::NoisyGrowth;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

/// Districts of a network.
const DISTRICTS: u16 = 12;
/// Points.
const SIGMA: f64 = 45.0;
const TAU: f64 = 12.0;
const CENTRE: f64 = 2500.0;
/// Shares of the flags in the network.
const FLAGS: [(&str, f64, i64); 6] = [
    ("sed", 0.58, 100),
    ("el", 0.20, 80),
    ("swd", 0.12, 40),
    ("homeless", 0.04, 30),
    ("foster", 0.006, 6),
    ("sex=F", 0.50, 100),
];
/// Priors, and their published school means but the last's.
const PRIORS: [(&str, u8); 4] = [("MATH", 1), ("ELA", 1), ("MATH", 2), ("ELA", 2)];
const BETA_PRIORS: [f64; 4] = [0.45, 0.2, 0.15, 0.1];
const BETA_FLAGS: [f64; 6] = [-6.0, -5.0, -9.0, -4.0, -5.0, 1.0];
/// Of the published means and of the published shares, per point and per percent.
const BETA_MEANS: [f64; 3] = [0.08, 0.04, -0.03];
const BETA_SHARES: [f64; 6] = [-0.1, 0.05, 0.08, -0.1, 0.4, 0.02];

const ENROLLMENTS: &str = "student_id,school_year,school_id,grade,entry_date,exit_date,race_ethnicity,\
                           sex,el,swd,sed,homeless,foster\n";
const ASSESSMENTS: &str = "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,\
                           scale_score,sem,performance_level,included\n";
const PRIOR_SCORES: &str = "student_id,subject,as_of_year,years_back,score,sem,grade\n";

/// SplitMix64 (Steele, Lea, Flood 2014), and normal numbers of it by Box and Muller.
pub struct Draw(u64, Option<f64>);

impl Draw {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed, None)
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (f64::from(u32::try_from(z >> 32).unwrap_or(0)) + 0.5) / 2f64.powi(32)
    }

    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.1.take() {
            return spare;
        }
        let (radius, angle) =
            ((-2.0 * self.uniform().ln()).sqrt(), std::f64::consts::TAU * self.uniform());
        self.1 = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// A network's public side, and its schools.
pub struct Network {
    study: Study,
    schools: SchoolTable,
    first: Layout,
    survivors: Vec<DistrictId>,
    /// Students and level of each school.
    sizes: Vec<(u32, f64)>,
    figures: Vec<[f64; 9]>,
    truth: Vec<f64>,
    study_toml: String,
    schools_csv: String,
}

/// What one simulated release told.
pub struct Outcome {
    /// The release.
    pub fit: NoisyGrowth,
    /// The truth, in the order of its coefficients.
    pub truth: Vec<f64>,
    /// û − u, û less what it were without noise in the coefficients, û, √PEV: school by school.
    pub effects: Vec<[f64; 4]>,
}

impl Network {
    /// About `students` students in schools of 40 to 120, with published figures; `start`: coefficients and
    /// scales of an earlier release.
    ///
    /// # Errors
    /// When the study is refused.
    pub fn new(
        students: u32,
        rho: f64,
        start: Option<(&[f64], &[f64])>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut draw = Draw::new(seed);
        let count = (students / 80).max(20);
        let (mut sizes, mut figures, mut csv) = (Vec::new(), Vec::new(), String::new());
        csv.push_str(
            "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment",
        );
        for at in 0..9 {
            csv.push_str(&format!(",public_{at}"));
        }
        csv.push('\n');
        for school in 0..count {
            let level = draw.normal();
            let n = 40 + school % 81;
            let mut figure = [0.0; 9];
            for mean in figure.iter_mut().take(3) {
                let near = 30.0f64.mul_add(level, 45.0 * 0.3 * draw.normal());
                *mean = hundredths(near.clamp(-200.0, 200.0));
            }
            for (at, (_, share, most)) in FLAGS.iter().enumerate() {
                let spread = if at == 5 { 0.1 } else { 0.6 };
                let odds = share / (1.0 - share) * (spread * (draw.normal() - 0.7 * level)).exp();
                let percent = 100.0 * odds / (1.0 + odds);
                figure[3 + at] = hundredths(percent.min(whole(*most)));
            }
            csv.push_str(&format!(
                "S{school},2024,S{school},D{:02},ES,04,04,{}",
                school % u32::from(DISTRICTS),
                n + n / 10
            ));
            for one in figure {
                csv.push_str(&format!(",{one:.2}"));
            }
            csv.push('\n');
            sizes.push((n, level));
            figures.push(figure);
        }
        let text = study(&csv, rho, start);
        let study = Study::parse(text.as_bytes())?;
        let schools = SchoolTable::parse(csv.as_bytes())?;
        let first = Layout::derive(&study, &schools)?;
        let survivors = (0..DISTRICTS).map(|at| format!("D{at:02}").parse());
        let survivors = survivors.collect::<Result<_, _>>()?;
        let truth = truth(&study);
        let (study_toml, schools_csv) = (text, csv);
        Ok(Self {
            study,
            schools,
            first,
            survivors,
            sizes,
            figures,
            truth,
            study_toml,
            schools_csv,
        })
    }

    /// Draws students and noise, and makes the release.
    ///
    /// # Errors
    /// When the sums give no model.
    pub fn release(&self, draw: &mut Draw) -> anyhow::Result<Outcome> {
        let (rows, effects) = self.students(draw);
        let (fit, plain) = (self.fit(&rows, Some(draw))?, self.fit(&rows, None)?);
        let model = &self.first.growth().first().context("the study has no model")?.model;
        let mut schools: Vec<SchoolSums> = Vec::new();
        for row in &rows {
            let at = usize::try_from(row.school)?;
            schools.resize_with(schools.len().max(at + 1), || SchoolSums {
                n: 0,
                t: vec![0; model.q()],
                m: Vec::new(),
                c: Vec::new(),
            });
            schools[at].n += 1;
            schools[at].t.iter_mut().zip(&row.values).for_each(|(sum, value)| *sum += value);
        }
        let (noisy, exact) = (shrinkage(&fit), shrinkage(&plain));
        let both = schools.iter().zip(effects).filter_map(|(school, truth)| {
            let [one, two] = [&noisy, &exact].map(|fit| school_effect(model, school, fit));
            let (one, two) = (one?, two?);
            Some([one.effect - truth, one.effect - two.effect, one.effect, one.error])
        });
        Ok(Outcome { effects: both.collect(), truth: self.truth.clone(), fit })
    }

    /// Coefficients and scales for another study's start; coefficients are off by up to a twentieth.
    ///
    /// # Errors
    /// When the sums give no model.
    pub fn start(&self, draw: &mut Draw) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        let (rows, _) = self.students(draw);
        let fit = self.fit(&rows, None)?;
        let off = |beta: &f64| beta * (1.0 + 0.05 * (2.0 * draw.uniform() - 1.0));
        let mut beta: Vec<f64> = fit.beta.iter().map(off).collect();
        // The mean of the network is known far better than that.
        beta[0] = fit.beta[0] + 0.05 * SIGMA;
        Ok((beta, fit.scales))
    }

    /// Writes a study, its school table, and a folder of exports for each district under `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, draw: &mut Draw) -> anyhow::Result<()> {
        let (rows, _) = self.students(draw);
        let mut tables = vec![
            [ENROLLMENTS, ASSESSMENTS, PRIOR_SCORES].map(str::to_owned);
            usize::from(DISTRICTS)
        ];
        for (id, row) in rows.iter().enumerate() {
            let [enrollments, assessments, priors] =
                &mut tables[usize::try_from(row.school)? % usize::from(DISTRICTS)];
            let school = row.school;
            let points = |at: usize| row.values[at] + units(CENTRE);
            let flags: Vec<&str> =
                (5..11).map(|at| if row.values[at] == 1 { "true" } else { "false" }).collect();
            let [sed, el, swd, homeless, foster, _] = flags[..] else { continue };
            let sex = if row.values[10] == 1 { "F" } else { "M" };
            writeln!(
                enrollments,
                "{id:06},2024,S{school},04,2023-08-15,2024-06-14,,{sex},{el},{swd},{sed},{homeless},{foster}"
            )?;
            writeln!(
                assessments,
                "{id:06},T,2024-05-02,2024,MATH,04,S{school},{},,,true",
                points(row.values.len() - 1)
            )?;
            for (at, (subject, back)) in PRIORS.iter().enumerate() {
                writeln!(
                    priors,
                    "{id:06},{subject},2024,{back},{},,0{}",
                    points(1 + at),
                    4 - back
                )?;
            }
        }
        for (at, texts) in tables.iter().enumerate() {
            let district = folder.join("districts").join(format!("D{at:02}"));
            fs::create_dir_all(&district)?;
            for (name, text) in ["enrollments", "assessments", "prior_scores"].iter().zip(texts) {
                fs::write(district.join(format!("{name}.csv")), text)?;
            }
        }
        fs::write(folder.join("schools.csv"), &self.schools_csv)?;
        Ok(fs::write(folder.join("study.toml"), &self.study_toml)?)
    }

    fn fit(&self, rows: &[GrowthRow], mut noise: Option<&mut Draw>) -> anyhow::Result<NoisyGrowth> {
        let public =
            Public { study: &self.study, schools: &self.schools, survivors: &self.survivors };
        let plan = |layout: &Layout| NoisePlan::new(&self.study, layout, &self.schools, DISTRICTS);
        let numbers: BTreeSet<u32> = (0_u32..).zip(&self.sizes).map(|(at, _)| at).collect();
        let offering = Offering { count: numbers.len(), numbers };
        let mut sums = |layout: &Layout, plan: &NoisePlan| -> anyhow::Result<Vec<i64>> {
            let block = layout.growth().first().context("the study has no model")?;
            let mut words = block_words(block, rows, || offering.clone())?;
            for one in plan.growth() {
                let drawn = noise.as_deref_mut().map_or(0.0, Draw::normal);
                let word = words.get_mut(one.word).context("a word is not there")?;
                *word = (*word << one.drawn.scale_bits) + share(one, drawn);
            }
            Ok(words)
        };
        let one = plan(&self.first)?;
        let words = sums(&self.first, &one)?;
        let first = Round { layout: &self.first, sums: &words, plan: &one };
        let broadcast = constants(first, public)?;
        let layout = Layout::later(&self.study, &self.schools, &broadcast)?;
        let two = plan(&layout)?;
        let words = sums(&layout, &two)?;
        let second = Round { layout: &layout, sums: &words, plan: &two };
        let mut found = estimates(first, second, public)?;
        let broadcast = effects::noisy_constants(&self.first, &found);
        if !broadcast.is_empty() {
            let layout = Layout::later(&self.study, &self.schools, &broadcast)?;
            let three = plan(&layout)?;
            let words = sums(&layout, &three)?;
            let counts = Counts { layout: &layout, sums: &words, plan: Some(&three) };
            counts.add_noisy(&mut found, &self.schools, &self.survivors);
        }
        found.pop().context("there is no estimate")
    }

    /// Rows, and the true effect of each school.
    fn students(&self, draw: &mut Draw) -> (Vec<GrowthRow>, Vec<f64>) {
        let (mut rows, mut effects) = (Vec::new(), Vec::new());
        for (school, ((n, level), figures)) in (0_u32..).zip(self.sizes.iter().zip(&self.figures)) {
            let effect = TAU * draw.normal();
            effects.push(effect);
            let place: f64 =
                BETA_MEANS.iter().chain(&BETA_SHARES).zip(figures).map(|(b, z)| b * z).sum();
            for _ in 0..*n {
                let able = 30.0 * level + 70.0 * draw.normal();
                let priors =
                    [(); 4].map(|()| (able + 50.0 * draw.normal()).round().clamp(-300.0, 300.0));
                let flags: Vec<bool> =
                    (0..6).map(|at| draw.uniform() < figures[3 + at] / 100.0).collect();
                let mut y = place + effect + SIGMA * draw.normal();
                y += BETA_PRIORS.iter().zip(priors).map(|(beta, prior)| beta * prior).sum::<f64>();
                y += BETA_FLAGS
                    .iter()
                    .zip(&flags)
                    .filter(|(_, is)| **is)
                    .map(|(beta, _)| beta)
                    .sum::<f64>();
                let mut values = vec![1];
                values.extend(priors.map(units));
                values.extend(flags.iter().map(|is| if *is { 1 } else { -1 }));
                values.extend(
                    figures
                        .iter()
                        .zip(self.centres())
                        .map(|(z, centre)| units((z - centre) * 100.0)),
                );
                values.push(units(y.clamp(-300.0, 300.0)));
                rows.push(GrowthRow { school, values, errors: Vec::new() });
            }
        }
        (rows, effects)
    }

    fn centres(&self) -> impl Iterator<Item = f64> + '_ {
        let spec = self.study.growth.first().into_iter().flat_map(|spec| &spec.public);
        spec.map(|one| whole(one.centre) / 100.0)
    }
}

/// One draw of a word's noise in the sum of all survivors, fine units.
fn share(one: &GrowthNoise, drawn: f64) -> i64 {
    units(one.sd(DISTRICTS) * f64::from(1_u32 << one.drawn.scale_bits) * drawn)
}

/// The true coefficients, in the order and at the centres of the study's model.
fn truth(study: &Study) -> Vec<f64> {
    let public: Vec<f64> = study
        .growth
        .iter()
        .flat_map(|spec| spec.public.iter().map(|one| whole(one.centre) / 100.0))
        .collect();
    let places: Vec<f64> = BETA_MEANS.iter().chain(&BETA_SHARES).copied().collect();
    let mut one = CENTRE + BETA_FLAGS.iter().sum::<f64>() / 2.0;
    one += places.iter().zip(&public).map(|(beta, centre)| beta * centre).sum::<f64>();
    [one].into_iter().chain(BETA_PRIORS).chain(BETA_FLAGS).chain(places).collect()
}

fn study(csv: &str, rho: f64, start: Option<(&[f64], &[f64])>) -> String {
    let sha256 = Digest::of(csv.as_bytes());
    let range = "{ min = 2200, max = 2800, met = 2500 }";
    let grades: Vec<String> =
        ["02", "03", "04"].iter().map(|grade| format!("\"{grade}\" = {range}")).collect();
    let grades = grades.join(", ");
    let priors: Vec<String> = PRIORS
        .iter()
        .map(|(subject, back)| format!("{{ subject = \"{subject}\", years_back = {back} }}"))
        .collect();
    let flags: Vec<String> = FLAGS.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let public: Vec<String> = (0..9)
        .map(|at| {
            let (min, max) = if at < 3 { (-200, 200) } else { (0, FLAGS[at - 3].2) };
            format!("{{ column = \"public_{at}\", min = {min}, max = {max} }}")
        })
        .collect();
    let mut text = format!(
        "[study]\nid = \"growth\"\ntitle = \"Growth under noise, a made-up network\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\
         [privacy]\nmode = \"dp\"\nrho = {rho:?}\n[cohort]\nmin_districts = {DISTRICTS}\n\
         max_dropped = 1\nmax_colluding = 1\n[[test]]\nid = \"T\"\n\
         scores = {{ MATH = {{ {grades} }}, ELA = {{ {grades} }} }}\n[[growth]]\nid = \"math\"\n\
         test = \"T\"\nsubject = \"MATH\"\ngrades = [\"04\"]\npriors = [{}]\ncovariates = [{}]\n\
         public = [{}]\nrho = {rho:?}\nclip = {{ student = 135, school = 60 }}\npercentiles = true\n",
        priors.join(", "),
        flags.join(", "),
        public.join(", "),
    );
    if let Some((beta, scales)) = start {
        let list = |numbers: &[f64]| {
            numbers.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ")
        };
        let names = PRIORS.iter().map(|(subject, back)| format!("\"{subject}-{back}\""));
        let places = (0..9).map(|at| format!("\"public_{at}\""));
        let names: Vec<String> =
            ["\"one\"".to_owned()].into_iter().chain(names).chain(flags).chain(places).collect();
        let mut centres = vec![0.0, CENTRE, CENTRE, CENTRE, CENTRE];
        centres.extend([0.5; 6]);
        centres.extend([0.0; 3]);
        centres.extend(FLAGS.iter().map(|(.., most)| whole(*most) / 2.0));
        text.push_str(&format!(
            "start = [{{ grade = \"04\", release = \"{sha256}\", names = [{}], centres = [{}], \
             beta = [{}], scales = [{}] }}]\n",
            names.join(", "),
            list(&centres),
            list(beta),
            list(scales)
        ));
    }
    text
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn units(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates; far below 2⁶³")]
    let units = value.round() as i64;
    units
}

fn whole(value: i64) -> f64 {
    i32::try_from(value).map_or(f64::NAN, f64::from)
}
