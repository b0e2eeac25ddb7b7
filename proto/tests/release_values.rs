//! Releases: the values are those of the pooled students, and small cells say nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

#[path = "study_support/round.rs"]
mod round;
mod study_support;

use flashlight_proto::{
    category::{Dimension, Family, Grade, Indicator, Level},
    layout::{Block, Encoding, Layout},
    release::{Cell, NO_GUARANTEE, Outcome, Release, ReleaseError},
    study::Study,
};
use proptest::prelude::*;
use round::facts;
use study_support::Draft;

/// One made-up student.
#[derive(Clone, Debug)]
struct Student {
    level: Level,
    grade: Grade,
    sex: usize,
    el: usize,
    absent: bool,
    /// Grid units; read only for grades the test has bounds for.
    score: i64,
}

fn student() -> impl Strategy<Value = Student> {
    let places = [
        (Level::ES, Grade::TK),
        (Level::ES, Grade::KN),
        (Level::ES, Grade::G03),
        (Level::ES, Grade::G04),
        (Level::MS, Grade::G07),
        (Level::HS, Grade::G12),
    ];
    let groups = (0..4_usize, 0..3_usize);
    (prop::sample::select(places.to_vec()), groups, any::<bool>(), 0..=1000_i64).prop_map(
        |((level, grade), (sex, el), absent, extra)| {
            let score = if grade == Grade::G04 { 1105 } else { 1000 } + extra;
            Student { level, grade, sex, el, absent, score }
        },
    )
}

fn group(student: &Student, family: Option<Family>) -> usize {
    match family {
        None => 0,
        Some(Family::Sex) => student.sex,
        Some(Family::El) => student.el,
        Some(other) => panic!("{other} is not in the small study"),
    }
}

fn met(grade: Grade) -> i64 {
    if grade == Grade::G04 { 1605 } else { 1500 }
}

/// Adds one student to the words of one district.
fn count(words: &mut [i64], block: &Block, student: &Student) {
    let place = block.word_of(student.level, student.grade, group(student, block.family));
    let Some(word) = place else { return };
    match (block.indicator, block.encoding) {
        (Indicator::Students, _) => words[word] += 1,
        (Indicator::ChronicAbsenteeism, _) => words[word + usize::from(!student.absent)] += 1,
        (Indicator::Met(_), _) => {
            words[word + usize::from(student.score < met(student.grade))] += 1;
        }
        (indicator, Encoding::Mean { mid, .. }) => {
            let cut = if matches!(indicator, Indicator::Dfs(_)) { met(student.grade) } else { 0 };
            words[word] += student.score - cut - mid;
            words[word + 1] += 1;
        }
        _ => panic!("no such block"),
    }
}

/// Whether the student is one of those a cell describes, told from its printed attributes alone.
fn in_cell(student: &Student, cell: &Cell) -> bool {
    let counted = match cell.indicator {
        Indicator::Students => true,
        Indicator::ChronicAbsenteeism => (Grade::KN..=Grade::G08).contains(&student.grade),
        _ => [Grade::G03, Grade::G04].contains(&student.grade),
    };
    // The one school of 2023 is an elementary school: only its grades have cells.
    let offered = cell.year == 2024 || student.level == Level::ES;
    counted
        && offered
        && cell.level.is_none_or(|level| level == student.level)
        && cell.grade.is_none_or(|grade| grade == student.grade)
        && cell
            .family
            .is_none_or(|family| Some(family.groups()[group(student, Some(family))]) == cell.group)
}

