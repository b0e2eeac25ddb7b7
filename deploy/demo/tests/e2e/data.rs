//! Six small districts on disk, and what their records come to, counted here by another way than
//! the node's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flashlight_proto::canonical::Digest;

/// The districts of every test network.
pub(crate) const DISTRICTS: [&str; 6] = ["D1", "D2", "D3", "D4", "D5", "D6"];

/// Lowest score that meets the standard, points.
const MET: i64 = 640;

/// One pupil of the made-up records.
pub(crate) struct Pupil {
    /// In a middle school, else in an elementary school.
    pub(crate) middle: bool,
    pub(crate) sex: &'static str,
    pub(crate) score: Option<i64>,
}

/// What a network publishes of one group of pupils.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) students: u64,
    pub(crate) scores: u64,
    pub(crate) points: i64,
    pub(crate) met: u64,
}

fn number(district: &str) -> usize {
    DISTRICTS.iter().position(|one| *one == district).expect("a district of the test network") + 1
}

/// The pupils of one district; every district differs from every other.
pub(crate) fn pupils(district: &str) -> Vec<Pupil> {
    let number = number(district);
    let pupil = |at: usize| Pupil {
        middle: at % 2 == 1,
        sex: if at.is_multiple_of(3) { "F" } else { "M" },
        score: (!at.is_multiple_of(5))
            .then(|| 600 + i64::try_from((at * 7 + number * 13) % 100).unwrap()),
    };
    (0..40 + 7 * number).map(pupil).collect()
}

/// The sums over the pupils of `districts` that `counts`.
pub(crate) fn pooled<'a>(
    districts: impl IntoIterator<Item = &'a str>,
    counts: impl Fn(&Pupil) -> bool,
) -> Sums {
    let mut sums = Sums::default();
    for pupil in districts.into_iter().flat_map(pupils).filter(counts) {
        sums.students += 1;
        if let Some(score) = pupil.score {
            sums.scores += 1;
            sums.points += score;
            sums.met += u64::from(score >= MET);
        }
    }
    sums
}

/// Years of which every district has one pupil.
const EARLIER_YEARS: std::ops::Range<i32> = 2017..2024;

/// The words of one district in the layout of the small study: all, then F, M, X and unknown.
pub(crate) fn words(district: &str) -> Vec<i64> {
    let count = |sex: &str| pupils(district).iter().filter(|pupil| pupil.sex == sex).count();
    let (girls, boys) = (count("F"), count("M"));
    [girls + boys, girls, boys, 0, 0].map(|count| i64::try_from(count).unwrap()).to_vec()
}

/// Writes `data/<district>/` for every district.
pub(crate) fn write(out: &Path) {
    let data = out.join("data");
    for district in DISTRICTS {
        let folder = data.join(district);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("enrollments.csv"), enrollments(district, 1)).unwrap();
        fs::write(folder.join("assessments.csv"), assessments(district)).unwrap();
    }
}

/// The district's enrolments, each pupil `times` times under different ids.
pub(crate) fn enrollments(district: &str, times: usize) -> String {
    let mut text = "student_id,school_year,school_id,grade,entry_date,exit_date,race_ethnicity,\
                    sex,el,swd,sed,homeless,foster\n"
        .to_owned();
    for time in 0..times {
        for (at, Pupil { middle, sex, .. }) in pupils(district).iter().enumerate() {
            let (school, grade) = place(district, *middle);
            let _ = writeln!(text, "{time}-{at},2024,{school},{grade},,,,{sex},,,,,");
        }
    }
    let (school, grade) = place(district, false);
    for year in EARLIER_YEARS {
        let _ = writeln!(text, "0-0,{year},{school},{grade},,,,F,,,,,");
    }
    text
}

fn assessments(district: &str) -> String {
    let mut text = "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,\
                    scale_score,sem,performance_level,included\n"
        .to_owned();
    for (at, Pupil { middle, score, .. }) in pupils(district).iter().enumerate() {
        let (school, grade) = place(district, *middle);
        if let Some(score) = score {
            let _ = writeln!(text, "0-{at},TEST,,2024,MATH,{grade},{school},{score},,,true");
        }
    }
    text
}

/// School and grade.
fn place(district: &str, middle: bool) -> (String, &'static str) {
    let number = number(district);
    if middle { (format!("{number}02"), "06") } else { (format!("{number}01"), "03") }
}

/// The public school table with the enrolment that noise is planned by.
pub(crate) fn counted_schools() -> String {
    let mut lines = schools();
    lines.truncate(lines.trim_end().len());
    let mut lines = lines.lines();
    let header = lines.next().unwrap();
    lines.fold(format!("{header},enrollment\n"), |text, line| format!("{text}{line},50\n"))
}

/// The public school table.
pub(crate) fn schools() -> String {
    let mut text =
        "school_id,school_year,school_name,district_id,level,grade_low,grade_high\n".to_owned();
    add_schools(&mut text, 2024);
    text
}

