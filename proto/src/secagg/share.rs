//! Step 1, share: each node splits its mask seed b_u and its mask key s_u among all others, or its
//! neighbours on the sparse graph, sealed for each holder; then every node says whose seals it could
//! open, and U₂ is a set in which all that were needed opened.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::canonical::{Digest, Transcript};
use crate::identity::DistrictId;

use super::advertise::{Advertisement, ExpectKeys, Joined, Own, Round, check_keys};
use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::graph::{Graph, GraphRule};
use super::kdf;
use super::mask::CollectMasked;
use super::shamir::{self, SHARE_BYTES, Share};

/// Bytes of one seal: two shares and the Poly1305 tag.
pub const SEAL_BYTES: usize = 2 * SHARE_BYTES + 16;

/// Two sealed shares on their way from one district to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// To whom, when it leaves its maker; from whom, when it arrives.
    pub peer: DistrictId,
    /// ChaCha20-Poly1305, [`SEAL_BYTES`].
    pub sealed: Vec<u8>,
}

/// The shares one node holds of one peer's secrets.
pub(super) struct Held {
    pub(super) seed: Share,
    pub(super) mask_key: Share,
}

/// U₁: everybody's public keys for this round.
pub(super) type Keys = BTreeMap<DistrictId, Advertisement>;

/// Node: shares are out, the others' seals are awaited.
pub struct ExpectSeals {
    joined: Joined,
    /// A node's share of its own secrets: on the complete graph.
    ours: Option<Held>,
}

/// Node: has said whose seals opened; U₂ is awaited.
pub struct ExpectSharers {
    pub(super) joined: Joined,
    pub(super) held: BTreeMap<DistrictId, Held>,
}

impl ExpectKeys {
    /// Step 1 on the complete graph, node side (PROTOCOL.md §4.1): checks every key of U₁ and seals
    /// a share for each. On the sparse graph [`Self::open_order`] comes first.
    ///
    /// # Errors
    /// [`Abort`] when a signature fails, somebody is named twice, this node's own advertisement was
    /// changed, |U₁| < m, or the graph is sparse.
    pub fn share<R: CryptoRng>(
        self,
        advertisements: Vec<Advertisement>,
        rng: &mut R,
    ) -> Result<(ExpectSeals, Vec<Seal>), Abort> {
        let Self { own, ours } = self;
        if own.terms.graph != GraphRule::Complete {
            return Err(Abort::new(Step::Share, None, Reason::OrderStep));
        }
        let keys = check_keys(&own, &ours, advertisements, Step::Share)?;
        let graph = Graph::complete(own.terms.parties.len(), own.terms.cohort.t);
        Joined { own, keys, graph }.share(rng)
    }
}

impl Joined {
    /// Splits both secrets among the holders in U₁, and seals what is not this node's own.
    pub(super) fn share<R: CryptoRng>(
        self,
        rng: &mut R,
    ) -> Result<(ExpectSeals, Vec<Seal>), Abort> {
        let Self { own, keys, graph } = &self;
        let abort = |reason| Abort::new(Step::Share, None, reason);
        let me = own.terms.index_of(&own.me).ok_or_else(|| abort(Reason::SelfMissing))?;
        let all: Vec<DistrictId> = keys.keys().cloned().collect();
        self.check_neighbours(&all).map_err(abort)?;
        let (mut holders, mut xs) = (Vec::new(), Vec::new());
        for holder in graph.holders(me) {
            let shown = keys.get(&own.terms.parties[holder].district);
            if let (Some(shown), Some(x)) = (shown, graph.x_of(me, holder)) {
                holders.push(shown);
                xs.push(x);
            }
        }
        let t = graph.threshold();
        let seeds = shamir::split(&own.secrets.seed, t, &xs, rng).map_err(abort)?;
        let mask_keys = shamir::split(own.secrets.mask.as_bytes(), t, &xs, rng).map_err(abort)?;
        let mut seals = Vec::with_capacity(holders.len());
        let mut ours = None;
        for ((holder, seed), mask_key) in holders.into_iter().zip(seeds).zip(mask_keys) {
            if holder.district == own.me {
                ours = Some(Held { seed, mask_key });
                continue;
            }
            let sealed = seal(own, &holder.district, &holder.seal_key, &seed, &mask_key)
                .map_err(|reason| Abort::new(Step::Share, Some(&holder.district), reason))?;
            seals.push(Seal { peer: holder.district.clone(), sealed });
        }
        Ok((ExpectSeals { joined: self, ours }, seals))
    }
}

/// One key per direction and one message per key, so the nonce is 0.
fn sealing_key(
    ours: &StaticSecret,
    theirs: &[u8; 32],
    ctx: &Digest,
    from: &DistrictId,
    to: &DistrictId,
) -> Result<LessSafeKey, Reason> {
    let key = kdf::derive(ours, theirs, ctx, "share", from, to)?;
    let unbound = UnboundKey::new(&CHACHA20_POLY1305, &key[..]).map_err(|_| Reason::WeakKey)?;
    Ok(LessSafeKey::new(unbound))
}

