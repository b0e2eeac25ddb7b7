//! Achievement: mean scale score (`<subject>_mean`), mean distance from standard (`<subject>_dfs`)
//! and share at or above the standard (`<subject>_met`).

use std::ops::RangeInclusive;

use flashlight_proto::{
    category::{Grade, Indicator, Subject},
    study::ScoreRange,
};

use super::{
    Amount, Ask, Definition, Entity, Notes, Test,
    definition::ONE_OF_TWO,
    notes::Gap,
    student::{Counted, Place, Student},
};
use crate::records::{Day, Decimal, Enrollment, Fault, Rule, SchoolNumber, Score, Source};

/// Longest gap between two enrolments that leaves a student continuously enrolled, days.
const GAP_MOST: i32 = 30;

const CLIPPED: Fault = Fault {
    rule: Rule::E008,
    problem: "is outside the study's bounds for the test, subject and grade tested",
    hint: "It counts as the nearest bound",
    most_percent: None,
};
const ROUNDED: Fault = Fault {
    rule: Rule::E008,
    problem: "is finer than the study's grid",
    hint: "It was rounded to the grid, halves away from zero",
    most_percent: None,
};
const NOT_ASKED: Fault = Fault {
    rule: Rule::W106,
    problem: "is one the study gives no bounds for",
    hint: "Such scores are not counted",
    most_percent: None,
};
/// A score without a test date.
pub(crate) const NO_DATE: Fault = Fault {
    rule: Rule::W106,
    problem: "is empty",
    hint: "Whether the student was continuously enrolled until the test is taken for granted",
    most_percent: None,
};
static WITHOUT: Gap = Gap {
    rule: Rule::W106,
    refused_above: None,
    left_out: false,
    told: |missing, asked| {
        format!("students in tested grades without a {{subject}} score: {missing} of {asked}")
    },
};

const DENOMINATOR: &str = "students of the network table with a score: the one in the study's test, subject and school year \
     that is `included` and has the latest test date, in a grade tested that the study gives bounds \
     for. It is put on the test's integer grid (halves away from zero) and clipped to the bounds; \
     both are counted in the report";
const EXCLUSIONS: &str = "students without a score; scores of students who are not in the network table. Participation is \
     not adjusted for. Network tables do not ask for continuous enrolment; local results do";
const SCHOOL_RULE: &str = "the school tested at (else that of the enrolment on the test date, else the primary school), if \
     enrolled there from Census Day (the first Wednesday of October) to the test date without a gap of \
     more than 30 days; the district's number asks the same of the district. Where a date is missing \
     the condition holds, and the report says so. The network cell: the primary school's level, the \
     grade tested";
const GROUPS_RULE: &str = super::definition::AT_PRIMARY_ENROLMENT;
const TABLES: &[Source] = &[Source::Assessments];
const OPTIONAL: &[&str] = &["test_date", "school_id"];

/// In words.
pub(super) const MEAN: Definition = Definition {
    title: "Mean scale score, points",
    numerator: "the sum of the scores",
    denominator: DENOMINATOR,
    exclusions: EXCLUSIONS,
    presets: &[],
    school_rule: SCHOOL_RULE,
    groups_rule: GROUPS_RULE,
    source: "CAASPP reports (mean scale score)",
    sensitivity: "one student: one score and 1 in the two words of one cell; the score less the \
                  public centre is at most half the subject's range",
    tables: TABLES,
    optional: OPTIONAL,
};

/// In words.
pub(super) const DFS: Definition = Definition {
    title: "Mean distance from standard, points",
    numerator: "the sum of score less the cut of the grade tested: the lowest score that meets the \
                standard",
    source: "California School Dashboard, academic indicator (distance from standard), without its \
             adjustment for participation",
    ..MEAN
};

/// In words.
pub(super) const MET: Definition = Definition {
    title: "Share that meets the standard",
    numerator: "scores at or above the cut of the grade tested",
    source: "CAASPP reports (standard met and exceeded)",
    sensitivity: ONE_OF_TWO,
    ..MEAN
};

