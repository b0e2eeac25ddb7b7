//! Step 4, unmask: survivors give one share per peer — of the seed of a survivor, or of the mask
//! key of a lost node, never both — and the coordinator takes the masks off the sum.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::canonical::Digest;
use crate::identity::DistrictId;

use super::advertise::commit;
use super::confirm::{Confirmation, ExpectConfirmations, Sets, verify_confirmations};
use super::error::{Abort, Reason, Reject, Step};
use super::mask::{pair_key, without_control};
use super::prg;
use super::shamir::{self, Share};
use super::share::Keys;
use super::terms::Terms;

/// What one survivor gives so that the sum can be opened.
#[derive(Debug)]
pub struct Unmasking {
    /// Shares of b_v for every v in U₃, ascending.
    pub seeds: Vec<(DistrictId, Share)>,
    /// Shares of s_v for every v in U₂ and not in U₃, ascending.
    pub mask_keys: Vec<(DistrictId, Share)>,
}

impl ExpectConfirmations {
    /// Step 4, node side (PROTOCOL.md §4.4): with t signatures on identical sets, gives one share
    /// per peer. The state is consumed and its keys wiped: there is no second answer.
    ///
    /// # Errors
    /// [`Abort`] when the signatures are too few, repeated, from outside U₃ or not valid.
    pub fn unmask(self, confirmations: &[Confirmation]) -> Result<Unmasking, Abort> {
        let Self { own, mut held, sets } = self;
        verify_confirmations(&own.terms, &own.ctx, &sets, confirmations)
            .map_err(|(party, reason)| Abort::new(Step::Unmask, party.as_ref(), reason))?;
        let mut take = |district: &DistrictId| {
            held.remove(district)
                .ok_or_else(|| Abort::new(Step::Unmask, Some(district), Reason::SealUnopened))
        };
        let mut seeds = Vec::with_capacity(sets.survivors.len());
        for district in &sets.survivors {
            seeds.push((district.clone(), take(district)?.seed));
        }
        let mut mask_keys = Vec::new();
        for district in sets.lost() {
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
    terms: Arc<Terms>,
    ctx: Digest,
    keys: Keys,
    sets: Sets,
    sum: Vec<u64>,
    got: BTreeMap<DistrictId, Unmasking>,
}

impl CollectUnmask {
    pub(super) const fn new(
        terms: Arc<Terms>,
        ctx: Digest,
        keys: Keys,
        sets: Sets,
        sum: Vec<u64>,
    ) -> Self {
        Self { terms, ctx, keys, sets, sum, got: BTreeMap::new() }
    }

    /// Takes one survivor's shares.
    ///
    /// # Errors
    /// [`Reject`] when the sender is not in U₃, answered before, or the shares are not exactly one
    /// per peer, of the right kind and of its own place.
    pub fn accept(&mut self, from: &DistrictId, ours: Unmasking) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Unmask, Some(from), reason);
        if self.sets.survivors.binary_search(from).is_err() {
            return Err(reject(Reason::Stranger));
        }
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        let x = self.terms.x_of(from).ok_or_else(|| reject(Reason::Stranger))?;
        let fits = names(&ours.seeds).eq(self.sets.survivors.iter())
            && names(&ours.mask_keys).eq(self.sets.lost())
            && ours.seeds.iter().chain(&ours.mask_keys).all(|(_, share)| share.x() == x);
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

    /// The Shamir place a sender's shares must carry.
    #[must_use]
    pub fn x_of(&self, district: &DistrictId) -> Option<u8> {
        self.terms.x_of(district)
    }

    /// Ends the round: recovers every seed and every lost mask key, checks each against what was
    /// committed, takes all masks off the sum and checks the control cells.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than t survivors gave shares; [`Reason::Unrecoverable`] names
    /// the district whose secret no subset of shares opens; [`Reason::ControlCell`] when somebody
    /// masked under other terms.
    pub fn close(mut self) -> Result<NoisySum, Abort> {
        let abort = |party: Option<&DistrictId>, reason| Abort::new(Step::Unmask, party, reason);
        let (got, need) = (self.got.len(), usize::from(self.terms.cohort.t));
        if got < need {
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
            for survivor in &self.sets.survivors {
                let theirs = &self.keys[survivor].mask_key;
                let key = pair_key(&secret, theirs, &self.ctx, lost, survivor)
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
        let committed = self.keys[owner].seed_commitment;
        self.recover(
            owner,
            liars,
            |unmasking| &unmasking.seeds,
            |seed| commit(seed, &self.ctx, owner) == committed,
        )
    }

    fn recover_mask_key(
        &self,
        owner: &DistrictId,
        liars: &mut Vec<DistrictId>,
    ) -> Result<StaticSecret, Abort> {
        let public = self.keys[owner].mask_key;
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
        let shares: Vec<&Share> = self
            .got
            .values()
            .filter_map(|unmasking| {
                let list = list(unmasking);
                let place = list.binary_search_by(|(district, _)| district.cmp(owner)).ok()?;
                Some(&list[place].1)
            })
            .collect();
        let recovered = shamir::recover(&shares, usize::from(self.terms.cohort.t), is_secret)
            .map_err(|reason| Abort::new(Step::Unmask, Some(owner), reason))?;
        let parties = &self.terms.parties;
        liars.extend(recovered.liars.iter().map(|&x| parties[usize::from(x) - 1].district.clone()));
        Ok(recovered.secret)
    }
}

fn names(list: &[(DistrictId, Share)]) -> impl Iterator<Item = &DistrictId> {
    list.iter().map(|(district, _)| district)
}
