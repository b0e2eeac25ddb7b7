//! One student's school year: where they are on which days, and their enrolments.
//!
//! In: a student and a year in which they are there. Out: a [`Now`], which the other tables read, and
//! rows of `enrollments`.

use super::{
    calendar::{Calendar, DAYS},
    draw::Draw,
    english::English,
    life::{End, GRADE, Life, Tongue, grade_in},
    marginals::RACES,
    mess::MISSING,
    network::{District, School},
    table::{Name, Tables},
};

/// Flags not supplied: race, el, swd, sed, frpm, homeless, foster. Ours; so is every constant below.
const UNKNOWN: [f64; 7] = [0.009, 0.003, 0.004, 0.006, 0.008, 0.005, 0.005];
const UNKNOWN_PARENTS: f64 = 0.08;
/// Students with a further enrolment: elsewhere beside the first, or for two weeks.
const SECONDARY: f64 = 0.010;
const SHORT: f64 = 0.005;

/// Days at one school.
#[derive(Clone, Copy)]
pub(super) struct Spell {
    /// A place in the district's list.
    pub(super) school: usize,
    /// First and last school day.
    pub(super) from: u32,
    pub(super) until: u32,
    /// Why it ended; empty when it did not.
    exit: &'static str,
}

impl Spell {
    pub(super) const fn days(&self) -> u32 {
        self.until - self.from + 1
    }
}

/// A student in a year.
pub(super) struct Now<'a, 'n> {
    pub(super) life: &'a Life<'n>,
    pub(super) english: Option<&'a English>,
    pub(super) calendar: &'a Calendar,
    pub(super) year: i16,
    /// TK is 0.
    pub(super) grade: usize,
    pub(super) district: &'n District,
    first: Spell,
    second: Option<Spell>,
    pub(super) homeless: bool,
    pub(super) foster: bool,
    /// What is left of the year's stream.
    pub(super) draw: Draw,
}

impl<'a, 'n> Now<'a, 'n> {
    /// `None` when the student is not in the state's schools that year.
    pub(super) fn new(
        life: &'a Life<'n>,
        english: Option<&'a English>,
        calendar: &'a Calendar,
        year: i16,
    ) -> Option<Self> {
        let grade = grade_in(life.class, year)?;
        let (from, until) = life.days(year)?;
        let leaves = life.swap.is_some_and(|(next, _)| next == year + 1);
        let exit = match life.end {
            _ if leaves => "T160",
            _ if year != life.last.0 => "",
            End::Finish | End::Fifth => "E230",
            End::Transfer => "T200",
            End::Dropout => "E140",
        };
        let mut first = Spell { school: life.school(year, from), from, until, exit };
        let mut second = None;
        if let Some(day) = life.change(year).filter(|day| from < *day && *day <= until) {
            second = Some(Spell { school: life.school(year, day), from: day, until, exit });
            (first.until, first.exit) = (day - 1, "T160");
        }
        let mut draw = life.year(year);
        let homeless = life.unhoused && draw.chance(0.5);
        let foster = life.fostered && draw.chance(0.5);
        let district = life.district(year);
        Some(Self {
            life,
            english,
            calendar,
            year,
            grade,
            district,
            first,
            second,
            homeless,
            foster,
            draw,
        })
    }

    /// The year's stays, in order.
    pub(super) fn spells(&self) -> impl Iterator<Item = Spell> + use<> {
        std::iter::once(self.first).chain(self.second)
    }

    /// The stay on a day; the last one for days after it.
    pub(super) fn on(&self, day: u32) -> Spell {
        self.second.filter(|second| second.from <= day).unwrap_or(self.first)
    }

    /// First and last day of the year.
    pub(super) fn days(&self) -> (u32, u32) {
        (self.first.from, self.second.unwrap_or(self.first).until)
    }

    pub(super) fn school(&self, spell: Spell) -> &'n School {
        &self.district.schools[spell.school]
    }

    /// Whether they are there on Census Day, and where.
    pub(super) fn census(&self) -> Option<usize> {
        let (from, until) = self.days();
        let there = from <= self.calendar.census && self.calendar.census <= until;
        there.then(|| self.on(self.calendar.census).school)
    }

    pub(super) fn is_learner(&self) -> bool {
        self.english.is_some_and(|english| english.is_learner(self.year))
    }

    /// Another school for the same grade.
    fn elsewhere(&mut self) -> Option<usize> {
        let (along, alternative) = (self.draw.unit(), self.draw.chance(0.5));
        let school = self.district.school(self.grade, along, alternative);
        self.spells().all(|spell| spell.school != school).then_some(school)
    }

    /// Writes the enrolments. Returns a short one, which has days of its own.
    pub(super) fn enroll(&mut self, tables: &mut Tables, mess: bool) -> Option<Spell> {
        let more = if mess { MISSING } else { 0.0 };
        let unknown = UNKNOWN.map(|share| self.draw.chance(share + more));
        let parents = !self.draw.chance(UNKNOWN_PARENTS + more);
        let what = self.draw.pick(&[SECONDARY, SHORT, 1.0]);
        let mut rows =
            [Some((self.first, "primary")), self.second.map(|one| (one, "primary")), None];
        let mut short = None;
        let (from, until) = self.days();
        if what < 2
            && from + 40 < until
            && let Some(school) = self.elsewhere()
        {
            let (begin, end) = if what == 0 { (from, until) } else { (from + 20, from + 29) };
            let exit = if end == DAYS - 1 { "" } else { "T160" };
            let spell = Spell { school, from: begin, until: end, exit };
            rows[2] = Some((spell, if what == 0 { "secondary" } else { "short" }));
            short = (what == 1).then_some(spell);
        }
        for (spell, status) in rows.into_iter().flatten() {
            self.enrollment(tables, spell, status, (&unknown, parents));
        }
        short
    }

    fn enrollment(
        &self,
        tables: &mut Tables,
        spell: Spell,
        status: &str,
        (unknown, parents): (&[bool; 7], bool),
    ) {
        let Life { id, race, sex, sed, meals, migrant, military, .. } = *self.life;
        let known = |at: usize, flag: bool| (!unknown[at]).then_some(flag);
        let row = tables.of(Name::Enrollments);
        row.text(id).year(self.year).text(&self.school(spell).id).text(GRADE[self.grade]);
        row.text(self.calendar.date(spell.from));
        if spell.exit.is_empty() {
            row.none().none();
        } else {
            row.text(self.calendar.date(spell.until)).text(spell.exit);
        }
        row.text(status).text(if unknown[0] { "Missing" } else { RACES[race] });
        row.text(["F", "M", "X"][sex]).flag(known(1, self.is_learner()));
        row.flag(known(2, self.life.is_disabled(self.grade))).flag(known(3, sed));
        row.flag(known(4, meals)).flag(known(5, self.homeless)).flag(known(6, self.foster));
        row.flag(Some(migrant)).flag(Some(military)).text(self.elas());
        if parents {
            row.number(self.life.parents)
        } else {
            row.none()
        };
        row.end();
    }

    /// English language acquisition status on Census Day.
    fn elas(&self) -> &'static str {
        match self.life.tongue {
            Tongue::Only => "EO",
            Tongue::Fluent => "IFEP",
            Tongue::Learner if self.is_learner() => "EL",
            Tongue::Learner => "RFEP",
        }
    }
}
