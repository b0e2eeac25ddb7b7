//! The checks of `[[growth]]`.

mod measurement;
mod noisy;

use std::collections::BTreeMap;

use toml::Spanned;

pub(super) use self::noisy::parts;

use super::{Place, line_at, name, twice, within};
use crate::{
    category::{Family, Grade, Subject},
    study::{
        Covariate, GrowthSpec, MAX_COVARIATES, MAX_GROWTH, MAX_PRIORS, MAX_YEARS_BACK, Mode, Prior,
        Regressor, Sample, StudyError, TestSpec,
        raw::{RawGrowth, RawPrior},
    },
};

/// Stands for all priors among the concentrations.
const PRIORS: &str = "priors";

pub(super) fn growth(
    text: &str,
    raw: Vec<Spanned<RawGrowth>>,
    mode: Mode,
    tests: &BTreeMap<String, TestSpec>,
) -> Result<Vec<GrowthSpec>, StudyError> {
    within("[[growth]]", raw.len(), MAX_GROWTH)?;
    let mut all: Vec<GrowthSpec> = Vec::with_capacity(raw.len());
    for (index, spanned) in raw.into_iter().enumerate() {
        let line = line_at(text, spanned.span().start);
        let place = Place { line, section: "growth", number: index + 1 };
        let spec = section(&place, spanned.into_inner(), mode, tests)?;
        if all.iter().any(|earlier| earlier.id == spec.id) {
            return Err(place.duplicate("id", format_args!("{:?}", spec.id)));
        }
        let same = |earlier: &&GrowthSpec| {
            earlier.subject == spec.subject
                && earlier.test == spec.test
                && earlier.grades.iter().any(|grade| spec.grades.contains(grade))
        };
        if let Some(earlier) = all.iter().find(same) {
            let what = format!("a grade and subject that growth {:?} has already", earlier.id);
            return Err(place.duplicate("grades", what));
        }
        all.push(spec);
    }
    Ok(all)
}

fn section(
    place: &Place<'_>,
    raw: RawGrowth,
    mode: Mode,
    tests: &BTreeMap<String, TestSpec>,
) -> Result<GrowthSpec, StudyError> {
    name(format_args!("{place}, id"), &raw.id)?;
    let Some(test) = tests.get(&raw.test) else {
        return Err(
            place.value("test", format_args!("there is no [[test]] with id {:?}", raw.test))
        );
    };
    let mut grades = raw.grades;
    grades.sort_unstable();
    if grades.is_empty() {
        return Err(place.value("grades", "is empty; each grade is a model of its own"));
    }
    if let Some(grade) = twice(&grades) {
        return Err(place.duplicate("grades", format_args!("{:?}", grade.as_str())));
    }
    if raw.priors.is_empty() {
        return Err(place.value("priors", "is empty; growth is measured from an earlier score"));
    }
    place.within("priors", raw.priors.len(), MAX_PRIORS)?;
    let priors: Vec<Prior> =
        raw.priors.iter().map(|one| prior(place, one, test)).collect::<Result<_, _>>()?;
    let names: Vec<String> = priors.iter().map(ToString::to_string).collect();
    if let Some(name) = twice(&names) {
        return Err(place.duplicate("priors", name));
    }
    bounds(place, raw.subject, &grades, &priors, test)?;
    place.within("covariates", raw.covariates.len(), MAX_COVARIATES)?;
    let covariates: Vec<Covariate> =
        raw.covariates.iter().map(|text| covariate(place, text)).collect::<Result<_, _>>()?;
    if let Some(covariate) = twice(&covariates) {
        return Err(place.duplicate("covariates", covariate));
    }
    let concentrations = concentrations(place, &raw.concentrations, &priors, &covariates)?;
    let measurement = measurement::measurement(place, raw.measurement, (&grades, &priors), test)?;
    let sample = match raw.sample.as_deref() {
        None | Some("continuous") => Sample::Continuous,
        Some("all") => Sample::All,
        Some(_) => return Err(place.value("sample", "must be \"continuous\" or \"all\"")),
    };
    let public = noisy::public(place, &raw.public)?;
    let under_noise = noisy::Raw {
        rho: raw.rho,
        clip: raw.clip.as_ref(),
        start: &raw.start,
        units: test.units_per_point,
    };
    let mut spec = GrowthSpec {
        id: raw.id,
        test: raw.test,
        subject: raw.subject,
        grades,
        priors,
        covariates,
        concentrations,
        measurement,
        sample,
        public,
        noisy: None,
        percentiles: raw.percentiles,
    };
    spec.noisy = noisy::noisy(place, &under_noise, mode, &spec, test)?;
    Ok(spec)
}

