//! Vouches as an honest district, a liar and a flood of them bring them.

use flashlight_proto::vouch::{VOUCHES_MAX, Vouch, log_origin};

use super::*;

/// A hub with districts `1` to `3`, whose identity seeds are their numbers.
fn network() -> Hub {
    let mut hub = Hub::new();
    for seed in 1..=3 {
        let token = hub.invite(&seed.to_string());
        hub.enroll(&Keys::new(seed).request(&token)).unwrap();
    }
    hub
}

fn secret(seed: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
}

fn id(district: u8) -> DistrictId {
    district.to_string().parse().unwrap()
}

impl Hub {
    /// A vouch in the name of `voucher` for `district` under key `key`, signed by key `by`.
    fn signed(&self, voucher: u8, district: u8, key: u8, by: u8) -> Vouch {
        let origin = log_origin(&self.enrolment.roster().hub_key());
        Vouch::sign(id(voucher), &secret(by), id(district), secret(key).public(), &origin)
    }

    fn vouch(&mut self, from: u8, vouch: &str) -> &'static str {
        let done = self.enrolment.vouch(&id(from), vouch, &mut self.journal, NOW_MS);
        done.map_or_else(|error| error.code(), |()| "taken")
    }

    fn known(&self) -> Vec<String> {
        self.enrolment.vouches().map(ToString::to_string).collect()
    }
}

#[test]
fn a_vouch_is_kept_once_and_passed_on_after_a_restart() {
    let mut hub = network();
    let vouch = hub.signed(1, 2, 2, 1).to_string();
    assert_eq!(hub.vouch(1, &vouch), "taken");
    let head = hub.journal.head();
    assert_eq!(hub.vouch(1, &vouch), "taken");
    assert_eq!(hub.journal.head(), head, "the second one left a trace");
    let hub = hub.restarted();
    assert_eq!(hub.known(), [vouch]);
    assert_eq!([1, 2, 3].map(|one| hub.enrolment.vouched(&id(one))), [0, 1, 0]);
    assert_eq!(hub.enrolment.roster().version(), 3, "a vouch is no change of the roster");
}

#[test]
fn a_vouch_that_is_not_the_senders_own_true_word_is_refused_without_a_trace() {
    let mut hub = network();
    let elsewhere = Vouch::sign(id(1), &secret(1), id(2), secret(2).public(), "another network");
    let cases = [
        (hub.signed(2, 3, 3, 2).to_string(), "vouch_sender"),
        (hub.signed(1, 2, 2, 9).to_string(), "vouch_signature"),
        (elsewhere.to_string(), "vouch_signature"),
        (hub.signed(1, 1, 1, 1).to_string(), "vouch_self"),
        (hub.signed(1, 2, 9, 1).to_string(), "vouch_unknown"),
        (hub.signed(1, 4, 4, 1).to_string(), "vouch_unknown"),
        ("vouch 1 2".to_owned(), "vouch_malformed"),
        ("x".repeat(100_000), "vouch_malformed"),
    ];
    let head = hub.journal.head();
    for (text, code) in cases {
        assert_eq!(hub.vouch(1, &text), code, "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(hub.journal.head(), head);
    assert!(hub.known().is_empty());
}

#[test]
fn vouches_of_and_for_a_revoked_district_are_not_passed_on() {
    let mut hub = network();
    for (voucher, district) in [(1, 2), (2, 3), (3, 1)] {
        let vouch = hub.signed(voucher, district, district, voucher).to_string();
        assert_eq!(hub.vouch(voucher, &vouch), "taken");
    }
    hub.revoke("2").unwrap();
    let left = hub.signed(3, 1, 1, 3).to_string();
    assert_eq!(hub.known(), [left]);
    assert_eq!(hub.enrolment.vouched(&id(3)), 0);
    let late = hub.signed(1, 2, 2, 1).to_string();
    assert_eq!(hub.vouch(1, &late), "vouch_unknown");
}

#[test]
fn a_network_full_of_vouches_takes_no_more_and_keeps_those_it_has() {
    let mut hub = network();
    let one = hub.signed(1, 2, 2, 1);
    for number in 0..VOUCHES_MAX {
        let voucher = format!("v{number}").parse().unwrap();
        hub.enrolment.fold(Entry::Vouched { vouch: Vouch { voucher, ..one.clone() } });
    }
    assert_eq!(hub.vouch(1, &one.to_string()), "vouches_full");
    assert_eq!(hub.vouch(1, "vouch"), "vouch_malformed");
}
