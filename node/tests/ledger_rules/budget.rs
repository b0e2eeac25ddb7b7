//! What is spent, once and for all.

use std::fs;

use flashlight_node::consent::Policy;
use flashlight_node::journal::Journal;
use flashlight_node::ledger::{Budget, Ledger};
use flashlight_proto::study::Mode;
use proptest::prelude::*;

use crate::setting::{Ask, Books, code, open, policy, round};

fn budget(books: &Books) -> Budget {
    Ledger::from_journal(&books.journal).unwrap().budget(&open().floors)
}

/// ρ spent of each year, as `2024 0.1`.
fn spent(books: &Books) -> Vec<String> {
    let years = budget(books).years;
    years.iter().map(|year| format!("{} {}", year.school_year, year.rho_spent)).collect()
}

/// As-of dates four weeks apart and more.
const DATES: [&str; 11] = [
    "2024-01-01",
    "2024-02-01",
    "2024-03-01",
    "2024-04-01",
    "2024-05-01",
    "2024-06-01",
    "2024-07-01",
    "2024-08-01",
    "2024-09-01",
    "2024-10-01",
    "2024-11-01",
];

#[test]
fn spend_is_durable_before_noise_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let mut books = Books::over(Journal::open(&dir.path().join("state")).unwrap());
    let spend = books.charge(&Ask::default()).unwrap();
    // What a machine that lost its power at this very moment would find.
    let after = dir.path().join("after");
    fs::create_dir(&after).unwrap();
    fs::copy(dir.path().join("state/journal"), after.join("journal")).unwrap();
    let found = Books::over(Journal::open(&after).unwrap());
    assert_eq!(spent(&found), ["2024 0.1"]);
    assert_eq!(budget(&found).charges[0].round, spend.round().to_string());
}

#[test]
fn a_study_above_the_budget_is_refused_and_charges_nothing() {
    let mut books = Books::new();
    for (at, as_of) in DATES.into_iter().enumerate() {
        let charged = books.charge(&Ask { as_of, ..Ask::default() });
        assert_eq!(charged.is_ok(), at < 10, "ten tenths fill the year exactly");
        let Err(refusal) = charged else { continue };
        assert_eq!(refusal.code(), "max_rho_year");
        let text = refusal.to_string();
        assert!(text.contains("only 0 of 1 is left for school year 2024"), "{text}");
    }
    assert_eq!(spent(&books), ["2024 1"]);
}

#[test]
fn every_year_read_is_charged_in_full() {
    let mut books = Books::new();
    books.charge(&Ask { years: vec![2022, 2023, 2024], rho: 0.6, ..Ask::default() }).unwrap();
    assert_eq!(spent(&books), ["2022 0.6", "2023 0.6", "2024 0.6"]);
    // 2024 alone has room for 0.4; a study that also reads 2025 has no more.
    let both = Ask {
        study_id: "both",
        indicator: "math_met",
        years: vec![2024, 2025],
        school_year: 2025,
        rho: 0.5,
        ..Ask::default()
    };
    assert_eq!(code(books.charge(&both)), "max_rho_year");
}

#[test]
fn a_renamed_study_with_other_indicators_is_charged_to_the_same_account() {
    let mut books = Books::new();
    books.charge(&Ask { rho: 0.6, ..Ask::default() }).unwrap();
    let renamed = Ask {
        study_id: "something-else",
        indicator: "math_met",
        rho: 0.6,
        school_year: 2025,
        as_of: "2025-06-30",
        ..Ask::default()
    };
    assert_eq!(code(books.charge(&renamed)), "max_rho_year");
}

#[test]
fn corrected_or_reloaded_data_is_charged_again() {
    let mut books = Books::new();
    let ask = Ask { rho: 0.4, dropped: 0, ..Ask::default() };
    let everybody: Vec<u8> = (0..12).collect();
    books.run(&ask, &everybody).unwrap();
    books.run(&ask, &everybody).unwrap();
    assert_eq!(spent(&books), ["2024 0.8"]);
    assert_eq!(code(books.charge(&ask)), "max_rho_year");
}

