//! Step 1, share: each node splits its mask seed b_u and its mask key s_u among all others, sealed
//! for each holder; then every node says whose seals it could open, and U₂ is a set in which all
//! of them opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::canonical::{Digest, Transcript};
use crate::identity::DistrictId;

use super::advertise::{Advertisement, ExpectKeys, Own};
use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::kdf;
use super::mask::CollectMasked;
use super::shamir::{self, SHARE_BYTES, Share};
use super::terms::Terms;

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
    own: Own,
    keys: Keys,
    ours: Held,
}

/// Node: has said whose seals opened; U₂ is awaited.
pub struct ExpectSharers {
    pub(super) own: Own,
    pub(super) keys: Keys,
    pub(super) held: BTreeMap<DistrictId, Held>,
}

impl ExpectKeys {
    /// Step 1, node side (PROTOCOL.md §4.1): checks every key of U₁ and seals a share for each.
    ///
    /// # Errors
    /// [`Abort`] when a signature fails, somebody is named twice, this node's own advertisement was
    /// changed, or |U₁| < m.
    pub fn share<R: CryptoRng>(
        self,
        advertisements: Vec<Advertisement>,
        rng: &mut R,
    ) -> Result<(ExpectSeals, Vec<Seal>), Abort> {
        let Self { own, ours } = self;
        let keys = check_keys(&own, &ours, advertisements)?;
        let abort = |reason| Abort::new(Step::Share, None, reason);
        let holders: Vec<&DistrictId> = keys.keys().collect();
        let xs: Vec<u8> = holders.iter().filter_map(|holder| own.terms.x_of(holder)).collect();
        let t = usize::from(own.terms.cohort.t);
        let seeds = shamir::split(&own.secrets.seed, t, &xs, rng).map_err(abort)?;
        let mask_keys = shamir::split(own.secrets.mask.as_bytes(), t, &xs, rng).map_err(abort)?;
        let mut seals = Vec::with_capacity(holders.len());
        let mut kept = None;
        for ((holder, seed), mask_key) in holders.into_iter().zip(seeds).zip(mask_keys) {
            if *holder == own.me {
                kept = Some(Held { seed, mask_key });
                continue;
            }
            let sealed = seal(&own, holder, &keys[holder].seal_key, &seed, &mask_key)
                .map_err(|reason| Abort::new(Step::Share, Some(holder), reason))?;
            seals.push(Seal { peer: holder.clone(), sealed });
        }
        let ours = kept.ok_or_else(|| abort(Reason::SelfMissing))?;
        Ok((ExpectSeals { own, keys, ours }, seals))
    }
}

fn check_keys(
    own: &Own,
    ours: &Advertisement,
    advertisements: Vec<Advertisement>,
) -> Result<Keys, Abort> {
    let abort = |party: Option<&DistrictId>, reason| Abort::new(Step::Share, party, reason);
    let need = usize::from(own.terms.cohort.m);
    let got = advertisements.len();
    if got < need {
        return Err(abort(None, Reason::TooFew { got, need }));
    }
    let names: Vec<DistrictId> = advertisements.iter().map(|ad| ad.district.clone()).collect();
    check_set(&names, |district| own.terms.index_of(district).is_some())
        .map_err(|(party, reason)| abort(party.as_ref(), reason))?;
    let keys: Keys = advertisements.into_iter().map(|ad| (ad.district.clone(), ad)).collect();
    match keys.get(&own.me) {
        None => return Err(abort(None, Reason::SelfMissing)),
        Some(shown) if shown != ours => return Err(abort(None, Reason::SelfChanged)),
        Some(_) => {}
    }
    for (district, advertisement) in &keys {
        advertisement
            .verify(&own.terms, &own.ctx)
            .map_err(|reason| abort(Some(district), reason))?;
    }
    Ok(keys)
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

fn open(own: &Own, from: &DistrictId, their_key: &[u8; 32], sealed: &[u8]) -> Option<Held> {
    if sealed.len() != SEAL_BYTES {
        return None;
    }
    let key = sealing_key(&own.secrets.seal, their_key, &own.ctx, from, &own.me).ok()?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(associated(&own.ctx, from, &own.me));
    let opened = key.open_in_place(Nonce::assume_unique_for_key([0; 12]), aad, &mut bytes).ok()?;
    let x = own.terms.x_of(&own.me)?;
    let (seed, mask_key) = opened.split_at(SHARE_BYTES);
    Some(Held { seed: Share::parse(seed, x).ok()?, mask_key: Share::parse(mask_key, x).ok()? })
}

impl ExpectSeals {
    /// Step 1, node side, end (PROTOCOL.md §4.1): opens what arrived and names O(u), the peers
    /// whose seals opened here, ascending. A seal that does not open is not an error: its maker is
    /// left out of O(u).
    ///
    /// # Errors
    /// [`Abort`] when a seal comes from outside U₁, or two from one district.
    pub fn acknowledge(self, seals: Vec<Seal>) -> Result<(ExpectSharers, Vec<DistrictId>), Abort> {
        let Self { own, keys, ours } = self;
        let names: Vec<DistrictId> = seals.iter().map(|seal| seal.peer.clone()).collect();
        check_set(&names, |district| keys.contains_key(district) && *district != own.me)
            .map_err(|(party, reason)| Abort::new(Step::Share, party.as_ref(), reason))?;
        let mut held = BTreeMap::new();
        for seal in seals {
            if let Some(shares) = open(&own, &seal.peer, &keys[&seal.peer].seal_key, &seal.sealed) {
                held.insert(seal.peer, shares);
            }
        }
        let opened = held.keys().cloned().collect();
        held.insert(own.me.clone(), ours);
        Ok((ExpectSharers { own, keys, held }, opened))
    }
}

/// Coordinator: collects sealed shares. It carries them and cannot open them.
pub struct CollectSeals {
    terms: Arc<Terms>,
    ctx: Digest,
    keys: Keys,
    got: BTreeMap<DistrictId, Vec<Seal>>,
}

impl CollectSeals {
    pub(super) const fn new(terms: Arc<Terms>, ctx: Digest, keys: Keys) -> Self {
        Self { terms, ctx, keys, got: BTreeMap::new() }
    }

    /// Takes one district's seals: one for every other member of U₁, ascending.
    ///
    /// # Errors
    /// [`Reject`] when the sender is a stranger, answered before, or the seals do not fit U₁.
    pub fn accept(&mut self, from: &DistrictId, seals: Vec<Seal>) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Share, Some(from), reason);
        if !self.keys.contains_key(from) {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        let expected = self.keys.keys().filter(|district| *district != from);
        let fits = seals.len() + 1 == self.keys.len()
            && seals
                .iter()
                .zip(expected)
                .all(|(seal, district)| seal.peer == *district && seal.sealed.len() == SEAL_BYTES);
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
        let Self { terms, ctx, keys, got } = self;
        let sharers: BTreeSet<DistrictId> = got.keys().cloned().collect();
        enough(sharers.len(), &terms)?;
        let mut outgoing: BTreeMap<DistrictId, Vec<Seal>> =
            sharers.iter().map(|district| (district.clone(), Vec::new())).collect();
        for (maker, seals) in got {
            for seal in seals {
                if let Some(list) = outgoing.get_mut(&seal.peer) {
                    list.push(Seal { peer: maker.clone(), sealed: seal.sealed });
                }
            }
        }
        let next = CollectAcknowledgements { terms, ctx, keys, sharers, got: BTreeMap::new() };
        Ok((next, outgoing))
    }
}

