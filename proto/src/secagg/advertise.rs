//! Step 0, advertise: each node shows two fresh X25519 keys and a commitment to its mask seed, on
//! the sparse graph also one to its part of the order, signed with its roster key.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentitySecret, Signature};

use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::graph::{Graph, GraphRule};
use super::share::{CollectSeals, Keys};
use super::terms::Terms;
use super::{kdf, order};

/// How far a node's journal has come when it advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerHead {
    /// Entries in it.
    pub entries: u64,
    /// Hash of the newest one, salted so that it tells nothing else.
    pub digest: Digest,
}

/// A node's public keys for one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Whose.
    pub district: DistrictId,
    /// c_u: agrees on the keys that seal shares.
    pub seal_key: [u8; 32],
    /// s_u: agrees on pairwise masks.
    pub mask_key: [u8; 32],
    /// H(b_u): commits to the seed of the node's own mask.
    pub seed_commitment: Digest,
    /// H(r_u): commits to the node's part of the order; on the sparse graph, and only there.
    pub order_commitment: Option<Digest>,
    /// Of the node's journal: a rolled-back ledger shows.
    pub ledger: LedgerHead,
    /// By the identity key, over all of the above and the context.
    pub signature: Signature,
}

impl Advertisement {
    fn digest(&self, ctx: &Digest) -> Digest {
        let start = Transcript::new("flashlight/secagg/v1/advertise").bytes(ctx.as_bytes());
        self.fields(start).finish()
    }

    /// All that is signed, after the context.
    pub(super) fn fields(&self, transcript: Transcript) -> Transcript {
        let transcript = transcript
            .bytes(self.district.as_ref())
            .bytes(&self.seal_key)
            .bytes(&self.mask_key)
            .bytes(self.seed_commitment.as_bytes())
            .u64(self.ledger.entries)
            .bytes(self.ledger.digest.as_bytes());
        match &self.order_commitment {
            None => transcript,
            Some(commitment) => transcript.bytes(commitment.as_bytes()),
        }
    }

    /// Checks membership, signature under the round's roster key, that there is a commitment to an
    /// order if the graph has one, and that neither key is of low order. The coordinator checks the last too: a district that advertises a low-order
    /// key is refused alone, and does not make every other node leave.
    pub(super) fn verify(&self, terms: &Terms, ctx: &Digest) -> Result<(), Reason> {
        let key = terms.key_of(&self.district).ok_or(Reason::Stranger)?;
        key.verify(&self.digest(ctx), &self.signature).map_err(|_| Reason::Signature)?;
        if [&self.seal_key, &self.mask_key].into_iter().any(kdf::is_low_order) {
            return Err(Reason::WeakKey);
        }
        if self.order_commitment.is_some() != terms.graph.is_sparse() {
            return Err(Reason::OrderCommitment);
        }
        Ok(())
    }
}

/// H(b_u): binds the seed to the round and its owner.
pub(super) fn commit(seed: &[u8; 32], ctx: &Digest, owner: &DistrictId) -> Digest {
    Transcript::new("flashlight/b/v1")
        .bytes(ctx.as_bytes())
        .bytes(owner.as_ref())
        .bytes(seed)
        .finish()
}

/// The secrets a node holds for one round; wiped when the round ends, however it ends.
pub(super) struct Secrets {
    pub(super) seal: StaticSecret,
    pub(super) mask: StaticSecret,
    pub(super) seed: Zeroizing<[u8; 32]>,
    /// r_u, until it is opened; on the sparse graph.
    pub(super) order: Option<Zeroizing<[u8; 32]>>,
}

/// What every node state knows.
pub(super) struct Own {
    pub(super) terms: Arc<Terms>,
    pub(super) ctx: Digest,
    pub(super) me: DistrictId,
    pub(super) secrets: Secrets,
}

/// What every node state knows once U₁ and the graph are fixed.
pub(super) struct Joined {
    pub(super) own: Own,
    pub(super) keys: Keys,
    pub(super) graph: Graph,
}

impl Joined {
    /// Whether this node shares secrets and a mask with `peer`.
    pub(super) fn is_neighbour(&self, peer: &DistrictId) -> bool {
        let index = |one| self.own.terms.index_of(one);
        match (index(&self.own.me), index(peer)) {
            (Some(me), Some(peer)) => self.graph.are_neighbours(me, peer),
            _ => false,
        }
    }

    /// The x of this node's shares of a peer's secrets.
    pub(super) fn x_from(&self, dealer: &DistrictId) -> Option<u8> {
        let me = self.own.terms.index_of(&self.own.me)?;
        self.graph.x_of(self.own.terms.index_of(dealer)?, me)
    }

    /// Checks that a set holds enough of this node's neighbours.
    pub(super) fn check_neighbours(&self, set: &[DistrictId]) -> Result<(), Reason> {
        let me = self.own.terms.index_of(&self.own.me).ok_or(Reason::SelfMissing)?;
        self.graph.check_neighbours(me, &self.own.terms.flags(set))
    }
}

/// What every coordinator state knows once U₁ and the graph are fixed.
pub(super) struct Round {
    pub(super) terms: Arc<Terms>,
    pub(super) ctx: Digest,
    pub(super) keys: Keys,
    pub(super) graph: Graph,
}

impl Round {
    /// Who of U₁ holds shares of a district's secrets, ascending.
    pub(super) fn holders(&self, dealer: &DistrictId) -> impl Iterator<Item = &DistrictId> {
        let index = self.terms.index_of(dealer);
        let holders = index.map(|index| self.graph.holders(index)).unwrap_or_default();
        holders
            .into_iter()
            .map(|holder| &self.terms.parties[holder].district)
            .filter(|holder| self.keys.contains_key(*holder))
    }

