//! Which levels and grades the public school table offers in a year.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    category::{Grade, Level},
    schools::SchoolTable,
    study::{Study, TableSpec},
};

/// The level × grade pairs that some school offers in one year.
#[derive(Default)]
pub(super) struct Offer(BTreeSet<(Level, Grade)>);

/// The offer of every year in the table.
pub(super) fn offers(schools: &SchoolTable) -> BTreeMap<i16, Offer> {
    let mut offers: BTreeMap<i16, Offer> = BTreeMap::new();
    for school in schools.iter() {
        let pairs = school.grades().map(|grade| (school.level, grade));
        offers.entry(school.school_year).or_default().0.extend(pairs);
    }
    offers
}

impl Offer {
    /// The pairs whose students the table counts, by level, then grade.
    pub(super) fn counted(&self, study: &Study, table: &TableSpec) -> Vec<(Level, Grade)> {
        if table.indicator.is_of_adults() {
            // Adults have a level and no grade: one place per level, under "ungraded".
            let levels: BTreeSet<_> = self.0.iter().map(|(level, _)| *level).collect();
            return levels.into_iter().map(|level| (level, Grade::UG)).collect();
        }
        let scores = study.scores(table).map(|(_, ranges)| ranges);
        let counts = |grade: Grade| match table.indicator.subject() {
            Some(_) => scores.is_some_and(|ranges| ranges.contains_key(&grade)),
            None => table.indicator.counts(table.preset, grade),
        };
        let mut counted: BTreeSet<_> =
            self.0.iter().copied().filter(|(_, grade)| counts(*grade)).collect();
        if table.indicator.is_of_answers() {
            // Answers may come without a grade: they have a place of their own at every level.
            counted.extend(self.0.iter().map(|(level, _)| (*level, Grade::UG)));
        }
        counted.into_iter().collect()
    }
}
