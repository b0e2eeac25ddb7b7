//! Courses and marks, grades 7 to 12.
//!
//! In: a student's year. Out: rows of `course_grades`, two terms of six courses. Marks follow ability and
//! attendance; a mark is worth credits from grade 9 on, five a term, unless it is an F. All of it ours.

use super::{
    draw::floor,
    life::{GRADE, NINTH},
    network::count,
    table::{Name, Tables},
    year::Now,
};

/// Grade 7.
const SEVENTH: usize = 8;
/// Credits of a course and term, hundredths.
const CREDITS: u32 = 500;
/// Students in a section.
const SECTION: f64 = 28.0;

/// A course of a grade: code, title, subject, the letter of the universities' list, how hard.
struct Course(&'static str, &'static str, &'static str, &'static str, f64);

const MIDDLE: [[Course; 6]; 2] = [
    [
        Course("2101", "English 7", "ELA", "", 0.0),
        Course("2401", "Mathematics 7", "MATH", "", 0.15),
        Course("2601", "Science 7", "SCI", "", 0.05),
        Course("2701", "World history 7", "HSS", "", 0.0),
        Course("2801", "Art 7", "VPA", "", -0.5),
        Course("2501", "Physical education 7", "OTHER", "", -0.6),
    ],
    [
        Course("2102", "English 8", "ELA", "", 0.0),
        Course("2402", "Mathematics 8", "MATH", "", 0.2),
        Course("2602", "Science 8", "SCI", "", 0.05),
        Course("2702", "US history 8", "HSS", "", 0.0),
        Course("2802", "Elective 8", "ELEC", "", -0.4),
        Course("2502", "Physical education 8", "OTHER", "", -0.6),
    ],
];

const HIGH: [[Course; 6]; 4] = [
    [
        Course("9101", "English 9", "ELA", "B", 0.05),
        Course("9401", "Algebra I", "MATH", "C", 0.3),
        Course("9601", "Biology", "SCI", "D", 0.1),
        Course("9201", "Spanish I", "LANG", "E", 0.05),
        Course("9801", "Art", "VPA", "F", -0.4),
        Course("9501", "Physical education", "OTHER", "", -0.5),
    ],
    [
        Course("9102", "English 10", "ELA", "B", 0.05),
        Course("9402", "Geometry", "MATH", "C", 0.3),
        Course("9602", "Chemistry", "SCI", "D", 0.2),
        Course("9701", "World history", "HSS", "A", 0.05),
        Course("9202", "Spanish II", "LANG", "E", 0.05),
        Course("9502", "Physical education", "OTHER", "", -0.5),
    ],
    [
        Course("9103", "English 11", "ELA", "B", 0.0),
        Course("9403", "Algebra II", "MATH", "C", 0.3),
        Course("9603", "Physics", "SCI", "D", 0.15),
        Course("9702", "US history", "HSS", "A", 0.05),
        Course("9901", "Elective", "ELEC", "G", -0.3),
        Course("9802", "Theater", "VPA", "F", -0.4),
    ],
    [
        Course("9104", "English 12", "ELA", "B", -0.1),
        Course("9404", "Statistics", "MATH", "C", 0.15),
        Course("9704", "Government and economics", "HSS", "A", -0.05),
        Course("9902", "Elective", "ELEC", "G", -0.3),
        Course("9903", "Career pathway", "OTHER", "", -0.4),
        Course("9904", "Elective", "ELEC", "G", -0.3),
    ],
];

/// Writes the year's marks.
pub(super) fn write(now: &mut Now<'_, '_>, tables: &mut Tables) {
    let courses = match now.grade {
        grade if grade >= NINTH => &HIGH[grade - NINTH],
        grade if grade >= SEVENTH => &MIDDLE[grade - SEVENTH],
        _ => return,
    };
    let life = now.life;
    let effort = 0.40 * life.ability - 0.35 * life.absence - 0.20 * life.conduct
        + if life.sex == 0 { 0.12 } else { -0.12 }
        - if life.sed { 0.12 } else { -0.2 }
        + 0.30 * now.draw.normal();
    let (from, until) = now.days();
    for Course(code, title, subject, letter, hard) in courses {
        let course = effort - hard + 0.45 * now.draw.normal();
        let section = now.draw.unit();
        for (term, middle) in [("S1", 85), ("S2", 175)] {
            let luck = 0.30 * now.draw.normal();
            let odd = now.draw.pick(&[0.004, 0.003, 0.004, 1.0]);
            if from > middle || until < middle {
                continue;
            }
            let spell = now.on(middle);
            let school = now.school(spell);
            let sections = f64::from(now.district.base) / SECTION;
            let section = format!("{code}-{:03}", 1 + floor(section * sections.max(1.0)));
            let mark = if odd < 3 { ["P", "NC", "I"][odd] } else { mark(course + luck) };
            let row = tables.of(Name::CourseGrades);
            row.text(life.id).year(now.year).text(&school.id).text(section).text(term);
            row.text(code).text(title).text(subject).text(letter).text(mark);
            match points(mark) {
                Some(points) => row.hundredths(points),
                None => row.none(),
            };
            if now.grade >= NINTH {
                let earned = !matches!(mark, "F" | "NC" | "I");
                row.hundredths(CREDITS).hundredths(if earned { CREDITS } else { 0 });
            } else {
                row.none().none();
            }
            row.text(GRADE[now.grade]).end();
        }
    }
}

const MARKS: [(&str, f64); 11] = [
    ("A", 0.62),
    ("A-", 0.36),
    ("B+", 0.16),
    ("B", -0.10),
    ("B-", -0.28),
    ("C+", -0.44),
    ("C", -0.68),
    ("C-", -0.86),
    ("D+", -0.98),
    ("D", -1.18),
    ("D-", -1.28),
];

fn mark(well: f64) -> &'static str {
    MARKS.iter().find(|(_, least)| well >= *least).map_or("F", |(mark, _)| mark)
}

/// Hundredths of a grade point; signs do not count.
fn points(mark: &str) -> Option<u32> {
    let at = ["F", "D", "C", "B", "A"].iter().position(|letter| mark.starts_with(letter))?;
    Some(100 * count(at))
}
