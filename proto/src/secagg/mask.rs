//! Step 2, mask: each node hides its contribution under its own mask and one mask per neighbour; the
//! coordinator adds the masked vectors as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::canonical::Digest;
use crate::contribution::{Contribution, max_word_bits};
use crate::identity::DistrictId;

use super::advertise::{Joined, Round};
use super::check_set;
use super::confirm::CollectConfirmations;
use super::error::{Abort, Reason, Reject, Step};
use super::share::{ExpectSharers, Held};
use super::{kdf, prg};

/// Words in a chunk, the last of them the control word: 128 KiB.
pub const CHUNK_WORDS: usize = 16_384;

/// Cells in a chunk.
const CHUNK_CELLS: usize = CHUNK_WORDS - 1;

/// Chunks in an upload of `cells` cells.
#[must_use]
pub const fn chunks_of(cells: usize) -> usize {
    cells.div_ceil(CHUNK_CELLS)
}

/// Words in an upload of `cells` cells: one control word in every chunk.
#[must_use]
pub const fn words_of(cells: usize) -> usize {
    cells + chunks_of(cells)
}

/// Lays a control word of 1 behind every chunk's cells.
fn with_control(cells: &[u64]) -> Zeroizing<Vec<u64>> {
    let mut words = Zeroizing::new(Vec::with_capacity(words_of(cells.len())));
    for chunk in cells.chunks(CHUNK_CELLS) {
        words.extend_from_slice(chunk);
        words.push(1);
    }
    words
}

/// Takes the control words out again; the first that is not `survivors` is an error.
pub(super) fn without_control(words: &[u64], survivors: usize) -> Result<Vec<u64>, Reason> {
    let mut cells = Vec::with_capacity(words.len());
    for chunk in words.chunks(CHUNK_WORDS) {
        let (control, body) = chunk.split_last().ok_or(Reason::ControlCell)?;
        if *control != survivors as u64 {
            return Err(Reason::ControlCell);
        }
        cells.extend_from_slice(body);
    }
    Ok(cells)
}

/// One district's vector under its masks: the only form in which anything computed from students
/// leaves a node. Without U₃'s help every word is uniformly random.
///
/// A contribution has no such form:
/// ```compile_fail
/// fn wire(ours: &flashlight_proto::contribution::Contribution) {
///     for chunk in ours.chunks() { drop(chunk) }
/// }
/// ```
/// ```
/// fn wire(ours: &flashlight_proto::secagg::MaskedInput) {
///     for chunk in ours.chunks() { drop(chunk) }
/// }
/// ```
pub struct MaskedInput(Vec<u64>);

impl MaskedInput {
    /// The chunks of the upload in order, 8 bytes little-endian per word.
    pub fn chunks(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.0.chunks(CHUNK_WORDS).map(|chunk| {
            let mut bytes = Vec::with_capacity(chunk.len() * 8);
            chunk.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
            bytes
        })
    }
}

impl fmt::Debug for MaskedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskedInput").field("words", &self.0.len()).finish_non_exhaustive()
    }
}

/// Node: has masked; U₃ is awaited.
pub struct ExpectSurvivors {
    pub(super) joined: Joined,
    pub(super) held: BTreeMap<DistrictId, Held>,
    pub(super) sharers: Vec<DistrictId>,
}

impl ExpectSharers {
    /// Whether this node would mask among these districts: ask before paying for it.
    ///
    /// # Errors
    /// As [`Self::mask`], but for the contribution.
    pub fn check(&self, sharers: &[DistrictId]) -> Result<(), Abort> {
        check_sharers(&self.joined, &self.held, sharers)
    }