fn associated(ctx: &Digest, from: &DistrictId, to: &DistrictId) -> [u8; 32] {
    *Transcript::new("flashlight/secagg/v1/seal")
        .bytes(ctx.as_bytes())
        .bytes(from.as_ref())
        .bytes(to.as_ref())
        .finish()
        .as_bytes()
}

fn seal(
    own: &Own,
    to: &DistrictId,
    their_key: &[u8; 32],
    seed: &Share,
    mask_key: &Share,
) -> Result<Vec<u8>, Reason> {
    let key = sealing_key(&own.secrets.seal, their_key, &own.ctx, &own.me, to)?;
    let mut bytes = Vec::with_capacity(SEAL_BYTES);
    bytes.extend_from_slice(seed.as_bytes());
    bytes.extend_from_slice(mask_key.as_bytes());
    let aad = Aad::from(associated(&own.ctx, &own.me, to));
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), aad, &mut bytes)
        .map_err(|_| Reason::WeakKey)?;
    Ok(bytes)
}

fn open(joined: &Joined, from: &DistrictId, sealed: &[u8]) -> Option<Held> {
    if sealed.len() != SEAL_BYTES {
        return None;
    }
    let own = &joined.own;
    let their_key = &joined.keys.get(from)?.seal_key;
    let key = sealing_key(&own.secrets.seal, their_key, &own.ctx, from, &own.me).ok()?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(associated(&own.ctx, from, &own.me));
    let opened = key.open_in_place(Nonce::assume_unique_for_key([0; 12]), aad, &mut bytes).ok()?;
    let x = joined.x_from(from)?;
    let (seed, mask_key) = opened.split_at(SHARE_BYTES);
    Some(Held { seed: Share::parse(seed, x).ok()?, mask_key: Share::parse(mask_key, x).ok()? })
}

impl ExpectSeals {
    /// Step 1, node side, end (PROTOCOL.md §4.1): opens what arrived and names O(u), the peers
    /// whose seals opened here, ascending. A seal that does not open is not an error: its maker is
    /// left out of O(u).
    ///
    /// # Errors
    /// [`Abort`] when a seal comes from outside U₁ or from no neighbour, or two from one district.
    pub fn acknowledge(self, seals: Vec<Seal>) -> Result<(ExpectSharers, Vec<DistrictId>), Abort> {
        let Self { joined, ours } = self;
        let names: Vec<DistrictId> = seals.iter().map(|seal| seal.peer.clone()).collect();
        check_set(&names, |peer| joined.keys.contains_key(peer) && joined.is_neighbour(peer))
            .map_err(|(party, reason)| Abort::new(Step::Share, party.as_ref(), reason))?;
        let mut held = BTreeMap::new();
        for seal in seals {
            if let Some(shares) = open(&joined, &seal.peer, &seal.sealed) {
                held.insert(seal.peer, shares);
            }
        }
        let opened = held.keys().cloned().collect();
        if let Some(ours) = ours {
            held.insert(joined.own.me.clone(), ours);
        }
        Ok((ExpectSharers { joined, held }, opened))
    }
}

/// Coordinator: collects sealed shares. It carries them and cannot open them. Memory: one seal for
/// every neighbour of every district.
pub struct CollectSeals {
    round: Round,
    got: BTreeMap<DistrictId, Vec<Seal>>,
}

impl CollectSeals {
    pub(super) const fn new(round: Round) -> Self {
        Self { round, got: BTreeMap::new() }
    }

    /// Takes one district's seals: one for every other member of U₁ that is its neighbour,
    /// ascending.
    ///
    /// # Errors
    /// [`Reject`] when the sender is a stranger, answered before, or the seals do not fit U₁.
    pub fn accept(&mut self, from: &DistrictId, seals: Vec<Seal>) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Share, Some(from), reason);
        if !self.round.keys.contains_key(from) {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        let expected = self.round.holders(from).filter(|district| *district != from);
        let fits = seals.iter().map(|seal| &seal.peer).eq(expected)
            && seals.iter().all(|seal| seal.sealed.len() == SEAL_BYTES);
        if !fits {
            return Err(reject(Reason::SealShape));
        }
        self.got.insert(from.clone(), seals);
        Ok(())
    }

    /// Districts that have shared, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// Ends the step: for every district that shared, the seals made for it by the others.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m shared.
    pub fn close(
        self,
    ) -> Result<(CollectAcknowledgements, BTreeMap<DistrictId, Vec<Seal>>), Abort> {
        let Self { round, got } = self;
        let sharers: BTreeSet<DistrictId> = got.keys().cloned().collect();
        enough(sharers.len(), &round)?;
        let mut outgoing: BTreeMap<DistrictId, Vec<Seal>> =
            sharers.iter().map(|district| (district.clone(), Vec::new())).collect();
        for (maker, seals) in got {
            for seal in seals {
                if let Some(list) = outgoing.get_mut(&seal.peer) {
                    list.push(Seal { peer: maker.clone(), sealed: seal.sealed });
                }
            }
        }
        let next = CollectAcknowledgements { round, sharers, got: BTreeMap::new() };
        Ok((next, outgoing))
    }
}

