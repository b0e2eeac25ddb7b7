//! Step 4, unmask: survivors give one share per neighbour — of the seed of a survivor, or of the mask
//! key of a lost node, never both — and the coordinator takes the masks off the sum.

use std::collections::BTreeMap;
use std::fmt;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::identity::DistrictId;

use super::advertise::{Round, commit};
use super::confirm::{Confirmation, ExpectConfirmations, Sets, verify_confirmations};
use super::error::{Abort, Reason, Reject, Step};
use super::mask::{pair_key, without_control};
use super::prg;
use super::shamir::{self, Share};

/// What one survivor gives so that the sum can be opened.
#[derive(Debug)]
pub struct Unmasking {
    /// Shares of b_v for every v in U₃ whose share this node holds, ascending.
    pub seeds: Vec<(DistrictId, Share)>,
    /// Shares of s_v for every such v in U₂ and not in U₃, ascending.
    pub mask_keys: Vec<(DistrictId, Share)>,
}

impl ExpectConfirmations {
    /// Step 4, node side (PROTOCOL.md §4.4): with t signatures on identical sets, gives one share
    /// per peer, or per neighbour on the sparse graph. The state is consumed and its keys wiped:
    /// there is no second answer.
    ///
    /// # Errors
    /// [`Abort`] when the signatures are too few, repeated, from outside U₃ or not valid, or their
    /// signers do not hold the sparse graph together.
    pub fn unmask(self, confirmations: &[Confirmation]) -> Result<Unmasking, Abort> {
        let Self { joined, mut held, sets } = self;
        verify_confirmations(&joined, &sets, confirmations)
            .map_err(|(party, reason)| Abort::new(Step::Unmask, party.as_ref(), reason))?;
        let is_held = |district: &&DistrictId| joined.x_from(district).is_some();
        let mut take = |district: &DistrictId| {
            held.remove(district)
                .ok_or_else(|| Abort::new(Step::Unmask, Some(district), Reason::SealUnopened))
        };
        let mut seeds = Vec::with_capacity(sets.survivors.len());
        for district in sets.survivors.iter().filter(is_held) {
            seeds.push((district.clone(), take(district)?.seed));
        }
        let mut mask_keys = Vec::new();
        for district in sets.lost().filter(is_held) {
            mask_keys.push((district.clone(), take(district)?.mask_key));
        }
        Ok(Unmasking { seeds, mask_keys })
    }
}

/// The sum over the survivors, and over nobody else. In `dp` mode each survivor's noise is in it.
pub struct NoisySum {
    words: Vec<i64>,
    survivors: Vec<DistrictId>,
    lost: Vec<DistrictId>,
    liars: Vec<DistrictId>,
}

impl NoisySum {
    /// The summed words, in the layout's order.
    #[must_use]
    pub fn words(&self) -> &[i64] {
        &self.words
    }

    /// U₃, ascending.
    #[must_use]
    pub fn survivors(&self) -> &[DistrictId] {
        &self.survivors
    }

    /// U₂ without U₃, ascending.
    #[must_use]
    pub fn lost(&self) -> &[DistrictId] {
        &self.lost
    }

    /// Districts that gave a share off its secret's polynomial. Each of them lied, or the secret's
    /// owner dealt it a wrong share: nobody but the two can tell which.
    #[must_use]
    pub fn liars(&self) -> &[DistrictId] {
        &self.liars
    }
}

impl fmt::Debug for NoisySum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoisySum").field("words", &self.words.len()).finish_non_exhaustive()
    }
}

/// Coordinator: collects shares and opens the sum.
pub struct CollectUnmask {
    round: Round,
    sets: Sets,
    sum: Vec<u64>,
    got: BTreeMap<DistrictId, Unmasking>,
}

impl CollectUnmask {
    pub(super) const fn new(round: Round, sets: Sets, sum: Vec<u64>) -> Self {
        Self { round, sets, sum, got: BTreeMap::new() }
    }

