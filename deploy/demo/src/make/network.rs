//! The shape of the network: districts, their schools, and who lives around each.
//!
//! In: how many districts and students, and the seed. Out: a [`Network`] of a few hundred bytes per
//! school; nothing in it grows with the students. Every district has all grades (ours: a third of
//! California's districts are unified, and they hold most students). Sizes are lognormal. Shares of
//! student groups vary by district and neighbourhood (the *zone* of a primary school), and are scaled so
//! that the whole network has the state's ([`super::marginals`]), whatever its size.

use super::{
    draw::{Draw, floor, key, nearest},
    marginals::RACE_POVERTY,
    shares,
};

/// Grades from KN to 12.
pub(super) const GRADES: u32 = 13;
/// Least students of a district: one per grade and a little.
pub(super) const LEAST_STUDENTS: u32 = 30;
/// Most schools one district can have: four digits of its schools' codes.
const MOST_SCHOOLS: usize = 9_999;
/// sd of log district size. Ours; so is every other constant below.
const SIZE_SD: f64 = 0.9;
const TK_SHARE: f64 = 0.026;
const POVERTY_SD: [f64; 2] = [0.95, 0.70];
const RACE_SD: f64 = 0.55;
const SCORE_SD: [f64; 2] = [0.15, 0.20];
const ABSENCE_SD: [f64; 2] = [0.15, 0.12];
const CLIMATE_SD: [f64; 2] = [0.10, 0.22];
/// Students for whom a district builds one more school of each level.
const SCHOOL_SIZE: [f64; 3] = [470.0, 750.0, 1300.0];

/// A level of the public school table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Es,
    Ms,
    Hs,
    K8,
    Span,
    Alt,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Es => "ES",
            Self::Ms => "MS",
            Self::Hs => "HS",
            Self::K8 => "K8",
            Self::Span => "Span",
            Self::Alt => "Alt",
        }
    }

    /// Lowest and highest grade.
    pub(super) const fn grades(self) -> [&'static str; 2] {
        match self {
            Self::Es => ["TK", "05"],
            Self::Ms => ["06", "08"],
            Self::Hs => ["09", "12"],
            Self::K8 => ["TK", "08"],
            Self::Span => ["TK", "12"],
            Self::Alt => ["10", "12"],
        }
    }
}

/// A school.
pub(super) struct School {
    /// County, district and school code: 14 digits.
    pub(super) id: String,
    pub(super) level: Level,
    pub(super) charter: bool,
    /// What it adds to scores, log absence and climate, in sd.
    pub(super) effects: [f64; 3],
    /// Of the district's students of its grades, beside the others.
    pub(super) share: f64,
}

/// The neighbourhood of a primary school.
pub(super) struct Zone {
    /// Its primary school, in the district's list.
    pub(super) school: usize,
    /// Up to where along the district it lies, 0 to 1.
    until: f64,
    /// Of the district's students.
    pub(super) share: f64,
    /// Sd above the network's.
    pub(super) poverty: f64,
    /// Races' shares.
    pub(super) race: [f64; 8],
    /// Log odds of being disadvantaged, before the student's own.
    pub(super) sed: f64,
}

/// A district.
pub(super) struct District {
    /// County and district code: 7 digits.
    pub(super) id: String,
    pub(super) county: u32,
    /// Draws of its students.
    pub(super) key: u64,
    /// Places in each grade, those of the first `more` cohorts of 13 having one more; of which in TK.
    pub(super) base: u32,
    more: u32,
    pub(super) tk: u32,
    /// Places per grade of the districts before it.
    pub(super) before: u64,
    pub(super) students: u32,
    /// Its schools, and where in the network's list of schools they begin.
    pub(super) schools: Vec<School>,
    pub(super) first_school: usize,
    pub(super) zones: Vec<Zone>,
    middle: Vec<(f64, usize)>,
    high: Vec<(f64, usize)>,
    alternative: Vec<usize>,
    /// What it adds to scores, log absence and climate, in sd.
    pub(super) effects: [f64; 3],
}

impl District {
    /// Places of the cohort that is to finish grade 12 in `class`: 13 cohorts and TK add up to the
    /// district's students in any year.
    pub(super) fn places(&self, class: i16) -> u32 {
        self.base + u32::from(u32::from(class.unsigned_abs()) % GRADES < self.more)
    }

