//! A small study and school table that the tests bend.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use flashlight_proto::{
    canonical::Digest,
    layout::Layout,
    schools::SchoolTable,
    study::{Study, StudyError},
};

/// Two elementary schools, a middle and a high school in two districts; two years.
pub(crate) const SCHOOLS: &str = "\
school_id,school_year,school_name,district_id,level,grade_low,grade_high
001,2023,Alder,A,ES,KN,05
001,2024,Alder,A,ES,KN,05
002,2024,Birch,A,MS,06,08
003,2024,Cedar,B,ES,TK,04
004,2024,Dogwood,B,HS,09,12
";

const TESTS: &str = r#"
[[test]]
id = "T"
units_per_point = 10
[test.scores.MATH]
"03" = { min = 100, max = 200, met = 150 }
"04" = { min = 110.5, max = 220, met = 160.5 }
[test.scores.ELA]
"05" = { min = -20, max = 21, met = 0 }
"#;

pub(crate) const TABLES: &str = r#"
[[table]]
indicator = "students"
by = [[], ["level"], ["grade"], ["level", "grade"]]
families = ["sex"]

[[table]]
indicator = "chronic_absenteeism"
years = [2023, 2024]
by = [["level"]]
families = ["el"]

[[table]]
indicator = "math_mean"
test = "T"
by = [[], ["level", "grade"]]
families = ["sex"]

[[table]]
indicator = "math_dfs"
test = "T"
by = [["grade"]]

[[table]]
indicator = "math_met"
test = "T"
by = [["level"]]
"#;

/// The document in its parts, to be bent before it is parsed.
pub(crate) struct Draft {
    pub(crate) head: String,
    pub(crate) privacy: String,
    pub(crate) cohort: String,
    pub(crate) suppression: String,
    pub(crate) tests: String,
    pub(crate) tables: String,
    pub(crate) schools: String,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            head: "id = \"small\"\ntitle = \"Small\"\nschool_year = 2024\n\
                   as_of = \"2024-06-30\"\n"
                .into(),
            privacy: "mode = \"exact\"\n".into(),
            cohort: "min_districts = 5\nmax_dropped = 1\nmax_colluding = 1\n".into(),
            suppression: "min_n = 3\n".into(),
            tests: TESTS.into(),
            tables: TABLES.into(),
            schools: SCHOOLS.into(),
        }
    }
}

impl Draft {
    pub(crate) fn toml(&self) -> String {
        let sha256 = Digest::of(self.schools.as_bytes());
        format!(
            "[study]\n{}schools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\
             [privacy]\n{}[cohort]\n{}[suppression]\n{}{}{}",
            self.head, self.privacy, self.cohort, self.suppression, self.tests, self.tables
        )
    }

    pub(crate) fn study(&self) -> Result<Study, StudyError> {
        Study::parse(self.toml().as_bytes())
    }

    pub(crate) fn table(&self) -> SchoolTable {
        SchoolTable::parse(self.schools.as_bytes()).unwrap()
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::derive(&self.study().unwrap(), &self.table()).unwrap()
    }
}
