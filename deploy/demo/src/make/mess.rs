//! Faults as real exports have them, for `--mess`: so that `flashlight-node check` has something to say.
//!
//! In: a table's row just written. Out: now and then the row once more (E005, noted), once more with
//! another value (E005, both left out), with its school's leading zero lost (W101), or with flags
//! missing. Each stays below the hundredth of a table's rows at which a node would refuse it.

use super::{
    draw::{Draw, key},
    network::District,
    table::Name,
};

/// Shares of rows. Ours.
const TWICE: f64 = 0.002;
const CONFLICTING: f64 = 0.0005;
const LOST_ZERO: f64 = 0.003;
/// Flags missing beside the few that always are, in enrolments.
pub(super) const MISSING: f64 = 0.04;

/// The faults of one table of one district.
pub(super) struct Mess {
    draw: Draw,
    /// The column with a school, and the one whose value a conflicting row changes.
    school: Option<usize>,
    value: Option<usize>,
}

impl Mess {
    pub(super) fn new(district: &District, name: Name) -> Self {
        let (school, value) = match name {
            Name::Enrollments => (Some(2), None),
            Name::AttendanceSummary => (Some(2), Some(3)),
            Name::Assessments => (Some(6), Some(7)),
            Name::PriorScores => (None, Some(4)),
            Name::Discipline => (Some(2), Some(8)),
            Name::CourseGrades | Name::Graduation => (Some(2), None),
            Name::ElHistory => (Some(4), None),
            Name::SurveyResponses => (Some(3), Some(8)),
            _ => (None, None),
        };
        let part = u16::try_from(name as usize).unwrap_or(0);
        Self { draw: Draw::new(key(&["mess", &district.id]), 0, part), school, value }
    }

    /// Spoils the last row of `lines`, which starts at `begin`. Returns the rows it added.
    pub(super) fn touch(&mut self, lines: &mut Vec<u8>, begin: usize) -> u64 {
        let (value, school) = (self.value, self.school);
        match self.draw.pick(&[TWICE, CONFLICTING, LOST_ZERO, 1.0]) {
            0 => {
                lines.extend_from_within(begin..);
                1
            }
            1 => {
                let Some((from, to)) = value.and_then(|column| span(&lines[begin..], column))
                else {
                    return 0;
                };
                let again = lines.len() - begin;
                lines.extend_from_within(begin..);
                // Another first digit: 180 becomes 280 or 110.
                let place = begin + again + from;
                if to > from {
                    lines[place] = if lines[place] == b'1' { b'2' } else { b'1' };
                }
                1
            }
            2 => {
                let found = school.and_then(|column| span(&lines[begin..], column));
                if let Some((from, to)) = found
                    && to > from
                    && lines[begin + from] == b'0'
                {
                    lines.remove(begin + from);
                }
                0
            }
            _ => 0,
        }
    }
}

/// Where a column's value stands in a line.
fn span(line: &[u8], column: usize) -> Option<(usize, usize)> {
    let mut from = 0;
    for (at, value) in line.split(|byte| matches!(byte, b',' | b'\n')).enumerate() {
        if at == column {
            return Some((from, from + value.len()));
        }
        from += value.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_where_it_stands() {
        assert_eq!(span(b"a,bc,,d\n", 0), Some((0, 1)));
        assert_eq!(span(b"a,bc,,d\n", 1), Some((2, 4)));
        assert_eq!(span(b"a,bc,,d\n", 2), Some((5, 5)));
        assert_eq!(span(b"a,bc,,d\n", 3), Some((6, 7)));
        assert_eq!(span(b"a,bc,,d\n", 9), None);
    }
}
