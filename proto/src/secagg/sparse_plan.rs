//! How many neighbours a district needs on the sparse graph, and how many of their shares open a
//! key (docs/PRIVACY.md §6.6; Bell et al. 2020, with exact hypergeometric tails).
//!
//! In: n districts on a k-regular Harary graph in a random order, of which at most c collude with
//! the coordinator and at most `dropped` are lost. Out: a [`SparsePlan`]: the least even k, then
//! the least t > k/2 with
//!
//! * n · P[Hyp(n−1, c, k) ≥ 2t−k] ≤ 2⁻⁴⁰: nobody's neighbours hold so many colluders that, with a
//!   split view of who survived, both of a district's keys could be opened;
//! * n · P[Hyp(n−1, n−1−dropped, k) < t] ≤ 2⁻²⁰: everybody keeps enough neighbours to be opened;
//!
//! and w, the least number with n · P[Hyp(n−1, c, k/2) ≥ w] ≤ 2⁻⁴⁰: every run of k/2 consecutive
//! positions of the order must hold w survivors, one of them honest, or the graph might fall apart.
//! Hyp(N, K, k) is the number of marked ones among k drawn without replacement from N with K
//! marked. Nothing is drawn here, and no floating point result is hashed.

/// Most neighbours: the x of a share is a byte, not 0.
pub const MAX_NEIGHBOURS: u32 = 254;
/// Most districts.
pub const MAX_DISTRICTS: u32 = 100_000;
/// ln of the most a secrecy condition may fail by: 2⁻⁴⁰.
const LN_SECRECY: f64 = -40.0 * std::f64::consts::LN_2;
/// ln of the most an opening may fail by: 2⁻²⁰.
const LN_OPENING: f64 = -20.0 * std::f64::consts::LN_2;

/// Numbers for which there is no sparse graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SparseError {
    /// Impossible numbers.
    #[error(
        "a sparse graph is for 3 to {MAX_DISTRICTS} districts, and fewer may collude or drop out: \
         n = {n}, c = {c}, dropped = {dropped}"
    )]
    Numbers {
        /// Districts.
        n: u32,
        /// Colluding.
        c: u32,
        /// Dropped.
        dropped: u32,
    },
    /// No k up to [`MAX_NEIGHBOURS`] and below n does.
    #[error(
        "no graph with at most {most} neighbours is safe for n = {n} districts of which {c} may \
         collude and {dropped} drop out; lower max_colluding or max_dropped"
    )]
    NoGraph {
        /// Districts.
        n: u32,
        /// Colluding.
        c: u32,
        /// Dropped.
        dropped: u32,
        /// Most neighbours that were tried.
        most: u32,
    },
}

impl SparseError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Numbers { .. } => "sparse_numbers",
            Self::NoGraph { .. } => "sparse_no_graph",
        }
    }
}

/// The numbers of a sparse graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparsePlan {
    /// k: neighbours of every district, even.
    pub neighbours: u8,
    /// t_nb: neighbours' shares that open a key; more than k/2.
    pub threshold: u8,
    /// w: survivors every run of k/2 consecutive positions must hold.
    pub window: u8,
}

