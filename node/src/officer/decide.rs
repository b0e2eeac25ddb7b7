//! `approve` and `refuse`: the officer's word, left where the node takes it up.

use std::collections::BTreeSet;
use std::path::Path;

use flashlight_proto::canonical::Digest;
use flashlight_proto::study::Study;
use flashlight_proto::wire::STUDY_MAX;
use flashlight_store::files::read_limited;

use super::error::OfficerError;
use super::{STUDY_FILE, Said, entries, policy, study_folder};
use crate::consent::{Decision, Decisions, leave, left};
use crate::gate::DECISIONS_FOLDER;

/// Fewest digits that may stand for a study.
const DIGITS_MIN: usize = 8;

/// Digits of a whole hash.
const DIGITS: usize = 64;

/// What was meant: the study's hash, and the study itself when it lies on this machine.
#[derive(Debug)]
struct Meant {
    hash: Digest,
    study: Option<Study>,
    /// Whether this node was asked about it before.
    known: bool,
}

/// Says yes.
pub(super) fn approve(dir: &Path, text: &str) -> Result<Said, OfficerError> {
    let Meant { hash, study, known } = meant(dir, text)?;
    let mut notes = Vec::new();
    let policy = policy(dir, &mut notes)?;
    leave(&dir.join(DECISIONS_FOLDER), hash, Decision::Approved)?;
    if let Some(study) = &study
        && let Err(refusal) = policy.judge_study(study, Some(&Decision::Approved))
    {
        notes.push(format!(
            "the study is refused all the same until policy.toml allows it: {refusal} ({})",
            refusal.code()
        ));
    }
    notes.push(next(known));
    Ok(Said { text: format!("approved {}", shown(hash, study.as_ref())), notes, refused: false })
}

/// Says no.
pub(super) fn refuse(dir: &Path, text: &str, reason: String) -> Result<Said, OfficerError> {
    let Meant { hash, study, known } = meant(dir, text)?;
    leave(&dir.join(DECISIONS_FOLDER), hash, Decision::Refused { reason })?;
    let notes = vec![
        next(known),
        "a round that this district has masked in is not stopped by it".to_owned(),
    ];
    Ok(Said { text: format!("refused {}", shown(hash, study.as_ref())), notes, refused: false })
}

fn next(known: bool) -> String {
    if known {
        "nothing is sent now; the node answers so when the hub runs the study next".to_owned()
    } else {
        "this node was not asked about that study yet; it answers so when the hub runs it"
            .to_owned()
    }
}

fn shown(hash: Digest, study: Option<&Study>) -> String {
    study.map_or_else(
        || hash.to_string(),
        |study| format!("{hash}\n  {}: {}", study.id, study.title),
    )
}

/// Finds the study: digits stand for a hash, anything else for a file.
fn meant(dir: &Path, text: &str) -> Result<Meant, OfficerError> {
    let decisions = Decisions::from_entries(entries(dir)?)?;
    let mut known: BTreeSet<Digest> = decisions.studies().map(|(study, _)| *study).collect();
    let is_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digits || !(DIGITS_MIN..=DIGITS).contains(&text.len()) {
        let path = Path::new(text);
        if !path.is_file() {
            return Err(OfficerError::StudyUnknown { text: text.to_owned() });
        }
        let study = read(path)?;
        let hash = study.hash();
        return Ok(Meant { hash, study: Some(study), known: known.contains(&hash) });
    }
    let asked = known.clone();
    known.extend(left(&dir.join(DECISIONS_FOLDER))?.into_keys());
    let digits = text.to_ascii_lowercase();
    let whole = digits.parse::<Digest>().ok();
    let hash = match whole {
        Some(hash) => hash,
        None => {
            let mut begin = known.iter().filter(|one| one.to_string().starts_with(&digits));
            let first = begin.next();
            let hash =
                *first.ok_or_else(|| OfficerError::StudyUnknown { text: text.to_owned() })?;
            let count = 1 + begin.count();
            if count > 1 {
                return Err(OfficerError::StudyAmbiguous { text: text.to_owned(), count });
            }
            hash
        }
    };
    let path = study_folder(dir, &hash).join(STUDY_FILE);
    let study = if path.is_file() { Some(read(&path)?) } else { None };
    // A file that is not the study it lies under tells nothing.
    let study = study.filter(|study| study.hash() == hash);
    Ok(Meant { hash, study, known: asked.contains(&hash) })
}

