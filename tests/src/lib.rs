//! What the tests of the whole workspace share: a small study, and a network of districts and a hub
//! that play secure aggregation in one process, one step at a time.
//!
//! In: how many districts, under which rule, and who is lost when. Out: the states of every party
//! after each step, so that a test can bend any message in between. Everything is drawn from seeds:
//! a test that fails once fails always.
//!
//! Only tests depend on this crate; it may panic where they would.
//!
//! # Late and second messages
//! A message for a step that is over has nobody to take it: every state is consumed by its step.
//! The coordinator takes advertisements while it collects them:
//! ```
//! use flashlight_proto::{identity::DistrictId, secagg::{Advertisement, CollectKeys}};
//! fn late(mut hub: CollectKeys, from: &DistrictId, ours: Advertisement) {
//!     drop(hub.accept(from, ours));
//!     drop(hub.close());
//! }
//! ```
//! and not afterwards:
//! ```compile_fail
//! use flashlight_proto::{identity::DistrictId, secagg::{Advertisement, CollectKeys}};
//! fn late(mut hub: CollectKeys, from: &DistrictId, ours: Advertisement) {
//!     drop(hub.close());
//!     drop(hub.accept(from, ours));
//! }
//! ```
//! A node signs one set of survivors:
//! ```
//! use flashlight_proto::{identity::{DistrictId, IdentitySecret}, secagg::ExpectSurvivors};
//! fn confirm(node: ExpectSurvivors, one: Vec<DistrictId>, key: &IdentitySecret) {
//!     drop(node.confirm(one, key));
//! }
//! ```
//! and never two:
//! ```compile_fail
//! use flashlight_proto::{identity::{DistrictId, IdentitySecret}, secagg::ExpectSurvivors};
//! fn confirm(node: ExpectSurvivors, one: Vec<DistrictId>, key: &IdentitySecret) {
//!     drop(node.confirm(one.clone(), key));
//!     drop(node.confirm(one, key));
//! }
//! ```
//! A node opens once:
//! ```
//! use flashlight_proto::secagg::{Confirmation, ExpectConfirmations};
//! fn open(node: ExpectConfirmations, signed: &[Confirmation]) {
//!     drop(node.unmask(signed));
//! }
//! ```
//! and not again:
//! ```compile_fail
//! use flashlight_proto::secagg::{Confirmation, ExpectConfirmations};
//! fn open(node: ExpectConfirmations, signed: &[Confirmation]) {
//!     drop(node.unmask(signed));
//!     drop(node.unmask(signed));
//! }
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "only tests depend on this crate; a panic here is a failing test"
)]

mod network;
mod setting;
pub mod witness;

pub use network::{
    Acknowledged, Advertised, Collected, Confirmed, Each, Frozen, Masked, Network, Ordered, Shared,
    number, upload,
};
pub use setting::{Setting, Width, district, identity, seeded};
