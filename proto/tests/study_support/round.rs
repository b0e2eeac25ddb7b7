//! Facts of a round of five districts, one of them lost.

use flashlight_proto::{
    canonical::Digest,
    identity::{DistrictId, IdentitySecret},
    release::RoundFacts,
    study::Study,
};
use zeroize::Zeroizing;

/// The hub's key in these tests.
pub(crate) fn hub() -> IdentitySecret {
    IdentitySecret::from_seed(&Zeroizing::new([5; 32])).unwrap()
}

/// The facts of a round that went well for four of five districts.
pub(crate) fn facts(study: &Study) -> RoundFacts {
    let ids = |names: &[&str]| -> Vec<DistrictId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    };
    RoundFacts {
        round_id: "00ff12".into(),
        round_number: 3,
        ctx: Digest::of(b"ctx"),
        roster_hash: Digest::of(b"roster"),
        sizes: study.cohort.sizes(5).unwrap(),
        cohort: ids(&["A", "B", "C", "D", "E"]),
        survivors: ids(&["A", "B", "D", "E"]),
        lost: ids(&["C"]),
        second: None,
        third: None,
        log_checkpoint: Digest::of(b"log"),
        released_at_ms: 1_719_800_000_000,
        hub: hub().public(),
        software: "flashlight 0.1.0".into(),
    }
}
