//! A second implementation of what a round hashes, signs, agrees on and seals, from docs/PROTOCOL.md
//! and not from `proto`: byte strings are concatenated, HKDF is made of HMAC, GF(256) of shifts.
//!
//! It witnesses the known answers, and it is what a hostile district computes: with the secrets of a
//! district, which follow from its randomness, a test seals and signs what an honest node would not.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentitySecret, Signature};
use flashlight_proto::secagg::{Advertisement, Confirmation, GraphRule, Opening, Terms};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use x25519_dalek::{PublicKey, StaticSecret};

/// Bytes of a Shamir share.
pub const SHARE_BYTES: usize = 33;

/// What a district draws for one round, in the order it draws it.
pub struct Secrets {
    /// b_u.
    pub seed: [u8; 32],
    /// The secret of c_u.
    pub seal: [u8; 32],
    /// The secret of s_u.
    pub mask: [u8; 32],
    /// r_u: on a sparse graph; else it is drawn for something else.
    pub order: [u8; 32],
}

impl Secrets {
    /// What a district with this randomness is about to draw.
    #[must_use]
    pub fn drawn_from(rng: &ChaCha20Rng) -> Self {
        let mut rng = rng.clone();
        let mut next = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        Self { seed: next(), seal: next(), mask: next(), order: next() }
    }
}

fn field(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
    bytes.extend_from_slice(field);
}

fn list<T: AsRef<[u8]>>(bytes: &mut Vec<u8>, items: &[T]) {
    field(bytes, &(items.len() as u64).to_le_bytes());
    items.iter().for_each(|item| field(bytes, item.as_ref()));
}

fn transcript(label: &str, fields: &[&[u8]]) -> Digest {
    let mut bytes = Vec::new();
    field(&mut bytes, label.as_bytes());
    fields.iter().for_each(|one| field(&mut bytes, one));
    Digest::of(&bytes)
}

/// The context of a round.
#[must_use]
pub fn ctx(terms: &Terms) -> Digest {
    let mut bytes = Vec::new();
    field(&mut bytes, b"flashlight/secagg/v1");
    field(&mut bytes, terms.mode.as_str().as_bytes());
    field(&mut bytes, terms.round_id.as_bytes());
    field(&mut bytes, &terms.round_number.to_le_bytes());
    field(&mut bytes, &terms.nonce);
    field(&mut bytes, terms.as_of.as_bytes());
    let parents: Vec<&[u8]> = terms.parent_releases.iter().map(|one| &one.as_bytes()[..]).collect();
    list(&mut bytes, &parents);
    let hashes = [
        terms.study,
        terms.layout,
        terms.schools,
        terms.privacy,
        terms.suppression,
        terms.roster,
        terms.log_checkpoint,
    ];
    hashes.iter().for_each(|hash| field(&mut bytes, hash.as_bytes()));
    let names: Vec<&str> = terms.parties.iter().map(|one| one.district.as_str()).collect();
    list(&mut bytes, &names);
    let keys: Vec<&[u8]> = terms.parties.iter().map(|one| &one.key.as_bytes()[..]).collect();
    list(&mut bytes, &keys);
    let sizes = [terms.cohort.n, terms.cohort.m, terms.cohort.t, terms.cohort.c];
    list(&mut bytes, &sizes.map(u16::to_le_bytes));
    field(&mut bytes, &(terms.words as u64).to_le_bytes());
    if let GraphRule::Sparse(plan) = terms.graph {
        field(&mut bytes, &[plan.neighbours, plan.threshold, plan.window]);
    }
    Digest::of(&bytes)
}

/// H(r_u).
#[must_use]
pub fn order_commitment(ctx: &Digest, owner: &DistrictId, random: &[u8; 32]) -> Digest {
    transcript("flashlight/r/v1", &[ctx.as_bytes(), owner.as_ref(), random])
}

/// The cohort in the order of the circle, from the openings of U₁, ascending.
#[must_use]
pub fn order(ctx: &Digest, terms: &Terms, openings: &[Opening]) -> Vec<DistrictId> {
    let mut bytes = Vec::new();
    field(&mut bytes, b"flashlight/secagg/v1/order");
    field(&mut bytes, ctx.as_bytes());
    field(&mut bytes, &(openings.len() as u64).to_le_bytes());
    for one in openings {
        field(&mut bytes, one.district.as_ref());
        field(&mut bytes, &one.random);
    }
    let all = Digest::of(&bytes);
    let label = "flashlight/secagg/v1/position";
    let key = |one: &DistrictId| transcript(label, &[all.as_bytes(), one.as_ref()]);
    let mut order: Vec<DistrictId> =
        terms.parties.iter().map(|party| party.district.clone()).collect();
    order.sort_by_key(|one| *key(one).as_bytes());
    order
}

