//! Studies: what is read, and what is refused with which code and which words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

mod study_support;

use flashlight_proto::{
    canonical::Digest,
    category::{Dimension, Family, Grade, Indicator, Preset, Subject},
    layout::Layout,
    schools::SchoolTable,
    study::{MAX_STUDY_BYTES, MAX_TABLES, Mode, ScoreRange, Study, study_digest},
};
use study_support::Draft;

const SAMPLE: &[u8] = include_bytes!("../../deploy/samples/study.toml");
const SAMPLE_SCHOOLS: &[u8] = include_bytes!("../../deploy/samples/schools-2024.csv");

/// Asserts that the draft is refused with this code, saying all of these words on one line.
#[track_caller]
fn refused(draft: &Draft, code: &str, words: &[&str]) {
    let error = draft.study().expect_err("the draft is accepted");
    assert_eq!(error.code(), code, "{error}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

fn head(from: &str, to: &str) -> Draft {
    let mut draft = Draft::default();
    assert!(draft.head.contains(from));
    draft.head = draft.head.replace(from, to);
    draft
}

fn tests(from: &str, to: &str) -> Draft {
    let mut draft = Draft::default();
    assert!(draft.tests.contains(from));
    draft.tests = draft.tests.replacen(from, to, 1);
    draft
}

fn tables(tables: &str) -> Draft {
    Draft { tables: tables.into(), ..Draft::default() }
}

#[test]
fn the_sample_study_and_school_table_give_a_layout() {
    let study = Study::parse(SAMPLE).unwrap();
    let schools = SchoolTable::parse(SAMPLE_SCHOOLS).unwrap();
    assert_eq!(study.schools.sha256, schools.hash());
    let layout = Layout::derive(&study, &schools).unwrap();
    assert!(layout.words() > 1_000);
    let sizes = study.cohort.sizes(60).unwrap();
    assert_eq!((sizes.m, sizes.t, sizes.h), (57, 31, 56));
    let range = study.tests["CAASPP-SBAC"].scores[&Subject::Ela][&Grade::G05];
    assert_eq!(range, ScoreRange { min: 2201, max: 2701, met: 2502 });
}

#[test]
fn a_study_is_read_as_written() {
    let draft = Draft::default();
    let study = draft.study().unwrap();
    assert_eq!((study.id.as_str(), study.school_year), ("small", 2024));
    assert_eq!((study.mode, study.rho), (Mode::Exact, None));
    assert_eq!(study.as_of.to_string(), "2024-06-30");
    assert_eq!(study.hash(), Digest::of(draft.toml().as_bytes()));
    let test = &study.tests["T"];
    assert_eq!(test.units_per_point, 10);
    let range = test.scores[&Subject::Math][&Grade::G04];
    assert_eq!(range, ScoreRange { min: 1105, max: 2200, met: 1605 });
    let chronic = &study.tables[1];
    assert_eq!(chronic.indicator, Indicator::ChronicAbsenteeism);
    assert_eq!(chronic.preset, Some(Preset::Dashboard));
    assert_eq!(chronic.years, [2023, 2024]);
    assert_eq!(chronic.by, [vec![Dimension::Level]]);
    assert_eq!(chronic.families, [Family::El]);
    assert_eq!(study.tables[0].years, [2024]);
}

#[test]
fn defaults_are_dp_eleven_and_the_whole_network() {
    let mut draft = tables("[[table]]\nindicator = \"students\"\n");
    draft.privacy = "rho = 0.5\n".into();
    draft.suppression = String::new();
    let study = draft.study().unwrap();
    assert_eq!(study.mode, Mode::Dp);
    assert_eq!(study.rho.map(|rho| rho.value().to_bits()), Some(0.5_f64.to_bits()));
    assert_eq!(study.suppression.min_n, 11);
    assert_eq!(study.tables[0].by, [Vec::<Dimension>::new()]);
}

#[test]
fn the_order_within_a_break_down_does_not_matter() {
    let study = tables("[[table]]\nindicator = \"students\"\nby = [[\"grade\", \"level\"]]\n");
    assert_eq!(study.study().unwrap().tables[0].by, [vec![Dimension::Level, Dimension::Grade]]);
}

#[test]
fn the_signed_digest_binds_the_study_to_its_school_table() {
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    assert_ne!(study_digest(one, two), study_digest(two, one));
    assert_ne!(study_digest(one, two), study_digest(one, one));
}

#[test]
fn unknown_keys_are_refused_with_their_line_and_the_keys_that_exist() {
    refused(
        &head("id =", "name = 1\nid ="),
        "study_unknown_key",
        &["line 2:", "unknown key `name`", "`school_year`"],
    );
    let draft = tables("[[table]]\nindicator = \"students\"\nfamily = [\"sex\"]\n");
    refused(&draft, "study_unknown_key", &["unknown key `family`", "`families`"]);
    refused(&tests("met = 150", "met = 150, cut = 1"), "study_unknown_key", &["`cut`", "`met`"]);
    let mut draft = Draft::default();
    draft.tables.push_str("[grouth]\n");
    refused(&draft, "study_unknown_key", &["`grouth`", "`table`"]);
}

#[test]
fn missing_keys_are_named() {
    refused(&head("title = \"Small\"\n", ""), "study_missing_key", &["missing key `title`"]);
    refused(&tables("[[table]]\nby = [[]]\n"), "study_missing_key", &["`indicator`"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    refused(&head("title = \"Small\"", "title = Small"), "study_syntax", &["line 3:"]);
    refused(&head("title =", "id = \"again\"\ntitle ="), "study_syntax", &["line 3:", "duplicate"]);
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    assert_eq!(Study::parse(b"id = \"\xff\"").unwrap_err().code(), "study_not_text");
    let long = vec![b'#'; MAX_STUDY_BYTES + 1];
    assert_eq!(Study::parse(&long).unwrap_err().code(), "study_too_large");
}

#[test]
fn values_of_the_wrong_type_or_spelling_are_refused_with_what_is_expected() {
    refused(&head("2024\n", "\"2024\"\n"), "study_value", &["line 4:"]);
    refused(&head("2024-06-30", "2024-06-31"), "study_value", &["line 5:", "YYYY-MM-DD"]);
    refused(
        &tables("[[table]]\nindicator = \"gpa\"\n"),
        "study_value",
        &["unknown indicator \"gpa\"", "math_mean", "chronic_absenteeism"],
    );
    let draft = tables("[[table]]\nindicator = \"students\"\nfamilies = [\"race\"]\n");
    refused(&draft, "study_value", &["\"race\"", "race_ethnicity"]);
    refused(&tests("\"03\" =", "\"3\" ="), "study_value", &["unknown grade \"3\"", "03"]);
    refused(&tests("scores.MATH", "scores.Math"), "study_value", &["\"Math\"", "MATH"]);
    let draft = Draft { privacy: "mode = \"none\"\n".into(), ..Draft::default() };
    refused(&draft, "study_value", &["none", "exact"]);
}

#[test]
fn names_that_could_be_paths_or_the_studys_own_are_refused() {
    for file in ["../s.csv", "a/s.csv", "a\\\\s.csv", ".hidden", "", "a b.csv", "Study.toml"] {
        let toml = Draft::default().toml().replace("\"schools.csv\"", &format!("\"{file}\""));
        let error = Study::parse(toml.as_bytes()).unwrap_err();
        assert_eq!(error.code(), "study_value", "{file}");
        assert!(error.to_string().contains("schools.file"), "{error}");
    }
    refused(&head("\"small\"", "\"a/b\""), "study_value", &["[study] id"]);
    refused(&head("\"Small\"", "\"a\\nb\""), "study_value", &["[study] title"]);
}

#[test]
fn rho_is_required_in_dp_and_refused_in_exact() {
    let with = |privacy: &str| Draft { privacy: privacy.into(), ..Draft::default() };
    refused(&with("mode = \"dp\"\n"), "study_value", &["rho", "required"]);
    refused(&with("mode = \"exact\"\nrho = 0.1\n"), "study_value", &["rho", "exact"]);
    for rho in ["0.0", "-1.0", "nan", "inf"] {
        refused(&with(&format!("rho = {rho}\n")), "study_value", &["rho", "above 0"]);
    }
}

#[test]
fn cohorts_that_protect_nobody_are_refused_with_the_number_to_change() {
    let with = |n: u16, dropped: u16, colluding: u16| Draft {
        cohort: format!(
            "min_districts = {n}\nmax_dropped = {dropped}\nmax_colluding = {colluding}\n"
        ),
        ..Draft::default()
    };
    refused(&with(12, 3, 0), "cohort_arithmetic", &["max_colluding must be at least 1"]);
    refused(&with(12, 6, 1), "cohort_arithmetic", &["m = n - max_dropped = 6", "max_dropped (6)"]);
    refused(&with(3, 0, 1), "cohort_arithmetic", &["h = ", "raise min_districts"]);
    refused(&with(2_001, 0, 1), "cohort_arithmetic", &["2000"]);
    refused(&with(4, 9, 1), "cohort_arithmetic", &["leaves nobody"]);
}

#[test]
fn a_least_cell_size_below_three_is_refused() {
    let draft = Draft { suppression: "min_n = 2\n".into(), ..Draft::default() };
    refused(&draft, "study_value", &["min_n", "at least 3"]);
}

#[test]
fn score_ranges_must_be_ordered_and_on_the_grid() {
    refused(&tests("met = 150", "met = 250"), "study_value", &["MATH.03", "met"]);
    refused(&tests("max = 200", "max = 100"), "study_value", &["MATH.03", "min must be below"]);
    refused(&tests("met = 150", "met = 150.25"), "study_value", &["MATH.03.met", "1/10 point"]);
    refused(&tests("max = 200", "max = 2e9"), "study_value", &["MATH.03.max", "100000 points"]);
    refused(&tests("max = 200", "max = nan"), "study_value", &["MATH.03.max"]);
    refused(&tests("max = 200", "max = 922337203685477580"), "study_value", &["MATH.03.max"]);
    refused(&tests("units_per_point = 10", "units_per_point = 0"), "study_value", &["1 to 1000"]);
}

#[test]
fn every_decimal_on_the_grid_is_read_as_its_own_integer() {
    for tenth in (1000..2000).step_by(7) {
        let study = tests("met = 150 ", &format!("met = {}.{} ", tenth / 10, tenth % 10)).study();
        assert_eq!(study.unwrap().tests["T"].scores[&Subject::Math][&Grade::G03].met, tenth);
    }
}

#[test]
fn a_table_needs_a_test_exactly_when_it_reads_scores() {
    refused(
        &tables("[[table]]\nindicator = \"math_mean\"\n"),
        "study_value",
        &["[[table]] 1, test", "needs the id"],
    );
    refused(
        &tables("[[table]]\nindicator = \"students\"\ntest = \"T\"\n"),
        "study_value",
        &["reads no scores"],
    );
    refused(
        &tables("[[table]]\nindicator = \"math_met\"\ntest = \"U\"\n"),
        "study_value",
        &["no [[test]] with id \"U\""],
    );
    refused(
        &tables("[[table]]\nindicator = \"sci_met\"\ntest = \"T\"\n"),
        "study_value",
        &["no scores for SCI"],
    );
    refused(
        &tables("[[table]]\nindicator = \"students\"\npreset = \"dashboard\"\n"),
        "study_value",
        &["has no presets"],
    );
}

#[test]
fn a_preset_must_be_one_of_the_indicators_and_is_its_first_when_not_given() {
    for &indicator in Indicator::ALL {
        let test = if indicator.subject().is_some() { "test = \"E\"\n" } else { "" };
        let with = |preset: &str| {
            let mut draft =
                tables(&format!("[[table]]\nindicator = \"{indicator}\"\n{test}{preset}"));
            draft.tests = EVERY_SUBJECT.into();
            draft
        };
        let presets = indicator.presets();
        let first = with("").study().unwrap().tables[0].preset;
        assert_eq!(first, presets.first().copied(), "{indicator}");
        for &preset in Preset::ALL {
            let draft = with(&format!("preset = \"{preset}\"\n"));
            if presets.contains(&preset) {
                assert_eq!(draft.study().unwrap().tables[0].preset, Some(preset), "{indicator}");
            } else {
                let names: Vec<_> = presets.iter().map(|one| one.as_str()).collect();
                let words = if names.is_empty() { vec!["has no presets"] } else { names };
                let toml = draft.toml();
                let line = 1 + toml.lines().position(|line| line == "[[table]]").unwrap();
                let place = format!("line {line}: [[table]] 1, preset");
                refused(&draft, "study_value", &[&[&place[..]], &words[..]].concat());
            }
        }
    }
}

/// A test with a range for every subject.
const EVERY_SUBJECT: &str = "[[test]]\nid = \"E\"\n\
    scores = { ELA = { \"03\" = { min = 1, max = 3, met = 2 } }, MATH = { \"03\" = { min = 1, max = 3, \
    met = 2 } }, SCI = { \"05\" = { min = 1, max = 3, met = 2 } }, ELP = { \"03\" = { min = 1, \
    max = 3, met = 2 } } }\n";

#[test]
fn a_preset_nobody_knows_is_refused_with_its_line_and_all_spellings() {
    let draft = tables("[[table]]\nindicator = \"suspension\"\npreset = \"state\"\n");
    let line = format!("line {}:", draft.toml().lines().count());
    refused(&draft, "study_value", &[&line, "unknown preset \"state\"", "county", "as_el"]);
}

#[test]
fn shares_by_item_are_for_exact_mode_alone() {
    for indicator in ["climate_safety_staff", "sel_self_management"] {
        let mut draft =
            tables(&format!("[[table]]\nindicator = \"{indicator}\"\npreset = \"item\"\n"));
        assert_eq!(draft.study().unwrap().tables[0].preset, Some(Preset::PerItem));
        draft.privacy = "rho = 0.1\n".into();
        let words = ["[[table]] 1, preset", "exact mode alone", "\"respondent\""];
        let line = format!("line {}", draft.toml().lines().count() - 2);
        refused(&draft, "study_value", &[&[&line[..]], &words[..]].concat());
    }
}

#[test]
fn el_years_are_one_to_twelve_for_redesignation_and_five_when_not_given() {
    let with = |indicator: &str, rest: &str| {
        tables(&format!("[[table]]\nindicator = \"{indicator}\"\n{rest}"))
    };
    let years = |rest| with("el_redesignation", rest).study().unwrap().tables[0].el_years;
    assert_eq!((years(""), years("el_years = 1\n")), (Some(5), Some(1)));
    assert_eq!(years("preset = \"at_school\"\nel_years = 12\n"), Some(12));
    for bad in ["0", "13"] {
        let draft = with("el_redesignation", &format!("el_years = {bad}\n"));
        let words = ["[[table]] 1, el_years", "must be 1 to 12"];
        let line = format!("line {}", draft.toml().lines().count() - 2);
        refused(&draft, "study_value", &[&[&line[..]], &words[..]].concat());
    }
    refused(&with("el_redesignation", "el_years = -1\n"), "study_value", &["line "]);
    let draft = with("el_progress", "el_years = 5\n");
    refused(&draft, "study_value", &["el_years", "el_progress has no el_years; remove it"]);
    assert_eq!(with("students", "").study().unwrap().tables[0].el_years, None);
}

#[test]
fn surveys_of_adults_have_no_families_and_no_grade() {
    for who in ["staff", "parent"] {
        let with = |rest: &str| {
            tables(&format!("[[table]]\nindicator = \"climate_rules_{who}\"\n{rest}\n"))
        };
        assert!(with("by = [[], [\"level\"]]").study().is_ok());
        refused(
            &with("families = [\"sex\"]"),
            "study_value",
            &["[[table]] 1, families", "of adults", "remove it"],
        );
        for by in ["[[\"grade\"]]", "[[], [\"level\", \"grade\"]]"] {
            let draft = with(&format!("by = {by}"));
            let line = format!("line {}:", draft.toml().lines().count() - 2);
            let words = [&line[..], "[[table]] 1, by", "no grade", "leave \"grade\" out"];
            refused(&draft, "study_value", &words);
        }
    }
    let by = "by = [[\"grade\"]]\nfamilies = [\"sex\"]\n";
    for indicator in ["climate_rules_student", "sel_social_awareness", "climate_response"] {
        assert!(tables(&format!("[[table]]\nindicator = \"{indicator}\"\n{by}")).study().is_ok());
    }
}

#[test]
fn years_must_be_school_years_up_to_the_studys_own() {
    let years =
        |years: &str| tables(&format!("[[table]]\nindicator = \"students\"\nyears = {years}\n"));
    refused(&years("[2025]"), "study_value", &["2025", "after the study's school_year"]);
    refused(&years("[24]"), "study_value", &["24 is not a school year"]);
    refused(&years("[]"), "study_value", &["years"]);
    refused(&years("[2024, 2023, 2024]"), "study_duplicate", &["years", "2024"]);
}

#[test]
fn whatever_is_given_twice_is_refused() {
    let table = |rest: &str| tables(&format!("[[table]]\nindicator = \"students\"\n{rest}\n"));
    refused(&table("families = [\"el\", \"sex\", \"el\"]"), "study_duplicate", &["\"el\""]);
    refused(
        &table("by = [[\"level\", \"grade\"], [\"grade\", \"level\"]]"),
        "study_duplicate",
        &["[\"level\", \"grade\"]"],
    );
    refused(&table("by = [[\"level\", \"level\"]]"), "study_duplicate", &["\"level\""]);
    let again = "[[table]]\nindicator = \"students\"\nby = [[], [\"level\"]]\n\
                 [[table]]\nindicator = \"students\"\nby = [[\"grade\"], []]\n";
    refused(&tables(again), "study_duplicate", &["[[table]] 2", "[[table]] 1"]);
    let mut draft = Draft::default();
    draft.tests.push_str(
        "[[test]]\nid = \"T\"\nscores = { SCI = { \"05\" = { min = 1, max = 3, \
                          met = 2 } } }\n",
    );
    refused(&draft, "study_duplicate", &["[[test]] 2", "\"T\""]);
}

#[test]
fn the_same_indicator_by_another_preset_or_year_is_another_table() {
    let text = "[[table]]\nindicator = \"chronic_absenteeism\"\n\
                [[table]]\nindicator = \"chronic_absenteeism\"\npreset = \"dataquest\"\n\
                [[table]]\nindicator = \"chronic_absenteeism\"\nyears = [2023]\n";
    assert_eq!(tables(text).study().unwrap().tables.len(), 3);
    let text = "[[table]]\nindicator = \"el_redesignation\"\n\
                [[table]]\nindicator = \"el_redesignation\"\nel_years = 6\n\
                [[table]]\nindicator = \"el_redesignation\"\npreset = \"at_school\"\n";
    assert_eq!(tables(text).study().unwrap().tables.len(), 3);
    let again = format!("{text}[[table]]\nindicator = \"el_redesignation\"\nel_years = 5\n");
    refused(&tables(&again), "study_duplicate", &["[[table]] 4", "[[table]] 1"]);
    let again = "[[table]]\nindicator = \"suspension\"\n\
                 [[table]]\nindicator = \"suspension\"\npreset = \"dashboard\"\n";
    refused(&tables(again), "study_duplicate", &["[[table]] 2", "[[table]] 1"]);
}

#[test]
fn a_study_without_tables_or_with_too_many_of_anything_is_refused() {
    refused(&tables(""), "study_value", &["[[table]]"]);
    let many: String = (0..=MAX_TABLES).map(|_| "[[table]]\nindicator = \"students\"\n").collect();
    refused(&tables(&many), "study_limit", &["[[table]]", "201", "200"]);
    let by = "[[]]".replace("[]", &["[]"; 9].join(","));
    let draft = tables(&format!("[[table]]\nindicator = \"students\"\nby = {by}\n"));
    refused(&draft, "study_limit", &["by", "9", "8"]);
    refused(&tables("[[table]]\nindicator = \"students\"\nby = []\n"), "study_value", &["[[]]"]);
}