impl SparsePlan {
    /// Plans the graph of `n` districts of which `c` may collude and `dropped` may be lost.
    ///
    /// # Errors
    /// [`SparseError`] when the numbers cannot be, or no k ≤ [`MAX_NEIGHBOURS`] meets both
    /// conditions.
    ///
    /// # Source
    /// docs/PRIVACY.md §6.6; `plans_have_the_published_values`.
    pub fn new(n: u32, c: u32, dropped: u32) -> Result<Self, SparseError> {
        if !(3..=MAX_DISTRICTS).contains(&n) || c >= n || dropped >= n {
            return Err(SparseError::Numbers { n, c, dropped });
        }
        let tails = Tails::new(n - 1);
        let others = n - 1;
        let most = MAX_NEIGHBOURS.min(others);
        let ln_n = f64::from(n).ln();
        let colluders = |draws: u32, least: u32| ln_n + tails.at_least(c, draws, least);
        // Fewer than t of k survive when more than k − t of them drop out.
        let unopened = |k: u32, t: u32| ln_n + tails.at_least(dropped, k, k - t + 1);
        for k in (2..=most).step_by(2) {
            let t = (k / 2 + 1..=k).find(|t| colluders(k, 2 * t - k) <= LN_SECRECY);
            let Some(t) = t.filter(|t| unopened(k, *t) <= LN_OPENING) else { continue };
            // At w = k/2 + 1 the probability is 0: there are only k/2.
            let w = (1..=k / 2 + 1).find(|w| colluders(k / 2, *w) <= LN_SECRECY);
            let byte = |number: Option<u32>| number.and_then(|one| u8::try_from(one).ok());
            if let (Some(neighbours), Some(threshold), Some(window)) =
                (byte(Some(k)), byte(Some(t)), byte(w))
            {
                return Ok(Self { neighbours, threshold, window });
            }
        }
        Err(SparseError::NoGraph { n, c, dropped, most })
    }

    /// ln of an upper bound of the probability that some run of k/2 consecutive positions holds
    /// fewer than w of the survivors when `dropped` of `n` are lost at random, so that nodes refuse
    /// to confirm: a matter of availability, not of secrecy.
    #[must_use]
    pub fn ln_window_failure(&self, n: u32, dropped: u32) -> f64 {
        let run = u32::from(self.neighbours) / 2;
        let Some(lost) = (run + 1).checked_sub(u32::from(self.window)) else { return 0.0 };
        let ln = f64::from(n).ln()
            + Tails::new(n.saturating_sub(1)).at_least(dropped.min(n.saturating_sub(1)), run, lost);
        ln.min(0.0)
    }
}

/// Tails of hypergeometric distributions over a population of one size.
struct Tails {
    population: u32,
    /// ln i! by i.
    ln_factorials: Vec<f64>,
}

impl Tails {
    fn new(population: u32) -> Self {
        let mut sum = 0.0;
        let rest = (1..=population).map(|i| {
            sum += f64::from(i).ln();
            sum
        });
        let ln_factorials = std::iter::once(0.0).chain(rest).collect();
        Self { population, ln_factorials }
    }

    fn ln_factorial(&self, of: u32) -> f64 {
        // u32 fits usize on every platform there is a coordinator for; beyond the table is a bug.
        usize::try_from(of).ok().and_then(|at| self.ln_factorials.get(at)).copied().unwrap_or(0.0)
    }

    fn ln_choose(&self, of: u32, taken: u32) -> f64 {
        self.ln_factorial(of) - self.ln_factorial(taken) - self.ln_factorial(of - taken)
    }

    /// ln P[X ≥ least] for X marked ones among `draws` of the population with `marked` marked;
    /// −∞ when impossible. `marked` and `draws` are at most the population.
    fn at_least(&self, marked: u32, draws: u32, least: u32) -> f64 {
        let marked = marked.min(self.population);
        let first = least.max((marked + draws).saturating_sub(self.population));
        let terms = first..=marked.min(draws);
        let unmarked = self.population - marked;
        let whole = self.ln_choose(self.population, draws);
        let ln = |x: u32| self.ln_choose(marked, x) + self.ln_choose(unmarked, draws - x) - whole;
        let top = terms.clone().map(ln).fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return top;
        }
        (top + terms.map(|x| (ln(x) - top).exp()).sum::<f64>().ln()).min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(of: u32, taken: u32) -> u128 {
        (0..u128::from(taken)).fold(1, |product, i| product * (u128::from(of) - i) / (i + 1))
    }

    #[test]
    fn tails_equal_exact_fractions() {
        for (population, marked, draws) in
            [(9, 4, 5), (20, 3, 7), (40, 40, 9), (60, 12, 30), (7, 0, 3)]
        {
            let tails = Tails::new(population);
            for least in 0..=draws {
                let ways = |x: u32| choose(marked, x) * choose(population - marked, draws - x);
                let exact: u128 = (least..=draws)
                    .filter(|x| *x <= marked && draws - x <= population - marked)
                    .map(ways)
                    .sum();
                let got = tails.at_least(marked, draws, least).exp();
                #[expect(clippy::cast_precision_loss, reason = "compared to 1e-12")]
                let want = exact as f64 / choose(population, draws) as f64;
                assert!((got - want).abs() <= 1e-12 * want.max(1e-30), "{population} {least}");
            }
        }
    }

