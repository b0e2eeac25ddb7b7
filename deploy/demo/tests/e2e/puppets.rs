//! The other five districts of a fake hub's round, all in its hand: they keep the protocol, so that
//! the node comes as far as the test wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::secagg::{
    Advertisement, Confirmation, ExpectKeys, ExpectSeals, ExpectSharers, ExpectSurvivors,
    LedgerHead, Seal, Terms, advertise,
};
use flashlight_proto::wire::pb::directive::Directive as Wire;
use flashlight_proto::wire::{self, Begin, pb};
use getrandom::SysRng;
use rand_core::UnwrapErr;

use crate::data;
use crate::fake_hub::{Call, FakeHub, VICTIM, id};
use crate::network::Net;

/// A round of the victim and its puppets, and what the victim is to be shown next.
pub(crate) struct Puppets {
    pub(crate) round_id: Vec<u8>,
    cohort: Vec<&'static str>,
    identities: BTreeMap<DistrictId, IdentitySecret>,
    keys: BTreeMap<DistrictId, ExpectKeys>,
    seals: BTreeMap<DistrictId, ExpectSeals>,
    sharers: BTreeMap<DistrictId, ExpectSharers>,
    survivors: BTreeMap<DistrictId, ExpectSurvivors>,
    /// U₁, ascending.
    pub(crate) advertisements: Vec<Advertisement>,
    /// By recipient, from whom, ascending.
    sealed: BTreeMap<DistrictId, Vec<Seal>>,
}

impl Puppets {
    /// The victim is ready and has advertised.
    pub(crate) fn advertised(net: &Net, hub: &mut FakeHub) -> Self {
        hub.prepared();
        let begin = hub.begin();
        hub.send(Wire::Advertise(begin.clone()));
        let Call::Advertise(theirs) = hub.next() else { panic!("the victim has not advertised") };
        let round_id = begin.round_id.clone();
        let terms = hub.question.terms(Begin::try_from(begin).unwrap(), &hub.roster);
        let mut advertisements = vec![wire::advertisement(&id(VICTIM), &theirs).unwrap()];
        let (mut keys, mut identities) = (BTreeMap::new(), BTreeMap::new());
        for &district in hub.cohort.iter().filter(|one| **one != VICTIM) {
            let identity = net.membership(district).into_identity();
            let (state, ours) = fresh_keys(&terms, &id(district), &identity);
            keys.insert(id(district), state);
            identities.insert(id(district), identity);
            advertisements.push(ours);
        }
        Self {
            round_id,
            cohort: hub.cohort.clone(),
            identities,
            keys,
            seals: BTreeMap::new(),
            sharers: BTreeMap::new(),
            survivors: BTreeMap::new(),
            advertisements,
            sealed: BTreeMap::new(),
        }
    }

    /// The victim has sealed its shares, and the puppets theirs.
    pub(crate) fn shared(net: &Net, hub: &mut FakeHub) -> Self {
        let mut puppets = Self::advertised(net, hub);
        hub.send(puppets.share(puppets.advertisements.clone()));
        let Call::Share(theirs) = hub.next() else { panic!("the victim has not shared") };
        let mut all = BTreeMap::from([(id(VICTIM), wire::seals(theirs.seals).unwrap())]);
        for (district, state) in std::mem::take(&mut puppets.keys) {
            let shown = puppets.advertisements.clone();
            let (state, seals) = state.share(shown, &mut UnwrapErr(SysRng)).unwrap();
            puppets.seals.insert(district.clone(), state);
            all.insert(district, seals);
        }
        for (maker, seals) in all {
            for Seal { peer, sealed } in seals {
                let list = puppets.sealed.entry(peer).or_default();
                list.push(Seal { peer: maker.clone(), sealed });
            }
        }
        puppets
    }

    /// Everybody has opened everybody's seals.
    pub(crate) fn acknowledged(net: &Net, hub: &mut FakeHub) -> Self {
        let mut puppets = Self::shared(net, hub);
        let seals = puppets.for_victim();
        hub.send(puppets.acknowledge(seals));
        let Call::Acknowledge(theirs) = hub.next() else { panic!("no acknowledgement") };
        assert_eq!(theirs.opened, puppets.cohort[1..]);
        for (district, state) in std::mem::take(&mut puppets.seals) {
            let seals = puppets.sealed.remove(&district).unwrap();
            puppets.sharers.insert(district, state.acknowledge(seals).unwrap().0);
        }
        puppets
    }

