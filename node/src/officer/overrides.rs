//! `override draft`, `sign` and `show`: the file that goes from officer to officer.

use std::collections::BTreeSet;
use std::path::Path;

use flashlight_proto::identity::{DistrictId, IdentityKey, IdentitySecret};
use flashlight_proto::vouch::log_origin;
use flashlight_store::files::{read_limited, write_private};

use super::error::OfficerError;
use super::{Said, entries, list, policy, shell};
use crate::consent::{Policy, Trust, Witnesses};
use crate::gate::OVERRIDE_FILE;
use crate::journal::last_roster;
use crate::ledger::{Ledger, OVERRIDE_BYTES_MAX, Override, OverrideError, Question};

/// Writes an override that lets `after` answer these questions too.
pub(super) fn draft(
    dir: &Path,
    hub_key: IdentityKey,
    questions: Vec<Question>,
    after: Vec<DistrictId>,
    reason: String,
) -> Result<Said, OfficerError> {
    let ledger = Ledger::from_entries(entries(dir)?)?;
    let mut before: BTreeSet<BTreeSet<DistrictId>> = BTreeSet::new();
    let mut notes = Vec::new();
    for question in &questions {
        let sets = earlier(&ledger, question);
        if sets.is_empty() {
            notes.push(format!("this node signed no set of survivors for {question}"));
        }
        before.extend(sets.into_iter().map(|set| set.into_iter().collect()));
    }
    if before.is_empty() {
        let question = questions.into_iter().next();
        return Err(question
            .map_or(OfficerError::RosterUnseen, |question| OfficerError::Unanswered { question }));
    }
    let after: BTreeSet<DistrictId> = after.into_iter().collect();
    if before.contains(&after) {
        notes.push("that set has answered before; it may run again without an override".to_owned());
    }
    let origin = log_origin(&hub_key);
    let document = Override::new(origin, questions.into_iter().collect(), before, after, reason);
    let text = document.to_text();
    // What the file may not say is refused before it goes round.
    Override::parse(&text)?;
    if let Some(roster) = last_roster(entries(dir)?)? {
        let unknown = document.after().iter().filter(|one| roster.find(one).is_none());
        let unknown: Vec<&DistrictId> = unknown.collect();
        if !unknown.is_empty() {
            notes.push(format!("not in the last roster: {}", list(unknown)));
        }
    }
    notes.push(format!("these have to sign it: {}", list(document.touched())));
    notes.push(format!(
        "keep it in a file, have it signed with `override sign`, then put it into every node's folder \
         as {OVERRIDE_FILE}"
    ));
    Ok(Said { text, notes, refused: false })
}

/// The different sets this node signed for a question.
fn earlier(ledger: &Ledger, question: &Question) -> Vec<Vec<DistrictId>> {
    let of = ledger.answered().filter(|(one, _)| *one == question);
    of.flat_map(|(_, sets)| sets.into_iter().map(<[DistrictId]>::to_vec)).collect()
}

fn read(file: &Path, hub_key: &IdentityKey) -> Result<Override, OfficerError> {
    let shape = |what: String| OverrideError::Shape { what };
    let text = String::from_utf8(read_limited(file, OVERRIDE_BYTES_MAX)?)
        .map_err(|_| shape("it is not UTF-8 text".to_owned()))?;
    let document = Override::parse(&text)?;
    if document.log_origin() != log_origin(hub_key) {
        return Err(shape("it is for another network".to_owned()).into());
    }
    Ok(document)
}

/// Signs in this district's name, unless the file hides a set that this node signed.
pub(super) fn sign(
    dir: &Path,
    file: &Path,
    district: DistrictId,
    secret: &IdentitySecret,
    hub_key: IdentityKey,
) -> Result<Said, OfficerError> {
    let mut document = read(file, &hub_key)?;
    let ledger = Ledger::from_entries(entries(dir)?)?;
    for question in document.questions() {
        if earlier(&ledger, question).iter().any(|set| !document.before().contains(set)) {
            return Err(OverrideError::Before { question: question.clone() }.into());
        }
    }
    document.sign(district.clone(), secret);
    write_private(file, document.to_text().as_bytes())?;
    let mut text = describe(&document);
    text.push_str(&format!("signed as {district}; signatures: {}\n", list(document.names())));
    let shown = format!("flashlight-node override show {} --dir {}", shell(file), shell(dir));
    Ok(Said { text, notes: vec![format!("`{shown}` tells who is missing")], refused: false })
}

