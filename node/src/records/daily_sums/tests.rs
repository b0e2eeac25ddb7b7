//! The streaming pass against sums added by hand, and against damaged files.

use std::collections::BTreeMap;

use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use proptest::prelude::*;

use super::*;

/// Student, school, hundredths absent.
type Row = (u64, &'static str, i16);

fn write(path: &Path, rows: &[Row], group: usize) {
    let batch = RecordBatch::try_from_iter([
        (
            "absent",
            Arc::new(Int16Array::from_iter_values(rows.iter().map(|row| row.2))) as ArrayRef,
        ),
        ("school", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))),
        ("student", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0)))),
    ])
    .unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Days expected and absent by student and school, both in hundredths.
type Sum = BTreeMap<(u64, String), (i32, i32)>;

fn sum(path: &Path, threads: usize) -> Result<Sum, Damaged> {
    let mut names: Vec<String> = Vec::new();
    let rows = sums(path, 2024, threads, |name| {
        names.push(name.to_owned());
        u32::try_from(names.len() - 1).unwrap()
    })?;
    let sum = rows.iter().map(|row| {
        assert_eq!((row.year, row.attended), (2024, Some(row.expected - row.absent.unwrap())));
        let school = names[usize::try_from(row.school).unwrap()].clone();
        ((row.student.0, school), (row.expected, row.absent.unwrap()))
    });
    Ok(sum.collect())
}

fn by_hand(rows: &[Row]) -> Sum {
    let mut sum = Sum::new();
    for (student, school, absent) in rows {
        let days = sum.entry((*student, (*school).to_owned())).or_default();
        *days = (days.0 + 100, days.1 + i32::from(*absent));
    }
    sum
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let school = prop::sample::select(vec!["0101", "0102", "0201"]);
    let absent = prop::sample::select(vec![0_i16, 0, 0, 33, 50, 100]);
    prop::collection::vec((0_u64..12, school, absent), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_sums_are_those_added_by_hand_in_any_order_over_any_row_groups_and_threads(
        mut rows in rows(), group in 1_usize..50, threads in 1_usize..4, order in 0..3,
    ) {
        match order {
            0 => rows.sort_unstable(),
            1 => rows.sort_by_key(|row| (row.2, row.0)),
            _ => {}
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daily");
        write(&path, &rows, group);
        prop_assert_eq!(sum(&path, threads).unwrap(), by_hand(&rows));
    }
}

#[test]
fn a_day_cannot_be_more_than_absent_nor_a_year_longer_than_a_year() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daily");
    for rows in [vec![(1, "0101", 101)], vec![(1, "0101", -1)], vec![(1, "0101", 0); 367]] {
        write(&path, &rows, 1000);
        assert!(sum(&path, 2).is_err());
    }
    write(&path, &[(1, "0101", 0); 366], 1000);
    assert!(sum(&path, 2).is_ok());
}

#[test]
fn a_file_that_is_damaged_or_lacks_a_column_is_an_error_and_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("daily");
    let rows: Vec<Row> = (0..3000).map(|at| (at % 50, "0101", 0)).collect();
    write(&path, &rows, 500);
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 61 + 1) {
        let mut garbled = bytes.clone();
        garbled[at] ^= 0xff;
        std::fs::write(&path, garbled).unwrap();
        // Any outcome but a crash.
        let _ = sum(&path, 2).is_ok();
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(sum(&path, 2).is_err());
    let batch =
        RecordBatch::try_from_iter([("student", Arc::new(UInt64Array::from(vec![1])) as ArrayRef)])
            .unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert!(sum(&path, 2).is_err());
}