/// A student's score that counts.
struct Found<'a> {
    row: &'a Score,
    grade: Grade,
    amount: Amount,
}

pub(super) fn one(student: &Student<'_>, ask: &Ask<'_>, notes: &mut Notes) -> Option<Counted> {
    let home = student.home?;
    let found = found(student, home, ask, notes)?;
    Some(Place { grade: found.grade, ..home }.counts(found.amount))
}

pub(super) fn locally(
    student: &Student<'_>,
    ask: &Ask<'_>,
    notes: &mut Notes,
    out: &mut dyn FnMut(Entity, Counted),
) {
    let Some(home) = student.home else { return };
    let Some(Found { row, grade, amount }) = found(student, home, ask, notes) else { return };
    if row.date.is_none() {
        notes.row(&NO_DATE, "test_date", row.row);
    }
    let year = student.term.year;
    let ours = student.enrollments.iter().filter(|row| student.term.counts(row));
    if is_continuous(ours, year, row.date) {
        out(Entity::District, Place { grade, ..home }.counts(amount));
    }
    let Some(school) = tested_at(student, home, row) else { return };
    if let Some(place) = student.moved(Place { grade, ..home }, Some(school))
        && is_continuous_at(student, school, row)
    {
        out(Entity::School, place.counts(amount));
    }
}

/// The school tested at; else that of the enrolment on the test date, else the primary school.
pub(crate) fn tested_at(student: &Student<'_>, home: Place, row: &Score) -> Option<SchoolNumber> {
    let on_the_day = || row.date.and_then(|date| student.enrolled_at(date));
    row.school.or_else(on_the_day).or(home.school)
}

/// Whether the student was enrolled at that school of the district from Census Day to the test.
pub(crate) fn is_continuous_at(student: &Student<'_>, school: SchoolNumber, row: &Score) -> bool {
    let ours = student.enrollments.iter().filter(|row| student.term.counts(row));
    is_continuous(ours.filter(|row| row.school == school), student.term.year, row.date)
}

/// A score on the integer grid, clipped to its bounds; both are told of `column` of this row.
pub(crate) fn on_grid(
    score: Decimal,
    units_per_point: u32,
    bounds: RangeInclusive<i64>,
    told: (&mut Notes, &'static str, u32),
) -> i64 {
    let (notes, column, row) = told;
    let score = score.in_units(units_per_point);
    if !score.exact {
        notes.row(&ROUNDED, column, row);
    }
    let clipped = score.units.clamp(*bounds.start(), *bounds.end());
    if clipped != score.units {
        notes.row(&CLIPPED, column, row);
    }
    clipped
}

/// The year's score in a test and subject.
pub(super) fn score<'a>(
    student: &Student<'a>,
    test: &Test<'_>,
    subject: Subject,
) -> Option<&'a Score> {
    let number = test.number?;
    student.scores.iter().find(|row| row.test == number && row.subject == subject)
}

fn found<'a>(
    student: &Student<'a>,
    home: Place,
    ask: &Ask<'_>,
    notes: &mut Notes,
) -> Option<Found<'a>> {
    let (test, subject) = (ask.test?, ask.subject()?);
    let row = score(student, &test, subject);
    let value = row.and_then(|row| Some((row, row.score?)));
    if test.ranges.contains_key(&home.grade) {
        notes.asked(&WITHOUT, value.is_none());
    }
    let (row, score) = value?;
    let Some(range) = test.ranges.get(&row.grade) else {
        notes.row(&NOT_ASKED, "grade_tested", row.row);
        return None;
    };
    let bounds = range.min..=range.max;
    let clipped = on_grid(score, test.units_per_point, bounds, (notes, "scale_score", row.row));
    Some(Found { row, grade: row.grade, amount: amount(ask.indicator, clipped, range) })
}

