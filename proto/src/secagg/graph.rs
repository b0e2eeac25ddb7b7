//! Who shares secrets and masks with whom: everybody with everybody up to [`COMPLETE_MAX`]
//! districts, above that the k nearest on a circle in a random order (docs/PROTOCOL.md §4.5).
//!
//! In: the cohort's sizes, and for the sparse graph a key per district by which the circle is
//! sorted. Out: neighbours, the x of each share, the shares that open a secret, and whether a set
//! of survivors holds the graph together. Districts are places in the cohort, from 0. Nothing is
//! stored but the circle: O(n).

use crate::canonical::Digest;
use crate::study::CohortSizes;

use super::error::Reason;
use super::sparse_plan::{SparseError, SparsePlan};

/// Most districts on the complete graph: a Shamir share's x is one byte, not 0.
pub const COMPLETE_MAX: u16 = 254;

/// Which graph a round is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphRule {
    /// Everybody with everybody; shares open at the global t.
    Complete,
    /// Harary's k-regular graph over a committed random order.
    Sparse(SparsePlan),
}

impl GraphRule {
    /// The graph of a round of this size: complete up to [`COMPLETE_MAX`] districts.
    ///
    /// # Errors
    /// [`SparseError`] when there are more and no sparse graph is safe for them.
    pub fn of(sizes: CohortSizes) -> Result<Self, SparseError> {
        let CohortSizes { n, m, c, .. } = sizes;
        if n <= COMPLETE_MAX {
            return Ok(Self::Complete);
        }
        let plan = SparsePlan::new(u32::from(n), u32::from(c), u32::from(n.saturating_sub(m)))?;
        Ok(Self::Sparse(plan))
    }

    /// Whether an order has to be opened before anybody shares.
    #[must_use]
    pub const fn is_sparse(&self) -> bool {
        matches!(self, Self::Sparse(_))
    }
}

/// The graph of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Graph {
    Complete {
        n: usize,
        t: u16,
    },
    Harary {
        /// District by position on the circle.
        order: Vec<u16>,
        /// Position on the circle by district.
        positions: Vec<u16>,
        plan: SparsePlan,
    },
}

impl Graph {
    pub(super) const fn complete(n: usize, t: u16) -> Self {
        Self::Complete { n, t }
    }

    /// The circle of the districts sorted by their keys; `keys` in the order of the cohort.
    pub(super) fn harary(plan: SparsePlan, keys: impl IntoIterator<Item = Digest>) -> Self {
        let mut sorted: Vec<(Digest, u16)> = keys.into_iter().zip(0..).collect();
        sorted.sort_unstable();
        let order: Vec<u16> = sorted.into_iter().map(|(_, district)| district).collect();
        let mut positions = vec![0; order.len()];
        for (position, district) in (0..).zip(&order) {
            positions[usize::from(*district)] = position;
        }
        Self::Harary { order, positions, plan }
    }

    /// Whether two districts share secrets and a mask.
    pub(super) fn are_neighbours(&self, one: usize, other: usize) -> bool {
        match self {
            Self::Complete { n, .. } => one != other && one < *n && other < *n,
            Self::Harary { order, positions, plan } => {
                let (Some(one), Some(other)) = (positions.get(one), positions.get(other)) else {
                    return false;
                };
                let apart = usize::from(one.abs_diff(*other));
                apart != 0 && apart.min(order.len() - apart) <= run(plan)
            }
        }
    }

    /// Who holds shares of a district's secrets, ascending: on the complete graph everybody, itself
    /// too; on the sparse graph its neighbours.
    pub(super) fn holders(&self, dealer: usize) -> Vec<usize> {
        match self {
            Self::Complete { n, .. } => (0..*n).collect(),
            Self::Harary { .. } => {
                let mut holders: Vec<usize> = self.around(dealer).collect();
                holders.sort_unstable();
                holders.dedup();
                holders
            }
        }
    }

