//! Rows of growth models: who is in, with which values.

use std::{fmt::Write as _, fs};

use flashlight_proto::{canonical::Digest, identity::DistrictId, schools::SchoolTable};

use super::*;
use crate::records;

const SCHOOLS: &str =
    "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment
101,2024,One,D1,ES,KN,05,400
102,2024,Two,D1,ES,KN,05,400
201,2024,Theirs,D2,ES,KN,05,400
";

fn study(schools: &str, rest: &str) -> Study {
    let text = format!(
        "[study]\nid = \"s\"\ntitle = \"A study\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n\
         [privacy]\nmode = \"exact\"\n\
         [cohort]\nmin_districts = 8\nmax_dropped = 1\nmax_colluding = 1\n\
         [suppression]\nmin_n = 11\n\
         [[test]]\nid = \"T\"\nunits_per_point = 10\nscores = {{ \
         MATH = {{ \"03\" = {{ min = 2100, max = 2600, met = 2400 }}, \"04\" = {{ min = 2200, max = 2700, met = 2450 }} }}, \
         ELA = {{ \"03\" = {{ min = 2100, max = 2600, met = 2400 }} }} }}\n\
         [[growth]]\nid = \"math\"\ntest = \"T\"\nsubject = \"MATH\"\ngrades = [\"04\"]\n\
         priors = [{{ subject = \"MATH\", years_back = 1, centre = 2400 }}, {{ subject = \"ELA\", years_back = 1 }}]\n\
         covariates = [\"sed\"]\n{rest}",
        Digest::of(schools.as_bytes()),
    );
    Study::parse(text.as_bytes()).unwrap()
}

/// A district's files; `P01` is complete: sed, MATH 2450.5 at 101, MATH 2390 and ELA 2300 a year before.
struct Files {
    enrollments: String,
    assessments: String,
    priors: String,
}

impl Files {
    fn new() -> Self {
        let mut files = Self {
            enrollments: "student_id,school_year,school_id,grade,entry_date,exit_date,sed\n".into(),
            assessments: "student_id,test_id,test_date,school_year,subject,grade_tested,school_id,scale_score,sem,included\n".into(),
            priors: "student_id,subject,as_of_year,years_back,score,sem,grade\n".into(),
        };
        files.pupil("P01", "Y");
        files
    }

    /// A pupil with everything.
    fn pupil(&mut self, id: &str, sed: &str) {
        self.enrolled(&format!("{id},2024,101,04,2023-08-14,,{sed}"));
        self.now(id, "101,2450.5,11.5");
        self.carried(&format!("{id},MATH,2024,1,2390,20.25,03"));
        self.carried(&format!("{id},ELA,2024,1,2300,30,"));
    }

    fn enrolled(&mut self, row: &str) {
        writeln!(self.enrollments, "{row}").unwrap();
    }

    /// School, score and sem of the year's MATH in grade 4.
    fn now(&mut self, id: &str, rest: &str) {
        self.tested(&format!("{id},T,2024-04-30,2024,MATH,04,{rest},true"));
    }

    fn tested(&mut self, row: &str) {
        writeln!(self.assessments, "{row}").unwrap();
    }

    fn carried(&mut self, row: &str) {
        writeln!(self.priors, "{row}").unwrap();
    }

    fn write(&self, folder: &std::path::Path) {
        fs::write(folder.join("enrollments.csv"), &self.enrollments).unwrap();
        fs::write(folder.join("assessments.csv"), &self.assessments).unwrap();
        fs::write(folder.join("prior_scores.csv"), &self.priors).unwrap();
    }

    fn rows(&self, rest: &str) -> (Vec<GrowthRow>, Vec<Finding>) {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        of_records(&Records::read(folder.path()).unwrap().0, rest)
    }
}

fn of_records(records: &Records, rest: &str) -> (Vec<GrowthRow>, Vec<Finding>) {
    let study = study(SCHOOLS, rest);
    let table = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
    let ours: DistrictId = "D1".parse().unwrap();
    let schools = Schools::public(records, &table, Some(&ours));
    growth_rows(records, &study, &schools, &Model::of_study(&study)[0])
}

