//! Chronic absenteeism (`chronic_absenteeism`).
//!
//! Numerator: students of the denominator absent for a tenth of their expected days or more:
//! 10 · absent ≥ expected, exactly, in hundredths of a day.
//! Denominator: students of the network table with more than 30 expected days (30.00 is not more).
//! Days are summed over the district's schools. Absent: excused, unexcused, out-of-school suspension
//! and incomplete independent study; in-school suspension is attendance. Rows marked exempt are left
//! out of the sums. Where a kind of absence is missing, absent = expected − attended − in-school
//! suspension (`records`, W105).
//! Presets: `dashboard`, kindergarten to grade 8 with at least one day attended; `dataquest`, every
//! grade. Cell: the primary school's level and the grade there.
//! Excluded: students without attendance rows, with exempt rows only, or whose absence is not known;
//! when the last are more than 10 % of those with attendance, the study is refused.
//! Better: low. Source: CALPADS data guide, file specification of STAS and report 14.2; California
//! School Dashboard technical guide.

use flashlight_proto::category::{Grade, Preset};

#[derive(Clone, Copy)]
pub(super) enum ChronicPreset {
    Dashboard,
    Dataquest,
}
impl ChronicPreset {
    fn counts(self, grade: Grade) -> bool {
        matches!(self, Self::Dataquest) || (Grade::KN..=Grade::G08).contains(&grade)
    }
    pub(super) fn of(p: Option<Preset>) -> Self {
        if p == Some(Preset::Dataquest) { Self::Dataquest } else { Self::Dashboard }
    }
}

use super::{Amount, Measured};
use crate::records::{Days, Effect, Finding, MOST_PERCENT_ORPHANS, Network, Rule, Tally};

/// Expected days must exceed this, hundredths.
const EXPECTED_OVER: i64 = 3_000;
/// Least days attended under `dashboard`, hundredths.
const ATTENDED_LEAST: i64 = 100;

pub(super) fn measure(
    preset: ChronicPreset,
    network: &Network,
) -> (Vec<Option<Measured>>, Vec<Finding>) {
    let (mut asked, mut without, mut unknown) = (0_u64, 0_u64, 0_u64);
    let measured = network.students.iter().map(|student| {
        if !preset.counts(student.grade) {
            return None;
        }
        asked += 1;
        let Some(days) = &student.days else {
            without += 1;
            return None;
        };
        unknown += u64::from(days.absent.is_none());
        let amount = Amount::Part(is_chronic(preset, days)?);
        Some(Measured { grade: student.grade, amount })
    });
    let measured = measured.collect();
    let mut tally = Tally::default();
    if without > 0 {
        let text = format!("students without attendance that counts: {without} of {asked}");
        tally.whole(Rule::W103, Effect::Noted, text);
    }
    if unknown > 0 {
        let most = MOST_PERCENT_ORPHANS;
        let is_refused = unknown * 100 > most * (asked - without);
        let effect = if is_refused { Effect::Refused } else { Effect::LeftOut };
        let text = format!(
            "students with an absence that is not known: {unknown} of {}. Supply all four absent_ \
             columns, or days_attended",
            asked - without
        );
        tally.whole(Rule::W105, effect, text);
    }
    (measured, tally.findings(0))
}

/// Whether an eligible student is chronically absent; `None` when not eligible.
fn is_chronic(preset: ChronicPreset, days: &Days) -> Option<bool> {
    let attended = match preset {
        ChronicPreset::Dashboard => days.attended >= ATTENDED_LEAST,
        ChronicPreset::Dataquest => true,
    };
    let absent = days.absent?;
    (days.expected > EXPECTED_OVER && attended).then_some(10 * absent >= days.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chronic(expected: i64, absent: i64, attended: i64) -> Option<bool> {
        is_chronic(ChronicPreset::Dashboard, &Days { expected, attended, absent: Some(absent) })
    }

    #[test]
    fn exactly_a_tenth_is_chronic_and_a_hundredth_of_a_day_less_is_not() {
        assert_eq!(chronic(18_000, 1_800, 16_200), Some(true));
        assert_eq!(chronic(18_000, 1_799, 16_201), Some(false));
        assert_eq!(chronic(17_150, 1_715, 15_435), Some(true));
        assert_eq!(chronic(17_155, 1_715, 15_440), Some(false));
    }

    #[test]
    fn thirty_expected_days_are_not_eligible_and_a_hundredth_more_is() {
        assert_eq!(chronic(3_000, 3_000, 100), None);
        assert_eq!(chronic(3_001, 301, 2_700), Some(true));
    }

    #[test]
    fn the_dashboard_asks_for_a_day_attended_and_dataquest_does_not() {
        assert_eq!(chronic(10_000, 10_000, 0), None);
        assert_eq!(chronic(10_000, 9_901, 99), None);
        assert_eq!(chronic(10_000, 9_900, 100), Some(true));
        let never = Days { expected: 10_000, attended: 0, absent: Some(10_000) };
        assert_eq!(is_chronic(ChronicPreset::Dataquest, &never), Some(true));
    }

    #[test]
    fn an_absence_that_is_not_known_is_not_zero() {
        let days = Days { expected: 18_000, attended: 18_000, absent: None };
        assert_eq!(is_chronic(ChronicPreset::Dataquest, &days), None);
    }
}
