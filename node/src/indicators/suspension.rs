//! Suspension (`suspension`): students suspended, in school or out of it.

use flashlight_proto::category::Preset;

use super::{
    Amount, Ask, Definition, Notes,
    definition::{AT_PRIMARY_ENROLMENT, ONE_OF_TWO},
    discipline::{actions, is_suspension, school_of},
    notes::Gap,
    student::{Counted, Student},
};
use crate::records::{Action, Rule, Source};

/// Least length under `dashboard`, hundredths of a day.
const DASHBOARD: i64 = 100;
/// Least length under `county`, hundredths of a day.
const COUNTY: i64 = 50;

static UNKNOWN: Gap = Gap {
    rule: Rule::W105,
    refused_above: None,
    left_out: true,
    told: |missing, asked| {
        format!(
            "students left out because a suspension's duration_days is empty and those known do \
             not reach the length asked: {missing} of {asked}"
        )
    },
};

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Students suspended",
    numerator: "students of the denominator with suspensions in the year, in school and out of it, up \
                to `as_of`, of the length the preset asks, all durations added; each student once",
    denominator: "students of the network table in cumulative enrolment: primary and short enrolments \
                  that began by `as_of`",
    exclusions: "an empty duration is not 0: where durations count, a student whose known ones do not \
                 reach the length and who has an unknown one is in neither, and counted in the report. \
                 A repeated row counts once",
    presets: &[
        (
            Preset::Dashboard,
            "in-school and out-of-school durations of the year add to 1.00 day or more",
        ),
        (Preset::Dataquest, "any in-school or out-of-school suspension, whatever its length"),
        (Preset::County, "the durations add to 0.50 days or more"),
    ],
    school_rule: "every school of cumulative enrolment with the actions there: the school supplied, \
                  else where the student was enrolled that day, else the primary school. An action at \
                  a school without an enrolment counts in the district alone",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "California School Dashboard technical guide; DataQuest glossary; `county`: the threshold \
             of half a day in county offices' code",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Discipline],
    optional: &["school_id", "duration_days"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home.filter(|_| student.is_enrolled())?;
    let is = is_suspended(ask.preset, actions(student));
    notes.asked(&UNKNOWN, is.is_none());
    Some(home.counts(Amount::Part(is?)))
}

pub(super) fn schools(student: &Student<'_>, ask: &Ask<'_>, out: &mut dyn FnMut(Counted)) {
    for row in student.cumulative() {
        let here = |action: &&Action| school_of(student, action) == Some(row.school);
        let is = is_suspended(ask.preset, actions(student).filter(here));
        if let Some((place, is)) = student.place(row).zip(is) {
            out(place.counts(Amount::Part(is)));
        }
    }
}

/// Whether the suspensions among `actions` are long enough; `None`: not known.
fn is_suspended<'a>(
    preset: Option<Preset>,
    actions: impl Iterator<Item = &'a Action>,
) -> Option<bool> {
    let least = match preset {
        Some(Preset::Dataquest) => 0,
        Some(Preset::County) => COUNTY,
        _ => DASHBOARD,
    };
    let (mut sum, mut any, mut unknown) = (0_i64, false, false);
    for action in actions.filter(|action| is_suspension(action)) {
        any = true;
        sum += i64::from(action.duration.unwrap_or(0));
        unknown |= action.duration.is_none();
    }
    if any && sum >= least {
        return Some(true);
    }
    (!unknown).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Day, Key, Sanction};

    fn suspended(preset: Preset, actions: &[(Sanction, Option<i32>)]) -> Option<bool> {
        let action = |(sanction, duration): &(Sanction, Option<i32>)| Action {
            student: Key(1),
            year: 2024,
            date: Day::of(2024, 2, 1),
            school: None,
            sanction: *sanction,
            duration: *duration,
            row: 2,
        };
        let actions: Vec<_> = actions.iter().map(action).collect();
        is_suspended(Some(preset), actions.iter())
    }

    #[test]
    fn in_school_and_out_of_school_durations_add_up_to_a_day() {
        let half = [(Sanction::InSchool, Some(50)), (Sanction::OutOfSchool, Some(49))];
        assert_eq!(suspended(Preset::Dashboard, &half), Some(false));
        let whole = [(Sanction::InSchool, Some(50)), (Sanction::OutOfSchool, Some(50))];
        assert_eq!(suspended(Preset::Dashboard, &whole), Some(true));
    }

    #[test]
    fn counties_ask_for_half_a_day_and_dataquest_for_none() {
        let short = [(Sanction::OutOfSchool, Some(49))];
        assert_eq!(suspended(Preset::County, &short), Some(false));
        assert_eq!(suspended(Preset::County, &[(Sanction::OutOfSchool, Some(50))]), Some(true));
        assert_eq!(suspended(Preset::Dataquest, &short), Some(true));
        assert_eq!(suspended(Preset::Dataquest, &[(Sanction::InSchool, None)]), Some(true));
    }

    #[test]
    fn an_unknown_duration_leaves_out_who_is_not_over_the_line_without_it() {
        let one = [(Sanction::OutOfSchool, Some(50)), (Sanction::InSchool, None)];
        assert_eq!(suspended(Preset::Dashboard, &one), None);
        assert_eq!(suspended(Preset::County, &one), Some(true));
    }

    #[test]
    fn other_results_are_no_suspension() {
        let other = [(Sanction::Other, Some(500)), (Sanction::Expulsion, None)];
        assert_eq!(suspended(Preset::Dataquest, &other), Some(false));
        assert_eq!(suspended(Preset::Dashboard, &[]), Some(false));
    }
}