/// Whether the test bounds every score that the models read.
fn bounds(
    place: &Place<'_>,
    subject: Subject,
    grades: &[Grade],
    priors: &[Prior],
    test: &TestSpec,
) -> Result<(), StudyError> {
    let needed =
        std::iter::once((subject, 0)).chain(priors.iter().map(|p| (p.subject, p.years_back)));
    for (subject, back) in needed {
        for &grade in grades {
            let range = GrowthSpec::prior_grade(grade, back)
                .and_then(|grade| Some((grade, test.scores.get(&subject)?.get(&grade)?)));
            let Some((found, range)) = range else {
                let what = format!(
                    "grade {grade} reads {subject} of {back} years before, for which [[test]] {:?} \
                     gives no bounds",
                    test.id
                );
                return Err(place.value("grades", what));
            };
            let centre =
                priors.iter().find(|p| (p.subject, p.years_back) == (subject, back) && back > 0);
            let centre = centre.and_then(|prior| prior.centre);
            if centre.is_some_and(|centre| !(range.min..=range.max).contains(&centre)) {
                let what = format!(
                    "the centre of {subject}-{back} is outside the bounds of grade {found}"
                );
                return Err(place.value("priors", what));
            }
        }
    }
    Ok(())
}

fn prior(place: &Place<'_>, raw: &RawPrior, test: &TestSpec) -> Result<Prior, StudyError> {
    if !(1..=MAX_YEARS_BACK).contains(&raw.years_back) {
        let what = format!("years_back is {}, must be 1 to {MAX_YEARS_BACK}", raw.years_back);
        return Err(place.value("priors", what));
    }
    let units = test.units_per_point;
    let centre = raw.centre.map(|points| {
        points.on_grid(units).ok_or_else(|| {
            place.value("priors", format_args!("centre must be a multiple of 1/{units} point"))
        })
    });
    Ok(Prior { subject: raw.subject, years_back: raw.years_back, centre: centre.transpose()? })
}

/// `sed`, `sex=F`, `race_ethnicity=Black`.
fn covariate(place: &Place<'_>, text: &str) -> Result<Covariate, StudyError> {
    let (family, group) = text.split_once('=').unwrap_or((text, "yes"));
    let found = family.parse::<Family>().ok().and_then(|family| {
        let groups = family.groups();
        let group = groups[..groups.len() - 1].iter().position(|name| *name == group)?;
        Some(Covariate { family, group })
    });
    found.ok_or_else(|| {
        let what = format!(
            "{text:?} is no flag; write a family with yes and no, such as \"sed\", or a family and \
             one of its groups, such as \"sex=F\""
        );
        place.value("covariates", what)
    })
}

fn concentrations(
    place: &Place<'_>,
    raw: &[String],
    priors: &[Prior],
    covariates: &[Covariate],
) -> Result<Vec<Regressor>, StudyError> {
    let mut found = Vec::new();
    for text in raw {
        let prior = priors.iter().position(|prior| prior.to_string() == *text);
        let flag = covariates.iter().position(|covariate| covariate.to_string() == *text);
        match (prior, flag) {
            _ if text == PRIORS => found.extend((0..priors.len()).map(Regressor::Prior)),
            (Some(at), _) => found.push(Regressor::Prior(at)),
            (None, Some(at)) => found.push(Regressor::Covariate(at)),
            (None, None) => {
                let what = format!(
                    "{text:?} is neither \"priors\" nor a prior (such as \"{}\") nor a covariate of \
                     this section",
                    priors[0]
                );
                return Err(place.value("concentrations", what));
            }
        }
    }
    found.sort_unstable();
    match twice(&found) {
        Some(_) => Err(place.duplicate("concentrations", "a mean that is named already")),
        None => Ok(found),
    }
}
