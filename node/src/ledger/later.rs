//! Later rounds of growth models: which round each continues.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;

use super::{Charge, Ledger, Refusal, sets::is_answer};

/// A third round is not continued.
const LAST_STAGE: usize = 2;

impl Ledger {
    /// The round, hex, that a later one over `cohort` continues: the last that was charged for the study,
    /// masked, not over, and signed by this node for exactly these survivors, where it was there to sign.
    /// `stage`: 1 for the second round, which continues a first, 2 for the third, which continues a second.
    ///
    /// # Errors
    /// [`Refusal::Order`] when there is none.
    pub fn round_before(
        &self,
        study: Digest,
        cohort: &[DistrictId],
        stage: usize,
    ) -> Result<String, Refusal> {
        let newest = self.open_newest(study).filter(|charge| self.stage(charge) + 1 == stage);
        let before = newest.filter(|charge| {
            if charge.answered {
                charge.questions.iter().all(|question| is_answer(self.answers(question), cohort))
            } else {
                cohort.iter().all(|one| charge.cohort.binary_search(one).is_ok())
            }
        });
        before.map(|charge| charge.round.clone()).ok_or(Refusal::Order)
    }

    /// Whether a round of the study is masked and not over, and may be continued: what let it in lets the
    /// next in.
    #[must_use]
    pub fn has_open_round(&self, study: Digest) -> bool {
        self.open_newest(study).is_some_and(|charge| self.stage(charge) < LAST_STAGE)
    }

    fn open_newest(&self, study: Digest) -> Option<&Charge> {
        let newest = self.charges.iter().rfind(|charge| charge.study == study)?;
        let open = newest.masked && newest.ended.is_none();
        open.then_some(newest)
    }

    /// How many rounds a round continues: 0 for a first.
    fn stage(&self, charge: &Charge) -> usize {
        self.chain(charge.continues.as_deref()).count()
    }

    /// A round and those that it continues, last first. No round continues more than [`LAST_STAGE`].
    pub(super) fn chain<'a>(&'a self, round: Option<&str>) -> impl Iterator<Item = &'a Charge> {
        let before = |charge: &&'a Charge| self.charge_of(charge.continues.as_deref()?);
        std::iter::successors(round.and_then(|round| self.charge_of(round)), before)
            .take(LAST_STAGE + 1)
    }
}
