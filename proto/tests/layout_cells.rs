//! Layouts: which cells there are, in which order, under which names, and what the hash covers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

mod study_support;

use std::collections::BTreeSet;

use flashlight_proto::{
    category::{Family, Grade, Indicator, Level, Subject},
    contribution::{Contribution, MAX_WORD},
    layout::{Block, Encoding, Layout},
    schools::SchoolTable,
    study::Study,
};
use study_support::Draft;

const VECTOR_STUDY: &[u8] = include_bytes!("../vectors/study/study.toml");
const VECTOR_SCHOOLS: &[u8] = include_bytes!("../vectors/study/schools.csv");
const VECTOR_LAYOUT: &str = include_str!("../vectors/study/layout.json");

fn block(layout: &Layout, wanted: impl Fn(&Block) -> bool) -> &Block {
    layout.blocks().iter().find(|block| wanted(block)).unwrap()
}

#[test]
fn vectors_study_layout() {
    let study = Study::parse(VECTOR_STUDY).unwrap();
    let schools = SchoolTable::parse(VECTOR_SCHOOLS).unwrap();
    let layout = Layout::derive(&study, &schools).unwrap();
    let known: serde_json::Value = serde_json::from_str(VECTOR_LAYOUT).unwrap();
    let names: Vec<_> = (0..layout.words()).map(|word| layout.cell_name(word)).collect();
    let got = serde_json::json!({
        "about": known["about"],
        "study_sha256": study.hash(),
        "schools_sha256": schools.hash(),
        "layout": layout.hash(),
        "words": names,
    });
    assert_eq!(got, known, "{got:#}");
}

#[test]
fn every_word_has_its_own_name_and_belongs_to_one_cell() {
    let layout = Draft::default().layout();
    let names: BTreeSet<_> = (0..layout.words()).map(|word| layout.cell_name(word)).collect();
    assert_eq!(names.len(), layout.words());
    assert_eq!(layout.cell_name(layout.words()), "no such word");
    let mut next = 0;
    for block in layout.blocks() {
        assert_eq!(block.first_word(), next);
        assert!(block.cells().is_sorted());
        next += block.words();
    }
    assert_eq!(next, layout.words());
}

#[test]
fn a_student_falls_in_the_cell_that_the_word_is_named_after() {
    let layout = Draft::default().layout();
    let students = block(&layout, |block| block.by.len() == 2 && block.family.is_some());
    let word = students.word_of(Level::ES, Grade::G03, 1).unwrap();
    assert_eq!(layout.cell_name(word), "students@2024/level+grade/ES,03/sex=M/n");
    let mean = block(&layout, |block| {
        block.indicator == Indicator::Mean(Subject::Math) && block.by.len() == 2
    });
    let word = mean.word_of(Level::ES, Grade::G04, 0).unwrap();
    assert_eq!(layout.cell_name(word), "math_mean[T]@2024/level+grade/ES,04/all/sum");
    assert_eq!(layout.cell_name(word + 1), "math_mean[T]@2024/level+grade/ES,04/all/n");
}

#[test]
fn cells_exist_only_where_a_school_offers_the_grade_that_year() {
    let layout = Draft::default().layout();
    let students = block(&layout, |block| block.by.len() == 2 && block.family.is_none());
    // ES: TK (school 003), KN..05; MS 06..08; HS 09..12.
    assert_eq!(students.cells().len(), 7 + 3 + 4);
    assert!(students.word_of(Level::ES, Grade::TK, 0).is_some());
    assert!(students.word_of(Level::ES, Grade::G06, 0).is_none());
    assert!(students.word_of(Level::K8, Grade::G03, 0).is_none());
    let network = block(&layout, |block| block.by.is_empty() && block.family.is_none());
    assert_eq!(network.cells().len(), 1);
    assert!(network.word_of(Level::MS, Grade::G03, 0).is_none(), "margins must add up");
    assert!(network.word_of(Level::MS, Grade::G06, 0).is_some());
    assert!(network.word_of(Level::MS, Grade::G06, 1).is_none(), "there is one group");
}

