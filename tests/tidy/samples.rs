//! The sample files under deploy/samples are what they say.

use std::collections::BTreeSet;

use flashlight_proto::category::{Indicator, Preset};
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

use crate::tree::{FILES, File, file};

fn samples(end: &str) -> Vec<&'static File> {
    let sample =
        |file: &&File| file.path.starts_with("deploy/samples/") && file.path.ends_with(end);
    FILES.iter().filter(sample).collect()
}

#[test]
fn every_sample_study_is_valid_and_fits_the_school_table_beside_it() {
    // A district's policy; the node, which this crate cannot see, tests that it is one.
    let is_study = |sample: &&File| sample.path != "deploy/samples/policy.toml";
    let studies: Vec<_> = samples(".toml").into_iter().filter(is_study).collect();
    assert!(!studies.is_empty(), "there is a sample study");
    for sample in studies {
        let study = Study::parse(sample.text.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", sample.path));
        let table = file(&format!("deploy/samples/{}", study.schools.file));
        let schools = SchoolTable::parse(table.text.as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", table.path));
        Layout::derive(&study, &schools).unwrap_or_else(|error| panic!("{}: {error}", sample.path));
    }
}

#[test]
fn one_sample_study_asks_for_every_indicator_by_every_preset_that_takes_noise() {
    let sample = file("deploy/samples/every-indicator.toml");
    let study = Study::parse(sample.text.as_bytes()).unwrap();
    let asked: BTreeSet<_> =
        study.tables.iter().map(|table| (table.indicator, table.preset)).collect();
    for &indicator in Indicator::ALL {
        let presets = indicator.presets().iter().filter(|one| **one != Preset::PerItem);
        let mut presets: Vec<_> = presets.copied().map(Some).collect();
        if presets.is_empty() {
            presets.push(None);
        }
        for preset in presets {
            assert!(asked.contains(&(indicator, preset)), "{indicator} {preset:?}");
        }
    }
}
