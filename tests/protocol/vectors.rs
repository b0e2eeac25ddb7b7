//! Known answers: `proto/vectors/secagg/v1.json`, one round of five districts and what happens when
//! its messages are bent, and `sparse-v1.json`, one of twelve on a sparse graph. `proto/vectors/README.md` says how the file was made and by whom it is
//! checked.

mod bad;

use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::MAX_WORD;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::secagg::sparse_plan::SparsePlan;
use flashlight_proto::secagg::{Advertisement, GraphRule, NoisySum, Unmasking};
use flashlight_tests::witness::{self, Secrets};
use flashlight_tests::{Acknowledged, Each, Masked, Network, Shared, Width, district, upload};
use serde_json::{Value, json};

/// Where the file is.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/vectors/secagg/v1.json");

/// Where the round on the sparse graph is.
const SPARSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/vectors/secagg/sparse-v1.json");

/// Set to make the file anew instead of comparing with it.
const WRITE: &str = "FLASHLIGHT_WRITE_VECTORS";

/// The district that is lost before it has masked.
const LOST: u16 = 4;

/// The five districts, with words by the rule the file states.
fn network() -> Network {
    filled(Network::of_width(5, 1, 1, Width::Wide, 1))
}

/// Twelve districts on a graph that only a file of known answers has.
fn sparse_network() -> Network {
    let plan = SparsePlan { neighbours: 4, threshold: 3, window: 1 };
    filled(Network::sparse(12, 3, 1, plan))
}

fn filled(mut net: Network) -> Network {
    Arc::make_mut(&mut net.terms).parent_releases = vec![Digest::of(b"an earlier release")];
    let most = i64::try_from(MAX_WORD).unwrap();
    for (u, words) in (1i64..).zip(net.words.values_mut()) {
        for (p, word) in (0i64..).zip(words) {
            *word = (u * 1_000_003 + p * 7919) % (1 << 21) - (1 << 20);
            if p == 0 {
                *word = if u % 2 == 1 { most } else { -most };
            }
        }
    }
    net
}

/// What the words of the file are made by.
const RULE: &str = "word p of the district at place x: ((x * 1000003 + p * 7919) mod 2^21) - 2^20; \
                    word 0 is 2^54 at odd places and -2^54 at even ones";

fn words_digest(words: &[i64]) -> Digest {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Digest::of(&bytes)
}

fn terms(net: &Network) -> Value {
    let terms = &net.terms;
    let mut value = json!({
        "mode": terms.mode.as_str(),
        "round_id": hex::encode(terms.round_id.as_bytes()),
        "round_number": terms.round_number,
        "nonce": hex::encode(terms.nonce),
        "as_of": terms.as_of,
        "parent_releases": terms.parent_releases,
        "study": terms.study,
        "layout": terms.layout,
        "schools": terms.schools,
        "privacy": terms.privacy,
        "suppression": terms.suppression,
        "roster": terms.roster,
        "log_checkpoint": terms.log_checkpoint,
        "n": terms.cohort.n,
        "m": terms.cohort.m,
        "t": terms.cohort.t,
        "c": terms.cohort.c,
        "words": terms.words,
    });
    if let GraphRule::Sparse(plan) = terms.graph {
        value["graph"] = json!({
            "neighbours": plan.neighbours,
            "threshold": plan.threshold,
            "window": plan.window,
        });
    }
    value
}

/// The seed from which `flashlight_tests::identity` makes a key.
fn identity_seed(index: u16) -> [u8; 32] {
    let mut seed = [0x1d; 32];
    seed[..2].copy_from_slice(&index.to_le_bytes());
    let secret = IdentitySecret::from_seed(&zeroize::Zeroizing::new(seed)).unwrap();
    assert_eq!(secret.public(), flashlight_tests::identity(index).public());
    seed
}

