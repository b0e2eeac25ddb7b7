//! One message of the known round, bent in one place, and who says what about it: the list `bad` of
//! the file, which is written by hand.
//!
//! `message` is which message is bent, from the coordinator `to` a district or `from` a district to
//! it. `change` drops, repeats or bends entries (counted from 0) of its list: `put` gives an entry
//! another district's id, `xor` changes one byte of a field, `list` replaces the whole list; of an
//! upload, `index` sends that chunk first and `cut` takes bytes off it; of shares, `x` is the place.

use flashlight_proto::identity::{DistrictId, Signature};
use flashlight_proto::secagg::shamir::Share;
use flashlight_proto::secagg::{Abort, Advertisement, Confirmation, Reject};
use flashlight_tests::{Collected, Masked, Network, Shared, district, identity, number, seeded};
use serde_json::Value;

use super::{LOST, mask, network};

/// What the party that is sent the bent message says: step, party, code.
pub(crate) fn outcome(case: &Value) -> (&'static str, Option<DistrictId>, &'static str) {
    let change = &case["change"];
    match case["message"].as_str().unwrap() {
        message if case["to"].is_string() => abort(to_node(message, change)),
        message => reject(to_hub(message, change)),
    }
}

fn abort(abort: Abort) -> (&'static str, Option<DistrictId>, &'static str) {
    (abort.step.as_str(), abort.party.clone(), abort.code())
}

fn reject(reject: Reject) -> (&'static str, Option<DistrictId>, &'static str) {
    (reject.step.as_str(), reject.party.clone(), reject.code())
}

/// An entry of a list that can be bent.
trait Entry: Clone {
    fn put(&mut self, district: DistrictId);
    fn field(&mut self, name: &str, bend: &dyn Fn(&mut [u8]));
}

impl Entry for DistrictId {
    fn put(&mut self, district: DistrictId) {
        *self = district;
    }

    fn field(&mut self, name: &str, _: &dyn Fn(&mut [u8])) {
        panic!("an id has no field {name}");
    }
}

fn bent<const N: usize>(bytes: &[u8; N], bend: &dyn Fn(&mut [u8])) -> [u8; N] {
    let mut bytes = *bytes;
    bend(&mut bytes);
    bytes
}

impl Entry for Advertisement {
    fn put(&mut self, district: DistrictId) {
        self.district = district;
    }

    fn field(&mut self, name: &str, bend: &dyn Fn(&mut [u8])) {
        match name {
            "seal_key" => self.seal_key = bent(&self.seal_key, bend),
            "mask_key" => self.mask_key = bent(&self.mask_key, bend),
            "seed_commitment" => {
                self.seed_commitment = bent(self.seed_commitment.as_bytes(), bend).into();
            }
            "ledger_head" => {
                self.ledger.digest = bent(self.ledger.digest.as_bytes(), bend).into();
            }
            "ledger_entries" => {
                let entries = bent(&self.ledger.entries.to_le_bytes(), bend);
                self.ledger.entries = u64::from_le_bytes(entries);
            }
            "signature" => self.signature = signature(&self.signature, bend),
            other => panic!("no field {other}"),
        }
    }
}

impl Entry for Confirmation {
    fn put(&mut self, district: DistrictId) {
        self.district = district;
    }

    fn field(&mut self, name: &str, bend: &dyn Fn(&mut [u8])) {
        assert_eq!(name, "signature");
        self.signature = signature(&self.signature, bend);
    }
}

impl Entry for flashlight_proto::secagg::Seal {
    fn put(&mut self, district: DistrictId) {
        self.peer = district;
    }

    fn field(&mut self, name: &str, bend: &dyn Fn(&mut [u8])) {
        assert_eq!(name, "sealed");
        bend(&mut self.sealed);
    }
}

fn signature(of: &Signature, bend: &dyn Fn(&mut [u8])) -> Signature {
    Signature::try_from(&bent(of.as_bytes(), bend)[..]).unwrap()
}

