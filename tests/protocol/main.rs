//! Secure aggregation played out in one process, by honest and by hostile parties.
//!
//! `sums`: the result is exact, whoever is lost where. `floors`: a step ends the round when too few
//! are left. `keys`, `seals`, `sets`, `uploads`, `opening`: hostile scripts, by step. `quorum`: the
//! attack on the survivor set. `sparse`: the graph of more than 254 districts. `garbage`: bytes from
//! the wire. `vectors`: known answers.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test binary: clippy knows the tests, but not what they share"
)]

mod floors;
mod garbage;
mod keys;
mod opening;
mod quorum;
mod seals;
mod sets;
mod sparse;
mod sums;
mod uploads;
mod vectors;

use std::fmt::Debug;

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::{Abort, Reject, Step};
use flashlight_tests::district;

/// Checks that a node or the coordinator gave up the round: at this step, over this party, with
/// this code.
#[track_caller]
fn assert_aborts<T>(result: Result<T, Abort>, step: Step, party: Option<u16>, code: &str) {
    let abort = result.map(|_| ()).unwrap_err();
    let expected = (step, party.map(district), code);
    assert_eq!((abort.step, abort.party.clone(), abort.code()), expected);
    assert!(abort.to_string().starts_with(step.as_str()), "{abort}");
}

/// Checks that the coordinator refused one message: at this step, of this party, with this code.
#[track_caller]
fn assert_rejects<T: Debug>(result: Result<T, Reject>, step: Step, party: u16, code: &str) {
    let reject = result.unwrap_err();
    let expected = (step, Some(district(party)), code);
    assert_eq!((reject.step, reject.party.clone(), reject.code()), expected);
    assert!(reject.to_string().contains(&format!("district {}", district(party))), "{reject}");
}

/// Districts by number.
fn districts(numbers: impl IntoIterator<Item = u16>) -> Vec<DistrictId> {
    numbers.into_iter().map(district).collect()
}
