//! What a hub, or somebody in its name, may not do with a roster.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

fn secret(seed: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
}

fn member(id: &str, seed: u8) -> Member {
    Member {
        district: id.parse().unwrap(),
        name: format!("District {id}"),
        key: secret(seed).public(),
        certificate: Digest::of(&[seed]),
        state: MemberState::Active,
    }
}

fn roster(version: u64, members: Vec<Member>) -> Roster {
    Roster::new(version, secret(1).public(), members).unwrap()
}

fn two() -> Roster {
    roster(2, vec![member("b", 12), member("a", 11)])
}

/// The text of [`two`] with one replacement, signed by the hub nevertheless.
fn signed_with(from: &str, to: &str) -> Result<Roster, RosterError> {
    let text = two().to_text();
    assert!(text.contains(from), "{from:?} is in the text");
    let text = text.replacen(from, to, 1).into_bytes();
    let signature = secret(1).sign(&signed_digest(&text));
    SignedRoster { text, signature }.verify(&secret(1).public())
}

#[test]
fn a_signed_roster_verifies_to_what_was_signed() {
    let signed = two().sign(&secret(1));
    assert_eq!(signed.verify(&secret(1).public()).unwrap(), two());
    assert_eq!(signed.hash(), two().hash());
    assert_eq!(two().members()[0].district.as_str(), "a");
    assert_eq!(two().find(&"b".parse().unwrap()).unwrap().key, secret(12).public());
}

#[test]
fn the_text_of_a_small_roster_is_fixed() {
    let text = two().to_text();
    let expected = format!(
        "flashlight roster v1\nhub {}\nversion 2\nmembers 2\n\
         a active {} {} District a\nb active {} {} District b\n",
        secret(1).public(),
        secret(11).public(),
        Digest::of(&[11]),
        secret(12).public(),
        Digest::of(&[12]),
    );
    assert_eq!(text, expected);
}

#[test]
fn a_roster_signed_by_another_key_is_refused() {
    let signed = two().sign(&secret(2));
    assert_eq!(signed.verify(&secret(1).public()), Err(RosterError::Signature));
}

#[test]
fn a_roster_changed_after_signing_is_refused() {
    let mut signed = two().sign(&secret(1));
    let last = signed.text.len() - 2;
    signed.text[last] ^= 1;
    assert_eq!(signed.verify(&secret(1).public()), Err(RosterError::Signature));
}

#[test]
fn a_roster_that_names_another_hub_key_is_refused() {
    let other = Roster::new(2, secret(3).public(), vec![member("a", 11)]).unwrap();
    let signed = other.sign(&secret(1));
    assert_eq!(signed.verify(&secret(1).public()), Err(RosterError::HubKey));
}

#[test]
fn a_roster_with_a_substituted_key_is_refused() {
    let mut changed = member("a", 11);
    changed.key = secret(66).public();
    let next = roster(3, vec![changed, member("b", 12)]);
    let error = next.follows(&two()).unwrap_err();
    assert_eq!(error, RosterError::KeyChanged { district: "a".parse().unwrap() });
    assert_eq!(error.code(), "roster_key_changed");
}

#[test]
fn a_roster_with_an_older_version_is_refused() {
    let older = roster(1, vec![member("a", 11), member("b", 12)]);
    assert_eq!(older.follows(&two()), Err(RosterError::RolledBack { seen: 2, offered: 1 }));
}

#[test]
fn two_texts_under_one_version_are_refused() {
    let fork = roster(2, vec![member("a", 11), member("b", 12), member("c", 13)]);
    assert_eq!(fork.follows(&two()), Err(RosterError::Forked { version: 2 }));
}

#[test]
fn a_roster_that_lost_a_member_is_refused() {
    let next = roster(3, vec![member("a", 11), member("c", 13)]);
    let missing = RosterError::MemberMissing { district: "b".parse().unwrap() };
    assert_eq!(next.follows(&two()), Err(missing));
}

#[test]
fn a_revoked_certificate_never_becomes_active_again() {
    let mut revoked = member("a", 11);
    revoked.state = MemberState::Revoked;
    let before = roster(3, vec![revoked, member("b", 12)]);
    assert_eq!(before.follows(&two()), Ok(()));
    let after = roster(4, vec![member("a", 11), member("b", 12)]);
    let unrevoked = RosterError::Unrevoked { district: "a".parse().unwrap() };
    assert_eq!(after.follows(&before), Err(unrevoked));
}

#[test]
fn a_revoked_district_comes_back_with_its_key_and_a_new_certificate() {
    let mut revoked = member("a", 11);
    revoked.state = MemberState::Revoked;
    let before = roster(3, vec![revoked]);
    let mut renewed = member("a", 11);
    renewed.certificate = Digest::of(b"renewed");
    assert_eq!(roster(4, vec![renewed]).follows(&before), Ok(()));
}

