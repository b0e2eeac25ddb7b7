//! A district's records -> the rows of one growth model.
//!
//! In: records, the study, the schools that count, a model. Out: a row for each student of the sample
//! with the score explained, all earlier scores and all flags; and what was found: how many students lack
//! what, never who. An earlier score is the district's own of the same test, in the year and grade
//! that the model asks for; else one that the year's `prior_scores` carry. Touches nothing.

use flashlight_proto::{
    growth::{Column, ColumnKind, Model},
    study::{
        Covariate, GrowthSpec, Measurement, Prior, PriorSem, SEM_UNITS_PER_POINT, Sample, Study,
    },
};

use super::GrowthRow;
use crate::{
    indicators::{
        NO_DATE, Notes, Place, Schools, Student, Term, is_continuous_at, on_grid, tested_at,
    },
    records::{DISAGREES, Decimal, Effect, Finding, Pupil, Records, Rule, SchoolNumber, Score},
};

/// A district in which more than so many percent of the students who are otherwise in the model lack a
/// flag may not join it: those who lack it are seldom like the others.
const UNKNOWN_MOST_PERCENT: u64 = 5;

/// The table of carried scores, read where it is there.
pub(crate) const PRIOR_SCORES: &str = "prior_scores";

/// The rows of one model, and what was found.
pub(crate) fn growth_rows(
    records: &Records,
    study: &Study,
    schools: &Schools,
    model: &Model,
) -> (Vec<GrowthRow>, Vec<Finding>) {
    let spec = &study.growth[model.section];
    let term = Term::new(model.year, study.as_of.into(), schools);
    let mut reading = Reading::new(records, spec, model);
    let rows: Vec<GrowthRow> =
        records.pupils().filter_map(|pupil| reading.row(pupil, &term, schools)).collect();
    let findings = reading.findings(rows.len());
    (rows, findings)
}

/// One model's rows being read.
struct Reading<'a> {
    model: &'a Model,
    spec: &'a GrowthSpec,
    /// The test's number among the records'; `None`: no score is of it.
    test: Option<u32>,
    /// Students with the score explained.
    tested: u64,
    /// Of these: not in the network table of the year.
    unplaced: u64,
    /// Tested at a school that is not the district's.
    elsewhere: u64,
    /// Not continuously enrolled.
    moved: u64,
    /// At a school of which the public table lacks a figure.
    without_figure: u64,
    /// Without some earlier score, or its standard error.
    without_prior: u64,
    without_sem: u64,
    /// In the model but for their flags.
    eligible: u64,
    /// Of these: without this flag.
    unknown: Vec<(Covariate, u64)>,
    /// Of rows of `assessments` and of `prior_scores`.
    own: Notes,
    carried: Notes,
}

/// An earlier score that counts.
struct Earlier {
    /// Grid units, clipped.
    units: i64,
    sem: Option<Decimal>,
}

impl<'a> Reading<'a> {
    fn new(records: &Records, spec: &'a GrowthSpec, model: &'a Model) -> Self {
        Self {
            model,
            spec,
            test: records.test_number(&spec.test),
            tested: 0,
            unplaced: 0,
            elsewhere: 0,
            moved: 0,
            without_figure: 0,
            without_prior: 0,
            without_sem: 0,
            eligible: 0,
            unknown: spec.covariates.iter().map(|one| (*one, 0)).collect(),
            own: Notes::default(),
            carried: Notes::default(),
        }
    }

