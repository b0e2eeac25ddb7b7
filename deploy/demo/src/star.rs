//! Tennessee STAR as a network: 41 school systems with a grade 3 (tests/data/star/README.md).
//!
//! In: the committed rows. Out: a folder per district, the public school table and a study, as a
//! hub and its districts would have them, and the answers pooled from the plain rows by another way
//! than the node's, to compare a release with.
//!
//! The school table, with its enrolments, is derived from the rows here, because STAR publishes
//! none. A real network must never do that: whether a school counts, and how many students it has, is
//! public and decided beforehand. The bounds of the scores are ours as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use flashlight_proto::canonical::Digest;

/// The committed rows.
const ROWS: &str = include_str!("../../../tests/data/star/star.csv");
/// Grade 3 was 1988-89.
const SCHOOL_YEAR: i16 = 1989;
/// Grade 3 scores at or above this count as met, points.
const MET: i64 = 616;
/// Scores are clipped to this far from the cut, points. Ours, like the cut: round, and four times what
/// scores of this scale spread between pupils, about 40. A real study takes the lowest and highest
/// obtainable scores from the test's manual. None of these pupils' scores lies outside.
const REACH: i64 = 160;
/// The same for grade 2, whose scores are priors of growth alone.
const MET_BEFORE: [(&str, i64); 2] = [("MATH", 580), ("ELA", 585)];
const REACH_BEFORE: i64 = 200;
/// The growth model of an `exact` study. Centres and standard errors of measurement are ours.
const GROWTH: &str = "
[[growth]]
id             = \"math\"
test           = \"STAR-SAT\"
subject        = \"MATH\"
grades         = [\"03\"]
priors         = [{ subject = \"MATH\", years_back = 1, centre = 580 }, { subject = \"ELA\", years_back = 1, centre = 585 }]
covariates     = [\"sed\", \"race_ethnicity=Black\", \"sex=F\"]
concentrations = [\"priors\", \"sed\", \"race_ethnicity=Black\"]
measurement    = { MATH = 14.0, ELA = 15.0 }
sample         = \"all\"
percentiles    = true
";

/// A STAR network on disk.
pub struct StarNetwork {
    /// The districts, by id.
    pub districts: Vec<StarDistrict>,
    /// The public school table.
    pub schools: PathBuf,
    /// The study.
    pub study: PathBuf,
    pupils: Vec<Pupil>,
}

/// One district's folder.
pub struct StarDistrict {
    /// Its id, as `S01`.
    pub id: String,
    /// Its own files.
    pub folder: PathBuf,
    /// Its pupils.
    pub students: usize,
}

/// The pooled answer of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StarCell {
    /// `students`, `math_mean`, `math_met`, `ela_mean` or `ela_met`.
    pub indicator: &'static str,
    /// The family and group; `None` for all students.
    pub group: Option<(&'static str, &'static str)>,
    /// Pupils counted.
    pub n: u64,
    /// Σ of their scores in points, of those who met the cut, or n again for `students`.
    pub total: i64,
}

/// One pupil, as the committed row has it.
struct Pupil {
    /// Line in the committed file.
    id: usize,
    district: String,
    school: String,
    sex: &'static str,
    race: &'static str,
    sed: &'static str,
    math: Option<i64>,
    read: Option<i64>,
    /// Of grade 2.
    math_before: Option<i64>,
    read_before: Option<i64>,
}

/// Writes the whole network under `out`: `districts/<id>/`, `schools.csv`, `study.toml`.
///
/// `rho`: privacy loss of the study, which is in `dp` mode then; `None` for `exact`.
///
/// # Errors
/// Whatever writing files gives, or `InvalidData` when the committed rows are not as documented.
pub fn write_network(out: &Path, rho: Option<f64>) -> io::Result<StarNetwork> {
    let pupils = pupils().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "tests/data/star/star.csv is not as documented")
    })?;
    let mut districts = Vec::new();
    let ids: BTreeSet<_> = pupils.iter().map(|pupil| pupil.district.clone()).collect();
    for id in ids {
        let ours: Vec<_> = pupils.iter().filter(|pupil| pupil.district == id).collect();
        let folder = out.join("districts").join(&id);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("enrollments.csv"), enrollments(&ours))?;
        fs::write(folder.join("assessments.csv"), assessments(&ours))?;
        fs::write(folder.join("prior_scores.csv"), prior_scores(&ours))?;
        districts.push(StarDistrict { id, folder, students: ours.len() });
    }
    let table = school_table(&pupils);
    let (schools, study) = (out.join("schools.csv"), out.join("study.toml"));
    fs::write(&study, study_text(&table, rho))?;
    fs::write(&schools, table)?;
    Ok(StarNetwork { districts, schools, study, pupils })
}

