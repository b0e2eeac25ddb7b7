//! Growth models from their sums.
//!
//! In: the integer sums of one or both rounds (`flashlight_proto::growth`). Out: the constants of the
//! second round; coefficients, variance components and every error. Promise: sums are taken to points, and
//! systems solved, in numbers of 106 bits, so that what is published has the precision of the sums. School
//! means need no sums of their own: Σ x x̄' = Σ x̄ x̄' = B_xx, so the moments of all regressors are M and B
//! by index. Touches nothing.
//!
//! Sources: Henderson (1953), method III; Moulton (1986); Fuller (1987), *Measurement Error Models*, for the
//! modified estimator; Liang and Zeger (1986) for clusters.

use flashlight_proto::growth::{Broadcast, Lambda, Model, SCHOOL_MOST, upper};
use flashlight_proto::layout::{GrowthBlock, Layout};
use flashlight_proto::release::{GrowthEstimates, HendersonEstimates, OlsEstimates};
use flashlight_proto::study::{SEM_UNITS_PER_POINT, Study};

use super::dd::{Cholesky, Dd, Matrix, dot};
use super::eiv::Eiv;
use super::mixed::{self, Curve, Likelihood};

/// The window of λ around Henderson's, either way.
const WINDOW: f64 = 8.0;
/// Chebyshev nodes in a window of [`WINDOW`] either way: interpolation within 1e-12 (docs/GROWTH.md).
const NODES: f64 = 24.0;
/// Where λ is looked for at most.
const LAMBDA_LEAST: f64 = 1e-4;
const LAMBDA_MOST: f64 = 10.0;

/// Sums that give no model. Names the model and its columns, never a sum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("growth model {model}: {what}")]
pub struct GrowthError {
    /// The model.
    pub model: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl GrowthError {
    pub(super) fn new(model: &Model, what: impl Into<String>) -> Self {
        Self { model: model.name.clone(), what: what.into() }
    }

    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "growth_model"
    }
}

/// The constants at which the second round is taken, from the sums of the first: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn constants(layout: &Layout, sums: &[i64]) -> Result<Vec<Broadcast>, GrowthError> {
    layout.growth().iter().map(|block| First::new(block, sums)?.broadcast()).collect()
}

/// All estimates, from the sums of both rounds: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn estimates(
    study: &Study,
    first: (&Layout, &[i64]),
    second: (&Layout, &[i64]),
) -> Result<Vec<GrowthEstimates>, GrowthError> {
    let both = first.0.growth().iter().zip(second.0.growth());
    both.map(|(one, two)| First::new(one, first.1)?.finish(study, two, second.1)).collect()
}

/// What the first round gives of one model, in points.
pub(super) struct First<'a> {
    pub(super) model: &'a Model,
    pub(super) students: f64,
    pub(super) schools: f64,
    /// (n, schools of that size).
    pub(super) histogram: Vec<(f64, f64)>,
    /// Moments of all regressors and, last, the outcome: p + 1.
    pub(super) md: Matrix,
    pub(super) bd: Matrix,
    pub(super) ad: Matrix,
    /// Within schools, of the students' columns: q.
    pub(super) within: Matrix,
    /// Σ sem² and Σ_s (Σ sem²)/n of each prior.
    pub(super) c: Vec<Dd>,
    pub(super) ct: Vec<Dd>,
    /// The inverse of the regressors' moments.
    pub(super) inverse: Matrix,
    pub(super) ols: Vec<Dd>,
    pub(super) rss: Dd,
    henderson: Henderson,
}

struct Henderson {
    beta: Vec<Dd>,
    rss: Dd,
    sigma2: Dd,
    tau2: Dd,
    trace: Dd,
}

/// A matrix over some columns from its upper triangle, `of` giving each its column and divisor.
fn symmetric(size: usize, triangle: &[Dd]) -> Matrix {
    let place = |j: usize, k: usize| j * size - j * (j + 1) / 2 + k;
    Matrix::of(size, |j, k| triangle[place(j.min(k), j.max(k))])
}

