//! District folders for the tests: a clean one of 200 students, and what to change in it.

use std::{fs, path::Path};

use flashlight_node::records::{Effect, Finding, Records, RecordsError, Report, Rule};
use tempfile::TempDir;

pub(crate) const ENROLLMENTS: &str = "student_id,school_year,school_id,grade,entry_date,exit_date,sex,race_ethnicity,el,swd,sed,\
     homeless,foster";
pub(crate) const ATTENDANCE: &str = "student_id,school_year,school_id,days_expected,days_attended,absent_excused,absent_unexcused,\
     absent_oss,absent_incomplete_is,in_school_suspension,exempt";
pub(crate) const ASSESSMENTS: &str =
    "student_id,test_id,test_date,school_year,subject,grade_tested,scale_score,included";

/// A folder whose three files are clean, as lines that a test may change before `write`.
pub(crate) struct Folder {
    pub(crate) enrollments: Vec<String>,
    pub(crate) attendance: Vec<String>,
    pub(crate) assessments: Vec<String>,
    dir: TempDir,
}

impl Folder {
    /// 200 students in grade 03 of school 0001, rows 2 to 201 of each file.
    pub(crate) fn clean() -> Self {
        let line = |header: &str, row: &dyn Fn(usize) -> String| {
            std::iter::once(header.to_owned()).chain((0..200).map(row)).collect()
        };
        Self {
            enrollments: line(ENROLLMENTS, &|at| {
                format!("{at:03},2024,0001,03,2023-08-15,,F,White,N,Y,{},N,N", at % 2)
            }),
            attendance: line(ATTENDANCE, &|at| format!("{at:03},2024,0001,180,170,10,0,0,0,0,N")),
            assessments: line(ASSESSMENTS, &|at| {
                format!("{at:03},T,2024-05-01,2024,MATH,03,{},Y", 300 + at)
            }),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes the files and reads them.
    pub(crate) fn read(&self) -> Result<(Records, Report), RecordsError> {
        self.write();
        Records::read(self.path())
    }

    pub(crate) fn write(&self) {
        let files = [
            ("enrollments.csv", &self.enrollments),
            ("attendance_summary.csv", &self.attendance),
            ("assessments.csv", &self.assessments),
        ];
        for (name, lines) in files {
            if !lines.is_empty() {
                fs::write(self.path().join(name), lines.join("\n") + "\n").unwrap();
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The report, whether or not the folder was refused.
    pub(crate) fn report(&self) -> Report {
        match self.read() {
            Ok((_, report)) => report,
            Err(error) => error.report().unwrap().clone(),
        }
    }

    /// The one finding of `rule`; the folder has no other refusal.
    pub(crate) fn finding(&self, rule: Rule) -> Finding {
        let report = self.report();
        let found = report.files.iter().flat_map(|file| &file.findings);
        let found: Vec<_> = found.filter(|finding| finding.rule == rule).cloned().collect();
        assert_eq!(found.len(), 1, "{report}");
        let others = report.refusals().filter(|(_, finding)| finding.rule != rule).count();
        assert_eq!(others, 0, "{report}");
        found.into_iter().next().unwrap()
    }

    /// Asserts that `rule` has this effect and that its message holds `text`.
    #[track_caller]
    pub(crate) fn finds(&self, rule: Rule, effect: Effect, text: &str) {
        let finding = self.finding(rule);
        assert_eq!(finding.effect, effect, "{finding}");
        assert!(finding.message.contains(text), "{finding}");
    }
}

/// Replaces the `column`th field, from 0, of a line.
pub(crate) fn set(line: &mut String, column: usize, value: &str) {
    let mut fields: Vec<_> = line.split(',').collect();
    fields[column] = value;
    *line = fields.join(",");
}
