//! What a `dp` release says about its own privacy: the certificate in its parameters.
//!
//! In: the noise that was planned, and who survived. Out: the loss and how it was converted, the
//! noise block by block as promised and as it was, the years charged, the public inputs with their
//! hashes, and who sees what. Everything but the survivors was known before the first record was
//! read. Nothing here is computed from sums.
//!
//! Losses and variances come from +, −, ×, ÷ and √ and are printed as they are. What needs an
//! exponential may differ in its last digits between machines and is rounded: ε up, τ and the ρ
//! that holds it to the nearest.

use serde::{Deserialize, Serialize};

use super::{Frame, noisy, noisy::Noise};
use crate::{
    canonical::Digest,
    category::Indicator,
    dp::rounded_up,
    dp::{BlockPlan, GrowthNoise, share::rho_of_sum},
    growth::Term,
    layout::{Block, Encoding, Part},
    study::Date,
};

/// Decimals of ε where it is read, and where it is computed with.
const EPSILON_SHORT: i32 = 3;
const EPSILON_LONG: i32 = 6;
/// Significant digits of τ, and of a ρ computed with it.
const TAU_DIGITS: usize = 3;
const RHO_DIGITS: usize = 12;

const UNIT: &str = "one student's records at one district, in all school years a block reads; in \
    surveys of staff and parents, and under keys that are no student's, one respondent's answers";
const ADJACENCY: &str = "add/remove: neighbouring data differ in the records of one such unit, \
    present in one and absent in the other";
const DELTA_RULE: &str = "min(1e-6, 1/(10 x students)), students by public enrolment in the \
    largest year measured";
const CONVERSION: &str = "zCDP to (epsilon, delta): Canonne, Kamath, Steinke 2020, Proposition 12";
const COMPOSITION: &str = "rho adds over blocks, studies and rounds; every school year a block \
    reads is charged the block's whole rho, in the ledger of each district, and never refunded";
const SAMPLER: &str = "opendp 0.16 discrete Gaussian (secure randomness)";
const MECHANISM: &str = "each district adds a discrete Gaussian of variance share_variance to each \
    word before it is masked; the shares of h = m - c honest survivors alone give rho_of_h \
    (Kairouz, Liu, Steinke 2021, Theorem 1); the sum carries the shares of all survivors";
const GRID: &str = "sums, variances and sensitivities are in grid units (students; points, or for \
    surveys shares from 0 to 1, x units_per_point); words, noisy sums and scale are in 2^-scale_bits of one";
const VALUES: &str = "count: noisy n as it is. Rate: num/(num + rest), num and rest at least 0. \
    Mean: (mid + sum/n)/units_per_point, within [low, high]/units_per_point; where n is carried it \
    is num + rest of the same cell of from_table. n: rounded half up, at least 0. sd: of the noise \
    in the value, to first order for ratios";
const INTERVALS: &str = "95 % intervals hold the value the same students give without noise; \
    sampling error is not included. Count: n +- 1.96 sd. Rate and mean: Fieller's interval, cut \
    to what is possible";
const DOMINATED: &str = "sd_n/n above 0.1, or an interval of more than 10 \
    percentage points or 10 score points either side";
const SEES: [&str; 4] = [
    "a district: its own records, its own words and its own noise; of other districts nothing but \
     this release",
    "the hub: of each district masked words, which look random without the masks; the noisy sums \
     of all survivors, also those of cells withheld here; who took part, and when",
    "c districts that collude with the hub: the noisy sums less their own words and noise; the \
     shares of h honest survivors remain in them, and rho counts no others",
    "a reader: this folder",
];
const NOT_PROMISED: [&str; 3] = [
    "that a district reports the truth, or draws its noise",
    "hiding which districts took part, or when",
    "protection of what is true of a group whoever is in it",
];

/// The certificate of a `dp` release.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    variant: String,
    rho: f64,
    rho_of_h: f64,
    epsilon: f64,
    delta: f64,
    delta_rule: String,
    students: u64,
    conversion: String,
    unit: String,
    adjacency: String,
    at_two_districts: TwoPart,
    composition: String,
    years: Vec<YearPart>,
    charge_of_a_person: f64,
    questions: Vec<QuestionPart>,
    mechanism: String,
    sampler: String,
    /// Hash of the plan, bound into the round's context.
    noise_plan: Digest,
    honest: HonestPart,
    grid: String,
    blocks: Vec<BlockPart>,
    carried: Vec<CarriedPart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    growth: Vec<GrowthPart>,
    values: String,
    intervals: String,
    noise_dominated: String,
    public_inputs: Vec<InputPart>,
    who_sees_what: Vec<String>,
    not_promised: Vec<String>,
}

/// The loss of a student with records at two districts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TwoPart {
    rho: f64,
    epsilon: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct YearPart {
    year: i16,
    rho: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionPart {
    indicator: Indicator,
    year: i16,
    as_of: Date,
}

/// Survivors the noise was planned for, and those there were.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HonestPart {
    least_survivors: u16,
    survivors: u16,
    least_honest: u16,
    /// Survivors less c.
    honest: u16,
}

