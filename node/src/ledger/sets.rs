//! One set of survivors per question, and the exceptions.
//!
//! Two sums over sets one district apart give that district away. So, per question (what is
//! measured, school year, as-of date), this node signs one set U₃. After it:
//!
//! * a later round runs with exactly U₃ and may lose nobody;
//! * where the policy says `second_set = true`, one second set U′ is allowed when U₃∖U′ and U′∖U₃ are
//!   each empty or at least `min_honest` + c. It is closed by default, because the exception does not
//!   compose: after P = {x} ∪ A ∪ B, the nodes of A may sign A and those of B may sign B, each its one
//!   second set, and P − A − B is x;
//! * any other set needs the officers' override (`officers.rs`), and may lose nobody;
//! * a new as-of date is a new question, at least `min_days_between` after the last one taken.
//!
//! A round this node masked in but did not sign may be retried with another roster. Somebody else may
//! have signed it, so the quorum t has to be large enough that two rounds cannot both be signed: with
//! N districts in any of the rosters, t ≥ ⌊(N + c)/2⌋ + 1, and t + t′ > N + c for every earlier t′
//! (which asks for more when an earlier roster was small).

use std::collections::BTreeSet;

use flashlight_proto::identity::DistrictId;

use super::{Answer, Charge, Ledger, Question, Refusal};
use crate::consent::Permit;

type Set<'a> = BTreeSet<&'a DistrictId>;

impl Ledger {
    /// Whether a round with this roster may begin.
    pub(super) fn check_sets(&self, permit: &Permit) -> Result<(), Refusal> {
        let loses_nobody = permit.sizes.m == permit.sizes.n;
        for question in &permit.questions {
            self.check_date(permit, question)?;
            let answers = self.answers(question);
            if answers.is_empty() {
                self.check_quorum(permit, question)?;
            } else if is_answer(answers, &permit.cohort) || permit.document.is_some() {
                if !loses_nobody {
                    return Err(Refusal::Dropouts { question: question.clone() });
                }
            } else {
                // The widest of what was asked then and now: strangers that an earlier round made room
                // for are nobody to hide among.
                let then = self.tries(question).filter(|charge| charge.answered);
                let apart = then.map(|charge| charge.apart).fold(permit.apart(), u16::max);
                check_second(question, answers, &permit.cohort, apart)?;
            }
        }
        let Some(document) = &permit.document else { return Ok(()) };
        let answered: Vec<_> = permit
            .questions
            .iter()
            .map(|question| (question, self.answers(question)))
            .filter(|(_, answers)| !answers.is_empty() && !is_answer(answers, &permit.cohort))
            .map(|(question, answers)| {
                (question, answers.iter().map(|answer| &answer.survivors[..]).collect())
            })
            .collect();
        document
            .check(&answered, &permit.cohort, &permit.trust, usize::from(permit.hideout()))
            .map_err(Refusal::Override)
    }

    /// Whether this node may sign these survivors.
    pub(super) fn check_answer(
        &self,
        charge: &Charge,
        survivors: &[DistrictId],
    ) -> Result<(), Refusal> {
        let ascending = survivors.windows(2).all(|pair| pair[0] < pair[1]);
        let members = survivors.iter().all(|one| charge.cohort.binary_search(one).is_ok());
        let enough = survivors.len() >= usize::from(charge.survivors_min);
        let agreed = charge.document.is_none() || survivors == charge.cohort;
        if !(ascending && members && enough && agreed) || charge.answered {
            return Err(Refusal::Survivors);
        }
        for question in &charge.questions {
            let answers = self.answers(question);
            // An override forgives what the officers could know: the sets before the charge.
            let since = |answer: &&Answer| charge.document.is_none() || answer.seq > charge.seq;
            if !is_answer(answers, survivors) && answers.iter().any(|answer| since(&answer)) {
                check_second(question, answers, survivors, charge.apart)?;
            }
        }
        Ok(())
    }

    pub(super) fn answers(&self, question: &Question) -> &[Answer] {
        self.answers.get(question).map_or(&[], Vec::as_slice)
    }

    /// Charged rounds that asked this.
    fn tries<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Charge> {
        self.charges.iter().filter(move |charge| charge.questions.contains(question))
    }

    /// A new as-of date comes long enough after the last one. The clock is not asked.
    fn check_date(&self, permit: &Permit, question: &Question) -> Result<(), Refusal> {
        let taken = self
            .charges
            .iter()
            .flat_map(|charge| &charge.questions)
            .filter(|taken| taken.is_about_the_same(question))
            .map(|taken| taken.as_of);
        let Some(last) = taken.clone().max() else { return Ok(()) };
        let days = permit.floors.min_days_between;
        let known = taken.into_iter().any(|date| date == question.as_of);
        if known || question.as_of.day_number() - last.day_number() >= i64::from(days) {
            return Ok(());
        }
        Err(Refusal::TooSoon { question: question.clone(), last, days })
    }

    /// Two rounds on an unanswered question cannot both be signed.
    fn check_quorum(&self, permit: &Permit, question: &Question) -> Result<(), Refusal> {
        let Some(least) = self.tries(question).map(|charge| charge.quorum).min() else {
            return Ok(());
        };
        let mut ever: Set<'_> = permit.cohort.iter().collect();
        ever.extend(self.tries(question).flat_map(|charge| &charge.cohort));
        let all = u16::try_from(ever.len()).unwrap_or(u16::MAX).saturating_add(permit.sizes.c);
        let need = (all / 2 + 1).max(all.saturating_add(1).saturating_sub(least));
        let t = permit.sizes.t;
        if t < need {
            return Err(Refusal::Quorum { question: question.clone(), t, need });
        }
        Ok(())
    }
}

pub(super) fn is_answer(answers: &[Answer], set: &[DistrictId]) -> bool {
    answers.iter().any(|answer| answer.survivors == set)
}

/// The one second set, far enough from the first.
fn check_second(
    question: &Question,
    answers: &[Answer],
    set: &[DistrictId],
    apart: u16,
) -> Result<(), Refusal> {
    let question = || question.clone();
    let distinct: BTreeSet<&[DistrictId]> =
        answers.iter().map(|answer| &answer.survivors[..]).collect();
    let Some(first) = distinct.first().filter(|_| distinct.len() == 1) else {
        return Err(Refusal::ThirdSet { question: question() });
    };
    let (before, now): (Set<'_>, Set<'_>) = (first.iter().collect(), set.iter().collect());
    let only = |one: &Set<'_>, other: &Set<'_>| -> Vec<DistrictId> {
        one.difference(other).map(|district| (*district).clone()).collect()
    };
    let (missing, late) = (only(&before, &now), only(&now, &before));
    let far = |count: usize| count == 0 || count >= usize::from(apart);
    let question = question();
    match (far(missing.len()), far(late.len())) {
        (true, true) => Ok(()),
        (false, true) => Err(Refusal::Missing { question, missing }),
        (true, false) => Err(Refusal::Late { question, late }),
        (false, false) => {
            let (without, beyond) = (missing.len(), late.len());
            Err(Refusal::Close { question, without, beyond, apart })
        }
    }
}