/// Who signed, and who is missing.
pub(super) fn show(
    dir: &Path,
    file: &Path,
    district: &DistrictId,
    hub_key: IdentityKey,
) -> Result<Said, OfficerError> {
    let document = read(file, &hub_key)?;
    let mut notes = Vec::new();
    let policy = policy(dir, &mut notes)?;
    let roster = last_roster(entries(dir)?)?.ok_or(OfficerError::RosterUnseen)?;
    let log_origin = &log_origin(&hub_key);
    let trust = policy.trust(Witnesses { district, roster: &roster, vouches: &[], log_origin });
    let (text, complete) = verdict(&document, &policy, &trust);
    notes.push(format!(
        "checked against roster version {}, the last one this node accepted; a district that others \
         only vouch for does not count as trusted here",
        roster.version()
    ));
    Ok(Said { text: describe(&document) + &text, notes, refused: !complete })
}

/// What is signed.
fn describe(document: &Override) -> String {
    let questions: Vec<String> = document.questions().iter().map(Question::to_string).collect();
    let mut text = format!("questions  {}\n", questions.join(", "));
    for set in document.before() {
        text.push_str(&format!("before     {}\n", list(set)));
    }
    text.push_str(&format!("after      {}\n", list(document.after())));
    text.push_str(&format!("reason     {}\n", document.reason()));
    text
}

