//! `policy.toml` -> [`Policy`]. Unknown keys are errors; what is not written is not allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flashlight_proto::category::Indicator;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::study::MIN_HONEST;
use flashlight_store::StoreError;
use flashlight_store::files::read_limited;
use serde::Deserialize;

use crate::ledger::Loss;

/// Largest policy, bytes.
pub const POLICY_BYTES_MAX: u64 = 1 << 20;

/// A district's policy. What it does not name is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What may be asked.
    pub allow: Allow,
    /// Districts whose keys this district has checked itself.
    pub trusted: BTreeMap<DistrictId, IdentityKey>,
    /// What has to be met.
    pub floors: Floors,
    /// There is no policy file.
    missing: bool,
}

/// `[allow]`: what may be asked. Nothing, unless written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// What may be measured.
    pub indicators: BTreeSet<Indicator>,
    /// Whether growth models may be estimated.
    pub growth: bool,
    /// Whether this district's schools may be published by name.
    pub named_schools: bool,
    /// Whether sums without noise may be made.
    pub exact_mode: bool,
    /// Whether a question may be answered by a second set of districts, far enough from the first,
    /// without the officers' override. Several such sets, each signed by other nodes, may together
    /// single out a district of the first: closed unless written.
    pub second_set: bool,
    /// Whether surveys may be asked whose unit is a response and not a student: those of staff and
    /// parents, and answers of students under keys that are no student's. One person may have given
    /// several such responses, which the noise does not cover: closed unless written.
    pub anonymous_surveys: bool,
}

/// `[floors]`: what has to be met. Each has a default, given with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Least m: districts in a sum that may be opened. 9; at least 4.
    pub min_survivors: u16,
    /// Least h = m − c: districts of these that are honest. 8; at least 3.
    pub min_honest: u16,
    /// How many *trusted* districts may collude with the hub, beside all that are not trusted. 1; at
    /// least 1, since any district can subtract its own part from a release.
    pub min_colluding: u16,
    /// Least students a published cell may count, students. 11; at least 3.
    pub min_cell: u32,
    /// Most zCDP loss of one round, ρ. 0.2.
    pub max_rho_round: Loss,
    /// Most zCDP loss of one school year, ρ, over all rounds that ever read it. 1.
    pub max_rho_year: Loss,
    /// Part of `max_rho_year` kept for studies of later school years, ρ: next year's growth reads
    /// this year's scores. 0.
    pub reserve_for_later_years: Loss,
    /// Most rounds per school year that were charged and published nothing. 3; at least 1.
    pub max_failed_rounds: u16,
    /// Least time between two as-of dates of the same question, days. 28; at least 1.
    pub min_days_between: u16,
    /// Who says yes. `manual`.
    pub approval: Approval,
}

/// Who says yes to a study that the policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// The officer, study by study.
    #[default]
    Manual,
    /// Nobody; the policy is enough.
    WithinPolicy,
}

/// A policy that cannot be used. The node then takes part in nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There, but not readable.
    #[error("cannot read the policy")]
    Unreadable(#[source] StoreError),
    /// Not TOML, or not of the policy's shape.
    #[error("{} is not a policy: {what}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, key and what is wrong.
        what: String,
    },
    /// A value that cannot be.
    #[error("{}: {key} {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// As `[floors] min_honest`.
        key: &'static str,
        /// What is wrong, and what it must be.
        what: String,
    },
}

impl PolicyError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "policy_unreadable",
            Self::Shape { .. } => "policy_shape",
            Self::Value { .. } => "policy_value",
        }
    }
}

impl Policy {
    /// The policy of a district that has written none: everything is refused.
    #[must_use]
    pub fn missing() -> Self {
        let (allow, trusted, floors) = (Allow::default(), BTreeMap::new(), Floors::default());
        Self { allow, trusted, floors, missing: true }
    }

