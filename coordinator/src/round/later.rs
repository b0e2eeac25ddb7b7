//! Later rounds of growth models: over exactly the survivors of the first, at constants that the sums
//! before gave.
//!
//! In: the sums so far, and who is connected. Out: the next. Promise: the same districts or nothing. Who is
//! away before anybody has masked is waited for, one gather time in all; who withdraws is not asked again.

use std::sync::Arc;

use flashlight_proto::growth::Broadcast;
use tokio::time::Instant;

use super::{Driver, MAX_RECUTS, Ready, Stop, Summed};
use crate::run::{Estimates, Inputs, RunError, blocking, second_constants};

impl Driver {
    /// All rounds after the first, and what they come to. `ready`: over which connections the first went.
    pub(super) async fn growth(
        &mut self,
        first: &Summed,
        ready: Ready,
    ) -> Result<(Vec<Summed>, Estimates), RunError> {
        let sums = first.clone();
        let constants = self.work(move |inputs| second_constants(inputs, &sums)).await?;
        let text = format!(
            "first sums are in; second round with the same {} districts",
            first.sum.survivors().len()
        );
        let (second, ready) = self.later(first, ready, constants, &text).await?;
        let sums = [first.clone(), second.clone()];
        let mut estimates =
            self.work(move |inputs| Estimates::new(inputs, &sums[0], &sums[1])).await?;
        let mut later = vec![second];
        if self.run.study.growth.iter().any(|spec| spec.percentiles) {
            let constants = estimates.third_constants(&first.layout);
            if constants.is_empty() {
                self.say("growth", 0, 0, "no model has school effects; there is no third round");
            } else {
                let text = format!("counting school effects of {} growth models", constants.len());
                let (third, _) = self.later(&later[0], ready, constants, &text).await?;
                estimates.add(&self.run.schools, &third);
                later.push(third);
            }
        }
        Ok((later, estimates))
    }

    /// Work on sums, which connections and progress go on beside.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(Inputs<'_>) -> Result<T, RunError> + Send + 'static,
    ) -> Result<T, RunError> {
        let (study, schools) = (Arc::clone(&self.run.study), Arc::clone(&self.run.schools));
        blocking(move || work(Inputs { study: &study, schools: &schools })).await?
    }

    /// One round after `before`, whose survivors are the first's.
    async fn later(
        &mut self,
        before: &Summed,
        mut ready: Ready,
        constants: Vec<Broadcast>,
        text: &str,
    ) -> Result<(Summed, Ready), RunError> {
        let survivors = before.sum.survivors();
        ready.retain(|district, _| survivors.contains(district));
        self.run.go_on(&self.hub, survivors.to_vec(), constants, before.terms.round_id)?;
        self.say("growth", 0, 0, text);
        let deadline = Instant::now() + self.run.gather;
        for _ in 0..=MAX_RECUTS {
            ready = self.gather(ready, deadline).await?;
            self.run.enough(&ready)?;
            let terms = Arc::new(self.open_round(&ready)?);
            self.withdrawn.clear();
            match self.round(&terms, &ready).await {
                Ok(sum) => return Ok((self.summed(terms, sum), ready)),
                Err(Stop::Recut(lost, step)) => {
                    let gave_up = lost.iter().any(|one| self.withdrawn.contains(one));
                    if gave_up || Instant::now() >= deadline {
                        return Err(self.run.incomplete(lost.into_iter().collect()));
                    }
                    self.recut(&terms, &mut ready, &lost, step)?;
                }
                Err(Stop::Abort(error)) => return Err(error),
            }
        }
        Err(RunError::TooManyRecuts)
    }
}
