//! One student: who they are, and what stays with them over the years.
//!
//! In: the district and neighbourhood they were first drawn in, and a number. Out: a [`Life`], the same
//! wherever it is asked for. What a year brings is drawn elsewhere, from a stream of its own.

use super::{
    draw::{Draw, floor, logistic},
    marginals::{FOSTER, HOMELESS, RACE_EL, RACE_SED, SED, SWD},
    network::{District, Network},
};

/// Parts of a student's stream; a year's own part is the year.
pub(super) const PART_LIFE: u16 = 0;
pub(super) const PART_SCORES: u16 = 1;
pub(super) const PART_ENGLISH: u16 = 2;

/// Grades in order: TK is 0, KN 1, grade 12 is 13.
pub(super) const GRADE: [&str; 14] =
    ["TK", "KN", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];
/// Grade 9.
pub(super) const NINTH: usize = 10;
/// Grade 12.
pub(super) const TWELFTH: usize = 13;

/// Student ids are a permutation of 0..10¹⁰.
const IDS: u128 = 10_000_000_000;
/// Odd and no multiple of 5, so that multiplying permutes.
const SPREAD: u128 = 7_317_893_411;

/// How English stood when the student first came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    /// English only.
    Only,
    /// Initially fluent.
    Fluent,
    /// A learner.
    Learner,
}

/// How a stay in the state's schools ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With grade 12.
    Finish,
    /// A fifth year of high school.
    Fifth,
    /// Gone to another state, country or private school.
    Transfer,
    /// Gone without a word.
    Dropout,
}

/// One student.
pub(super) struct Life<'a> {
    /// Where they were first drawn.
    pub(super) home: &'a District,
    /// Their number in `home`'s stream.
    pub(super) number: u64,
    /// 10 digits.
    pub(super) id: [u8; 10],
    /// Spring year in which they are to finish grade 12.
    pub(super) class: i16,
    /// First year and day, last year and day.
    pub(super) first: (i16, u32),
    pub(super) last: (i16, u32),
    pub(super) end: End,
    /// From this year on at this other district.
    pub(super) swap: Option<(i16, &'a District)>,
    /// From this year and day on, there along the district.
    moves: Option<(i16, u32, f64)>,
    along: f64,
    /// F, M, X.
    pub(super) sex: usize,
    pub(super) race: usize,
    pub(super) sed: bool,
    pub(super) meals: bool,
    /// 1 to 5.
    pub(super) parents: u32,
    pub(super) migrant: bool,
    pub(super) military: bool,
    /// In half of the years homeless; in foster care.
    pub(super) unhoused: bool,
    pub(super) fostered: bool,
    pub(super) tongue: Tongue,
    /// First grade with a disability; past 13 for none.
    pub(super) disabled: usize,
    /// Standard normal: ability, and mathematics beside it, absence, conduct.
    pub(super) ability: f64,
    pub(super) figures: f64,
    pub(super) absence: f64,
    pub(super) conduct: f64,
    /// First grade at an alternative school; past 13 for none.
    alternative: usize,
}

/// What tells students of one place apart: the place, its cohort, and who came before.
pub(super) struct Number {
    pub(super) place: u32,
    pub(super) class: i16,
    pub(super) turn: u32,
}

/// The grade, TK being 0, in `year` of those who finish grade 12 in `class`; a fifth year is grade 12.
pub(super) fn grade_in(class: i16, year: i16) -> Option<usize> {
    let grade = usize::try_from(13 - (class - year)).ok()?;
    (grade <= TWELFTH + 1).then_some(grade.min(TWELFTH))
}

impl<'a> Life<'a> {
    /// All of a student but when they come and go. Returns the stream to draw that from.
    pub(super) fn new(network: &'a Network, home: &'a District, of: &Number) -> (Self, Draw) {
        let class = u64::from(of.class.unsigned_abs()) % 64;
        let number = (u64::from(of.place) * 64 + class) * 16 + u64::from(of.turn);
        let draw = Draw::new(home.key, number, PART_LIFE);
        let everywhere = u128::from(home.before * 1024 + number);
        let id = (everywhere * SPREAD + u128::from(network.seed) * 7_919) % IDS;
        let mut life = Self {
            home,
            number,
            id: digits(id),
            class: of.class,
            first: (of.class, 0),
            last: (of.class, super::calendar::DAYS - 1),
            end: End::Finish,
            swap: None,
            moves: None,
            along: 0.0,
            sex: 0,
            race: 0,
            sed: false,
            meals: false,
            parents: 0,
            migrant: false,
            military: false,
            unhoused: false,
            fostered: false,
            tongue: Tongue::Only,
            disabled: usize::MAX,
            ability: 0.0,
            figures: 0.0,
            absence: 0.0,
            conduct: 0.0,
            alternative: usize::MAX,
        };
        let mut draw = draw;
        life.family(&mut draw);
        life.traits(&mut draw);
        (life, draw)
    }

