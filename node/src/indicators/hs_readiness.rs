//! High school readiness (`hs_readiness`): four conditions on the students completing grade 8.

use flashlight_proto::category::Grade;

use super::{
    Amount, Definition, Notes, attendance,
    attendance::Days,
    definition::{AT_PRIMARY_ENROLMENT, AT_PRIMARY_SCHOOL, ONE_OF_TWO},
    discipline::{actions, is_suspension},
    notes::Gap,
    student::{Counted, Student},
};
use crate::records::{CourseSubject, Day, Mark, Rule, Source};

/// Least mean of grade points, hundredths.
const POINTS_LEAST: i64 = 250;
/// Least percent of expected days attended.
const ATTENDED_PERCENT: i64 = 96;
/// Grade points below these are a D or an F, hundredths.
const POINTS_OF_C: i32 = 200;

static INCOMPLETE: Gap = Gap {
    rule: Rule::E011,
    refused_above: None,
    left_out: false,
    told: |missing, asked| {
        format!(
            "students counted as not ready because marks with points, a mark in ELA or in MATH, or \
             attendance is missing: {missing} of {asked}"
        )
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Ready for high school",
    numerator: "students of the denominator with all of: a mean of grade points of the grade-8 marks \
                of the year of 2.50 or more, each mark the same (points, else A 4, B 3, C 2, D 1, F 0, \
                signs ignored; pass and credit marks without points carry none); 100 · (expected − \
                absent) ≥ 96 · expected days, over the district's schools; a mark, be it a pass, in ELA and one in \
                MATH, and no D or F (without a letter: less than 2.00 points) in either; no in-school \
                or out-of-school suspension in the year, whatever its length",
    denominator: "students whose grade in the network table is 08 and who are there at the year's \
                  end: an enrolment of the year without exit or with an exit on 15 May or later",
    exclusions: "none: a student with a missing component is not ready, and is counted as incomplete \
                 in the report",
    presets: &[],
    school_rule: AT_PRIMARY_SCHOOL,
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "CORE districts' high school readiness indicator; 15 May as \"completing grade 8\" is our \
             definition",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::CourseGrades, Source::Attendance, Source::Discipline],
    optional: &["grade_points", "final_grade", "grade", "subject"],
};

pub(super) fn one(student: &Student<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home.filter(|home| home.grade == Grade::G08)?;
    let may = Day::of(i32::from(student.term.year), 5, 15);
    let mut rows = student.enrollments.iter().filter(|row| student.term.counts(row));
    if !rows.any(|row| row.exit.is_none_or(|exit| exit >= may)) {
        return None;
    }
    let marks = || student.marks.iter().filter(|mark| mark.grade.is_none_or(|at| at == Grade::G08));
    let parts = [
        is_mean_enough(marks()),
        is_there_enough(attendance::district(student)),
        is_clear(marks(), CourseSubject::Ela),
        is_clear(marks(), CourseSubject::Math),
        Some(!actions(student).any(is_suspension)),
    ];
    notes.asked(&INCOMPLETE, parts.iter().any(Option::is_none));
    let is_ready = parts.iter().all(|part| *part == Some(true));
    Some(home.counts(Amount::Part(is_ready)))
}

/// Points of a mark, hundredths.
fn points(mark: &Mark) -> Option<i32> {
    mark.points.or_else(|| match mark.letter? {
        b'A' => Some(400),
        b'B' => Some(300),
        b'C' => Some(200),
        b'D' => Some(100),
        b'F' => Some(0),
        _ => None,
    })
}

/// Whether the mean of points is enough; `None` without any.
fn is_mean_enough<'a>(marks: impl Iterator<Item = &'a Mark>) -> Option<bool> {
    let (sum, n) =
        marks.filter_map(points).fold((0, 0), |(sum, n), points| (sum + i64::from(points), n + 1));
    (n > 0).then_some(sum >= POINTS_LEAST * n)
}

/// Whether enough of the expected days were attended; `None` when not known.
fn is_there_enough(days: Option<Days>) -> Option<bool> {
    let days = days.filter(|days| days.expected > 0)?;
    Some(100 * (days.expected - days.absent?) >= ATTENDED_PERCENT * days.expected)
}

/// Whether there is no D or F in a subject; `None` without a mark in it.
fn is_clear<'a>(marks: impl Iterator<Item = &'a Mark>, subject: CourseSubject) -> Option<bool> {
    let of_subject = marks.filter(|mark| mark.subject == subject);
    let is_mark = |mark: &&Mark| mark.letter.is_some() || mark.points.is_some();
    let is_low = |mark: &Mark| match mark.letter {
        Some(b'D' | b'F') => true,
        Some(b'A'..=b'C') => false,
        _ => mark.points.is_some_and(|points| points < POINTS_OF_C),
    };
    let (any, low) = of_subject
        .filter(is_mark)
        .fold((false, false), |(_, low), mark| (true, low || is_low(mark)));
    any.then_some(!low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{indicators::tests::mark, records::OTHER_MARK};

    fn of(subject: CourseSubject, letter: Option<u8>, points: Option<i32>) -> Mark {
        Mark { subject, letter, points, ..mark(1, 2024) }
    }

    #[test]
    fn a_mean_of_two_and_a_half_is_enough_and_a_hundredth_of_one_mark_less_is_not() {
        let marks =
            |last| [250, 250, 250, last].map(|points| of(CourseSubject::Sci, None, Some(points)));
        assert_eq!(is_mean_enough(marks(250).iter()), Some(true));
        assert_eq!(is_mean_enough(marks(249).iter()), Some(false));
        assert_eq!(is_mean_enough([].iter()), None);
    }

    #[test]
    fn ninety_six_percent_is_enough_and_a_hundredth_of_a_day_less_is_not() {
        let days = |absent| Some(Days { expected: 10_000, attended: 0, absent });
        assert_eq!(is_there_enough(days(Some(400))), Some(true));
        assert_eq!(is_there_enough(days(Some(401))), Some(false));
        assert_eq!(is_there_enough(days(None)), None);
        assert_eq!(is_there_enough(None), None);
    }

    #[test]
    fn a_d_or_an_f_or_fewer_points_than_a_c_without_a_letter_is_not_clear() {
        let clear = |letter, points| {
            is_clear([of(CourseSubject::Ela, letter, points)].iter(), CourseSubject::Ela)
        };
        assert_eq!(clear(Some(b'C'), None), Some(true));
        assert_eq!(clear(Some(b'D'), None), Some(false));
        assert_eq!(clear(Some(b'F'), Some(400)), Some(false));
        assert_eq!(clear(None, Some(200)), Some(true));
        assert_eq!(clear(None, Some(199)), Some(false));
        assert_eq!(clear(Some(OTHER_MARK), Some(199)), Some(false));
        assert_eq!(clear(Some(OTHER_MARK), None), Some(true), "a pass is a mark");
        assert_eq!(clear(None, None), None, "an empty one is none");
    }

    #[test]
    fn letters_carry_points_where_none_are_supplied() {
        let letters = [b'A', b'B', b'C', b'D'];
        let marks = letters.map(|letter| of(CourseSubject::Hss, Some(letter), None));
        assert_eq!(is_mean_enough(marks.iter()), Some(true));
        let marks = letters.map(|letter| of(CourseSubject::Hss, Some(letter), Some(200)));
        assert_eq!(is_mean_enough(marks.iter()), Some(false));
    }
}
