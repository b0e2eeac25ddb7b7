//! One district's exact part of a study's sums, on its way into a mask.
//!
//! In: the words a node counted, in the order of a [`Layout`]. Out: nothing but the masked input
//! that secure aggregation makes of it by value. Computed from student data: neither shown, copied
//! nor serialised, and wiped when dropped.
//!
//! It can be made, and its length told:
//! ```
//! use flashlight_proto::{contribution::Contribution, layout::Layout};
//! fn count(layout: &Layout) -> usize {
//!     let ours = Contribution::new(layout, vec![0; layout.words()]).expect("zeros fit");
//!     ours.len()
//! }
//! ```
//!
//! It cannot be copied:
//! ```compile_fail
//! use flashlight_proto::{contribution::Contribution, layout::Layout};
//! fn count(layout: &Layout) -> usize {
//!     let ours = Contribution::new(layout, vec![0; layout.words()]).expect("zeros fit");
//!     ours.clone().len()
//! }
//! ```
//!
//! What may be published serialises:
//! ```
//! fn text<T: serde::Serialize>(value: &T) -> usize { size_of_val(value) }
//! fn send(release: &flashlight_proto::release::Release) -> usize { text(release) }
//! ```
//!
//! A contribution does not:
//! ```compile_fail
//! fn text<T: serde::Serialize>(value: &T) -> usize { size_of_val(value) }
//! fn send(ours: &flashlight_proto::contribution::Contribution) -> usize { text(ours) }
//! ```

use std::fmt;

use zeroize::Zeroizing;

use crate::{canonical::Digest, layout::Layout, secagg::COMPLETE_MAX};

/// Largest word either side of 0: sums of 254 districts stay below 2⁶², far from wrapping.
pub const MAX_WORD: u64 = 1 << 54;

/// The power of two that a word may not pass in a round of `n` districts: 2⁵⁴ ([`MAX_WORD`]) up to
/// 254 of them, 2⁵¹ above, so that sums of 2,000 stay below 2⁶², too.
#[must_use]
pub const fn max_word_bits(n: u16) -> u32 {
    if n <= COMPLETE_MAX { 54 } else { 51 }
}

/// A contribution that was refused. Names words, never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContributionError {
    /// Not as long as the layout.
    #[error("the contribution has {got} words, the study needs {want}")]
    Length {
        /// Words given.
        got: usize,
        /// Words of the layout.
        want: usize,
    },
    /// A word beyond [`MAX_WORD`].
    #[error("{name} is beyond 2^54 and might wrap when summed")]
    TooLarge {
        /// The word's name.
        name: String,
    },
}

impl ContributionError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "contribution_length",
            Self::TooLarge { .. } => "contribution_too_large",
        }
    }
}

/// One district's words, in the order of one layout.
pub struct Contribution {
    words: Zeroizing<Vec<i64>>,
    layout: Digest,
}

impl Contribution {
    /// Takes the words, in grid units and students as the layout's encodings say. They are wiped
    /// when refused, too.
    ///
    /// # Errors
    /// [`ContributionError`] when the length is not the layout's or a word is beyond [`MAX_WORD`].
    pub fn new(layout: &Layout, words: Vec<i64>) -> Result<Self, ContributionError> {
        let words = Zeroizing::new(words);
        if words.len() != layout.words() {
            return Err(ContributionError::Length { got: words.len(), want: layout.words() });
        }
        if let Some(word) = words.iter().position(|word| word.unsigned_abs() > MAX_WORD) {
            return Err(ContributionError::TooLarge { name: layout.cell_name(word) });
        }
        Ok(Self { words, layout: layout.hash() })
    }

    /// Number of words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words. Never so for a layout that was derived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Hash of the layout it follows.
    #[must_use]
    pub const fn layout(&self) -> Digest {
        self.layout
    }

    /// Whether every word is at most 2^`bits` either side of 0.
    pub(crate) fn is_within(&self, bits: u32) -> bool {
        self.words.iter().all(|word| word.unsigned_abs() <= 1 << bits)
    }

    /// The words modulo 2⁶⁴, in two's complement. For `secagg::mask` alone.
    pub(crate) fn into_words(self) -> Zeroizing<Vec<u64>> {
        Zeroizing::new(self.words.iter().map(|word| word.cast_unsigned()).collect())
    }
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contribution").field("words", &self.words.len()).finish_non_exhaustive()
    }
}
