//! The two rounds of growth models in policy and books.

use flashlight_node::consent::{Permit, Policy};
use flashlight_node::ledger::Spend;
use flashlight_proto::study::Mode;

use crate::setting::{Ask, Books, code, ids, open, policy, roster};

/// A study of growth models, to be answered by twelve districts.
fn growth() -> Ask {
    Ask { mode: Mode::Exact, dropped: 0, growth: true, ..Ask::default() }
}

/// Allows growth, and one round in vain.
fn strict() -> Policy {
    let floors = "min_survivors = 4\nmin_honest = 3\nmax_failed_rounds = 1\n";
    let mut policy = policy(0..40, floors);
    policy.allow.growth = true;
    policy
}

fn permit(ask: &Ask) -> Permit {
    ask.judge_with(&strict(), &roster(), &[], None).unwrap()
}

/// Charges, masks and signs.
fn sign(books: &mut Books, permit: Permit) -> Spend {
    let spend = books.charge_permit(permit).unwrap();
    books.mask(&spend);
    books.confirm(&spend, &(0..12).collect::<Vec<u8>>()).unwrap();
    // As the node does before every question: what was masked is in the journal alone.
    *books = Books::over(std::mem::replace(&mut books.journal, empty()));
    spend
}

fn empty() -> flashlight_node::journal::Journal {
    flashlight_node::journal::Journal::in_memory()
}

/// The second round that a third one over twelve districts continues.
fn second(books: &Books, ask: &Ask) -> Result<String, flashlight_node::ledger::Refusal> {
    books.ledger.round_before(ask.study().hash(), &ids(ask.cohort.iter().copied()), 2)
}

/// The first round that a second one over twelve districts continues.
fn first(books: &Books, ask: &Ask) -> Result<String, flashlight_node::ledger::Refusal> {
    books.ledger.round_before(ask.study().hash(), &ids(ask.cohort.iter().copied()), 1)
}

#[test]
fn a_study_of_growth_models_is_refused_until_the_policy_allows_growth() {
    let mut policy = open();
    let refusal = growth().judge(&policy).unwrap_err();
    assert_eq!(refusal.code(), "growth_not_allowed");
    let message = refusal.to_string();
    assert!(message.contains("growth = true under [allow]"), "{message}");
    policy.allow.growth = true;
    assert!(growth().judge(&policy).is_ok());
    policy.allow.growth = false;
    assert!(Ask { growth: false, ..growth() }.judge(&policy).is_ok());
}

#[test]
fn a_second_round_follows_a_first_that_is_not_published_and_ends_it() {
    let (mut books, ask) = (Books::new(), growth());
    sign(&mut books, permit(&ask));
    let one = first(&books, &ask).unwrap();
    assert_eq!(one, "01".repeat(16));
    assert!(books.ledger.has_open_round(ask.study().hash()));
    // The first counts as failed for everything but its own second.
    assert_eq!(code(books.charge_permit(permit(&ask))), "max_failed_rounds");
    let two = sign(&mut books, permit(&ask).continuing(one));
    assert_eq!(code(first(&books, &ask)), "growth_order", "a second is not continued");
    assert_eq!(code(books.charge_permit(permit(&ask))), "max_failed_rounds");
    books.publish(&two);
    assert!(books.charge_permit(permit(&ask)).is_ok(), "none of both failed");
}

#[test]
fn a_third_round_follows_a_second_and_ends_all_three() {
    let (mut books, ask) = (Books::new(), growth());
    sign(&mut books, permit(&ask));
    assert_eq!(code(second(&books, &ask)), "growth_order", "there is no second yet");
    let one = first(&books, &ask).unwrap();
    sign(&mut books, permit(&ask).continuing(one.clone()));
    assert!(books.ledger.has_open_round(ask.study().hash()));
    let two = second(&books, &ask).unwrap();
    assert_ne!(one, two);
    assert_eq!(code(books.charge_permit(permit(&ask))), "max_failed_rounds");
    let three = sign(&mut books, permit(&ask).continuing(two));
    assert!(!books.ledger.has_open_round(ask.study().hash()), "a third is not continued");
    assert_eq!(code(second(&books, &ask)), "growth_order");
    assert_eq!(code(first(&books, &ask)), "growth_order");
    books.publish(&three);
    assert!(books.charge_permit(permit(&ask)).is_ok(), "none of the three failed");
}

#[test]
fn a_second_round_that_fails_leaves_two_failed_rounds() {
    let (mut books, ask) = (Books::new(), growth());
    sign(&mut books, permit(&ask));
    let one = first(&books, &ask).unwrap();
    let two = sign(&mut books, permit(&ask).continuing(one));
    books.fail(&two, "too_few");
    assert_eq!(code(first(&books, &ask)), "growth_order");
    let lenient = |most: u8| {
        let floors = format!("min_survivors = 4\nmin_honest = 3\nmax_failed_rounds = {most}\n");
        let mut policy = policy(0..40, &floors);
        policy.allow.growth = true;
        ask.judge_with(&policy, &roster(), &[], None).unwrap()
    };
    assert_eq!(code(books.charge_permit(lenient(2))), "max_failed_rounds");
    assert!(books.charge_permit(lenient(3)).is_ok());
}

#[test]
fn a_second_round_without_a_masked_first_of_the_study_is_out_of_order() {
    let (mut books, ask) = (Books::new(), growth());
    assert_eq!(code(first(&books, &ask)), "growth_order", "nothing was charged");
    let spend = books.charge_permit(permit(&ask)).unwrap();
    assert_eq!(code(first(&books, &ask)), "growth_order", "not masked");
    books.mask(&spend);
    books.confirm(&spend, &(0..12).collect::<Vec<u8>>()).unwrap();
    let other = Ask { study_id: "other", ..growth() };
    assert!(first(&books, &ask).is_ok());
    assert_eq!(code(first(&books, &other)), "growth_order", "another study");
    let fewer = Ask { cohort: (0..11).collect(), ..growth() };
    assert_eq!(code(first(&books, &fewer)), "growth_order", "other districts than were signed");
    books.fail(&spend, "aborted");
    assert_eq!(code(first(&books, &ask)), "growth_order", "over");
}
