//! What the officer said: yes or no to a study, one at a time.
//!
//! In: the officer's word, from the command line. Out: entries of the journal, and which studies
//! wait. The running node holds the journal, so the command line leaves a decision beside it
//! ([`leave`]) and the node takes it up ([`collect`]) before it judges a study.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use flashlight_proto::canonical::Digest;
use flashlight_proto::study::Study;
use flashlight_store::files::{create_private_dir, read_limited, write_private};
use flashlight_store::{Recorded, StoreError};

use crate::journal::{Entry, Journal, append};

/// Longest reason, bytes.
pub const REASON_MAX: usize = 500;

/// Largest decision as a file, bytes.
const FILE_MAX: u64 = 4096;

/// Most decisions taken up at a time.
const FILES_MAX: usize = 256;

/// What the officer said about one study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Refused {
        /// One line, for the hub to read; at most [`REASON_MAX`] bytes.
        reason: String,
    },
}

/// A decision that was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionsError {
    /// Empty, too long or more than a line.
    #[error("a reason is one line of 1 to {REASON_MAX} bytes; it is sent to the hub")]
    Reason,
    /// Something in the folder of decisions is none.
    #[error("{} is not a decision; remove it", path.display())]
    File {
        /// Where.
        path: PathBuf,
    },
    /// The journal or the folder cannot be used.
    #[error("cannot use the node's folder")]
    Store(#[from] StoreError),
}

impl DecisionsError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Reason => "reason_invalid",
            Self::File { .. } => "decision_file",
            Self::Store(source) => source.code(),
        }
    }
}

/// One study the node was asked about.
#[derive(Clone, Debug, Default)]
struct Case {
    study_id: String,
    title: String,
    since_ms: u64,
    decision: Option<Decision>,
    /// Rounds paid for.
    charged: BTreeSet<String>,
}

/// What was asked and said so far.
#[derive(Clone, Debug, Default)]
pub struct Decisions(BTreeMap<Digest, Case>);

impl Decisions {
    /// Reads the whole journal.
    ///
    /// # Errors
    /// The journal's own.
    pub fn from_journal(journal: &Journal) -> Result<Self, StoreError> {
        Self::from_entries(journal.entries()?)
    }

    /// Reads entries, oldest first.
    ///
    /// # Errors
    /// The first error among them.
    pub fn from_entries(
        entries: impl Iterator<Item = Result<Recorded<Entry>, StoreError>>,
    ) -> Result<Self, StoreError> {
        let mut decisions = Self::default();
        for recorded in entries {
            decisions.apply(recorded?);
        }
        Ok(decisions)
    }

    fn apply(&mut self, recorded: Recorded<Entry>) {
        match recorded.entry {
            Entry::Waiting { study, study_id, title } => {
                let case = self.0.entry(study).or_default();
                (case.study_id, case.title, case.since_ms) = (study_id, title, recorded.time_ms);
            }
            Entry::Approved { study } => {
                self.0.entry(study).or_default().decision = Some(Decision::Approved);
            }
            // A yes is for one answer: the same study again costs its loss again.
            Entry::Charged { round, study, .. } => {
                if let Some(case) = self.0.get_mut(&study) {
                    case.charged.insert(round);
                }
            }
            Entry::Answered { round, .. } => {
                let asked = self.0.values_mut().find(|case| case.charged.contains(&round));
                if let Some(case) = asked.filter(|case| case.decision == Some(Decision::Approved)) {
                    case.decision = None;
                }
            }
            Entry::Refused { study, reason } => {
                self.0.entry(study).or_default().decision = Some(Decision::Refused { reason });
            }
            _ => {}
        }
    }

    /// What was said about a study last.
    #[must_use]
    pub fn about(&self, study: &Digest) -> Option<&Decision> {
        self.0.get(study)?.decision.as_ref()
    }

    /// Studies that wait, by hash: short name, title, and since when, ms since 1970.
    pub fn pending(&self) -> impl Iterator<Item = (&Digest, &str, &str, u64)> {
        let waiting = self.0.iter().filter(|(_, case)| case.decision.is_none());
        waiting.map(|(study, case)| {
            (study, case.study_id.as_str(), case.title.as_str(), case.since_ms)
        })
    }

    /// Every study the journal knows, waiting or decided: its hash and short name, which is empty
    /// where the officer spoke before the node was asked.
    pub fn studies(&self) -> impl Iterator<Item = (&Digest, &str)> {
        self.0.iter().map(|(study, case)| (study, case.study_id.as_str()))
    }

    /// Notes, once, that a study waits for the officer.
    ///
    /// # Errors
    /// The journal's own.
    pub fn wait(
        &mut self,
        journal: &mut Journal,
        study: &Study,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        if self.0.contains_key(&study.hash()) {
            return Ok(());
        }
        let (study, study_id, title) = (study.hash(), study.id.clone(), study.title.clone());
        self.record(journal, Entry::Waiting { study, study_id, title }, now_ms)
    }

    /// Records what the officer said; the last word counts, and only for rounds not yet judged.
    ///
    /// # Errors
    /// [`DecisionsError::Reason`], or the journal's own.
    pub fn decide(
        &mut self,
        journal: &mut Journal,
        study: Digest,
        decision: Decision,
        now_ms: u64,
    ) -> Result<(), DecisionsError> {
        Ok(self.record(journal, entry_of(study, decision)?, now_ms)?)
    }

    fn record(
        &mut self,
        journal: &mut Journal,
        entry: Entry,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.apply(append(journal, entry, now_ms)?);
        Ok(())
    }
}