/// What the cell must show, computed from the students at once.
fn direct(students: &[Student], cell: &Cell, min_n: u64) -> Outcome {
    let here: Vec<_> = students.iter().filter(|student| in_cell(student, cell)).collect();
    let n = here.len() as u64;
    let share = |test: &dyn Fn(&Student) -> bool| Outcome::Rate {
        num: here.iter().filter(|student| test(student)).count() as u64,
        n,
    };
    if n < min_n {
        return Outcome::Suppressed;
    }
    match cell.indicator {
        Indicator::Students => Outcome::Count { n },
        Indicator::ChronicAbsenteeism => share(&|student| student.absent),
        Indicator::Met(_) => share(&|student| student.score >= met(student.grade)),
        Indicator::Mean(_) => {
            let sum = here.iter().map(|student| student.score).sum();
            Outcome::Mean { sum, n, units_per_point: 10 }
        }
        Indicator::Dfs(_) => {
            let sum = here.iter().map(|student| student.score - met(student.grade)).sum();
            Outcome::Mean { sum, n, units_per_point: 10 }
        }
        other => panic!("{other} is not in the small study"),
    }
}

fn small<T: TryInto<i32>>(number: T) -> f64 {
    number.try_into().map(f64::from).unwrap_or(f64::NAN)
}

/// Sums the words of districts, district by district.
fn pooled(layout: &Layout, districts: &[Vec<Student>]) -> Vec<i64> {
    let mut sums = vec![0; layout.words()];
    for students in districts {
        let mut words = vec![0; layout.words()];
        for student in students {
            layout.blocks().iter().for_each(|block| count(&mut words, block, student));
        }
        sums.iter_mut().zip(words).for_each(|(sum, word)| *sum += word);
    }
    sums
}

fn parts(draft: &Draft) -> (Study, Layout) {
    (draft.study().unwrap(), draft.layout())
}

fn build(draft: &Draft, sums: &[i64]) -> Result<Release, ReleaseError> {
    let (study, layout) = parts(draft);
    Release::build(&study, &draft.table(), &layout, sums, facts(&study), Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_cell_equals_the_same_count_over_the_pooled_students(
        districts in prop::collection::vec(prop::collection::vec(student(), 0..30), 4),
    ) {
        let draft = Draft::default();
        let release = build(&draft, &pooled(&draft.layout(), &districts)).unwrap();
        let students = districts.concat();
        for cell in release.cells() {
            prop_assert_eq!(cell.outcome, direct(&students, cell, 3), "{:?}", cell);
            let expected = match cell.outcome {
                Outcome::Suppressed | Outcome::Noisy(_) => None,
                Outcome::Count { n } => Some(small(n)),
                Outcome::Rate { num, n } => Some(small(num) / small(n)),
                Outcome::Items { num, den, .. } => Some(small(num) / small(den)),
                Outcome::Mean { sum, n, .. } => Some(small(sum) / 10.0 / small(n)),
            };
            let error = cell.outcome.value().zip(expected).map_or(0.0, |(a, b)| (a - b).abs());
            prop_assert!(error < 1e-9, "{:?} is off by {}", cell, error);
            prop_assert_eq!(cell.outcome.value().is_some(), expected.is_some());
        }
    }

    #[test]
    fn a_suppressed_cell_says_nothing_in_any_file(
        students in prop::collection::vec(student(), 0..40),
    ) {
        let draft = Draft::default();
        let release = build(&draft, &pooled(&draft.layout(), &[students])).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&release.release_json().unwrap()).unwrap();
        let csv = String::from_utf8(release.tables_csv()).unwrap();
        let rows = csv.lines().skip(1);
        let cells = json["cells"].as_array().unwrap();
        prop_assert_eq!(cells.len(), release.cells().len());
        for ((cell, json), row) in release.cells().iter().zip(cells).zip(rows) {
            let attributes = [
                "table", "indicator", "test", "preset", "year", "by", "level", "grade", "family",
                "group", "suppressed",
            ];
            let said: Vec<_> = json
                .as_object()
                .unwrap()
                .keys()
                .filter(|key| !attributes.contains(&key.as_str()))
                .collect();
            let hidden = cell.outcome == Outcome::Suppressed;
            prop_assert_eq!(&json["suppressed"], hidden);
            prop_assert_eq!(said.is_empty(), hidden, "{:?}", said);
            prop_assert_eq!(row.contains(",true,,,,,,,"), hidden, "{}", row);
            prop_assert!(row.ends_with(NO_GUARANTEE));
        }
    }
}

