//! The shape of a CSV file, checked line by line, and then read.
//!
//! In: the private copy. Out: its header and number of rows, or one sentence that names the first
//! bad line. Promise: after a scan every line but the header is exactly one row with as many fields
//! as the header, in UTF-8, within the limits; so row numbers are line numbers. One line is held at a
//! time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
};

/// Most columns of a file.
pub(crate) const COLUMNS_MAX: usize = 512;
/// Longest field, bytes, quotes included.
pub(crate) const FIELD_MAX: usize = 4096;

/// Longest line the limits allow, with quotes, commas and the line end.
const LINE_MAX: usize = COLUMNS_MAX * (FIELD_MAX + 1) + 2;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Other delimiters that files given as CSV turn out to have.
const DELIMITERS: [char; 4] = [';', '\t', '^', '|'];

/// A file's shape.
pub(crate) struct Shape {
    /// The header's names, trimmed and unquoted.
    pub(crate) header: Vec<String>,
    /// Rows below it.
    pub(crate) rows: u64,
}

/// Why a file is not read further.
pub(crate) enum ScanError {
    /// What is wrong, by line number and count.
    Shape(String),
    /// The copy cannot be read.
    Io(io::Error),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Scans `copy`, cuts blank lines off its end, and leaves it at its start.
pub(crate) fn scan(copy: &mut File, rows_max: u64) -> Result<Shape, ScanError> {
    let mut reader = BufReader::with_capacity(1 << 16, &*copy);
    let mut line = Vec::new();
    let (mut header, mut lines, mut offset, mut end) = (Vec::new(), 0_u64, 0_u64, 0_u64);
    let mut blank = None;
    while read_line(&mut reader, &mut line)? {
        lines += 1;
        offset += line.len() as u64;
        let number = lines;
        let text = text_of(&line, number)?;
        if text.is_empty() {
            blank = blank.or(Some(number));
            continue;
        }
        if let Some(blank) = blank {
            return Err(ScanError::Shape(format!("line {blank} is blank")));
        }
        end = offset;
        if number == 1 {
            header = names(text)?;
            continue;
        }
        let fields = fields(text, number, |_| ())?;
        if fields != header.len() {
            return Err(ragged(header.len(), fields, number));
        }
        if number - 1 > rows_max {
            return Err(ScanError::Shape(format!("more than {rows_max} rows")));
        }
    }
    if header.is_empty() {
        return Err(ScanError::Shape("the file is empty".to_owned()));
    }
    let rows = lines - 1 - blank.map_or(0, |first| lines - first + 1);
    if rows == 0 {
        let text = "a header and no rows: was the export cut short?";
        return Err(ScanError::Shape(text.to_owned()));
    }
    copy.set_len(end)?;
    copy.rewind()?;
    Ok(Shape { header, rows })
}

fn ragged(want: usize, got: usize, line: u64) -> ScanError {
    ScanError::Shape(format!(
        "expected {want} fields separated by ',' on every line; line {line} has {got}. \
         Was the file opened and saved in Excel?"
    ))
}

/// Reads one line with its end; false at the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, ScanError> {
    line.clear();
    // One byte over the limit is enough to see that a line is too long.
    let read = reader.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', line)?;
    if read > LINE_MAX {
        let text = format!("a line is longer than {LINE_MAX} bytes: is this a CSV file?");
        return Err(ScanError::Shape(text));
    }
    Ok(read > 0)
}

/// The line without its end and, on line 1, without a byte order mark.
fn text_of(line: &[u8], number: u64) -> Result<&str, ScanError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = if number == 1 { line.strip_prefix(BOM).unwrap_or(line) } else { line };
    let told = |problem: &str| ScanError::Shape(format!("line {number} {problem}"));
    if line.contains(&0) {
        return Err(told("has a zero byte: save the file as UTF-8 text, not UTF-16"));
    }
    if line.contains(&b'\r') {
        return Err(told("has a carriage return inside: line ends are LF or CR LF"));
    }
    str::from_utf8(line).map_err(|_| told("is not UTF-8: export the file as UTF-8"))
}

/// The rows of a scanned copy, one after the other.
pub(crate) struct Rows {
    reader: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    bare: String,
}

impl Rows {
    /// At the first row below the header.
    pub(crate) fn of(mut copy: File) -> Result<Self, ScanError> {
        copy.rewind()?;
        let reader = BufReader::with_capacity(1 << 18, copy);
        let mut rows = Self { reader, line: Vec::new(), number: 1, bare: String::new() };
        read_line(&mut rows.reader, &mut rows.line)?;
        Ok(rows)
    }

    /// Shows each field's place and value, unquoted; false at the end.
    pub(crate) fn next(&mut self, mut see: impl FnMut(usize, &str)) -> Result<bool, ScanError> {
        if !read_line(&mut self.reader, &mut self.line)? {
            return Ok(false);
        }
        self.number += 1;
        let (mut place, bare) = (0, &mut self.bare);
        fields(text_of(&self.line, self.number)?, self.number, |field| {
            match field.strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
                None => see(place, field),
                Some(quoted) if quoted.contains('"') => {
                    bare.clear();
                    quoted.split("\"\"").enumerate().for_each(|(at, part)| {
                        if at > 0 {
                            bare.push('"');
                        }
                        bare.push_str(part);
                    });
                    see(place, bare);
                }
                Some(quoted) => see(place, quoted),
            }
            place += 1;
        })?;
        Ok(true)
    }
}

