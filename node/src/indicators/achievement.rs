//! Achievement: mean scale score (`math_mean`), mean distance from standard (`math_dfs`) and share
//! at or above the standard (`math_met`); the same for `ela`, `sci`, `elp`.
//!
//! Score: the student's one score in the study's test, subject and school year: `included`, with
//! the latest test date. It is put on the test's integer grid (halves away from zero) and clipped
//! to the study's bounds for the grade tested. Both are counted in the report.
//! Denominator: students of the network table with such a score, in a grade tested that the study
//! gives bounds for. Cell: the level of the primary school and the grade *tested*.
//! * mean: Σ score / n.
//! * dfs: Σ (score − cut of the grade tested) / n. The cut is the lowest score that meets the
//!   standard. Participation is not adjusted for.
//! * met: n with score ≥ cut / n.
//!
//! Excluded: students without a score; scores of students who are not in the network table.
//! Better: high. Source: California School Dashboard, academic indicator (distance from standard);
//! CAASPP reports (mean, standard met and exceeded).

use flashlight_proto::{
    category::Subject,
    study::{ScoreRange, Study, TableSpec},
};

use super::{Amount, Measured};
use crate::records::{Effect, Fault, Finding, Network, Records, Rule, Tally};

const CLIPPED: Fault = Fault {
    rule: Rule::E008,
    problem: "is outside the study's bounds for the test, subject and grade tested",
    hint: "It counts as the nearest bound",
    most_percent: None,
};
const ROUNDED: Fault = Fault {
    rule: Rule::E008,
    problem: "is finer than the study's grid",
    hint: "It was rounded to the grid, halves away from zero",
    most_percent: None,
};
const NOT_ASKED: Fault = Fault {
    rule: Rule::W106,
    problem: "is one the study gives no bounds for",
    hint: "Such scores are not counted",
    most_percent: None,
};

/// The score itself.
pub(super) fn mean(score: i64, _: &ScoreRange) -> Amount {
    Amount::Value(score)
}

/// The distance from the cut.
pub(super) fn dfs(score: i64, range: &ScoreRange) -> Amount {
    Amount::Value(score - range.met)
}

/// Whether the cut is reached.
pub(super) fn met(score: i64, range: &ScoreRange) -> Amount {
    Amount::Part(score >= range.met)
}

/// What each student's score in `subject` adds, by `amount` of the clipped score in grid units.
pub(super) fn measure(
    records: &Records,
    study: &Study,
    table: &TableSpec,
    network: &Network,
    subject: Subject,
    amount: impl Fn(i64, &ScoreRange) -> Amount,
) -> (Vec<Option<Measured>>, Vec<Finding>) {
    let nothing = || network.students.iter().map(|_| None).collect();
    let Some((spec, ranges)) = study.scores(table) else { return (nothing(), Vec::new()) };
    let mut tally = Tally::default();
    let test = records.test(&spec.id);
    if test.is_none() {
        let text = format!("no score that counts is of test \"{}\"", spec.id);
        tally.whole(Rule::W106, Effect::Noted, text);
    }
    let (mut without, mut asked) = (0_u64, 0_u64);
    let measured = network.students.iter().map(|student| {
        asked += u64::from(ranges.contains_key(&student.grade));
        let found =
            test.and_then(|test| records.score(student, test, subject, spec.units_per_point));
        let Some((row, grade, score)) = found else {
            without += u64::from(ranges.contains_key(&student.grade));
            return None;
        };
        let Some(range) = ranges.get(&grade) else {
            tally.row(&NOT_ASKED, "grade_tested", row);
            return None;
        };
        if !score.exact {
            tally.row(&ROUNDED, "scale_score", row);
        }
        let clipped = score.units.clamp(range.min, range.max);
        if clipped != score.units {
            tally.row(&CLIPPED, "scale_score", row);
        }
        Some(Measured { grade, amount: amount(clipped, range) })
    });
    let measured = measured.collect();
    if without > 0 {
        let text =
            format!("students in tested grades without a {subject} score: {without} of {asked}");
        tally.whole(Rule::W106, Effect::Noted, text);
    }
    // Nothing here leaves rows out, so the number of rows does not matter.
    (measured, tally.findings(0))
}
