//! Words laid out as a [`Preview`].
//!
//! In: the exact words, the masked ones and the noise, in the layout's order, and what was previewed
//! last time. Out: every cell with its name, value, size and difference; sums; the cost.

use flashlight_proto::category::Indicator;
use flashlight_proto::dp::{NoisePlan, rounded_up};
use flashlight_proto::layout::{Block, Encoding, GrowthBlock, years_read};
use flashlight_proto::release::NO_GUARANTEE;
use flashlight_proto::study::{Mode, Study};

use super::Given;
use super::last::{LastPreview, day, scale};
use super::share::Share;
use super::text::{EXAMPLE, loss};
use super::view::{
    BlockTotal, BlockView, CellView, Compared, Cost, GrowthView, LastTime, Noise, Preview, Size,
    SmallRule, StudyView, Totals, WordView, YearCost,
};
use crate::local::{LocalCell, cells_of};

/// Most words named as beyond their bound.
const REFUSALS_MAX: usize = 20;

/// What leaves the district in a round.
const LEAVES: [&str; 3] = [
    "the words below under masks, in which each is uniformly random by itself; only their sum over \
     all surviving districts can be opened",
    "public keys, signatures and sealed shares made for the round, and the salted hash of this \
     node's journal",
    "whether this district is ready and, if not, a code and a sentence without any value",
];

/// What never does.
const STAYS: [&str; 5] = [
    "rows; ids, names and birth dates of students; anything about one student",
    "the exact words, values and n below",
    "any school's name or number; a cell in which this district has one school is that school's, \
     and leaves under a mask like every other",
    "columns and files that the study does not read",
    "this preview, the file kept for the next one, private keys, the journal and the ledger",
];

/// Words in the layout's order and of its length.
pub(super) struct Words<'a> {
    /// As counted.
    pub(super) exact: &'a [i64],
    /// As they would travel.
    pub(super) masked: &'a [u64],
    /// The noise; `None` in `exact`, or when there is no plan.
    pub(super) share: Option<Share>,
}

impl Preview {
    /// Lays out what is known, word by word.
    pub(super) fn new(
        given: Given<'_>,
        words: Words<'_>,
        left_out: Vec<String>,
        last: Option<&LastPreview>,
    ) -> Self {
        let study = given.study;
        let small = SmallRule {
            below: study.suppression.min_n.max(given.min_cell.unwrap_or(0)),
            study_min_n: study.suppression.min_n,
            policy_min_cell: given.min_cell,
        };
        let laid = Laid { given, words, last, below: small.below };
        let blocks = laid.blocks();
        let growth: Vec<GrowthView> = given.layout.growth().iter().map(growth).collect();
        let mut totals = totals(&blocks);
        totals.words += growth.iter().map(|one| one.words).sum::<usize>();
        totals.bytes = totals.words * 8;
        let known = blocks.iter().flat_map(|block| &block.cells);
        let known = known.filter(|cell| matches!(cell.compared, Some(c) if c != Compared::New));
        let known = known.count();
        Self {
            format: "flashlight/preview/v1",
            study: StudyView {
                id: study.id.clone(),
                title: study.title.clone(),
                hash: study.hash(),
                schools: given.schools.hash(),
                school_year: study.school_year,
                as_of: study.as_of,
                min_survivors: study.cohort.min_districts.saturating_sub(study.cohort.max_dropped),
            },
            district: given.district.clone(),
            day: day(given.now_ms),
            cost: cost(given),
            small,
            last: last.map(|last| LastTime {
                study: last.study().to_owned(),
                same_study: last.study() == study.id,
                same_text: last.hash() == study.hash(),
                day: last.day(),
                gone: last.cells().saturating_sub(known),
            }),
            masked: EXAMPLE,
            leaves: LEAVES.to_vec(),
            stays: STAYS.to_vec(),
            refusals: refusals(given, laid.words.exact),
            left_out,
            growth,
            totals,
            only_small: false,
            blocks,
        }
    }
}