    /// Step 2, node side (PROTOCOL.md §4.2): hides `ours` under this round's masks.
    ///
    /// Takes the state and the contribution by value: neither can be masked twice. The caller has
    /// made the ledger entry durable before the result leaves.
    ///
    /// # Errors
    /// [`Abort`] when |U₂| < m, this node or (on the sparse graph) t_nb of its neighbours are not in
    /// U₂, a neighbour in U₂ did not open here, or the contribution does not fit the layout or the
    /// number of districts.
    pub fn mask(
        self,
        sharers: &[DistrictId],
        ours: Contribution,
    ) -> Result<(ExpectSurvivors, MaskedInput), Abort> {
        let Self { joined, held } = self;
        check_sharers(&joined, &held, sharers)?;
        let Joined { own, keys, .. } = &joined;
        if ours.layout() != own.terms.layout || ours.len() != own.terms.words {
            return Err(Abort::new(Step::Mask, Some(&own.me), Reason::Layout));
        }
        let bits = max_word_bits(own.terms.cohort.n);
        if !ours.is_within(bits) {
            return Err(Abort::new(Step::Mask, Some(&own.me), Reason::WordTooLarge { bits }));
        }
        let cells = ours.into_words();
        let mut words = with_control(&cells);
        drop(cells);
        prg::add(&own.secrets.seed, &mut words);
        for peer in sharers.iter().filter(|peer| joined.is_neighbour(peer)) {
            let abort = |reason| Abort::new(Step::Mask, Some(peer), reason);
            let key = pair_key(&own.secrets.mask, &keys[peer].mask_key, &own.ctx, &own.me, peer)
                .map_err(abort)?;
            if own.me < *peer {
                prg::add(&key, &mut words);
            } else {
                prg::subtract(&key, &mut words);
            }
        }
        let masked = MaskedInput(std::mem::take(&mut *words));
        let sharers = sharers.to_vec();
        Ok((ExpectSurvivors { joined, held, sharers }, masked))
    }
}

fn check_sharers(
    joined: &Joined,
    held: &BTreeMap<DistrictId, Held>,
    sharers: &[DistrictId],
) -> Result<(), Abort> {
    let own = &joined.own;
    let need = usize::from(own.terms.cohort.m);
    let got = sharers.len();
    if got < need {
        return Err(Abort::new(Step::Mask, None, Reason::TooFew { got, need }));
    }
    let is_open = |peer: &DistrictId| {
        let far = *peer == own.me || !joined.is_neighbour(peer);
        held.contains_key(peer) || (far && joined.keys.contains_key(peer))
    };
    check_set(sharers, is_open).map_err(|(party, reason)| {
        let reason = if reason == Reason::Stranger { Reason::SealUnopened } else { reason };
        Abort::new(Step::Mask, party.as_ref(), reason)
    })?;
    if !sharers.contains(&own.me) {
        return Err(Abort::new(Step::Mask, None, Reason::SelfMissing));
    }
    // Without this a coordinator could show a node a U₂ without its honest neighbours, and open its
    // own mask through those same neighbours.
    joined.check_neighbours(sharers).map_err(|reason| Abort::new(Step::Mask, None, reason))
}

/// The key of the mask between two districts; the same from both sides.
pub(super) fn pair_key(
    ours: &x25519_dalek::StaticSecret,
    theirs: &[u8; 32],
    ctx: &Digest,
    a: &DistrictId,
    b: &DistrictId,
) -> Result<Zeroizing<[u8; 32]>, Reason> {
    let (first, second) = if a < b { (a, b) } else { (b, a) };
    kdf::derive(ours, theirs, ctx, "mask", first, second)
}

/// Coordinator: one upload on its way in; nothing of it counts until it is whole.
pub struct Staging {
    ctx: Digest,
    from: DistrictId,
    words: Vec<u64>,
    want: usize,
    next: u32,
}

