//! What the noise will do to a study's tables, before anything is spent (docs/PRIVACY.md §6.3).
//!
//! In: a [`NoisePlan`], the study, its layout, the public school table and a number of survivors.
//! Out: for each table the noise of its n, the size from which a cell is shown, and the noise of
//! what is published for groups of fixed sizes and for the cells of all students, at the size
//! public enrolment suggests. Reads nothing private. Not a promise: a group's true size, and how
//! far its mean is from the centre, are not known beforehand.
//!
//! A school's enrolment is spread evenly over the grades it offers. There is no public enrolment by
//! student group, so groups have the sizes only.

use super::{NoisePlan, plan::SPREADS};
use crate::{
    category::Indicator,
    layout::{Block, Encoding, Layout, Part},
    schools::SchoolTable,
    study::Study,
};

/// The 99 % point of the normal distribution.
pub const Z99: f64 = 2.326_347_874_040_841;
/// The 97.5 % point of the normal distribution: half the width of a 95 % interval.
pub const Z975: f64 = 1.959_963_984_540_054;
/// The group sizes every table is forecast for, students.
pub const SIZES: [u32; 3] = [100, 1_000, 10_000];
/// A cell whose sd(ñ) is more than this share of n is dominated by noise …
pub(crate) const DOMINATED_SHARE: f64 = 0.1;
/// … and so is one whose 95 % interval is wider than this either side: percentage points of a rate or
/// a share of answers, score points of a mean.
pub(crate) const DOMINATED_HALF_WIDTH: f64 = 10.0;

/// The forecast of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableForecast {
    /// Index into `Study::tables`.
    pub table: usize,
    /// What is measured.
    pub indicator: Indicator,
    /// Standard deviation of the noise in n, students.
    pub sd_n: f64,
    /// T = min_n + z_.99·sd(ñ): a cell is shown when its noisy n is at least this.
    pub threshold: f64,
    /// Groups of [`SIZES`].
    pub sizes: Vec<SizeForecast>,
    /// The cells of all students, by word.
    pub cells: Vec<CellForecast>,
}

/// What the noise does to a group of a given size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeForecast {
    /// Students in it.
    pub students: f64,
    /// Noise sd of what is published: students of a count; percentage points of a rate, at most;
    /// points of a mean that lies at the centre of its bounds, percentage points of a share of answers.
    pub sd: f64,
    /// The same for a mean a quarter of the half-range away from the centre.
    pub sd_off_centre: Option<f64>,
    /// Fewer students than the table's threshold: more likely than not withheld.
    pub hidden: bool,
    /// sd(ñ) above a tenth of n, or a 95 % interval wider than 10 points either side.
    pub noise_dominated: bool,
}

/// What the noise does to one cell of all students.
#[derive(Clone, Debug, PartialEq)]
pub struct CellForecast {
    /// The cell, as in its words' names: `math_mean[T]@2024/level+grade/ES,03/all`.
    pub name: String,
    /// At the size that public enrolment suggests.
    pub at: SizeForecast,
}

/// Noise sds of one table's words, at one number of survivors.
struct Noise {
    encoding: Encoding,
    min_n: f64,
    /// sd of n, students.
    n: f64,
    /// sd of a numerator, students; of a sum, points; of a count, students.
    top: f64,
    /// A quarter of a mean's half-range, points.
    off_centre: Option<f64>,
}

impl Noise {
    fn threshold(&self) -> f64 {
        self.min_n + Z99 * self.n
    }

    fn at(&self, students: f64) -> SizeForecast {
        let share = self.n / students;
        let sd = match self.encoding {
            Encoding::Count => self.top,
            // num/(num + rest): its noise is (1−p)·a − p·b over n, at most one word's sd.
            Encoding::Rate | Encoding::Items => 100.0 * self.top / students,
            Encoding::Mean { .. } => self.top / students,
        };
        let sd_off_centre = self.off_centre.map(|off| sd.hypot(off * share));
        let half_width = match self.encoding {
            Encoding::Count => 0.0,
            Encoding::Rate | Encoding::Items | Encoding::Mean { .. } => {
                Z975 * sd_off_centre.unwrap_or(sd)
            }
        };
        SizeForecast {
            students,
            sd,
            sd_off_centre,
            hidden: students < self.threshold(),
            noise_dominated: share > DOMINATED_SHARE || half_width > DOMINATED_HALF_WIDTH,
        }
    }
}

