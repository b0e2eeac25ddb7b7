//! Whole networks: real processes, real TLS on loopback, and parties that break off, lie or die.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod command;
mod consent;
mod data;
mod disk;
mod enrolment;
mod fake_hub;
mod fake_node;
mod growth_rounds;
mod hostile_hub;
mod hostile_node;
mod killed;
mod later_rounds;
mod ledger;
mod lost;
mod network;
mod noise;
mod officer;
mod puppets;
mod rollback;
mod survivor_sets;
mod whole;
