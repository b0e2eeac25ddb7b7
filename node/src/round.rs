//! The node's part in rounds: takes the coordinator's directives one at a time and answers each.
//!
//! In: directives over a stream this node opened. Out: calls it makes. Promise: what was announced is
//! checked before records are read (hub signature, roster, layout, terms), and judged by policy and
//! books (`gate.rs`); every entry of the journal is durable before the message it stands for leaves;
//! a contribution is charged before it is masked, and masked at most once. A round is never resumed:
//! a lost connection or a restart ends it.

use std::sync::Arc;
use std::time::Duration;

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{
    Advertisement, Confirmation, ExpectConfirmations, ExpectKeys, ExpectOrder, ExpectSeals,
    ExpectSharers, ExpectSurvivors, MaskedInput, Opening, OrdersOpened, RoundId, Seal, Step, Terms,
    advertise,
};
use flashlight_proto::wire::pb::district_client::DistrictClient;
use flashlight_proto::wire::{self, Begin, CODE_KEY, Directive, Ended, Logged, RunId, pb};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tonic::transport::Channel;

use crate::gate;
use crate::journal::Entry;
pub use crate::node::{Contribute, Node, Question, Refusal, Words, now_ms};
use crate::noise;

mod prepared;

use prepared::Prepared;

/// Longest wait for the answer to one call.
const CALL_WAIT: Duration = Duration::from_secs(360);

/// Most rounds of one run that this node advertises in: the hub re-cuts 32 times.
const ROUNDS_MAX: u32 = 64;

/// The protocol state of the round this node is in.
enum State {
    Idle,
    Keys(ExpectKeys),
    Order(ExpectOrder),
    Seals(ExpectSeals),
    Sharers(ExpectSharers),
    Survivors(ExpectSurvivors),
    Confirmations(ExpectConfirmations),
}

/// What a finished directive means for people.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell.
    Quiet,
    /// One line.
    Note(String),
}

/// One connection's worth of rounds.
pub struct Session {
    node: Arc<Node>,
    client: DistrictClient<Channel>,
    prepared: Option<Prepared>,
    /// Rounds opened since the study was announced.
    opened: u32,
    round: Option<RoundId>,
    /// The terms of this round once policy and books let it in, until it is charged.
    admitted: Option<Arc<Terms>>,
    state: State,
}

/// Work that takes the processor for more than a moment.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::new("internal", "a computation of this node ended unexpectedly"))
}

impl Session {
    /// A session over an open channel.
    #[must_use]
    pub const fn new(node: Arc<Node>, client: DistrictClient<Channel>) -> Self {
        Self {
            node,
            client,
            prepared: None,
            opened: 0,
            round: None,
            admitted: None,
            state: State::Idle,
        }
    }

    /// Acts on one directive.
    ///
    /// # Errors
    /// The hub's status when a call fails: the session is then over.
    pub async fn act(&mut self, directive: Directive) -> Result<Outcome, tonic::Status> {
        match directive {
            Directive::KeepAlive => Ok(Outcome::Quiet),
            Directive::Announce { run, study, logged } => self.announce(run, study, logged).await,
            Directive::Ended(ended) => Ok(self.ended(&ended)),
            Directive::Advertise(begin) => {
                let round = begin.round;
                let result = self.advertise(*begin).await;
                self.settle(round, Step::Advertise, result).await
            }
            Directive::Order(round, advertisements) => {
                let result = self.open_order(round, advertisements).await;
                self.settle(round, Step::Order, result).await
            }
            Directive::Ordered(round, openings) => {
                let result = self.share_ordered(round, openings).await;
                self.settle(round, Step::Share, result).await
            }
            Directive::Share(round, advertisements) => {
                let result = self.share(round, advertisements).await;
                self.settle(round, Step::Share, result).await
            }
            Directive::Acknowledge(round, seals) => {
                let result = self.acknowledge(round, seals).await;
                self.settle(round, Step::Share, result).await
            }
            Directive::Mask(round, sharers) => {
                let result = self.mask(round, sharers).await;
                self.settle(round, Step::Mask, result).await
            }
            Directive::Confirm(round, survivors) => {
                let result = self.confirm(round, survivors).await;
                self.settle(round, Step::Confirm, result).await
            }
            Directive::Unmask(round, confirmations) => {
                let result = self.unmask(round, confirmations).await;
                self.settle(round, Step::Unmask, result).await
            }
        }
    }

