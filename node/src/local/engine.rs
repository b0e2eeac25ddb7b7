//! All local results of all years in one walk over the students, on two threads.

use std::collections::BTreeMap;

use flashlight_proto::{
    category::{Family, Grade, Indicator, Level, Preset, Subject},
    study::{SHARE_UNITS, ScoreRange, Study},
};

use super::{
    query::{By, CellAsked, LocalQuery, LocalResults, LocalRow, SMALL_BELOW, Scope},
    real, sbac,
};
use crate::{
    aggregate::{lacks, tell},
    indicators::{self, Amount, Ask, Counted, Entity, Notes, Schools, Student, Term, Test},
    records::{Day, Pupil, Records, Source},
};

/// Groups of all families, and all students before them.
pub(super) const SLOTS: usize = 1 + GROUPS;
const GROUPS: usize = {
    let mut sum = 0;
    let mut at = 0;
    while at < Family::ALL.len() {
        sum += Family::ALL[at].groups().len();
        at += 1;
    }
    sum
};

/// What one cell adds up.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) n: i64,
    pub(super) num: i64,
    pub(super) den: i64,
}

impl Sum {
    pub(super) const fn of(amount: Amount) -> Self {
        match amount {
            Amount::One => Self { n: 1, num: 1, den: 1 },
            Amount::Part(is_in) => Self { n: 1, num: is_in as i64, den: 1 },
            Amount::Value(value) => Self { n: 1, num: value, den: 1 },
            Amount::Items { favourable, answered } => Self { n: 1, num: favourable, den: answered },
        }
    }

    fn add(&mut self, other: Self) {
        self.n += other.n;
        self.num += other.num;
        self.den += other.den;
    }
}

/// What one scope adds up, by level and grade; a school has few of them.
type Strata = Vec<((Level, Grade), Box<Stratum>)>;

/// One stratum: all students, then every family's groups.
type Stratum = [Sum; SLOTS];

/// One indicator in one year.
pub(super) struct Question<'a> {
    pub(super) ask: Ask<'a>,
    pub(super) units: u32,
    /// Why it cannot be answered.
    missing: Option<String>,
}

/// What a question has added up so far: per scope (district, then schools), its strata.
#[derive(Default)]
struct Sums {
    scopes: Vec<Strata>,
}

impl Sums {
    fn add(&mut self, entity: Entity, counted: &Counted, families: bool) {
        let scope = match (entity, counted.place.school) {
            (Entity::District, _) => 0,
            (Entity::School, Some(school)) => usize::try_from(school).map_or(0, |at| at + 1),
            (Entity::School, None) => return,
        };
        if self.scopes.len() <= scope {
            self.scopes.resize_with(scope + 1, Vec::new);
        }
        let key = (counted.place.level, counted.place.grade);
        let strata = &mut self.scopes[scope];
        let at = strata.iter().position(|(one, _)| *one == key).unwrap_or_else(|| {
            strata.push((key, Box::new([Sum::default(); SLOTS])));
            strata.len() - 1
        });
        let (sum, stratum) = (Sum::of(counted.amount), &mut strata[at].1);
        stratum[0].add(sum);
        if families {
            let mut first = 1;
            for family in Family::ALL {
                stratum[first + usize::from(counted.place.groups[family.index()])].add(sum);
                first += family.groups().len();
            }
        }
    }

    fn merge(&mut self, other: Self) {
        if self.scopes.len() < other.scopes.len() {
            self.scopes.resize_with(other.scopes.len(), Vec::new);
        }
        for (ours, theirs) in self.scopes.iter_mut().zip(other.scopes) {
            for (key, stratum) in theirs {
                match ours.iter_mut().find(|(one, _)| *one == key) {
                    Some((_, mine)) => {
                        mine.iter_mut().zip(stratum.iter()).for_each(|(a, b)| a.add(*b));
                    }
                    None => ours.push((key, stratum)),
                }
            }
        }
    }
}

/// The ranges that come with no study.
pub(super) struct Builtin(BTreeMap<Subject, BTreeMap<Grade, ScoreRange>>);

impl Builtin {
    pub(super) fn new() -> Self {
        let known = |subject: &Subject| Some((*subject, sbac::ranges(*subject)?));
        Self(Subject::ALL.iter().filter_map(known).collect())
    }
}

/// The test a subject's scores are read against.
fn test<'a>(
    records: &Records,
    study: Option<&'a Study>,
    builtin: &'a Builtin,
    subject: Subject,
) -> Option<Test<'a>> {
    let of_study = study.and_then(|study| {
        study.tests.values().find_map(|test| Some((test, test.scores.get(&subject)?)))
    });
    if let Some((test, ranges)) = of_study {
        let number = records.test_number(&test.id);
        return Some(Test { number, units_per_point: test.units_per_point, ranges });
    }
    let ranges = builtin.0.get(&subject)?;
    Some(Test { number: records.test_number(sbac::TEST), units_per_point: 1, ranges })
}

