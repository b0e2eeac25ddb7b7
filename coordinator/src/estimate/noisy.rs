//! Growth models in `dp`, from noisy sums.
//!
//! In: the noisy sums of one or both rounds, the noise they carry, and the public school table. Out: the
//! constants of the second round; coefficients, variance components, and a covariance that holds sampling
//! and noise. Everything here is computed from what is private already. Touches nothing.
//!
//! With E the symmetric noise of the moments and v = (−β, 1), the normal equations are off by Ev. To
//! second order E also biases the inverse; adding E[E·M⁻¹·E] to M takes that off (docs/GROWTH.md). The
//! sampling covariance under τ² needs A = Σ T_sT_s', which is not summed in `dp`: it is taken from public
//! enrolments and columns, on which the private regressors are projected; what is left of these is taken
//! as independent between students.

use std::collections::BTreeSet;

use flashlight_proto::dp::{GrowthNoise, NoisePlan};
use flashlight_proto::growth::{Broadcast, COEFFICIENT_BITS, ColumnKind, Model, Term};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::release::NoisyGrowth;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

mod forecast;

pub use self::forecast::{GrowthForecast, forecast};
use super::dd::{Cholesky, Dd, Matrix};
use super::growth::{GrowthError, small};

/// Ridges tried: 1, 2, 4, … standard deviations of noise.
const RIDGES: i32 = 12;

/// One round: what was summed, the sums, and the noise in them.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// Of the round.
    pub layout: &'a Layout,
    /// One word per word of it.
    pub sums: &'a [i64],
    /// The noise they were planned with.
    pub plan: &'a NoisePlan,
}

/// What is public of the network.
#[derive(Clone, Copy)]
pub struct Public<'a> {
    /// The study.
    pub study: &'a Study,
    /// The school table.
    pub schools: &'a SchoolTable,
    /// Whose sums they are.
    pub survivors: &'a [DistrictId],
}

/// The constants at which the second round is taken, from the sums of the first: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn constants(first: Round<'_>, public: Public<'_>) -> Result<Vec<Broadcast>, GrowthError> {
    let models = first.layout.growth().iter().enumerate();
    models
        .map(|(at, block)| {
            let model = &block.model;
            let fit = Coefficients::of(model, &noisy(at, first, public))?;
            let too_large =
                || GrowthError::new(model, "its coefficients are too large to be sent; raise rho");
            let beta = fit.beta.iter().map(|one| one.value());
            let ols = model.on_grid(beta).ok_or_else(too_large)?;
            let found = Broadcast {
                model: model.name.clone(),
                lambdas: Vec::new(),
                ols,
                eiv: None,
                effects: None,
            };
            found.check(model).map_err(|_| too_large())?;
            Ok(found)
        })
        .collect()
}

/// All estimates, from the sums of both rounds: one per model.
///
/// # Errors
/// [`GrowthError`] when the sums give no model.
pub fn estimates(
    first: Round<'_>,
    second: Round<'_>,
    public: Public<'_>,
) -> Result<Vec<NoisyGrowth>, GrowthError> {
    let models = first.layout.growth().iter().enumerate();
    models
        .map(|(at, block)| {
            let model = &block.model;
            let fit = Coefficients::of(model, &noisy(at, first, public))?;
            let residuals = noisy(at, second, public);
            let schools = PublicSchools::of(model, public);
            fit.finish(model, public.study, &residuals, &schools)
        })
        .collect()
}

/// A sum in points, and the variance of its noise.
struct Sum {
    term: Term,
    value: Dd,
    variance: f64,
}

/// Grid units per point of a term.
fn term_units(model: &Model, term: Term) -> f64 {
    let units = |at: usize| f64::from(model.columns[at].units);
    let outcome = units(model.outcome());
    match term {
        Term::Moment(j, k) => units(j) * units(k),
        Term::Gradient(at) => units(at) * outcome,
        Term::Squares | Term::Between => outcome * outcome,
        Term::Schools | Term::AtMost(_) => 1.0,
    }
}

/// The sums of one model.
fn noisy(model: usize, round: Round<'_>, public: Public<'_>) -> Vec<Sum> {
    let survivors = u16::try_from(public.survivors.len()).unwrap_or(u16::MAX);
    let Some(block) = round.layout.growth().get(model) else { return Vec::new() };
    let ours = round.plan.growth().iter().filter(|one| one.model == model);
    let sum = |one: &GrowthNoise| {
        let units = term_units(&block.model, one.term);
        let word = round.sums.get(one.word).copied().unwrap_or(0);
        let fine = f64::from(1_u32 << one.drawn.scale_bits) * units;
        let sd = one.sd(survivors) / units;
        Sum {
            term: one.term,
            value: Dd::from(i128::from(word)) / Dd::from(fine),
            variance: sd * sd,
        }
    };
    ours.map(sum).collect()
}

