//! The cohorts of graduation: a student's place in the class of a year.

use flashlight_proto::category::{Family, Grade};

use super::{
    Notes,
    student::{Groups, Place, Student, unknown},
};
use crate::records::{Day, Enrollment, FAMILIES, Fault, Graduation, Outcome, Rule};

const NO_SCHOOL: Fault = Fault {
    rule: Rule::E010,
    problem: "is not a school of this district, or empty and without an enrolment that tells",
    hint: "Such students are not in the cohort",
    most_percent: None,
};

/// A student in a cohort.
pub(super) struct Member<'a> {
    /// The row.
    pub(super) row: &'a Graduation,
    /// Where the student counts: the cohort's school, grade 12.
    pub(super) place: Place,
}

/// The student's row in the class of `cohort` who is not removed from it. School: the row's, else
/// the latest enrolment's of the years from `first` to the term's; groups over those years.
pub(super) fn member<'a>(
    student: &Student<'a>,
    cohort: i16,
    first: i16,
    notes: &mut Notes,
) -> Option<Member<'a>> {
    let row = student.pupil.graduation.iter().find(|row| row.cohort == cohort)?;
    if row.outcome == Outcome::Removed {
        return None;
    }
    let year = student.term.year;
    let rows = years(student.pupil.enrollments, first, year);
    let latest = rows.iter().max_by_key(|row| (row.year, row.entry));
    let school = row.school.or_else(|| latest.map(|row| row.school));
    let level = school.and_then(|school| student.term.schools.last_level(school, [first, year]));
    let Some(level) = level else {
        notes.row(&NO_SCHOOL, "school_id", row.row);
        return None;
    };
    let place = Place { school, level, grade: Grade::G12, groups: groups(rows) };
    Some(Member { row, place })
}

/// As [`member`] of the four-year class of the term's year. Who first enrolled in the district after
/// it came in year five: not of this class.
pub(super) fn of_class<'a>(student: &Student<'a>, notes: &mut Notes) -> Option<Member<'a>> {
    let year = student.term.year;
    if came_after(student, year) {
        return None;
    }
    member(student, year, year - 3, notes)
}

/// Whether the earliest enrolment in the district is after this year.
pub(super) fn came_after(student: &Student<'_>, year: i16) -> bool {
    student.pupil.enrollments.first().is_some_and(|row| row.year > year)
}

/// Whether a diploma was earned by 31 August of `year`; one without a date counts.
pub(super) fn has_diploma_by(row: &Graduation, year: i16) -> bool {
    row.outcome == Outcome::Diploma && row.exit.is_none_or(|exit| exit <= Day::summer_ends(year))
}

/// The enrolments from one year to another.
fn years(rows: &[Enrollment], first: i16, last: i16) -> &[Enrollment] {
    let start = rows.partition_point(|row| row.year < first);
    let end = rows.partition_point(|row| row.year <= last);
    &rows[start..end.max(start)]
}

/// Sex and race as last supplied; every other family: yes if ever yes, else as last supplied.
fn groups(rows: &[Enrollment]) -> Groups {
    let mut groups: [u8; FAMILIES] = unknown();
    for family in Family::ALL {
        let at = family.index();
        let mut supplied = rows.iter().filter(|row| row.groups[at].is_some());
        let last = supplied.clone().max_by_key(|row| (row.year, row.entry));
        let is_ever = !matches!(family, Family::Sex | Family::RaceEthnicity);
        let ever = supplied.find(|row| is_ever && row.groups[at] == Some(0));
        if let Some(group) = ever.or(last).and_then(|row| row.groups[at]) {
            groups[at] = group;
        }
    }
    groups
}