fn told(findings: &[Finding], what: &str) -> bool {
    findings.iter().any(|finding| finding.message.contains(what))
}

/// Centres: 2400 and the middle of 2100 to 2600; the middle of 2200 to 2700.
const COMPLETE: [i64; 5] = [1, -100, -500, 1, 5];

#[test]
fn scores_are_centred_in_grid_units_and_flags_are_0_or_1() {
    let mut files = Files::new();
    files.pupil("P02", "N");
    let (rows, findings) = files.rows("");
    let values: Vec<_> = rows.iter().map(|row| row.values.clone()).collect();
    assert_eq!(values.len(), 2);
    assert!(values.contains(&COMPLETE.to_vec()));
    assert!(values.contains(&vec![1, -100, -500, 0, 5]));
    assert!(rows.iter().all(|row| row.errors.is_empty()));
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_student_without_an_earlier_score_is_out_and_counted() {
    let mut files = Files::new();
    for (id, carried) in [
        ("P02", vec!["MATH,2024,1,2390,,03"]),
        ("P03", vec!["MATH,2024,1,2390,,03", "ELA,2023,1,2300,,"]),
        ("P04", vec!["MATH,2024,1,2390,,02", "ELA,2024,1,2300,,"]),
        ("P05", vec!["MATH,2024,2,2390,,", "ELA,2024,1,2300,,"]),
    ] {
        files.enrolled(&format!("{id},2024,101,04,2023-08-14,,Y"));
        files.now(id, "101,2450,");
        carried.iter().for_each(|row| files.carried(&format!("{id},{row}")));
    }
    let (rows, findings) = files.rows("");
    assert_eq!(rows.len(), 1);
    let what = "students without an earlier score that the model asks for: 4 of 5 tested";
    assert!(told(&findings, what), "{findings:?}");
}

#[test]
fn one_in_twenty_without_a_flag_is_left_out_and_one_in_nineteen_refuses_the_model() {
    for (known, effect) in [(18, Effect::LeftOut), (17, Effect::Refused)] {
        let mut files = Files::new();
        files.pupil("P02", "");
        (0..known).for_each(|at| files.pupil(&format!("Q{at:02}"), "N"));
        let (rows, findings) = files.rows("");
        assert_eq!(rows.len(), known + 1);
        let found =
            findings.iter().find(|one| one.message.contains("whose sed is not known: 1 of"));
        assert_eq!(found.unwrap().effect, effect, "{known} others");
        let (all, findings) = files.rows("sample = \"all\"");
        assert_eq!(all.len(), known + 1);
        assert!(findings.iter().all(|one| one.effect != Effect::Refused));
    }
}

#[test]
fn the_own_earlier_score_wins_over_the_carried_one_and_disagreement_is_told() {
    let mut files = Files::new();
    files.tested("P01,T,2023-05-01,2023,MATH,03,101,2410,,true");
    let (rows, findings) = files.rows("");
    assert_eq!(rows[0].values, [1, 100, -500, 1, 5]);
    assert!(findings.iter().any(|finding| finding.rule == Rule::W111 && finding.rows == 1));
    let mut files = Files::new();
    // The same on the grid of tenths, and a score of another test.
    files.tested("P01,T,2023-05-01,2023,MATH,03,101,2390.04,,true");
    files.tested("P01,OTHER,2023-05-01,2023,ELA,03,101,2599,,true");
    let (rows, findings) = files.rows("");
    assert_eq!(rows[0].values, COMPLETE);
    assert!(findings.iter().all(|finding| finding.rule != Rule::W111), "{findings:?}");
    let mut files = Files::new();
    // Repeated the grade: the own file knows better than the carried score.
    files.tested("P01,T,2023-05-01,2023,ELA,04,101,2300,,true");
    assert!(files.rows("").0.is_empty());
}

#[test]
fn scores_outside_the_bounds_count_as_the_nearest_and_are_told() {
    let mut files = Files::new();
    files.enrolled("P02,2024,101,04,,,N");
    files.now("P02", "101,2900,");
    files.carried("P02,MATH,2024,1,2601,,");
    files.carried("P02,ELA,2024,1,1500,,");
    let (rows, findings) = files.rows("");
    let clipped = vec![1, 2000, -2500, 0, 2500];
    assert!(rows.iter().any(|row| row.values == clipped));
    assert!(told(&findings, "growth math/04, assessments: scale_score is outside"));
    assert!(told(&findings, "growth math/04, prior_scores: score is outside"));
}

#[test]
fn with_the_sem_column_each_prior_has_its_own_and_who_has_none_is_out() {
    let mut files = Files::new();
    files.pupil("P02", "Y");
    files.tested("P02,T,2023-05-01,2023,ELA,03,101,2300,,true");
    let (rows, findings) = files.rows("measurement = \"column\"");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].errors, [2025, 3000]);
    assert!(told(&findings, "students without the sem of an earlier score: 1 of 2"));
    let (rows, _) = files.rows("measurement = { MATH = 14.0, ELA = 15.5 }");
    assert_eq!((rows.len(), rows[1].errors.as_slice()), (2, [1400, 1550].as_slice()));
}

