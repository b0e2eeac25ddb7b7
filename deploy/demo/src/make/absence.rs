//! Discipline and attendance of a student's year.
//!
//! In: a student's year. Out: rows of `discipline`, `attendance_summary` and, if asked for,
//! `attendance_daily`, which agree: days out of school suspended are absences, and the days of the
//! daily table add up to the summary's. Days are hundredths, most of them whole, some halves.

use super::{
    draw::{Draw, floor, nearest},
    marginals::{
        FOSTER_SUSPENSION, GRADE_ABSENCE, GRADE_SUSPENSION, HOMELESS, HOMELESS_SUSPENSION,
        RACE_SUSPENSION, SED, SED_SUSPENSION, SEX_SUSPENSION, SWD, SWD_SUSPENSION,
    },
    network::School,
    table::{Name, Tables},
    year::{Now, Spell},
};

/// Median share of days absent, among those not always there. Ours, to give the state's share of
/// chronically absent; so is every constant below.
const MEDIAN: f64 = 0.0511;
/// Students with no absence at all.
const ALWAYS_THERE: f64 = 0.06;
/// sd of log absence: the student's own, and the year's.
const OWN: f64 = 0.50;
const YEAR: f64 = 0.50;
/// Most of a year's days absent.
const MOST: f64 = 0.85;
/// A whole day.
const DAY: u32 = 100;
/// Makes the factors of suspension, which are not independent, average to 1.
const SUSPENSION: f64 = 0.85;
/// Actions whose length nobody wrote down.
const NO_LENGTH: f64 = 0.02;
const OFFENSES: [&str; 6] =
    ["48900(a)(1)", "48900(c)", "48900(i)", "48900(k)", "48900(h)", "48900.4"];

/// Days out of school and in-school, suspended, at one school.
#[derive(Clone, Copy, Default)]
struct Suspended {
    out: u32,
    within: u32,
}

/// Writes the year's discipline and attendance. `daily`: every school day too.
pub(super) fn write(now: &mut Now<'_, '_>, tables: &mut Tables, short: Option<Spell>, daily: bool) {
    let mut suspended = [Suspended::default(); 2];
    discipline(now, tables, &mut suspended);
    let always = now.draw.chance(ALWAYS_THERE);
    let rate = if always { 0.0 } else { rate(now) };
    let stays = now.spells().zip(suspended).chain(short.map(|one| (one, Suspended::default())));
    for (spell, suspended) in stays {
        let days = Days::draw(&mut now.draw, &spell, rate, suspended);
        summary(now, tables, spell, &days);
        if daily {
            every_day(now, tables, spell, &days);
        }
    }
}

fn discipline(now: &mut Now<'_, '_>, tables: &mut Tables, suspended: &mut [Suspended; 2]) {
    let life = now.life;
    let is = |flag: bool, factor: f64| if flag { factor } else { 1.0 };
    let likely = SUSPENSION
        * GRADE_SUSPENSION[now.grade]
        * SEX_SUSPENSION[life.sex]
        * RACE_SUSPENSION[life.race]
        * SED_SUSPENSION[usize::from(life.sed)]
        * is(life.is_disabled(now.grade), SWD_SUSPENSION)
        * is(now.homeless, HOMELESS_SUSPENSION)
        * is(now.foster, FOSTER_SUSPENSION)
        * (0.8 * life.conduct - 0.32).exp();
    let mut incidents = 0;
    if now.draw.chance(likely) {
        incidents = 1;
        while incidents < 4 && now.draw.chance(0.28) {
            incidents += 1;
        }
    }
    for _ in 0..incidents {
        incident(now, tables, suspended, true);
    }
    if now.draw.chance(0.02) {
        incident(now, tables, suspended, false);
    }
}

/// One incident, with one action, now and then two.
fn incident(
    now: &mut Now<'_, '_>,
    tables: &mut Tables,
    suspended: &mut [Suspended; 2],
    serious: bool,
) {
    let (from, until) = now.days();
    let day = from + now.draw.below(until - from + 1);
    let spell = now.on(day);
    let second = usize::from(spell.from != from);
    let id = format!("{:02}{:08X}", now.year % 100, now.draw.word());
    let offense = OFFENSES[now.draw.pick(&[0.4, 0.1, 0.12, 0.25, 0.08, 0.05])];
    let statutory = now.draw.chance(0.05);
    let mut actions = [None; 3];
    if serious {
        let out = now.draw.chance(0.68);
        actions[0] = Some(if out { "oss" } else { "iss" });
        actions[1] = now.draw.chance(0.04).then_some("iss");
        actions[2] = now.draw.chance(0.020).then_some("expulsion");
    } else {
        actions[0] = Some(if now.draw.chance(0.6) { "other" } else { "none" });
    }
    for (seq, result) in (1..).zip(actions.into_iter().flatten()) {
        let suspends = matches!(result, "oss" | "iss");
        let length =
            [50, 100, 200, 300, 400, 500][now.draw.pick(&[0.08, 0.42, 0.22, 0.15, 0.04, 0.09])];
        let known = suspends && !now.draw.chance(NO_LENGTH);
        match result {
            "oss" => suspended[second].out += length,
            "iss" => suspended[second].within += length,
            _ => {}
        }
        let row = tables.of(Name::Discipline);
        row.text(now.life.id).text(&id).text(&now.school(spell).id).year(now.year);
        row.text(now.calendar.date(day)).text(offense).text(result).number(seq);
        if known {
            row.hundredths(length)
        } else {
            row.none()
        };
        row.flag(Some(statutory)).end();
    }
}

