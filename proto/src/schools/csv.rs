//! CSV as RFC 4180 has it: quotes doubled inside quotes, LF or CRLF, a byte order mark tolerated.
//! Blank lines are skipped. No other dialect is guessed at.

use super::SchoolsError;

/// One row and the line it begins on, from 1.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// The rows of a text.
pub(super) struct Rows<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// Takes one field off the text, and whether the row goes on after it.
    fn field(&mut self) -> Result<(String, bool), SchoolsError> {
        let line = self.line;
        let wrong = |what: &str| SchoolsError::Csv { line, what: what.to_owned() };
        let mut field = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let mut rest = quoted;
            loop {
                let end = rest.find('"').ok_or_else(|| wrong("a quote is never closed"))?;
                field.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                let Some(again) = rest.strip_prefix('"') else { break };
                field.push('"');
                rest = again;
            }
            self.line += field.matches('\n').count();
            self.rest = rest;
        } else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let plain = &self.rest[..end];
            let closed = !self.rest[end..].starts_with(',');
            let plain = if closed { plain.strip_suffix('\r').unwrap_or(plain) } else { plain };
            if plain.contains('"') {
                return Err(wrong("a quote inside a value that is not quoted"));
            }
            field.push_str(plain);
            self.rest = &self.rest[end - usize::from(closed && self.rest[..end].ends_with('\r'))..];
        }
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return Ok((field, true));
        }
        let ended = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
        match ended {
            Some(rest) => {
                self.rest = rest;
                self.line += 1;
            }
            None if self.rest.is_empty() || self.rest == "\r" => self.rest = "",
            None => return Err(wrong("a quoted value must end at a comma or the end of its line")),
        }
        Ok((field, false))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, SchoolsError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let line = self.line;
            let mut fields = Vec::new();
            loop {
                match self.field() {
                    Err(error) => {
                        self.rest = "";
                        return Some(Err(error));
                    }
                    Ok((field, more)) => {
                        fields.push(field);
                        if !more {
                            break;
                        }
                    }
                }
            }
            if fields.len() > 1 || !fields[0].is_empty() {
                return Some(Ok(Row { line, fields }));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
        Rows::new(text).map(|row| row.map(|row| (row.line, row.fields)).unwrap()).collect()
    }

    fn row(line: usize, fields: &[&str]) -> (usize, Vec<String>) {
        (line, fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn quotes_commas_and_line_breaks_survive_inside_quotes() {
        let text = "\u{feff}a,\"b, \"\"c\"\"\",\r\n\r\n\"x\ny\",,z\r\nlast,\"\",q";
        let want = [
            row(1, &["a", "b, \"c\"", ""]),
            row(3, &["x\ny", "", "z"]),
            row(5, &["last", "", "q"]),
        ];
        assert_eq!(rows(text), want);
    }

    #[test]
    fn a_trailing_comma_is_one_more_empty_value() {
        assert_eq!(rows("a,"), [row(1, &["a", ""])]);
        assert_eq!(rows("a,\n"), [row(1, &["a", ""])]);
        assert_eq!(rows("\"a\"\r"), [row(1, &["a"])]);
    }

    #[test]
    fn loose_and_unclosed_quotes_are_refused() {
        for bad in ["a\"b,c", "\"a", "\"a\"b,c", "a,\"b\" ,c"] {
            let last = Rows::new(bad).last().unwrap();
            assert!(matches!(last, Err(SchoolsError::Csv { line: 1, .. })), "{bad:?}");
        }
    }
}