/// The signatures as this district sees them, and whether they are enough for it.
fn verdict(document: &Override, policy: &Policy, trust: &Trust) -> (String, bool) {
    let (touched, signed) = (document.touched(), document.signed(trust));
    let mut text = String::new();
    for district in &touched {
        let holds = if signed.contains(district) { "signed" } else { "MISSING" };
        text.push_str(&format!("has to sign  {district}: {holds}\n"));
    }
    for district in document.names().filter(|one| !touched.contains(one)) {
        let holds = match (signed.contains(district), trust.counts(district)) {
            (true, true) => "signed",
            (true, false) => "signed, but is not trusted here",
            (false, _) => "the signature does not hold",
        };
        text.push_str(&format!("another      {district}: {holds}\n"));
    }
    let missing: Vec<&DistrictId> = touched.difference(&signed).copied().collect();
    let others = signed.difference(&touched).filter(|one| trust.counts(one)).count();
    let strangers = document.after().iter().filter(|one| !trust.counts(one)).count();
    let floors = &policy.floors;
    // The study's max_colluding may be higher, never lower, for this node to take part.
    let least = usize::from(floors.min_colluding) + strangers;
    let need = usize::from(floors.min_honest) + least;
    let complete = missing.is_empty() && others >= need;
    text.push_str(&format!(
        "others       {others} trusted ones of at least {need}: min_honest {} and max_colluding, at \
         least {least}\n",
        floors.min_honest
    ));
    text.push_str(&match (complete, missing.is_empty()) {
        (true, _) => format!("complete for this district, if max_colluding is {least}\n"),
        (false, true) => "NOT complete: others are missing\n".to_owned(),
        (false, false) => format!("NOT complete: signatures of {} are missing\n", list(missing)),
    });
    (text, complete)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use flashlight_proto::canonical::Digest;
    use flashlight_proto::roster::{Member, MemberState, Roster};
    use tempfile::TempDir;
    use zeroize::Zeroizing;

    use super::*;
    use crate::journal::{Entry, Journal};

    const QUESTION: &str = "students/2024@2024-06-30";

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn hub() -> IdentityKey {
        secret(100).public()
    }

    fn id(district: u8) -> DistrictId {
        format!("d{district}").parse().unwrap()
    }

    fn ids(districts: impl IntoIterator<Item = u8>) -> Vec<DistrictId> {
        districts.into_iter().map(id).collect()
    }

    /// A running node, d1, that signed the set d1 to d5 and trusts d2 to d6.
    struct Office {
        dir: TempDir,
        _running: Journal,
    }

    impl Office {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut running = Journal::open(&dir.path().join("state")).unwrap();
            let members = (1..=6).map(|one| Member {
                district: id(one),
                name: format!("District {one}"),
                key: secret(one).public(),
                certificate: Digest::of(&[one]),
                state: MemberState::Active,
            });
            let roster = Roster::new(6, hub(), members.collect()).unwrap();
            let (version, hash, text) = (6, roster.hash(), roster.to_text());
            running.append(&Entry::RosterSeen { version, hash, text }, 1).unwrap();
            let (round, survivors) = ("01".repeat(16), ids(1..=5));
            let questions = vec![QUESTION.parse().unwrap()];
            running.append(&Entry::Answered { round, questions, survivors }, 2).unwrap();
            let listed: String = (2..=6)
                .map(|one| format!("{} = \"{}\"\n", id(one), secret(one).public()))
                .collect();
            let policy = format!("[trust.districts]\n{listed}[floors]\nmin_honest = 3\n");
            fs::write(dir.path().join("policy.toml"), policy).unwrap();
            Self { dir, _running: running }
        }

        fn draft(&self, question: &str, reason: &str) -> Result<Said, OfficerError> {
            let questions = vec![question.parse().unwrap()];
            draft(self.dir.path(), hub(), questions, ids([6, 1, 2, 3, 4, 5]), reason.to_owned())
        }

        /// A draft in a file.
        fn file(&self) -> PathBuf {
            let path = self.dir.path().join("an override.toml");
            fs::write(&path, self.draft(QUESTION, "d6 came late").unwrap().text).unwrap();
            path
        }

        fn sign(&self, file: &Path, district: u8) -> Result<Said, OfficerError> {
            sign(self.dir.path(), file, id(district), &secret(district), hub())
        }

        fn show(&self, file: &Path) -> Said {
            show(self.dir.path(), file, &id(1), hub()).unwrap()
        }
    }

    fn code(said: Result<Said, OfficerError>) -> &'static str {
        said.map_or_else(|error| error.code(), |_| "done")
    }

    #[test]
    fn a_draft_tells_the_earlier_sets_and_who_has_to_sign() {
        let office = Office::new();
        let said = office.draft(QUESTION, "d6 came late").unwrap();
        assert!(said.text.contains("before = [[\"d1\", \"d2\", \"d3\", \"d4\", \"d5\"]]"));
        assert!(said.text.contains("after = [\"d1\", \"d2\", \"d3\", \"d4\", \"d5\", \"d6\"]"));
        assert!(said.notes.iter().any(|line| line == "these have to sign it: d6"), "{said:?}");
        assert_eq!(code(office.draft("students/2023@2024-06-30", "x")), "override_unanswered");
        assert_eq!(code(office.draft(QUESTION, "two\nlines")), "override_shape");
    }

    #[test]
    fn an_override_is_complete_once_all_whom_it_touches_and_enough_others_signed() {
        let office = Office::new();
        let file = office.file();
        assert!(office.show(&file).refused);
        for district in 2..=5 {
            office.sign(&file, district).unwrap();
        }
        let said = office.show(&file);
        assert!(said.refused && said.text.contains("has to sign  d6: MISSING"), "{}", said.text);
        assert!(said.text.contains("others       4 trusted ones of at least 4"), "{}", said.text);
        office.sign(&file, 6).unwrap();
        let said = office.show(&file);
        assert!(!said.refused && said.text.contains("\ncomplete for this"), "{}", said.text);
    }

    #[test]
    fn a_signature_under_another_key_is_shown_as_one_that_does_not_hold() {
        let office = Office::new();
        let file = office.file();
        sign(office.dir.path(), &file, id(2), &secret(77), hub()).unwrap();
        let said = office.show(&file);
        assert!(
            said.text.contains("another      d2: the signature does not hold"),
            "{}",
            said.text
        );
    }

    #[test]
    fn nobody_signs_what_hides_a_set_that_this_node_signed_or_is_for_another_network() {
        let office = Office::new();
        let file = office.file();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"d4\", \"d5\"]]", "\"d4\"]]")).unwrap();
        assert_eq!(code(office.sign(&file, 1)), "override_before");
        let elsewhere = text.replace(&log_origin(&hub()), &log_origin(&secret(9).public()));
        fs::write(&file, &elsewhere).unwrap();
        assert_eq!(code(office.sign(&file, 1)), "override_shape");
        assert_eq!(fs::read_to_string(&file).unwrap(), elsewhere, "the file was changed");
    }

    #[test]
    fn a_file_that_is_too_long_or_no_override_is_refused() {
        let office = Office::new();
        let file = office.dir.path().join("file");
        fs::write(&file, "x = 1\n").unwrap();
        assert_eq!(code(office.sign(&file, 1)), "override_shape");
        fs::write(&file, [0xff]).unwrap();
        assert_eq!(code(office.sign(&file, 1)), "override_shape");
        fs::write(&file, vec![b' '; (1 << 20) + 1]).unwrap();
        assert_eq!(code(office.sign(&file, 1)), "file_too_large");
    }
}