#[test]
fn chronic_absenteeism_has_cells_for_the_grades_of_its_preset_only() {
    let chronic = |layout: &Layout, year| {
        block(layout, |block| {
            block.indicator == Indicator::ChronicAbsenteeism
                && block.year == year
                && block.family.is_none()
        })
        .clone()
    };
    let mut draft = Draft::default();
    let dashboard = chronic(&draft.layout(), 2024);
    assert_eq!(dashboard.cells().len(), 2, "ES and MS, no HS");
    assert!(dashboard.word_of(Level::ES, Grade::TK, 0).is_none());
    assert!(dashboard.word_of(Level::ES, Grade::KN, 0).is_some());
    assert_eq!(chronic(&draft.layout(), 2023).cells().len(), 1);
    let years = "years = [2023, 2024]";
    draft.tables = draft.tables.replace(years, &format!("{years}\npreset = \"dataquest\""));
    let dataquest = chronic(&draft.layout(), 2024);
    assert_eq!(dataquest.cells().len(), 3);
    assert!(dataquest.word_of(Level::ES, Grade::TK, 0).is_some());
    assert!(draft.layout().cell_name(dataquest.first_word()).contains("[dataquest]"));
}

/// A study of one table in 2024.
fn of(table: &str) -> Draft {
    Draft { tables: format!("[[table]]\nindicator = {table}\n"), ..Draft::default() }
}

#[test]
fn adults_have_one_place_in_each_level_and_no_grade() {
    let layout = of("\"climate_safety_staff\"\nby = [[], [\"level\"]]").layout();
    let [network, level] = [0, 1].map(|at| &layout.blocks()[at]);
    assert_eq!((network.cells().len(), level.cells().len()), (1, 3));
    for offered in [Level::ES, Level::MS, Level::HS] {
        assert!(level.word_of(offered, Grade::UG, 0).is_some());
        assert_eq!(network.word_of(offered, Grade::UG, 0), Some(0));
        assert!(level.word_of(offered, Grade::G03, 0).is_none());
    }
    assert!(network.word_of(Level::Alt, Grade::UG, 0).is_none());
    let name = "climate_safety_staff[respondent]@2024/level/ES/all/sum";
    assert_eq!(layout.cell_name(level.first_word()), name);
}

#[test]
fn shares_by_item_are_three_words_a_cell() {
    let table = "\"sel_self_efficacy\"\npreset = \"item\"\nby = [[\"grade\"]]";
    let layout = of(table).layout();
    let block = &layout.blocks()[0];
    // Fourteen grades, and a place for answers without one.
    assert_eq!((block.encoding, block.words()), (Encoding::Items, 3 * 15));
    let names: Vec<_> = (0..3).map(|word| layout.cell_name(word)).collect();
    let name = "sel_self_efficacy[item]@2024/grade/TK/all";
    assert_eq!(names, ["num", "rest", "n"].map(|part| format!("{name}/{part}")));
    let words = |preset: &str| of(&table.replace("item", preset)).layout().hash();
    assert_ne!(words("item"), words("respondent"));
}

#[test]
fn classes_are_counted_in_grade_12_and_readiness_in_grade_8() {
    for (indicator, grade) in [
        ("graduation_rate", "12"),
        ("college_going", "12"),
        ("hs_readiness", "08"),
        ("grade9_on_track", "09"),
    ] {
        let layout = of(&format!("\"{indicator}\"\nby = [[\"grade\"]]")).layout();
        let grades: Vec<_> = layout.blocks()[0].cells().iter().map(|cell| cell.grade).collect();
        assert_eq!(grades, [Some(grade.parse::<Grade>().unwrap())], "{indicator}");
    }
    let mut draft = of("\"dropout\"\nyears = [2023]");
    let error = Layout::derive(&draft.study().unwrap(), &draft.table()).unwrap_err();
    assert_eq!(error.code(), "layout_empty");
    // Earlier years that a class was in school are not years of the table.
    draft.tables = draft.tables.replace("2023", "2024");
    assert!(Layout::derive(&draft.study().unwrap(), &draft.table()).is_ok());
}