fn read(path: &Path) -> Result<Study, OfficerError> {
    let bytes = read_limited(path, STUDY_MAX as u64)?;
    Study::parse(&bytes).map_err(|source| OfficerError::Study { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::consent::collect;
    use crate::journal::{Entry, Journal};

    const SAMPLE: &str = include_str!("../../../deploy/samples/study.toml");

    fn hash(first: u8, last: u8) -> Digest {
        let mut bytes = [0xab; 32];
        (bytes[4], bytes[31]) = (first, last);
        Digest::from(bytes)
    }

    /// A running node's folder that was asked about these.
    fn asked(dir: &Path, studies: &[Digest]) -> Journal {
        let mut journal = Journal::open(&dir.join("state")).unwrap();
        for study in studies {
            let (study_id, title) = ("one".to_owned(), "A study".to_owned());
            journal.append(&Entry::Waiting { study: *study, study_id, title }, 1).unwrap();
        }
        journal
    }

    fn code(said: Result<Said, OfficerError>) -> &'static str {
        said.map_or_else(|error| error.code(), |_| "done")
    }

    #[test]
    fn what_the_officer_types_is_what_the_running_node_takes_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = asked(dir.path(), &[hash(1, 1), hash(2, 2)]);
        let said = approve(dir.path(), "ABABABAB01").unwrap();
        assert_eq!(said.text, format!("approved {}", hash(1, 1)));
        refuse(dir.path(), &hash(2, 2).to_string(), "not this year".to_owned()).unwrap();
        collect(&dir.path().join(DECISIONS_FOLDER), &mut journal, 2).unwrap();
        let decisions = Decisions::from_journal(&journal).unwrap();
        assert_eq!(decisions.about(&hash(1, 1)), Some(&Decision::Approved));
        let reason = "not this year".to_owned();
        assert_eq!(decisions.about(&hash(2, 2)), Some(&Decision::Refused { reason }));
    }

    #[test]
    fn digits_that_are_too_few_unknown_or_ambiguous_decide_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _running = asked(dir.path(), &[hash(1, 1), hash(1, 2)]);
        for (text, refused) in [
            ("ababab0", "study_not_asked"),
            ("cdcdcdcdcd", "study_not_asked"),
            ("abababab", "study_ambiguous"),
            ("abababab01", "study_ambiguous"),
            ("nowhere/study.toml", "study_not_asked"),
            ("", "study_not_asked"),
        ] {
            assert_eq!(code(approve(dir.path(), text)), refused, "{text:?}");
        }
        assert!(!dir.path().join(DECISIONS_FOLDER).exists());
    }

    #[test]
    fn a_study_can_be_approved_by_its_file_before_the_node_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("study.toml");
        fs::write(&path, SAMPLE).unwrap();
        let study = Study::parse(SAMPLE.as_bytes()).unwrap();
        let said = approve(dir.path(), path.to_str().unwrap()).unwrap();
        assert!(said.text.starts_with(&format!("approved {}\n  {}: ", study.hash(), study.id)));
        // No policy: the yes alone lets nothing in, and the officer hears so.
        assert!(
            said.notes.iter().any(|line| line.contains("(policy_missing)")),
            "{:?}",
            said.notes
        );
        assert!(said.notes.iter().any(|line| line.contains("was not asked")), "{:?}", said.notes);
        let left = left(&dir.path().join(DECISIONS_FOLDER)).unwrap();
        assert_eq!(left.get(&study.hash()), Some(&Decision::Approved));
        // What was left can be taken back by its first digits.
        let digits: String = study.hash().to_string().chars().take(8).collect();
        assert_eq!(code(refuse(dir.path(), &digits, "no".to_owned())), "done");
    }

    #[test]
    fn a_file_that_is_no_study_and_a_reason_of_two_lines_decide_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _running = asked(dir.path(), &[hash(1, 1)]);
        let path = dir.path().join("study.toml");
        fs::write(&path, "[study]\n").unwrap();
        assert!(code(approve(dir.path(), path.to_str().unwrap())).starts_with("study_"));
        let refused = refuse(dir.path(), "abababab01", "two\nlines".to_owned());
        assert_eq!(code(refused), "reason_invalid");
        assert!(!dir.path().join(DECISIONS_FOLDER).exists());
    }
}