    /// The zone at `along`, 0 to 1.
    pub(super) fn zone(&self, along: f64) -> &Zone {
        let found = self.zones.iter().find(|zone| along < zone.until);
        found.unwrap_or(&self.zones[self.zones.len() - 1])
    }

    /// The school of a grade (TK is 0) at `along`; `alternative`: where there is one for the grade.
    pub(super) fn school(&self, grade: usize, along: f64, alternative: bool) -> usize {
        let primary = self.zone(along).school;
        if grade <= 6 || (grade <= 9 && self.schools[primary].level != Level::Es) {
            return primary;
        }
        if grade > 10 && alternative && !self.alternative.is_empty() {
            let place = floor(along * f64::from(count(self.alternative.len()))) as usize;
            return self.alternative[place.min(self.alternative.len() - 1)];
        }
        let tier = if grade <= 9 { &self.middle } else { &self.high };
        let found = tier.iter().find(|(until, _)| along < *until).or_else(|| tier.last());
        found.map_or(primary, |(_, school)| *school)
    }
}

/// All districts.
pub(super) struct Network {
    pub(super) seed: u64,
    pub(super) districts: Vec<District>,
    pub(super) schools: usize,
}

impl Network {
    /// `students` ≥ `LEAST_STUDENTS` × `districts`, both at least 1.
    pub(super) fn plan(districts: u32, students: u32, seed: u64) -> Self {
        let mut draw = Draw::new(key(&["network", &seed.to_string()]), 0, 0);
        let sizes = sizes(&mut draw, districts, students);
        let mut all = Vec::with_capacity(sizes.len());
        let (mut before, mut first_school) = (0, 0);
        for (at, students) in (0..).zip(sizes) {
            let mut district = district(seed, at, districts, students);
            (district.before, district.first_school) = (before, first_school);
            before += u64::from(district.base) + 1;
            first_school += district.schools.len();
            all.push(district);
        }
        shares::center(&mut all);
        shares::settle_races(&mut all);
        shares::settle_poverty(&mut all);
        Self { seed, districts: all, schools: first_school }
    }
}

pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Lognormal sizes that add up to `students`, each at least `LEAST_STUDENTS`.
fn sizes(draw: &mut Draw, districts: u32, students: u32) -> Vec<u32> {
    let weights: Vec<f64> = (0..districts).map(|_| (SIZE_SD * draw.normal()).exp()).collect();
    let total: f64 = weights.iter().sum();
    let spare = students - LEAST_STUDENTS * districts;
    let mut sizes: Vec<u32> = weights
        .iter()
        .map(|weight| LEAST_STUDENTS + floor(f64::from(spare) * weight / total))
        .collect();
    let mut left = students.saturating_sub(sizes.iter().sum());
    for at in (0..sizes.len()).cycle() {
        if left == 0 {
            break;
        }
        (sizes[at], left) = (sizes[at] + 1, left - 1);
    }
    sizes
}

fn district(seed: u64, at: u32, districts: u32, students: u32) -> District {
    let key = key(&["district", &seed.to_string(), &at.to_string()]);
    let mut draw = Draw::new(key, u64::MAX, 0);
    // 58 counties, in order; codes from 90001, which no California district has.
    let county = 1 + at * 58 / districts.max(58);
    let id = format!("{county:02}{:05}", 90_001 + at);
    let tk = nearest(f64::from(students) * TK_SHARE).min(students / (GRADES + 1));
    let (base, more) = ((students - tk) / GRADES, (students - tk) % GRADES);
    let mut made = District {
        id,
        county,
        key,
        base,
        more,
        tk,
        before: 0,
        students,
        schools: Vec::new(),
        first_school: 0,
        zones: Vec::new(),
        middle: Vec::new(),
        high: Vec::new(),
        alternative: Vec::new(),
        effects: [SCORE_SD[0], ABSENCE_SD[0], CLIMATE_SD[0]].map(|sd| sd * draw.normal()),
    };
    let poverty = POVERTY_SD[0] * draw.normal();
    let races: [f64; 8] = std::array::from_fn(|_| RACE_SD * draw.normal());
    build(&mut made, &mut draw);
    let primary = made.schools.iter().enumerate();
    let primary = primary.filter(|(_, one)| one.level.grades()[0] == "TK");
    let shares: Vec<_> = primary.map(|(school, one)| (school, one.share)).collect();
    for (until, school) in cumulative(&shares) {
        let poverty = poverty + POVERTY_SD[1] * draw.normal();
        let race = std::array::from_fn(|race| (RACE_POVERTY[race] * poverty + races[race]).exp());
        let share = until - made.zones.last().map_or(0.0, |zone: &Zone| zone.until);
        made.zones.push(Zone { school, until, share, poverty, race, sed: 0.0 });
    }
    made
}

