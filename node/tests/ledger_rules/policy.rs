//! What the policy allows, and what it says when it does not.

use flashlight_node::consent::{Decision, Decisions, Policy, Refusal};
use flashlight_node::journal::Journal;
use flashlight_proto::roster::{Member, MemberState};
use flashlight_proto::study::{CohortSizes, Mode};

use crate::setting::{Ask, Books, member, open, policy, roster, roster_of};

fn refused(ask: &Ask, policy: &Policy) -> Refusal {
    ask.judge(policy).unwrap_err()
}

#[test]
fn a_round_that_meets_every_rule_is_permitted() {
    let permit = Ask { years: vec![2023, 2024], ..Ask::default() }.judge(&open()).unwrap();
    let years: Vec<String> =
        permit.years().iter().map(|(year, loss)| format!("{year} {loss}")).collect();
    assert_eq!(years, ["2023 0.1", "2024 0.1"]);
    let questions: Vec<String> = permit.questions().iter().map(ToString::to_string).collect();
    assert_eq!(questions, ["students/2023@2024-06-30", "students/2024@2024-06-30"]);
}

#[test]
fn without_a_policy_everything_is_refused_with_a_way_to_start() {
    let refusal = refused(&Ask::default(), &Policy::missing());
    assert_eq!(refusal.code(), "policy_missing");
    assert!(refusal.to_string().contains("policy.toml into the node's folder"), "{refusal}");
}

#[test]
fn an_empty_policy_refuses_every_study() {
    let policy = Policy::parse("", "policy.toml".as_ref()).unwrap();
    assert_eq!(refused(&Ask::default(), &policy).code(), "indicator_not_allowed");
}

#[test]
fn the_sample_policy_is_valid_and_allows_no_exact_sums() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/samples/policy.toml");
    let policy = Policy::load(path.as_ref()).unwrap();
    assert!(!policy.is_missing() && !policy.allow.exact_mode && !policy.allow.named_schools);
    assert!(!policy.allow.indicators.is_empty() && !policy.trusted.is_empty());
}

#[test]
fn a_study_outside_the_list_of_indicators_is_refused() {
    let ask = Ask { indicator: "chronic_absenteeism", ..Ask::default() };
    let mut policy = open();
    assert!(ask.judge(&policy).is_ok());
    policy.allow.indicators.pop_last();
    let refusal = refused(&ask, &policy);
    assert_eq!(refusal.code(), "indicator_not_allowed");
    assert!(refusal.to_string().contains("add \"chronic_absenteeism\" to [allow]"), "{refusal}");
}

#[test]
fn surveys_of_adults_are_refused_until_the_policy_allows_responses_for_units() {
    let mut policy = open();
    for indicator in ["climate_safety_staff", "climate_rules_parent"] {
        let ask = Ask { indicator, ..Ask::default() };
        policy.allow.indicators.insert(indicator.parse().unwrap());
        policy.allow.anonymous_surveys = false;
        let refusal = refused(&ask, &policy);
        assert_eq!(refusal.code(), "anonymous_surveys_not_allowed");
        let message = refusal.to_string();
        assert!(message.contains(indicator), "{message}");
        assert!(message.contains("[allow] anonymous_surveys = true"), "{message}");
        policy.allow.anonymous_surveys = true;
        assert!(ask.judge(&policy).is_ok(), "{indicator}");
    }
    // Students' answers are under their own ids, unless counting finds otherwise.
    policy.allow.anonymous_surveys = false;
    let indicator = "climate_safety_student";
    policy.allow.indicators.insert(indicator.parse().unwrap());
    assert!(Ask { indicator, ..Ask::default() }.judge(&policy).is_ok());
}

#[test]
fn a_class_is_charged_to_every_year_it_was_in_school() {
    let mut policy = open();
    policy.allow.indicators.insert("graduation_4yr".parse().unwrap());
    let ask = Ask { indicator: "graduation_4yr", mode: Mode::Exact, ..Ask::default() };
    let permit = ask.judge(&policy).unwrap();
    assert_eq!(permit.years().keys().copied().collect::<Vec<_>>(), [2021, 2022, 2023, 2024]);
    let questions: Vec<String> = permit.questions().iter().map(ToString::to_string).collect();
    assert_eq!(questions, ["graduation/2024@2024-06-30"]);
}

