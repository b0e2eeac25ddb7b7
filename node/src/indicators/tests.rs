//! Rows for the tests of the indicators.

use flashlight_proto::category::Grade;

use crate::records::{CourseSubject, Enrollment, FAMILIES, Key, Mark, Status};

/// A primary enrolment without dates or groups.
pub(super) fn enrollment(student: u64, year: i16, school: u32, grade: Grade) -> Enrollment {
    Enrollment {
        student: Key(student),
        year,
        school,
        entry: None,
        exit: None,
        grade,
        status: Status::Primary,
        groups: [None; FAMILIES],
        row: 2,
    }
}

/// A mark without anything.
pub(super) fn mark(student: u64, year: i16) -> Mark {
    Mark {
        student: Key(student),
        year,
        school: None,
        subject: CourseSubject::Other,
        letter: None,
        points: None,
        earned: None,
        grade: None,
        row: 2,
    }
}
