//! `flashlight-node preview STUDY`: what this district would contribute, before anybody approves it.
//!
//! In: the study with its school table, the district's records, what was previewed last time. Out: a
//! [`Preview`], cell by cell: value, n, exact words, the noise this node will add, the words as they
//! would travel, small cells marked, the difference to last time; what it would cost; what leaves
//! and what does not. As a table, as JSON (docs/PREVIEW.md) and as a page ([`Preview::page`]).
//!
//! Promise: nothing is spent and nothing is sent by looking. The journal and the ledger are not
//! opened, no connection is made, no key of this node is used. The masking is the protocol's own code
//! among made-up peers under keys thrown away at once, so the words shown are uniformly random and
//! others each time. The one thing kept is `state/previews/<study id>.json` in the node's folder
//! ([`Previews`]), readable by its owner alone.
//! Not promised: secrecy of what is shown. A preview holds exact numbers; it is for the district.

mod command;
mod fill;
mod last;
mod page;
mod rehearsal;
mod share;
mod table;
mod text;
mod view;

use flashlight_proto::contribution::ContributionError;
use flashlight_proto::dp::NoisePlan;
use flashlight_proto::identity::{DistrictId, IdentityError};
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::secagg::{Abort, TermsError};
use flashlight_proto::study::Study;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::aggregate::{AggregateError, Whose, count as count_words};
use crate::records::{Effect, Records, Report};

pub(crate) use command::{Asked, command};
use fill::Words;
pub use last::{LastPreview, Previews};
pub(crate) use page::escaped;
use share::Share;
pub use view::{
    BlockTotal, BlockView, CellView, Compared, Cost, GrowthView, LastTime, Noise, Preview, Size,
    SmallRule, StudyView, Totals, WordView, YearCost,
};

/// What a preview is of.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The study.
    pub study: &'a Study,
    /// The hub's public school table.
    pub schools: &'a SchoolTable,
    /// Derived from both.
    pub layout: &'a Layout,
    /// Who we are.
    pub district: &'a DistrictId,
    /// The district's own least cell size, students, if it has a policy.
    pub min_cell: Option<u32>,
    /// `[allow] anonymous_surveys` of its policy.
    pub accept_responses: bool,
    /// In `dp`: the noise among the least number of districts; `None`: there is no plan, and a
    /// round would be refused. In `exact`: `None`.
    pub plan: Option<&'a NoisePlan>,
    /// The time, ms since 1970; only the day is shown.
    pub now_ms: u64,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The records cannot answer the study.
    #[error(transparent)]
    Aggregate(AggregateError),
    /// The words do not make a contribution, as they would not in a round.
    #[error("the study's words cannot be contributed")]
    Contribution(#[source] ContributionError),
    /// No keys for the example.
    #[error("cannot make keys for the example of a masking")]
    Keys(#[source] IdentityError),
    /// The study gives no terms of a round.
    #[error("the study gives no terms of a round")]
    Terms(#[source] TermsError),
    /// The made-up round failed.
    #[error("the example of a masking failed")]
    Rehearsal(#[source] Abort),
}

impl PreviewError {
    /// The stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Aggregate(error) => error.code(),
            Self::Contribution(error) => error.code(),
            Self::Keys(_) => "keys",
            Self::Terms(error) => error.code(),
            Self::Rehearsal(error) => error.code(),
        }
    }
}

/// What this district would contribute, and what to keep of it for the next preview.
///
/// `last`: of [`Previews::last`]. `rng`: for the throw-away keys of the example.
///
/// # Errors
/// [`PreviewError`] as a round would refuse: a file or a year is missing, too many rows cannot be
/// counted, a word is out of range.
pub fn preview<R: CryptoRng>(
    records: &Records,
    given: Given<'_>,
    last: Option<&LastPreview>,
    rng: &mut R,
) -> Result<(Preview, LastPreview), PreviewError> {
    let Given { study, schools, layout, district, accept_responses, .. } = given;
    let whose = Whose { district: Some(district), accept_responses };
    let counted = count_words(records, study, schools, layout, whose);
    let report = Report { files: Vec::new(), study: counted.findings };
    if report.is_refused() {
        return Err(PreviewError::Aggregate(AggregateError::Refused(Box::new(report))));
    }
    let left_out = report.study.iter().filter(|finding| finding.effect == Effect::LeftOut);
    let left_out = left_out.map(ToString::to_string).collect();
    of_words(given, &counted.words, left_out, last, rng)
}

/// As [`preview`], of words already counted.
fn of_words<R: CryptoRng>(
    given: Given<'_>,
    words: &Zeroizing<Vec<i64>>,
    left_out: Vec<String>,
    last: Option<&LastPreview>,
    rng: &mut R,
) -> Result<(Preview, LastPreview), PreviewError> {
    let share = given.plan.map(|plan| Share::new(plan, given.layout));
    let masked = rehearsal::masked(given, words, share.as_ref(), rng)?;
    let preview =
        Preview::new(given, Words { exact: words, masked: &masked, share }, left_out, last);
    let kept = LastPreview::new(given, words);
    Ok((preview, kept))
}

#[cfg(test)]
mod tests;

pub(crate) use self::last::day;
