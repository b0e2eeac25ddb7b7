//! The pseudorandom mask: ChaCha20 with the full 256-bit key, nonce 0 (a key is used for one mask
//! only), 8 bytes of keystream little-endian per word.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

/// Words of keystream made at a time: 16 KiB stays in the first-level cache.
const BLOCK_WORDS: usize = 2048;

/// Adds the mask of `key` to `words`, modulo 2⁶⁴.
pub(super) fn add(key: &[u8; 32], words: &mut [u64]) {
    apply(key, words, u64::wrapping_add);
}

/// Subtracts the mask of `key` from `words`, modulo 2⁶⁴.
pub(super) fn subtract(key: &[u8; 32], words: &mut [u64]) {
    apply(key, words, u64::wrapping_sub);
}

fn apply(key: &[u8; 32], words: &mut [u64], combine: impl Fn(u64, u64) -> u64) {
    let mut cipher = ChaCha20::new(&(*key).into(), &[0; 12].into());
    let mut stream = Zeroizing::new(vec![0; BLOCK_WORDS * 8]);
    for block in words.chunks_mut(BLOCK_WORDS) {
        let bytes = &mut stream[..block.len() * 8];
        // Cannot come to the keystream's end, 256 GiB: a layout ends at 32 MiB.
        cipher.unchecked_write_keystream(bytes);
        for (word, eight) in block.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut mask = [0; 8];
            mask.copy_from_slice(eight);
            *word = combine(*word, u64::from_le_bytes(mask));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 §2.3.2 has another key; this is its appendix A.1, test vector 1: key 0, nonce 0.
    #[test]
    fn the_stream_is_chacha20_of_rfc_8439() {
        let mut words = vec![0; 2];
        add(&[0; 32], &mut words);
        let expected = hex::decode("76b8e0ada0f13d90405d6ae55386bd28").unwrap();
        let got: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn subtracting_a_mask_undoes_adding_it_across_block_borders() {
        let plain: Vec<u64> = (0..5000).collect();
        let mut words = plain.clone();
        add(&[9; 32], &mut words);
        assert_ne!(words, plain);
        subtract(&[9; 32], &mut words);
        assert_eq!(words, plain);
    }
}
