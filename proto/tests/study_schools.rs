//! The hub's public school table: what is read, and what is refused on which line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed assumption of a test is a failed test"
)]

mod study_support;

use flashlight_proto::{
    canonical::Digest,
    category::{Grade, Level},
    identity::DistrictId,
    schools::{MAX_SCHOOLS_BYTES, SchoolTable},
};
use study_support::SCHOOLS;

#[track_caller]
fn refused(csv: &str, code: &str, words: &[&str]) {
    let error = SchoolTable::parse(csv.as_bytes()).expect_err("the table is accepted");
    assert_eq!(error.code(), code, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
}

fn district(id: &str) -> DistrictId {
    id.parse().unwrap()
}

#[test]
fn a_table_is_found_by_school_year_and_district() {
    let table = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
    assert_eq!(table.hash(), Digest::of(SCHOOLS.as_bytes()));
    assert_eq!(table.iter().count(), 5);
    let school = table.find("003", 2024).unwrap();
    assert_eq!((school.level, school.grade_low), (Level::ES, Grade::TK));
    assert_eq!(school.grades().count(), 6);
    assert_eq!(school.district, district("B"));
    assert!(table.find("003", 2023).is_none() && table.find("3", 2024).is_none());
    let of_a: Vec<_> = table.of_district(&district("A")).map(|s| s.school_id.as_str()).collect();
    assert_eq!(of_a, ["001", "001", "002"]);
    assert_eq!(table.of_district(&district("C")).count(), 0);
}

#[test]
fn optional_columns_may_stand_anywhere_and_be_empty() {
    let csv = "charter,county,school_id,school_year,school_name,district_id,level,grade_low,\
               grade_high,enrollment,poverty_quintile,size_band,locale,contact\r\n\
               true,\"Contra, Costa\",001,2024,X,A,Alt,UG,UG,12,5,small,,\r\n\
               ,,002,2024,Y,A,Span,KN,12,,,,,\r\n";
    let table = SchoolTable::parse(csv.as_bytes()).unwrap();
    let one = table.find("001", 2024).unwrap();
    assert_eq!(one.county.as_deref(), Some("Contra, Costa"));
    assert_eq!(
        (one.charter, one.enrollment, one.poverty_quintile),
        (Some(true), Some(12), Some(5))
    );
    let two = table.find("002", 2024).unwrap();
    assert_eq!((two.charter, two.enrollment, two.county.as_ref()), (None, None, None));
}

#[test]
fn header_faults_are_named() {
    refused(
        &SCHOOLS.replacen("level", "lvl", 1),
        "schools_header",
        &["\"lvl\"", "poverty_quintile"],
    );
    refused(&SCHOOLS.replacen("school_name", "level", 1), "schools_header", &["level", "twice"]);
    let without =
        "school_id,school_year,school_name,district_id,level,grade_low\n1,2024,a,A,ES,KN\n";
    refused(without, "schools_header", &["grade_high is missing"]);
    refused("", "schools_empty", &[]);
    refused(SCHOOLS.lines().next().unwrap(), "schools_empty", &[]);
}

#[test]
fn bad_values_are_named_by_line_and_column() {
    let with = |row: &str| format!("{SCHOOLS}{row}\n");
    refused(&with("005,2024,E,B,EL,KN,05"), "schools_value", &["line 7, level", "\"EL\"", "ES"]);
    refused(&with("005,2024,E,B,ES,K,05"), "schools_value", &["line 7, grade_low", "\"K\""]);
    refused(&with("005,2024,E,B,ES,05,04"), "schools_value", &["grade_low", "above"]);
    refused(&with("005,24,E,B,ES,KN,05"), "schools_value", &["school_year"]);
    refused(&with(",2024,E,B,ES,KN,05"), "schools_value", &["school_id", "empty"]);
    refused(&with("005,2024,E,B C,ES,KN,05"), "schools_value", &["district_id"]);
    refused(&with(" 005,2024,E,B,ES,KN,05"), "schools_value", &["school_id", "space"]);
    refused(&with("005,2024,\"E\nF\",B,ES,KN,05"), "schools_value", &["school_name"]);
    refused(&with("005,2024,E,B,ES,KN"), "schools_csv", &["line 7", "expected 7", "found 6"]);
    refused(&with("005,2024,\"E,B,ES,KN,05"), "schools_csv", &["line 7", "quote"]);
}

#[test]
fn a_school_stands_once_in_a_year_and_belongs_to_one_district() {
    let with = |row: &str| format!("{SCHOOLS}{row}\n");
    refused(&with("002,2024,E,A,ES,KN,05"), "schools_duplicate", &["line 7", "002", "line 4"]);
    refused(
        &with("002,2023,E,B,ES,KN,05"),
        "schools_district",
        &["line 7", "district A", "line 4"],
    );
}

#[test]
fn tables_that_are_too_large_or_not_text_are_refused() {
    let error = SchoolTable::parse(b"school_id\xff").unwrap_err();
    assert_eq!(error.code(), "schools_not_text");
    let error = SchoolTable::parse(&vec![b'x'; MAX_SCHOOLS_BYTES + 1]).unwrap_err();
    assert_eq!(error.code(), "schools_too_large");
    let header = SCHOOLS.lines().next().unwrap();
    let rows: String = (0..=200_000).map(|id| format!("\n{id},2024,E,B,ES,KN,05")).collect();
    let error = SchoolTable::parse(format!("{header}{rows}").as_bytes()).unwrap_err();
    assert_eq!(error.code(), "schools_too_large");
}
