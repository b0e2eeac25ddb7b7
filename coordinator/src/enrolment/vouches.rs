//! One district's word for another, kept and passed on.
//!
//! In: a vouch over a district's own connection. Out: the same vouch, with every roster that is
//! fetched. Promise: it was made by the district that sent it, under its key in the roster, for an
//! active member under that member's key; it is durable before the sender hears so. Not promised: that
//! anybody believes it. Each node checks every vouch itself, so a hub that adds, changes or withholds
//! some can only make it trust fewer.

use std::collections::BTreeMap;

use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::MemberState;
use flashlight_proto::vouch::{VOUCHES_MAX, Vouch, log_origin};

use super::{Enrolment, VouchRefused};
use crate::journal::{Entry, Journal};

/// For whom, under which key; then one vouch of each voucher.
pub(super) type Vouches = BTreeMap<(DistrictId, IdentityKey), BTreeMap<DistrictId, Vouch>>;

/// Adds a vouch; the newest of a voucher for the same district and key stays.
pub(super) fn add(vouches: &mut Vouches, vouch: Vouch) {
    let of = vouches.entry((vouch.district.clone(), vouch.key)).or_default();
    of.insert(vouch.voucher.clone(), vouch);
}

impl Enrolment {
    /// Takes a district's vouch for another. One that is known already is taken again, without a
    /// trace. Durable when it returns.
    ///
    /// `from`: who sent it, by the connection's certificate.
    ///
    /// # Errors
    /// [`VouchRefused`]; then nothing was recorded.
    pub fn vouch(
        &mut self,
        from: &DistrictId,
        text: &str,
        journal: &mut Journal,
        now_ms: u64,
    ) -> Result<(), VouchRefused> {
        let vouch: Vouch = text.parse().map_err(VouchRefused::Vouch)?;
        if vouch.voucher != *from {
            return Err(VouchRefused::Sender);
        }
        if vouch.district == *from {
            return Err(VouchRefused::Own);
        }
        if !self.holds(&vouch.district, &vouch.key) {
            return Err(VouchRefused::Unknown { district: vouch.district });
        }
        let voucher = self.members.get(from).ok_or(VouchRefused::Sender)?;
        let origin = log_origin(&self.authority.hub_key());
        vouch.verify(&voucher.key, &origin).map_err(VouchRefused::Vouch)?;
        let known = self.vouches.get(&(vouch.district.clone(), vouch.key));
        if known.is_some_and(|known| known.contains_key(from)) {
            return Ok(());
        }
        if self.vouches.values().map(BTreeMap::len).sum::<usize>() >= VOUCHES_MAX {
            return Err(VouchRefused::Full);
        }
        let entry = Entry::Vouched { vouch };
        journal.append(&entry, now_ms).map_err(VouchRefused::Journal)?;
        self.fold(entry);
        Ok(())
    }

    /// The vouches of active members for active members under the keys they have; at most
    /// [`VOUCHES_MAX`].
    pub fn vouches(&self) -> impl Iterator<Item = &Vouch> {
        let current = self.vouches.iter().filter(|((district, key), _)| self.holds(district, key));
        current.flat_map(|(_, of)| of.values()).filter(|vouch| self.is_active(&vouch.voucher))
    }

    /// How many active members vouch for this one under the key it has.
    #[must_use]
    pub fn vouched(&self, district: &DistrictId) -> usize {
        let Some(member) = self.members.get(district) else { return 0 };
        let of = self.vouches.get(&(district.clone(), member.key));
        of.map_or(0, |of| of.keys().filter(|voucher| self.is_active(voucher)).count())
    }

    fn is_active(&self, district: &DistrictId) -> bool {
        self.members.get(district).is_some_and(|member| member.state == MemberState::Active)
    }

    fn holds(&self, district: &DistrictId, key: &IdentityKey) -> bool {
        let holds = |member: &flashlight_proto::roster::Member| {
            member.state == MemberState::Active && member.key == *key
        };
        self.members.get(district).is_some_and(holds)
    }
}
