//! The officers' override: who has to sign before a further set of survivors is let in.

use std::collections::BTreeSet;

use flashlight_node::ledger::Override;
use flashlight_proto::identity::DistrictId;

use crate::setting::{Ask, Books, ORIGIN, code, id, ids, open, policy, roster, secret};

const QUESTION: &str = "students/2024@2024-06-30";

fn exactly(cohort: std::ops::Range<u8>) -> Ask {
    Ask { cohort: cohort.collect(), dropped: 0, rho: 0.01, ..Ask::default() }
}

/// Answered by d00 to d10.
fn answered() -> Books {
    let mut books = Books::new();
    books.run(&exactly(0..11), &(0..11).collect::<Vec<_>>()).unwrap();
    books
}

fn set(districts: std::ops::Range<u8>) -> BTreeSet<DistrictId> {
    ids(districts).into_iter().collect()
}

/// Lets d11 in, signed by these.
fn document(signers: impl IntoIterator<Item = u8>) -> Override {
    let questions = [QUESTION.parse().unwrap()].into();
    let reason = "d11 \"lost\" its disk\\array".to_owned();
    let mut document =
        Override::new(ORIGIN.to_owned(), questions, [set(0..11)], set(0..12), reason);
    signers.into_iter().for_each(|district| document.sign(id(district), &secret(district)));
    document
}

fn charged(books: &mut Books, document: Override) -> &'static str {
    code(books.charge_permit(exactly(0..12).permit().overridden(document)))
}

#[test]
fn a_set_that_all_whom_it_touches_and_four_others_agreed_to_is_let_in_and_signed() {
    let mut books = answered();
    let permit = exactly(0..12).permit().overridden(document([11, 1, 2, 3, 4]));
    let spend = books.charge_permit(permit).unwrap();
    books.confirm(&spend, &(0..12).collect::<Vec<_>>()).unwrap();
    // From now on both sets may run again.
    assert!(books.charge(&exactly(0..12)).is_ok());
    assert!(books.charge(&exactly(0..11)).is_ok());
}

#[test]
fn the_district_that_would_be_laid_open_has_to_sign() {
    let refused = charged(&mut answered(), document([1, 2, 3, 4, 5, 6]));
    assert_eq!(refused, "override_touched");
}

#[test]
fn enough_others_have_to_sign() {
    assert_eq!(charged(&mut answered(), document([11, 1, 2, 3])), "override_others");
}

#[test]
fn signatures_of_districts_that_nobody_knows_are_not_enough() {
    let mut books = answered();
    // d05 and above are the hub's own; c covers them.
    let floors = "min_survivors = 4\nmin_honest = 3\nmax_failed_rounds = 9\n";
    let ask = Ask { colluding: 8, quorum: Some(11), ..exactly(0..12) };
    let permit = ask.judge_with(&policy(0..5, floors), &roster(), &[], None).unwrap();
    let document = document(std::iter::once(11).chain(1..11));
    assert_eq!(code(books.charge_permit(permit.overridden(document))), "override_others");
}

#[test]
fn a_signature_by_another_key_is_none() {
    let mut document = document([1, 2, 3, 4]);
    document.sign(id(11), &secret(99));
    assert_eq!(charged(&mut answered(), document), "override_touched");
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let signed = document([11, 1, 2, 3, 4]).to_text();
    let altered = Override::parse(&signed.replace("lost", "found")).unwrap();
    assert_eq!(charged(&mut answered(), altered), "override_touched");
}

#[test]
fn an_override_for_another_cohort_question_or_network_is_none() {
    let text = document([]).to_text();
    for (from, to, refused) in [
        ("after = [\"d00\", ", "after = [", "override_after"),
        ("students/2024", "students/2023", "override_question"),
        (ORIGIN, "other.example", "override_shape"),
    ] {
        let mut altered = Override::parse(&text.replace(from, to)).unwrap();
        for district in [11, 1, 2, 3, 4] {
            altered.sign(id(district), &secret(district));
        }
        assert_eq!(charged(&mut answered(), altered), refused);
    }
}

#[test]
fn the_officers_have_to_see_every_earlier_set() {
    let mut books = Books::new();
    books.run(&exactly(0..11), &(0..11).collect::<Vec<_>>()).unwrap();
    books.run(&exactly(0..15), &(0..15).collect::<Vec<_>>()).unwrap();
    assert_eq!(charged(&mut books, document([11, 1, 2, 3, 4])), "override_before");
}

#[test]
fn an_override_lets_nobody_be_lost() {
    let mut books = answered();
    let permit = Ask { dropped: 1, ..exactly(0..12) }.permit();
    let permit = permit.overridden(document([11, 1, 2, 3, 4]));
    assert_eq!(code(books.charge_permit(permit)), "later_round_dropouts");
}

#[test]
fn an_override_does_not_forgive_a_set_signed_since() {
    let mut books = answered();
    let permit = exactly(0..12).permit().overridden(document([11, 1, 2, 3, 4]));
    let spend = books.charge_permit(permit).unwrap();
    // A second round at once signs a second set, which the officers never saw.
    let other = books.charge(&exactly(0..15)).unwrap();
    books.confirm(&other, &(0..15).collect::<Vec<_>>()).unwrap();
    assert_eq!(code(books.confirm(&spend, &(0..12).collect::<Vec<_>>())), "third_set");
}

#[test]
fn the_file_is_read_back_as_it_was_written() {
    let document = document([11, 1]);
    assert_eq!(Override::parse(&document.to_text()).unwrap(), document);
    let unknown = format!("surprise = 1\n{}", document.to_text());
    assert_eq!(Override::parse(&unknown).unwrap_err().code(), "override_shape");
    let bell = document.to_text().replacen("reason = \"", "reason = \"\\u0007", 1);
    assert_eq!(Override::parse(&bell).unwrap_err().code(), "override_shape");
}

#[test]
fn a_policy_that_lists_another_key_does_not_take_the_rosters_signature() {
    let mut policy = open();
    policy.trusted.insert(id(11), secret(98).public());
    let ask = Ask { colluding: 2, quorum: Some(8), ..exactly(0..12) };
    let permit = ask.judge(&policy).unwrap().overridden(document([11, 1, 2, 3, 4, 5]));
    assert_eq!(code(answered().charge_permit(permit)), "override_touched");
}
