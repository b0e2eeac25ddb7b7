//! The second round of growth models: which first round it continues.

use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::DistrictId;

use super::{Ledger, Refusal, sets::is_answer};

impl Ledger {
    /// The first round, hex, that a second one over `cohort` continues: the last that was charged for
    /// the study, masked, not over, and signed by this node for exactly these survivors, where it was
    /// there to sign. A second round is not continued.
    ///
    /// # Errors
    /// [`Refusal::Order`] when there is none.
    pub fn first_round(&self, study: Digest, cohort: &[DistrictId]) -> Result<String, Refusal> {
        let newest = self.charges.iter().rfind(|charge| charge.study == study);
        let first = newest.filter(|charge| {
            let ours = if charge.answered {
                charge.questions.iter().all(|question| is_answer(self.answers(question), cohort))
            } else {
                cohort.iter().all(|one| charge.cohort.binary_search(one).is_ok())
            };
            ours && charge.masked && charge.ended.is_none() && charge.continues.is_none()
        });
        first.map(|charge| charge.round.clone()).ok_or(Refusal::Order)
    }
}