    /// The x of the share that `holder` has of a secret of `dealer`.
    pub(super) fn x_of(&self, dealer: &DistrictId, holder: &DistrictId) -> Option<u8> {
        self.graph.x_of(self.terms.index_of(dealer)?, self.terms.index_of(holder)?)
    }

    /// Checks that the secrets of all of `owners` can be opened by `set`, and that it holds the
    /// graph together.
    pub(super) fn check_graph(
        &self,
        owners: &[DistrictId],
        set: &[DistrictId],
    ) -> Result<(), (Option<DistrictId>, Reason)> {
        let flags = self.terms.flags(set);
        for owner in owners {
            let Some(index) = self.terms.index_of(owner) else { continue };
            self.graph
                .check_neighbours(index, &flags)
                .map_err(|reason| (Some(owner.clone()), reason))?;
        }
        self.graph.check_windows(&flags).map_err(|reason| (None, reason))
    }
}

/// Checks every key of U₁ as the coordinator shows it, and this node's own.
pub(super) fn check_keys(
    own: &Own,
    ours: &Advertisement,
    advertisements: Vec<Advertisement>,
    step: Step,
) -> Result<Keys, Abort> {
    let abort = |party: Option<&DistrictId>, reason| Abort::new(step, party, reason);
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

/// Node: keys are out, the others' are awaited.
pub struct ExpectKeys {
    pub(super) own: Own,
    pub(super) ours: Advertisement,
}

/// Step 0, node side (PROTOCOL.md §4.0): fresh keys and seed for this round.
///
/// # Errors
/// [`Reason::SetNotAscending`] when the cohort names a district twice or out of order: places,
/// floors and Shamir's x rest on the order; [`Reason::NotMine`] when this node is not in the cohort
/// under this identity key.
pub fn advertise<R: CryptoRng>(
    terms: Arc<Terms>,
    me: &DistrictId,
    identity: &IdentitySecret,
    ledger: LedgerHead,
    rng: &mut R,
) -> Result<(ExpectKeys, Advertisement), Abort> {
    let cohort: Vec<DistrictId> = terms.parties.iter().map(|one| one.district.clone()).collect();
    check_set(&cohort, |_| true)
        .map_err(|(party, reason)| Abort::new(Step::Advertise, party.as_ref(), reason))?;
    if terms.key_of(me) != Some(&identity.public()) {
        return Err(Abort::new(Step::Advertise, Some(me), Reason::NotMine));
    }
    let ctx = terms.ctx();
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut seed[..]);
    let mut secrets = Secrets {
        seal: StaticSecret::random_from_rng(rng),
        mask: StaticSecret::random_from_rng(rng),
        seed,
        order: None,
    };
    if terms.graph.is_sparse() {
        let mut random = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut random[..]);
        secrets.order = Some(random);
    }
    let mut ours = Advertisement {
        district: me.clone(),
        seal_key: PublicKey::from(&secrets.seal).to_bytes(),
        mask_key: PublicKey::from(&secrets.mask).to_bytes(),
        seed_commitment: commit(&secrets.seed, &ctx, me),
        order_commitment: secrets.order.as_ref().map(|random| order::commit(random, &ctx, me)),
        ledger,
        signature: identity.sign(&ctx),
    };
    ours.signature = identity.sign(&ours.digest(&ctx));
    let own = Own { terms, ctx, me: me.clone(), secrets };
    Ok((ExpectKeys { own, ours: ours.clone() }, ours))
}

/// Coordinator: collects advertisements.
pub struct CollectKeys {
    pub(super) terms: Arc<Terms>,
    pub(super) ctx: Digest,
    pub(super) got: BTreeMap<DistrictId, Advertisement>,
}

impl CollectKeys {
    /// Opens a round under these terms.
    #[must_use]
    pub fn new(terms: Arc<Terms>) -> Self {
        let ctx = terms.ctx();
        Self { terms, ctx, got: BTreeMap::new() }
    }

    /// Takes one advertisement; `from` is the authenticated sender.
    ///
    /// # Errors
    /// [`Reject`] when the sender is a stranger, answered before, or did not sign these terms.
    pub fn accept(&mut self, from: &DistrictId, ours: Advertisement) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Advertise, Some(from), reason);
        if ours.district != *from {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        ours.verify(&self.terms, &self.ctx).map_err(reject)?;
        self.got.insert(from.clone(), ours);
        Ok(())
    }

    /// Districts that have advertised, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    pub(super) fn check_enough(&self) -> Result<(), Abort> {
        let (got, need) = (self.got.len(), usize::from(self.terms.cohort.m));
        if got < need {
            return Err(Abort::new(Step::Advertise, None, Reason::TooFew { got, need }));
        }
        Ok(())
    }

    /// Ends the step on the complete graph: U₁ is whoever advertised. On the sparse graph
    /// [`Self::freeze`] does.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m did; [`Reason::OrderStep`] on the sparse graph.
    pub fn close(self) -> Result<(CollectSeals, Vec<Advertisement>), Abort> {
        if self.terms.graph != GraphRule::Complete {
            return Err(Abort::new(Step::Advertise, None, Reason::OrderStep));
        }
        self.check_enough()?;
        let advertisements: Vec<Advertisement> = self.got.values().cloned().collect();
        let Self { terms, ctx, got: keys } = self;
        let graph = Graph::complete(terms.parties.len(), terms.cohort.t);
        Ok((CollectSeals::new(Round { terms, ctx, keys, graph }), advertisements))
    }
}
