//! A hub and its districts, playing one round step by step.
//!
//! Each state holds the districts that are still there and the hub; `lose` takes districts away,
//! the method named after a step plays it. A test bends the public fields in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::sparse_plan::SparsePlan;
use flashlight_proto::secagg::{
    Abort, Advertisement, CollectAcknowledgements, CollectConfirmations, CollectKeys,
    CollectMasked, CollectOrder, CollectSeals, CollectUnmask, Confirmation, ExpectConfirmations,
    ExpectKeys, ExpectOrder, ExpectSeals, ExpectSharers, ExpectSurvivors, GraphRule, LedgerHead,
    MaskedInput, NoisySum, Opening, OrdersOpened, Reject, Seal, Terms, Unmasking, advertise,
};
use flashlight_proto::study::CohortRule;
use rand_chacha::ChaCha20Rng;

use crate::setting::{Setting, Width, district, identity, seeded};

/// Something of every district.
pub type Each<T> = BTreeMap<DistrictId, T>;

/// Everybody before a round: who they are and what they have.
pub struct Network {
    /// What all know.
    pub setting: Setting,
    /// Of the round.
    pub terms: Arc<Terms>,
    /// The words each district will contribute.
    pub words: Each<Vec<i64>>,
    /// Each district's own randomness.
    pub rng: Each<ChaCha20Rng>,
}

impl Network {
    /// `n` districts under a rule, with words that differ by district and place.
    #[must_use]
    pub fn new(n: u16, max_dropped: u16, max_colluding: u16) -> Self {
        Self::of_width(n, max_dropped, max_colluding, Width::Narrow, 1)
    }

    /// The same with a chosen width; `seed` makes the districts' randomness and the round's number.
    #[must_use]
    pub fn of_width(n: u16, max_dropped: u16, max_colluding: u16, width: Width, seed: u8) -> Self {
        let rule = CohortRule { min_districts: n, max_dropped, max_colluding };
        Self::of_setting(Setting::new(rule, width, "2024-06-30"), n, seed)
    }

    /// The same under a given study.
    #[must_use]
    pub fn of_setting(setting: Setting, n: u16, seed: u8) -> Self {
        let terms = setting.terms(n, seed);
        let places = i64::try_from(setting.layout.words()).expect("a layout is short");
        let words = (1..=n)
            .map(|index| {
                (district(index), (0..places).map(|p| i64::from(index) * 1000 + p).collect())
            })
            .collect();
        let rng = (1..=n).map(|index| (district(index), seeded(u64::from(seed), index))).collect();
        Self { setting, terms, words, rng }
    }

    /// `n` districts on a sparse graph of this plan, which real rounds of so few do not use.
    #[must_use]
    pub fn sparse(n: u16, max_dropped: u16, max_colluding: u16, plan: SparsePlan) -> Self {
        let mut net = Self::new(n, max_dropped, max_colluding);
        Arc::make_mut(&mut net.terms).graph = GraphRule::Sparse(plan);
        net
    }

    /// What the sum over these districts must be.
    #[must_use]
    pub fn plain_sum(&self, over: &[DistrictId]) -> Vec<i64> {
        let mut sum = vec![0; self.terms.words];
        for one in over {
            for (total, word) in sum.iter_mut().zip(&self.words[one]) {
                *total += word;
            }
        }
        sum
    }

    /// One district's contribution.
    #[must_use]
    pub fn contribution(&self, of: &DistrictId) -> Contribution {
        Contribution::new(&self.setting.layout, self.words[of].clone()).expect("the words fit")
    }

    /// The first half of step 0: the nodes' side, over the districts in `who`.
    #[must_use]
    pub fn nodes(&mut self, who: &[DistrictId]) -> Each<(ExpectKeys, Advertisement)> {
        who.iter()
            .map(|one| {
                let rng = self.rng.get_mut(one).expect("everybody has an rng");
                let head = LedgerHead { entries: 7, digest: Digest::of(one.as_ref()) };
                let terms = Arc::clone(&self.terms);
                let made = advertise(terms, one, &identity(number(one)), head, rng);
                (one.clone(), made.expect("the node is in the cohort"))
            })
            .collect()
    }

