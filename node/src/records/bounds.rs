//! What a score of a test known by its public bounds cannot be (E008).
//!
//! `CAASPP-SBAC`: the Smarter Balanced summative assessments are given in grades 3 to 8 and 11, and no
//! score lies below the lowest obtainable scale score of any grade or above the highest. One a little
//! outside is told and stays, for a study's own bounds, grade by grade, clip it; one that is not of the
//! scale at all is left out.

use flashlight_proto::category::{Grade, Subject};

use super::report::{Fault, MOST_PERCENT, Rule};

/// Points that could be of the scale at all. A percentile, a level, a raw score or a theta is far below,
/// two scores in one field far above; ours.
const ON_SCALE_LOW: i64 = 1000;
const ON_SCALE_HIGH: i64 = 3999;

/// The test with public bounds.
pub(super) const TEST: &str = "CAASPP-SBAC";

const SCORE: Fault = Fault {
    rule: Rule::E008,
    problem: "is no score of CAASPP-SBAC (ELA 2114 to 2795, MATH 2189 to 2862)",
    hint: "Is it another test, a percentile or a level? Alternate assessments have a test_id of their own",
    most_percent: Some(MOST_PERCENT),
};
const OUTSIDE: Fault = Fault {
    rule: Rule::E008,
    problem: "is outside the scores of CAASPP-SBAC (ELA 2114 to 2795, MATH 2189 to 2862)",
    hint: "It counts as the end of the study's bounds; look where it comes from",
    most_percent: None,
};
const GRADE: Fault = Fault {
    rule: Rule::E008,
    problem: "is a grade CAASPP-SBAC does not test (03 to 08 and 11)",
    hint: "Is it the grade enrolled? grade_tested is the grade of the test taken",
    most_percent: Some(MOST_PERCENT),
};

/// The fault of a grade tested.
pub(super) fn grade(grade: Grade) -> Result<(), &'static Fault> {
    let is_tested = (Grade::G03..=Grade::G08).contains(&grade) || grade == Grade::G11;
    if is_tested { Ok(()) } else { Err(&GRADE) }
}

/// The fault of a score in whole points.
pub(super) fn score(subject: Subject, points: i64) -> Result<(), &'static Fault> {
    let bounds = match subject {
        Subject::Ela => 2114..=2795,
        Subject::Math => 2189..=2862,
        Subject::Sci | Subject::Elp => return Ok(()),
    };
    match points {
        _ if bounds.contains(&points) => Ok(()),
        ON_SCALE_LOW..=ON_SCALE_HIGH => Err(&OUTSIDE),
        _ => Err(&SCORE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_bounds_are_scores_and_one_point_further_is_none() {
        for (subject, low, high) in [(Subject::Ela, 2114, 2795), (Subject::Math, 2189, 2862)] {
            assert!(score(subject, low).is_ok() && score(subject, high).is_ok());
            assert!(score(subject, low - 1).is_err() && score(subject, high + 1).is_err());
        }
        assert!(
            grade(Grade::G02).is_err() && grade(Grade::G03).is_ok() && grade(Grade::G10).is_err()
        );
    }
}