/// Coefficients and the noise in them. Points; the outcome is centred.
struct Coefficients {
    /// Moments of the regressors, corrected.
    inverse: Matrix,
    moments: Matrix,
    beta: Vec<Dd>,
    /// Of the noise alone.
    noise: Matrix,
    students: f64,
    /// Standard deviations of noise that were added to the moments' diagonal; 0 where they needed none.
    ridge: f64,
}

impl Coefficients {
    fn of(model: &Model, sums: &[Sum]) -> Result<Self, GrowthError> {
        let p = model.p();
        let (mut moments, mut variances) = (vec![Dd::ZERO; p * p], vec![0.0; p * p]);
        let (mut right, mut right_variance) = (vec![Dd::ZERO; p], vec![0.0; p]);
        for sum in sums {
            match sum.term {
                Term::Moment(j, k) if k < p => {
                    for at in [j * p + k, k * p + j] {
                        (moments[at], variances[at]) = (sum.value, sum.variance);
                    }
                }
                Term::Moment(j, _) | Term::Gradient(j) => {
                    (right[j], right_variance[j]) = (sum.value, sum.variance);
                }
                Term::Squares | Term::Between | Term::Schools | Term::AtMost(_) => {}
            }
        }
        let moments = Matrix::of(p, |j, k| moments[j * p + k]);
        let variance = |j: usize, k: usize| variances[j * p + k];
        let students = moments.at(0, 0).value();
        let too_noisy = || {
            let what = "its noise is as large as its data; give it more rho, or ask more districts";
            GrowthError::new(model, what)
        };
        // A ridge of as many standard deviations of noise as it takes, seldom any.
        let ridged = |sds: f64| {
            Matrix::of(p, |j, k| {
                let ridge = if j == k { sds * variance(j, j).sqrt() } else { 0.0 };
                moments.at(j, k) + Dd::from(ridge)
            })
        };
        let tries = std::iter::once(0.0).chain((0..RIDGES).map(|at| 2f64.powi(at)));
        let found = tries.map(|sds| (sds, ridged(sds))).find_map(|(sds, moments)| {
            let factor = Cholesky::of(&moments).ok()?;
            Some((sds, moments, factor.inverse()))
        });
        let (ridge, moments, plain) = found.ok_or_else(too_noisy)?;
        let corrected = Matrix::of(p, |j, k| {
            let bias = if j == k {
                (0..p).map(|at| variance(j, at) * plain.at(at, at).value()).sum::<f64>()
            } else {
                variance(j, k) * plain.at(j, k).value()
            };
            moments.at(j, k) + Dd::from(bias)
        });
        let factor = Cholesky::of(&corrected).map_err(|_| too_noisy())?;
        let step = factor.solve(&right);
        let start = model.noisy.as_ref().and_then(|noisy| noisy.start.as_ref());
        let beta: Vec<Dd> = match start {
            None => step.clone(),
            Some(start) => {
                let start = start.iter().zip(&step).enumerate();
                start.map(|(at, (start, step))| from_grid(model, at, *start) + *step).collect()
            }
        };
        // What the noisy moments are multiplied by: the coefficients, or their step.
        let by: Vec<f64> = step.iter().map(|one| one.value()).collect();
        let omega = Matrix::of(p, |j, k| {
            Dd::from(if j == k {
                let moved = (0..p).map(|at| variance(j, at) * by[at] * by[at]).sum::<f64>();
                right_variance[j] + moved
            } else {
                variance(j, k) * by[j] * by[k]
            })
        });
        let inverse = factor.inverse();
        let noise = inverse.sandwich(&omega);
        Ok(Self { inverse, moments, beta, noise, students, ridge })
    }