    /// The whole cohort.
    #[must_use]
    pub fn everybody(&self) -> Vec<DistrictId> {
        self.terms.parties.iter().map(|party| party.district.clone()).collect()
    }

    /// Step 0 on a sparse graph over everybody but `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn freeze(&mut self, lost: &[DistrictId]) -> Result<Frozen, Abort> {
        let who: Vec<_> = self.everybody().into_iter().filter(|o| !lost.contains(o)).collect();
        let mut hub = CollectKeys::new(Arc::clone(&self.terms));
        let mut nodes = Each::new();
        for (one, (node, ours)) in self.nodes(&who) {
            hub.accept(&one, ours).expect("the hub takes an honest advertisement");
            nodes.insert(one, node);
        }
        let (hub, advertisements) = hub.freeze()?;
        Ok(Frozen { nodes, hub, advertisements })
    }

    /// Step 0 over everybody but `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn advertise(&mut self, lost: &[DistrictId]) -> Result<Advertised, Abort> {
        let who: Vec<_> = self.everybody().into_iter().filter(|o| !lost.contains(o)).collect();
        let mut hub = CollectKeys::new(Arc::clone(&self.terms));
        let mut nodes = Each::new();
        for (one, (node, ours)) in self.nodes(&who) {
            hub.accept(&one, ours).expect("the hub takes an honest advertisement");
            nodes.insert(one, node);
        }
        let (hub, advertisements) = hub.close()?;
        Ok(Advertised { nodes, hub, advertisements })
    }

    /// A whole round that loses nobody up to the states after *mask*.
    #[must_use]
    pub fn masked(&mut self) -> Masked {
        let advertised = self.advertise(&[]).expect("all advertised");
        let shared = advertised.share(self, &[]).expect("all shared");
        let acknowledged = shared.acknowledge(&[]).expect("all acknowledged");
        acknowledged.mask(self, &[]).expect("all masked")
    }

    /// A whole round that loses nobody up to the states after *confirm*.
    #[must_use]
    pub fn confirmed(&mut self) -> Confirmed {
        self.masked().confirm(&[]).expect("all confirmed")
    }
}

/// After step 0 on a sparse graph: U₁ is fixed, the order is not opened.
pub struct Frozen {
    /// Districts that are still there.
    pub nodes: Each<ExpectKeys>,
    /// The hub.
    pub hub: CollectOrder,
    /// What the hub shows everybody.
    pub advertisements: Vec<Advertisement>,
}

impl Frozen {
    /// Opens the order. Nobody may be lost here: that would end the round.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn order(self) -> Result<Ordered, Abort> {
        let Self { nodes, mut hub, advertisements } = self;
        let mut kept = Each::new();
        let done = at_once(nodes.into_iter().collect(), |(one, node)| {
            let done = node.open_order(advertisements.clone(), &mut OrdersOpened::default());
            (one, done.expect("an honest U1 is accepted"))
        });
        for (one, (node, random)) in done {
            hub.accept(&one, random).expect("the hub takes an honest opening");
            kept.insert(one, node);
        }
        let (hub, openings) = hub.close()?;
        Ok(Ordered { nodes: kept, hub, openings, advertisements })
    }
}

/// After the order of a sparse graph is opened.
pub struct Ordered {
    /// Districts that are still there.
    pub nodes: Each<ExpectOrder>,
    /// The hub.
    pub hub: CollectSeals,
    /// What the hub shows everybody.
    pub openings: Vec<Opening>,
    /// What it showed before.
    pub advertisements: Vec<Advertisement>,
}

