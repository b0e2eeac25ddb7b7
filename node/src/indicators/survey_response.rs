//! Response rates of the surveys (`climate_response`, `sel_response`).

use flashlight_proto::category::Respondent;

use super::{
    Amount, Definition,
    definition::{AT_PRIMARY_ENROLMENT, AT_PRIMARY_SCHOOL, ONE_OF_TWO},
    student::{Counted, Student},
};
use crate::records::Source;

/// In words.
pub(super) const CLIMATE: Definition = Definition {
    title: "Students who answered the climate survey",
    numerator: "students of the denominator who answered at least one item of a climate construct in \
                the year",
    denominator: "students of the network table in grades 04 to 12",
    exclusions: "respondents whose key is no student's: where a survey is anonymous this rate is not \
                 known, and counts them as not answering",
    presets: &[],
    school_rule: AT_PRIMARY_SCHOOL,
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "our definition",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Survey],
    optional: &[],
};

/// In words.
pub(super) const SEL: Definition = Definition {
    title: "Students who answered the social-emotional survey",
    numerator: "students of the denominator who answered at least one item of a social-emotional \
                construct in the year",
    ..CLIMATE
};

pub(super) fn one(student: &Student<'_>, is_sel: bool) -> Option<Counted> {
    let indicator = flashlight_proto::category::Indicator::SelResponse;
    let home = student.home.filter(|home| indicator.counts(None, home.grade))?;
    let is_in = student.answers.iter().any(|row| {
        row.favourable.is_some()
            && row.respondent == Respondent::Student
            && row.construct.is_sel() == is_sel
    });
    Some(home.counts(Amount::Part(is_in)))
}