#[test]
fn an_exact_study_sent_to_a_district_that_wants_noise_is_refused() {
    let ask = Ask { mode: Mode::Exact, ..Ask::default() };
    let mut policy = open();
    assert!(ask.judge(&policy).is_ok());
    policy.allow.exact_mode = false;
    assert_eq!(refused(&ask, &policy).code(), "exact_not_allowed");
}

#[test]
fn a_study_that_publishes_smaller_cells_is_refused() {
    let ask = Ask { min_n: 10, ..Ask::default() };
    assert_eq!(refused(&ask, &open()).code(), "min_cell");
}

#[test]
fn a_study_that_costs_too_much_in_one_round_is_refused() {
    let ask = Ask { rho: 1.000_001, ..Ask::default() };
    let refusal = refused(&ask, &open());
    assert_eq!(refusal.code(), "max_rho_round");
    assert!(refusal.to_string().contains("asks for rho 1.000001"), "{refusal}");
}

#[test]
fn a_study_waits_for_the_officer_unless_the_policy_is_enough() {
    let manual = policy_with("approval = \"manual\"");
    let ask = Ask::default();
    let refusal = refused(&ask, &manual);
    assert_eq!(refusal.code(), "approval_pending");
    assert!(refusal.to_string().contains(&ask.study().hash().to_string()), "{refusal}");
    let approved = ask.judge_with(&manual, &roster(), &[], Some(&Decision::Approved));
    assert!(approved.is_ok());
}

#[test]
fn a_study_the_officer_refused_is_refused_in_the_officers_words() {
    let decision = Decision::Refused { reason: "not before the board met".to_owned() };
    for policy in [open(), policy_with("approval = \"manual\"")] {
        let judged = Ask::default().judge_with(&policy, &roster(), &[], Some(&decision));
        let refusal = judged.unwrap_err();
        assert_eq!(refusal.code(), "study_declined");
        assert!(refusal.to_string().contains("not before the board met"), "{refusal}");
    }
}

#[test]
fn an_approved_study_is_still_refused_when_the_policy_forbids_it() {
    let ask = Ask { min_n: 5, ..Ask::default() };
    let judged = ask.judge_with(&open(), &roster(), &[], Some(&Decision::Approved));
    assert_eq!(judged.unwrap_err().code(), "min_cell");
}

#[test]
fn an_approval_holds_for_the_bytes_of_one_study() {
    let mut journal = Journal::in_memory();
    let mut decisions = Decisions::default();
    let (ask, other) = (Ask::default(), Ask { rho: 0.2, ..Ask::default() });
    decisions.wait(&mut journal, &ask.study(), 7).unwrap();
    decisions.wait(&mut journal, &ask.study(), 8).unwrap();
    let pending: Vec<_> = decisions.pending().map(|(_, id, title, at)| (id, title, at)).collect();
    assert_eq!(pending, [("study", "A study", 7)]);
    decisions.decide(&mut journal, ask.study().hash(), Decision::Approved, 9).unwrap();
    assert_eq!(decisions.pending().count(), 0);
    assert_eq!(decisions.about(&other.study().hash()), None);
    let again = Decisions::from_journal(&journal).unwrap();
    assert_eq!(again.about(&ask.study().hash()), Some(&Decision::Approved));
}

#[test]
fn an_approval_is_for_one_answer_and_a_failed_round_does_not_use_it_up() {
    let mut books = Books::new();
    let ask = Ask { dropped: 0, ..Ask::default() };
    let study = ask.study();
    let mut decisions = Decisions::default();
    decisions.wait(&mut books.journal, &study, 7).unwrap();
    decisions.decide(&mut books.journal, study.hash(), Decision::Approved, 8).unwrap();
    let about = |books: &Books| {
        let decisions = Decisions::from_journal(&books.journal).unwrap();
        (decisions.about(&study.hash()).cloned(), decisions.pending().count())
    };
    let spend = books.charge(&ask).unwrap();
    books.fail(&spend, "too_few");
    assert_eq!(about(&books), (Some(Decision::Approved), 0));
    books.run(&ask, &(0..12).collect::<Vec<u8>>()).unwrap();
    assert_eq!(about(&books), (None, 1), "the same study again waits again");
}

