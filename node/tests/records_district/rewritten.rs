//! An export rewritten while it is read: old rows, new rows or a clear refusal, and no crash.

use std::{
    fs,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use flashlight_node::records::{Records, RecordsError, Rule};

use crate::folder::ENROLLMENTS;

const OLD: u64 = 20_000;
const NEW: u64 = 30_000;

fn export(rows: u64) -> String {
    let row = |at| format!("{at:06},2024,0001,03,2023-08-15,,F,White,N,Y,N,N,N\n");
    format!("{ENROLLMENTS}\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn an_export_rewritten_in_place_gives_old_rows_new_rows_or_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enrollments.csv");
    let exports = [export(OLD), export(NEW)];
    fs::write(&path, &exports[0]).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1.. {
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                // Truncated first, then written in parts, as exports are.
                let mut file = fs::File::create(&path).unwrap();
                for part in exports[at % 2].as_bytes().chunks(1 << 16) {
                    file.write_all(part).unwrap();
                }
            }
        });
        for _ in 0..40 {
            match Records::read(folder.path()) {
                Ok((_, report)) => assert!([OLD, NEW].contains(&report.files[0].rows_read)),
                Err(RecordsError::Refused(report)) => {
                    let (_, finding) = report.refusals().next().unwrap();
                    assert_eq!(finding.rule, Rule::E001, "{report}");
                }
                Err(error) => panic!("{error}"),
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let (_, report) = Records::read(folder.path()).unwrap();
    assert!([OLD, NEW].contains(&report.files[0].rows_kept));
}

#[test]
fn an_export_replaced_by_renaming_is_never_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enrollments.csv");
    let next = folder.path().join("next");
    let exports = [export(OLD), export(NEW)];
    fs::write(&path, &exports[0]).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1.. {
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                fs::write(&next, &exports[at % 2]).unwrap();
                fs::rename(&next, &path).unwrap();
            }
        });
        for _ in 0..20 {
            let (_, report) = Records::read(folder.path()).unwrap();
            assert!([OLD, NEW].contains(&report.files[0].rows_read));
        }
        is_done.store(true, Ordering::Relaxed);
    });
}
