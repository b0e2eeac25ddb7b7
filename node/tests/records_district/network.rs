//! One row per student per district: which school, grade and groups win.

use flashlight_node::{local::exact_cells, records::Records};
use flashlight_proto::{
    canonical::Digest, category::Level, layout::Layout, schools::SchoolTable, study::Study,
};

use crate::folder::{ATTENDANCE, ENROLLMENTS};

/// Two elementary and two middle schools; levels tell in the cells where a student was counted.
const SCHOOLS: &str = "school_id,school_year,school_name,district_id,level,grade_low,grade_high\n\
    e1,2024,E1,D,ES,KN,05\ne2,2024,E2,D,ES,KN,05\nm1,2024,M1,D,MS,05,08\nm2,2024,M2,D,MS,05,08\n";

/// The level at which the one student of these rows is counted.
fn level(enrollments: &[&str], attendance: &[&str]) -> Level {
    let folder = tempfile::tempdir().unwrap();
    let text = |header: &str, rows: &[&str]| format!("{header}\n{}\n", rows.join("\n"));
    std::fs::write(folder.path().join("enrollments.csv"), text(ENROLLMENTS, enrollments)).unwrap();
    if !attendance.is_empty() {
        let path = folder.path().join("attendance_summary.csv");
        std::fs::write(path, text(ATTENDANCE, attendance)).unwrap();
    }
    let study = format!(
        "[study]\nid = \"s\"\ntitle = \"t\"\nschool_year = 2024\nas_of = \"2024-06-30\"\n\
         schools = {{ file = \"s.csv\", sha256 = \"{}\" }}\n[privacy]\nmode = \"exact\"\n\
         [cohort]\nmin_districts = 4\nmax_dropped = 0\nmax_colluding = 1\n\
         [[table]]\nindicator = \"students\"\nby = [[\"level\"]]\n",
        Digest::of(SCHOOLS.as_bytes())
    );
    let study = Study::parse(study.as_bytes()).unwrap();
    let schools = SchoolTable::parse(SCHOOLS.as_bytes()).unwrap();
    let layout = Layout::derive(&study, &schools).unwrap();
    let (records, _) = Records::read(folder.path()).unwrap();
    let cells = exact_cells(&records, &study, &schools, &layout, &"D".parse().unwrap()).unwrap();
    let counted: Vec<_> = cells.iter().filter(|cell| cell.n > 0).collect();
    assert_eq!((counted.len(), counted[0].n), (1, 1));
    counted[0].key.level.unwrap()
}

fn enrolled(school: &str, entry: &str, exit: &str) -> String {
    format!("1,2024,{school},05,{entry},{exit},,,,,,,")
}

fn attended(school: &str, expected: u32) -> String {
    format!("1,2024,{school},{expected},{expected},0,0,0,0,0,")
}

#[test]
fn more_expected_days_win_over_more_calendar_days() {
    let long = enrolled("e1", "2023-08-15", "2024-03-01");
    let short = enrolled("m1", "2024-03-02", "");
    let (few, many) = (attended("e1", 70), attended("m1", 80));
    assert_eq!(level(&[&long, &short], &[&few, &many]), Level::MS);
}

#[test]
fn calendar_days_count_where_a_schools_attendance_is_missing() {
    let long = enrolled("e1", "2023-08-15", "2024-03-01");
    let short = enrolled("m1", "2024-03-02", "");
    assert_eq!(level(&[&long, &short], &[&attended("m1", 80)]), Level::ES);
}

#[test]
fn two_spells_at_one_school_are_added() {
    let first = enrolled("e1", "2023-08-15", "2023-11-15");
    let middle = enrolled("m1", "2023-11-16", "2024-03-20");
    let last = enrolled("e1", "2024-03-21", "");
    assert_eq!(level(&[&first, &middle, &last], &[]), Level::ES);
}

#[test]
fn the_latest_entry_wins_a_tie_of_days() {
    let (early, late) = (enrolled("e1", "2023-08-15", ""), enrolled("m1", "2024-01-08", ""));
    let days = [attended("e1", 90), attended("m1", 90)];
    assert_eq!(level(&[&early, &late], &[&days[0], &days[1]]), Level::MS);
}

#[test]
fn the_lowest_school_id_wins_a_tie_of_days_and_entries() {
    let (one, two) = (enrolled("m1", "", ""), enrolled("e2", "", ""));
    assert_eq!(level(&[&one, &two], &[]), Level::ES);
    let (one, two) = (enrolled("e2", "", ""), enrolled("m1", "", ""));
    assert_eq!(level(&[&one, &two], &[]), Level::ES);
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let long = enrolled("e1", "2023-08-15", "2024-03-01");
    let short = enrolled("m1", "2024-03-02", "");
    assert_eq!(level(&[&short, &long], &[]), level(&[&long, &short], &[]));
}

#[test]
fn an_open_enrolment_ends_at_as_of() {
    // 2024-01-10 to 2024-06-30 is 173 days; 2023-07-23 to 2024-01-10 is 172.
    let open = enrolled("m1", "2024-01-10", "");
    let closed = enrolled("e1", "2023-07-23", "2024-01-10");
    assert_eq!(level(&[&open, &closed], &[]), Level::MS);
}