/// A count.
fn count(value: i128) -> f64 {
    Dd::from(value).value()
}

impl<'a> First<'a> {
    fn new(block: &'a GrowthBlock, sums: &[i64]) -> Result<Self, GrowthError> {
        let model = &block.model;
        let bad = |what: &str| GrowthError::new(model, what);
        let values = block.join(sums);
        let mut values = values.iter().zip(&block.quantities).map(|(&value, quantity)| {
            let bits = i32::try_from(quantity.fraction_bits).unwrap_or(0);
            (value, Dd::from(value) * Dd::power_of_two(-bits))
        });
        let mut next = || values.next().map_or((0, Dd::ZERO), |both| both);
        let (n, schools) = (next().0, next().0);
        let histogram: Vec<(f64, f64)> = (1..=SCHOOL_MOST)
            .map(|n| (f64::from(n), count(next().0)))
            .filter(|(_, schools)| *schools != 0.0)
            .collect();
        if n < 1 || schools < 1 || n < schools {
            return Err(bad("no district has a student with all scores and flags it asks for"));
        }
        if schools < 2 {
            return Err(bad("there is one school only; growth compares schools"));
        }
        if n == schools {
            let what = "every school has one student, so schools cannot be told from students";
            return Err(bad(what));
        }
        let q = model.q();
        let units: Vec<Dd> =
            model.columns.iter().map(|column| Dd::from(f64::from(column.units))).collect();
        let mut triangle = || {
            let entries = upper(q).map(|(j, k)| next().1 / (units[j] * units[k]));
            symmetric(q, &entries.collect::<Vec<_>>())
        };
        let (m, b, a) = (triangle(), triangle(), triangle());
        let per_point = Dd::from(f64::from(SEM_UNITS_PER_POINT));
        let mut errors = || -> Vec<Dd> {
            (0..model.measured).map(|_| next().1 / (per_point * per_point)).collect()
        };
        let (c, ct) = (errors(), errors());
        let columns: Vec<usize> = model.sources().chain([model.outcome()]).collect();
        let is_mean = |at: usize| (model.outcome()..model.p()).contains(&at);
        let md = Matrix::of(model.p() + 1, |j, k| {
            let of = if is_mean(j) || is_mean(k) { &b } else { &m };
            of.at(columns[j], columns[k])
        });
        let (bd, ad) = (b.pick(&columns), a.pick(&columns));
        let (inverse, ols, rss) = solve(model, &md)?;
        let within = m.minus(&b);
        let (students, schools) = (count(n), count(schools));
        let henderson = Henderson::of(model, &within, &inverse, &ad, rss, (students, schools))?;
        Ok(Self {
            model,
            students,
            schools,
            histogram,
            md,
            bd,
            ad,
            within,
            c,
            ct,
            inverse,
            ols,
            rss,
            henderson,
        })
    }

    /// N − p.
    pub(super) fn freedom(&self) -> f64 {
        self.students - small(self.model.p())
    }

    fn broadcast(&self) -> Result<Broadcast, GrowthError> {
        let eiv = (self.model.measured > 0).then(|| Eiv::of(self)).transpose()?;
        let ratio = |tau2: Dd, sigma2: Dd| {
            let found = (tau2 / sigma2).value();
            if found.is_finite() { found.clamp(LAMBDA_LEAST, LAMBDA_MOST) } else { LAMBDA_LEAST }
        };
        let ours = ratio(self.henderson.tau2, self.henderson.sigma2);
        let other = eiv.as_ref().map_or(ours, |eiv| ratio(eiv.tau2, eiv.sigma2));
        let (low, high) = (ours.min(other) / WINDOW, ours.max(other) * WINDOW);
        let lambdas = chebyshev(low, high);
        let lambdas: Option<Vec<Lambda>> = lambdas.into_iter().map(Lambda::nearest).collect();
        let lambdas =
            lambdas.ok_or_else(|| GrowthError::new(self.model, "no ratio of variances fits"))?;
        let fixed = |beta: &[Dd]| self.fixed(beta);
        Ok(Broadcast {
            model: self.model.name.clone(),
            lambdas,
            ols: fixed(&self.ols)?,
            eiv: eiv.map(|eiv| fixed(&eiv.beta)).transpose()?,
            effects: None,
        })
    }

