//! What this district has spent, and which sets of survivors it has signed: the books that say no.
//!
//! In: the node's journal, and a [`Permit`] of the district's policy. Out: a [`Spend`], the token
//! that noise and mask demand, or a [`Refusal`]. Promise: the account is (this district, school year)
//! and nothing else, so reloading, correcting or renaming data or studies resets nothing; every year
//! a round reads is charged in full; a charge is durable before its [`Spend`] exists, and is never
//! undone; nothing is charged past the policy's `max_rho_year`. Per question one set of survivors is
//! signed, durably recorded before the signature leaves, with the exceptions of `sets.rs`. The clock
//! is shown to people and decides nothing. Not promised: that a journal cut back at a line boundary
//! is noticed here; [`check_not_behind`] finds it by the hub's log.

mod budget;
mod head;
mod later;
mod loss;
mod officers;
mod refusal;
mod sets;

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::RoundId;
use flashlight_proto::study::Mode;
use flashlight_store::{Recorded, StoreError};

use crate::consent::Permit;
use crate::journal::{Entry, Journal, append};

pub use flashlight_proto::question::{Question, QuestionError};

pub(crate) use self::budget::utc;
pub use self::budget::{Budget, ChargeView, YearView};
pub use self::head::{check_not_behind, salted_head};
pub use self::loss::Loss;
pub use self::officers::{OVERRIDE_BYTES_MAX, Override, OverrideError};
pub use self::refusal::Refusal;

/// The right to send one noisy contribution, once. Exists only after its charge is durable.
///
/// It can be held:
/// ```
/// fn reads(spend: &flashlight_node::ledger::Spend) -> usize { spend.years().len() }
/// ```
///
/// It can be neither made nor copied:
/// ```compile_fail
/// fn free(round: flashlight_proto::secagg::RoundId) -> flashlight_node::ledger::Spend {
///     flashlight_node::ledger::Spend { round, ..unreachable!() }
/// }
/// ```
/// ```compile_fail
/// fn twice(spend: &flashlight_node::ledger::Spend) -> flashlight_node::ledger::Spend {
///     spend.clone()
/// }
/// ```
#[derive(Debug)]
pub struct Spend {
    round: RoundId,
    study: Digest,
    mode: Mode,
    years: BTreeMap<i16, Loss>,
}

impl Spend {
    /// The round it is for.
    #[must_use]
    pub const fn round(&self) -> RoundId {
        self.round
    }

    /// SHA-256 of the study's bytes.
    #[must_use]
    pub const fn study(&self) -> Digest {
        self.study
    }

    /// Whether noise has to be added.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What was charged to each school year read; 0 in `exact`.
    #[must_use]
    pub const fn years(&self) -> &BTreeMap<i16, Loss> {
        &self.years
    }
}

/// One charge and what became of it.
#[derive(Clone, Debug)]
struct Charge {
    seq: u64,
    time_ms: u64,
    round: String,
    study: Digest,
    study_id: String,
    mode: Mode,
    school_year: i16,
    years: BTreeMap<i16, Loss>,
    questions: Vec<Question>,
    cohort: Vec<DistrictId>,
    survivors_min: u16,
    quorum: u16,
    apart: u16,
    document: Option<Digest>,
    /// The first round whose second round this is.
    continues: Option<String>,
    /// A masked vector may have left.
    masked: bool,
    /// A confirm signature may have left.
    answered: bool,
    ended: Option<Ended>,
}

/// How a round ended.
#[derive(Clone, Debug)]
struct Ended {
    release: Option<Digest>,
    code: String,
}

impl Charge {
    /// The hub's word that something was published counts only where this node signed the survivors.
    fn is_failed(&self) -> bool {
        !self.answered || self.ended.as_ref().is_none_or(|ended| ended.release.is_none())
    }
}

/// One set of survivors this node signed for a question.
#[derive(Clone, Debug)]
struct Answer {
    /// Of its entry in the journal.
    seq: u64,
    survivors: Vec<DistrictId>,
}

/// The books, as the journal tells them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    charges: Vec<Charge>,
    answers: BTreeMap<Question, Vec<Answer>>,
}

impl Ledger {
    /// Reads the whole journal, verifying it again.
    ///
    /// # Errors
    /// The journal's own: a changed, cut or unreadable line.
    pub fn from_journal(journal: &Journal) -> Result<Self, StoreError> {
        Self::from_entries(journal.entries()?)
    }

