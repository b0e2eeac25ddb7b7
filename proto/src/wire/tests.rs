//! Messages survive the wire; what is not well-formed is named.

use super::*;
use crate::growth::{EffectGrid, Lambda};

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
        constants: Vec::new(),
    }
}

/// The beginning of a later round, with all that one can have.
fn second() -> Begin {
    let lambdas = vec![Lambda { mantissa: 3, exponent: 4 }];
    let model = "math/04".to_owned();
    let constants = vec![Broadcast {
        model,
        lambdas,
        ols: vec![-1, 1 << 50],
        eiv: Some(vec![7]),
        effects: Some(EffectGrid { lambda: Lambda { mantissa: 3, exponent: 5 }, step: 9 }),
    }];
    Begin { constants, ..begin() }
}

#[test]
fn constants_that_are_too_long_or_no_list_of_some_are_refused_by_name() {
    let long = vec![b' '; CONSTANTS_MAX + 1];
    for bad in [&b"[]"[..], b"{}", b"[1]", b"\xff", &long] {
        let mut wire = pb::BeginAdvertise::from(second());
        wire.constants = bad.to_vec();
        assert_eq!(Begin::try_from(wire).map_err(|error| error.field), Err("constants"));
    }
    assert!(pb::BeginAdvertise::from(begin()).constants.is_empty());
}

#[test]
fn directives_survive_the_wire_unchanged() {
    let directives = [
        Directive::Advertise(Box::new(begin())),
        Directive::Advertise(Box::new(second())),
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

fn opening() -> Opening {
    Opening { district: "A".parse().unwrap(), random: [5; 32] }
}

#[test]
fn an_order_and_its_openings_survive_the_wire_and_are_not_taken_for_each_other() {
    let round = RoundId::from([2; 16]);
    for directive in
        [Directive::Order(round, Vec::new()), Directive::Ordered(round, vec![opening()])]
    {
        let wire = pb::Directive::from(directive.clone());
        assert_eq!(Directive::try_from(wire), Ok(directive));
    }
    let request = open_order_request(round, &[7; 32]);
    assert_eq!(order_random(&request), Ok([7; 32]));
    let short = pb::OpenOrderRequest { random: vec![7; 31], ..request };
    assert_eq!(order_random(&short).map_err(|error| error.field), Err("random"));
}

#[test]
fn openings_beside_advertisements_are_refused() {
    let both = pb::BeginShare {
        round_id: vec![2; 16],
        advertisements: vec![pb::Advertisement::default()],
        openings: vec![pb::OrderOpening::default()],
    };
    let directive = pb::Directive { directive: Some(pb::directive::Directive::Share(both)) };
    assert_eq!(Directive::try_from(directive).map_err(|error| error.field), Err("openings"));
}

#[test]
fn a_commitment_to_an_order_is_32_bytes_or_none() {
    assert_eq!(order_commitment(&[]), Ok(None));
    assert_eq!(order_commitment(&[1; 32]), Ok(Some(Digest::from([1; 32]))));
    assert_eq!(order_commitment(&[1; 31]).map_err(|error| error.field), Err("order_commitment"));
}

/// What a node sends or is sent one by one has an entry per neighbour; what is shown to everybody,
/// one per district.
#[test]
fn lists_of_peers_end_at_254_and_lists_of_districts_at_2000() {
    let names = |count| vec!["A".to_owned(); count];
    assert!(peers(&names(254), "opened").is_ok() && districts(&names(2_000), "sharers").is_ok());
    assert_eq!(peers(&names(255), "opened").map_err(|error| error.field), Err("opened"));
    assert!(districts(&names(2_001), "sharers").is_err());
    assert!(seals(vec![pb::Seal::default(); 255]).is_err());
    assert!(openings(&vec![pb::OrderOpening::default(); 2_001]).is_err());
}

/// The longest message to a node in a round, with the longest ids, is far below the limit.
#[test]
fn the_keys_of_2000_districts_fit_a_message() {
    use prost::Message as _;
    let one = pb::Advertisement {
        district: "D".repeat(32),
        seal_key: vec![1; 32],
        mask_key: vec![1; 32],
        seed_commitment: vec![1; 32],
        ledger_entries: u64::MAX,
        ledger_head: vec![1; 32],
        signature: vec![1; 64],
        order_commitment: vec![1; 32],
    };
    let all = pb::BeginOrder { round_id: vec![1; 16], advertisements: vec![one; MAX_NODES] };
    assert!(all.encoded_len() < 1 << 20, "{}", all.encoded_len());
}
