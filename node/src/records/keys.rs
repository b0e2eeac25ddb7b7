//! Students by keyed pseudonyms.
//!
//! In: a student's id. Out: a [`Key`] of 64 bits: the first bytes of HMAC-SHA-256 under a key of 32
//! bytes that never leaves the node. Promise: one id has one key as long as the secret is the same;
//! without the secret nobody can tell whose key it is. The ids live while files are read and not after.
//! Two ids with one key (among a million ids: once in forty million districts) refuse the files.

use std::collections::{HashMap, HashSet};

use getrandom::Error;
use ring::hmac;

use super::model::Key;

/// Bytes of the secret.
pub(crate) const SECRET: usize = 32;

/// Keys of the students seen so far.
pub(crate) struct Students {
    /// `None`: what is read are keys already, as the store writes them.
    secret: Option<hmac::Key>,
    keys: HashMap<Box<str>, Key>,
    taken: HashSet<Key>,
    last: Option<(String, Key)>,
    collided: bool,
}

impl Students {
    /// No students yet, under this secret.
    pub(crate) fn under(secret: &[u8; SECRET]) -> Self {
        Self {
            secret: Some(hmac::Key::new(hmac::HMAC_SHA256, secret)),
            keys: HashMap::new(),
            taken: HashSet::new(),
            last: None,
            collided: false,
        }
    }

    /// The students of the store, whose keys stand in its files.
    pub(crate) fn stored() -> Self {
        Self {
            secret: None,
            keys: HashMap::new(),
            taken: HashSet::new(),
            last: None,
            collided: false,
        }
    }

    /// No students yet, under a secret that is forgotten with this: the keys are of this reading alone.
    pub(crate) fn passing() -> Result<Self, Error> {
        let mut secret = zeroize::Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut secret[..])?;
        Ok(Self::under(&secret))
    }

    /// The key of this id.
    pub(crate) fn key(&mut self, id: &str) -> Key {
        // Files come sorted by student more often than not.
        if self.secret.is_none() {
            let key = id.parse();
            self.collided |= key.is_err();
            return Key(key.unwrap_or(0));
        }
        if let Some((last, key)) = &self.last
            && last == id
        {
            return *key;
        }
        let key = match self.keys.get(id) {
            Some(key) => *key,
            None => self.new_key(id),
        };
        let mut text = self.last.take().map_or_else(String::new, |(text, _)| text);
        text.clear();
        text.push_str(id);
        self.last = Some((text, key));
        key
    }

    fn new_key(&mut self, id: &str) -> Key {
        let Some(secret) = &self.secret else { return Key(0) };
        let tag = hmac::sign(secret, id.as_bytes());
        let mut first = [0; 8];
        first.iter_mut().zip(tag.as_ref()).for_each(|(byte, from)| *byte = *from);
        let key = Key(u64::from_le_bytes(first));
        self.collided |= !self.taken.insert(key);
        self.keys.insert(id.into(), key);
        key
    }

    /// Whether two ids came to one key, or the store holds what is no key.
    pub(crate) const fn collided(&self) -> bool {
        self.collided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_has_one_key_under_a_secret_and_another_under_another() {
        let (mut one, mut two) = (Students::under(&[1; SECRET]), Students::under(&[2; SECRET]));
        let key = one.key("0042");
        assert!(key == one.key("0042") && key == Students::under(&[1; SECRET]).key("0042"));
        assert!(key != one.key("42") && key != two.key("0042"));
        assert!(one.key("0042") == key && !one.collided());
    }
}
