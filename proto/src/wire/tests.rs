//! Messages survive the wire; what is not well-formed is named.

use super::*;

fn begin() -> Begin {
    Begin {
        run: RunId([1; 16]),
        round: RoundId::from([2; 16]),
        round_number: 3,
        nonce: [4; 32],
        study: Digest::of(b"study"),
        layout: Digest::of(b"layout"),
        roster: Digest::of(b"roster"),
        cohort: vec!["A".parse().unwrap(), "B".parse().unwrap()],
        max_dropped: 1,
        max_colluding: 1,
        parent_releases: vec![Digest::of(b"parent")],
        log_checkpoint: Digest::of(b"log"),
        quorum: 2,
    }
}

#[test]
fn directives_survive_the_wire_unchanged() {
    let directives = [
        Directive::Advertise(Box::new(begin())),
        Directive::Mask(RoundId::from([2; 16]), begin().cohort),
        Directive::Ended(Ended {
            run: RunId([1; 16]),
            round: None,
            release: Some(Digest::of(b"release")),
            code: String::new(),
            reason: String::new(),
            recut: false,
        }),
        Directive::KeepAlive,
    ];
    for directive in directives {
        let wire = pb::Directive::from(directive.clone());
        assert_eq!(Directive::try_from(wire), Ok(directive));
    }
}

#[test]
fn a_short_nonce_is_refused_by_name() {
    let mut wire = pb::BeginAdvertise::from(begin());
    wire.nonce.pop();
    assert_eq!(Begin::try_from(wire).map_err(|error| error.field), Err("nonce"));
}

#[test]
fn a_cohort_beyond_the_limit_is_refused() {
    let mut wire = pb::BeginAdvertise::from(begin());
    wire.cohort = vec!["A".to_owned(); MAX_NODES + 1];
    assert_eq!(Begin::try_from(wire).map_err(|error| error.field), Err("cohort"));
}

#[test]
fn a_reason_cannot_steer_a_terminal() {
    assert_eq!(reason("a\u{1b}[2Jb\nc"), "a [2Jb c");
}

#[test]
fn reasons_are_cut_on_a_character_border() {
    let long = "ä".repeat(REASON_MAX);
    assert!(reason(&long).len() <= REASON_MAX);
}
