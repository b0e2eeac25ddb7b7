//! The steps of the protocol alone, in one thread, without network or disk; and the noise of one node.
//!
//! Node steps are the mean over all nodes; the hub's steps are over all their messages. With a few
//! cells only, *share* and *open* are Shamir and key agreement; the difference between many cells
//! and a few is the masks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flashlight_proto::canonical::Digest;
use flashlight_proto::contribution::Contribution;
use flashlight_proto::identity::{DistrictId, IdentitySecret};
use flashlight_proto::secagg::{
    Chosen, CollectKeys, CollectMasked, ExpectKeys, ExpectSharers, ExpectSurvivors, LedgerHead,
    Party, RoundId, Terms, advertise,
};
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};

use super::setting::{CELLS, Setting, district, words};
use super::table::{line, seconds};

/// Times 60 and 254 nodes.
pub(super) fn run() -> anyhow::Result<()> {
    let mut text = String::new();
    let few = Players::new(60, Setting::small(60)?)?.play(&mut text)?;
    let many = Players::new(60, Setting::new(60)?)?.play(&mut text)?;
    let masks = many.saturating_sub(few);
    let bytes = 60.0 * 8.0 * f64::from(u32::try_from(CELLS)?);
    let rate = bytes / masks.as_secs_f64() / 1e9;
    line(
        &mut text,
        "keystream added to words",
        &format!("{rate:.2} GB/s"),
        "60 masks of 8 bytes a cell",
    )?;
    Players::new(254, Setting::small(254)?)?.play(&mut text)?;
    super::noise::run(&mut text)?;
    write!(io::stdout(), "{text}").context("cannot write to stdout")
}

/// All nodes of a round, and what they sum.
pub(super) struct Players {
    pub(super) setting: Setting,
    pub(super) terms: Arc<Terms>,
    pub(super) identities: BTreeMap<DistrictId, IdentitySecret>,
}

/// Adds up the time of one step over all nodes.
struct Watch(Duration);

impl Watch {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        let done = work();
        self.0 += since.elapsed();
        done
    }
}

type Nodes<T> = BTreeMap<DistrictId, T>;

