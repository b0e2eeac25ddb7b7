//! How often each code stands in a column, and how many rows fill each column.
//!
//! In: every field of a file while it is read. Out: counts by code. Promise: a text is counted by name
//! only when it is one of the codes known here; anything else is counted as "not a code", so that a
//! column of names or ids given in the wrong place is never listed.

use serde::Serialize;

/// Counts of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnCounts {
    /// The column's name in the canonical table.
    pub column: &'static str,
    /// Rows with a value.
    pub filled: u64,
    /// Rows without one.
    pub empty: u64,
    /// Of a coded column: each known code as it is written, with its rows.
    pub codes: Vec<(&'static str, u64)>,
    /// Of a coded column: rows with a text that is no code known here.
    pub others: u64,
}

const FLAGS: &[&str] =
    &["true", "false", "Y", "N", "1", "0", "yes", "no", "TRUE", "FALSE", "True", "False", "y", "n"];
const GRADES: &[&str] = &[
    "TK", "KN", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "UG", "1",
    "2", "3", "4", "5", "6", "7", "8", "9",
];
const ELAS: &[&str] = &["EO", "EL", "IFEP", "RFEP", "TBD", "ADEL"];
const YEARS: &[&str] = &[
    "2012", "2013", "2014", "2015", "2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023",
    "2024", "2025", "2026", "2027", "2028", "2029", "2030", "2031", "2032", "2033", "2034", "2035",
];
const LETTERS: &[&str] = &[
    "A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "D-", "F", "P", "NP", "CR", "NC",
    "I", "W",
];

/// The codes of a column by its name; `None`: it is not coded.
#[must_use]
pub(crate) fn codes(column: &str) -> Option<&'static [&'static str]> {
    Some(match column {
        "school_year" | "cohort_year" | "as_of_year" | "first_9th_year" => YEARS,
        "grade" | "grade_tested" | "grade_low" | "grade_high" => GRADES,
        "el" | "swd" | "sed" | "frpm" | "homeless" | "foster" | "migrant" | "military"
        | "exempt" | "included" | "statutory" | "met_ag" | "charter" => FLAGS,
        "sex" => &["F", "M", "X"],
        "race_ethnicity" => &[
            "Hispanic", "AmIndian", "Asian", "PacIsl", "Filipino", "Black", "White", "Multiple",
            "Missing",
        ],
        "elas" => ELAS,
        "parent_education" => &["1", "2", "3", "4", "5"],
        "enrollment_status" => &["primary", "secondary", "short", "non_ada"],
        "category" => {
            &["present", "absent_excused", "absent_unexcused", "tardy", "partial", "oss", "iss"]
        }
        "test_id" => &[
            "CAASPP-SBAC",
            "CAA",
            "CAST",
            "ELPAC",
            "ALT-ELPAC",
            "iReady",
            "MAP",
            "STAR",
            "SBAC",
            "CAASPP",
        ],
        "subject" => &["ELA", "MATH", "SCI", "ELP", "HSS", "LANG", "VPA", "ELEC", "OTHER"],
        "admin" => &["summative", "interim", "BOY", "MOY", "EOY"],
        "performance_level" => &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
        "source" => &["carried", "own"],
        "years_back" => &["1", "2", "3"],
        "result" => &["oss", "iss", "expulsion", "other", "none"],
        "final_grade" => LETTERS,
        "ag_code" => &["A", "B", "C", "D", "E", "F", "G"],
        "outcome" => {
            &["diploma", "certificate", "equivalency", "dropout", "still_enrolled", "removed"]
        }
        "respondent" => &["student", "staff", "parent"],
        "scale" => &[
            "support",
            "belonging",
            "rules",
            "safety",
            "growth_mindset",
            "self_efficacy",
            "self_management",
            "social_awareness",
        ],
        "value" => &["1", "2", "3", "4", "5", "6", "7"],
        "level" => &["2yr", "4yr", "ES", "MS", "HS", "K8", "Span", "Alt"],
        _ => return None,
    })
}

/// Counts of a file's columns on the way.
pub(crate) struct Counting {
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    filled: u64,
    codes: &'static [&'static str],
    counts: Vec<u64>,
    others: u64,
    /// The code seen last, which is often the next one.
    last: usize,
}

impl Counting {
    /// For the columns of a table, by their place there.
    pub(crate) fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let column = |name| {
            let codes = codes(name).unwrap_or(&[]);
            Column { name, filled: 0, codes, counts: vec![0; codes.len()], others: 0, last: 0 }
        };
        Self { columns: names.into_iter().map(column).collect() }
    }

    /// Counts one trimmed field; an empty one is not filled.
    pub(crate) fn see(&mut self, column: usize, text: &str) {
        let Some(column) = self.columns.get_mut(column) else { return };
        if text.is_empty() {
            return;
        }
        column.filled += 1;
        if column.codes.is_empty() {
            return;
        }
        if column.codes.get(column.last) != Some(&text) {
            match column.codes.iter().position(|code| *code == text) {
                Some(place) => column.last = place,
                None => {
                    column.others += 1;
                    return;
                }
            }
        }
        column.counts[column.last] += 1;
    }

    /// The counts over `rows` rows of the columns that `has` says are there.
    pub(crate) fn counts(self, rows: u64, has: impl Fn(usize) -> bool) -> Vec<ColumnCounts> {
        let columns = self.columns.into_iter().enumerate().filter(|(at, _)| has(*at));
        columns
            .map(|(_, column)| {
                let codes = column.codes.iter().copied().zip(column.counts);
                ColumnCounts {
                    column: column.name,
                    filled: column.filled,
                    empty: rows.saturating_sub(column.filled),
                    codes: codes.filter(|(_, count)| *count > 0).collect(),
                    others: column.others,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_code_is_counted_and_never_named() {
        let mut counting = Counting::new(["student_id", "sex"]);
        for (id, sex) in [("1", "F"), ("2", "F"), ("3", "Garcia"), ("4", "")] {
            counting.see(0, id);
            counting.see(1, sex);
        }
        let counts = counting.counts(4, |_| true);
        assert_eq!((counts[0].filled, counts[0].codes.len()), (4, 0));
        assert_eq!(counts[1].codes, [("F", 2)]);
        assert_eq!((counts[1].others, counts[1].empty), (1, 1));
    }
}
