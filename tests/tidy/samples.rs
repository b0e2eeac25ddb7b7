//! The sample files under deploy/samples are what they say.

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
