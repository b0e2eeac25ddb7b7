//! One set of survivors per question, and what may follow it.

use flashlight_node::journal::Journal;
use flashlight_node::ledger::{Ledger, Refusal};

use proptest::prelude::*;

use crate::setting::{Ask, Books, code, open, round};

fn all(districts: std::ops::Range<u8>) -> Vec<u8> {
    districts.collect()
}

/// Exactly this roster, of which nobody may be lost.
fn exactly(cohort: Vec<u8>) -> Ask {
    Ask { cohort, dropped: 0, rho: 0.01, ..Ask::default() }
}

/// `students` of 2024 were answered by d00 to d10; d11 was lost on the way.
fn answered() -> Books {
    let mut books = Books::new();
    books.run(&Ask { rho: 0.01, ..Ask::default() }, &all(0..11)).unwrap();
    books
}

#[test]
fn a_later_round_with_exactly_the_survivors_is_let_in_as_often_as_need_be() {
    let mut books = answered();
    for _ in 0..3 {
        books.run(&exactly(all(0..11)), &all(0..11)).unwrap();
    }
}

#[test]
fn a_later_round_that_may_lose_somebody_is_refused() {
    let mut books = answered();
    let ask = Ask { dropped: 1, ..exactly(all(0..11)) };
    assert_eq!(code(books.charge(&ask)), "later_round_dropouts");
}

#[test]
fn a_later_round_waits_for_the_survivors_and_says_for_whom() {
    let mut books = answered();
    let refusal = books.charge(&exactly(all(0..10))).unwrap_err();
    assert_eq!(refusal.code(), "survivors_missing");
    assert!(refusal.to_string().contains("of which d10 is missing now"), "{refusal}");
}

#[test]
fn a_district_that_came_late_waits_for_the_next_date() {
    let mut books = answered();
    let refusal = books.charge(&exactly(all(0..12))).unwrap_err();
    assert_eq!(refusal.code(), "district_late");
    assert!(refusal.to_string().contains("answered without d11"), "{refusal}");
    let next = Ask { as_of: "2024-07-28", ..exactly(all(0..12)) };
    assert!(books.charge(&next).is_ok());
}

#[test]
fn one_district_swapped_for_another_is_refused() {
    let mut books = answered();
    let mut cohort = all(0..10);
    cohort.push(11);
    assert_eq!(code(books.charge(&exactly(cohort))), "second_set");
}

#[test]
fn a_refused_later_round_costs_nothing() {
    let mut books = answered();
    let before = books.journal.head();
    let _ = books.charge(&exactly(all(0..12))).unwrap_err();
    assert_eq!(books.journal.head(), before);
}

#[test]
fn a_renamed_study_on_the_same_data_is_the_same_question() {
    let mut books = answered();
    let renamed = Ask { study_id: "renamed", min_n: 12, ..exactly(all(0..12)) };
    assert_eq!(code(books.charge(&renamed)), "district_late");
}

#[test]
fn mean_and_share_of_one_subject_are_one_question() {
    let mut books = Books::new();
    let ask = |indicator, cohort| Ask { indicator, ..exactly(cohort) };
    books.run(&ask("math_met", all(0..11)), &all(0..11)).unwrap();
    assert_eq!(code(books.charge(&ask("math_mean", all(0..12)))), "district_late");
    assert!(books.charge(&ask("chronic_absenteeism", all(0..12))).is_ok());
}

#[test]
fn a_study_of_two_years_is_bound_by_what_answered_either() {
    let mut books = answered();
    let both = Ask { years: vec![2023, 2024], ..exactly(all(0..12)) };
    assert_eq!(code(books.charge(&both)), "district_late");
}

#[test]
fn one_second_set_far_enough_away_is_let_in_and_no_third() {
    let mut books = Books::new();
    // min_honest + c = 4.
    books.run(&exactly(all(0..20)), &all(0..20)).unwrap();
    books.run(&exactly(all(0..24)), &all(0..24)).unwrap();
    books.run(&exactly(all(0..20)), &all(0..20)).unwrap();
    books.run(&exactly(all(0..24)), &all(0..24)).unwrap();
    assert_eq!(code(books.charge(&exactly(all(0..28)))), "third_set");
}

