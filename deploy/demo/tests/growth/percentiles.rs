//! The network's distribution of school effects: what the third round counts against the effects themselves.

use flashlight_coordinator::estimate::effects::{self, Counts};
use flashlight_node::growth::{Offering, effect_words};

use super::*;

fn star() -> (Study, SchoolTable) {
    study(&format!("{STAR}percentiles = true\n"))
}

/// Estimates with the distribution, when each school is at the node that `node` says.
fn counted(node: impl Fn(u32, u32) -> u32 + Copy) -> (GrowthEstimates, Vec<(u32, GrowthRow)>) {
    let (study, schools) = star();
    let rows = rows(&Model::of_study(&study)[0]);
    let (_, found) = fit(&study, &schools, &rows, node);
    let first = Layout::derive(&study, &schools).unwrap();
    let mut found = vec![found];
    let third = effects::constants(&first, &found);
    let layout = Layout::later(&study, &schools, &third).unwrap();
    let block = &layout.growth()[0];
    let mut nodes: BTreeMap<u32, Vec<GrowthRow>> = BTreeMap::new();
    for (district, row) in &rows {
        let GrowthRow { school, values, errors } = row;
        let row = GrowthRow { school: *school, values: values.clone(), errors: errors.clone() };
        nodes.entry(node(*district, *school)).or_default().push(row);
    }
    let mut sums = vec![0; layout.words()];
    for rows in nodes.values() {
        let words = effect_words(&block.model, &third[0], rows, &Offering::default()).unwrap();
        sums.iter_mut().zip(words).for_each(|(sum, word)| *sum += word);
    }
    Counts { layout: &layout, sums: &sums, plan: None }.add(&mut found);
    (found.remove(0), rows)
}

#[test]
fn a_school_s_percentile_is_the_share_of_schools_at_or_below_it_to_a_step_of_the_thresholds() {
    let (found, rows) = counted(|district, _| district);
    let (study, _) = star();
    let model = Model::of_study(&study).remove(0);
    let network = found.effects.as_ref().unwrap();
    assert_eq!((network.schools, network.counts.last()), (74, Some(&74.0)));
    let sums = SchoolSums::of(rows.iter().map(|(_, row)| row), &model).unwrap();
    let reml = found.reml.as_ref().unwrap();
    let effects: Vec<f64> =
        sums.values().map(|school| school_effect(&model, school, reml).unwrap().effect).collect();
    for (threshold, count) in network.thresholds.iter().zip(&network.counts) {
        let below = effects.iter().filter(|effect| *effect <= threshold).count();
        assert!((count - f64::from(u32::try_from(below).unwrap())).abs() < 1e-9, "{threshold}");
    }
    let step = network.thresholds[1] - network.thresholds[0];
    for effect in &effects {
        let at = |shift: f64| {
            let below = effects.iter().filter(|other| **other <= effect + shift).count();
            100.0 * f64::from(u32::try_from(below).unwrap()) / 74.0
        };
        let percentile = network.percentile(*effect);
        assert!(at(-step) <= percentile && percentile <= at(step), "{percentile}");
    }
}

#[test]
fn the_distribution_is_the_same_however_schools_are_split_over_nodes() {
    let (by_district, _) = counted(|district, _| district);
    assert!(by_district.effects.is_some());
    assert_eq!(by_district.effects, counted(|_, _| 0).0.effects);
    assert_eq!(by_district.effects, counted(|_, school| school).0.effects);
}

#[test]
fn constants_of_the_third_round_are_refused_where_the_study_asks_for_no_percentiles() {
    let (asked, schools) = star();
    let rows = rows(&Model::of_study(&asked)[0]);
    let (_, found) = fit(&asked, &schools, &rows, |district, _| district);
    let third = effects::constants(&Layout::derive(&asked, &schools).unwrap(), &[found]);
    let (plain, schools) = study(STAR);
    let refused = Layout::later(&plain, &schools, &third).unwrap_err();
    assert_eq!(refused.code(), "growth_broadcast");
}