#[test]
fn the_same_roster_and_a_grown_one_are_accepted() {
    assert_eq!(two().follows(&two()), Ok(()));
    let grown = roster(5, vec![member("a", 11), member("b", 12), member("c", 13)]);
    assert_eq!(grown.follows(&two()), Ok(()));
}

#[test]
fn a_roster_under_another_hub_key_never_follows() {
    let other = Roster::new(9, secret(3).public(), two().members().to_vec()).unwrap();
    assert_eq!(other.follows(&two()), Err(RosterError::HubKey));
}

#[test]
fn a_district_named_twice_is_refused() {
    let members = vec![member("a", 11), member("a", 12)];
    assert_eq!(Roster::new(1, secret(1).public(), members), Err(RosterError::Duplicate));
}

#[test]
fn one_key_under_two_districts_is_refused() {
    let mut other = member("b", 12);
    other.key = secret(11).public();
    let members = vec![member("a", 11), other];
    assert_eq!(Roster::new(1, secret(1).public(), members), Err(RosterError::Duplicate));
}

#[test]
fn one_certificate_under_two_districts_is_refused() {
    let mut other = member("b", 12);
    other.certificate = Digest::of(&[11]);
    let members = vec![member("a", 11), other];
    assert_eq!(Roster::new(1, secret(1).public(), members), Err(RosterError::Duplicate));
}

#[test]
fn members_out_of_order_are_refused_even_when_signed() {
    assert_eq!(signed_with("a active", "c active"), Err(RosterError::Duplicate));
}

#[test]
fn every_departure_from_the_canonical_text_is_refused_with_its_line() {
    let cases = [
        ("roster v1", "roster v2", 1),
        ("roster v1\n", "roster v1\r\n", 1),
        ("hub ed25519:", "hub ED25519:", 2),
        ("version 2", "version 02", 3),
        ("version 2", "version +2", 3),
        ("version 2", "version -1", 3),
        ("members 2", "members 3", 7),
        ("members 2", "members 1", 6),
        ("a active", "a  active", 5),
        ("a active", "a Active", 5),
        ("a active", "a/b active", 5),
        ("District a", "District a ", 5),
        ("District a", "Dis\u{202e}trict a", 5),
        ("District a", "Dis\ttrict a", 5),
        ("District b\n", "District b", 7),
        ("District b\n", "District b\n\n", 8),
    ];
    for (from, to, line) in cases {
        assert_eq!(signed_with(from, to), Err(RosterError::Malformed { line }), "{from:?} {to:?}");
    }
}

#[test]
fn upper_case_hex_is_not_canonical() {
    let key = two().members()[0].key.to_string();
    let loud = format!("ed25519:{}", key["ed25519:".len()..].to_uppercase());
    assert_eq!(signed_with(&key, &loud), Err(RosterError::Malformed { line: 5 }));
}

#[test]
fn names_are_measured_in_bytes() {
    assert!(name_is_allowed(&"x".repeat(120)));
    assert!(!name_is_allowed(&"x".repeat(121)));
    assert!(!name_is_allowed(&"ñ".repeat(61)));
    assert!(name_is_allowed("Cañon City RE-1"));
    assert!(!name_is_allowed(""));
    assert!(!name_is_allowed("two\nlines"));
}

#[test]
fn a_roster_of_two_thousand_and_one_is_refused() {
    let many = |count: u32| {
        let members = (0..count).map(|index| Member {
            district: format!("{index:04}").parse().unwrap(),
            name: "n".repeat(NAME_MAX),
            key: IdentityKey::from(*Digest::of(&index.to_le_bytes()).as_bytes()),
            certificate: Digest::of(&index.to_be_bytes()),
            state: MemberState::Revoked,
        });
        Roster::new(1, secret(1).public(), members.collect())
    };
    assert!(many(2000).unwrap().to_text().len() < ROSTER_TEXT_MAX);
    assert_eq!(many(2001), Err(RosterError::TooLarge));
}

#[test]
fn a_text_over_one_mebibyte_is_refused_before_it_is_read() {
    let text = vec![b'x'; ROSTER_TEXT_MAX + 1];
    let signature = secret(1).sign(&signed_digest(&text));
    let signed = SignedRoster { text, signature };
    assert_eq!(signed.verify(&secret(1).public()), Err(RosterError::TooLarge));
}

#[test]
fn a_member_count_over_the_limit_is_refused_before_anything_is_allocated() {
    let result = signed_with("members 2", "members 18446744073709551615");
    assert_eq!(result, Err(RosterError::TooLarge));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Roster::parse(&bytes);
    }

    #[test]
    fn whatever_parses_is_written_back_unchanged(from in 0_usize..250, byte in any::<u8>()) {
        let mut text = two().to_text().into_bytes();
        let index = from % text.len();
        text[index] = byte;
        if let Ok(roster) = Roster::parse(&text) {
            prop_assert_eq!(roster.to_text().into_bytes(), text);
        }
    }
}
