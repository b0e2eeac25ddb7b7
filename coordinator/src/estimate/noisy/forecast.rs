//! What noise will do to a growth model, before anything is spent.
//!
//! In: the study's noise plan and the public school table. Out: how large the noise is beside what
//! sampling leaves uncertain. No record is read: students are the public enrolments, and their scores and
//! flags are assumed. Scores span three standard deviations either side of the middle of their bounds;
//! priors are correlated .7 and explain the score with .8 together; a fifth of students has each flag; σ is
//! .45 and τ .12 of the score's standard deviation; coefficients of an earlier year are a twentieth off.

use flashlight_proto::dp::{GrowthNoise, NoisePlan};
use flashlight_proto::growth::{ColumnKind, Model, Term};
use flashlight_proto::layout::Layout;

use super::{Coefficients, Dd, Public, PublicSchools, Sum, small, term_units};

const SPANS: f64 = 3.0;
const PRIORS_ALIKE: f64 = 0.7;
const PRIORS_TELL: f64 = 0.8;
const FLAGGED: f64 = 0.2;
const FLAG_TELLS: f64 = -0.1;
const SIGMA: f64 = 0.45;
const TAU: f64 = 0.12;
const START_OFF: f64 = 0.05;

/// Noise of school effects in √PEV, and the share of schools whose decile it moves
/// (`growth-noise-bench`; docs/GROWTH.md has the table).
const DECILES: [(f64, f64); 10] = [
    (0.0, 0.0),
    (0.025, 0.024),
    (0.065, 0.06),
    (0.13, 0.12),
    (0.2, 0.18),
    (0.45, 0.39),
    (0.78, 0.55),
    (1.46, 0.69),
    (2.56, 0.77),
    (10.0, 0.9),
];

/// What noise will do to one model.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthForecast {
    /// `math/04`.
    pub model: String,
    /// Students and schools by public enrolment.
    pub students: f64,
    /// Schools with the grade.
    pub schools: usize,
    /// The coefficient that noise hurts most, and its noise in sampling errors.
    pub worst: (String, f64),
    /// Noise in sampling errors of the coefficient in the middle.
    pub median: f64,
    /// Noise of a school's effect, in √PEV.
    pub effects: f64,
    /// Share of schools whose decile it moves, about.
    pub deciles: f64,
    /// Noise of a school's percentile rank, one standard deviation, before neighbouring counts average
    /// it; `None` where none are asked for.
    pub percentiles: Option<f64>,
    /// Whether the moments may be no positive definite matrix.
    pub drowned: bool,
}

/// One per model; none in `exact`.
#[must_use]
pub fn forecast(layout: &Layout, plan: &NoisePlan, public: Public<'_>) -> Vec<GrowthForecast> {
    let models = layout.growth().iter().enumerate();
    models.filter_map(|(at, block)| of_model(at, &block.model, plan, public)).collect()
}

fn of_model(
    at: usize,
    model: &Model,
    plan: &NoisePlan,
    public: Public<'_>,
) -> Option<GrowthForecast> {
    let survivors = u16::try_from(public.survivors.len()).ok()?;
    let schools = PublicSchools::of(model, public);
    let students: f64 = schools.schools.iter().map(|(n, _)| n).sum();
    let p = model.p();
    let moments = assumed(model, &schools, students);
    let reach = |at: usize| {
        let column = &model.columns[at];
        f64::from(u32::try_from(column.reach()).unwrap_or(u32::MAX)) / f64::from(column.units)
    };
    let spread = reach(model.outcome()) / SPANS;
    let priors =
        model.columns.iter().filter(|one| matches!(one.kind, ColumnKind::Prior(_))).count();
    let beta = |at: usize| match model.columns[at].kind {
        ColumnKind::Prior(_) => PRIORS_TELL / small(priors) * spread / (reach(at) / SPANS),
        ColumnKind::Covariate(_) => FLAG_TELLS * spread,
        ColumnKind::Intercept | ColumnKind::Public(_) | ColumnKind::Outcome => 0.0,
    };
    let starts = model.noisy.as_ref()?.start.is_some();
    let off = if starts { START_OFF } else { 1.0 };
    let right = |j: usize| (0..p).map(|k| moments[j * p + k] * beta(k) * off).sum::<f64>();
    let sums = plan.growth().iter().filter(|one| one.model == at).map(|one| {
        let value = match one.term {
            Term::Moment(j, k) if k < p => moments[j * p + k],
            Term::Moment(j, _) | Term::Gradient(j) => right(j),
            Term::Squares | Term::Between | Term::Schools | Term::AtMost(_) => 0.0,
        };
        let sd = one.sd(survivors) / term_units(model, one.term);
        Sum { term: one.term, value: Dd::from(value), variance: sd * sd }
    });
    let sums: Vec<Sum> = sums.collect();
    let fit = Coefficients::of(model, &sums).ok();
    let (clusters, projected) =
        fit.as_ref().map(|fit| schools.moments(model, &fit.moments, students))?;
    let fit = fit?;
    let (sigma2, tau2) = ((SIGMA * spread).powi(2), (TAU * spread).powi(2));
    let meat = fit.moments.map(&clusters, |x, a| Dd::from(sigma2) * x + Dd::from(tau2) * a);
    let sampling = fit.inverse.sandwich(&meat);
    let names = model.coefficient_names();
    let ratios = fit.noise.diagonal().zip(sampling.diagonal()).zip(names);
    let mut ratios: Vec<(String, f64)> = ratios
        .map(|((noise, sampling), name)| (name, (noise.value() / sampling.value()).sqrt()))
        .collect();
    ratios.sort_by(|one, two| one.1.total_cmp(&two.1));
    let each = students / small(schools.schools.len()).max(1.0);
    let gamma = each * tau2 / each.mul_add(tau2, sigma2);
    let moved = (0..p)
        .flat_map(|j| (0..p).map(move |k| (j, k)))
        .map(|(j, k)| (fit.noise.at(j, k) * projected.at(j, k)).value())
        .sum::<f64>();
    let effects = (gamma * gamma * (moved / students) / (tau2 * (1.0 - gamma))).sqrt();
    Some(GrowthForecast {
        model: model.name.clone(),
        students,
        schools: schools.schools.len(),
        median: ratios.get(ratios.len() / 2).map_or(f64::NAN, |one| one.1),
        worst: ratios.pop()?,
        effects,
        deciles: deciles(effects),
        percentiles: percentiles(at, plan, survivors, schools.schools.len()),
        drowned: drowned(&sums, p, &moments),
    })
}