    /// A step that failed here ends the round for this node, and the hub is told why.
    async fn settle(
        &mut self,
        round: RoundId,
        step: Step,
        result: Result<(), StepError>,
    ) -> Result<Outcome, tonic::Status> {
        let refusal = match result {
            Ok(()) => {
                tracing::info!(%round, step = step.as_str(), "sent");
                return Ok(Outcome::Quiet);
            }
            Err(StepError::Status(status)) if status.metadata().get(CODE_KEY).is_none() => {
                return Err(status);
            }
            Err(StepError::Status(status)) => {
                self.state = State::Idle;
                let text = format!("the hub refused this node's {step}: {}", status.message());
                return Ok(Outcome::Note(text));
            }
            Err(StepError::Refusal(refusal)) => refusal,
        };
        self.state = State::Idle;
        tracing::warn!(%round, step = step.as_str(), code = refusal.code, "withdrawn");
        let request = pb::WithdrawRequest {
            round_id: round.as_bytes().to_vec(),
            step: step.as_str().to_owned(),
            code: refusal.code.to_owned(),
            reason: wire::reason(&refusal.reason),
        };
        let sent = self.client.withdraw(request).await;
        if let Err(status) = sent
            && status.metadata().get(CODE_KEY).is_none()
        {
            return Err(status);
        }
        let Refusal { code, reason } = refusal;
        Ok(Outcome::Note(format!("left round {round} at {step}: {reason} ({code})")))
    }

    async fn announce(
        &mut self,
        run: RunId,
        study: Digest,
        logged: Logged,
    ) -> Result<Outcome, tonic::Status> {
        self.prepared = None;
        self.admitted = None;
        self.opened = 0;
        self.state = State::Idle;
        self.node.pause("prepare", "before").await;
        let result = match self.prepare(run, study, logged).await {
            Ok(prepared) => Ok(prepared),
            Err(StepError::Status(status)) => return run_over(&status),
            Err(StepError::Refusal(refusal)) => Err(refusal),
        };
        let mut request = pb::PrepareRequest { run_id: run.0.to_vec(), ..Default::default() };
        let outcome = match result {
            Ok(prepared) => {
                let title = prepared.study.title.clone();
                self.prepared = Some(prepared);
                Outcome::Note(format!("ready for study {title:?} ({study})"))
            }
            Err(Refusal { code, reason }) => {
                tracing::warn!(code, "study refused");
                code.clone_into(&mut request.refusal_code);
                request.refusal_reason = wire::reason(&reason);
                Outcome::Note(format!("does not take part in study {study}: {reason} ({code})"))
            }
        };
        match self.client.prepare(request).await {
            Ok(_) => Ok(outcome),
            Err(status) => {
                self.prepared = None;
                run_over(&status)
            }
        }
    }

    async fn prepare(
        &mut self,
        run: RunId,
        wanted: Digest,
        logged: Logged,
    ) -> Result<Prepared, StepError> {
        self.node.not_behind(logged)?;
        let fetched = self.client.fetch_roster(pb::FetchRosterRequest {}).await?.into_inner();
        let (signed, vouches) = wire::fetched_roster(fetched)
            .map_err(|error| Refusal::new(error.code(), error.to_string()))?;
        let roster = self.node.accept_roster(&signed)?;
        let request = pb::FetchStudyRequest { study_hash: wanted.as_bytes().to_vec() };
        let signed = self.client.fetch_study(request).await?.into_inner();
        let node = Arc::clone(&self.node);
        let prepared = blocking(move || {
            let (study, schools, layout) = node.accept_study(wanted, &signed)?;
            node.consider(&study, &signed)?;
            let words = Some(prepared::count(&node, &study, &schools, &layout)?);
            let (study, schools) = (Arc::new(study), Arc::new(schools));
            let later = None;
            Ok::<_, Refusal>(Prepared {
                run,
                study,
                schools,
                layout,
                roster,
                vouches,
                words,
                later,
            })
        });
        Ok(prepared.await??)
    }