fn districts(net: &Network, secrets: &Each<Secrets>, shown: &[Advertisement]) -> Value {
    let one = |(x, ours): (u16, &Advertisement)| {
        let drawn = &secrets[&ours.district];
        let words = &net.words[&ours.district];
        let mut value = json!({
            "district": ours.district,
            "x": x,
            "identity_seed": hex::encode(identity_seed(x)),
            "identity_key": hex::encode(net.terms.parties[usize::from(x) - 1].key.as_bytes()),
            "b": hex::encode(drawn.seed),
            "seal_secret": hex::encode(drawn.seal),
            "mask_secret": hex::encode(drawn.mask),
            "advertisement": {
                "seal_key": hex::encode(ours.seal_key),
                "mask_key": hex::encode(ours.mask_key),
                "seed_commitment": ours.seed_commitment,
                "ledger_entries": ours.ledger.entries,
                "ledger_head": ours.ledger.digest,
                "signature": hex::encode(ours.signature.as_bytes()),
            },
            "words": { "first": words[..3], "sha256": words_digest(words) },
        });
        if let Some(commitment) = ours.order_commitment {
            value["r"] = json!(hex::encode(drawn.order));
            value["advertisement"]["order_commitment"] = json!(commitment);
        }
        value
    };
    (1..).zip(shown).map(one).collect()
}

/// The mask key of every pair of neighbours, lower district first.
fn pairs(
    ctx: &Digest,
    secrets: &Each<Secrets>,
    shown: &[Advertisement],
    near: impl Fn(&DistrictId, &DistrictId) -> bool,
) -> Value {
    let mut pairs = Vec::new();
    for (index, first) in shown.iter().enumerate() {
        for second in &shown[index + 1..] {
            let (one, two) = (&first.district, &second.district);
            if !near(one, two) {
                continue;
            }
            let secret = &secrets[one].mask;
            let key = witness::key(secret, &second.mask_key, ctx, "mask", (one, two));
            pairs.push(json!({ "first": one, "second": two, "key": hex::encode(key) }));
        }
    }
    pairs.into()
}

/// Every seal: its key, what is in it, and its bytes.
fn seals(ctx: &Digest, secrets: &Each<Secrets>, shown: &[Advertisement], state: &Shared) -> Value {
    let mut list = Vec::new();
    for holder in shown {
        for seal in &state.seals[&holder.district] {
            let pair = (&seal.peer, &holder.district);
            let secret = &secrets[&seal.peer].seal;
            let key = witness::key(secret, &holder.seal_key, ctx, "share", pair);
            let [b, s] = witness::open(&key, ctx, pair, &seal.sealed).unwrap();
            list.push(json!({
                "from": seal.peer,
                "to": holder.district,
                "key": hex::encode(key),
                "b_share": hex::encode(b),
                "s_share": hex::encode(s),
                "sealed": hex::encode(&seal.sealed),
            }));
        }
    }
    list.into()
}

/// Plays *mask* and records what each district uploads.
fn mask(net: &Network, state: Acknowledged) -> (Masked, Value) {
    let Acknowledged { nodes, mut hub, sharers } = state;
    let (mut kept, mut list) = (Each::new(), Vec::new());
    for (one, node) in nodes.into_iter().filter(|(one, _)| *one != district(LOST)) {
        let (node, masked) = node.mask(&sharers, net.contribution(&one)).unwrap();
        let chunks: Vec<Vec<u8>> = masked.chunks().collect();
        let bytes = chunks.concat();
        list.push(json!({
            "district": one,
            "chunk_bytes": chunks.iter().map(Vec::len).collect::<Vec<_>>(),
            "first": hex::encode(&bytes[..8]),
            "last": hex::encode(&bytes[bytes.len() - 8..]),
            "sha256": Digest::of(&bytes),
        }));
        upload(&mut hub, &one, &masked).unwrap();
        kept.insert(one, node);
    }
    let (hub, survivors) = hub.close().unwrap();
    (Masked { nodes: kept, hub, survivors }, list.into())
}

fn unmasking(from: &DistrictId, ours: &Unmasking) -> Value {
    let list = |shares: &[(DistrictId, flashlight_proto::secagg::shamir::Share)]| -> Value {
        shares
            .iter()
            .map(|(of, share)| json!({ "of": of, "share": hex::encode(share.as_bytes()) }))
            .collect()
    };
    json!({ "from": from, "seeds": list(&ours.seeds), "mask_keys": list(&ours.mask_keys) })
}

fn sum(sum: &NoisySum) -> Value {
    json!({
        "words": sum.words().len(),
        "first": sum.words()[..3],
        "last": sum.words()[sum.words().len() - 1],
        "sha256": words_digest(sum.words()),
    })
}

