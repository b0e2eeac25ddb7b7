//! What is public about a made network: its school table, and a study over it.
//!
//! In: every school's students on Census Day. Out: the bytes of `schools.csv`, a row for every school and
//! year, and of `study.toml`, which names the table by its hash.

use std::fmt::Write as _;

use flashlight_proto::canonical::Digest;

use super::{
    district::{Made, name},
    marginals::SCALES,
    network::Network,
    places::Years,
};

const HEADER: &str = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                      county,enrollment,size_band,poverty_quintile,charter";

/// The public table. `made`: by district.
pub(super) fn school_table(network: &Network, made: &[Made], years: Years) -> String {
    let mut text = format!("{HEADER}\n");
    for (at, year) in (years.0..=years.1).enumerate() {
        let cuts = quintiles(made, at);
        for (district, made) in network.districts.iter().zip(made) {
            for (place, school) in district.schools.iter().enumerate() {
                let census = made.census[at][place];
                let [low, high] = school.level.grades();
                let share = share(census.sed, census.enrolled);
                let quintile = 1 + cuts.iter().filter(|cut| share > **cut).count();
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{},{year},{},{},{},{low},{high},County {:02},{},{},{quintile},{}",
                    school.id,
                    name(district, place),
                    district.id,
                    school.level.as_str(),
                    district.county,
                    census.enrolled,
                    band(census.enrolled),
                    school.charter
                );
            }
        }
    }
    text
}

/// Disadvantaged among students, hundredths of a percent.
fn share(sed: u32, enrolled: u32) -> u32 {
    (10_000 * sed).checked_div(enrolled).unwrap_or(0)
}

/// The highest share of the first four fifths of schools; the poorest are in the last.
fn quintiles(made: &[Made], year: usize) -> [u32; 4] {
    let schools = made.iter().flat_map(|made| &made.census[year]);
    let mut shares: Vec<u32> = schools.map(|one| share(one.sed, one.enrolled)).collect();
    shares.sort_unstable();
    std::array::from_fn(|fifth| {
        shares.get((shares.len() * (fifth + 1) / 5).saturating_sub(1)).copied().unwrap_or(0)
    })
}

const fn band(enrolled: u32) -> &'static str {
    match enrolled {
        0..=249 => "under 250",
        250..=499 => "250-499",
        500..=999 => "500-999",
        _ => "1000 and more",
    }
}

/// What the study asks: indicator, whether it reads scores, break-downs, whether over two years.
const TABLES: [(&str, bool, &str, bool); 8] = [
    ("students", false, "[[], [\"level\"]]", false),
    ("chronic_absenteeism", false, "[[], [\"level\"]]", true),
    ("suspension", false, "[[], [\"level\"]]", false),
    ("math_met", true, "[[], [\"level\"]]", false),
    ("math_dfs", true, "[[], [\"level\"]]", false),
    ("ela_met", true, "[[], [\"level\"]]", false),
    ("graduation_4yr", false, "[[]]", false),
    ("hs_readiness", false, "[[]]", false),
];

/// The families each indicator is broken out by, and those of a brief study.
const FAMILIES: &str = "[\"race_ethnicity\", \"el\", \"swd\", \"sed\"]";
const BRIEF: &str = "[\"el\", \"sed\"]";

/// Fewest districts of a network that can run a study (docs/PRIVACY.md §2).
pub(super) const LEAST_DISTRICTS: usize = 4;

/// A study over `table`, in dp mode.
pub(super) fn study(network: &Network, table: &str, years: Years, is_brief: bool) -> String {
    let sha256 = Digest::of(table.as_bytes());
    let last = years.1;
    let n = network.districts.len().max(LEAST_DISTRICTS);
    let dropped = if n >= 8 { n / 10 + usize::from(n < 20) } else { 0 };
    let mut text = format!(
        "# A made-up network: flashlight-demo make --seed {}.\n\
         [study]\n\
         id          = \"made-{last}\"\n\
         title       = \"A made-up network, school year {}-{:02}\"\n\
         school_year = {last}\n\
         as_of       = \"{last}-06-30\"\n\
         schools     = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\n\
         [privacy]\n\
         mode = \"dp\"\n\
         rho  = 0.5\n\n\
         [cohort]\n\
         min_districts = {}\n\
         max_dropped   = {dropped}\n\
         max_colluding = 1\n\n\
         [suppression]\n\
         min_n = 11\n\n\
         [[test]]\n\
         id = \"CAASPP-SBAC\"\n",
        network.seed,
        last - 1,
        last % 100,
        n - dropped.min(n.saturating_sub(8)),
    );
    for (subject, scales) in ["ELA", "MATH"].iter().zip(&SCALES) {
        let _ = write!(text, "\n[test.scores.{subject}]\n");
        for scale in scales {
            let [min, max] = scale.bounds;
            let grade = super::life::GRADE[scale.grade];
            let met = scale.cuts[1];
            let _ = writeln!(text, "\"{grade}\" = {{ min = {min}, max = {max}, met = {met} }}");
        }
    }
    for (indicator, scored, by, both) in TABLES {
        // What fits a screen: the whole network, by two families.
        let (by, families) = if is_brief { ("[[]]", BRIEF) } else { (by, FAMILIES) };
        let _ = write!(text, "\n[[table]]\nindicator = \"{indicator}\"\n");
        if scored {
            let _ = writeln!(text, "test      = \"CAASPP-SBAC\"");
        }
        if both && years.0 < last {
            let _ = writeln!(text, "years     = [{}, {last}]", last - 1);
        }
        let _ = write!(text, "by        = {by}\nfamilies  = {families}\n");
    }
    text
}