#[test]
fn a_table_of_standard_errors_is_read_at_the_clipped_score_of_the_prior_s_grade() {
    let table = "[growth.measurement]\nELA = 15.5\n[growth.measurement.MATH]\n\
                 \"03\" = [{ from = 2100, to = 2389.9, sem = 30 }, { from = 2390, to = 2599.9, sem = 20.25 }, \
                 { from = 2600, to = 2600, sem = 44 }]\n\"04\" = [{ from = 2200, to = 2700, sem = 1 }]\n";
    for (score, sem) in [
        ("1000", 3_000),
        ("2100", 3_000),
        ("2389.9", 3_000),
        ("2390", 2_025),
        ("2599.9", 2_025),
        ("2600", 4_400),
        ("2999", 4_400),
    ] {
        for own in [false, true] {
            let mut files = Files::new();
            if own {
                files.tested(&format!("P01,T,2023-05-01,2023,MATH,03,101,{score},9,true"));
            } else {
                files.priors = files.priors.replace("2390", score);
            }
            let (rows, _) = files.rows(table);
            assert_eq!(rows[0].errors, [sem, 1_550], "{score}, own: {own}");
        }
    }
}

#[test]
fn a_table_that_is_the_same_everywhere_gives_the_words_that_the_constant_gives() {
    let words = |rest: &str| {
        let study = study(SCHOOLS, rest);
        let table = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
        let layout = flashlight_proto::layout::Layout::derive(&study, &table).unwrap();
        let mut files = Files::new();
        files.pupil("P02", "N");
        files.priors = files.priors.replacen("2390", "2599.5", 1);
        let (rows, _) = files.rows(rest);
        let schools = super::super::SchoolSums::of(&rows, &layout.growth()[0].model).unwrap();
        super::super::growth_words(&layout.growth()[0], &schools).unwrap()
    };
    let constant = words("measurement = { MATH = 14.25, ELA = 15.5 }");
    let table = |sem: &str| {
        words(&format!(
            "[growth.measurement]\nELA = {{ \"03\" = [{{ from = 2100, to = 2600, sem = 15.5 }}] }}\n\
             MATH = {{ \"03\" = [{{ from = 2000, to = 2400, sem = 14.25 }}, \
             {{ from = 2400.1, to = 2600, sem = {sem} }}] }}\n"
        ))
    };
    assert_eq!(table("14.25"), constant);
    assert_ne!(table("14.26"), constant);
}

#[test]
fn who_was_tested_at_a_school_of_another_district_is_out_and_told() {
    let mut files = Files::new();
    for (id, school) in [("P02", "201"), ("P03", "999"), ("P04", "102")] {
        files.enrolled(&format!("{id},2024,101,04,,,N"));
        files.now(id, &format!("{school},2450,"));
        files.carried(&format!("{id},MATH,2024,1,2390,,"));
        files.carried(&format!("{id},ELA,2024,1,2300,,"));
    }
    let (rows, findings) = files.rows("sample = \"all\"");
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0].school, rows[1].school);
    assert!(told(&findings, "the public table does not give this district: 2 of 4 tested"));
}