#[test]
fn the_hash_covers_preset_and_years_as_an_english_learner() {
    let tables = [
        "\"el_redesignation\"",
        "\"el_redesignation\"\nel_years = 6",
        "\"el_redesignation\"\npreset = \"at_school\"",
        "\"el_progress\"",
        "\"el_progress\"\npreset = \"elpi6\"",
        "\"suspension\"",
        "\"suspension\"\npreset = \"county\"",
    ];
    let hashes: BTreeSet<_> = tables.iter().map(|table| of(table).layout().hash()).collect();
    assert_eq!(hashes.len(), tables.len());
    let same = of("\"el_redesignation\"\npreset = \"as_el\"\nel_years = 5").layout();
    assert_eq!(same.hash(), of(tables[0]).layout().hash());
    assert_eq!(same.cell_name(0), "el_redesignation[as_el,5]@2024/network/all/all/num");
}

#[test]
fn families_break_every_cell_into_all_their_groups() {
    let layout = Draft::default().layout();
    let all = block(&layout, |block| block.by.len() == 1 && block.family.is_none());
    let sex = block(&layout, |block| block.by.len() == 1 && block.family == Some(Family::Sex));
    assert_eq!(sex.cells().len(), all.cells().len() * 4);
    assert_eq!(layout.cell_name(sex.first_word() + 3), "students@2024/level/ES/sex=unknown/n");
    assert!(sex.word_of(Level::ES, Grade::G01, 4).is_none());
}

#[test]
fn means_are_centred_on_the_floor_of_the_middle() {
    let mut draft = Draft::default();
    draft.tables.push_str("[[table]]\nindicator = \"ela_mean\"\ntest = \"T\"\n");
    draft.tests = draft.tests.replace("min = -20, max = 21", "min = -20, max = 19.5");
    let layout = draft.layout();
    let encoding = |indicator| block(&layout, |block| block.indicator == indicator).encoding;
    let math = Encoding::Mean { mid: 1600, low: 1000, high: 2200 };
    assert_eq!(encoding(Indicator::Mean(Subject::Math)), math);
    // Distances: 100 - 150 .. 200 - 150 and 110.5 - 160.5 .. 220 - 160.5.
    let dfs = Encoding::Mean { mid: 47, low: -500, high: 595 };
    assert_eq!(encoding(Indicator::Dfs(Subject::Math)), dfs);
    let ela = Encoding::Mean { mid: -3, low: -200, high: 195 };
    assert_eq!(encoding(Indicator::Mean(Subject::Ela)), ela, "floor, not towards 0");
    assert_eq!(encoding(Indicator::Met(Subject::Math)), Encoding::Rate);
    assert_eq!(encoding(Indicator::Students), Encoding::Count);
}

#[test]
fn everything_that_gives_words_a_meaning_changes_the_hash() {
    let bent = |bend: &dyn Fn(&mut Draft)| {
        let mut draft = Draft::default();
        bend(&mut draft);
        draft.layout().hash()
    };
    let tests = |from: &'static str, to: &'static str| {
        bent(&|draft| draft.tests = draft.tests.replacen(from, to, 1))
    };
    let tables = |from: &'static str, to: &'static str| {
        bent(&|draft| draft.tables = draft.tables.replacen(from, to, 1))
    };
    let hashes = [
        bent(&|_| ()),
        tests("max = 200", "max = 201"),
        tests("met = 150", "met = 151"),
        tests("min = 100", "min = 99"),
        tests("units_per_point = 10", "units_per_point = 20"),
        tables("families = [\"sex\"]", "families = [\"el\"]"),
        tables("years = [2023, 2024]", "years = [2024, 2023]"),
        tables("years = [2023, 2024]", "years = [2023, 2024]\npreset = \"dataquest\""),
        bent(&|draft| {
            draft.tests = draft.tests.replace("\"T\"", "\"V\"");
            draft.tables = draft.tables.replace("\"T\"", "\"V\"");
        }),
        bent(&|draft| draft.schools = draft.schools.replace("MS,06,08", "MS,07,08")),
    ];
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
    // What does not touch the words does not touch the hash.
    assert_eq!(hashes[0], bent(&|draft| draft.suppression = "min_n = 20\n".into()));
    assert_eq!(hashes[0], bent(&|draft| draft.schools = draft.schools.replace("Alder", "Oak")));
}

#[test]
fn a_school_table_that_the_study_does_not_name_is_refused() {
    let study = Draft::default().study().unwrap();
    let other = Draft::default().schools.replace("Alder", "Oak");
    let other = SchoolTable::parse(other.as_bytes()).unwrap();
    assert_eq!(Layout::derive(&study, &other).unwrap_err().code(), "layout_schools");
}

