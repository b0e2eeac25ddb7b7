//! What a Flashlight node and the coordinator must agree on, and nothing else.
//!
//! A [`study::Study`] and the hub's public [`schools::SchoolTable`] give one [`layout::Layout`], the
//! named integer vector of every round. A node fills it as a [`contribution::Contribution`]; secure
//! aggregation sums it; the sums become a [`release::Release`], the only thing that is published.
//!
//! Pure: no clock, files, network, threads or randomness of its own. Time and rng are arguments,
//! and every ordered thing has one order, so that two honest parties cannot disagree.
#![forbid(unsafe_code)]

pub mod canonical;
pub mod category;
pub mod contribution;
pub mod dp;
pub mod growth;
pub mod identity;
pub mod layout;
pub mod question;
pub mod release;
pub mod roster;
pub mod schools;
pub mod secagg;
pub mod study;
pub mod token;
pub mod vouch;
pub mod wire;
pub mod words;