impl Players {
    pub(super) fn new(nodes: usize, setting: Setting) -> anyhow::Result<Self> {
        let rng = &mut UnwrapErr(SysRng);
        let mut identities = BTreeMap::new();
        let mut parties = Vec::new();
        for place in 0..nodes {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let identity = IdentitySecret::from_seed(&seed.into())?;
            let id: DistrictId = district(place).parse()?;
            parties.push(Party { district: id.clone(), key: identity.public() });
            identities.insert(id, identity);
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let chosen = Chosen {
            round_id: RoundId::from([1; 16]),
            round_number: 1,
            nonce,
            parent_releases: Vec::new(),
            roster: Digest::of(b"roster"),
            log_checkpoint: Digest::of(b"log"),
            parties,
            max_dropped: setting.study.cohort.max_dropped,
            quorum: setting.study.cohort.quorum(u16::try_from(nodes)?),
        };
        let terms = Terms::of_study(&setting.study, &setting.schools, &setting.layout, chosen)?;
        Ok(Self { setting, terms: Arc::new(terms), identities })
    }

    /// One round; returns what *mask* takes one node.
    fn play(&self, text: &mut String) -> anyhow::Result<Duration> {
        let nodes = u32::try_from(self.identities.len())?;
        let cells = self.setting.layout.words();
        writeln!(text, "\n  {nodes} nodes x {cells} cells")?;
        let mut row = |what: &str, took: Duration, remark| line(text, what, &seconds(took), remark);
        let each = "one node, mean";
        let all = "the hub";

        let mut watch = Watch(Duration::ZERO);
        let mut hub = CollectKeys::new(Arc::clone(&self.terms));
        let mut states = self.advertise(&mut hub, &mut watch)?;
        row("advertise", watch.0 / nodes, each)?;

        let (mut hub, advertisements) = hub.close()?;
        let mut watch = Watch(Duration::ZERO);
        let mut sealed = Nodes::new();
        for (id, state) in std::mem::take(&mut states) {
            let theirs = advertisements.clone();
            let (state, seals) = watch.time(|| state.share(theirs, &mut UnwrapErr(SysRng)))?;
            hub.accept(&id, seals)?;
            sealed.insert(id, state);
        }
        row("share", watch.0 / nodes, each)?;

        let (mut hub, mut seals) = hub.close()?;
        let mut watch = Watch(Duration::ZERO);
        let mut sharing = Nodes::new();
        for (id, state) in sealed {
            let theirs = seals.remove(&id).unwrap_or_default();
            let (state, opened) = watch.time(|| state.acknowledge(theirs))?;
            hub.accept(&id, &opened)?;
            sharing.insert(id, state);
        }
        row("acknowledge", watch.0 / nodes, each)?;

        let (mut hub, sharers) = hub.close()?;
        let (mut masking, mut adding) = (Watch(Duration::ZERO), Watch(Duration::ZERO));
        let masked = self.mask(sharing, &sharers, &mut hub, &mut masking, &mut adding)?;
        row("mask", masking.0 / nodes, each)?;
        row("mask, adding", adding.0, all)?;

        let (mut hub, survivors) = hub.close()?;
        let mut watch = Watch(Duration::ZERO);
        let mut confirmed = Nodes::new();
        for (id, state) in masked {
            let identity = &self.identities[&id];
            let names = survivors.clone();
            let (state, signature) = watch.time(|| state.confirm(names, identity))?;
            hub.accept(&id, signature)?;
            confirmed.insert(id, state);
        }
        row("confirm", watch.0 / nodes, each)?;

        let (mut hub, confirmations) = hub.close()?;
        let mut watch = Watch(Duration::ZERO);
        for (id, state) in confirmed {
            let shares = watch.time(|| state.unmask(&confirmations))?;
            hub.accept(&id, shares)?;
        }
        row("unmask", watch.0 / nodes, each)?;
        let mut watch = Watch(Duration::ZERO);
        let sum = watch.time(|| hub.close())?;
        row("open", watch.0, all)?;
        ensure!(sum.words().len() == cells, "the sum has another length");
        Ok(masking.0 / nodes)
    }

    fn advertise(
        &self,
        hub: &mut CollectKeys,
        watch: &mut Watch,
    ) -> anyhow::Result<Nodes<ExpectKeys>> {
        let mut states = Nodes::new();
        for (id, identity) in &self.identities {
            let terms = Arc::clone(&self.terms);
            let head = LedgerHead { entries: 1, digest: Digest::of(b"ledger") };
            let made = watch.time(|| advertise(terms, id, identity, head, &mut UnwrapErr(SysRng)));
            let (state, ours) = made?;
            hub.accept(id, ours)?;
            states.insert(id.clone(), state);
        }
        Ok(states)
    }

    fn mask(
        &self,
        sharing: Nodes<ExpectSharers>,
        sharers: &[DistrictId],
        hub: &mut CollectMasked,
        masking: &mut Watch,
        adding: &mut Watch,
    ) -> anyhow::Result<Nodes<ExpectSurvivors>> {
        let mut masked = Nodes::new();
        for (place, (id, state)) in sharing.into_iter().enumerate() {
            let ours = words(place).take(self.setting.layout.words());
            let ours = ours.map(u64::cast_signed).collect();
            let ours = Contribution::new(&self.setting.layout, ours)?;
            let (state, input) = masking.time(|| state.mask(sharers, ours))?;
            let mut upload = hub.stage(&id)?;
            for (index, chunk) in input.chunks().enumerate() {
                adding.time(|| upload.chunk(u32::try_from(index).unwrap_or(u32::MAX), &chunk))?;
            }
            adding.time(|| hub.accept(&upload))?;
            masked.insert(id, state);
        }
        Ok(masked)
    }
}
