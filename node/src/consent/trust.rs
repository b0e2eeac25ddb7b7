//! Which districts this node counts as honest.
//!
//! A hub that certifies districts of its own could fill any cohort with them. So a peer counts only
//! when the district's policy lists its id and key, or when two districts that the policy lists vouch
//! for it under the key it uses. Vouching does not go further: who was vouched for cannot vouch.

use std::collections::{BTreeMap, BTreeSet};

use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_proto::roster::{Member, MemberState, Roster};
use flashlight_proto::vouch::{VOUCHES_MAX, Vouch};

use super::Policy;

/// Districts that have to vouch for one that the policy does not list, at least.
const VOUCHERS_MIN: usize = 2;

/// What trust is counted from, beside the policy.
#[derive(Clone, Copy, Debug)]
pub struct Witnesses<'a> {
    /// This node.
    pub district: &'a DistrictId,
    /// Accepted by this node.
    pub roster: &'a Roster,
    /// What the log holds; those that do not verify are passed over.
    pub vouches: &'a [Vouch],
    /// Names the network.
    pub log_origin: &'a str,
}

/// Why a member counts, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This district itself.
    Own,
    /// The policy lists it under this key.
    Listed,
    /// The policy lists it under another key, which signed for this one.
    Renewed,
    /// Two or more listed districts vouch for it, ascending.
    Vouched(Vec<DistrictId>),
    /// The policy lists it under another key: it may be an impostor.
    KeyDiffers,
    /// Nobody this district trusts knows it. The listed districts that vouch, too few.
    Stranger(Vec<DistrictId>),
}

impl Standing {
    /// Whether the member counts as possibly honest.
    #[must_use]
    pub const fn counts(&self) -> bool {
        matches!(self, Self::Own | Self::Listed | Self::Renewed | Self::Vouched(_))
    }

    /// For people: half a line.
    #[must_use]
    pub fn describe(&self) -> String {
        let join =
            |ids: &[DistrictId]| ids.iter().map(DistrictId::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::Own => "this district".to_owned(),
            Self::Listed => "trusted: listed in policy.toml".to_owned(),
            Self::Renewed => "trusted: its listed key signed for the new one".to_owned(),
            Self::Vouched(by) => format!("trusted: {} vouch for it", join(by)),
            Self::KeyDiffers => {
                "NOT trusted: policy.toml lists another key; check by phone".to_owned()
            }
            Self::Stranger(by) if by.is_empty() => "not trusted: nobody listed knows it".to_owned(),
            Self::Stranger(by) => {
                format!("not trusted: {} vouches for it, at least one more is needed", join(by))
            }
        }
    }
}

/// One member of the roster as this district sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub district: DistrictId,
    /// For people.
    pub name: String,
    /// Its key in the roster.
    pub key: IdentityKey,
    /// Why it counts, or does not.
    pub standing: Standing,
}

/// All members of one roster as this district sees them.
#[derive(Clone, Debug)]
pub struct Trust {
    peers: BTreeMap<DistrictId, Peer>,
    listed: BTreeMap<DistrictId, IdentityKey>,
    log_origin: String,
}

impl Policy {
    /// Looks at every member of the roster.
    #[must_use]
    pub fn trust(&self, witnesses: Witnesses<'_>) -> Trust {
        let peers = witnesses.roster.members().iter().map(|member| {
            let peer = Peer {
                district: member.district.clone(),
                name: member.name.clone(),
                key: member.key,
                standing: self.standing(member, witnesses),
            };
            (member.district.clone(), peer)
        });
        Trust {
            peers: peers.collect(),
            listed: self.trusted.clone(),
            log_origin: witnesses.log_origin.to_owned(),
        }
    }

    fn standing(&self, member: &Member, witnesses: Witnesses<'_>) -> Standing {
        if member.district == *witnesses.district {
            return Standing::Own;
        }
        let listed = self.trusted.get(&member.district);
        if listed == Some(&member.key) {
            return Standing::Listed;
        }
        let verifies =
            |vouch: &Vouch, key: &IdentityKey| vouch.verify(key, witnesses.log_origin).is_ok();
        let for_it = || {
            witnesses
                .vouches
                .iter()
                .take(VOUCHES_MAX)
                .filter(|vouch| vouch.district == member.district && vouch.key == member.key)
        };
        let itself = |vouch: &&Vouch| vouch.voucher == member.district;
        if let Some(old) = listed
            && for_it().filter(itself).any(|vouch| verifies(vouch, old))
        {
            return Standing::Renewed;
        }
        let vouchers: BTreeSet<&DistrictId> = for_it()
            .filter(|vouch| !itself(vouch))
            .filter(|vouch| {
                let key = self.voucher_key(&vouch.voucher, witnesses.roster);
                key.is_some_and(|key| verifies(vouch, key))
            })
            .map(|vouch| &vouch.voucher)
            .collect();
        let by = || vouchers.iter().map(|id| (*id).clone()).collect();
        match listed {
            _ if vouchers.len() >= self.vouchers_needed() => Standing::Vouched(by()),
            Some(_) => Standing::KeyDiffers,
            None => Standing::Stranger(by()),
        }
    }

    /// More than the trusted districts that may collude, and two at least.
    fn vouchers_needed(&self) -> usize {
        VOUCHERS_MIN.max(usize::from(self.floors.min_colluding) + 1)
    }

    /// The key of a district whose vouch counts: listed, and an active member under that very key.
    fn voucher_key(&self, voucher: &DistrictId, roster: &Roster) -> Option<&IdentityKey> {
        let key = self.trusted.get(voucher)?;
        let member = roster.find(voucher)?;
        (member.state == MemberState::Active && member.key == *key).then_some(key)
    }
}

impl Trust {
    /// Every member of the roster, ascending.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// Names the network.
    #[must_use]
    pub fn log_origin(&self) -> &str {
        &self.log_origin
    }

    /// Whether this member counts as possibly honest.
    #[must_use]
    pub fn counts(&self, district: &DistrictId) -> bool {
        self.peers.get(district).is_some_and(|peer| peer.standing.counts())
    }

    /// The key this node believes signatures of this district under: the roster's, unless the policy
    /// lists another one that did not pass it on.
    #[must_use]
    pub fn key(&self, district: &DistrictId) -> Option<&IdentityKey> {
        let peer = self.peers.get(district)?;
        match peer.standing {
            Standing::KeyDiffers => self.listed.get(district),
            _ => Some(&peer.key),
        }
    }
}
