//! A district's folder from outside: what is refused, what is left out, what is counted.
//!
//! One binary, because each that links the node is large.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like the tests do")]

mod bad_input;
mod every_indicator;
mod folder;
mod grand_bend;
mod hand_counted;
mod mutated;
mod network;
mod parquet;
mod preview;
mod rewritten;
mod rules;
