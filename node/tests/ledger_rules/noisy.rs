//! From the charge to the words that are masked. Their distribution is tested beside the code, since
//! nothing here can look at a noisy word.

use flashlight_node::ledger::Spend;
use flashlight_node::noise::{Noisy, leave_exact, perturb};
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Mode;
use zeroize::Zeroizing;

use crate::setting::{Ask, Books, id, policy, schools_csv};

fn layout(ask: &Ask) -> Layout {
    let schools = SchoolTable::parse(schools_csv().as_bytes()).unwrap();
    Layout::derive(&ask.study(), &schools).unwrap()
}

fn plan(ask: &Ask) -> NoisePlan {
    let schools = SchoolTable::parse(schools_csv().as_bytes()).unwrap();
    NoisePlan::new(&ask.study(), &layout(ask), &schools, 12).unwrap()
}

fn words(layout: &Layout, word: i64) -> Zeroizing<Vec<i64>> {
    Zeroizing::new(vec![word; layout.words()])
}

fn charged(books: &mut Books, ask: &Ask) -> Spend {
    let floors = "max_rho_year = 1000.0\nmax_failed_rounds = 1000\n";
    books.charge_permit(ask.judge(&policy(0..40, floors)).unwrap()).unwrap()
}

fn noisy(books: &mut Books, ask: &Ask, word: i64) -> Result<Noisy, &'static str> {
    let (spend, layout) = (charged(books, ask), layout(ask));
    perturb(spend, words(&layout, word), &plan(ask), &layout, &id(3)).map_err(|error| error.code())
}

#[test]
fn a_paid_contribution_comes_out_as_one_of_its_layout() {
    let mut books = Books::new();
    let (ask, layout) = (Ask::default(), layout(&Ask::default()));
    let out = noisy(&mut books, &ask, 40).unwrap();
    assert_eq!((out.study(), out.round()), (ask.study().hash(), crate::setting::round(1)));
    assert_eq!(out.into_contribution(&layout).unwrap().len(), layout.words());
}

#[test]
fn a_contribution_of_another_layout_does_not_come_out() {
    let mut books = Books::new();
    let other = layout(&Ask { indicator: "math_mean", ..Ask::default() });
    let out = noisy(&mut books, &Ask::default(), 40).unwrap();
    assert_eq!(out.into_contribution(&other).unwrap_err().code(), "contribution_length");
}

#[test]
fn a_round_charged_as_exact_gets_no_noise_and_one_charged_with_noise_is_never_exact() {
    let mut books = Books::new();
    let exact = Ask { mode: Mode::Exact, ..Ask::default() };
    let dp = Ask { indicator: "math_met", ..Ask::default() };
    let layout = layout(&exact);
    let spend = charged(&mut books, &exact);
    let refused = perturb(spend, words(&layout, 1), &plan(&Ask::default()), &layout, &id(3));
    assert_eq!(refused.unwrap_err().code(), "noise_mode");
    let refused = leave_exact(charged(&mut books, &dp), words(&layout, 1));
    assert_eq!(refused.unwrap_err().code(), "noise_mode");
    let again = Ask { mode: Mode::Exact, indicator: "chronic_absenteeism", ..Ask::default() };
    assert!(leave_exact(charged(&mut books, &again), words(&layout, 1)).is_ok());
}

#[test]
fn noise_that_costs_more_than_was_charged_is_refused() {
    let mut books = Books::new();
    let (ask, dear) = (Ask::default(), Ask { rho: 0.2, ..Ask::default() });
    let (spend, layout) = (charged(&mut books, &ask), layout(&ask));
    let refused = perturb(spend, words(&layout, 1), &plan(&dear), &layout, &id(3));
    assert_eq!(refused.unwrap_err().code(), "noise_unpaid");
    let other_year = Ask { years: vec![2023], indicator: "math_met", ..Ask::default() };
    let spend = charged(&mut books, &other_year);
    let refused = perturb(spend, words(&layout, 1), &plan(&ask), &layout, &id(3));
    assert_eq!(refused.unwrap_err().code(), "noise_unpaid");
}

#[test]
fn more_students_than_the_public_table_allows_are_refused() {
    let mut books = Books::new();
    let bound = {
        let plan = plan(&Ask::default());
        i64::try_from(plan.bound(&plan.blocks()[0].block, &id(3))).unwrap()
    };
    assert!(noisy(&mut books, &Ask::default(), bound).is_ok());
    let ask = Ask { indicator: "chronic_absenteeism", ..Ask::default() };
    assert_eq!(noisy(&mut books, &ask, bound + 1).unwrap_err(), "contribution_over_bound");
}

#[test]
fn noisy_words_are_not_shown() {
    let shown = format!("{:?}", noisy(&mut Books::new(), &Ask::default(), 40).unwrap());
    assert!(shown.starts_with("Noisy { words: ") && !shown.contains('['), "{shown}");
}