/// Counts a line's fields, showing each to `see` as written.
fn fields(text: &str, line: u64, mut see: impl FnMut(&str)) -> Result<usize, ScanError> {
    let told = |problem: String| ScanError::Shape(format!("line {line} {problem}"));
    let (mut rest, mut count) = (text, 0);
    loop {
        let end = if rest.starts_with('"') { quoted_end(rest) } else { plain_end(rest) };
        let end = end.ok_or_else(|| {
            told("has a quote that does not begin and end its field on that line".to_owned())
        })?;
        count += 1;
        if end > FIELD_MAX {
            return Err(told(format!("has a field longer than {FIELD_MAX} bytes")));
        }
        if count > COLUMNS_MAX {
            return Err(told(format!("has more than {COLUMNS_MAX} fields")));
        }
        see(&rest[..end]);
        match rest.get(end + 1..) {
            Some(next) => rest = next,
            None => return Ok(count),
        }
    }
}

/// Where an unquoted field ends; `None` when it holds a quote, which parsers take differently.
fn plain_end(rest: &str) -> Option<usize> {
    let end = rest.find(',').unwrap_or(rest.len());
    (!rest[..end].contains('"')).then_some(end)
}

/// Where a quoted field ends: after the first quote that is not doubled, at a comma or line end.
fn quoted_end(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'"')? + 1;
        match bytes.get(at) {
            Some(b'"') => at += 1,
            Some(b',') | None => return Some(at),
            Some(_) => return None,
        }
    }
}

fn names(text: &str) -> Result<Vec<String>, ScanError> {
    let mut header = Vec::new();
    fields(text, 1, |field| {
        let field = field.trim();
        let bare = field.strip_prefix('"').and_then(|field| field.strip_suffix('"'));
        header.push(bare.unwrap_or(field).trim().to_owned());
    })?;
    if let ([_], Some(other)) = (&header[..], text.chars().find(|c| DELIMITERS.contains(c))) {
        let shown = if other == '\t' { "tabs".to_owned() } else { format!("'{other}'") };
        let text = format!("fields must be separated by ','; the header seems to use {shown}");
        return Err(ScanError::Shape(text));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn shape(bytes: &[u8]) -> Result<Shape, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        scan(&mut file, 10).map_err(|error| match error {
            ScanError::Shape(text) => text,
            ScanError::Io(error) => error.to_string(),
        })
    }

    fn refusal(bytes: &[u8]) -> String {
        shape(bytes).map(|shape| shape.rows).unwrap_err()
    }

    #[test]
    fn a_byte_order_mark_crlf_and_blank_last_lines_are_accepted() {
        let found = shape(b"\xef\xbb\xbfa,\"b\"\r\n1,\"x, \"\"y\"\"\"\r\n2,\r\n\r\n\n").unwrap();
        assert_eq!(found.header, ["a", "b"]);
        assert_eq!(found.rows, 2);
    }

    #[test]
    fn a_last_line_without_an_end_is_a_row() {
        assert_eq!(shape(b"a,b\n1,2").unwrap().rows, 1);
    }

    #[test]
    fn a_ragged_line_is_named_with_its_count() {
        assert_eq!(
            refusal(b"a,b,c\n1,2,3\n1,2\n"),
            "expected 3 fields separated by ',' on every line; line 3 has 2. \
             Was the file opened and saved in Excel?"
        );
    }

    #[test]
    fn a_semicolon_file_is_told_apart_from_a_one_column_file() {
        assert!(refusal(b"a;b\n1;2\n").ends_with("the header seems to use ';'"));
        assert_eq!(shape(b"a\n1\n").unwrap().rows, 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_by_line() {
        assert_eq!(refusal(b"a,b\n1,\xe9\n"), "line 2 is not UTF-8: export the file as UTF-8");
        assert!(refusal(b"a\0,\0b\0\n\0").contains("UTF-16"));
    }

    #[test]
    fn an_empty_file_and_a_header_alone_are_refused() {
        assert_eq!(refusal(b""), "the file is empty");
        assert_eq!(refusal(b"\n\n"), "the file is empty");
        assert!(refusal(b"a,b\n").starts_with("a header and no rows"));
        assert!(refusal(b"a,b\n\n\n").starts_with("a header and no rows"));
    }

    #[test]
    fn a_blank_line_between_rows_is_refused() {
        assert_eq!(refusal(b"a,b\n1,2\n\n3,4\n"), "line 3 is blank");
    }

    #[test]
    fn a_quote_that_does_not_wrap_its_whole_field_is_refused() {
        assert!(refusal(b"a,b\n1,x\"y\n").starts_with("line 2 has a quote"));
        assert!(refusal(b"a,b\n1,\"x\ny\"\n").starts_with("line 2 has a quote"));
        assert!(refusal(b"a,b\n1,\"x\"y\n").starts_with("line 2 has a quote"));
    }

    #[test]
    fn fields_and_columns_over_the_limits_are_refused() {
        let long = format!("a,b\n1,{}\n", "x".repeat(FIELD_MAX + 1));
        assert!(refusal(long.as_bytes()).contains("longer than 4096 bytes"));
        let wide = format!("{}\n", "a,".repeat(COLUMNS_MAX));
        assert!(refusal(wide.as_bytes()).contains("more than 512 fields"));
        let endless = "x".repeat(LINE_MAX + 10);
        assert!(refusal(endless.as_bytes()).contains("is this a CSV file?"));
    }
}
