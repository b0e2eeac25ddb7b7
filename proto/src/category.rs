//! The fixed categories every district codes its records into (docs/INDICATORS.md).
//!
//! In: text of a study, a school table or a canonical file. Out: small enums with one order, one
//! spelling and one index each. Anything spelled otherwise is refused, never guessed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that is none of a category's spellings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {category} {found:?}; expected one of {expected}")]
pub struct CategoryError {
    /// What kind of value was expected, as `grade`.
    pub category: &'static str,
    /// The text found, at most 40 characters of it.
    pub found: String,
    /// All spellings, separated by commas.
    pub expected: String,
}

impl CategoryError {
    /// Longest part of the text found that is repeated in the message, characters.
    const FOUND_MAX: usize = 40;

    fn new<'a>(
        category: &'static str,
        found: &str,
        spellings: impl Iterator<Item = &'a str>,
    ) -> Self {
        let found = found.chars().take(Self::FOUND_MAX).collect();
        Self { category, found, expected: spellings.collect::<Vec<_>>().join(", ") }
    }

    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "category_unknown"
    }
}

/// Gives a category its text form: `Display`, `FromStr` and serde, all by `ALL` and `as_str`.
macro_rules! text {
    ($name:ident, $word:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = CategoryError;

            fn from_str(text: &str) -> Result<Self, CategoryError> {
                let found = Self::ALL.iter().copied().find(|one| one.as_str() == text);
                let spellings = Self::ALL.iter().map(|one| one.as_str());
                found.ok_or_else(|| CategoryError::new($word, text, spellings))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Declares a category of plain variants in their one order.
macro_rules! category {
    ($(#[$about:meta])* $name:ident, $word:literal,
     { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The place in `ALL`.
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        text!($name, $word);
    };
}

mod indicator;

pub use self::indicator::{Band, Better, Construct, Indicator, Preset, Respondent};

category! {
    /// A student's grade, in order of schooling; `UG` (ungraded) last.
    Grade, "grade", {
        /// Transitional kindergarten.
        TK = "TK",
        /// Kindergarten.
        KN = "KN",
        /// Grade 1.
        G01 = "01",
        /// Grade 2.
        G02 = "02",
        /// Grade 3.
        G03 = "03",
        /// Grade 4.
        G04 = "04",
        /// Grade 5.
        G05 = "05",
        /// Grade 6.
        G06 = "06",
        /// Grade 7.
        G07 = "07",
        /// Grade 8.
        G08 = "08",
        /// Grade 9.
        G09 = "09",
        /// Grade 10.
        G10 = "10",
        /// Grade 11.
        G11 = "11",
        /// Grade 12.
        G12 = "12",
        /// Ungraded.
        UG = "UG",
    }
}

category! {
    /// A school's level, as the hub's public table gives it.
    Level, "level", {
        /// Elementary: highest grade at most 6.
        ES = "ES",
        /// Middle: within grades 6 to 8.
        MS = "MS",
        /// High: lowest grade at least 9.
        HS = "HS",
        /// Kindergarten to grade 8.
        K8 = "K8",
        /// Any other span.
        Span = "Span",
        /// Alternative school (DASS).
        Alt = "Alt",
    }
}

category! {
    /// The subject of a test.
    Subject, "subject", {
        /// English language arts, reading.
        Ela = "ELA",
        /// Mathematics.
        Math = "MATH",
        /// Science.
        Sci = "SCI",
        /// English language proficiency.
        Elp = "ELP",
    }
}

category! {
    /// A family of student groups: every student is in exactly one group of each family.
    Family, "family", {
        /// Sex.
        Sex = "sex",
        /// Race and ethnicity, one label per student.
        RaceEthnicity = "race_ethnicity",
        /// English learner.
        El = "el",
        /// Student with disabilities.
        Swd = "swd",
        /// Socioeconomically disadvantaged.
        Sed = "sed",
        /// Homeless.
        Homeless = "homeless",
        /// Foster youth.
        Foster = "foster",
    }
}

impl Family {
    /// The family's groups in order. The last is `unknown`: not supplied, never counted as "no".
    #[must_use]
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Sex => &["F", "M", "X", "unknown"],
            Self::RaceEthnicity => &[
                "Hispanic", "AmIndian", "Asian", "PacIsl", "Filipino", "Black", "White",
                "Multiple", "unknown",
            ],
            Self::El | Self::Swd | Self::Sed | Self::Homeless | Self::Foster => {
                &["yes", "no", "unknown"]
            }
        }
    }
}

category! {
    /// What a table may be broken down by, beside the families.
    Dimension, "dimension", {
        /// The level of the student's school.
        Level = "level",
        /// The student's grade.
        Grade = "grade",
    }
}
