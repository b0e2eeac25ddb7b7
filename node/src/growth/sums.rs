//! Rows of students -> sums of schools -> words of a growth model (`flashlight_proto::growth`).

use std::collections::BTreeMap;

use flashlight_proto::growth::Model;
use flashlight_proto::layout::GrowthBlock;
use flashlight_proto::study::Study;

/// One student's row in one growth model. Computed from student data: neither shown nor serialised.
pub struct GrowthRow {
    /// The school, by any number that is the same for all its students.
    pub school: u32,
    /// The model's columns: clipped and centred, grid units; 0 or 1.
    pub values: Vec<i64>,
    /// Standard error of measurement of each prior, hundredths of a point; empty where none are known.
    pub errors: Vec<u32>,
}

/// The sums of one school.
pub struct SchoolSums {
    /// Students.
    pub n: i64,
}

impl SchoolSums {
    /// The sums of each school.
    ///
    /// # Errors
    /// [`GrowthError`] when a row does not fit the model.
    pub fn of(rows: &[GrowthRow], _model: &Model) -> Result<BTreeMap<u32, Self>, GrowthError> {
        let mut schools = BTreeMap::new();
        for row in rows {
            schools.entry(row.school).or_insert(Self { n: 0 }).n += 1;
        }
        Ok(schools)
    }
}

/// Sums that make no words. Names the model, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("growth model {model}: {what}")]
pub struct GrowthError {
    /// The model.
    pub model: String,
    /// What is wrong and what to do.
    pub what: String,
}

/// The words of one model in one round, from its students' rows.
///
/// # Errors
/// [`GrowthError`] when a sum passes its bound.
pub fn growth_words(
    _study: &Study,
    block: &GrowthBlock,
    _schools: &BTreeMap<u32, SchoolSums>,
) -> Result<Vec<i64>, GrowthError> {
    Err(GrowthError { model: block.model.name.clone(), what: "not there yet".to_owned() })
}
