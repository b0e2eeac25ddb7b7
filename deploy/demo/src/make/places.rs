//! Who sits where: places, and the students who hold them one after another.
//!
//! A district has a fixed number of places per grade, so every school year has the same number of
//! students. A cohort's place is held by one student until they leave the state's schools (then somebody
//! comes the next fall) or change places with a student of a neighbouring district. In every cohort
//! the first `fifths` places are held by students who take a fifth year; in it they sit where the
//! next `fifths` of the following cohort sat, who left after grade 11. For exchanges districts form a
//! ring.
//!
//! In: a district of the network, and the years written. Out: every student it has in one of them,
//! once. Touches nothing else, so districts can be made in any order, or at the same time.

use super::{
    draw::{Draw, floor},
    life::{End, Life, NINTH, Number, TWELFTH, grade_in},
    network::{District, Network},
};

/// Students of a cohort who take a fifth year. Ours; so is every constant below.
const FIFTH: f64 = 0.040;
/// Places per cohort exchanged with each neighbouring district at some time.
const EXCHANGED: f64 = 0.12;
/// Chance to leave the state's schools in a year, to grade 8 and from grade 9.
const LEAVE: [f64; 2] = [0.035, 0.020];
/// Chance to drop out in grades 9 to 12.
const DROPOUT: [f64; 4] = [0.004, 0.008, 0.014, 0.042];
/// Students that can hold one place one after another.
const TURNS: u32 = 16;

/// The years written: first, last.
pub(super) type Years = (i16, i16);

/// Calls `each` with every student of district `at` who is there in one of `years`.
pub(super) fn students<'a, E>(
    network: &'a Network,
    at: usize,
    years: Years,
    mut each: impl FnMut(&Life<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let home = &network.districts[at];
    let ring = Ring::new(network, at);
    let mut visit = |life: Life<'a>| {
        let here = |year| std::ptr::eq(life.district(year), home) && life.days(year).is_some();
        // Left before the first year, but still of a cohort that is to be counted.
        let counted = life.last.0 < years.0
            && life.class <= years.0 + 3
            && life.class >= years.0
            && life.end == End::Dropout
            && grade_in(life.class, life.last.0).is_some_and(|grade| grade >= NINTH);
        if counted || (years.0..=years.1).any(here) { each(&life) } else { Ok(()) }
    };
    for class in years.0 - 1..=years.1 + 13 {
        // Of the cohort before the first only those in their fifth year are still there.
        let places = if class < years.0 { ring.fifths } else { home.places(class) };
        for place in 0..places {
            match ring.role(place) {
                Role::Exchange { out } => {
                    visit(ring.exchanged(class, place, out))?;
                    let (there, theirs) = ring.partner(place, out);
                    visit(Ring::new(network, there).exchanged(class, theirs, !out))?;
                }
                role => holders(network, home, (class, place), &role, &mut visit)?,
            }
        }
    }
    Ok(())
}

/// The students of one place of one cohort, one after another.
fn holders<'a, E>(
    network: &'a Network,
    home: &'a District,
    (class, place): (i16, u32),
    role: &Role,
    visit: &mut impl FnMut(Life<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = class - if place < home.tk { 13 } else { 12 };
    for turn in 0..TURNS {
        let (mut life, mut draw) = Life::new(network, home, &Number { place, class, turn });
        let late = draw.chance(if turn == 0 { 0.02 } else { 0.2 });
        life.first = (from, if late { 5 + draw.below(110) } else { 0 });
        leave(&mut life, &mut draw, role, turn + 1 == TURNS);
        let (last, end) = (life.last.0, life.end);
        visit(life)?;
        from = last + 1;
        if matches!(end, End::Finish | End::Fifth) || from > class {
            break;
        }
        if matches!(role, Role::Leaves) && from == class {
            break;
        }
    }
    Ok(())
}

