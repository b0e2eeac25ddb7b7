//! A node made of the protocol's own pieces, which can deviate at every message.

use std::sync::Arc;

use flashlight_node::enroll::Membership;
use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::layout::Layout;
use flashlight_proto::roster::{Roster, SignedRoster};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::secagg::{
    Chosen, ExpectConfirmations, ExpectKeys, ExpectSeals, ExpectSharers, ExpectSurvivors,
    LedgerHead, Party, RoundId, Terms, advertise,
};
use flashlight_proto::study::Study;
use flashlight_proto::wire::pb::district_client::DistrictClient;
use flashlight_proto::wire::{self, Begin, CODE_KEY, Directive, RunId, pb};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::data::{self, StudyText};
use crate::network::{Net, PATIENCE};

/// What a study and its school table come to.
pub(crate) struct Question {
    pub(crate) study: Study,
    pub(crate) schools: SchoolTable,
    pub(crate) layout: Layout,
}

impl Question {
    pub(crate) fn of(text: &StudyText) -> Self {
        let study = Study::parse(text.text().as_bytes()).unwrap();
        let schools = SchoolTable::parse((text.schools)().as_bytes()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        Self { study, schools, layout }
    }

    /// The terms of a round that was opened like this, with the roster's keys.
    pub(crate) fn terms(&self, begin: Begin, roster: &Roster) -> Arc<Terms> {
        let party = |district: DistrictId| {
            let key = roster.find(&district).unwrap().key;
            Party { district, key }
        };
        let chosen = Chosen {
            round_id: begin.round,
            round_number: begin.round_number,
            nonce: begin.nonce,
            parent_releases: begin.parent_releases,
            roster: begin.roster,
            log_checkpoint: begin.log_checkpoint,
            parties: begin.cohort.into_iter().map(party).collect(),
            max_dropped: u16::try_from(begin.max_dropped).unwrap(),
            quorum: u16::try_from(begin.quorum).unwrap(),
        };
        Arc::new(Terms::of_study(&self.study, &self.schools, &self.layout, chosen).unwrap())
    }
}

/// The stable code of a refused call.
pub(crate) type Answer = Result<(), String>;

fn answer<T>(result: Result<tonic::Response<T>, Status>) -> Answer {
    result.map(|_| ()).map_err(|status| {
        let code = status.metadata().get(CODE_KEY);
        code.map_or_else(|| status.to_string(), |code| code.to_str().unwrap().to_owned())
    })
}

/// Where the fake is in its round.
enum At {
    Nowhere,
    Keys(ExpectKeys),
    Seals(ExpectSeals),
    Sharers(ExpectSharers),
    Survivors(ExpectSurvivors),
    Confirmations(ExpectConfirmations),
}

/// The fake node. Each `…_message` waits for its directive and makes the honest answer, which the
/// test may change before it sends it.
pub(crate) struct Fake {
    runtime: Runtime,
    me: DistrictId,
    identity: IdentitySecret,
    client: DistrictClient<Channel>,
    stream: Streaming<pb::Directive>,
    question: Question,
    roster: Roster,
    words: Vec<i64>,
    pub(crate) round: Vec<u8>,
    at: At,
}

/// Connects as an enrolled district.
pub(crate) fn dial(runtime: &Runtime, membership: &Membership) -> DistrictClient<Channel> {
    let dialer = membership.dialer().unwrap();
    DistrictClient::new(runtime.block_on(dialer.connect()).unwrap())
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Fake {
    /// Connects in the place of a district and waits for directives.
    pub(crate) fn join(net: &Net, district: &str, study: &StudyText) -> Self {
        let runtime = runtime();
        let membership = net.membership(district);
        let mut client = dial(&runtime, &membership);
        let software = "a fake".to_owned();
        let stream = runtime.block_on(client.listen(pb::ListenRequest { software })).unwrap();
        let signed = runtime.block_on(client.fetch_roster(pb::FetchRosterRequest {})).unwrap();
        let pb::SignedRoster { text, signature, .. } = signed.into_inner();
        let signed = SignedRoster { text, signature: signature[..].try_into().unwrap() };
        let question = Question::of(study);
        let mut words = data::words(district);
        words.resize(question.layout.words(), 0);
        Self {
            me: district.parse().unwrap(),
            roster: signed.verify(&membership.hub_key()).unwrap(),
            identity: membership.into_identity(),
            client,
            stream: stream.into_inner(),
            question,
            words,
            round: Vec::new(),
            at: At::Nowhere,
            runtime,
        }
    }

    /// The next directive; keep-alives are skipped.
    pub(crate) fn next(&mut self) -> Directive {
        loop {
            let message = self.runtime.block_on(async {
                timeout(PATIENCE, self.stream.message()).await.unwrap().unwrap().unwrap()
            });
            match Directive::try_from(message).unwrap() {
                Directive::KeepAlive => {}
                other => return other,
            }
        }
    }

    /// Says it is ready for the run that is announced.
    pub(crate) fn ready(&mut self) -> RunId {
        let Directive::Announce { run, .. } = self.next() else { panic!("not announced") };
        let request = pb::PrepareRequest { run_id: run.0.to_vec(), ..Default::default() };
        answer(self.runtime.block_on(self.client.prepare(request))).unwrap();
        run
    }

    /// Waits for a round to open and makes keys for it.
    pub(crate) fn advertise_message(&mut self) -> pb::AdvertiseRequest {
        let Directive::Advertise(begin) = self.next() else { panic!("no round was opened") };
        let round = begin.round;
        self.round = round.as_bytes().to_vec();
        let terms = self.question.terms(*begin, &self.roster);
        let head = LedgerHead { entries: 1, digest: Digest::of(b"a fake journal") };
        let (state, ours) =
            advertise(terms, &self.me, &self.identity, head, &mut UnwrapErr(SysRng)).unwrap();
        self.at = At::Keys(state);
        wire::advertise_request(round, ours)
    }

    fn take(&mut self) -> At {
        std::mem::replace(&mut self.at, At::Nowhere)
    }

    pub(crate) fn share_message(&mut self) -> pb::ShareRequest {
        let Directive::Share(_, advertisements) = self.next() else { panic!("not at share") };
        let At::Keys(state) = self.take() else { panic!("has no keys") };
        let (state, seals) = state.share(advertisements, &mut UnwrapErr(SysRng)).unwrap();
        self.at = At::Seals(state);
        let seals = seals.into_iter().map(Into::into).collect();
        pb::ShareRequest { round_id: self.round.clone(), seals }
    }

    pub(crate) fn acknowledge_message(&mut self) -> pb::AcknowledgeRequest {
        let Directive::Acknowledge(_, seals) = self.next() else { panic!("not at acknowledge") };
        let At::Seals(state) = self.take() else { panic!("has not shared") };
        let (state, opened) = state.acknowledge(seals).unwrap();
        self.at = At::Sharers(state);
        let opened = opened.iter().map(ToString::to_string).collect();
        pb::AcknowledgeRequest { round_id: self.round.clone(), opened }
    }

    pub(crate) fn mask_message(&mut self) -> Vec<pb::MaskChunk> {
        let Directive::Mask(round, sharers) = self.next() else { panic!("not at mask") };
        let At::Sharers(state) = self.take() else { panic!("has not acknowledged") };
        let ours = Contribution::new(&self.question.layout, self.words.clone()).unwrap();
        let (state, masked) = state.mask(&sharers, ours).unwrap();
        self.at = At::Survivors(state);
        chunks(round, masked.chunks())
    }

    pub(crate) fn confirm_message(&mut self) -> pb::ConfirmRequest {
        let Directive::Confirm(_, survivors) = self.next() else { panic!("not at confirm") };
        let At::Survivors(state) = self.take() else { panic!("has not masked") };
        let (state, signature) = state.confirm(survivors, &self.identity).unwrap();
        self.at = At::Confirmations(state);
        let signature = signature.as_bytes().to_vec();
        pb::ConfirmRequest { round_id: self.round.clone(), signature }
    }

    pub(crate) fn unmask_message(&mut self) -> pb::UnmaskRequest {
        let Directive::Unmask(round, confirmations) = self.next() else { panic!("not at unmask") };
        let At::Confirmations(state) = self.take() else { panic!("has not confirmed") };
        wire::unmask_request(round, &state.unmask(&confirmations).unwrap())
    }

    /// Plays honestly until the round asks for the masked vector.
    pub(crate) fn play_until_mask(&mut self) {
        self.ready();
        let ours = self.advertise_message();
        self.advertise(ours).unwrap();
        let ours = self.share_message();
        self.share(ours).unwrap();
        let ours = self.acknowledge_message();
        self.acknowledge(ours).unwrap();
    }

    /// Plays honestly from the masked vector to the end of the round.
    pub(crate) fn play_from_confirm(&mut self) {
        let ours = self.confirm_message();
        self.confirm(ours).unwrap();
        let ours = self.unmask_message();
        self.unmask(ours).unwrap();
    }

    pub(crate) fn advertise(&mut self, ours: pb::AdvertiseRequest) -> Answer {
        answer(self.runtime.block_on(self.client.advertise(ours)))
    }

    pub(crate) fn share(&mut self, ours: pb::ShareRequest) -> Answer {
        answer(self.runtime.block_on(self.client.share(ours)))
    }

    pub(crate) fn acknowledge(&mut self, ours: pb::AcknowledgeRequest) -> Answer {
        answer(self.runtime.block_on(self.client.acknowledge(ours)))
    }

    /// Uploads these chunks, in this order.
    pub(crate) fn mask(&mut self, chunks: Vec<pb::MaskChunk>) -> Answer {
        answer(self.runtime.block_on(self.client.mask(tokio_stream::iter(chunks))))
    }

    /// Begins an upload with one chunk and leaves it open.
    pub(crate) fn begin_upload(&self, first: pb::MaskChunk) -> Upload {
        let (chunks, stream) = tokio::sync::mpsc::channel(8);
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let mut client = self.client.clone();
        let call = self.runtime.spawn(async move { answer(client.mask(stream).await) });
        self.runtime.block_on(chunks.send(first)).unwrap();
        Upload { chunks, call }
    }

    /// Sends the rest of an upload.
    pub(crate) fn finish_upload(&self, upload: Upload, rest: Vec<pb::MaskChunk>) -> Answer {
        self.runtime.block_on(async {
            for chunk in rest {
                upload.chunks.send(chunk).await.unwrap();
            }
            drop(upload.chunks);
            upload.call.await.unwrap()
        })
    }

    pub(crate) fn confirm(&mut self, ours: pb::ConfirmRequest) -> Answer {
        answer(self.runtime.block_on(self.client.confirm(ours)))
    }

    pub(crate) fn unmask(&mut self, ours: pb::UnmaskRequest) -> Answer {
        answer(self.runtime.block_on(self.client.unmask(ours)))
    }

    pub(crate) fn withdraw(&mut self, step: &str, code: &str, reason: &str) -> Answer {
        let request = pb::WithdrawRequest {
            round_id: self.round.clone(),
            step: step.to_owned(),
            code: code.to_owned(),
            reason: reason.to_owned(),
        };
        answer(self.runtime.block_on(self.client.withdraw(request)))
    }

    /// Refuses the study that is announced.
    pub(crate) fn refuse(&mut self, code: &str, reason: &str) {
        let Directive::Announce { run, .. } = self.next() else { panic!("not announced") };
        let request = pb::PrepareRequest {
            run_id: run.0.to_vec(),
            refusal_code: code.to_owned(),
            refusal_reason: reason.to_owned(),
        };
        answer(self.runtime.block_on(self.client.prepare(request))).unwrap();
    }
}

/// An upload left open.
pub(crate) struct Upload {
    chunks: tokio::sync::mpsc::Sender<pb::MaskChunk>,
    call: tokio::task::JoinHandle<Answer>,
}

fn chunks(round: RoundId, all: impl Iterator<Item = Vec<u8>>) -> Vec<pb::MaskChunk> {
    let chunk = |(index, words)| pb::MaskChunk {
        round_id: round.as_bytes().to_vec(),
        index: u32::try_from(index).unwrap(),
        words,
    };
    all.enumerate().map(chunk).collect()
}