    /// Reads entries, oldest first.
    ///
    /// # Errors
    /// The first error among them.
    pub fn from_entries(
        entries: impl Iterator<Item = Result<Recorded<Entry>, StoreError>>,
    ) -> Result<Self, StoreError> {
        let mut ledger = Self::default();
        for recorded in entries {
            ledger.apply(recorded?);
        }
        Ok(ledger)
    }

    /// Every question this node signed a set of survivors for, with the different sets, each ascending.
    pub fn answered(&self) -> impl Iterator<Item = (&Question, BTreeSet<&[DistrictId]>)> {
        self.answers.iter().map(|(question, answers)| {
            (question, answers.iter().map(|answer| &answer.survivors[..]).collect())
        })
    }

    /// The charge of a round.
    fn charge_of(&self, round: &str) -> Option<&Charge> {
        self.charges.iter().find(|charge| charge.round == round)
    }

    fn charge_mut(&mut self, round: &str) -> Option<&mut Charge> {
        self.charges.iter_mut().find(|charge| charge.round == round)
    }

    fn apply(&mut self, recorded: Recorded<Entry>) {
        let Recorded { seq, time_ms, entry, .. } = recorded;
        match entry {
            Entry::Charged {
                round,
                study,
                study_id,
                mode,
                school_year,
                years,
                questions,
                cohort,
                survivors_min,
                quorum,
                apart,
                document,
                continues,
            } => self.charges.push(Charge {
                seq,
                time_ms,
                round,
                study,
                study_id,
                mode,
                school_year,
                years: years.into_iter().collect(),
                questions,
                cohort,
                survivors_min,
                quorum,
                apart,
                document,
                continues,
                masked: false,
                answered: false,
                ended: None,
            }),
            Entry::Masked { round, .. } => {
                if let Some(charge) = self.charge_mut(&round) {
                    charge.masked = true;
                }
            }
            Entry::Answered { round, questions, survivors } => {
                for question in questions {
                    let answers = self.answers.entry(question).or_default();
                    answers.push(Answer { seq, survivors: survivors.clone() });
                }
                if let Some(charge) = self.charge_mut(&round) {
                    charge.answered = true;
                }
            }
            Entry::RoundEnded { round, release, code } => {
                if let Some(charge) = self.charge_mut(&round) {
                    charge.ended = Some(Ended { release, code });
                }
            }
            _ => {}
        }
    }

    /// Makes an entry durable, then believes it.
    fn record(
        &mut self,
        journal: &mut Journal,
        entry: Entry,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.apply(append(journal, entry, now_ms)?);
        Ok(())
    }

    /// Whether the books would let this round in, as they stand: nothing is charged by asking. Ask
    /// before keys are advertised, so that a round that cannot be paid for costs nothing.
    ///
    /// # Errors
    /// As [`Self::charge`], but for the journal.
    pub fn admit(&self, permit: &Permit) -> Result<(), Refusal> {
        for (year, asked) in &permit.years {
            self.check_year(permit, *year, *asked)?;
        }
        self.check_sets(permit)
    }

    /// Whether this round was ever charged.
    #[must_use]
    pub fn has_charged(&self, round: RoundId) -> bool {
        self.charge_of(&round.to_string()).is_some()
    }

    /// What has been charged to a school year.
    fn spent(&self, year: i16, counts: impl Fn(&Charge) -> bool) -> Loss {
        let charges = self.charges.iter().filter(|charge| counts(charge));
        let losses = charges.filter_map(|charge| charge.years.get(&year));
        losses.fold(Loss::ZERO, |sum, loss| sum.plus(*loss))
    }

    /// Charged rounds of a school year that published nothing, those still open included, but for the
    /// one that goes on and those before it.
    fn failed(&self, year: i16, but: Option<&str>) -> usize {
        let goes_on: Vec<&str> = self.chain(but).map(|charge| charge.round.as_str()).collect();
        let charges = self.charges.iter().filter(|charge| charge.years.contains_key(&year));
        let others = charges.filter(|charge| !goes_on.contains(&charge.round.as_str()));
        others.filter(|charge| charge.is_failed()).count()
    }

