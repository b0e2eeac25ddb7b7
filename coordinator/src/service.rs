//! The rpcs: authenticate the peer, decode, ask, encode. Nothing here decides on content.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flashlight_proto::identity::DistrictId;
use flashlight_proto::roster::MemberState;
use flashlight_proto::secagg::MAX_NODES;
use flashlight_proto::secagg::{RoundId, Staging};
use flashlight_proto::wire::pb::district_server::District;
use flashlight_proto::wire::pb::enrolment_server::Enrolment;
use flashlight_proto::wire::pb::hub_server::Hub as HubRpc;
use flashlight_proto::wire::{self, CODE_KEY, WireError, pb};
use rand_core::UnwrapErr;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Extensions, Request, Response, Status, Streaming};

use crate::enrolment::EnrolRequest;
use crate::hub::{Hub, SessionGuard, now_ms};
use crate::round::{Event, Message, Patience, Refused, Reply};
use crate::run;
use crate::tls::ConnectInfo;

/// Longest wait for the next chunk of an upload.
const CHUNK_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for one of the places in which uploads are staged.
const UPLOAD_WAIT: Duration = Duration::from_secs(300);

/// Longest wait for the run to answer a message.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Progress lines held for a slow operator.
const PROGRESS_QUEUE: usize = 1024;

/// Longest name of a software version.
const SOFTWARE_MAX: usize = 64;

fn status(kind: Code, code: &'static str, message: impl Into<String>) -> Status {
    let mut status = Status::new(kind, message);
    status.metadata_mut().insert(CODE_KEY, MetadataValue::from_static(code));
    status
}

fn malformed(error: &WireError) -> Status {
    status(Code::InvalidArgument, error.code(), error.to_string())
}

fn refused(refused: Refused) -> Status {
    status(Code::FailedPrecondition, refused.code, refused.reason)
}

/// The rpcs of enrolled districts.
#[derive(Clone)]
pub struct DistrictService(pub(crate) Arc<Hub>);

/// The rpcs of machines with a token.
#[derive(Clone)]
pub struct EnrolmentService(pub(crate) Arc<Hub>);

/// The rpcs of the operator.
#[derive(Clone)]
pub struct HubService(pub(crate) Arc<Hub>);

impl DistrictService {
    /// Who is calling, by the certificate of the connection; asked for every call.
    fn authenticate(&self, extensions: &Extensions) -> Result<DistrictId, Status> {
        let certificate = extensions.get::<ConnectInfo>().and_then(|info| info.certificate);
        self.0.with_state(|state| state.enrolment.authorise(certificate)).map_err(|error| {
            tracing::warn!(code = error.code(), "call refused");
            status(Code::Unauthenticated, error.code(), error.to_string())
        })
    }

    fn events(&self) -> Result<mpsc::Sender<Event>, Status> {
        self.0.events().ok_or_else(|| {
            status(Code::FailedPrecondition, "no_run", "no study is running at the hub")
        })
    }

    async fn ask<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        let gone = || status(Code::Aborted, "round_over", "the round is over");
        let sent = timeout(ANSWER_WAIT, self.events()?.send(event(reply))).await;
        sent.map_err(|_| gone())?.map_err(|_| gone())?;
        let answer = timeout(ANSWER_WAIT, answer).await.map_err(|_| gone())?;
        answer.map_err(|_| gone())?.map_err(refused)
    }

    async fn message(
        &self,
        from: DistrictId,
        round: &[u8],
        message: Message,
    ) -> Result<Response<pb::Receipt>, Status> {
        let round = wire::round_id(round).map_err(|error| malformed(&error))?;
        self.ask(|reply| Event::Message { from, round, message, reply }).await?;
        Ok(Response::new(pb::Receipt {}))
    }

    /// Receives one upload into its staging area; nothing of it counts before it is whole.
    async fn stage(
        &self,
        from: DistrictId,
        chunks: &mut Streaming<pb::MaskChunk>,
    ) -> Result<(RoundId, Staging), Status> {
        let first = next_chunk(chunks).await?.ok_or_else(|| {
            status(Code::InvalidArgument, "truncated", "mask: the upload held no chunk")
        })?;
        let round = wire::round_id(&first.round_id).map_err(|error| malformed(&error))?;
        let district = from.clone();
        let opened = self.ask(|reply| Event::Upload { from: district, round, reply });
        let mut upload = opened.await?;
        let mut chunk = Some(first);
        while let Some(pb::MaskChunk { round_id, index, words }) = chunk {
            if round_id != round.as_bytes() {
                return Err(status(
                    Code::InvalidArgument,
                    "chunk",
                    "mask: a chunk of another round",
                ));
            }
            if let Err(reject) = upload.chunk(index, &words) {
                let reject = Refused::from(reject);
                self.spoilt(from, round, reject.clone()).await;
                return Err(refused(reject));
            }
            chunk = next_chunk(chunks).await?;
        }
        Ok((round, upload))
    }

    /// Tells the run of an upload that broke the rules; whether it hears of it changes nothing.
    async fn spoilt(&self, from: DistrictId, round: RoundId, refused: Refused) {
        if let Ok(events) = self.events() {
            drop(timeout(ANSWER_WAIT, events.send(Event::Spoilt { from, round, refused })).await);
        }
    }
}

