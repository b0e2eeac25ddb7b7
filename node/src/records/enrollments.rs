//! `enrollments`: who was at which school when, in which grade and which groups; `student_flags`: the
//! groups of a student in a year, which win over those of the enrolments.
//!
//! Key: student, school year, school, entry date. An empty flag stays "not supplied". Where `sed` is
//! not supplied it is yes when frpm, migrant, homeless or foster is yes or parent_education is 1, no
//! when frpm is no, else not known.
//!
//! A row that its file calls `reconstructed:…` (in a column `source`: an enrolment inferred from another
//! record) may lack its grade: it counts as ungraded and is told. How many rows were reconstructed, and
//! from what, is told too.

use std::collections::HashMap;

use flashlight_proto::category::{Family, Grade};

use super::{
    frame::Opened,
    model::{Enrollment, FAMILIES, Key, Status},
    report::{Effect, Fault, MOST_PERCENT, Rule, Tally},
    rows::{Names, Row, one_per_key},
    tables::{ENROLLMENTS, STUDENT_FLAGS},
    value,
};

const STUDENT: usize = ENROLLMENTS.place("student_id");
const YEAR: usize = ENROLLMENTS.place("school_year");
const SCHOOL: usize = ENROLLMENTS.place("school_id");
const GRADE: usize = ENROLLMENTS.place("grade");
const ENTRY: usize = ENROLLMENTS.place("entry_date");
const EXIT: usize = ENROLLMENTS.place("exit_date");
const STATUS: usize = ENROLLMENTS.place("enrollment_status");
const SOURCE: usize = ENROLLMENTS.place("source");
/// The column of the first family; the others follow in the order of [`Family::ALL`], then what `sed`
/// is derived from: frpm, migrant, parent_education.
const GROUPS: usize = ENROLLMENTS.place("sex");

/// Rows below which one value in a whole column is no news.
const ROWS_TO_NOTICE: usize = 100;

const EXIT_FIRST: Fault = Fault {
    rule: Rule::E008,
    problem: "is before entry_date",
    hint: "",
    most_percent: Some(MOST_PERCENT),
};
const NO_GRADE: Fault = Fault {
    rule: Rule::E004,
    problem: "is empty where the row says it was reconstructed from other records",
    hint: "Such students are counted as ungraded (UG)",
    most_percent: None,
};
const STATUSES: [(&str, Status); 4] = [
    ("primary", Status::Primary),
    ("secondary", Status::Secondary),
    ("short", Status::Short),
    ("non_ada", Status::NonAda),
];

/// What `source` says of a reconstructed row, as far as it may be repeated.
const RECONSTRUCTED: &str = "reconstructed:";
const SOURCES: [&str; 5] = [
    "attendance",
    "discipline",
    "grade tested",
    "studentSchoolAssociationReference",
    "StudentIntervention.xml",
];

/// A student's groups in a year as one row supplies them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags {
    groups: [Option<u8>; FAMILIES],
    frpm: Option<bool>,
    migrant: Option<bool>,
    /// Whether no parent graduated from high school.
    parent_first: Option<bool>,
}

impl Flags {
    fn read(row: &mut Row<'_>, first: usize) -> Self {
        let mut groups = [None; FAMILIES];
        for (place, family) in groups.iter_mut().zip(Family::ALL) {
            let column = first + family.index();
            *place = row.optional(column, |text| value::group(*family, text)).flatten();
        }
        let rest = first + FAMILIES;
        let frpm = row.optional(rest, value::flag);
        let migrant = row.optional(rest + 1, value::flag);
        let parent = row.optional(rest + 2, |text| value::whole(text, 1, 5));
        Self { groups, frpm, migrant, parent_first: parent.map(|parent| parent == 1) }
    }

