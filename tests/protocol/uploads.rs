//! Hostile scripts on step 2: chunks, from a district that is broken or hostile.

use flashlight_proto::secagg::{CHUNK_WORDS, CollectMasked, MaskedInput, Reason, Staging, Step};
use flashlight_tests::{Each, Masked, Network, Width, district, upload};

use crate::{assert_aborts, assert_rejects, districts};

/// Five districts whose uploads have three chunks, the last one short; all are in U₂.
struct Uploads {
    net: Network,
    hub: CollectMasked,
    masked: Each<MaskedInput>,
    nodes: Each<flashlight_proto::secagg::ExpectSurvivors>,
}

fn uploads(width: Width, seed: u8) -> Uploads {
    let mut net = Network::of_width(5, 1, 1, width, seed);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let state = shared.acknowledge(&[]).unwrap();
    let (mut masked, mut nodes) = (Each::new(), Each::new());
    for (one, node) in state.nodes {
        let (node, ours) = node.mask(&state.sharers, net.contribution(&one)).unwrap();
        masked.insert(one.clone(), ours);
        nodes.insert(one, node);
    }
    Uploads { net, hub: state.hub, masked, nodes }
}

fn chunks(of: &Uploads) -> Vec<Vec<u8>> {
    of.masked[&district(1)].chunks().collect()
}

/// What the coordinator says to the last of these chunks of district 1, with the index each is
/// sent under; the ones before it are fine.
#[track_caller]
fn refuses_the_last(send: impl FnOnce(Vec<Vec<u8>>) -> Vec<(u32, Vec<u8>)>, want: u32) {
    let state = uploads(Width::Wide, 1);
    let mut staging = state.hub.stage(&district(1)).unwrap();
    let mut sent = send(chunks(&state));
    let (index, last) = sent.pop().unwrap();
    for (index, chunk) in sent {
        staging.chunk(index, &chunk).unwrap();
    }
    let refused = staging.chunk(index, &last);
    let reason = refused.clone().unwrap_err().reason;
    assert_rejects(refused, Step::Mask, 1, "chunk");
    assert_eq!(reason, Reason::Chunk { got: index, want });
}

#[test]
fn an_upload_of_three_chunks_is_taken_in_order() {
    let mut state = uploads(Width::Wide, 1);
    let sizes: Vec<usize> = chunks(&state).iter().map(|chunk| chunk.len() / 8).collect();
    assert_eq!(sizes[..2], [CHUNK_WORDS, CHUNK_WORDS]);
    assert!(sizes.len() == 3 && sizes[2] < CHUNK_WORDS, "{sizes:?}");
    upload(&mut state.hub, &district(1), &state.masked[&district(1)]).unwrap();
    assert_eq!(state.hub.have(), districts([1]));
}

#[test]
fn a_repeated_chunk_is_refused() {
    refuses_the_last(|chunks| vec![(0, chunks[0].clone()), (0, chunks[0].clone())], 1);
}

#[test]
fn a_chunk_repeated_under_the_next_index_is_refused_when_its_size_differs() {
    let repeat = |chunks: Vec<Vec<u8>>| {
        vec![(0, chunks[0].clone()), (1, chunks[1].clone()), (2, chunks[1].clone())]
    };
    refuses_the_last(repeat, 2);
}

#[test]
fn chunks_out_of_order_are_refused() {
    refuses_the_last(|chunks| vec![(1, chunks[1].clone())], 0);
}

#[test]
fn a_chunk_that_skips_one_is_refused() {
    refuses_the_last(|chunks| vec![(0, chunks[0].clone()), (2, chunks[2].clone())], 1);
}

#[test]
fn a_chunk_a_word_short_is_refused() {
    refuses_the_last(|chunks| vec![(0, chunks[0][8..].to_vec())], 0);
}

#[test]
fn a_chunk_a_byte_short_is_refused() {
    refuses_the_last(|chunks| vec![(0, chunks[0][1..].to_vec())], 0);
}

#[test]
fn a_chunk_a_word_long_is_refused() {
    refuses_the_last(|chunks| vec![(0, [&chunks[0][..], &[0; 8]].concat())], 0);
}

#[test]
fn an_empty_chunk_is_refused() {
    refuses_the_last(|_| vec![(0, Vec::new())], 0);
}

#[test]
fn a_last_chunk_of_full_size_is_refused() {
    let full = |mut chunks: Vec<Vec<u8>>| {
        chunks[2].resize(CHUNK_WORDS * 8, 0);
        (0..).zip(chunks).collect()
    };
    refuses_the_last(full, 2);
}

#[test]
fn a_chunk_after_the_last_is_refused() {
    let extra = |mut chunks: Vec<Vec<u8>>| {
        chunks.push(chunks[2].clone());
        (0..).zip(chunks).collect()
    };
    refuses_the_last(extra, 3);
}

#[test]
fn an_empty_chunk_after_the_last_is_refused() {
    let extra = |mut chunks: Vec<Vec<u8>>| {
        chunks.push(Vec::new());
        (0..).zip(chunks).collect()
    };
    refuses_the_last(extra, 3);
}