    /// The student's row, if in the model.
    fn row(&mut self, pupil: Pupil<'_>, term: &Term<'_>, schools: &Schools) -> Option<GrowthRow> {
        let (row, score) = self.explained(pupil)?;
        self.tested += 1;
        // What is wrong with enrolments is told where the year's tables are counted.
        let student = Student::new(pupil, term, &mut Notes::default());
        let Some(home) = student.home else {
            self.unplaced += 1;
            return None;
        };
        let school = self.school(&student, home, row)?;
        let public = self.public(school, schools)?;
        let earlier = self.earlier(pupil)?;
        let errors = self.errors(&earlier)?;
        self.flags_known(home).then_some(())?;
        let outcome = &self.model.columns[self.model.outcome()];
        let outcome =
            on_grid(score, outcome.units, bounds(outcome), (&mut self.own, SCORE, row.row));
        let mut earlier = earlier.iter();
        let value = |column: &Column| {
            let value = match column.kind {
                ColumnKind::Intercept => 1,
                ColumnKind::Prior(_) => earlier.next().map_or(column.centre, |one| one.units),
                ColumnKind::Covariate(one) => {
                    i64::from(group(home, one) == Some(one.group)) * i64::from(column.units)
                }
                ColumnKind::Public(at) => public[at].clamp(column.low, column.high),
                ColumnKind::Outcome => outcome,
            };
            value - column.centre
        };
        let values = self.model.columns.iter().map(value).collect();
        Some(GrowthRow { school, values, errors })
    }

