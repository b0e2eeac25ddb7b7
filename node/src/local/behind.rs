//! The students and rows behind one number.

use flashlight_proto::category::Family;

use super::{
    engine::{Builtin, Sum, as_of, question, schools},
    query::{Behind, CellAsked, LocalQuery, Scope},
};
use crate::{
    indicators::{self, Amount, Ask, Counted, Entity, Notes, Student, Term},
    records::{Records, Source},
};

/// The last group of every family.
const UNKNOWN: &str = "unknown";

/// Who is behind one row of the results of `query`: each student with what it adds and the rows of
/// the tables the indicator reads, in the years it reads. By pseudonym. The cell's indicator need not
/// be one of the query's; its year neither.
#[must_use]
pub fn records_behind(records: &Records, query: &LocalQuery<'_>, cell: &CellAsked) -> Vec<Behind> {
    let (builtin, schools) = (Builtin::new(), schools(records, query));
    let term = Term::new(cell.year, as_of(query, cell.year), &schools);
    let asked = (cell.indicator, cell.preset);
    let ask = question(records, query, &builtin, asked, cell.year).ask;
    let mut behind = Vec::new();
    for pupil in records.pupils() {
        let student = Student::new(pupil, &term, &mut Notes::default());
        indicators::locally(&student, &ask, &mut Notes::default(), &mut |entity, counted| {
            if is_in(records, cell, entity, &counted) {
                behind.push(told(records, &student, &ask, counted));
            }
        });
    }
    behind
}

fn is_in(records: &Records, cell: &CellAsked, entity: Entity, counted: &Counted) -> bool {
    let place = &counted.place;
    let is_scope = match (&cell.scope, entity) {
        (Scope::District, Entity::District) => true,
        (Scope::School(id), Entity::School) => school(records, counted).as_ref() == Some(id),
        _ => false,
    };
    is_scope
        && cell.level.is_none_or(|level| level == place.level)
        && cell.grade.is_none_or(|grade| grade == place.grade)
        && cell.group.is_none_or(|(family, group)| name(family, counted) == group)
}

fn name(family: Family, counted: &Counted) -> &'static str {
    let place = usize::from(counted.place.groups[family.index()]);
    family.groups().get(place).copied().unwrap_or(UNKNOWN)
}

fn school(records: &Records, counted: &Counted) -> Option<String> {
    let place = usize::try_from(counted.place.school?).ok()?;
    records.schools.get(place).cloned()
}

fn told(records: &Records, student: &Student<'_>, ask: &Ask<'_>, counted: Counted) -> Behind {
    let sum = Sum::of(counted.amount);
    let in_numerator = match counted.amount {
        Amount::Part(is_in) => Some(is_in),
        _ => None,
    };
    Behind {
        key: student.pupil.key.0,
        in_numerator,
        num: sum.num,
        den: sum.den,
        school: school(records, &counted),
        level: counted.place.level,
        grade: counted.place.grade,
        groups: Family::ALL.iter().map(|family| name(*family, &counted)).collect(),
        rows: rows(student, ask),
    }
}

/// The rows an indicator reads of a student.
fn rows(student: &Student<'_>, ask: &Ask<'_>) -> Vec<(Source, u32)> {
    let (pupil, last) = (&student.pupil, student.term.year);
    let years = last - ask.indicator.years_back()..=last;
    let enrollments = pupil.enrollments.iter().filter(|row| years.contains(&row.year));
    let mut rows: Vec<_> = enrollments.map(|row| (Source::Enrollments, row.row)).collect();
    for source in indicators::sources(ask.indicator) {
        let numbers: Vec<u32> = match source {
            Source::Enrollments => Vec::new(),
            Source::Attendance => student.attendance.iter().map(|row| row.row).collect(),
            Source::Assessments => {
                let scores = pupil.scores.iter().filter(|row| years.contains(&row.year));
                let subject = ask.subject_read();
                scores.filter(|row| row.subject == subject).map(|row| row.row).collect()
            }
            Source::Discipline => student.actions.iter().map(|row| row.row).collect(),
            Source::CourseGrades => student.marks.iter().map(|row| row.row).collect(),
            Source::ElHistory => pupil.el_history.iter().map(|row| row.row).collect(),
            Source::Graduation => pupil.graduation.iter().map(|row| row.row).collect(),
            Source::Survey => student.answers.iter().map(|row| row.row).collect(),
            Source::Postsecondary => pupil.colleges.iter().map(|row| row.row).collect(),
        };
        rows.extend(numbers.into_iter().map(|row| (*source, row)));
    }
    rows
}
