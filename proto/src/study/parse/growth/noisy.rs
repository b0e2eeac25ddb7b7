//! The checks of what `[[growth]]` needs in `dp`, and of public columns.

use super::super::{Place, twice};
use crate::{
    category::Grade,
    schools::{PUBLIC_PREFIX, PUBLIC_UNITS},
    study::{
        GrowthSpec, MAX_PUBLIC, Measurement, Mode, NoisySpec, PublicColumn, Rho, Start, StudyError,
        TestSpec,
        raw::{Points, RawClip, RawPublic, RawStart},
    },
};

/// Two losses are the same within this part.
const ROUNDING: f64 = 1e-9;
/// Largest coefficient or scale of a start.
const START_MOST: f64 = 1e7;
/// Two centres, points, are the same within this.
const CENTRE_TOLERANCE: f64 = 1e-6;

/// Whether the sections' parts fit into the study's loss.
pub(in super::super) fn parts(
    rho: Option<Rho>,
    growth: &[GrowthSpec],
    no_tables: bool,
) -> Result<(), StudyError> {
    let Some(rho) = rho.map(Rho::value) else { return Ok(()) };
    let parts: f64 = growth.iter().filter_map(|spec| Some(spec.noisy.as_ref()?.rho.value())).sum();
    let place = "[privacy] rho";
    if parts > rho * (1.0 + ROUNDING) {
        let what =
            format!("is {rho}, less than the rho of the [[growth]] sections together, {parts}");
        return Err(StudyError::value(place, what));
    }
    let left = rho - parts > rho * ROUNDING;
    match (no_tables, left) {
        (true, true) if !growth.is_empty() => {
            let what = format!(
                "is {rho}, more than the rho of the [[growth]] sections together, {parts}, and there is \
                 no [[table]] to spend the rest on"
            );
            Err(StudyError::value(place, what))
        }
        (false, false) => {
            let what = "is spent on the [[growth]] sections whole; nothing is left for [[table]]";
            Err(StudyError::value(place, what))
        }
        _ => Ok(()),
    }
}

/// The columns of the school table.
pub(super) fn public(
    place: &Place<'_>,
    raw: &[RawPublic],
) -> Result<Vec<PublicColumn>, StudyError> {
    place.within("public", raw.len(), MAX_PUBLIC)?;
    let one = |raw: &RawPublic| {
        let column = &raw.column;
        if !column.starts_with(PUBLIC_PREFIX) {
            let what = format!("{column:?} must be a column {PUBLIC_PREFIX}… of the school table");
            return Err(place.value("public", what));
        }
        let on_grid = |points: Points| {
            points.on_grid(PUBLIC_UNITS).ok_or_else(|| {
                let what = format!("the bounds of {column} must be multiples of 1/{PUBLIC_UNITS}");
                place.value("public", what)
            })
        };
        let (min, max) = (on_grid(raw.min)?, on_grid(raw.max)?);
        let middle = (min + max).div_euclid(2);
        let centre = raw.centre.map(on_grid).transpose()?.unwrap_or(middle);
        if min >= max || !(min..=max).contains(&centre) {
            let what = format!("{column} needs min below max, and its centre between them");
            return Err(place.value("public", what));
        }
        Ok(PublicColumn { column: column.clone(), min, max, centre })
    };
    let found: Vec<PublicColumn> = raw.iter().map(one).collect::<Result<_, _>>()?;
    let names: Vec<&str> = found.iter().map(|one| one.column.as_str()).collect();
    match twice(&names) {
        Some(name) => Err(place.duplicate("public", name)),
        None => Ok(found),
    }
}

/// What a section says for `dp`.
pub(super) struct Raw<'a> {
    pub(super) rho: Option<f64>,
    pub(super) clip: Option<&'a RawClip>,
    pub(super) start: &'a [RawStart],
    /// Grid units per point of the outcome.
    pub(super) units: u32,
}

