//! The checks of `measurement`.

use std::collections::BTreeMap;

use super::Place;
use crate::{
    category::{Grade, Subject},
    study::{
        GrowthSpec, MAX_SEM_RANGES, Measurement, Prior, PriorSem, SEM_UNITS_PER_POINT, SemRange,
        StudyError, TestSpec,
        raw::{Points, RawMeasurement, RawSem, RawSemRange},
    },
};

/// Largest standard error of measurement, points.
const SEM_MOST: i64 = 10_000;

pub(super) fn measurement(
    place: &Place<'_>,
    raw: Option<RawMeasurement>,
    (grades, priors): (&[Grade], &[Prior]),
    test: &TestSpec,
) -> Result<Measurement, StudyError> {
    let raw = match raw {
        None => return Ok(Measurement::None),
        Some(RawMeasurement::Word(word)) => {
            return match word.as_str() {
                "none" => Ok(Measurement::None),
                "column" => Ok(Measurement::Column),
                _ => {
                    let what = "must be \"none\", \"column\" or, per subject, one standard error or \
                                ranges of scores by grade, such as { MATH = 25.0, ELA = { \"03\" = \
                                [{ from = 2100, to = 2650, sem = 27.0 }] } }";
                    Err(place.value("measurement", what))
                }
            };
        }
        Some(RawMeasurement::Subjects(raw)) => raw,
    };
    let subjects = raw
        .into_iter()
        .map(|(subject, raw)| Ok((subject, of_subject(place, subject, raw, test)?)))
        .collect::<Result<BTreeMap<Subject, PriorSem>, StudyError>>()?;
    let one = |prior: &Prior| {
        let found = subjects.get(&prior.subject).ok_or_else(|| {
            place.value("measurement", format_args!("has no standard error for {}", prior.subject))
        })?;
        grades.iter().try_for_each(|&grade| covers(place, found, prior, grade, test))?;
        Ok(found.clone())
    };
    Ok(Measurement::Public(priors.iter().map(one).collect::<Result<_, _>>()?))
}

fn of_subject(
    place: &Place<'_>,
    subject: Subject,
    raw: RawSem,
    test: &TestSpec,
) -> Result<PriorSem, StudyError> {
    let grades = match raw {
        RawSem::Constant(points) => {
            return Ok(PriorSem::Constant(sem(place, points, subject)?));
        }
        RawSem::Grades(grades) => grades,
    };
    let one = |(grade, raw): (Grade, Vec<RawSemRange>)| {
        place.within("measurement", raw.len(), MAX_SEM_RANGES)?;
        let mut ranges = Vec::with_capacity(raw.len());
        for one in &raw {
            let next = range(place, (subject, grade), one, test)?;
            follows(place, (subject, grade), ranges.last(), &next, test)?;
            ranges.push(next);
        }
        Ok((grade, ranges))
    };
    Ok(PriorSem::Ranges(grades.into_iter().map(one).collect::<Result<_, _>>()?))
}

fn range(
    place: &Place<'_>,
    (subject, grade): (Subject, Grade),
    raw: &RawSemRange,
    test: &TestSpec,
) -> Result<SemRange, StudyError> {
    let units = test.units_per_point;
    let bad = |what: String| {
        place.value("measurement", format_args!("{subject} in grade {grade}: {what}"))
    };
    let on_grid = |name: &str, points: Points| {
        let off = || bad(format!("{name} must be a score that is a multiple of 1/{units} point"));
        points.on_grid(units).ok_or_else(off)
    };
    let (from, to) = (on_grid("from", raw.from)?, on_grid("to", raw.to)?);
    if from > to {
        let (from, to) = (points(from, test), points(to, test));
        return Err(bad(format!("the range from {from} to {to} holds no score")));
    }
    let sem = sem(place, raw.sem, format_args!("{subject} in grade {grade}"))?;
    Ok(SemRange { from, to, sem })
}

/// Whether a range begins right after the one before it.
fn follows(
    place: &Place<'_>,
    (subject, grade): (Subject, Grade),
    last: Option<&SemRange>,
    next: &SemRange,
    test: &TestSpec,
) -> Result<(), StudyError> {
    let Some(last) = last.filter(|last| last.to + 1 != next.from) else {
        return Ok(());
    };
    let (to, from) = (points(last.to, test), points(next.from, test));
    let fault = if next.from > last.to { "scores between have none" } else { "ranges overlap" };
    let what = format!(
        "{subject} in grade {grade}: after the range to {to} comes one from {from}: {fault}; let it \
         begin at {}",
        points(last.to + 1, test)
    );
    Err(place.value("measurement", what))
}

/// Whether every score that a prior of a model can be, has a standard error.
fn covers(
    place: &Place<'_>,
    found: &PriorSem,
    prior: &Prior,
    grade: Grade,
    test: &TestSpec,
) -> Result<(), StudyError> {
    let PriorSem::Ranges(grades) = found else { return Ok(()) };
    let read = GrowthSpec::prior_grade(grade, prior.years_back);
    let bounds = read.and_then(|read| Some((read, test.scores.get(&prior.subject)?.get(&read)?)));
    // `bounds` has refused a study where these are missing.
    let Some((read, bounds)) = bounds else { return Ok(()) };
    let ranges = grades.get(&read).map_or(&[][..], Vec::as_slice);
    let missing = match (ranges.first(), ranges.last()) {
        (Some(first), Some(_)) if first.from > bounds.min => Some(bounds.min),
        (Some(_), Some(last)) if last.to < bounds.max => Some(last.to.max(bounds.min - 1) + 1),
        (Some(_), Some(_)) => None,
        _ => Some(bounds.min),
    };
    let Some(missing) = missing else { return Ok(()) };
    let what = format!(
        "the prior {prior} of grade {grade} is {} of grade {read}, which has no standard error for {}; \
         its ranges must reach over the bounds of [[test]] {:?}, {} to {}",
        prior.subject,
        points(missing, test),
        test.id,
        points(bounds.min, test),
        points(bounds.max, test),
    );
    Err(place.value("measurement", what))
}

fn sem(place: &Place<'_>, points: Points, of: impl std::fmt::Display) -> Result<u32, StudyError> {
    let most = SEM_MOST * i64::from(SEM_UNITS_PER_POINT);
    let units = points.on_grid(SEM_UNITS_PER_POINT).filter(|units| (1..=most).contains(units));
    units.and_then(|units| u32::try_from(units).ok()).ok_or_else(|| {
        let what = format!(
            "the standard error of {of} must be above 0, at most {SEM_MOST} points, and a multiple \
             of 1/{SEM_UNITS_PER_POINT}"
        );
        place.value("measurement", what)
    })
}

/// Grid units in points, without more digits than they have.
fn points(units: i64, test: &TestSpec) -> String {
    let per = i64::from(test.units_per_point);
    if units % per == 0 {
        return (units / per).to_string();
    }
    // Below 2⁵³ by `MAX_POINTS` and `MAX_UNITS_PER_POINT`.
    #[expect(clippy::cast_precision_loss, reason = "at most 10⁸")]
    let found = units as f64 / f64::from(test.units_per_point);
    found.to_string()
}