async fn next_chunk(
    chunks: &mut Streaming<pb::MaskChunk>,
) -> Result<Option<pb::MaskChunk>, Status> {
    timeout(CHUNK_WAIT, chunks.message())
        .await
        .map_err(|_| status(Code::DeadlineExceeded, "upload_stalled", "mask: the upload stalled"))?
}

/// The directives of one connection; dropping it ends the session.
pub struct Directives {
    inbox: mpsc::Receiver<Arc<pb::Directive>>,
    _guard: SessionGuard,
}

impl Stream for Directives {
    type Item = Result<pb::Directive, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inbox
            .poll_recv(context)
            .map(|next| next.map(|directive| Ok(Arc::unwrap_or_clone(directive))))
    }
}

#[tonic::async_trait]
impl District for DistrictService {
    type ListenStream = Directives;

    async fn listen(
        &self,
        request: Request<pb::ListenRequest>,
    ) -> Result<Response<Directives>, Status> {
        let district = self.authenticate(request.extensions())?;
        if request.get_ref().software.len() > SOFTWARE_MAX {
            return Err(status(Code::InvalidArgument, "malformed", "field software is too long"));
        }
        tracing::info!(%district, "connected");
        let (inbox, guard) = self.0.connect(district);
        Ok(Response::new(Directives { inbox, _guard: guard }))
    }

    async fn fetch_roster(
        &self,
        request: Request<pb::FetchRosterRequest>,
    ) -> Result<Response<pb::SignedRoster>, Status> {
        self.authenticate(request.extensions())?;
        let (signed, vouches) = self.0.with_state(|state| {
            let vouches = state.enrolment.vouches().map(ToString::to_string).collect();
            (state.enrolment.signed_roster().clone(), vouches)
        });
        Ok(Response::new(wire::roster_reply(signed, vouches)))
    }

    async fn vouch(
        &self,
        request: Request<pb::VouchRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let text = request.into_inner().vouch;
        let vouched = self
            .0
            .with_state(|state| state.enrolment.vouch(&from, &text, &mut state.journal, now_ms()));
        vouched.map_err(|error| {
            tracing::warn!(district = %from, code = error.code(), "vouch refused");
            let internal = error.is_internal();
            let kind = if internal { Code::Internal } else { Code::FailedPrecondition };
            status(kind, error.code(), error.to_string())
        })?;
        tracing::info!(district = %from, "vouched");
        Ok(Response::new(pb::Receipt {}))
    }

    async fn fetch_study(
        &self,
        request: Request<pb::FetchStudyRequest>,
    ) -> Result<Response<pb::SignedStudy>, Status> {
        self.authenticate(request.extensions())?;
        let wanted = &request.get_ref().study_hash;
        let offered = self.0.offered().filter(|offered| offered.hash.as_bytes() == &wanted[..]);
        let offered = offered.ok_or_else(|| {
            status(Code::NotFound, "study_unknown", "no study with this hash is running")
        })?;
        Ok(Response::new(offered.signed))
    }

