//! Commands as people type them, each a process of its own.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

use flashlight_demo::network::NODE_ROLE;

use crate::network::{DEMO, until};

/// A command of the operator under way; what it says goes to files, so that it never waits for us.
pub(crate) struct Told {
    child: Child,
    out: tempfile::NamedTempFile,
    err: tempfile::NamedTempFile,
}

impl Told {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let [out, err] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        let child = command
            .stdin(Stdio::null())
            .stdout(out.reopen().unwrap())
            .stderr(err.reopen().unwrap())
            .spawn()
            .unwrap();
        Self { child, out, err }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.err.path()).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    pub(crate) fn end(mut self) -> Ended {
        let status = until("the end of a command", || self.child.try_wait().unwrap());
        let stdout = fs::read_to_string(self.out.path()).unwrap();
        Ended { code: status.code().unwrap_or(-1), stdout, said: self.said() }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    /// On stderr.
    pub(crate) said: String,
}

/// A run under way.
pub(crate) struct Run(pub(crate) Told);

impl Run {
    pub(crate) fn said(&self) -> String {
        self.0.said()
    }

    /// Waits until the run says something.
    pub(crate) fn await_line(&self, text: &str) {
        until(&format!("the line {text:?} in {}", self.said()), || {
            self.said().contains(text).then_some(())
        });
    }

    pub(crate) fn end(self) -> Ended {
        self.0.end()
    }

    /// Waits for the end of a run that publishes nothing, for this reason.
    #[track_caller]
    pub(crate) fn aborts(self, code: &str) -> Ended {
        let ended = self.end();
        assert_eq!(ended.code, 75, "{}", ended.said);
        assert!(ended.said.contains(&format!("({code})\n")), "{}", ended.said);
        assert_eq!(ended.stdout, "");
        ended
    }
}

/// Runs one command of the node.
pub(crate) fn node(args: &[&OsStr]) -> Ended {
    let mut command = Command::new(DEMO);
    command.arg(NODE_ROLE).args(args);
    Told::spawn(command).end()
}
