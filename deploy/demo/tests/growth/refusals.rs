//! Data that give no model, or not the whole of one: what the hub is told.

use super::*;

/// One prior in hundredths of a point, `sed`, and whatever else a section says.
fn section(rest: &str) -> String {
    format!(
        "[[test]]\nid = \"T\"\nunits_per_point = 100\nscores = {{ MATH = {{ \
         \"03\" = {{ min = -500, max = 500, met = 0 }}, \"04\" = {{ min = -500, max = 500, met = 0 }} }} }}\n\
         [[growth]]\nid = \"m\"\ntest = \"T\"\nsubject = \"MATH\"\ngrades = [\"04\"]\n\
         priors = [{{ subject = \"MATH\", years_back = 1 }}]\n{rest}"
    )
}

/// Pseudo-random numbers that only have to look irregular.
fn irregular(at: i64) -> i64 {
    (at * 7919 + 104_729) * 31 % 1999 - 999
}

/// `of(student, school)` gives a row's values after the intercept.
fn network(
    schools: i64,
    students: i64,
    errors: &[u32],
    of: impl Fn(i64, i64) -> Vec<i64>,
) -> Vec<(u32, GrowthRow)> {
    let all = (0..schools).flat_map(|school| (0..students).map(move |at| (school, at)));
    all.map(|(school, at)| {
        let mut values = vec![1];
        values.extend(of(school * students + at, school));
        let id = u32::try_from(school).unwrap();
        (id % 7, GrowthRow { school: id, values, errors: errors.to_vec() })
    })
    .collect()
}

fn told(section: &str, rows: &[(u32, GrowthRow)]) -> String {
    let (study, schools) = study(section);
    let layout = Layout::derive(&study, &schools).unwrap();
    let sums = sums(&layout.growth()[0], rows, |district, _| district);
    constants(&layout, &sums)
        .map(|_| "nothing".to_owned())
        .unwrap_or_else(|error| error.to_string())
}

#[test]
fn a_column_that_does_not_vary_is_named() {
    let rows = network(20, 10, &[], |at, _| vec![irregular(at), 1, irregular(at + 77)]);
    let told = told(&section("covariates = [\"sed\"]\n"), &rows);
    assert!(told.contains("\"sed\" does not vary, or is a combination of one, MATH-1"), "{told}");
}

#[test]
fn a_column_that_is_a_combination_of_others_is_named() {
    let rows = network(20, 10, &[], |at, _| {
        let flag = i64::from(at % 3 == 0);
        vec![irregular(at), flag, 1 - flag, irregular(at + 77)]
    });
    let told = told(&section("covariates = [\"sex=F\", \"sex=M\"]\n"), &rows);
    assert!(told.contains("\"sex=M\" does not vary, or is a combination"), "{told}");
}

#[test]
fn a_flag_of_whole_schools_is_told_as_such() {
    let rows =
        network(20, 10, &[], |at, school| vec![irregular(at), school % 2, irregular(at + 77)]);
    let told = told(&section("covariates = [\"sed\"]\n"), &rows);
    assert!(told.contains("\"sed\" does not vary within schools"), "{told}");
}

#[test]
fn networks_without_students_with_one_school_or_with_one_student_a_school_are_told_apart() {
    let rows = |schools, students| {
        network(schools, students, &[], |at, _| vec![irregular(at), irregular(at + 77)])
    };
    assert!(told(&section(""), &[]).contains("no district has a student"));
    assert!(told(&section(""), &rows(1, 50)).contains("one school only"));
    assert!(told(&section(""), &rows(50, 1)).contains("every school has one student"));
    assert_eq!(told(&section(""), &rows(20, 10)), "nothing");
}

#[test]
fn an_outcome_that_is_its_prior_is_told() {
    let rows = network(20, 10, &[], |at, _| vec![irregular(at), irregular(at)]);
    assert!(told(&section(""), &rows).contains("does not vary beyond"));
}

#[test]
fn errors_of_measurement_as_large_as_the_scores_are_corrected_in_part_and_that_is_said() {
    let rows = network(40, 20, &[2_000], |at, _| {
        vec![irregular(at), irregular(at) / 2 + irregular(at * 3 + 5) / 3]
    });
    let (study, schools) = study(&section("measurement = { MATH = 20.0 }\n"));
    let (_, found) = fit(&study, &schools, &rows, |district, _| district);
    let eiv = found.eiv.unwrap();
    assert!(eiv.share < 0.5 && eiv.se_cr0.is_none(), "{}", eiv.share);
    assert!(eiv.covariance.is_none());
    assert!(found.notes.iter().any(|note| note.contains("Fuller")), "{:?}", found.notes);
}

#[test]
fn schools_that_do_not_differ_have_no_variance_between_them() {
    // Every school has the same residuals.
    let rows = network(40, 20, &[], |at, _| vec![irregular(at), irregular(at % 20 + 77)]);
    let (study, schools) = study(&section(""));
    let (_, found) = fit(&study, &schools, &rows, |district, _| district);
    let reml = found.reml.unwrap();
    assert!(
        reml.tau2 == 0.0 && found.henderson.tau2 == 0.0,
        "{} {}",
        reml.tau2,
        found.henderson.tau2
    );
    assert!(
        found.notes.iter().any(|note| note.starts_with("REML: no variance")),
        "{:?}",
        found.notes
    );
}
