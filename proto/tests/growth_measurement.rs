//! Public standard errors of measurement in a study: what is refused, and what is found for a score.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use flashlight_proto::{
    canonical::Digest,
    category::Grade,
    study::{MAX_SEM_RANGES, Measurement, PriorSem, Study, StudyError},
};

/// Bounds: MATH 10 to 80.5 in grade 3 and 20 to 90 in grade 4, tenths of a point; ELA 1 to 9 in both.
fn parse(measurement: &str) -> Result<Study, StudyError> {
    let text = format!(
        "[study]\nid = \"g\"\ntitle = \"G\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n[privacy]\nmode = \"exact\"\n\
         [cohort]\nmin_districts = 5\nmax_dropped = 1\nmax_colluding = 1\n\
         [[test]]\nid = \"T\"\nunits_per_point = 10\n\
         [test.scores.MATH]\n\"03\" = {{ min = 10, max = 80.5, met = 40 }}\n\
         \"04\" = {{ min = 20, max = 90, met = 40 }}\n\"05\" = {{ min = 20, max = 90, met = 40 }}\n\
         [test.scores.ELA]\n\"03\" = {{ min = 1, max = 9, met = 5 }}\n\
         \"04\" = {{ min = 1, max = 9, met = 5 }}\n\
         [[growth]]\nid = \"math\"\ntest = \"T\"\nsubject = \"MATH\"\ngrades = [\"04\", \"05\"]\n\
         priors = [{{ subject = \"ELA\", years_back = 1 }}, {{ subject = \"MATH\", years_back = 1 }}]\n\
         {measurement}",
        Digest::of(b"")
    );
    Study::parse(text.as_bytes())
}

const TABLE: &str = r#"
[growth.measurement]
ELA = 1.5
[growth.measurement.MATH]
"03" = [
    { from = 5, to = 39.9, sem = 12.25 },
    { from = 40, to = 40, sem = 7 },
    { from = 40.1, to = 80.5, sem = 0.01 },
]
"04" = [{ from = 20, to = 100, sem = 3 }]
"07" = [{ from = 1, to = 2, sem = 10_000 }]
"#;

fn sems(study: &Study) -> Vec<PriorSem> {
    let Measurement::Public(found) = &study.growth[0].measurement else { panic!("not public") };
    found.clone()
}

#[test]
fn a_score_has_the_standard_error_of_the_range_that_it_is_in_to_the_last_tenth() {
    let study = parse(TABLE).unwrap();
    assert_eq!(study.growth[0].measurement.kind(), "table");
    let sems = sems(&study);
    assert_eq!(sems[0], PriorSem::Constant(150));
    for (tenths, sem) in [
        (49, None),
        (50, Some(1_225)),
        (100, Some(1_225)),
        (399, Some(1_225)),
        (400, Some(700)),
        (401, Some(1)),
        (805, Some(1)),
        (806, None),
    ] {
        assert_eq!(sems[1].at(Grade::G03, tenths), sem, "{tenths} tenths");
    }
    assert_eq!(sems[1].at(Grade::G04, 200), Some(300));
    assert_eq!(sems[1].at(Grade::G05, 200), None);
    assert_eq!(sems[0].at(Grade::G05, 200), Some(150));
}

#[test]
fn every_score_within_the_bounds_has_a_standard_error_in_a_study_that_is_accepted() {
    let sems = sems(&parse(TABLE).unwrap());
    assert!((100..=805).all(|tenths| sems[1].at(Grade::G03, tenths).is_some()));
    assert!((200..=900).all(|tenths| sems[1].at(Grade::G04, tenths).is_some()));
}

