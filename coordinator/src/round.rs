//! One task owns one run of a study: gathers ready nodes, drives rounds of secure aggregation
//! through their steps, re-cuts the cohort while that is still free, and publishes or aborts.
//!
//! In: [`Event`]s from authenticated districts. Out: directives to them, journal entries, one
//! release folder. Promise: everything here is decided by the states of `secagg`; this file adds
//! deadlines and tells who is gone. Not promised: resuming a round after a restart. It is aborted
//! and run again under a new id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::secagg::{
    Abort, Advertisement, CollectKeys, CollectMasked, CollectSeals, NoisySum, Party, RoundId, Step,
    Terms,
};
use flashlight_proto::wire::{Begin, Directive, Ended, one_line, pb};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

mod later;
mod phase;

use crate::hub::{Hub, SessionId};
use crate::journal::Entry;
use crate::run::{Estimates, Run, RunError};

use phase::Phase;
pub(crate) use phase::{Event, Message, Refused, Reply};

/// Events a run takes in before senders wait.
pub(crate) const EVENT_QUEUE: usize = 256;

/// Rounds a run may start because the cohort was re-cut. Every re-cut loses at least one district,
/// so this only bounds the log.
const MAX_RECUTS: u64 = 32;

/// Why a round did not give a sum.
enum Stop {
    /// Before anybody masked: run again without these, at no cost.
    Recut(BTreeSet<DistrictId>, Step),
    /// For good.
    Abort(RunError),
}

impl From<Abort> for Stop {
    fn from(abort: Abort) -> Self {
        Self::Abort(RunError::from(abort))
    }
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Self::Abort(error)
    }
}

/// The sum of one round and what it was taken over. A clone is cheap.
#[derive(Clone)]
pub(crate) struct Summed {
    pub(crate) terms: Arc<Terms>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) sum: Arc<NoisySum>,
}

/// All sums of one run.
pub(crate) struct Finished {
    pub(crate) first: Summed,
    /// Of growth models: the second round, and the third where school effects are counted.
    pub(crate) later: Vec<Summed>,
    pub(crate) estimates: Estimates,
}

/// One run on its way through its rounds.
pub(crate) struct Driver {
    pub(crate) hub: Arc<Hub>,
    pub(crate) run: Run,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) progress: mpsc::Sender<pb::Progress>,
    /// Who has left the round that is open, also when that was during an earlier step.
    pub(crate) withdrawn: BTreeSet<DistrictId>,
}

/// A district that is ready, over the connection on which it said so.
type Ready = BTreeMap<DistrictId, SessionId>;

impl Driver {
    /// Runs until all sums are opened or nothing more can be done.
    pub(crate) async fn drive(&mut self) -> Result<Finished, RunError> {
        let (first, ready) = self.first().await?;
        if self.run.study.growth.is_empty() {
            return Ok(Finished { first, later: Vec::new(), estimates: Estimates::default() });
        }
        let (later, estimates) = self.growth(&first, ready).await?;
        Ok(Finished { first, later, estimates })
    }

    /// Runs until the first sum is opened, and tells over which connections.
    async fn first(&mut self) -> Result<(Summed, Ready), RunError> {
        let deadline = Instant::now() + self.run.gather;
        let mut ready = self.gather(Ready::new(), deadline).await?;
        for recut in 0..=MAX_RECUTS {
            self.run.enough(&ready)?;
            let terms = Arc::new(self.open_round(&ready)?);
            self.withdrawn.clear();
            match self.round(&terms, &ready).await {
                Ok(sum) => return Ok((self.summed(terms, sum), ready)),
                Err(Stop::Recut(lost, _)) if self.run.is_fixed() => {
                    return Err(self.run.incomplete(lost.into_iter().collect()));
                }
                Err(Stop::Recut(lost, step)) if recut < MAX_RECUTS => {
                    self.recut(&terms, &mut ready, &lost, step)?;
                }
                Err(Stop::Recut(..)) => return Err(RunError::TooManyRecuts),
                Err(Stop::Abort(error)) => return Err(error),
            }
        }
        Err(RunError::TooManyRecuts)
    }