    /// Whether there is no policy file.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        self.missing
    }

    /// Reads the policy; a file that is not there allows nothing.
    ///
    /// # Errors
    /// [`PolicyError`] when it is there and cannot be used.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        match read_limited(path, POLICY_BYTES_MAX) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| PolicyError::Shape {
                    path: path.to_path_buf(),
                    what: "it is not UTF-8 text".to_owned(),
                })?;
                Self::parse(&text, path)
            }
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::missing())
            }
            Err(error) => Err(PolicyError::Unreadable(error)),
        }
    }

    /// Reads the text of a policy. `path`: named in errors.
    ///
    /// # Errors
    /// [`PolicyError::Shape`] for unknown keys and wrong types, [`PolicyError::Value`] for values that
    /// cannot be.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        let raw: RawPolicy = toml::from_str(text).map_err(|error| PolicyError::Shape {
            path: path.to_path_buf(),
            what: error.to_string(),
        })?;
        let value = |key, what: String| PolicyError::Value { path: path.to_path_buf(), key, what };
        let allow = Allow {
            indicators: raw.allow.indicators.into_iter().collect(),
            growth: raw.allow.growth,
            named_schools: raw.allow.named_schools,
            exact_mode: raw.allow.exact_mode,
            second_set: raw.allow.second_set,
            anonymous_surveys: raw.allow.anonymous_surveys,
        };
        let mut keys = BTreeSet::new();
        if let Some(twice) = raw.trust.districts.values().find(|key| !keys.insert(**key)) {
            let what = format!("lists {twice} under two ids; each district has a key of its own");
            return Err(value("[trust] districts", what));
        }
        let floors = raw.floors.check().map_err(|(key, what)| value(key, what))?;
        Ok(Self { allow, trusted: raw.trust.districts, floors, missing: false })
    }
}

impl Default for Floors {
    fn default() -> Self {
        let rho = |rho| Loss::of_limit(rho).unwrap_or_default();
        Self {
            min_survivors: 9,
            min_honest: 8,
            min_colluding: 1,
            min_cell: 11,
            max_rho_round: rho(0.2),
            max_rho_year: rho(1.0),
            reserve_for_later_years: Loss::ZERO,
            max_failed_rounds: 3,
            min_days_between: 28,
            approval: Approval::Manual,
        }
    }
}

