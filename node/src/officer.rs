//! The privacy officer's commands: the books, what waits, yes and no, whom to trust, overrides.
//!
//! In: the node's folder, which a running node may hold open. Out: text and JSON for the officer, and
//! what the officer decided: files that the running node takes up, signatures, one vouch. Promise: the
//! journal is read and verified beside the node and never written; nothing but a vouch leaves this
//! machine; no records are read. Touches, in the node's folder:
//!
//! ```text
//! policy.toml       read: floors and trusted keys
//! decisions/        written by approve and refuse, emptied by the node
//! studies/<hash>/   read: a study the node was asked about, as the node keeps it
//! override.toml     where the node looks for an override; these commands take any path
//! ```

mod books;
mod decide;
mod error;
mod hub;
mod overrides;
mod peers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use flashlight_proto::canonical::Digest;
use flashlight_proto::identity::{DistrictId, IdentityKey};
use flashlight_store::{Recorded, StoreError, read_journal};

use self::error::OfficerError;
use crate::cli::{note, runtime, say};
use crate::consent::Policy;
use crate::enroll::Membership;
use crate::gate::{POLICY_FILE, STUDIES_FOLDER};
use crate::journal::Entry;
use crate::ledger::Question;

/// A study's file in its folder; the school table lies beside it under the name the study gives.
const STUDY_FILE: &str = "study.toml";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what this district has spent, on what and when, and what is left
    Budget {
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Show the studies that wait for the privacy officer
    Pending {
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Say yes to a study
    Approve {
        /// The study: its file, its SHA-256, or the first 8 or more digits of it
        study: String,
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
    },
    /// Say no to a study
    Refuse {
        /// The study: its file, its SHA-256, or the first 8 or more digits of it
        study: String,
        /// Why, in one line; the hub reads it
        #[arg(long)]
        reason: String,
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
    },
    /// Show the districts of the network, their keys, and which of them this district trusts
    Peers {
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
        /// For machines
        #[arg(long)]
        json: bool,
    },
    /// Tell the network that a district is real, under the key it read to you by phone
    Vouch {
        /// The district's id
        district: DistrictId,
        /// The key it read to you, as ed25519: and 64 hex digits
        #[arg(long)]
        key: IdentityKey,
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
    },
    /// Agree with other districts to a further set of districts for a question
    Override {
        #[command(subcommand)]
        command: OverrideCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum OverrideCommand {
    /// Print an override that nobody has signed yet; this node's journal tells the earlier sets
    Draft {
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
        /// A question it is about, such as students/2024@2024-06-30; repeat for more
        #[arg(long = "question", required = true)]
        questions: Vec<Question>,
        /// The districts of the further set, all of them: ids with commas between
        #[arg(long, required = true, value_delimiter = ',')]
        after: Vec<DistrictId>,
        /// Why, in one line; every officer and the log see it
        #[arg(long)]
        reason: String,
    },
    /// Add this district's signature to an override file
    Sign {
        /// The file; it is replaced by the signed one
        file: PathBuf,
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
    },
    /// Show what an override lets in, who signed it and who is missing
    Show {
        /// The file
        file: PathBuf,
        /// This node's folder; the node may be running
        #[arg(long)]
        dir: PathBuf,
    },
}

/// What a command found out.
#[derive(Debug, Default)]
struct Said {
    /// For stdout.
    text: String,
    /// Lines for stderr.
    notes: Vec<String>,
    /// Whether what was asked about is refused or not complete: exit code 3.
    refused: bool,
}

/// Runs a command and reports.
///
/// # Errors
/// What is not an officer's error; those are reported here.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match act(command) {
        Ok(Said { text, notes, refused }) => {
            say(text.trim_end())?;
            notes.iter().for_each(|line| note(line));
            Ok(if refused { ExitCode::from(3) } else { ExitCode::SUCCESS })
        }
        Err(error) => {
            let (code, hint) = (error.code(), error.hint());
            let refused = error.is_refusal();
            note(&format!("error: {:#} ({code})", anyhow::Error::new(error)));
            note(&format!("hint: {hint}"));
            Ok(if refused { ExitCode::from(3) } else { ExitCode::FAILURE })
        }
    }
}

fn act(command: Command) -> Result<Said, OfficerError> {
    match command {
        Command::Budget { dir, json } => {
            Membership::open(&dir)?;
            books::budget(&dir, json)
        }
        Command::Pending { dir, json } => {
            Membership::open(&dir)?;
            books::pending(&dir, json)
        }
        Command::Approve { study, dir } => {
            Membership::open(&dir)?;
            decide::approve(&dir, &study)
        }
        Command::Refuse { study, reason, dir } => {
            Membership::open(&dir)?;
            decide::refuse(&dir, &study, reason)
        }
        Command::Peers { dir, json } => {
            let membership = Membership::open(&dir)?;
            blocking()?.block_on(peers::peers(&dir, &membership, json))
        }
        Command::Vouch { district, key, dir } => {
            let membership = Membership::open(&dir)?;
            blocking()?.block_on(peers::vouch(&dir, &membership, &district, &key))
        }
        Command::Override { command: OverrideCommand::Draft { dir, questions, after, reason } } => {
            let membership = Membership::open(&dir)?;
            overrides::draft(&dir, membership.hub_key(), questions, after, reason)
        }
        Command::Override { command: OverrideCommand::Sign { file, dir } } => {
            let membership = Membership::open(&dir)?;
            let (district, hub) = (membership.district().clone(), membership.hub_key());
            overrides::sign(&dir, &file, district, membership.identity(), hub)
        }
        Command::Override { command: OverrideCommand::Show { file, dir } } => {
            let membership = Membership::open(&dir)?;
            overrides::show(&dir, &file, membership.district(), membership.hub_key())
        }
    }
}

fn blocking() -> Result<tokio::runtime::Runtime, OfficerError> {
    runtime().map_err(|error| OfficerError::Runtime(error.into()))
}

/// The node's journal, beside the node that may have it open.
fn entries(
    dir: &Path,
) -> Result<impl Iterator<Item = Result<Recorded<Entry>, StoreError>>, StoreError> {
    read_journal(&dir.join("state"))
}

/// The policy, and a line for people when there is none.
fn policy(dir: &Path, notes: &mut Vec<String>) -> Result<Policy, OfficerError> {
    let path = dir.join(POLICY_FILE);
    let policy = Policy::load(&path)?;
    if policy.is_missing() {
        notes.push(format!(
            "there is no {}: every study is refused, nobody is trusted, and the limits shown are the \
             defaults; copy the sample deploy/samples/policy.toml there",
            path.display()
        ));
    }
    Ok(policy)
}

/// Where the node keeps a study it was asked about.
fn study_folder(dir: &Path, study: &Digest) -> PathBuf {
    dir.join(STUDIES_FOLDER).join(study.to_string())
}

/// A path as a shell reads it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A list of districts for people.
fn list<'a>(districts: impl IntoIterator<Item = &'a DistrictId>) -> String {
    let ids: Vec<&str> = districts.into_iter().map(DistrictId::as_str).collect();
    if ids.is_empty() { "nobody".to_owned() } else { ids.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_a_shell_reads_it() {
        for (path, shown) in [
            ("/srv/node", "/srv/node"),
            ("two words", "'two words'"),
            ("it's", "'it'\\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
        ] {
            assert_eq!(shell(Path::new(path)), shown);
        }
    }
}
