//! A district's node: student records stay here.

pub mod aggregate;
pub mod check;
mod indicators;
pub mod local;
pub mod records;
