//! `budget` and `pending`: what the journal says of money and of studies that wait.

use std::path::{Path, PathBuf};

use flashlight_proto::canonical::Digest;
use flashlight_proto::wire::one_line;
use serde::Serialize;

use super::error::OfficerError;
use super::{STUDY_FILE, Said, entries, policy, shell, study_folder};
use crate::consent::{Decision, Decisions, left};
use crate::gate::DECISIONS_FOLDER;
use crate::ledger::{Ledger, utc};

/// Digits of a study's hash that are shown in commands to copy.
const DIGITS: usize = 16;

/// The books, against the floors of today's policy.
pub(super) fn budget(dir: &Path, json: bool) -> Result<Said, OfficerError> {
    let mut notes = Vec::new();
    let policy = policy(dir, &mut notes)?;
    let budget = Ledger::from_entries(entries(dir)?)?.budget(&policy.floors);
    let text = if json { serde_json::to_string_pretty(&budget)? } else { budget.to_string() };
    Ok(Said { text, notes, refused: false })
}

/// One study that waits.
#[derive(Serialize)]
struct Waiting {
    /// SHA-256 of its bytes.
    study: Digest,
    /// Its short name.
    study_id: String,
    /// One line.
    title: String,
    /// Ms since 1970 UTC, by this machine's clock.
    since_ms: u64,
    /// Where the node keeps it with its school table.
    folder: PathBuf,
    /// What the officer said and the node has not taken up yet: `approved` or `refused`.
    said: Option<&'static str>,
    /// To type next.
    preview: String,
    approve: String,
    refuse: String,
}

impl Waiting {
    fn of(dir: &Path, study: Digest, shown: (&str, &str), since_ms: u64) -> Self {
        let folder = study_folder(dir, &study);
        let at = shell(dir);
        let digits: String = study.to_string().chars().take(DIGITS).collect();
        Self {
            preview: format!(
                "flashlight-node preview {} --dir {at} --data FOLDER",
                shell(&folder.join(STUDY_FILE))
            ),
            approve: format!("flashlight-node approve {digits} --dir {at}"),
            refuse: format!("flashlight-node refuse {digits} --dir {at} --reason \"WHY\""),
            study,
            study_id: one_line(shown.0),
            title: one_line(shown.1),
            since_ms,
            folder,
            said: None,
        }
    }

    fn lines(&self) -> String {
        let Self { study, study_id, title, folder, preview, approve, refuse, .. } = self;
        let lies = if folder.join(STUDY_FILE).is_file() {
            format!("lies with its school table in {}", folder.display())
        } else {
            format!("is not in {} yet; ask the hub for it", folder.display())
        };
        let said = self.said.map_or_else(String::new, |said| {
            format!("  {said}; the node takes that up when it is asked next\n")
        });
        format!(
            "\n{study_id}: {title}\n  study {study}\n  waits since {}\n  {lies}\n{said}  {preview}\n  \
             {approve}\n  {refuse}\n",
            utc(self.since_ms)
        )
    }
}