    /// These, and where they are silent the others'.
    fn or(self, other: Self) -> Self {
        let mut groups = self.groups;
        groups.iter_mut().zip(other.groups).for_each(|(ours, theirs)| *ours = ours.or(theirs));
        Self {
            groups,
            frpm: self.frpm.or(other.frpm),
            migrant: self.migrant.or(other.migrant),
            parent_first: self.parent_first.or(other.parent_first),
        }
    }

    /// The groups, `sed` derived where it is not supplied.
    fn into_groups(self) -> [Option<u8>; FAMILIES] {
        const YES: Option<u8> = Some(0);
        let mut groups = self.groups;
        let sed = Family::Sed.index();
        let is_yes = self.frpm == Some(true)
            || self.migrant == Some(true)
            || self.parent_first == Some(true)
            || groups[Family::Homeless.index()] == YES
            || groups[Family::Foster.index()] == YES;
        groups[sed] = groups[sed].or(match (is_yes, self.frpm) {
            (true, _) => YES,
            (false, Some(false)) => Some(1),
            (false, _) => None,
        });
        groups
    }
}

/// The flags of students by year.
pub(super) type FlagsOf = HashMap<(Key, i16), Flags>;

/// One row of `student_flags`.
pub(super) struct FlagsRow {
    pub(super) student: Key,
    pub(super) year: i16,
    flags: Flags,
    pub(super) row: u32,
}

/// A row of `student_flags`.
pub(super) fn flags(mut row: Row<'_>, names: &mut Names) -> Option<FlagsRow> {
    const FIRST: usize = STUDENT_FLAGS.place("sex");
    let student = row.student(STUDENT_FLAGS.place("student_id"), &mut names.students);
    let year = row.required(STUDENT_FLAGS.place("school_year"), value::year);
    let flags = Flags::read(&mut row, FIRST);
    row.stands().then_some(())?;
    Some(FlagsRow { student: student?, year: year?, flags, row: row.place() })
}

/// One row of flags per student and year.
pub(super) fn flags_of(mut rows: Vec<FlagsRow>, tally: &mut Tally) -> Vec<FlagsRow> {
    rows.sort_unstable_by_key(|one| (one.student, one.year, one.row));
    one_per_key(
        rows,
        "(student_id, school_year)",
        |a, b| (a.student, a.year) == (b.student, b.year),
        |a, b| a.flags == b.flags,
        |one| one.row,
        tally,
    )
}

/// The rows as a map.
pub(super) fn by_student(rows: &[FlagsRow]) -> FlagsOf {
    rows.iter().map(|one| ((one.student, one.year), one.flags)).collect()
}

/// A row of `enrollments`, with the student's flags.
pub(super) fn enrollment(
    mut row: Row<'_>,
    names: &mut Names,
    flags: &FlagsOf,
    sources: &mut Sources,
) -> Option<Enrollment> {
    let student = row.student(STUDENT, &mut names.students);
    let year = row.required(YEAR, value::year);
    let school = row.id(SCHOOL, &mut names.schools);
    let is_reconstructed = sources.see(&mut row);
    let grade = if is_reconstructed && row.is_empty(GRADE) {
        row.fault(&NO_GRADE, GRADE);
        Some(Grade::UG)
    } else {
        row.grade(GRADE)
    };
    let entry = row.optional(ENTRY, value::date);
    let exit = row.optional(EXIT, value::date);
    if entry.zip(exit).is_some_and(|(entry, exit)| exit < entry) {
        row.fault(&EXIT_FIRST, EXIT);
    }
    let status = row.code(STATUS, &STATUSES).unwrap_or(Status::Primary);
    let own = Flags::read(&mut row, GROUPS);
    row.stands().then_some(())?;
    let (student, year, row) = (student?, year?, row.place());
    let groups = flags.get(&(student, year)).map_or(own, |flags| flags.or(own)).into_groups();
    Some(Enrollment {
        student,
        year,
        school: school?,
        entry,
        exit,
        grade: grade?,
        status,
        groups,
        row,
    })
}