    /// Everybody has masked with everybody.
    pub(crate) fn masked(net: &Net, hub: &mut FakeHub) -> Self {
        let mut puppets = Self::acknowledged(net, hub);
        hub.send(puppets.mask(&puppets.cohort));
        let Call::Mask(chunks) = hub.next() else { panic!("the victim has not masked") };
        assert_eq!(chunks.len(), 1);
        let sharers: Vec<DistrictId> = puppets.cohort.iter().map(|one| id(one)).collect();
        for (district, state) in std::mem::take(&mut puppets.sharers) {
            let words = data::words(district.as_str());
            let ours = Contribution::new(&hub.question.layout, words).unwrap();
            puppets.survivors.insert(district, state.mask(&sharers, ours).unwrap().0);
        }
        puppets
    }

    /// Everybody has masked, and the victim has signed that all survived.
    pub(crate) fn answered(net: &Net, hub: &mut FakeHub) -> Self {
        let puppets = Self::masked(net, hub);
        hub.send(puppets.confirm(&puppets.cohort));
        assert!(matches!(hub.next(), Call::Confirm));
        puppets
    }

    /// The puppets' signatures on a set of survivors they are shown.
    pub(crate) fn confirmations(&mut self, survivors: &[&str]) -> Vec<Confirmation> {
        let survivors: Vec<DistrictId> = survivors.iter().map(|one| id(one)).collect();
        let mut confirmations = Vec::new();
        for (district, state) in std::mem::take(&mut self.survivors) {
            if survivors.contains(&district) {
                let identity = &self.identities[&district];
                let (_, signature) = state.confirm(survivors.clone(), identity).unwrap();
                confirmations.push(Confirmation { district, signature });
            }
        }
        confirmations
    }

    /// The seals made for the victim.
    pub(crate) fn for_victim(&self) -> Vec<Seal> {
        self.sealed[&id(VICTIM)].clone()
    }

    pub(crate) fn share(&self, advertisements: Vec<Advertisement>) -> Wire {
        let advertisements = advertisements.into_iter().map(Into::into).collect();
        let round_id = self.round_id.clone();
        Wire::Share(pb::BeginShare { round_id, advertisements, openings: Vec::new() })
    }

    pub(crate) fn acknowledge(&self, seals: Vec<Seal>) -> Wire {
        let seals = seals.into_iter().map(Into::into).collect();
        Wire::Acknowledge(pb::BeginAcknowledge { round_id: self.round_id.clone(), seals })
    }

    pub(crate) fn mask(&self, sharers: &[&str]) -> Wire {
        Wire::Mask(pb::BeginMask { round_id: self.round_id.clone(), sharers: names(sharers) })
    }

    pub(crate) fn confirm(&self, survivors: &[&str]) -> Wire {
        let survivors = names(survivors);
        Wire::Confirm(pb::BeginConfirm { round_id: self.round_id.clone(), survivors })
    }

    pub(crate) fn unmask(&self, confirmations: &[Confirmation]) -> Wire {
        let confirmation = |one: &Confirmation| pb::Confirmation {
            district: one.district.to_string(),
            signature: one.signature.as_bytes().to_vec(),
        };
        let confirmations = confirmations.iter().map(confirmation).collect();
        Wire::Unmask(pb::BeginUnmask { round_id: self.round_id.clone(), confirmations })
    }
}

fn names(districts: &[&str]) -> Vec<String> {
    districts.iter().map(|one| (*one).to_owned()).collect()
}

fn fresh_keys(
    terms: &Arc<Terms>,
    district: &DistrictId,
    identity: &IdentitySecret,
) -> (ExpectKeys, Advertisement) {
    let head = LedgerHead { entries: 1, digest: Digest::of(b"a puppet's journal") };
    advertise(Arc::clone(terms), district, identity, head, &mut UnwrapErr(SysRng)).unwrap()
}