    fn finish(
        &self,
        model: &Model,
        study: &Study,
        residuals: &[Sum],
        schools: &PublicSchools,
    ) -> Result<NoisyGrowth, GrowthError> {
        let p = model.p();
        let of = |term: Term| {
            let found = residuals.iter().find(|sum| sum.term == term);
            found.map_or(0.0, |sum| sum.value.value())
        };
        let (squares, between, counted) = (of(Term::Squares), of(Term::Between), of(Term::Schools));
        let (clusters, projected) = schools.moments(model, &self.moments, self.students);
        let trace = |one: &Matrix, two: &Matrix| {
            (0..p)
                .flat_map(|j| (0..p).map(move |k| (j, k)))
                .map(|(j, k)| (one.at(j, k) * two.at(k, j)).value())
                .sum::<f64>()
        };
        let n = self.students;
        let (pulled, within) = (trace(&self.inverse, &clusters), trace(&self.inverse, &projected));
        // What the noise in the coefficients adds to the residuals.
        let squares = squares - trace(&self.noise, &self.moments);
        let between = between - trace(&self.noise, &projected);
        let left = n - small(p) - (counted - within);
        if !(counted > 1.0 && left > 1.0 && n - pulled > 1.0) {
            let what = "its noise leaves no number of students or schools; give it more rho";
            return Err(GrowthError::new(model, what));
        }
        let sigma2 = (squares - between) / left;
        let tau2 = ((between - (counted - within) * sigma2) / (n - pulled)).max(0.0);
        if sigma2 <= 0.0 {
            let what = "its noise leaves no variance between students; give it more rho";
            return Err(GrowthError::new(model, what));
        }
        let sampling = self.inverse.sandwich(
            &self.moments.map(&clusters, |x, a| Dd::from(sigma2) * x + Dd::from(tau2) * a),
        );
        let covariance = sampling.map(&self.noise, |one, two| one + two);
        let roots = |matrix: &Matrix| matrix.diagonal().map(|one| one.sqrt().value()).collect();
        let notes = self.notes(tau2);
        let spec = &study.growth[model.section];
        let at = spec.grades.iter().position(|grade| *grade == model.grade);
        let start = at.and_then(|at| spec.noisy.as_ref()?.start.get(at));
        Ok(NoisyGrowth {
            model: model.name.clone(),
            formula: formula(model),
            words: words(model, study),
            school_year: model.year,
            names: model.coefficient_names(),
            centres: model.sources().map(|at| model.centre(at)).collect(),
            students: n,
            schools: counted,
            rho: model.noisy.as_ref().map_or(0.0, |noisy| noisy.rho),
            start: start.map(|start| start.release.to_string()),
            beta: self.shown(model),
            se: roots(&covariance),
            se_noise: roots(&self.noise),
            covariance: covariance.rows(),
            sigma2,
            tau2,
            scales: self.scales(model, &projected),
            effects: None,
            notes,
        })
    }

    /// What a reader should know.
    fn notes(&self, tau2: f64) -> Vec<String> {
        let mut notes = vec![
            "Errors hold sampling and noise. Sampling is computed from public enrolments and columns: \
             priors and flags are taken to differ between schools as the public columns say."
                .to_owned(),
        ];
        if self.ridge > 0.0 {
            notes.push(format!(
                "The noisy moments were no positive definite matrix; {} standard deviations of their noise \
                 were added to the diagonal. That pulls coefficients towards where they started from, and \
                 the errors do not hold it: give the model more rho.",
                self.ridge
            ));
        }
        if tau2 == 0.0 {
            notes.push("No variance between schools was found; tau2 is 0.".to_owned());
        }
        notes
    }

    /// Coefficients for people: the outcome is not centred.
    fn shown(&self, model: &Model) -> Vec<f64> {
        let mut shown: Vec<f64> = self.beta.iter().map(|one| one.value()).collect();
        if let Some(intercept) = shown.first_mut() {
            *intercept += model.centre(model.outcome());
        }
        shown
    }

    /// α that makes the noise in school effects least: α⁴ ∝ b²/h, h the diagonal of M⁻¹VM⁻¹, V the
    /// moments of school means.
    fn scales(&self, model: &Model, projected: &Matrix) -> Vec<f64> {
        let h = self.inverse.sandwich(projected);
        let both = h.diagonal().zip(model.sources());
        both.map(|(h, at)| {
            let column = &model.columns[at];
            let reach = f64::from(u32::try_from(column.reach()).unwrap_or(u32::MAX));
            let b = reach / f64::from(column.units);
            (b / h.sqrt().value().max(f64::MIN_POSITIVE)).sqrt()
        })
        .collect()
    }
}

/// A coefficient of a start, points.
fn from_grid(model: &Model, at: usize, fixed: i64) -> Dd {
    let units = f64::from(model.columns[at].units);
    let outcome = f64::from(model.columns[model.outcome()].units);
    Dd::from(i128::from(fixed))
        * Dd::power_of_two(-i32::try_from(COEFFICIENT_BITS).unwrap_or(0))
        * Dd::from(units / outcome)
}

/// What is public of the schools of one model: students by enrolment, and the public regressors, points.
struct PublicSchools {
    /// Places of 1 and of the public columns in a row.
    columns: Vec<usize>,
    schools: Vec<(f64, Vec<f64>)>,
}