#[test]
fn an_upload_that_stops_early_is_refused_whole() {
    for kept in 0..3 {
        let mut state = uploads(Width::Wide, 1);
        let mut staging = state.hub.stage(&district(1)).unwrap();
        for (index, chunk) in (0..).zip(chunks(&state)).take(kept) {
            staging.chunk(index, &chunk).unwrap();
        }
        let refused = state.hub.accept(&staging);
        let got = u32::try_from(kept).unwrap();
        assert_eq!(refused.clone().unwrap_err().reason, Reason::Truncated { got, want: 3 });
        assert_rejects(refused, Step::Mask, 1, "truncated");
        assert_eq!(state.hub.have(), []);
    }
}

/// District 5 dies after two of three chunks; the sum is over the other four and exact.
#[test]
fn half_an_upload_never_counts() {
    let mut state = uploads(Width::Wide, 1);
    for one in districts([1, 2, 3, 4]) {
        upload(&mut state.hub, &one, &state.masked[&one]).unwrap();
    }
    let mut half = state.hub.stage(&district(5)).unwrap();
    for (index, chunk) in (0..).zip(state.masked[&district(5)].chunks()).take(2) {
        half.chunk(index, &chunk).unwrap();
    }
    drop(half);
    state.nodes.remove(&district(5));
    let (hub, survivors) = state.hub.close().unwrap();
    let masked = Masked { nodes: state.nodes, hub, survivors };
    let sum = masked.confirm(&[]).unwrap().unmask(&[]).unwrap();
    assert_eq!(sum.lost(), districts([5]));
    assert_eq!(sum.words(), state.net.plain_sum(&districts([1, 2, 3, 4])));
}

#[test]
fn a_second_upload_is_refused_before_its_first_chunk() {
    let mut state = uploads(Width::Narrow, 1);
    upload(&mut state.hub, &district(1), &state.masked[&district(1)]).unwrap();
    let second = state.hub.stage(&district(1)).map(|_| ());
    assert_rejects(second, Step::Mask, 1, "duplicate");
}

#[test]
fn of_two_uploads_under_way_at_once_only_the_first_counts() {
    let mut state = uploads(Width::Narrow, 1);
    let stage = |hub: &CollectMasked| -> Staging {
        let mut staging = hub.stage(&district(1)).unwrap();
        for (index, chunk) in (0..).zip(state.masked[&district(1)].chunks()) {
            staging.chunk(index, &chunk).unwrap();
        }
        staging
    };
    let (first, second) = (stage(&state.hub), stage(&state.hub));
    state.hub.accept(&first).unwrap();
    assert_rejects(state.hub.accept(&second), Step::Mask, 1, "duplicate");
    assert_rejects(state.hub.accept(&first), Step::Mask, 1, "duplicate");
}

#[test]
fn an_upload_from_outside_the_second_set_is_refused() {
    let mut net = Network::new(7, 2, 1);
    let shared = net.advertise(&[]).unwrap().share(&mut net, &[]).unwrap();
    let state = shared.acknowledge(&districts([7])).unwrap();
    assert_rejects(state.hub.stage(&district(7)).map(|_| ()), Step::Mask, 7, "stranger");
    assert_rejects(state.hub.stage(&district(8)).map(|_| ()), Step::Mask, 8, "stranger");
}

#[test]
fn an_upload_opened_in_an_earlier_round_does_not_count_in_this_one() {
    let earlier = uploads(Width::Narrow, 1);
    let mut staging = earlier.hub.stage(&district(1)).unwrap();
    for (index, chunk) in (0..).zip(chunks(&earlier)) {
        staging.chunk(index, &chunk).unwrap();
    }
    let mut now = uploads(Width::Narrow, 2);
    assert_rejects(now.hub.accept(&staging), Step::Mask, 1, "stranger");
    assert_eq!(now.hub.have(), []);
}

/// Two chunks of equal size swapped by the sender itself: in order, whole, and wrong.
#[test]
fn the_control_cells_refuse_chunks_that_a_district_swapped() {
    let mut state = uploads(Width::Wide, 1);
    let mut swapped = chunks(&state);
    swapped.swap(0, 1);
    assert_aborts(sum_with(&mut state, &swapped), Step::Unmask, None, "control_cell");
}

#[test]
fn the_control_cells_refuse_a_vector_of_garbage() {
    let mut state = uploads(Width::Narrow, 1);
    assert_aborts(sum_with(&mut state, &[vec![0x5a; 64]]), Step::Unmask, None, "control_cell");
}

/// The sum when district 1 sends these chunks and everybody is honest otherwise.
fn sum_with(
    state: &mut Uploads,
    sent: &[Vec<u8>],
) -> Result<flashlight_proto::secagg::NoisySum, flashlight_proto::secagg::Abort> {
    let mut hub = std::mem::replace(&mut state.hub, uploads(Width::Narrow, 3).hub);
    let mut staging = hub.stage(&district(1)).unwrap();
    for (index, chunk) in (0..).zip(sent) {
        staging.chunk(index, chunk).unwrap();
    }
    hub.accept(&staging).unwrap();
    for one in districts([2, 3, 4, 5]) {
        upload(&mut hub, &one, &state.masked[&one]).unwrap();
    }
    let (hub, survivors) = hub.close().unwrap();
    let nodes = std::mem::take(&mut state.nodes);
    Masked { nodes, hub, survivors }.confirm(&[]).unwrap().unmask(&[])
}
