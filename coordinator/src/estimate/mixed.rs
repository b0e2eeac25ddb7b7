//! Random intercepts by restricted or full maximum likelihood, from G(λ) at a few λ.
//!
//! With H(λ) = MD − G(λ) the likelihood of a random-intercept model needs nothing else of the data
//! (docs/GROWTH.md). G is smooth in log λ, so it is interpolated between the nodes by the barycentric
//! formula (Berrut and Trefethen, SIAM Review 46 (2004) 501–517), and its derivative likewise; the maximum
//! is where the derivative of the deviance is 0.

use flashlight_proto::release::MixedEstimates;

use super::dd::{Cholesky, Dd, Matrix, dot};
use super::growth::{First, errors};

/// Steps in which the derivative's sign is looked at over the window.
const SCAN: u32 = 160;
/// Halvings of the step in which it changes.
const HALVINGS: u32 = 60;
/// Distance kept from a node, where the formula divides by 0.
const NEAR: f64 = 1e-13;

/// Which likelihood.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Likelihood {
    /// Restricted.
    Restricted,
    /// Full.
    Full,
}

/// What is known at one λ.
#[derive(Clone)]
struct Node {
    /// log λ.
    at: f64,
    g: Matrix,
    kappa_c: Vec<Dd>,
    k: Vec<Dd>,
}

/// G and the like as functions of log λ.
#[derive(Default)]
pub(super) struct Curve {
    nodes: Vec<Node>,
}

impl Curve {
    pub(super) fn push(&mut self, lambda: f64, g: Matrix, kappa_c: Vec<Dd>, k: Vec<Dd>) {
        self.nodes.push(Node { at: lambda.ln(), g, kappa_c, k });
    }

    /// The weights w_k/(t − t_k) of the barycentric formula, and t kept off the nodes.
    fn weights(&self, t: f64) -> (f64, Vec<Dd>) {
        let near = self.nodes.iter().any(|node| (node.at - t).abs() < NEAR);
        let t = if near { t + 2.0 * NEAR } else { t };
        let weight = |one: &Node| {
            let others = self.nodes.iter().filter(|other| other.at.to_bits() != one.at.to_bits());
            // Each difference is of the order of the window's width: no over- or underflow with 48 nodes.
            let product = others.fold(Dd::ONE, |product, other| {
                product * Dd::from((one.at - other.at) * self.scale())
            });
            Dd::ONE / (product * (Dd::from(t) - Dd::from(one.at)))
        };
        (t, self.nodes.iter().map(weight).collect())
    }

    /// Four over the width of the window: products of the differences of Chebyshev nodes then stay near 1.
    fn scale(&self) -> f64 {
        match (self.nodes.first(), self.nodes.last()) {
            (Some(first), Some(last)) if last.at > first.at => 4.0 / (last.at - first.at),
            _ => 1.0,
        }
    }

    /// A value at t and its derivative by t.
    fn value(&self, (t, weights): &(f64, Vec<Dd>), of: impl Fn(&Node) -> Dd) -> (Dd, Dd) {
        let sum = weights.iter().fold(Dd::ZERO, |sum, weight| sum + *weight);
        let values: Vec<Dd> = self.nodes.iter().map(of).collect();
        let value = dot(values.iter().copied(), weights) / sum;
        let slope = self.nodes.iter().zip(&values).zip(weights).fold(
            Dd::ZERO,
            |slope, ((node, one), weight)| {
                slope + *weight * (value - *one) / (Dd::from(*t) - Dd::from(node.at))
            },
        );
        (value, slope / sum)
    }

    fn g(&self, t: f64) -> (Matrix, Matrix) {
        let weights = self.weights(t);
        let size = self.nodes.first().map_or(0, |node| node.g.size());
        let both: Vec<(Dd, Dd)> = (0..size * size)
            .map(|at| match (at / size, at % size) {
                (j, k) if j <= k => self.value(&weights, |node| node.g.at(j, k)),
                _ => (Dd::ZERO, Dd::ZERO),
            })
            .collect();
        let entry = |j: usize, k: usize| both[j.min(k) * size + j.max(k)];
        (Matrix::of(size, |j, k| entry(j, k).0), Matrix::of(size, |j, k| entry(j, k).1))
    }

    /// G at a λ within the window.
    pub(super) fn g_at(&self, lambda: f64) -> Option<Matrix> {
        self.holds(lambda).then(|| self.g(lambda.ln()).0)
    }

    /// ΣκC and ΣC/(n(1 + nλ)) of each prior at a λ within the window.
    pub(super) fn errors_at(&self, lambda: f64) -> Option<(Vec<Dd>, Vec<Dd>)> {
        let count = self.nodes.first().filter(|_| self.holds(lambda))?.k.len();
        let weights = self.weights(lambda.ln());
        let of = |of: &dyn Fn(&Node) -> Dd| self.value(&weights, of).0;
        Some((
            (0..count).map(|at| of(&|node| node.kappa_c[at])).collect(),
            (0..count).map(|at| of(&|node| node.k[at])).collect(),
        ))
    }

    fn holds(&self, lambda: f64) -> bool {
        match (self.nodes.first(), self.nodes.last()) {
            (Some(first), Some(last)) => (first.at..=last.at).contains(&lambda.ln()),
            _ => false,
        }
    }
}