impl NoisePlan {
    /// Standard deviation of the noise in a table's n over `survivors` districts, students: that of
    /// one word for a count and a mean with its own n, of two for a rate's and for a carried n; the
    /// largest where several rates carry it. `None` when there is no such table.
    #[must_use]
    pub fn sd_n(&self, layout: &Layout, table: usize, survivors: u16) -> Option<f64> {
        let own = self.block(table, Part::Counts);
        let carried = || {
            let ours = |block: usize| layout.blocks().get(block).map(|block| block.table);
            let from = self.carried().iter().filter(|one| ours(one.block) == Some(table));
            let sds = from.filter_map(|one| self.block(ours(one.from)?, Part::Counts));
            sds.map(|plan| plan.sd(survivors)).reduce(f64::max)
        };
        let is_rate = layout
            .blocks()
            .iter()
            .any(|block| block.table == table && block.encoding == Encoding::Rate);
        match own {
            Some(plan) if is_rate => Some(2_f64.sqrt() * plan.sd(survivors)),
            Some(plan) => Some(plan.sd(survivors)),
            None => Some(2_f64.sqrt() * carried()?),
        }
    }

    /// What the noise will do to each table when `survivors` districts are in the sums. The parts
    /// are those the plan was made from.
    #[must_use]
    pub fn forecast(
        &self,
        study: &Study,
        schools: &SchoolTable,
        layout: &Layout,
        survivors: u16,
    ) -> Vec<TableForecast> {
        let tables = study.tables.iter().enumerate().filter_map(|(table, spec)| {
            let blocks = || layout.blocks().iter().filter(move |block| block.table == table);
            let encoding = blocks().next()?.encoding;
            // Shares of answers are forecast in percentage points, as rates are.
            let units = f64::from(study.units_per_point(spec));
            let units = if spec.indicator.is_of_answers() { units / 100.0 } else { units };
            let top = match encoding {
                Encoding::Count | Encoding::Rate | Encoding::Items => {
                    self.block(table, Part::Counts)?
                }
                Encoding::Mean { .. } => self.block(table, Part::Sums)?,
            };
            let (mut sd, mut off_centre) = (top.sd(survivors), None);
            if matches!(encoding, Encoding::Mean { .. }) {
                sd /= units;
                let reach = f64::from(u32::try_from(top.block.reach).unwrap_or(u32::MAX));
                off_centre = Some(reach / units / SPREADS);
            }
            let n = self.sd_n(layout, table, survivors)?;
            let min_n = f64::from(study.suppression.min_n);
            let noise = Noise { encoding, min_n, n, top: sd, off_centre };
            let all = blocks().filter(|block| block.family.is_none());
            Some(TableForecast {
                table,
                indicator: spec.indicator,
                sd_n: n,
                threshold: noise.threshold(),
                sizes: SIZES.iter().map(|&size| noise.at(f64::from(size))).collect(),
                cells: all.flat_map(|block| cells(schools, layout, block, &noise)).collect(),
            })
        });
        tables.collect()
    }
}

/// The cells of a block of all students, at the sizes public enrolment suggests.
fn cells(
    schools: &SchoolTable,
    layout: &Layout,
    block: &Block,
    noise: &Noise,
) -> Vec<CellForecast> {
    let words = block.encoding.words();
    let mut sizes = vec![0.0; block.cells().len()];
    for school in schools.iter().filter(|school| school.school_year == block.year) {
        let grades = u32::try_from(school.grades().count()).unwrap_or(1).max(1);
        let each = f64::from(school.enrollment.unwrap_or(0)) / f64::from(grades);
        for word in school.grades().filter_map(|grade| block.word_of(school.level, grade, 0)) {
            sizes[(word - block.first_word()) / words] += each;
        }
    }
    let named = sizes.into_iter().enumerate().map(|(cell, students)| {
        let full = layout.cell_name(block.first_word() + cell * words);
        let name = full.rsplit_once('/').map_or(full.as_str(), |(cell, _)| cell).to_owned();
        CellForecast { name, at: noise.at(students) }
    });
    named.collect()
}
