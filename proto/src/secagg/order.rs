//! The order of the sparse graph: each node commits to 32 random bytes in *advertise* and opens
//! them when U₁ is fixed; the districts sorted by a hash over all of them stand on the graph's
//! circle (docs/PROTOCOL.md §4.5).
//!
//! Promise: whoever opens last, one honest node's bytes make the order random to everybody who
//! fixed U₁ before. Somebody who does not open ends the round; to try often is refused by
//! [`OrdersOpened`]. On the complete graph there is no such step.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;

use crate::canonical::{Digest, Transcript};
use crate::identity::DistrictId;

use super::advertise::{Advertisement, CollectKeys, ExpectKeys, Joined, Own, Round, check_keys};
use super::check_set;
use super::error::{Abort, Reason, Reject, Step};
use super::graph::{Graph, GraphRule};
use super::share::{CollectSeals, ExpectSeals, Keys, Seal};
use super::terms::Terms;

/// Rounds in a row in which a node opens its part of the order and does not come to *mask*.
pub const MAX_ORDERS_OPENED: u8 = 8;

/// One district's part of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whose.
    pub district: DistrictId,
    /// r_u: what its advertisement committed to.
    pub random: [u8; 32],
}

/// How often a node opened its part of the order since it last masked.
///
/// One per node, for as long as its process lives, whatever the hub says about runs and
/// connections: a coordinator that saw the order and dislikes it may only start again so often.
#[derive(Debug, Default)]
pub struct OrdersOpened(u8);

impl OrdersOpened {
    /// Counts an opening, before it is sent.
    fn open(&mut self) -> Result<(), Reason> {
        if self.0 >= MAX_ORDERS_OPENED {
            return Err(Reason::OrderRestarts { most: MAX_ORDERS_OPENED });
        }
        self.0 += 1;
        Ok(())
    }

    /// The round came to *mask*: what was opened was used.
    pub const fn masked(&mut self) {
        self.0 = 0;
    }
}

/// H(r_u): binds a part of the order to the round and its owner.
pub(super) fn commit(random: &[u8; 32], ctx: &Digest, owner: &DistrictId) -> Digest {
    Transcript::new("flashlight/r/v1")
        .bytes(ctx.as_bytes())
        .bytes(owner.as_ref())
        .bytes(random)
        .finish()
}

/// The graph that these openings make. They are of all of U₁, ascending.
fn graph(terms: &Terms, ctx: &Digest, openings: &[Opening]) -> Option<Graph> {
    let GraphRule::Sparse(plan) = terms.graph else { return None };
    let mut all = Transcript::new("flashlight/secagg/v1/order")
        .bytes(ctx.as_bytes())
        .u64(openings.len() as u64);
    for one in openings {
        all = all.bytes(one.district.as_ref()).bytes(&one.random);
    }
    let all = all.finish();
    let key = |district: &DistrictId| {
        Transcript::new("flashlight/secagg/v1/position")
            .bytes(all.as_bytes())
            .bytes(district.as_ref())
            .finish()
    };
    Some(Graph::harary(plan, terms.parties.iter().map(|party| key(&party.district))))
}

fn check_opening(keys: &Keys, ctx: &Digest, one: &Opening) -> Result<(), Reason> {
    let shown = keys.get(&one.district).ok_or(Reason::Stranger)?;
    if shown.order_commitment == Some(commit(&one.random, ctx, &one.district)) {
        Ok(())
    } else {
        Err(Reason::OrderCommitment)
    }
}

/// Node: has opened its part of the order; the others' are awaited.
pub struct ExpectOrder {
    own: Own,
    keys: Keys,
}

impl ExpectKeys {
    /// Step *order*, node side (PROTOCOL.md §4.5): checks every key and commitment of U₁, which is
    /// fixed from here on, and opens this node's part.
    ///
    /// # Errors
    /// [`Abort`] as [`ExpectKeys::share`]; [`Reason::OrderStep`] on the complete graph;
    /// [`Reason::OrderRestarts`] when too many rounds came to nothing after this step.
    pub fn open_order(
        self,
        advertisements: Vec<Advertisement>,
        opened: &mut OrdersOpened,
    ) -> Result<(ExpectOrder, [u8; 32]), Abort> {
        let Self { own, ours } = self;
        let abort = |reason| Abort::new(Step::Order, None, reason);
        let keys = check_keys(&own, &ours, advertisements, Step::Order)?;
        let random = **own.secrets.order.as_ref().ok_or_else(|| abort(Reason::OrderStep))?;
        opened.open().map_err(abort)?;
        Ok((ExpectOrder { own, keys }, random))
    }
}

