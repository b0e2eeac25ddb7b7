//! The second round of growth models: over exactly the survivors of the first, at constants that its
//! sums gave.
//!
//! In: the first round's sum, and who is connected. Out: the second's sum. Promise: the same districts
//! or nothing. Who is away before anybody has masked is waited for, one gather time in all; who
//! withdraws is not asked again.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Driver, MAX_RECUTS, Ready, Stop, Summed};
use crate::estimate::growth;
use crate::estimate::noisy::{self, Public, Round};
use crate::run::RunError;

impl Driver {
    /// `ready`: over which connections the first round went.
    pub(super) async fn second(
        &mut self,
        first: &Summed,
        mut ready: Ready,
    ) -> Result<Summed, RunError> {
        let survivors = first.sum.survivors();
        ready.retain(|district, _| survivors.contains(district));
        let layout = Arc::clone(&self.run.first_layout);
        let words = first.sum.words().to_vec();
        let (study, schools) = (Arc::clone(&self.run.study), Arc::clone(&self.run.schools));
        let (noise, districts) = (first.terms.noise.clone(), survivors.to_vec());
        let constants = tokio::task::spawn_blocking(move || match noise {
            None => growth::constants(&layout, &words),
            Some(plan) => {
                let public = Public { study: &study, schools: &schools, survivors: &districts };
                noisy::constants(Round { layout: &layout, sums: &words, plan: &plan }, public)
            }
        });
        let constants = constants.await.map_err(|_| RunError::HubStopped)??;
        self.run.go_on(&self.hub, survivors.to_vec(), constants, first.terms.round_id)?;
        let text =
            format!("first sums are in; second round with the same {} districts", survivors.len());
        self.say("growth", 0, 0, &text);
        let deadline = Instant::now() + self.run.gather;
        for _ in 0..=MAX_RECUTS {
            ready = self.gather(ready, deadline).await?;
            self.run.enough(&ready)?;
            let terms = Arc::new(self.open_round(&ready)?);
            self.withdrawn.clear();
            match self.round(&terms, &ready).await {
                Ok(sum) => return Ok(Summed { terms, sum }),
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
