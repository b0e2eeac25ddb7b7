//! A small study, checked.

use flashlight_proto::canonical::Digest;

use super::*;

/// Writes a study over four districts beside its school table.
fn study(privacy: &str, enrollment: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let mut schools = "school_id,school_year,school_name,district_id,level,grade_low,\
                       grade_high,enrollment\n"
        .to_owned();
    for id in ["A", "B", "C", "D"] {
        schools += &format!("{id}1,2024,School {id},{id},ES,KN,05,{enrollment}\n");
        schools += &format!("{id}2,2024,Middle {id},{id},MS,06,08,3\n");
    }
    let sha256 = Digest::of(schools.as_bytes());
    let text = format!(
        "[study]\nid = \"s\"\ntitle = \"S\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n[privacy]\n{privacy}\n\
         [cohort]\nmin_districts = 4\nmax_dropped = 0\nmax_colluding = 1\n\
         [[test]]\nid = \"T\"\nscores = {{ MATH = {{ \"03\" = {{ min = 100, max = 200, met = \
         150 }} }} }}\n\
         [[table]]\nindicator = \"students\"\nby = [[\"level\"]]\nfamilies = [\"sex\"]\n\
         [[table]]\nindicator = \"math_mean\"\ntest = \"T\"\n"
    );
    std::fs::write(dir.path().join("schools.csv"), schools).unwrap();
    let path = dir.path().join("study.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn a_dp_study_shows_its_cost_its_blocks_and_what_would_be_hidden() {
    let (_dir, path) = study("rho = 0.1", 400);
    let check = Check::new(&path, None).unwrap();
    let text = check.text().join("\n");
    for wanted in [
        "n = 4 (the districts in the school table)",
        "rho 0.1000: epsilon 2.142 at delta 1.00e-6 (1612 students by public enrolment)",
        "rho 0.4000 for a student with records at two districts",
        "school year 2024: rho 0.1000",
        "math_mean in 2024 as of 2024-06-30",
        "1 students counts",
        "2 math_mean sums",
        "students@2024/level/MS/all (about 12 students)",
        "nothing is spent",
        "2 math_mean              1 cell, ",
        "sd of n   shown from",
        "in every table over the network, from ",
        "least sd: over m = 4; each adds: sd of one district)",
        "rho 0.1000 over all years, for one person there in each",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains("no formal privacy guarantee"), "{text}");
    let json = check.json();
    assert_eq!(json["privacy"]["blocks"].as_array().unwrap().len(), 3);
    assert_eq!(json["privacy"]["blocks"][0]["delta2_squared"], "2");
    assert_eq!(json["cohort"]["h"], 3);
    assert_eq!(json["forecast"][0]["cells"][1]["at"]["hidden"], true);
}

#[test]
fn every_table_shows_its_preset_its_direction_and_the_years_it_measures_and_reads() {
    let (dir, path) = study("rho = 0.1", 400);
    let schools = std::fs::read_to_string(dir.path().join("schools.csv")).unwrap();
    let more = schools.clone() + "A3,2024,High A,A,HS,09,12,900\n";
    std::fs::write(dir.path().join("schools.csv"), &more).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let [old, new] = [&schools, &more].map(|csv| Digest::of(csv.as_bytes()).to_string());
    let text = text.replace(&old, &new)
        + "[[table]]\nindicator = \"suspension\"\npreset = \"county\"\n\
           [[table]]\nindicator = \"graduation_5yr\"\n\
           [[table]]\nindicator = \"el_redesignation\"\nel_years = 6\n\
           [[table]]\nindicator = \"climate_safety_staff\"\n";
    std::fs::write(&path, text).unwrap();
    let check = Check::new(&path, None).unwrap();
    let text = check.text().join("\n");
    for wanted in [
        "measures   school years 2024\n",
        "reads      school years 2020, 2021, 2022, 2023, 2024\n",
        "table      1 students; better: none; measures 2024\n",
        "table      2 math_mean of T; better: high; measures 2024\n",
        "table      3 suspension, county; better: low; measures 2024\n",
        "table      4 graduation_5yr; better: high; measures 2024, reads 2020, 2021, 2022, 2023, 2024\n",
        "table      5 el_redesignation, as_el, 6 years; better: high; measures 2024\n",
        "table      6 climate_safety_staff, respondent; better: high; measures 2024; of responses\n",
        "asks       graduation_5yr in 2023 as of 2024-06-30\n",
        "charges    school year 2020: rho ",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    let json = check.json();
    assert_eq!(json["tables"][3]["years_read"], serde_json::json!([2020, 2021, 2022, 2023, 2024]));
    assert_eq!(json["tables"][3]["years_measured"], serde_json::json!([2024]));
    assert_eq!(json["tables"][2]["preset"], "county");
    assert_eq!(json["tables"][2]["better"], "low");
    assert_eq!(json["tables"][5]["unit"], "response");
    let sums = json["privacy"]["blocks"].as_array().unwrap().last().unwrap();
    assert_eq!((&sums["part"], &sums["units_per_point"]), (&"sums".into(), &10_000.0.into()));
}

#[test]
fn a_study_of_more_than_254_districts_shows_its_graph() {
    let (_dir, path) = study("mode = \"exact\"", 400);
    let text = Check::new(&path, Some(300)).unwrap().text().join("\n");
    assert!(text.contains("graph      sparse: each district masks with "), "{text}");
    assert!(text.contains("a round fails by chance with at most "), "{text}");
    assert!(text.contains(", with 0 lost"), "{text}");
    let text = Check::new(&path, Some(254)).unwrap().text().join("\n");
    assert!(!text.contains("graph"), "{text}");
}

#[test]
fn an_exact_study_says_that_there_is_no_guarantee_and_what_is_read() {
    let (_dir, path) = study("mode = \"exact\"", 400);
    let check = Check::new(&path, Some(9)).unwrap();
    let text = check.text().join("\n");
    for wanted in ["no formal privacy guarantee", "n = 9 (as given)", "school years 2024"] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains("epsilon"), "{text}");
    assert!(check.json()["privacy"].is_null());
}

#[test]
fn too_few_districts_are_named() {
    let (_dir, path) = study("rho = 0.1", 400);
    let error = Check::new(&path, Some(3)).err().unwrap();
    assert!(format!("{error:#}").contains("min_districts"), "{error:#}");
}

#[test]
fn a_school_table_that_was_changed_is_refused() {
    let (dir, path) = study("rho = 0.1", 400);
    let file = dir.path().join("schools.csv");
    let more = std::fs::read_to_string(&file).unwrap() + "E1,2024,E,E,ES,KN,05,10\n";
    std::fs::write(&file, more).unwrap();
    let error = Check::new(&path, None).err().unwrap();
    assert!(format!("{error:#}").contains("SHA-256"), "{error:#}");
}

#[test]
fn growth_models_are_listed_with_their_forecast_in_text_and_json() {
    let (dir, path) = study("rho = 0.2", 400);
    let schools = std::fs::read_to_string(dir.path().join("schools.csv")).unwrap();
    let old = Digest::of(schools.as_bytes()).to_string();
    let lines = schools.lines().enumerate().map(|(at, line)| match at {
        0 => format!("{line},public_sed\n"),
        at => format!("{line},{}\n", at * 9),
    });
    let schools: String = lines.collect();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(&old, &Digest::of(schools.as_bytes()).to_string());
    let (head, tables) = text.split_once("[[table]]").unwrap();
    let head =
        head.replace("{ \"03\" =", "{ \"02\" = { min = 100, max = 200, met = 150 }, \"03\" =");
    let growth = "[[growth]]\nid = \"math\"\ntest = \"T\"\nsubject = \"MATH\"\ngrades = [\"03\"]\n\
                  priors = [{ subject = \"MATH\", years_back = 1 }]\nrho = 0.1\n\
                  public = [{ column = \"public_sed\", min = 0, max = 100 }]\n\
                  clip = { student = 20, school = 9 }\n";
    std::fs::write(&path, format!("{head}{growth}[[table]]{tables}")).unwrap();
    std::fs::write(dir.path().join("schools.csv"), schools).unwrap();

    let check = Check::new(&path, None).unwrap();
    let text = check.text().join("\n");
    // 4 schools of 400 with six grades each.
    assert!(text.contains("math/03") && text.contains("noisy: about rho"), "{text}");
    assert!(text.contains("school year 2023: rho 0.1000"), "{text}");
    assert!(text.contains("school year 2024: rho 0.2000"), "{text}");
    let json = check.json();
    assert_eq!(
        json["growth"][0]["coefficients"],
        serde_json::json!(["one", "MATH-1", "public_sed"])
    );
    assert_eq!(json["growth"][0]["rho"], 0.1);
    assert_eq!(json["growth"][0]["measurement"], "none");
    let forecast = &json["growth_forecast"][0];
    assert_eq!((&forecast["students"], &forecast["schools"]), (&267.0.into(), &4.into()));
    assert!(forecast["effects"].as_f64().unwrap() > 0.22, "{forecast}");
}