/// Draws when and how a student leaves.
fn leave(life: &mut Life<'_>, draw: &mut Draw, role: &Role, stays: bool) {
    let end = super::calendar::DAYS - 1;
    let risk = (0.9 * life.risk()).exp() / 1.35;
    for year in life.first.0..=life.class {
        let grade = grade_in(life.class, year).unwrap_or(0);
        if matches!(role, Role::Leaves) && grade + 1 == TWELFTH {
            (life.last, life.end) = ((year, end), End::Transfer);
            if draw.chance(0.6) {
                life.end = End::Dropout;
            }
            return;
        }
        let high = grade >= NINTH;
        let dropout = if high { DROPOUT[grade - NINTH] * risk } else { 0.0 };
        let settled = stays || (high && matches!(role, Role::Fifth));
        let what = draw.pick(&[LEAVE[usize::from(high)], dropout, 1.0]);
        if settled || what > 1 {
            continue;
        }
        life.end = if what == 0 { End::Transfer } else { End::Dropout };
        // Most leave in summer.
        let day = if draw.chance(0.6) { end } else { 20 + draw.below(150) };
        life.last = (year, if year == life.first.0 { day.max(life.first.1 + 1) } else { day });
        return;
    }
    (life.last, life.end) = match role {
        Role::Fifth => ((life.class + 1, end), End::Fifth),
        _ => ((life.class, end), End::Finish),
    };
}

/// What a place is for.
enum Role {
    Plain,
    /// A fifth year.
    Fifth,
    /// Gone after grade 11.
    Leaves,
    /// Exchanged with the next district (`out`) or the one before.
    Exchange {
        out: bool,
    },
}

/// A district and its neighbours.
struct Ring<'a> {
    network: &'a Network,
    at: usize,
    fifths: u32,
    /// Places exchanged with the next district and with the one before.
    out: u32,
    back: u32,
}

impl<'a> Ring<'a> {
    fn new(network: &'a Network, at: usize) -> Self {
        let all = &network.districts;
        let exchanged = |from: usize| {
            let next = (from + 1) % all.len();
            let places = all[from].base.min(all[next].base);
            if all.len() == 1 { 0 } else { floor(EXCHANGED * f64::from(places)) }
        };
        let fifths = fifths(&all[at]);
        let before = (at + all.len() - 1) % all.len();
        Self { network, at, fifths, out: exchanged(at), back: exchanged(before) }
    }

    const fn role(&self, place: u32) -> Role {
        let exchanges = 2 * self.fifths;
        if place < self.fifths {
            Role::Fifth
        } else if place < exchanges {
            Role::Leaves
        } else if place < exchanges + self.out {
            Role::Exchange { out: true }
        } else if place < exchanges + self.out + self.back {
            Role::Exchange { out: false }
        } else {
            Role::Plain
        }
    }

    /// The district and place that a place is exchanged with.
    fn partner(&self, place: u32, out: bool) -> (usize, u32) {
        let all = self.network.districts.len();
        let there = if out { (self.at + 1) % all } else { (self.at + all - 1) % all };
        let theirs = Ring::new(self.network, there);
        let (ours, begin) = if out {
            (2 * self.fifths, 2 * theirs.fifths + theirs.out)
        } else {
            (2 * self.fifths + self.out, 2 * theirs.fifths)
        };
        (there, place - ours + begin)
    }

    /// The student of this place, who goes to the other district in a year both agree on.
    fn exchanged(&self, class: i16, place: u32, out: bool) -> Life<'a> {
        let home = &self.network.districts[self.at];
        let (there, theirs) = self.partner(place, out);
        let (mut life, _) = Life::new(self.network, home, &Number { place, class, turn: 0 });
        // The district with the out place draws the year.
        let (key, number) =
            if out { (home.key, place) } else { (self.network.districts[there].key, theirs) };
        let year = u64::from(class.unsigned_abs());
        let mut draw = Draw::new(key, (u64::from(number) << 16) | year, u16::MAX);
        let year = class - i16::try_from(draw.below(11)).unwrap_or(0);
        let begin = class - if place < home.tk { 13 } else { 12 };
        life.first = (begin, 0);
        life.swap = Some((year, &self.network.districts[there]));
        life
    }
}

fn fifths(district: &District) -> u32 {
    floor(FIFTH * f64::from(district.base))
}
