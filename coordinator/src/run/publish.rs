//! The end of a run: one release for all its rounds, or the reason why there is none; in the journal,
//! and told to the nodes.
//!
//! In: the sums of a run. Out: a release folder. Promise: the journal says what is about to be published
//! before it is, and what was after it is; nodes hear of the end of every round they paid for.

use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::release::{LaterRound, Release, RoundFacts};
use flashlight_proto::secagg::{NoisySum, RoundId};
use flashlight_proto::wire::{Directive, Ended};
use flashlight_store::files::Draft;

use super::{Estimates, RunError};
use crate::hub::now_ms;
use crate::journal::Entry;
use crate::round::{Driver, Finished, Summed};

/// Makes the release durable: files under a temporary name, then the journal, then the rename.
pub(super) async fn publish(driver: &Driver, finished: Finished) -> Result<String, RunError> {
    let Driver { hub, run, .. } = driver;
    let Finished { first: Summed { terms, layout, sum }, later, estimates } = finished;
    driver.say("publish", 0, 0, "writing the release");
    let sums = std::iter::once(&sum).chain(later.iter().map(|later| &later.sum));
    sums.for_each(|sum| tell_liars(driver, sum));
    let authority = hub.authority();
    let facts = RoundFacts {
        round_id: terms.round_id.to_string(),
        round_number: terms.round_number,
        ctx: terms.ctx(),
        roster_hash: terms.roster,
        sizes: terms.cohort,
        cohort: terms.parties.iter().map(|party| party.district.clone()).collect(),
        survivors: sum.survivors().to_vec(),
        lost: sum.lost().to_vec(),
        second: later.first().map(fact),
        third: later.get(1).map(fact),
        log_checkpoint: Digest::from(hub.head().hash),
        released_at_ms: now_ms(),
        hub: authority.hub_key(),
        software: concat!("flashlight ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let [study_toml, schools_csv] = [&run.study_toml, &run.schools_csv].map(Arc::clone);
    let (study, schools) = (Arc::clone(&run.study), Arc::clone(&run.schools));
    let round = terms.round_id.to_string();
    let rounds: Vec<RoundId> = std::iter::once(terms.round_id)
        .chain(later.iter().map(|later| later.terms.round_id))
        .collect();
    // Two studies may share an id; no two rounds share theirs.
    let folder = format!("{}-{:04}-{}", run.study.id, terms.round_number, &round[..8]);
    let path = hub.releases().join(&folder);
    let mut draft = Draft::begin(&path)?;
    let written = blocking(move || {
        let Estimates { exact, noisy } = estimates;
        let release = Release::build(&study, &schools, &layout, sum.words(), facts, exact)?;
        let release = release.with_noisy_growth(&study, noisy)?;
        let put = |name: &str, piece: &[u8]| draft.put(name, piece).map_err(RunError::from);
        let hash = release.write_folder(authority.hub(), &study_toml, &schools_csv, put)?;
        Ok::<_, RunError>((draft, hash))
    });
    let (draft, release) = written.await??;
    for round in &rounds {
        let (round, folder) = (round.to_string(), folder.clone());
        hub.record(&Entry::Publishing { round, folder, release })?;
    }
    hub.pause("publish", "before").await;
    blocking(move || draft.publish()).await??;
    hub.pause("publish", "after").await;
    for round in &rounds {
        let (round, folder) = (round.to_string(), folder.clone());
        hub.record(&Entry::Published { round, folder, release })?;
    }
    for round in rounds {
        tell(driver, Some(round), Some(release), "", "");
    }
    Ok(path.display().to_string())
}

fn fact(round: &Summed) -> LaterRound {
    let terms = &round.terms;
    LaterRound { id: terms.round_id.to_string(), number: terms.round_number, ctx: terms.ctx() }
}

fn tell_liars(driver: &Driver, sum: &NoisySum) {
    for liar in sum.liars() {
        let text =
            format!("a share from district {liar} does not fit: it lied, or who dealt it did");
        driver.say("unmask", 0, 0, &text);
    }
}

/// Work on a whole release: the districts' connections and the operator's progress go on beside it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| RunError::HubStopped)
}

/// Writes down why a run ended without a release, and tells the nodes.
pub(super) fn abandon(driver: &Driver, error: &RunError) {
    let latest = |key: String| {
        let found = driver.hub.with_state(|state| state.journal.latest(&key));
        found.ok().flatten().map(|recorded| recorded.entry)
    };
    let newest = match latest(format!("run/{}", hex::encode(driver.run.id.0))) {
        Some(Entry::RoundStarted { round, .. }) => {
            let bytes = hex::decode(round).unwrap_or_default();
            RoundId::try_from(bytes.as_slice()).ok()
        }
        _ => None,
    };
    // Earlier rounds of growth models are open as long as the newest is.
    let earlier = driver.run.past_rounds().filter(|round| newest != Some(*round));
    let rounds: Vec<RoundId> = earlier.chain(newest).collect();
    for round in &rounds {
        let round = round.to_string();
        if matches!(latest(format!("round/{round}")), Some(Entry::RoundEnded { .. })) {
            continue;
        }
        let (code, reason) = (error.code().to_owned(), error.chain());
        if let Err(error) = driver.hub.record(&Entry::RoundEnded { round, code, reason }) {
            tracing::error!(code = error.code(), "the end of a round could not be recorded");
        }
    }
    if rounds.is_empty() {
        tell(driver, None, None, error.code(), &error.chain());
    }
    for round in rounds {
        tell(driver, Some(round), None, error.code(), &error.chain());
    }
}

fn tell(
    driver: &Driver,
    round: Option<RoundId>,
    release: Option<Digest>,
    code: &str,
    reason: &str,
) {
    let ended = Ended {
        run: driver.run.id,
        round,
        release,
        code: code.to_owned(),
        reason: reason.to_owned(),
        recut: false,
    };
    for district in driver.hub.sessions().keys() {
        driver.hub.send(district, Directive::Ended(ended.clone()));
    }
}