/// Noise of the counts of the third round, in percent of the schools.
fn percentiles(at: usize, plan: &NoisePlan, survivors: u16, schools: usize) -> Option<f64> {
    let counted = |one: &&GrowthNoise| one.model == at && matches!(one.term, Term::AtMost(_));
    let noise = plan.later().iter().find(counted)?;
    Some(100.0 * noise.sd(survivors) / small(schools).max(1.0))
}

/// Assumed moments of the regressors, points.
fn assumed(model: &Model, schools: &PublicSchools, students: f64) -> Vec<f64> {
    let p = model.p();
    let mean = |at: usize, figures: &[f64]| match model.columns[at].kind {
        ColumnKind::Covariate(_) => FLAGGED - 0.5,
        ColumnKind::Prior(_) | ColumnKind::Outcome => 0.0,
        ColumnKind::Intercept | ColumnKind::Public(_) => {
            let place = schools.columns.iter().position(|one| *one == at);
            place.map_or(0.0, |place| figures[place])
        }
    };
    let mut moments = vec![0.0; p * p];
    for (n, figures) in &schools.schools {
        let means: Vec<f64> = (0..p).map(|at| mean(at, figures)).collect();
        for j in 0..p {
            for k in 0..p {
                moments[j * p + k] += n * means[j] * means[k];
            }
        }
    }
    let sd = |at: usize| {
        let column = &model.columns[at];
        let reach = f64::from(u32::try_from(column.reach()).unwrap_or(u32::MAX));
        reach / f64::from(column.units) / SPANS
    };
    let is_prior = |at: usize| matches!(model.columns[at].kind, ColumnKind::Prior(_));
    for j in 0..p {
        for k in 0..p {
            let within = match (j == k, is_prior(j) && is_prior(k)) {
                (true, true) => sd(j) * sd(j),
                (false, true) => PRIORS_ALIKE * sd(j) * sd(k),
                (true, false) if matches!(model.columns[j].kind, ColumnKind::Covariate(_)) => {
                    FLAGGED * (1.0 - FLAGGED)
                }
                _ => 0.0,
            };
            moments[j * p + k] += students * within;
        }
    }
    moments
}

/// Whether noise of √p standard deviations passes what a regressor tells beyond the others: then the noisy
/// moments may be no positive definite matrix.
fn drowned(sums: &[Sum], p: usize, moments: &[f64]) -> bool {
    let matrix = super::Matrix::of(p, |j, k| Dd::from(moments[j * p + k]));
    let Ok(factor) = super::Cholesky::of(&matrix) else { return true };
    let inverse = factor.inverse();
    sums.iter().any(|sum| match sum.term {
        Term::Moment(j, k) if j == k && k < p => {
            inverse.at(j, j).value() * sum.variance.sqrt() * small(p).sqrt() > 1.0
        }
        _ => false,
    })
}

fn deciles(effects: f64) -> f64 {
    let above = DECILES.iter().position(|(noise, _)| *noise >= effects);
    let Some(at) = above.filter(|at| *at > 0) else { return if effects > 0.0 { 0.9 } else { 0.0 } };
    let ((low, from), (high, to)) = (DECILES[at - 1], DECILES[at]);
    from + (to - from) * (effects - low) / (high - low)
}
