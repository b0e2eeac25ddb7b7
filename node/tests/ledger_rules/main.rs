//! The district's own rules, from outside: what the policy and the books let through, and that
//! nothing gets them to forget. No network and no student data.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like the tests do")]

mod budget;
mod noisy;
mod overrides;
mod policy;
mod questions;
mod second;
mod setting;
mod tampered;
mod trust;
