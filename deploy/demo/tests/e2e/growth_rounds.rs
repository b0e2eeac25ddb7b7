//! Growth models take up to three rounds over the same districts: a node or the coordinator killed
//! (SIGKILL) in a later one costs time or the run, never half a release.

use std::fs;

use flashlight_node::consent::{Decision, leave};
use flashlight_proto::canonical::Digest;

use crate::data::{self, DISTRICTS, StudyText};
use crate::network::{Net, Release, until};

/// Whoever is killed.
const VICTIM: &str = "D3";

/// Grade 6 on grade 3, with percentiles; each district has one school of it.
const GROWTH: &str = "[[growth]]\nid = \"math\"\ntest = \"TEST\"\nsubject = \"MATH\"\n\
    grades = [\"06\"]\npriors = [{ subject = \"MATH\", years_back = 3 }]\nsample = \"all\"\n\
    percentiles = true\n";

const STUDY: StudyText = StudyText { id: "growth", tables: GROWTH, ..StudyText::SMALL };

/// A network whose districts have earlier scores and allow growth models; nobody runs.
fn net() -> Net {
    let net = Net::copied();
    for (number, district) in DISTRICTS.iter().enumerate() {
        let scores = data::pupils(district).into_iter().enumerate().filter_map(|(at, pupil)| {
            // Of the score, and neither the same in all schools nor a line through it.
            let shift = i64::try_from((at * at * 31) % 47 + 9 * number).unwrap();
            Some(format!("0-{at},MATH,2024,3,{},,03\n", (pupil.score? - shift).max(500)))
        });
        let header = "student_id,subject,as_of_year,years_back,score,sem,grade\n".to_owned();
        let text = scores.fold(header, |text, line| text + &line);
        fs::write(net.data(district).join("prior_scores.csv"), text).unwrap();
        let open = "anonymous_surveys = true\n";
        net.change_policy(district, open, &format!("{open}growth = true\n"));
    }
    net
}

fn has_percentiles(release: &Release) {
    release.is_among(&DISTRICTS, &[]);
    let growth = fs::read_to_string(release.folder.join("growth.json")).unwrap();
    assert!(growth.contains("\"thresholds\""), "{growth}");
}

#[test]
fn a_node_killed_before_it_masks_in_a_later_round_is_waited_for_and_the_release_is_whole() {
    let mut net = net();
    net.start_hub(None);
    for (point, date) in [("advertise:before#2", 0), ("share:after#2", 1), ("share:before#3", 2)] {
        net.start_nodes(DISTRICTS);
        net.start_node(VICTIM, Some(point));
        let run = net.run(&STUDY.at(date), 30);
        net.kill_at_pause(VICTIM);
        net.start_node(VICTIM, None);
        let ended = run.end();
        assert_eq!(ended.code, 0, "{point}: {}", ended.said);
        has_percentiles(&net.release(&ended));
    }
    net.nobody_panicked();
}

#[test]
fn a_node_killed_after_it_masked_in_a_later_round_ends_the_run_which_can_be_run_again() {
    let mut net = net();
    net.start_hub(None);
    for (point, date) in [("mask:recorded#2", 0), ("mask:recorded#3", 1)] {
        net.start_nodes(DISTRICTS);
        net.start_node(VICTIM, Some(point));
        let run = net.run(&STUDY.at(date), 30);
        net.kill_at_pause(VICTIM);
        let ended = run.end();
        assert_eq!(ended.code, 75, "{point}: {}", ended.said);
        assert!(net.open_rounds().is_empty(), "{point}");
        net.start_node(VICTIM, None);
        has_percentiles(&net.publish(&STUDY.at(date)));
    }
    net.nobody_panicked();
}

#[test]
fn one_approval_of_the_officer_is_for_all_rounds_of_a_run() {
    let mut net = net();
    net.start_hub(None);
    net.start_nodes(DISTRICTS);
    let manual = ["D5", "D6"];
    for district in manual {
        net.change_policy(district, "\"within-policy\"", "\"manual\"");
    }
    let ended = net.run(&STUDY, 30).aborts("too_few_ready");
    assert_eq!(ended.said.matches("(approval_pending)").count(), 2, "{}", ended.said);
    for district in manual {
        let decisions = net.network.node_dir(district).join("decisions");
        leave(&decisions, Digest::of(STUDY.text().as_bytes()), Decision::Approved).unwrap();
    }
    has_percentiles(&net.publish(&STUDY));
    let ended = net.run(&STUDY, 5).end();
    assert!(ended.said.contains("(approval_pending)"), "it is used up: {}", ended.said);
}

#[test]
fn a_coordinator_killed_in_a_later_round_closes_all_rounds_and_the_study_can_be_run_again() {
    let mut net = net();
    for (point, date) in [("advertise:before#2", 0), ("unmask:after#3", 1)] {
        net.start_hub(Some(point));
        net.start_nodes(DISTRICTS);
        let run = net.run(&STUDY.at(date), 30);
        let marker = net.network.hub_pause_marker();
        until(&format!("the pause at {point}"), || marker.exists().then_some(()));
        net.network.kill_hub().unwrap();
        assert_eq!(run.end().code, 1, "{point}");
        assert!(net.open_rounds().len() > 1, "{point}");
        net.start_hub(None);
        assert!(net.open_rounds().is_empty(), "{point}");
        has_percentiles(&net.publish(&STUDY.at(date)));
        net.network.kill_hub().unwrap();
    }
}
