//! Why the books say no: one code and one sentence each, which says what to change.

use flashlight_proto::identity::DistrictId;
use flashlight_proto::secagg::RoundId;
use flashlight_proto::study::Date;
use flashlight_store::StoreError;

use super::{Loss, OverrideError, Question};
use crate::consent::named;

/// The ledger does not let a round, or a set of survivors, pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The year's budget would be passed.
    #[error(
        "the study asks for rho {asked}, only {left} of {most} is left for school year {year}; \
         `node budget` lists what was spent and by which study; ask the hub for a smaller rho, or \
         raise [floors] max_rho_year in policy.toml"
    )]
    Budget {
        /// School year.
        year: i16,
        /// For this round.
        asked: Loss,
        /// Before it.
        left: Loss,
        /// `max_rho_year`.
        most: Loss,
    },
    /// What is left is kept for later years.
    #[error(
        "the study asks for rho {asked}, only {left} is left for school year {year} while {reserve} \
         is kept for later years' studies; ask the hub for a smaller rho, or lower [floors] \
         reserve_for_later_years in policy.toml"
    )]
    Reserve {
        /// School year.
        year: i16,
        /// For this round.
        asked: Loss,
        /// Before it.
        left: Loss,
        /// `reserve_for_later_years`.
        reserve: Loss,
    },
    /// Too many rounds were paid for in vain.
    #[error(
        "{failed} charged rounds of school year {year} published nothing, this district's most is \
         {most}; ask the hub why (`node budget` lists them), then raise [floors] max_failed_rounds \
         in policy.toml"
    )]
    Failed {
        /// School year.
        year: i16,
        /// So far.
        failed: usize,
        /// `max_failed_rounds`.
        most: usize,
    },
    /// One masked vector per round.
    #[error("the round was charged before; the hub has to open a new one")]
    ChargedTwice,
    /// A survivor set for a round this node did not mask in.
    #[error("the round was never charged, so there is nothing to confirm; the hub is out of step")]
    NotCharged,
    /// A date too close to the last one, or before it.
    #[error(
        "{question} comes too soon: the same was asked as of {last}, and this district lets {days} \
         days pass between two as-of dates; ask the hub to use {last} again or a later date, or \
         lower [floors] min_days_between in policy.toml"
    )]
    TooSoon {
        /// The new question.
        question: Question,
        /// The as-of date of the last one.
        last: Date,
        /// `min_days_between`.
        days: u16,
    },
    /// A retry whose signatures could be gathered for two different sets.
    #[error(
        "{question} was tried before with another cohort and may have been answered; a retry needs \
         {need} signatures, this round is content with {t}; ask the hub to raise the quorum, or to \
         lower max_dropped so that it can"
    )]
    Quorum {
        /// What was tried.
        question: Question,
        /// t of the round.
        t: u16,
        /// Least t.
        need: u16,
    },
    /// The question was answered, and somebody of the answer is missing.
    #[error(
        "{question} was answered by a set of districts of which {} missing now; the round waits \
         until they are back, so that no district's part can be worked out by subtraction",
        are(missing)
    )]
    Missing {
        /// What was answered.
        question: Question,
        /// Who has to come back.
        missing: Vec<DistrictId>,
    },
    /// The question was answered, and somebody came late.
    #[error(
        "{question} was answered without {}; a district that came late waits for the next as-of \
         date, so that its part cannot be worked out by subtraction",
        named(late)
    )]
    Late {
        /// What was answered.
        question: Question,
        /// Who has to wait.
        late: Vec<DistrictId>,
    },
    /// Later rounds may lose nobody.
    #[error(
        "{question} was answered by exactly these districts; a later round on it may lose nobody: \
         ask the hub to set max_dropped = 0"
    )]
    Dropouts {
        /// What was answered.
        question: Question,
    },
    /// Two sets are the most.
    #[error(
        "{question} was answered by two sets of districts already; a further one needs an override \
         signed by the officers of every district it differs in"
    )]
    ThirdSet {
        /// What was answered.
        question: Question,
    },
    /// The sets overlap too closely.
    #[error(
        "{question} was answered by a set of districts that differs from this one by {} and by {}: \
         {}; run with the earlier set, or with an override signed by the officers of every district \
         that differs",
        districts(*without), districts(*beyond), room(*apart)
    )]
    Close {
        /// What was answered.
        question: Question,
        /// In the earlier set only.
        without: usize,
        /// In this one only.
        beyond: usize,
        /// `min_honest` + c.
        apart: u16,
    },
    /// Not the set the round was let in for, or not of its roster.
    #[error(
        "the survivors the hub names are not a set this round may end with; the hub has to open \
         the round again"
    )]
    Survivors,
    /// An override that does not hold.
    #[error("the officers' override does not let this round in: {0}")]
    Override(OverrideError),
    /// The hub's log knows more of this node than the node does.
    #[error(
        "the hub's log shows entry {logged} of this node's journal, the journal ends at {own}: it \
         was rolled back or replaced by an older copy; restore the newest one before taking part"
    )]
    Behind {
        /// Entries, by the log.
        logged: u64,
        /// Entries, in the journal.
        own: u64,
    },
    /// A vector of this node is in a sum, and its books do not know.
    #[error(
        "the hub's log shows this node's vector in round {round}, which the journal never charged: \
         it was rolled back or replaced by an older copy; restore the newest one before taking part"
    )]
    Uncharged {
        /// Which.
        round: RoundId,
    },
    /// The second round of growth models before the first.
    #[error(
        "the hub opened the second round of growth models without a first one of this study that is \
         under way here with exactly these districts; the hub has to run the study again"
    )]
    Order,
    /// The same length, another history.
    #[error(
        "entry {logged} of this node's journal is not the one in the hub's log: another copy of \
         this node is or was running, or the journal was replaced; find out before taking part"
    )]
    Forked {
        /// Entries, by the log.
        logged: u64,
    },
    /// The journal cannot be read or written.
    #[error("the node's journal cannot be used: {0}")]
    Journal(#[from] StoreError),
}

impl Refusal {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Budget { .. } => "max_rho_year",
            Self::Reserve { .. } => "reserve_for_later_years",
            Self::Failed { .. } => "max_failed_rounds",
            Self::ChargedTwice => "charged_twice",
            Self::NotCharged => "not_charged",
            Self::TooSoon { .. } => "min_days_between",
            Self::Quorum { .. } => "retry_quorum",
            Self::Missing { .. } => "survivors_missing",
            Self::Late { .. } => "district_late",
            Self::Dropouts { .. } => "later_round_dropouts",
            Self::ThirdSet { .. } => "third_set",
            Self::Close { .. } => "second_set",
            Self::Survivors => "survivors_wrong",
            Self::Override(source) => source.code(),
            Self::Behind { .. } | Self::Uncharged { .. } => "ledger_behind",
            Self::Order => "growth_order",
            Self::Forked { .. } => "ledger_forked",
            Self::Journal(source) => source.code(),
        }
    }
}

/// `0961 is`, or `0961, 0970 are`.
fn are(missing: &[DistrictId]) -> String {
    format!("{} {}", named(missing), if missing.len() == 1 { "is" } else { "are" })
}

/// Why a difference is too small.
fn room(apart: u16) -> String {
    if apart == u16::MAX {
        "this district signs one set only ([allow] second_set in policy.toml)".to_owned()
    } else {
        format!("too few to hide in (0, or at least {apart})")
    }
}

fn districts(count: usize) -> String {
    format!("{count} {}", if count == 1 { "district" } else { "districts" })
}
