//! Bounds and cuts of the summative tests of English and mathematics in California (CAASPP-SBAC), for
//! local results without a study.
//!
//! Source: Smarter Balanced scale score ranges and achievement level 3 thresholds, as in
//! docs/INDICATORS.md §3: lowest and highest obtainable scale scores (2015) and the level 3 cuts. For
//! mathematics in grade 3 two highest scores are published (2601 and 2621): the higher is used, which
//! clips nobody wrongly.

use std::collections::BTreeMap;

use flashlight_proto::{
    category::{Grade, Subject},
    study::ScoreRange,
};

/// The test's id.
pub(super) const TEST: &str = "CAASPP-SBAC";

/// Lowest score, cut and highest score.
type Row = (Grade, i64, i64, i64);

const ELA: [Row; 7] = [
    (Grade::G03, 2114, 2432, 2623),
    (Grade::G04, 2131, 2473, 2663),
    (Grade::G05, 2201, 2502, 2701),
    (Grade::G06, 2210, 2531, 2724),
    (Grade::G07, 2258, 2552, 2745),
    (Grade::G08, 2288, 2567, 2769),
    (Grade::G11, 2299, 2583, 2795),
];
const MATH: [Row; 7] = [
    (Grade::G03, 2189, 2436, 2621),
    (Grade::G04, 2204, 2485, 2659),
    (Grade::G05, 2219, 2528, 2700),
    (Grade::G06, 2235, 2552, 2748),
    (Grade::G07, 2250, 2567, 2778),
    (Grade::G08, 2265, 2586, 2802),
    (Grade::G11, 2280, 2628, 2862),
];

/// The ranges of a subject; `None`: none are known.
pub(super) fn ranges(subject: Subject) -> Option<BTreeMap<Grade, ScoreRange>> {
    let rows = match subject {
        Subject::Ela => ELA,
        Subject::Math => MATH,
        Subject::Sci | Subject::Elp => return None,
    };
    let range = |(grade, min, met, max): Row| (grade, ScoreRange { min, max, met });
    Some(rows.into_iter().map(range).collect())
}
