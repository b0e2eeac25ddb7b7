//! From the network's sums to estimates. Integers come in; floating point begins here.

pub mod growth;
