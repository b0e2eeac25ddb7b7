//! How many students and rows of each table every school has, year by year.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::rules::{SchoolLabels, Seen, volume};
use crate::records::Records;

/// School years listed.
const LISTED_MAX: usize = 2000;

/// One school in one school year. Its id is public; the numbers are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SchoolYear {
    /// The school's id.
    pub school_id: String,
    /// Its public name, where the study's school table gives it.
    pub school_name: Option<String>,
    /// The school year, by its spring.
    pub school_year: i16,
    /// Students enrolled at some time of the year.
    pub students: u64,
    /// Students enrolled the year before, where that is known.
    pub students_before: Option<u64>,
    /// Rows with days.
    pub attendance: u64,
    /// Scores; those without a school stand at the school enrolled at.
    pub scores: u64,
    /// Disciplinary actions.
    pub actions: u64,
    /// Final marks.
    pub marks: u64,
    /// Students of the cohort.
    pub graduation: u64,
    /// Answers to surveys.
    pub answers: u64,
}

/// Coverage by school.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// By school id, then year.
    pub schools: Vec<SchoolYear>,
    /// Schools with under 11 students that no public table names: not listed.
    pub unlisted: u64,
}

/// Coverage of the records.
pub(super) fn coverage(
    records: &Records,
    seen: Seen<'_>,
    labels: &SchoolLabels<'_>,
    before: &[volume::Before],
) -> Coverage {
    let students = volume::students(seen);
    let mut schools: BTreeMap<(u32, i16), SchoolYear> = BTreeMap::new();
    let mut unlisted = BTreeSet::new();
    for (key, count) in &students {
        let entry = schools.entry(*key).or_default();
        entry.students = *count;
        entry.students_before = volume::year_before(&students, before, *key, seen);
    }
    let rows = records.enrollments.iter();
    let home: HashMap<_, _> = rows.map(|row| ((row.student, row.year), row.school)).collect();
    let mut add = |school: Option<u32>, row: (_, i16), field: fn(&mut SchoolYear) -> &mut u64| {
        let school = school.or_else(|| home.get(&row).copied());
        if let Some(school) = school {
            *field(schools.entry((school, row.1)).or_default()) += 1;
        }
    };
    for row in records.attendance.iter().flatten() {
        add(Some(row.school), (row.student, row.year), |one| &mut one.attendance);
    }
    for row in records.scores.iter().flatten() {
        add(row.school, (row.student, row.year), |one| &mut one.scores);
    }
    for row in records.actions.iter().flatten() {
        add(row.school, (row.student, row.year), |one| &mut one.actions);
    }
    for row in records.marks.iter().flatten() {
        add(row.school, (row.student, row.year), |one| &mut one.marks);
    }
    for row in records.graduation.iter().flatten() {
        add(row.school, (row.student, row.cohort), |one| &mut one.graduation);
    }
    for row in records.answers.iter().flatten() {
        add(row.school, (row.student, row.year), |one| &mut one.answers);
    }
    let mut listed = Vec::new();
    for ((school, year), mut one) in schools {
        let Some(id) = labels.id(school) else {
            unlisted.insert(school);
            continue;
        };
        one.school_id = id.to_owned();
        one.school_name = labels.name(school).map(str::to_owned);
        one.school_year = year;
        listed.push(one);
    }
    listed.sort_by(|a, b| (&a.school_id, a.school_year).cmp(&(&b.school_id, b.school_year)));
    listed.truncate(LISTED_MAX);
    Coverage { schools: listed, unlisted: unlisted.len() as u64 }
}
