//! Which of the records' schools count in which year, and at which level.
//!
//! In a round: those the hub's public table gives to the district. For local results without a
//! study: every school of the records, its level derived from the grades enrolled there (ES: highest
//! at most 6; MS: within 6 to 8; HS: lowest at least 9; K8: up to grade 8 otherwise; else Span).

use std::collections::BTreeMap;

use flashlight_proto::{
    category::{Grade, Level},
    identity::DistrictId,
    schools::SchoolTable,
};

use crate::records::{Records, SchoolNumber};

/// One school year.
#[derive(Clone)]
struct Year {
    year: i16,
    /// By school number; `None`: not a school of this district.
    levels: Vec<Option<Level>>,
    /// The level × grade pairs with cells, sorted; `None`: all.
    offered: Option<Vec<(Level, Grade)>>,
    /// The public table's columns `public_…` of the district's schools, hundredths, by school number.
    public: Vec<BTreeMap<String, i64>>,
}

/// The schools that count, by year.
pub(crate) struct Schools {
    years: Vec<Year>,
    /// By school number: the place of its id in text order.
    ranks: Vec<usize>,
}

impl Schools {
    /// Those of the public table. Without a district any school of the table counts.
    pub(crate) fn public(
        records: &Records,
        table: &SchoolTable,
        district: Option<&DistrictId>,
    ) -> Self {
        let mut years: Vec<i16> = table.iter().map(|school| school.school_year).collect();
        years.sort_unstable();
        years.dedup();
        let of_year = |year: i16| {
            let ours = |id: &String| {
                let school = table.find(id, year)?;
                district.is_none_or(|ours| school.district == *ours).then_some(school.level)
            };
            let schools = table.iter().filter(|school| school.school_year == year);
            let mut offered: Vec<_> = schools
                .flat_map(|school| school.grades().map(|grade| (school.level, grade)))
                .collect();
            offered.sort_unstable();
            offered.dedup();
            let figures = |id: &String| {
                table.find(id, year).map(|school| school.public.clone()).unwrap_or_default()
            };
            Year {
                year,
                levels: records.schools.iter().map(ours).collect(),
                offered: Some(offered),
                public: records.schools.iter().map(figures).collect(),
            }
        };
        Self { years: years.into_iter().map(of_year).collect(), ranks: ranks(&records.schools) }
    }

    /// Those of the records, by the grades enrolled.
    pub(crate) fn own(records: &Records) -> Self {
        let mut years: Vec<i16> = records.enrollments.iter().map(|row| row.year).collect();
        years.sort_unstable();
        years.dedup();
        let mut spans = vec![vec![None; records.schools.len()]; years.len()];
        for row in records.enrollments.iter().filter(|row| row.grade != Grade::UG) {
            let Ok(at) = years.binary_search(&row.year) else { continue };
            let Some(span) = place(row.school).and_then(|place| spans[at].get_mut(place)) else {
                continue;
            };
            let (low, high) = span.unwrap_or((row.grade, row.grade));
            *span = Some((row.grade.min(low), row.grade.max(high)));
        }
        // Ungraded students only: some level all the same.
        let level = |span: &Option<(Grade, Grade)>| Some(span.map_or(Level::Span, level_of));
        let of_year = |(year, spans): (i16, Vec<_>)| Year {
            year,
            levels: spans.iter().map(level).collect(),
            offered: None,
            public: Vec::new(),
        };
        Self {
            years: years.into_iter().zip(spans).map(of_year).collect(),
            ranks: ranks(&records.schools),
        }
    }

    fn year(&self, year: i16) -> Option<&Year> {
        self.years.iter().find(|one| one.year == year)
    }

    /// The school's level in a year, if it is the district's then.
    pub(crate) fn level(&self, school: SchoolNumber, year: i16) -> Option<Level> {
        *self.year(year)?.levels.get(place(school)?)?
    }

    /// The school's level in the latest of `years` in which it is the district's.
    pub(crate) fn last_level(&self, school: SchoolNumber, years: [i16; 2]) -> Option<Level> {
        (years[0]..=years[1]).rev().find_map(|year| self.level(school, year))
    }

    /// Whether the network has cells for that level and grade.
    pub(crate) fn offers(&self, year: i16, level: Level, grade: Grade) -> bool {
        self.year(year)
            .and_then(|one| one.offered.as_ref())
            .is_none_or(|offered| offered.binary_search(&(level, grade)).is_ok())
    }

    /// What a column `public_…` of the public table says of a school in a year, hundredths.
    pub(crate) fn public_figure(
        &self,
        school: SchoolNumber,
        year: i16,
        column: &str,
    ) -> Option<i64> {
        self.year(year)?.public.get(place(school)?)?.get(column).copied()
    }

    /// The place of the school's id in text order.
    pub(crate) fn rank(&self, school: SchoolNumber) -> usize {
        place(school).and_then(|place| self.ranks.get(place)).copied().unwrap_or(usize::MAX)
    }
}

fn place(school: SchoolNumber) -> Option<usize> {
    usize::try_from(school).ok()
}

fn ranks(ids: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|at| &ids[*at]);
    let mut ranks = vec![0; ids.len()];
    order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank);
    ranks
}

/// The level of a school that teaches these grades.
fn level_of((low, high): (Grade, Grade)) -> Level {
    match () {
        () if high <= Grade::G06 => Level::ES,
        () if low >= Grade::G09 => Level::HS,
        () if low >= Grade::G06 && high <= Grade::G08 => Level::MS,
        () if high <= Grade::G08 => Level::K8,
        () => Level::Span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_grades_enrolled() {
        for (span, level) in [
            ((Grade::TK, Grade::G06), Level::ES),
            ((Grade::G06, Grade::G08), Level::MS),
            ((Grade::G07, Grade::G08), Level::MS),
            ((Grade::G05, Grade::G08), Level::K8),
            ((Grade::KN, Grade::G08), Level::K8),
            ((Grade::G09, Grade::G12), Level::HS),
            ((Grade::G08, Grade::G12), Level::Span),
            ((Grade::KN, Grade::G12), Level::Span),
        ] {
            assert_eq!(level_of(span), level, "{span:?}");
        }
    }
}
