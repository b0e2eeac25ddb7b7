//! Later rounds of growth models: over exactly the survivors of the first, at constants that the sums
//! before gave.
//!
//! In: the sums so far, and who is connected. Out: the next. Promise: the same districts or nothing. Who is
//! away before anybody has masked is waited for, one gather time in all; who withdraws is not asked again.

use std::sync::Arc;

use flashlight_proto::growth::Broadcast;
use tokio::time::Instant;

use super::{Driver, MAX_RECUTS, Ready, Stop, Summed};
use crate::estimate::effects;
use crate::estimate::growth;
use crate::estimate::noisy::{self, Public, Round};
use crate::run::RunError;

impl Driver {
    /// `ready`: over which connections the first round went.
    pub(super) async fn second(
        &mut self,
        first: &Summed,
        ready: Ready,
    ) -> Result<(Summed, Ready), RunError> {
        let survivors = first.sum.survivors();
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
        let text =
            format!("first sums are in; second round with the same {} districts", survivors.len());
        self.later(first, ready, constants, &text).await
    }

    /// The third round, where the study asks for the distribution of school effects and there are any.
    pub(super) async fn third(
        &mut self,
        first: &Summed,
        second: &Summed,
        ready: Ready,
    ) -> Result<Option<Summed>, RunError> {
        if !self.run.study.growth.iter().any(|spec| spec.percentiles) {
            return Ok(None);
        }
        let layouts = [Arc::clone(&self.run.first_layout), Arc::clone(self.run.layout())];
        let words = [first, second].map(|one| one.sum.words().to_vec());
        let noise = [first, second].map(|one| one.terms.noise.clone());
        let (study, schools) = (Arc::clone(&self.run.study), Arc::clone(&self.run.schools));
        let districts = first.sum.survivors().to_vec();
        let constants = tokio::task::spawn_blocking(move || {
            let [one, two] = [0, 1].map(|at| (&*layouts[at], words[at].as_slice()));
            match noise {
                [Some(plan), Some(later)] => {
                    let public = Public { study: &study, schools: &schools, survivors: &districts };
                    let one = Round { layout: one.0, sums: one.1, plan: &plan };
                    let two = Round { layout: two.0, sums: two.1, plan: &later };
                    let found = noisy::estimates(one, two, public)?;
                    Ok(effects::noisy_constants(one.layout, &found))
                }
                _ => {
                    let found = growth::estimates(&study, one, two)?;
                    Ok::<_, RunError>(effects::constants(one.0, &found))
                }
            }
        });
        let constants = constants.await.map_err(|_| RunError::HubStopped)??;
        if constants.is_empty() {
            self.say("growth", 0, 0, "no model has school effects; there is no third round");
            return Ok(None);
        }
        let text = format!("counting school effects of {} growth models", constants.len());
        let (third, _) = self.later(second, ready, constants, &text).await?;
        Ok(Some(third))
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
                Ok(sum) => return Ok((Summed { terms, sum }, ready)),
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
