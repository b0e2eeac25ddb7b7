//! Stopping a party at an exact moment, so that a test can kill it there (debug builds only).
//!
//! In: `STEP:POINT` from the hidden option `--pause-at`, such as `mask:before`, or `mask:before#2` for the
//! second time. Out: when the party comes to that point, a line `paused at STEP:POINT` in the file it was
//! given, and then nothing: it waits to be killed. A release build has the type, but no point ever stops.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where to stop, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Pause {
    at: Option<(String, PathBuf)>,
    /// How often the party has come there.
    seen: Arc<AtomicU32>,
}

impl Pause {
    /// Stops at `at` (`STEP:POINT`, or `STEP:POINT#TIME`) after writing `marker`; `None` never stops.
    #[must_use]
    pub fn new(at: Option<String>, marker: PathBuf) -> Self {
        Self { at: at.map(|at| (at, marker)), seen: Arc::default() }
    }

    /// Whether this is where to stop. If so the marker is written, and the caller waits for ever.
    #[must_use]
    pub fn is_at(&self, step: &str, point: &str) -> bool {
        if !cfg!(debug_assertions) {
            return false;
        }
        let Some((at, marker)) = &self.at else { return false };
        let (place, time) = at.split_once('#').unwrap_or((at, "1"));
        if place.split_once(':') != Some((step, point)) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if time.parse() != Ok(seen) {
            return false;
        }
        std::fs::write(marker, format!("paused at {at}\n")).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_point_stops_and_leaves_its_marker() {
        let dir = tempfile::tempdir().unwrap();
        let marker = dir.path().join("paused");
        let pause = Pause::new(Some("mask:before".to_owned()), marker.clone());
        assert!(!pause.is_at("mask", "after"));
        assert!(!marker.exists());
        assert_eq!(pause.is_at("mask", "before"), cfg!(debug_assertions));
        assert_eq!(marker.exists(), cfg!(debug_assertions));
        let second = Pause::new(Some("mask:before#2".to_owned()), marker);
        let found = [(); 3].map(|()| second.is_at("mask", "before"));
        assert_eq!(found, [false, cfg!(debug_assertions), false]);
    }
}