impl StarNetwork {
    /// Standard deviation of an indicator's amounts between the pupils of `survivors`; 0 over none.
    #[must_use]
    pub fn spread(&self, survivors: &[&str], indicator: &str) -> f64 {
        let found = INDICATORS.iter().find(|(name, _)| *name == indicator);
        let ours = self.pupils.iter().filter(|pupil| survivors.contains(&&*pupil.district));
        let amounts = ours.filter_map(|pupil| (found?.1)(pupil));
        let points = amounts.filter_map(|amount| i32::try_from(amount).ok().map(f64::from));
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for point in points {
            (n, sum, squares) = (n + 1.0, sum + point, squares + point * point);
        }
        if n == 0.0 { 0.0 } else { (squares / n - (sum / n) * (sum / n)).max(0.0).sqrt() }
    }

    /// The exact answers over the pupils of `survivors` (district ids), cell by cell: indicators as
    /// in the study, all students before the families, groups in their order.
    #[must_use]
    pub fn pooled(&self, survivors: &[&str]) -> Vec<StarCell> {
        let ours = || self.pupils.iter().filter(|pupil| survivors.contains(&&*pupil.district));
        let mut cells = Vec::new();
        for (indicator, amount) in INDICATORS {
            let mut groups: BTreeMap<(usize, usize), (u64, i64)> = BTreeMap::new();
            for (pupil, amount) in ours().filter_map(|pupil| Some((pupil, amount(pupil)?))) {
                let places = FAMILIES.iter().enumerate().map(|(at, family)| {
                    let groups = family.groups.iter();
                    (at + 1, groups.take_while(|(code, _)| *code != (family.of)(pupil)).count())
                });
                for place in std::iter::once((0, 0)).chain(places) {
                    let cell = groups.entry(place).or_default();
                    *cell = (cell.0 + 1, cell.1 + amount);
                }
            }
            let cell = |group, place| {
                let (n, total) = groups.get(&place).copied().unwrap_or_default();
                StarCell { indicator, group, n, total }
            };
            cells.push(cell(None, (0, 0)));
            for (at, family) in FAMILIES.iter().enumerate() {
                let named = family.groups.iter().enumerate();
                cells.extend(
                    named.map(|(place, (_, name))| {
                        cell(Some((family.name, *name)), (at + 1, place))
                    }),
                );
            }
        }
        cells
    }
}

/// What one pupil adds, if the indicator counts the pupil.
type AmountOf = fn(&Pupil) -> Option<i64>;

const INDICATORS: [(&str, AmountOf); 5] = [
    ("students", |_| Some(1)),
    ("math_mean", |pupil| pupil.math),
    ("math_met", |pupil| pupil.math.map(|score| i64::from(score >= MET))),
    ("ela_mean", |pupil| pupil.read),
    ("ela_met", |pupil| pupil.read.map(|score| i64::from(score >= MET))),
];

struct FamilyOf {
    name: &'static str,
    of: fn(&Pupil) -> &'static str,
    /// The code in the district's file, and the group's name.
    groups: &'static [(&'static str, &'static str)],
}

const FAMILIES: [FamilyOf; 3] = [
    FamilyOf {
        name: "sex",
        of: |pupil| pupil.sex,
        groups: &[("F", "F"), ("M", "M"), ("X", "X"), ("", "unknown")],
    },
    FamilyOf {
        name: "race_ethnicity",
        of: |pupil| pupil.race,
        groups: &[
            ("Hispanic", "Hispanic"),
            ("AmIndian", "AmIndian"),
            ("Asian", "Asian"),
            ("PacIsl", "PacIsl"),
            ("Filipino", "Filipino"),
            ("Black", "Black"),
            ("White", "White"),
            ("Multiple", "Multiple"),
            ("", "unknown"),
        ],
    },
    FamilyOf {
        name: "sed",
        of: |pupil| pupil.sed,
        groups: &[("Y", "yes"), ("N", "no"), ("", "unknown")],
    },
];

/// The committed rows; `None` when one is not as documented.
fn pupils() -> Option<Vec<Pupil>> {
    let mut lines = ROWS.lines();
    let header = "gender,ethnicity,read2,read3,math2,math3,lunch3,system3,schoolid3";
    (lines.next()? == header).then_some(())?;
    lines.enumerate().map(|(at, line)| pupil(at + 2, line)).collect()
}

