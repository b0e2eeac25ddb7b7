//! A student's status as a learner of English on a day.

use crate::records::{Day, ElStatus, Elas};

/// The status that holds on `day`: of the rows begun by then and not ended before, the latest.
pub(super) fn on(history: &[ElStatus], day: Day) -> Option<&ElStatus> {
    history.iter().rfind(|row| row.start <= day && row.end.is_none_or(|end| end >= day))
}

/// Whether the student is an English learner on `day`.
pub(super) fn is_learner_on(history: &[ElStatus], day: Day) -> bool {
    on(history, day).is_some_and(|row| row.elas == Elas::Learner)
}

/// The first day as an English learner.
pub(super) fn first_as_learner(history: &[ElStatus]) -> Option<Day> {
    history.iter().find(|row| row.elas == Elas::Learner).map(|row| row.start)
}
