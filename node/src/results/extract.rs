//! `flashlight-node extract INDICATOR`: the students and rows behind one number, into a file.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use flashlight_proto::canonical::Digest;
use flashlight_proto::category::{Family, Grade, Level};
use flashlight_store::files::write_private;

use super::journal::{self, Extracted};
use super::{Where, against, indicator, is_free, label, title};
use crate::cli::{note, say};
use crate::local::{Behind, CellAsked, LocalQuery, Scope, records_behind};
use crate::preview::day;
use crate::records::secret;
use crate::round::now_ms;

/// What `extract` is asked.
#[derive(Args)]
pub(crate) struct ExtractArgs {
    /// The indicator, as suspension or suspension:county
    #[arg(required_unless_present = "list")]
    indicator: Option<String>,
    #[command(flatten)]
    place: Where,
    /// School year by its spring; default: the latest
    #[arg(long)]
    year: Option<String>,
    /// The number of this school, by id; default: the district's
    #[arg(long)]
    school: Option<String>,
    /// Of this level only
    #[arg(long)]
    level: Option<String>,
    /// Of this grade only, as 03
    #[arg(long)]
    grade: Option<String>,
    /// Of this group only, as el=yes
    #[arg(long)]
    group: Option<String>,
    /// The file to write, CSV; only its owner can read it
    #[arg(long, required_unless_present = "list")]
    out: Option<PathBuf>,
    /// The folder the records were loaded from, to put its own student ids in place of pseudonyms
    #[arg(long, requires = "dir", conflicts_with = "data")]
    ids: Option<PathBuf>,
    /// List the extracts made so far instead
    #[arg(long, requires = "dir", conflicts_with_all = ["indicator", "out"])]
    list: bool,
}

/// Writes the records behind a number, or lists the extracts so far.
pub(crate) fn extract(args: &ExtractArgs) -> anyhow::Result<ExitCode> {
    if let (true, Some(dir)) = (args.list, &args.place.dir) {
        return list(dir);
    }
    let (Some(name), Some(out)) = (&args.indicator, &args.out) else {
        bail!("name an indicator and --out");
    };
    let Some(dir) = &args.place.dir else {
        bail!("give --dir: every extract is noted in this node's folder");
    };
    is_free(out)?;
    let (indicator, preset) = indicator(name)?;
    let (rules, district) = args.place.rules()?;
    let asked = [(indicator, preset)];
    let (records, year) = args.place.records(args.year.as_slice(), &asked)?;
    let [year] = year[..] else { bail!("--year: an extract is of one school year") };
    let scope = args.school.clone().map_or(Scope::District, Scope::School);
    let level = args.level.as_deref().map(str::parse::<Level>).transpose()?;
    let grade = args.grade.as_deref().map(str::parse::<Grade>).transpose()?;
    let group = args.group.as_deref().map(group).transpose()?;
    let cell = CellAsked { indicator, preset, year, scope, level, grade, group };
    let mut query = LocalQuery::new(vec![(indicator, preset)], vec![year]);
    query.against = against(rules.as_ref(), district.as_ref());
    let behind = records_behind(&records, &query, &cell);
    let question =
        format!("{}/{year}, {}", title(indicator, preset), label(&cell.scope, level, grade, group));
    ensure!(!behind.is_empty(), "nobody is behind {question}: there is nothing to write");
    let own = own_ids(dir, args.ids.as_deref(), &behind)?;
    let file = csv(&behind, own.as_ref());
    let entry = Extracted {
        question: question.clone(),
        students: behind.len() as u64,
        with_ids: own.as_ref().is_some_and(|own| !own.is_empty()),
        sha256: Digest::of(file.as_bytes()),
    };
    journal::record(dir, &entry, now_ms())?;
    write_private(out, file.as_bytes())?;
    say(&format!("{}: {} students behind {question}", out.display(), behind.len()))?;
    note("noted in this node's journal of extracts; the file stays in the district");
    if own.is_none() {
        note(
            "hint: students are shown by pseudonym; --ids FOLDER puts the ids of your own files there",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn list(dir: &Path) -> anyhow::Result<ExitCode> {
    let all = journal::all(dir)?;
    if all.is_empty() {
        say("no extract was ever made")?;
    }
    for one in all {
        let Extracted { question, students, with_ids, sha256 } = one.entry;
        let ids = if with_ids { "own ids" } else { "pseudonyms" };
        let day = day(one.time_ms);
        say(&format!(
            "{:>4}  {day}  {question}: {students} students, {ids}, SHA-256 {sha256}",
            one.seq
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A group, from `el=yes`.
fn group(text: &str) -> anyhow::Result<(Family, &'static str)> {
    let (family, group) = text.split_once('=').context("--group: write FAMILY=GROUP, as el=yes")?;
    let family: Family = family.parse()?;
    let found = family.groups().iter().find(|one| **one == group);
    let groups = family.groups().join(", ");
    Ok((family, found.with_context(|| format!("--group: {family} has the groups {groups}"))?))
}

/// The district's own ids of the students behind the number.
fn own_ids(
    dir: &Path,
    folder: Option<&Path>,
    behind: &[Behind],
) -> anyhow::Result<Option<HashMap<u64, String>>> {
    let Some(folder) = folder else { return Ok(None) };
    let wanted: BTreeSet<u64> = behind.iter().map(|one| one.key).collect();
    let secret = secret::read(dir)?.context("nothing was loaded into this node yet")?;
    let found = crate::records::own_ids(folder, &secret, &wanted)?;
    let lacking = wanted.len() - found.len();
    if lacking > 0 {
        note(&format!("{lacking} students are not in that folder: they are shown by pseudonym"));
    }
    Ok(Some(found))
}

fn csv(behind: &[Behind], own: Option<&HashMap<u64, String>>) -> String {
    let families: Vec<_> = Family::ALL.iter().map(|family| family.as_str()).collect();
    let mut text = format!(
        "student,in_numerator,num,den,school_id,level,grade,{},source_rows\n",
        families.join(",")
    );
    for one in behind {
        let student = own
            .and_then(|own| own.get(&one.key))
            .map_or_else(|| format!("{:016x}", one.key), |id| quoted(id));
        let rows: Vec<_> =
            one.rows.iter().map(|(table, row)| format!("{}:{row}", table.name())).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{student},{},{},{},{},{},{},{},{}",
            one.in_numerator.map_or("", |is_in| if is_in { "yes" } else { "no" }),
            one.num,
            one.den,
            quoted(one.school.as_deref().unwrap_or("")),
            one.level,
            one.grade,
            one.groups.join(","),
            rows.join(" "),
        );
    }
    text
}

/// A field as CSV takes it, and as no spreadsheet takes it for a formula.
fn quoted(text: &str) -> String {
    let guarded =
        if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_from_its_family_and_refused_with_the_groups_there_are() {
        assert_eq!(group("el=yes").unwrap(), (Family::El, "yes"));
        let error = group("el=maybe").unwrap_err().to_string();
        assert_eq!(error, "--group: el has the groups yes, no, unknown");
        assert!(group("el").is_err() && group("ell=yes").is_err());
    }

    #[test]
    fn no_id_is_taken_for_a_formula_or_breaks_the_line() {
        assert_eq!(quoted("0042"), "0042");
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
