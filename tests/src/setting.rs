//! A study, its public school table and the layout of both, of a chosen width.

use std::fmt::Write as _;
use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::secagg::{Chosen, Party, RoundId, Terms};
use flashlight_proto::study::{CohortRule, Study};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zeroize::Zeroizing;

/// How many words a contribution has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Seven words: one chunk.
    Narrow,
    /// More than 32,766 words: three chunks.
    Wide,
}

/// What every party knows before a round begins.
pub struct Setting {
    /// Names the school table below.
    pub study: Study,
    /// One school of every level, in every year read.
    pub schools: SchoolTable,
    /// Of the two.
    pub layout: Layout,
}

impl Setting {
    /// A study under `rule`; `as_of` tells one study from another.
    #[must_use]
    pub fn new(rule: CohortRule, width: Width, as_of: &str) -> Self {
        let (years, table) = match width {
            Width::Narrow => (2024..=2024, "by = [[\"grade\"]]"),
            Width::Wide => (
                2011..=2024,
                "by = [[\"level\", \"grade\"]]\nfamilies = [\"sex\", \"race_ethnicity\", \"el\", \
                 \"swd\", \"sed\", \"homeless\", \"foster\"]",
            ),
        };
        let mut csv =
            "school_id,school_year,school_name,district_id,level,grade_low,grade_high\n".to_owned();
        let levels: &[(&str, &str, &str)] = match width {
            Width::Narrow => &[("ES", "TK", "05")],
            Width::Wide => &[
                ("ES", "TK", "UG"),
                ("MS", "TK", "UG"),
                ("HS", "TK", "UG"),
                ("K8", "TK", "UG"),
                ("Span", "TK", "UG"),
                ("Alt", "TK", "UG"),
            ],
        };
        for year in years.clone() {
            for (number, (level, low, high)) in levels.iter().enumerate() {
                writeln!(csv, "{number},{year},School {number},D001,{level},{low},{high}")
                    .expect("a string takes every line");
            }
        }
        let years: Vec<String> = years.map(|year: i32| year.to_string()).collect();
        let toml = format!(
            "[study]\nid = \"protocol\"\ntitle = \"Protocol\"\nschool_year = 2024\n\
             as_of = \"{as_of}\"\nschools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n\
             [privacy]\nmode = \"exact\"\n\
             [cohort]\nmin_districts = {}\nmax_dropped = {}\nmax_colluding = {}\n\
             [[table]]\nindicator = \"students\"\nyears = [{}]\n{table}\n",
            Digest::of(csv.as_bytes()),
            rule.min_districts,
            rule.max_dropped,
            rule.max_colluding,
            years.join(", "),
        );
        let study = Study::parse(toml.as_bytes()).expect("the study is well-formed");
        let schools = SchoolTable::parse(csv.as_bytes()).expect("the table is well-formed");
        let layout = Layout::derive(&study, &schools).expect("the study has a layout");
        Self { study, schools, layout }
    }

    /// The terms of round `number` over districts 1 to `n`; the number also makes id and nonce.
    #[must_use]
    pub fn terms(&self, n: u16, number: u8) -> Arc<Terms> {
        let parties = (1..=n)
            .map(|index| Party { district: district(index), key: identity(index).public() })
            .collect();
        let chosen = Chosen {
            round_id: RoundId::from([number; 16]),
            round_number: u64::from(number),
            nonce: [number; 32],
            parent_releases: Vec::new(),
            roster: Digest::of(b"roster"),
            log_checkpoint: Digest::of(b"log"),
            parties,
            max_dropped: self.study.cohort.max_dropped,
            quorum: self.study.cohort.quorum(n),
        };
        Arc::new(
            Terms::of_study(&self.study, &self.schools, &self.layout, chosen)
                .expect("the rule fits the cohort"),
        )
    }
}

/// The district with this number, from 1: `D001`.
#[must_use]
pub fn district(index: u16) -> DistrictId {
    format!("D{index:03}").parse().expect("the id is well-formed")
}

/// Its identity key.
#[must_use]
pub fn identity(index: u16) -> IdentitySecret {
    let mut seed = Zeroizing::new([0x1d; 32]);
    seed[..2].copy_from_slice(&index.to_le_bytes());
    IdentitySecret::from_seed(&seed).expect("every seed is a key")
}

/// A deterministic generator for one purpose: district `index` in the case `seed`.
#[must_use]
pub fn seeded(seed: u64, index: u16) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(index));
    rng
}
