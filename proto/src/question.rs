//! What a round asks of the records: the unit in which nodes and hub count sets of survivors.
//!
//! Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::layout;
use crate::study::{Date, Study};

/// Longest name of a measure, bytes.
const MEASURE_MAX: usize = 64;

/// One question: what is measured, in which school year, as of which date. Shown and written as
/// `math/2024@2024-06-30`.
///
/// Mean, distance and share of one subject are one question: they read the same scores, so two of
/// them over cohorts one district apart would give that district's numbers away as one would.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What the indicator reads ([`Indicator::measure`](crate::category::Indicator::measure)).
    pub measure: String,
    /// Measured, spring year.
    pub school_year: i16,
    /// The records as they stood on this date.
    pub as_of: Date,
}

impl Question {
    /// All questions a study asks.
    #[must_use]
    pub fn of_study(study: &Study) -> BTreeSet<Self> {
        let growth = study.growth.iter().map(|spec| Self {
            // All models of one outcome are one question: they regress the same scores.
            measure: format!("growth_{}", spec.subject.as_str().to_lowercase()),
            school_year: study.school_year,
            as_of: study.as_of,
        });
        layout::questions(study).into_iter().map(Self::from).chain(growth).collect()
    }

    /// Whether both ask for the same, as of whatever dates.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.measure == other.measure && self.school_year == other.school_year
    }
}

impl From<layout::Question> for Question {
    fn from(asked: layout::Question) -> Self {
        let layout::Question { indicator, year, as_of } = asked;
        let measure = indicator.measure();
        Self { measure, school_year: year, as_of }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.measure, self.school_year, self.as_of)
    }
}

/// Text that is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a question; write MEASURE/SCHOOL-YEAR@DATE, such as math/2024@2024-06-30")]
pub struct QuestionError;

impl FromStr for Question {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let (measure, rest) = text.split_once('/').ok_or(QuestionError)?;
        let (year, as_of) = rest.split_once('@').ok_or(QuestionError)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=MEASURE_MAX).contains(&measure.len()) || !measure.bytes().all(allowed) {
            return Err(QuestionError);
        }
        let school_year = year.parse().map_err(|_| QuestionError)?;
        let as_of = as_of.parse().map_err(|_| QuestionError)?;
        let question = Self { measure: measure.to_owned(), school_year, as_of };
        if question.to_string() == text { Ok(question) } else { Err(QuestionError) }
    }
}

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::category::{Indicator, Subject};

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn mean_distance_and_share_of_one_subject_are_one_question() {
        let ask = |indicator| {
            let as_of = date("2024-06-30");
            Question::from(layout::Question { indicator, year: 2024, as_of })
        };
        let math = ask(Indicator::Mean(Subject::Math));
        assert_eq!(math, ask(Indicator::Met(Subject::Math)));
        assert_eq!(math, ask(Indicator::Dfs(Subject::Math)));
        assert_ne!(math, ask(Indicator::Met(Subject::Ela)));
        assert_eq!(math.to_string(), "math/2024@2024-06-30");
        assert_ne!(ask(Indicator::Students), ask(Indicator::ChronicAbsenteeism));
    }

    #[test]
    fn indicators_of_the_same_records_are_one_question_and_others_are_not() {
        let measure = |name: &str| name.parse::<Indicator>().unwrap().measure();
        for (one, two) in [
            ("attendance_at_risk", "chronic_absenteeism"),
            ("expulsion", "suspension"),
            ("math_participation", "math_met"),
            ("graduation_5yr", "dropout"),
            ("graduation_rate", "ag_completion"),
            ("college_going", "graduation_4yr"),
            ("el_progress", "elp_met"),
            ("climate_response", "climate_rules_student"),
            ("sel_response", "sel_growth_mindset"),
        ] {
            assert_eq!(measure(one), measure(two));
        }
        for (one, two) in [
            ("climate_rules_staff", "climate_rules_student"),
            ("sel_response", "climate_response"),
            ("hs_readiness", "suspension"),
            ("el_progress", "el_redesignation"),
        ] {
            assert_ne!(measure(one), measure(two));
        }
        // Every measure can be written in a journal and read back.
        for indicator in Indicator::ALL {
            let as_of = date("2024-06-30");
            let indicator = *indicator;
            let question =
                Question::from(layout::Question { indicator, year: 2024, as_of }).to_string();
            assert_eq!(question.parse::<Question>().unwrap().to_string(), question);
        }
    }

    #[test]
    fn a_question_is_read_back_from_its_one_text_and_from_no_other() {
        let question: Question = "math/2024@2024-06-30".parse().unwrap();
        assert_eq!(question.to_string().parse(), Ok(question));
        for bad in ["math/2024", "/2024@2024-06-30", "math/02024@2024-06-30", "a b/2024@2024-06-30"]
        {
            assert_eq!(bad.parse::<Question>(), Err(QuestionError), "{bad}");
        }
    }
}
