//! The same tables as Parquet.

use std::{
    fs::{self, File},
    io::Write,
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

/// What enrolments with this one column in place say.
#[track_caller]
fn says(column: &str, values: ArrayRef, told: &str) {
    let clean = batch(Arc::new(StringArray::from(vec!["01"; values.len()])));
    let schema = clean.schema();
    let columns = schema.fields().iter().zip(clean.columns()).map(|(field, of)| {
        let of = if field.name() == column { Arc::clone(&values) } else { Arc::clone(of) };
        (field.name().clone(), of)
    });
    let text = read(&RecordBatch::try_from_iter(columns).unwrap()).unwrap_err();
    assert_eq!(text, told);
}

#[test]
fn a_number_that_is_none_or_endless_is_refused_as_no_year() {
    let years = Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    says(
        "school_year",
        Arc::new(years),
        "enrollments.parquet: school_year is not a school year in 3 rows (rows 1, 2, 3); more than 1 % of \
         the rows, so the file is refused. Write the spring year: 2024 for 2023-24",
    );
}

#[test]
fn earlier_scores_and_their_errors_that_are_none_or_endless_are_no_scores() {
    for column in ["score", "sem"] {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let clean = [600.0, 610.0, 620.0];
        let of = |name: &str, clean: [f64; 3]| -> ArrayRef {
            Arc::new(Float64Array::from(if name == column { bad.to_vec() } else { clean.to_vec() }))
        };
        let text = |values: [&str; 3]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
        let batch = RecordBatch::try_from_iter([
            ("student_id", text(["1", "2", "3"])),
            ("subject", text(["MATH"; 3])),
            ("as_of_year", text(["2024"; 3])),
            ("years_back", text(["1"; 3])),
            ("score", of("score", clean)),
            ("sem", of("sem", [14.0; 3])),
            ("grade", text(["03"; 3])),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let enrolled = self::batch(Arc::new(StringArray::from(vec!["01", "02", "03"])));
        write(&folder.path().join("enrollments.parquet"), &enrolled);
        write(&folder.path().join("prior_scores.parquet"), &batch.unwrap());
        let told = match Records::read(folder.path()) {
            Ok(_) => "read".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(told.starts_with("prior_scores.parquet: "), "{column}: {told}");
        assert!(told.contains(&format!("{column} is not a")), "{column}: {told}");
        assert!(told.contains("3 rows (rows 1, 2, 3)"), "{column}: {told}");
    }
}

#[test]
fn a_column_of_another_type_is_refused_by_its_rows() {
    says(
        "entry_date",
        Arc::new(BooleanArray::from(vec![true, false])),
        "enrollments.parquet: entry_date is not a date in 2 rows (rows 1, 2); more than 1 % of the rows, so \
         the file is refused. Write YYYY-MM-DD or YYYYMMDD",
    );
}

#[test]
fn a_nested_column_is_refused_as_damaged() {
    let inner = Arc::new(StringArray::from(vec!["03", "04"])) as ArrayRef;
    let field = Arc::new(arrow_schema::Field::new("inner", arrow_schema::DataType::Utf8, true));
    let nested = arrow_array::StructArray::from(vec![(field, inner)]);
    says("grade", Arc::new(nested), "enrollments.parquet: is damaged or not what its name says");
}

/// The file with another number of rows in its footer.
fn declaring(rows: i64) -> Vec<u8> {
    use parquet::file::metadata::{FileMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
    let batch = batch(Arc::new(StringArray::from(vec!["01", "02", "03"])));
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let read = ParquetMetaDataReader::new();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let metadata = read.parse_and_finish(&file).unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_num_rows(rows).build().unwrap();
    let groups = vec![group];
    let old = metadata.file_metadata();
    let lying = FileMetaData::new(
        old.version(),
        rows,
        old.created_by().map(str::to_owned),
        old.key_value_metadata().cloned(),
        old.schema_descr_ptr(),
        old.column_orders().cloned(),
    );
    let metadata =
        parquet::file::metadata::ParquetMetaDataBuilder::new(lying).set_row_groups(groups).build();
    let end = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    let mut lying = bytes[..end - footer].to_vec();
    ParquetMetaDataWriter::new(&mut lying, &metadata).finish().unwrap();
    lying
}

#[test]
fn a_footer_that_declares_other_rows_than_there_are_is_refused_without_room_being_made() {
    let cases = [
        (i64::MAX, "more than 40000000 rows"),
        (-1, "more than 40000000 rows"),
        (19_000_000, "holds another number of rows than it says"),
        (4, "holds another number of rows than it says"),
        (0, "no rows: was the export cut short?"),
    ];
    for (rows, told) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("enrollments.parquet"), declaring(rows)).unwrap();
        let text = Records::read(folder.path()).map(|_| rows).unwrap_err().to_string();
        assert_eq!(text, format!("enrollments.parquet: {told}"), "{rows}");
    }
}