/// One indicator and preset as they are asked in every year.
pub(super) fn question<'a>(
    records: &Records,
    query: &'a LocalQuery<'_>,
    builtin: &'a Builtin,
    (indicator, preset): (Indicator, Option<Preset>),
    year: i16,
) -> Question<'a> {
    let study = query.against.map(|against| against.study);
    let preset = preset.or_else(|| indicator.presets().first().copied());
    let test = indicator.subject().and_then(|subject| test(records, study, builtin, subject));
    let ask = Ask { indicator, preset, el_years: query.el_years, test, accept_responses: true };
    let units = match (indicator, preset) {
        (Indicator::Climate(..) | Indicator::Sel(_), Some(Preset::PerItem)) => 1,
        (Indicator::Climate(..) | Indicator::Sel(_), _) => SHARE_UNITS,
        (Indicator::Mean(_) | Indicator::Dfs(_), _) => test.map_or(1, |test| test.units_per_point),
        _ => 1,
    };
    let missing = missing(records, &ask, year);
    Question { ask, units, missing }
}

/// Why there is nothing to count.
fn missing(records: &Records, ask: &Ask<'_>, year: i16) -> Option<String> {
    let needs = indicators::needs(ask.indicator, year);
    if let Some((source, _)) = needs.iter().find(|(source, _)| !records.has(*source)) {
        return Some(lacks(ask.indicator, *source));
    }
    let lost = needs.iter().find_map(|(source, year)| {
        year.filter(|year| !records.has_year(*source, *year)).map(|year| (source, year))
    });
    if let Some((source, year)) = lost {
        return Some(format!("{} has no row of school year {year}", source.name()));
    }
    let subject = ask.indicator.subject().filter(|_| ask.test.is_none())?;
    Some(format!(
        "no bounds and cuts of a {subject} test are known without a study that gives them"
    ))
}

/// What one walk found.
struct Walked {
    /// By year, then by indicator.
    sums: Vec<Vec<Sums>>,
    notes: Vec<Vec<Notes>>,
    placing: Vec<(Notes, u64)>,
}

fn walk<'a>(
    pupils: impl Iterator<Item = Pupil<'a>>,
    terms: &'a [Term<'a>],
    questions: &[Vec<Question<'_>>],
    families: bool,
) -> Walked {
    let mut walked = Walked {
        sums: questions.iter().map(|all| all.iter().map(|_| Sums::default()).collect()).collect(),
        notes: questions.iter().map(|all| all.iter().map(|_| Notes::default()).collect()).collect(),
        placing: terms.iter().map(|_| (Notes::default(), 0)).collect(),
    };
    for pupil in pupils {
        for (at, term) in terms.iter().enumerate() {
            let (placing, rows) = &mut walked.placing[at];
            let student = Student::new(pupil, term, placing);
            *rows += student.enrollments.len() as u64;
            let counters = walked.sums[at].iter_mut().zip(&mut walked.notes[at]);
            for (question, (sums, notes)) in questions[at].iter().zip(counters) {
                if question.missing.is_none() {
                    indicators::locally(&student, &question.ask, notes, &mut |entity, counted| {
                        sums.add(entity, &counted, families);
                    });
                }
            }
        }
    }
    walked
}

/// Which schools count for local results.
pub(super) fn schools(records: &Records, query: &LocalQuery<'_>) -> Schools {
    query.against.map_or_else(
        || Schools::own(records),
        |against| Schools::public(records, against.schools, against.district),
    )
}

/// The day records are taken as of.
pub(super) fn as_of(query: &LocalQuery<'_>, year: i16) -> Day {
    query.as_of.map_or_else(|| Day::year_ends(year), Day::from)
}

/// Every result asked for, by the official rule of each entity: the district's numbers count each
/// student once, a school's every student it answers for. Exact and unsuppressed.
#[must_use]
pub fn local(records: &Records, query: &LocalQuery<'_>) -> LocalResults {
    let (builtin, schools) = (Builtin::new(), schools(records, query));
    let years = query.years.iter();
    let terms: Vec<_> =
        years.clone().map(|year| Term::new(*year, as_of(query, *year), &schools)).collect();
    let asked = |year: &i16| {
        let one = |asked| question(records, query, &builtin, asked, *year);
        query.indicators.iter().copied().map(one).collect()
    };
    let questions: Vec<Vec<Question<'_>>> = years.map(asked).collect();
    let families = query.by.contains(&By::Family);
    let [first, second] = records.halves();
    let (mut walked, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| walk(second, &terms, &questions, families));
        let walked = walk(first, &terms, &questions, families);
        (walked, other.join())
    });
    match other {
        Ok(other) => walked.merge(other),
        // A bug in the walk, of which this half must not pass for the whole.
        Err(panic) => std::panic::resume_unwind(panic),
    }
    results(records, query, &questions, walked)
}

