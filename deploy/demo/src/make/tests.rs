//! Tests of a whole made network: its shape, its figures, and that it is the same every time.

mod figures;

use std::{collections::BTreeSet, fs};

use flashlight_proto::{category::Indicator, schools::SchoolTable, study::Study};

use super::*;

/// A network in a folder of its own.
fn network(seed: u64, change: impl FnOnce(&mut Args)) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("network");
    let mut args =
        Args { districts: 5, students: 2_000, years: 2, seed, out, daily: false, mess: false, brief: false };
    change(&mut args);
    make(&args).unwrap();
    (folder, args.out)
}

/// District folders.
fn folders(out: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(out.join("districts")).unwrap().map(|one| one.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Values of a table's rows.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

/// Every file of a network, with its bytes.
fn files(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in folders(out) {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            files.push((path.strip_prefix(out).unwrap().to_owned(), bytes));
        }
    }
    for name in ["schools.csv", "study.toml"] {
        files.push((name.into(), fs::read(out.join(name)).unwrap()));
    }
    files.sort();
    files
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_makes_others() {
    let (one, two, other) = (network(3, |_| ()), network(3, |_| ()), network(4, |_| ()));
    assert_eq!(files(&one.1), files(&two.1));
    assert_ne!(files(&one.1), files(&other.1));
}

#[test]
fn a_student_is_the_same_whatever_else_is_made_beside() {
    let enrolled = |out: &Path, year: &str| -> BTreeSet<String> {
        let lines = folders(out).into_iter().flat_map(|folder| {
            let text = fs::read_to_string(folder.join("enrollments.csv")).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        lines.filter(|line| line.split(',').nth(1) == Some(year)).collect()
    };
    let (short, long) = (network(3, |_| ()), network(3, |args| args.years = 5));
    assert_eq!(enrolled(&short.1, "2024"), enrolled(&long.1, "2024"));
    assert_eq!(enrolled(&short.1, "2023"), enrolled(&long.1, "2023"));
}

#[test]
fn every_year_has_exactly_the_students_asked_for() {
    for (districts, students, years) in [(1, 500, 3), (2, 3_001, 4), (7, 6_000, 3)] {
        let (_folder, out) = network(11, |args| {
            (args.districts, args.students, args.years) = (districts, students, years);
        });
        let mut seen = BTreeSet::new();
        for folder in folders(&out) {
            let text = fs::read_to_string(folder.join("enrollments.csv")).unwrap();
            let primary = rows(&text).filter(|row| row[7] == "primary");
            seen.extend(primary.map(|row| (row[1].to_owned(), row[0].to_owned())));
        }
        for year in 2025 - i32::from(years)..=2024 {
            let year = year.to_string();
            let there = seen.iter().filter(|(of, _)| *of == year).count();
            assert_eq!(there, students as usize, "{districts} districts, {year}");
        }
    }
}

#[test]
fn every_header_is_the_contracts_and_every_row_has_its_columns() {
    let (_folder, out) = network(5, |args| args.daily = true);
    for folder in folders(&out) {
        for (name, header) in table::HEADERS {
            let text = fs::read_to_string(folder.join(format!("{name}.csv"))).unwrap();
            assert_eq!(text.lines().next(), Some(header), "{name}");
            let columns = header.split(',').count();
            assert!(text.ends_with('\n'));
            assert!(rows(&text).all(|row| row.len() == columns), "{name}");
        }
    }
}

#[test]
fn ids_are_text_of_one_length_and_some_begin_with_zero() {
    let (_folder, out) = network(5, |args| args.students = 4_000);
    let (mut zeros, mut all) = (0, 0);
    for folder in folders(&out) {
        let text = fs::read_to_string(folder.join("enrollments.csv")).unwrap();
        for row in rows(&text) {
            assert!(row[0].len() == 10 && row[0].bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(row[2].len(), 14);
            assert!(row[2].starts_with(folder.file_name().unwrap().to_str().unwrap()));
            (zeros, all) = (zeros + usize::from(row[0].starts_with('0')), all + 1);
        }
    }
    // A tenth of them: 8,000 rows of 5,000 students, 5 sd are 0.022; α < 1e-5.
    assert!(zeros * 100 > all * 7 && zeros * 100 < all * 13, "{zeros} of {all}");
}

#[test]
fn some_students_move_between_districts_and_keep_their_id_and_their_scores() {
    let (_folder, out) = network(6, |args| (args.students, args.years) = (12_000, 4));
    let mut scores = std::collections::BTreeMap::new();
    let (mut homes, mut moved, mut compared) = (std::collections::BTreeMap::new(), 0, 0);
    let all: Vec<_> = folders(&out)
        .into_iter()
        .map(|folder| {
            let read = |name| fs::read_to_string(folder.join(name)).unwrap();
            (read("assessments.csv"), read("prior_scores.csv"))
        })
        .collect();
    for (at, (assessments, _)) in all.iter().enumerate() {
        for row in rows(assessments).filter(|row| row[1] == "CAASPP-SBAC" && !row[7].is_empty()) {
            let year: i32 = row[3].parse().unwrap();
            scores.insert((row[0], year, row[4]), (at, row[7]));
            moved += u32::from(homes.insert(row[0], at).is_some_and(|before| before != at));
        }
    }
    for (at, (_, priors)) in all.iter().enumerate() {
        for row in rows(priors) {
            let year = row[2].parse::<i32>().unwrap() - row[3].parse::<i32>().unwrap();
            if let Some((home, score)) = scores.get(&(row[0], year, row[1]))
                && *home != at
            {
                assert_eq!(*score, row[4]);
                compared += 1;
            }
        }
    }
    assert!(moved > 20 && compared > 20, "{moved} moved, {compared} scores came along");
}

#[test]
fn the_school_table_covers_all_years_and_the_study_reads() {
    let (_folder, out) = network(8, |args| (args.years, args.districts) = (4, 9));
    let bytes = fs::read(out.join("schools.csv")).unwrap();
    let schools = SchoolTable::parse(&bytes).unwrap();
    for folder in folders(&out) {
        let text = fs::read_to_string(folder.join("enrollments.csv")).unwrap();
        for row in rows(&text) {
            let school = schools.find(row[2], row[1].parse().unwrap()).unwrap();
            assert_eq!(school.district.as_str(), folder.file_name().unwrap());
            assert!(school.grades().any(|grade| grade.as_str() == row[3]), "{}", school.name);
        }
    }
    let enrolled: u32 = schools.iter().filter_map(|one| one.enrollment).sum();
    assert!((4 * 1_900..=4 * 2_000).contains(&enrolled), "{enrolled}");
    // What this version's catalogue does not have yet is left out.
    let text = fs::read_to_string(out.join("study.toml")).unwrap();
    let mut parts = text.split("\n[[table]]\n");
    let mut known = parts.next().unwrap().to_owned();
    for part in parts {
        let name = part.split('"').nth(1).unwrap();
        if name.parse::<Indicator>().is_ok() {
            known += &format!("\n[[table]]\n{part}");
        }
    }
    let study = Study::parse(known.as_bytes()).unwrap();
    assert_eq!(study.schools.sha256, schools.hash());
    assert!(study.cohort.sizes(9).is_ok());
}

#[test]
fn a_study_of_any_network_large_enough_has_a_cohort_that_can_run() {
    for districts in [4, 5, 7, 8, 9, 12, 19, 20, 50, 254, 2000] {
        let network = Network::plan(districts, 30 * districts, 1);
        let text = public::study(&network, "", (2024, 2024), false);
        let head = text.split("\n[[table]]\n").next().unwrap();
        let text = format!("{head}\n[[table]]\nindicator = \"students\"\nby = [[]]\n");
        let study = Study::parse(text.as_bytes()).unwrap();
        let n = u16::try_from(districts).unwrap();
        assert!(study.cohort.sizes(n).is_ok(), "{districts}: {:?}", study.cohort.sizes(n));
    }
}

#[test]
fn daily_attendance_adds_up_to_the_summary() {
    let (_folder, out) = network(9, |args| args.daily = true);
    let hundredths = |text: &str| nearest_hundredths(text);
    for folder in folders(&out) {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        let (daily, summary) = (read("attendance_daily.csv"), read("attendance_summary.csv"));
        let mut sums = std::collections::BTreeMap::<_, (u32, u32)>::new();
        for row in rows(&daily) {
            let sum = sums.entry((row[0], row[1])).or_default();
            *sum = (sum.0 + 100, sum.1 + hundredths(row[4]));
        }
        let mut compared = 0;
        for row in rows(&summary).filter(|row| row[1] == "2024") {
            let (expected, absent) = sums[&(row[0], row[2])];
            let attended = hundredths(row[4]) + hundredths(row[9]);
            assert_eq!((expected, expected - absent), (hundredths(row[3]), attended));
            compared += 1;
        }
        assert_eq!(compared, sums.len());
    }
}

/// `3.5` as 350.
fn nearest_hundredths(text: &str) -> u32 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let rest: u32 = format!("{rest:0<2}").parse().unwrap();
    whole.parse::<u32>().unwrap() * 100 + rest
}

#[test]
fn mess_repeats_rows_and_loses_zeros_and_nothing_of_it_is_there_without() {
    let count = |out: &Path| {
        let (mut twice, mut short) = (0, 0);
        for folder in folders(out) {
            let text = fs::read_to_string(folder.join("enrollments.csv")).unwrap();
            let lines: Vec<_> = text.lines().collect();
            twice += lines.windows(2).filter(|pair| pair[0] == pair[1]).count();
            short += rows(&text).filter(|row| row[2].len() == 13).count();
        }
        (twice, short)
    };
    let (_one, clean) = network(2, |args| args.students = 5_000);
    let (_two, messy) = network(2, |args| (args.students, args.mess) = (5_000, true));
    assert_eq!(count(&clean), (0, 0));
    let (twice, short) = count(&messy);
    assert!(twice > 3 && short > 3, "{twice}, {short}");
}

#[test]
fn a_folder_that_holds_something_is_refused_and_stays_as_it_was() {
    let (_folder, out) = network(2, |args| args.students = 200);
    let before = files(&out);
    let args = ["make", "--out", out.to_str().unwrap()];
    let error = make(&Args::try_parse_from(args).unwrap()).unwrap_err();
    assert!(error.to_string().contains("holds something"), "{error:#}");
    assert_eq!(files(&out), before);
}

#[test]
fn what_an_interrupted_run_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(".network.making");
    fs::create_dir_all(left.join("districts").join("0190001")).unwrap();
    let out = folder.path().join("network");
    fs::create_dir(&out).unwrap();
    let args = ["make", "--students", "300", "--years", "1", "--out", out.to_str().unwrap()];
    make(&Args::try_parse_from(args).unwrap()).unwrap();
    assert!(!left.exists());
    assert_eq!(folders(&out).len(), 8);
}

#[test]
fn arguments_out_of_bounds_are_refused_with_the_bounds() {
    let parse = |extra: &[&str]| {
        Args::try_parse_from([&["make", "--out", "x"], extra].concat()).map(|args| args.check())
    };
    for (wrong, says) in [
        (["--districts", "2001"], "1..=2000"),
        (["--districts", "0"], "1..=2000"),
        (["--students", "5000001"], "1..=5000000"),
        (["--years", "11"], "1..=10"),
        (["--years", "0"], "1..=10"),
    ] {
        let error = parse(&wrong).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = parse(&["--districts", "100", "--students", "2999"]).unwrap().unwrap_err();
    assert!(error.to_string().contains("3000 or more"), "{error}");
}
