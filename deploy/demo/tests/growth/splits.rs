//! What the sums do when a student joins a school, and when a school is split.

use super::*;

/// A network of two columns beside the intercept, in quarter points from −10 to 10.
const SECTION: &str = r#"
[[test]]
id = "T"
units_per_point = 4
scores = { MATH = { "03" = { min = -10, max = 10, met = 0 }, "04" = { min = -10, max = 10, met = 0 } } }

[[growth]]
id = "m"
test = "T"
subject = "MATH"
grades = ["04"]
priors = [{ subject = "MATH", years_back = 1 }]
"#;

/// M and B of schools, as doubles.
fn moments(block: &GrowthBlock, rows: &[(u32, GrowthRow)]) -> (Vec<f64>, Vec<f64>) {
    let sums = sums(block, rows, |_, _| 0);
    let joined = block.join(&sums);
    let of = |name: &str| {
        let all = block.quantities.iter().zip(&joined);
        let ours = all.filter(|(quantity, _)| quantity.name.contains(name));
        #[expect(clippy::cast_precision_loss, reason = "a few bits more than a double has")]
        ours.map(|(quantity, value)| {
            *value as f64 / 2f64.powi(i32::try_from(quantity.fraction_bits).unwrap())
        })
        .collect()
    };
    (of("/M/"), of("/B/"))
}

fn rows(values: &[(u32, i64, i64)]) -> Vec<(u32, GrowthRow)> {
    let row = |&(school, prior, y): &(u32, i64, i64)| {
        (0, GrowthRow { school, values: vec![1, prior, y], errors: Vec::new() })
    };
    values.iter().map(row).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred units at most")]
fn close(found: f64, want: i128, over: i128) -> bool {
    (found - want as f64 / over as f64).abs() < 1e-9 * (1.0 + found.abs())
}

mod proptests {
    use proptest::prelude::*;

    use super::*;

    fn students(most: usize) -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((-40_i64..=40, -40_i64..=40), 1..most)
    }

    proptest! {
        /// Δ_B = (1 − κ)ww' + κ(wt̄' + t̄w' − t̄t̄'), κ = n/(n + 1), and |Δ_B| ≤ 3·b_j·b_k.
        #[test]
        fn one_student_moves_between_school_moments_as_the_identity_says_and_no_farther(others in students(30), one in (-40_i64..=40, -40_i64..=40)) {
            let (study, schools) = study(SECTION);
            let layout = Layout::derive(&study, &schools).unwrap();
            let block = &layout.growth()[0];
            let mut all: Vec<_> = others.iter().map(|(a, y)| (1, *a, *y)).collect();
            let before = moments(block, &rows(&all));
            all.push((1, one.0, one.1));
            let after = moments(block, &rows(&all));
            let n = i128::try_from(others.len()).unwrap();
            let w = [1, i128::from(one.0), i128::from(one.1)];
            let t = [n, others.iter().map(|o| i128::from(o.0)).sum(), others.iter().map(|o| i128::from(o.1)).sum()];
            let b = [1, 40, 40];
            for (at, (j, k)) in flashlight_proto::growth::upper(3).enumerate() {
                // Times n(n + 1): n·ww' + n(wT' + Tw') − TT'.
                let want = n * w[j] * w[k] + n * (w[j] * t[k] + t[j] * w[k]) - t[j] * t[k];
                let found = after.1[at] - before.1[at];
                prop_assert!(close(found, want, n * (n + 1)), "{j} {k}: {found}");
                prop_assert!(want.abs() <= 3 * b[j] * b[k] * n * (n + 1));
                prop_assert!(close(after.0[at] - before.0[at], w[j] * w[k], 1));
            }
        }

        /// M does not know schools; B grows by n₁n₂/(n₁ + n₂)·dd', d the difference of the means.
        #[test]
        fn a_school_that_is_split_keeps_m_and_gains_the_scatter_between_its_parts(one in students(20), two in students(20)) {
            let (study, schools) = study(SECTION);
            let layout = Layout::derive(&study, &schools).unwrap();
            let block = &layout.growth()[0];
            let all = |school| {
                let first = one.iter().map(|(a, y)| (1, *a, *y));
                first.chain(two.iter().map(move |(a, y)| (school, *a, *y))).collect::<Vec<_>>()
            };
            let (merged, split) = (moments(block, &rows(&all(1))), moments(block, &rows(&all(2))));
            prop_assert_eq!(&merged.0, &split.0);
            let sizes = [&one, &two].map(|part| i128::try_from(part.len()).unwrap());
            let totals = [&one, &two].map(|part| {
                let n = i128::try_from(part.len()).unwrap();
                [n, part.iter().map(|o| i128::from(o.0)).sum(), part.iter().map(|o| i128::from(o.1)).sum()]
            });
            for (at, (j, k)) in flashlight_proto::growth::upper(3).enumerate() {
                let d = |of: usize| totals[0][of] * sizes[1] - totals[1][of] * sizes[0];
                let over = sizes[0] * sizes[1] * (sizes[0] + sizes[1]);
                prop_assert!(close(split.1[at] - merged.1[at], d(j) * d(k), over));
            }
        }
    }
}