#[test]
fn what_is_kept_for_later_years_is_not_spent_by_the_years_own_studies() {
    let mut books = Books::new();
    let policy = policy(0..40, "reserve_for_later_years = 0.3\nmax_failed_rounds = 9\n");
    let mut charge = |indicator, school_year, rho, as_of| {
        let years = if school_year == 2025 { vec![2024, 2025] } else { vec![2024] };
        let ask = Ask { indicator, school_year, years, rho, as_of, ..Ask::default() };
        code(books.charge_permit(ask.judge(&policy).unwrap()))
    };
    assert_eq!(charge("students", 2024, 0.8, "2024-06-30"), "reserve_for_later_years");
    assert_eq!(charge("students", 2024, 0.7, "2024-06-30"), "no refusal");
    // A later year in the study's head does not make it one: what is read counts.
    assert_eq!(charge("math_met", 2030, 0.3, "2030-06-30"), "reserve_for_later_years");
    assert_eq!(charge("math_met", 2025, 0.4, "2025-06-30"), "max_rho_year");
    assert_eq!(charge("math_met", 2025, 0.3, "2025-06-30"), "no refusal");
    assert_eq!(charge("math_met", 2025, 0.1, "2025-08-30"), "max_rho_year");
}

#[test]
fn two_rounds_at_once_are_both_charged() {
    let mut books = Books::new();
    let (one, two) = (
        Ask { rho: 0.6, ..Ask::default() },
        Ask { rho: 0.6, indicator: "math_met", ..Ask::default() },
    );
    // Both were let in before either was charged.
    let (first, second) = (one.permit(), two.permit());
    assert!(books.ledger.admit(&first).is_ok() && books.ledger.admit(&second).is_ok());
    books.charge_permit(first).unwrap();
    assert_eq!(code(books.charge_permit(second)), "max_rho_year");
    assert_eq!(spent(&books), ["2024 0.6"]);
}

#[test]
fn a_second_ledger_over_the_same_journal_sees_what_the_first_charged() {
    let mut books = Books::new();
    let mut other = books.ledger.clone();
    books.charge(&Ask { rho: 0.6, ..Ask::default() }).unwrap();
    let permit = Ask { rho: 0.6, indicator: "math_met", ..Ask::default() }.permit();
    let charged = other.charge(&mut books.journal, permit, round(99), 1);
    assert_eq!(code(charged), "max_rho_year");
}

#[test]
fn a_round_is_charged_once() {
    let mut books = Books::new();
    let spend = books.charge(&Ask::default()).unwrap();
    let permit = Ask::default().permit();
    let again = books.ledger.charge(&mut books.journal, permit, spend.round(), 1);
    assert_eq!(code(again), "charged_twice");
}

#[test]
fn a_round_that_failed_is_not_refunded_and_is_explained() {
    let mut books = Books::new();
    let spend = books.charge(&Ask { rho: 0.25, ..Ask::default() }).unwrap();
    books.mask(&spend);
    books.fail(&spend, "too_few");
    let unsent = books.charge(&Ask { rho: 0.25, indicator: "math_met", ..Ask::default() }).unwrap();
    books.fail(&unsent, "hub_slow");
    assert_eq!(spent(&books), ["2024 0.5"]);
    let budget = budget(&books);
    let view: Vec<_> =
        budget.charges.iter().map(|charge| (charge.state, charge.may_have_left)).collect();
    assert_eq!(view, [("failed", true), ("failed", false)]);
    let text = budget.to_string();
    assert!(text.contains("the round failed (too_few): a masked vector may have left"), "{text}");
    assert!(text.contains("the round failed (hub_slow): nothing left this machine"), "{text}");
    let json = serde_json::to_value(&budget).unwrap();
    assert_eq!(json["years"][0]["rho_left"], 0.5);
    assert_eq!(json["charges"][1]["years"]["2024"], 0.25);
}

#[test]
fn a_charge_whose_round_was_cut_off_is_shown_as_open() {
    let mut books = Books::new();
    books.charge(&Ask::default()).unwrap();
    let budget = budget(&books);
    assert_eq!((budget.charges[0].state, budget.charges[0].may_have_left), ("open", false));
}

