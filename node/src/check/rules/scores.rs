//! W106, W108: tested grades without scores, schools too small to be shown.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use flashlight_proto::category::{Grade, Subject};

use super::{Found, SMALL, SchoolLabels, Seen, listed, percent, whole};
use crate::records::{Rule, Status};

/// Percent of a tested grade without a score that is usual in the state.
const USUAL_PERCENT: u64 = 4;
/// Percent without a score that is news.
const NEWS_PERCENT: u64 = 8;
/// Percent of a grade with a score from which the grade counts as tested.
const TESTED_PERCENT: u64 = 50;
/// Students in the tested grades below which the share is no news.
const ENOUGH: u64 = 30;

pub(super) fn rules(seen: Seen<'_>, labels: &SchoolLabels<'_>, found: &mut Found) {
    missing(seen, found);
    small(seen, labels, found);
}

/// Share of the tested grades without a score, per year and subject.
fn missing(seen: Seen<'_>, found: &mut Found) {
    let Some(scores) = seen.scores else { return };
    let mut scored = HashSet::new();
    let mut kinds = BTreeSet::new();
    for row in scores.iter().filter(|row| row.score.is_some() || row.level.is_some()) {
        scored.insert((row.student, row.year, row.subject));
        kinds.insert((row.year, row.subject));
    }
    for (year, subject) in kinds.into_iter().filter(|(_, subject)| *subject != Subject::Elp) {
        let mut grades: BTreeMap<Grade, (u64, u64)> = BTreeMap::new();
        let mut last = None;
        let rows = seen.enrollments.iter().filter(|row| row.year == year);
        for row in rows.filter(|row| row.status == Status::Primary) {
            if last == Some(row.student) {
                continue;
            }
            last = Some(row.student);
            let (with, all) = grades.entry(row.grade).or_default();
            *with += u64::from(scored.contains(&(row.student, year, subject)));
            *all += 1;
        }
        let tested = grades.values().filter(|(with, all)| percent(*with, *all) >= TESTED_PERCENT);
        let (with, all) = tested.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let share = percent(all - with, all);
        if all >= ENOUGH && share >= NEWS_PERCENT {
            let text = format!(
                "{share} % of the {all} students in tested grades have no {subject} score in {year} \
                 (usual is {USUAL_PERCENT} %): is the score file complete?"
            );
            found.push(("assessments", whole(Rule::W106, text)));
        }
    }
}

/// Schools with fewer than 11 scores in every subject: a smaller group has no more.
fn small(seen: Seen<'_>, labels: &SchoolLabels<'_>, found: &mut Found) {
    let Some(scores) = seen.scores else { return };
    let Some(year) = scores.iter().map(|row| row.year).max() else { return };
    let mut school_of: HashMap<_, u32> = HashMap::new();
    let rows = seen.enrollments.iter().filter(|row| row.year == year);
    school_of.extend(rows.map(|row| (row.student, row.school)));
    let mut tested: BTreeMap<u32, BTreeMap<Subject, usize>> = BTreeMap::new();
    for row in scores.iter().filter(|row| row.year == year && row.score.is_some()) {
        let school = row.school.or_else(|| school_of.get(&row.student).copied());
        let Some(school) = school else { continue };
        *tested.entry(school).or_default().entry(row.subject).or_default() += 1;
    }
    let small = tested.iter().filter(|(_, subjects)| subjects.values().all(|all| *all < SMALL));
    let small: Vec<_> = small.map(|(school, _)| *school).collect();
    if small.is_empty() {
        return;
    }
    let noun = if small.len() == 1 { "school has" } else { "schools have" };
    let named: Vec<_> = small.iter().filter(|one| labels.id(**one).is_some()).collect();
    let named = match named.len() {
        0 => String::new(),
        _ => format!(" ({})", listed(named.into_iter().map(|one| labels.told(*one)).collect())),
    };
    let text = format!(
        "{} {noun} fewer than {SMALL} scores in every subject of {year}{named}: they will show as hidden",
        small.len()
    );
    found.push(("assessments", whole(Rule::W108, text)));
}