/// Sorted by student, year, school and entry; one of each.
pub(super) fn enrollments(mut rows: Vec<Enrollment>, tally: &mut Tally) -> Vec<Enrollment> {
    rows.sort_unstable_by_key(|one| (one.student, one.year, one.school, one.entry, one.row));
    one_per_key(
        rows,
        "(student_id, school_year, school_id, entry_date)",
        |a, b| (a.student, a.year, a.school, a.entry) == (b.student, b.year, b.school, b.entry),
        |a, b| (a.exit, a.grade, a.status, a.groups) == (b.exit, b.grade, b.status, b.groups),
        |one| one.row,
        tally,
    )
}

/// How many rows were reconstructed, by what from.
#[derive(Default)]
pub(super) struct Sources([u64; SOURCES.len() + 1]);

impl Sources {
    /// Counts a row; whether it was reconstructed.
    fn see(&mut self, row: &mut Row<'_>) -> bool {
        let from = row.optional(SOURCE, |text| {
            Ok(text.strip_prefix(RECONSTRUCTED).map(|from| {
                SOURCES.iter().position(|known| *known == from).unwrap_or(SOURCES.len())
            }))
        });
        let from = from.flatten();
        if let Some(from) = from {
            self.0[from] += 1;
        }
        from.is_some()
    }

    /// Tells them.
    pub(super) fn tell(&self, tally: &mut Tally) {
        let names = SOURCES.into_iter().chain(["something else"]);
        let told: Vec<_> = names
            .zip(self.0)
            .filter(|(_, rows)| *rows > 0)
            .map(|(name, rows)| format!("{rows} from {name}"))
            .collect();
        if !told.is_empty() {
            let text = format!(
                "{} enrolments are not records of the source but reconstructed: {}",
                self.0.iter().sum::<u64>(),
                told.join(", ")
            );
            tally.whole(Rule::W109, Effect::Noted, text);
        }
    }
}

/// Tells columns that hold nothing, or one value, for every student (E011). `has`: by family, whether
/// some file has the column.
pub(super) fn whole_columns(has: [bool; FAMILIES], rows: &[Enrollment], tally: &mut Tally) {
    if rows.is_empty() {
        return;
    }
    for family in Family::ALL {
        let at = family.index();
        let first = rows.first().and_then(|one| one.groups[at]);
        if rows.iter().any(|one| one.groups[at] != first) {
            continue;
        }
        let how = match first {
            None if has[at] => "is empty for every student",
            None => "is not among the columns",
            Some(_) if rows.len() >= ROWS_TO_NOTICE => "has one value for every student",
            Some(_) => continue,
        };
        let text = match first {
            None => {
                format!("\"{family}\" {how}: all its students are counted as unknown, not as no")
            }
            Some(_) => format!("\"{family}\" {how}: is that so, or a default?"),
        };
        tally.whole(Rule::E011, Effect::Noted, text);
    }
}

/// Which families' columns a file has.
pub(super) fn families(opened: &Opened, first_name: &str) -> [bool; FAMILIES] {
    let first = if first_name == ENROLLMENTS.name { GROUPS } else { STUDENT_FLAGS.place("sex") };
    let mut has = [false; FAMILIES];
    has.iter_mut().enumerate().for_each(|(at, has)| *has = opened.has(first + at));
    has
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_the_families_follow_their_order_in_both_tables() {
        for (table, first) in [(&ENROLLMENTS, GROUPS), (&STUDENT_FLAGS, STUDENT_FLAGS.place("sex"))]
        {
            for family in Family::ALL {
                assert_eq!(table.columns[first + family.index()].name, family.as_str());
            }
            let rest = &table.columns[first + FAMILIES..first + FAMILIES + 3];
            let rest: Vec<_> = rest.iter().map(|column| column.name).collect();
            assert_eq!(rest, ["frpm", "migrant", "parent_education"]);
        }
    }
}
