//! Chronic absenteeism (`chronic_absenteeism`): absent for a tenth of the expected days or more.

use flashlight_proto::category::Preset;

use super::{
    Amount, Ask, Definition, Notes,
    attendance::{self, Days},
    definition::{AT_PRIMARY_ENROLMENT, ONE_OF_TWO},
    student::{Counted, Student},
};
use crate::records::Source;

/// Expected days must exceed this, hundredths.
const EXPECTED_OVER: i64 = 3_000;
/// Least days attended under `dashboard`, hundredths.
const ATTENDED_LEAST: i64 = 100;
/// Least days expected under `ea`, hundredths.
pub(super) const EXPECTED_LEAST: i64 = 2_000;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Chronic absenteeism",
    numerator: "students of the denominator with 10 · absent ≥ expected, exactly, in hundredths of a \
                day. Absent: excused, unexcused, out-of-school suspension and incomplete independent \
                study; in-school suspension is attendance",
    denominator: "students of the network table with enough expected days, summed over the \
                  district's schools; rows marked exempt are left out of the sums",
    exclusions: "students without attendance rows, with exempt rows only, or whose absence is not \
                 known (more than 10 % of those refuse the study). Where a kind of absence is \
                 missing, absent = expected − attended − in-school suspension, and the report says so",
    presets: &[
        (
            Preset::Dashboard,
            "kindergarten to grade 8, more than 30.00 days expected, at least 1.00 day attended",
        ),
        (Preset::Dataquest, "every grade, more than 30.00 days expected"),
        (Preset::Ea, "every grade, at least 20.00 days expected: attended for 90 % or less"),
    ],
    school_rule: "every school of cumulative enrolment with the student's own days there, which must \
                  be enough by themselves; the district sums its schools and counts the student once",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "CALPADS data guide, file specification of STAS and report 14.2; California School \
             Dashboard technical guide; `ea`: Education Analytics' warehouse (edu_wh 0.6.4)",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Attendance],
    optional: &["days_attended", "absent_*", "in_school_suspension", "exempt"],
};

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home.filter(|home| ask.indicator.counts(ask.preset, home.grade))?;
    let days = attendance::told(student, notes)?;
    Some(home.counts(Amount::Part(is_chronic(ask.preset, days)?)))
}

pub(super) fn schools(student: &Student<'_>, ask: &Ask<'_>, out: &mut dyn FnMut(Counted)) {
    attendance::by_school(student, &mut |place, days| {
        let counts = ask.indicator.counts(ask.preset, place.grade);
        if let Some(is) = is_chronic(ask.preset, days).filter(|_| counts) {
            out(place.counts(Amount::Part(is)));
        }
    });
}

/// Whether an eligible student is chronically absent; `None` when not eligible.
fn is_chronic(preset: Option<Preset>, days: Days) -> Option<bool> {
    let is_eligible = match preset {
        Some(Preset::Dataquest) => days.expected > EXPECTED_OVER,
        Some(Preset::Ea) => days.expected >= EXPECTED_LEAST,
        _ => days.expected > EXPECTED_OVER && days.attended >= ATTENDED_LEAST,
    };
    let absent = days.absent?;
    is_eligible.then_some(10 * absent >= days.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chronic(preset: Preset, expected: i64, absent: i64, attended: i64) -> Option<bool> {
        is_chronic(Some(preset), Days { expected, attended, absent: Some(absent) })
    }

    fn dashboard(expected: i64, absent: i64, attended: i64) -> Option<bool> {
        chronic(Preset::Dashboard, expected, absent, attended)
    }

    #[test]
    fn exactly_a_tenth_is_chronic_and_a_hundredth_of_a_day_less_is_not() {
        assert_eq!(dashboard(18_000, 1_800, 16_200), Some(true));
        assert_eq!(dashboard(18_000, 1_799, 16_201), Some(false));
        assert_eq!(dashboard(17_150, 1_715, 15_435), Some(true));
        assert_eq!(dashboard(17_155, 1_715, 15_440), Some(false));
    }

    #[test]
    fn thirty_expected_days_are_not_eligible_and_a_hundredth_more_is() {
        assert_eq!(dashboard(3_000, 3_000, 100), None);
        assert_eq!(dashboard(3_001, 301, 2_700), Some(true));
        assert_eq!(chronic(Preset::Dataquest, 3_000, 3_000, 0), None);
    }

    #[test]
    fn education_analytics_asks_for_twenty_days_and_not_one_hundredth_less() {
        assert_eq!(chronic(Preset::Ea, 2_000, 200, 1_800), Some(true));
        assert_eq!(chronic(Preset::Ea, 2_000, 199, 1_801), Some(false));
        assert_eq!(chronic(Preset::Ea, 1_999, 1_999, 0), None);
    }

    #[test]
    fn the_dashboard_asks_for_a_day_attended_and_dataquest_does_not() {
        assert_eq!(dashboard(10_000, 10_000, 0), None);
        assert_eq!(dashboard(10_000, 9_901, 99), None);
        assert_eq!(dashboard(10_000, 9_900, 100), Some(true));
        assert_eq!(chronic(Preset::Dataquest, 10_000, 10_000, 0), Some(true));
    }

    #[test]
    fn an_absence_that_is_not_known_is_not_zero() {
        let days = Days { expected: 18_000, attended: 18_000, absent: None };
        assert_eq!(is_chronic(Some(Preset::Dataquest), days), None);
    }
}
