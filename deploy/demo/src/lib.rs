//! A whole Flashlight network on one machine: the coordinator and one node per district, each its own
//! process, over mutual TLS on loopback.
//!
//! In: a folder of district folders and a study; without them, the Tennessee STAR data that comes
//! with the demo. Out: a release folder, and a table for people. The demo binary re-executes itself in
//! each role, so that what runs is the very code of `flashlight-node` and `flashlight-coordinator`.
//! As it holds everybody's data it can do what a real network cannot: hold the release against the
//! pooled answers, to the last integer without noise, and by the promised noise with it.
#![forbid(unsafe_code)]

mod answers;
pub mod bench;
pub mod cli;
mod growth;
pub mod growth_simulation;
mod inputs;
mod make;
pub mod network;
mod report;
pub mod star;
mod summary;
