//! Coefficients and variance components corrected for the priors' errors of measurement.
//!
//! A prior is observed with error ν, and so is its school mean, whose error is ν̄. In the moments of the
//! regressors that adds S = [[C, C̃], [C̃, C̃]] on each prior and its mean, which is taken off again
//! (Fuller, *Measurement Error Models*, 1987, §2.2 and §3.1); where that leaves no positive definite matrix,
//! only a share of it (his modification, α = 4).

use flashlight_proto::release::{EivEstimates, MixedEivEstimates};

use super::dd::{Cholesky, Dd, Matrix, dot};
use super::growth::{First, GrowthError, Second, errors};

/// Fuller's α: the choice of least mean squared error.
const ALPHA: f64 = 4.0;
/// Halvings when the largest share is looked for.
const HALVINGS: u32 = 60;

/// The corrected estimates of one model.
pub(super) struct Eiv {
    pub(super) beta: Vec<Dd>,
    pub(super) sigma2: Dd,
    pub(super) tau2: Dd,
    pub(super) share: f64,
    /// (D'D − S)⁻¹.
    inverse: Matrix,
}

/// S on (prior, its mean): `own` on the prior, `mean` on what the mean has to do with. p × p.
fn correction(first: &First<'_>, share: f64, own: &[Dd], mean: &[Dd]) -> Matrix {
    let model = first.model;
    let sources: Vec<usize> = model.sources().collect();
    let share = Dd::from(share);
    Matrix::of(model.p(), |j, k| {
        let source = sources[j];
        if source != sources[k] || !(1..=model.measured).contains(&source) {
            return Dd::ZERO;
        }
        let both_own = j < model.outcome() && k < model.outcome();
        share * if both_own { own[source - 1] } else { mean[source - 1] }
    })
}

impl Eiv {
    pub(super) fn of(first: &First<'_>) -> Result<Self, GrowthError> {
        let p = first.model.p();
        let whole = correction(first, 1.0, &first.c, &first.ct);
        let share = share(first, &whole);
        let bad = || GrowthError {
            model: first.model.name.clone(),
            what: "the errors of measurement leave nothing of the priors; leave measurement out"
                .to_owned(),
        };
        let part = whole.map(&whole, |one, _| Dd::from(share) * one);
        let regressors: Vec<usize> = (0..p).collect();
        let factor = Cholesky::of(&first.md.pick(&regressors).minus(&part)).map_err(|_| bad())?;
        let right: Vec<Dd> = (0..p).map(|j| first.md.at(j, p)).collect();
        let beta = factor.solve(&right);
        let (sigma2, tau2) = components(first, share, &beta).ok_or_else(bad)?;
        Ok(Self { beta, sigma2, tau2, share, inverse: factor.inverse() })
    }

    pub(super) fn finish(self, first: &First<'_>, second: &Second) -> EivEstimates {
        let robust = second.meat_eiv.as_ref().filter(|_| self.share >= 1.0);
        let robust = robust.map(|meat| self.inverse.sandwich(meat));
        let mixed = self.mixed(first, second);
        EivEstimates {
            beta: first.shown(&self.beta),
            se_cr0: robust.as_ref().map(|covariance| errors(covariance, Dd::ONE)),
            covariance: robust.as_ref().map(Matrix::rows),
            sigma2: self.sigma2.value(),
            tau2: self.tau2.value(),
            share: self.share,
            mixed,
        }
    }

    /// Random intercepts at λ = τ²/σ²: the correction depends on λ.
    fn mixed(&self, first: &First<'_>, second: &Second) -> Option<MixedEivEstimates> {
        let lambda = (self.tau2 / self.sigma2).value();
        let p = first.model.p();
        let g = second.curve.g_at(lambda)?;
        let (kappa_c, k) = second.curve.errors_at(lambda)?;
        let own: Vec<Dd> = first.c.iter().zip(&kappa_c).map(|(c, part)| *c - *part).collect();
        let h = first.md.minus(&g);
        let regressors: Vec<usize> = (0..p).collect();
        let corrected = h.pick(&regressors).minus(&correction(first, self.share, &own, &k));
        let right: Vec<Dd> = (0..p).map(|j| h.at(j, p)).collect();
        let beta = Cholesky::of(&corrected).ok()?.solve(&right);
        Some(MixedEivEstimates { lambda, beta: first.shown(&beta) })
    }
}

/// How much of the correction leaves the moments of regressors and outcome positive definite.
fn share(first: &First<'_>, whole: &Matrix) -> f64 {
    let p = first.model.p();
    let is_left = |share: f64| {
        let part = Dd::from(share);
        let left = Matrix::of(p + 1, |j, k| {
            let off = if j < p && k < p { part * whole.at(j, k) } else { Dd::ZERO };
            first.md.at(j, k) - off
        });
        Cholesky::of(&left).is_ok()
    };
    let enough = 1.0 + 1.0 / first.students;
    if is_left(enough) {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, enough);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if is_left(middle) { low = middle } else { high = middle }
    }
    (low - ALPHA / first.students).clamp(0.0, 1.0)
}

/// σ² and τ² (docs/GROWTH.md): Henderson's hold the errors of measurement already.
fn components(first: &First<'_>, share: f64, beta: &[Dd]) -> Option<(Dd, Dd)> {
    let model = first.model;
    let columns = model.within();
    let scaled = |sums: &[Dd]| -> Vec<Dd> { sums.iter().map(|c| Dd::from(share) * *c).collect() };
    let (c, ct) = (scaled(&first.c), scaled(&first.ct));
    let within = first.within.pick(&columns);
    let left = Matrix::of(columns.len(), |j, k| {
        let off = if j == k && j < model.measured { c[j] - ct[j] } else { Dd::ZERO };
        within.at(j, k) - off
    });
    let outcome = model.outcome();
    let right: Vec<Dd> = columns.iter().map(|&j| first.within.at(j, outcome)).collect();
    let b = Cholesky::of(&left).ok()?.solve(&right);
    // y'y − 2b'x'y + b'(x'x − C)b = y'y − b'x'y at the solution.
    let rest = first.within.at(outcome, outcome) - dot(right.into_iter(), &b);
    let freedom = first.students - first.schools - super::growth::small(columns.len());
    let sigma2 = rest / Dd::from(freedom);
    let v: Vec<Dd> = beta.iter().map(|one| -*one).chain([Dd::ONE]).collect();
    let sources: Vec<usize> = model.sources().collect();
    let errors = (1..=model.measured).fold(Dd::ZERO, |sum, source| {
        let both = sources.iter().zip(beta).filter(|(of, _)| **of == source);
        let slope = both.fold(Dd::ZERO, |slope, (_, one)| slope + *one);
        sum + slope * slope * ct[source - 1]
    });
    let between = first.bd.form(&v) - Dd::from(first.schools) * sigma2 - errors;
    let tau2 = between / Dd::from(first.students);
    sigma2.is_positive().then_some((sigma2, if tau2.is_positive() { tau2 } else { Dd::ZERO }))
}