    /// Coefficients as they are sent.
    fn fixed(&self, beta: &[Dd]) -> Result<Vec<i64>, GrowthError> {
        let what = "its coefficients are too large to be sent; check the scores' bounds";
        let fixed = self.model.on_grid(beta.iter().map(|one| one.value()));
        fixed.ok_or_else(|| GrowthError::new(self.model, what))
    }

    fn finish(
        &self,
        study: &Study,
        block: &GrowthBlock,
        sums: &[i64],
    ) -> Result<GrowthEstimates, GrowthError> {
        let second = Second::new(self.model, block, sums)
            .ok_or_else(|| GrowthError::new(self.model, "the second round is not this model's"))?;
        let mut notes = Vec::new();
        let ols = self.ols_estimates(&second.meat);
        let fit = |of| mixed::fit(self, &second.curve, of);
        let (reml, ml) = (fit(Likelihood::Restricted), fit(Likelihood::Full));
        for (name, found) in [("REML", &reml), ("ML", &ml)] {
            match found {
                None => notes.push(format!(
                    "{name}: the likelihood has no maximum within the window of the second round; the \
                     variance components of Henderson's method III stand"
                )),
                Some(found) if found.tau2 == 0.0 => notes.push(format!(
                    "{name}: no variance between schools was found; tau2 is 0"
                )),
                Some(_) => {}
            }
        }
        let eiv = (self.model.measured > 0).then(|| Eiv::of(self)).transpose()?;
        if let Some(eiv) = eiv.as_ref().filter(|eiv| eiv.share < 1.0) {
            notes.push(format!(
                "errors in variables: the priors' errors of measurement are as large as what the priors \
                 tell; only {:.3} of the correction was made (Fuller's modification)",
                eiv.share
            ));
        }
        let eiv = eiv.map(|eiv| eiv.finish(self, &second));
        Ok(GrowthEstimates {
            model: self.model.name.clone(),
            formula: self.formula(),
            words: self.words(study),
            school_year: self.model.year,
            names: self.model.coefficient_names(),
            centres: self.model.sources().map(|at| self.model.centre(at)).collect(),
            students: whole(self.students),
            schools: whole(self.schools),
            ols,
            henderson: self.henderson_estimates(),
            reml,
            ml,
            eiv,
            effects: None,
            notes,
        })
    }

    /// Coefficients for people: the outcome is not centred.
    pub(super) fn shown(&self, beta: &[Dd]) -> Vec<f64> {
        let outcome = &self.model.columns[self.model.outcome()];
        let centre = Dd::from(i128::from(outcome.centre)) / Dd::from(f64::from(outcome.units));
        let shift = |(at, one): (usize, &Dd)| if at == 0 { *one + centre } else { *one };
        beta.iter().enumerate().map(shift).map(Dd::value).collect()
    }

    fn ols_estimates(&self, meat: &Matrix) -> OlsEstimates {
        let p = self.model.p();
        let s2 = self.rss / Dd::from(self.freedom());
        let Henderson { sigma2, tau2, .. } = self.henderson;
        let regressors: Vec<usize> = (0..p).collect();
        let (xx, axx) = (self.md.pick(&regressors), self.ad.pick(&regressors));
        let moulton = self.inverse.sandwich(&xx.map(&axx, |x, a| sigma2 * x + tau2 * a));
        let robust = self.inverse.sandwich(meat);
        let clusters = Dd::from(self.schools / (self.schools - 1.0));
        let factor = clusters * Dd::from(self.students - 1.0) / Dd::from(self.freedom());
        OlsEstimates {
            beta: self.shown(&self.ols),
            rss: self.rss.value(),
            s2: s2.value(),
            se_iid: errors(&self.inverse, s2),
            se_moulton: errors(&moulton, Dd::ONE),
            se_cr0: errors(&robust, Dd::ONE),
            se_cr1: errors(&robust, factor),
        }
    }

