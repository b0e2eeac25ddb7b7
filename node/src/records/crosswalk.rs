//! One column's codes on their way into ours: those of Ed-Fi exports and those of `mapping.toml`.
//!
//! In: a code as written. Out: the canonical code, or the text as it was. Every code that was read as
//! another is counted and told; a district's own spellings are counted and not repeated.

use std::collections::BTreeMap;

use super::{
    report::{Effect, Rule, Tally},
    tables::{Column, Kind, LEAVE_OUT, NOT_SUPPLIED},
};

/// What leaves a row out, as readers see it: no file can hold it, for a trimmed text has no controls
/// at its ends.
pub(crate) const LEFT_OUT: &str = "\u{1}";

/// One code.
struct Code {
    from: String,
    to: String,
    /// Whether the mapping's, which is not repeated.
    is_own: bool,
    rows: u64,
}

/// A column's codes.
pub(crate) struct Crosswalk(Vec<Code>);

impl Crosswalk {
    /// Of a column, with the district's own codes first.
    pub(crate) fn of(column: &Column, own: Option<&BTreeMap<String, String>>) -> Self {
        let own = own.into_iter().flatten().map(|(from, to)| (from.as_str(), to.as_str(), true));
        let known: &[(&str, &str)] = match column.kind {
            Kind::Code(codes) => codes,
            Kind::Id | Kind::Value => &[],
        };
        let known = known.iter().map(|(from, to)| (*from, *to, false));
        let code = |(from, to, is_own): (&str, &str, bool)| {
            let to = if to == LEAVE_OUT { LEFT_OUT } else { to };
            Code { from: from.to_owned(), to: to.to_owned(), is_own, rows: 0 }
        };
        Self(own.chain(known).map(code).collect())
    }

    /// What a text is read as.
    pub(crate) fn read<'a>(&'a mut self, text: &'a str) -> &'a str {
        match self.0.iter_mut().find(|code| code.from == text) {
            Some(code) => {
                code.rows += 1;
                &code.to
            }
            None => text,
        }
    }

    /// Tells what was read as something else.
    pub(crate) fn tell(&self, column: &str, tally: &mut Tally) {
        for code in self.0.iter().filter(|code| code.rows > 0 && code.from != code.to) {
            let from = if code.is_own { "a code of mapping.toml" } else { code.from.as_str() };
            let how = match code.to.as_str() {
                NOT_SUPPLIED => "has no counterpart here and was read as not supplied".to_owned(),
                LEFT_OUT => "has no counterpart here, so its rows are left out".to_owned(),
                _ if code.is_own => "was read as another".to_owned(),
                to => format!("was read as {to}"),
            };
            let text = format!("{column}: {from} {how}, in {} rows", code.rows);
            tally.whole(Rule::W109, Effect::Noted, text);
        }
    }
}
