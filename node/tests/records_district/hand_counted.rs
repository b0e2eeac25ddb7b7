//! The fixture district of tests/data/district: every sum in its README, and refusals of a study.

use std::{fs, path::PathBuf};

use flashlight_node::{
    aggregate::aggregate,
    check::{Against, check},
    local::{LocalCell, exact_cells},
    records::{Effect, Records, Report, Rule},
};
use flashlight_proto::{
    category::{Family, Indicator, Level, Preset, Subject},
    identity::DistrictId,
    layout::{Block, CellKey, Layout},
    schools::SchoolTable,
    study::Study,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/district").join(name)
}

fn district() -> DistrictId {
    "D1".parse().unwrap()
}

struct Counted {
    study: Study,
    layout: Layout,
    cells: Vec<LocalCell>,
}

impl Counted {
    fn new() -> Self {
        let study = Study::parse(&fs::read(path("study.toml")).unwrap()).unwrap();
        let schools = SchoolTable::parse(&fs::read(path("schools.csv")).unwrap()).unwrap();
        let layout = Layout::derive(&study, &schools).unwrap();
        let (records, _) = Records::read(&path("")).unwrap();
        let cells = exact_cells(&records, &study, &schools, &layout, &district()).unwrap();
        Self { study, layout, cells }
    }

    /// (n, total) of the cell of this indicator without a break-down but the family's group.
    fn cell(&self, indicator: Indicator, group: Option<(Family, &str)>) -> (u64, i64) {
        let found = self.cells.iter().find(|cell| {
            let block = &self.layout.blocks()[cell.block];
            let table = &self.study.tables[block.table];
            block.indicator == indicator
                && table.preset.is_none_or(|preset| preset == Preset::Dashboard)
                && block.by.is_empty()
                && block.family == group.map(|(family, _)| family)
                && group.is_none_or(|(family, name)| family.groups()[cell.key.group] == name)
        });
        let cell = found.unwrap();
        (cell.n, cell.total)
    }

    /// (n, total) of all students of a level.
    fn level(&self, indicator: Indicator, level: Level) -> (u64, i64) {
        let found = self.cells.iter().find(|cell| {
            let block = &self.layout.blocks()[cell.block];
            block.indicator == indicator && block.family.is_none() && cell.key.level == Some(level)
        });
        let cell = found.unwrap();
        (cell.n, cell.total)
    }
}

#[test]
fn students_are_counted_once_at_their_primary_school() {
    let counted = Counted::new();
    assert_eq!(counted.cell(Indicator::Students, None), (18, 18));
    assert_eq!(counted.level(Indicator::Students, Level::ES), (16, 16));
    assert_eq!(counted.level(Indicator::Students, Level::MS), (2, 2));
}

#[test]
fn null_flags_are_the_unknown_group_and_groups_add_up() {
    let counted = Counted::new();
    let sed = |group| counted.cell(Indicator::Students, Some((Family::Sed, group))).0;
    assert_eq!([sed("yes"), sed("no"), sed("unknown")], [6, 11, 1]);
    let race = |group| counted.cell(Indicator::Students, Some((Family::RaceEthnicity, group))).0;
    assert_eq!(race("unknown"), 2);
}

#[test]
fn the_groups_of_every_family_add_up_to_all_students() {
    let counted = Counted::new();
    let sum = |block: usize, key: CellKey| {
        let ours = counted.cells.iter().filter(|cell| {
            let other = CellKey { group: 0, ..cell.key };
            cell.block == block && other == CellKey { group: 0, ..key }
        });
        ours.fold((0, 0), |sum, cell| (sum.0 + cell.n, sum.1 + cell.total))
    };
    for cell in &counted.cells {
        let block = &counted.layout.blocks()[cell.block];
        let alike = |other: &Block| {
            (other.table, other.family, &other.by) == (block.table, None, &block.by)
        };
        let all = counted.layout.blocks().iter().position(alike).unwrap();
        assert_eq!(sum(cell.block, cell.key), sum(all, cell.key));
    }
}

#[test]
fn chronic_absence_is_exact_at_its_boundaries() {
    let counted = Counted::new();
    assert_eq!(counted.cell(Indicator::ChronicAbsenteeism, None), (14, 5));
    assert_eq!(counted.level(Indicator::ChronicAbsenteeism, Level::ES), (12, 4));
    assert_eq!(counted.level(Indicator::ChronicAbsenteeism, Level::MS), (2, 1));
    let yes = counted.cell(Indicator::ChronicAbsenteeism, Some((Family::Sed, "yes")));
    assert_eq!(yes, (6, 5));
}

#[test]
fn dataquest_counts_every_grade_and_students_who_never_attended() {
    let counted = Counted::new();
    let found = counted.cells.iter().find(|cell| {
        let table = &counted.study.tables[counted.layout.blocks()[cell.block].table];
        table.preset == Some(Preset::Dataquest)
    });
    let cell = found.unwrap();
    assert_eq!((cell.n, cell.total), (16, 7));
    assert_eq!(cell.value, Some(7.0 / 16.0));
}