impl PublicSchools {
    fn of(model: &Model, public: Public<'_>) -> Self {
        let spec = &public.study.growth[model.section];
        let is_public = |at: &usize| {
            matches!(model.columns[*at].kind, ColumnKind::Intercept | ColumnKind::Public(_))
        };
        let columns: Vec<usize> = (0..model.outcome()).filter(is_public).collect();
        let survivors: BTreeSet<&DistrictId> = public.survivors.iter().collect();
        let ours = public.schools.iter().filter(|school| {
            school.school_year == model.year
                && survivors.contains(&school.district)
                && school.grades().any(|grade| grade == model.grade)
        });
        let schools = ours.filter_map(|school| {
            let grades = u32::try_from(school.grades().count()).unwrap_or(1).max(1);
            let students = f64::from(school.enrollment.unwrap_or(0)) / f64::from(grades);
            let figures: Option<Vec<f64>> = columns
                .iter()
                .map(|&at| {
                    let column = &model.columns[at];
                    let ColumnKind::Public(place) = column.kind else { return Some(1.0) };
                    let name = &spec.public.get(place)?.column;
                    let units = school.public.get(name)?.clamp(&column.low, &column.high);
                    let units = i32::try_from(units - column.centre).ok()?;
                    Some(f64::from(units) / f64::from(column.units))
                })
                .collect();
            (students > 0.0).then_some((students, figures?))
        });
        Self { schools: schools.collect(), columns }
    }

    /// Σ n²x̄x̄' and Σ n·x̄x̄' of the regressors' school means, as public figures tell them.
    fn moments(&self, model: &Model, moments: &Matrix, students: f64) -> (Matrix, Matrix) {
        let p = model.p();
        let known = moments.pick(&self.columns);
        let hidden: Vec<usize> = (0..p).filter(|at| !self.columns.contains(at)).collect();
        // Each regressor on the public ones.
        let Ok(factor) = Cholesky::of(&known) else {
            return (moments.map(moments, |one, _| one), moments.map(moments, |one, _| one));
        };
        let onto: Vec<Vec<f64>> = (0..p)
            .map(|at| {
                let right: Vec<Dd> = self.columns.iter().map(|&one| moments.at(one, at)).collect();
                factor.solve(&right).iter().map(|one| one.value()).collect()
            })
            .collect();
        let enrolled: f64 = self.schools.iter().map(|(n, _)| n).sum();
        let share = if enrolled > 0.0 { students / enrolled } else { 0.0 };
        let (mut squared, mut plain) = (vec![0.0; p * p], vec![0.0; p * p]);
        for (n, figures) in &self.schools {
            let n = n * share;
            let mean = |at: usize| {
                onto[at].iter().zip(figures).map(|(slope, figure)| slope * figure).sum::<f64>()
            };
            let means: Vec<f64> = (0..p).map(mean).collect();
            for j in 0..p {
                for k in 0..p {
                    squared[j * p + k] += n * n * means[j] * means[k];
                    plain[j * p + k] += n * means[j] * means[k];
                }
            }
        }
        let schools = small(self.schools.len()).max(1.0);
        let left = |j: usize, k: usize| {
            if !(hidden.contains(&j) && hidden.contains(&k)) {
                return 0.0;
            }
            let explained: f64 = self
                .columns
                .iter()
                .zip(&onto[k])
                .map(|(&one, slope)| moments.at(one, j).value() * slope)
                .sum();
            moments.at(j, k).value() - explained
        };
        let of = |sums: &[f64], part: f64| {
            Matrix::of(p, |j, k| Dd::from(part.mul_add(left(j, k), sums[j * p + k])))
        };
        (of(&squared, 1.0), of(&plain, schools / students.max(1.0)))
    }
}

fn formula(model: &Model) -> String {
    let outcome = &model.columns[model.outcome()].name;
    let names = model.coefficient_names();
    let names = names.iter().map(|name| if name == "one" { "1" } else { name });
    format!("{outcome} ~ {} + (1 | school)", names.collect::<Vec<_>>().join(" + "))
}

fn words(model: &Model, study: &Study) -> String {
    let spec = &study.growth[model.section];
    let list = |names: Vec<String>| {
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    format!(
        "A student's {} score in grade {} is explained by earlier scores ({}), flags ({}) and published \
         figures of the school ({}), with an effect of the school. A school's growth is its mean \
         residual, shrunk towards 0 by how few students it rests on. Every sum carries noise.",
        spec.subject,
        model.grade,
        list(spec.priors.iter().map(ToString::to_string).collect()),
        list(spec.covariates.iter().map(ToString::to_string).collect()),
        list(spec.public.iter().map(|one| one.column.clone()).collect()),
    )
}
