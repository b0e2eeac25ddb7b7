//! The officers' override: a further set of survivors for a question, agreed to by everybody whom a
//! subtraction would lay open, and by enough others who know of it.
//!
//! In: a TOML file that goes from officer to officer. Out: a yes or a no. It needs valid signatures
//! of every district that is in one of the sets and not in the other, and of at least `min_honest` + c
//! districts beside them that this node trusts. What is signed is the transcript
//! `flashlight/override/v1` of the log's origin, the questions, every earlier set, the new one and
//! the reason.

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::canonical::{Digest, Transcript};
use flashlight_proto::identity::{DistrictId, IdentitySecret, Signature};
use serde::Deserialize;

use super::Question;
use crate::consent::{Trust, named};

/// Largest override, bytes.
pub const OVERRIDE_BYTES_MAX: u64 = 1 << 20;

/// Longest reason or origin, bytes.
const LINE_MAX: usize = 500;

/// Why an override lets nothing in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverrideError {
    /// Not TOML, or not of its shape.
    #[error("it cannot be read: {what}")]
    Shape {
        /// Line, key and what is wrong.
        what: String,
    },
    /// It is about something else.
    #[error("it does not name {question}")]
    Question {
        /// Asked by the round.
        question: Question,
    },
    /// The officers did not see every earlier set.
    #[error("it leaves out a set of districts that answered {question} before")]
    Before {
        /// Answered before.
        question: Question,
    },
    /// The round has other districts.
    #[error("the round's districts are not the ones it names")]
    After,
    /// Signatures of districts that a subtraction would lay open.
    #[error("valid signatures of {} are missing", named(missing))]
    Touched {
        /// Who has to sign.
        missing: Vec<DistrictId>,
    },
    /// Signatures of others.
    #[error("{found} other trusted districts signed it, {need} are needed")]
    Others {
        /// Valid ones.
        found: usize,
        /// `min_honest` + c.
        need: usize,
    },
}

impl OverrideError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "override_shape",
            Self::Question { .. } => "override_question",
            Self::Before { .. } => "override_before",
            Self::After => "override_after",
            Self::Touched { .. } => "override_touched",
            Self::Others { .. } => "override_others",
        }
    }
}

/// What the officers agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    log_origin: String,
    questions: BTreeSet<Question>,
    before: BTreeSet<Vec<DistrictId>>,
    after: Vec<DistrictId>,
    reason: String,
    signatures: BTreeMap<DistrictId, Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    log_origin: String,
    questions: BTreeSet<Question>,
    before: Vec<BTreeSet<DistrictId>>,
    after: BTreeSet<DistrictId>,
    reason: String,
    #[serde(default)]
    signatures: BTreeMap<DistrictId, String>,
}

