//! Each rule, one fault per test.

use std::fs;

use flashlight_node::{
    check::check,
    records::{Effect, Records, RecordsError, Rule, Source},
};

use crate::folder::{Folder, set};

#[test]
fn a_clean_folder_is_read_whole_without_a_finding_but_constant_columns() {
    let (records, report) = Folder::clean().read().unwrap();
    assert!(records.has(Source::Attendance) && records.has(Source::Assessments));
    for file in &report.files {
        assert_eq!((file.rows_read, file.rows_kept), (200, 200), "{report}");
        assert!(file.findings.iter().all(|finding| finding.rule == Rule::E011), "{report}");
    }
}

#[test]
fn a_folder_without_enrollments_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Records::read(folder.path()).err().unwrap();
    assert!(matches!(error, RecordsError::Missing));
    assert_eq!(error.code(), "records_missing");
    assert!(check(folder.path(), None).unwrap().is_refused());
}

#[test]
fn a_ragged_line_refuses_the_file_and_is_named() {
    let mut folder = Folder::clean();
    folder.attendance[41].truncate(8);
    let text = "expected 11 fields separated by ',' on every line; line 42 has 2";
    folder.finds(Rule::E001, Effect::Refused, text);
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let folder = Folder::clean();
    folder.write();
    let text = fs::read_to_string(folder.path().join("enrollments.csv")).unwrap();
    let bytes = [text.as_bytes(), b"\xe9\n"].concat();
    fs::write(folder.path().join("enrollments.csv"), bytes).unwrap();
    let error = Records::read(folder.path()).err().unwrap();
    assert!(error.to_string().contains("line 202 is not UTF-8"), "{error}");
}

#[test]
fn another_tables_file_is_refused_by_its_column() {
    let mut folder = Folder::clean();
    folder.assessments = folder.attendance.clone();
    let text = "this looks like attendance_summary (column days_expected) but was given as assess";
    folder.finds(Rule::E002, Effect::Refused, text);
}

#[test]
fn two_columns_of_one_name_are_refused() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[0], 12, "SEX");
    folder.finds(Rule::E002, Effect::Refused, "columns 7 and 13 have one name");
}

#[test]
fn csv_and_parquet_of_one_table_are_refused() {
    let folder = Folder::clean();
    folder.write();
    fs::write(folder.path().join("enrollments.parquet"), b"").unwrap();
    let error = Records::read(folder.path()).err().unwrap();
    assert!(error.to_string().contains("keep one of them"), "{error}");
}

#[test]
fn a_missing_required_column_is_named_with_the_columns_seen() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[0], 3, "GradeLvl");
    let text =
        "no column can supply \"grade\". Columns seen: student_id, school_year, school_id, Gr";
    folder.finds(Rule::E003, Effect::Refused, text);
}

#[test]
fn a_file_without_a_header_does_not_have_its_first_student_shown() {
    let mut folder = Folder::clean();
    folder.enrollments[0] = "Garcia,2024,0001,03,2023-08-15,,F,White,N,Y,1,N,x".to_owned();
    let report = folder.report();
    assert!(report.is_refused());
    assert!(!report.to_string().contains("Garcia"), "{report}");
}

#[test]
fn a_header_mixed_with_a_student_shows_the_known_names_only() {
    let mut folder = Folder::clean();
    let mixed = "student_id,school_year,school_id,03,2023-08-15,Garcia,F,N,a,b,c,d,e";
    folder.enrollments[0] = mixed.to_owned();
    let text = folder.report().to_string();
    assert!(text.contains("student_id, school_year, school_id, and 10 not known here"), "{text}");
    assert!(!text.contains("Garcia") && !text.contains("2023-08-15"), "{text}");
}

#[test]
fn an_empty_key_leaves_the_row_out() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[10], 0, " ");
    folder.attendance.remove(10);
    folder.assessments.remove(10);
    let finding = folder.finding(Rule::E004);
    assert_eq!((finding.effect, finding.rows), (Effect::LeftOut, 1));
    assert_eq!(finding.first_rows, [11]);
    assert_eq!(folder.report().files[0].rows_kept, 199);
}

