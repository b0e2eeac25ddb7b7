//! The hub's public school table: which schools exist, whose they are and which grades they offer.
//!
//! In: the exact bytes of a CSV file (RFC 4180, UTF-8, one row per school and school year), whose
//! hash stands in the study. Out: a checked [`SchoolTable`] with one order, by row. What a study
//! counts is gated by this public table alone, never by a private count. Touches nothing.

mod csv;

use std::collections::BTreeMap;

use crate::{
    canonical::Digest,
    category::{Grade, Level},
    identity::DistrictId,
};

/// Largest school table, bytes.
pub const MAX_SCHOOLS_BYTES: usize = 16 * 1024 * 1024;
/// Most rows: schools × school years.
pub const MAX_SCHOOL_ROWS: usize = 200_000;
/// Longest value, bytes.
const VALUE_MAX: usize = 200;

/// The columns every table has.
const REQUIRED: [&str; 7] =
    ["school_id", "school_year", "school_name", "district_id", "level", "grade_low", "grade_high"];
/// The columns a table may have.
const OPTIONAL: [&str; 7] =
    ["county", "enrollment", "size_band", "poverty_quintile", "charter", "locale", "contact"];

/// How columns begin whose numbers growth models may take as public regressors.
pub const PUBLIC_PREFIX: &str = "public_";
/// Most such columns.
const PUBLIC_MAX: usize = 64;
/// Grid of their numbers: hundredths.
pub const PUBLIC_UNITS: u32 = 100;
/// Largest of their numbers, either side of 0.
const PUBLIC_MOST: i64 = 1_000_000;

/// A school table that was refused. The file is public, so messages may quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchoolsError {
    /// Longer than [`MAX_SCHOOLS_BYTES`].
    #[error("the school table has {bytes} bytes, more than the {MAX_SCHOOLS_BYTES} allowed")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
    },
    /// More than [`MAX_SCHOOL_ROWS`] rows.
    #[error("the school table has more than {MAX_SCHOOL_ROWS} rows")]
    TooManyRows,
    /// Not UTF-8.
    #[error("the school table is not UTF-8 text (byte {at}); save it as CSV UTF-8")]
    Text {
        /// First bad byte, from 0.
        at: usize,
    },
    /// No row beside the header.
    #[error("the school table has no schools")]
    Empty,
    /// Not CSV.
    #[error("line {line}: {what}")]
    Csv {
        /// Line, from 1 (the header).
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A column is missing, unknown or there twice.
    #[error("header: {what}")]
    Header {
        /// Which column, and which exist.
        what: String,
    },
    /// A value that cannot be.
    #[error("line {line}, {column}: {what}")]
    Value {
        /// Line, from 1 (the header).
        line: usize,
        /// Column name.
        column: &'static str,
        /// What is wrong and what to write.
        what: String,
    },
    /// A school stands twice in one year.
    #[error("line {line}: school {school_id} is already given for {school_year} on line {first}")]
    Duplicate {
        /// Line, from 1 (the header).
        line: usize,
        /// Line of the first row.
        first: usize,
        /// The school.
        school_id: String,
        /// The school year.
        school_year: i16,
    },
    /// A school is given to two districts.
    #[error(
        "line {line}: school {school_id} belongs to district {first_district} on line {first}; \
         a school belongs to one district in all years"
    )]
    District {
        /// Line, from 1 (the header).
        line: usize,
        /// Line of the first row.
        first: usize,
        /// The school.
        school_id: String,
        /// The district of the first row.
        first_district: DistrictId,
    },
}

impl SchoolsError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooManyRows => "schools_too_large",
            Self::Text { .. } => "schools_not_text",
            Self::Empty => "schools_empty",
            Self::Csv { .. } => "schools_csv",
            Self::Header { .. } => "schools_header",
            Self::Value { .. } => "schools_value",
            Self::Duplicate { .. } => "schools_duplicate",
            Self::District { .. } => "schools_district",
        }
    }
}

