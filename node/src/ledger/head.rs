//! Rollback: the hub's log remembers how far this node's journal had come.
//!
//! The node shows the number of its entries and a salted hash of them when it advertises; both are
//! logged. A node that finds itself behind what the log shows, or on another history, takes part in
//! nothing: an older copy of its books would let it spend twice.

use flashlight_proto::canonical::{Digest, Transcript};
use flashlight_proto::identity::IdentitySecret;
use flashlight_store::Head;

use super::Refusal;
use crate::journal::Journal;

/// The head of the journal, salted by a signature only this node can make: it commits to the journal
/// without telling what is in it.
#[must_use]
pub fn salted_head(identity: &IdentitySecret, head: Head) -> Digest {
    let digest =
        Transcript::new("flashlight/ledger-head/v1").u64(head.seq).bytes(&head.hash).finish();
    Digest::of(identity.sign(&digest).as_bytes())
}

/// Compares the journal with the newest head of this node in the hub's log.
///
/// `last_logged`: number of entries and salted head, as the log shows them; none before the first
/// round.
///
/// # Errors
/// [`Refusal::Behind`], [`Refusal::Forked`], or the journal's own.
pub fn check_not_behind(
    journal: &Journal,
    identity: &IdentitySecret,
    last_logged: Option<(u64, Digest)>,
) -> Result<(), Refusal> {
    let Some((logged, salted)) = last_logged else { return Ok(()) };
    let own = journal.head();
    if logged > own.seq {
        return Err(Refusal::Behind { logged, own: own.seq });
    }
    let mut then = None;
    for recorded in journal.entries()? {
        let recorded = recorded?;
        if recorded.seq == logged {
            then = Some(Head { seq: logged, hash: recorded.hash });
            break;
        }
    }
    match then {
        Some(then) if salted_head(identity, then) == salted => Ok(()),
        // Nobody advertises before the first entry: an enrolment is one.
        _ => Err(Refusal::Forked { logged }),
    }
}