/// P = {20} ∪ A ∪ B; if the nodes of A signed A and those of B signed B, the three sums would give
/// district 20 away although every two of them lie far apart.
#[test]
fn without_the_policys_word_no_second_set_is_signed_however_far() {
    let mut closed = open();
    closed.allow.second_set = false;
    let mut books = Books::new();
    books.run(&exactly(all(0..21)), &all(0..21)).unwrap();
    for (cohort, refused) in [(all(0..10), "survivors_missing"), (all(0..40), "district_late")] {
        let permit = exactly(cohort.clone()).judge(&closed).unwrap();
        assert_eq!(code(books.charge_permit(permit)), refused);
        assert!(books.charge(&exactly(cohort)).is_ok(), "with the policy's word it is let in");
    }
    let same = exactly(all(0..21)).judge(&closed).unwrap();
    assert!(books.charge_permit(same).is_ok());
}

#[test]
fn a_second_set_may_differ_both_ways_when_both_are_far() {
    let mut books = Books::new();
    books.run(&exactly(all(0..12)), &all(0..12)).unwrap();
    let mut near = all(0..8);
    near.extend(12..15);
    assert_eq!(code(books.charge(&exactly(near))), "district_late");
    let mut far = all(0..8);
    far.extend(12..16);
    assert!(books.run(&exactly(far.clone()), &far).is_ok());
}

#[test]
fn a_second_set_that_lost_somebody_on_the_way_is_not_signed() {
    let mut books = Books::new();
    books.run(&exactly(all(0..20)), &all(0..20)).unwrap();
    let spend = books.charge(&Ask { dropped: 2, ..exactly(all(0..24)) }).unwrap();
    assert_eq!(code(books.confirm(&spend, &all(0..23))), "district_late");
    let gap: Vec<u8> = (0..24).filter(|one| *one != 7).collect();
    assert_eq!(code(books.confirm(&spend, &gap)), "survivors_missing");
    assert!(books.confirm(&spend, &all(0..24)).is_ok());
}

#[test]
fn a_round_that_was_not_signed_here_may_be_retried_with_a_quorum_over_all_who_were_asked() {
    let mut books = Books::new();
    // n = 12, c = 1: t = 7.
    let spend = books.charge(&Ask { rho: 0.01, ..Ask::default() }).unwrap();
    books.fail(&spend, "too_few");
    let retry = |cohort: Vec<u8>, quorum| Ask { quorum: Some(quorum), ..exactly(cohort) };
    // Nine of them: t = 6 would let both rounds be signed.
    let refusal = books.charge(&retry(all(0..9), 6)).unwrap_err();
    assert!(matches!(refusal, Refusal::Quorum { t: 6, need: 7, .. }), "{refusal}");
    assert!(books.charge(&retry(all(0..9), 7)).is_ok());
}

#[test]
fn a_retry_with_more_districts_needs_a_quorum_that_leaves_the_first_round_none() {
    let mut books = Books::new();
    // n = 9, c = 1: t = 6.
    let first = books.charge(&exactly(all(0..9))).unwrap();
    books.fail(&first, "too_few");
    // N = 12: 7 signatures here and 6 there make 13 = N + c, which one colluder can bring about.
    let retry = |quorum| Ask { quorum: Some(quorum), ..exactly(all(0..12)) };
    let refusal = books.charge(&retry(7)).unwrap_err();
    assert!(matches!(refusal, Refusal::Quorum { t: 7, need: 8, .. }), "{refusal}");
    assert!(books.charge(&retry(8)).is_ok());
}

#[test]
fn a_date_too_soon_after_the_last_one_is_refused_and_so_is_an_earlier_one() {
    let mut books = answered();
    for as_of in ["2024-07-01", "2024-07-27", "2024-06-29", "2023-06-30"] {
        let refusal = books.charge(&Ask { as_of, ..exactly(all(0..12)) }).unwrap_err();
        assert_eq!(refusal.code(), "min_days_between", "{as_of}");
        assert!(refusal.to_string().contains("as of 2024-06-30"), "{refusal}");
    }
    assert!(books.charge(&Ask { as_of: "2024-07-28", ..exactly(all(0..12)) }).is_ok());
}

#[test]
fn dates_are_counted_for_each_measure_and_year_alone() {
    let mut books = answered();
    let ask =
        |indicator, year, as_of| Ask { indicator, years: vec![year], as_of, ..exactly(all(0..12)) };
    assert!(books.charge(&ask("chronic_absenteeism", 2024, "2024-07-01")).is_ok());
    assert!(books.charge(&ask("students", 2023, "2024-07-01")).is_ok());
    assert_eq!(code(books.charge(&ask("students", 2024, "2024-07-01"))), "min_days_between");
}

