//! Shamir shares over GF(256) of the two 32-byte secrets of a round (vsss-rs, constant time).
//!
//! A share is 33 bytes: x, the holder's place from 1 (in the cohort, or among the dealer's neighbours
//! on the sparse graph), then one byte per secret byte.

use std::fmt;

use rand_core::CryptoRng;
use vsss_rs::{Gf256, IdentifierGf256};
use zeroize::Zeroizing;

use super::error::Reason;

/// Bytes of one share.
pub const SHARE_BYTES: usize = 33;

/// Most subsets of shares tried before a secret is given up as unrecoverable. With 60 districts of
/// which 5 send bad shares, one subset in 46 is clean; with 3 bad ones, one in 10.
const MAX_SUBSETS: u32 = 4096;

/// Further subsets tried, once the secret is known, to name who sent bad shares.
const NAMING_SUBSETS: u32 = 256;

/// One share of one secret. Not shown, not copied.
pub struct Share(Zeroizing<[u8; SHARE_BYTES]>);

impl Share {
    /// Reads a share and checks its holder.
    ///
    /// # Errors
    /// [`Reason::ShareShape`] when it is not 33 bytes or `x` is another's.
    pub fn parse(bytes: &[u8], x: u8) -> Result<Self, Reason> {
        let bytes: [u8; SHARE_BYTES] = bytes.try_into().map_err(|_| Reason::ShareShape)?;
        if bytes[0] != x || x == 0 {
            return Err(Reason::ShareShape);
        }
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The 33 bytes, for the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }

    /// The holder's place, from 1.
    #[must_use]
    pub fn x(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("x", &self.x()).finish_non_exhaustive()
    }
}

/// Splits a secret so that any `t` of the holders `xs` recover it and any t − 1 learn nothing.
///
/// # Errors
/// [`Reason::Split`] when `t` or the number of holders is out of range (2 ≤ t ≤ n ≤ 254).
pub(super) fn split<R: CryptoRng>(
    secret: &[u8; 32],
    t: usize,
    xs: &[u8],
    rng: &mut R,
) -> Result<Vec<Share>, Reason> {
    let ids = xs.iter().map(|&x| IdentifierGf256(Gf256(x)));
    let shares = Gf256::split_bytes_with_participant_ids_iter(t, xs.len(), secret, rng, ids)
        .map_err(|_| Reason::Split)?;
    shares
        .into_iter()
        .map(Zeroizing::new)
        .zip(xs)
        .map(|(share, &x)| Share::parse(&share, x).map_err(|_| Reason::Split))
        .collect()
}

/// A recovered secret and the holders whose shares provably do not lie on its polynomial.
pub(super) struct Recovered {
    pub(super) secret: Zeroizing<[u8; 32]>,
    pub(super) liars: Vec<u8>,
}

/// Recovers a secret from `t` of the shares, trying subsets until `is_secret` accepts one.
///
/// Shares must have distinct x. The subsets are tried in a fixed pseudorandom order, at most
/// [`MAX_SUBSETS`] of them. Wrong shares can cancel in one subset, so holders are named only where
/// the polynomial is the one decoding within half the distance (t + liars ≤ shares on it): liars
/// cannot frame the honest. Otherwise the secret, which `is_secret` has proved, comes without names.
///
/// # Errors
/// [`Reason::Unrecoverable`] when no subset tried opens the secret.
pub(super) fn recover(
    shares: &[&Share],
    t: usize,
    is_secret: impl Fn(&[u8; 32]) -> bool,
) -> Result<Recovered, Reason> {
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut found: Option<Zeroizing<[u8; 32]>> = None;
    let mut tries = if shares.len() < t { 0 } else { MAX_SUBSETS };
    while tries > 0 {
        let subset: Vec<&Share> = order[..t].iter().map(|&index| shares[index]).collect();
        if let Some(secret) = combine(&subset).filter(|secret| is_secret(secret)) {
            let liars = liars(shares, &order[..t]);
            if t + 2 * liars.len() <= shares.len() {
                return Ok(Recovered { secret, liars });
            }
            if found.is_none() {
                tries = tries.min(NAMING_SUBSETS);
            }
            found = Some(secret);
        }
        if shares.len() == t {
            break;
        }
        shuffle(&mut order, &mut state);
        tries -= 1;
    }
    match found {
        Some(secret) => Ok(Recovered { secret, liars: Vec::new() }),
        None => Err(Reason::Unrecoverable { got: shares.len(), need: t }),
    }
}

/// Whose shares do not lie on the polynomial through the `good` ones.
///
/// Lagrange's basis by barycentric weights: 36 t products per share, where combining it with t − 1
/// good ones takes 2 t² (10 s in a round of 254 that nobody disturbs).
fn liars(shares: &[&Share], good: &[usize]) -> Vec<u8> {
    let xs: Vec<Gf256> = good.iter().map(|&index| Gf256(shares[index].x())).collect();
    let weights: Vec<Gf256> = xs
        .iter()
        .map(|&x| {
            Gf256(1) / xs.iter().filter(|&&other| other != x).map(|&o| x - o).product::<Gf256>()
        })
        .collect();
    let mut liars = Vec::new();
    for (index, share) in shares.iter().enumerate() {
        if good.contains(&index) {
            continue;
        }
        let basis = basis(Gf256(share.x()), &xs, &weights);
        let lies = (1..SHARE_BYTES).any(|place| {
            let terms = good.iter().zip(&basis);
            let sum: Gf256 =
                terms.map(|(&index, &factor)| factor * Gf256(shares[index].0[place])).sum();
            sum.0 != share.0[place]
        });
        if lies {
            liars.push(share.x());
        }
    }
    liars
}

