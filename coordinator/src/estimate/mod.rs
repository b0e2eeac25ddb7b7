//! From the network's sums to estimates. Integers come in; floating point begins here.

mod dd;
pub mod effects;
mod eiv;
pub mod growth;
mod mixed;
pub mod noisy;