#[test]
fn more_than_one_percent_of_empty_keys_refuse_the_file() {
    let mut folder = Folder::clean();
    (1..4).for_each(|row| set(&mut folder.attendance[row], 2, ""));
    folder.finds(Rule::E004, Effect::Refused, "school_id is empty in 3 rows (rows 2, 3, 4)");
}

#[test]
fn the_same_key_with_other_values_leaves_both_rows_out() {
    let mut folder = Folder::clean();
    let mut double = folder.attendance[7].clone();
    set(&mut double, 3, "90");
    set(&mut double, 4, "80");
    folder.attendance.push(double);
    let finding = folder.finding(Rule::E005);
    assert_eq!((finding.effect, finding.rows), (Effect::LeftOut, 2));
    assert_eq!(finding.first_rows, [8, 202]);
}

#[test]
fn the_same_row_twice_is_noted_and_one_is_kept() {
    let mut folder = Folder::clean();
    folder.enrollments.push(folder.enrollments[7].clone());
    folder.finds(Rule::E005, Effect::Noted, "repeats another row with the same values");
    assert_eq!(folder.report().files[0].rows_kept, 200);
}

#[test]
fn two_scores_of_one_day_leave_the_student_without_a_score() {
    let mut folder = Folder::clean();
    let mut double = folder.assessments[7].clone();
    set(&mut double, 6, "599");
    folder.assessments.push(double);
    let finding = folder.finding(Rule::E005);
    assert_eq!((finding.effect, finding.rows), (Effect::LeftOut, 2));
    assert_eq!(folder.report().files[2].rows_kept, 199);
}

#[test]
fn a_date_that_is_none_leaves_the_row_out_and_is_not_repeated() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[87], 5, "13/45/2024");
    folder.attendance.remove(87);
    folder.assessments.remove(87);
    folder.finds(Rule::E006, Effect::LeftOut, "exit_date is not a date in 1 row (row 88)");
    assert!(!folder.report().to_string().contains("13/45"));
}

#[test]
fn a_number_that_is_none_leaves_the_row_out() {
    let mut folder = Folder::clean();
    set(&mut folder.assessments[3], 6, "4l0");
    folder.finds(Rule::E006, Effect::LeftOut, "scale_score is not a number in 1 row (row 4)");
}

#[test]
fn a_code_that_is_not_in_the_list_is_never_guessed_nor_repeated() {
    let mut folder = Folder::clean();
    (1..201).for_each(|row| set(&mut folder.enrollments[row], 6, "Woman"));
    folder.attendance.clear();
    folder.assessments.clear();
    folder.finds(Rule::E007, Effect::Refused, "sex has no meaning here in 200 rows");
    assert!(!folder.report().to_string().contains("Woman"));
}

#[test]
fn a_flag_in_another_spelling_than_the_list_leaves_the_row_out() {
    let mut folder = Folder::clean();
    set(&mut folder.assessments[3], 7, "maybe");
    folder.finds(Rule::E007, Effect::LeftOut, "included is not a flag in 1 row (row 4)");
}

#[test]
fn more_days_absent_than_expected_leave_the_row_out() {
    let mut folder = Folder::clean();
    set(&mut folder.attendance[3], 5, "190");
    let text = "days_expected is less than the days absent in 1 row (row 4)";
    folder.finds(Rule::E008, Effect::LeftOut, text);
}

#[test]
fn days_written_in_hundredths_refuse_the_file() {
    let mut folder = Folder::clean();
    (1..201).for_each(|row| set(&mut folder.attendance[row], 3, "18000"));
    folder.finds(Rule::E008, Effect::Refused, "Days are written in days, as 171.5");
}

