//! One row per student per district: the rows network tables count (docs/INDICATORS.md §0).
//!
//! In: the records of one school year and the hub's public school table. Out: a [`Network`]: each
//! student once, at the primary school, with the grade there, groups, days and scores.
//!
//! * Enrolments that begin after the study's `as_of` date do not count, nor do those at schools that
//!   the public table does not give to this district (E010).
//! * Primary enrolments count; secondary, short and non-ADA ones only where a student has no other.
//! * The primary school is that of the most days: expected days where the attendance of every
//!   school in question is there, else days enrolled, an open end lasting to `as_of` or 30 June. Ties
//!   go to the latest entry, then to the lowest school id.
//! * Grade and groups are those of the latest enrolment at that school; a group not supplied there
//!   is taken from the student's latest other enrolment of the year that supplies it.
//! * Attendance is summed over the district's schools, exempt rows left out.

use std::cmp::Reverse;

use flashlight_proto::{
    category::{Grade, Level},
    identity::DistrictId,
    schools::{School, SchoolTable},
    study::Date,
};

use super::{
    Records,
    model::{Attendance, Enrollment, FAMILIES, Key, Status},
    report::{Effect, Fault, Finding, MOST_PERCENT_ORPHANS, Rule, Tally},
    value::Day,
};

const NO_SCHOOL: Fault = Fault {
    rule: Rule::E010,
    problem: "is not a school of this district in the study's public table",
    hint: "Tell the hub if the table is wrong",
    most_percent: Some(MOST_PERCENT_ORPHANS),
};
const NO_GRADE: Fault = Fault {
    rule: Rule::E008,
    problem: "is not offered by schools of that level in the study's public table",
    hint: "Tell the hub if the table is wrong",
    most_percent: Some(MOST_PERCENT_ORPHANS),
};
const LATER: Fault = Fault {
    rule: Rule::E008,
    problem: "is after the study's as_of date",
    hint: "Such enrolments are not counted",
    most_percent: None,
};

/// A student's days over the district's schools, in hundredths.
pub(crate) struct Days {
    /// Days expected.
    pub(crate) expected: i64,
    /// Days attended; worked out from the absences where not supplied.
    pub(crate) attended: i64,
    /// Days absent; `None` when some row's absence is not known.
    pub(crate) absent: Option<i64>,
}

/// One student of a network table.
pub(crate) struct Student {
    /// The level of the primary school.
    pub(crate) level: Level,
    /// The grade there.
    pub(crate) grade: Grade,
    /// The place among each family's groups, the last being `unknown`; by `Family::index`.
    pub(crate) groups: [u8; FAMILIES],
    /// Days over all schools; `None` when no row, or only exempt rows, are there.
    pub(crate) days: Option<Days>,
    /// Whose scores they are.
    pub(super) key: Key,
    /// The year asked for.
    pub(super) year: i16,
}

/// The students of one school year, each once.
pub(crate) struct Network {
    /// The students.
    pub(crate) students: Vec<Student>,
    /// What was found on the way; rows are those of the enrolment file.
    pub(crate) findings: Vec<Finding>,
}

/// One school's claim to be a student's primary school.
struct Claim<'a> {
    days: Option<i64>,
    enrolled: i64,
    latest: &'a Enrollment,
    school: &'a School,
}

/// What a year's rows are read against.
struct Reader<'a> {
    records: &'a Records,
    /// By school number: the public row, when it is this district's.
    schools: Vec<Option<&'a School>>,
    /// The level × grade pairs the public table offers.
    offered: Vec<(Level, Grade)>,
    as_of: Day,
    open_end: Day,
}

/// The network table of `year`. Without a district any school of the public table counts.
pub(super) fn network(
    records: &Records,
    year: i16,
    as_of: Date,
    schools: &SchoolTable,
    district: Option<&DistrictId>,
) -> Network {
    let of_district = |school: &&School| district.is_none_or(|ours| school.district == *ours);
    let found = records.schools.iter().map(|id| schools.find(id, year).filter(of_district));
    let of_year = schools.iter().filter(|school| school.school_year == year);
    let mut offered: Vec<_> =
        of_year.flat_map(|school| school.grades().map(|grade| (school.level, grade))).collect();
    offered.sort_unstable();
    offered.dedup();
    let as_of = Day::from(as_of);
    let open_end = Date::new(year, 6, 30).map_or(as_of, |end| as_of.min(Day::from(end)));
    let reader = Reader { records, schools: found.collect(), offered, as_of, open_end };
    reader.network(year)
}