impl Ordered {
    /// Step 1, first half, without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn share(self, net: &mut Network, lost: &[DistrictId]) -> Result<Shared, Abort> {
        let Self { nodes, mut hub, openings, .. } = self;
        let mut kept = Each::new();
        let there = without(nodes, lost).map(|(one, node)| {
            let rng = net.rng.remove(&one).expect("everybody has an rng");
            (one, node, rng)
        });
        let done = at_once(there.collect(), |(one, node, mut rng)| {
            let done = node.share(&openings, &mut rng);
            (one, done.expect("honest openings are accepted"), rng)
        });
        for (one, (node, seals), rng) in done {
            hub.accept(&one, seals).expect("the hub takes honest seals");
            net.rng.insert(one.clone(), rng);
            kept.insert(one, node);
        }
        let (hub, seals) = hub.close()?;
        Ok(Shared { nodes: kept, hub, seals })
    }
}

/// After step 0: U₁ is fixed.
pub struct Advertised {
    /// Districts that are still there.
    pub nodes: Each<ExpectKeys>,
    /// The hub.
    pub hub: CollectSeals,
    /// What the hub shows everybody.
    pub advertisements: Vec<Advertisement>,
}

impl Advertised {
    /// Step 1, first half, without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn share(self, net: &mut Network, lost: &[DistrictId]) -> Result<Shared, Abort> {
        let Self { nodes, mut hub, advertisements } = self;
        let mut kept = Each::new();
        let there = without(nodes, lost).map(|(one, node)| {
            let rng = net.rng.remove(&one).expect("everybody has an rng");
            (one, node, rng)
        });
        let done = at_once(there.collect(), |(one, node, mut rng)| {
            let done = node.share(advertisements.clone(), &mut rng);
            (one, done.expect("an honest U1 is accepted"), rng)
        });
        for (one, (node, seals), rng) in done {
            hub.accept(&one, seals).expect("the hub takes honest seals");
            net.rng.insert(one.clone(), rng);
            kept.insert(one, node);
        }
        let (hub, seals) = hub.close()?;
        Ok(Shared { nodes: kept, hub, seals })
    }
}

/// After the first half of step 1: seals are with the hub.
pub struct Shared {
    /// Districts that are still there.
    pub nodes: Each<ExpectSeals>,
    /// The hub.
    pub hub: CollectAcknowledgements,
    /// What the hub forwards to each district.
    pub seals: Each<Vec<Seal>>,
}

impl Shared {
    /// Step 1, second half, without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn acknowledge(self, lost: &[DistrictId]) -> Result<Acknowledged, Abort> {
        let Self { nodes, mut hub, mut seals } = self;
        let mut kept = Each::new();
        let there = without(nodes, lost).map(|(one, node)| {
            let ours = seals.remove(&one).unwrap_or_default();
            (one, node, ours)
        });
        let done = at_once(there.collect(), |(one, node, ours)| {
            (one, node.acknowledge(ours).expect("the seals come from U1"))
        });
        for (one, (node, opened)) in done {
            hub.accept(&one, &opened).expect("the hub takes an honest list");
            kept.insert(one, node);
        }
        let (hub, sharers) = hub.close()?;
        Ok(Acknowledged { nodes: kept, hub, sharers })
    }
}

/// After step 1: U₂ is fixed.
pub struct Acknowledged {
    /// Districts that are still there, in U₂ or not.
    pub nodes: Each<ExpectSharers>,
    /// The hub.
    pub hub: CollectMasked,
    /// U₂.
    pub sharers: Vec<DistrictId>,
}

impl Acknowledged {
    /// Step 2 without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn mask(self, net: &Network, lost: &[DistrictId]) -> Result<Masked, Abort> {
        let Self { nodes, mut hub, sharers } = self;
        let mut kept = Each::new();
        let there = without(nodes, lost).filter(|(one, _)| sharers.contains(one));
        let done = at_once(there.collect(), |(one, node)| {
            let done = node.mask(&sharers, net.contribution(&one));
            (one, done.expect("an honest U2 is accepted"))
        });
        for (one, (node, masked)) in done {
            upload(&mut hub, &one, &masked).expect("the hub takes an honest upload");
            kept.insert(one, node);
        }
        let (hub, survivors) = hub.close()?;
        Ok(Masked { nodes: kept, hub, survivors })
    }
}

