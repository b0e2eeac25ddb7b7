//! How a learner's English grows: levels of the yearly test, until reclassification.
//!
//! In: a student who came as an English learner. Out: the level reached each year they were a learner,
//! and the year of reclassification. All of it ours, to give the state's share of learners.

use super::{
    draw::{Draw, floor, nearest},
    life::{Life, PART_ENGLISH, TWELFTH, Tongue, grade_in},
};

/// Chance that a learner at the top level is reclassified that year.
const RECLASSIFIED: f64 = 0.62;

/// A learner's years.
pub(super) struct English {
    /// Year in which they came to the state's schools: the learner's first.
    pub(super) since: i16,
    /// Year in whose spring they were reclassified.
    pub(super) fluent: Option<i16>,
    /// By grade: proficiency in levels, 0 to 4; `None` when no learner then.
    pub(super) reached: [Option<f64>; TWELFTH + 1],
}

impl English {
    /// `None` for students who never were learners.
    pub(super) fn of(life: &Life<'_>) -> Option<Self> {
        if life.tongue != Tongue::Learner {
            return None;
        }
        let mut draw = Draw::new(life.home.key, life.number, PART_ENGLISH);
        let first = life.first.0;
        // Who came later came from elsewhere in the state, or is new to the country.
        let born = life.class - 12;
        let since = if first <= born || draw.chance(0.35) { first } else { born };
        let mut english = Self { since, fluent: None, reached: [None; TWELFTH + 1] };
        let mut level = 0.95 + 0.65 * draw.normal();
        let growth = (0.52 + 0.17 * life.ability + 0.12 * draw.normal()).max(0.08);
        for year in since..=life.last.0 {
            let Some(grade) = grade_in(life.class, year) else { continue };
            let held = level + 0.28 * draw.normal();
            let keen = draw.chance(RECLASSIFIED) && !life.is_disabled(grade);
            if english.fluent.is_none() {
                english.reached[grade] = Some(held.clamp(0.0, 3.99));
                // No reclassification in the first years of school.
                if held >= 3.0 && (keen || draw.chance(0.12)) && grade >= 2 {
                    english.fluent = Some(year);
                }
            }
            let years = f64::from(year - since);
            level += growth / (1.0 + 0.10 * years);
        }
        Some(english)
    }

    /// Whether a learner on Census Day of that year.
    pub(super) fn is_learner(&self, year: i16) -> bool {
        year >= self.since && self.fluent.is_none_or(|fluent| year <= fluent)
    }
}

/// Level 1 to 4 of a proficiency.
pub(super) fn level(reached: f64) -> u32 {
    1 + floor(reached).min(3)
}

/// A scale score for a proficiency in a grade: about as the ELPAC's, 1150 to 1950.
pub(super) fn score(reached: f64, grade: usize) -> u32 {
    let grade = f64::from(super::network::count(grade));
    nearest(1330.0 + 8.0 * grade + 55.0 * reached).clamp(1150, 1950)
}
