//! Networks in which nobody misbehaves: what is published, what is refused, who comes back.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use flashlight_proto::category::{Family, Indicator, Level, Subject};
use flashlight_proto::release::{Cell, Outcome};

use crate::command::node;
use crate::data::{self, DISTRICTS, Pupil, StudyText};
use crate::network::Net;

/// The outcome that the pooled records give a cell.
fn expected(cell: &Cell) -> Outcome {
    let counts = |pupil: &Pupil| {
        let level = match cell.level {
            Some(level) => pupil.middle == (level == Level::MS),
            None => true,
        };
        level && cell.group.is_none_or(|sex| pupil.sex == sex)
    };
    let sums = data::pooled(DISTRICTS, counts);
    let (n, outcome) = match cell.indicator {
        Indicator::Students => (sums.students, Outcome::Count { n: sums.students }),
        Indicator::Mean(_) => {
            let mean = Outcome::Mean { sum: sums.points, n: sums.scores, units_per_point: 1 };
            (sums.scores, mean)
        }
        _ => (sums.scores, Outcome::Rate { num: sums.met, n: sums.scores }),
    };
    if n < 11 { Outcome::Suppressed } else { outcome }
}

#[test]
fn a_run_publishes_exactly_the_pooled_sums() {
    let net = Net::full();
    let release = net.publish(&StudyText::SEVERAL);
    release.is_over(&DISTRICTS, &[]);
    let cells = release.verified.release.cells();
    assert_eq!(cells.len(), 3 * 3 * 5);
    for cell in cells {
        assert!([None, Some(Family::Sex)].contains(&cell.family));
        assert_eq!(cell.outcome, expected(cell), "{cell:?}");
    }
    let means = cells.iter().filter(|cell| cell.indicator == Indicator::Mean(Subject::Math));
    assert_eq!(means.filter(|cell| cell.outcome != Outcome::Suppressed).count(), 9);
}

#[test]
fn verify_tells_a_whole_release_from_one_with_a_changed_byte() {
    let net = Net::full();
    let release = net.publish(&StudyText::SMALL);
    let dir = net.network.node_dir("D1");
    let args = ["verify".as_ref(), release.folder.as_os_str(), "--dir".as_ref(), dir.as_os_str()];
    let verified = node(&args);
    assert_eq!(verified.code, 0, "{}", verified.said);
    assert!(verified.stdout.contains("whole"), "{}", verified.stdout);
    for name in ["release.json", "tables.csv", "study.toml", "small.csv"] {
        let path = release.folder.join(name);
        let Ok(whole) = fs::read(&path) else { continue };
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let verified = node(&args);
        assert_eq!(verified.code, 1, "{name}: {}", verified.stdout);
        assert!(verified.said.starts_with("node: error: "), "{name}: {}", verified.said);
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(node(&args).code, 0);
}

#[test]
fn a_second_run_beside_the_first_is_refused() {
    let mut net = Net::start();
    net.start_nodes(DISTRICTS[..5].iter().copied());
    let first = net.run(&StudyText::SMALL, 30);
    first.await_line("district D1 is ready");
    net.run(&StudyText::SEVERAL, 1).aborts("run_in_progress");
    net.start_node("D6", None);
    let ended = first.end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS, &[]);
}

#[test]
fn a_run_with_too_few_districts_publishes_nothing_and_can_be_tried_again() {
    let mut net = Net::start();
    net.start_nodes(DISTRICTS[..4].iter().copied());
    let ended = net.run(&StudyText::SMALL, 2).aborts("too_few_ready");
    assert!(ended.said.contains("only 4 districts are ready, the study needs 5"), "{}", ended.said);
    assert!(net.releases().is_empty());
    net.start_node("D5", None);
    let ended = net.run(&StudyText::SMALL, 2).end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    net.release(&ended).is_over(&DISTRICTS[..5], &[]);
}

#[test]
fn nodes_come_back_by_themselves_when_the_coordinator_was_stopped() {
    let mut net = Net::full();
    net.await_connected(6);
    net.publish(&StudyText::SMALL);
    net.network.kill_hub().unwrap();
    net.start_hub(None);
    net.await_connected(6);
    let release = net.publish(&StudyText::SMALL);
    release.is_over(&DISTRICTS, &[]);
    assert_eq!(release.round(), 2);
}

#[test]
fn a_study_changed_under_its_id_is_published_beside_the_first() {
    let net = Net::full();
    let first = net.publish(&StudyText::SMALL);
    let changed = StudyText { id: "small", ..StudyText::SEVERAL };
    let second = net.publish(&changed);
    assert_ne!(first.folder, second.folder);
    assert_eq!((first.round(), second.round()), (1, 1));
    assert_eq!(net.releases().len(), 2);
}

#[test]
fn an_export_rewritten_while_it_is_read_gives_old_rows_or_new_rows_or_a_refusal() {
    let net = Net::full();
    let path = net.data("D6").join("enrollments.csv");
    let exports = [1, 3].map(|times| data::enrollments("D6", times));
    let is_done = AtomicBool::new(false);
    let others = data::pooled(DISTRICTS[..5].iter().copied(), |_| true).students;
    let ours = data::pooled(["D6"], |_| true).students;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = exports.iter().cycle();
            while !is_done.load(Ordering::Relaxed) {
                fs::write(&path, turn.next().unwrap()).unwrap();
            }
        });
        for date in 0..5 {
            let release = net.publish(&StudyText::SMALL.at(date));
            let facts = release.verified.release.facts();
            let Outcome::Count { n } = release.verified.release.cells()[0].outcome else {
                panic!("the whole network is shown");
            };
            let allowed = match facts.cohort.len() {
                5 => vec![others],
                _ => vec![others + ours, others + 3 * ours],
            };
            assert!(allowed.contains(&n), "{n} of {allowed:?}: {}", net.log("D6"));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    net.await_connected(6);
}
