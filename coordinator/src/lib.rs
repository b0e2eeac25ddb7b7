//! The hub's coordinator: enrols districts, drives rounds of secure aggregation, publishes releases.
//!
//! It sees public keys, sealed shares it cannot open, masked vectors and the network's sum; never
//! one district's contribution. What it may do it may do only because the nodes let it: every floor
//! is checked again at each node.
#![forbid(unsafe_code)]

pub mod ca;
pub mod cli;
pub mod enrolment;
pub mod estimate;
mod history;
pub mod hub;
pub mod journal;
mod round;
mod run;
pub mod service;
mod study_check;
mod study_start;
pub mod tls;