fn patient(most: u16) -> Policy {
    policy(0..40, &format!("max_failed_rounds = {most}\nmax_rho_year = 100.0\n"))
}

#[test]
fn too_many_rounds_paid_for_in_vain_are_refused() {
    let mut books = Books::new();
    let ask = Ask { quorum: Some(7), ..Ask::default() };
    for _ in 0..2 {
        let spend = books.charge_permit(ask.judge(&patient(3)).unwrap()).unwrap();
        books.fail(&spend, "too_few");
    }
    // One that is still under way counts as well.
    books.charge_permit(ask.judge(&patient(3)).unwrap()).unwrap();
    let fourth = books.charge_permit(ask.judge(&patient(3)).unwrap());
    assert_eq!(code(fourth), "max_failed_rounds");
    assert!(
        books.charge_permit(ask.judge(&patient(4)).unwrap()).is_ok(),
        "the officer may raise it"
    );
}

#[test]
fn rounds_that_published_do_not_count_as_failed() {
    let mut books = Books::new();
    for as_of in DATES {
        let permit = Ask { as_of, ..Ask::default() }.judge(&patient(1)).unwrap();
        let spend = books.charge_permit(permit).unwrap();
        books.confirm(&spend, &(0..12).collect::<Vec<u8>>()).unwrap();
        books.publish(&spend);
    }
}

#[test]
fn a_release_of_a_round_this_node_never_signed_is_the_hubs_word_alone_and_counts_as_failed() {
    let mut books = Books::new();
    let spend = books.charge_permit(Ask::default().judge(&patient(1)).unwrap()).unwrap();
    books.publish(&spend);
    let again = Ask { as_of: DATES[1], ..Ask::default() }.judge(&patient(1)).unwrap();
    assert_eq!(code(books.charge_permit(again)), "max_failed_rounds");
}

#[test]
fn a_release_that_comes_to_light_later_counts_and_is_not_taken_back() {
    let mut books = Books::new();
    let spend = books.charge(&Ask::default()).unwrap();
    books.confirm(&spend, &(0..12).collect::<Vec<u8>>()).unwrap();
    books.fail(&spend, "connection_lost");
    assert_eq!(budget(&books).years[0].failed_rounds, 1);
    books.publish(&spend);
    books.fail(&spend, "connection_lost");
    let budget = budget(&books);
    assert_eq!((budget.years[0].failed_rounds, budget.charges[0].state), (0, "published"));
}

#[test]
fn exact_sums_mark_every_year_they_read_for_good() {
    let mut books = Books::new();
    let exact = Ask { mode: Mode::Exact, years: vec![2023, 2024], ..Ask::default() };
    let spend = books.charge(&exact).unwrap();
    books.fail(&spend, "too_few");
    let dp =
        Ask { indicator: "math_met", years: vec![2024, 2025], school_year: 2025, ..Ask::default() };
    books.charge(&dp).unwrap();
    let budget = budget(&books);
    let marks: Vec<_> =
        budget.years.iter().map(|year| (year.school_year, year.exact, year.rho_spent)).collect();
    assert_eq!(marks, [(2023, true, 0.0), (2024, true, 0.1), (2025, false, 0.1)]);
    let text = budget.to_string();
    let infinite: Vec<&str> = text.lines().filter(|line| line.contains("total rho = ∞")).collect();
    assert!(infinite.len() == 2 && infinite[0].starts_with("2023"), "{text}");
    // The filter goes on summing what is charged with noise.
    let rest = Ask { rho: 0.95, indicator: "chronic_absenteeism", ..Ask::default() };
    assert_eq!(code(books.charge(&rest)), "max_rho_year");
}

#[test]
fn a_clock_set_back_a_year_changes_nothing() {
    let mut books = Books::new();
    books.charge(&Ask { rho: 0.6, ..Ask::default() }).unwrap();
    books.now_ms -= 366 * 86_400_000;
    let more = Ask { rho: 0.6, indicator: "math_met", ..Ask::default() };
    assert_eq!(code(books.charge(&more)), "max_rho_year");
    let sooner = Ask { as_of: "2024-07-01", ..Ask::default() };
    assert_eq!(code(books.charge(&sooner)), "min_days_between");
}

