//! Step 0, advertise: each node shows two fresh X25519 keys and a commitment to its mask seed,
//! signed with its roster key.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentitySecret, Signature};

use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::kdf;
use super::share::CollectSeals;
use super::terms::Terms;

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
    /// Of the node's journal: a rolled-back ledger shows.
    pub ledger: LedgerHead,
    /// By the identity key, over all of the above and the context.
    pub signature: Signature,
}

impl Advertisement {
    fn digest(&self, ctx: &Digest) -> Digest {
        Transcript::new("flashlight/secagg/v1/advertise")
            .bytes(ctx.as_bytes())
            .bytes(self.district.as_ref())
            .bytes(&self.seal_key)
            .bytes(&self.mask_key)
            .bytes(self.seed_commitment.as_bytes())
            .u64(self.ledger.entries)
            .bytes(self.ledger.digest.as_bytes())
            .finish()
    }

    /// Checks membership, signature under the round's roster key, and that neither key is of low
    /// order. The coordinator checks the last too: a district that advertises a low-order
    /// key is refused alone, and does not make every other node leave.
    pub(super) fn verify(&self, terms: &Terms, ctx: &Digest) -> Result<(), Reason> {
        let key = terms.key_of(&self.district).ok_or(Reason::Stranger)?;
        key.verify(&self.digest(ctx), &self.signature).map_err(|_| Reason::Signature)?;
        if [&self.seal_key, &self.mask_key].into_iter().any(kdf::is_low_order) {
            return Err(Reason::WeakKey);
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
}

/// What every node state knows.
pub(super) struct Own {
    pub(super) terms: Arc<Terms>,
    pub(super) ctx: Digest,
    pub(super) me: DistrictId,
    pub(super) secrets: Secrets,
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
    let secrets = Secrets {
        seal: StaticSecret::random_from_rng(rng),
        mask: StaticSecret::random_from_rng(rng),
        seed,
    };
    let mut ours = Advertisement {
        district: me.clone(),
        seal_key: PublicKey::from(&secrets.seal).to_bytes(),
        mask_key: PublicKey::from(&secrets.mask).to_bytes(),
        seed_commitment: commit(&secrets.seed, &ctx, me),
        ledger,
        signature: identity.sign(&ctx),
    };
    ours.signature = identity.sign(&ours.digest(&ctx));
    let own = Own { terms, ctx, me: me.clone(), secrets };
    Ok((ExpectKeys { own, ours: ours.clone() }, ours))
}

/// Coordinator: collects advertisements.
pub struct CollectKeys {
    terms: Arc<Terms>,
    ctx: Digest,
    got: BTreeMap<DistrictId, Advertisement>,
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

    /// Ends the step: U₁ is whoever advertised.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m did.
    pub fn close(self) -> Result<(CollectSeals, Vec<Advertisement>), Abort> {
        let need = usize::from(self.terms.cohort.m);
        if self.got.len() < need {
            let reason = Reason::TooFew { got: self.got.len(), need };
            return Err(Abort::new(Step::Advertise, None, reason));
        }
        let advertisements: Vec<Advertisement> = self.got.values().cloned().collect();
        Ok((CollectSeals::new(self.terms, self.ctx, self.got), advertisements))
    }
}
