//! One student in one school year: all rows, those of the year, and the place in the network table.

use flashlight_proto::category::{Family, Grade, Level};

use super::{Amount, Notes, Schools, place};
use crate::records::{
    Action, Answer, Attendance, Day, Enrollment, FAMILIES, Mark, Pupil, SchoolNumber, Score, Status,
};

/// The place among each family's groups, by `Family::index`; the last is `unknown`.
pub(crate) type Groups = [u8; FAMILIES];

/// A school year as it is read.
pub(crate) struct Term<'a> {
    /// Its spring.
    pub(crate) year: i16,
    /// Records are taken as they stood on this day.
    pub(crate) as_of: Day,
    /// The schools that count.
    pub(crate) schools: &'a Schools,
}

impl<'a> Term<'a> {
    /// Of this year, as of this day.
    pub(crate) const fn new(year: i16, as_of: Day, schools: &'a Schools) -> Self {
        Self { year, as_of, schools }
    }

    /// Where an enrolment without an exit ends: at `as_of` or 30 June.
    pub(crate) fn open_end(&self) -> Day {
        self.as_of.min(Day::year_ends(self.year))
    }

    /// The school's level, if it is the district's in this year.
    pub(crate) fn level(&self, school: SchoolNumber) -> Option<Level> {
        self.schools.level(school, self.year)
    }

    /// Whether the enrolment is at a school of the district and began by `as_of`.
    pub(crate) fn counts(&self, row: &Enrollment) -> bool {
        row.entry.is_none_or(|entry| entry <= self.as_of) && self.level(row.school).is_some()
    }
}

/// Where a student counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The school; `None`: only the level is known.
    pub(crate) school: Option<SchoolNumber>,
    /// Its level.
    pub(crate) level: Level,
    /// The grade.
    pub(crate) grade: Grade,
    /// The groups.
    pub(crate) groups: Groups,
}

/// What one student adds to one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The cell.
    pub(crate) place: Place,
    /// How much.
    pub(crate) amount: Amount,
}

impl Place {
    /// This much, here.
    pub(crate) const fn counts(self, amount: Amount) -> Counted {
        Counted { place: self, amount }
    }

    /// The group of a family.
    pub(crate) fn is(self, family: Family, group: u8) -> bool {
        self.groups[family.index()] == group
    }
}

/// The groups of whom nothing is known.
pub(crate) fn unknown() -> Groups {
    let mut groups = [0; FAMILIES];
    for family in Family::ALL {
        groups[family.index()] = u8::try_from(family.groups().len() - 1).unwrap_or(u8::MAX);
    }
    groups
}

/// One student in one school year.
pub(crate) struct Student<'a> {
    /// All rows of all years.
    pub(crate) pupil: Pupil<'a>,
    /// The year.
    pub(crate) term: &'a Term<'a>,
    /// The year's enrolments, by school and entry.
    pub(crate) enrollments: &'a [Enrollment],
    /// The year's attendance.
    pub(crate) attendance: &'a [Attendance],
    /// The year's scores.
    pub(crate) scores: &'a [Score],
    /// The year's actions, before or after `as_of`.
    pub(crate) actions: &'a [Action],
    /// The year's marks.
    pub(crate) marks: &'a [Mark],
    /// The year's answers.
    pub(crate) answers: &'a [Answer],
    /// The place in the network table; `None`: in none.
    pub(crate) home: Option<Place>,
}

impl<'a> Student<'a> {
    /// Reads the pupil's rows of the year and places the student; what is wrong with the
    /// enrolments goes to `notes`.
    pub(crate) fn new(pupil: Pupil<'a>, term: &'a Term<'a>, notes: &mut Notes) -> Self {
        let year = term.year;
        let enrollments = of_year(pupil.enrollments, year, |row| row.year);
        let attendance = of_year(pupil.attendance, year, |row| row.year);
        Self {
            pupil,
            term,
            enrollments,
            attendance,
            scores: of_year(pupil.scores, year, |row| row.year),
            actions: of_year(pupil.actions, year, |row| row.year),
            marks: of_year(pupil.marks, year, |row| row.year),
            answers: of_year(pupil.answers, year, |row| row.year),
            home: place::home(enrollments, attendance, term, notes),
        }
    }

    /// The latest enrolment at each school of cumulative enrolment: primary and short enrolments
    /// at the district's schools that began by `as_of`.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = &'a Enrollment> {
        let rows = self.enrollments.chunk_by(|a, b| a.school == b.school);
        rows.filter_map(|rows| rows.iter().rfind(|row| self.is_cumulative(row)))
    }

    /// Whether the student is in the district's cumulative enrolment.
    pub(crate) fn is_enrolled(&self) -> bool {
        self.enrollments.iter().any(|row| self.is_cumulative(row))
    }

    fn is_cumulative(&self, row: &Enrollment) -> bool {
        matches!(row.status, Status::Primary | Status::Short) && self.term.counts(row)
    }

    /// The place of an enrolment: its school and grade, the groups there.
    pub(crate) fn place(&self, row: &Enrollment) -> Option<Place> {
        let level = self.term.level(row.school)?;
        let groups = place::groups(row, self.enrollments);
        Some(Place { school: Some(row.school), level, grade: row.grade, groups })
    }

    /// The school of the district the student was enrolled at on a day: the primary one of several,
    /// then the latest entered.
    pub(crate) fn enrolled_at(&self, day: Day) -> Option<SchoolNumber> {
        let schools = self.term.schools;
        let there = |row: &&Enrollment| {
            let end = row.exit.unwrap_or_else(|| Day::year_ends(row.year));
            let entry = row.entry.unwrap_or_else(|| Day::year_begins(row.year));
            (entry..=end).contains(&day) && schools.level(row.school, row.year).is_some()
        };
        let rows = self.pupil.enrollments.iter().filter(there);
        let key = |row: &&Enrollment| (row.status == Status::Primary, row.entry, row.year);
        rows.max_by_key(key).map(|row| row.school)
    }

    /// The home place moved to a school of the district; `None` when it is not one.
    pub(crate) fn moved(&self, home: Place, school: Option<SchoolNumber>) -> Option<Place> {
        let Some(school) = school else { return Some(home) };
        let level = self.term.level(school)?;
        Some(Place { school: Some(school), level, ..home })
    }
}

/// The rows of one year; `rows` are sorted by it.
pub(crate) fn of_year<R>(rows: &[R], year: i16, year_of: impl Fn(&R) -> i16) -> &[R] {
    let start = rows.iter().position(|row| year_of(row) >= year).unwrap_or(rows.len());
    let length = rows[start..].iter().take_while(|row| year_of(row) == year).count();
    &rows[start..start + length]
}
