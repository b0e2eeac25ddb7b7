//! The made-up study of the bench: exactly 100,000 cells, and words that anybody can compute again.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flashlight_proto::canonical::Digest;
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::{CohortRule, Study};

/// Cells of the sum, each one word.
pub(super) const CELLS: usize = 100_000;

/// Districts that may be lost once they have masked.
pub(super) const MAX_DROPPED: usize = 3;

/// A word is at least this (`min_n`), so that every cell is shown.
const LEAST_WORD: u64 = 11;

/// And below this more, so that sums over 500 districts stay exact in a release.
const WORD_SPAN: u64 = 1 << 44;

/// The levels of the school table; each has a school that offers all 15 grades in every year.
const LEVELS: [&str; 6] = ["ES", "MS", "HS", "K8", "Span", "Alt"];

/// Students of a school by the public table; only noise asks for it.
const ENROLLED: u32 = 1_000;

/// What is broken down, and for which years.
type Table = (&'static str, &'static [std::ops::RangeInclusive<u16>]);

/// The families and years that make up [`CELLS`]: 38 years × 6 levels × 15 grades × 29 groups,
/// 38 years × (15 grades + 6 levels), and 22 years of the whole network. A table holds 16 years.
const TABLES: [Table; 3] = [
    (
        "by = [[\"level\", \"grade\"]]\nfamilies = [\"sex\", \"race_ethnicity\", \"el\", \"swd\", \
         \"sed\", \"homeless\", \"foster\"]",
        &[1988..=2003, 2004..=2019, 2020..=2025],
    ),
    ("by = [[\"grade\"], [\"level\"]]", &[1988..=2003, 2004..=2019, 2020..=2025]),
    ("by = [[]]", &[1988..=2003, 2004..=2009]),
];

/// The study and its school table.
pub(super) struct Setting {
    pub(super) study: Study,
    pub(super) schools: SchoolTable,
    pub(super) layout: Layout,
    toml: String,
    csv: String,
}

impl Setting {
    /// [`CELLS`] cells, for at least `nodes` districts.
    pub(super) fn new(nodes: usize) -> anyhow::Result<Self> {
        Self::of(rule(nodes, MAX_DROPPED, 1)?, &TABLES, None)?.whole()
    }

    /// The same in `dp` mode.
    pub(super) fn noisy(nodes: usize, rho: f64) -> anyhow::Result<Self> {
        Self::of(rule(nodes, MAX_DROPPED, 1)?, &TABLES, Some(rho))?.whole()
    }

    fn whole(self) -> anyhow::Result<Self> {
        let words = self.layout.words();
        ensure!(words == CELLS, "the study of the bench has {words} cells, not {CELLS}");
        Ok(self)
    }

    /// A few cells, for at least `nodes` districts.
    pub(super) fn small(nodes: usize) -> anyhow::Result<Self> {
        Self::of(rule(nodes, MAX_DROPPED, 1)?, &TABLES[2..], None)
    }

    /// 10,440 cells: 4 years × 6 levels × 15 grades × 29 groups.
    pub(super) fn sparse(nodes: usize, dropped: usize, colluding: u16) -> anyhow::Result<Self> {
        Self::of(rule(nodes, dropped, colluding)?, &[(TABLES[0].0, &[2022..=2025])], None)
    }

    fn of(rule: CohortRule, tables: &[Table], rho: Option<f64>) -> anyhow::Result<Self> {
        let csv = csv()?;
        let toml = toml(rule, Digest::of(csv.as_bytes()), tables, rho)?;
        let study = Study::parse(toml.as_bytes())?;
        let schools = SchoolTable::parse(csv.as_bytes())?;
        let layout = Layout::derive(&study, &schools)?;
        Ok(Self { study, schools, layout, toml, csv })
    }

    /// Writes both files; returns the path of the study. Each `repetition` is as of another date:
    /// the same question again would have to be answered by the same districts.
    pub(super) fn write(&self, dir: &Path, repetition: usize) -> anyhow::Result<PathBuf> {
        let study = dir.join("study.toml");
        let toml = self.toml.replace("2025-10-01", &format!("{}-10-01", 2025 + repetition));
        fs::write(dir.join("schools.csv"), &self.csv).context("cannot write the school table")?;
        fs::write(&study, toml).context("cannot write the study")?;
        Ok(study)
    }
}

fn csv() -> anyhow::Result<String> {
    let mut csv =
        "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment\n"
            .to_owned();
    for year in 1988..=2025 {
        for level in LEVELS {
            writeln!(
                csv,
                "{level},{year},School {level},{},{level},TK,UG,{ENROLLED}",
                district(0)
            )?;
        }
    }
    Ok(csv)
}

fn rule(nodes: usize, dropped: usize, colluding: u16) -> anyhow::Result<CohortRule> {
    Ok(CohortRule {
        min_districts: u16::try_from(nodes)?,
        max_dropped: u16::try_from(dropped)?,
        max_colluding: colluding,
    })
}

fn toml(
    rule: CohortRule,
    schools: Digest,
    tables: &[Table],
    rho: Option<f64>,
) -> anyhow::Result<String> {
    let privacy = match rho {
        Some(rho) => format!("mode = \"dp\"\nrho = {rho:?}"),
        None => "mode = \"exact\"".to_owned(),
    };
    let CohortRule { min_districts, max_dropped, max_colluding } = rule;
    let mut toml = format!(
        "[study]\nid = \"bench\"\ntitle = \"Secure sum bench\"\nschool_year = 2025\n\
         as_of = \"2025-10-01\"\nschools = {{ file = \"schools.csv\", sha256 = \"{schools}\" }}\n\n\
         [privacy]\n{privacy}\n\n\
         [cohort]\nmin_districts = {min_districts}\nmax_dropped = {max_dropped}\n\
         max_colluding = {max_colluding}\n\n\
         [suppression]\nmin_n = {LEAST_WORD}\n",
    );
    for (cells, years) in tables {
        for years in *years {
            let years: Vec<String> = years.clone().map(|year| year.to_string()).collect();
            let years = years.join(", ");
            write!(toml, "\n[[table]]\nindicator = \"students\"\nyears = [{years}]\n{cells}\n")?;
        }
    }
    Ok(toml)
}

/// The id of a district, by its place from 0.
pub(super) fn district(place: usize) -> String {
    format!("B{place:03}")
}

/// What a district counts: a hash of place and cell, spread over [`WORD_SPAN`].
pub(super) fn words(place: usize) -> impl Iterator<Item = u64> {
    (0..CELLS).map(move |cell| {
        // SplitMix64's finaliser (Steele, Lea and Flood 2014).
        let mut word = ((place as u64) << 32 | cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        LEAST_WORD + (word ^ (word >> 31)) % WORD_SPAN
    })
}

/// The sums over some districts, in the clear.
pub(super) fn sums(places: impl Iterator<Item = usize>) -> Vec<u64> {
    let mut sums = vec![0; CELLS];
    for place in places {
        for (sum, word) in sums.iter_mut().zip(words(place)) {
            *sum += word;
        }
    }
    sums
}
