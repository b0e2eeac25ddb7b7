//! The indicators: what each measures of one student (docs/INDICATORS.md §3).
//!
//! In: a network table of students, each once. Out: per student what the indicator adds to the cell
//! the student falls in, or nothing. One file per indicator: its definition, numerator, denominator
//! and exclusions in words, then in code. Integers only.

mod achievement;
mod chronic_absenteeism;
mod students;

use flashlight_proto::{
    category::{Grade, Indicator},
    study::{Study, TableSpec},
};

use crate::records::{Finding, Network, Records, Source};

/// What one student adds to one cell.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// The grade the cell is chosen by: the grade tested for scores, else the grade enrolled.
    pub(crate) grade: Grade,
    /// How much.
    pub(crate) amount: Amount,
}

/// How much one student adds.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// One student.
    One,
    /// One to the denominator, and to the numerator when true.
    Part(bool),
    /// One value, in grid units.
    Value(i64),
}

/// The file an indicator reads beside the enrolments.
pub(crate) const fn source(indicator: Indicator) -> Source {
    match indicator {
        Indicator::Students => Source::Enrollments,
        Indicator::Mean(_) | Indicator::Dfs(_) | Indicator::Met(_) => Source::Assessments,
        _ => Source::Attendance,
    }
}

/// What each of the network's students adds to a table, in their order, and what was found.
pub(crate) fn measure(
    records: &Records,
    study: &Study,
    table: &TableSpec,
    network: &Network,
) -> (Vec<Option<Measured>>, Vec<Finding>) {
    match table.indicator {
        Indicator::Students => (students::measure(network), Vec::new()),
        Indicator::Mean(subject) => {
            achievement::measure(records, study, table, network, subject, achievement::mean)
        }
        Indicator::Dfs(subject) => {
            achievement::measure(records, study, table, network, subject, achievement::dfs)
        }
        Indicator::Met(subject) => {
            achievement::measure(records, study, table, network, subject, achievement::met)
        }
        _ => chronic_absenteeism::measure(
            chronic_absenteeism::ChronicPreset::of(table.preset),
            network,
        ),
    }
}