    /// The score explained: the year's in the model's test, subject and grade.
    fn explained<'b>(&self, pupil: Pupil<'b>) -> Option<(&'b Score, Decimal)> {
        let of = (self.model.year, self.test?, self.spec.subject);
        let row = pupil.scores.iter().find(|row| (row.year, row.test, row.subject) == of)?;
        (row.grade == self.model.grade).then_some(())?;
        Some((row, row.score?))
    }

    /// The school the student counts at.
    fn school(&mut self, student: &Student<'_>, home: Place, row: &Score) -> Option<SchoolNumber> {
        let school = tested_at(student, home, row)?;
        if student.moved(home, Some(school)).is_none() {
            self.elsewhere += 1;
            return None;
        }
        if self.spec.sample == Sample::Continuous {
            if row.date.is_none() {
                self.own.row(&NO_DATE, "test_date", row.row);
            }
            if !is_continuous_at(student, school, row) {
                self.moved += 1;
                return None;
            }
        }
        Some(school)
    }

    /// What the public table says of the school, in the model's order.
    fn public(&mut self, school: SchoolNumber, schools: &Schools) -> Option<Vec<i64>> {
        let columns = self.spec.public.iter();
        let figures: Option<Vec<i64>> = columns
            .map(|one| schools.public_figure(school, self.model.year, &one.column))
            .collect();
        self.without_figure += u64::from(figures.is_none());
        figures
    }

    /// All earlier scores, in the model's order.
    fn earlier(&mut self, pupil: Pupil<'_>) -> Option<Vec<Earlier>> {
        let model = self.model;
        let columns = model.columns.iter();
        let found: Option<Vec<_>> = columns
            .filter_map(|column| match column.kind {
                ColumnKind::Prior(prior) => Some(self.one_earlier(pupil, column, prior)),
                _ => None,
            })
            .collect();
        self.without_prior += u64::from(found.is_none());
        found
    }

    /// One earlier score: the own one, else the carried one. An own one of another grade is no prior,
    /// and its year has no other.
    fn one_earlier(&mut self, pupil: Pupil<'_>, column: &Column, prior: Prior) -> Option<Earlier> {
        let Prior { subject, years_back, .. } = prior;
        let grade = GrowthSpec::prior_grade(self.model.grade, years_back)?;
        let (year, back) = (self.model.year, i16::from(years_back));
        let is_own = |row: &&Score| {
            (row.year, Some(row.test), row.subject) == (year - back, self.test, subject)
        };
        let own = pupil.scores.iter().find(is_own).and_then(|row| Some((row, row.score?)));
        let carried = pupil.priors.iter().find(|row| {
            (row.as_of, row.subject, row.back) == (year, subject, back)
                && row.grade.is_none_or(|its| its == grade)
        });
        if let Some((row, score)) = own {
            (row.grade == grade).then_some(())?;
            let on = |score: Decimal| score.in_units(column.units).units;
            if let Some(other) = carried.filter(|other| on(other.score) != on(score)) {
                self.carried.row(&DISAGREES, "score", other.row);
            }
            let told = (&mut self.own, SCORE, row.row);
            let units = on_grid(score, column.units, bounds(column), told);
            return Some(Earlier { units, sem: row.sem });
        }
        let row = carried?;
        let told = (&mut self.carried, "score", row.row);
        let units = on_grid(row.score, column.units, bounds(column), told);
        Some(Earlier { units, sem: row.sem })
    }

    /// The standard error of each earlier score; none where the study asks for none.
    fn errors(&mut self, earlier: &[Earlier]) -> Option<Vec<u32>> {
        let errors = match &self.spec.measurement {
            Measurement::None => Some(Vec::new()),
            Measurement::Public(errors) => {
                let grade = |back| GrowthSpec::prior_grade(self.model.grade, back);
                let priors = self.spec.priors.iter().zip(errors).zip(earlier);
                let one = |((prior, errors), one): ((&Prior, &PriorSem), &Earlier)| {
                    errors.at(grade(prior.years_back)?, one.units)
                };
                priors.map(one).collect()
            }
            Measurement::Column => earlier.iter().map(|one| hundredths(one.sem?)).collect(),
        };
        self.without_sem += u64::from(errors.is_none());
        errors
    }

    /// Whether all flags are known.
    fn flags_known(&mut self, home: Place) -> bool {
        self.eligible += 1;
        let mut all = true;
        for (covariate, unknown) in &mut self.unknown {
            let is_unknown = group(home, *covariate).is_none();
            *unknown += u64::from(is_unknown);
            all &= !is_unknown;
        }
        all
    }

    /// What was found, refusals first; `rows` students are in the model.
    fn findings(self, rows: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = &self.model.name;
        let mut tell = |rule, effect, what: String| {
            let message = format!("growth {name}: {what}");
            findings.push(Finding::whole(rule, effect, message));
        };
        let (tested, eligible) = (self.tested, self.eligible);
        for (covariate, unknown) in self.unknown.iter().filter(|(_, unknown)| *unknown > 0) {
            let mut what = format!(
                "students whose {covariate} is not known: {unknown} of {eligible} who have all else"
            );
            // `sample = "all"` asks for whoever has all scores and flags, however many do not.
            let is_refused = self.spec.sample == Sample::Continuous
                && unknown * 100 > UNKNOWN_MOST_PERCENT * eligible;
            let effect = if is_refused { Effect::Refused } else { Effect::LeftOut };
            if is_refused {
                what.push_str(&format!(
                    "; with more than {UNKNOWN_MOST_PERCENT} % the node may not join that model: \
                     supply {} for every student",
                    covariate.family
                ));
            }
            tell(Rule::E011, effect, what);
        }
        for (count, what) in [
            (self.unplaced, "in no school and grade of the study's public table"),
            (
                self.elsewhere,
                "tested at a school that the public table does not give this district",
            ),
            (self.moved, "not continuously enrolled at the school tested at"),
            (self.without_figure, "at a school for which the public table lacks a figure"),
            (self.without_prior, "without an earlier score that the model asks for"),
            (self.without_sem, "without the sem of an earlier score"),
        ] {
            if count > 0 {
                let what = format!("students {what}: {count} of {tested} tested");
                tell(Rule::W106, Effect::LeftOut, what);
            }
        }
        if rows == 0 {
            tell(Rule::W106, Effect::Noted, "no student of this district is in the model".into());
        }
        for (notes, table) in [(self.own, "assessments"), (self.carried, PRIOR_SCORES)] {
            for mut finding in notes.findings(0, None) {
                finding.message = format!("growth {name}, {table}: {}", finding.message);
                findings.push(finding);
            }
        }
        findings
    }
}

/// The column of scores in `assessments`.
const SCORE: &str = "scale_score";

const fn bounds(column: &Column) -> std::ops::RangeInclusive<i64> {
    column.low..=column.high
}

/// The student's group of a covariate's family, if known.
fn group(home: Place, covariate: Covariate) -> Option<usize> {
    let family = covariate.family;
    let group = usize::from(home.groups[family.index()]);
    (group + 1 < family.groups().len()).then_some(group)
}

/// A standard error in hundredths of a point; the records hold none below one.
fn hundredths(sem: Decimal) -> Option<u32> {
    u32::try_from(sem.in_units(SEM_UNITS_PER_POINT).units).ok().filter(|units| *units > 0)
}

#[cfg(test)]
mod star;
#[cfg(test)]
mod tests;