/// One noise block.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockPart {
    table: usize,
    indicator: Indicator,
    part: String,
    words: usize,
    years: Vec<i16>,
    /// k and R.
    touched: u32,
    reach: u64,
    /// Exact, as text: integers may pass 2^53.
    delta2_squared: String,
    delta1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    units_per_point: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<i64>,
    rho: f64,
    rho_of_h: f64,
    /// Of the honest survivors there were.
    rho_of_honest: f64,
    /// σ²: promised of h shares.
    variance: f64,
    /// s²: of each share.
    share_variance: f64,
    scale_bits: u32,
    scale: f64,
    tau: f64,
    sd_promised: f64,
    /// √(survivors · s²): of each sum in this release.
    sd: f64,
}

/// A block whose counts were not sent: n is that of a rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedPart {
    table: usize,
    from_table: usize,
    words: usize,
}

/// One round of one growth model: every word has its own noise, which follows from the study.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrowthPart {
    model: String,
    round: u8,
    words: usize,
    years: Vec<i16>,
    /// Of the words together. A student is in one model of a section: its models share this.
    rho: f64,
    rho_of_h: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputPart {
    name: String,
    sha256: Digest,
    holds: String,
}

/// The rule by which cells are withheld.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThresholdPart {
    rule: String,
    tables: Vec<TablePart>,
}

/// One table's threshold; more than one where its blocks take n from different tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TablePart {
    table: usize,
    sd_n: f64,
    threshold: f64,
}

/// What protects the students, in one line without commas.
pub(super) fn guarantee(noise: &Noise) -> String {
    let plan = &noise.plan;
    let epsilon = rounded_up(noise.epsilons[0], EPSILON_SHORT);
    format!(
        "zCDP rho = {} (epsilon = {epsilon} at delta = {}) per student and district; add/remove; \
         see parameters.json",
        plan.rho().value(),
        plan.delta(),
    )
}

impl ThresholdPart {
    pub(super) fn new(frame: &Frame<'_>, noise: &Noise) -> Self {
        let tables = frame.layout.blocks().iter().enumerate().map(|(index, block)| {
            let (sd_n, threshold) = noise.threshold(index);
            TablePart { table: block.table + 1, sd_n, threshold }
        });
        let mut tables: Vec<_> = tables.collect();
        tables.dedup();
        let rule = "shown where the noisy n is at least min_n + 2.326347874040841 sd_n: a cell \
                    over fewer than min_n students is shown with a chance below 1 %, per cell and \
                    release";
        Self { rule: rule.to_owned(), tables }
    }
}

impl Certificate {
    pub(super) fn new(frame: &Frame<'_>, noise: &Noise) -> Self {
        let plan = &noise.plan;
        let (sizes, survivors) = (plan.sizes(), noise.survivors);
        let honest = survivors.saturating_sub(sizes.c);
        let charge = |(year, rho)| YearPart { year, rho };
        let question = |one: crate::layout::Question| QuestionPart {
            indicator: one.indicator,
            year: one.year,
            as_of: one.as_of,
        };
        Self {
            variant: "zCDP".to_owned(),
            rho: plan.rho().value(),
            rho_of_h: digits(plan.realised_rho(), RHO_DIGITS),
            epsilon: rounded_up(noise.epsilons[0], EPSILON_LONG),
            delta: plan.delta().value(),
            delta_rule: DELTA_RULE.to_owned(),
            students: plan.students(),
            conversion: CONVERSION.to_owned(),
            unit: UNIT.to_owned(),
            adjacency: ADJACENCY.to_owned(),
            at_two_districts: TwoPart {
                rho: plan.rho_at_two(),
                epsilon: rounded_up(noise.epsilons[1], EPSILON_LONG),
            },
            composition: COMPOSITION.to_owned(),
            years: plan.charges_of_study().into_iter().map(charge).collect(),
            charge_of_a_person: plan.charge_of_a_person(),
            questions: plan.questions().into_iter().map(question).collect(),
            mechanism: MECHANISM.to_owned(),
            sampler: SAMPLER.to_owned(),
            noise_plan: plan.digest(),
            honest: HonestPart {
                least_survivors: sizes.m,
                survivors,
                least_honest: sizes.h,
                honest,
            },
            grid: GRID.to_owned(),
            blocks: plan
                .blocks()
                .iter()
                .map(|one| BlockPart::new(frame, one, survivors, honest))
                .collect(),
            carried: carried(frame, noise),
            growth: growth(frame, noise),
            values: VALUES.to_owned(),
            intervals: INTERVALS.to_owned(),
            noise_dominated: DOMINATED.to_owned(),
            public_inputs: inputs(frame),
            who_sees_what: SEES.map(str::to_owned).to_vec(),
            not_promised: NOT_PROMISED.map(str::to_owned).to_vec(),
        }
    }
}

