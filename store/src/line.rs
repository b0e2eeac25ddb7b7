//! One line of the journal: canonical text that a person can read and verify.
//!
//! ```text
//! <seq> <time_ms> <previous> <hash> <json>\n
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `seq` | 1, 2, 3, …: also the line's number in the file |
//! | `time_ms` | when it was recorded, ms since 1970-01-01 UTC, by the writer's clock; may step back |
//! | `previous` | `hash` of the line before, 64 lower-case hex digits; zeros for the first |
//! | `hash` | SHA-256 of `flashlight/journal/v1 <seq> <time_ms> <previous> <length>\n<json>` |
//! | `json` | the entry, without line breaks; `length` is its length in bytes |
//!
//! Every field before `json` has no spaces and `json` is preceded by its length, so no two lines hash
//! the same bytes. A line has exactly one spelling: it is accepted only when writing it again gives
//! the same bytes. To verify a journal with the shell alone:
//!
//! ```sh
//! export LC_ALL=C; n=1; previous=$(printf '%064d' 0)
//! while IFS=' ' read -r seq time before hash json; do
//!   sum=$(printf 'flashlight/journal/v1 %s %s %s %s\n%s' "$seq" "$time" "$before" "${#json}" "$json" |
//!     sha256sum | cut -d ' ' -f 1)
//!   [ "$seq $before $hash" = "$n $previous $sum" ] || { echo "line $n is wrong"; exit 1; }
//!   n=$((n + 1)); previous=$hash
//! done < journal
//! echo "$((n - 1)) entries, head $previous"
//! ```

use ring::digest::{Context, SHA256};

/// First bytes of everything a line's hash is taken over: purpose and version.
const LABEL: &str = "flashlight/journal/v1";

/// Longest line, in bytes: the longest entry and room for the fields before it.
pub(crate) const LINE_BYTES_MAX: u64 = (crate::ENTRY_BYTES_MAX + 256) as u64;

/// Where a journal ends: how many entries, and the hash that stands for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of entries, and number of the last one; 0 when there is none.
    pub seq: u64,
    /// Hash of the last entry's line, and so of the whole journal; zeros when there is none.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of an empty journal.
    pub(crate) const EMPTY: Self = Self { seq: 0, hash: [0; 32] };
}

/// A line whose hash is its own; whether it fits its place is for [`Line::follows`].
pub(crate) struct Line {
    pub(crate) head: Head,
    pub(crate) time_ms: u64,
    pub(crate) json: Vec<u8>,
    /// Its length with the line break.
    pub(crate) bytes: u64,
    previous: [u8; 32],
}

impl Line {
    /// Reads one line, without its line break. The error says what is wrong, never what it says.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        const SHAPE: &str = "is not `seq time_ms previous hash entry`";
        let mut fields = text.splitn(5, |byte| *byte == b' ');
        let mut field = || fields.next().ok_or(SHAPE);
        let seq = number(field()?).ok_or(SHAPE)?;
        let time_ms = number(field()?).ok_or(SHAPE)?;
        let previous = digest(field()?).ok_or(SHAPE)?;
        let _claimed = digest(field()?).ok_or(SHAPE)?;
        let json = field()?.to_vec();
        let (again, head) = render(seq, time_ms, &previous, &json);
        if again.strip_suffix(b"\n") != Some(text) {
            return Err("does not match its own hash");
        }
        Ok(Self { head, time_ms, json, bytes: again.len() as u64, previous })
    }

    /// Whether this line may stand directly after `before`.
    pub(crate) fn follows(&self, before: &Head) -> Result<(), &'static str> {
        if Some(self.head.seq) != before.seq.checked_add(1) {
            return Err("is out of order");
        }
        if self.previous != before.hash {
            return Err("does not continue the line before it");
        }
        Ok(())
    }
}

/// Writes entry `seq` after the line with hash `previous`. Returns the line with its line break, and
/// the journal's head once it is recorded. `json` has no line break.
pub(crate) fn render(seq: u64, time_ms: u64, previous: &[u8; 32], json: &[u8]) -> (Vec<u8>, Head) {
    let fields = format!("{seq} {time_ms} {} ", hex::encode(previous));
    let mut context = Context::new(&SHA256);
    context.update(format!("{LABEL} {fields}{}\n", json.len()).as_bytes());
    context.update(json);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());

    let mut line = Vec::with_capacity(fields.len() + 66 + json.len());
    line.extend_from_slice(fields.as_bytes());
    line.extend_from_slice(hex::encode(hash).as_bytes());
    line.push(b' ');
    line.extend_from_slice(json);
    line.push(b'\n');
    (line, Head { seq, hash })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn digest(field: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(field, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_is_the_known_answer() {
        // printf 'flashlight/journal/v1 1 1700000000000 %064d 9\n{"a":"b"}' 0 | sha256sum
        let (line, head) = render(1, 1_700_000_000_000, &[0; 32], br#"{"a":"b"}"#);
        let hash = "00f6b356aa167f4ca98e8c037a40d86fd27fabf3bbb74d80b6470a5bbfcb5930";
        let zeros = "0".repeat(64);
        let want = format!("1 1700000000000 {zeros} {hash} {{\"a\":\"b\"}}\n");
        assert_eq!(String::from_utf8(line).unwrap(), want);
        assert_eq!((head.seq, hex::encode(head.hash).as_str()), (1, hash));
    }

    #[test]
    fn another_spelling_of_the_same_line_is_refused() {
        let (line, _) = render(7, 5, &[0xab; 32], b"{}");
        let text = String::from_utf8(line).unwrap();
        let text = text.trim_end();
        assert!(Line::parse(text.as_bytes()).is_ok());
        for other in [
            text.replacen("abab", "ABab", 1),
            text.replacen("7 ", "07 ", 1),
            text.replacen("7 ", "+7 ", 1),
            text.replacen(' ', "  ", 1),
            format!("{text} "),
        ] {
            assert!(Line::parse(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_line_with_the_right_hash_and_the_wrong_number_does_not_follow() {
        let before = Head { seq: 6, hash: [0xab; 32] };
        for (seq, follows) in [(6, false), (7, true), (8, false)] {
            let (line, _) = render(seq, 5, &before.hash, b"{}");
            let line = Line::parse(line.trim_ascii_end()).unwrap();
            assert_eq!(line.follows(&before).is_ok(), follows, "{seq}");
        }
    }
}