/// The shape of a policy, as serde reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    #[serde(default)]
    allow: RawAllow,
    #[serde(default)]
    trust: RawTrust,
    #[serde(default)]
    floors: RawFloors,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawAllow {
    indicators: Vec<Indicator>,
    growth: bool,
    named_schools: bool,
    exact_mode: bool,
    second_set: bool,
    anonymous_surveys: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawTrust {
    districts: BTreeMap<DistrictId, IdentityKey>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFloors {
    min_survivors: Option<u16>,
    min_honest: Option<u16>,
    min_colluding: Option<u16>,
    min_cell: Option<u32>,
    max_rho_round: Option<f64>,
    max_rho_year: Option<f64>,
    reserve_for_later_years: Option<f64>,
    max_failed_rounds: Option<u16>,
    min_days_between: Option<u16>,
    approval: Approval,
}

/// A key and what is wrong with its value.
type Wrong = (&'static str, String);

impl RawFloors {
    fn check(self) -> Result<Floors, Wrong> {
        let base = Floors::default();
        let floors = Floors {
            min_survivors: self.min_survivors.unwrap_or(base.min_survivors),
            min_honest: self.min_honest.unwrap_or(base.min_honest),
            min_colluding: self.min_colluding.unwrap_or(base.min_colluding),
            min_cell: self.min_cell.unwrap_or(base.min_cell),
            max_rho_round: limit("[floors] max_rho_round", self.max_rho_round)?
                .unwrap_or(base.max_rho_round),
            max_rho_year: limit("[floors] max_rho_year", self.max_rho_year)?
                .unwrap_or(base.max_rho_year),
            reserve_for_later_years: limit(
                "[floors] reserve_for_later_years",
                self.reserve_for_later_years,
            )?
            .unwrap_or(base.reserve_for_later_years),
            max_failed_rounds: self.max_failed_rounds.unwrap_or(base.max_failed_rounds),
            min_days_between: self.min_days_between.unwrap_or(base.min_days_between),
            approval: self.approval,
        };
        let least = |key, found: u32, least: u32| {
            if found < least {
                return Err((key, format!("is {found}, must be at least {least}")));
            }
            Ok(())
        };
        least("[floors] min_survivors", floors.min_survivors.into(), u32::from(MIN_HONEST) + 1)?;
        least("[floors] min_honest", floors.min_honest.into(), MIN_HONEST.into())?;
        least("[floors] min_colluding", floors.min_colluding.into(), 1)?;
        least("[floors] min_cell", floors.min_cell, 3)?;
        least("[floors] max_failed_rounds", floors.max_failed_rounds.into(), 1)?;
        least("[floors] min_days_between", floors.min_days_between.into(), 1)?;
        let (year, reserve) = (floors.max_rho_year, floors.reserve_for_later_years);
        if reserve > year {
            let what = format!("is {reserve}, more than the whole max_rho_year = {year}");
            return Err(("[floors] reserve_for_later_years", what));
        }
        Ok(floors)
    }
}

fn limit(key: &'static str, rho: Option<f64>) -> Result<Option<Loss>, Wrong> {
    let checked = |rho| {
        Loss::of_limit(rho).ok_or_else(|| (key, "must be a number from 0 to 1000000".to_owned()))
    };
    rho.map(checked).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        Policy::parse(text, Path::new("policy.toml"))
    }

    #[test]
    fn an_empty_policy_allows_nothing_and_keeps_every_floor() {
        let policy = parse("").unwrap();
        assert_eq!(policy.allow, Allow::default());
        assert!(policy.trusted.is_empty() && !policy.is_missing());
        assert_eq!(policy.floors, Floors::default());
    }

    #[test]
    fn every_indicator_of_the_catalogue_can_be_allowed_by_name() {
        let names: Vec<_> =
            Indicator::ALL.iter().map(|one| format!("{:?}", one.as_str())).collect();
        let policy = parse(&format!("[allow]\nindicators = [{}]\n", names.join(", "))).unwrap();
        assert_eq!(policy.allow.indicators.len(), Indicator::ALL.len());
        assert!(!policy.allow.anonymous_surveys, "allowed by its own line alone");
        let policy = parse("[allow]\nanonymous_surveys = true\n").unwrap();
        assert!(policy.allow.anonymous_surveys);
    }

    #[test]
    fn a_policy_that_is_not_there_is_missing_and_not_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let policy = Policy::load(&dir.path().join("policy.toml")).unwrap();
        assert!(policy.is_missing());
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_an_error_and_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Policy::load(dir.path()).unwrap_err().code(), "policy_unreadable");
        let path = dir.path().join("policy.toml");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(Policy::load(&path).unwrap_err().code(), "policy_shape");
    }

    #[test]
    fn unknown_keys_and_spellings_are_refused() {
        for bad in [
            "[alow]\n",
            "[allow]\nindicator = []\n",
            "[allow]\nindicators = [\"math_median\"]\n",
            "[floors]\nmin_survivor = 9\n",
            "[floors]\napproval = \"always\"\n",
            "[trust]\ndistricts = { \"0961\" = \"rsa:00\" }\n",
            "[floors]\nmin_honest = -1\n",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "policy_shape", "{bad}");
        }
    }

    #[test]
    fn floors_that_protect_nobody_are_refused() {
        for bad in [
            "min_survivors = 3",
            "min_honest = 2",
            "min_colluding = 0",
            "min_cell = 2",
            "max_failed_rounds = 0",
            "min_days_between = 0",
            "max_rho_year = -1.0",
            "max_rho_round = inf",
            "max_rho_round = nan",
            "reserve_for_later_years = 1.1",
        ] {
            let error = parse(&format!("[floors]\n{bad}\n")).unwrap_err();
            assert_eq!(error.code(), "policy_value", "{bad}");
            assert!(error.to_string().contains(bad.split(' ').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn one_key_under_two_ids_is_refused() {
        let key = format!("ed25519:{}", "ab".repeat(32));
        let text = format!("[trust]\ndistricts = {{ \"a\" = \"{key}\", \"b\" = \"{key}\" }}\n");
        assert_eq!(parse(&text).unwrap_err().code(), "policy_value");
    }
}
