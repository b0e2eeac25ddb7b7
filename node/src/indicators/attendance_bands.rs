//! Bands of attendance (`attendance_severe`, `attendance_moderate`, `attendance_at_risk`,
//! `attendance_satisfactory`): what share of the expected days was attended.

use flashlight_proto::category::Band;

use super::{
    Amount, Definition, Notes,
    attendance::{self, Days},
    chronic_absenteeism::EXPECTED_LEAST,
    definition::{AT_PRIMARY_ENROLMENT, ONE_OF_TWO},
    student::{Counted, Student},
};
use crate::records::Source;

/// In words.
pub(super) const DEFINITION: Definition = Definition {
    title: "Students in a band of attendance",
    numerator: "students of the denominator whose attended share, (expected − absent) / expected, is \
                at most 80 % (severe), above 80 and at most 90 % (moderate), above 90 and at most \
                95 % (at risk), above 95 % (satisfactory). The four add to 1",
    denominator: "students of the network table with at least 20.00 days expected, summed over the \
                  district's schools; rows marked exempt are left out of the sums",
    exclusions: "students without attendance rows, with exempt rows only, or whose absence is not \
                 known (more than 10 % of those refuse the study)",
    presets: &[],
    school_rule: "every school of cumulative enrolment with the student's own days there",
    groups_rule: AT_PRIMARY_ENROLMENT,
    source: "Education Analytics' warehouse (edu_wh 0.6.4): thresholds 80, 90, 95 and 20 days",
    sensitivity: ONE_OF_TWO,
    tables: &[Source::Attendance],
    optional: &["days_attended", "absent_*", "in_school_suspension", "exempt"],
};

pub(super) fn one(student: &Student<'_>, band: Band, notes: &mut Notes) -> Option<Counted> {
    let home = student.home?;
    let days = attendance::told(student, notes)?;
    Some(home.counts(Amount::Part(band_of(days)? == band)))
}

pub(super) fn schools(student: &Student<'_>, band: Band, out: &mut dyn FnMut(Counted)) {
    attendance::by_school(student, &mut |place, days| {
        if let Some(found) = band_of(days) {
            out(place.counts(Amount::Part(found == band)));
        }
    });
}

/// The band; `None` below the least days expected, or when the absence is not known.
fn band_of(days: Days) -> Option<Band> {
    let attended = 100 * (days.expected - days.absent?);
    (days.expected >= EXPECTED_LEAST).then_some(match attended {
        _ if attended <= 80 * days.expected => Band::Severe,
        _ if attended <= 90 * days.expected => Band::Moderate,
        _ if attended <= 95 * days.expected => Band::AtRisk,
        _ => Band::Satisfactory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(expected: i64, absent: i64) -> Option<Band> {
        band_of(Days { expected, attended: 0, absent: Some(absent) })
    }

    #[test]
    fn each_upper_end_belongs_to_its_band_and_a_hundredth_of_a_day_more_to_the_next() {
        for (absent, at, above) in [
            (3_600, Band::Severe, Band::Moderate),
            (1_800, Band::Moderate, Band::AtRisk),
            (900, Band::AtRisk, Band::Satisfactory),
        ] {
            assert_eq!(band(18_000, absent), Some(at));
            assert_eq!(band(18_000, absent - 1), Some(above));
        }
    }

    #[test]
    fn twenty_days_are_enough_and_a_hundredth_less_is_not() {
        assert_eq!(band(2_000, 0), Some(Band::Satisfactory));
        assert_eq!(band(1_999, 0), None);
    }
}
