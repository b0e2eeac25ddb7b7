//! The canonical tables this version reads: their files, columns and what tells them apart.
//!
//! In: a file's header. Out: where each needed column stands, or why this is not the file (E002) or
//! not enough of it (E003). Only the columns listed here are ever parsed; names and birth dates are
//! dropped at read (W110).

use super::report::{Effect, Rule, Tally};

/// One column of a canonical table.
pub(crate) struct Column {
    /// Its name in the header; letter case does not matter there.
    pub(crate) name: &'static str,
    /// Whether the file must have it.
    pub(crate) required: bool,
}

const fn required(name: &'static str) -> Column {
    Column { name, required: true }
}

const fn optional(name: &'static str) -> Column {
    Column { name, required: false }
}

/// One canonical table.
pub(crate) struct Table {
    /// Its name, and its file's without `.csv` or `.parquet`.
    pub(crate) name: &'static str,
    /// The columns read, in the order their places are given in.
    pub(crate) columns: &'static [Column],
    /// A column no other table has.
    mark: &'static str,
}

/// Who was enrolled where and when, with the student's groups.
pub(crate) const ENROLLMENTS: Table = Table {
    name: "enrollments",
    columns: &[
        required("student_id"),
        required("school_year"),
        required("school_id"),
        required("grade"),
        optional("entry_date"),
        optional("exit_date"),
        optional("enrollment_status"),
        optional("sex"),
        optional("race_ethnicity"),
        optional("el"),
        optional("swd"),
        optional("sed"),
        optional("homeless"),
        optional("foster"),
    ],
    mark: "entry_date",
};

/// Days expected, attended and absent, per student and school.
pub(crate) const ATTENDANCE: Table = Table {
    name: "attendance_summary",
    columns: &[
        required("student_id"),
        required("school_year"),
        required("school_id"),
        required("days_expected"),
        optional("days_attended"),
        optional("absent_excused"),
        optional("absent_unexcused"),
        optional("absent_oss"),
        optional("absent_incomplete_is"),
        optional("in_school_suspension"),
        optional("exempt"),
    ],
    mark: "days_expected",
};

/// One score per student, test, subject and date.
pub(crate) const ASSESSMENTS: Table = Table {
    name: "assessments",
    columns: &[
        required("student_id"),
        required("test_id"),
        required("school_year"),
        required("subject"),
        required("grade_tested"),
        required("scale_score"),
        required("included"),
        optional("test_date"),
    ],
    mark: "scale_score",
};

const TABLES: [&Table; 3] = [&ENROLLMENTS, &ATTENDANCE, &ASSESSMENTS];

/// Columns that say who a student is: never parsed, and told so.
const NAMES: [&str; 12] = [
    "student_name",
    "name",
    "first_name",
    "last_name",
    "middle_name",
    "firstname",
    "lastname",
    "birth_date",
    "birthdate",
    "date_of_birth",
    "dob",
    "ssn",
];

impl Table {
    /// The place of each of [`Self::columns`] in `header`; faults go to `tally`.
    ///
    /// `None` when this cannot be the table.
    pub(crate) fn places(
        &self,
        header: &[String],
        tally: &mut Tally,
    ) -> Option<Vec<Option<usize>>> {
        let place = |name: &str| header.iter().position(|seen| seen.eq_ignore_ascii_case(name));
        if let Some(twice) = first_double(header) {
            let text = format!("columns {} and {} have one name", twice.0 + 1, twice.1 + 1);
            tally.whole(Rule::E002, Effect::Refused, text);
            return None;
        }
        if let Some(other) = self.mistaken(header) {
            let text = format!(
                "this looks like {} (column {}) but was given as {}",
                other.name, other.mark, self.name
            );
            tally.whole(Rule::E002, Effect::Refused, text);
            return None;
        }
        let missing = self.columns.iter().filter(|one| one.required && place(one.name).is_none());
        let mut complete = true;
        for column in missing {
            let text = format!(
                "no column can supply \"{}\". Columns seen: {}",
                column.name,
                shown(header)
            );
            tally.whole(Rule::E003, Effect::Refused, text);
            complete = false;
        }
        if NAMES.iter().any(|name| place(name).is_some()) {
            let text = "names and birth dates are not needed; dropped at read";
            tally.whole(Rule::W110, Effect::Noted, text.to_owned());
        }
        complete.then(|| self.columns.iter().map(|column| place(column.name)).collect())
    }

    /// The other table whose mark is here when our own is not.
    fn mistaken(&self, header: &[String]) -> Option<&'static Self> {
        let has = |name: &str| header.iter().any(|seen| seen.eq_ignore_ascii_case(name));
        if has(self.mark) {
            return None;
        }
        TABLES.into_iter().find(|other| other.name != self.name && has(other.mark))
    }
}

fn first_double(header: &[String]) -> Option<(usize, usize)> {
    let mut places: Vec<usize> = (0..header.len()).collect();
    let name = |place: usize| header[place].to_ascii_lowercase();
    places.sort_by_key(|place| (name(*place), *place));
    places.windows(2).find(|pair| name(pair[0]) == name(pair[1])).map(|pair| (pair[0], pair[1]))
}

/// The header for a message. A damaged first line may hold a student: the names are shown as they
/// are only when most are known and all could be names of columns; else only those known here.
fn shown(header: &[String]) -> String {
    const NAMES_SHOWN: usize = 24;
    let is_known = |name: &&String| {
        let columns = TABLES.iter().flat_map(|table| table.columns);
        columns.into_iter().any(|column| column.name.eq_ignore_ascii_case(name))
    };
    let known = header.iter().filter(is_known).count();
    if known == 0 {
        return "none by a name known here. Is the first line a header?".to_owned();
    }
    let is_header = 2 * known > header.len() && header.iter().all(|name| could_be_name(name));
    let mut names: Vec<_> = header
        .iter()
        .filter(|name| is_header || is_known(name))
        .map(String::as_str)
        .take(NAMES_SHOWN)
        .collect();
    let others = format!("and {} not known here", header.len() - names.len());
    if names.len() < header.len() {
        names.push(if is_header { "…" } else { &others });
    }
    names.join(", ")
}

/// Letters first, then letters, digits and a few signs: no date, number or id looks like that.
fn could_be_name(text: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"_ -.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(sign)
}