#[test]
fn who_came_after_census_day_is_in_the_sample_of_all_alone() {
    let mut files = Files::new();
    files.enrolled("P02,2024,101,04,2023-10-05,,N");
    files.now("P02", "101,2450,");
    files.carried("P02,MATH,2024,1,2390,,");
    files.carried("P02,ELA,2024,1,2300,,");
    let (rows, findings) = files.rows("sample = \"continuous\"");
    assert_eq!(rows.len(), 1);
    assert!(told(&findings, "not continuously enrolled at the school tested at: 1 of 2 tested"));
    assert_eq!(files.rows("sample = \"all\"").0.len(), 2);
}

#[test]
fn a_district_without_students_of_the_model_has_no_rows_and_is_told_without_refusal() {
    let mut files = Files::new();
    files.assessments = files.assessments.replace("MATH,04", "MATH,03");
    let (rows, findings) = files.rows("");
    assert!(rows.is_empty());
    assert!(told(&findings, "no student of this district is in the model"));
    assert!(findings.iter().all(|finding| finding.effect != Effect::Refused));
}

#[test]
fn the_rows_of_the_loaded_store_are_those_of_the_folder() {
    let mut files = Files::new();
    files.pupil("P02", "N");
    files.tested("P02,T,2023-05-01,2023,MATH,03,101,2410,9.5,true");
    let (folder, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    files.write(folder.path());
    records::load(&[folder.path().to_owned()], node.path(), 1).unwrap();
    let names = std::collections::BTreeSet::from(["assessments", PRIOR_SCORES]);
    let loaded = Records::loaded(node.path(), Some(&[2024]), Some(&names)).unwrap();
    let read = Records::read(folder.path()).unwrap().0;
    let of = |records: &Records| {
        let (rows, _) = of_records(records, "measurement = \"column\"");
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.values, row.errors)).collect();
        rows.sort();
        rows
    };
    assert_eq!(of(&loaded), of(&read));
    assert_eq!(of(&read).len(), 2);
}

#[test]
fn a_standard_error_that_cannot_be_leaves_the_score_out() {
    for (sem, stands) in
        [("0", false), ("-3", false), ("0.004", false), ("10001", false), ("0.01", true)]
    {
        let mut files = Files::new();
        (0..150).for_each(|at| files.pupil(&format!("Q{at:03}"), "N"));
        files.assessments = files.assessments.replacen("11.5", sem, 1);
        files.priors = files.priors.replacen("20.25", sem, 1);
        let folder = tempfile::tempdir().unwrap();
        files.write(folder.path());
        let (records, report) = Records::read(folder.path()).unwrap();
        let kept: Vec<_> =
            report.files.iter().map(|file| file.rows_read - file.rows_kept).collect();
        let (scores, priors) = (records.scores.unwrap().len(), records.priors.unwrap().len());
        let lost = usize::from(!stands);
        assert_eq!((scores, priors), (151 - lost, 302 - lost), "{sem}: {kept:?}");
    }
}

#[test]
fn a_carried_score_stands_once_and_two_that_differ_are_both_left_out() {
    for (score, kept) in [("2390", 302), ("2391", 301)] {
        let mut files = Files::new();
        (0..150).for_each(|at| files.pupil(&format!("Q{at:03}"), "N"));
        files.carried(&format!("P01,MATH,2024,1,{score},20.25,03"));
        let folder = tempfile::tempdir().unwrap();
        files.write(folder.path());
        let (records, report) = Records::read(folder.path()).unwrap();
        assert_eq!(records.priors.unwrap().len(), kept);
        let mut findings = report.files.iter().flat_map(|file| &file.findings);
        assert!(findings.any(|finding| finding.rule == Rule::E005));
    }
}