impl ExpectOrder {
    /// Step 1 on the sparse graph, node side (PROTOCOL.md §4.5): checks that everybody of U₁ opened
    /// what it committed to, derives the graph, and seals a share for each neighbour.
    ///
    /// # Errors
    /// [`Abort`] when an opening is missing, repeated, strange or not what was committed to, or
    /// fewer than t_nb neighbours are in U₁.
    pub fn share<R: CryptoRng>(
        self,
        openings: &[Opening],
        rng: &mut R,
    ) -> Result<(ExpectSeals, Vec<Seal>), Abort> {
        let Self { own, keys } = self;
        let abort = |party: Option<&DistrictId>, reason| Abort::new(Step::Share, party, reason);
        let names: Vec<DistrictId> = openings.iter().map(|one| one.district.clone()).collect();
        check_set(&names, |district| keys.contains_key(district))
            .map_err(|(party, reason)| abort(party.as_ref(), reason))?;
        if let Some(missing) = keys.keys().find(|one| names.binary_search(one).is_err()) {
            return Err(abort(Some(missing), Reason::OrderUnopened));
        }
        for one in openings {
            check_opening(&keys, &own.ctx, one)
                .map_err(|reason| abort(Some(&one.district), reason))?;
        }
        let graph = graph(&own.terms, &own.ctx, openings);
        let graph = graph.ok_or_else(|| abort(None, Reason::OrderStep))?;
        Joined { own, keys, graph }.share(rng)
    }
}

/// Coordinator: collects what makes the order.
pub struct CollectOrder {
    terms: Arc<Terms>,
    ctx: Digest,
    keys: Keys,
    got: BTreeMap<DistrictId, [u8; 32]>,
}

impl CollectKeys {
    /// Ends step 0 of a round on the sparse graph: U₁ is whoever advertised, and the order is to be
    /// opened.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m advertised; [`Reason::OrderStep`] on the complete graph.
    pub fn freeze(self) -> Result<(CollectOrder, Vec<Advertisement>), Abort> {
        if !self.terms.graph.is_sparse() {
            return Err(Abort::new(Step::Order, None, Reason::OrderStep));
        }
        self.check_enough()?;
        let advertisements = self.got.values().cloned().collect();
        let Self { terms, ctx, got: keys } = self;
        Ok((CollectOrder { terms, ctx, keys, got: BTreeMap::new() }, advertisements))
    }
}

impl CollectOrder {
    /// Takes one district's opening.
    ///
    /// # Errors
    /// [`Reject`] when the sender is not in U₁, opened before, or committed to something else.
    pub fn accept(&mut self, from: &DistrictId, random: [u8; 32]) -> Result<(), Reject> {
        let reject = |reason| Reject::new(Step::Order, Some(from), reason);
        if self.got.contains_key(from) {
            return Err(reject(Reason::Duplicate));
        }
        let opening = Opening { district: from.clone(), random };
        check_opening(&self.keys, &self.ctx, &opening).map_err(reject)?;
        self.got.insert(from.clone(), random);
        Ok(())
    }

    /// Districts that have opened, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.keys().cloned().collect()
    }

    /// Ends the step: everybody is shown all openings.
    ///
    /// # Errors
    /// [`Reason::OrderUnopened`] names a member of U₁ that has not opened: without it there is no
    /// order, and the cohort has to be cut again.
    pub fn close(self) -> Result<(CollectSeals, Vec<Opening>), Abort> {
        let Self { terms, ctx, keys, got } = self;
        if let Some(missing) = keys.keys().find(|one| !got.contains_key(*one)) {
            return Err(Abort::new(Step::Order, Some(missing), Reason::OrderUnopened));
        }
        let openings: Vec<Opening> =
            got.into_iter().map(|(district, random)| Opening { district, random }).collect();
        let graph = graph(&terms, &ctx, &openings)
            .ok_or_else(|| Abort::new(Step::Order, None, Reason::OrderStep))?;
        Ok((CollectSeals::new(Round { terms, ctx, keys, graph }), openings))
    }
}