impl Walked {
    fn merge(&mut self, other: Self) {
        let theirs = other.sums.into_iter().flatten();
        self.sums.iter_mut().flatten().zip(theirs).for_each(|(a, b)| a.merge(b));
        let theirs = other.notes.into_iter().flatten();
        self.notes.iter_mut().flatten().zip(theirs).for_each(|(a, b)| a.merge(b));
        for (ours, theirs) in self.placing.iter_mut().zip(other.placing) {
            ours.0.merge(theirs.0);
            ours.1 += theirs.1;
        }
    }
}

fn results(
    records: &Records,
    query: &LocalQuery<'_>,
    questions: &[Vec<Question<'_>>],
    walked: Walked,
) -> LocalResults {
    let mut results = LocalResults::default();
    let findings = &mut results.findings;
    for ((notes, rows), year) in walked.placing.into_iter().zip(&query.years) {
        tell(findings, Source::Enrollments, *year, notes.findings(rows, None));
    }
    for ((year, questions), notes) in query.years.iter().zip(questions).zip(walked.notes) {
        for (question, notes) in questions.iter().zip(notes) {
            let indicator = question.ask.indicator;
            let found = notes.findings(0, indicator.subject());
            tell(findings, indicators::source(indicator), *year, found);
        }
    }
    for at in 0..query.indicators.len() {
        for ((year, questions), sums) in query.years.iter().zip(questions).zip(&walked.sums) {
            rows(records, query, &questions[at], *year, &sums[at], &mut results.rows);
        }
    }
    results
}

/// The rows of one indicator in one year.
fn rows(
    records: &Records,
    query: &LocalQuery<'_>,
    question: &Question<'_>,
    year: i16,
    sums: &Sums,
    out: &mut Vec<LocalRow>,
) {
    let empty = Vec::new();
    scope(query, question, year, &Scope::District, sums.scopes.first().unwrap_or(&empty), out);
    let is_shown = |id: &String| query.schools.is_empty() || query.schools.contains(id);
    if !query.by.contains(&By::School) && query.schools.is_empty() {
        return;
    }
    let ids = records.schools.iter().zip(sums.scopes.iter().skip(1));
    let mut ids: Vec<_> = ids.filter(|(id, strata)| is_shown(id) && !strata.is_empty()).collect();
    ids.sort_by_key(|(id, _)| *id);
    for (id, strata) in ids {
        scope(query, question, year, &Scope::School(id.clone()), strata, out);
    }
}

/// The rows of one scope: all margins, then the strata asked for.
fn scope(
    query: &LocalQuery<'_>,
    question: &Question<'_>,
    year: i16,
    scope: &Scope,
    strata: &[((Level, Grade), Box<Stratum>)],
    out: &mut Vec<LocalRow>,
) {
    let by_level = query.by.contains(&By::Level) && *scope == Scope::District;
    let by_grade = query.by.contains(&By::Grade);
    let mut margins: BTreeMap<(Option<Level>, Option<Grade>), Stratum> = BTreeMap::new();
    margins.insert((None, None), [Sum::default(); SLOTS]);
    for ((level, grade), stratum) in strata {
        let levels = [Some(None), by_level.then_some(Some(*level))];
        let grades = [Some(None), by_grade.then_some(Some(*grade))];
        for key in levels
            .iter()
            .flatten()
            .flat_map(|level| grades.iter().flatten().map(move |grade| (*level, *grade)))
        {
            let margin = margins.entry(key).or_insert_with(|| [Sum::default(); SLOTS]);
            margin.iter_mut().zip(stratum.iter()).for_each(|(a, b)| a.add(*b));
        }
    }
    for ((level, grade), margin) in margins {
        let row = |group, sum: &Sum| {
            let cell = CellAsked {
                indicator: question.ask.indicator,
                preset: question.ask.preset,
                year,
                scope: scope.clone(),
                level,
                grade,
                group,
            };
            row(question, cell, *sum)
        };
        out.push(row(None, &margin[0]));
        let groups = Family::ALL
            .iter()
            .flat_map(|family| family.groups().iter().map(move |group| Some((*family, *group))));
        out.extend(
            groups
                .zip(&margin[1..])
                .filter(|(_, sum)| sum.n > 0)
                .map(|(group, sum)| row(group, sum)),
        );
    }
}

fn row(question: &Question<'_>, cell: CellAsked, sum: Sum) -> LocalRow {
    let units = question.units;
    let value = match cell.indicator {
        Indicator::Students => Some(real(sum.n)).filter(|_| question.missing.is_none()),
        _ => (sum.den > 0).then(|| real(sum.num) / real(sum.den) / f64::from(units)),
    };
    let n = sum.n.unsigned_abs();
    let CellAsked { indicator, preset, year, scope, level, grade, group } = cell;
    LocalRow {
        indicator,
        preset,
        year,
        scope,
        level,
        grade,
        group,
        n,
        num: sum.num,
        den: sum.den,
        units,
        value,
        small: n > 0 && n < SMALL_BELOW,
        missing: question.missing.clone(),
    }
}