impl BlockPart {
    fn new(frame: &Frame<'_>, plan: &BlockPlan, survivors: u16, honest: u16) -> Self {
        let block = &plan.block;
        let shape = frame.layout.blocks().iter().find(|one| one.table == block.table);
        let centre = match shape.map(|shape| shape.encoding) {
            Some(Encoding::Mean { mid, low, high }) if block.part == Part::Sums => {
                Some((mid, low, high))
            }
            _ => None,
        };
        let units_per_point = frame.study.units_per_point(&frame.study.tables[block.table]);
        let sensitivities = [block.delta2_squared(), block.delta1()]
            .map(|exact| noisy::wide_units(i128::try_from(exact).unwrap_or(i128::MAX), 0));
        let fine = f64::from(1_u32 << plan.scale_bits);
        let rho_of_honest = rho_of_sum(
            sensitivities[0] * fine * fine,
            sensitivities[1] * fine,
            plan.share_variance * fine * fine,
            honest,
            block.len(),
        );
        Self {
            table: block.table + 1,
            indicator: block.indicator,
            part: block.part.to_string(),
            words: block.len(),
            years: block.years.clone(),
            touched: block.touched,
            reach: block.reach,
            delta2_squared: block.delta2_squared().to_string(),
            delta1: block.delta1().to_string(),
            units_per_point: centre.map(|_| units_per_point),
            mid: centre.map(|(mid, ..)| mid),
            low: centre.map(|(_, low, _)| low),
            high: centre.map(|(.., high)| high),
            rho: plan.rho,
            rho_of_h: digits(plan.realised_rho, RHO_DIGITS),
            rho_of_honest: digits(rho_of_honest, RHO_DIGITS),
            variance: plan.variance,
            share_variance: plan.share_variance,
            scale_bits: plan.scale_bits,
            scale: plan.scale,
            tau: digits(plan.tau, TAU_DIGITS),
            sd_promised: plan.variance.sqrt(),
            sd: plan.sd(survivors),
        }
    }
}

/// Which counts were not sent, table by table.
fn carried(frame: &Frame<'_>, noise: &Noise) -> Vec<CarriedPart> {
    let blocks = frame.layout.blocks();
    let mut parts: Vec<CarriedPart> = Vec::new();
    for one in noise.plan.carried() {
        let (block, from): (&Block, &Block) = (&blocks[one.block], &blocks[one.from]);
        let (table, from_table, words) = (block.table + 1, from.table + 1, block.cells().len());
        match parts.last_mut() {
            Some(last) if (last.table, last.from_table) == (table, from_table) => {
                last.words += words;
            }
            _ => parts.push(CarriedPart { table, from_table, words }),
        }
    }
    parts
}

/// The growth models' words, model by model, first the first round.
fn growth(frame: &Frame<'_>, noise: &Noise) -> Vec<GrowthPart> {
    let last = if frame.facts.third.is_some() { 3 } else { 2 };
    let plan = || noise.plan.growth().iter().chain(noise.plan.later());
    let models = frame.layout.growth().iter().enumerate();
    let parts = models.flat_map(|(at, block)| {
        (1..=last).map(move |round| {
            let ours = plan().filter(|one| one.model == at && round_of(one.term) == round);
            let ours: Vec<&GrowthNoise> = ours.collect();
            let sum = |of: fn(&GrowthNoise) -> f64| ours.iter().map(|one| of(one)).sum::<f64>();
            GrowthPart {
                model: block.model.name.clone(),
                round,
                words: ours.len(),
                years: ours.first().map(|one| one.years.clone()).unwrap_or_default(),
                rho: sum(|one| one.rho),
                rho_of_h: digits(sum(|one| one.drawn.realised_rho), RHO_DIGITS),
            }
        })
    });
    parts.collect()
}

/// The round in which a term is summed.
const fn round_of(term: Term) -> u8 {
    match term {
        Term::Moment(..) | Term::Gradient(_) => 1,
        Term::Squares | Term::Between | Term::Schools => 2,
        Term::AtMost(_) => 3,
    }
}

/// Everything the release is computed from beside records and noise.
fn inputs(frame: &Frame<'_>) -> Vec<InputPart> {
    let input = |name: &str, sha256, holds: &str| InputPart {
        name: name.to_owned(),
        sha256,
        holds: holds.to_owned(),
    };
    vec![
        input(
            "study.toml",
            frame.study.hash(),
            "indicators, years, break-downs, bounds and cuts of scores, centres, rho, min_n, cohort \
             rule",
        ),
        input(
            "schools.csv",
            frame.schools.hash(),
            "the schools of each district by year, with level, grade span and Census-Day \
             enrolment: which cells exist, the bounds of a district's sums, delta",
        ),
        input("roster", frame.facts.roster_hash, "the districts and their keys"),
        input(
            "layout",
            frame.layout.hash(),
            "the meaning of every word; follows from the first two",
        ),
    ]
}

/// Rounds to so many significant digits, at least one.
fn digits(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}