    async fn prepare(
        &self,
        request: Request<pb::PrepareRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let run = wire::run_id(&request.run_id).map_err(|error| malformed(&error))?;
        let refusal = (!request.refusal_code.is_empty())
            .then(|| (wire::reason(&request.refusal_code), wire::reason(&request.refusal_reason)));
        let sent = self.events()?.send(Event::Prepared { from, run, refusal }).await;
        sent.map_err(|_| status(Code::Aborted, "round_over", "the run is over"))?;
        Ok(Response::new(pb::Receipt {}))
    }

    async fn advertise(
        &self,
        request: Request<pb::AdvertiseRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let ours = wire::advertisement(&from, &request).map_err(|error| malformed(&error))?;
        self.message(from, &request.round_id, Message::Advertise(Box::new(ours))).await
    }

    async fn open_order(
        &self,
        request: Request<pb::OpenOrderRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let random = wire::order_random(&request).map_err(|error| malformed(&error))?;
        self.message(from, &request.round_id, Message::OpenOrder(random)).await
    }

    async fn share(
        &self,
        request: Request<pb::ShareRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let seals = wire::seals(request.seals).map_err(|error| malformed(&error))?;
        self.message(from, &request.round_id, Message::Share(seals)).await
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let opened = wire::peers(&request.opened, "opened").map_err(|error| malformed(&error))?;
        self.message(from, &request.round_id, Message::Acknowledge(opened)).await
    }

    async fn mask(
        &self,
        request: Request<Streaming<pb::MaskChunk>>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let mut chunks = request.into_inner();
        let Some(_claim) = self.0.claim_upload(&from) else {
            let text = "mask: this district has another upload under way";
            return Err(status(Code::FailedPrecondition, "upload_in_progress", text));
        };
        let uploads = Arc::clone(&self.0.uploads);
        let busy = || status(Code::ResourceExhausted, "uploads_busy", "mask: no place to stage");
        let permit = timeout(UPLOAD_WAIT, uploads.acquire_owned()).await.map_err(|_| busy())?;
        let _permit = permit.map_err(|_| busy())?;
        let (round, upload) = self.stage(from.clone(), &mut chunks).await?;
        let message = Message::Mask(upload);
        self.ask(|reply| Event::Message { from, round, message, reply }).await?;
        Ok(Response::new(pb::Receipt {}))
    }

    async fn confirm(
        &self,
        request: Request<pb::ConfirmRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let request = request.into_inner();
        let signature = wire::confirm_signature(&request).map_err(|error| malformed(&error))?;
        self.message(from, &request.round_id, Message::Confirm(signature)).await
    }

    async fn unmask(
        &self,
        request: Request<pb::UnmaskRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let mut request = request.into_inner();
        let round = std::mem::take(&mut request.round_id);
        self.message(from, &round, Message::Unmask(request)).await
    }

    async fn withdraw(
        &self,
        request: Request<pb::WithdrawRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let from = self.authenticate(request.extensions())?;
        let pb::WithdrawRequest { round_id, step, code, reason } = request.into_inner();
        let [step, code, reason] = [step, code, reason].map(|text| wire::reason(&text));
        self.message(from, &round_id, Message::Withdraw { step, code, reason }).await
    }
}

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn enroll(
        &self,
        request: Request<pb::EnrollRequest>,
    ) -> Result<Response<pb::EnrollReply>, Status> {
        let request = request.into_inner();
        let asked = EnrolRequest {
            token_secret: &request.token_secret,
            csr_der: &request.csr_der,
            identity_key: &request.identity_key,
            possession: &request.possession,
        };
        let reply =
            self.0.with_state(|state| state.enrolment.enroll(&asked, &mut state.journal, now_ms()));
        let reply = reply.map_err(|error| {
            tracing::warn!(code = error.code(), "enrolment refused");
            let kind = if error.is_internal() { Code::Internal } else { Code::PermissionDenied };
            status(kind, error.code(), error.to_string())
        })?;
        tracing::info!(district = %reply.district, "enrolled");
        Ok(Response::new(pb::EnrollReply {
            district_id: reply.district.to_string(),
            district_name: reply.name,
            certificate_der: reply.certificate_der,
            ca_der: reply.ca_der,
            hub_key: reply.hub_key.as_bytes().to_vec(),
        }))
    }
}

fn district_id(text: &str) -> Result<DistrictId, Status> {
    text.parse().map_err(|error: flashlight_proto::identity::IdentityError| {
        status(Code::InvalidArgument, "district_id", error.to_string())
    })
}