impl Staging {
    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`Reason::Chunk`] when it is out of order, repeated, of the wrong size or one too many.
    pub fn chunk(&mut self, index: u32, bytes: &[u8]) -> Result<(), Reject> {
        let left = self.want - self.words.len();
        let expected = left.min(CHUNK_WORDS) * 8;
        if index != self.next || expected == 0 || bytes.len() != expected {
            let reason = Reason::Chunk { got: index, want: self.next };
            return Err(Reject::new(Step::Mask, Some(&self.from), reason));
        }
        for eight in bytes.chunks_exact(8) {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            self.words.push(u64::from_le_bytes(word));
        }
        self.next += 1;
        Ok(())
    }

    /// Whether the last chunk has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.words.len() == self.want
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// Coordinator: adds masked vectors. Memory: one vector, and one per upload in flight.
pub struct CollectMasked {
    round: Round,
    sharers: Vec<DistrictId>,
    sum: Vec<u64>,
    got: BTreeSet<DistrictId>,
}

impl CollectMasked {
    pub(super) fn new(round: Round, sharers: Vec<DistrictId>) -> Self {
        let sum = vec![0; words_of(round.terms.words)];
        Self { round, sharers, sum, got: BTreeSet::new() }
    }

    /// Opens an upload.
    ///
    /// # Errors
    /// [`Reject`] when the sender is not in U₂ or its vector is already in the sum.
    pub fn stage(&self, from: &DistrictId) -> Result<Staging, Reject> {
        if self.sharers.binary_search(from).is_err() {
            return Err(Reject::new(Step::Mask, Some(from), Reason::Stranger));
        }
        if self.got.contains(from) {
            return Err(Reject::new(Step::Mask, Some(from), Reason::Duplicate));
        }
        let want = self.sum.len();
        let words = Vec::with_capacity(want);
        Ok(Staging { ctx: self.round.ctx, from: from.clone(), words, want, next: 0 })
    }

    /// Adds a whole upload to the sum.
    ///
    /// # Errors
    /// [`Reject`] when it was opened in another round, is not whole, or this district's vector is
    /// already in the sum.
    pub fn accept(&mut self, upload: &Staging) -> Result<(), Reject> {
        let from = &upload.from;
        if upload.ctx != self.round.ctx {
            return Err(Reject::new(Step::Mask, Some(from), Reason::Stranger));
        }
        if self.got.contains(from) {
            return Err(Reject::new(Step::Mask, Some(from), Reason::Duplicate));
        }
        if !upload.is_complete() {
            let want = u32::try_from(chunks_of(self.round.terms.words)).unwrap_or(u32::MAX);
            let reason = Reason::Truncated { got: upload.next, want };
            return Err(Reject::new(Step::Mask, Some(from), reason));
        }
        for (sum, word) in self.sum.iter_mut().zip(&upload.words) {
            *sum = sum.wrapping_add(*word);
        }
        self.got.insert(from.clone());
        Ok(())
    }

    /// Districts whose vectors are in the sum, ascending.
    #[must_use]
    pub fn have(&self) -> Vec<DistrictId> {
        self.got.iter().cloned().collect()
    }

    /// Ends the step: U₃ is whoever's vector is in the sum.
    ///
    /// # Errors
    /// [`Reason::TooFew`] when fewer than m are. On the sparse graph [`Reason::Neighbours`] when
    /// somebody's secrets could not be opened, and [`Reason::Window`] when the graph might fall
    /// apart: no node would confirm such survivors.
    pub fn close(self) -> Result<(CollectConfirmations, Vec<DistrictId>), Abort> {
        let need = usize::from(self.round.terms.cohort.m);
        if self.got.len() < need {
            let reason = Reason::TooFew { got: self.got.len(), need };
            return Err(Abort::new(Step::Mask, None, reason));
        }
        let survivors: Vec<DistrictId> = self.got.into_iter().collect();
        self.round
            .check_graph(&self.sharers, &survivors)
            .map_err(|(party, reason)| Abort::new(Step::Mask, party.as_ref(), reason))?;
        let sets = super::confirm::Sets::new(&self.round.keys, self.sharers, survivors.clone());
        let next = CollectConfirmations::new(self.round, sets, self.sum);
        Ok((next, survivors))
    }
}
