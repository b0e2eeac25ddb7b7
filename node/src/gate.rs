//! Between a round and the district's records: what the policy and the books have to say first.
//!
//! In: what the hub announced, already checked (`node.rs`). Out: a [`Permit`], a [`Spend`], noisy
//! words, or a refusal. Promise: the order of docs/PRIVACY.md §3. The officer's decisions and the
//! policy are read afresh for every study and every round; a study is judged before records are read
//! for it, and a round before keys are advertised; a charge is durable before noise is drawn for it;
//! the survivor set is durable before it is signed. Not here: the rules themselves (`consent`,
//! `ledger`) and the noise (`noise`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::roster::Roster;
use flashlight_proto::secagg::{RoundId, Terms};
use flashlight_proto::study::Study;
use flashlight_proto::vouch::Vouch;
use flashlight_proto::wire::{Logged, pb};
use flashlight_store::files::{create_private_dir, read_limited, write_private};
use zeroize::Zeroizing;

use crate::consent::{self, Decision, Decisions, Facts, Permit, Policy, log_origin};
use crate::ledger::{self, Ledger, OVERRIDE_BYTES_MAX, Override, Spend, check_not_behind};
use crate::node::{Node, Refusal, now_ms};
use crate::noise::{self, NoiseError};

/// Studies kept for the officer to look at. A hub that announces more has its newest ones refused
/// until the officer has answered, or removed, some.
const STUDIES_MAX: usize = 64;

/// The policy, in the node's folder.
pub(crate) const POLICY_FILE: &str = "policy.toml";
/// What officers left for the running node.
pub(crate) const DECISIONS_FOLDER: &str = "decisions";
/// Studies that wait for the officer, by hash.
pub(crate) const STUDIES_FOLDER: &str = "studies";
/// The officers' override, if there is one.
pub(crate) const OVERRIDE_FILE: &str = "override.toml";

/// The words of a study, exact, with what they may be used for.
pub(crate) struct Asking<'a> {
    pub(crate) study: &'a Study,
    pub(crate) roster: &'a Roster,
    pub(crate) vouches: &'a [Vouch],
    /// Rounds of growth models before it: 0 in the first.
    pub(crate) stage: usize,
}

impl Node {
    fn policy(&self) -> Result<Policy, Refusal> {
        let policy = Policy::load(&self.home.join(POLICY_FILE));
        policy.map_err(|error| {
            // The hub is told that the policy cannot be read, not what is in it.
            tracing::error!(code = error.code(), %error, "policy.toml cannot be used");
            let reason = "this district's policy.toml cannot be used; its log says why";
            Refusal::new(error.code(), reason)
        })
    }

    /// Whether answers to surveys count whose unit is the response.
    pub(crate) fn accepts_responses(&self) -> Result<bool, Refusal> {
        Ok(self.policy()?.allow.anonymous_surveys)
    }

    /// Takes up what officers decided since, and reads what they decided ever.
    fn decisions(&self) -> Result<Decisions, Refusal> {
        let folder = self.home.join(DECISIONS_FOLDER);
        self.with_journal(|journal| {
            consent::collect(&folder, journal, now_ms())
                .and_then(|_| Ok(Decisions::from_journal(journal)?))
                .map_err(|error| {
                    tracing::error!(code = error.code(), %error, "decisions cannot be taken up");
                    let reason = "the decisions of this district's officer cannot be read; its log \
                                  says why";
                    Refusal::new(error.code(), reason)
                })
        })
    }

