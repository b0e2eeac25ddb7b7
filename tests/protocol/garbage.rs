//! Bytes from the wire, mutated: nothing panics, and nothing changed by a bit is taken for what was
//! sent. Whatever decodes is fed to the state it is for, at the nodes and at the coordinator.

use std::cell::RefCell;
use std::sync::Arc;

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{
    Advertisement, CollectAcknowledgements, CollectConfirmations, CollectKeys, CollectMasked,
    CollectSeals, CollectUnmask, Confirmation, ExpectConfirmations, ExpectKeys, ExpectSeals,
    ExpectSharers, ExpectSurvivors, RoundId,
};
use flashlight_proto::wire::{self, Directive, pb};
use flashlight_tests::{Each, Network, identity, number, seeded};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost::Message;

const ROUND: [u8; 16] = [1; 16];

/// What is done to the bytes of a message.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Vec<(prop::sample::Index, u8)>),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index),
    Replace(Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => prop::collection::vec((index(), 1u8..), 1..4).prop_map(Mutation::Flip),
        1 => index().prop_map(Mutation::Cut),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Mutation::Replace),
    ]
}

fn mutate(bytes: &[u8], mutation: &Mutation) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match mutation {
        Mutation::Flip(flips) => {
            for (at, bits) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
        }
        Mutation::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Mutation::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Mutation::Repeat(from, to) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(from..from, part);
        }
        Mutation::Replace(with) => bytes.clone_from(with),
    }
    bytes
}

fn run(cases: u32, seed: u8, test: impl Fn(usize, &Mutation, DistrictId)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let from = (1u16..=9).prop_map(flashlight_tests::district);
    TestRunner::new_with_rng(config, rng)
        .run(&(0usize..6, mutation(), from), |(kind, mutation, from)| {
            test(kind, &mutation, from);
            Ok(())
        })
        .unwrap();
}

/// Nodes of eight districts at every state, to be used up.
#[derive(Default)]
struct Pool {
    keys: Vec<(ExpectKeys, Vec<Advertisement>)>,
    seals: Vec<(ExpectSeals, pb::Directive)>,
    sharers: Vec<(DistrictId, ExpectSharers)>,
    survivors: Vec<(DistrictId, ExpectSurvivors)>,
    confirmations: Vec<(ExpectConfirmations, Vec<Confirmation>)>,
}

fn network() -> Network {
    Network::new(8, 2, 1)
}

impl Pool {
    fn keys(&mut self) -> (ExpectKeys, Vec<Advertisement>) {
        if self.keys.is_empty() {
            let state = network().advertise(&[]).unwrap();
            let shown = state.advertisements;
            self.keys.extend(state.nodes.into_values().map(|node| (node, shown.clone())));
        }
        self.keys.pop().unwrap()
    }

    fn seals(&mut self) -> (ExpectSeals, pb::Directive) {
        if self.seals.is_empty() {
            let mut net = network();
            let mut state = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
            self.seals.extend(state.nodes.into_iter().map(|(one, node)| {
                let seals = state.seals.remove(&one).unwrap();
                (node, Directive::Acknowledge(RoundId::from(ROUND), seals).into())
            }));
        }
        self.seals.pop().unwrap()
    }

    fn sharers(&mut self) -> (DistrictId, ExpectSharers) {
        if self.sharers.is_empty() {
            let mut net = network();
            let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
            self.sharers.extend(shared.acknowledge(&[]).unwrap().nodes);
        }
        self.sharers.pop().unwrap()
    }

    fn survivors(&mut self) -> (DistrictId, ExpectSurvivors) {
        if self.survivors.is_empty() {
            self.survivors.extend(network().masked().nodes);
        }
        self.survivors.pop().unwrap()
    }

    fn confirmations(&mut self) -> (ExpectConfirmations, Vec<Confirmation>) {
        if self.confirmations.is_empty() {
            let state = network().confirmed();
            let shown = state.confirmations;
            let nodes = state.nodes.into_values().map(|node| (node, shown.clone()));
            self.confirmations.extend(nodes);
        }
        self.confirmations.pop().unwrap()
    }
}