    /// The filter: one year, one round.
    fn check_year(&self, permit: &Permit, year: i16, asked: Loss) -> Result<(), Refusal> {
        let floors = &permit.floors;
        let most = floors.max_rho_year;
        let total = self.spent(year, |_| true);
        if asked > Loss::ZERO && total.plus(asked) > most {
            return Err(Refusal::Budget { year, asked, left: most.less(total), most });
        }
        // What later years' studies may use is not for the year's own.
        if asked > Loss::ZERO && permit.school_year <= year {
            let most = most.less(floors.reserve_for_later_years);
            let own = self.spent(year, |charge| charge.school_year <= year);
            if own.plus(asked) > most {
                let reserve = floors.reserve_for_later_years;
                return Err(Refusal::Reserve { year, asked, left: most.less(own), reserve });
            }
        }
        let failed = self.failed(year, permit.continues.as_deref());
        let most = usize::from(floors.max_failed_rounds);
        if failed >= most {
            return Err(Refusal::Failed { year, failed, most });
        }
        Ok(())
    }

    /// Charges a round in full to every year it reads. When this returns `Ok` the charge is durable,
    /// and nothing undoes it.
    ///
    /// The journal is read and verified again first: what another part of the node wrote, and what
    /// somebody else did to the file, is seen.
    ///
    /// # Errors
    /// [`Refusal`]: nothing was charged, but for `store_poisoned`, after which it is unknown until
    /// the node restarts. Never a `Spend` then.
    pub fn charge(
        &mut self,
        journal: &mut Journal,
        permit: Permit,
        round: RoundId,
        now_ms: u64,
    ) -> Result<Spend, Refusal> {
        *self = Self::from_journal(journal)?;
        if self.charge_of(&round.to_string()).is_some() {
            return Err(Refusal::ChargedTwice);
        }
        self.admit(&permit)?;
        let apart = permit.apart();
        let (study, mode, years) = (permit.study, permit.mode, permit.years);
        let entry = Entry::Charged {
            round: round.to_string(),
            study,
            study_id: permit.study_id,
            mode,
            school_year: permit.school_year,
            years: years.iter().map(|(year, loss)| (*year, *loss)).collect(),
            questions: permit.questions.into_iter().collect(),
            cohort: permit.cohort,
            survivors_min: permit.sizes.m,
            quorum: permit.sizes.t,
            apart,
            document: permit.document.as_ref().map(Override::digest),
            continues: permit.continues,
        };
        self.record(journal, entry, now_ms)?;
        Ok(Spend { round, study, mode, years })
    }

    /// Records the set of survivors of a round. Call before the confirm signature leaves; when this
    /// returns `Ok` the record is durable.
    ///
    /// `survivors`: U₃, ascending.
    ///
    /// # Errors
    /// [`Refusal`]: the node must not sign.
    pub fn confirm(
        &mut self,
        journal: &mut Journal,
        round: RoundId,
        survivors: &[DistrictId],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        *self = Self::from_journal(journal)?;
        let charge = self.charge_of(&round.to_string()).ok_or(Refusal::NotCharged)?;
        self.check_answer(charge, survivors)?;
        let entry = Entry::Answered {
            round: round.to_string(),
            questions: charge.questions.clone(),
            survivors: survivors.to_vec(),
        };
        Ok(self.record(journal, entry, now_ms)?)
    }

    /// Notes that a round is over; one that was never charged leaves no trace. A release that comes
    /// to light after the round was given up counts. The end of a second round is that of its first.
    ///
    /// `release`: what was published; `code`: why not, when nothing was.
    ///
    /// # Errors
    /// The journal's own.
    pub fn end(
        &mut self,
        journal: &mut Journal,
        round: RoundId,
        release: Option<Digest>,
        code: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        *self = Self::from_journal(journal)?;
        let mut next = Some(round.to_string());
        while let Some(charge) = next.and_then(|round| self.charge_of(&round)) {
            next = charge.continues.clone();
            if charge.ended.is_none() || (charge.is_failed() && release.is_some()) {
                let round = charge.round.clone();
                let code = code.chars().filter(char::is_ascii_graphic).take(64).collect();
                self.record(journal, Entry::RoundEnded { round, release, code }, now_ms)?;
            }
        }
        Ok(())
    }

    /// School years that anything was ever charged to.
    fn years(&self) -> BTreeSet<i16> {
        self.charges.iter().flat_map(|charge| charge.years.keys()).copied().collect()
    }

    /// Whether sums without noise were ever made of a year: its total loss is then infinite, for good.
    fn is_exact(&self, year: i16) -> bool {
        let exact = |charge: &&Charge| charge.mode == Mode::Exact;
        self.charges.iter().filter(exact).any(|charge| charge.years.contains_key(&year))
    }
}
