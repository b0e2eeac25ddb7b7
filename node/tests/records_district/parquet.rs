//! The same tables as Parquet.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use flashlight_node::records::{Effect, Finding, Records, Rule};
use parquet::arrow::ArrowWriter;

/// 15 August 2023, days since 1970.
const ENTRY: i32 = 19_584;

fn batch(students: ArrayRef) -> RecordBatch {
    let rows = students.len();
    let text = |text| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
    let sed: ArrayRef = Arc::new(BooleanArray::from(vec![true; rows]));
    RecordBatch::try_from_iter([
        ("student_id", students),
        ("school_year", Arc::new(Int32Array::from(vec![2024; rows])) as ArrayRef),
        ("school_id", text("0001")),
        ("grade", text("03")),
        ("entry_date", Arc::new(Date32Array::from(vec![ENTRY; rows])) as ArrayRef),
        ("sed", sed),
    ])
    .unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn read(batch: &RecordBatch) -> Result<(u64, Vec<Finding>), String> {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("enrollments.parquet"), batch);
    let (_, report) = Records::read(folder.path()).map_err(|error| error.to_string())?;
    let file = report.files.into_iter().next().unwrap();
    Ok((file.rows_kept, file.findings))
}

#[test]
fn parquet_with_dates_flags_and_numbers_is_read_like_csv() {
    let students = StringArray::from(vec!["01", "02", "03"]);
    let (kept, findings) = read(&batch(Arc::new(students))).unwrap();
    assert_eq!(kept, 3);
    assert!(findings.iter().all(|finding| finding.rule == Rule::E011), "{findings:?}");
}

#[test]
fn ids_stored_as_whole_numbers_are_read_and_told() {
    let students = Int64Array::from(vec![1, 2, 3]);
    let (kept, findings) = read(&batch(Arc::new(students))).unwrap();
    assert_eq!(kept, 3);
    let told = findings.iter().find(|finding| finding.rule == Rule::W101).unwrap();
    assert_eq!(told.effect, Effect::Noted);
}

#[test]
fn ids_stored_as_fractions_are_refused() {
    let students = Float64Array::from(vec![1.0, 2.0, 3.0]);
    let text = read(&batch(Arc::new(students))).unwrap_err();
    assert!(text.contains("student_id is stored as a fraction"), "{text}");
}

#[test]
fn rows_of_parquet_are_numbered_from_one() {
    let ids = (0..100).map(|at| (at != 4).then(|| at.to_string()));
    let (kept, findings) = read(&batch(Arc::new(StringArray::from_iter(ids)))).unwrap();
    assert_eq!(kept, 99);
    let told = findings.iter().find(|finding| finding.rule == Rule::E004).unwrap();
    assert_eq!(told.first_rows, [5]);
}

#[test]
fn a_truncated_or_garbled_parquet_file_is_refused_without_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enrollments.parquet");
    let students: Vec<String> = (0..5000).map(|at| format!("{at}")).collect();
    write(&path, &batch(Arc::new(StringArray::from(students))));
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
