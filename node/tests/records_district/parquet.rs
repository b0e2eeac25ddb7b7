//! The same tables as Parquet.

use std::{fs, fs::File};

use flashlight_node::records::{Effect, Finding, Records, Rule};
use polars::prelude::*;

fn frame(students: Column) -> DataFrame {
    let rows = students.len();
    let dates = Column::new("entry_date".into(), vec!["2023-08-15"; rows]);
    DataFrame::new(
        rows,
        vec![
            students,
            Column::new("school_year".into(), vec![2024_i32; rows]),
            Column::new("school_id".into(), vec!["0001"; rows]),
            Column::new("grade".into(), vec!["03"; rows]),
            dates.cast(&DataType::Date).unwrap(),
            Column::new("sed".into(), vec![Some(true); rows]),
        ],
    )
    .unwrap()
}

fn read(frame: &mut DataFrame) -> Result<(u64, Vec<Finding>), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("enrollments.parquet")).unwrap();
    ParquetWriter::new(file).finish(frame).unwrap();
    let (_, report) = Records::read(folder.path()).map_err(|error| error.to_string())?;
    let file = report.files.into_iter().next().unwrap();
    Ok((file.rows_kept, file.findings))
}

#[test]
fn parquet_with_dates_flags_and_numbers_is_read_like_csv() {
    let students = Column::new("student_id".into(), vec!["01", "02", "03"]);
    let (kept, findings) = read(&mut frame(students)).unwrap();
    assert_eq!(kept, 3);
    assert!(findings.iter().all(|finding| finding.rule == Rule::E011), "{findings:?}");
}

#[test]
fn ids_stored_as_whole_numbers_are_read_and_told() {
    let students = Column::new("student_id".into(), vec![1_i64, 2, 3]);
    let (kept, findings) = read(&mut frame(students)).unwrap();
    assert_eq!(kept, 3);
    let told = findings.iter().find(|finding| finding.rule == Rule::W101).unwrap();
    assert_eq!(told.effect, Effect::Noted);
}

#[test]
fn ids_stored_as_fractions_are_refused() {
    let students = Column::new("student_id".into(), vec![1.0, 2.0, 3.0]);
    let text = read(&mut frame(students)).unwrap_err();
    assert!(text.contains("student_id is stored as a fraction"), "{text}");
}

#[test]
fn rows_of_parquet_are_numbered_from_one() {
    let students = Column::new("student_id".into(), vec![Some("1"); 100]);
    let mut students = students.str().unwrap().clone();
    students =
        students.iter().enumerate().map(|(at, _)| (at != 4).then(|| at.to_string())).collect();
    let students = students.with_name("student_id".into()).into_column();
    let (kept, findings) = read(&mut frame(students)).unwrap();
    assert_eq!(kept, 99);
    let told = findings.iter().find(|finding| finding.rule == Rule::E004).unwrap();
    assert_eq!(told.first_rows, [5]);
}

#[test]
fn a_truncated_or_garbled_parquet_file_is_refused_without_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enrollments.parquet");
    let students: Vec<_> = (0..5000).map(|at| format!("{at}")).collect();
    let file = File::create(&path).unwrap();
    let mut whole = frame(Column::new("student_id".into(), students));
    ParquetWriter::new(file).finish(&mut whole).unwrap();
    let bytes = fs::read(&path).unwrap();
    for cut in [0, 1, 4, 11, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        assert!(Records::read(folder.path()).is_err(), "cut at {cut}");
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
        let mut garbled = bytes.clone();
        garbled[at] ^= 0xff;
        fs::write(&path, &garbled).unwrap();
        // Any outcome but a crash.
        let _ = Records::read(folder.path()).is_ok();
    }
}
