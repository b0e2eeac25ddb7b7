//! Progress of English learners (`el_progress`): who rose a level, or stayed at the top.

use flashlight_proto::category::{Family, Preset, Subject};

use super::{
    Amount, Ask, Definition, Notes,
    definition::{AT_PRIMARY_ENROLMENT, AT_PRIMARY_SCHOOL, ONE_OF_TWO},
    el_status::is_learner_on,
    notes::Gap,
    student::{Counted, Student, of_year},
};
use crate::records::{Day, Rule, Score, Source};

/// The place of `yes` in the family `el`.
const YES: u8 = 0;

static WITHOUT: Gap = Gap {
    rule: Rule::W106,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!(
            "English learners left out because they have no ELP level in both years: {missing} of \
             {asked}"
        )
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "English learners who progressed",
    numerator: "students of the denominator whose level is higher than the year before, or the top \
                one in both years",
    denominator: "students of the network table who are English learners (group el `yes`, or EL on \
                  Census Day by el_history), with an `included` ELP score with a performance_level in \
                  the year and in the year before, in one test",
    exclusions: "English learners without both levels, counted in the report. Of several such tests \
                 the first in order of their rows counts",
    presets: &[
        (Preset::Levels4, "levels 1 to 4, 4 the top"),
        (Preset::Elpi6, "the six bands of the English Learner Progress Indicator, 6 the top"),
    ],
    school_rule: AT_PRIMARY_SCHOOL,
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "our definition, after the Dashboard's English Learner Progress Indicator",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Assessments],
    optional: &["performance_level", "el_history"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home?;
    let census = Day::census(student.term.year);
    let is_learner = home.is(Family::El, YES) || is_learner_on(student.pupil.el_history, census);
    if !is_learner {
        return None;
    }
    let before = of_year(student.pupil.scores, student.term.year - 1, |row| row.year);
    let levels = levels(before, student.scores);
    notes.asked(&WITHOUT, levels.is_none());
    let (before, now) = levels?;
    Some(home.counts(Amount::Part(has_risen(ask.preset, before, now))))
}

/// The levels of one test in both years.
fn levels(before: &[Score], now: &[Score]) -> Option<(i8, i8)> {
    let is_elp = |row: &&Score| row.subject == Subject::Elp;
    now.iter().filter(is_elp).find_map(|now| {
        let before = before.iter().filter(is_elp).find(|row| row.test == now.test)?;
        before.level.zip(now.level)
    })
}

fn has_risen(preset: Option<Preset>, before: i8, now: i8) -> bool {
    let top = if preset == Some(Preset::Elpi6) { 6 } else { 4 };
    now > before || now == before && now == top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staying_counts_at_the_top_alone_and_falling_never() {
        let levels4 = |before, now| has_risen(Some(Preset::Levels4), before, now);
        assert!(levels4(2, 3) && levels4(4, 4));
        assert!(!levels4(3, 3) && !levels4(4, 3));
        let elpi6 = |before, now| has_risen(Some(Preset::Elpi6), before, now);
        assert!(elpi6(6, 6) && elpi6(5, 6));
        assert!(!elpi6(4, 4) && !elpi6(6, 5));
    }
}
