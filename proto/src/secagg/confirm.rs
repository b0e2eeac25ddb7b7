//! Step 3, confirm: every survivor signs the sets of the round, so that a coordinator that showed
//! different survivors to different districts cannot gather enough signatures to open anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentityKey, IdentitySecret, Signature};

use super::advertise::Own;
use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::mask::ExpectSurvivors;
use super::share::{Held, Keys};
use super::terms::Terms;
use super::unmask::CollectUnmask;

/// U₁ (with its keys), U₂ and U₃ of a round.
#[derive(Clone)]
pub(super) struct Sets {
    keys: Digest,
    pub(super) sharers: Vec<DistrictId>,
    pub(super) survivors: Vec<DistrictId>,
}

impl Sets {
    pub(super) fn new(keys: &Keys, sharers: Vec<DistrictId>, survivors: Vec<DistrictId>) -> Self {
        let mut transcript = Transcript::new("flashlight/secagg/v1/keys").u64(keys.len() as u64);
        for (district, advertisement) in keys {
            transcript = transcript
                .bytes(district.as_ref())
                .bytes(&advertisement.seal_key)
                .bytes(&advertisement.mask_key)
                .bytes(advertisement.seed_commitment.as_bytes())
                .u64(advertisement.ledger.entries)
                .bytes(advertisement.ledger.digest.as_bytes());
        }
        Self { keys: transcript.finish(), sharers, survivors }
    }

    /// What is signed (PROTOCOL.md §4.3).
    fn digest(&self, ctx: &Digest) -> Digest {
        Transcript::new("flashlight/secagg/v1/confirm")
            .bytes(ctx.as_bytes())
            .bytes(self.keys.as_bytes())
            .list(self.sharers.iter())
            .list(self.survivors.iter())
            .finish()
    }

    pub(super) fn lost(&self) -> impl Iterator<Item = &DistrictId> {
        self.sharers.iter().filter(|district| self.survivors.binary_search(district).is_err())
    }
}

/// One survivor's signature on the sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Whose.
    pub district: DistrictId,
    /// Over context, U₁'s keys, U₂ and U₃.
    pub signature: Signature,
}

/// Node: has signed the sets; the others' signatures are awaited.
pub struct ExpectConfirmations {
    pub(super) own: Own,
    pub(super) held: BTreeMap<DistrictId, Held>,
    pub(super) sets: Sets,
}

impl ExpectSurvivors {
    /// Step 3, node side (PROTOCOL.md §4.3): signs one U₃ for this round.
    ///
    /// The caller records U₃ durably before the signature leaves.
    ///
    /// # Errors
    /// [`Abort`] when U₃ is not a subset of U₂ with this node in it and |U₃| ≥ m.
    pub fn confirm(
        self,
        survivors: Vec<DistrictId>,
        identity: &IdentitySecret,
    ) -> Result<(ExpectConfirmations, Signature), Abort> {
        let Self { own, keys, held, sharers } = self;
        let need = usize::from(own.terms.cohort.m);
        let got = survivors.len();
        if got < need {
            return Err(Abort::new(Step::Confirm, None, Reason::TooFew { got, need }));
        }
        check_set(&survivors, |district| sharers.binary_search(district).is_ok())
            .map_err(|(party, reason)| Abort::new(Step::Confirm, party.as_ref(), reason))?;
        if survivors.binary_search(&own.me).is_err() {
            return Err(Abort::new(Step::Confirm, None, Reason::SelfMissing));
        }
        let sets = Sets::new(&keys, sharers, survivors);
        let signature = identity.sign(&sets.digest(&own.ctx));
        Ok((ExpectConfirmations { own, held, sets }, signature))
    }
}

/// Counts valid signatures of distinct survivors on exactly these sets.
///
/// # Errors
/// The first district out of order, outside U₃ or with a bad signature.
pub(super) fn verify_confirmations(
    terms: &Terms,
    ctx: &Digest,
    sets: &Sets,
    confirmations: &[Confirmation],
) -> Result<(), (Option<DistrictId>, Reason)> {
    let names: Vec<DistrictId> = confirmations.iter().map(|one| one.district.clone()).collect();
    check_set(&names, |district| sets.survivors.binary_search(district).is_ok())?;
    let digest = sets.digest(ctx);
    for one in confirmations {
        verify_one(terms.key_of(&one.district), &digest, &one.signature)
            .map_err(|reason| (Some(one.district.clone()), reason))?;
    }
    let need = usize::from(terms.cohort.t);
    if confirmations.len() < need {
        return Err((None, Reason::Confirmations { got: confirmations.len(), need }));
    }
    Ok(())
}

fn verify_one(
    key: Option<&IdentityKey>,
    digest: &Digest,
    signature: &Signature,
) -> Result<(), Reason> {
    key.ok_or(Reason::Stranger)?.verify(digest, signature).map_err(|_| Reason::Signature)
}

/// Coordinator: collects signatures on the sets.
pub struct CollectConfirmations {
    terms: Arc<Terms>,
    ctx: Digest,
    keys: Keys,
    sets: Sets,
    digest: Digest,
    sum: Vec<u64>,
    got: BTreeMap<DistrictId, Signature>,
}

impl CollectConfirmations {
    pub(super) fn new(
        terms: Arc<Terms>,
        ctx: Digest,
        keys: Keys,
        sets: Sets,
        sum: Vec<u64>,
    ) -> Self {
        let digest = sets.digest(&ctx);
        Self { terms, ctx, keys, sets, digest, sum, got: BTreeMap::new() }
    }

    /// Takes one signature.
    ///
    /// # Errors
    /// [`Reject`] when the sender is not in U₃, answered before, or signed something else.
    pub fn accept(&mut self, from: &DistrictId, signature: Signature) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Confirm, Some(from), reason);
        if self.sets.survivors.binary_search(from).is_err() {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        verify_one(self.terms.key_of(from), &self.digest, &signature).map_err(reject)?;
        self.got.insert(from.clone(), signature);
        Ok(())
    }

    /// Districts that have confirmed, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// Ends the step: the signatures every survivor will check before it opens anything.
    ///
    /// # Errors
    /// [`Reason::Confirmations`] when fewer than t signed.
    pub fn close(self) -> Result<(CollectUnmask, Vec<Confirmation>), Abort> {
        let need = usize::from(self.terms.cohort.t);
        if self.got.len() < need {
            let reason = Reason::Confirmations { got: self.got.len(), need };
            return Err(Abort::new(Step::Confirm, None, reason));
        }
        let confirmations = self
            .got
            .iter()
            .map(|(district, signature)| Confirmation {
                district: district.clone(),
                signature: *signature,
            })
            .collect();
        let next = CollectUnmask::new(self.terms, self.ctx, self.keys, self.sets, self.sum);
        Ok((next, confirmations))
    }
}
