//! What `flashlight-demo make` can be asked for, and the bounds of it.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Parser, value_parser};

use super::{network::LEAST_STUDENTS, places::Years};

/// Most of each.
const MOST_DISTRICTS: i64 = 2_000;
const MOST_STUDENTS: i64 = 5_000_000;
const MOST_YEARS: i64 = 10;
/// The last school year made.
pub(super) const LAST_YEAR: i16 = 2024;

#[derive(Parser)]
#[command(
    name = "flashlight-demo make",
    bin_name = "flashlight-demo make",
    about = "Makes up a California-like network of districts, students and years, as CSV folders"
)]
pub(super) struct Args {
    /// Districts, 1 to 2000
    #[arg(long, default_value = "8", value_parser = value_parser!(u32).range(1..=MOST_DISTRICTS))]
    pub(super) districts: u32,
    /// Students in the whole network, the same number each year, 30 for each district to 5000000
    #[arg(long, default_value = "20000", value_parser = value_parser!(u32).range(1..=MOST_STUDENTS))]
    pub(super) students: u32,
    /// School years, 1 to 10; the last is 2024
    #[arg(long, default_value = "3", value_parser = value_parser!(u16).range(1..=MOST_YEARS))]
    pub(super) years: u16,
    /// The same seed makes the same network, byte for byte
    #[arg(long, default_value = "1")]
    pub(super) seed: u64,
    /// Where it is written: a new or empty folder
    #[arg(long)]
    pub(super) out: PathBuf,
    /// Also attendance_daily.csv, a row for every student and school day of the last year
    #[arg(long)]
    pub(super) daily: bool,
    /// With faults as real exports have them: repeated and contradicting rows, lost zeros, more flags
    /// missing
    #[arg(long)]
    pub(super) mess: bool,
    /// A study that fits a screen: the whole network, by two families
    #[arg(long)]
    pub(super) brief: bool,
}

impl Args {
    /// Checks what no single argument shows.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let least = u64::from(self.districts) * u64::from(LEAST_STUDENTS);
        ensure!(
            u64::from(self.students) >= least,
            "--students {} is too few for --districts {}: a district has at least {LEAST_STUDENTS}, \
             so say {least} or more, or fewer districts",
            self.students,
            self.districts
        );
        Ok(())
    }

    /// The first and last school year.
    pub(super) fn span(&self) -> Years {
        let before = i16::try_from(self.years).unwrap_or(1) - 1;
        (LAST_YEAR - before, LAST_YEAR)
    }
}
