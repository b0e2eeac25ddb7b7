//! The second round of growth models: which first round it continues.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;

use super::{Charge, Ledger, Refusal, sets::is_answer};

impl Ledger {
    /// The first round, hex, that a second one over `cohort` continues: the last that was charged for
    /// the study, masked, not over, and signed by this node for exactly these survivors, where it was
    /// there to sign. A second round is not continued.
    ///
    /// # Errors
    /// [`Refusal::Order`] when there is none.
    pub fn first_round(&self, study: Digest, cohort: &[DistrictId]) -> Result<String, Refusal> {
        let first = self.open_first(study).filter(|charge| {
            if charge.answered {
                charge.questions.iter().all(|question| is_answer(self.answers(question), cohort))
            } else {
                cohort.iter().all(|one| charge.cohort.binary_search(one).is_ok())
            }
        });
        first.map(|charge| charge.round.clone()).ok_or(Refusal::Order)
    }

    /// Whether a first round of the study is masked and not over: what let it in lets its second in.
    #[must_use]
    pub fn has_open_first(&self, study: Digest) -> bool {
        self.open_first(study).is_some()
    }

    fn open_first(&self, study: Digest) -> Option<&Charge> {
        let newest = self.charges.iter().rfind(|charge| charge.study == study)?;
        let open = newest.masked && newest.ended.is_none() && newest.continues.is_none();
        open.then_some(newest)
    }
}
