//! `flashlight-demo make`: a made-up network of districts that looks like California's.
//!
//! In: how many districts, students and years, and a seed. Out: a folder with `districts/<id>/` (the
//! canonical tables), `schools.csv` (the public school table) and `study.toml`, on which
//! `flashlight-demo --data DIR/districts --study DIR/study.toml` runs. Nobody in it exists.
//!
//! Promise: the same arguments give the same bytes, however many threads write; every school year has
//! exactly the students asked for; memory grows with schools, not with students; the folder appears whole
//! or not at all. Not promised: anything about California beyond the figures of [`marginals`], which
//! say where each comes from.

mod absence;
mod args;
mod calendar;
mod courses;
mod district;
mod draw;
mod english;
mod exams;
mod leaving;
mod life;
mod marginals;
mod mess;
mod network;
mod places;
mod public;
mod scores;
mod shares;
mod surveys;
mod table;
#[cfg(test)]
mod tests;
mod year;

use std::{
    ffi::OsString,
    fs, io,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Parser as _;

use self::{
    args::Args,
    district::{Extras, Made},
    network::Network,
};

/// Most threads.
const MOST_THREADS: usize = 8;
/// Nothing is said of what is done by then.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two progress lines.
const BETWEEN: Duration = Duration::from_millis(500);

/// Runs the command; `args` without the program's name, `make` first.
#[must_use]
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let failed = error.print().is_err() || error.use_stderr();
            return ExitCode::from(if failed { 2 } else { 0 });
        }
    };
    match make(&args) {
        Ok(said) => {
            drop(write!(io::stdout(), "{said}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "demo: error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Makes a network of (districts, students, years) with a seed in `out`. Returns what it has, for people.
pub(crate) fn small(
    out: &Path,
    (districts, students, years, seed): (u32, u32, u16, u64),
) -> anyhow::Result<String> {
    let out = out.to_owned();
    let said = make(&Args {
        districts,
        students,
        years,
        seed,
        out,
        daily: false,
        mess: false,
        brief: true,
    })?;
    let first = said.lines().next().unwrap_or_default();
    Ok(first.trim_start_matches("made ").to_owned())
}

/// Makes the network. Returns what to say.
fn make(args: &Args) -> anyhow::Result<String> {
    args.check()?;
    let begin = Instant::now();
    let out = Staged::new(&args.out)?;
    let network = Network::plan(args.districts, args.students, args.seed);
    let made = districts(&network, args, &out.staging.join("districts"))?;
    let years = args.span();
    let table = public::school_table(&network, &made, years);
    let most = flashlight_proto::schools::MAX_SCHOOLS_BYTES;
    ensure!(
        table.len() <= most,
        "the school table would have {} bytes, a study allows {most}: fewer --years or --districts",
        table.len()
    );
    fs::write(out.staging.join("study.toml"), public::study(&network, &table, years, args.brief))?;
    fs::write(out.staging.join("schools.csv"), table)?;
    out.publish()?;
    let rows: u64 = made.iter().map(|made| made.rows).sum();
    let shown = args.out.display();
    let mut said = format!(
        "made {} districts, {} schools, {} students a year, {} to {}, seed {}: {rows} rows in {:.1} s\n",
        args.districts,
        network.schools,
        args.students,
        years.0,
        years.1,
        args.seed,
        begin.elapsed().as_secs_f64()
    );
    said += &if network.districts.len() < public::LEAST_DISTRICTS {
        format!("too few districts for a study: at least {}\n", public::LEAST_DISTRICTS)
    } else {
        format!("run it: flashlight-demo --data {shown}/districts --study {shown}/study.toml\n")
    };
    Ok(said)
}

/// A folder being written, beside where it will be.
struct Staged {
    staging: PathBuf,
    out: PathBuf,
}

impl Staged {
    /// Refuses a folder that holds something. Removes what an interrupted run left.
    fn new(out: &Path) -> anyhow::Result<Self> {
        let shown = out.display();
        let name = out.file_name().with_context(|| format!("--out {shown} names no folder"))?;
        if let Ok(mut entries) = fs::read_dir(out) {
            ensure!(
                entries.next().is_none(),
                "{shown} holds something; name a new or empty folder with --out"
            );
        } else if out.symlink_metadata().is_ok() {
            bail!("{shown} is not a folder that can be read; name another with --out");
        }
        let mut staging = OsString::from(".");
        staging.push(name);
        staging.push(".making");
        let staging = out.with_file_name(staging);
        if staging.exists() {
            fs::remove_dir_all(&staging)
                .with_context(|| format!("cannot remove {}", staging.display()))?;
        }
        fs::create_dir_all(staging.join("districts"))
            .with_context(|| format!("cannot make {}", staging.display()))?;
        Ok(Self { staging, out: out.to_owned() })
    }

    /// Puts the folder in its place.
    fn publish(&self) -> anyhow::Result<()> {
        let shown = self.out.display();
        if self.out.exists() {
            fs::remove_dir(&self.out).with_context(|| format!("{shown} is no longer empty"))?;
        }
        fs::rename(&self.staging, &self.out).with_context(|| format!("cannot make {shown}"))
    }
}

impl Drop for Staged {
    /// After a failure nothing stays; after success there is nothing.
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.staging));
    }
}

/// Writes all districts, the largest first, some at a time.
fn districts(network: &Network, args: &Args, folder: &Path) -> anyhow::Result<Vec<Made>> {
    let all = network.districts.len();
    let mut order: Vec<usize> = (0..all).collect();
    order.sort_by_key(|at| std::cmp::Reverse(network.districts[*at].students));
    let extras = Extras { daily: args.daily, mess: args.mess };
    let (next, students, finished) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(0));
    let made: Mutex<Vec<Option<Made>>> = Mutex::new((0..all).map(|_| None).collect());
    let work = || -> anyhow::Result<()> {
        while let Some(at) = order.get(next.fetch_add(1, Relaxed)) {
            let id = &network.districts[*at].id;
            let folder = folder.join(id);
            let tick = || {
                students.fetch_add(1, Relaxed);
            };
            let one = district::write(network, *at, args.span(), extras, (&folder, &tick))
                .with_context(|| format!("cannot write {}", folder.display()));
            // Others need not begin what nobody will have.
            let one = one.inspect_err(|_| next.store(all, Relaxed))?;
            if let (Ok(mut made), Ok(mut finished)) = (made.lock(), finished.lock()) {
                made[*at] = Some(one);
                *finished += 1;
            }
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let (done, finishes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.min(all) {
            let (done, work) = (done.clone(), &work);
            scope.spawn(move || done.send(work()));
        }
        drop(done);
        let say = || {
            let finished = finished.lock().map_or(0, |finished| *finished);
            progress(finished, all, students.load(Relaxed));
        };
        wait(&finishes, say)
    })?;
    let made = made.into_inner().map(|made| made.into_iter().collect::<Option<Vec<_>>>());
    made.ok().flatten().context("writing the districts ended unexpectedly")
}

/// Waits for all threads; `say` shows how far they are, after a while and on a terminal only.
fn wait(finishes: &mpsc::Receiver<anyhow::Result<()>>, say: impl Fn()) -> anyhow::Result<()> {
    let shown = io::stderr().is_terminal();
    let begin = Instant::now();
    let mut result = Ok(());
    loop {
        match finishes.recv_timeout(BETWEEN) {
            Ok(finished) => result = result.and(finished),
            Err(mpsc::RecvTimeoutError::Timeout) if shown && begin.elapsed() >= PATIENCE => say(),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    if shown && begin.elapsed() >= PATIENCE {
        drop(write!(io::stderr(), "\r\x1b[K"));
    }
    result
}

fn progress(finished: usize, all: usize, students: u64) {
    drop(write!(
        io::stderr(),
        "\rdemo: {finished} of {all} districts finished, {students} students written"
    ));
}