#[test]
fn a_published_figure_that_is_the_school_mean_gives_what_the_private_mean_gives() {
    let section = |rest: &str| {
        let bounds = "{ min = -5000, max = 5000, met = 0 }";
        format!(
            "[[test]]\nid = \"T\"\nscores = {{ MATH = {{ \"03\" = {bounds}, \"04\" = {bounds} }} }}\n\
             [[growth]]\nid = \"m\"\ntest = \"T\"\nsubject = \"MATH\"\ngrades = [\"04\"]\n\
             priors = [{{ subject = \"MATH\", years_back = 1 }}]\ncovariates = [\"sed\"]\n{rest}"
        )
    };
    let private = study(&section("concentrations = [\"sed\"]\n"));
    let public = study(&section("public = [{ column = \"public_sed\", min = 0, max = 1 }]\n"));
    // Ten students to a school, so that the mean of a flag is a whole number of hundredths.
    let irregular = |at: i64| (at * 7919 + 104_729) * 31 % 1999 - 999;
    let rows = |is_public: bool| -> Vec<(u32, GrowthRow)> {
        let all = (0..60_i64).flat_map(|school| (0..10_i64).map(move |at| (school, at)));
        all.map(|(school, at)| {
            let flagged = school * 7 % 11;
            let flag = i64::from(at < flagged);
            let prior = irregular(school * 10 + at);
            let effect = irregular(school * 13 + 5) / 4;
            let y = prior / 2 - 40 * flag - 9 * flagged
                + effect
                + irregular(school * 10 + at + 777) / 3;
            let figure = (flagged.min(10) * 10 - 50).clamp(-50, 50);
            let mut values = vec![1, prior, flag];
            values.extend(is_public.then_some(figure));
            values.push(y);
            let id = u32::try_from(school).unwrap();
            (id % 5, GrowthRow { school: id, values, errors: Vec::new() })
        })
        .collect()
    };
    let (_, one) = fit(&private.0, &private.1, &rows(false), |district, _| district);
    let (_, two) = fit(&public.0, &public.1, &rows(true), |district, _| district);
    assert_eq!(one.henderson.within_beta.len(), two.henderson.within_beta.len());
    let near = |one: f64, two: f64| assert!((one / two - 1.0).abs() < 1e-9, "{one} {two}");
    near(one.henderson.tau2, two.henderson.tau2);
    for (one, two) in
        [(one.ols.beta, two.ols.beta), (one.reml.unwrap().beta, two.reml.unwrap().beta)]
    {
        near(one[1], two[1]);
        near(one[2], two[2]);
        near(one[3], two[3]);
        // The figure is centred at a half.
        near(one[0], two[0] - 0.5 * two[3]);
    }
}
