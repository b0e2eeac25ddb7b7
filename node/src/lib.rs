//! A district's node: student records stay here.
//!
//! In: the district's own files, and directives over a connection the node itself opened. Out: keys,
//! sealed shares and one masked vector per round. Nothing listens here.
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod check;
pub mod cli;
pub mod consent;
pub mod enroll;
mod gate;
pub mod growth;
mod indicators;
pub mod journal;
pub mod ledger;
pub mod link;
mod load;
pub mod local;
mod node;
pub mod noise;
pub mod officer;
pub mod preview;
mod progress;
pub mod records;
mod results;
pub mod round;
pub mod tls;