fn add_schools(text: &mut String, year: i32) {
    for district in DISTRICTS {
        let number = number(district);
        let _ = writeln!(text, "{number}01,{year},Elementary,{district},ES,KN,05");
        let _ = writeln!(text, "{number}02,{year},Middle,{district},MS,06,08");
    }
}

/// As [`schools`], with so many more levels, grades and years that a study fills a chunk.
fn many_schools() -> String {
    let mut text = schools();
    EARLIER_YEARS.for_each(|year| add_schools(&mut text, year));
    for (level, name) in ["ES", "MS", "HS", "K8", "Span", "Alt"].iter().enumerate() {
        for year in 2017..=2024 {
            let _ = writeln!(text, "9{level},{year},Many,D1,{name},KN,12");
        }
    }
    text
}

/// A study over the test network.
#[derive(Clone, Copy)]
pub(crate) struct StudyText {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) as_of: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) max_dropped: u16,
    pub(crate) min_n: u32,
    pub(crate) tables: &'static str,
    /// Its public school table.
    pub(crate) schools: fn() -> String,
}

/// Counts of students, by sex: five words.
const COUNTS: &str = "[[table]]\nindicator = \"students\"\nby = [[]]\nfamilies = [\"sex\"]\n";

/// Counts of students by everything, over eight years.
const YEARS: &str = "\
[[table]]\nindicator = \"students\"\nyears = [2017, 2018, 2019, 2020, 2021, 2022, 2023, 2024]\n\
by = [[\"level\", \"grade\"]]\n\
families = [\"sex\", \"race_ethnicity\", \"el\", \"swd\", \"sed\", \"homeless\", \"foster\"]\n";

/// Counts, means and rates by level and sex.
const SEVERAL: &str = "\
[[table]]\nindicator = \"students\"\nby = [[], [\"level\"]]\nfamilies = [\"sex\"]\n\
[[table]]\nindicator = \"math_mean\"\ntest = \"TEST\"\nby = [[], [\"level\"]]\nfamilies = [\"sex\"]\n\
[[table]]\nindicator = \"math_met\"\ntest = \"TEST\"\nby = [[], [\"level\"]]\nfamilies = [\"sex\"]\n";

/// Means alone, of the same question as in the study of several.
pub(crate) const MEANS: &str = "[[table]]\nindicator = \"math_mean\"\ntest = \"TEST\"\n";

/// Dates on which the same may be asked again: at least 28 days apart.
pub(crate) const DATES: [&str; 12] = [
    "2024-06-30",
    "2024-07-31",
    "2024-08-31",
    "2024-09-30",
    "2024-10-31",
    "2024-11-30",
    "2024-12-31",
    "2025-01-31",
    "2025-02-28",
    "2025-03-31",
    "2025-04-30",
    "2025-05-31",
];

impl StudyText {
    /// Five words; one of at least five districts may be lost once they have masked.
    pub(crate) const SMALL: Self = Self {
        id: "small",
        title: "A study of the tests",
        as_of: DATES[0],
        mode: "mode = \"exact\"",
        max_dropped: 1,
        min_n: 11,
        tables: COUNTS,
        schools,
    };

    /// The same with noise.
    pub(crate) const NOISY: Self = Self {
        id: "noisy",
        mode: "mode = \"dp\"\nrho = 0.5",
        schools: counted_schools,
        ..Self::SMALL
    };

    /// The same, of another date and so another question.
    pub(crate) const fn at(self, date: usize) -> Self {
        Self { as_of: DATES[date], ..self }
    }

    /// Two chunks of an upload, the second not whole.
    pub(crate) const WIDE: Self =
        Self { id: "wide", tables: YEARS, schools: many_schools, ..Self::SMALL };

    /// Counts, means and rates, by level and sex.
    pub(crate) const SEVERAL: Self = Self { id: "several", tables: SEVERAL, ..Self::SMALL };

    /// Writes the study and its school table into `out`; returns the study's path.
    pub(crate) fn write(&self, out: &Path) -> PathBuf {
        let path = out.join(format!("{}.toml", self.id));
        fs::write(out.join(format!("{}.csv", self.id)), (self.schools)()).unwrap();
        fs::write(&path, self.text()).unwrap();
        path
    }

    /// The TOML.
    pub(crate) fn text(&self) -> String {
        let Self { id, title, as_of, mode, max_dropped, min_n, tables, schools } = self;
        let min_districts = 4 + max_dropped;
        let sha256 = Digest::of(schools().as_bytes());
        let range = format!("{{ min = 500, max = 800, met = {MET} }}");
        format!(
            "[study]\nid = \"{id}\"\ntitle = \"{title}\"\nschool_year = 2024\n\
             as_of = \"{as_of}\"\n\
             schools = {{ file = \"{id}.csv\", sha256 = \"{sha256}\" }}\n\
             [privacy]\n{mode}\n\
             [cohort]\nmin_districts = {min_districts}\nmax_dropped = {max_dropped}\n\
             max_colluding = 1\n[suppression]\nmin_n = {min_n}\n\
             [[test]]\nid = \"TEST\"\nscores = {{ MATH = {{ \"03\" = {range}, \"06\" = {range} }} }}\n\
             {tables}"
        )
    }
}
