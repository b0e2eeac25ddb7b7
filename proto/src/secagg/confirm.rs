//! Step 3, confirm: every survivor signs the sets of the round, so that a coordinator that showed
//! different survivors to different districts cannot gather enough signatures to open anything.

use std::collections::BTreeMap;

use crate::canonical::{Digest, Transcript};
use crate::identity::{DistrictId, IdentityKey, IdentitySecret, Signature};

use super::advertise::{Joined, Round};
use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::mask::ExpectSurvivors;
use super::share::{Held, Keys};
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
        for advertisement in keys.values() {
            transcript = advertisement.fields(transcript);
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
    pub(super) joined: Joined,
    pub(super) held: BTreeMap<DistrictId, Held>,
    pub(super) sets: Sets,
}

impl ExpectSurvivors {
    /// Step 3, node side (PROTOCOL.md §4.3): signs one U₃ for this round.
    ///
    /// The caller records U₃ durably before the signature leaves.
    ///
    /// # Errors
    /// [`Abort`] when U₃ is not a subset of U₂ with this node in it and |U₃| ≥ m; on the sparse
    /// graph also when t_nb neighbours are not in it, or a run of the order holds too few of it.
    pub fn confirm(
        self,
        survivors: Vec<DistrictId>,
        identity: &IdentitySecret,
    ) -> Result<(ExpectConfirmations, Signature), Abort> {
        let Self { joined, held, sharers } = self;
        let own = &joined.own;
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
        joined
            .check_neighbours(&survivors)
            .and_then(|()| joined.graph.check_windows(&own.terms.flags(&survivors)))
            .map_err(|reason| Abort::new(Step::Confirm, None, reason))?;
        let sets = Sets::new(&joined.keys, sharers, survivors);
        let signature = identity.sign(&sets.digest(&own.ctx));
        Ok((ExpectConfirmations { joined, held, sets }, signature))
    }
}

/// Counts valid signatures of distinct survivors on exactly these sets; on the sparse graph the
/// signers alone must hold it together: U₃ may have members who were shown other sets.
///
/// # Errors
/// The first district out of order, outside U₃ or with a bad signature.
pub(super) fn verify_confirmations(
    Joined { own, graph, .. }: &Joined,
    sets: &Sets,
    confirmations: &[Confirmation],
) -> Result<(), (Option<DistrictId>, Reason)> {
    let names: Vec<DistrictId> = confirmations.iter().map(|one| one.district.clone()).collect();
    check_set(&names, |district| sets.survivors.binary_search(district).is_ok())?;
    let digest = sets.digest(&own.ctx);
    for one in confirmations {
        verify_one(own.terms.key_of(&one.district), &digest, &one.signature)
            .map_err(|reason| (Some(one.district.clone()), reason))?;
    }
    let need = usize::from(own.terms.cohort.t);
    if confirmations.len() < need {
        return Err((None, Reason::Confirmations { got: confirmations.len(), need }));
    }
    graph.check_windows(&own.terms.flags(&names)).map_err(|reason| (None, reason))
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
    round: Round,
    sets: Sets,
    digest: Digest,
    sum: Vec<u64>,
    got: BTreeMap<DistrictId, Signature>,
}

impl CollectConfirmations {
    pub(super) fn new(round: Round, sets: Sets, sum: Vec<u64>) -> Self {
        let digest = sets.digest(&round.ctx);
        Self { round, sets, digest, sum, got: BTreeMap::new() }
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
        verify_one(self.round.terms.key_of(from), &self.digest, &signature).map_err(reject)?;
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
    /// [`Reason::Confirmations`] when fewer than t signed; on the sparse graph [`Reason::Window`]
    /// when the signers do not hold it together.
    pub fn close(self) -> Result<(CollectUnmask, Vec<Confirmation>), Abort> {
        let need = usize::from(self.round.terms.cohort.t);
        if self.got.len() < need {
            let reason = Reason::Confirmations { got: self.got.len(), need };
            return Err(Abort::new(Step::Confirm, None, reason));
        }
        let signers = self.round.terms.flags(&self.have());
        self.round
            .graph
            .check_windows(&signers)
            .map_err(|reason| Abort::new(Step::Confirm, None, reason))?;
        let confirmations = self
            .got
            .iter()
            .map(|(district, signature)| Confirmation {
                district: district.clone(),
                signature: *signature,
            })
            .collect();
        let next = CollectUnmask::new(self.round, self.sets, self.sum);
        Ok((next, confirmations))
    }
}
