//! What holds of every indicator whatever the rows are: random rows, no order, no sense.

use std::collections::BTreeMap;

use flashlight_proto::{
    category::{Band, Construct, Family, Grade, Indicator, Respondent, Subject},
    study::ScoreRange,
};
use proptest::prelude::*;

use super::{
    Amount, Ask, Counted, Entity, Notes, Schools, Student, Term, Test, locally, one,
    tests::{enrollment, mark},
};
use crate::{
    local::LocalQuery,
    records::{
        Action, Answer, Attendance, College, CourseSubject, Day, Decimal, ElStatus, Elas,
        Enrollment, FAMILIES, Graduation, Key, Mark, Outcome, Records, Sanction, Score, Status,
    },
};

const YEAR: i16 = 2024;

/// Numbers from a seed: rows have no `Debug`, so what is shown of a failure is the seed alone.
struct Dice(u64);

impl Dice {
    /// A number below `sides` (splitmix64).
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn int(&mut self, below: i32) -> i32 {
        i32::try_from(self.roll(u64::try_from(below).unwrap())).unwrap()
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }

    /// Four times of five what `of` gives.
    fn maybe<T>(&mut self, of: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(5) > 0).then(|| of(self))
    }

    fn many<R, K: Ord>(
        &mut self,
        below: u64,
        of: impl Fn(&mut Self) -> R,
        key: impl Fn(&R) -> K,
    ) -> Vec<R> {
        let mut rows: Vec<R> = (0..self.roll(below)).map(|_| of(self)).collect();
        rows.sort_by_key(key);
        rows
    }

    fn year(&mut self) -> i16 {
        self.pick(&[2020, 2022, 2023, 2024, 2024, 2024, 2025])
    }

    fn day(&mut self) -> Day {
        Day::of(2018 + self.int(8), 1 + self.int(12), 1 + self.int(31))
    }

    fn school(&mut self) -> u32 {
        self.pick(&[0, 1, 2, 3])
    }

    fn enrollment(&mut self) -> Enrollment {
        let all =
            [Status::Primary, Status::Primary, Status::Secondary, Status::Short, Status::NonAda];
        let row = enrollment(1, self.year(), self.school(), self.pick(Grade::ALL));
        let groups = [(); FAMILIES].map(|()| self.maybe(|dice| dice.pick(&[0, 1])));
        let (entry, exit) = (self.maybe(Self::day), self.maybe(Self::day));
        Enrollment { entry, exit, status: self.pick(&all), groups, ..row }
    }

    fn attendance(&mut self) -> Attendance {
        let expected = self.int(36_600);
        let (attended, absent) =
            (self.maybe(|dice| dice.int(expected + 1)), self.maybe(|dice| dice.int(expected + 1)));
        let (year, school, exempt) = (self.year(), self.school(), self.roll(10) == 0);
        Attendance { student: Key(1), year, school, expected, attended, absent, exempt, row: 3 }
    }

    fn score(&mut self) -> Score {
        let score = self.maybe(|dice| dice.int(3_000));
        Score {
            student: Key(1),
            year: self.year(),
            test: 0,
            subject: self.pick(Subject::ALL),
            date: self.maybe(Self::day),
            grade: self.pick(Grade::ALL),
            school: self.maybe(Self::school),
            score: score.and_then(|score| Decimal::parse(&score.to_string()).ok()),
            sem: None,
            level: self.maybe(|dice| dice.pick(&[1, 2, 3, 4, 5, 6])),
            row: 4,
        }
    }

    fn action(&mut self) -> Action {
        let all = [Sanction::InSchool, Sanction::OutOfSchool, Sanction::Expulsion, Sanction::Other];
        Action {
            student: Key(1),
            year: self.year(),
            date: self.day(),
            school: self.maybe(|dice| dice.pick(&[0, 1, 2, 3, 4])),
            sanction: self.pick(&all),
            duration: self.maybe(|dice| dice.int(300)),
            row: 5,
        }
    }

    fn mark(&mut self) -> Mark {
        let all = [
            CourseSubject::Ela,
            CourseSubject::Math,
            CourseSubject::Sci,
            CourseSubject::Hss,
            CourseSubject::Other,
        ];
        Mark {
            subject: self.pick(&all),
            letter: self.maybe(|dice| dice.pick(b"ABCDF")),
            points: self.maybe(|dice| dice.int(450)),
            earned: self.maybe(|dice| dice.int(6_000)),
            grade: self.maybe(|dice| dice.pick(&[Grade::G08, Grade::G09])),
            ..mark(1, self.year())
        }
    }

    fn el_status(&mut self) -> ElStatus {
        let elas =
            self.pick(&[Elas::Learner, Elas::Learner, Elas::Redesignated, Elas::EnglishOnly]);
        let (start, end) = (self.day(), self.maybe(Self::day));
        ElStatus { student: Key(1), elas, start, end, school: Some(1), row: 6 }
    }

    fn graduation(&mut self) -> Graduation {
        let all = [
            Outcome::Diploma,
            Outcome::Diploma,
            Outcome::Certificate,
            Outcome::Equivalency,
            Outcome::Dropout,
            Outcome::StillEnrolled,
            Outcome::Removed,
        ];
        Graduation {
            student: Key(1),
            cohort: self.year(),
            school: self.maybe(|dice| dice.pick(&[0, 1, 2, 3, 4])),
            exit: self.maybe(Self::day),
            outcome: self.pick(&all),
            met_ag: self.maybe(|dice| dice.roll(2) == 0),
            row: 7,
        }
    }

    fn answer(&mut self) -> Answer {
        Answer {
            student: Key(1),
            year: self.year(),
            survey: self.pick(&[0, 1, 2]),
            respondent: self.pick(Respondent::ALL),
            construct: self.pick(Construct::ALL),
            school: self.maybe(|dice| dice.pick(&[0, 1, 2, 3, 4])),
            grade: None,
            favourable: self.maybe(|dice| dice.roll(2) == 0),
            row: 8,
        }
    }

    fn college(&mut self) -> College {
        College { student: Key(1), begin: self.maybe(Self::day), row: 9 }
    }
}

