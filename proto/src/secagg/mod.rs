//! Secure aggregation: the coordinator learns the sum of the survivors' vectors and nothing else.
//!
//! Double masking modulo 2⁶⁴ with Shamir recovery (Bonawitz et al. 2017), authenticated keys and a
//! signed consistency step, on the complete graph of up to [`COMPLETE_MAX`] districts and on a sparse
//! one of up to [`MAX_NODES`] (Bell et al. 2020). docs/PROTOCOL.md §4 states each message; each file
//! of a step holds both its sides.
//!
//! In: a [`Contribution`](crate::contribution::Contribution) per district. Out: their [`NoisySum`].
//! Promise: with at most `c` districts colluding with the coordinator, whatever it sends, a sum is
//! opened over one set of at least `m` districts, or not at all. Two parties who were told different
//! things derive different contexts and their masks do not cancel.
//! Not promised: that a district tells the truth, or that it stays unknown who took part.
//!
//! ```text
//! node         advertise → ExpectKeys (→ ExpectOrder) → ExpectSeals → ExpectSharers → ExpectSurvivors → ExpectConfirmations
//! coordinator  CollectKeys (→ CollectOrder) → CollectSeals → CollectAcknowledgements → CollectMasked → CollectConfirmations → CollectUnmask → NoisySum
//! ```
//!
//! What stands in parentheses is on the sparse graph only. Every state is consumed by its step: nothing can be masked, confirmed or opened twice. Nothing
//! here does I/O, reads a clock or draws its own randomness.

pub mod advertise;
pub mod confirm;
pub mod error;
pub mod graph;
mod kdf;
pub mod mask;
pub mod order;
mod prg;
pub mod shamir;
pub mod share;
pub mod sparse_plan;
pub mod terms;
pub mod unmask;

pub use advertise::{Advertisement, CollectKeys, ExpectKeys, LedgerHead, advertise};
pub use confirm::{CollectConfirmations, Confirmation, ExpectConfirmations};
pub use error::{Abort, Reason, Reject, Step};
pub use graph::{COMPLETE_MAX, GraphRule};
pub use mask::{CHUNK_WORDS, CollectMasked, ExpectSurvivors, MaskedInput, Staging};
pub use order::{CollectOrder, ExpectOrder, MAX_ORDERS_OPENED, Opening, OrdersOpened};
pub use share::{CollectAcknowledgements, CollectSeals, ExpectSeals, ExpectSharers, Seal};
pub use terms::{Chosen, MAX_NODES, Party, RoundId, Terms, TermsError};
pub use unmask::{CollectUnmask, NoisySum, Unmasking};

use crate::identity::DistrictId;

/// Checks that a list of districts is strictly ascending (so: no one twice) and inside `allowed`.
fn check_set(
    set: &[DistrictId],
    allowed: impl Fn(&DistrictId) -> bool,
) -> Result<(), (Option<DistrictId>, Reason)> {
    for pair in set.windows(2) {
        if pair[0] >= pair[1] {
            return Err((Some(pair[1].clone()), Reason::SetNotAscending));
        }
    }
    match set.iter().find(|district| !allowed(district)) {
        Some(stranger) => Err((Some(stranger.clone()), Reason::Stranger)),
        None => Ok(()),
    }
}
