//! The canonical tables this version reads: their files, columns and what tells them apart.
//!
//! In: a file's header and the folder's [`Mapping`]. Out: where each needed column stands, or why this
//! is not the file (E002) or not enough of it (E003). Only the columns listed here are ever parsed;
//! names and birth dates are dropped at read (W110).
//!
//! A column goes by its canonical name, by the name that `mapping.toml` gives for it, or by an alias:
//! a name that exports of Ed-Fi use for the same thing. Aliases used are told (W109). Nothing else is
//! guessed.

mod codes;
mod specs;

use super::{
    mapping::Mapping,
    report::{Effect, Rule, Tally},
};

pub(crate) use self::codes::{LEAVE_OUT, NOT_SUPPLIED};
pub(crate) use self::specs::{
    ALL, ASSESSMENTS, ATTENDANCE, COURSE_GRADES, DAILY, DISCIPLINE, EL_HISTORY, ENROLLMENTS,
    GRADUATION, INTERVENTIONS, POSTSECONDARY, PRIOR_SCORES, SCHOOLS, STUDENT_FLAGS, SURVEY,
};

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An id: text, whatever it looks like.
    Id,
    /// A code of a list, with the codes of Ed-Fi exports that mean one of it: from, to.
    Code(&'static [(&'static str, &'static str)]),
    /// A date, number or flag.
    Value,
}

/// One column of a canonical table.
pub(crate) struct Column {
    /// Its name in the header; letter case does not matter there.
    pub(crate) name: &'static str,
    /// Names that exports of Ed-Fi have for it.
    pub(crate) aliases: &'static [&'static str],
    /// Whether the file must have it.
    pub(crate) required: bool,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// One canonical table.
pub(crate) struct Table {
    /// Its name, and its file's without `.csv` or `.parquet`.
    pub(crate) name: &'static str,
    /// The columns read, in the order their places are given in.
    pub(crate) columns: &'static [Column],
    /// Most rows of its file.
    pub(crate) rows_max: u64,
    /// Largest file, bytes.
    pub(crate) bytes_max: u64,
    /// A column no other table has.
    mark: &'static str,
}

/// Where a file's columns stand.
pub(crate) struct Places {
    /// By the table's columns: the place in the header.
    pub(crate) at: Vec<Option<usize>>,
    /// Whether some column came by an alias: an export of Ed-Fi.
    pub(crate) is_export: bool,
}

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
    /// The place of a column, for constants: a name that is not there does not compile.
    pub(crate) const fn place(&self, name: &str) -> usize {
        let mut at = 0;
        while at < self.columns.len() && !is_same(self.columns[at].name, name) {
            at += 1;
        }
        assert!(at < self.columns.len(), "no such column");
        at
    }

    /// The place of each of [`Self::columns`] in `header`; faults go to `tally`.
    ///
    /// `None` when this cannot be the table, or it is left out.
    pub(crate) fn places(
        &self,
        header: &[String],
        mapping: &Mapping,
        tally: &mut Tally,
    ) -> Option<Places> {
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
        let mut told = Vec::new();
        let at: Option<Vec<_>> = self
            .columns
            .iter()
            .map(|one| self.column(one, header, mapping, tally, &mut told))
            .collect();
        let at = at?;
        let is_export = !told.is_empty();
        if is_export {
            let text =
                format!("columns read under the names of an Ed-Fi export: {}", told.join(", "));
            tally.whole(Rule::W109, Effect::Noted, text);
        }
        let is_complete = self.is_complete(header, &at, is_export, tally);
        if NAMES.iter().any(|name| place(header, name).is_some()) {
            let text = "names and birth dates are not needed; dropped at read";
            tally.whole(Rule::W110, Effect::Noted, text.to_owned());
        }
        is_complete.then_some(Places { at, is_export })
    }

    /// Where one column stands; the outer `None` when `mapping.toml` names a column that is not there.
    fn column(
        &self,
        column: &Column,
        header: &[String],
        mapping: &Mapping,
        tally: &mut Tally,
        told: &mut Vec<String>,
    ) -> Option<Option<usize>> {
        if let Some(mapped) = mapping.column(self.name, column.name) {
            let found = place(header, mapped);
            if found.is_none() {
                let text = format!(
                    "mapping.toml takes \"{}\" from a column that is not there. Columns seen: {}",
                    column.name,
                    shown(header)
                );
                tally.whole(Rule::E003, Effect::Refused, text);
                return None;
            }
            return Some(found);
        }
        if let Some(at) = place(header, column.name) {
            return Some(Some(at));
        }
        let alias = column.aliases.iter().find_map(|name| Some((name, place(header, name)?)));
        Some(alias.map(|(name, at)| {
            told.push(format!("{name} as {}", column.name));
            at
        }))
    }

    /// Whether every required column is there. An export has what its source has: a table that lacks
    /// something is left out and the others stand; any other file is refused, as something went wrong.
    fn is_complete(
        &self,
        header: &[String],
        at: &[Option<usize>],
        is_export: bool,
        tally: &mut Tally,
    ) -> bool {
        let is_left_out = is_export && self.name != ENROLLMENTS.name;
        let mut complete = true;
        let places = self.columns.iter().zip(at);
        for (column, _) in places.filter(|(column, at)| column.required && at.is_none()) {
            let mut text = format!(
                "no column can supply \"{0}\". Columns seen: {1}. If one of them is it, add to \
                 mapping.toml under [{2}.columns] a line {0} = \"ITS NAME\"",
                column.name,
                shown(header),
                self.name
            );
            if is_left_out {
                text.push_str("; the whole table is left out");
            }
            let effect = if is_left_out { Effect::LeftOut } else { Effect::Refused };
            tally.whole(Rule::E003, effect, text);
            complete = false;
        }
        complete
    }

    /// The other table whose mark is here when our own is not.
    fn mistaken(&self, header: &[String]) -> Option<&'static Self> {
        if place(header, self.mark).is_some() {
            return None;
        }
        ALL.into_iter().find(|other| other.name != self.name && place(header, other.mark).is_some())
    }
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

fn place(header: &[String], name: &str) -> Option<usize> {
    header.iter().position(|seen| seen.eq_ignore_ascii_case(name))
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
        let mut columns = ALL.iter().flat_map(|table| table.columns);
        columns.any(|column| {
            std::iter::once(&column.name)
                .chain(column.aliases)
                .any(|one| one.eq_ignore_ascii_case(name))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_alias_or_mark_of_a_table_is_a_column_of_it_or_of_two_of_its_columns() {
        for table in ALL {
            let mut names: Vec<&str> = Vec::new();
            for column in table.columns {
                names.push(column.name);
                names.extend(column.aliases);
            }
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", table.name);
            for other in ALL.iter().filter(|other| other.name != table.name) {
                let has = |column: &Column| column.name == table.mark;
                assert!(!other.columns.iter().any(has), "{} {}", table.name, other.name);
            }
        }
    }
}