fn begin(net: &Network) -> wire::Begin {
    wire::Begin {
        run: wire::RunId([2; 16]),
        round: RoundId::from(ROUND),
        round_number: 1,
        nonce: net.terms.nonce,
        study: net.terms.study,
        layout: net.terms.layout,
        roster: net.terms.roster,
        cohort: net.everybody(),
        max_dropped: 2,
        max_colluding: 1,
        parent_releases: vec![net.terms.study],
        log_checkpoint: net.terms.log_checkpoint,
        quorum: u32::from(net.terms.cohort.t),
        constants: Vec::new(),
    }
}

/// Decodes what is left of a directive after the mutation.
fn received(sent: &pb::Directive, mutation: &Mutation) -> Option<Directive> {
    let bytes = mutate(&sent.encode_to_vec(), mutation);
    Directive::try_from(pb::Directive::decode(&bytes[..]).ok()?).ok()
}

#[test]
fn no_bytes_a_coordinator_can_send_make_a_node_panic_or_take_changed_keys_or_signatures() {
    let net = network();
    let (all, round) = (net.everybody(), RoundId::from(ROUND));
    let pool = RefCell::new(Pool::default());
    run(384, 0x9a, |kind, mutation, _| {
        let mut pool = pool.borrow_mut();
        match kind {
            0 => {
                let (node, shown) = pool.keys();
                let sent = Directive::Share(round, shown.clone()).into();
                if let Some(Directive::Share(_, got)) = received(&sent, mutation)
                    && node.share(got.clone(), &mut seeded(1, 1)).is_ok()
                {
                    // Leaving somebody out is free; anything else must be as it was signed.
                    assert!(got.iter().all(|one| shown.contains(one)));
                }
            }
            1 => {
                let (node, sent) = pool.seals();
                if let Some(Directive::Acknowledge(_, got)) = received(&sent, mutation) {
                    let sent = Directive::try_from(sent).unwrap();
                    let Directive::Acknowledge(_, sent) = sent else { unreachable!() };
                    if let Ok((_, opened)) = node.acknowledge(got.clone()) {
                        let same = got.iter().filter(|one| sent.contains(one));
                        assert_eq!(opened, same.map(|one| one.peer.clone()).collect::<Vec<_>>());
                    }
                }
            }
            2 => {
                let (one, node) = pool.sharers();
                let sent = Directive::Mask(round, all.clone()).into();
                if let Some(Directive::Mask(_, got)) = received(&sent, mutation)
                    && node.mask(&got, net.contribution(&one)).is_ok()
                {
                    assert!(got.len() >= 6 && got.contains(&one));
                }
            }
            3 => {
                let (one, node) = pool.survivors();
                let sent = Directive::Confirm(round, all.clone()).into();
                if let Some(Directive::Confirm(_, got)) = received(&sent, mutation)
                    && node.confirm(got.clone(), &identity(number(&one))).is_ok()
                {
                    assert!(got.len() >= 6 && got.contains(&one));
                }
            }
            4 => {
                let (node, shown) = pool.confirmations();
                let sent = Directive::Unmask(round, shown.clone()).into();
                if let Some(Directive::Unmask(_, got)) = received(&sent, mutation)
                    && node.unmask(&got).is_ok()
                {
                    assert!(got.len() >= 5 && got.iter().all(|one| shown.contains(one)));
                }
            }
            _ => {
                let sent = Directive::Advertise(Box::new(begin(&net))).into();
                drop(received(&sent, mutation));
            }
        }
    });
}

/// The coordinator at every state, and what an honest district would send it.
struct Hubs {
    keys: (CollectKeys, Each<Advertisement>),
    seals: (CollectSeals, Each<pb::ShareRequest>),
    lists: (CollectAcknowledgements, Each<pb::AcknowledgeRequest>),
    masked: (CollectMasked, Vec<u8>),
    confirmations: (CollectConfirmations, Each<pb::ConfirmRequest>),
    unmask: (CollectUnmask, Each<pb::UnmaskRequest>),
}