/// The sums of a study of one table, and the outcome of its first cell.
fn first(indicator: &str, min_n: u32, sums: &[i64]) -> Result<Outcome, ReleaseError> {
    let mut draft = Draft {
        tables: format!("[[table]]\nindicator = \"{indicator}\"\n"),
        suppression: format!("min_n = {min_n}\n"),
        ..Draft::default()
    };
    if indicator.contains('_') && indicator != "chronic_absenteeism" {
        draft.tables.push_str("test = \"T\"\n");
    }
    build(&draft, sums).map(|release| release.cells()[0].outcome)
}

#[test]
fn cells_are_shown_from_min_n_on() {
    assert_eq!(first("students", 11, &[10]).unwrap(), Outcome::Suppressed);
    assert_eq!(first("students", 11, &[11]).unwrap(), Outcome::Count { n: 11 });
    assert_eq!(first("students", 11, &[0]).unwrap(), Outcome::Suppressed);
    assert_eq!(first("chronic_absenteeism", 11, &[1, 9]).unwrap(), Outcome::Suppressed);
    let rate = first("chronic_absenteeism", 11, &[1, 10]).unwrap();
    assert_eq!(rate, Outcome::Rate { num: 1, n: 11 });
    assert_eq!(first("math_mean", 11, &[0, 10]).unwrap(), Outcome::Suppressed);
    let mean = first("math_mean", 11, &[5, 11]).unwrap();
    assert_eq!(mean, Outcome::Mean { sum: 11 * 1600 + 5, n: 11, units_per_point: 10 });
}

#[test]
fn values_are_in_points_shares_and_students() {
    let value = |indicator, sums: &[i64]| first(indicator, 3, sums).unwrap().value().unwrap();
    assert!((value("students", &[4]) - 4.0).abs() < f64::EPSILON);
    assert!((value("chronic_absenteeism", &[1, 3]) - 0.25).abs() < f64::EPSILON);
    assert!((value("math_mean", &[20, 4]) - 160.5).abs() < f64::EPSILON);
    // Centre 47: the mean distance is (47·4 − 388)/4 = −50 grid units.
    assert!((value("math_dfs", &[-388, 4]) + 5.0).abs() < f64::EPSILON);
}

#[test]
fn sums_that_no_students_can_give_are_refused_by_cell_name_without_the_value() {
    let faults: [(&str, &[i64]); 9] = [
        ("students", &[-987_654]),
        ("students", &[i64::MAX]),
        ("chronic_absenteeism", &[-1, 987_654]),
        ("chronic_absenteeism", &[987_654, -1]),
        ("chronic_absenteeism", &[1 << 53, 1]),
        // Scores of math lie within 600 grid units of their centre.
        ("math_mean", &[987_654, 1646]),
        ("math_mean", &[-987_654, 1646]),
        ("math_mean", &[1, 0]),
        ("math_mean", &[0, -1]),
    ];
    for (indicator, sums) in faults {
        let error = first(indicator, 3, sums).unwrap_err();
        assert_eq!(error.code(), "sum_impossible", "{indicator} {sums:?}");
        let message = error.to_string();
        assert!(message.contains(indicator) && !message.contains("987"), "{message}");
    }
    assert!(first("math_mean", 3, &[600 * 1647, 1647]).is_ok());
}

#[test]
fn sums_of_another_length_are_refused() {
    assert_eq!(first("students", 3, &[]).unwrap_err().code(), "release_length");
    assert_eq!(first("students", 3, &[5, 5]).unwrap_err().code(), "release_length");
}

#[test]
fn a_layout_of_another_study_is_refused() {
    let draft = Draft::default();
    let (study, _) = parts(&draft);
    let mut other = Draft::default();
    other.tests = other.tests.replace("met = 150", "met = 151");
    let layout = other.layout();
    let sums = vec![0; layout.words()];
    let error = Release::build(&study, &draft.table(), &layout, &sums, facts(&study), Vec::new());
    assert_eq!(error.unwrap_err().code(), "release_layout");
}