    #[test]
    fn far_tails_keep_their_magnitude() {
        // P[X ≥ 10] with 10 marked of 1,000 and 10 drawn: one way of C(1000, 10).
        let exact = -Tails::new(1_000).ln_choose(1_000, 10);
        assert!((Tails::new(1_000).at_least(10, 10, 10) - exact).abs() < 1e-9);
        assert!(exact < -53.0);
        assert!(Tails::new(1_000).at_least(10, 10, 11).is_infinite(), "impossible");
    }

    #[test]
    fn plans_have_the_published_values() {
        for (n, k, t) in [(50, 16, 11), (100, 32, 22), (200, 56, 39), (1_000, 96, 67)] {
            let plan = SparsePlan::new(n, n / 10, n / 10).unwrap();
            assert_eq!((plan.neighbours, plan.threshold), (k, t), "n = {n}");
        }
    }

    #[test]
    fn a_fifth_colluding_and_a_fifth_lost_of_a_thousand_has_no_graph_and_is_told_so() {
        let error = SparsePlan::new(1_000, 200, 200).unwrap_err();
        assert_eq!(error.code(), "sparse_no_graph");
        assert!(error.to_string().contains("at most 254 neighbours"), "{error}");
    }

    #[test]
    fn thresholds_and_windows_are_the_least_that_hold() {
        for (n, c, dropped) in [(50, 5, 5), (300, 10, 20), (500, 3, 50), (1_000, 100, 100)] {
            let plan = SparsePlan::new(n, c, dropped).unwrap();
            let [k, t, w] = [plan.neighbours, plan.threshold, plan.window].map(u32::from);
            let tails = Tails::new(n - 1);
            let ln_n = f64::from(n).ln();
            let secret = |draws, least| ln_n + tails.at_least(c, draws, least) <= LN_SECRECY;
            assert!(secret(k, 2 * t - k) && 2 * t > k, "n = {n}");
            assert!(t == k / 2 + 1 || !secret(k, 2 * (t - 1) - k), "n = {n}: t is not the least");
            assert!(secret(k / 2, w) && !secret(k / 2, w - 1), "n = {n}: w is not the least");
            assert!(ln_n + tails.at_least(dropped, k, k - t + 1) <= LN_OPENING, "n = {n}");
        }
    }

    #[test]
    fn windows_have_the_values_of_exact_rational_arithmetic() {
        for (n, w) in [(50, 6), (100, 11), (200, 18), (1_000, 27)] {
            assert_eq!(u32::from(SparsePlan::new(n, n / 10, n / 10).unwrap().window), w, "n = {n}");
        }
    }

    #[test]
    fn a_long_run_is_less_likely_than_a_short_one_to_hold_too_few_survivors() {
        let ln = |n: u32| SparsePlan::new(n, n / 10, n / 10).unwrap().ln_window_failure(n, n / 10);
        assert!(ln(1_000) < -17.0 && ln(300) < -10.0, "{} {}", ln(1_000), ln(300));
        assert!(ln(50) > -1.0, "a run of 8 that needs 6 of 50 with 5 lost often fails");
    }

    #[test]
    fn without_colluders_or_losses_two_neighbours_are_enough() {
        let plan = SparsePlan::new(300, 0, 0).unwrap();
        assert_eq!(plan, SparsePlan { neighbours: 2, threshold: 2, window: 1 });
        assert!(plan.ln_window_failure(300, 0).is_infinite(), "impossible");
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for (n, c, dropped) in [(2, 0, 0), (10, 10, 0), (10, 0, 10), (MAX_DISTRICTS + 1, 1, 1)] {
            assert_eq!(SparsePlan::new(n, c, dropped).unwrap_err().code(), "sparse_numbers");
        }
    }
}