pub(super) fn noisy(
    place: &Place<'_>,
    raw: &Raw<'_>,
    mode: Mode,
    spec: &GrowthSpec,
    test: &TestSpec,
) -> Result<Option<NoisySpec>, StudyError> {
    if mode == Mode::Exact {
        let given = [
            ("rho", raw.rho.is_some()),
            ("clip", raw.clip.is_some()),
            ("start", !raw.start.is_empty()),
        ];
        return match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(place.value(key, "is for dp; exact mode adds no noise")),
            None => Ok(None),
        };
    }
    if !spec.concentrations.is_empty() {
        let what = "are means of private records; in dp, give the schools' published figures as columns \
                    of the school table, and name them under public";
        return Err(place.value("concentrations", what));
    }
    if spec.measurement != Measurement::None {
        let what =
            "is for exact mode; there is no correction for errors of measurement under noise yet";
        return Err(place.value("measurement", what));
    }
    let Some(rho) = raw.rho else {
        return Err(place.value("rho", "is required in dp: the section's part of the study's"));
    };
    let rho = Rho::try_from(rho)
        .map_err(|_| place.value("rho", "must be a number above 0, such as 0.1"))?;
    let Some(clip) = raw.clip else {
        let what = "is required in dp: how far a student's residual, and a school's mean residual, may \
                    count, points, such as { student = 150, school = 40 }";
        return Err(place.value("clip", what));
    };
    let on_grid = |points: Points| {
        points.on_grid(raw.units).filter(|units| *units > 0).ok_or_else(|| {
            let what = format!("must be above 0 and a multiple of 1/{} point", raw.units);
            place.value("clip", what)
        })
    };
    let (student, school) = (on_grid(clip.student)?, on_grid(clip.school)?);
    if school > student {
        return Err(place.value("clip", "of a school's mean must not be above a student's"));
    }
    let start = start(place, raw.start, spec, test)?;
    Ok(Some(NoisySpec { rho, clip: student, school_clip: school, start }))
}

/// One start per grade, or none.
fn start(
    place: &Place<'_>,
    raw: &[RawStart],
    spec: &GrowthSpec,
    test: &TestSpec,
) -> Result<Vec<Start>, StudyError> {
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    let grades: Vec<_> = raw.iter().map(|one| one.grade).collect();
    if grades != spec.grades {
        let what = "must be one per grade of the section, grades ascending";
        return Err(place.value("start", what));
    }
    let one = |raw: &RawStart| {
        let (names, centres) = model(spec, test, raw.grade);
        let wrong = |what: &str| {
            let what = format!(
                "grade {}: {what}; `flashlight-coordinator study start` prints the section of a release",
                raw.grade
            );
            Err(place.value("start", what))
        };
        if raw.names != names {
            return wrong("its names are not this model's coefficients, in order");
        }
        let same = |(one, two): (&f64, &f64)| (one - two).abs() < CENTRE_TOLERANCE;
        if raw.centres.len() != centres.len() || !raw.centres.iter().zip(&centres).all(same) {
            return wrong("its centres are not this model's");
        }
        let fits = |list: &[f64]| {
            list.len() == names.len() && list.iter().all(|one| one.abs() < START_MOST)
        };
        if !fits(&raw.beta) || !fits(&raw.scales) || raw.scales.iter().any(|one| *one <= 0.0) {
            return wrong("beta and scales need a number per name, and scales are above 0");
        }
        Ok(Start { release: raw.release, beta: raw.beta.clone(), scales: raw.scales.clone() })
    };
    raw.iter().map(one).collect()
}

/// Names and centres, points, of a model's coefficients.
fn model(spec: &GrowthSpec, test: &TestSpec, grade: Grade) -> (Vec<String>, Vec<f64>) {
    let float =
        |units: i64, per: u32| f64::from(i32::try_from(units).unwrap_or(i32::MAX)) / f64::from(per);
    let priors = spec.priors.iter().map(|prior| {
        let range = GrowthSpec::prior_grade(grade, prior.years_back)
            .and_then(|grade| test.scores.get(&prior.subject)?.get(&grade));
        let middle = range.map_or(0, |range| (range.min + range.max).div_euclid(2));
        (prior.to_string(), float(prior.centre.unwrap_or(middle), test.units_per_point))
    });
    let flags = spec.covariates.iter().map(|flag| (flag.to_string(), 0.5));
    let public =
        spec.public.iter().map(|one| (one.column.clone(), float(one.centre, PUBLIC_UNITS)));
    std::iter::once(("one".to_owned(), 0.0)).chain(priors).chain(flags).chain(public).unzip()
}
