//! E009, W104, W109: school years that do not fit, two schools on the same days, groups that an export
//! left out.

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::category::Family;

use super::{Found, Seen, over_rows, whole};
use crate::records::{Enrollment, Rule, Status};

/// School years that do not fit the folder's name or have no attendance.
pub(super) fn years(seen: Seen<'_>, folder: Option<&str>, found: &mut Found) {
    let mut students: BTreeMap<i16, u64> = BTreeMap::new();
    seen.enrollments.iter().for_each(|row| *students.entry(row.year).or_default() += 1);
    if let Some(said) = folder.and_then(said)
        && !students.is_empty()
        && !said.iter().any(|year| students.contains_key(year))
    {
        let shown: Vec<_> = students.keys().map(|year| named(*year)).collect();
        let text = format!(
            "the folder's name says {}, its rows are of {}: is it another year's folder?",
            said.iter().map(|year| named(*year)).collect::<Vec<_>>().join(" or "),
            shown.join(", ")
        );
        found.push(("enrollments", whole(Rule::E009, text)));
    }
    let with = |years: BTreeSet<i16>, table: &'static str, found: &mut Found| {
        let without = students.iter().filter(|(year, _)| !years.contains(year));
        for (year, rows) in without {
            let text = format!(
                "{} has {rows} enrolments and no row in {table}: nothing that reads {table} can be \
                 computed for it. Add the rows, or leave the year out",
                named(*year)
            );
            found.push((table, whole(Rule::E009, text)));
        }
    };
    if let Some(rows) = seen.attendance {
        with(rows.iter().map(|row| row.year).collect(), "attendance_summary", found);
    }
}

/// A school year as people write it: 2024 is 2023-24.
pub(crate) fn named(year: i16) -> String {
    format!("{}-{:02}", year - 1, year % 100)
}

/// The school years a folder's name can mean: `2023-24`, `2023_2024`, `sy2024`; a lone year may be the
/// spring or the autumn.
fn said(name: &str) -> Option<Vec<i16>> {
    let mut numbers = Vec::new();
    let mut digits = String::new();
    for letter in name.chars().chain(['.']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            numbers.push((std::mem::take(&mut digits), letter));
        }
    }
    let is_year = |text: &str| {
        let year = (text.len() == 4).then(|| text.parse().ok()).flatten();
        year.filter(|year: &i16| (1990..=2100).contains(year))
    };
    let numbers: Vec<_> = numbers.into_iter().filter(|(text, _)| !text.is_empty()).collect();
    for pair in numbers.windows(2) {
        let ((first, between), (second, _)) = (&pair[0], &pair[1]);
        if let Some(year) = is_year(first)
            && "-_–".contains(*between)
            && (*second == format!("{:02}", (year + 1) % 100) || is_year(second) == Some(year + 1))
        {
            return Some(vec![year + 1]);
        }
    }
    // A full date, as of an export, says nothing about the rows.
    let mut lone = numbers.iter().filter_map(|(text, _)| is_year(text));
    match (numbers.len(), lone.next(), lone.next()) {
        (1, Some(year), None) => Some(vec![year, year + 1]),
        _ => None,
    }
}

/// Students with primary enrolments at two schools on the same days.
pub(super) fn overlap(seen: Seen<'_>, found: &mut Found) {
    let mut rows = Vec::new();
    for year in seen.enrollments.chunk_by(|a, b| (a.student, a.year) == (b.student, b.year)) {
        if let Some(row) = overlapping(year) {
            rows.push(u64::from(row));
        }
    }
    found.extend(
        over_rows(
            Rule::W104,
            rows,
            ["student is", "students are"],
            "enrolled in two schools on the same days",
            "In network tables they count once, at the school with more days; mend the exit dates if \
             they moved",
        )
        .map(|finding| ("enrollments", finding)),
    );
}

/// The second row of two primary enrolments at different schools that share a day.
fn overlapping(rows: &[Enrollment]) -> Option<u32> {
    let primary = |row: &&Enrollment| row.status == Status::Primary && row.entry.is_some();
    let primary: Vec<_> = rows.iter().filter(primary).collect();
    let mut second = None;
    for (at, a) in primary.iter().enumerate() {
        for b in &primary[at + 1..] {
            // The last day at one school may be the first at the next.
            let ends_first = |a: &Enrollment, b: &Enrollment| {
                a.exit.zip(b.entry).is_some_and(|(exit, entry)| exit <= entry)
            };
            if a.school != b.school && !ends_first(a, b) && !ends_first(b, a) {
                second = second.max(Some(a.row.max(b.row)));
            }
        }
    }
    second
}

/// Sex, race and English learner status all empty: what an Ed-Fi export of Data Standard 6 gives when
/// it reads the old resource.
pub(super) fn races(seen: Seen<'_>, found: &mut Found) {
    let families = [Family::Sex, Family::RaceEthnicity, Family::El];
    let empty = |row: &Enrollment| families.iter().all(|one| row.groups[one.index()].is_none());
    if !seen.enrollments.is_empty() && seen.enrollments.iter().all(empty) {
        let text = "sex, race_ethnicity and el are empty for 100 % of students: every subgroup will be \
                    unknown. From an Ed-Fi API of Data Standard 6 take them from studentDemographics";
        found.push(("enrollments", whole(Rule::W109, text.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_says_a_school_year_only_in_the_forms_people_use() {
        assert_eq!(said("CALPADS 2023-24"), Some(vec![2024]));
        assert_eq!(said("eoy_2023_2024_final"), Some(vec![2024]));
        assert_eq!(said("sy2024"), Some(vec![2024, 2025]));
        for silent in ["export", "2024-09-01", "district 19 2024", "0130229", "2023-25"] {
            assert_eq!(said(silent), None, "{silent}");
        }
    }

    #[test]
    fn a_school_year_is_written_by_both_its_calendar_years() {
        assert_eq!(named(2024), "2023-24");
        assert_eq!(named(2000), "1999-00");
    }
}