fn hubs() -> Hubs {
    let mut net = network();
    let nodes = net.nodes(&net.everybody());
    let ours = nodes.into_iter().map(|(one, (_, ours))| (one, ours)).collect();
    let keys = (CollectKeys::new(Arc::clone(&net.terms)), ours);
    let mut net = network();
    let state = net.advertise(&[]).unwrap();
    let seals = state.nodes.into_iter().map(|(one, node)| {
        let (_, seals) = node.share(state.advertisements.clone(), &mut seeded(1, 1)).unwrap();
        let seals = seals.into_iter().map(Into::into).collect();
        (one, pb::ShareRequest { round_id: ROUND.to_vec(), seals })
    });
    let seals = (state.hub, seals.collect());
    let mut net = network();
    let state = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let lists = state.seals.iter().map(|(one, seals)| {
        let opened = seals.iter().map(|seal| seal.peer.to_string()).collect();
        (one.clone(), pb::AcknowledgeRequest { round_id: ROUND.to_vec(), opened })
    });
    let lists = (state.hub, lists.collect());
    let mut net = network();
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let masked = (shared.acknowledge(&[]).unwrap().hub, vec![0; (net.terms.words + 1) * 8]);
    let state = network().masked();
    let signatures = state.nodes.into_iter().map(|(one, node)| {
        let key = identity(number(&one));
        let (_, signature) = node.confirm(state.survivors.clone(), &key).unwrap();
        let signature = signature.as_bytes().to_vec();
        (one, pb::ConfirmRequest { round_id: ROUND.to_vec(), signature })
    });
    let confirmations = (state.hub, signatures.collect());
    let state = network().confirmed().collect(&[]);
    let shares = state
        .shares
        .iter()
        .map(|(one, ours)| (one.clone(), wire::unmask_request(RoundId::from(ROUND), ours)));
    let unmask = (state.hub, shares.collect());
    Hubs { keys, seals, lists, masked, confirmations, unmask }
}

/// What is left of a message after the mutation.
fn decoded<M: Message + Default>(sent: Option<&M>, mutation: &Mutation) -> Option<M> {
    M::decode(&mutate(&sent?.encode_to_vec(), mutation)[..]).ok()
}

#[test]
fn no_bytes_a_district_can_send_make_the_coordinator_panic_or_take_a_changed_signature() {
    let hubs = RefCell::new(hubs());
    run(768, 0x9b, |kind, mutation, from| {
        let Hubs { keys, seals, lists, masked, confirmations, unmask } = &mut *hubs.borrow_mut();
        match kind {
            0 => {
                let ours = keys.1.get(&from).cloned();
                let sent = ours.clone().map(|o| wire::advertise_request(RoundId::from(ROUND), o));
                if let Some(got) = decoded(sent.as_ref(), mutation)
                    && let Ok(got) = wire::advertisement(&from, &got)
                    && keys.0.accept(&from, got.clone()).is_ok()
                {
                    assert_eq!(Some(got), ours);
                }
            }
            1 => {
                if let Some(got) = decoded(seals.1.get(&from), mutation)
                    && let Ok(got) = wire::seals(got.seals)
                {
                    drop(seals.0.accept(&from, got));
                }
            }
            2 => {
                if let Some(got) = decoded(lists.1.get(&from), mutation)
                    && let Ok(got) = wire::districts(&got.opened, "opened")
                {
                    drop(lists.0.accept(&from, &got));
                }
            }
            3 => {
                if let Ok(mut staging) = masked.0.stage(&from) {
                    drop(staging.chunk(0, &mutate(&masked.1, mutation)));
                    drop(masked.0.accept(&staging));
                }
            }
            4 => {
                let sent = confirmations.1.get(&from);
                if let Some(got) = decoded(sent, mutation)
                    && let Ok(signature) = wire::confirm_signature(&got)
                    && confirmations.0.accept(&from, signature).is_ok()
                {
                    assert_eq!(sent.map(|sent| &sent.signature), Some(&got.signature));
                }
            }
            _ => {
                if let Some(got) = decoded(unmask.1.get(&from), mutation)
                    && let Ok(got) = wire::unmasking(|dealer| unmask.0.x_of(dealer, &from), &got)
                {
                    drop(unmask.0.accept(&from, got));
                }
            }
        }
    });
    let Hubs { keys, seals, lists, masked, confirmations, unmask } = hubs.into_inner();
    let _ = (keys.0.close().is_ok(), seals.0.close().is_ok(), lists.0.close().is_ok());
    let _ = (masked.0.close().is_ok(), confirmations.0.close().is_ok(), unmask.0.close().is_ok());
}
