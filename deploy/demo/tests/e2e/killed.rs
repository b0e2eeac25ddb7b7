//! The coordinator killed (SIGKILL) at every step: nothing is half published, its journal is settled
//! when it starts again, nodes come back by themselves, and the study can be run again.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use flashlight_coordinator::journal::Entry;

use crate::data::{DISTRICTS, StudyText};
use crate::network::{Net, until};

/// Kills the coordinator at each point of a run and starts it again.
fn kill_at(points: &[&str]) {
    let mut net = Net::copied();
    let mut rounds = 0;
    for point in points {
        net.start_hub(Some(point));
        net.start_nodes(DISTRICTS);
        let run = net.run(&StudyText::SMALL, 30);
        let marker = net.network.hub_pause_marker();
        until(&format!("the pause at {point}"), || marker.exists().then_some(()));
        // Under a name with a dot there is what was being written.
        let is_published = |path: &PathBuf| !path.file_name().unwrap().as_bytes().starts_with(b".");
        let mut releases = net.releases();
        releases.retain(is_published);
        net.network.kill_hub().unwrap();
        let ended = run.end();
        assert_eq!(ended.code, 1, "{point}: {}", ended.said);

        let started = usize::from(*point != "gather:after");
        rounds += started;
        assert_eq!(net.open_rounds().len(), started, "{point}");
        net.start_hub(None);
        assert!(net.open_rounds().is_empty(), "{point}");
        match net.journal().last().unwrap() {
            Entry::Published { folder, .. } => {
                assert_eq!(*point, "publish:after");
                let folder = net.network.hub_dir().join("releases").join(folder);
                assert!(releases.contains(&folder), "{point}");
                net.verified(&folder).is_over(&DISTRICTS, &[]);
            }
            Entry::RoundEnded { code, .. } => assert_eq!(code, "restarted", "{point}"),
            other => assert_eq!(*point, "gather:after", "{other:?}"),
        }
        assert_eq!(net.releases(), releases, "{point}: nothing half-written is left");

        let release = net.publish(&StudyText::SMALL);
        rounds += 1;
        release.is_over(&DISTRICTS, &[]);
        assert_eq!(release.round(), u64::try_from(rounds).unwrap(), "{point}");
        net.network.kill_hub().unwrap();
    }
}

#[test]
fn a_coordinator_killed_before_anybody_masks_starts_over() {
    kill_at(&["gather:after", "advertise:before", "advertise:after"]);
}

#[test]
fn a_coordinator_killed_while_shares_are_sealed_starts_over() {
    kill_at(&["share:before", "share:after", "acknowledge:before", "acknowledge:after"]);
}

#[test]
fn a_coordinator_killed_while_uploads_come_in_starts_over() {
    kill_at(&["mask:before", "mask:after", "confirm:before", "confirm:after"]);
}

#[test]
fn a_coordinator_killed_while_it_opens_or_publishes_shows_a_whole_release_or_none() {
    kill_at(&["unmask:before", "unmask:after", "publish:before", "publish:after"]);
}
