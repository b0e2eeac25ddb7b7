//! What is wrong with a study, where, and what to change.

use std::fmt;

/// A study that was refused. The document is public, so messages may quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// Longer than [`MAX_STUDY_BYTES`](super::MAX_STUDY_BYTES).
    #[error("the study has {bytes} bytes, more than the {most} allowed")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// Not UTF-8.
    #[error("the study is not UTF-8 text (byte {at}); save it as UTF-8")]
    Text {
        /// First bad byte, from 0.
        at: usize,
    },
    /// Not TOML.
    #[error("line {line}: not valid TOML: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What the TOML reader says.
        what: String,
    },
    /// A key that no study has.
    #[error("line {line}: {what}")]
    UnknownKey {
        /// Line, from 1.
        line: usize,
        /// The key found and the keys that exist.
        what: String,
    },
    /// A required key that is missing.
    #[error("line {line}: {what}")]
    MissingKey {
        /// Line of the section, from 1.
        line: usize,
        /// The key.
        what: String,
    },
    /// A value of the wrong type or spelling.
    #[error("line {line}: {what}")]
    Type {
        /// Line, from 1.
        line: usize,
        /// What was found and what was expected.
        what: String,
    },
    /// A value that cannot be.
    #[error("{place}: {what}")]
    Value {
        /// Section and key.
        place: String,
        /// What is wrong and what to write.
        what: String,
    },
    /// The same thing twice.
    #[error("{place}: {what} is given twice; remove one")]
    Duplicate {
        /// Section and key.
        place: String,
        /// What is there twice.
        what: String,
    },
    /// More of something than a study may have.
    #[error("{place}: {found} given, at most {most} allowed")]
    Limit {
        /// Section and key.
        place: String,
        /// How many were found.
        found: usize,
        /// How many are allowed.
        most: usize,
    },
    /// Numbers of districts that cannot protect anybody (docs/PRIVACY.md §2).
    #[error("with {n} districts: {what}")]
    Cohort {
        /// Districts at the start of the round.
        n: u16,
        /// Which condition fails and which number to change.
        what: String,
    },
}

impl StudyError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "study_too_large",
            Self::Text { .. } => "study_not_text",
            Self::Syntax { .. } => "study_syntax",
            Self::UnknownKey { .. } => "study_unknown_key",
            Self::MissingKey { .. } => "study_missing_key",
            Self::Type { .. } | Self::Value { .. } => "study_value",
            Self::Duplicate { .. } => "study_duplicate",
            Self::Limit { .. } => "study_limit",
            Self::Cohort { .. } => "cohort_arithmetic",
        }
    }

    pub(super) fn value(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::Value { place: place.to_string(), what: what.to_string() }
    }

    pub(super) fn duplicate(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::Duplicate { place: place.to_string(), what: what.to_string() }
    }

    pub(super) fn limit(place: impl fmt::Display, found: usize, most: usize) -> Self {
        Self::Limit { place: place.to_string(), found, most }
    }

    pub(super) fn cohort(n: u16, what: impl fmt::Display) -> Self {
        Self::Cohort { n, what: what.to_string() }
    }
}