/// Everything at one λ.
struct Profile {
    /// d deviance / d log λ.
    slope: f64,
    inverse: Matrix,
    beta: Vec<Dd>,
    /// H_yy − H_yx β.
    rest: Dd,
    log_determinant: f64,
}

/// Fits the model. `None` where the maximum is beyond the window; λ = 0 where it lies there and
/// the window begins near it.
pub(super) fn fit(first: &First<'_>, curve: &Curve, of: Likelihood) -> Option<MixedEstimates> {
    let (low, high) = (curve.nodes.first()?.at, curve.nodes.last()?.at);
    let slope = |t: f64| profile(first, curve, of, t).map(|found| found.slope);
    let step = (high - low) / f64::from(SCAN);
    let mut best: Option<MixedEstimates> = None;
    let mut left = (low, slope(low)?);
    if left.1 > 0.0 && low.exp() < 2e-3 && boundary_is_best(first, curve, of, low) {
        return at_zero(first, of);
    }
    for at in 1..=SCAN {
        let t = if at == SCAN { high } else { low + step * f64::from(at) };
        let right = (t, slope(t)?);
        if left.1 < 0.0 && right.1 >= 0.0 {
            let root = halve(left.0, right.0, &slope)?;
            let found = finish(first, of, root, &profile(first, curve, of, root)?);
            if best.as_ref().is_none_or(|best| found.deviance < best.deviance) {
                best = Some(found);
            }
        }
        left = right;
    }
    best
}

/// Whether the deviance at λ = 0 is below that at the low end of the window.
fn boundary_is_best(first: &First<'_>, curve: &Curve, of: Likelihood, low: f64) -> bool {
    let there = profile(first, curve, of, low).map(|found| finish(first, of, low, &found).deviance);
    let zero = at_zero(first, of).map(|found| found.deviance);
    zero.zip(there).is_some_and(|(zero, there)| zero <= there)
}

fn halve(mut low: f64, mut high: f64, slope: &dyn Fn(f64) -> Option<f64>) -> Option<f64> {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if slope(middle)? < 0.0 { low = middle } else { high = middle }
    }
    Some(f64::midpoint(low, high))
}

fn degrees(first: &First<'_>, of: Likelihood) -> f64 {
    match of {
        Likelihood::Restricted => first.freedom(),
        Likelihood::Full => first.students,
    }
}

/// `None` where H is not positive definite, which no data can give but for rounding.
fn profile(first: &First<'_>, curve: &Curve, of: Likelihood, t: f64) -> Option<Profile> {
    let (g, slope) = curve.g(t);
    let h = first.md.minus(&g);
    let p = first.model.p();
    let regressors: Vec<usize> = (0..p).collect();
    let factor = Cholesky::of(&h.pick(&regressors)).ok()?;
    let right: Vec<Dd> = (0..p).map(|j| h.at(j, p)).collect();
    let beta = factor.solve(&right);
    let rest = h.at(p, p) - dot(right.into_iter(), &beta);
    // H' = −G': of R with v = (−β, 1), R' = v'H'v.
    let v: Vec<Dd> = beta.iter().map(|one| -*one).chain([Dd::ONE]).collect();
    let rest_slope = -slope.form(&v);
    let inverse = factor.inverse();
    let mut total = Dd::from(degrees(first, of)) * rest_slope / rest;
    let lambda = t.exp();
    for (n, schools) in &first.histogram {
        total = total + Dd::from(schools * n * lambda / (1.0 + n * lambda));
    }
    if of == Likelihood::Restricted {
        let trace = (0..p).flat_map(|j| (0..p).map(move |k| (j, k)));
        total = trace.fold(total, |sum, (j, k)| sum - inverse.at(j, k) * slope.at(k, j));
    }
    let log_determinant = factor.log_determinant();
    Some(Profile { slope: total.value(), inverse, beta, rest, log_determinant })
}

fn finish(first: &First<'_>, of: Likelihood, t: f64, found: &Profile) -> MixedEstimates {
    estimates(first, of, t.exp(), found)
}

/// λ = 0: ordinary least squares.
fn at_zero(first: &First<'_>, of: Likelihood) -> Option<MixedEstimates> {
    let regressors: Vec<usize> = (0..first.model.p()).collect();
    let factor = Cholesky::of(&first.md.pick(&regressors)).ok()?;
    let found = Profile {
        slope: 0.0,
        inverse: first.inverse.clone(),
        beta: first.ols.clone(),
        rest: first.rss,
        log_determinant: factor.log_determinant(),
    };
    Some(estimates(first, of, 0.0, &found))
}

fn estimates(first: &First<'_>, of: Likelihood, lambda: f64, found: &Profile) -> MixedEstimates {
    let degrees = degrees(first, of);
    let sigma2 = found.rest / Dd::from(degrees);
    let spread = degrees * (1.0 + (2.0 * std::f64::consts::PI * sigma2.value()).ln());
    let schools: f64 =
        first.histogram.iter().map(|(n, schools)| schools * (n * lambda).ln_1p()).sum();
    let determinant = if of == Likelihood::Restricted { found.log_determinant } else { 0.0 };
    let covariance = found.inverse.map(&found.inverse, |one, _| sigma2 * one);
    MixedEstimates {
        lambda,
        sigma2: sigma2.value(),
        tau2: sigma2.value() * lambda,
        deviance: spread + schools + determinant,
        beta: first.shown(&found.beta),
        se: errors(&found.inverse, sigma2),
        covariance: covariance.rows(),
    }
}