fn amount(indicator: Indicator, score: i64, range: &ScoreRange) -> Amount {
    match indicator {
        Indicator::Met(_) => Amount::Part(score >= range.met),
        Indicator::Dfs(_) => Amount::Value(score - range.met),
        _ => Amount::Value(score),
    }
}

/// Whether enrolments reach from Census Day to the test without too long a gap. An entry or exit
/// that is missing is open; so is a test date.
fn is_continuous<'a>(
    rows: impl Iterator<Item = &'a Enrollment>,
    year: i16,
    test: Option<Day>,
) -> bool {
    let Some(test) = test else { return true };
    let census = Day::census(year);
    let mut spans: Vec<(Option<Day>, Option<Day>)> =
        rows.map(|row| (row.entry, row.exit)).collect();
    spans.sort_unstable();
    let mut reach = census.plus_days(-1);
    let mut is_there = false;
    let open_end = test.max(census);
    for (entry, exit) in spans {
        let end = exit.unwrap_or(open_end);
        let from_census = entry.is_none_or(|entry| entry <= census);
        let bridged = reach >= census && entry <= Some(reach.plus_days(GAP_MOST + 1));
        if !from_census && !bridged {
            continue;
        }
        reach = reach.max(end);
        is_there |= entry.is_none_or(|entry| entry <= test) && end >= test;
    }
    reach >= census && is_there
}

#[cfg(test)]
mod tests {
    use flashlight_proto::study::Date;

    use super::*;
    use crate::{indicators::tests::enrollment, records::Status};

    fn day(text: &str) -> Option<Day> {
        (!text.is_empty()).then(|| text.parse::<Date>().unwrap().into())
    }

    fn continuous(spans: &[(&str, &str)], test: &str) -> bool {
        let row = |(entry, exit): &(&str, &str)| Enrollment {
            entry: day(entry),
            exit: day(exit),
            status: Status::Primary,
            ..enrollment(1, 2024, 0, Grade::G03)
        };
        let rows: Vec<_> = spans.iter().map(row).collect();
        is_continuous(rows.iter(), 2024, day(test))
    }

    #[test]
    fn a_gap_of_thirty_days_is_bridged_and_one_of_thirty_one_is_not() {
        let spans = |exit| [("2023-08-14", exit), ("2024-02-12", "")];
        assert!(continuous(&spans("2024-01-12"), "2024-04-30"));
        assert!(!continuous(&spans("2024-01-11"), "2024-04-30"));
    }

    #[test]
    fn who_enters_on_census_day_is_continuous_and_who_enters_the_day_after_is_not() {
        assert!(continuous(&[("2023-10-04", "")], "2024-04-30"));
        assert!(!continuous(&[("2023-10-05", "")], "2024-04-30"));
        assert!(!continuous(&[("2023-08-14", "2023-10-03"), ("2023-10-05", "")], "2024-04-30"));
    }

    #[test]
    fn who_left_before_the_test_is_not_continuous() {
        assert!(continuous(&[("2023-08-14", "2024-04-30")], "2024-04-30"));
        assert!(!continuous(&[("2023-08-14", "2024-04-29")], "2024-04-30"));
    }

    #[test]
    fn missing_dates_leave_the_condition_true() {
        assert!(continuous(&[("", "")], "2024-04-30"));
        assert!(continuous(&[("2024-03-01", "")], ""));
    }

    #[test]
    fn the_cut_is_met_at_the_cut_and_not_below() {
        let range = ScoreRange { min: 2114, max: 2623, met: 2432 };
        let met = |score| amount(Indicator::Met(Subject::Ela), score, &range);
        assert_eq!((met(2432), met(2431)), (Amount::Part(true), Amount::Part(false)));
        assert_eq!(amount(Indicator::Dfs(Subject::Ela), 2431, &range), Amount::Value(-1));
        assert_eq!(amount(Indicator::Mean(Subject::Ela), 2431, &range), Amount::Value(2431));
    }
}