/// Sends a whole upload.
///
/// # Errors
/// The hub's [`Reject`].
pub fn upload(
    hub: &mut CollectMasked,
    from: &DistrictId,
    masked: &MaskedInput,
) -> Result<(), Reject> {
    let mut staging = hub.stage(from)?;
    for (index, chunk) in (0..).zip(masked.chunks()) {
        staging.chunk(index, &chunk)?;
    }
    hub.accept(&staging)
}

/// After step 2: U₃ is fixed.
pub struct Masked {
    /// Districts that are still there.
    pub nodes: Each<ExpectSurvivors>,
    /// The hub.
    pub hub: CollectConfirmations,
    /// U₃.
    pub survivors: Vec<DistrictId>,
}

impl Masked {
    /// Step 3 without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn confirm(self, lost: &[DistrictId]) -> Result<Confirmed, Abort> {
        let Self { nodes, mut hub, survivors } = self;
        let mut kept = Each::new();
        for (one, node) in without(nodes, lost) {
            let (node, signature) = node
                .confirm(survivors.clone(), &identity(number(&one)))
                .expect("an honest U3 is accepted");
            hub.accept(&one, signature).expect("the hub takes an honest signature");
            kept.insert(one, node);
        }
        let (hub, confirmations) = hub.close()?;
        Ok(Confirmed { nodes: kept, hub, survivors, confirmations })
    }
}

/// After step 3: the signatures are with the hub.
pub struct Confirmed {
    /// Districts that are still there.
    pub nodes: Each<ExpectConfirmations>,
    /// The hub.
    pub hub: CollectUnmask,
    /// U₃.
    pub survivors: Vec<DistrictId>,
    /// What the hub shows everybody.
    pub confirmations: Vec<Confirmation>,
}

/// During step 4: what each district answered, not yet given to the hub.
pub struct Collected {
    /// The hub.
    pub hub: CollectUnmask,
    /// U₃.
    pub survivors: Vec<DistrictId>,
    /// Each district's shares.
    pub shares: Each<Unmasking>,
}

impl Confirmed {
    /// Step 4, the nodes' side, without `lost`.
    #[must_use]
    pub fn collect(self, lost: &[DistrictId]) -> Collected {
        let Self { nodes, hub, survivors, confirmations } = self;
        let shares = at_once(without(nodes, lost).collect(), |(one, node)| {
            (one, node.unmask(&confirmations).expect("enough have signed"))
        });
        Collected { hub, survivors, shares: shares.into_iter().collect() }
    }

    /// Step 4 without `lost`.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn unmask(self, lost: &[DistrictId]) -> Result<NoisySum, Abort> {
        self.collect(lost).close()
    }
}

impl Collected {
    /// Hands the hub all shares and closes the round.
    ///
    /// # Errors
    /// The hub's [`Abort`].
    pub fn close(self) -> Result<NoisySum, Abort> {
        let Self { mut hub, shares, .. } = self;
        for (one, ours) in shares {
            hub.accept(&one, ours).expect("the shares are well-formed");
        }
        hub.close()
    }
}

fn without<T>(nodes: Each<T>, lost: &[DistrictId]) -> impl Iterator<Item = (DistrictId, T)> {
    nodes.into_iter().filter(|(one, _)| !lost.contains(one))
}

/// Does the same work for every node, on two threads.
fn at_once<T: Send, U: Send>(mut items: Vec<T>, work: impl Fn(T) -> U + Sync) -> Vec<U> {
    let second = items.split_off(items.len() / 2);
    let work = &work;
    std::thread::scope(|scope| {
        let second = scope.spawn(move || second.into_iter().map(work).collect::<Vec<U>>());
        let mut done: Vec<U> = items.into_iter().map(work).collect();
        done.extend(second.join().expect("the other half of the nodes did not panic"));
        done
    })
}

/// The number of a test's district.
///
/// # Panics
/// When it is not `D` and a number.
#[must_use]
pub fn number(of: &DistrictId) -> u16 {
    of.as_str()[1..].parse().expect("districts of a test are D and a number")
}
