//! The roster as it is fetched, with what districts say of each other.

use super::{WireError, pb, signature};
use crate::roster::SignedRoster;
use crate::vouch::{VOUCH_TEXT_MAX, VOUCHES_MAX, Vouch};

/// Longest reply to `FetchRoster`, bytes: a roster, the vouches, and room for the fields around them.
pub const FETCHED_ROSTER_MAX: usize = super::ROSTER_MAX + VOUCHES_MAX * (VOUCH_TEXT_MAX + 8) + 4096;

/// The reply to `FetchRoster`.
///
/// `vouches`: at most [`VOUCHES_MAX`], as [`Vouch`] writes itself.
#[must_use]
pub fn roster_reply(signed: SignedRoster, vouches: Vec<String>) -> pb::SignedRoster {
    let signature = signed.signature.as_bytes().to_vec();
    pb::SignedRoster { text: signed.text, signature, vouches }
}

/// Reads the reply to `FetchRoster`. Neither the hub's signature nor any voucher's is checked yet:
/// [`SignedRoster::verify`] and [`Vouch::verify`] do.
///
/// # Errors
/// [`WireError`] naming the field: a signature that is not 64 bytes, more than [`VOUCHES_MAX`]
/// vouches, or one that is not a vouch.
pub fn fetched_roster(wire: pb::SignedRoster) -> Result<(SignedRoster, Vec<Vouch>), WireError> {
    let pb::SignedRoster { text, signature: bytes, vouches } = wire;
    let signature = signature(&bytes, "signature")?;
    if vouches.len() > VOUCHES_MAX {
        return Err(WireError::new("vouches", "holds more than a network may have"));
    }
    let read = |text: &String| {
        text.parse().map_err(|_| WireError::new("vouches", "holds something that is not a vouch"))
    };
    let vouches = vouches.iter().map(read).collect::<Result<_, _>>()?;
    Ok((SignedRoster { text, signature }, vouches))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use zeroize::Zeroizing;

    use super::*;
    use crate::identity::IdentitySecret;
    use crate::roster::Roster;

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn vouch() -> Vouch {
        let (voucher, district) = ("a".parse().unwrap(), "b".parse().unwrap());
        Vouch::sign(voucher, &secret(1), district, secret(2).public(), "a network")
    }

    fn signed() -> SignedRoster {
        Roster::new(1, secret(3).public(), Vec::new()).unwrap().sign(&secret(3))
    }

    fn reply(vouches: Vec<String>) -> pb::SignedRoster {
        roster_reply(signed(), vouches)
    }

    #[test]
    fn a_roster_and_its_vouches_survive_the_wire_unchanged() {
        let fetched = fetched_roster(reply(vec![vouch().to_string()]));
        assert_eq!(fetched, Ok((signed(), vec![vouch()])));
        assert_eq!(fetched_roster(reply(Vec::new())), Ok((signed(), Vec::new())));
    }

    #[test]
    fn what_is_no_vouch_or_too_many_is_refused_by_name() {
        let text = vouch().to_string();
        for bad in [
            vec![text.clone(), "vouch a b".to_owned()],
            vec![String::new()],
            vec![format!("{text} ")],
            vec![text; VOUCHES_MAX + 1],
        ] {
            let error = fetched_roster(reply(bad)).unwrap_err();
            assert_eq!((error.field, error.code()), ("vouches", "malformed"));
        }
    }

    #[test]
    fn a_reply_with_the_most_vouches_there_may_be_fits_its_limit() {
        let longest = "x".repeat(VOUCH_TEXT_MAX);
        let mut reply = reply(vec![longest; VOUCHES_MAX]);
        reply.text = vec![b'x'; crate::wire::ROSTER_MAX];
        assert!(reply.encoded_len() <= FETCHED_ROSTER_MAX);
    }
}
