//! The Ed-Fi sample district: it loads without hand work, and its oddities are told.

use std::path::Path;

use flashlight_node::records::{Records, Source};

/// The exported tables, when they lie beside the project.
fn folder() -> Option<&'static Path> {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/edfi/grandbend/canonical"
    ));
    path.is_dir().then_some(path)
}

#[test]
fn grand_bend_is_read_and_every_oddity_is_told() {
    let Some(folder) = folder() else {
        let told = "SKIPPED: the Grand Bend export is not beside the project";
        std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
        return;
    };
    let (records, report) =
        Records::read(folder).map_err(|error| error.report().unwrap().clone()).unwrap();
    let kept: Vec<_> = report
        .files
        .iter()
        .map(|file| (file.file.as_str(), file.rows_read, file.rows_kept))
        .collect();
    assert_eq!(
        kept,
        [
            ("schools.csv", 3, 3),
            ("enrollments.csv", 437, 437),
            ("attendance_daily.csv", 1917, 0),
            ("attendance_summary.csv", 220, 220),
            ("assessments.csv", 1416, 67),
            ("discipline.csv", 25, 21),
            ("survey_responses.csv", 0, 0),
        ],
        "{report}"
    );
    assert!(records.has(Source::Discipline) && !records.has(Source::Survey));
    let text = report.to_string();
    for told in [
        "437 enrolments are not records of the source but reconstructed: 220 from attendance, 14 from \
         discipline, 144 from grade tested",
        "grade is empty where the row says it was reconstructed from other records in 185 rows",
        "ell as el",
        "school year 2022 has no row \"present\": this is a list of absences",
        "repeats another row with the same values in 4 rows",
        "score_type: Raw score has no counterpart here, so its rows are left out, in 953 rows",
        "no column can supply \"scale\"",
        "the whole table is left out",
    ] {
        assert!(text.contains(told), "{told}\n{report}");
    }
}
