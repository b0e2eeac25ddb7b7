//! `flashlight-node preview` as an officer runs it, over one school system of the STAR data.

use std::{
    fmt::Write as _,
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flashlight_node::journal::{Entry, Journal};
use flashlight_proto::canonical::Digest;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

/// School system 7: 52 pupils of grade 3, who are few enough for small cells.
const SYSTEM: &str = "7.0";

/// An enrolled node whose hub is a listener that nobody should call, its data and a study.
struct Desk {
    dir: TempDir,
    hub: TcpListener,
}

impl Desk {
    fn new(privacy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = TcpListener::bind("127.0.0.1:0").unwrap();
        hub.set_nonblocking(true).unwrap();
        let desk = Self { dir, hub };
        desk.enrol();
        desk.write_data(|_| true);
        desk.write_study(privacy);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What `enroll` leaves behind, under keys of the moment.
    fn enrol(&self) {
        let node = self.path("node");
        fs::create_dir(&node).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        fs::write(node.join("identity.key"), "07".repeat(32)).unwrap();
        fs::write(node.join("tls.key"), key.serialize_pem()).unwrap();
        fs::write(node.join("node.pem"), certificate.pem()).unwrap();
        let settings = serde_json::json!({
            "district": "S07",
            "name": "System 7",
            "hub_address": format!("localhost:{}", self.hub.local_addr().unwrap().port()),
            "hub_key": format!("ed25519:{}", "00".repeat(32)),
            "ca": "00".repeat(32),
        });
        fs::write(node.join("node.json"), settings.to_string()).unwrap();
    }

    /// The rows of the system that `keep` takes, by line of the committed file, as a district's files.
    fn write_data(&self, keep: impl Fn(usize) -> bool) {
        let star = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/star/star.csv");
        let mut enrollments =
            "student_id,school_year,school_id,grade,sex,race_ethnicity,el,swd,sed,homeless,foster\n"
                .to_owned();
        let mut assessments =
            "student_id,test_id,test_date,school_year,subject,grade_tested,scale_score,included\n"
                .to_owned();
        for (at, line) in fs::read_to_string(star).unwrap().lines().enumerate() {
            let fields: Vec<&str> = line.split(',').collect();
            let (gender, math, lunch) = (fields[0], fields[5], fields[6]);
            let (system, school) = (fields[7], fields[8]);
            if system != SYSTEM || !keep(at) {
                continue;
            }
            let sex = if gender == "female" { "F" } else { "M" };
            let sed = match lunch {
                "free" => "Y",
                "non-free" => "N",
                _ => "",
            };
            let school = school.trim_end_matches(".0");
            writeln!(enrollments, "{at},1989,{school},03,{sex},,,,{sed},,").unwrap();
            if let Some(score) = math.strip_suffix(".0") {
                writeln!(assessments, "{at},STAR-SAT,,1989,MATH,03,{score},true").unwrap();
            }
        }
        let data = self.path("data");
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("enrollments.csv"), enrollments).unwrap();
        fs::write(data.join("assessments.csv"), assessments).unwrap();
    }

    fn write_study(&self, privacy: &str) {
        let enrollments = fs::read_to_string(self.path("data/enrollments.csv")).unwrap();
        let schools: std::collections::BTreeSet<&str> =
            enrollments.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
        let mut table = "school_id,school_year,school_name,district_id,level,grade_low,grade_high,\
                         enrollment\n"
            .to_owned();
        for school in schools {
            writeln!(table, "{school},1989,School {school},S07,ES,KN,03,300").unwrap();
        }
        let sha256 = Digest::of(table.as_bytes());
        let tables = ["math_mean", "math_met"].map(|indicator| {
            format!(
                "[[table]]\nindicator = \"{indicator}\"\ntest = \"STAR-SAT\"\nyears = [1989]\n\
                 by = [[]]\nfamilies = [\"sed\"]\n"
            )
        });
        let study = format!(
            "[study]\nid = \"star\"\ntitle = \"STAR <grade 3>\"\nschool_year = 1989\n\
             as_of = \"1989-06-30\"\nschools = {{ file = \"schools.csv\", sha256 = \"{sha256}\" }}\n\
             [privacy]\n{privacy}\n[cohort]\nmin_districts = 38\nmax_dropped = 3\n\
             max_colluding = 1\n[suppression]\nmin_n = 11\n[[test]]\nid = \"STAR-SAT\"\n\
             scores = {{ MATH = {{ \"03\" = {{ min = 450, max = 800, met = 616 }} }} }}\n\
             [[table]]\nindicator = \"students\"\nyears = [1989]\nby = [[]]\nfamilies = [\"sed\"]\n\
             {}{}",
            tables[0], tables[1]
        );
        fs::write(self.path("schools.csv"), table).unwrap();
        fs::write(self.path("study.toml"), study).unwrap();
    }

    fn run(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashlight-node"));
        command.arg("preview").arg(self.path("study.toml")).args(more);
        command.arg("--dir").arg(self.path("node")).arg("--data").arg(self.path("data"));
        command.output().unwrap()
    }

    /// What a successful preview prints.
    fn text(&self, more: &[&str]) -> String {
        let output = self.run(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn nobody_called(&self) -> bool {
        self.hub.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// The line's words before the masked one, which is another each time.
fn key_lines(text: &str) -> Vec<String> {
    let is_masked =
        |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = |line: &str| {
        let words = line.split_whitespace().filter(|word| !is_masked(word));
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}

#[track_caller]
fn has_in_order(text: &str, expected: &[&str]) {
    let lines = key_lines(text);
    let mut rest = lines.iter();
    for line in expected {
        assert!(rest.any(|found| found == line), "no {line:?} in its place in\n{text}");
    }
}

#[test]
fn a_star_district_sees_what_it_would_contribute_cell_by_cell() {
    let desk = Desk::new("mode = \"dp\"\nrho = 0.1");
    let text = desk.text(&[]);
    has_in_order(&text, STAR);
    assert!(desk.nobody_called());
}

#[test]
fn the_second_preview_shows_what_a_corrected_file_changed() {
    let desk = Desk::new("mode = \"exact\"");
    desk.text(&[]);
    let same = desk.text(&[]);
    assert!(same.contains("for this study: 0 cells changed, 0 new, 0 gone"), "{same}");
    let enrollments = fs::read_to_string(desk.path("data/enrollments.csv")).unwrap();
    let first = enrollments.lines().nth(1).unwrap().split(',').next().unwrap();
    desk.write_data(|at| at.to_string() != first);
    let json: serde_json::Value = serde_json::from_str(&desk.text(&["--json"])).unwrap();
    assert_eq!(json["blocks"][0]["cells"][0]["words"][0]["change"], -1);
    assert_eq!(json["last"]["same_study"], true);
}

#[test]
fn looking_spends_nothing_and_calls_nobody_while_the_node_runs() {
    let desk = Desk::new("mode = \"exact\"");
    let state = desk.path("node/state");
    let mut journal = Journal::open(&state).unwrap();
    let entry = Entry::Masked { round: "00".to_owned(), study: Digest::of(b"s"), words: 1 };
    journal.append(&entry, 1).unwrap();
    let (head, bytes) = (journal.head(), fs::read(state.join("journal")).unwrap());
    // The journal is locked by this process, as by a running node.
    desk.text(&["--json"]);
    desk.text(&["--small-only"]);
    drop(journal);
    assert_eq!(fs::read(state.join("journal")).unwrap(), bytes);
    assert_eq!(Journal::open(&state).unwrap().head(), head);
    assert!(desk.nobody_called());
}

#[test]
fn the_districts_own_policy_decides_with_the_study_which_cells_are_small() {
    let desk = Desk::new("mode = \"exact\"");
    let below = |desk: &Desk| {
        let json: serde_json::Value = serde_json::from_str(&desk.text(&["--json"])).unwrap();
        json["small"].to_string()
    };
    assert_eq!(below(&desk), r#"{"below":11,"policy_min_cell":null,"study_min_n":11}"#);
    fs::write(desk.path("node/policy.toml"), "[floors]\nmin_cell = 20\n").unwrap();
    assert_eq!(below(&desk), r#"{"below":20,"policy_min_cell":20,"study_min_n":11}"#);
}

#[test]
fn the_page_is_private_and_whole() {
    let desk = Desk::new("mode = \"exact\"");
    let page = desk.path("page.html");
    desk.text(&["--html", page.to_str().unwrap()]);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("<h1>STAR &lt;grade 3&gt;</h1>") && text.ends_with("</html>\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn records_that_cannot_answer_the_study_are_refused_with_what_to_do() {
    let desk = Desk::new("mode = \"exact\"");
    fs::remove_file(desk.path("data/assessments.csv")).unwrap();
    let output = desk.run(&[]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(output.stdout.is_empty());
    assert!(errors.contains("needs assessments.csv") && errors.contains("(aggregate_refused)"));
    assert!(errors.contains("node: hint: `flashlight-node check "), "{errors}");
    assert!(!desk.path("node/state/previews/star.json").exists(), "nothing was kept");
}

/// Lines of the first preview, without the masked words.
const STAR: &[&str] = &[
    "Nothing was sent and nothing was spent by looking.",
    "study star: STAR <grade 3>",
    "records as they stood on 1989-06-30",
    "would cost school year 1989: rho 0.1 for a student here; 0.4 for one with records at two",
    "in all 12 cells: 3 small, 3 empty; 20 words, 160 bytes under masks",
    "last time no earlier preview to compare with",
    "\"would travel as\" is an example: fresh keys each time.",
    "students@1989/network, all students (n: students)",
    "cell n value word exact noise sd would travel as since last time",
    "all students 52 n 52 1.33 -",
    "students@1989/network, by sed (n: students)",
    "sed=yes small 9 n 9 1.33 -",
    "sed=no 43 n 43 1.33 -",
    "sed=unknown empty 0 n 0 1.33 -",
    "in all 52 n 52",
    "math_mean[STAR-SAT]@1989/network, by sed (sum: of (x - 625), points; n: scores)",
    "sed=yes small 8 621.00 sum -32 116.2 -",
    "n 8 sent as 0 -",
    "in all 49 sum 1,391",
    "math_met[STAR-SAT]@1989/network, all students (num: students in the numerator; rest: in the \
     denominator only)",
    "all students 49 81.6 % num 40 1.33 -",
    "rest 9 1.33 -",
];