    /// Takes one survivor's shares.
    ///
    /// # Errors
    /// [`Reject`] when the sender is not in U₃, answered before, or the shares are not exactly one
    /// per peer (neighbour, on the sparse graph), of the right kind and of its own place.
    pub fn accept(&mut self, from: &DistrictId, ours: Unmasking) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Unmask, Some(from), reason);
        if self.sets.survivors.binary_search(from).is_err() {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        let x_of = |dealer: &DistrictId| self.x_of(dealer, from);
        let is_held = |dealer: &&DistrictId| x_of(dealer).is_some();
        let mut all = ours.seeds.iter().chain(&ours.mask_keys);
        let fits = names(&ours.seeds).eq(self.sets.survivors.iter().filter(is_held))
            && names(&ours.mask_keys).eq(self.sets.lost().filter(is_held))
            && all.all(|(dealer, share)| x_of(dealer) == Some(share.x()));
        if !fits {
            return Err(reject(Reason::ShareShape));
        }
        self.got.insert(from.clone(), ours);
        Ok(())
    }

    /// Districts that have given their shares, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// Whether a district is asked for shares.
    #[must_use]
    pub fn expects(&self, district: &DistrictId) -> bool {
        self.sets.survivors.binary_search(district).is_ok()
    }

    /// The Shamir place that `holder`'s share of a secret of `dealer` must carry, if it has one.
    #[must_use]
    pub fn x_of(&self, dealer: &DistrictId, holder: &DistrictId) -> Option<u8> {
        self.round.x_of(dealer, holder)
    }

    /// Ends the round: recovers every seed and every lost mask key, checks each against what was
    /// committed, takes all masks off the sum and checks the control cells.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than t survivors gave shares on the complete graph;
    /// [`Reason::Unrecoverable`] names
    /// the district whose secret no subset of shares opens; [`Reason::ControlCell`] when somebody
    /// masked under other terms.
    pub fn close(mut self) -> Result<NoisySum, Abort> {
        let abort = |party: Option<&DistrictId>, reason| Abort::new(Step::Unmask, party, reason);
        let (got, need) = (self.got.len(), usize::from(self.round.terms.cohort.t));
        if got < need && !self.round.terms.graph.is_sparse() {
            return Err(abort(None, Reason::TooFew { got, need }));
        }
        let mut liars = Vec::new();
        let mut sum = Zeroizing::new(std::mem::take(&mut self.sum));
        for survivor in &self.sets.survivors {
            let seed = self.recover_seed(survivor, &mut liars)?;
            prg::subtract(&seed, &mut sum);
        }
        for lost in self.sets.lost() {
            let secret = self.recover_mask_key(lost, &mut liars)?;
            let is_survivor = |one: &&DistrictId| self.sets.survivors.binary_search(one).is_ok();
            for survivor in self.round.holders(lost).filter(is_survivor) {
                let theirs = &self.round.keys[survivor].mask_key;
                let key = pair_key(&secret, theirs, &self.round.ctx, lost, survivor)
                    .map_err(|reason| abort(Some(lost), reason))?;
                if survivor < lost {
                    prg::subtract(&key, &mut sum);
                } else {
                    prg::add(&key, &mut sum);
                }
            }
        }
        let cells = without_control(&sum, self.sets.survivors.len())
            .map_err(|reason| abort(None, reason))?;
        liars.sort();
        liars.dedup();
        Ok(NoisySum {
            words: cells.into_iter().map(u64::cast_signed).collect(),
            lost: self.sets.lost().cloned().collect(),
            survivors: self.sets.survivors,
            liars,
        })
    }

    fn recover_seed(
        &self,
        owner: &DistrictId,
        liars: &mut Vec<DistrictId>,
    ) -> Result<Zeroizing<[u8; 32]>, Abort> {
        let committed = self.round.keys[owner].seed_commitment;
        self.recover(
            owner,
            liars,
            |unmasking| &unmasking.seeds,
            |seed| commit(seed, &self.round.ctx, owner) == committed,
        )
    }

    fn recover_mask_key(
        &self,
        owner: &DistrictId,
        liars: &mut Vec<DistrictId>,
    ) -> Result<StaticSecret, Abort> {
        let public = self.round.keys[owner].mask_key;
        let secret = self.recover(
            owner,
            liars,
            |unmasking| &unmasking.mask_keys,
            |secret| PublicKey::from(&StaticSecret::from(*secret)).to_bytes() == public,
        )?;
        Ok(StaticSecret::from(*secret))
    }

    fn recover(
        &self,
        owner: &DistrictId,
        liars: &mut Vec<DistrictId>,
        list: impl Fn(&Unmasking) -> &Vec<(DistrictId, Share)>,
        is_secret: impl Fn(&[u8; 32]) -> bool,
    ) -> Result<Zeroizing<[u8; 32]>, Abort> {
        let given = |holder| {
            let list = list(self.got.get(holder)?);
            let place = list.binary_search_by(|(district, _)| district.cmp(owner)).ok()?;
            Some((holder, &list[place].1))
        };
        let (givers, shares): (Vec<&DistrictId>, Vec<&Share>) =
            self.round.holders(owner).filter_map(given).unzip();
        let recovered = shamir::recover(&shares, self.round.graph.threshold(), is_secret)
            .map_err(|reason| Abort::new(Step::Unmask, Some(owner), reason))?;
        let lied = givers.iter().zip(&shares).filter(|(_, one)| recovered.liars.contains(&one.x()));
        liars.extend(lied.map(|(giver, _)| (*giver).clone()));
        Ok(recovered.secret)
    }
}

fn names(list: &[(DistrictId, Share)]) -> impl Iterator<Item = &DistrictId> {
    list.iter().map(|(district, _)| district)
}
