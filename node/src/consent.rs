//! The district's own policy: what this node agrees to, whatever a study or the hub asks.
//!
//! In: `policy.toml`, and everything public about a round: study, cohort, roster, vouches. Out: a
//! [`Permit`], which the ledger demands before it charges anything, or a [`Refusal`] with a stable
//! code and a sentence that says what to change. Promise: default-closed; what the policy does not
//! allow is refused, and no study, roster or hub can loosen it. Only districts that this policy
//! lists, or that two of them vouch for, count as honest (docs/PRIVACY.md §2). Not promised:
//! anything about money spent, which is the ledger's. Reads no student data.

mod decisions;
mod policy;
mod refusal;
mod trust;

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::years_read;
use flashlight_proto::roster::{MemberState, Roster};
use flashlight_proto::secagg::Party;
use flashlight_proto::study::{CohortSizes, Mode, Study};
use flashlight_proto::vouch::Vouch;

use crate::ledger::{Loss, Override, Question};

pub use flashlight_proto::vouch::log_origin;

pub use self::decisions::{Decision, Decisions, DecisionsError, REASON_MAX, collect, leave, left};
pub use self::policy::{Allow, Approval, Floors, POLICY_BYTES_MAX, Policy, PolicyError};
pub use self::refusal::Refusal;
pub(crate) use self::refusal::named;
pub use self::trust::{Peer, Standing, Trust, Witnesses};

/// A round as it was announced: all of it public.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Signed by the hub.
    pub study: &'a Study,
    /// Every school year the round reads, with its zCDP loss, ρ, as this node derived them
    /// (`NoisePlan::charges`); 0 in `exact`.
    pub charges: &'a BTreeMap<i16, f64>,
    /// n, m, t, c, h of the round.
    pub sizes: CohortSizes,
    /// Who takes part, ascending.
    pub cohort: &'a [Party],
    /// Accepted by this node.
    pub roster: &'a Roster,
    /// What the log holds for that roster.
    pub vouches: &'a [Vouch],
    /// Names the network.
    pub log_origin: &'a str,
    /// This node.
    pub district: &'a DistrictId,
    /// What the officer said about this study.
    pub decision: Option<&'a Decision>,
}

/// A round this district's policy agrees to. Made by [`Policy::judge`] alone, used up by one charge.
///
/// ```compile_fail
/// fn twice(permit: flashlight_node::consent::Permit) {
///     drop(permit.clone());
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(crate) study: Digest,
    pub(crate) study_id: String,
    pub(crate) mode: Mode,
    pub(crate) school_year: i16,
    pub(crate) years: BTreeMap<i16, Loss>,
    pub(crate) questions: BTreeSet<Question>,
    pub(crate) cohort: Vec<DistrictId>,
    pub(crate) sizes: CohortSizes,
    pub(crate) trust: Trust,
    pub(crate) floors: Floors,
    pub(crate) second_set: bool,
    pub(crate) document: Option<Override>,
    /// The round, hex, that this one of growth models continues.
    pub(crate) continues: Option<String>,
}

impl Permit {
    /// The same, with an override the officers signed for one set of survivors. The ledger checks it.
    #[must_use]
    pub fn overridden(mut self, document: Override) -> Self {
        self.document = Some(document);
        self
    }

    /// The same, for a later round of growth models: the one before, hex, is not over and has not failed.
    #[must_use]
    pub fn continuing(mut self, before: String) -> Self {
        self.continues = Some(before);
        self
    }

    /// Every school year the round reads, with the zCDP loss it will be charged; 0 in `exact`.
    #[must_use]
    pub const fn years(&self) -> &BTreeMap<i16, Loss> {
        &self.years
    }

    /// Least number of districts that two sets of survivors may lie apart, on each side that is not
    /// empty. [`u16::MAX`] where this district signs one set and no other.
    pub(crate) fn apart(&self) -> u16 {
        if self.second_set { self.hideout() } else { u16::MAX }
    }

    /// `min_honest` + c: districts of which h are honest whoever colludes.
    pub(crate) fn hideout(&self) -> u16 {
        self.floors.min_honest.saturating_add(self.sizes.c)
    }

    /// What the round asks.
    #[must_use]
    pub const fn questions(&self) -> &BTreeSet<Question> {
        &self.questions
    }
}

impl Policy {
    /// What can be said of a study before there is a cohort, and before any record is read for it.
    ///
    /// `decision`: what the officer said about it, if anything.
    ///
    /// # Errors
    /// [`Refusal`]. [`Refusal::Waiting`] comes last: a study that only waits for the officer is one
    /// the policy would allow.
    pub fn judge_study(&self, study: &Study, decision: Option<&Decision>) -> Result<(), Refusal> {
        if self.is_missing() {
            return Err(Refusal::Missing);
        }
        if let Some(Decision::Refused { reason }) = decision {
            return Err(Refusal::Declined { reason: reason.clone() });
        }
        let allowed = |indicator| self.allow.indicators.contains(&indicator);
        if let Some(table) = study.tables.iter().find(|table| !allowed(table.indicator)) {
            return Err(Refusal::Indicator { indicator: table.indicator });
        }
        let mut adults = study.tables.iter().filter(|table| table.indicator.is_of_adults());
        if let Some(table) = adults.next().filter(|_| !self.allow.anonymous_surveys) {
            return Err(Refusal::AnonymousSurveys { indicator: table.indicator });
        }
        if !study.growth.is_empty() && !self.allow.growth {
            return Err(Refusal::Growth);
        }
        if study.mode == Mode::Exact && !self.allow.exact_mode {
            return Err(Refusal::Exact);
        }
        let (asked, floor) = (study.suppression.min_n, self.floors.min_cell);
        if asked < floor {
            return Err(Refusal::MinCell { asked, floor });
        }
        let (asked, most) = (loss_of(study)?, self.floors.max_rho_round);
        if asked > most {
            return Err(Refusal::RhoRound { asked, most });
        }
        if self.floors.approval == Approval::Manual && decision != Some(&Decision::Approved) {
            return Err(Refusal::Waiting { study: study.hash() });
        }
        Ok(())
    }