fn place(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Applies one change of the file to a list.
fn apply<T: Entry>(list: &mut Vec<T>, change: &Value) {
    if let Some(drop) = change["drop"].as_array() {
        drop.iter().rev().for_each(|at| std::mem::drop(list.remove(place(at))));
    } else if change["repeat"].is_u64() {
        let at = place(&change["repeat"]);
        list.insert(at, list[at].clone());
    } else {
        let entry = &mut list[place(&change["entry"])];
        match change["put"].as_str() {
            Some(district) => entry.put(district.parse().unwrap()),
            None => {
                let bits = u8::try_from(change["xor"].as_u64().unwrap()).unwrap();
                let bend = |bytes: &mut [u8]| bytes[place(&change["byte"])] ^= bits;
                entry.field(change["field"].as_str().unwrap(), &bend);
            }
        }
    }
}

fn apply_to_ids(list: &mut Vec<DistrictId>, change: &Value) {
    match change["list"].as_array() {
        Some(whole) => {
            *list = whole.iter().map(|one| one.as_str().unwrap().parse().unwrap()).collect();
        }
        None => apply(list, change),
    }
}

fn shared(net: &mut Network) -> Shared {
    net.advertise(&[]).unwrap().share(net, &[]).unwrap()
}

fn masked(net: &mut Network) -> Masked {
    let acknowledged = shared(net).acknowledge(&[]).unwrap();
    mask(net, acknowledged).0
}

fn collected(net: &mut Network) -> Collected {
    masked(net).confirm(&[]).unwrap().collect(&[])
}

/// The bent message goes to node D001.
fn to_node(message: &str, change: &Value) -> Abort {
    let mut net = network();
    let one = district(1);
    match message {
        "share" => {
            let mut state = net.advertise(&[]).unwrap();
            apply(&mut state.advertisements, change);
            let node = state.nodes.remove(&one).unwrap();
            node.share(state.advertisements, &mut seeded(0, 0)).map(|_| ()).unwrap_err()
        }
        "seals" => {
            let mut state = shared(&mut net);
            let mut seals = state.seals.remove(&one).unwrap();
            apply(&mut seals, change);
            state.nodes.remove(&one).unwrap().acknowledge(seals).map(|_| ()).unwrap_err()
        }
        "mask" => {
            let mut state = shared(&mut net).acknowledge(&[]).unwrap();
            apply_to_ids(&mut state.sharers, change);
            let node = state.nodes.remove(&one).unwrap();
            node.mask(&state.sharers, net.contribution(&one)).map(|_| ()).unwrap_err()
        }
        "confirm" => {
            let mut state = masked(&mut net);
            apply_to_ids(&mut state.survivors, change);
            let node = state.nodes.remove(&one).unwrap();
            node.confirm(state.survivors, &identity(1)).map(|_| ()).unwrap_err()
        }
        "unmask" => {
            let mut state = masked(&mut net).confirm(&[]).unwrap();
            apply(&mut state.confirmations, change);
            let node = state.nodes.remove(&one).unwrap();
            node.unmask(&state.confirmations).map(|_| ()).unwrap_err()
        }
        other => panic!("no message {other}"),
    }
}

/// The bent message goes to the coordinator, from D002.
fn to_hub(message: &str, change: &Value) -> Reject {
    let mut net = network();
    let two = district(2);
    match message {
        "advertise" => {
            let mut list = vec![net.nodes(std::slice::from_ref(&two)).remove(&two).unwrap().1];
            apply(&mut list, change);
            let mut hub = flashlight_proto::secagg::CollectKeys::new(net.terms);
            hub.accept(&two, list.remove(0)).unwrap_err()
        }
        "share" => {
            let mut state = net.advertise(&[]).unwrap();
            let node = state.nodes.remove(&two).unwrap();
            let mut seals = node.share(state.advertisements, &mut seeded(0, 0)).unwrap().1;
            apply(&mut seals, change);
            state.hub.accept(&two, seals).unwrap_err()
        }
        "acknowledge" => {
            let mut state = shared(&mut net);
            let seals = state.seals.remove(&two).unwrap();
            let mut opened = state.nodes.remove(&two).unwrap().acknowledge(seals).unwrap().1;
            apply_to_ids(&mut opened, change);
            state.hub.accept(&two, &opened).unwrap_err()
        }
        "upload" => {
            let mut state = shared(&mut net).acknowledge(&[]).unwrap();
            let node = state.nodes.remove(&two).unwrap();
            let (_, sent) = node.mask(&state.sharers, net.contribution(&two)).unwrap();
            let index = usize::try_from(change["index"].as_u64().unwrap_or(0)).unwrap();
            let mut chunk = sent.chunks().nth(index).unwrap();
            chunk.truncate(
                chunk.len() - change["cut"].as_u64().map_or(0, |_| place(&change["cut"])),
            );
            let index = u32::try_from(index).unwrap();
            state.hub.stage(&two).unwrap().chunk(index, &chunk).unwrap_err()
        }
        "confirmation" => {
            let mut state = masked(&mut net);
            let node = state.nodes.remove(&two).unwrap();
            let (_, signed) = node.confirm(state.survivors, &identity(2)).unwrap();
            let mut list = vec![Confirmation { district: two.clone(), signature: signed }];
            apply(&mut list, change);
            state.hub.accept(&two, list[0].signature).unwrap_err()
        }
        "shares" => {
            let mut state = collected(&mut net);
            assert!(state.survivors.iter().all(|one| number(one) != LOST));
            let mut ours = state.shares.remove(&two).unwrap();
            if let Some(drop) = change["drop"].as_array() {
                drop.iter().for_each(|at| std::mem::drop(ours.seeds.remove(place(at))));
            } else {
                let share = &mut ours.seeds[place(&change["entry"])].1;
                let x = u8::try_from(change["x"].as_u64().unwrap()).unwrap();
                let bytes = [&[x], &share.as_bytes()[1..]].concat();
                *share = Share::parse(&bytes, x).unwrap();
            }
            state.hub.accept(&two, ours).unwrap_err()
        }
        other => panic!("no message {other}"),
    }
}
