//! Losing more than the rule permits ends the round, at the step where it happens.

use flashlight_proto::secagg::Step;
use flashlight_tests::Network;

use crate::{assert_aborts, districts};

/// Seven districts, two may drop, one may collude: m = 5, t = 5, h = 4.
fn seven() -> Network {
    Network::new(7, 2, 1)
}

/// Nine districts, two may drop, one may collude: m = 7, t = 6: fewer than m may confirm.
fn nine() -> Network {
    Network::new(9, 2, 1)
}

#[test]
fn a_round_in_which_fewer_than_m_advertise_is_given_up_at_advertise() {
    let mut net = seven();
    assert!(net.advertise(&districts([1, 7])).is_ok());
    assert_aborts(net.advertise(&districts([1, 4, 7])), Step::Advertise, None, "too_few");
}

#[test]
fn a_round_in_which_fewer_than_m_share_is_given_up_at_share() {
    let mut net = seven();
    let advertised = net.advertise(&districts([1])).unwrap();
    let shared = advertised.share(&mut net, &districts([2, 3]));
    assert_aborts(shared, Step::Share, None, "too_few");
}

#[test]
fn a_round_in_which_fewer_than_m_acknowledge_is_given_up_at_share() {
    let mut net = seven();
    let shared = net.advertise(&districts([1])).unwrap().share(&mut net, &districts([2])).unwrap();
    assert_aborts(shared.acknowledge(&districts([3])), Step::Share, None, "too_few");
}

#[test]
fn a_round_in_which_fewer_than_m_mask_is_given_up_at_mask() {
    let mut net = seven();
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let acknowledged = shared.acknowledge(&districts([7])).unwrap();
    let masked = acknowledged.mask(&net, &districts([1, 2]));
    assert_aborts(masked, Step::Mask, None, "too_few");
}

#[test]
fn a_round_in_which_fewer_than_t_confirm_is_given_up_at_confirm() {
    let masked = nine().masked();
    let confirmed = masked.confirm(&districts([1, 2, 3, 4]));
    assert_aborts(confirmed, Step::Confirm, None, "confirmations");
}

#[test]
fn a_round_in_which_fewer_than_t_unmask_is_given_up_at_unmask() {
    let confirmed = nine().masked().confirm(&districts([1, 2])).unwrap();
    let sum = confirmed.unmask(&districts([3, 4]));
    assert_aborts(sum, Step::Unmask, None, "too_few");
}

#[test]
fn a_round_in_which_exactly_t_confirm_and_unmask_is_opened() {
    let mut net = nine();
    let confirmed = net.masked().confirm(&districts([1, 2, 3])).unwrap();
    let sum = confirmed.unmask(&[]).unwrap();
    assert_eq!(sum.words(), net.plain_sum(&net.everybody()));
}

#[test]
fn every_abort_says_step_reason_and_sizes_and_no_party_when_nobody_is_at_fault() {
    let abort = seven().advertise(&districts([1, 2, 3])).map(|_| ()).unwrap_err();
    assert_eq!(abort.to_string(), "advertise: only 4 districts are left, the round needs 5");
}
