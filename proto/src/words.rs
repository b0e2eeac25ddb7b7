//! A fingerprint as eight English words, to compare by phone.
//!
//! In: the SHA-256 of the hub's CA certificate. Out: eight words of a fixed list of 256, the same at
//! the hub and at the node. The token carries the hash itself; the words are for the people who want
//! to know that the token came from the hub they think it did.
//!
//! Promise: eight words are 64 bits, and each guess costs 2^18 rounds of PBKDF2, so finding another
//! certificate with the same eight words costs about 2^(64+18) = 2^82 hash evaluations.
//! Not promised: anything when only some of the words are compared; each word left out is 8 bits less.
//! The order counts, and a word may occur twice.

use std::num::NonZeroU32;

use ring::pbkdf2;

use crate::canonical::Digest;

/// Words in a fingerprint.
pub const FINGERPRINT_WORDS: usize = 8;

/// Rounds of PBKDF2-HMAC-SHA256 behind each fingerprint: 2^18, about a tenth of a second.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(1 << 18) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// Separates this use of the digest from every other.
const LABEL: &[u8] = b"flashlight/words/v1";

/// The words by which two people compare `digest` over the phone.
///
/// PBKDF2-HMAC-SHA256 over the 32 bytes of `digest` with the salt `flashlight/words/v1` and 2^18
/// rounds gives eight bytes; byte i names word i. Takes about a tenth of a second.
///
/// # Source
/// RFC 8018 §5.2; the tests below hold a value computed with Python's `hashlib.pbkdf2_hmac`.
#[must_use]
pub fn fingerprint_words(digest: &Digest) -> [&'static str; FINGERPRINT_WORDS] {
    let mut stretched = [0; FINGERPRINT_WORDS];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, LABEL, digest.as_bytes(), &mut stretched);
    stretched.map(|byte| WORDS[usize::from(byte)])
}

/// The list, ascending: nouns that most people know, no two alike in their first four letters, in
/// sound, or within two letters of each other. Its order is part of the protocol.
#[rustfmt::skip]
const WORDS: [&str; 256] = [
    "acorn", "airport", "album", "alley", "almond", "anchor", "angle", "apron", "arch", "artist",
    "atlas", "attic", "autumn", "avenue", "badge", "bakery", "balloon", "bamboo", "barber",
    "basket", "bathtub", "beacon", "beaver", "bedroom", "beetle", "belt", "bicycle", "blossom",
    "boulder", "bracelet", "breakfast", "bubble", "buffalo", "butter", "cabin", "cactus", "camel",
    "canyon", "captain", "carpet", "castle", "cement", "cherry", "chorus", "cinema", "circus",
    "clarinet", "clover", "cobweb", "coconut", "coffee", "column", "compass", "copper", "coral",
    "cottage", "cousin", "cradle", "cricket", "crocodile", "crystal", "daisy", "dancer", "dentist",
    "desert", "diamond", "dolphin", "donkey", "doorbell", "dragon", "drawer", "duck", "dumpling",
    "earring", "echo", "elbow", "elephant", "elevator", "engine", "envelope", "eyebrow", "fabric",
    "factory", "falcon", "feather", "fence", "fiddle", "finger", "fireplace", "flute", "forest",
    "fossil", "fountain", "fox", "freckle", "freezer", "friend", "furnace", "galaxy", "garden",
    "garlic", "giant", "giraffe", "glacier", "grape", "guitar", "gymnast", "hammer", "hatchet",
    "hazelnut", "helmet", "highway", "horizon", "hospital", "hotel", "hurricane", "iceberg",
    "insect", "island", "ivory", "jaguar", "jewel", "journal", "juice", "kangaroo", "kayak",
    "kingdom", "kitchen", "knuckle", "ladder", "lantern", "lemon", "leopard", "library", "lily",
    "lizard", "lobster", "lumber", "lunch", "magnet", "mailbox", "maple", "mattress", "meadow",
    "medal", "melody", "meteor", "mirror", "mitten", "mosquito", "muffin", "museum", "mushroom",
    "mustard", "napkin", "necklace", "notebook", "nurse", "oatmeal", "ocean", "octopus", "office",
    "olive", "onion", "orchard", "ostrich", "package", "palace", "panther", "parrot", "passport",
    "peanut", "pelican", "pencil", "phone", "pillow", "poem", "popcorn", "portrait", "potato",
    "prince", "pudding", "pumpkin", "puppet", "puzzle", "pyramid", "quilt", "rabbit", "raccoon",
    "radio", "raft", "railway", "rainbow", "raven", "recipe", "ribbon", "ruler", "sailor", "salad",
    "sandwich", "sausage", "scarf", "scissors", "shampoo", "shepherd", "signal", "silver",
    "skeleton", "sleeve", "snail", "spider", "spinach", "squirrel", "stadium", "statue", "stomach",
    "stove", "sugar", "sunset", "sweater", "syrup", "tadpole", "telescope", "temple", "tennis",
    "thunder", "toast", "tornado", "tractor", "treasure", "triangle", "trumpet", "tulip", "tunnel",
    "turkey", "turtle", "umbrella", "uniform", "vacuum", "vanilla", "village", "violin", "visitor",
    "waffle", "walnut", "warehouse", "waterfall", "weasel", "whale", "whisper", "wolf", "workshop",
    "yacht", "yard", "yogurt", "zebra",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fingerprints_equal_those_of_an_independent_pbkdf2() {
        let words = fingerprint_words(&Digest::of(b"flashlight"));
        let expected =
            ["factory", "tennis", "kitchen", "iceberg", "arch", "factory", "potato", "bracelet"];
        assert_eq!(words, expected);
        let words = fingerprint_words(&Digest::from([0; 32]));
        let expected =
            ["ribbon", "album", "copper", "toast", "cabin", "doorbell", "daisy", "clarinet"];
        assert_eq!(words, expected);
    }

    #[test]
    fn the_list_is_the_one_that_was_agreed() {
        let text: String = WORDS.iter().map(|word| format!("{word}\n")).collect();
        let digest = "587fbb8d9f7190b7a67516803293549cd97835dad7ae08b816a7cdb2e2d76da3";
        assert_eq!(Digest::of(text.as_bytes()).to_string(), digest);
    }

    #[test]
    fn no_two_words_share_their_first_four_letters() {
        let starts: BTreeSet<&str> = WORDS.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(starts.len(), WORDS.len());
    }

    #[test]
    fn one_flipped_bit_changes_the_words() {
        let mut bytes = [7; 32];
        let words = fingerprint_words(&Digest::from(bytes));
        bytes[31] ^= 1;
        assert_ne!(fingerprint_words(&Digest::from(bytes)), words);
    }
}
