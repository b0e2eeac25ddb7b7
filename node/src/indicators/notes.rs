//! What was found while counting: rows at fault, and students whose records are incomplete.

use flashlight_proto::category::Subject;

use crate::records::{Effect, Fault, Finding, Rule, Tally};

/// Students among those asked whose records lack something.
pub(crate) struct Gap {
    /// The rule it falls under.
    pub(crate) rule: Rule,
    /// More than so many percent of those asked refuse the study.
    pub(crate) refused_above: Option<u64>,
    /// Whether the students are left out; else it is only noted.
    pub(crate) left_out: bool,
    /// What is said of (students lacking it, students asked); `{subject}` is filled in.
    pub(crate) told: fn(u64, u64) -> String,
}

/// Findings on their way.
#[derive(Default)]
pub(crate) struct Notes {
    tally: Tally,
    gaps: Vec<(&'static Gap, u64, u64)>,
}

impl Notes {
    /// Notes one row's fault in `column`.
    pub(crate) fn row(&mut self, fault: &'static Fault, column: &'static str, row: u32) {
        self.tally.row(fault, column, u64::from(row));
    }

    /// Counts a student asked about `gap`, and whether it is there.
    pub(crate) fn asked(&mut self, gap: &'static Gap, is_missing: bool) {
        let missing = u64::from(is_missing);
        match self.gaps.iter_mut().find(|(one, ..)| std::ptr::eq(*one, gap)) {
            Some((_, all, some)) => {
                *all += 1;
                *some += missing;
            }
            None => self.gaps.push((gap, 1, missing)),
        }
    }

    /// Adds what another walk found.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        for (gap, all, some) in other.gaps {
            match self.gaps.iter_mut().find(|(one, ..)| std::ptr::eq(*one, gap)) {
                Some((_, ours, missing)) => {
                    *ours += all;
                    *missing += some;
                }
                None => self.gaps.push((gap, all, some)),
            }
        }
    }

    /// What was found over `rows` rows, refusals first.
    pub(crate) fn findings(mut self, rows: u64, subject: Option<Subject>) -> Vec<Finding> {
        let subject = subject.map_or("", Subject::as_str);
        for (gap, asked, missing) in self.gaps {
            if missing == 0 {
                continue;
            }
            let is_refused = gap.refused_above.is_some_and(|most| missing * 100 > most * asked);
            let effect = match (is_refused, gap.left_out) {
                (true, _) => Effect::Refused,
                (_, true) => Effect::LeftOut,
                _ => Effect::Noted,
            };
            let told = (gap.told)(missing, asked).replace("{subject}", subject);
            self.tally.whole(gap.rule, effect, told);
        }
        self.tally.findings(rows)
    }
}
