//! One node that breaks the rules among five that keep them: the coordinator refuses it by step and
//! reason, and goes on.

use flashlight_proto::wire::pb;

use crate::command::{Ended, Run};
use crate::data::{DISTRICTS, StudyText};
use crate::fake_node::Fake;
use crate::network::{Net, Release};

const OTHERS: [&str; 5] = ["D1", "D2", "D3", "D4", "D5"];

/// Five real nodes and a fake, and a run of a study.
fn begin(study: &StudyText, step_seconds: u32) -> (Net, Fake, Run) {
    let mut net = Net::start();
    net.start_nodes(OTHERS);
    let fake = Fake::join(&net, "D6", study);
    let run = net.run_patiently(study, 30, step_seconds);
    (net, fake, run)
}

#[track_caller]
fn published(net: &Net, run: Run) -> (Release, Ended) {
    let ended = run.end();
    assert_eq!(ended.code, 0, "{}", ended.said);
    (net.release(&ended), ended)
}

/// The run told its operator about D6.
#[track_caller]
fn tells(ended: &Ended, what: &str) {
    assert!(ended.said.lines().any(|line| line.contains(what)), "{what:?} in {}", ended.said);
}

fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}

#[test]
fn nonsense_at_every_step_is_refused_by_name_and_the_round_goes_on() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.ready();

    let ours = fake.advertise_message();
    let changed = |change: fn(&mut pb::AdvertiseRequest)| {
        let mut changed = ours.clone();
        change(&mut changed);
        changed
    };
    assert_eq!(fake.advertise(changed(|one| one.signature[0] ^= 1)), refused("signature"));
    assert_eq!(fake.advertise(changed(|one| one.seal_key = vec![0; 31])), refused("malformed"));
    assert_eq!(fake.advertise(changed(|one| one.round_id[0] ^= 1)), refused("round_unknown"));
    fake.advertise(ours.clone()).unwrap();
    // As a repetition, or because the step closed with it.
    assert!(["duplicate", "wrong_step"].contains(&&*fake.advertise(ours).unwrap_err()));

    let ours = fake.share_message();
    let changed = |change: fn(&mut Vec<pb::Seal>)| {
        let mut changed = ours.clone();
        change(&mut changed.seals);
        changed
    };
    assert_eq!(fake.share(changed(|seals| drop(seals.pop()))), refused("seal_shape"));
    assert_eq!(fake.share(changed(|seals| seals.swap(0, 1))), refused("seal_shape"));
    assert_eq!(fake.share(changed(|seals| seals[0].sealed.push(0))), refused("seal_shape"));
    assert_eq!(fake.share(changed(|seals| seals[0].peer.clear())), refused("malformed"));
    fake.share(ours.clone()).unwrap();

    let ours = fake.acknowledge_message();
    let round_id = ours.round_id.clone();
    for (opened, code) in [(["D1", "D9"], "stranger"), (["D2", "D1"], "set_not_ascending")] {
        let opened = opened.map(str::to_owned).to_vec();
        let request = pb::AcknowledgeRequest { round_id: round_id.clone(), opened };
        assert_eq!(fake.acknowledge(request), refused(code));
    }
    fake.acknowledge(ours).unwrap();

    let chunks = fake.mask_message();
    fake.mask(chunks).unwrap();

    let ours = fake.confirm_message();
    let mut changed = ours.clone();
    changed.signature[5] ^= 1;
    assert_eq!(fake.confirm(changed), refused("signature"));
    let mut changed = ours.clone();
    changed.signature.clear();
    assert_eq!(fake.confirm(changed), refused("malformed"));
    fake.confirm(ours).unwrap();

    let ours = fake.unmask_message();
    let changed = |change: fn(&mut Vec<pb::PeerShare>)| {
        let mut changed = ours.clone();
        change(&mut changed.seed_shares);
        changed
    };
    assert_eq!(fake.unmask(changed(|shares| drop(shares.pop()))), refused("share_shape"));
    assert_eq!(fake.unmask(changed(|shares| shares[0].share[0] ^= 1)), refused("malformed"));
    fake.unmask(ours).unwrap();

    let (release, ended) = published(&net, run);
    release.is_over(&DISTRICTS, &[]);
    tells(&ended, "advertise 0/6");
    tells(&ended, "refused D6: advertise: district D6: the signature does not verify");
    tells(&ended, "refused D6: share: district D6: sent sealed shares of the wrong number");
    tells(&ended, "refused D6: confirm: district D6: the signature does not verify");
    tells(&ended, "refused D6: unmask: district D6: sent shares of the wrong number");
    let log = net.log("coordinator");
    assert!(log.contains("refused") && log.contains("district=D6"), "{log}");
}