    async fn advertise(&mut self, begin: Begin) -> Result<(), StepError> {
        self.round = Some(begin.round);
        (self.admitted, self.state) = (None, State::Idle);
        let node = Arc::clone(&self.node);
        node.pause("advertise", "before").await;
        let prepared = self.prepared.as_mut().filter(|prepared| prepared.run == begin.run);
        let prepared = prepared.ok_or_else(prepared::not_prepared)?;
        self.opened += 1;
        if self.opened > ROUNDS_MAX {
            let reason = format!("the hub opened {ROUNDS_MAX} rounds of this run already");
            return Err(Refusal::new("too_many_rounds", reason).into());
        }
        let round = begin.round;
        prepared.turn_to(&node, &begin)?;
        let terms = Arc::new(prepared.terms(begin)?);
        let ctx = terms.ctx();
        if node.latest(&format!("ctx/{ctx}"))?.is_some() {
            let reason = "the hub opened a round under terms that were used before";
            return Err(Refusal::new("ctx_replayed", reason).into());
        }
        node.permit(&prepared.asking(), &terms)?;
        prepared.count_again(&node).await?;
        if let (Some(plan), Some(words)) = (&terms.noise, &prepared.words) {
            // A word that would be refused later is refused here, where it costs nothing.
            noise::within_bounds(words, plan, &prepared.layout, &node.district)
                .map_err(Refusal::from)?;
        }
        self.admitted = Some(Arc::clone(&terms));
        let (study, number) = (terms.study, terms.round_number);
        node.record(&Entry::CtxAccepted { ctx, round: round.to_string(), study, number })?;
        let head = node.ledger_head();
        let (state, ours) =
            advertise(terms, &node.district, &node.identity, head, &mut UnwrapErr(SysRng))
                .map_err(Refusal::from)?;
        self.state = State::Keys(state);
        self.client.advertise(wire::advertise_request(round, ours)).await?;
        node.pause("advertise", "after").await;
        Ok(())
    }

    /// The state a step needs, if this is its round.
    fn take(&mut self, round: RoundId) -> State {
        if self.round == Some(round) {
            std::mem::replace(&mut self.state, State::Idle)
        } else {
            State::Idle
        }
    }

    async fn share(
        &mut self,
        round: RoundId,
        advertisements: Vec<Advertisement>,
    ) -> Result<(), StepError> {
        self.node.pause("share", "before").await;
        let State::Keys(state) = self.take(round) else { return Err(out_of_step()) };
        let shared = blocking(move || state.share(advertisements, &mut UnwrapErr(SysRng))).await?;
        self.send_seals(round, shared.map_err(Refusal::from)?).await
    }

    /// Above 254 districts: U₁ is fixed, this node's part of the order is opened.
    async fn open_order(
        &mut self,
        round: RoundId,
        advertisements: Vec<Advertisement>,
    ) -> Result<(), StepError> {
        self.node.pause("order", "before").await;
        let State::Keys(state) = self.take(round) else { return Err(out_of_step()) };
        let node = Arc::clone(&self.node);
        let opened =
            blocking(move || node.with_orders(|orders| state.open_order(advertisements, orders)));
        let (state, random) = opened.await?.map_err(Refusal::from)?;
        self.state = State::Order(state);
        self.client.open_order(wire::open_order_request(round, &random)).await?;
        self.node.pause("order", "after").await;
        Ok(())
    }

    async fn share_ordered(
        &mut self,
        round: RoundId,
        openings: Vec<Opening>,
    ) -> Result<(), StepError> {
        self.node.pause("share", "before").await;
        let State::Order(state) = self.take(round) else { return Err(out_of_step()) };
        let shared = blocking(move || state.share(&openings, &mut UnwrapErr(SysRng))).await?;
        self.send_seals(round, shared.map_err(Refusal::from)?).await
    }

    async fn send_seals(
        &mut self,
        round: RoundId,
        (state, seals): (ExpectSeals, Vec<Seal>),
    ) -> Result<(), StepError> {
        self.state = State::Seals(state);
        self.client
            .share(pb::ShareRequest {
                round_id: round.as_bytes().to_vec(),
                seals: seals.into_iter().map(Into::into).collect(),
            })
            .await?;
        self.node.pause("share", "after").await;
        Ok(())
    }

    async fn acknowledge(&mut self, round: RoundId, seals: Vec<Seal>) -> Result<(), StepError> {
        self.node.pause("acknowledge", "before").await;
        let State::Seals(state) = self.take(round) else { return Err(out_of_step()) };
        let (state, opened) =
            blocking(move || state.acknowledge(seals)).await?.map_err(Refusal::from)?;
        self.state = State::Sharers(state);
        self.client
            .acknowledge(pb::AcknowledgeRequest {
                round_id: round.as_bytes().to_vec(),
                opened: opened.iter().map(ToString::to_string).collect(),
            })
            .await?;
        self.node.pause("acknowledge", "after").await;
        Ok(())
    }