#[test]
fn a_round_that_reads_a_year_the_study_does_not_declare_is_refused() {
    // The layout read 2023, which no table of the study names.
    let (ask, declared) = (Ask { years: vec![2023, 2024], ..Ask::default() }, Ask::default());
    let charges = ask.years.iter().map(|year| (*year, 0.1)).collect();
    let (roster, district, study) = (roster(), crate::setting::id(0), declared.study());
    let cohort: Vec<_> = roster.members()[..12]
        .iter()
        .map(|one| flashlight_proto::secagg::Party { district: one.district.clone(), key: one.key })
        .collect();
    let judged = open().judge(&flashlight_node::consent::Facts {
        study: &study,
        charges: &charges,
        sizes: CohortSizes { n: 12, m: 11, t: 7, c: 1, h: 10 },
        cohort: &cohort,
        roster: &roster,
        vouches: &[],
        log_origin: crate::setting::ORIGIN,
        district: &district,
        decision: None,
    });
    assert_eq!(judged.unwrap_err().code(), "year_undeclared");
}

fn policy_with(floors: &str) -> Policy {
    let text = "[allow]\nindicators = [\"students\"]\n[floors]\nmax_rho_round = 1.0\n";
    let approval = if floors.contains("approval") { "" } else { "approval = \"within-policy\"\n" };
    let text = format!("{text}{approval}{floors}\n");
    let mut with = Policy::parse(&text, "policy.toml".as_ref()).unwrap();
    with.trusted = policy(0..40, "").trusted;
    with
}

#[test]
fn a_round_that_could_be_opened_over_too_few_districts_is_refused() {
    let ask = Ask { dropped: 2, ..Ask::default() };
    assert!(ask.judge(&policy_with("min_survivors = 10")).is_ok());
    let refusal = refused(&ask, &policy_with("min_survivors = 11"));
    assert_eq!(refusal.code(), "min_survivors");
    assert!(refusal.to_string().contains("as few as 10 districts"), "{refusal}");
}

#[test]
fn a_round_that_could_be_left_with_too_few_honest_districts_is_refused() {
    let ask = Ask { dropped: 2, colluding: 2, ..Ask::default() };
    assert!(ask.judge(&policy_with("min_honest = 8")).is_ok());
    assert_eq!(refused(&ask, &policy_with("min_honest = 9")).code(), "min_honest");
}

#[test]
fn a_round_that_counts_on_nobody_colluding_is_refused() {
    let sizes = CohortSizes { n: 12, m: 11, t: 7, c: 0, h: 11 };
    let ask = Ask { sizes: Some(sizes), ..Ask::default() };
    assert_eq!(refused(&ask, &open()).code(), "min_colluding");
}

#[test]
fn cohort_numbers_that_contradict_each_other_are_refused() {
    let right = CohortSizes { n: 12, m: 11, t: 7, c: 1, h: 10 };
    assert!(Ask { sizes: Some(right), ..Ask::default() }.judge(&open()).is_ok());
    for wrong in [
        CohortSizes { n: 13, ..right },
        CohortSizes { m: 13, h: 12, ..right },
        CohortSizes { t: 6, ..right },
        CohortSizes { t: 12, ..right },
        CohortSizes { h: 11, ..right },
        CohortSizes { c: u16::MAX, ..right },
    ] {
        let ask = Ask { sizes: Some(wrong), ..Ask::default() };
        assert_eq!(refused(&ask, &open()).code(), "cohort_arithmetic", "{wrong:?}");
    }
}

#[test]
fn a_district_counted_twice_is_refused() {
    let ask = Ask { cohort: vec![0, 1, 2, 3, 4, 4], ..Ask::default() };
    assert_eq!(refused(&ask, &open()).code(), "cohort_arithmetic");
}

#[test]
fn a_revoked_district_in_the_cohort_is_refused() {
    let revoked = Member { state: MemberState::Revoked, ..member(5, 5) };
    let members = (0..40).map(|one| if one == 5 { revoked.clone() } else { member(one, one) });
    let roster = roster_of(members.collect());
    let judged = Ask::default().judge_with(&open(), &roster, &[], None);
    assert_eq!(judged.unwrap_err().code(), "cohort_stranger");
}

#[test]
fn a_cohort_without_this_district_is_refused() {
    let ask = Ask { cohort: (1..13).collect(), ..Ask::default() };
    assert_eq!(refused(&ask, &open()).code(), "not_mine");
}
