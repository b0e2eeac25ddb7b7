//! A whole Flashlight network on one machine: the coordinator and one node per district, each its own
//! process, over mutual TLS on loopback.
//!
//! In: a folder of district folders and a study; without them, the Tennessee STAR data that comes
//! with the demo. Out: a release folder, and a table for people. The demo binary re-executes itself in
//! each role, so that what runs is the very code of `flashlight-node` and `flashlight-coordinator`.
//! As it holds everybody's data it can do what a real network cannot: check the network's sums
//! against the pooled ones.
#![forbid(unsafe_code)]

pub mod bench;
pub mod cli;
pub mod network;
mod report;
pub mod star;