/// What each of the values at `xs` counts in the value at `x`: wᵢ Πₖ≠ᵢ (x − xₖ).
fn basis(x: Gf256, xs: &[Gf256], weights: &[Gf256]) -> Vec<Gf256> {
    let mut basis = weights.to_vec();
    let mut before = Gf256(1);
    let mut after = Gf256(1);
    for index in 0..xs.len() {
        let back = xs.len() - 1 - index;
        basis[index] *= before;
        before *= x - xs[index];
        basis[back] *= after;
        after *= x - xs[back];
    }
    basis
}

fn combine(shares: &[&Share]) -> Option<Zeroizing<[u8; 32]>> {
    let bytes: Zeroizing<Vec<Vec<u8>>> =
        Zeroizing::new(shares.iter().map(|share| share.as_bytes().to_vec()).collect());
    let secret = Zeroizing::new(Gf256::combine_bytes(bytes.as_slice()).ok()?);
    let array: [u8; 32] = secret.as_slice().try_into().ok()?;
    Some(Zeroizing::new(array))
}

/// Fisher–Yates with xorshift64: which subset is tried next needs no secrecy, only variety.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let bound = last as u64 + 1;
        let pick = usize::try_from(*state % bound).unwrap_or(0);
        order.swap(last, pick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    const SECRET: [u8; 32] = [0xa5; 32];

    fn shares(t: usize, n: u8) -> Vec<Share> {
        let xs: Vec<u8> = (1..=n).collect();
        split(&SECRET, t, &xs, &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
    }

    fn spoil(share: &Share) -> Share {
        let mut bytes = *share.0;
        bytes[7] ^= 1;
        Share(Zeroizing::new(bytes))
    }

    #[test]
    fn any_threshold_of_shares_recovers_the_secret() {
        let shares = shares(3, 6);
        for skip in 0..4 {
            let subset: Vec<&Share> = shares[skip..skip + 3].iter().collect();
            let got = recover(&subset, 3, |secret| *secret == SECRET).unwrap();
            assert_eq!(*got.secret, SECRET);
        }
    }

    #[test]
    fn one_share_less_than_the_threshold_does_not_recover() {
        let shares = shares(3, 6);
        let subset: Vec<&Share> = shares[..2].iter().collect();
        let got = recover(&subset, 3, |secret| *secret == SECRET).map(|_| ());
        assert_eq!(got, Err(Reason::Unrecoverable { got: 2, need: 3 }));
    }

    #[test]
    fn bad_shares_are_worked_around_and_their_holders_named() {
        let shares = shares(11, 20);
        let bad = [spoil(&shares[0]), spoil(&shares[4]), spoil(&shares[9])];
        let mut mixed: Vec<&Share> = shares.iter().collect();
        mixed[0] = &bad[0];
        mixed[4] = &bad[1];
        mixed[9] = &bad[2];
        let got = recover(&mixed, 11, |secret| *secret == SECRET).unwrap();
        assert_eq!(*got.secret, SECRET);
        assert_eq!(got.liars, vec![1, 5, 10]);
    }

    /// With t = 3 and five shares, one lie is within half the distance; two are not.
    #[test]
    fn nobody_is_named_when_the_lies_are_too_many_to_tell_who_lied() {
        let shares = shares(3, 5);
        let bad = [spoil(&shares[0]), spoil(&shares[1])];
        let mixed = vec![&bad[0], &bad[1], &shares[2], &shares[3], &shares[4]];
        let got = recover(&mixed, 3, |secret| *secret == SECRET).unwrap();
        assert_eq!((*got.secret, got.liars), (SECRET, Vec::new()));
    }

    #[test]
    fn a_share_under_another_holders_place_is_refused() {
        let shares = shares(2, 3);
        let moved = Share::parse(shares[0].as_bytes(), 2).map(|_| ());
        assert_eq!(moved, Err(Reason::ShareShape));
    }

    /// Polynomials drawn from nonzero bytes only would never show a secret byte in a share when
    /// t = 2; uniform ones do once in 256 (binomial over 32 × 400 bytes; α < 1e-9).
    #[test]
    fn coefficients_are_drawn_from_all_bytes_including_zero() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let mut equal = 0;
        for _ in 0..400 {
            let shares = split(&SECRET, 2, &[1, 2], &mut rng).unwrap();
            equal += shares[0].as_bytes()[1..].iter().filter(|&&byte| byte == 0xa5).count();
        }
        assert!((15..=95).contains(&equal), "{equal} of 12800, 50 expected");
    }
}