#[test]
fn facts_that_contradict_each_other_are_refused() {
    let draft = Draft::default();
    let (study, layout) = parts(&draft);
    let sums = vec![0; layout.words()];
    let right = facts(&study);
    let mut wrong = vec![right.clone(); 7];
    wrong[0].survivors.swap(0, 1);
    wrong[1].lost.push(right.survivors[3].clone());
    wrong[2].survivors[0] = right.survivors[1].clone();
    wrong[3].lost.clear();
    wrong[4].sizes.t = 3;
    wrong[5].round_id = "XYZ".into();
    wrong[6].survivors.truncate(3);
    wrong[6].lost = vec![right.lost[0].clone(), right.survivors[3].clone()];
    for (index, facts) in wrong.into_iter().enumerate() {
        let error =
            Release::build(&study, &draft.table(), &layout, &sums, facts, Vec::new()).unwrap_err();
        assert_eq!(error.code(), "release_facts", "case {index}: {error}");
    }
    let release =
        Release::build(&study, &draft.table(), &layout, &sums, right.clone(), Vec::new()).unwrap();
    assert_eq!(release.facts(), right);
}

#[test]
fn a_round_stricter_than_the_study_makes_a_release_and_a_laxer_one_does_not() {
    let draft = Draft::default();
    let (study, layout) = parts(&draft);
    let sums = vec![0; layout.words()];
    let build = |m, t, h| {
        let mut facts = facts(&study);
        (facts.survivors, facts.lost) = (facts.cohort.clone(), Vec::new());
        (facts.sizes.m, facts.sizes.t, facts.sizes.h) = (m, t, h);
        Release::build(&study, &draft.table(), &layout, &sums, facts, Vec::new())
            .map(|release| release.facts())
    };
    // The study's own m, t and h are 4, 4 and 3.
    for (m, t, h) in [(4, 4, 3), (5, 4, 4), (5, 5, 4)] {
        let sizes = build(m, t, h).unwrap().sizes;
        assert_eq!((sizes.m, sizes.t, sizes.h), (m, t, h));
    }
    for (m, t, h) in [(3, 4, 2), (3, 3, 2), (5, 3, 4), (5, 6, 4), (5, 4, 3), (6, 4, 5)] {
        assert_eq!(build(m, t, h).unwrap_err().code(), "release_facts", "{m} {t} {h}");
    }
}

#[test]
fn every_output_says_that_there_is_no_guarantee() {
    let draft = Draft::default();
    let release = build(&draft, &vec![0; draft.layout().words()]).unwrap();
    let json = String::from_utf8(release.release_json().unwrap()).unwrap();
    let head = "{\n  \"format\": \"flashlight/release/v1\",\n  \"guarantee\": \"no formal";
    assert!(json.starts_with(head) && json.ends_with("\n}\n"), "{}", &json[..200]);
    let parameters = String::from_utf8(release.parameters_json().unwrap()).unwrap();
    assert!(parameters.contains(NO_GUARANTEE));
    assert!(parameters.contains("\"complementary\": false") && parameters.contains("subtracting"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let parameters: serde_json::Value = serde_json::from_str(&parameters).unwrap();
    assert_eq!(json["parameters"], parameters);
    assert_eq!(parameters["cohort"]["lost"], serde_json::json!(["C"]));
}

#[test]
fn cells_keep_the_order_and_break_downs_of_the_layout() {
    let draft = Draft::default();
    let release = build(&draft, &vec![0; draft.layout().words()]).unwrap();
    let layout = draft.layout();
    let keys =
        layout.blocks().iter().flat_map(|block| block.cells().iter().map(move |key| (block, key)));
    for (cell, (block, key)) in release.cells().iter().zip(keys) {
        assert_eq!((cell.level, cell.grade, cell.year), (key.level, key.grade, block.year));
        assert_eq!(cell.by(), block.by);
        assert_eq!((cell.table, cell.family), (block.table + 1, block.family));
    }
    let last = release.cells().last().unwrap();
    assert_eq!((last.indicator.as_str(), last.by()), ("math_met", vec![Dimension::Level]));
}