#[tonic::async_trait]
impl HubRpc for HubService {
    type RunStream = ReceiverStream<Result<pb::Progress, Status>>;

    async fn invite(
        &self,
        request: Request<pb::InviteRequest>,
    ) -> Result<Response<pb::InviteReply>, Status> {
        let request = request.into_inner();
        let district = district_id(&request.district_id)?;
        let ttl = Duration::from_secs(u64::from(request.expires_hours) * 3600);
        let token = self.0.with_state(|state| {
            let rng = &mut UnwrapErr(getrandom::SysRng);
            let name = &request.district_name;
            state.enrolment.invite(district, name, ttl, &mut state.journal, now_ms(), rng)
        });
        let token = token
            .map_err(|error| status(Code::FailedPrecondition, error.code(), error.to_string()))?;
        Ok(Response::new(pb::InviteReply {
            token: token.to_text().to_string(),
            words: self.0.words().to_owned(),
        }))
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let request = request.into_inner();
        let district = district_id(&request.district_id)?;
        let revoked = self.0.with_state(|state| {
            let reason = &request.reason;
            state.enrolment.revoke(district.clone(), reason, &mut state.journal, now_ms())
        });
        revoked
            .map_err(|error| status(Code::FailedPrecondition, error.code(), error.to_string()))?;
        self.0.disconnect(&district);
        Ok(Response::new(pb::Receipt {}))
    }

    async fn show_roster(
        &self,
        _: Request<pb::ShowRosterRequest>,
    ) -> Result<Response<pb::ShowRosterReply>, Status> {
        let live = self.0.sessions();
        let count = |vouches: usize| u32::try_from(vouches).unwrap_or(u32::MAX);
        let reply = self.0.with_state(|state| {
            let roster = state.enrolment.roster();
            let members = roster.members().iter().map(|member| pb::RosterLine {
                district_id: member.district.to_string(),
                district_name: member.name.clone(),
                state: member.state.as_str().to_owned(),
                connected: member.state == MemberState::Active
                    && live.contains_key(&member.district),
                vouches: count(state.enrolment.vouched(&member.district)),
            });
            let invited =
                state.enrolment.invited(now_ms()).map(|(district, name)| pb::RosterLine {
                    district_id: district.to_string(),
                    district_name: name.to_owned(),
                    state: "invited".to_owned(),
                    connected: false,
                    vouches: 0,
                });
            let version = roster.version();
            pb::ShowRosterReply { version, lines: members.chain(invited).collect() }
        });
        Ok(Response::new(reply))
    }

    async fn run(
        &self,
        request: Request<pb::RunRequest>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let request = request.into_inner();
        let patience = Patience {
            gather: Duration::from_secs(u64::from(request.gather_seconds)),
            step: Duration::from_secs(u64::from(request.step_seconds)),
        };
        let names = request.cohort.iter().take(MAX_NODES).map(|id| id.parse());
        let cohort = names.collect::<Result<BTreeSet<DistrictId>, _>>();
        let cohort = cohort.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (lines, stream) = mpsc::channel(PROGRESS_QUEUE);
        let (progress, mut told) = mpsc::channel::<pb::Progress>(PROGRESS_QUEUE);
        let hub = Arc::clone(&self.0);
        // The run goes on when the operator's terminal goes away.
        tokio::spawn(async move {
            let path = std::path::PathBuf::from(request.study_path);
            let ran = run::run(hub, &path, patience, cohort, progress);
            tokio::pin!(ran);
            let last = loop {
                tokio::select! {
                    biased;
                    Some(line) = told.recv() => drop(lines.send(Ok(line)).await),
                    result = &mut ran => break last_line(result),
                }
            };
            while let Ok(line) = told.try_recv() {
                drop(lines.send(Ok(line)).await);
            }
            drop(lines.send(Ok(last)).await);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn last_line(result: Result<String, run::RunError>) -> pb::Progress {
    match result {
        Ok(release_path) => {
            pb::Progress { step: "done".to_owned(), release_path, ..pb::Progress::default() }
        }
        Err(error) => {
            tracing::warn!(code = error.code(), "run aborted");
            pb::Progress {
                step: "aborted".to_owned(),
                code: error.code().to_owned(),
                text: error.chain(),
                ..pb::Progress::default()
            }
        }
    }
}
