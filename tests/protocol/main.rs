//! Secure aggregation played out in one process, by honest and by hostile parties.

mod sums;
