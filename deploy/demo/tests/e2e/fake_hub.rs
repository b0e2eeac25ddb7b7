//! A hub that holds the real hub's keys and everybody's but one node's, and says what the test wants.

use std::sync::{Arc, Mutex};

use flashlight_coordinator::ca::Authority;
use flashlight_coordinator::enrolment::Enrolment;
use flashlight_coordinator::journal::Journal;
use flashlight_coordinator::tls::{Limits, accept, bind, server_config};
use flashlight_node::round::now_ms;
use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::roster::{Roster, SignedRoster};
use flashlight_proto::study::study_digest;
use flashlight_proto::wire::pb::directive::Directive as Wire;
use flashlight_proto::wire::pb::district_server::{District, DistrictServer};
use flashlight_proto::wire::{self, CODE_KEY, pb};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::data::{DISTRICTS, StudyText};
use crate::fake_node::{Question, runtime};
use crate::network::{Net, PATIENCE};

/// The node that is lied to.
pub(crate) const VICTIM: &str = "D1";

/// What the node said.
#[derive(Debug)]
pub(crate) enum Call {
    Listen,
    Prepare(pb::PrepareRequest),
    Advertise(pb::AdvertiseRequest),
    Share(pb::ShareRequest),
    Acknowledge(pb::AcknowledgeRequest),
    Mask(Vec<pb::MaskChunk>),
    Confirm,
    Unmask(pb::UnmaskRequest),
    Withdraw(pb::WithdrawRequest),
}

type Sent = Result<pb::Directive, Status>;

/// What the node gets when it asks.
pub(crate) struct Offer {
    pub(crate) roster: SignedRoster,
    /// As text, whatever it says.
    pub(crate) vouches: Vec<String>,
    pub(crate) study: pb::SignedStudy,
    /// The code with which every `Prepare` is refused.
    pub(crate) refuses: Option<&'static str>,
}

#[derive(Clone)]
struct Service {
    offer: Arc<Mutex<Offer>>,
    calls: mpsc::UnboundedSender<Call>,
    stream: Arc<Mutex<Option<mpsc::Sender<Sent>>>>,
}

impl Service {
    fn heard(&self, call: Call) -> Result<Response<pb::Receipt>, Status> {
        drop(self.calls.send(call));
        Ok(Response::new(pb::Receipt {}))
    }
}

#[tonic::async_trait]
impl District for Service {
    type ListenStream = ReceiverStream<Sent>;

    async fn listen(
        &self,
        _: Request<pb::ListenRequest>,
    ) -> Result<Response<Self::ListenStream>, Status> {
        let (sender, stream) = mpsc::channel(64);
        *self.stream.lock().unwrap() = Some(sender);
        drop(self.calls.send(Call::Listen));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn fetch_roster(
        &self,
        _: Request<pb::FetchRosterRequest>,
    ) -> Result<Response<pb::SignedRoster>, Status> {
        let offer = self.offer.lock().unwrap();
        Ok(Response::new(wire::roster_reply(offer.roster.clone(), offer.vouches.clone())))
    }

    async fn vouch(&self, _: Request<pb::VouchRequest>) -> Result<Response<pb::Receipt>, Status> {
        Ok(Response::new(pb::Receipt {}))
    }

    async fn fetch_study(
        &self,
        _: Request<pb::FetchStudyRequest>,
    ) -> Result<Response<pb::SignedStudy>, Status> {
        Ok(Response::new(self.offer.lock().unwrap().study.clone()))
    }

    async fn prepare(
        &self,
        request: Request<pb::PrepareRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let receipt = self.heard(Call::Prepare(request.into_inner()));
        let Some(code) = self.offer.lock().unwrap().refuses else { return receipt };
        let mut status = Status::new(Code::FailedPrecondition, "no study is running at the hub");
        status.metadata_mut().insert(CODE_KEY, code.parse().unwrap());
        Err(status)
    }

    async fn advertise(
        &self,
        request: Request<pb::AdvertiseRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Advertise(request.into_inner()))
    }

    async fn open_order(
        &self,
        _: Request<pb::OpenOrderRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        Err(Status::unimplemented("rounds here have five districts and no order"))
    }

