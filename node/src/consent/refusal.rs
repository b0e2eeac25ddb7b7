//! Why the policy says no: one code and one sentence each, which says what to change.

use flashlight_proto::canonical::Digest;
use flashlight_proto::category::Indicator;
use flashlight_proto::identity::DistrictId;

use crate::ledger::Loss;

/// Most districts named in one sentence.
const NAMED_MAX: usize = 8;

/// The policy does not agree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No policy, so nothing is allowed.
    #[error(
        "this district has no policy.toml, so everything is refused; copy the sample \
         deploy/samples/policy.toml into the node's folder, write down what may be measured and \
         which districts you trust"
    )]
    Missing,
    /// Something that may not be measured.
    #[error(
        "the study measures {indicator}, which this district has not allowed; add \"{indicator}\" \
         to [allow] indicators in policy.toml to allow it"
    )]
    Indicator {
        /// What.
        indicator: Indicator,
    },
    /// A survey whose unit is a response.
    #[error(
        "the study measures {indicator}, whose unit is a response and not a person: whoever answered \
         twice counts twice, and is protected less; set [allow] anonymous_surveys = true in \
         policy.toml to allow it, or ask the hub to leave it out"
    )]
    AnonymousSurveys {
        /// What.
        indicator: Indicator,
    },
    /// Growth models.
    #[error(
        "the study estimates growth models, which this district has not allowed; set growth = true \
         under [allow] in policy.toml to allow it, or ask the hub to leave [[growth]] out"
    )]
    Growth,
    /// Sums without noise.
    #[error(
        "the study is exact (no noise, no formal privacy guarantee) and this district allows \
         studies with noise only; ask the hub for mode = \"dp\", or set [allow] exact_mode = true \
         in policy.toml"
    )]
    Exact,
    /// A dp study whose loss is no loss.
    #[error("the study does not say a privacy loss between 0 and 1000000; ask the hub to set rho")]
    Rho,
    /// Cells over too few students.
    #[error(
        "the study publishes cells over {asked} students, this district's least is {floor}; ask \
         the hub to raise [suppression] min_n, or lower [floors] min_cell in policy.toml"
    )]
    MinCell {
        /// `suppression.min_n`.
        asked: u32,
        /// `min_cell`.
        floor: u32,
    },
    /// Too much in one round.
    #[error(
        "the study asks for rho {asked} in one round, this district allows {most}; ask the hub for \
         a smaller rho, or raise [floors] max_rho_round in policy.toml"
    )]
    RhoRound {
        /// The study's.
        asked: Loss,
        /// The policy's.
        most: Loss,
    },
    /// More is read than the study says.
    #[error(
        "the round reads school year {year}, which no table of the study declares; ask the hub to \
         list it in the table's years, so that it is charged"
    )]
    Year {
        /// Which.
        year: i16,
    },
    /// The officer has not said yes yet.
    #[error(
        "the study waits for this district's approval; look at it with `node preview`, then run \
         `node approve {study}`"
    )]
    Waiting {
        /// SHA-256 of its bytes.
        study: Digest,
    },
    /// The officer said no.
    #[error("this district's officer refused the study: {reason}")]
    Declined {
        /// In the officer's words.
        reason: String,
    },
    /// n, m, t, c and h contradict each other or the list of districts.
    #[error(
        "the cohort's numbers n, m, t, c and h do not belong together; the hub has to open the \
         round again"
    )]
    Arithmetic,
    /// A party that the roster does not hold.
    #[error(
        "district {district} of the cohort is not active in the roster under that key; ask the hub"
    )]
    NotMember {
        /// Who.
        district: DistrictId,
    },
    /// This node is not in the cohort.
    #[error("the cohort does not hold this district; the hub has to leave it out or put it in")]
    SelfMissing,
    /// m is too small.
    #[error(
        "a sum over as few as {m} districts could be opened, this district's least is {floor}; ask \
         the hub to lower max_dropped or to wait for more districts, or lower [floors] \
         min_survivors in policy.toml"
    )]
    Survivors {
        /// m.
        m: u16,
        /// `min_survivors`.
        floor: u16,
    },
    /// h is too small.
    #[error(
        "as few as {h} honest districts could be left in the sum, this district's least is {floor}; \
         ask the hub to lower max_dropped or to wait for more districts, or lower [floors] \
         min_honest in policy.toml"
    )]
    Honest {
        /// h.
        h: u16,
        /// `min_honest`.
        floor: u16,
    },
    /// c is too small, with a cohort of trusted districts.
    #[error(
        "the study guards against {c} colluding districts, this district's least is {floor}; ask \
         the hub to raise max_colluding to {floor}"
    )]
    Colluding {
        /// c.
        c: u16,
        /// `min_colluding`.
        floor: u16,
    },
    /// Districts that this node does not know fill the cohort.
    #[error(
        "{} of the cohort are neither listed in [trust] districts under the key they use nor \
         vouched for by two districts listed there ({}), and the study guards against {c} colluding \
         districts only; check their keys by phone and list them in policy.toml, ask two trusted \
         districts to run `node vouch`, or ask the hub to raise max_colluding to {}",
        strangers.len(), named(strangers), strangers.len() + usize::from(*colluding)
    )]
    Strangers {
        /// c.
        c: u16,
        /// Whom this node does not trust.
        strangers: Vec<DistrictId>,
        /// `min_colluding`.
        colluding: u16,
    },
}

impl Refusal {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "policy_missing",
            Self::Indicator { .. } => "indicator_not_allowed",
            Self::AnonymousSurveys { .. } => "anonymous_surveys_not_allowed",
            Self::Growth => "growth_not_allowed",
            Self::Exact => "exact_not_allowed",
            Self::Rho => "rho_missing",
            Self::MinCell { .. } => "min_cell",
            Self::RhoRound { .. } => "max_rho_round",
            Self::Year { .. } => "year_undeclared",
            Self::Waiting { .. } => "approval_pending",
            Self::Declined { .. } => "study_declined",
            Self::Arithmetic => "cohort_arithmetic",
            Self::NotMember { .. } => "cohort_stranger",
            Self::SelfMissing => "not_mine",
            Self::Survivors { .. } => "min_survivors",
            Self::Honest { .. } => "min_honest",
            Self::Colluding { .. } => "min_colluding",
            Self::Strangers { .. } => "cohort_untrusted",
        }
    }
}

/// A list of districts for people; long ones are cut.
pub(crate) fn named<'a>(districts: impl IntoIterator<Item = &'a DistrictId>) -> String {
    let all: Vec<&str> = districts.into_iter().map(DistrictId::as_str).collect();
    let more = all.len().saturating_sub(NAMED_MAX);
    let shown = all[..all.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