#[test]
fn achievement_is_exact_on_the_half_point_grid() {
    let counted = Counted::new();
    // Totals are in half points.
    assert_eq!(counted.cell(Indicator::Mean(Subject::Math), None), (7, 5925));
    assert_eq!(counted.cell(Indicator::Dfs(Subject::Math), None), (7, 325));
    assert_eq!(counted.cell(Indicator::Met(Subject::Math), None), (7, 5));
    let mean = counted.cells.iter().find(|cell| {
        counted.layout.blocks()[cell.block].indicator == Indicator::Mean(Subject::Math)
    });
    assert_eq!(mean.unwrap().value, Some(2962.5 / 7.0));
    let no = counted.cell(Indicator::Mean(Subject::Math), Some((Family::Sed, "no")));
    assert_eq!(no, (3, 2 * (410 + 350 + 400)));
}

#[test]
fn the_report_tells_what_was_left_out_clipped_and_rounded() {
    let study = Study::parse(&fs::read(path("study.toml")).unwrap()).unwrap();
    let schools = SchoolTable::parse(&fs::read(path("schools.csv")).unwrap()).unwrap();
    let ours = district();
    let against = Against { study: &study, schools: &schools, district: Some(&ours) };
    let report = check(&path(""), Some(against)).unwrap();
    assert!(!report.is_refused(), "{report}");
    let text = report.report.to_string();
    for told in [
        "enrollments.csv: 24 rows read, 23 kept",
        "attendance_summary.csv: 21 rows read, 20 kept",
        "student_id has no enrolment in that school year in 1 row (row 22); it is left out",
        "days_attended was used for the absences",
        "enrollments, 2024: school_id is not a school of this district in the study's public \
         table in 1 row (row 14); it is left out",
        "entry_date is after the study's as_of date in 1 row (row 13)",
        "assessments, 2024: scale_score is outside the study's bounds for the test, subject and \
         grade tested in 1 row (row 7)",
        "scale_score is finer than the study's grid in 1 row (row 8)",
        "grade_tested is one the study gives no bounds for in 1 row (row 13)",
        "students at more than one school: 1;",
        "students without attendance that counts: 1 of 17",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}

/// Aggregates the fixture with one file or the study's text changed.
fn refused(file: &str, change: impl Fn(String) -> Option<String>) -> (Report, String) {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "enrollments.csv",
        "attendance_summary.csv",
        "assessments.csv",
        "study.toml",
        "schools.csv",
    ];
    for name in names {
        let text = fs::read_to_string(path(name)).unwrap();
        let changed = if name == file { change(text) } else { Some(text) };
        if let Some(text) = changed {
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let study = Study::parse(&read("study.toml")).unwrap();
    let schools = SchoolTable::parse(&read("schools.csv")).unwrap();
    let layout = Layout::derive(&study, &schools).unwrap();
    let (records, _) = Records::read(folder.path()).unwrap();
    let error = aggregate(&records, &study, &schools, &layout, &district()).err().unwrap();
    (error.report().unwrap().clone(), error.to_string())
}

#[test]
fn a_contribution_has_the_layouts_words() {
    let counted = Counted::new();
    let schools = SchoolTable::parse(&fs::read(path("schools.csv")).unwrap()).unwrap();
    let (records, _) = Records::read(&path("")).unwrap();
    let (ours, report) =
        aggregate(&records, &counted.study, &schools, &counted.layout, &district()).unwrap();
    assert_eq!(ours.len(), counted.layout.words());
    assert_eq!(report.left_out(Rule::E010), 1);
}

#[test]
fn a_missing_file_refuses_the_study_and_is_named() {
    let (report, text) = refused("assessments.csv", |_| None);
    assert_eq!(report.study.len(), 1);
    assert_eq!(report.study[0].effect, Effect::Refused);
    let told = "math_mean needs assessments.csv or assessments.parquet in the district's folder";
    assert_eq!(text, told);
}

#[test]
fn a_year_without_a_row_refuses_the_study_and_is_named() {
    let years = |text: String| Some(text.replacen("years     = [2024]", "years = [2023]", 2));
    let (report, text) = refused("study.toml", years);
    assert_eq!(report.study[0].rule, Rule::E009);
    assert!(text.starts_with("attendance_summary has no row that counts of school year 2023"));
}

#[test]
fn schools_of_another_district_refuse_the_study_above_ten_percent() {
    let moved = |text: String| Some(text.replace(",2024,0001,", ",2024,0099,"));
    let (report, text) = refused("enrollments.csv", moved);
    assert_eq!(report.study[0].rule, Rule::E010);
    assert!(text.contains("is not a school of this district"), "{text}");
}

#[test]
fn grades_that_no_such_school_offers_refuse_the_study_above_ten_percent() {
    let older = |text: String| Some(text.replace(",0001,03,", ",0001,12,"));
    let (report, text) = refused("enrollments.csv", older);
    assert_eq!(report.study[0].rule, Rule::E008);
    assert!(text.contains("grade is not offered by schools of that level"), "{text}");
}

#[test]
fn absences_that_are_not_known_refuse_the_study_above_ten_percent() {
    let unknown = |text: String| {
        let lines = text.lines().enumerate().map(|(at, line)| {
            let mut line = line.to_owned();
            if at > 0 {
                crate::folder::set(&mut line, 4, "");
                crate::folder::set(&mut line, 7, "");
            }
            line + "\n"
        });
        Some(lines.collect())
    };
    let (report, _) = refused("attendance_summary.csv", unknown);
    assert!(
        report
            .study
            .iter()
            .any(|found| { (found.rule, found.effect) == (Rule::W105, Effect::Refused) })
    );
}
