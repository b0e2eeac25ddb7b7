//! `course_grades`: one mark per student, year, section and term.
//!
//! Points and credits are held as integer hundredths. A letter is A to F with or without a sign; any
//! other mark (P, CR, I, W) is a mark without a letter.

use super::{
    model::{CourseSubject, Mark, OTHER_MARK},
    report::Tally,
    rows::{Ids, Names, Row, one_per_key},
    tables::COURSE_GRADES,
    value,
};

const STUDENT: usize = COURSE_GRADES.place("student_id");
const YEAR: usize = COURSE_GRADES.place("school_year");
const SCHOOL: usize = COURSE_GRADES.place("school_id");
const SECTION: usize = COURSE_GRADES.place("section_id");
const TERM: usize = COURSE_GRADES.place("term");
const SUBJECT: usize = COURSE_GRADES.place("subject");
const LETTER: usize = COURSE_GRADES.place("final_grade");
const POINTS: usize = COURSE_GRADES.place("grade_points");
const EARNED: usize = COURSE_GRADES.place("credits_earned");
const GRADE: usize = COURSE_GRADES.place("grade");

/// Most grade points, hundredths.
const POINTS_MAX: i32 = 1_000;
/// Most credits of one mark, hundredths.
const CREDITS_MAX: i32 = 10_000;

const SUBJECTS: [(&str, CourseSubject); 8] = [
    ("ELA", CourseSubject::Ela),
    ("MATH", CourseSubject::Math),
    ("SCI", CourseSubject::Sci),
    ("HSS", CourseSubject::Hss),
    ("LANG", CourseSubject::Other),
    ("VPA", CourseSubject::Other),
    ("ELEC", CourseSubject::Other),
    ("OTHER", CourseSubject::Other),
];

/// The ids of sections and terms so far.
#[derive(Default)]
pub(super) struct Sections {
    sections: Ids,
    terms: Ids,
}

/// A mark with what tells it from others.
pub(super) struct Told {
    pub(super) mark: Mark,
    section: u32,
    term: u32,
}

/// One row.
pub(super) fn mark(mut row: Row<'_>, names: &mut Names, sections: &mut Sections) -> Option<Told> {
    let student = row.student(STUDENT, &mut names.students);
    let year = row.required(YEAR, value::year);
    let school = row.optional_id(SCHOOL, &mut names.schools);
    let section = row.id(SECTION, &mut sections.sections);
    let term = row.id(TERM, &mut sections.terms);
    let subject = row.code(SUBJECT, &SUBJECTS).unwrap_or(CourseSubject::Other);
    let letter = row.optional(LETTER, |text| Ok(letter(text).unwrap_or(OTHER_MARK)));
    let points = row.optional(POINTS, |text| value::hundredths(text, POINTS_MAX));
    let earned = row.optional(EARNED, |text| value::hundredths(text, CREDITS_MAX));
    let grade = row.optional_grade(GRADE);
    row.stands().then_some(())?;
    let (student, year, row) = (student?, year?, row.place());
    let mark = Mark { student, year, school, subject, letter, points, earned, grade, row };
    Some(Told { mark, section: section?, term: term? })
}

/// The letter of a mark in upper case, without its sign.
fn letter(text: &str) -> Option<u8> {
    let (letter, sign) = match text.as_bytes() {
        [letter] => (*letter, None),
        [letter, sign] => (*letter, Some(*sign)),
        _ => return None,
    };
    let letter = letter.to_ascii_uppercase();
    (matches!(letter, b'A'..=b'D' | b'F') && matches!(sign, None | Some(b'+' | b'-')))
        .then_some(letter)
}

/// Sorted by student and year; one of each key.
pub(super) fn marks(mut rows: Vec<Told>, tally: &mut Tally) -> Vec<Mark> {
    let key = |one: &Told| (one.mark.student, one.mark.year, one.section, one.term);
    rows.sort_unstable_by_key(|one| (key(one), one.mark.row));
    let values = |one: &Told| {
        let mark = &one.mark;
        (mark.school, mark.subject, mark.letter, mark.points, mark.earned, mark.grade)
    };
    let rows = one_per_key(
        rows,
        "(student_id, school_year, section_id, term)",
        |a, b| key(a) == key(b),
        |a, b| values(a) == values(b),
        |one| one.mark.row,
        tally,
    );
    rows.into_iter().map(|one| one.mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_a_to_f_without_its_sign_and_nothing_else() {
        assert_eq!([letter("A-"), letter("c+"), letter("F")], [Some(b'A'), Some(b'C'), Some(b'F')]);
        for other in ["E", "P", "CR", "I", "W", "AA", "A--", "", "ä"] {
            assert_eq!(letter(other), None, "{other}");
        }
    }
}