/// Any rows of one student, each list in its order.
fn records(seed: u64) -> Records {
    let mut dice = Dice(seed);
    Records {
        enrollments: dice.many(8, Dice::enrollment, |row| (row.year, row.school, row.entry)),
        attendance: Some(dice.many(6, Dice::attendance, |row| (row.year, row.school))),
        scores: Some(dice.many(8, Dice::score, |row| row.year)),
        priors: None,
        actions: Some(dice.many(6, Dice::action, |row| (row.year, row.date))),
        marks: Some(dice.many(8, Dice::mark, |row| row.year)),
        el_history: Some(dice.many(5, Dice::el_status, |row| row.start)),
        graduation: Some(dice.many(3, Dice::graduation, |row| row.cohort)),
        answers: Some(dice.many(12, Dice::answer, |row| row.year)),
        colleges: Some(dice.many(3, Dice::college, |row| row.begin)),
        schools: ["0101", "0201", "0301", "0401", "0501"].map(str::to_owned).to_vec(),
        tests: vec!["T".to_owned()],
    }
}

/// An indicator, the one cell, and what each entity gets.
type Found = (Indicator, Option<Counted>, Vec<(Entity, Counted)>);

/// Every indicator and preset over the one student of the records.
fn counted(records: &Records) -> Vec<Found> {
    let range = ScoreRange { min: 100, max: 2_900, met: 1_500 };
    let ranges: BTreeMap<_, _> = Grade::ALL.iter().map(|grade| (*grade, range)).collect();
    let schools = Schools::own(records);
    let term = Term::new(YEAR, Day::year_ends(YEAR), &schools);
    let mut found = Vec::new();
    for pupil in records.pupils() {
        let student = Student::new(pupil, &term, &mut Notes::default());
        for (indicator, preset) in LocalQuery::everything() {
            let test = indicator.subject().map(|_| Test {
                number: Some(0),
                units_per_point: 1,
                ranges: &ranges,
            });
            let ask = Ask { indicator, preset, el_years: 5, test, accept_responses: true };
            let mut entities = Vec::new();
            locally(&student, &ask, &mut Notes::default(), &mut |entity, counted| {
                entities.push((entity, counted));
            });
            found.push((indicator, one(&student, &ask, &mut Notes::default()), entities));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_student_is_in_one_group_of_each_family_and_in_a_school_once(seed in any::<u64>()) {
        for (indicator, one, entities) in counted(&records(seed)) {
            let places = one.iter().chain(entities.iter().map(|(_, counted)| counted));
            for counted in places {
                for family in Family::ALL {
                    let group = usize::from(counted.place.groups[family.index()]);
                    prop_assert!(group < family.groups().len(), "{}", indicator);
                }
                let is_sane = match counted.amount {
                    Amount::Items { favourable, answered } => {
                        0 < answered && (0..=answered).contains(&favourable)
                    }
                    Amount::Value(value) => value.abs() <= 10_000,
                    Amount::One | Amount::Part(_) => true,
                };
                prop_assert!(is_sane, "{}", indicator);
            }
            let of_district = entities.iter().filter(|(entity, _)| *entity == Entity::District);
            prop_assert!(of_district.count() <= 1, "{}", indicator);
            let mut schools: Vec<_> = entities
                .iter()
                .filter(|(entity, _)| *entity == Entity::School)
                .map(|(_, counted)| counted.place.school)
                .collect();
            let all = schools.len();
            schools.sort_unstable();
            schools.dedup();
            prop_assert_eq!(schools.len(), all, "{}", indicator);
        }
    }

    #[test]
    fn a_student_counts_in_a_grade_that_the_layout_has_cells_for(seed in any::<u64>()) {
        for ((indicator, one, _), (_, preset)) in
            counted(&records(seed)).into_iter().zip(LocalQuery::everything())
        {
            let Some(counted) = one else { continue };
            // Adults have no grade: their cells are those of "ungraded".
            let is_cell = match indicator {
                _ if indicator.is_of_adults() => counted.place.grade == Grade::UG,
                _ if indicator.subject().is_some() => true,
                _ => indicator.counts(preset, counted.place.grade),
            };
            prop_assert!(is_cell, "{} {:?}", indicator, counted.place.grade);
        }
    }

    #[test]
    fn a_student_is_in_all_four_bands_or_none_and_in_the_numerator_of_one(seed in any::<u64>()) {
        let found = counted(&records(seed));
        let amounts = Band::ALL.iter().map(|band| {
            let (_, one, _) = found.iter().find(|found| found.0 == Indicator::Attendance(*band))?;
            one.map(|counted| counted.amount)
        });
        let amounts: Vec<_> = if found.is_empty() { Vec::new() } else { amounts.collect() };
        let within = amounts.iter().filter(|one| **one == Some(Amount::Part(true))).count();
        let none = amounts.iter().all(Option::is_none);
        prop_assert!(none || within == 1 && amounts.iter().all(Option::is_some));
    }
}
