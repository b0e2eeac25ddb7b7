//! Known answers: `proto/vectors/secagg/v1.json`, one round of five districts and what happens when
//! its messages are bent. `proto/vectors/README.md` says how the file was made and by whom it is
//! checked.

mod bad;

use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::MAX_WORD;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::secagg::{Advertisement, NoisySum, Unmasking};
use flashlight_tests::witness::{self, Secrets};
use flashlight_tests::{Acknowledged, Each, Masked, Network, Shared, Width, district, upload};
use serde_json::{Value, json};

/// Where the file is.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/vectors/secagg/v1.json");

/// Set to make the file anew instead of comparing with it.
const WRITE: &str = "FLASHLIGHT_WRITE_VECTORS";

/// The district that is lost before it has masked.
const LOST: u16 = 4;

/// The five districts, with words by the rule the file states.
fn network() -> Network {
    let mut net = Network::of_width(5, 1, 1, Width::Wide, 1);
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
    json!({
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
    })
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
        json!({
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
        })
    };
    (1..).zip(shown).map(one).collect()
}

/// The mask key of every pair, lower district first.
fn pairs(ctx: &Digest, secrets: &Each<Secrets>, shown: &[Advertisement]) -> Value {
    let mut pairs = Vec::new();
    for (index, first) in shown.iter().enumerate() {
        for second in &shown[index + 1..] {
            let (one, two) = (&first.district, &second.district);
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

/// The whole file, played out now; `bad` is written by hand and stays as it is.
fn played(bad: &Value) -> Value {
    let mut net = network();
    let ctx = net.terms.ctx();
    let draw = |(one, rng): (&DistrictId, _)| (one.clone(), Secrets::drawn_from(rng));
    let secrets: Each<Secrets> = net.rng.iter().map(draw).collect();
    let advertised = net.advertise(&[]).unwrap();
    let shown = advertised.advertisements.clone();
    let shared = advertised.share(&mut net, &[]).unwrap();
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
    json!({
        "about": "One round of secure aggregation, version 1: proto/vectors/README.md",
        "terms": terms(&net),
        "ctx": ctx,
        "words_rule": RULE,
        "districts": districts(&net, &secrets, &shown),
        "pairs": pairs(&ctx, &secrets, &shown),
        "seals": seals,
        "sharers": net.everybody(),
        "uploads": uploads,
        "survivors": survivors,
        "confirm_digest": witness::confirm_digest(&ctx, &shown, &net.everybody(), &survivors),
        "confirmations": confirmations,
        "unmasking": answers,
        "sum": sum(&opened),
        "bad": bad,
    })
}

fn file() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

#[test]
fn vectors_v1_secagg_round_is_the_one_on_file_byte_for_byte() {
    let filed: Value = serde_json::from_str(&file()).unwrap();
    let text = format!("{:#}\n", played(&filed["bad"]));
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(PATH, &text).unwrap();
    }
    let file = file();
    let line = file.lines().zip(text.lines()).position(|(filed, now)| filed != now);
    assert_eq!(line.map(|line| line + 1), None, "first line that differs");
    assert_eq!(file.len(), text.len());
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
