//! The noise this node adds, word by word.

use flashlight_proto::dp::NoisePlan;
use flashlight_proto::layout::Layout;

/// This node's share of the noise of a study.
pub(super) struct Share {
    /// s: standard deviation in the word's unit, students or grid units; 0 where 0 is sent.
    sd: Vec<f64>,
    /// Whether 0 is sent in the word's place, because another table carries the same count.
    carried: Vec<bool>,
}

impl Share {
    /// Of a plan; `layout` is the one it was made for.
    pub(super) fn new(plan: &NoisePlan, layout: &Layout) -> Self {
        let (mut sd, mut carried) = (vec![0.0; layout.words()], vec![false; layout.words()]);
        for block in plan.blocks() {
            for word in block.block.words() {
                if let Some(sd) = sd.get_mut(word) {
                    *sd = block.share_variance.sqrt();
                }
            }
        }
        let blocks = plan.carried().iter().filter_map(|one| layout.blocks().get(one.block));
        for block in blocks {
            let counts = (block.first_word()..block.first_word() + block.words())
                .skip(1)
                .step_by(block.encoding.words());
            for word in counts {
                if let Some(carried) = carried.get_mut(word) {
                    *carried = true;
                }
            }
        }
        Self { sd, carried }
    }

    /// Standard deviation of the noise added to a word.
    pub(super) fn sd(&self, word: usize) -> Option<f64> {
        self.sd.get(word).copied()
    }

    /// Whether 0 is sent in the word's place.
    pub(super) fn is_carried(&self, word: usize) -> bool {
        self.carried.get(word).copied().unwrap_or(false)
    }
}