/// What goes into the cells.
struct Laid<'a> {
    given: Given<'a>,
    words: Words<'a>,
    last: Option<&'a LastPreview>,
    below: u32,
}

impl Laid<'_> {
    fn blocks(&self) -> Vec<BlockView> {
        let Given { study, layout, .. } = self.given;
        let local = cells_of(study, layout, self.words.exact);
        let mut local = local.into_iter().peekable();
        let mut blocks = Vec::new();
        for (index, block) in layout.blocks().iter().enumerate() {
            let mut cells = Vec::with_capacity(block.cells().len());
            let mut word = block.first_word();
            let mut name = String::new();
            let grid = grid(study, block.table);
            let scale = scale(block.encoding, grid);
            while let Some(cell) = local.next_if(|cell| cell.block == index) {
                let (prefix, cell_name) = names(&layout.cell_name(word));
                cells.push(self.cell(&prefix, &scale, cell_name, &cell, block.encoding, word));
                word += block.encoding.words();
                name = prefix;
            }
            blocks.push(BlockView {
                name,
                family: block.family.map(|family| family.as_str()),
                school_year: block.year,
                unit: unit(block),
                encoding: describe(block, grid),
                total: total(&cells, block.encoding.words()),
                cells,
            });
        }
        blocks
    }

    fn cell(
        &self,
        prefix: &str,
        scale: &str,
        name: String,
        local: &LocalCell,
        encoding: Encoding,
        first: usize,
    ) -> CellView {
        let before = self.last.and_then(|last| last.words(prefix, scale, &name));
        let share = self.words.share.as_ref();
        let words = encoding.word_names().iter().enumerate().map(|(part, part_name)| {
            let word = first + part;
            let before = before.and_then(|before| before.get(part));
            WordView {
                part: part_name,
                exact: self.words.exact[word],
                noise_sd: match self.given.study.mode {
                    Mode::Exact => Some(0.0),
                    Mode::Dp => share.and_then(|share| share.sd(word)),
                },
                sent_as_zero: share.is_some_and(|share| share.is_carried(word)),
                masked: format!("{:016x}", self.words.masked[word]),
                change: before.map(|before| self.words.exact[word].wrapping_sub(*before)),
            }
        });
        let words: Vec<WordView> = words.collect();
        let compared = self.last.map(|_| match before {
            None => Compared::New,
            Some(_) if words.iter().all(|word| word.change == Some(0)) => Compared::Same,
            Some(_) => Compared::Changed,
        });
        let size = match local.n {
            0 => Size::Empty,
            n if n < u64::from(self.below) => Size::Small,
            _ => Size::Enough,
        };
        CellView { name, n: local.n, value: local.value, size, compared, words }
    }
}

/// What this node would refuse a `dp` round for, as far as the words and the plan tell.
fn refusals(given: Given<'_>, words: &[i64]) -> Vec<String> {
    let Some(plan) = given.plan else {
        let is_exact = given.study.mode == Mode::Exact;
        let unknown = "the noise cannot be worked out from this study and school table";
        return if is_exact { Vec::new() } else { vec![unknown.to_owned()] };
    };
    let beyond = plan.blocks().iter().flat_map(|block| {
        let bound = plan.bound(&block.block, given.district);
        block.block.words().filter(move |word| words[*word].unsigned_abs() > bound)
    });
    let beyond = beyond.map(|word| {
        let name = given.layout.cell_name(word);
        format!("{name} is beyond what the public enrolment of this district's schools allows")
    });
    beyond.take(REFUSALS_MAX).collect()
}

/// `prefix/stratum/group/part` as the prefix and `stratum/group`.
pub(super) fn names(word: &str) -> (String, String) {
    let mut parts = word.rsplitn(4, '/').skip(1);
    let (group, stratum) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (parts.next().unwrap_or_default().to_owned(), format!("{stratum}/{group}"))
}

/// Integer units per score point of a table.
pub(super) fn grid(study: &Study, table: usize) -> u32 {
    study.units_per_point(&study.tables[table])
}

