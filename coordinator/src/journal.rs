//! What the hub records, durably, before anything that depends on it leaves the machine.
//!
//! In: one [`Entry`] per event. Out: the hub's whole state as a fold over them (`enrolment.rs`,
//! `round.rs`). Promise: an entry holds ids, names of districts, public keys, certificates and hashes.
//! Never here: token secrets, private keys, shares, seeds, masked or plain values.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::question::Question;
use flashlight_proto::vouch::Vouch;
use flashlight_store::Store;
use serde::{Deserialize, Serialize};

/// The hub's journal.
pub type Journal = Store<Entry>;

/// One event at the hub. Adding a kind is compatible, changing one is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Entry {
    /// The first entry: whose journal this is.
    Initialised {
        /// Signs rosters, studies and releases.
        hub_key: IdentityKey,
        /// SHA-256 of the CA certificate, DER.
        ca: Digest,
    },
    /// A district was invited; an earlier unused invitation of the same district ends.
    Invited {
        /// The id the district will have.
        district: DistrictId,
        /// The name the district will have.
        name: String,
        /// SHA-256 of the token's secret.
        token_hash: Digest,
        /// Milliseconds since 1970; refused from then on.
        expires_ms: u64,
    },
    /// A district enrolled; its token is used up.
    Enrolled {
        /// From the invitation.
        district: DistrictId,
        /// From the invitation.
        name: String,
        /// Signs the district's protocol messages.
        key: IdentityKey,
        /// SHA-256 of `certificate_der`.
        certificate: Digest,
        /// The certificate that was issued, so that a reply that was lost can be given again.
        #[serde(with = "hex_bytes")]
        certificate_der: Vec<u8>,
        /// SHA-256 of the secret of the token that was used.
        token_hash: Digest,
    },
    /// A district was shut out, and any invitation it holds with it.
    Revoked {
        /// Which one.
        district: DistrictId,
        /// Given by the operator, at most 512 bytes.
        reason: String,
    },
    /// A district gave its word for another; passed on with the roster.
    Vouched {
        /// Checked against the roster's keys.
        #[serde(with = "vouch_text")]
        vouch: Vouch,
    },
    /// A round was opened; its districts hear of it after this is durable.
    RoundStarted {
        /// The run, hex.
        run: String,
        /// The round, hex, never used twice.
        round: String,
        /// Of the study, from 1.
        number: u64,
        /// SHA-256 of the study's bytes.
        study: Digest,
        /// What every key, mask and signature of the round is bound to.
        ctx: Digest,
        /// Who was asked.
        cohort: Vec<DistrictId>,
        /// What was asked.
        #[serde(default)]
        questions: Vec<Question>,
        /// t: signatures needed.
        #[serde(default)]
        quorum: u16,
    },
    /// The districts of a round have advertised: how far each one's journal had come.
    Advertised {
        /// The round, hex.
        round: String,
        /// Entries and salted head, by district, ascending.
        ledgers: Vec<(DistrictId, u64, Digest)>,
    },
    /// The districts of a round are about to be told to mask, and pay for it.
    Masking {
        /// The round, hex.
        round: String,
    },
    /// The survivors of a round are about to be told to sign that they are.
    SurvivorsNamed {
        /// The round, hex.
        round: String,
        /// U₃, ascending.
        survivors: Vec<DistrictId>,
    },
    /// A round ended without a release.
    RoundEnded {
        /// The round, hex.
        round: String,
        /// Stable.
        code: String,
        /// For people.
        reason: String,
    },
    /// A release is about to be written. Without a `Published` after it nothing was released, unless
    /// its folder stands under its final name.
    Publishing {
        /// The round, hex.
        round: String,
        /// Under `releases/`.
        folder: String,
        /// SHA-256 of `release.json`.
        release: Digest,
    },
    /// A release folder stands under its final name.
    Published {
        /// The round, hex.
        round: String,
        /// Under `releases/`.
        folder: String,
        /// SHA-256 of `release.json`.
        release: Digest,
    },
}

impl flashlight_store::Entry for Entry {
    fn keys(&self) -> Vec<String> {
        match self {
            Self::Initialised { .. } => vec!["hub".to_owned()],
            Self::Invited { district, token_hash, .. } => {
                vec![format!("district/{district}"), format!("token/{token_hash}")]
            }
            Self::Enrolled { district, certificate, token_hash, .. } => vec![
                format!("district/{district}"),
                format!("certificate/{certificate}"),
                format!("token/{token_hash}"),
            ],
            Self::Revoked { district, .. } => vec![format!("district/{district}")],
            Self::Vouched { vouch } => vec![format!("vouch/{}/{}", vouch.voucher, vouch.district)],
            Self::RoundStarted { run, round, study, .. } => {
                vec![format!("run/{run}"), format!("round/{round}"), format!("study/{study}")]
            }
            Self::Advertised { round, ledgers } => {
                let each = ledgers.iter().map(|(district, ..)| format!("ledger/{district}"));
                std::iter::once(format!("round/{round}")).chain(each).collect()
            }
            Self::SurvivorsNamed { round, survivors } => {
                let each = survivors.iter().map(|district| format!("masked/{district}"));
                std::iter::once(format!("round/{round}")).chain(each).collect()
            }
            Self::Masking { round }
            | Self::RoundEnded { round, .. }
            | Self::Publishing { round, .. }
            | Self::Published { round, .. } => vec![format!("round/{round}")],
        }
    }
}

/// Bytes as hex digits in the journal's JSON.
mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A vouch as its one line of text in the journal's JSON.
mod vouch_text {
    use flashlight_proto::vouch::Vouch;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        vouch: &Vouch,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(vouch)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vouch, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use flashlight_store::Entry as _;

    use super::*;

    fn enrolled() -> Entry {
        Entry::Enrolled {
            district: "0961".parse().unwrap(),
            name: "Fresno Unified".to_owned(),
            key: IdentityKey::from([1; 32]),
            certificate: Digest::of(&[1, 2]),
            certificate_der: vec![1, 2],
            token_hash: Digest::of(b"token"),
        }
    }

    #[test]
    fn an_entry_is_read_back_as_it_was_written() {
        let text = serde_json::to_string(&enrolled()).unwrap();
        assert!(text.starts_with(r#"{"kind":"enrolled","district":"0961","#), "{text}");
        assert!(text.contains(r#""certificate_der":"0102""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), enrolled());
    }

    #[test]
    fn an_enrolment_is_found_by_district_certificate_and_token() {
        let keys = enrolled().keys();
        let digest = Digest::of(&[1, 2]);
        let token = Digest::of(b"token");
        let expected =
            ["district/0961".to_owned(), format!("certificate/{digest}"), format!("token/{token}")];
        assert_eq!(keys, expected);
    }

    #[test]
    fn an_entry_with_an_unknown_field_is_refused() {
        let text = r#"{"kind":"revoked","district":"1","reason":"left","more":1}"#;
        assert!(serde_json::from_str::<Entry>(text).is_err());
    }
}
