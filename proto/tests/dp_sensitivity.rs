//! Sensitivities by brute force: no student moves a noise block further than it says, and some
//! student moves it exactly as far. Words are filled here from plain students, as a node does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

mod study_support;

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::{
    category::{Family, Grade, Indicator, Level, Subject},
    layout::{Encoding, Layout, NoiseBlock, NoiseBlocks, Part},
    study::{ScoreRange, Study},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use study_support::Draft;

const SEED: u64 = 0x5eed_0003;
const STUDENTS: usize = 4_000;
const YEARS: [i16; 3] = [2022, 2023, 2024];

/// One student in one school year, at one district.
struct Record {
    level: Level,
    grade: Grade,
    groups: [usize; Family::ALL.len()],
    /// Grade tested and raw score on the grid, before clipping.
    scores: BTreeMap<Subject, (Grade, i64)>,
    /// By number of the table: in the numerator, in the denominator only, or not counted. Which of
    /// them follows from records that this test need not model.
    shares: Vec<Option<bool>>,
    /// By number of the table: answered items of a survey, and those that are favourable.
    answers: Vec<(i64, i64)>,
}

/// One student: all years.
type Student = BTreeMap<i16, Record>;

/// What a node adds for one student (node/src/aggregate.rs, node/src/indicators).
fn add(study: &Study, layout: &Layout, student: &Student, words: &mut [i64]) {
    for block in layout.blocks() {
        let table = &study.tables[block.table];
        let Some(record) = student.get(&block.year) else { continue };
        let group = block.family.map_or(0, |family| record.groups[family.index()]);
        let word = |grade| block.word_of(record.level, grade, group);
        let score = |subject| {
            let (tested, raw) = *record.scores.get(&subject)?;
            let range: ScoreRange = *study.scores(table)?.1.get(&tested)?;
            Some((tested, raw.clamp(range.min, range.max), range.met))
        };
        let mut sum = |grade, value: i64| {
            let (Some(word), Encoding::Mean { mid, .. }) = (word(grade), block.encoding) else {
                return;
            };
            words[word] += value - mid;
            words[word + 1] += 1;
        };
        match block.indicator {
            // Adults have a level and no grade.
            indicator if indicator.is_of_answers() => {
                let grade = if indicator.is_of_adults() { Grade::UG } else { record.grade };
                let (answered, favourable) = record.answers[block.table];
                if let Some(share) = (favourable * 10_000).checked_div(answered) {
                    assert!((0..=10_000).contains(&share));
                    sum(grade, share);
                }
            }
            Indicator::Students => {
                if let Some(word) = word(record.grade) {
                    words[word] += 1;
                }
            }
            Indicator::Mean(subject) => {
                if let Some((tested, value, _)) = score(subject) {
                    sum(tested, value);
                }
            }
            Indicator::Dfs(subject) => {
                if let Some((tested, value, met)) = score(subject) {
                    sum(tested, value - met);
                }
            }
            Indicator::Met(subject) => {
                if let Some((tested, value, met)) = score(subject)
                    && let Some(word) = word(tested)
                {
                    words[word + usize::from(value < met)] += 1;
                }
            }
            indicator => {
                // A class is counted in the year it was to graduate, whatever grade it was in.
                let class =
                    indicator.measure() == "graduation" || indicator == Indicator::CollegeGoing;
                let grade = if class { Grade::G12 } else { record.grade };
                if let (Some(word), Some(counted)) = (word(grade), record.shares[block.table]) {
                    words[word + usize::from(!counted)] += 1;
                }
            }
        }
    }
}

fn below(rng: &mut ChaCha20Rng, bound: usize) -> usize {
    usize::try_from(rng.next_u64() % u64::try_from(bound).unwrap()).unwrap()
}

fn pick<T: Copy>(rng: &mut ChaCha20Rng, items: &[T]) -> T {
    items[below(rng, items.len())]
}

/// Any student a district could have: also in grades and levels nobody offers, without scores, with
/// scores at, between and far beyond the bounds.
fn student(rng: &mut ChaCha20Rng, study: &Study) -> Student {
    let mut student = Student::new();
    for year in YEARS {
        if below(rng, 8) == 0 {
            continue;
        }
        let mut scores = BTreeMap::new();
        for (subject, ranges) in study.tests.values().flat_map(|test| &test.scores) {
            let (tested, range) = ranges.iter().nth(below(rng, ranges.len())).unwrap();
            let span = usize::try_from(range.max - range.min).unwrap();
            let inside = range.min + i64::try_from(below(rng, span + 1)).unwrap();
            let far = [range.min - 1_000_000, range.max + 1_000_000];
            let raw = pick(rng, &[range.min, range.max, range.met, inside, far[0], far[1]]);
            let tested = pick(rng, &[*tested, *tested, *tested, Grade::UG]);
            if below(rng, 10) > 0 {
                scores.insert(*subject, (tested, raw));
            }
        }
        let groups: Vec<_> =
            Family::ALL.iter().map(|family| below(rng, family.groups().len())).collect();
        let count = study.tables.len();
        let shares = (0..count).map(|_| pick(rng, &[None, Some(true), Some(false)])).collect();
        let answers = (0..count).map(|_| {
            let items = pick(rng, &[0, 1, 3, 7]);
            (items, pick(rng, &[0, items / 2, items]))
        });
        let answers = answers.collect();
        let record = Record {
            level: pick(rng, &[Level::ES, Level::ES, Level::ES, Level::MS, Level::HS, Level::Alt]),
            grade: pick(rng, Grade::ALL),
            groups: groups.try_into().unwrap(),
            scores,
            shares,
            answers,
        };
        student.insert(year, record);
    }
    student
}

/// How far one student moves a block: (Σd², Σ|d|).
fn moved(block: &NoiseBlock, with: &[i64], without: &[i64]) -> (u128, u128) {
    block.words().fold((0, 0), |(squares, sum), word| {
        let distance = u128::from(with[word].abs_diff(without[word]));
        (squares + distance * distance, sum + distance)
    })
}

/// Tries to move every block of a study further than it says; returns the blocks that were moved
/// exactly as far.
fn attack(draft: &Draft, seed: u64) -> (NoiseBlocks, BTreeSet<usize>) {
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let noise = NoiseBlocks::derive(&study, &layout);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut data = vec![0_i64; layout.words()];
    for _ in 0..20 {
        add(&study, &layout, &student(&mut rng, &study), &mut data);
    }
    let mut reached = BTreeSet::new();
    for number in 0..STUDENTS {
        let one = student(&mut rng, &study);
        let mut with = data.clone();
        add(&study, &layout, &one, &mut with);
        for (index, block) in noise.blocks.iter().enumerate() {
            let (squares, sum) = moved(block, &with, &data);
            let name = block.name();
            assert!(squares <= block.delta2_squared(), "seed {seed:#x} student {number}: {name}");
            assert!(sum <= block.delta1(), "seed {seed:#x} student {number}: {name}");
            if squares == block.delta2_squared() && sum == block.delta1() {
                reached.insert(index);
            }
        }
    }
    (noise, reached)
}

const SCHOOLS: &str = "\
school_id,school_year,school_name,district_id,level,grade_low,grade_high
001,2022,Alder,A,ES,TK,12
001,2023,Alder,A,ES,TK,12
001,2024,Alder,A,ES,TK,12
002,2023,Birch,A,MS,06,08
002,2024,Birch,A,MS,06,08
";

/// Every encoding, several years, break-downs and families; no mean has a rate to carry its n.
const TABLES: &str = r#"
[[table]]
indicator = "students"
years = [2023, 2024]
by = [[], ["level"], ["grade"], ["level", "grade"]]
families = ["sex", "race_ethnicity"]

[[table]]
indicator = "chronic_absenteeism"
preset = "dataquest"
years = [2022, 2023, 2024]
by = [["level"], []]
families = ["el"]

[[table]]
indicator = "chronic_absenteeism"
by = [["grade"]]

[[table]]
indicator = "math_mean"
test = "T"
by = [[], ["level", "grade"]]
families = ["sex", "foster"]

[[table]]
indicator = "math_dfs"
test = "T"
years = [2024, 2023]
by = [["grade"]]

[[table]]
indicator = "math_met"
test = "T"
by = [["level"]]
families = ["swd"]

[[table]]
indicator = "ela_mean"
test = "T"
"#;

/// Every indicator of the catalogue that is not in `TABLES`, so that no mean has a rate beside it.
fn rest() -> String {
    let known: Vec<_> =
        TABLES.lines().filter_map(|line| line.strip_prefix("indicator = \"")).collect();
    let rest = Indicator::ALL.iter().filter(|one| !known.contains(&&*format!("{one}\"")));
    let table = |indicator: &Indicator| {
        let test = if indicator.subject().is_some() { "test = \"T\"\n" } else { "" };
        let broken = if indicator.is_of_adults() {
            "years = [2023, 2024]\nby = [[], [\"level\"]]\n"
        } else {
            "by = [[], [\"level\", \"grade\"]]\nfamilies = [\"el\"]\n"
        };
        format!("[[table]]\nindicator = \"{indicator}\"\n{test}{broken}")
    };
    rest.filter(|one| !matches!(one, Indicator::Met(_))).map(table).collect()
}

fn every() -> Draft {
    let mut draft = draft(&rest());
    draft.tests.push_str(
        "[test.scores.SCI]\n\"05\" = { min = 0, max = 9, met = 4 }\n\
         [test.scores.ELP]\n\"03\" = { min = 0, max = 4, met = 4 }\n",
    );
    draft
}

fn draft(tables: &str) -> Draft {
    Draft { tables: tables.into(), schools: SCHOOLS.into(), ..Draft::default() }
}

#[test]
fn no_student_moves_a_block_further_than_it_says_and_some_student_moves_it_as_far() {
    for seed in SEED..SEED + 4 {
        let (noise, reached) = attack(&draft(TABLES), seed);
        let all: BTreeSet<_> = (0..noise.blocks.len()).collect();
        let slack: Vec<_> =
            all.difference(&reached).map(|index| noise.blocks[*index].name()).collect();
        assert!(slack.is_empty(), "seed {seed:#x}: never reached: {slack:?}");
    }
}

#[test]
fn no_student_and_no_respondent_moves_any_indicator_further_than_it_says() {
    let (noise, reached) = attack(&every(), SEED);
    let all: BTreeSet<_> = (0..noise.blocks.len()).collect();
    let slack: Vec<_> = all.difference(&reached).map(|index| noise.blocks[*index].name()).collect();
    assert!(slack.is_empty(), "seed {SEED:#x}: never reached: {slack:?}");
    let measured: BTreeSet<_> = noise.blocks.iter().map(|block| block.indicator).collect();
    assert!(measured.len() > 40, "{measured:?}");
}

#[test]
fn a_survey_is_two_blocks_of_half_its_range_and_of_one_and_a_share_is_one() {
    let noise = NoiseBlocks::derive(&every().study().unwrap(), &every().layout());
    for block in &noise.blocks {
        let adults = block.indicator.is_of_adults();
        // Adults: 2 years × 2 break-downs. Students: 2 break-downs × (all + el).
        assert_eq!(block.touched, 4, "{}", block.name());
        if block.part == Part::Counts {
            assert_eq!((block.reach, block.delta2_squared(), block.delta1()), (1, 4, 4));
        } else if block.indicator.is_of_answers() {
            let (squared, total) = (block.delta2_squared(), block.delta1());
            assert_eq!((block.reach, squared, total), (5_000, 4 * 5_000 * 5_000, 4 * 5_000));
        }
        let read: &[i16] = if adults { &[2023, 2024] } else { &[2024] };
        assert_eq!(block.measured, read, "{}", block.name());
    }
    let surveys = noise.blocks.iter().filter(|block| block.indicator.is_of_answers()).count();
    assert_eq!(surveys, 2 * 16);
}

#[test]
fn sensitivities_are_those_of_the_table_of_docs_privacy() {
    let draft = draft(TABLES);
    let noise = NoiseBlocks::derive(&draft.study().unwrap(), &draft.layout());
    let got: Vec<_> = noise
        .blocks
        .iter()
        .map(|block| (block.table, block.part, block.touched, block.reach))
        .collect();
    let want = [
        // 2 years × 4 break-downs × (all + 2 families).
        (0, Part::Counts, 24, 1),
        (1, Part::Counts, 12, 1),
        (2, Part::Counts, 1, 1),
        // Tenths of a point, 100 to 220: mid 160.0, R 60.0.
        (3, Part::Counts, 6, 1),
        (3, Part::Sums, 6, 600),
        // Distances −50.0 to 59.5: mid 4.7 (floor of 4.75), R 54.8.
        (4, Part::Counts, 2, 1),
        (4, Part::Sums, 2, 548),
        (5, Part::Counts, 2, 1),
        // −20.0 to 21.0: mid 0.5, R 20.5.
        (6, Part::Counts, 1, 1),
        (6, Part::Sums, 1, 205),
    ];
    assert_eq!(got, want);
    assert_eq!(noise.carried, []);
    let sums = &noise.blocks[4];
    assert_eq!((sums.delta2_squared(), sums.delta1()), (6 * 600 * 600, 6 * 600));
}

/// A mean and a distance whose n the rate carries, beside a mean that is broken down further.
const CARRIED: &str = r#"
[[table]]
indicator = "math_mean"
test = "T"
by = [[], ["grade"]]
families = ["sex"]

[[table]]
indicator = "math_met"
test = "T"
years = [2024, 2023]
by = [["grade"], ["level"], []]
families = ["el", "sex"]

[[table]]
indicator = "math_dfs"
test = "T"
by = [["level"]]
families = ["el", "swd"]
"#;

#[test]
fn a_mean_takes_its_n_from_a_rate_that_covers_it_and_only_then() {
    let draft = draft(CARRIED);
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let noise = NoiseBlocks::derive(&study, &layout);
    let parts: Vec<_> = noise.blocks.iter().map(|block| (block.table, block.part)).collect();
    assert_eq!(
        parts,
        [(0, Part::Sums), (1, Part::Counts), (2, Part::Counts), (2, Part::Sums)],
        "swd is not in the rate, so the distance keeps its own n"
    );
    assert_eq!(noise.carried.len(), 4);
    for carried in &noise.carried {
        let (mean, rate) = (&layout.blocks()[carried.block], &layout.blocks()[carried.from]);
        assert_eq!((mean.year, &mean.by, mean.family), (rate.year, &rate.by, rate.family));
        assert_eq!(mean.cells(), rate.cells());
    }
}

#[test]
fn a_carried_n_is_the_rates_numerator_and_rest_in_every_cell() {
    let draft = draft(CARRIED);
    let (study, layout) = (draft.study().unwrap(), draft.layout());
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let mut words = vec![0; layout.words()];
    for _ in 0..500 {
        add(&study, &layout, &student(&mut rng, &study), &mut words);
    }
    for carried in NoiseBlocks::derive(&study, &layout).carried {
        let (mean, rate) = (&layout.blocks()[carried.block], &layout.blocks()[carried.from]);
        for cell in 0..mean.cells().len() {
            let (n, at) = (words[mean.first_word() + 2 * cell + 1], rate.first_word() + 2 * cell);
            assert_eq!(n, words[at] + words[at + 1], "seed {SEED:#x}");
        }
    }
}

#[test]
fn no_student_moves_a_block_beside_carried_words_too_far() {
    let (noise, reached) = attack(&draft(CARRIED), SEED);
    assert_eq!(reached.len(), noise.blocks.len(), "seed {SEED:#x}");
}

#[test]
fn every_word_is_in_one_block_or_carried() {
    for tables in [TABLES, CARRIED] {
        let draft = draft(tables);
        let layout = draft.layout();
        let noise = NoiseBlocks::derive(&draft.study().unwrap(), &layout);
        let mut times = vec![0; layout.words()];
        for block in &noise.blocks {
            assert_eq!(block.words().count(), block.len());
            assert!(!block.is_empty());
            block.words().for_each(|word| times[word] += 1);
        }
        for carried in &noise.carried {
            let block = &layout.blocks()[carried.block];
            let counts = (0..block.cells().len()).map(|cell| block.first_word() + 2 * cell + 1);
            counts.for_each(|word| times[word] += 1);
        }
        assert!(times.iter().all(|times| *times == 1));
    }
}

#[test]
fn blocks_read_their_tables_years_and_ask_its_questions() {
    let draft = draft(TABLES);
    let noise = NoiseBlocks::derive(&draft.study().unwrap(), &draft.layout());
    let dfs = noise.blocks.iter().find(|block| block.table == 4).unwrap();
    assert_eq!(dfs.years, [2023, 2024]);
    let asked: Vec<_> = dfs.questions.iter().map(ToString::to_string).collect();
    assert_eq!(asked, ["math_dfs in 2023 as of 2024-06-30", "math_dfs in 2024 as of 2024-06-30"]);
}

#[test]
fn indicators_that_look_back_read_earlier_years_and_the_five_year_cohort_asks_of_its_class() {
    let noise = NoiseBlocks::derive(&every().study().unwrap(), &every().layout());
    let of = |name: &str| {
        let block = noise.blocks.iter().find(|one| one.indicator.as_str() == name).unwrap();
        let asked: Vec<_> = block.questions.iter().map(|one| one.year).collect();
        (block.measured.clone(), block.years.clone(), asked)
    };
    let one = vec![2024];
    let back = |first: i16| (first..=2024).collect::<Vec<_>>();
    assert_eq!(of("suspension"), (one.clone(), one.clone(), one.clone()));
    assert_eq!(of("el_progress"), (one.clone(), back(2023), back(2023)));
    for class in ["graduation_4yr", "dropout", "ag_completion", "college_going"] {
        assert_eq!(of(class), (one.clone(), back(2021), one.clone()), "{class}");
    }
    for class in ["graduation_5yr", "graduation_rate"] {
        assert_eq!(of(class), (one.clone(), back(2020), back(2023)), "{class}");
    }
}