    /// The neighbours on the circle, in no order. Empty on the complete graph.
    fn around(&self, of: usize) -> impl Iterator<Item = usize> {
        let (order, at, reach) = match self {
            Self::Complete { .. } => (&[][..], 0, 0),
            Self::Harary { order, positions, plan } => {
                (&order[..], usize::from(positions[of]), run(plan).min(order.len() - 1))
            }
        };
        let n = order.len();
        (1..=reach)
            .flat_map(move |step| [(at + step) % n, (at + n - step) % n])
            .map(|position| usize::from(order[position]))
    }

    /// The x of the share that `holder` has of a secret of `dealer`: on the complete graph the
    /// holder's place in the cohort from 1, on the sparse graph its place among the dealer's
    /// neighbours from 1. 0 would be the secret itself.
    pub(super) fn x_of(&self, dealer: usize, holder: usize) -> Option<u8> {
        let place = match self {
            Self::Complete { n, .. } => (holder < *n).then_some(holder)?,
            Self::Harary { .. } if !self.are_neighbours(dealer, holder) => return None,
            Self::Harary { .. } => self.around(dealer).filter(|one| *one < holder).count(),
        };
        u8::try_from(place + 1).ok()
    }

    /// Shares that open a secret.
    pub(super) fn threshold(&self) -> usize {
        match self {
            Self::Complete { t, .. } => usize::from(*t),
            Self::Harary { plan, .. } => usize::from(plan.threshold),
        }
    }

    /// Checks that enough of a district's neighbours are in a set to open its secrets; nothing to
    /// check on the complete graph, where m and t say so.
    pub(super) fn check_neighbours(&self, of: usize, set: &[bool]) -> Result<(), Reason> {
        let Self::Harary { plan, .. } = self else { return Ok(()) };
        let got = self.around(of).filter(|one| set[*one]).count();
        let need = usize::from(plan.threshold);
        if got < need { Err(Reason::Neighbours { got, need }) } else { Ok(()) }
    }

    /// Checks that every run of k/2 consecutive positions holds w of a set, one of them honest, so
    /// that no two parts of the graph are without a mask between them.
    pub(super) fn check_windows(&self, set: &[bool]) -> Result<(), Reason> {
        let Self::Harary { order, plan, .. } = self else { return Ok(()) };
        let (n, run, need) = (order.len(), run(plan), usize::from(plan.window));
        let held = |position: usize| usize::from(set[usize::from(order[position % n])]);
        let mut inside: usize = (0..run).map(held).sum();
        for first in 0..n {
            if inside < need {
                return Err(Reason::Window { got: inside, need });
            }
            inside = inside + held(first + run) - held(first);
        }
        Ok(())
    }
}