fn pupil(id: usize, line: &str) -> Option<Pupil> {
    let fields: Vec<_> = line.split(',').collect();
    let [gender, ethnicity, read_before, read, math_before, math, lunch, system, school] =
        fields[..]
    else {
        return None;
    };
    Some(Pupil {
        id,
        district: format!("S{:02}", whole(system)??),
        school: format!("{:03}", whole(school)??),
        sex: match gender {
            "female" => "F",
            "male" => "M",
            _ => return None,
        },
        race: match ethnicity {
            "cauc" => "White",
            "afam" => "Black",
            "asian" => "Asian",
            "hispanic" => "Hispanic",
            "other" => "Multiple",
            "" => "",
            _ => return None,
        },
        sed: match lunch {
            "free" => "Y",
            "non-free" => "N",
            "" => "",
            _ => return None,
        },
        math: whole(math)?,
        read: whole(read)?,
        math_before: whole(math_before)?,
        read_before: whole(read_before)?,
    })
}

/// A whole number written with one decimal, `Some(None)` when empty.
fn whole(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.strip_suffix(".0")?.parse().ok().map(Some)
}

fn enrollments(pupils: &[&Pupil]) -> String {
    let mut text = "student_id,school_year,school_id,grade,entry_date,exit_date,race_ethnicity,\
                    sex,el,swd,sed,homeless,foster\n"
        .to_owned();
    for Pupil { id, school, race, sex, sed, .. } in pupils {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id:05},{SCHOOL_YEAR},{school},03,,,{race},{sex},,,{sed},,");
    }
    text
}

fn assessments(pupils: &[&Pupil]) -> String {
    let mut text = "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,\
                    scale_score,sem,performance_level,included\n"
        .to_owned();
    for Pupil { id, school, math, read, .. } in pupils {
        for (subject, score) in [("MATH", math), ("ELA", read)] {
            if let Some(score) = score {
                let _ = writeln!(
                    text,
                    "{id:05},STAR-SAT,,{SCHOOL_YEAR},{subject},03,{school},{score},,,true"
                );
            }
        }
    }
    text
}

/// The grade 2 scores, as a file of grade 3 carries them.
fn prior_scores(pupils: &[&Pupil]) -> String {
    let mut text = "student_id,subject,as_of_year,years_back,score,sem,grade\n".to_owned();
    for Pupil { id, math_before, read_before, .. } in pupils {
        for (subject, score) in [("MATH", math_before), ("ELA", read_before)] {
            if let Some(score) = score {
                let _ = writeln!(text, "{id:05},{subject},{SCHOOL_YEAR},1,{score},,02");
            }
        }
    }
    text
}

/// As a hub would take it from public lists; here from the rows, whose schools show grade 3 only.
fn school_table(pupils: &[Pupil]) -> String {
    let mut schools: BTreeMap<_, usize> = BTreeMap::new();
    for pupil in pupils {
        *schools.entry((pupil.district.as_str(), pupil.school.as_str())).or_default() += 1;
    }
    let mut text =
        "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment\n"
            .to_owned();
    for ((district, school), enrolled) in schools {
        let _ = writeln!(
            text,
            "{school},{SCHOOL_YEAR},STAR school {school},{district},ES,03,03,{enrolled}"
        );
    }
    text
}

fn study_text(school_table: &str, rho: Option<f64>) -> String {
    let sha256 = Digest::of(school_table.as_bytes());
    let privacy = match rho {
        Some(rho) => format!("mode = \"dp\"\nrho  = {rho:?}"),
        None => "mode = \"exact\"".to_owned(),
    };
    let range = |met: i64, reach: i64| {
        format!("{{ min = {}, max = {}, met = {met} }}", met - reach, met + reach)
    };
    // Bounds of another grade would widen those of the tables, and with them the noise.
    let subject = |(subject, before): (&str, i64)| {
        let before = format!("\"02\" = {}, ", range(before, REACH_BEFORE));
        let before = if rho.is_none() { before } else { String::new() };
        format!("{subject} = {{ {before}\"03\" = {} }}", range(MET, REACH))
    };
    let scores = MET_BEFORE.map(subject).join(", ");
    let mut text = format!(
        "# Project STAR, grade 3. The cut and the bounds are ours: STAR had no standard.\n\
         [study]\n\
         id          = \"star-1989-grade-3\"\n\
         title       = \"Tennessee STAR: grade 3 mathematics and reading, school year 1988-89\"\n\
         school_year = {SCHOOL_YEAR}\n\
         as_of       = \"{SCHOOL_YEAR}-06-30\"\n\
         schools     = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\n\
         [privacy]\n\
         {privacy}\n\n\
         [cohort]\n\
         min_districts = 38\n\
         max_dropped   = 3\n\
         max_colluding = 1\n\n\
         [suppression]\n\
         min_n = 11\n\n\
         [[test]]\n\
         id     = \"STAR-SAT\"\n\
         scores = {{ {scores} }}\n"
    );
    for (indicator, _) in INDICATORS {
        let test = if indicator == "students" { "" } else { "test      = \"STAR-SAT\"\n" };
        let _ = write!(
            text,
            "\n[[table]]\nindicator = \"{indicator}\"\n{test}years     = [{SCHOOL_YEAR}]\n\
             by        = [[]]\nfamilies  = [\"sex\", \"race_ethnicity\", \"sed\"]\n"
        );
    }
    if rho.is_none() {
        text.push_str(GROWTH);
    }
    text
}

