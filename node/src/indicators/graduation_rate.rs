//! The Dashboard's combined graduation rate (`graduation_rate`).

use flashlight_proto::category::{Grade, Level};

use super::{
    Amount, Definition, Notes,
    cohort::{has_diploma_by, member, of_class},
    definition::{EVER_IN_COHORT, ONE_OF_TWO},
    student::{Counted, Place, Student},
};
use crate::records::{Day, Graduation, Outcome, Source};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Graduation rate, four and five years combined",
    numerator: "four-year graduates of the class of the year, and fifth-year graduates of the class \
                before: a regular diploma after 31 August of the year before and by 31 August of the year",
    denominator: "the class of the year (cohort_year, outcome other than `removed`), and the \
                  fifth-year graduates of the class before",
    exclusions: "as for the four-year rate. A student in both counts in the class of the year",
    presets: &[],
    school_rule: "the cohort's school. At an alternative school (level Alt, DASS) alone: students of \
                  grade 12 who left in the year (after 31 August before it, by 31 August of it) with \
                  a diploma, a certificate, an equivalency or by dropping out; those with a diploma \
                  of them. District and network use the combined rate for all",
    groups_rule: EVER_IN_COHORT,
    source: "California School Dashboard technical guide, graduation rate indicator; the window of \
             the DASS rate is our definition",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Graduation],
    optional: &["school_id", "exit_date"],
};

pub(super) fn one(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let year = student.term.year;
    if let Some(member) = of_class(student, notes) {
        return Some(member.place.counts(Amount::Part(has_diploma_by(member.row, year))));
    }
    let member = member(student, year - 1, year - 4, notes)?;
    let is_graduate = member.row.outcome == Outcome::Diploma && is_in_year(member.row, year);
    is_graduate.then(|| member.place.counts(Amount::Part(true)))
}

/// At the school: of an alternative school the leavers of grade 12, else the one cell.
pub(super) fn school(
    student: &Student<'_>,
    counted: Option<Counted>,
    out: &mut dyn FnMut(Counted),
) {
    if let Some(counted) = counted.filter(|counted| counted.place.level != Level::Alt) {
        out(counted);
    }
    if let Some((place, row)) = leaver(student).filter(|(place, _)| place.level == Level::Alt) {
        out(place.counts(Amount::Part(row.outcome == Outcome::Diploma)));
    }
}

/// A student of grade 12 who left in the year, of whatever class.
fn leaver<'a>(student: &Student<'a>) -> Option<(Place, &'a Graduation)> {
    let year = student.term.year;
    let left = |row: &&Graduation| {
        let is_end = matches!(
            row.outcome,
            Outcome::Diploma | Outcome::Certificate | Outcome::Equivalency | Outcome::Dropout
        );
        is_end && (is_in_year(row, year) || row.exit.is_none() && row.cohort == year)
    };
    let row = student.pupil.graduation.iter().rfind(left)?;
    let rows = student.enrollments.iter().filter(|row| student.term.counts(row));
    let grade = rows.max_by_key(|row| row.entry).map(|row| row.grade);
    if grade != Some(Grade::G12) {
        return None;
    }
    let member = member(student, row.cohort, year - 4, &mut Notes::default())?;
    Some((member.place, row))
}

/// Whether the exit is after the summer before the year and not after the one that ends it.
fn is_in_year(row: &Graduation, year: i16) -> bool {
    row.exit.is_some_and(|exit| exit > Day::summer_ends(year - 1) && exit <= Day::summer_ends(year))
}