/// The share of days absent this year.
fn rate(now: &mut Now<'_, '_>) -> f64 {
    let is = |flag: bool, share: f64| f64::from(u8::from(flag)) - share;
    let life = now.life;
    let (district, school) = (now.district.effects[1], now.school(now.on(0)).effects[1]);
    let log = 0.34 * is(life.sed, SED)
        + 0.50 * is(now.homeless, HOMELESS)
        + 0.15 * is(life.is_disabled(now.grade), SWD)
        + GRADE_ABSENCE[now.grade]
        + district
        + school
        + OWN * life.absence
        + YEAR * now.draw.normal();
    (MEDIAN * log.exp()).min(MOST)
}

/// A stay's days, in hundredths.
struct Days {
    expected: u32,
    absent: u32,
    out: u32,
    within: u32,
    study: u32,
    excused: u32,
}

impl Days {
    fn draw(draw: &mut Draw, spell: &Spell, rate: f64, suspended: Suspended) -> Self {
        let expected = DAY * spell.days();
        let mean = f64::from(spell.days()) * rate;
        let whole = floor((mean + 0.6 * mean.sqrt() * draw.normal()).max(0.0) + draw.unit());
        let mut absent = DAY * if rate > 0.0 { whole } else { 0 };
        if absent > 0 && draw.chance(0.15) {
            absent -= DAY / 2;
        }
        let out = suspended.out.min(expected / 2);
        let absent = absent.max(out).min(expected);
        let within = suspended.within.min(expected - absent);
        let rest = absent - out;
        let study = if draw.chance(0.03) { rest / DAY / 2 * DAY } else { 0 };
        let among = f64::from((rest - study) / DAY) * (0.35 + 0.4 * draw.unit());
        Self { expected, absent, out, within, study, excused: DAY * nearest(among) }
    }
}

fn summary(now: &mut Now<'_, '_>, tables: &mut Tables, spell: Spell, days: &Days) {
    let Days { expected, absent, out, within, study, excused } = *days;
    let late = now.draw.below(1 + 4 * absent / DAY) / 2;
    let exempt = now.draw.chance(0.002);
    let parts = !now.draw.chance(0.003);
    let School { id, .. } = now.school(spell);
    let row = tables.of(Name::AttendanceSummary);
    row.text(now.life.id).year(now.year).text(id).hundredths(expected);
    // As CALPADS has it: days of in-school suspension stand beside those attended.
    row.hundredths(expected - absent - within);
    for part in [excused, absent - out - study - excused, out, study] {
        if parts {
            row.hundredths(part)
        } else {
            row.none()
        };
    }
    row.hundredths(within).number(late).flag(Some(exempt)).end();
}

/// A row for every expected day. Which days are missed is drawn; how many is the summary's.
fn every_day(now: &mut Now<'_, '_>, tables: &mut Tables, spell: Spell, days: &Days) {
    let [mut out, mut excused] = [days.out / DAY, (days.excused + days.study) / DAY];
    let mut missed = days.absent / DAY;
    let mut halves = u32::from(!days.absent.is_multiple_of(DAY));
    let mut within = days.within / DAY;
    let mut left = spell.days();
    for day in spell.from..=spell.until {
        let fate = now.draw.below(left);
        left -= 1;
        let (category, fraction) = if fate < missed {
            missed -= 1;
            if out > 0 {
                out -= 1;
                ("oss", "1")
            } else if excused > 0 && now.draw.below(missed + 1) < excused {
                excused -= 1;
                ("absent_excused", "1")
            } else {
                ("absent_unexcused", "1")
            }
        } else if fate < missed + halves {
            halves = 0;
            ("partial", "0.5")
        } else if fate < missed + halves + within {
            within -= 1;
            ("iss", "0")
        } else if now.draw.chance(0.03) {
            ("tardy", "0")
        } else {
            ("present", "0")
        };
        let row = tables.of(Name::AttendanceDaily);
        row.text(now.life.id).text(&now.school(spell).id).text(now.calendar.date(day));
        row.text(category).text(fraction).end();
    }
}