    async fn mask(&mut self, round: RoundId, sharers: Vec<DistrictId>) -> Result<(), StepError> {
        let State::Sharers(state) = self.take(round) else { return Err(out_of_step()) };
        state.check(&sharers).map_err(Refusal::from)?;
        let terms = self.admitted.take().ok_or_else(out_of_step)?;
        let prepared = self.prepared.as_mut().ok_or_else(out_of_step)?;
        let words = prepared.take_words().ok_or_else(out_of_step)?;
        let (study, count) = (prepared.study.hash(), words.len() as u64);
        self.node.pause("mask", "before").await;
        // Judged again: the hub may have let hours pass, and the officer may have said no since.
        let permit = self.node.permit(&prepared.asking(), &terms)?;
        let spend = self.node.charge(permit, round)?;
        self.node.pause("mask", "charged").await;
        let (layout, district) = (prepared.layout.clone(), self.node.district.clone());
        let masked = blocking(move || {
            let ours = gate::contribution(spend, words, &terms, &layout, &district)?;
            state.mask(&sharers, ours).map_err(Refusal::from)
        });
        let (state, masked) = masked.await??;
        self.node.record(&Entry::Masked { round: round.to_string(), study, words: count })?;
        self.node.with_orders(OrdersOpened::masked);
        self.node.pause("mask", "recorded").await;
        self.upload(round, masked).await?;
        self.state = State::Survivors(state);
        self.node.pause("mask", "after").await;
        Ok(())
    }

    /// Sends the masked vector chunk by chunk.
    async fn upload(&mut self, round: RoundId, masked: MaskedInput) -> Result<(), StepError> {
        let (chunks, stream) = tokio::sync::mpsc::channel(2);
        let node = Arc::clone(&self.node);
        let sending = async move {
            for (index, words) in masked.chunks().enumerate() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                let chunk = pb::MaskChunk { round_id: round.as_bytes().to_vec(), index, words };
                if chunks.send(chunk).await.is_err() {
                    break;
                }
                node.pause("mask", "chunk").await;
            }
        };
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let call = tokio::time::timeout(CALL_WAIT, self.client.mask(stream));
        let ((), answer) = tokio::join!(sending, call);
        answer.map_err(|_| {
            Refusal::new("hub_slow", "the hub did not take the masked vector in time")
        })??;
        Ok(())
    }

    async fn confirm(
        &mut self,
        round: RoundId,
        survivors: Vec<DistrictId>,
    ) -> Result<(), StepError> {
        self.node.pause("confirm", "before").await;
        let State::Survivors(state) = self.take(round) else { return Err(out_of_step()) };
        let named = survivors.clone();
        let (state, signature) =
            state.confirm(survivors, &self.node.identity).map_err(Refusal::from)?;
        self.node.answer(round, &named)?;
        self.node.pause("confirm", "recorded").await;
        self.state = State::Confirmations(state);
        self.client
            .confirm(pb::ConfirmRequest {
                round_id: round.as_bytes().to_vec(),
                signature: signature.as_bytes().to_vec(),
            })
            .await?;
        self.node.pause("confirm", "after").await;
        Ok(())
    }

    async fn unmask(
        &mut self,
        round: RoundId,
        confirmations: Vec<Confirmation>,
    ) -> Result<(), StepError> {
        self.node.pause("unmask", "before").await;
        let State::Confirmations(state) = self.take(round) else { return Err(out_of_step()) };
        let unmasking =
            blocking(move || state.unmask(&confirmations)).await?.map_err(Refusal::from)?;
        self.client.unmask(wire::unmask_request(round, &unmasking)).await?;
        self.node.pause("unmask", "after").await;
        Ok(())
    }

    fn ended(&mut self, ended: &Ended) -> Outcome {
        let ours = self.prepared.as_ref().is_some_and(|prepared| prepared.run == ended.run);
        (self.admitted, self.state) = (None, State::Idle);
        if let Some(round) = ended.round {
            self.node.close_books(round, ended.release, &ended.code);
        }
        if ended.recut {
            return Outcome::Quiet;
        }
        self.prepared = None;
        match ended.release {
            _ if !ours => Outcome::Quiet,
            Some(hash) => Outcome::Note(format!("the hub published a release ({hash})")),
            None => Outcome::Note(format!(
                "the run ended without a release: {} ({})",
                ended.reason, ended.code
            )),
        }
    }
}

/// A step did not work out.
enum StepError {
    /// By this node's own judgement.
    Refusal(Refusal),
    /// The hub said no, or could not be reached.
    Status(tonic::Status),
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<tonic::Status> for StepError {
    fn from(status: tonic::Status) -> Self {
        Self::Status(status)
    }
}

/// The hub's refusal of a call about a run, when it is one: the connection is still good. A node that
/// reads its records longer than the hub waits comes too late, and that is no reason to hang up.
fn run_over(status: &tonic::Status) -> Result<Outcome, tonic::Status> {
    if status.metadata().get(CODE_KEY).is_none() {
        return Err(status.clone());
    }
    Ok(Outcome::Note(format!("the run went on without this node: {}", status.message())))
}

fn out_of_step() -> StepError {
    Refusal::new("wrong_step", "the hub asked for a step this node is not at").into()
}