fn enough(got: usize, terms: &Terms) -> Result<(), Abort> {
    let need = usize::from(terms.cohort.m);
    if got < need {
        return Err(Abort::new(Step::Share, None, Reason::TooFew { got, need }));
    }
    Ok(())
}

/// Coordinator: learns whose seals opened where.
pub struct CollectAcknowledgements {
    terms: Arc<Terms>,
    ctx: Digest,
    keys: Keys,
    sharers: BTreeSet<DistrictId>,
    got: BTreeMap<DistrictId, BTreeSet<DistrictId>>,
}

impl CollectAcknowledgements {
    /// Takes O(u) of one district.
    ///
    /// # Errors
    /// [`Reject`] when the sender did not share, answered before, or names a stranger.
    pub fn accept(&mut self, from: &DistrictId, opened: &[DistrictId]) -> Result<(), Reject> {
        if !self.sharers.contains(from) {
            return Err(Reject::new(Step::Share, Some(from), Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(Reject::new(Step::Share, Some(from), Reason::Duplicate));
        }
        check_set(opened, |district| self.sharers.contains(district) && district != from)
            .map_err(|(_, reason)| Reject::new(Step::Share, Some(from), reason))?;
        self.got.insert(from.clone(), opened.iter().cloned().collect());
        Ok(())
    }

    /// Districts that have acknowledged, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// U₂ as it stands: a set whose members all opened each other's seals.
    ///
    /// While two members disagree, one of them lies, and which is not to be seen. Whoever disagrees
    /// with more than c others is a colluder and leaves alone. Otherwise both sides of a disagreement
    /// leave: a colluder can take one honest district along, and no second one.
    #[must_use]
    pub fn agreed(&self) -> Vec<DistrictId> {
        let mut agreed: BTreeSet<DistrictId> = self.got.keys().cloned().collect();
        while let Some((worst, others)) = most_disagreeing(&agreed, &self.got) {
            agreed.remove(&worst);
            if others.len() <= usize::from(self.terms.cohort.c) {
                agreed.remove(&others[0]);
            }
        }
        agreed.into_iter().collect()
    }

    /// Ends the step with U₂ as [`Self::agreed`] gives it.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m are left.
    pub fn close(self) -> Result<(CollectMasked, Vec<DistrictId>), Abort> {
        let sharers = self.agreed();
        enough(sharers.len(), &self.terms)?;
        let next = CollectMasked::new(self.terms, self.ctx, self.keys, sharers.clone());
        Ok((next, sharers))
    }
}

/// Who disagrees with most of the others, and with whom; the first of them when several do.
fn most_disagreeing(
    members: &BTreeSet<DistrictId>,
    opened: &BTreeMap<DistrictId, BTreeSet<DistrictId>>,
) -> Option<(DistrictId, Vec<DistrictId>)> {
    let mut worst: Option<(DistrictId, Vec<DistrictId>)> = None;
    for u in members {
        let disagree =
            |v: &&DistrictId| *v != u && (!opened[u].contains(*v) || !opened[*v].contains(u));
        let others: Vec<DistrictId> = members.iter().filter(disagree).cloned().collect();
        if others.len() > worst.as_ref().map_or(0, |(_, most)| most.len()) {
            worst = Some((u.clone(), others));
        }
    }
    worst
}
