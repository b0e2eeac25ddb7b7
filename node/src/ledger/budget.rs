//! `node budget`: what was spent, on what, when, and what is left; table and JSON.

use std::collections::BTreeMap;
use std::fmt;

use flashlight_proto::canonical::Digest;
use flashlight_proto::study::Mode;
use serde::Serialize;

use super::{Charge, Ledger, Loss, Question};
use crate::consent::Floors;

/// The books of one district, for its officers. Holds ids, losses and hashes; nothing counted.
#[derive(Debug, Serialize)]
pub struct Budget {
    /// One line per school year that was ever charged, ascending.
    pub years: Vec<YearView>,
    /// Every charge, oldest first.
    pub charges: Vec<ChargeView>,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct YearView {
    /// Spring year.
    pub school_year: i16,
    /// ρ charged by studies with noise.
    pub rho_spent: f64,
    /// The policy's `max_rho_year`.
    pub rho_most: f64,
    /// ρ left for studies of this year.
    pub rho_left: f64,
    /// ρ left for studies of later years, which may use the reserve.
    pub rho_left_for_later_years: f64,
    /// Sums without noise were made of this year: its total loss has no bound, for good.
    pub exact: bool,
    /// Charged rounds that published nothing, open ones included.
    pub failed_rounds: usize,
    /// The policy's `max_failed_rounds`.
    pub failed_rounds_most: u16,
    #[serde(skip)]
    line: String,
}

/// One charge.
#[derive(Debug, Serialize)]
pub struct ChargeView {
    /// When, ms since 1970 UTC, by this machine's clock.
    pub time_ms: u64,
    /// The round, hex.
    pub round: String,
    /// SHA-256 of the study's bytes.
    pub study: Digest,
    /// The study's short name.
    pub study_id: String,
    /// `dp` or `exact`.
    pub mode: Mode,
    /// ρ charged to each school year read; 0 in `exact`.
    pub years: BTreeMap<i16, f64>,
    /// What was asked.
    pub questions: Vec<Question>,
    /// `published`, `failed` or `open`.
    pub state: &'static str,
    /// Whether anything computed from students may have left, masked.
    pub may_have_left: bool,
    /// The same for people: a sentence.
    pub explanation: String,
    #[serde(skip)]
    line: String,
}

impl Ledger {
    /// The books, against the floors of today's policy.
    #[must_use]
    pub fn budget(&self, floors: &Floors) -> Budget {
        Budget {
            years: self.years().into_iter().map(|year| self.year(year, floors)).collect(),
            charges: self.charges.iter().map(ChargeView::of).collect(),
        }
    }

