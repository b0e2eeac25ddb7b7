//! Grade 9 on track (`grade9_on_track`): enough credits, and at most one F in a core course.

use flashlight_proto::category::{Grade, Preset};

use super::{
    Amount, Ask, Definition, Notes,
    definition::{AT_PRIMARY_ENROLMENT, AT_PRIMARY_SCHOOL, ONE_OF_TWO},
    notes::Gap,
    student::{Counted, Student},
};
use crate::records::{CourseSubject, Mark, Rule, Source};

/// Most Fs in terms of core courses.
const FS_MOST: usize = 1;

static WITHOUT: Gap = Gap {
    rule: Rule::E011,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!("students of grade 9 left out because they have no course: {missing} of {asked}")
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "On track in grade 9",
    numerator: "students of the denominator with enough credits_earned in the year and at most one F \
                in a term of an ELA, MATH, SCI or HSS course",
    denominator: "students whose grade in the network table is 09, with a course of the year",
    exclusions: "students without a course row, counted in the report. Credits that are empty add \
                 nothing",
    presets: &[
        (Preset::Credits50, "50.00 credits or more, where a year's course gives ten"),
        (
            Preset::Credits5,
            "5.00 credits or more, where a year's course gives one (Carnegie units)",
        ),
    ],
    school_rule: AT_PRIMARY_SCHOOL,
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "our definition, after the on-track indicator of the UChicago Consortium on School Research",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::CourseGrades],
    optional: &["credits_earned", "final_grade", "subject"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home.filter(|home| home.grade == Grade::G09)?;
    notes.asked(&WITHOUT, student.marks.is_empty());
    (!student.marks.is_empty())
        .then(|| home.counts(Amount::Part(is_on_track(ask.preset, student.marks))))
}

fn is_on_track(preset: Option<Preset>, marks: &[Mark]) -> bool {
    let least = if preset == Some(Preset::Credits5) { 500 } else { 5_000 };
    let earned: i64 = marks.iter().filter_map(|mark| mark.earned).map(i64::from).sum();
    let is_core = |mark: &&Mark| mark.subject != CourseSubject::Other;
    let failed = marks.iter().filter(is_core).filter(|mark| mark.letter == Some(b'F')).count();
    earned >= least && failed <= FS_MOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicators::tests::mark;

    fn of(subject: CourseSubject, letter: u8, earned: i32) -> Mark {
        Mark { subject, letter: Some(letter), earned: Some(earned), ..mark(1, 2024) }
    }

    #[test]
    fn fifty_credits_are_enough_and_a_hundredth_less_is_not() {
        let track =
            |earned| is_on_track(Some(Preset::Credits50), &[of(CourseSubject::Ela, b'C', earned)]);
        assert!(track(5_000));
        assert!(!track(4_999));
        assert!(is_on_track(Some(Preset::Credits5), &[of(CourseSubject::Ela, b'C', 500)]));
        assert!(!is_on_track(Some(Preset::Credits5), &[of(CourseSubject::Ela, b'C', 499)]));
    }

    #[test]
    fn one_core_f_is_allowed_and_two_are_not() {
        let f = |subject| of(subject, b'F', 0);
        let enough = || of(CourseSubject::Math, b'B', 5_000);
        let track = |marks: &[Mark]| is_on_track(Some(Preset::Credits50), marks);
        assert!(track(&[enough(), f(CourseSubject::Ela)]));
        assert!(track(&[enough(), f(CourseSubject::Ela), f(CourseSubject::Other)]));
        assert!(!track(&[enough(), f(CourseSubject::Ela), f(CourseSubject::Hss)]));
    }
}