    /// A sum of the round that the run is at.
    fn summed(&self, terms: Arc<Terms>, sum: NoisySum) -> Summed {
        Summed { terms, layout: Arc::clone(self.run.layout()), sum: Arc::new(sum) }
    }

    fn recut(
        &mut self,
        terms: &Terms,
        ready: &mut Ready,
        lost: &BTreeSet<DistrictId>,
        step: Step,
    ) -> Result<(), RunError> {
        let names = list(lost);
        let reason =
            format!("{step}: lost {names} before anybody had masked; the cohort is re-cut");
        self.say(step.as_str(), 0, 0, &reason);
        self.hub.record(&Entry::RoundEnded {
            round: terms.round_id.to_string(),
            code: "recut".to_owned(),
            reason: reason.clone(),
        })?;
        let ended = Ended {
            run: self.run.id,
            round: Some(terms.round_id),
            release: None,
            code: "recut".to_owned(),
            reason,
            recut: true,
        };
        for district in ready.keys() {
            self.hub.send(district, Directive::Ended(ended.clone()));
        }
        ready.retain(|district, _| !lost.contains(district));
        Ok(())
    }

    /// Waits until every active district has answered, or the time is up.
    ///
    /// `ready`: those who have answered already, and are not asked again while they stay connected.
    async fn gather(&mut self, mut ready: Ready, deadline: Instant) -> Result<Ready, RunError> {
        if let Some(text) = self.run.why_fixed() {
            self.say("gather", 0, 0, &text);
        }
        let mut want = self.run.wanted().count();
        let mut announced = ready.clone();
        let mut refused: BTreeMap<DistrictId, String> = BTreeMap::new();
        loop {
            if self.run.renew_roster(&self.hub) {
                want = self.run.wanted().count();
                announced.clear();
                ready.clear();
                refused.clear();
            }
            let wanted: BTreeSet<DistrictId> = self.run.wanted().collect();
            let live = self.hub.sessions();
            for (district, session) in live.into_iter().filter(|(one, _)| wanted.contains(one)) {
                if announced.get(&district) != Some(&session) {
                    let (run, study) = (self.run.id, self.run.study.hash());
                    let logged = self.hub.logged(&district)?;
                    let announce = Directive::Announce { run, study, logged };
                    self.hub.send(&district, announce);
                    announced.insert(district.clone(), session);
                    ready.remove(&district);
                }
            }
            let live = self.hub.sessions();
            ready.retain(|district, session| live.get(district) == Some(session));
            if ready.len() + refused.len() >= want {
                break;
            }
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(Event::Prepared { from, run, refusal }) if run == self.run.id => {
                        self.prepared(&announced, &mut ready, &mut refused, from, refusal, want);
                    }
                    Some(event) => refuse(event, "no_round", "no round is open yet"),
                    None => return Err(RunError::HubStopped),
                },
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        return Err(RunError::HubStopped);
                    }
                }
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        self.hub.pause("gather", "after").await;
        Ok(ready)
    }

    fn prepared(
        &self,
        announced: &Ready,
        ready: &mut Ready,
        refused: &mut BTreeMap<DistrictId, String>,
        from: DistrictId,
        refusal: Option<(String, String)>,
        want: usize,
    ) {
        if let Some((code, reason)) = refusal {
            let text = format!("district {from} does not take part: {reason} ({code})");
            self.say("gather", ready.len(), want, &text);
            refused.insert(from, code);
        } else if let Some(session) = announced.get(&from) {
            ready.insert(from.clone(), *session);
            refused.remove(&from);
            self.say("gather", ready.len(), want, &format!("district {from} is ready"));
        }
    }

    /// Fixes the terms of a new round and makes them durable before anybody hears of them.
    fn open_round(&self, ready: &Ready) -> Result<Terms, RunError> {
        let chosen = self.run.choose(&self.hub, ready.keys())?;
        let terms = Terms::of_study(&self.run.study, &self.run.schools, self.run.layout(), chosen)
            .map_err(|error| RunError::Cohort(Box::new(error)))?;
        self.hub.record(&Entry::RoundStarted {
            run: hex::encode(self.run.id.0),
            round: terms.round_id.to_string(),
            number: terms.round_number,
            study: terms.study,
            ctx: terms.ctx(),
            cohort: names(&terms.parties),
            questions: self.run.questions.iter().cloned().collect(),
            quorum: terms.cohort.t,
        })?;
        Ok(terms)
    }

    /// All steps of one round.
    async fn round(&mut self, terms: &Arc<Terms>, ready: &Ready) -> Result<NoisySum, Stop> {
        let cohort: Vec<DistrictId> = names(&terms.parties);
        let round = terms.round_id;
        let begin = self.begin(terms, &cohort);
        self.hub.send_all(&cohort, Directive::Advertise(Box::new(begin)));

        let mut phase = Phase::Keys(CollectKeys::new(Arc::clone(terms)));
        self.collect_all(&mut phase, round, &cohort, ready).await?;
        let Phase::Keys(state) = phase else { return Err(Stop::Abort(RunError::HubStopped)) };
        let state = if terms.graph.is_sparse() {
            self.order(state, round, &cohort, ready).await?
        } else {
            let (state, advertisements) = state.close()?;
            self.log_heads(round, &advertisements)?;
            self.hub.send_all(&cohort, Directive::Share(round, advertisements));
            state
        };

        let mut phase = Phase::Seals(state);
        self.collect_all(&mut phase, round, &cohort, ready).await?;
        let Phase::Seals(state) = phase else { return Err(Stop::Abort(RunError::HubStopped)) };
        let (state, mut seals) = state.close()?;
        for district in &cohort {
            let ours = seals.remove(district).unwrap_or_default();
            self.hub.send(district, Directive::Acknowledge(round, ours));
        }

        let mut phase = Phase::Acknowledgements(state);
        self.collect_all(&mut phase, round, &cohort, ready).await?;
        let Phase::Acknowledgements(state) = phase else {
            return Err(Stop::Abort(RunError::HubStopped));
        };
        // Before `close`, which would end the run when more are left out than may drop: leaving
        // districts out is still free.
        let agreed = state.agreed();
        let left_out: BTreeSet<_> =
            cohort.iter().filter(|one| !agreed.contains(*one)).cloned().collect();
        if !left_out.is_empty() {
            return Err(Stop::Recut(left_out, Step::Share));
        }
        let (state, sharers) = state.close()?;
        self.open(state, round, &sharers, ready).await
    }

    /// The step of the sparse graph alone: opens the order, and tells it to everybody. Nodes do so
    /// for a few rounds in a row only (`MAX_ORDERS_OPENED`), and then withdraw.
    async fn order(
        &mut self,
        state: CollectKeys,
        round: RoundId,
        cohort: &[DistrictId],
        ready: &Ready,
    ) -> Result<CollectSeals, Stop> {
        let (state, advertisements) = state.freeze()?;
        self.log_heads(round, &advertisements)?;
        self.hub.send_all(cohort, Directive::Order(round, advertisements));
        let mut phase = Phase::Order(state);
        self.collect_all(&mut phase, round, cohort, ready).await?;
        let Phase::Order(state) = phase else { return Err(Stop::Abort(RunError::HubStopped)) };
        let (state, openings) = state.close()?;
        self.hub.send_all(cohort, Directive::Ordered(round, openings));
        Ok(state)
    }

    /// The steps after which a district can no longer be left out for free.
    async fn open(
        &mut self,
        state: CollectMasked,
        round: RoundId,
        sharers: &[DistrictId],
        ready: &Ready,
    ) -> Result<NoisySum, Stop> {
        self.record(&Entry::Masking { round: round.to_string() })?;
        self.hub.send_all(sharers, Directive::Mask(round, sharers.to_vec()));
        let mut phase = Phase::Masked(state);
        self.collect(&mut phase, round, sharers, ready).await?;
        let Phase::Masked(state) = phase else { return Err(Stop::Abort(RunError::HubStopped)) };
        let (state, survivors) = state.close()?;
        let named = survivors.clone();
        self.record(&Entry::SurvivorsNamed { round: round.to_string(), survivors: named })?;
        self.hub.send_all(&survivors, Directive::Confirm(round, survivors.clone()));

        let mut phase = Phase::Confirmations(state);
        self.collect(&mut phase, round, &survivors, ready).await?;
        let confirmed = phase.have();
        let Phase::Confirmations(state) = phase else {
            return Err(Stop::Abort(RunError::HubStopped));
        };
        let (state, confirmations) = state.close()?;
        self.hub.send_all(&survivors, Directive::Unmask(round, confirmations));

        let mut phase = Phase::Unmask(state);
        self.collect(&mut phase, round, &confirmed, ready).await?;
        let Phase::Unmask(state) = phase else { return Err(Stop::Abort(RunError::HubStopped)) };
        tokio::task::spawn_blocking(move || state.close())
            .await
            .map_err(|_| Stop::Abort(RunError::HubStopped))?
            .map_err(Stop::from)
    }

    /// Writes down how far everybody's journal has come.
    fn log_heads(&self, round: RoundId, shown: &[Advertisement]) -> Result<(), RunError> {
        let ledger =
            |one: &Advertisement| (one.district.clone(), one.ledger.entries, one.ledger.digest);
        let ledgers = shown.iter().map(ledger).collect();
        self.record(&Entry::Advertised { round: round.to_string(), ledgers })
    }

    /// Durable before the directive that rests on it leaves.
    fn record(&self, entry: &Entry) -> Result<(), RunError> {
        Ok(self.hub.record(entry)?)
    }

    fn begin(&self, terms: &Terms, cohort: &[DistrictId]) -> Begin {
        Begin {
            run: self.run.id,
            round: terms.round_id,
            round_number: terms.round_number,
            nonce: terms.nonce,
            study: terms.study,
            layout: terms.layout,
            roster: terms.roster,
            cohort: cohort.to_vec(),
            max_dropped: u32::from(terms.cohort.n - terms.cohort.m),
            max_colluding: u32::from(self.run.study.cohort.max_colluding),
            parent_releases: terms.parent_releases.clone(),
            log_checkpoint: terms.log_checkpoint,
            quorum: u32::from(terms.cohort.t),
            constants: self.run.constants().to_vec(),
        }
    }

    /// A step in which losing anybody re-cuts the cohort.
    async fn collect_all(
        &mut self,
        phase: &mut Phase,
        round: RoundId,
        members: &[DistrictId],
        ready: &Ready,
    ) -> Result<(), Stop> {
        let lost = self.collect(phase, round, members, ready).await?;
        if lost.is_empty() { Ok(()) } else { Err(Stop::Recut(lost, phase.step())) }
    }

    /// Takes messages of one step until every member has answered or is lost: disconnected,
    /// withdrawn, or silent past the step's deadline. Returns who was lost.
    async fn collect(
        &mut self,
        phase: &mut Phase,
        round: RoundId,
        members: &[DistrictId],
        ready: &Ready,
    ) -> Result<BTreeSet<DistrictId>, RunError> {
        self.hub.pause(phase.word(), "before").await;
        let patience = match phase {
            // Nodes count again before they advertise.
            Phase::Keys(_) if self.run.past_rounds().next().is_some() => self.run.gather,
            _ => self.run.step,
        };
        let deadline = Instant::now() + patience.max(self.run.step);
        let mut withdrawn = std::mem::take(&mut self.withdrawn);
        let mut shown = usize::MAX;
        let lost = loop {
            let have: BTreeSet<DistrictId> = phase.have().into_iter().collect();
            if have.len() != shown {
                shown = have.len();
                self.say(phase.word(), shown, members.len(), "");
            }
            let live = self.hub.sessions();
            let gone = |district: &DistrictId| {
                withdrawn.contains(district) || live.get(district) != ready.get(district)
            };
            let missing = members.iter().filter(|one| !have.contains(*one));
            let (lost, waited): (Vec<_>, Vec<_>) = missing.cloned().partition(gone);
            if waited.is_empty() {
                break lost.into_iter().collect();
            }
            tokio::select! {
                event = self.events.recv() => {
                    let event = event.ok_or(RunError::HubStopped)?;
                    self.take(phase, round, event, &mut withdrawn);
                }
                changed = self.changes.changed() => changed.map_err(|_| RunError::HubStopped)?,
                () = tokio::time::sleep_until(deadline) => {
                    break lost.into_iter().chain(waited).collect();
                }
            }
        };
        self.withdrawn = withdrawn;
        self.report_lost(phase, &lost, members.len());
        self.hub.pause(phase.word(), "after").await;
        Ok(lost)
    }

    fn report_lost(&self, phase: &Phase, lost: &BTreeSet<DistrictId>, members: usize) {
        if !lost.is_empty() {
            let text = format!("lost {}", list(lost));
            self.say(phase.word(), members - lost.len(), members, &text);
        }
    }

    fn take(
        &self,
        phase: &mut Phase,
        round: RoundId,
        event: Event,
        withdrawn: &mut BTreeSet<DistrictId>,
    ) {
        match event {
            Event::Message { from, round: named, message, reply } if named == round => {
                if let Message::Withdraw { step, code, reason } = message {
                    let text = format!("district {from} withdraws at {step}: {reason} ({code})");
                    self.say(phase.word(), phase.have().len(), 0, &text);
                    withdrawn.insert(from);
                    answer(reply, Ok(()));
                    return;
                }
                let result = phase.accept(&from, message);
                if let Err(refused) = &result {
                    self.report_refused(phase, round, &from, refused);
                }
                answer(reply, result);
            }
            Event::Upload { from, round: named, reply } if named == round => {
                let result = match phase {
                    Phase::Masked(state) => state.stage(&from).map_err(Refused::from),
                    other => {
                        let reason = format!("the round is at step {}", other.word());
                        Err(Refused::new("wrong_step", reason))
                    }
                };
                answer(reply, result);
            }
            Event::Spoilt { from, round: named, refused } if named == round => {
                self.report_refused(phase, round, &from, &refused);
            }
            event => refuse(event, "round_unknown", "this round is not open"),
        }
    }

    fn report_refused(&self, phase: &Phase, round: RoundId, from: &DistrictId, refused: &Refused) {
        let Refused { code, reason } = refused;
        tracing::warn!(%round, district = %from, step = phase.word(), code, "refused");
        self.say(phase.word(), phase.have().len(), 0, &format!("refused {from}: {reason}"));
    }

    pub(crate) fn say(&self, step: &str, have: usize, want: usize, text: &str) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = pb::Progress {
            step: step.to_owned(),
            have: count(have),
            want: count(want),
            text: one_line(text),
            ..pb::Progress::default()
        };
        if self.progress.try_send(line).is_err() {
            tracing::debug!("nobody reads the progress of this run");
        }
    }
}

/// How long a run waits, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) gather: Duration,
    pub(crate) step: Duration,
}

fn names(parties: &[Party]) -> Vec<DistrictId> {
    parties.iter().map(|party| party.district.clone()).collect()
}

pub(crate) fn list<'a>(districts: impl IntoIterator<Item = &'a DistrictId>) -> String {
    let names: Vec<&str> = districts.into_iter().map(DistrictId::as_str).collect();
    names.join(", ")
}

fn answer<T>(reply: Reply<T>, result: Result<T, Refused>) {
    if reply.send(result).is_err() {
        tracing::debug!("a district hung up before its answer");
    }
}

fn refuse(event: Event, code: &'static str, reason: &str) {
    match event {
        Event::Prepared { .. } | Event::Spoilt { .. } => {}
        Event::Message { reply, .. } => answer(reply, Err(Refused::new(code, reason))),
        Event::Upload { reply, .. } => answer(reply, Err(Refused::new(code, reason))),
    }
}