    fn year(&self, year: i16, floors: &Floors) -> YearView {
        let (spent, most) = (self.spent(year, |_| true), floors.max_rho_year);
        let own = self.spent(year, |charge| charge.school_year <= year);
        let later = most.less(spent);
        let left = later.min(most.less(floors.reserve_for_later_years).less(own));
        let exact = self.is_exact(year);
        let failed_rounds = self.failed(year, None);
        let [shown_spent, shown_left, shown_most] =
            [spent, left, most].map(|loss| loss.to_string());
        let shown_failed = format!("{failed_rounds} of {}", floors.max_failed_rounds);
        let mut line = format!(
            "{year:<6} {shown_spent:>12} {shown_left:>12} {shown_most:>12} {shown_failed:>10}"
        );
        if exact {
            line.push_str("  exact: total rho = ∞, no formal privacy guarantee");
        }
        if floors.reserve_for_later_years > Loss::ZERO {
            line.push_str(&format!("  ({later} for studies of later years)"));
        }
        YearView {
            school_year: year,
            rho_spent: spent.rho(),
            rho_most: most.rho(),
            rho_left: left.rho(),
            rho_left_for_later_years: later.rho(),
            exact,
            failed_rounds,
            failed_rounds_most: floors.max_failed_rounds,
            line,
        }
    }
}

impl ChargeView {
    fn of(charge: &Charge) -> Self {
        let (state, explanation) = explain(charge);
        let losses = charge.years.iter().map(|(year, loss)| format!("{loss} to {year}"));
        let losses = losses.collect::<Vec<_>>().join(", ");
        let line = format!(
            "{}  rho {losses} ({}): {}, {state}",
            utc(charge.time_ms),
            charge.mode,
            charge.study_id
        );
        Self {
            time_ms: charge.time_ms,
            round: charge.round.clone(),
            study: charge.study,
            study_id: charge.study_id.clone(),
            mode: charge.mode,
            years: charge.years.iter().map(|(year, loss)| (*year, loss.rho())).collect(),
            questions: charge.questions.clone(),
            state,
            may_have_left: charge.masked,
            explanation,
            line,
        }
    }
}

/// What became of a charge.
fn explain(charge: &Charge) -> (&'static str, String) {
    let left = if charge.masked {
        "a masked vector may have left, so the charge stands"
    } else {
        "nothing left this machine; it is charged all the same, because the charge is made before \
         anything is sent and is never taken back"
    };
    match &charge.ended {
        Some(ended) => match ended.release {
            Some(release) => ("published", format!("published as {release}")),
            None => {
                let code = if ended.code.is_empty() { "no reason given" } else { &ended.code };
                let retry = "a retry draws fresh noise and is charged again";
                ("failed", format!("the round failed ({code}): {left}; {retry}"))
            }
        },
        None => ("open", format!("under way, or its end was not seen by this node: {left}")),
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.charges.is_empty() {
            return writeln!(f, "nothing was ever charged");
        }
        writeln!(
            f,
            "{:<6} {:>12} {:>12} {:>12} {:>10}",
            "year", "rho spent", "left now", "limit", "failed"
        )?;
        for year in &self.years {
            writeln!(f, "{}", year.line)?;
        }
        for charge in &self.charges {
            let questions: Vec<String> = charge.questions.iter().map(ToString::to_string).collect();
            writeln!(f, "\n{}", charge.line)?;
            writeln!(f, "  study {}, round {}", charge.study, charge.round)?;
            writeln!(f, "  asked {}", questions.join(", "))?;
            writeln!(f, "  {}", charge.explanation)?;
        }
        Ok(())
    }
}

/// A time for people, as `2026-11-23 16:18 UTC`. `time_ms`: since 1970.
///
/// Source: Howard Hinnant, *chrono-compatible low-level date algorithms*, `civil_from_days`.
pub(crate) fn utc(time_ms: u64) -> String {
    let minutes = time_ms / 60_000;
    let (days, minute) = (minutes / 1440, minutes % 1440);
    // Days from 0000-03-01: years begin in March, eras have 400 of them.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_the_years_stand_under_their_heads() {
        let charge = Charge {
            seq: 1,
            time_ms: 0,
            round: "01".repeat(16),
            study: Digest::of(b"study"),
            study_id: "one".to_owned(),
            mode: Mode::Dp,
            school_year: 2024,
            years: [(2024, Loss::of_charge(0.125).unwrap_or_default())].into(),
            questions: Vec::new(),
            cohort: Vec::new(),
            survivors_min: 1,
            quorum: 1,
            apart: 4,
            document: None,
            continues: None,
            masked: false,
            answered: false,
            ended: None,
        };
        let ledger = Ledger { charges: vec![charge], ..Ledger::default() };
        let text = ledger.budget(&Floors::default()).to_string();
        let ends = |line: usize, word: &str| {
            let line = text.lines().nth(line).unwrap();
            line.find(word).unwrap() + word.len()
        };
        let failed = format!(" 1 of {}", Floors::default().max_failed_rounds);
        for (head, value) in [
            ("rho spent", " 0.125"),
            ("left now", " 0.875"),
            ("limit", " 1"),
            ("failed", failed.as_str()),
        ] {
            assert_eq!(ends(0, head), ends(1, value), "{text}");
        }
    }

    #[test]
    fn times_are_shown_as_dates() {
        for (time_ms, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_795_450_680_000, "2026-11-23 16:18 UTC"),
        ] {
            assert_eq!(utc(time_ms), shown);
        }
    }
}