#[test]
fn of_two_rounds_at_once_on_one_question_only_one_set_is_signed() {
    let mut books = Books::new();
    let ask = Ask { rho: 0.01, quorum: Some(7), ..Ask::default() };
    let (one, two) = (books.charge(&ask).unwrap(), books.charge(&ask).unwrap());
    books.confirm(&one, &all(0..11)).unwrap();
    assert_eq!(code(books.confirm(&two, &all(0..12))), "district_late");
    assert!(books.confirm(&two, &all(0..11)).is_ok(), "the same set tells nothing new");
}

#[test]
fn a_second_survivor_set_for_the_same_round_is_refused() {
    let mut books = Books::new();
    let spend = books.charge(&Ask::default()).unwrap();
    books.confirm(&spend, &all(0..11)).unwrap();
    assert_eq!(code(books.confirm(&spend, &all(0..11))), "survivors_wrong");
    assert_eq!(code(books.confirm(&spend, &all(0..12))), "survivors_wrong");
}

#[test]
fn survivors_that_the_round_cannot_end_with_are_refused() {
    for wrong in [all(0..10), all(0..13), vec![1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
        let mut books = Books::new();
        let spend = books.charge(&Ask::default()).unwrap();
        assert_eq!(code(books.confirm(&spend, &wrong)), "survivors_wrong", "{wrong:?}");
    }
}

#[test]
fn a_round_that_was_never_charged_is_not_confirmed() {
    let mut books = Books::new();
    let survivors = crate::setting::ids(0..11);
    let confirmed = books.ledger.confirm(&mut books.journal, round(7), &survivors, 1);
    assert_eq!(code(confirmed), "not_charged");
}

#[test]
fn the_set_is_durable_before_the_signature_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut books = Books::over(Journal::open(dir.path()).unwrap());
    let spend = books.charge(&Ask { rho: 0.01, ..Ask::default() }).unwrap();
    books.confirm(&spend, &all(0..11)).unwrap();
    drop(books);
    let journal = Journal::open(dir.path()).unwrap();
    let ledger = Ledger::from_journal(&journal).unwrap();
    let permit = exactly(all(0..12)).judge(&open()).unwrap();
    assert_eq!(code(ledger.admit(&permit)), "district_late");
}

/// Rosters and survivors out of sixteen districts, as bits; district 0 is always there.
fn rounds() -> impl Strategy<Value = Vec<(u16, u16, bool)>> {
    // Near ones are more interesting than random ones.
    let roster = prop_oneof![
        any::<u16>(),
        (0..5_u32, 0..16_u32)
            .prop_map(|(size, swap)| { (u16::MAX >> (4 - size.min(4))) ^ (1 << swap) })
    ];
    prop::collection::vec((roster, any::<u16>(), any::<bool>()), 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_two_sets_that_give_a_district_away_are_ever_signed(rounds in rounds()) {
        let districts = |bits: u16| (0..16).filter(|at| bits >> at & 1 == 1).collect::<Vec<u8>>();
        let mut books = Books::new();
        let mut signed: Vec<u16> = Vec::new();
        for (roster, lost, forget) in rounds {
            let roster = roster | 1;
            let survivors = (roster & (lost | lost.rotate_left(3) | lost.rotate_left(7))) | 1;
            let cohort = districts(roster);
            let dropped = u16::try_from(cohort.len() - districts(survivors).len()).unwrap();
            let most = u16::try_from(cohort.len()).unwrap().saturating_sub(1) / 2;
            let dropped = dropped.min(most);
            let quorum = Some(u16::try_from(cohort.len()).unwrap() - dropped);
            let ask = Ask { cohort, dropped, quorum, rho: 0.01, ..Ask::default() };
            let Ok(permit) = ask.judge(&open()) else { continue };
            if forget {
                books.ledger = Ledger::default();
            }
            let Ok(spend) = books.charge_permit(permit) else { continue };
            if books.confirm(&spend, &districts(survivors)).is_ok() {
                signed.push(survivors);
            }
        }
        signed.sort_unstable();
        signed.dedup();
        prop_assert!(signed.len() <= 2, "{signed:?}");
        if let [one, two] = signed[..] {
            let far = |bits: u16| bits == 0 || bits.count_ones() >= 4;
            prop_assert!(far(one & !two) && far(two & !one), "{one:b} {two:b}");
        }
    }
}