    async fn share(
        &self,
        request: Request<pb::ShareRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Share(request.into_inner()))
    }

    async fn acknowledge(
        &self,
        request: Request<pb::AcknowledgeRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Acknowledge(request.into_inner()))
    }

    async fn mask(
        &self,
        request: Request<Streaming<pb::MaskChunk>>,
    ) -> Result<Response<pb::Receipt>, Status> {
        let mut stream = request.into_inner();
        let mut chunks = Vec::new();
        while let Some(chunk) = stream.message().await? {
            chunks.push(chunk);
        }
        self.heard(Call::Mask(chunks))
    }

    async fn confirm(
        &self,
        _: Request<pb::ConfirmRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Confirm)
    }

    async fn unmask(
        &self,
        request: Request<pb::UnmaskRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Unmask(request.into_inner()))
    }

    async fn withdraw(
        &self,
        request: Request<pb::WithdrawRequest>,
    ) -> Result<Response<pb::Receipt>, Status> {
        self.heard(Call::Withdraw(request.into_inner()))
    }
}

/// The fake hub. It listens until it is dropped.
pub(crate) struct FakeHub {
    runtime: Runtime,
    service: Service,
    calls: mpsc::UnboundedReceiver<Call>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) roster: Roster,
    pub(crate) question: Question,
    /// Who is to be asked.
    pub(crate) cohort: Vec<&'static str>,
    /// Fewer than the study lets drop, and more signatures, where a test says so.
    pub(crate) max_dropped: u16,
    pub(crate) quorum: u16,
    /// What is said about the node's journal.
    pub(crate) logged: pb::Announce,
    hash: Digest,
    last: u8,
}

impl FakeHub {
    /// Takes the place of the hub of an enrolled network, and starts the victim's node.
    pub(crate) fn start(study: &StudyText) -> (Net, Self) {
        let mut net = Net::copied();
        let hub = Self::serve(&mut net, study);
        net.start_node(VICTIM, None);
        (net, hub)
    }

    /// Takes the place of the hub; no node runs.
    pub(crate) fn serve(net: &mut Net, study: &StudyText) -> Self {
        let dir = net.network.hub_dir();
        let authority = Arc::new(Authority::open(&dir).unwrap());
        let mut journal = Journal::open(&dir.join("state")).unwrap();
        let address = "localhost:1".parse().unwrap();
        let enrolment =
            Enrolment::open(Arc::clone(&authority), address, &mut journal, now_ms()).unwrap();
        let runtime = runtime();
        let (sender, calls) = mpsc::unbounded_channel();
        let offer = Offer {
            roster: enrolment.signed_roster().clone(),
            study: signed(&authority, study.text().as_bytes(), &(study.schools)()),
            vouches: Vec::new(),
            refuses: None,
        };
        let service = Service {
            offer: Arc::new(Mutex::new(offer)),
            calls: sender,
            stream: Arc::new(Mutex::new(None)),
        };
        let config = server_config(&authority, now_ms()).unwrap();
        let server = DistrictServer::new(service.clone());
        let guard = runtime.enter();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        net.port = listener.local_addr().unwrap().port();
        let incoming = accept(listener, config, Limits::default());
        drop(guard);
        let server = tonic::transport::Server::builder().add_service(server);
        runtime.spawn(async move { server.serve_with_incoming(incoming).await });
        net.point(VICTIM, net.port);
        Self {
            roster: enrolment.roster().clone(),
            question: Question::of(study),
            cohort: DISTRICTS.to_vec(),
            max_dropped: study.max_dropped,
            quorum: 0,
            logged: pb::Announce::default(),
            hash: Digest::of(study.text().as_bytes()),
            runtime,
            service,
            calls,
            authority,
            last: 0,
        }
    }

    /// Changes what the node gets when it asks.
    pub(crate) fn offer(&self, change: impl FnOnce(&mut Offer)) {
        change(&mut self.service.offer.lock().unwrap());
    }

    /// Asks another study from now on.
    pub(crate) fn ask(&mut self, study: &StudyText) {
        let signed = self.sign(study.text().as_bytes(), &(study.schools)());
        self.offer(|offer| offer.study = signed);
        (self.question, self.hash) = (Question::of(study), Digest::of(study.text().as_bytes()));
        self.max_dropped = study.max_dropped;
    }

