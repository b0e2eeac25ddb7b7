//! The parameters that produced a release, as they are printed in it.

use serde::{Deserialize, Serialize};

use super::{
    Frame, LaterRound, RoundFacts,
    certificate::{Certificate, ThresholdPart},
};
use crate::{
    canonical::Digest,
    identity::{DistrictId, IdentityKey},
    study::{CohortSizes, Date, Mode, study_digest},
};

/// What simple suppression does not do.
const SUPPRESSION_NOTE: &str = "A cell over fewer than min_n students is withheld, value and n \
    alike. Complementary suppression is not applied: a reader may be able to work out a withheld \
    cell by subtracting shown cells from a shown total.";
/// What it does in `dp` mode.
const NOISY_NOTE: &str = "A cell whose noisy n is below the threshold is withheld, value and n \
    alike, in every table and for every group. Complementary suppression is not applied: cells \
    carry independent noise, so that subtracting shown cells from a shown total gives a withheld \
    cell with more noise than it had, and the loss stays the one stated.";

/// Everything but the cells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    guarantee: String,
    pub(super) study: StudyPart,
    privacy: PrivacyPart,
    cohort: CohortPart,
    suppression: SuppressionPart,
    round: RoundPart,
    pub(super) hub: IdentityKey,
    released_at_ms: u64,
    software: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StudyPart {
    id: String,
    title: String,
    school_year: i16,
    as_of: Date,
    pub(super) sha256: Digest,
    schools_sha256: Digest,
    /// What the hub signed for the nodes.
    digest: Digest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivacyPart {
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CohortPart {
    n: u16,
    m: u16,
    t: u16,
    c: u16,
    h: u16,
    districts: Vec<DistrictId>,
    survivors: Vec<DistrictId>,
    lost: Vec<DistrictId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuppressionPart {
    min_n: u32,
    complementary: bool,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<ThresholdPart>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundPart {
    id: String,
    number: u64,
    ctx: Digest,
    roster: Digest,
    layout: Digest,
    words: usize,
    log_checkpoint: Digest,
    /// Of growth models, over the same survivors.
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<LaterRound>,
    /// Of their school effects, alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    third: Option<LaterRound>,
}

impl Parameters {
    pub(super) fn new(frame: &Frame<'_>) -> Self {
        let Frame { study, schools, layout, facts, noise } = frame;
        let (facts, noise) = (facts.clone(), noise.as_ref());
        let CohortSizes { n, m, t, c, h } = facts.sizes;
        let note = if noise.is_some() { NOISY_NOTE } else { SUPPRESSION_NOTE };
        Self {
            guarantee: frame.guarantee(),
            study: StudyPart {
                id: study.id.clone(),
                title: study.title.clone(),
                school_year: study.school_year,
                as_of: study.as_of,
                sha256: study.hash(),
                schools_sha256: schools.hash(),
                digest: study_digest(study.hash(), schools.hash()),
            },
            privacy: PrivacyPart {
                mode: study.mode,
                certificate: noise.map(|noise| Certificate::new(frame, noise)),
            },
            cohort: CohortPart {
                n,
                m,
                t,
                c,
                h,
                districts: facts.cohort,
                survivors: facts.survivors,
                lost: facts.lost,
            },
            suppression: SuppressionPart {
                min_n: study.suppression.min_n,
                complementary: false,
                note: note.to_owned(),
                threshold: noise.map(|noise| ThresholdPart::new(frame, noise)),
            },
            round: RoundPart {
                id: facts.round_id,
                number: facts.round_number,
                ctx: facts.ctx,
                roster: facts.roster_hash,
                layout: layout.hash(),
                words: layout.words(),
                log_checkpoint: facts.log_checkpoint,
                second: facts.second,
                third: facts.third,
            },
            hub: facts.hub,
            released_at_ms: facts.released_at_ms,
            software: facts.software,
        }
    }

    pub(super) fn facts(&self) -> RoundFacts {
        let CohortPart { n, m, t, c, h, ref districts, ref survivors, ref lost } = self.cohort;
        RoundFacts {
            round_id: self.round.id.clone(),
            round_number: self.round.number,
            ctx: self.round.ctx,
            roster_hash: self.round.roster,
            sizes: CohortSizes { n, m, t, c, h },
            cohort: districts.clone(),
            survivors: survivors.clone(),
            lost: lost.clone(),
            second: self.round.second.clone(),
            third: self.round.third.clone(),
            log_checkpoint: self.round.log_checkpoint,
            released_at_ms: self.released_at_ms,
            hub: self.hub,
            software: self.software.clone(),
        }
    }

    pub(super) const fn mode(&self) -> Mode {
        self.privacy.mode
    }

    pub(super) const fn schools_hash(&self) -> Digest {
        self.study.schools_sha256
    }
}
