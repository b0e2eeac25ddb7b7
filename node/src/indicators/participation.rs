//! Participation (`<subject>_participation`): students in tested grades who have a score.

use super::{
    Amount, Ask, Definition,
    achievement::score,
    definition::{AT_PRIMARY_ENROLMENT, AT_PRIMARY_SCHOOL, ONE_OF_TWO},
    student::{Counted, Student},
};
use crate::records::Source;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Share of students in tested grades with a score",
    numerator: "students of the denominator with an `included` score, scale or level, in the study's \
                test, subject and school year",
    denominator: "students of the network table enrolled in a grade that the study gives bounds for",
    exclusions: "none: who was not enrolled on the test day counts too, as no table says when the \
                 window was",
    presets: &[],
    school_rule: AT_PRIMARY_SCHOOL,
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "our definition, after the Dashboard's participation rate",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Assessments],
    optional: &["performance_level"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>) -> Option<Counted> {
    let (test, subject) = (ask.test?, ask.subject()?);
    let home = student.home.filter(|home| test.ranges.contains_key(&home.grade))?;
    let found = score(student, &test, subject);
    let has = found.is_some_and(|row| row.score.is_some() || row.level.is_some());
    Some(home.counts(Amount::Part(has)))
}
