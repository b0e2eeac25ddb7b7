//! W102: a school's enrolment against the school year before.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, SchoolLabels, Seen, listed, whole};
use crate::records::Rule;

/// Change against the year before that is news, percent.
const CHANGE_PERCENT: u64 = 15;
/// Students in the year before, or now, below which a change is no news.
const ENOUGH: u64 = 30;

/// Students of a school in a school year read at an earlier time.
pub(crate) struct Before {
    pub(crate) school: String,
    pub(crate) year: i16,
    pub(crate) students: u64,
}

/// Students per school and year.
pub(crate) fn students(seen: Seen<'_>) -> BTreeMap<(u32, i16), u64> {
    let mut counts = BTreeMap::new();
    let mut last = None;
    for row in seen.enrollments {
        if last != Some((row.student, row.year, row.school)) {
            *counts.entry((row.school, row.year)).or_default() += 1;
            last = Some((row.student, row.year, row.school));
        }
    }
    counts
}

/// The same, to be held against what is read later.
pub(crate) fn before(seen: Seen<'_>) -> Vec<Before> {
    let told = |((school, year), students): ((u32, i16), u64)| {
        let school = seen.schools.get(usize::try_from(school).ok()?)?.clone();
        Some(Before { school, year, students })
    };
    students(seen).into_iter().filter_map(told).collect()
}

/// The number a school had the year before: read now, or known from an earlier time.
pub(crate) fn year_before(
    now: &BTreeMap<(u32, i16), u64>,
    before: &[Before],
    (school, year): (u32, i16),
    seen: Seen<'_>,
) -> Option<u64> {
    let read = now.get(&(school, year - 1)).copied();
    let is_read = now.keys().any(|(_, known)| *known == year - 1);
    if is_read {
        return Some(read.unwrap_or(0));
    }
    let id = seen.schools.get(usize::try_from(school).ok()?)?;
    before.iter().find(|one| one.school == *id && one.year == year - 1).map(|one| one.students)
}

pub(super) fn change(
    seen: Seen<'_>,
    labels: &SchoolLabels<'_>,
    before: &[Before],
    found: &mut Found,
) {
    let now = students(seen);
    let years: BTreeSet<i16> = now.keys().map(|(_, year)| *year).collect();
    let schools: BTreeSet<u32> = now.keys().map(|(school, _)| *school).collect();
    for year in years {
        let mut changes = Vec::new();
        for school in &schools {
            let count = now.get(&(*school, year)).copied().unwrap_or(0);
            let Some(last) = year_before(&now, before, (*school, year), seen) else { continue };
            if last.max(count) < ENOUGH || labels.id(*school).is_none() {
                continue;
            }
            let difference = last.abs_diff(count);
            if difference * 100 >= CHANGE_PERCENT * last.max(1) {
                changes.push((difference, told(labels, *school, last, count)));
            }
        }
        changes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        if !changes.is_empty() {
            let told = listed(changes.into_iter().map(|(_, text)| text).collect());
            let text =
                format!("enrolment of {year} against {}: {told}. A partial export?", year - 1);
            found.push(("enrollments", whole(Rule::W102, text)));
        }
    }
}

fn told(labels: &SchoolLabels<'_>, school: u32, last: u64, count: u64) -> String {
    let school = labels.told(school);
    if last == 0 {
        return format!("{school} is new (0 → {count})");
    }
    if count == 0 {
        return format!("{school} is gone ({last} → 0)");
    }
    let percent = last.abs_diff(count) * 100 / last;
    let side = if count < last { "below" } else { "above" };
    format!("{percent} % {side} at {school} ({last} → {count})")
}