/// The neighbours of a district on the circle, ascending: the place of one among them, from 1, is
/// the x of its share.
#[must_use]
pub fn neighbours(order: &[DistrictId], k: usize, of: &DistrictId) -> Vec<DistrictId> {
    let at = order.iter().position(|one| one == of).expect("everybody is on the circle");
    let twice: Vec<&DistrictId> = order.iter().cycle().skip(at).take(order.len()).collect();
    let mut near: Vec<DistrictId> = twice[1..=k / 2].iter().map(|one| (*one).clone()).collect();
    near.extend(twice[twice.len() - k / 2..].iter().map(|one| (*one).clone()));
    near.sort();
    near
}

/// H(b_u).
#[must_use]
pub fn commitment(ctx: &Digest, owner: &DistrictId, seed: &[u8; 32]) -> Digest {
    transcript("flashlight/b/v1", &[ctx.as_bytes(), owner.as_ref(), seed])
}

/// What the signature of an advertisement is over.
#[must_use]
pub fn advertise_digest(ctx: &Digest, ours: &Advertisement) -> Digest {
    let mut bytes = Vec::new();
    field(&mut bytes, b"flashlight/secagg/v1/advertise");
    field(&mut bytes, ctx.as_bytes());
    shown(&mut bytes, ours);
    Digest::of(&bytes)
}

fn shown(bytes: &mut Vec<u8>, ours: &Advertisement) {
    field(bytes, ours.district.as_ref());
    field(bytes, &ours.seal_key);
    field(bytes, &ours.mask_key);
    field(bytes, ours.seed_commitment.as_bytes());
    field(bytes, &ours.ledger.entries.to_le_bytes());
    field(bytes, ours.ledger.digest.as_bytes());
    if let Some(commitment) = &ours.order_commitment {
        field(bytes, commitment.as_bytes());
    }
}

/// Signs an advertisement whose fields were changed.
pub fn sign_again(ctx: &Digest, ours: &mut Advertisement, identity: &IdentitySecret) {
    ours.signature = identity.sign(&advertise_digest(ctx, ours));
}

/// What a confirmation is over; all three lists ascending.
#[must_use]
pub fn confirm_digest(
    ctx: &Digest,
    keys: &[Advertisement],
    sharers: &[DistrictId],
    survivors: &[DistrictId],
) -> Digest {
    let mut bytes = Vec::new();
    field(&mut bytes, b"flashlight/secagg/v1/keys");
    field(&mut bytes, &(keys.len() as u64).to_le_bytes());
    for one in keys {
        shown(&mut bytes, one);
    }
    let keys = Digest::of(&bytes);
    let mut bytes = Vec::new();
    field(&mut bytes, b"flashlight/secagg/v1/confirm");
    field(&mut bytes, ctx.as_bytes());
    field(&mut bytes, keys.as_bytes());
    list(&mut bytes, sharers);
    list(&mut bytes, survivors);
    Digest::of(&bytes)
}

/// A signature on whatever sets a colluder likes.
#[must_use]
pub fn confirmation(of: &DistrictId, identity: &IdentitySecret, digest: &Digest) -> Confirmation {
    let signature: Signature = identity.sign(digest);
    Confirmation { district: of.clone(), signature }
}

/// An X25519 public key.
#[must_use]
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// X25519, then HKDF-SHA256 with the context as salt: for "share" between maker and holder, for
/// "mask" between the lower and the higher district.
#[must_use]
pub fn key(
    secret: &[u8; 32],
    theirs: &[u8; 32],
    ctx: &Digest,
    purpose: &str,
    (first, second): (&DistrictId, &DistrictId),
) -> [u8; 32] {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*theirs));
    let label = "flashlight/secagg/v1/key";
    let info = transcript(label, &[purpose.as_bytes(), first.as_ref(), second.as_ref()]);
    let hmac = |key: &[u8], data: &[u8]| -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    };
    let extracted = hmac(ctx.as_bytes(), shared.as_bytes());
    hmac(&extracted, &[info.as_bytes(), &[1][..]].concat())
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key has 32 bytes"))
}