/// Builds the schools that the students need.
fn build(district: &mut District, draw: &mut Draw) {
    let per_grade = f64::from(district.base);
    let needed = [7.0, 3.0, 4.0].map(|grades| grades * per_grade);
    if district.students < 150 {
        let school = add(district, draw, Level::Span);
        district.high = vec![(1.0, school)];
        return;
    }
    let small = needed[1] < 150.0;
    let primaries = nearest(needed[0] / SCHOOL_SIZE[0]).max(1);
    let k8 = if primaries >= 4 { 0.12 } else { 0.0 };
    for _ in 0..primaries {
        let level = if small || draw.chance(k8) { Level::K8 } else { Level::Es };
        add(district, draw, level);
    }
    let mut tier = |level, size: f64, needed: f64| {
        let schools = nearest(needed / size).max(1);
        let schools: Vec<_> = (0..schools)
            .map(|_| {
                let school = add(district, draw, level);
                (school, district.schools[school].share)
            })
            .collect();
        cumulative(&schools)
    };
    let middle = if small { Vec::new() } else { tier(Level::Ms, SCHOOL_SIZE[1], needed[1]) };
    let high = tier(Level::Hs, SCHOOL_SIZE[2], needed[2]);
    (district.middle, district.high) = (middle, high);
    if needed[2] > 900.0 {
        let schools = floor(needed[2] / (5.0 * SCHOOL_SIZE[2])).max(1);
        district.alternative = (0..schools).map(|_| add(district, draw, Level::Alt)).collect();
    }
}

fn add(district: &mut District, draw: &mut Draw, level: Level) -> usize {
    let at = district.schools.len().min(MOST_SCHOOLS - 1);
    let charter = matches!(level, Level::Es | Level::K8 | Level::Hs) && draw.chance(0.1);
    district.schools.push(School {
        id: format!("{}{:07}", district.id, 100_001 + 7 * at),
        level,
        charter,
        effects: [SCORE_SD[1], ABSENCE_SD[1], CLIMATE_SD[1]].map(|sd| sd * draw.normal()),
        share: (0.35 * draw.normal()).exp(),
    });
    district.schools.len() - 1
}

/// Where along 0 to 1 each ends.
fn cumulative(shares: &[(usize, f64)]) -> Vec<(f64, usize)> {
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    let mut until = 0.0;
    let ends = shares.iter().map(|(school, share)| {
        until += share / total;
        (until, *school)
    });
    ends.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_add_up_and_no_district_is_below_the_least() {
        for (districts, students) in [(1, 30), (3, 100), (50, 20_001), (2000, 60_000)] {
            let network = Network::plan(districts, students, 5);
            let sizes = || network.districts.iter().map(|one| one.students);
            assert_eq!(sizes().sum::<u32>(), students);
            assert!(sizes().all(|size| size >= LEAST_STUDENTS));
            for one in &network.districts {
                for year in 2015..=2024 {
                    let places: u32 = (year..year + 13).map(|class| one.places(class)).sum();
                    assert_eq!(places + one.tk, one.students);
                }
            }
        }
    }

    #[test]
    fn every_grade_has_a_school_that_offers_it() {
        let network = Network::plan(40, 60_000, 9);
        let order =
            ["TK", "KN", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];
        for district in &network.districts {
            for grade in 0..14 {
                for step in 0..50 {
                    let along = f64::from(step) / 50.0;
                    for alternative in [false, true] {
                        let school = district.school(grade, along, alternative);
                        let [low, high] = district.schools[school].level.grades();
                        let place = |text| order.iter().position(|one| *one == text).unwrap();
                        assert!((place(low)..=place(high)).contains(&grade));
                    }
                }
            }
        }
    }
}
