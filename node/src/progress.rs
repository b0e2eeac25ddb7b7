//! One line on stderr about work that takes more than two seconds.
//!
//! In: how much of how much is done. Out: `node: reading attendance_daily.csv: 42 %`, rewritten in
//! place, once two seconds have passed, when stderr is a terminal; else nothing. The line is cleared when
//! the work is over. Counts only.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Work shorter than this shows nothing.
const QUIET: Duration = Duration::from_secs(2);
/// Time between two lines.
const STEP: Duration = Duration::from_millis(200);

/// Work under way.
pub(crate) struct Progress {
    what: String,
    total: u64,
    done: u64,
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Work of `total` parts. `what` names files and tables, never a value.
    pub(crate) fn new(what: &str, total: u64) -> Self {
        let next = io::stderr().is_terminal().then(|| Instant::now() + QUIET);
        Self { what: what.to_owned(), total, done: 0, next, is_shown: false }
    }

    /// That many more parts are done.
    pub(crate) fn add(&mut self, parts: u64) {
        self.done += parts;
        let now = Instant::now();
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        self.next = Some(now + STEP);
        self.is_shown = true;
        let mut err = io::stderr();
        let line = line(&self.what, self.done, self.total);
        drop(write!(err, "\r\u{1b}[K{line}").and_then(|()| err.flush()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            drop(write!(io::stderr(), "\r\u{1b}[K"));
        }
    }
}

fn line(what: &str, done: u64, total: u64) -> String {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    format!("node: {what}: {} %", percent.min(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_work_and_never_passes_a_hundred() {
        assert_eq!(line("reading a.csv", 1, 3), "node: reading a.csv: 33 %");
        assert_eq!(line("reading a.csv", 9, 3), "node: reading a.csv: 100 %");
        assert_eq!(line("reading a.csv", 0, 0), "node: reading a.csv: 0 %");
    }
}
