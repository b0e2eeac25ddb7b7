//! `mapping.toml`: a district's own column names and codes, beside its files.
//!
//! In: the file's text. Out: a [`Mapping`]. It stands in the folder with the tables:
//!
//! ```toml
//! [enrollments.columns]        # canonical name = the name in the file
//! grade = "GradeLvl"
//!
//! [discipline.values.result]   # code in the file = canonical code
//! "SUSP-H" = "oss"             # "" reads it as not supplied, "-" leaves the row out; both are told
//! ```
//!
//! Promise: a table, column or key that is not known here is an error, so a misspelled line is never
//! ignored. Nothing of it is shown in a report but canonical names and counts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use flashlight_store::{StoreError, files::read_limited};
use serde::Deserialize;

use super::tables::{ALL, Kind};

/// The file's name.
pub(crate) const FILE: &str = "mapping.toml";

/// Largest mapping, bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// It cannot be read.
    #[error("cannot read mapping.toml")]
    Read(#[source] StoreError),
    /// It is no TOML, or has a key that is not `columns` or `values`.
    #[error(
        "mapping.toml is not valid (line {line}): below [TABLE.columns] and [TABLE.values.COLUMN] stand lines NAME = \"TEXT\""
    )]
    Syntax {
        /// From 1; 0 where it is not known.
        line: usize,
    },
    /// It names what is not known.
    #[error(
        "mapping.toml: {what} at [{place}] is not known; docs/INDICATORS.md §1 lists tables and columns"
    )]
    Unknown {
        /// Table, column or code list.
        what: &'static str,
        /// Where, by the part that is known.
        place: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, String>>,
}

/// A folder's own names and codes.
#[derive(Default)]
pub(crate) struct Mapping(BTreeMap<String, Raw>);

impl Mapping {
    /// The mapping of `folder`; an empty one where there is no file.
    pub(crate) fn of(folder: &Path) -> Result<Self, MappingError> {
        let path: PathBuf = folder.join(FILE);
        if path.symlink_metadata().is_err() {
            return Ok(Self::default());
        }
        let bytes = read_limited(&path, BYTES_MAX).map_err(MappingError::Read)?;
        let text = str::from_utf8(&bytes).map_err(|_| MappingError::Syntax { line: 0 })?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, MappingError> {
        let raw: BTreeMap<String, Raw> = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| 1 + text[..span.start].matches('\n').count());
            MappingError::Syntax { line }
        })?;
        for (name, one) in &raw {
            let unknown =
                |what, place: &str| MappingError::Unknown { what, place: place.to_owned() };
            let table = ALL
                .into_iter()
                .find(|table| table.name == name)
                .ok_or_else(|| unknown("the table", name))?;
            let column = |name: &String| table.columns.iter().find(|column| column.name == name);
            for name in one.columns.keys() {
                column(name)
                    .ok_or_else(|| unknown("a column", &format!("{}.columns", table.name)))?;
            }
            for name in one.values.keys() {
                let has_codes = column(name).is_some_and(|column| column.kind != Kind::Id);
                if !has_codes {
                    return Err(unknown("a column with codes", &format!("{}.values", table.name)));
                }
            }
        }
        Ok(Self(raw))
    }

    /// The name in the file of a canonical column.
    pub(crate) fn column(&self, table: &str, column: &str) -> Option<&str> {
        self.0.get(table)?.columns.get(column).map(String::as_str)
    }

    /// The codes of a column: in the file, canonical.
    pub(crate) fn values(&self, table: &str, column: &str) -> Option<&BTreeMap<String, String>> {
        self.0.get(table)?.values.get(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_gives_names_and_codes() {
        let text = "[enrollments.columns]\ngrade = \"GradeLvl\"\n\
                    [discipline.values.result]\n\"SUSP-H\" = \"oss\"\n";
        let mapping = Mapping::parse(text).unwrap();
        assert_eq!(mapping.column("enrollments", "grade"), Some("GradeLvl"));
        assert_eq!(mapping.values("discipline", "result").unwrap()["SUSP-H"], "oss");
        assert!(mapping.column("discipline", "grade").is_none());
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for text in [
            "[enrolments.columns]\ngrade = \"a\"\n",
            "[enrollments.columns]\ngrad = \"a\"\n",
            "[enrollments.colums]\ngrade = \"a\"\n",
            "[enrollments.values.grad]\na = \"b\"\n",
            "[enrollments.values.student_id]\na = \"b\"\n",
            "[enrollments\n",
        ] {
            assert!(Mapping::parse(text).is_err(), "{text}");
        }
    }
}