fn enough(got: usize, round: &Round) -> Result<(), Abort> {
    let need = usize::from(round.terms.cohort.m);
    if got < need {
        return Err(Abort::new(Step::Share, None, Reason::TooFew { got, need }));
    }
    Ok(())
}

/// Coordinator: learns whose seals opened where.
pub struct CollectAcknowledgements {
    round: Round,
    sharers: BTreeSet<DistrictId>,
    got: BTreeMap<DistrictId, BTreeSet<DistrictId>>,
}

impl CollectAcknowledgements {
    /// Takes O(u) of one district.
    ///
    /// # Errors
    /// [`Reject`] when the sender did not share, answered before, or names a stranger or somebody
    /// who is not its neighbour.
    pub fn accept(&mut self, from: &DistrictId, opened: &[DistrictId]) -> Result<(), Reject> {
        if !self.sharers.contains(from) {
            return Err(Reject::new(Step::Share, Some(from), Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(Reject::new(Step::Share, Some(from), Reason::Duplicate));
        }
        let near = |peer: &DistrictId| peer != from && self.round.x_of(peer, from).is_some();
        check_set(opened, |peer| self.sharers.contains(peer) && near(peer))
            .map_err(|(_, reason)| Reject::new(Step::Share, Some(from), reason))?;
        self.got.insert(from.clone(), opened.iter().cloned().collect());
        Ok(())
    }

    /// Districts that have acknowledged, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// U₂ as it stands: a set whose members all opened each other's seals, as far as they are
    /// neighbours.
    ///
    /// While two members disagree, one of them lies, and which is not to be seen. Whoever disagrees
    /// with more than c others is a colluder and leaves alone. Otherwise both sides of a disagreement
    /// leave: a colluder can take one honest district along, and no second one.
    #[must_use]
    pub fn agreed(&self) -> Vec<DistrictId> {
        let mut agreed: BTreeSet<&DistrictId> = self.got.keys().collect();
        let mut disagreeing = self.disagreements();
        while let Some(worst) = most_disagreeing(&disagreeing) {
            let others = leave(&mut disagreeing, worst);
            agreed.remove(worst);
            if others.len() <= usize::from(self.round.terms.cohort.c)
                && let Some(first) = others.first()
            {
                leave(&mut disagreeing, first);
                agreed.remove(first);
            }
        }
        agreed.into_iter().cloned().collect()
    }

    /// With whom each district disagrees about a seal; those without a disagreement are left out.
    fn disagreements(&self) -> Disagreements<'_> {
        let mut all = Disagreements::new();
        for (one, opened) in &self.got {
            for other in self.round.holders(one).filter(|other| *other != one) {
                let Some(theirs) = self.got.get(other) else { continue };
                if !opened.contains(other) || !theirs.contains(one) {
                    all.entry(one).or_default().insert(other);
                }
            }
        }
        all
    }

    /// Ends the step with U₂ as [`Self::agreed`] gives it.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m are left; on the sparse graph also
    /// [`Reason::Neighbours`] and [`Reason::Window`].
    pub fn close(self) -> Result<(CollectMasked, Vec<DistrictId>), Abort> {
        let sharers = self.agreed();
        enough(sharers.len(), &self.round)?;
        self.round
            .check_graph(&sharers, &sharers)
            .map_err(|(party, reason)| Abort::new(Step::Share, party.as_ref(), reason))?;
        let next = CollectMasked::new(self.round, sharers.clone());
        Ok((next, sharers))
    }
}

type Disagreements<'a> = BTreeMap<&'a DistrictId, BTreeSet<&'a DistrictId>>;

/// Who disagrees with most of the others; the first of them when several do.
fn most_disagreeing<'a>(all: &Disagreements<'a>) -> Option<&'a DistrictId> {
    let mut worst: Option<(&DistrictId, usize)> = None;
    for (one, others) in all {
        if others.len() > worst.map_or(0, |(_, most)| most) {
            worst = Some((one, others.len()));
        }
    }
    worst.map(|(one, _)| one)
}

/// Takes a district out of all disagreements; returns with whom it had some.
fn leave<'a>(all: &mut Disagreements<'a>, one: &DistrictId) -> BTreeSet<&'a DistrictId> {
    let others = all.remove(one).unwrap_or_default();
    for other in &others {
        if let Some(theirs) = all.get_mut(other) {
            theirs.remove(one);
        }
    }
    others
}