/// One school in one school year. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct School {
    /// The school's id: a string, leading zeros kept.
    pub school_id: String,
    /// Spring year.
    pub school_year: i16,
    /// The district, in all years.
    pub district: DistrictId,
    /// Name for people.
    pub name: String,
    /// Level.
    pub level: Level,
    /// Lowest grade offered.
    pub grade_low: Grade,
    /// Highest grade offered, not below `grade_low`.
    pub grade_high: Grade,
    /// County name.
    pub county: Option<String>,
    /// Census-Day enrolment, students.
    pub enrollment: Option<u32>,
    /// Size band, as the hub names it.
    pub size_band: Option<String>,
    /// Poverty quintile, 1 to 5.
    pub poverty_quintile: Option<u8>,
    /// Whether it is a charter school.
    pub charter: Option<bool>,
    /// Locale, as the hub names it.
    pub locale: Option<String>,
    /// Contact, by consent.
    pub contact: Option<String>,
    /// What its columns `public_…` say, hundredths, by column; those that are empty are not there.
    pub public: BTreeMap<String, i64>,
}

impl School {
    /// The grades it offers, lowest first.
    pub fn grades(&self) -> impl Iterator<Item = Grade> {
        let offered = self.grade_low..=self.grade_high;
        Grade::ALL.iter().copied().filter(move |grade| offered.contains(grade))
    }
}

/// The checked school table, in the order of the file.
#[derive(Clone, Debug)]
pub struct SchoolTable {
    schools: Vec<School>,
    by_id: BTreeMap<String, BTreeMap<i16, usize>>,
    by_district: BTreeMap<DistrictId, Vec<usize>>,
    hash: Digest,
}

impl SchoolTable {
    /// Reads a table from the exact bytes of its file.
    ///
    /// # Errors
    /// [`SchoolsError`] naming line, column and what to change.
    pub fn parse(csv: &[u8]) -> Result<Self, SchoolsError> {
        if csv.len() > MAX_SCHOOLS_BYTES {
            return Err(SchoolsError::TooLarge { bytes: csv.len() });
        }
        let text = std::str::from_utf8(csv)
            .map_err(|error| SchoolsError::Text { at: error.valid_up_to() })?;
        let mut rows = csv::Rows::new(text);
        let header = rows.next().ok_or(SchoolsError::Empty)??;
        let columns = Columns::read(&header.fields)?;
        let mut table = Self {
            schools: Vec::new(),
            by_id: BTreeMap::new(),
            by_district: BTreeMap::new(),
            hash: Digest::of(csv),
        };
        let mut lines = Vec::new();
        for row in rows {
            let row = row?;
            if lines.len() == MAX_SCHOOL_ROWS {
                return Err(SchoolsError::TooManyRows);
            }
            table.add(columns.school(&row)?, row.line, &lines)?;
            lines.push(row.line);
        }
        if table.schools.is_empty() { Err(SchoolsError::Empty) } else { Ok(table) }
    }

    /// Adds the school of `line`; `lines` are those of the schools before it.
    fn add(&mut self, school: School, line: usize, lines: &[usize]) -> Result<(), SchoolsError> {
        let index = self.schools.len();
        let years = self.by_id.entry(school.school_id.clone()).or_default();
        if let Some(first) = years.get(&school.school_year) {
            return Err(SchoolsError::Duplicate {
                line,
                first: lines[*first],
                school_id: school.school_id,
                school_year: school.school_year,
            });
        }
        if let Some(first) = years.values().next()
            && self.schools[*first].district != school.district
        {
            return Err(SchoolsError::District {
                line,
                first: lines[*first],
                school_id: school.school_id,
                first_district: self.schools[*first].district.clone(),
            });
        }
        years.insert(school.school_year, index);
        self.by_district.entry(school.district.clone()).or_default().push(index);
        self.schools.push(school);
        Ok(())
    }