#[cfg(test)]
mod tests {
    use flashlight_node::{local::exact_cells, records::Records};
    use flashlight_proto::{
        dp::NoisePlan,
        layout::{Layout, Part},
        schools::SchoolTable,
        study::{Mode, Study},
    };

    use super::*;

    #[test]
    fn the_nodes_own_cells_sum_to_the_pooled_answers_to_the_last_point() {
        let out = tempfile::tempdir().unwrap();
        let network = write_network(out.path(), Some(0.1)).unwrap();
        assert_eq!(network.districts.len(), 41);
        let study = Study::parse(&fs::read(&network.study).unwrap()).unwrap();
        let schools = SchoolTable::parse(&fs::read(&network.schools).unwrap()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        let ids: Vec<_> = network.districts.iter().map(|district| district.id.as_str()).collect();
        let pooled = network.pooled(&ids);
        let mut sums = vec![(0_u64, 0_i64); pooled.len()];
        for district in &network.districts {
            let (records, report) = Records::read(&district.folder).unwrap();
            assert!(!report.is_refused());
            let id = district.id.parse().unwrap();
            let cells = exact_cells(&records, &study, &schools, &layout, &id).unwrap();
            assert_eq!(cells.len(), pooled.len());
            for (sum, cell) in sums.iter_mut().zip(&cells) {
                *sum = (sum.0 + cell.n, sum.1 + cell.total);
            }
        }
        for (cell, sum) in pooled.iter().zip(sums) {
            assert_eq!((cell.n, cell.total), sum, "{cell:?}");
        }
    }

    #[test]
    fn the_pooled_answers_are_those_of_the_published_data() {
        let out = tempfile::tempdir().unwrap();
        let network = write_network(out.path(), Some(0.1)).unwrap();
        let ids: Vec<_> = network.districts.iter().map(|district| district.id.as_str()).collect();
        let pooled = network.pooled(&ids);
        let all = |indicator| {
            let found = pooled.iter().find(|cell| cell.indicator == indicator).unwrap();
            (found.n, found.total)
        };
        assert_eq!(all("students"), (6802, 6802));
        assert_eq!(all("math_mean").0, 6077);
        assert_eq!(all("ela_mean").0, 6000);
        let without_one = network.pooled(&ids[1..]);
        assert_eq!(without_one[0].n, 6802 - 102);
        for (indicator, spread) in [("math_mean", 39.8), ("ela_mean", 38.6), ("students", 0.0)] {
            assert!((network.spread(&ids, indicator) - spread).abs() < 0.05, "{indicator}");
        }
    }

    #[test]
    fn a_mean_over_half_the_students_carries_about_four_tenths_of_a_point_of_noise_at_rho_a_tenth()
    {
        let out = tempfile::tempdir().unwrap();
        let network = write_network(out.path(), Some(0.1)).unwrap();
        let study = Study::parse(&fs::read(&network.study).unwrap()).unwrap();
        let schools = SchoolTable::parse(&fs::read(&network.schools).unwrap()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        let plan = NoisePlan::new(&study, &layout, &schools, 41).unwrap();
        assert_eq!((plan.students(), plan.carried().len()), (6802, 8));
        let half = 6077.0 / 2.0;
        for block in plan.blocks().iter().filter(|one| one.block.part == Part::Sums) {
            let sd = block.sd(40) / half;
            assert!((0.39..0.42).contains(&sd), "{}: {sd}", block.block.name());
        }
    }

    #[test]
    fn the_study_is_in_the_mode_it_was_asked_for() {
        for (rho, mode) in [(Some(1.0), Mode::Dp), (None, Mode::Exact)] {
            let out = tempfile::tempdir().unwrap();
            let network = write_network(out.path(), rho).unwrap();
            let study = Study::parse(&fs::read(&network.study).unwrap()).unwrap();
            assert_eq!((study.mode, study.rho.map(|rho| rho.value())), (mode, rho));
            assert_eq!(study.growth.len(), usize::from(mode == Mode::Exact));
        }
    }
}