/// Neighbours to either side: k/2.
fn run(plan: &SparsePlan) -> usize {
    usize::from(plan.neighbours) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn sizes(n: u16, dropped: u16, c: u16) -> CohortSizes {
        let m = n - dropped;
        CohortSizes { n, m, t: (n + c) / 2 + 1, c, h: m - c }
    }

    fn harary(n: u16, k: u8, threshold: u8, window: u8) -> Graph {
        let plan = SparsePlan { neighbours: k, threshold, window };
        Graph::harary(plan, (0..n).map(|one| Digest::of(&one.to_le_bytes())))
    }

    /// Every district of `alive` reached from the first of them, over neighbours in `alive`.
    fn is_connected(graph: &Graph, alive: &[bool]) -> bool {
        let Some(first) = alive.iter().position(|one| *one) else { return true };
        let mut seen = BTreeSet::from([first]);
        let mut next = vec![first];
        while let Some(one) = next.pop() {
            for other in graph.holders(one) {
                if alive[other] && seen.insert(other) {
                    next.push(other);
                }
            }
        }
        seen.len() == alive.iter().filter(|one| **one).count()
    }

    #[test]
    fn the_graph_is_complete_up_to_254_districts_and_planned_above() {
        assert_eq!(GraphRule::of(sizes(254, 20, 5)), Ok(GraphRule::Complete));
        let plan = SparsePlan::new(255, 5, 20).unwrap();
        assert_eq!(GraphRule::of(sizes(255, 20, 5)), Ok(GraphRule::Sparse(plan)));
        let error = GraphRule::of(sizes(1_000, 200, 200)).unwrap_err();
        assert_eq!(error.code(), "sparse_no_graph");
    }

    #[test]
    fn every_district_has_k_neighbours_and_is_a_neighbour_of_each() {
        for (n, k) in [(12, 4), (13, 12), (300, 58), (255, 254)] {
            let graph = harary(n, k, k / 2 + 1, 1);
            for one in 0..usize::from(n) {
                let neighbours = graph.holders(one);
                assert_eq!(neighbours.len(), usize::from(k), "n {n}, k {k}");
                for other in 0..usize::from(n) {
                    let near = graph.are_neighbours(one, other);
                    assert_eq!(near, graph.are_neighbours(other, one));
                    assert_eq!(near, neighbours.contains(&other) && one != other);
                }
            }
        }
    }

    #[test]
    fn places_among_a_dealers_neighbours_count_from_one_without_gaps() {
        let graph = harary(300, 58, 40, 10);
        for dealer in [0, 17, 299] {
            let xs: Vec<Option<u8>> =
                graph.holders(dealer).iter().map(|holder| graph.x_of(dealer, *holder)).collect();
            assert_eq!(xs, (1..=58).map(Some).collect::<Vec<_>>());
            assert_eq!(graph.x_of(dealer, dealer), None, "nobody holds a share of its own");
        }
        let complete = Graph::complete(254, 130);
        assert_eq!((complete.x_of(9, 0), complete.x_of(3, 3)), (Some(1), Some(4)));
        assert_eq!((complete.x_of(0, 253), complete.x_of(0, 254)), (Some(254), None));
    }

    /// Harary: the graph falls apart only when k districts are gone, k/2 in a row at two places.
    #[test]
    fn removing_fewer_than_k_districts_leaves_the_graph_connected_and_some_k_do_not() {
        let graph = harary(12, 4, 3, 1);
        let Graph::Harary { order, .. } = &graph else { unreachable!() };
        for gone in 0u32..1 << 12 {
            let alive: Vec<bool> = (0..12).map(|one| gone >> one & 1 == 0).collect();
            if gone.count_ones() < 4 {
                assert!(is_connected(&graph, &alive), "{gone:b}");
            }
            if graph.check_windows(&alive).is_ok() {
                assert!(is_connected(&graph, &alive), "{gone:b}: windows promise it");
            }
        }
        let mut alive = vec![true; 12];
        for position in [0, 1, 6, 7] {
            alive[usize::from(order[position])] = false;
        }
        assert!(!is_connected(&graph, &alive));
        assert_eq!(graph.check_windows(&alive), Err(Reason::Window { got: 0, need: 1 }));
    }

    #[test]
    fn a_run_across_the_end_of_the_order_counts_like_any_other() {
        let graph = harary(12, 6, 4, 2);
        let Graph::Harary { order, .. } = &graph else { unreachable!() };
        for first in 0..12 {
            let mut alive = vec![true; 12];
            alive[usize::from(order[first])] = false;
            assert_eq!(graph.check_windows(&alive), Ok(()));
            alive[usize::from(order[(first + 2) % 12])] = false;
            assert_eq!(graph.check_windows(&alive), Err(Reason::Window { got: 1, need: 2 }));
        }
    }

    #[test]
    fn a_district_with_one_neighbour_too_few_is_noticed() {
        let graph = harary(12, 4, 3, 1);
        let mut set = vec![true; 12];
        let neighbours = graph.holders(5);
        set[neighbours[0]] = false;
        assert_eq!(graph.check_neighbours(5, &set), Ok(()));
        set[neighbours[3]] = false;
        assert_eq!(graph.check_neighbours(5, &set), Err(Reason::Neighbours { got: 2, need: 3 }));
    }
}