    /// SHA-256 of the exact bytes it was parsed from.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The school in that school year.
    #[must_use]
    pub fn find(&self, school_id: &str, year: i16) -> Option<&School> {
        self.by_id.get(school_id)?.get(&year).map(|index| &self.schools[*index])
    }

    /// The district's schools, all years, in the order of the file.
    pub fn of_district(&self, district: &DistrictId) -> impl Iterator<Item = &School> {
        self.by_district.get(district).into_iter().flatten().map(|index| &self.schools[*index])
    }

    /// All schools, all years, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &School> {
        self.schools.iter()
    }

    /// The schools that offer a grade in a year: a district's, or all.
    pub fn offering<'a>(
        &'a self,
        year: i16,
        grade: Grade,
        district: Option<&'a DistrictId>,
    ) -> impl Iterator<Item = &'a School> {
        self.iter().filter(move |school| {
            school.school_year == year
                && district.is_none_or(|one| school.district == *one)
                && school.grades().any(|its| its == grade)
        })
    }
}

/// Where each column stands in the file.
struct Columns {
    known: BTreeMap<&'static str, usize>,
    public: BTreeMap<String, usize>,
}

impl Columns {
    fn read(header: &[String]) -> Result<Self, SchoolsError> {
        let wrong = |what: String| SchoolsError::Header { what };
        let mut columns = BTreeMap::new();
        let mut public = BTreeMap::new();
        for (index, name) in header.iter().enumerate() {
            if name.starts_with(PUBLIC_PREFIX) {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                if name.len() > 40 || !name.chars().all(fits) || public.len() == PUBLIC_MAX {
                    return Err(wrong(format!(
                        "column {PUBLIC_PREFIX}… number {}: names have small letters, digits and _, at \
                         most 40, and there are at most {PUBLIC_MAX}",
                        public.len() + 1
                    )));
                }
                if public.insert(name.clone(), index).is_some() {
                    return Err(wrong(format!("column {name} is there twice; remove one")));
                }
                continue;
            }
            let Some(known) = REQUIRED.iter().chain(&OPTIONAL).find(|known| *known == name) else {
                let name: String = name.chars().take(40).collect();
                return Err(wrong(format!(
                    "unknown column {name:?}; columns are {}, and, if there, {}, and {PUBLIC_PREFIX}… for \
                     growth models",
                    REQUIRED.join(", "),
                    OPTIONAL.join(", ")
                )));
            };
            if columns.insert(*known, index).is_some() {
                return Err(wrong(format!("column {known} is there twice; remove one")));
            }
        }
        match REQUIRED.iter().find(|name| !columns.contains_key(*name)) {
            Some(missing) => Err(wrong(format!("column {missing} is missing"))),
            None => Ok(Self { known: columns, public }),
        }
    }

    fn school(&self, row: &csv::Row) -> Result<School, SchoolsError> {
        let columns = self.known.len() + self.public.len();
        if row.fields.len() != columns {
            let what =
                format!("expected {columns} values as in the header, found {}", row.fields.len());
            return Err(SchoolsError::Csv { line: row.line, what });
        }
        let school = School {
            school_id: self.required(row, "school_id")?.to_owned(),
            school_year: self.parsed(row, "school_year")?,
            district: self.parsed(row, "district_id")?,
            name: self.required(row, "school_name")?.to_owned(),
            level: self.parsed(row, "level")?,
            grade_low: self.parsed(row, "grade_low")?,
            grade_high: self.parsed(row, "grade_high")?,
            county: self.text(row, "county")?,
            enrollment: self.maybe(row, "enrollment")?,
            size_band: self.text(row, "size_band")?,
            poverty_quintile: self.maybe(row, "poverty_quintile")?,
            charter: self.maybe(row, "charter")?,
            locale: self.text(row, "locale")?,
            contact: self.text(row, "contact")?,
            public: self.public(row)?,
        };
        let wrong = |column, what: &str| {
            Err(SchoolsError::Value { line: row.line, column, what: what.to_owned() })
        };
        if !(1900..=2199).contains(&school.school_year) {
            return wrong("school_year", "is not a year such as 2024");
        }
        if school.grade_low > school.grade_high {
            return wrong("grade_low", "is above grade_high");
        }
        if school.poverty_quintile.is_some_and(|quintile| !(1..=5).contains(&quintile)) {
            return wrong("poverty_quintile", "must be 1 to 5");
        }
        Ok(school)
    }