#[test]
fn constants_alone_are_no_table() {
    let kind = |text: &str| parse(text).unwrap().growth[0].measurement.kind();
    assert_eq!(kind("measurement = { MATH = 2, ELA = 1.5 }"), "constant");
    assert_eq!(kind("measurement = \"column\""), "column");
    assert_eq!(kind("measurement = \"none\""), "none");
    assert_eq!(kind(""), "none");
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_prior_grade_and_score() {
    let bent = |from: &str, to: &str| {
        assert!(TABLE.contains(from), "{from:?} is not in the table");
        parse(&TABLE.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, wanted) in [
        (
            "from = 5",
            "from = 10.1",
            "the prior MATH-1 of grade 04 is MATH of grade 03, which has no standard error for 10; its ranges must reach over the bounds of [[test]] \"T\", 10 to 80.5",
        ),
        ("to = 80.5", "to = 80.4", "no standard error for 80.5;"),
        (
            "to = 100",
            "to = 89.9",
            "the prior MATH-1 of grade 05 is MATH of grade 04, which has no standard error for 90;",
        ),
        ("from = 20, to = 100", "from = 1, to = 2", "no standard error for 20;"),
        ("from = 20, to = 100", "from = 91, to = 92", "no standard error for 20;"),
        ("\"04\" = ", "\"06\" = ", "of grade 04, which has no standard error for 20;"),
        (
            "[{ from = 20, to = 100, sem = 3 }]",
            "[]",
            "of grade 04, which has no standard error for 20;",
        ),
        (
            "from = 40.1",
            "from = 40.2",
            "MATH in grade 03: after the range to 40 comes one from 40.2: scores between have none; let it begin at 40.1",
        ),
        (
            "from = 40.1",
            "from = 40",
            "after the range to 40 comes one from 40: ranges overlap; let it begin at 40.1",
        ),
        (
            "from = 40,",
            "from = 39.9,",
            "after the range to 39.9 comes one from 39.9: ranges overlap",
        ),
        (
            "from = 1, to = 2",
            "from = 2, to = 1",
            "MATH in grade 07: the range from 2 to 1 holds no score",
        ),
        (
            "from = 5",
            "from = 5.05",
            "MATH in grade 03: from must be a score that is a multiple of 1/10 point",
        ),
        ("to = 80.5", "to = 1e9", "MATH in grade 03: to must be a score"),
        ("sem = 7", "sem = 0", "the standard error of MATH in grade 03 must be above 0"),
        ("sem = 7", "sem = -7", "the standard error of MATH in grade 03 must be above 0"),
        ("sem = 7", "sem = 0.001", "a multiple of 1/100"),
        ("sem = 10_000", "sem = 10_000.01", "at most 10000 points"),
        ("sem = 7", "error = 7", "line 35: unknown key `error`"),
        (", sem = 7", "", "`sem`"),
        ("\"07\"", "\"7\"", "\"7\""),
        ("ELA = 1.5", "", "has no standard error for ELA"),
        ("ELA = 1.5", "ELA = \"1.5\"", "a standard error in points, or ranges of scores by grade"),
        ("ELA = 1.5", "ELA = 0", "the standard error of ELA must be above 0"),
    ] {
        let told = bent(from, to);
        assert!(told.contains(wanted), "{from} -> {to}: {wanted:?} is not in {told:?}");
    }
    let told = parse("measurement = \"table\"").unwrap_err().to_string();
    assert!(told.contains("must be \"none\", \"column\" or, per subject"), "{told}");
    let told = parse("measurement = 3").unwrap_err().to_string();
    assert!(told.contains("\"column\" or standard errors by subject"), "{told}");
}

#[test]
fn a_grade_has_at_most_a_thousand_ranges() {
    let with = |ranges: usize| {
        let last = format!("{{from={},to=9000,sem=3}}", 20 + ranges - 1);
        let ranges: String =
            (0..ranges - 1).map(|at| format!("{{from={0},to={0}.9,sem=2}},", 20 + at)).collect();
        let table = TABLE.replace("{ from = 20, to = 100, sem = 3 }", &format!("{ranges}{last}"));
        parse(&table)
    };
    let sems = sems(&with(MAX_SEM_RANGES).unwrap());
    assert_eq!(sems[1].at(Grade::G04, 899), Some(200));
    let told = with(MAX_SEM_RANGES + 1).unwrap_err();
    assert!(told.to_string().contains("1001"), "{told}");
}
