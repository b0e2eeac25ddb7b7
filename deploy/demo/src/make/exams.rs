//! Scores: the state's tests, the priors its file carries, the English test, and EL histories.
//!
//! In: a student's year, and the whole history of scores. Out: rows of `assessments`, `prior_scores`
//! and `el_history`. Not every student is scored, not every score counts, not every date is there.

use super::{
    calendar,
    draw::Draw,
    english::{self, English},
    life::{GRADE, Life, Tongue},
    marginals::{SCALES, UNSCORED},
    places::Years,
    scores::{Score, Scores, tested},
    table::{Name, Tables},
    year::Now,
};

/// Of those enrolled in a tested grade: a score that does not count. Ours; so is every constant below.
const NOT_INCLUDED: f64 = 0.008;
const NO_DATE: f64 = 0.02;
const NO_SEM: f64 = 0.005;
/// Days on which tests are taken.
const TESTS: [u32; 2] = [138, 165];
const ENGLISH_TESTS: [u32; 2] = [105, 150];

const SUBJECTS: [&str; 2] = ["ELA", "MATH"];

/// Writes the year's scores.
pub(super) fn write(now: &mut Now<'_, '_>, tables: &mut Tables, scores: &Scores) {
    // Who is scored, and why not, hangs on the child more than on the subject.
    let absent = now.draw.chance(0.35 * UNSCORED);
    let (from, until) = now.days();
    if let Some(at) = tested(now.grade) {
        for (subject, history) in scores.iter().enumerate() {
            let Some(score) = history[at] else { continue };
            let day = TESTS[0] + now.draw.below(TESTS[1] - TESTS[0]);
            let missed = now.draw.chance(0.15 * UNSCORED);
            let there = from <= day && day <= until;
            if there && !absent && !missed {
                row(now, tables, ("CAASPP-SBAC", SUBJECTS[subject]), day, score);
            }
            priors(now, tables, subject, at, scores);
        }
    }
    let reached = now.english.and_then(|english| english.reached[now.grade]);
    let day = ENGLISH_TESTS[0] + now.draw.below(ENGLISH_TESTS[1] - ENGLISH_TESTS[0]);
    if let Some(reached) = reached
        && (from..=until).contains(&day)
        && !now.draw.chance(UNSCORED)
    {
        let points = english::score(reached, now.grade);
        let score = Score { points, sem: 18, level: english::level(reached) };
        row(now, tables, ("ELPAC", "ELP"), day, score);
    }
}

fn row(now: &mut Now<'_, '_>, tables: &mut Tables, test: (&str, &str), day: u32, score: Score) {
    let Score { points, sem, level } = score;
    let unscored = now.draw.chance(0.15 * UNSCORED);
    let included = !unscored && !now.draw.chance(NOT_INCLUDED);
    let (dated, with_sem) = (!now.draw.chance(NO_DATE), !now.draw.chance(NO_SEM));
    let row = tables.of(Name::Assessments);
    row.text(now.life.id).text(test.0);
    if dated {
        row.text(now.calendar.date(day))
    } else {
        row.none()
    };
    row.year(now.year).text(test.1).text(GRADE[now.grade]);
    row.text(&now.school(now.on(day)).id);
    if unscored {
        row.none().none().none();
    } else {
        row.number(points);
        if with_sem {
            row.number(sem)
        } else {
            row.none()
        };
        row.number(level);
    }
    row.text(if included { "true" } else { "false" }).text("summative").end();
}

/// What the state's file carries of the three years before.
fn priors(now: &mut Now<'_, '_>, tables: &mut Tables, subject: usize, at: usize, scores: &Scores) {
    for back in 1_u32..=3 {
        let Some(earlier) = (0..at).find(|earlier| {
            SCALES[subject][*earlier].grade + back as usize == SCALES[subject][at].grade
        }) else {
            continue;
        };
        // Who came from elsewhere has none; some are not matched.
        let year = now.year - i16::try_from(back).unwrap_or(0);
        let Some(score) = scores[subject][earlier] else { continue };
        if year < now.life.first.0 || now.draw.chance(0.04) {
            continue;
        }
        let row = tables.of(Name::PriorScores);
        row.text(now.life.id).text(SUBJECTS[subject]).year(now.year).number(back);
        row.number(score.points).number(score.sem);
        row.text(GRADE[SCALES[subject][earlier].grade]).text("carried").end();
    }
}

/// Writes the student's EL history, as a district tells it in which they are from `since` to `until`.
pub(super) fn history(
    life: &Life<'_>,
    english: Option<&English>,
    tables: &mut Tables,
    (since, until): Years,
) {
    let mut draw = Draw::new(life.home.key, life.number, u16::MAX - 1);
    let spanish = draw.chance([0.97, 0.3, 0.02, 0.05, 0.02, 0.1, 0.15, 0.2][life.race]);
    // CALPADS codes: Spanish 01, English 00, and others.
    let other = ["02", "03", "05", "07", "12", "16", "28"][draw.below(7) as usize];
    let language = if spanish { "01" } else { other };
    // The first school day of a year in mid August is near enough for a status.
    let begin = |year| calendar::date(year, 8, 15);
    let mut status = |elas: &str, from: (i16, [u8; 10]), to: Option<[u8; 10]>, language: &str| {
        let row = tables.of(Name::ElHistory);
        row.text(life.id).text(elas).text(from.1);
        if let Some(to) = to {
            row.text(to)
        } else {
            row.none()
        };
        // The school is known where it was this district's.
        if from.0 >= since {
            let district = life.district(from.0);
            row.text(&district.schools[life.school(from.0, calendar::DAYS)].id);
        } else {
            row.none();
        }
        row.text(language).end();
    };
    match (life.tongue, english) {
        (Tongue::Learner, Some(English { since, fluent, .. })) => {
            let fluent = fluent.filter(|year| *year <= until);
            let end = fluent.map(|year| calendar::date(year, 5, 19));
            status("EL", (*since, begin(*since)), end, language);
            if let Some(year) = fluent {
                status("RFEP", (year, calendar::date(year, 5, 20)), None, language);
            }
        }
        (Tongue::Fluent, _) => status("IFEP", (life.first.0, begin(life.first.0)), None, language),
        _ => status("EO", (life.first.0, begin(life.first.0)), None, "00"),
    }
}
