//! What was asked before, and of whom: which districts a new round on the same question may have.
//!
//! In: the hub's journal and a study's questions. Out: a [`Past`], and the numbers a new round needs.
//! Promise: the nodes' own rules (docs/PRIVACY.md §6.4), so that honest nodes do not refuse what the
//! hub proposes. Nothing rests on it: a hub that forgets is refused by every node's own books.

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::identity::DistrictId;
use flashlight_proto::question::Question;
use flashlight_proto::study::CohortRule;
use flashlight_store::StoreError;

use crate::journal::{Entry, Journal};

/// Earlier rounds on any question of one study.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Survivor sets that may have been signed, oldest first, each once.
    pub(crate) answers: Vec<Vec<DistrictId>>,
    /// The newest of them, by question; a question that none answered is not there.
    pub(crate) newest: BTreeMap<Question, Vec<DistrictId>>,
    /// Every round in which districts may have masked.
    tries: Vec<Try>,
}

/// A round that asked any of it.
#[derive(Debug, PartialEq, Eq)]
struct Try {
    round: String,
    asked: Vec<Question>,
    cohort: Vec<DistrictId>,
    quorum: u16,
}

/// Fewer may drop, or more must sign, than the study's rule alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) max_dropped: u16,
    pub(crate) quorum: u16,
}

impl Past {
    /// Reads the whole journal.
    pub(crate) fn of(journal: &Journal, asked: &BTreeSet<Question>) -> Result<Self, StoreError> {
        let mut past = Self::default();
        // Rounds that are not known to have come to masking.
        let mut open: Vec<Try> = Vec::new();
        for recorded in journal.entries()? {
            match recorded?.entry {
                Entry::RoundStarted { round, cohort, mut questions, quorum, .. } => {
                    questions.retain(|question| asked.contains(question));
                    if !questions.is_empty() {
                        open.push(Try { round, asked: questions, cohort, quorum });
                    }
                }
                Entry::Masking { round } => {
                    let at = open.iter().position(|one| one.round == round);
                    past.tries.extend(at.map(|at| open.swap_remove(at)));
                }
                Entry::SurvivorsNamed { round, survivors } => {
                    let Some(ours) = past.tries.iter().find(|one| one.round == round) else {
                        continue;
                    };
                    let each = ours.asked.iter().map(|one| (one.clone(), survivors.clone()));
                    past.newest.extend(each);
                    past.answers.retain(|one| *one != survivors);
                    past.answers.push(survivors);
                }
                _ => {}
            }
        }
        Ok(past)
    }

    /// The numbers of a round over `cohort`. After an answer nobody may drop; after a round that was
    /// masked and not answered, two quorums may not both be reached.
    ///
    /// # Errors
    /// The quorum that would be needed, when the cohort is too small for it.
    pub(crate) fn sizes(&self, rule: &CohortRule, cohort: &[DistrictId]) -> Result<Sizes, u16> {
        let n = u16::try_from(cohort.len()).unwrap_or(u16::MAX);
        let base = rule.quorum(n);
        let Some(least) = self.tries.iter().map(|one| one.quorum).min() else {
            return Ok(Sizes { max_dropped: rule.max_dropped, quorum: base });
        };
        let mut ever: BTreeSet<&DistrictId> = cohort.iter().collect();
        ever.extend(self.tries.iter().flat_map(|one| &one.cohort));
        let all = u16::try_from(ever.len()).unwrap_or(u16::MAX);
        let all = all.saturating_add(rule.max_colluding);
        let quorum = base.max(all / 2 + 1).max(all.saturating_add(1).saturating_sub(least));
        if !self.answers.is_empty() {
            // Some of them may not have signed: to these it is a retry.
            return Ok(Sizes { max_dropped: 0, quorum: quorum.min(n) });
        }
        // m may not fall below t.
        let Some(spare) = n.checked_sub(quorum) else { return Err(quorum) };
        Ok(Sizes { max_dropped: rule.max_dropped.min(spare), quorum })
    }
}

#[cfg(test)]
mod tests {
    use flashlight_proto::canonical::Digest;

    use super::*;

    const RULE: CohortRule = CohortRule { min_districts: 5, max_dropped: 2, max_colluding: 1 };

    fn ids(numbers: impl IntoIterator<Item = u8>) -> Vec<DistrictId> {
        numbers.into_iter().map(|number| format!("D{number:02}").parse().unwrap()).collect()
    }

    fn asked(text: &str) -> BTreeSet<Question> {
        BTreeSet::from([text.parse().unwrap()])
    }

    const MATH: &str = "math/2024@2024-06-30";

    fn started(journal: &mut Journal, round: &str, question: &str, cohort: Vec<DistrictId>) {
        let entry = Entry::RoundStarted {
            run: "00".to_owned(),
            round: round.to_owned(),
            number: 1,
            study: Digest::of(b"study"),
            ctx: Digest::of(round.as_bytes()),
            quorum: RULE.quorum(u16::try_from(cohort.len()).unwrap()),
            cohort,
            questions: vec![question.parse().unwrap()],
        };
        journal.append(&entry, 0).unwrap();
    }

    fn masking(journal: &mut Journal, round: &str) {
        journal.append(&Entry::Masking { round: round.to_owned() }, 0).unwrap();
    }

    fn named(journal: &mut Journal, round: &str, survivors: Vec<DistrictId>) {
        let entry = Entry::SurvivorsNamed { round: round.to_owned(), survivors };
        journal.append(&entry, 0).unwrap();
    }

    #[test]
    fn a_round_that_ended_before_masking_leaves_no_trace() {
        let mut journal = Journal::in_memory();
        started(&mut journal, "1", MATH, ids(0..10));
        let past = Past::of(&journal, &asked(MATH)).unwrap();
        assert_eq!(past, Past::default());
        let sizes = past.sizes(&RULE, &ids(0..10)).unwrap();
        assert_eq!(sizes, Sizes { max_dropped: 2, quorum: 6 });
    }

    #[test]
    fn after_named_survivors_nobody_may_drop_and_other_questions_are_free() {
        let mut journal = Journal::in_memory();
        started(&mut journal, "1", MATH, ids(0..10));
        masking(&mut journal, "1");
        named(&mut journal, "1", ids(0..9));
        let past = Past::of(&journal, &asked(MATH)).unwrap();
        assert_eq!(past.answers, [ids(0..9)]);
        assert_eq!(past.sizes(&RULE, &ids(0..9)).unwrap(), Sizes { max_dropped: 0, quorum: 6 });
        let other = Past::of(&journal, &asked("ela/2024@2024-06-30")).unwrap();
        assert_eq!(other, Past::default());
    }

    #[test]
    fn a_retry_needs_a_quorum_that_the_first_try_cannot_share() {
        let mut journal = Journal::in_memory();
        started(&mut journal, "1", MATH, ids(0..10));
        masking(&mut journal, "1");
        let past = Past::of(&journal, &asked(MATH)).unwrap();
        // Eight of the ten are back: N + c = 11, t + 6 > 11.
        let sizes = past.sizes(&RULE, &ids(0..8)).unwrap();
        assert_eq!(sizes, Sizes { max_dropped: 2, quorum: 6 });
        // Six others: N + c = 17, so t = 12 of 6 is out of reach.
        assert_eq!(past.sizes(&RULE, &ids(10..16)), Err(12));
        // Six of the ten: t = 6, so nobody may drop.
        let sizes = past.sizes(&RULE, &ids(0..6)).unwrap();
        assert_eq!(sizes, Sizes { max_dropped: 0, quorum: 6 });
    }
}