#[test]
fn an_exit_before_the_entry_leaves_the_row_out() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[3], 5, "2023-08-14");
    folder.attendance.remove(3);
    folder.assessments.remove(3);
    folder.finds(Rule::E008, Effect::LeftOut, "exit_date is before entry_date in 1 row (row 4)");
}

#[test]
fn up_to_ten_percent_of_orphans_are_left_out_and_more_refuse_the_file() {
    for (orphans, effect) in [(20, Effect::LeftOut), (21, Effect::Refused)] {
        let mut folder = Folder::clean();
        (1..=orphans).for_each(|row| set(&mut folder.attendance[row], 0, &format!("x{row}")));
        folder.finds(Rule::E010, effect, "has no enrolment in that school year");
    }
}

#[test]
fn an_empty_flag_column_is_told_to_be_unknown_and_not_no() {
    let mut folder = Folder::clean();
    folder.enrollments.iter_mut().skip(1).for_each(|line| set(line, 9, ""));
    let report = folder.report();
    let text = "\"swd\" is empty for every student: all its students are counted as unknown";
    assert!(report.to_string().contains(text), "{report}");
    assert!(!report.is_refused());
}

#[test]
fn a_lost_leading_zero_of_a_grade_is_put_back_and_told() {
    let mut folder = Folder::clean();
    set(&mut folder.enrollments[3], 3, "3");
    folder.finds(Rule::W101, Effect::Noted, "grade lost its leading zero in 1 row (row 4)");
}

#[test]
fn one_id_shortened_by_a_spreadsheet_refuses_the_file() {
    let mut folder = Folder::clean();
    set(&mut folder.assessments[3], 0, "1.23457E+09");
    folder.finds(Rule::W101, Effect::Refused, "student_id was shortened by a spreadsheet");
}

#[test]
fn names_and_birth_dates_are_dropped_and_told() {
    let mut folder = Folder::clean();
    for (at, line) in folder.enrollments.iter_mut().enumerate() {
        line.push_str(if at == 0 { ",Last_Name,birth_date" } else { ",Garcia,2015-01-01" });
    }
    folder.finds(Rule::W110, Effect::Noted, "names and birth dates are not needed; dropped at");
}

#[test]
fn neither_attended_nor_absent_days_refuse_the_file() {
    let mut folder = Folder::clean();
    set(&mut folder.attendance[0], 4, "x1");
    set(&mut folder.attendance[0], 7, "x2");
    folder.finds(Rule::E003, Effect::Refused, "no absence can be worked out");
}

#[test]
fn crlf_a_byte_order_mark_quotes_and_upper_case_headers_change_nothing() {
    let folder = Folder::clean();
    folder.write();
    let path = folder.path().join("enrollments.csv");
    let quoted = |line: &String| {
        let fields: Vec<_> = line.split(',').map(|field| format!("\"{field}\"")).collect();
        fields.join(",") + "\r\n"
    };
    let header = format!("\u{feff}{}\r\n", folder.enrollments[0].to_uppercase());
    let body: String = folder.enrollments[1..].iter().map(quoted).collect();
    fs::write(path, header + &body).unwrap();
    let (_, report) = Records::read(folder.path()).unwrap();
    let (_, plain) = folder.read().unwrap();
    assert_eq!(report, plain);
}

#[test]
fn no_id_of_any_student_is_in_a_report() {
    let mut folder = Folder::clean();
    for (at, line) in folder.enrollments.iter_mut().enumerate().skip(1) {
        set(line, 0, &format!("SECRET{at}"));
        set(line, 3, "GRADE");
    }
    folder.attendance.push("SECRET1,2024,0001,180,170,x,y,z,0,0,N".to_owned());
    let report = folder.report();
    assert!(report.is_refused());
    let json = serde_json::to_string(&report).unwrap();
    for text in [report.to_string(), format!("{report:?}"), json] {
        assert!(!text.contains("SECRET") && !text.contains("GRADE"), "{text}");
    }
}
