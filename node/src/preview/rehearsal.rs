//! One masking as in a round, for the eye: the protocol's own code, among made-up peers.
//!
//! In: the exact words. Out: the words as they would travel, without the control words. No noise is
//! drawn for it: a word under a mask is uniformly random with it or without. All keys are
//! drawn here and wiped on return, also this node's, whose real ones are not used; the made-up cohort
//! is the smallest there is, which is enough for every word to be uniformly random.

use std::sync::Arc;

use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::secagg::{
    Advertisement, CHUNK_WORDS, Chosen, ExpectKeys, LedgerHead, Party, RoundId, Seal, Terms,
    advertise,
};
use flashlight_proto::study::{CohortRule, Mode};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::share::Share;
use super::{Given, PreviewError};

/// The smallest cohort of which none may drop (docs/PRIVACY.md §2).
const COHORT: CohortRule = CohortRule { min_districts: 4, max_dropped: 0, max_colluding: 1 };

/// Masks the words as a round would; others each time.
///
/// # Errors
/// [`PreviewError`] when a word is out of range or the protocol's code refuses, as it would a round.
pub(super) fn masked<R: CryptoRng>(
    given: Given<'_>,
    words: &[i64],
    share: Option<&Share>,
    rng: &mut R,
) -> Result<Vec<u64>, PreviewError> {
    let me = given.district;
    let is_carried = |word| share.is_some_and(|share| share.is_carried(word));
    let sent = words.iter().enumerate().map(|(at, word)| if is_carried(at) { 0 } else { *word });
    let ours = Contribution::new(given.layout, sent.collect());
    let ours = ours.map_err(PreviewError::Contribution)?;
    let members = members(me, rng)?;
    let terms = Arc::new(terms(given, &members, rng)?);
    let abort = PreviewError::Rehearsal;
    let mut states: Vec<(&DistrictId, ExpectKeys)> = Vec::new();
    let mut advertisements: Vec<Advertisement> = Vec::new();
    for (district, secret) in &members {
        let head = LedgerHead { entries: 1, digest: Digest::from(random(rng)) };
        let (state, shown) =
            advertise(Arc::clone(&terms), district, secret, head, rng).map_err(abort)?;
        states.push((district, state));
        advertisements.push(shown);
    }
    let mut arrived = Vec::new();
    let mut own = None;
    for (district, state) in states {
        let (next, seals) = state.share(advertisements.clone(), rng).map_err(abort)?;
        if district == me {
            own = Some(next);
        }
        let for_me = seals.into_iter().filter(|seal| seal.peer == *me);
        arrived.extend(for_me.map(|seal| Seal { peer: district.clone(), ..seal }));
    }
    // `members` holds `me`, so there is a state.
    let Some(own) = own else { return Ok(Vec::new()) };
    let (own, _) = own.acknowledge(arrived).map_err(abort)?;
    let sharers: Vec<DistrictId> = members.into_iter().map(|(district, _)| district).collect();
    let (_, masked) = own.mask(&sharers, ours).map_err(abort)?;
    let mut travelling = Vec::with_capacity(words.len());
    for chunk in masked.chunks() {
        debug_assert!(chunk.len() <= CHUNK_WORDS * 8);
        let cells = chunk.chunks_exact(8).take(chunk.len() / 8 - 1);
        travelling.extend(cells.map(|eight| {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            u64::from_le_bytes(word)
        }));
    }
    Ok(travelling)
}

/// This district and three that do not exist, ascending, with keys made for the moment.
fn members<R: CryptoRng>(
    me: &DistrictId,
    rng: &mut R,
) -> Result<Vec<(DistrictId, IdentitySecret)>, PreviewError> {
    let peers = (1..).filter_map(|number: u32| format!("example-{number}").parse().ok());
    let peers = peers.filter(|peer| peer != me).take(usize::from(COHORT.min_districts) - 1);
    let mut ids: Vec<DistrictId> = peers.chain([me.clone()]).collect();
    ids.sort();
    let mut secret = || IdentitySecret::from_seed(&Zeroizing::new(random(rng)));
    ids.into_iter().map(|id| Ok((id, secret().map_err(PreviewError::Keys)?))).collect()
}

/// The study's terms with the made-up cohort.
fn terms<R: CryptoRng>(
    given: Given<'_>,
    members: &[(DistrictId, IdentitySecret)],
    rng: &mut R,
) -> Result<Terms, PreviewError> {
    let mut study = given.study.clone();
    study.cohort = COHORT;
    // Under a mask it makes no difference, and among so few there may be no plan for the noise.
    study.mode = Mode::Exact;
    let party = |(district, secret): &(DistrictId, IdentitySecret)| Party {
        district: district.clone(),
        key: secret.public(),
    };
    let mut round_id = [0; 16];
    rng.fill_bytes(&mut round_id);
    let chosen = Chosen {
        round_id: RoundId::from(round_id),
        round_number: 1,
        nonce: random(rng),
        parent_releases: Vec::new(),
        roster: Digest::from(random(rng)),
        log_checkpoint: Digest::from(random(rng)),
        parties: members.iter().map(party).collect(),
        max_dropped: 0,
        quorum: COHORT.quorum(COHORT.min_districts),
    };
    Terms::of_study(&study, given.schools, given.layout, chosen).map_err(PreviewError::Terms)
}

fn random<R: CryptoRng>(rng: &mut R) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