    /// Whether this node's journal is the newest one the hub has seen.
    ///
    /// # Errors
    /// `ledger_behind`, `ledger_forked`: an older copy would let this district spend twice.
    pub(crate) fn not_behind(&self, logged: Logged) -> Result<(), Refusal> {
        let head = logged.head.map(|head| (head.entries, head.digest));
        self.with_journal(|journal| check_not_behind(journal, &self.identity, head))?;
        match logged.masked {
            Some(round) if !self.ledger()?.has_charged(round) => {
                Err(ledger::Refusal::Uncharged { round }.into())
            }
            Some(round) => {
                // A node that was down when its round was published hears of it now, so that the
                // charge does not count as failed for good.
                if let Some(release) = logged.release {
                    self.close_books(round, Some(release), "");
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What the district says of a study before any record is read for it. One that waits for the
    /// officer is noted, and kept for the officer to look at.
    pub(crate) fn consider(&self, study: &Study, signed: &pb::SignedStudy) -> Result<(), Refusal> {
        let policy = self.policy()?;
        let mut decisions = self.decisions()?;
        // Who comes back between the two rounds of growth models is not asked twice.
        let again = !study.growth.is_empty() && self.ledger()?.has_open_round(study.hash());
        let judged = policy.judge_study(study, said(&decisions, study, again));
        if let Err(consent::Refusal::Waiting { .. }) = &judged {
            self.keep(study, signed)?;
            self.with_journal(|journal| decisions.wait(journal, study, now_ms()))
                .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        }
        Ok(judged?)
    }

    /// Where a study is kept for the officer.
    pub(crate) fn study_folder(&self, study: &Study) -> PathBuf {
        self.home.join(STUDIES_FOLDER).join(study.hash().to_string())
    }

    fn keep(&self, study: &Study, signed: &pb::SignedStudy) -> Result<(), Refusal> {
        let folder = self.study_folder(study);
        if folder.join("study.toml").is_file() {
            return Ok(());
        }
        let all = self.home.join(STUDIES_FOLDER);
        let store = |error: flashlight_store::StoreError| {
            Refusal::new(error.code(), "this district cannot keep the study for its officer")
        };
        create_private_dir(&all).map_err(store)?;
        let kept = std::fs::read_dir(&all).map_or(0, |entries| entries.take(STUDIES_MAX).count());
        if kept >= STUDIES_MAX {
            let reason = format!(
                "{STUDIES_MAX} studies wait for this district's officer already; ask the district \
                 to answer them"
            );
            return Err(Refusal::new("too_many_pending", reason));
        }
        create_private_dir(&folder).map_err(store)?;
        write_private(&folder.join(&study.schools.file), &signed.schools_csv).map_err(store)?;
        write_private(&folder.join("study.toml"), &signed.study_toml).map_err(store)
    }

    /// Judges a round by policy and books, before keys are advertised for it. Nothing is charged.
    pub(crate) fn permit(&self, asking: &Asking<'_>, terms: &Terms) -> Result<Permit, Refusal> {
        let Asking { study, roster, vouches, stage } = *asking;
        let policy = self.policy()?;
        let decisions = self.decisions()?;
        let ledger = self.ledger()?;
        let before = if stage > 0 {
            let cohort: Vec<_> = terms.parties.iter().map(|party| party.district.clone()).collect();
            Some(ledger.round_before(study.hash(), &cohort, stage)?)
        } else {
            None
        };
        let noise = terms.noise.as_ref();
        let charges = noise.map_or_else(BTreeMap::new, |plan| plan.charges());
        // What later rounds will cost is judged with this one, whose loss would be for nothing.
        let whole = noise.map_or_else(BTreeMap::new, |plan| plan.charges_of_study());
        let log_origin = log_origin(&self.hub_key);
        let judge = |charges: &BTreeMap<i16, f64>| {
            policy.judge(&Facts {
                study,
                charges,
                sizes: terms.cohort,
                cohort: &terms.parties,
                roster,
                vouches,
                log_origin: &log_origin,
                district: &self.district,
                decision: said(&decisions, study, before.is_some()),
            })
        };
        if whole != charges {
            let both = judge(&whole)?;
            if let Err(refusal) = ledger.admit(&both)
                && self.officers_override()?.is_none()
            {
                return Err(refusal.into());
            }
        }
        let mut permit = judge(&charges)?;
        if let Some(before) = before {
            permit = permit.continuing(before);
        }
        if let Err(refusal) = ledger.admit(&permit) {
            // The officers' override is looked at only where the books alone say no.
            let Some(document) = self.officers_override()? else { return Err(refusal.into()) };
            permit = permit.overridden(document);
            ledger.admit(&permit)?;
        }
        Ok(permit)
    }

    /// Whether there is a round that a later one with these districts continues.
    pub(crate) fn has_round_before(
        &self,
        study: &Study,
        cohort: &[DistrictId],
        stage: usize,
    ) -> Result<(), Refusal> {
        self.ledger()?.round_before(study.hash(), cohort, stage)?;
        Ok(())
    }

    fn ledger(&self) -> Result<Ledger, Refusal> {
        self.with_journal(|journal| Ledger::from_journal(journal))
            .map_err(|error| Refusal::new(error.code(), error.to_string()))
    }

    fn officers_override(&self) -> Result<Option<Override>, Refusal> {
        let path = self.home.join(OVERRIDE_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bad = |code: &'static str, error: String| {
            tracing::error!(code, error, "override.toml cannot be used");
            Refusal::new(code, "this district's override.toml cannot be used; its log says why")
        };
        let bytes = read_limited(&path, OVERRIDE_BYTES_MAX)
            .map_err(|error| bad(error.code(), error.to_string()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| bad("override_shape", "it is not UTF-8 text".to_owned()))?;
        let document =
            Override::parse(&text).map_err(|error| bad(error.code(), error.to_string()))?;
        Ok(Some(document))
    }

    /// Charges a round. Durable when this returns.
    pub(crate) fn charge(&self, permit: Permit, round: RoundId) -> Result<Spend, Refusal> {
        // The books read the whole journal before they write; so here and below none are read first.
        let charged =
            self.with_journal(|journal| Ledger::default().charge(journal, permit, round, now_ms()));
        Ok(charged?)
    }

    /// Makes the set of survivors durable before it is signed.
    pub(crate) fn answer(&self, round: RoundId, survivors: &[DistrictId]) -> Result<(), Refusal> {
        let answered = self
            .with_journal(|journal| Ledger::default().confirm(journal, round, survivors, now_ms()));
        Ok(answered?)
    }

    /// Notes that a round is over. Its failure is only logged: the charge stands either way.
    pub(crate) fn close_books(
        &self,
        round: RoundId,
        release: Option<flashlight_proto::canonical::Digest>,
        code: &str,
    ) {
        let ended = self
            .with_journal(|journal| Ledger::default().end(journal, round, release, code, now_ms()));
        if let Err(error) = ended {
            tracing::error!(%round, code = error.code(), "the end of a round was not recorded");
        }
    }
}

/// What the officer said of a study. The yes that a first round of growth models used up is for the
/// second, too; `again`: whether there is such a round. A no always counts.
fn said<'a>(decisions: &'a Decisions, study: &Study, again: bool) -> Option<&'a Decision> {
    let said = decisions.about(&study.hash());
    if again { said.or(Some(&Decision::Approved)) } else { said }
}

/// What was paid for, ready to be masked: with noise in `dp`, as it is in `exact`.
pub(crate) fn contribution(
    spend: Spend,
    words: Zeroizing<Vec<i64>>,
    terms: &Terms,
    layout: &Layout,
    district: &DistrictId,
) -> Result<Contribution, Refusal> {
    let noisy = match &terms.noise {
        Some(plan) => noise::perturb(spend, words, plan, layout, district)?,
        None => noise::leave_exact(spend, words)?,
    };
    let ours = noisy.into_contribution(layout);
    ours.map_err(|error| Refusal::new(error.code(), error.to_string()))
}

impl From<consent::Refusal> for Refusal {
    fn from(refusal: consent::Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<ledger::Refusal> for Refusal {
    fn from(refusal: ledger::Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<NoiseError> for Refusal {
    /// The hub is told the code; which word it was stays in this district's log.
    fn from(error: NoiseError) -> Self {
        tracing::error!(code = error.code(), %error, "no noise was added");
        let reason =
            "this district's words do not fit the study's noise plan; its own log says why";
        Self::new(error.code(), reason)
    }
}
