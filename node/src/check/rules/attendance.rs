//! W103, W105: attendance too good to be true, more days than a school year has.

use std::collections::BTreeMap;

use super::{Found, SchoolLabels, Seen, listed, over_rows, percent, whole};
use crate::records::{Attendance, Rule};

/// Percent of a school's students without one absence from which absences seem left out.
const NEVER_ABSENT_PERCENT: u64 = 97;
/// Students below which that is no news.
const ENOUGH: u64 = 30;
/// Students among whom there are some absent a tenth of the time.
const SOME_CHRONIC: u64 = 100;
/// Expected days above which a student has more than a school year, hundredths.
const MOST_EXPECTED: i32 = 18_500;

#[derive(Default)]
struct School {
    students: u64,
    never: u64,
    chronic: u64,
}

pub(super) fn rules(seen: Seen<'_>, labels: &SchoolLabels<'_>, found: &mut Found) {
    let Some(rows) = seen.attendance else { return };
    let mut schools: BTreeMap<(i16, u32), School> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.exempt && row.expected > 0) {
        let Some(absent) = row.absent else { continue };
        let school = schools.entry((row.year, row.school)).or_default();
        school.students += 1;
        school.never += u64::from(absent == 0);
        school.chronic += u64::from(i64::from(absent) * 10 >= i64::from(row.expected));
    }
    let (mut good, mut none) = (Vec::new(), Vec::new());
    for ((year, number), school) in &schools {
        let share = percent(school.never, school.students);
        let (told, students) = (labels.told(*number), school.students);
        if students >= ENOUGH && share >= NEVER_ABSENT_PERCENT {
            good.push(format!("{told} in {year}: {share} % of {students}"));
        } else if students >= SOME_CHRONIC && school.chronic == 0 {
            none.push(format!("{told} in {year}: 0 of {students}"));
        }
    }
    if !good.is_empty() {
        let text = format!(
            "students without one absence: {}. Were absences left out of the export?",
            listed(good)
        );
        found.push(("attendance_summary", whole(Rule::W103, text)));
    }
    if !none.is_empty() {
        let text = format!(
            "nobody chronically absent: {}. Were some kinds of absence left out?",
            listed(none)
        );
        found.push(("attendance_summary", whole(Rule::W103, text)));
    }
    let over: Vec<_> = rows.iter().filter(|row| row.expected > MOST_EXPECTED).map(number).collect();
    found.extend(
        over_rows(
            Rule::W105,
            over,
            ["row has", "rows have"],
            "more than 185 expected days",
            "Is a summer or two years in one row?",
        )
        .map(|finding| ("attendance_summary", finding)),
    );
}

fn number(row: &Attendance) -> u64 {
    u64::from(row.row)
}
