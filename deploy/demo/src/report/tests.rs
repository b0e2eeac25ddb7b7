//! The table of a release, in words.

use std::sync::Arc;

use flashlight_proto::category::Family;
use flashlight_proto::layout::CellKey;
use flashlight_proto::release::Outcome;
use flashlight_proto::release::NoisySums;

use super::*;

fn cell(indicator: Indicator, group: Option<&'static str>, outcome: Outcome) -> Cell {
    Cell {
        table: 1,
        indicator,
        test: Some(Arc::from("T")),
        preset: None,
        year: 1989,
        level: None,
        grade: None,
        family: group.map(|_| Family::Sex),
        group,
        outcome,
    }
}

fn noisy(value: f64, low: f64, high: f64, noise_dominated: bool) -> Outcome {
    let sums = NoisySums::Count { n: 1, n_scale_bits: 0 };
    Outcome::Noisy(Noisy { sums, value, sd: 1.0, low, high, n: 1, sd_n: 1.0, noise_dominated })
}

fn own(n: u64, value: Option<f64>) -> LocalCell {
    LocalCell {
        block: 0,
        key: CellKey { level: None, grade: None, group: 0 },
        n,
        total: 0,
        den: n,
        value,
    }
}

fn answer(n: u64, value: f64) -> Answer {
    Answer { n, total: 0, den: n, value: Some(value) }
}

/// All students, girls and boys: a mean and a share of the same subject.
fn cells(of: impl Fn(usize, Indicator) -> Outcome) -> Vec<Cell> {
    let mut cells = Vec::new();
    for indicator in [Indicator::Mean(Subject::Math), Indicator::Met(Subject::Math)] {
        for (at, group) in [None, Some("F"), Some("X")].into_iter().enumerate() {
            cells.push(cell(indicator, group, of(at, indicator)));
        }
    }
    cells
}

#[test]
fn a_private_value_stands_beside_the_exact_one_and_the_districts_own() {
    let cells = cells(|at, indicator| match (at, indicator) {
        (0, Indicator::Mean(_)) => noisy(617.66, 617.1, 618.3, false),
        (0, _) => noisy(0.511, 0.50, 0.52, false),
        (1, _) => noisy(0.4, 0.1, 0.6, true),
        _ => Outcome::Suppressed,
    });
    let exact: Vec<Answer> = (0..6).map(|_| answer(20, 0.25)).collect();
    let own: Vec<LocalCell> = (0..6).map(|at| own(9 + at, Some(0.5))).collect();
    let view = View { cells: &cells, exact: Some(&exact), own: &own, district: "S11", min_n: 11 };
    let text = table(&view);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
    assert!(lines[0].ends_with("math met") && lines[0].contains("math mean"), "{text}");
    assert_eq!(lines[2], "school year 1988-89");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(lines[3]), "all students 617.7 ± 0.6 0.2 0.5* 51.1 ± 1.1 % 25.0 % 50.0 %");
    assert_eq!(words(lines[4]), "sex F 0.4 ± 0.3 ~ 0.2 0.5* 40.0 ± 30.0 %~ 25.0 % 50.0 %");
    assert_eq!(words(lines[5]), "sex X hidden 0.2 0.5 hidden 25.0 % 50.0 %");
    assert_eq!(lines.len(), 6, "one table, one subject: {text}");
}

#[test]
fn a_row_with_nobody_in_it_is_left_out() {
    let cells =
        cells(|at, _| if at == 2 { Outcome::Suppressed } else { noisy(0.5, 0.4, 0.6, false) });
    let own: Vec<LocalCell> = (0..6).map(|_| own(0, None)).collect();
    for (n, rows) in [(0, 5), (3, 6)] {
        let exact: Vec<Answer> = (0..6).map(|_| answer(n, 0.5)).collect();
        let view = View { cells: &cells, exact: Some(&exact), own: &own, district: "A", min_n: 11 };
        assert_eq!(table(&view).lines().count(), rows);
    }
}

#[test]
fn an_exact_release_has_two_numbers_a_column_and_hides_the_small() {
    let cells = cells(|at, _| match at {
        0 => Outcome::Rate { num: 50, n: 100 },
        1 => Outcome::Mean { sum: 617, n: 1, units_per_point: 1 },
        _ => Outcome::Suppressed,
    });
    let own: Vec<LocalCell> = (0..6).map(|_| own(3, Some(0.5))).collect();
    let view = View { cells: &cells, exact: None, own: &own, district: "S11", min_n: 11 };
    let text = table(&view);
    let words: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(words[0], "math mean math met");
    assert_eq!(words[1], "network S11 network S11");
    assert_eq!(words[3], "all students 0.5 0.5* 50.0 % 50.0 %*");
    assert_eq!(words[5], "sex X hidden 0.5* hidden 50.0 %*");
}

#[test]
fn every_indicator_has_a_title_of_its_own_that_fits_its_column() {
    let titles: std::collections::BTreeSet<String> =
        Indicator::ALL.iter().map(|one| title(*one)).collect();
    assert_eq!(titles.len(), Indicator::ALL.len());
    for title in titles {
        assert!(title.chars().count() < COLUMN_WIDTH && !title.contains('_'), "{title}");
    }
}

#[test]
fn rates_and_shares_of_surveys_are_shown_in_percent() {
    for name in ["suspension", "climate_safety_staff", "sel_self_efficacy", "math_participation"] {
        let outcome = noisy(0.125, 0.1, 0.15, false);
        let cell = cell(name.parse().unwrap(), None, outcome);
        assert_eq!(shown(&cell, 0.125), "12.5 %", "{name}");
        assert!(private(&cell).contains("12.5 ±  2.5 %"), "{name}: {}", private(&cell));
    }
}

#[test]
fn presets_of_one_indicator_stand_in_columns_of_their_own_and_what_does_not_fit_is_told() {
    let presets = [Preset::Dashboard, Preset::Dataquest, Preset::County];
    let mut cells: Vec<Cell> = Vec::new();
    for indicator in [Indicator::Suspension, Indicator::ChronicAbsenteeism, Indicator::ElProgress] {
        for preset in presets {
            let outcome = Outcome::Rate { num: 1, n: 20 };
            cells.push(Cell { preset: Some(preset), ..cell(indicator, None, outcome) });
        }
    }
    let own: Vec<LocalCell> = cells.iter().map(|_| own(20, Some(0.05))).collect();
    let view = View { cells: &cells, exact: None, own: &own, district: "S11", min_n: 11 };
    let text = table(&view);
    assert_eq!(text.matches("suspended").count(), 3, "{text}");
    assert!(text.contains("3 more columns in tables.csv"), "{text}");
}
