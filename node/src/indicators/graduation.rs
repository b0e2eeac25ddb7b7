//! Graduation of a four-year cohort in four years (`graduation_4yr`) and in five (`graduation_5yr`).

use super::{
    Amount, Definition, Notes,
    cohort::{came_after, has_diploma_by, member, of_class},
    definition::{EVER_IN_COHORT, ONE_OF_TWO},
    student::{Counted, Student},
};
use crate::records::Source;

/// In words.
pub(super) const FOUR_YEARS: Definition = Definition {
    title: "Four-year adjusted cohort graduation rate",
    numerator: "members of the cohort with a regular diploma by 31 August of the year (or without an \
                exit date)",
    denominator: "members of the cohort of the year: rows of `graduation` with that cohort_year and \
                  an outcome other than `removed`",
    exclusions: "students removed from the cohort (transfer, emigration, death); students whose \
                 first enrolment in the district is in a later year: they came in year five; \
                 students whose school is not the district's and not told by an enrolment",
    presets: &[],
    school_rule: "the cohort's school: graduation.school_id, else that of the latest enrolment of the \
                  four years; grade 12",
    groups_rule: EVER_IN_COHORT,
    source: "California Department of Education, four-year adjusted cohort graduation rate",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Graduation],
    optional: &["school_id", "exit_date"],
};

/// In words.
pub(super) const FIVE_YEARS: Definition = Definition {
    title: "Five-year graduation rate of the cohort before",
    numerator: "members with a regular diploma by 31 August of the year (or without an exit date)",
    denominator: "members of the cohort of the year before, held fixed; a student whose earliest \
                  enrolment in the district is in the fifth year is one only by graduating",
    exclusions: "as for the four-year rate; students who came in year five and did not graduate",
    school_rule: "the cohort's school: graduation.school_id, else that of the latest enrolment of the \
                  five years; grade 12",
    source: "California Department of Education, five-year cohort graduation rate",
    ..FOUR_YEARS
};

pub(super) fn four_years(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let year = student.term.year;
    let member = of_class(student, notes)?;
    Some(member.place.counts(Amount::Part(has_diploma_by(member.row, year))))
}

pub(super) fn five_years(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let year = student.term.year;
    let member = member(student, year - 1, year - 4, notes)?;
    let is_graduate = has_diploma_by(member.row, year);
    (is_graduate || !came_after(student, year - 1))
        .then(|| member.place.counts(Amount::Part(is_graduate)))
}