const fn unit(block: &Block) -> &'static str {
    match (block.encoding, block.indicator) {
        (Encoding::Count, _) => "students",
        (Encoding::Rate | Encoding::Items, _) => "share",
        (Encoding::Mean { .. }, Indicator::Climate(..) | Indicator::Sel(_)) => "share",
        (Encoding::Mean { .. }, _) => "points",
    }
}

fn describe(block: &Block, grid: u32) -> String {
    match block.encoding {
        Encoding::Count => "n: students".to_owned(),
        Encoding::Items => {
            "num: favourable items; rest: other items answered; n: respondents".to_owned()
        }
        Encoding::Rate => {
            "num: students in the numerator; rest: in the denominator only".to_owned()
        }
        Encoding::Mean { mid, .. } if grid == 1 => {
            format!("sum: of (x - {mid}), points; n: scores")
        }
        Encoding::Mean { mid, .. } if unit(block) == "share" => {
            format!("sum: of (share - {mid}), {grid} units to 1; n: respondents")
        }
        Encoding::Mean { mid, .. } => {
            format!("sum: of (x - {mid}), {grid} units to a point; n: scores")
        }
    }
}

fn total(cells: &[CellView], words: usize) -> BlockTotal {
    let sum = |part: usize| cells.iter().map(|cell| cell.words[part].exact).sum();
    BlockTotal {
        cells: cells.len(),
        n: cells.iter().map(|cell| cell.n).sum(),
        words: (0..words).map(sum).collect(),
    }
}

fn growth(block: &GrowthBlock) -> GrowthView {
    let model = &block.model;
    GrowthView {
        model: model.name.clone(),
        columns: model.columns.iter().map(|column| column.name.clone()).collect(),
        words: block.range().len(),
        later_words: model
            .noisy
            .as_ref()
            .map(|noisy| noisy.second().len() + noisy.effects(model).len()),
        rho: model.noisy.as_ref().map(|noisy| noisy.rho),
    }
}

fn totals(blocks: &[BlockView]) -> Totals {
    let mut totals = Totals::default();
    for cell in blocks.iter().flat_map(|block| &block.cells) {
        totals.cells += 1;
        totals.words += cell.words.len();
        totals.small += usize::from(cell.size == Size::Small);
        totals.empty += usize::from(cell.size == Size::Empty);
        totals.changed += usize::from(cell.compared == Some(Compared::Changed));
        totals.new += usize::from(cell.compared == Some(Compared::New));
    }
    totals
}

fn cost(given: Given<'_>) -> Cost {
    let Given { study, plan, .. } = given;
    let mode = study.mode;
    let years = years_read(study);
    let Some(rho) = study.rho.map(|rho| rho.value()).filter(|_| mode == Mode::Dp) else {
        let years = years.into_iter().map(|school_year| YearCost { school_year, rho: None });
        let (guarantee, years) = (NO_GUARANTEE.to_owned(), years.collect());
        return Cost {
            mode,
            rho: None,
            epsilon: None,
            delta: None,
            guarantee,
            noise: Noise::None,
            years,
        };
    };
    let charges = plan.map(NoisePlan::charges_of_study).unwrap_or_default();
    let charge = |year: &i16| charges.get(year).copied().unwrap_or(rho);
    let years = years.iter().map(|year| YearCost { school_year: *year, rho: Some(charge(year)) });
    let epsilon = plan.map(|plan| plan.epsilon().value());
    let delta = plan.map(|plan| plan.delta().value());
    let pair = epsilon
        .zip(delta)
        .map(|(epsilon, delta)| (rounded_up(epsilon, 2), delta))
        .map(|(epsilon, delta)| format!(", which is epsilon {epsilon:.2} at delta {delta:e}"));
    Cost {
        mode,
        rho: Some(rho),
        epsilon,
        delta,
        guarantee: format!(
            "zero-concentrated differential privacy, rho {} in all{}",
            loss(rho),
            pair.unwrap_or_default()
        ),
        noise: if plan.is_some() { Noise::Known } else { Noise::Unknown },
        years: years.collect(),
    }
}