fn entry_of(study: Digest, decision: Decision) -> Result<Entry, DecisionsError> {
    match decision {
        Decision::Approved => Ok(Entry::Approved { study }),
        Decision::Refused { reason } => {
            let blank = reason.trim().is_empty();
            if blank || reason.len() > REASON_MAX || reason.contains(char::is_control) {
                return Err(DecisionsError::Reason);
            }
            Ok(Entry::Refused { study, reason })
        }
    }
}

/// Leaves a decision for the running node. A second one about the same study replaces the first.
///
/// # Errors
/// [`DecisionsError::Reason`], or what writing the file gave; then nothing was left.
pub fn leave(folder: &Path, study: Digest, decision: Decision) -> Result<(), DecisionsError> {
    let path = folder.join(format!("{study}.json"));
    let entry = entry_of(study, decision)?;
    let json =
        serde_json::to_vec(&entry).map_err(|_| DecisionsError::File { path: path.clone() })?;
    create_private_dir(folder)?;
    Ok(write_private(&path, &json)?)
}

/// Takes up the decisions that were left: each is durable in the journal before its file goes.
/// Returns how many there were.
///
/// # Errors
/// [`DecisionsError::File`] for something that is no decision; those before it were taken up.
pub fn collect(folder: &Path, journal: &mut Journal, now_ms: u64) -> Result<usize, DecisionsError> {
    let paths = lying(folder)?;
    for path in &paths {
        let (study, decision) = read(path)?;
        journal.append(&entry_of(study, decision)?, now_ms)?;
        fs::remove_file(path).map_err(|error| failed("remove", path, error))?;
    }
    Ok(paths.len())
}

/// The decisions that were left and not taken up yet; they stay.
///
/// # Errors
/// As [`collect`].
pub fn left(folder: &Path) -> Result<BTreeMap<Digest, Decision>, DecisionsError> {
    lying(folder)?.iter().map(|path| read(path)).collect()
}

/// The files of decisions, ascending.
fn lying(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries.take(FILES_MAX) {
                paths.push(entry.map_err(|error| failed("read", folder, error))?.path());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        Err(error) => return Err(failed("read", folder, error)),
    }
    // A name with a dot in front is still being written.
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort_unstable();
    Ok(paths)
}

/// One file: an entry that an officer may write, under the name of its study.
fn read(path: &Path) -> Result<(Digest, Decision), DecisionsError> {
    let bytes = read_limited(path, FILE_MAX)?;
    let entry: Option<Entry> = serde_json::from_slice(&bytes).ok();
    let said = match entry {
        Some(Entry::Approved { study }) => Some((study, Decision::Approved)),
        Some(Entry::Refused { study, reason }) => Some((study, Decision::Refused { reason })),
        _ => None,
    };
    let name = path.file_name().and_then(|name| name.to_str());
    said.filter(|(study, _)| name == Some(format!("{study}.json").as_str()))
        .ok_or_else(|| DecisionsError::File { path: path.to_path_buf() })
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(byte: u8) -> Digest {
        Digest::from([byte; 32])
    }

    fn refused(reason: &str) -> Decision {
        Decision::Refused { reason: reason.to_owned() }
    }

    #[test]
    fn a_decision_that_was_left_is_taken_up_once_and_survives() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("decisions");
        let mut journal = Journal::in_memory();
        assert_eq!(collect(&folder, &mut journal, 1).unwrap(), 0);
        leave(&folder, study(1), Decision::Approved).unwrap();
        leave(&folder, study(2), refused("not this year")).unwrap();
        let lying = [(study(1), Decision::Approved), (study(2), refused("not this year"))];
        assert_eq!(left(&folder).unwrap(), lying.into());
        assert_eq!(collect(&folder, &mut journal, 1).unwrap(), 2);
        assert_eq!(left(&folder).unwrap(), [].into());
        assert_eq!(collect(&folder, &mut journal, 2).unwrap(), 0);
        let decisions = Decisions::from_journal(&journal).unwrap();
        assert_eq!(decisions.about(&study(1)), Some(&Decision::Approved));
        assert_eq!(decisions.about(&study(2)), Some(&refused("not this year")));
        assert_eq!(decisions.about(&study(3)), None);
    }

    #[test]
    fn the_last_word_counts() {
        let mut journal = Journal::in_memory();
        let mut decisions = Decisions::default();
        decisions.decide(&mut journal, study(1), Decision::Approved, 1).unwrap();
        decisions.decide(&mut journal, study(1), refused("changed our mind"), 2).unwrap();
        let again = Decisions::from_journal(&journal).unwrap();
        assert_eq!(again.about(&study(1)), Some(&refused("changed our mind")));
    }

    #[test]
    fn a_reason_is_one_line() {
        let mut journal = Journal::in_memory();
        for bad in ["", "  ", "two\nlines", &"x".repeat(REASON_MAX + 1)] {
            let mut decisions = Decisions::default();
            let error = decisions.decide(&mut journal, study(1), refused(bad), 1).unwrap_err();
            assert_eq!(error.code(), "reason_invalid");
        }
        assert_eq!(journal.head().seq, 0);
    }

    #[test]
    fn a_file_that_is_no_decision_is_refused_and_stays() {
        for (name, text) in [
            (format!("{}.json", study(1)), "{}".to_owned()),
            // An entry, but not one an officer may write.
            (
                format!("{}.json", study(1)),
                format!(r#"{{"kind":"answered","round":"{}","questions":[],"survivors":[]}}"#, 1),
            ),
            (
                format!("{}.json", study(2)),
                format!(r#"{{"kind":"approved","study":"{}"}}"#, study(1)),
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            let mut journal = Journal::in_memory();
            let error = collect(dir.path(), &mut journal, 1).unwrap_err();
            assert_eq!(error.code(), "decision_file");
            assert!(path.exists() && journal.head().seq == 0);
        }
    }
}