    /// Judges a round: the study, the years it reads, and the cohort it would run with.
    ///
    /// # Errors
    /// [`Refusal`] naming the first rule that is not met.
    pub fn judge(&self, facts: &Facts<'_>) -> Result<Permit, Refusal> {
        let study = facts.study;
        self.judge_study(study, facts.decision)?;
        let years = charged(study, facts.charges)?;
        let trust = self.trust(facts.witnesses());
        self.judge_cohort(facts, &trust)?;
        Ok(Permit {
            study: study.hash(),
            study_id: study.id.clone(),
            mode: study.mode,
            // The newest year read, not the one the hub writes down: a study of one year's data is that
            // year's own, and the reserve for later years is not for it.
            school_year: years.keys().next_back().copied().unwrap_or(study.school_year),
            years,
            questions: Question::of_study(study),
            cohort: facts.cohort.iter().map(|party| party.district.clone()).collect(),
            sizes: facts.sizes,
            trust,
            floors: self.floors.clone(),
            second_set: self.allow.second_set,
            document: None,
            continues: None,
        })
    }

    /// The cohort: real members, enough of them, and enough that this district trusts.
    fn judge_cohort(&self, facts: &Facts<'_>, trust: &Trust) -> Result<(), Refusal> {
        let CohortSizes { n, m, t, c, h } = facts.sizes;
        let ascending = facts.cohort.windows(2).all(|pair| pair[0].district < pair[1].district);
        let wide = [n, m, t, c, h].map(u32::from);
        let consistent = usize::from(n) == facts.cohort.len()
            && ascending
            && m <= n
            && wide[4] + wide[3] == wide[1]
            && t <= m
            && 2 * wide[2] > wide[0] + wide[3];
        if !consistent {
            return Err(Refusal::Arithmetic);
        }
        let member = |party: &&Party| {
            facts.roster.find(&party.district).is_some_and(|member| {
                member.state == MemberState::Active && member.key == party.key
            })
        };
        if let Some(party) = facts.cohort.iter().find(|party| !member(party)) {
            return Err(Refusal::NotMember { district: party.district.clone() });
        }
        if !facts.cohort.iter().any(|party| party.district == *facts.district) {
            return Err(Refusal::SelfMissing);
        }
        let floors = &self.floors;
        if m < floors.min_survivors {
            return Err(Refusal::Survivors { m, floor: floors.min_survivors });
        }
        if h < floors.min_honest {
            return Err(Refusal::Honest { h, floor: floors.min_honest });
        }
        let strangers: Vec<DistrictId> = facts
            .cohort
            .iter()
            .filter(|party| !trust.counts(&party.district))
            .map(|party| party.district.clone())
            .collect();
        if strangers.is_empty() && c < floors.min_colluding {
            return Err(Refusal::Colluding { c, floor: floors.min_colluding });
        }
        if usize::from(c) < strangers.len() + usize::from(floors.min_colluding) {
            return Err(Refusal::Strangers { c, strangers, colluding: floors.min_colluding });
        }
        Ok(())
    }
}

impl<'a> Facts<'a> {
    /// What trust is counted from.
    const fn witnesses(&self) -> Witnesses<'a> {
        Witnesses {
            district: self.district,
            roster: self.roster,
            vouches: self.vouches,
            log_origin: self.log_origin,
        }
    }
}

/// What a round of the study costs: the whole of its ρ.
fn loss_of(study: &Study) -> Result<Loss, Refusal> {
    match (study.mode, study.rho) {
        (Mode::Exact, _) => Ok(Loss::ZERO),
        (Mode::Dp, Some(rho)) => Loss::of_charge(rho.value()).ok_or(Refusal::Rho),
        (Mode::Dp, None) => Err(Refusal::Rho),
    }
}

/// What every year is charged. A year the study declares and no block reads is charged all the same.
fn charged(study: &Study, charges: &BTreeMap<i16, f64>) -> Result<BTreeMap<i16, Loss>, Refusal> {
    let (whole, declared) = (loss_of(study)?, years_read(study));
    if let Some(year) = charges.keys().find(|year| !declared.contains(year)) {
        return Err(Refusal::Year { year: *year });
    }
    let charge = |year: i16| {
        let known = charges.get(&year).filter(|_| study.mode == Mode::Dp);
        let Some(rho) = known else { return Ok((year, whole)) };
        let loss = Loss::of_charge(*rho).ok_or(Refusal::Rho)?;
        // No block costs more than the study: a plan that says so is not the study's.
        if loss > whole { Err(Refusal::Rho) } else { Ok((year, loss)) }
    };
    declared.into_iter().map(charge).collect()
}