    /// The value, empty when the column or the value is not there.
    fn value<'a>(&self, row: &'a csv::Row, column: &'static str) -> Result<&'a str, SchoolsError> {
        let value = self.known.get(column).map_or("", |index| row.fields[*index].as_str());
        let wrong = |what: String| Err(SchoolsError::Value { line: row.line, column, what });
        if value.len() > VALUE_MAX {
            return wrong(format!("is longer than {VALUE_MAX} bytes"));
        }
        if value.contains(char::is_control) {
            return wrong("holds a line break or another control character".to_owned());
        }
        if value.trim() != value {
            return wrong("begins or ends with a space".to_owned());
        }
        Ok(value)
    }

    fn public(&self, row: &csv::Row) -> Result<BTreeMap<String, i64>, SchoolsError> {
        let filled = self.public.iter().filter(|(_, index)| !row.fields[**index].is_empty());
        let one = |(name, index): (&String, &usize)| {
            let units = hundredths(&row.fields[*index]).ok_or_else(|| SchoolsError::Value {
                line: row.line,
                column: PUBLIC_PREFIX,
                what: format!(
                    "{name} must be a number with at most two decimals, at most {PUBLIC_MOST} either \
                     side of 0, or empty"
                ),
            })?;
            Ok((name.clone(), units))
        };
        filled.map(one).collect()
    }

    fn required<'a>(
        &self,
        row: &'a csv::Row,
        column: &'static str,
    ) -> Result<&'a str, SchoolsError> {
        let value = self.value(row, column)?;
        if value.is_empty() {
            return Err(SchoolsError::Value {
                line: row.line,
                column,
                what: "is empty".to_owned(),
            });
        }
        Ok(value)
    }

    fn parsed<T>(&self, row: &csv::Row, column: &'static str) -> Result<T, SchoolsError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.required(row, column)?.parse().map_err(|error: T::Err| SchoolsError::Value {
            line: row.line,
            column,
            what: error.to_string(),
        })
    }

    fn maybe<T>(&self, row: &csv::Row, column: &'static str) -> Result<Option<T>, SchoolsError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        if self.value(row, column)?.is_empty() {
            Ok(None)
        } else {
            self.parsed(row, column).map(Some)
        }
    }

    fn text(&self, row: &csv::Row, column: &'static str) -> Result<Option<String>, SchoolsError> {
        let value = self.value(row, column)?;
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }
}

/// A number with at most two decimals, in hundredths.
fn hundredths(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (is_number(whole, 7) && is_number(part, 2)).then_some(())?;
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    let units = whole.parse::<i64>().ok()? * i64::from(PUBLIC_UNITS) + part;
    (units <= PUBLIC_MOST * i64::from(PUBLIC_UNITS)).then_some(sign * units)
}

#[cfg(test)]
mod tests {
    use super::hundredths;

    #[test]
    fn public_numbers_have_at_most_two_decimals() {
        for (text, units) in [("0", 0), ("37.5", 3_750), ("-0.07", -7), ("2412.25", 241_225)] {
            assert_eq!(hundredths(text), Some(units), "{text}");
        }
        for bad in ["", ".5", "5.", "1.234", "1e3", "NaN", "+1", "1000000.01", "--1", " 1"] {
            assert_eq!(hundredths(bad), None, "{bad}");
        }
    }
}