impl Reader<'_> {
    fn network(&self, year: i16) -> Network {
        let (mut tally, mut students, mut several) = (Tally::default(), Vec::new(), 0_u64);
        let mut rows = 0;
        for pupil in self.records.pupils() {
            let ours = of_year(pupil.enrollments, year, |row| row.year);
            let days = of_year(pupil.attendance, year, |row| row.year);
            rows += ours.len() as u64;
            let claims = self.claims(ours, days, &mut tally);
            several += u64::from(claims.len() > 1);
            let Some(primary) = primary(claims) else { continue };
            let (level, grade) = (primary.school.level, primary.latest.grade);
            if self.offered.binary_search(&(level, grade)).is_err() {
                tally.row(&NO_GRADE, "grade", primary.latest.row.into());
                continue;
            }
            students.push(Student {
                level,
                grade,
                groups: groups(primary.latest, ours),
                days: self.days(days),
                key: pupil.key,
                year,
            });
        }
        if several > 0 {
            let text = format!(
                "students at more than one school: {several}; in network tables they count once, \
                 at the school with more days"
            );
            tally.whole(Rule::W104, Effect::Noted, text);
        }
        Network { students, findings: tally.findings(rows) }
    }

    /// The schools at which a student may be counted.
    fn claims<'a>(
        &'a self,
        rows: &'a [Enrollment],
        attendance: &[Attendance],
        tally: &mut Tally,
    ) -> Vec<Claim<'a>> {
        let mut usable: Vec<(&Enrollment, &School)> = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(school) = self.school(row.school) else {
                tally.row(&NO_SCHOOL, "school_id", row.row.into());
                continue;
            };
            if row.entry.is_some_and(|entry| entry > self.as_of) {
                tally.row(&LATER, "entry_date", row.row.into());
                continue;
            }
            usable.push((row, school));
        }
        if usable.iter().any(|(row, _)| row.status == Status::Primary) {
            usable.retain(|(row, _)| row.status == Status::Primary);
        }
        let claim = |same: &[(&'a Enrollment, &'a School)]| {
            let (latest, school) = *same.last()?;
            let enrolled = same.iter().map(|(row, _)| self.enrolled(row)).sum();
            let here = attendance.iter().filter(|days| days.school == latest.school);
            let days = here.map(|days| i64::from(days.expected)).reduce(|sum, days| sum + days);
            Some(Claim { days, enrolled, latest, school })
        };
        usable.chunk_by(|a, b| a.0.school == b.0.school).filter_map(claim).collect()
    }

    /// Days from entry to exit, both counted; 0 when the entry is not supplied.
    fn enrolled(&self, row: &Enrollment) -> i64 {
        row.entry.map_or(0, |entry| entry.through(row.exit.unwrap_or(self.open_end)))
    }

    fn school(&self, number: u32) -> Option<&School> {
        *self.schools.get(usize::try_from(number).ok()?)?
    }

    fn days(&self, rows: &[Attendance]) -> Option<Days> {
        let ours = |row: &&Attendance| !row.exempt && self.school(row.school).is_some();
        rows.iter().filter(ours).fold(None, |sum: Option<Days>, row| {
            let sum = sum.unwrap_or(Days { expected: 0, attended: 0, absent: Some(0) });
            let expected = i64::from(row.expected);
            let absent = row.absent.map(i64::from);
            let attended =
                row.attended.map(i64::from).or_else(|| absent.map(|absent| expected - absent));
            Some(Days {
                expected: sum.expected + expected,
                attended: sum.attended + attended.unwrap_or(0),
                absent: sum.absent.zip(absent).map(|(sum, absent)| sum + absent),
            })
        })
    }
}

/// The claim that wins. Claims come by school number; ties end at the lowest school id.
fn primary(claims: Vec<Claim<'_>>) -> Option<Claim<'_>> {
    let by_attendance = claims.iter().all(|claim| claim.days.is_some());
    claims.into_iter().max_by_key(|claim| {
        let days = if by_attendance { claim.days.unwrap_or(0) } else { claim.enrolled };
        (days, claim.latest.entry, Reverse(claim.school.school_id.as_str()))
    })
}

/// The groups of `row`, each null filled from the student's latest row that has one.
fn groups(row: &Enrollment, rows: &[Enrollment]) -> [u8; FAMILIES] {
    let mut groups = [0; FAMILIES];
    for (family, place) in flashlight_proto::category::Family::ALL.iter().zip(&mut groups) {
        let at = family.index();
        let other =
            || rows.iter().filter(|row| row.groups[at].is_some()).max_by_key(|row| row.entry);
        let unknown = u8::try_from(family.groups().len() - 1).unwrap_or(u8::MAX);
        let found = row.groups[at].or_else(|| other()?.groups[at]);
        *place = found.unwrap_or(unknown);
    }
    groups
}

/// The rows of one year; `rows` are sorted by it.
pub(super) fn of_year<R>(rows: &[R], year: i16, year_of: impl Fn(&R) -> i16) -> &[R] {
    let start = rows.partition_point(|row| year_of(row) < year);
    let end = rows.partition_point(|row| year_of(row) <= year);
    &rows[start..end]
}
