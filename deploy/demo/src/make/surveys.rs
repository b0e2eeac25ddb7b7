//! Surveys of climate and social-emotional skills: students by their id, families and staff unnamed.
//!
//! In: a student's year; a school's year. Out: rows of `survey_responses`, two items a scale, five points
//! each. Answers of one respondent, and of one school, hang together (ours: school ICC about .05). An
//! unnamed respondent's key is drawn; nothing leads from it to anybody.

use super::{
    draw::{Draw, nearest},
    life::GRADE,
    network::{District, Level, School, count},
    table::{Name, Tables},
    year::Now,
};

/// Scales, and how far their answers lie above the middle, in sd. Climate first. Ours; so is every
/// constant below.
const SCALES: [(&str, f64); 8] = [
    ("support", 0.62),
    ("belonging", 0.42),
    ("rules", 0.55),
    ("safety", 0.35),
    ("growth_mindset", 0.45),
    ("self_efficacy", 0.20),
    ("self_management", 0.60),
    ("social_awareness", 0.48),
];
const CLIMATE: usize = 4;
const ITEMS: u32 = 2;
/// From where on an answer is 2, 3, 4, 5.
const ANSWERS: [f64; 4] = [-1.3, -0.6, 0.1, 1.1];
/// Who answers: students of grades 4 to 12; families of primary, middle and high schools. Families:
/// the thresholds once proposed to the collaborative (the project's indicator notes).
const STUDENTS: f64 = 0.78;
const FAMILIES: [f64; 3] = [0.40, 0.30, 0.25];
/// Students to a member of staff, and who of them answers.
const PER_STAFF: f64 = 18.0;
const STAFF: f64 = 0.80;
/// Items left blank.
const BLANK: f64 = 0.02;

/// Grade 4.
const FOURTH: usize = 5;

/// The surveys a student and their family fill in.
pub(super) fn write(now: &mut Now<'_, '_>, tables: &mut Tables) {
    let Some(at) = now.census() else { return };
    let school = &now.district.schools[at];
    let place = Place { school, climate: climate(now.district, school), year: now.year };
    let grade = GRADE[now.grade];
    if now.grade >= FOURTH && now.draw.chance(STUDENTS) {
        // Older students see less to like.
        let age = 0.06 * (9.0 - f64::from(count(now.grade)));
        let leaning = age - 0.2 * now.life.conduct + 0.55 * now.draw.normal();
        let who = Who { key: &now.life.id, kind: "student", grade, leaning, scales: SCALES.len() };
        place.answer(&mut now.draw, tables, &who);
    }
    let tier = match now.grade {
        0..=6 => 0,
        7..=9 => 1,
        _ => 2,
    };
    if now.draw.chance(FAMILIES[tier]) {
        let leaning = 0.3 + 0.6 * now.draw.normal();
        let key = anonymous(&mut now.draw, b'F');
        let who = Who { key: &key, kind: "parent", grade, leaning, scales: CLIMATE };
        place.answer(&mut now.draw, tables, &who);
    }
}

/// The surveys of a school's staff.
pub(super) fn staff(
    district: &District,
    school: &School,
    year: i16,
    enrolled: u32,
    tables: &mut Tables,
) {
    let mut draw = Draw::new(super::draw::key(&["staff", &school.id]), 0, year.unsigned_abs());
    let place = Place { school, climate: climate(district, school), year };
    for _ in 0..nearest(STAFF * f64::from(enrolled) / PER_STAFF) {
        let leaning = 0.35 + 0.6 * draw.normal();
        let key = anonymous(&mut draw, b'S');
        let who = Who { key: &key, kind: "staff", grade: "", leaning, scales: CLIMATE };
        place.answer(&mut draw, tables, &who);
    }
}

/// What the district and school add to answers.
fn climate(district: &District, school: &School) -> f64 {
    let level = match school.level {
        Level::Es | Level::K8 => 0.1,
        Level::Alt => -0.15,
        _ => -0.1,
    };
    district.effects[2] + school.effects[2] + level
}

fn anonymous(draw: &mut Draw, kind: u8) -> [u8; 13] {
    let mut key = [kind; 13];
    for place in &mut key[1..] {
        *place = b"0123456789ABCDEF"[draw.below(16) as usize];
    }
    key
}

struct Place<'a> {
    school: &'a School,
    climate: f64,
    year: i16,
}

struct Who<'a> {
    key: &'a [u8],
    kind: &'static str,
    grade: &'static str,
    leaning: f64,
    scales: usize,
}

impl Place<'_> {
    fn answer(&self, draw: &mut Draw, tables: &mut Tables, who: &Who<'_>) {
        for (scale, mean) in SCALES.iter().take(who.scales) {
            let felt = mean + self.climate + who.leaning + 0.4 * draw.normal();
            for item in 1..=ITEMS {
                let answer = felt + 0.7 * draw.normal();
                let value = 1 + count(ANSWERS.iter().filter(|least| answer >= **least).count());
                let blank = draw.chance(BLANK);
                let row = tables.of(Name::SurveyResponses);
                row.year(self.year).text(who.key);
                row.item(scale, item).text(&self.school.id).year(self.year).text(who.kind);
                row.text(who.grade).text(scale);
                if blank {
                    row.none()
                } else {
                    row.number(value)
                };
                row.number(5).end();
            }
        }
    }
}
