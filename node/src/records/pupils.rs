//! One walk over all tables: every student once, with all rows of every table.
//!
//! In: lists sorted by student. Out: a [`Pupil`] for each key that occurs in any of them, by key.
//! One pass, no search, nothing copied.

use super::{
    Records,
    model::{
        Action, Answer, Attendance, College, ElStatus, Enrollment, Graduation, Key, Mark,
        PriorScore, Pupil, Score,
    },
};

/// What is left to walk.
#[derive(Default)]
pub(super) struct Pupils<'a> {
    enrollments: &'a [Enrollment],
    attendance: &'a [Attendance],
    scores: &'a [Score],
    priors: &'a [PriorScore],
    actions: &'a [Action],
    marks: &'a [Mark],
    el_history: &'a [ElStatus],
    graduation: &'a [Graduation],
    answers: &'a [Answer],
    colleges: &'a [College],
}

impl<'a> Pupils<'a> {
    pub(super) fn of(records: &'a Records) -> Self {
        Self {
            enrollments: &records.enrollments,
            attendance: records.attendance.as_deref().unwrap_or(&[]),
            scores: records.scores.as_deref().unwrap_or(&[]),
            priors: records.priors.as_deref().unwrap_or(&[]),
            actions: records.actions.as_deref().unwrap_or(&[]),
            marks: records.marks.as_deref().unwrap_or(&[]),
            el_history: records.el_history.as_deref().unwrap_or(&[]),
            graduation: records.graduation.as_deref().unwrap_or(&[]),
            answers: records.answers.as_deref().unwrap_or(&[]),
            colleges: records.colleges.as_deref().unwrap_or(&[]),
        }
    }

    /// The first half of what is left and the second, no student in both: about as many enrolments
    /// in each.
    pub(super) fn halves(self) -> [Self; 2] {
        let middle = self.enrollments.get(self.enrollments.len() / 2).map(|row| row.student);
        let Some(key) = middle else { return [Self::default(), self] };
        let (enrollments, attendance) = (
            split(self.enrollments, |row| row.student < key),
            split(self.attendance, |row| row.student < key),
        );
        let (scores, priors, actions) = (
            split(self.scores, |row| row.student < key),
            split(self.priors, |row| row.student < key),
            split(self.actions, |row| row.student < key),
        );
        let (marks, el_history) = (
            split(self.marks, |row| row.student < key),
            split(self.el_history, |row| row.student < key),
        );
        let (graduation, answers, colleges) = (
            split(self.graduation, |row| row.student < key),
            split(self.answers, |row| row.student < key),
            split(self.colleges, |row| row.student < key),
        );
        [0, 1].map(|half| Self {
            enrollments: enrollments[half],
            attendance: attendance[half],
            scores: scores[half],
            priors: priors[half],
            actions: actions[half],
            marks: marks[half],
            el_history: el_history[half],
            graduation: graduation[half],
            answers: answers[half],
            colleges: colleges[half],
        })
    }

    /// The least key that is left.
    fn next_key(&self) -> Option<Key> {
        let firsts = [
            self.enrollments.first().map(|row| row.student),
            self.attendance.first().map(|row| row.student),
            self.scores.first().map(|row| row.student),
            self.priors.first().map(|row| row.student),
            self.actions.first().map(|row| row.student),
            self.marks.first().map(|row| row.student),
            self.el_history.first().map(|row| row.student),
            self.graduation.first().map(|row| row.student),
            self.answers.first().map(|row| row.student),
            self.colleges.first().map(|row| row.student),
        ];
        firsts.into_iter().flatten().min()
    }
}

impl<'a> Iterator for Pupils<'a> {
    type Item = Pupil<'a>;

    fn next(&mut self) -> Option<Pupil<'a>> {
        let key = self.next_key()?;
        Some(Pupil {
            key,
            enrollments: take(&mut self.enrollments, |row| row.student == key),
            attendance: take(&mut self.attendance, |row| row.student == key),
            scores: take(&mut self.scores, |row| row.student == key),
            priors: take(&mut self.priors, |row| row.student == key),
            actions: take(&mut self.actions, |row| row.student == key),
            marks: take(&mut self.marks, |row| row.student == key),
            el_history: take(&mut self.el_history, |row| row.student == key),
            graduation: take(&mut self.graduation, |row| row.student == key),
            answers: take(&mut self.answers, |row| row.student == key),
            colleges: take(&mut self.colleges, |row| row.student == key),
        })
    }
}

/// Two parts of rows, the first as far as `is_before` holds.
fn split<R>(rows: &[R], is_before: impl Fn(&R) -> bool) -> [&[R]; 2] {
    let (before, after) = rows.split_at(rows.partition_point(is_before));
    [before, after]
}

/// Cuts the rows that are ours off the front.
fn take<'a, R>(rows: &mut &'a [R], is_ours: impl Fn(&R) -> bool) -> &'a [R] {
    let end = rows.iter().position(|row| !is_ours(row)).unwrap_or(rows.len());
    let (ours, rest) = rows.split_at(end);
    *rows = rest;
    ours
}