/// A whole file but `about` and `bad`, played out now.
fn played(mut net: Network) -> Value {
    let ctx = net.terms.ctx();
    let draw = |(one, rng): (&DistrictId, _)| (one.clone(), Secrets::drawn_from(rng));
    let secrets: Each<Secrets> = net.rng.iter().map(draw).collect();
    let (shown, circle, shared) = if let GraphRule::Sparse(plan) = net.terms.graph {
        let ordered = net.freeze(&[]).unwrap().order().unwrap();
        let circle = witness::order(&ctx, &net.terms, &ordered.openings);
        let shown = ordered.advertisements.clone();
        (shown, Some((circle, plan)), ordered.share(&mut net, &[]).unwrap())
    } else {
        let advertised = net.advertise(&[]).unwrap();
        (advertised.advertisements.clone(), None, advertised.share(&mut net, &[]).unwrap())
    };
    let near = |one: &DistrictId, two: &DistrictId| match &circle {
        None => true,
        Some((circle, plan)) => {
            witness::neighbours(circle, usize::from(plan.neighbours), one).contains(two)
        }
    };
    let seals = seals(&ctx, &secrets, &shown, &shared);
    let (masked, uploads) = mask(&net, shared.acknowledge(&[]).unwrap());
    let survivors = masked.survivors.clone();
    let confirmed = masked.confirm(&[]).unwrap();
    let confirmations: Value = confirmed
        .confirmations
        .iter()
        .map(|one| {
            let signature = hex::encode(one.signature.as_bytes());
            json!({ "district": one.district, "signature": signature })
        })
        .collect();
    let collected = confirmed.collect(&[]);
    let answers: Value =
        collected.shares.iter().map(|(from, ours)| unmasking(from, ours)).collect();
    let opened = collected.close().unwrap();
    assert_eq!(opened.words(), net.plain_sum(&survivors));
    let mut file = json!({
        "terms": terms(&net),
        "ctx": ctx,
        "words_rule": RULE,
        "districts": districts(&net, &secrets, &shown),
        "pairs": pairs(&ctx, &secrets, &shown, near),
        "seals": seals,
        "sharers": net.everybody(),
        "uploads": uploads,
        "survivors": survivors,
        "confirm_digest": witness::confirm_digest(&ctx, &shown, &net.everybody(), &survivors),
        "confirmations": confirmations,
        "unmasking": answers,
        "sum": sum(&opened),
    });
    if let Some((circle, _)) = circle {
        file["order"] = json!(circle);
    }
    file
}

fn file() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

/// Compares with the file at `path`, after writing it if that was asked for.
fn assert_filed(path: &str, played: &Value) {
    let text = format!("{played:#}\n");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let file = std::fs::read_to_string(path).unwrap();
    let line = file.lines().zip(text.lines()).position(|(filed, now)| filed != now);
    assert_eq!(line.map(|line| line + 1), None, "first line that differs");
    assert_eq!(file.len(), text.len());
}

#[test]
fn vectors_v1_secagg_round_is_the_one_on_file_byte_for_byte() {
    let filed: Value = serde_json::from_str(&file()).unwrap();
    let mut played = played(network());
    played["about"] = json!("One round of secure aggregation, version 1: proto/vectors/README.md");
    // Written by hand, and stays as it is.
    played["bad"] = filed["bad"].clone();
    assert_filed(PATH, &played);
}

#[test]
fn vectors_v1_secagg_sparse_round_is_the_one_on_file_byte_for_byte() {
    let mut played = played(sparse_network());
    played["about"] = json!("One round on a sparse graph, version 1: proto/vectors/README.md");
    assert_filed(SPARSE, &played);
}

#[test]
fn vectors_v1_secagg_bad_messages_are_refused_as_the_file_says() {
    let file: Value = serde_json::from_str(&file()).unwrap();
    let cases = file["bad"].as_array().unwrap();
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases {
        let (step, party, code) = bad::outcome(case);
        let got = json!([step, party, code]);
        assert_eq!(got, json!([case["step"], case["party"], case["code"]]), "{}", case["name"]);
    }
}
