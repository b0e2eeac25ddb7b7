//! Mutated files of every table: never a panic, never a value of a file in a report, never for long.
//!
//! A fixed number of cases from a fixed seed, which a failure prints; `FLASHLIGHT_FUZZ_SEED` and
//! `FLASHLIGHT_FUZZ_CASES` go further. What was interesting stands in `tests/data/bad-input` or below as
//! a plain test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use flashlight_node::check::check;
use parquet::arrow::ArrowWriter;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::bad_input::shows_none_of;

/// Stands in every id, name and free text of the valid files.
const MARK: &str = "QZXJ";
/// Longest time for one case, generous for a slow machine.
const LONGEST: Duration = Duration::from_secs(10);

/// Every table: its header and one row of each kind of value, `#` being the row's number.
const TABLES: [(&str, &str, &str); 14] = [
    (
        "enrollments",
        "student_id,school_year,school_id,grade,entry_date,exit_date,sex,race_ethnicity,el,swd,elas",
        "QZXJ#,2024,QZXJ,03,2023-08-15,,F,White,N,Y,EO",
    ),
    (
        "student_flags",
        "student_id,school_year,race_ethnicity,sex,el,swd,sed,parent_education",
        "QZXJ#,2024,Asian,M,Y,N,Y,2",
    ),
    (
        "attendance_summary",
        "student_id,school_year,school_id,days_expected,days_attended,absent_excused,absent_unexcused,\
         absent_oss,absent_incomplete_is,in_school_suspension,exempt",
        "QZXJ#,2024,QZXJ,180,170.5,9.5,0,0,0,0,N",
    ),
    (
        "attendance_daily",
        "student_id,school_id,date,category,fraction_absent",
        "QZXJ#,QZXJ,2023-09-05,partial,0.5",
    ),
    (
        "assessments",
        "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,scale_score,sem,included",
        "QZXJ#,QZXJ,2024-05-01,2024,MATH,03,QZXJ,2431,25,Y",
    ),
    (
        "prior_scores",
        "student_id,subject,as_of_year,years_back,score,sem,grade,source",
        "QZXJ#,MATH,2024,1,2410,25,03,carried",
    ),
    (
        "discipline",
        "student_id,incident_id,school_id,school_year,incident_date,result,action_seq,duration_days",
        "QZXJ#,QZXJ,QZXJ,2024,2023-10-02,oss,1,1.5",
    ),
    (
        "course_grades",
        "student_id,school_year,school_id,section_id,term,course_title,subject,final_grade,grade_points,\
         credits_earned",
        "QZXJ#,2024,QZXJ,QZXJ,S1,QZXJ,MATH,B+,3.0,5",
    ),
    (
        "el_history",
        "student_id,elas,elas_start_date,elas_end_date,school_id,primary_language",
        "QZXJ#,EL,2019-08-20,,QZXJ,QZXJ",
    ),
    (
        "graduation",
        "student_id,cohort_year,school_id,exit_date,completion_code,outcome,met_ag",
        "QZXJ#,2024,QZXJ,2024-06-10,QZXJ,diploma,Y",
    ),
    (
        "survey_responses",
        "survey_id,respondent_key,item_id,school_id,school_year,respondent,grade,scale,value,scale_max",
        "QZXJ,QZXJ#,QZXJ,QZXJ,2024,student,05,safety,4,5",
    ),
    (
        "postsecondary",
        "student_id,college_seq,enrolled_begin,enrolled_end,level,sector,state",
        "QZXJ#,1,2024-08-20,,4yr,QZXJ,QZ",
    ),
    (
        "interventions",
        "student_id,intervention,start_date,end_date,school_id,hours",
        "QZXJ#,QZXJ,2023-11-01,2024-02-01,QZXJ,12.5",
    ),
    (
        "schools",
        "school_id,school_year,school_name,level,instructional_days",
        "QZXJ,2024,QZXJ,ES,180",
    ),
];

fn rows(row: &str) -> impl Iterator<Item = String> {
    // Under 11 students, so that not even the school's id may be shown.
    (0..10).map(move |at| row.replace('#', &at.to_string()))
}

fn csv(header: &str, row: &str) -> Vec<u8> {
    let lines: Vec<_> = std::iter::once(header.to_owned()).chain(rows(row)).collect();
    (lines.join("\n") + "\n").into_bytes()
}