    /// The next thing the node says.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Call {
        let call = self.runtime.block_on(async { timeout(PATIENCE, self.calls.recv()).await });
        call.expect("the node says something").expect("the server runs")
    }

    #[track_caller]
    pub(crate) fn awaits_node(&mut self) {
        assert!(matches!(self.next(), Call::Listen));
    }

    pub(crate) fn send(&self, directive: Wire) {
        self.send_raw(pb::Directive { directive: Some(directive) });
    }

    pub(crate) fn send_raw(&self, directive: pb::Directive) {
        let stream = self.service.stream.lock().unwrap().clone().expect("the node listens");
        self.runtime.block_on(stream.send(Ok(directive))).unwrap();
    }

    /// Announces the study; returns the code with which the node refuses it, empty when it is ready.
    #[track_caller]
    pub(crate) fn announce(&mut self, study: Digest) -> String {
        let (run_id, study_hash) = (RUN.to_vec(), study.as_bytes().to_vec());
        self.send(Wire::Announce(pb::Announce { run_id, study_hash, ..self.logged.clone() }));
        match self.next() {
            Call::Prepare(answer) => answer.refusal_code,
            other => panic!("{other:?}"),
        }
    }

    /// The node is ready for the study.
    #[track_caller]
    pub(crate) fn prepared(&mut self) {
        assert_eq!(self.announce(self.hash), "");
    }

    /// The node does not take part in the study.
    #[track_caller]
    pub(crate) fn is_unwanted(&mut self, code: &str) {
        assert_eq!(self.announce(self.hash), code);
    }

    /// The node is ready for the study, and for no round of it.
    #[track_caller]
    pub(crate) fn is_unwanted_as_round(&mut self, code: &str) {
        self.prepared();
        let begin = self.begin();
        self.is_refused(Wire::Advertise(begin), "advertise", code);
    }

    /// An honest opening of a round, never the same twice.
    pub(crate) fn begin(&mut self) -> pb::BeginAdvertise {
        self.last += 1;
        let rule = self.question.study.cohort;
        pb::BeginAdvertise {
            run_id: RUN.to_vec(),
            round_id: vec![self.last; 16],
            round_number: 1,
            nonce: vec![9; 32],
            study_hash: self.hash.as_bytes().to_vec(),
            layout_hash: self.question.layout.hash().as_bytes().to_vec(),
            roster_hash: self.roster.hash().as_bytes().to_vec(),
            cohort: self.cohort.iter().map(|&one| one.to_owned()).collect(),
            max_dropped: self.max_dropped.into(),
            max_colluding: rule.max_colluding.into(),
            parent_releases: Vec::new(),
            log_checkpoint: vec![7; 32],
            quorum: rule.quorum(u16::try_from(self.cohort.len()).unwrap()).max(self.quorum).into(),
            constants: Vec::new(),
        }
    }

    /// Sends a directive that the node must answer by leaving the round, and by nothing else.
    #[track_caller]
    pub(crate) fn is_refused(&mut self, directive: Wire, step: &str, code: &str) {
        self.send(directive);
        match self.next() {
            Call::Withdraw(left) => assert_eq!((&*left.step, &*left.code), (step, code)),
            other => panic!("{step} {code}: {other:?}"),
        }
    }

    pub(crate) fn sign(&self, study: &[u8], schools: &str) -> pb::SignedStudy {
        signed(&self.authority, study, schools)
    }
}

const RUN: [u8; 16] = [5; 16];

fn signed(authority: &Authority, study: &[u8], schools: &str) -> pb::SignedStudy {
    signed_by(authority.hub(), study, schools)
}

/// A study signed by any key.
pub(crate) fn signed_by(key: &IdentitySecret, study: &[u8], schools: &str) -> pb::SignedStudy {
    let digest = study_digest(Digest::of(study), Digest::of(schools.as_bytes()));
    pb::SignedStudy {
        study_toml: study.to_vec(),
        schools_csv: schools.as_bytes().to_vec(),
        signature: key.sign(&digest).as_bytes().to_vec(),
    }
}

/// Districts whose keys the fake hub holds, and the victim.
pub(crate) fn id(district: &str) -> DistrictId {
    district.parse().unwrap()
}