fn associated(ctx: &Digest, (from, to): (&DistrictId, &DistrictId)) -> [u8; 32] {
    let fields: [&[u8]; 3] = [ctx.as_bytes(), from.as_ref(), to.as_ref()];
    *transcript("flashlight/secagg/v1/seal", &fields).as_bytes()
}

/// Seals a share of b_u and one of s_u, `from` one district `to` another.
#[must_use]
pub fn seal(
    key: &[u8; 32],
    ctx: &Digest,
    (from, to): (&DistrictId, &DistrictId),
    shares: [&[u8; SHARE_BYTES]; 2],
) -> Vec<u8> {
    let mut bytes = shares.map(|share| &share[..]).concat();
    let aad = Aad::from(associated(ctx, (from, to)));
    aead(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), aad, &mut bytes)
        .expect("two shares are short");
    bytes
}

/// Opens a seal; the shares of b_u and of s_u.
#[must_use]
pub fn open(
    key: &[u8; 32],
    ctx: &Digest,
    (from, to): (&DistrictId, &DistrictId),
    sealed: &[u8],
) -> Option<[[u8; SHARE_BYTES]; 2]> {
    let mut bytes = sealed.to_vec();
    let aad = Aad::from(associated(ctx, (from, to)));
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let plain = aead(key).open_in_place(nonce, aad, &mut bytes).ok()?;
    let (seed, mask) = plain.split_at_checked(SHARE_BYTES)?;
    Some([seed.try_into().ok()?, mask.try_into().ok()?])
}

/// The product in GF(256) with x⁸ + x⁴ + x³ + x + 1.
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= 0x1b;
        }
        b >>= 1;
    }
    product
}

fn inverse(a: u8) -> u8 {
    (1..=255).find(|&b| times(a, b) == 1).expect("only 0 has no inverse")
}

/// The value at `x` of the polynomial of least degree through these shares: at 0, the secret.
#[must_use]
pub fn interpolate(shares: &[[u8; SHARE_BYTES]], x: u8) -> [u8; 32] {
    let mut value = [0; 32];
    for one in shares {
        let mut factor = 1;
        for other in shares.iter().filter(|other| other[0] != one[0]) {
            factor = times(factor, times(x ^ other[0], inverse(one[0] ^ other[0])));
        }
        for (sum, byte) in value.iter_mut().zip(&one[1..]) {
            *sum ^= times(factor, *byte);
        }
    }
    value
}

/// Deals a secret to the holders at `xs` so that `t` of them recover it.
#[must_use]
pub fn deal(
    secret: &[u8; 32],
    t: usize,
    xs: &[u8],
    rng: &mut ChaCha20Rng,
) -> Vec<[u8; SHARE_BYTES]> {
    let mut points = vec![[0; SHARE_BYTES]];
    points[0][1..].copy_from_slice(secret);
    for &x in &xs[..t - 1] {
        let mut point = [x; SHARE_BYTES];
        rng.fill_bytes(&mut point[1..]);
        points.push(point);
    }
    xs.iter()
        .map(|&x| {
            let mut share = [x; SHARE_BYTES];
            share[1..].copy_from_slice(&interpolate(&points, x));
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Network, district, seeded};

    #[test]
    fn the_witness_derives_the_context_and_the_keys_of_proto() {
        let mut net = Network::new(5, 1, 1);
        assert_eq!(ctx(&net.terms), net.terms.ctx());
        let secrets = Secrets::drawn_from(&net.rng[&district(2)]);
        let (_, ours) = net.nodes(&[district(2)]).remove(&district(2)).unwrap();
        assert_eq!(public(&secrets.seal), ours.seal_key);
        assert_eq!(public(&secrets.mask), ours.mask_key);
        assert_eq!(commitment(&net.terms.ctx(), &district(2), &secrets.seed), ours.seed_commitment);
    }

    #[test]
    fn dealt_shares_interpolate_to_their_secret() {
        let shares = deal(&[0x5a; 32], 3, &[1, 4, 9, 254], &mut seeded(1, 1));
        assert_eq!(interpolate(&shares[1..], 0), [0x5a; 32]);
        assert_ne!(interpolate(&shares[2..], 0), [0x5a; 32]);
    }
}