    fn henderson_estimates(&self) -> HendersonEstimates {
        let Henderson { beta, rss, sigma2, tau2, trace } = &self.henderson;
        HendersonEstimates {
            within_beta: beta.iter().map(|one| one.value()).collect(),
            within_rss: rss.value(),
            sigma2: sigma2.value(),
            tau2: tau2.value(),
            trace: trace.value(),
        }
    }

    fn formula(&self) -> String {
        let outcome = &self.model.columns[self.model.outcome()].name;
        let names = self.model.coefficient_names();
        let names = names.iter().map(|name| if name == "one" { "1" } else { name });
        format!("{outcome} ~ {} + (1 | school)", names.collect::<Vec<_>>().join(" + "))
    }

    fn words(&self, study: &Study) -> String {
        let spec = &study.growth[self.model.section];
        let list = |names: Vec<String>| names.join(", ");
        let priors = list(spec.priors.iter().map(ToString::to_string).collect());
        let flags = list(spec.covariates.iter().map(ToString::to_string).collect());
        let means = list(spec.concentrations.iter().map(|one| spec.name(*one)).collect());
        let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        format!(
            "A student's {} score in grade {} is explained by earlier scores ({priors}), flags ({}), \
             school means ({}) and published figures ({}), with an effect of the school. A school's growth is its mean residual, \
             shrunk towards 0 by how few students it rests on.",
            spec.subject,
            self.model.grade,
            or_none(flags),
            or_none(means),
            or_none(list(spec.public.iter().map(|one| one.column.clone()).collect()))
        )
    }
}

/// Solves the normal equations of moments whose last column is the outcome's.
fn solve(model: &Model, md: &Matrix) -> Result<(Matrix, Vec<Dd>, Dd), GrowthError> {
    let p = model.p();
    let regressors: Vec<usize> = (0..p).collect();
    let factor = Cholesky::of(&md.pick(&regressors)).map_err(|at| {
        let names = model.coefficient_names();
        let what = format!(
            "{:?} does not vary, or is a combination of {}; leave it out of the study",
            names[at],
            names[..at].join(", ")
        );
        GrowthError::new(model, what)
    })?;
    let right: Vec<Dd> = (0..p).map(|j| md.at(j, p)).collect();
    let beta = factor.solve(&right);
    let rss = md.at(p, p) - dot(right.into_iter(), &beta);
    // 64 bits of the outcome's moment: below that it is the sums' rounding.
    if rss.value() <= md.at(p, p).value() * 1e-18 {
        return Err(GrowthError::new(model, "the outcome does not vary beyond its regressors"));
    }
    Ok((factor.inverse(), beta, rss))
}

impl Henderson {
    fn of(
        model: &Model,
        within: &Matrix,
        inverse: &Matrix,
        ad: &Matrix,
        rss: Dd,
        (students, schools): (f64, f64),
    ) -> Result<Self, GrowthError> {
        let columns = model.within();
        let factor = Cholesky::of(&within.pick(&columns)).map_err(|at| {
            let name = &model.columns[columns[at]].name;
            let what = format!(
                "{name:?} does not vary within schools beyond the other columns; leave it out of the study"
            );
            GrowthError::new(model, what)
        })?;
        let right: Vec<Dd> = columns.iter().map(|&j| within.at(j, model.outcome())).collect();
        let beta = factor.solve(&right);
        let within_rss =
            within.at(model.outcome(), model.outcome()) - dot(right.into_iter(), &beta);
        let left = students - schools - small(columns.len());
        let trace = (0..model.p()).fold(Dd::ZERO, |sum, j| {
            (0..model.p()).fold(sum, |sum, k| sum + inverse.at(j, k) * ad.at(k, j))
        });
        let left_over = Dd::from(students) - trace;
        if left < 1.0 || students - small(model.p()) < 1.0 || left_over.value() <= 0.0 {
            return Err(GrowthError::new(model, "there are too few students for its coefficients"));
        }
        let sigma2 = within_rss / Dd::from(left);
        let tau2 = (rss - Dd::from(students - small(model.p())) * sigma2) / left_over;
        let tau2 = if tau2.is_positive() { tau2 } else { Dd::ZERO };
        Ok(Self { beta, rss: within_rss, sigma2, tau2, trace })
    }
}