/// Studies that the policy leaves to the officer, and what to type next.
pub(super) fn pending(dir: &Path, json: bool) -> Result<Said, OfficerError> {
    let decisions = Decisions::from_entries(entries(dir)?)?;
    let left = left(&dir.join(DECISIONS_FOLDER))?;
    let said = |study: &Digest| match left.get(study) {
        Some(Decision::Approved) => Some("approved"),
        Some(Decision::Refused { .. }) => Some("refused"),
        None => None,
    };
    let waiting: Vec<Waiting> = decisions
        .pending()
        .map(|(study, id, title, since_ms)| {
            let waiting = Waiting::of(dir, *study, (id, title), since_ms);
            Waiting { said: said(study), ..waiting }
        })
        .collect();
    if json {
        return Ok(Said { text: serde_json::to_string_pretty(&waiting)?, ..Said::default() });
    }
    let mut text = match waiting.len() {
        0 => "no study waits\n".to_owned(),
        1 => "1 study waits\n".to_owned(),
        count => format!("{count} studies wait\n"),
    };
    text.extend(waiting.iter().map(Waiting::lines));
    Ok(Said { text, ..Said::default() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::consent::leave;
    use crate::journal::{Entry, Journal};

    const STUDY: [u8; 32] = [0xab; 32];

    /// A node's folder whose journal is held open, as by a running node, and knows of one study.
    fn waiting(dir: &Path) -> Journal {
        let mut journal = Journal::open(&dir.join("state")).unwrap();
        let (study, study_id) = (Digest::from(STUDY), "fall-2024".to_owned());
        let title = "Attendance\u{1b}[2J of 2024".to_owned();
        journal.append(&Entry::Waiting { study, study_id, title }, 1_795_450_680_000).unwrap();
        journal
    }

    #[test]
    fn a_study_that_waits_is_shown_with_the_commands_to_type_next() {
        let dir = tempfile::tempdir().unwrap();
        let _running = waiting(dir.path());
        let text = pending(dir.path(), false).unwrap().text;
        assert!(text.starts_with("1 study waits\n\nfall-2024: Attendance [2J of 2024\n"), "{text}");
        assert!(text.contains("waits since 2026-11-23 16:18 UTC"), "{text}");
        assert!(text.contains("yet; ask the hub for it"), "{text}");
        let at = dir.path().display();
        for line in [
            format!("preview {at}/studies/{}/study.toml --dir {at} --data FOLDER", "ab".repeat(32)),
            format!("approve abababababababab --dir {at}"),
            format!("refuse abababababababab --dir {at} --reason \"WHY\""),
        ] {
            assert!(text.contains(&format!("\n  flashlight-node {line}\n")), "{line}\n{text}");
        }
        let folder = study_folder(dir.path(), &Digest::from(STUDY));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(STUDY_FILE), "").unwrap();
        let text = pending(dir.path(), false).unwrap().text;
        assert!(text.contains("lies with its school table in "), "{text}");
    }

    #[test]
    fn a_decision_that_was_left_is_shown_until_the_node_takes_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = waiting(dir.path());
        leave(&dir.path().join(DECISIONS_FOLDER), Digest::from(STUDY), Decision::Approved).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&pending(dir.path(), true).unwrap().text).unwrap();
        assert_eq!(json[0]["said"], "approved");
        assert_eq!(json[0]["study"], "ab".repeat(32));
        crate::consent::collect(&dir.path().join(DECISIONS_FOLDER), &mut journal, 1).unwrap();
        assert_eq!(pending(dir.path(), false).unwrap().text, "no study waits\n");
        assert_eq!(pending(dir.path(), true).unwrap().text, "[]");
    }

    #[test]
    fn the_books_can_be_read_while_the_node_holds_its_journal_and_a_missing_policy_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = waiting(dir.path());
        let said = budget(dir.path(), false).unwrap();
        assert_eq!(said.text, "nothing was ever charged\n");
        assert!(said.notes[0].contains("every study is refused"), "{:?}", said.notes);
        fs::write(dir.path().join("policy.toml"), "[floors]\nmax_rho_year = 0.5\n").unwrap();
        let charged = Entry::Charged {
            round: "01".repeat(16),
            study: Digest::from(STUDY),
            study_id: "fall-2024".to_owned(),
            mode: flashlight_proto::study::Mode::Dp,
            school_year: 2024,
            years: vec![(2024, crate::ledger::Loss::of_charge(0.1).unwrap())],
            questions: vec!["students/2024@2024-06-30".parse().unwrap()],
            cohort: vec!["a".parse().unwrap()],
            survivors_min: 1,
            quorum: 1,
            apart: 4,
            document: None,
            continues: None,
        };
        journal.append(&charged, 1_795_450_680_000).unwrap();
        let said = budget(dir.path(), true).unwrap();
        assert!(said.notes.is_empty(), "{:?}", said.notes);
        let json: serde_json::Value = serde_json::from_str(&said.text).unwrap();
        assert_eq!(json["years"][0]["rho_most"], 0.5);
        assert_eq!(json["years"][0]["rho_spent"], 0.1);
        assert_eq!(json["charges"][0]["state"], "open");
    }

    #[test]
    fn books_with_a_changed_byte_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        drop(waiting(dir.path()));
        let path = dir.path().join("state/journal");
        let text = fs::read_to_string(&path).unwrap().replace("2024", "2025");
        fs::write(&path, text).unwrap();
        assert_eq!(budget(dir.path(), false).unwrap_err().code(), "journal_corrupt");
        assert_eq!(pending(dir.path(), false).unwrap_err().code(), "journal_corrupt");
    }
}