impl Override {
    /// An override nobody has signed yet.
    #[must_use]
    pub fn new(
        log_origin: String,
        questions: BTreeSet<Question>,
        before: impl IntoIterator<Item = BTreeSet<DistrictId>>,
        after: BTreeSet<DistrictId>,
        reason: String,
    ) -> Self {
        let before = before.into_iter().map(|set| set.into_iter().collect()).collect();
        let (after, signatures) = (after.into_iter().collect(), BTreeMap::new());
        Self { log_origin, questions, before, after, reason, signatures }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`OverrideError::Shape`].
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        let shape = |what: String| OverrideError::Shape { what };
        let raw: Raw = toml::from_str(text).map_err(|error| shape(error.to_string()))?;
        let line = |text: &str| text.len() <= LINE_MAX && !text.contains(char::is_control);
        if !line(&raw.reason) || !line(&raw.log_origin) {
            return Err(shape(format!("reason and log_origin are one line of {LINE_MAX} bytes")));
        }
        let mut document =
            Self::new(raw.log_origin, raw.questions, raw.before, raw.after, raw.reason);
        for (district, digits) in raw.signatures {
            let mut bytes = [0; 64];
            let signature = hex::decode_to_slice(&digits, &mut bytes).ok();
            let signature = signature.and_then(|()| Signature::try_from(&bytes[..]).ok());
            let wrong = || shape(format!("the signature of {district} is not 128 hex digits"));
            let signature = signature.ok_or_else(wrong)?;
            document.signatures.insert(district, signature);
        }
        Ok(document)
    }

    /// The file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let list = |ids: &[DistrictId]| {
            let ids: Vec<String> = ids.iter().map(|id| quoted(id.as_str())).collect();
            format!("[{}]", ids.join(", "))
        };
        let questions: Vec<String> =
            self.questions.iter().map(|question| quoted(&question.to_string())).collect();
        let before: Vec<String> = self.before.iter().map(|set| list(set)).collect();
        let mut text = format!(
            "log_origin = {}\nquestions = [{}]\nbefore = [{}]\nafter = {}\nreason = {}\n\n\
             [signatures]\n",
            quoted(&self.log_origin),
            questions.join(", "),
            before.join(", "),
            list(&self.after),
            quoted(&self.reason)
        );
        for (district, signature) in &self.signatures {
            let line = format!("\"{district}\" = \"{}\"\n", hex::encode(signature.as_bytes()));
            text.push_str(&line);
        }
        text
    }

    /// What is signed, and what names the override in the journal.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let questions: Vec<String> = self.questions.iter().map(Question::to_string).collect();
        let start = Transcript::new("flashlight/override/v1")
            .bytes(self.log_origin.as_bytes())
            .list(questions.iter())
            .u64(self.before.len() as u64);
        let sets = self.before.iter().fold(start, |transcript, set| transcript.list(set.iter()));
        sets.list(self.after.iter()).bytes(self.reason.as_bytes()).finish()
    }

    /// Names the network it is for.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        &self.log_origin
    }

    /// What it is about.
    #[must_use]
    pub const fn questions(&self) -> &BTreeSet<Question> {
        &self.questions
    }

    /// The earlier sets the officers saw, each ascending.
    #[must_use]
    pub const fn before(&self) -> &BTreeSet<Vec<DistrictId>> {
        &self.before
    }

    /// The set to be let in, ascending.
    #[must_use]
    pub fn after(&self) -> &[DistrictId] {
        &self.after
    }

    /// The officers' reason: one line.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whose name stands under it, with a signature that may be anything.
    pub fn names(&self) -> impl Iterator<Item = &DistrictId> {
        self.signatures.keys()
    }

    /// Who has to sign: whoever is in one of the sets and not in the other. Every set the officers saw
    /// counts, also one this node did not sign.
    #[must_use]
    pub fn touched(&self) -> BTreeSet<&DistrictId> {
        let after: BTreeSet<&DistrictId> = self.after.iter().collect();
        let mut touched = BTreeSet::new();
        for set in &self.before {
            touched.extend(after.symmetric_difference(&set.iter().collect()));
        }
        touched
    }

    /// Whose signature holds, under the key this node believes.
    #[must_use]
    pub fn signed(&self, trust: &Trust) -> BTreeSet<&DistrictId> {
        let digest = self.digest();
        let holds = |district: &DistrictId, signature: &Signature| {
            trust.key(district).is_some_and(|key| key.verify(&digest, signature).is_ok())
        };
        let signatures = self.signatures.iter();
        signatures.filter(|(district, by)| holds(district, by)).map(|(id, _)| id).collect()
    }

    /// Adds one district's signature.
    pub fn sign(&mut self, district: DistrictId, secret: &IdentitySecret) {
        let signature = secret.sign(&self.digest());
        self.signatures.insert(district, signature);
    }

    /// Whether it lets in a round with this cohort.
    ///
    /// `answered`: each question that another set has answered, with all those sets. `need`: least
    /// number of other signers.
    pub(super) fn check(
        &self,
        answered: &[(&Question, Vec<&[DistrictId]>)],
        cohort: &[DistrictId],
        trust: &Trust,
        need: usize,
    ) -> Result<(), OverrideError> {
        if self.log_origin != trust.log_origin() {
            return Err(OverrideError::Shape { what: "it is for another network".to_owned() });
        }
        if self.after != cohort {
            return Err(OverrideError::After);
        }
        for (question, sets) in answered {
            let question = *question;
            if !self.questions.contains(question) {
                return Err(OverrideError::Question { question: question.clone() });
            }
            for set in sets {
                if !self.before.contains(*set) {
                    return Err(OverrideError::Before { question: question.clone() });
                }
            }
        }
        let (touched, signed) = (self.touched(), self.signed(trust));
        let missing: Vec<DistrictId> =
            touched.difference(&signed).map(|district| (*district).clone()).collect();
        if !missing.is_empty() {
            return Err(OverrideError::Touched { missing });
        }
        let found = signed.difference(&touched).filter(|district| trust.counts(district)).count();
        if found < need {
            return Err(OverrideError::Others { found, need });
        }
        Ok(())
    }
}

/// A TOML string. Control characters were refused, so two characters need care.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