/// What the second round gives of one model, in points.
pub(super) struct Second {
    pub(super) curve: Curve,
    meat: Matrix,
    pub(super) meat_eiv: Option<Matrix>,
}

impl Second {
    fn new(model: &Model, block: &GrowthBlock, sums: &[i64]) -> Option<Self> {
        let broadcast = block.broadcast.as_ref().filter(|_| block.model == *model)?;
        let values = block.join(sums);
        let mut values = values.iter().zip(&block.quantities).map(|(&value, quantity)| {
            let bits = i32::try_from(quantity.fraction_bits).unwrap_or(0);
            Dd::from(value) * Dd::power_of_two(-bits)
        });
        let mut next = || values.next().unwrap_or_default();
        let units: Vec<Dd> =
            model.columns.iter().map(|column| Dd::from(f64::from(column.units))).collect();
        let columns: Vec<usize> = model.sources().chain([model.outcome()]).collect();
        let per_point = Dd::from(f64::from(SEM_UNITS_PER_POINT));
        let mut curve = Curve::default();
        for lambda in &broadcast.lambdas {
            let entries = upper(model.q()).map(|(j, k)| next() / (units[j] * units[k]));
            let g = symmetric(model.q(), &entries.collect::<Vec<_>>()).pick(&columns);
            let mut errors = || -> Vec<Dd> {
                (0..model.measured).map(|_| next() / (per_point * per_point)).collect()
            };
            let (kappa_c, k) = (errors(), errors());
            curve.push(lambda.value(), g, kappa_c, k);
        }
        let outcome = units[model.outcome()];
        let mut meat = || {
            let p = model.p();
            let units = |at: usize| units[columns[at]] * outcome;
            let entries = upper(p).map(|(j, k)| next() / (units(j) * units(k)));
            symmetric(p, &entries.collect::<Vec<_>>())
        };
        let ols = meat();
        Some(Self { curve, meat: ols, meat_eiv: broadcast.eiv.as_ref().map(|_| meat()) })
    }
}

/// Square roots of a diagonal times a factor.
pub(super) fn errors(covariance: &Matrix, factor: Dd) -> Vec<f64> {
    covariance.diagonal().map(|one| (one * factor).sqrt().value()).collect()
}

/// Chebyshev nodes of the first kind of log λ, ascending.
fn chebyshev(low: f64, high: f64) -> Vec<f64> {
    let (low, high) = (low.ln(), high.ln());
    let nodes = (NODES * (high - low) / (2.0 * WINDOW.ln())).ceil().clamp(NODES, 48.0);
    let count = whole(nodes);
    let angle = |at: u64| std::f64::consts::PI * (2.0 * count_of(at) + 1.0) / (2.0 * nodes);
    let node = |at: u64| f64::midpoint(low, high) - (high - low) / 2.0 * angle(at).cos();
    (0..count).map(|at| node(at).exp()).collect()
}

/// A number of columns, as a double.
pub(super) fn small(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}

fn count_of(at: u64) -> f64 {
    u32::try_from(at).map_or(f64::NAN, f64::from)
}

/// A count that is held as a double.
fn whole(count: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of counts below 2⁵³, at least 0"
    )]
    let count = count as u64;
    count
}
