//! A student's scores in ELA and mathematics, grades 3 to 8 and 11, as one history.
//!
//! In: a student. Out: what they would score in every tested grade up to the last one, the same
//! whichever year or district asks: so last year's score and this year's prior agree. True scores are a
//! lasting part (who they are, their district and school) and one that fades; the error comes on top.

use super::{
    draw::{Draw, nearest},
    english::English,
    life::{Life, PART_SCORES, grade_in},
    marginals::{HOMELESS, LEAN, RELIABILITY, SCALES, SED, SWD},
};

/// Of the variance of scores: lasting and the student's own; fading from year to year. With the groups
/// and schools this adds to the reliability. Ours; so is every constant below.
const LASTING: f64 = 0.48;
const FADING: f64 = 0.19;
const FADE: f64 = 0.45;
/// Of a student's lasting part, what is common to both subjects.
const COMMON: f64 = 0.92;
/// Of the fading part, what is.
const SHARED: f64 = 0.5;
/// What groups score beside others, in sd.
const SED_SCORE: f64 = -0.50;
const SWD_SCORE: f64 = -0.80;
const HOMELESS_SCORE: f64 = -0.20;
const LEARNER_SCORE: f64 = -0.75;
const FLUENT_SCORE: f64 = 0.20;
/// Learners, and those once learners, by tested grade, as they come out here.
const LEARNERS: [f64; 7] = [0.295, 0.260, 0.219, 0.181, 0.150, 0.127, 0.080];
const FLUENT: [f64; 7] = [0.030, 0.064, 0.107, 0.140, 0.173, 0.195, 0.240];

/// A score.
#[derive(Clone, Copy)]
pub(super) struct Score {
    pub(super) points: u32,
    /// Standard error, points.
    pub(super) sem: u32,
    /// 1 to 4.
    pub(super) level: u32,
}

/// Scores by subject (ELA, mathematics) and tested grade, as in `SCALES`.
pub(super) type Scores = [[Option<Score>; 7]; 2];
/// The first tested grade: 3.
pub(super) const FIRST: usize = SCALES[0][0].grade;
/// Nothing yet.
pub(super) const UNTESTED: Scores = [[None; 7]; 2];

/// Place of a grade (TK is 0) among the tested.
pub(super) fn tested(grade: usize) -> Option<usize> {
    SCALES[0].iter().position(|scale| scale.grade == grade)
}

/// All scores up to the year `until`.
pub(super) fn scores(life: &Life<'_>, english: Option<&English>, until: i16) -> Scores {
    let mut draw = Draw::new(life.home.key, life.number, PART_SCORES);
    let mut scores = UNTESTED;
    let mut fading = [draw.normal(), draw.normal()];
    for at in 0..SCALES[0].len() {
        let grade = SCALES[0][at].grade;
        let year = life.class - 13 + i16::try_from(grade).unwrap_or(0);
        if year > until || grade_in(life.class, year).is_none() {
            break;
        }
        let groups = groups(life, english, at, year);
        let kept: f64 = if grade == 12 { FADE * FADE * FADE } else { FADE };
        let both = draw.normal();
        for subject in 0..2 {
            let new = SHARED.sqrt() * both + (1.0 - SHARED).sqrt() * draw.normal();
            fading[subject] = kept * fading[subject] + (1.0 - kept * kept).sqrt() * new;
            let own = if subject == 0 { -life.figures } else { life.figures };
            let lasting = COMMON.sqrt() * life.ability + (1.0 - COMMON).sqrt() * own;
            let part = [LASTING.sqrt() * lasting, FADING.sqrt() * fading[subject]];
            scores[subject][at] =
                Some(score((subject, at), groups + part[0] + part[1], draw.normal()));
        }
    }
    scores
}

/// What groups, district and school add, in sd, about 0 over the state.
fn groups(life: &Life<'_>, english: Option<&English>, at: usize, year: i16) -> f64 {
    let grade = SCALES[0][at].grade;
    let is = |flag: bool| f64::from(u8::from(flag));
    let learner = english.is_some_and(|english| english.is_learner(year));
    let fluent = english.is_some_and(|english| english.fluent.is_some_and(|from| from < year));
    let district = life.district(year);
    let school = &district.schools[life.school(year, super::calendar::DAYS)];
    SED_SCORE * (is(life.sed) - SED)
        + SWD_SCORE * (is(life.is_disabled(grade)) - SWD)
        + HOMELESS_SCORE * (is(life.unhoused) - 2.0 * HOMELESS)
        + LEARNER_SCORE * (is(learner) - LEARNERS[at])
        + FLUENT_SCORE * (is(fluent) - FLUENT[at])
        + district.effects[0]
        + school.effects[0]
}

/// `truth` in sd, `error` standard normal.
fn score((subject, at): (usize, usize), truth: f64, error: f64) -> Score {
    let scale = &SCALES[subject][at];
    // Mean 0 and the variance of `truth`, leaning to the right.
    let square = LEAN * LEAN * RELIABILITY;
    let spread = RELIABILITY.sqrt() / (square.exp() * square.exp_m1()).sqrt();
    let leaning = ((LEAN * truth).exp() - (square / 2.0).exp()) * spread;
    let sem = scale.sd * (1.0 - RELIABILITY).sqrt() * (0.93 + 0.08 * leaning * leaning).min(2.5);
    let [low, high] = scale.bounds;
    let points = nearest(scale.mean + scale.sd * leaning + sem * error).clamp(low, high);
    let above = scale.cuts.iter().filter(|cut| points >= **cut).count();
    Score { points, sem: nearest(sem), level: 1 + super::network::count(above) }
}