/// One step of a node's life.
#[derive(Clone, Debug)]
enum Step {
    /// Units of 0.001 ρ, years read, year of the study.
    Charge(u16, Vec<i16>, i16),
    /// The process ends and starts again.
    Restart,
    /// The same, while an entry was being written.
    Torn(usize),
    /// The ledger in memory is lost, the journal goes on.
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let years = prop::collection::btree_set(2022_i16..2026, 1..4)
        .prop_map(|years| years.into_iter().collect::<Vec<_>>());
    let step = prop_oneof![
        6 => (1_u16..700, years, 0_i16..2).prop_map(|(rho, years, later)| {
            let last = years.iter().max().copied().unwrap_or_default();
            Step::Charge(rho, years, last + later)
        }),
        1 => Just(Step::Restart),
        1 => (1_usize..200).prop_map(Step::Torn),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_year_is_ever_overspent_and_no_charge_is_ever_forgotten(steps in steps()) {
        const MOST: u32 = 1000;
        const RESERVE: u32 = 200;
        let policy = policy(0..40, "max_failed_rounds = 1000\nreserve_for_later_years = 0.2\n");
        let dir = tempfile::tempdir().unwrap();
        let mut books = Some(Books::over(Journal::open(dir.path()).unwrap()));
        // ρ acknowledged, thousandths: by year, and the part of the year's own studies.
        let (mut total, mut own) = ([0_u32; 5], [0_u32; 5]);
        let at = |year: i16| usize::try_from(year - 2022).unwrap();
        let mut number = 0_u8;
        for step in steps {
            match step {
                Step::Charge(rho, years, school_year) => {
                    let books = books.as_mut().unwrap();
                    let ask = Ask {
                        rho: f64::from(rho) / 1000.0,
                        years: years.clone(),
                        school_year,
                        quorum: Some(7),
                        ..Ask::default()
                    };
                    number += 1;
                    // The newest year read, whatever the study's head says.
                    let school_year = years.iter().max().copied().unwrap();
                    let permit = ask.judge(&policy).unwrap();
                    let charged =
                        books.ledger.charge(&mut books.journal, permit, round(number), 1).is_ok();
                    let fits = years.iter().all(|&year| {
                        let rho = u32::from(rho);
                        total[at(year)] + rho <= MOST
                            && (school_year > year || own[at(year)] + rho <= MOST - RESERVE)
                    });
                    prop_assert_eq!(charged, fits);
                    for &year in years.iter().filter(|_| charged) {
                        total[at(year)] += u32::from(rho);
                        if school_year <= year {
                            own[at(year)] += u32::from(rho);
                        }
                    }
                }
                Step::Restart => {
                    books = None;
                    books = books.or_else(|| Some(Books::over(Journal::open(dir.path()).unwrap())));
                }
                Step::Torn(bytes) => {
                    books = None;
                    let path = dir.path().join("journal");
                    let mut text = fs::read(&path).unwrap();
                    // The beginning of a further entry, never acknowledged.
                    let last = text.split_inclusive(|byte| *byte == b'\n').next_back();
                    let torn: Vec<u8> = last.unwrap_or_default().iter().copied().take(bytes).collect();
                    text.extend(torn.strip_suffix(b"\n").unwrap_or(&torn));
                    fs::write(&path, text).unwrap();
                    books = books.or_else(|| Some(Books::over(Journal::open(dir.path()).unwrap())));
                }
                Step::Forget => books.as_mut().unwrap().ledger = Ledger::default(),
            }
            let books = books.as_ref().unwrap();
            let view = Ledger::from_journal(&books.journal).unwrap().budget(&policy.floors);
            for year in view.years {
                let expected = f64::from(total[at(year.school_year)]) / 1000.0;
                prop_assert!((year.rho_spent - expected).abs() < 1e-12);
                prop_assert!(year.rho_spent <= 1.0);
            }
        }
    }
}