#[test]
fn a_year_or_grade_that_no_school_has_is_refused() {
    let derive = |tables: &str| {
        let draft = Draft { tables: tables.into(), ..Draft::default() };
        Layout::derive(&draft.study().unwrap(), &draft.table()).unwrap_err()
    };
    let error = derive("[[table]]\nindicator = \"students\"\nyears = [2022]\n");
    assert_eq!(error.code(), "layout_year");
    assert!(error.to_string().contains("[[table]] 1") && error.to_string().contains("2022"));
    let draft = Draft {
        tables: "[[table]]\nindicator = \"ela_mean\"\ntest = \"T\"\n".into(),
        schools: Draft::default().schools.replace("KN,05", "KN,04"),
        ..Draft::default()
    };
    let error = Layout::derive(&draft.study().unwrap(), &draft.table()).unwrap_err();
    assert_eq!(error.code(), "layout_empty");
}

#[test]
fn a_layout_past_the_limit_is_refused_before_it_is_built() {
    let header = "school_id,school_year,school_name,district_id,level,grade_low,grade_high\n";
    let mut schools = header.to_owned();
    for year in 2009..=2024 {
        for level in Level::ALL {
            schools.push_str(&format!("{level},{year},S,A,{level},TK,UG\n"));
        }
    }
    let years: Vec<_> = (2009..=2024).map(|year: i16| year.to_string()).collect();
    let families = "[\"sex\",\"race_ethnicity\",\"el\",\"swd\",\"sed\",\"homeless\",\"foster\"]";
    let mut draft = Draft { schools, tables: String::new(), ..Draft::default() };
    draft.tests = (0..32)
        .map(|id| {
            let grades: String = Grade::ALL
                .iter()
                .map(|grade| format!("\"{grade}\" = {{ min = 0, max = 2, met = 1 }}\n"))
                .collect();
            format!("[[test]]\nid = \"T{id}\"\n[test.scores.MATH]\n{grades}")
        })
        .collect();
    for id in 0..32 {
        for indicator in ["math_mean", "math_dfs", "math_met"] {
            draft.tables.push_str(&format!(
                "[[table]]\nindicator = \"{indicator}\"\ntest = \"T{id}\"\n\
                 by = [[], [\"level\"], [\"grade\"], [\"level\", \"grade\"]]\n\
                 years = [{}]\nfamilies = {families}\n",
                years.join(",")
            ));
        }
    }
    let error = Layout::derive(&draft.study().unwrap(), &draft.table()).unwrap_err();
    assert_eq!(error.code(), "layout_too_large");
}

#[test]
fn a_contribution_must_have_the_layouts_length_and_cannot_wrap_a_sum() {
    let layout = Draft::default().layout();
    let words = |value: i64| {
        let mut words = vec![0; layout.words()];
        words[1] = value;
        words
    };
    let most = i64::try_from(MAX_WORD).unwrap();
    for fine in [most, -most] {
        let ours = Contribution::new(&layout, words(fine)).unwrap();
        assert_eq!((ours.len(), ours.is_empty()), (layout.words(), false));
        assert_eq!(ours.layout(), layout.hash());
    }
    for beyond in [most + 1, -most - 1, i64::MIN] {
        let error = Contribution::new(&layout, words(beyond)).unwrap_err();
        assert_eq!(error.code(), "contribution_too_large");
        assert!(error.to_string().contains(&layout.cell_name(1)), "{error}");
        assert!(!error.to_string().contains(&beyond.to_string()), "{error}");
    }
    for length in [0, layout.words() - 1, layout.words() + 1] {
        let error = Contribution::new(&layout, vec![0; length]).unwrap_err();
        assert_eq!(error.code(), "contribution_length");
    }
}

#[test]
fn a_contribution_shows_its_length_and_nothing_else() {
    let layout = Draft::default().layout();
    let ours = Contribution::new(&layout, vec![7_777; layout.words()]).unwrap();
    let shown = format!("{ours:?}");
    assert!(shown.contains(&layout.words().to_string()) && !shown.contains("7777"), "{shown}");
}
