//! A study this node is ready for: what it asks of the records, and the terms of its rounds.
//!
//! In: what the hub chose for a round, from `round.rs`. Out: terms, words, or a refusal. Promise: terms
//! are this node's own but for what the hub may choose. A study of growth models has later rounds, at
//! constants from the sums of the rounds before: their words are counted afresh, and masked once.

use std::sync::Arc;

use flashlight_proto::growth::Broadcast;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::roster::{MemberState, Roster};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::secagg::{Chosen, Party, Terms};
use flashlight_proto::study::Study;
use flashlight_proto::vouch::Vouch;
use flashlight_proto::wire::{Begin, RunId};

use super::blocking;
use crate::gate::Asking;
use crate::node::{Node, Question, Refusal, Words};

/// A study this node is ready for.
pub(super) struct Prepared {
    pub(super) run: RunId,
    pub(super) study: Arc<Study>,
    pub(super) schools: Arc<SchoolTable>,
    /// Of the round the study is at.
    pub(super) layout: Layout,
    pub(super) roster: Roster,
    pub(super) vouches: Vec<Vouch>,
    /// Exact, until they are masked.
    pub(super) words: Option<Words>,
    /// Once the hub has opened the second round, or the third.
    pub(super) later: Option<Later>,
}

/// How far a later round is.
pub(super) struct Later {
    /// 1 in the second round, 2 in the third.
    stage: usize,
    constants: Vec<Broadcast>,
    masked: bool,
}

/// Counts. Reads every record: not for a thread that others wait for.
pub(super) fn count(
    node: &Node,
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
) -> Result<Words, Refusal> {
    let accept_responses = node.accepts_responses()?;
    let district = &node.district;
    (node.contribute)(Question { study, schools, layout, district, accept_responses })
}

pub(super) fn not_prepared() -> Refusal {
    Refusal::new("not_prepared", "this node is not ready for this run")
}

impl Prepared {
    /// Makes ready for the round that begins: the first kind, or a later one.
    ///
    /// # Errors
    /// `growth_unasked`, `growth_order`, and those of the layout; nothing changed then.
    pub(super) fn turn_to(&mut self, node: &Node, begin: &Begin) -> Result<(), Refusal> {
        let order = |what| Err(Refusal::new("growth_order", what));
        let constants = &begin.constants;
        if constants.is_empty() {
            return match (&self.later, &self.words) {
                (None, Some(_)) => Ok(()),
                (None, None) => Err(not_prepared()),
                (Some(_), _) => {
                    order("the hub opened a first round after a later one of the same run")
                }
            };
        }
        if self.study.growth.is_empty() {
            let reason = "the hub sent constants of growth models, the study has none";
            return Err(Refusal::new("growth_unasked", reason));
        }
        let stage = if constants.iter().any(|one| one.effects.is_some()) { 2 } else { 1 };
        match &self.later {
            Some(later) if later.stage == stage && later.masked => {
                return order("this node took part in that round of this run already");
            }
            Some(later) if later.stage == stage && later.constants != *constants => {
                return order("the hub opened that round of this run before, at other constants");
            }
            Some(later) if later.stage == stage => return Ok(()),
            Some(later) if later.stage > stage => {
                return order("the hub opened a second round after the third of the same run");
            }
            _ => {}
        }
        node.has_round_before(&self.study, &begin.cohort, stage)?;
        let layout = Layout::later(&self.study, &self.schools, constants)
            .map_err(|error| Refusal::new(error.code(), chain(&error)))?;
        self.words = None;
        self.layout = layout;
        self.later = Some(Later { stage, constants: constants.clone(), masked: false });
        Ok(())
    }

    /// Counts the words of a later round, unless they are there.
    pub(super) async fn count_again(&mut self, node: &Arc<Node>) -> Result<(), Refusal> {
        if self.words.is_none() {
            let (study, schools) = (Arc::clone(&self.study), Arc::clone(&self.schools));
            let (node, layout) = (Arc::clone(node), self.layout.clone());
            self.words = Some(blocking(move || count(&node, &study, &schools, &layout)).await??);
        }
        Ok(())
    }

    /// The words, once.
    pub(super) fn take_words(&mut self) -> Option<Words> {
        let words = self.words.take();
        if let Some(later) = &mut self.later {
            later.masked |= words.is_some();
        }
        words
    }

    /// What policy and books are asked about.
    pub(super) fn asking(&self) -> Asking<'_> {
        let Self { study, roster, vouches, later, .. } = self;
        Asking { study, roster, vouches, stage: later.as_ref().map_or(0, |later| later.stage) }
    }

    /// The terms of a round, as this node understands them. What it derives itself it does not take
    /// from the hub; where the hub says otherwise, it refuses and says what differs.
    pub(super) fn terms(&self, begin: Begin) -> Result<Terms, Refusal> {
        let differs = |code, what: &str| {
            Err(Refusal::new(code, format!("the hub's {what} is not the one this node derived")))
        };
        if begin.study != self.study.hash() {
            return differs("study_hash", "study");
        }
        if begin.layout != self.layout.hash() {
            return differs("layout_hash", "layout");
        }
        if begin.roster != self.roster.hash() {
            return differs("roster_hash", "roster");
        }
        if begin.max_colluding != u32::from(self.study.cohort.max_colluding) {
            return differs("cohort_rule", "number of districts that may collude");
        }
        let chosen = Chosen {
            round_id: begin.round,
            round_number: begin.round_number,
            nonce: begin.nonce,
            parent_releases: begin.parent_releases,
            roster: begin.roster,
            log_checkpoint: begin.log_checkpoint,
            parties: self.parties(begin.cohort)?,
            max_dropped: u16::try_from(begin.max_dropped).unwrap_or(u16::MAX),
            quorum: u16::try_from(begin.quorum).unwrap_or(u16::MAX),
        };
        Terms::of_study(&self.study, &self.schools, &self.layout, chosen)
            .map_err(|error| Refusal::new(error.code(), error.to_string()))
    }

    /// The cohort with its keys, from the roster this node accepted and from nowhere else.
    fn parties(&self, cohort: Vec<DistrictId>) -> Result<Vec<Party>, Refusal> {
        if let Some(pair) = cohort.windows(2).find(|pair| pair[0] >= pair[1]) {
            let reason = format!("district {} is named twice or out of order", pair[1]);
            return Err(Refusal::new("set_not_ascending", reason));
        }
        let active = |district: DistrictId| match self.roster.find(&district) {
            Some(member) if member.state == MemberState::Active => {
                Ok(Party { district, key: member.key })
            }
            _ => {
                let reason =
                    format!("district {district} of the cohort is not active in the roster");
                Err(Refusal::new("cohort_stranger", reason))
            }
        };
        cohort.into_iter().map(active).collect()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}