#[test]
fn a_false_share_is_worked_around_and_its_giver_is_named() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.play_until_mask();
    let chunks = fake.mask_message();
    fake.mask(chunks).unwrap();
    let ours = fake.confirm_message();
    fake.confirm(ours).unwrap();
    let mut ours = fake.unmask_message();
    for share in &mut ours.seed_shares {
        share.share[7] ^= 1;
    }
    fake.unmask(ours).unwrap();
    let (release, ended) = published(&net, run);
    release.is_over(&DISTRICTS, &[]);
    tells(&ended, "unmask: a share from district D6 does not fit");
}

#[test]
fn uploads_cut_padded_repeated_or_out_of_order_do_not_count_and_a_whole_one_does_once() {
    let (net, mut fake, run) = begin(&StudyText::WIDE, 20);
    fake.play_until_mask();
    let chunks = fake.mask_message();
    assert_eq!(chunks.len(), 2);
    let [first, second] = [0, 1].map(|at| chunks[at].clone());
    let numbered = |mut chunk: pb::MaskChunk, index| {
        chunk.index = index;
        chunk
    };
    let shortened = |mut chunk: pb::MaskChunk, by| {
        chunk.words.truncate(chunk.words.len() - by);
        chunk
    };
    let mut longer = second.clone();
    longer.words.extend([0; 8]);
    let mut foreign = second.clone();
    foreign.round_id[0] ^= 1;
    let cases = [
        (vec![], "truncated"),
        (vec![first.clone()], "truncated"),
        (vec![shortened(first.clone(), 8), second.clone()], "chunk"),
        (vec![first.clone(), shortened(second.clone(), 1)], "chunk"),
        (vec![first.clone(), longer], "chunk"),
        (vec![first.clone(), first.clone(), second.clone()], "chunk"),
        (vec![second.clone(), first.clone()], "chunk"),
        (vec![first.clone(), numbered(second.clone(), 2)], "chunk"),
        (vec![first.clone(), second.clone(), numbered(second.clone(), 2)], "chunk"),
        (vec![first.clone(), foreign], "chunk"),
    ];
    for (at, (upload, code)) in cases.into_iter().enumerate() {
        assert_eq!(fake.mask(upload), refused(code), "case {at}");
    }

    let open = fake.begin_upload(first);
    // The coordinator has claimed the upload when it refuses another.
    crate::network::until("a second upload is refused", || {
        (fake.mask(vec![]) == refused("upload_in_progress")).then_some(())
    });
    fake.finish_upload(open, vec![second]).unwrap();
    assert!(fake.mask(chunks).is_err(), "a second whole upload");
    fake.play_from_confirm();
    let (release, ended) = published(&net, run);
    assert_eq!(release.verified.release.facts().survivors.len(), 6);
    tells(&ended, "mask: refused D6: mask: district D6: chunk 1 is not the chunk 1 expected");
    tells(&ended, "mask: refused D6: mask: district D6: the upload stopped after 1 of 2 chunks");
}

#[test]
fn a_node_that_dies_after_half_its_chunks_is_lost_and_nothing_of_it_counts() {
    let (net, mut fake, run) = begin(&StudyText::WIDE, 20);
    fake.play_until_mask();
    let chunks = fake.mask_message();
    let open = fake.begin_upload(chunks[0].clone());
    crate::network::until("the upload is claimed", || {
        (fake.mask(vec![]) == refused("upload_in_progress")).then_some(())
    });
    drop(open);
    drop(fake);
    let (release, ended) = published(&net, run);
    let facts = release.verified.release.facts();
    assert_eq!((facts.survivors.len(), facts.lost[0].as_str()), (5, "D6"));
    tells(&ended, "mask 5/6: lost D6");
}

