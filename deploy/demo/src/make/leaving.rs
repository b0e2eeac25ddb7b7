//! How high school ends, and what comes after: cohorts and colleges.
//!
//! In: a student who was in grades 9 to 12. Out: a row of `graduation` for the cohort of their class at
//! the district where they last were, and rows of `postsecondary` for completers. Years after the last
//! one written are not told: who is then in a fifth year is still enrolled.

use super::{
    calendar::{self, Calendars, DAYS},
    draw::{Draw, logistic},
    life::{End, Life, NINTH, grade_in},
    marginals::{COLLEGE, MET_AG},
    places::Years,
    table::{Name, Tables},
};

/// Of those who stay to the end of grade 12: certificate, equivalency, gone at the end without a
/// diploma. Ours; so is every constant below.
const OTHERWISE: [f64; 4] = [0.007, 0.003, 0.007, 1.0];
/// Of those in a fifth year: a diploma, a certificate, gone.
const FIFTH: [f64; 3] = [0.64, 0.16, 1.0];

/// How it ended.
struct Outcome {
    outcome: &'static str,
    /// CALPADS exit and completion codes.
    codes: [&'static str; 2],
    exit: Option<calendar::Date>,
}

/// Writes the cohort row and the colleges, when the class is one of `years`.
pub(super) fn write(
    life: &Life<'_>,
    tables: &mut Tables,
    calendars: &Calendars,
    (span, years): (Years, Years),
) {
    let cohort = years.0 <= life.class && life.class <= years.1;
    let last = life.last.0.min(span.1);
    if !cohort || grade_in(life.class, last).is_none_or(|grade| grade < NINTH) {
        return;
    }
    // Whoever left before the first year, and does not count, has no row at all.
    if life.end == End::Transfer && life.last.0 < years.0 {
        return;
    }
    let mut draw = Draw::new(life.home.key, life.number, u16::MAX - 2);
    let mut outcome = outcome(life, &mut draw, calendars, years);
    if life.swap.is_some_and(|(from, _)| span.1 < from) {
        let exit = Some(calendars.date(span.1, DAYS - 1));
        outcome = Outcome { outcome: "removed", codes: ["T160", ""], exit };
    }
    let district = life.district(last);
    let school = &district.schools[life.school(last, DAYS)];
    let diploma = outcome.outcome == "diploma";
    let ready = draw.chance(met_ag(life));
    let supplied = !draw.chance(0.01);
    let fluent = draw.chance(0.12);
    let row = tables.of(Name::Graduation);
    row.text(life.id).year(life.class).text(&school.id).year(life.class - 3);
    match outcome.exit {
        Some(date) => row.text(date),
        None => row.none(),
    };
    row.text(outcome.codes[0]).text(outcome.codes[1]).text(outcome.outcome);
    row.flag((diploma && supplied).then_some(ready));
    row.text(if diploma && ready && fluent { "biliteracy" } else { "" }).end();
    if let (true, Some(date)) = (matches!(outcome.codes[0], "E230"), outcome.exit) {
        college(life, tables, &mut draw, (date, ready && diploma));
    }
}

fn outcome(life: &Life<'_>, draw: &mut Draw, calendars: &Calendars, years: Years) -> Outcome {
    let (year, day) = life.last;
    let exit = Some(calendars.date(year, day));
    match life.end {
        End::Transfer => Outcome { outcome: "removed", codes: ["T200", ""], exit },
        End::Dropout => Outcome { outcome: "dropout", codes: ["E140", ""], exit },
        End::Fifth if life.class == years.1 => {
            Outcome { outcome: "still_enrolled", codes: ["", ""], exit: None }
        }
        End::Fifth => match draw.pick(&FIFTH) {
            0 => Outcome { outcome: "diploma", codes: ["E230", "100"], exit },
            1 => Outcome { outcome: "certificate", codes: ["E230", "120"], exit },
            _ => Outcome { outcome: "dropout", codes: ["E140", ""], exit },
        },
        End::Finish => match draw.pick(&OTHERWISE) {
            0 => Outcome { outcome: "certificate", codes: ["E230", "120"], exit },
            1 => Outcome { outcome: "equivalency", codes: ["E230", "320"], exit },
            2 => Outcome { outcome: "dropout", codes: ["E140", ""], exit },
            // A few finish in summer.
            _ => {
                let exit =
                    if draw.chance(0.02) { Some(calendar::date(year + 1, 7, 28)) } else { exit };
                Outcome { outcome: "diploma", codes: ["E230", "100"], exit }
            }
        },
    }
}

/// How likely a graduate meets the universities' requirements.
fn met_ag(life: &Life<'_>) -> f64 {
    let odds = (MET_AG / (1.0 - MET_AG)).ln();
    let well = 0.9 * life.ability - 0.6 * life.absence + if life.sed { -0.28 } else { 0.48 };
    logistic(odds - 0.06 + 1.15 * well)
}

fn college(
    life: &Life<'_>,
    tables: &mut Tables,
    draw: &mut Draw,
    (exit, ready): (calendar::Date, bool),
) {
    let odds = (COLLEGE / (1.0 - COLLEGE)).ln();
    let shift = if ready { 0.9 } else { -0.75 } + if life.sed { -0.2 } else { 0.35 };
    if !draw.chance(logistic(odds + shift)) {
        return;
    }
    let year: i16 = std::str::from_utf8(&exit[..4]).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
    let four = draw.chance(if ready { 0.62 } else { 0.06 });
    // Most begin in the fall, some in spring, some a year later.
    let (begin, end) = match draw.pick(&[0.90, 0.07, 1.0]) {
        0 => (calendar::date(year + 1, 8, 24), calendar::date(year + 1, 12, 15)),
        1 => (calendar::date(year + 1, 1, 20), calendar::date(year + 1, 5, 20)),
        _ => (calendar::date(year + 2, 8, 24), calendar::date(year + 2, 12, 15)),
    };
    let state = if four && draw.chance(0.15) { "NV" } else { "CA" };
    let sector = if four && draw.chance(0.12) { "private" } else { "public" };
    let mut row = |seq, begin: calendar::Date, end: calendar::Date| {
        let row = tables.of(Name::Postsecondary);
        row.text(life.id).number(seq).text(exit).text(begin).text(end);
        row.text(if four { "4yr" } else { "2yr" }).text(sector).text(state).none().end();
    };
    row(1, begin, end);
    if draw.chance(0.8) {
        let spring = i16::from(begin[5..7] == *b"08");
        let year = year + 1 + i16::from(spring == 0);
        row(2, calendar::date(year, 1, 20), calendar::date(year, 5, 20));
    }
}
