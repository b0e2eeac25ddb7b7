//! The rows of the STAR data (`tests/data/star/README.md`), district by district, against counts over the
//! plain file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use flashlight_proto::{canonical::Digest, identity::DistrictId, schools::SchoolTable};

use super::*;

const DATA: &str = include_str!("../../../../tests/data/star/star.csv");

const STUDY: &str = "\
[privacy]
mode = \"exact\"
[cohort]
min_districts = 38
max_dropped   = 3
max_colluding = 1
[suppression]
min_n = 11
[[test]]
id     = \"STAR-SAT\"
scores = { MATH = { \"02\" = { min = 380, max = 780, met = 580 }, \"03\" = { min = 456, max = 776, met = 616 } }, ELA = { \"02\" = { min = 385, max = 785, met = 585 } } }
[[growth]]
id             = \"math\"
test           = \"STAR-SAT\"
subject        = \"MATH\"
grades         = [\"03\"]
priors         = [{ subject = \"MATH\", years_back = 1, centre = 580 }, { subject = \"ELA\", years_back = 1, centre = 585 }]
covariates     = [\"sed\", \"race_ethnicity=Black\", \"sex=F\"]
concentrations = [\"priors\", \"sed\", \"race_ethnicity=Black\"]
measurement    = { MATH = 14.0, ELA = 15.0 }
sample         = \"all\"
";

/// One district's three files.
#[derive(Default)]
struct Texts {
    enrollments: String,
    assessments: String,
    priors: String,
}

/// Files by district, and the schools with their districts.
fn districts() -> (BTreeMap<String, Texts>, BTreeSet<(String, String)>) {
    let (mut districts, mut schools) = (BTreeMap::<String, Texts>::new(), BTreeSet::new());
    for (id, line) in DATA.lines().enumerate().skip(1) {
        let fields: Vec<_> = line.split(',').collect();
        let [gender, ethnicity, read2, _, math2, math3, lunch, system, school] = fields[..] else {
            panic!("line {id} has {} fields", fields.len());
        };
        let sex = if gender == "female" { "F" } else { "M" };
        let race = match ethnicity {
            "cauc" => "White",
            "afam" => "Black",
            "asian" => "Asian",
            "hispanic" => "Hispanic",
            "other" => "Multiple",
            _ => "",
        };
        let sed = match lunch {
            "free" => "Y",
            "non-free" => "N",
            _ => "",
        };
        let whole = |text: &str| text.strip_suffix(".0").unwrap().to_owned();
        let (district, school) = (format!("S{}", whole(system)), whole(school));
        let texts = districts.entry(district.clone()).or_default();
        writeln!(texts.enrollments, "{id},1989,{school},03,{race},{sex},{sed}").unwrap();
        if !math3.is_empty() {
            let row = format!("{id},STAR-SAT,1989,MATH,03,{school},{math3},true");
            writeln!(texts.assessments, "{row}").unwrap();
        }
        for (subject, score) in [("MATH", math2), ("ELA", read2)] {
            if !score.is_empty() {
                writeln!(texts.priors, "{id},{subject},1989,1,{score},,02").unwrap();
            }
        }
        schools.insert((school, district));
    }
    (districts, schools)
}

#[test]
fn the_rows_of_all_star_districts_are_the_4551_complete_pupils_of_74_schools() {
    let (districts, schools) = districts();
    let mut table =
        "school_id,school_year,school_name,district_id,level,grade_low,grade_high,enrollment\n"
            .to_owned();
    for (school, district) in &schools {
        writeln!(table, "{school},1989,A school,{district},ES,03,03,100").unwrap();
    }
    let head = format!(
        "[study]\nid = \"star\"\ntitle = \"STAR\"\nschool_year = 1989\nas_of = \"1989-06-30\"\n\
         schools = {{ file = \"schools.csv\", sha256 = \"{}\" }}\n{STUDY}",
        Digest::of(table.as_bytes())
    );
    let study = Study::parse(head.as_bytes()).unwrap();
    let table = SchoolTable::parse(table.as_bytes()).unwrap();
    let model = &Model::of_study(&study)[0];
    let (mut sums, mut found) = ([0_i64; 7], BTreeSet::new());
    assert_eq!(districts.len(), 41);
    for (district, texts) in &districts {
        let folder = tempfile::tempdir().unwrap();
        for (name, header, rows) in [
            (
                "enrollments.csv",
                "student_id,school_year,school_id,grade,race_ethnicity,sex,sed",
                &texts.enrollments,
            ),
            (
                "assessments.csv",
                "student_id,test_id,school_year,subject,grade_tested,school_id,scale_score,included",
                &texts.assessments,
            ),
            (
                "prior_scores.csv",
                "student_id,subject,as_of_year,years_back,score,sem,grade",
                &texts.priors,
            ),
        ] {
            fs::write(folder.path().join(name), format!("{header}\n{rows}")).unwrap();
        }
        let (records, _) = Records::read(folder.path()).unwrap();
        let ours: DistrictId = district.parse().unwrap();
        let public = Schools::public(&records, &table, Some(&ours));
        let (rows, findings) = growth_rows(&records, &study, &public, model);
        assert!(findings.iter().all(|one| one.effect != Effect::Refused), "{findings:?}");
        for row in rows {
            found.insert((district.clone(), row.school));
            assert_eq!(row.errors, [1400, 1500]);
            sums.iter_mut().zip(row.values).for_each(|(sum, value)| *sum += value);
        }
    }
    let [n, math, ela, sed, black, female, outcome] = sums;
    assert_eq!((n, found.len()), (4551, 74));
    // Sums over the plain file's complete rows.
    assert_eq!(outcome + 616 * n, 2_824_398);
    assert_eq!((math + 580 * n, ela + 585 * n), (2_670_098, 2_687_642));
    assert_eq!([sed, black, female], [2035, 1454, 2217]);
}