#[test]
fn a_vector_that_is_not_masked_under_the_terms_of_the_round_spoils_it_and_is_not_published() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.play_until_mask();
    let mut chunks = fake.mask_message();
    chunks[0].words.iter_mut().for_each(|byte| *byte = byte.wrapping_add(101));
    fake.mask(chunks).unwrap();
    fake.play_from_confirm();
    let ended = run.aborts("control_cell");
    tells(&ended, "not everybody masked under the same terms");
    assert!(net.releases().is_empty());
    assert!(net.open_rounds().is_empty());
}

#[test]
fn seals_that_open_nowhere_leave_their_maker_out_at_no_cost() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.ready();
    let ours = fake.advertise_message();
    fake.advertise(ours).unwrap();
    let mut ours = fake.share_message();
    ours.seals.iter_mut().for_each(|seal| seal.sealed[3] ^= 1);
    fake.share(ours).unwrap();
    let ours = fake.acknowledge_message();
    fake.acknowledge(ours).unwrap();
    let (release, ended) = published(&net, run);
    release.is_over(&OTHERS, &[]);
    tells(&ended, "share: lost D6 before anybody had masked");
}

#[test]
fn a_node_that_says_no_seal_opened_leaves_only_itself_out() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.ready();
    let ours = fake.advertise_message();
    fake.advertise(ours).unwrap();
    let ours = fake.share_message();
    fake.share(ours).unwrap();
    let mut ours = fake.acknowledge_message();
    ours.opened.clear();
    fake.acknowledge(ours).unwrap();
    let (release, _) = published(&net, run);
    release.is_over(&OTHERS, &[]);
}

#[test]
fn an_upload_that_comes_after_its_step_has_closed_does_not_count() {
    let mut net = Net::start();
    net.start_nodes(OTHERS[1..].iter().copied());
    // Holds the step after `mask` open until its time is up.
    net.start_node("D1", Some("confirm:before"));
    let mut fake = Fake::join(&net, "D6", &StudyText::SMALL);
    let run = net.run_patiently(&StudyText::SMALL, 30, 3);
    fake.play_until_mask();
    let chunks = fake.mask_message();
    run.await_line("mask 5/6: lost D6");
    run.await_line("confirm ");
    assert_eq!(fake.mask(chunks), refused("wrong_step"));
    let (release, ended) = published(&net, run);
    release.is_over(&DISTRICTS, &["D6"]);
    tells(&ended, "lost D1");
}

#[test]
fn a_node_that_goes_silent_is_left_out_when_its_time_is_up() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 3);
    fake.ready();
    drop(fake.advertise_message());
    let (release, ended) = published(&net, run);
    release.is_over(&OTHERS, &[]);
    tells(&ended, "advertise 5/6: lost D6");
}

#[test]
fn a_node_that_withdraws_is_named_with_its_reason_on_one_line_and_not_waited_for() {
    // Nobody in these tests waits for as long as this step may take.
    let (net, mut fake, run) = begin(&StudyText::SMALL, 90);
    fake.ready();
    let ours = fake.advertise_message();
    fake.advertise(ours).unwrap();
    let reason = "a reason\ncoordinator: published\u{1b}[2J";
    fake.withdraw("share", "some_code", reason).unwrap();
    let (release, ended) = published(&net, run);
    release.is_over(&OTHERS, &[]);
    tells(&ended, "district D6 withdraws at share: a reason");
    assert!(!ended.said.contains('\u{1b}') && !ended.said.contains("\ncoordinator: published"));
}

#[test]
fn a_district_that_refuses_a_study_is_named_with_its_reason_on_one_line() {
    let (net, mut fake, run) = begin(&StudyText::SMALL, 20);
    fake.refuse("not\ntoday", "we do\rnot\nwant to");
    let (release, ended) = published(&net, run);
    release.is_over(&OTHERS, &[]);
    tells(&ended, "district D6 does not take part: we do");
    tells(&ended, "want to");
    assert!(!ended.said.contains('\r') && !ended.said.contains("\nwant to"), "{}", ended.said);
}