fn parquet(header: &str, row: &str) -> Vec<u8> {
    let rows: Vec<_> = rows(row).collect();
    let columns = header.split(',').enumerate().map(|(at, name)| {
        let values = rows.iter().map(|row| row.split(',').nth(at).filter(|text| !text.is_empty()));
        (name, Arc::new(StringArray::from_iter(values)) as ArrayRef)
    });
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, of)| (name, of, true)));
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// One change of a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

impl Change {
    fn made(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let place = |at: usize| if bytes.is_empty() { 0 } else { at % bytes.len() };
        match self {
            Self::Flip(at, with) => {
                let at = place(*at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= with;
                }
            }
            Self::Cut(at) => bytes.truncate(place(*at)),
            Self::Remove(at, length) => {
                let at = place(*at);
                let end = (at + length).min(bytes.len());
                drop(bytes.drain(at..end));
            }
            Self::Repeat(at, length) => {
                let at = place(*at);
                let part = bytes[at..(at + length).min(bytes.len())].to_vec();
                drop(bytes.splice(at..at, part));
            }
            Self::Insert(at, text) => {
                let at = place(*at);
                drop(bytes.splice(at..at, text.iter().copied()));
            }
        }
        bytes
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    let texts: [&[u8]; 14] = [
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\"",
        b"\"\"",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff",
        b"-",
        b"1E+09",
        b"99999999999999999999",
        b";",
        b"NaN",
    ];
    let texts = texts.map(<[u8]>::to_vec).to_vec();
    prop_oneof![
        (at(), 1_u8..).prop_map(|(at, with)| Change::Flip(at, with)),
        at().prop_map(Change::Cut),
        (at(), 1_usize..40).prop_map(|(at, length)| Change::Remove(at, length)),
        (at(), 1_usize..40).prop_map(|(at, length)| Change::Repeat(at, length)),
        (at(), prop::sample::select(texts)).prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Lays the folder: all tables valid, in one format, but the `table`th with `bytes`.
fn checked(folder: &Path, table: usize, ending: &str, bytes: &[u8]) {
    let path: PathBuf = folder.join(format!("{}.{ending}", TABLES[table].0));
    fs::write(&path, bytes).unwrap();
    let started = Instant::now();
    let report = check(folder, None).unwrap();
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
    shows_none_of(&report, &[MARK]);
}

fn mutated(ending: &str, valid: fn(&str, &str) -> Vec<u8>, cases: u64) {
    let seed = from_environment("FLASHLIGHT_FUZZ_SEED", 4);
    let cases = from_environment("FLASHLIGHT_FUZZ_CASES", cases);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = TABLES.iter().map(|(_, header, row)| valid(header, row)).collect();
    let changes = (0..TABLES.len(), prop::collection::vec(change(), 1..6));
    let run = TestRunner::new_with_rng(config, rng).run(&changes, |(table, changes)| {
        for (at, (name, _, _)) in TABLES.iter().enumerate() {
            fs::write(folder.path().join(format!("{name}.{ending}")), &files[at]).unwrap();
        }
        let bytes = changes.iter().fold(files[table].clone(), |bytes, one| one.made(bytes));
        checked(folder.path(), table, ending, &bytes);
        Ok(())
    });
    assert!(run.is_ok(), "seed {seed}, {cases} cases: {run:?}");
}

#[test]
fn no_mutation_of_any_csv_table_panics_or_shows_a_value() {
    mutated("csv", csv, 600);
}

#[test]
fn no_mutation_of_any_parquet_table_panics_or_shows_a_value() {
    mutated("parquet", parquet, 300);
}

#[test]
fn the_files_that_are_mutated_are_valid_before() {
    for (ending, valid) in [("csv", csv as fn(&str, &str) -> Vec<u8>), ("parquet", parquet)] {
        let folder = tempfile::tempdir().unwrap();
        for (name, header, row) in TABLES {
            fs::write(folder.path().join(format!("{name}.{ending}")), valid(header, row)).unwrap();
        }
        let report = check(folder.path(), None).unwrap();
        assert!(!report.is_refused(), "{report}");
        assert_eq!(report.report.files.len(), TABLES.len(), "{report}");
        shows_none_of(&report, &[MARK]);
    }
}