    /// Draws who they are. Shares are the state's; how they hang together is ours.
    fn family(&mut self, draw: &mut Draw) {
        self.sex = draw.pick(&[0.487, 0.512, 0.001]);
        self.along = draw.unit();
        let zone = self.home.zone(self.along);
        self.race = draw.pick(&zone.race);
        self.sed = draw.chance(logistic(zone.sed + RACE_SED[self.race]));
        self.meals = self.sed && draw.chance(0.93);
        self.parents = 1 + draw.pick_u32(if self.sed {
            &[0.26, 0.33, 0.24, 0.12, 0.05]
        } else {
            &[0.03, 0.12, 0.23, 0.34, 0.28]
        });
        // A disadvantaged student is so by being one of these, or by meals.
        if !self.sed {
            self.parents = self.parents.max(2);
        } else if !self.meals {
            self.parents = 1;
        }
        self.unhoused = self.sed && draw.chance(2.0 * HOMELESS / SED);
        self.fostered = self.sed && draw.chance(2.0 * FOSTER / SED);
        self.migrant = self.sed && self.race == 0 && draw.chance(0.018);
        self.military = draw.chance(0.015);
        let learner = RACE_EL[self.race] * if self.sed { 1.21 } else { 0.665 };
        self.tongue = match draw.pick(&[learner, 0.05, 1.0]) {
            0 => Tongue::Learner,
            1 => Tongue::Fluent,
            _ => Tongue::Only,
        };
    }

    fn traits(&mut self, draw: &mut Draw) {
        let among = [0.67, 1.31, 1.0][self.sex] * if self.sed { 1.08 } else { 0.87 };
        // The share grows over the first grades: 1.07 of the mean at the end.
        if draw.chance(1.07 * SWD * among) {
            self.disabled = floor(7.0 * draw.unit() * draw.unit()) as usize;
        }
        self.ability = draw.normal();
        self.figures = draw.normal();
        self.absence = draw.normal();
        self.conduct = 0.5 * self.absence + 0.87 * draw.normal();
        if draw.chance(0.4) {
            let year = self.class - i16::try_from(draw.below(13)).unwrap_or(0);
            let day = if draw.chance(0.5) { 0 } else { 10 + draw.below(150) };
            self.moves = Some((year, day, draw.unit()));
        }
        if draw.chance(0.07 * (0.8 * self.risk()).exp() / 1.4) {
            self.alternative = 11 + draw.below(3) as usize;
        }
    }

    /// How likely school is to go wrong, about standard normal.
    pub(super) fn risk(&self) -> f64 {
        0.6 * self.absence + 0.4 * self.conduct - 0.5 * self.ability
    }

    /// Where along the district on that day.
    fn along(&self, year: i16, day: u32) -> f64 {
        match self.moves {
            Some((from, since, along)) if (from, since) <= (year, day) => along,
            _ => self.along,
        }
    }

    /// The district in that year.
    pub(super) fn district(&self, year: i16) -> &'a District {
        match self.swap {
            Some((from, there)) if from <= year => there,
            _ => self.home,
        }
    }

    /// The school on that day of a year: a place in the district's list.
    pub(super) fn school(&self, year: i16, day: u32) -> usize {
        let grade = grade_in(self.class, year).unwrap_or(0);
        let alternative = grade >= self.alternative;
        self.district(year).school(grade, self.along(year, day), alternative)
    }

    /// The day of that year on which they changed school within the district.
    pub(super) fn change(&self, year: i16) -> Option<u32> {
        let (from, day, _) = self.moves?;
        let there = self.school(year, 0) != self.school(year, day);
        (from == year && day > 0 && there).then_some(day)
    }

    /// First and last day in that year; `None` when not there at all.
    pub(super) fn days(&self, year: i16) -> Option<(u32, u32)> {
        if year < self.first.0 || year > self.last.0 {
            return None;
        }
        let from = if year == self.first.0 { self.first.1 } else { 0 };
        let until = if year == self.last.0 { self.last.1 } else { super::calendar::DAYS - 1 };
        Some((from, until.max(from)))
    }

    /// The year's own stream.
    pub(super) fn year(&self, year: i16) -> Draw {
        Draw::new(self.home.key, self.number, year.unsigned_abs())
    }

    /// Whether they have a disability in that grade.
    pub(super) const fn is_disabled(&self, grade: usize) -> bool {
        grade >= self.disabled
    }
}

fn digits(mut number: u128) -> [u8; 10] {
    let mut out = [b'0'; 10];
    for place in out.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    out
}
