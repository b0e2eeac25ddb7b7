//! Whom this district counts as honest.

use flashlight_node::consent::{Policy, Standing, Witnesses};
use flashlight_proto::identity::IdentitySecret;
use flashlight_proto::roster::{Member, MemberState, Roster};
use flashlight_proto::vouch::Vouch;

use crate::setting::{Ask, ORIGIN, id, ids, member, policy, roster, roster_of, secret};

const FLOORS: &str = "min_survivors = 4\nmin_honest = 3\n";

fn vouch(voucher: u8, district: u8, key: &IdentitySecret, by: &IdentitySecret) -> Vouch {
    Vouch::sign(id(voucher), by, id(district), key.public(), ORIGIN)
}

/// A vouch as it should be.
fn honest(voucher: u8, district: u8) -> Vouch {
    vouch(voucher, district, &secret(district), &secret(voucher))
}

fn standing(policy: &Policy, roster: &Roster, vouches: &[Vouch], district: u8) -> Standing {
    let own = id(0);
    let trust = policy.trust(Witnesses { district: &own, roster, vouches, log_origin: ORIGIN });
    let peer = trust.peers().find(|peer| peer.district == id(district)).unwrap();
    assert_eq!(trust.counts(&id(district)), peer.standing.counts());
    peer.standing.clone()
}

/// How district 20, which the policy does not list, stands with these vouches.
fn stranger(vouches: &[Vouch]) -> Standing {
    standing(&policy(0..12, FLOORS), &roster(), vouches, 20)
}

#[test]
fn fake_districts_that_fill_the_cohort_are_refused_by_name() {
    // The hub certified d04 to d11 itself. Its numbers would meet every floor.
    let refusal = Ask::default().judge(&policy(0..4, FLOORS)).unwrap_err();
    assert_eq!(refusal.code(), "cohort_untrusted");
    let text = refusal.to_string();
    assert!(text.starts_with("8 of the cohort are neither listed"), "{text}");
    assert!(text.contains("d04, d05") && text.contains("raise max_colluding to 9"), "{text}");
}

#[test]
fn districts_that_nobody_knows_count_as_colluding() {
    let policy = policy(0..16, FLOORS);
    let ask =
        |colluding| Ask { cohort: (0..24).collect(), dropped: 0, colluding, ..Ask::default() };
    assert!(ask(9).judge(&policy).is_ok(), "8 strangers and one of ours");
    assert_eq!(ask(8).judge(&policy).unwrap_err().code(), "cohort_untrusted");
}

#[test]
fn a_listed_district_needs_no_vouch_and_we_trust_ourselves() {
    let nobody = policy(1..12, FLOORS);
    assert_eq!(standing(&nobody, &roster(), &[], 0), Standing::Own);
    assert_eq!(standing(&nobody, &roster(), &[], 11), Standing::Listed);
    assert_eq!(standing(&nobody, &roster(), &[], 12), Standing::Stranger(vec![]));
}

#[test]
fn two_listed_districts_can_vouch_for_a_third() {
    assert_eq!(stranger(&[honest(1, 20), honest(2, 20)]), Standing::Vouched(ids([1, 2])));
}

#[test]
fn more_have_to_vouch_than_trusted_districts_may_collude() {
    let careful = policy(0..12, &format!("{FLOORS}min_colluding = 2\n"));
    let two = [honest(1, 20), honest(2, 20)];
    assert_eq!(standing(&careful, &roster(), &two, 20), Standing::Stranger(ids([1, 2])));
    let three = [honest(1, 20), honest(2, 20), honest(3, 20)];
    assert_eq!(standing(&careful, &roster(), &three, 20), Standing::Vouched(ids([1, 2, 3])));
}

#[test]
fn one_vouch_is_not_enough_however_often_it_is_shown() {
    let expected = Standing::Stranger(ids([1]));
    assert_eq!(stranger(&[honest(1, 20), honest(1, 20), honest(1, 20)]), expected);
}

#[test]
fn a_district_that_was_vouched_for_cannot_vouch() {
    let vouches = [honest(1, 21), honest(2, 21), honest(1, 20), honest(21, 20)];
    assert_eq!(stranger(&vouches), Standing::Stranger(ids([1])));
}

#[test]
fn a_vouch_signed_by_somebody_else_counts_for_nothing() {
    let forged = vouch(2, 20, &secret(20), &secret(200));
    assert_eq!(stranger(&[honest(1, 20), forged]), Standing::Stranger(ids([1])));
}

#[test]
fn a_vouch_for_another_key_or_network_counts_for_nothing() {
    let other_key = vouch(2, 20, &secret(99), &secret(2));
    assert_eq!(stranger(&[honest(1, 20), other_key]), Standing::Stranger(ids([1])));
    let elsewhere =
        Vouch::sign(id(2), &secret(2), id(20), secret(20).public(), "other.example/flashlight");
    assert_eq!(stranger(&[honest(1, 20), elsewhere]), Standing::Stranger(ids([1])));
}

#[test]
fn a_district_cannot_vouch_for_itself() {
    assert_eq!(stranger(&[honest(1, 20), honest(20, 20)]), Standing::Stranger(ids([1])));
}

#[test]
fn the_vouch_of_a_revoked_district_counts_for_nothing() {
    let revoked = Member { state: MemberState::Revoked, ..member(2, 2) };
    let members = (0..40).map(|one| if one == 2 { revoked.clone() } else { member(one, one) });
    let roster = roster_of(members.collect());
    let found = standing(&policy(0..12, FLOORS), &roster, &[honest(1, 20), honest(2, 20)], 20);
    assert_eq!(found, Standing::Stranger(ids([1])));
}

/// District 5 was away when the hub put key 99 in its place.
fn substituted() -> Roster {
    roster_of((0..40).map(|one| member(one, if one == 5 { 99 } else { one })).collect())
}

#[test]
fn the_key_of_an_absent_district_cannot_be_changed_by_the_hub() {
    let policy = policy(0..12, FLOORS);
    assert_eq!(standing(&policy, &substituted(), &[], 5), Standing::KeyDiffers);
    let refusal = Ask::default().judge_with(&policy, &substituted(), &[], None).unwrap_err();
    assert_eq!(refusal.code(), "cohort_untrusted");
    assert!(refusal.to_string().contains("d05"), "{refusal}");
}

#[test]
fn a_key_change_signed_by_the_old_key_is_accepted() {
    let renewal = vouch(5, 5, &secret(99), &secret(5));
    let policy = policy(0..12, FLOORS);
    assert_eq!(standing(&policy, &substituted(), &[renewal], 5), Standing::Renewed);
    let self_made = vouch(5, 5, &secret(99), &secret(99));
    assert_eq!(standing(&policy, &substituted(), &[self_made], 5), Standing::KeyDiffers);
}

#[test]
fn a_key_change_vouched_afresh_by_two_is_accepted() {
    let policy = policy(0..12, FLOORS);
    let fresh = |voucher| vouch(voucher, 5, &secret(99), &secret(voucher));
    let found = standing(&policy, &substituted(), &[fresh(1), fresh(2)], 5);
    assert_eq!(found, Standing::Vouched(ids([1, 2])));
    // Vouches for the old key do not carry over.
    let stale = [honest(1, 5), honest(2, 5)];
    assert_eq!(standing(&policy, &substituted(), &stale, 5), Standing::KeyDiffers);
}
