//! `flashlight-node local` and `flashlight-node extract`: the district's own exact numbers, and the
//! records behind one of them. For the district's own eyes: neither is a release, and nothing is sent.

mod extract;
mod growth;
mod journal;
mod json;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use flashlight_proto::category::{Family, Grade, Indicator, Level, Preset};
use flashlight_proto::identity::DistrictId;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;
use flashlight_store::files::read_limited;

pub(crate) use self::extract::{ExtractArgs, extract};
pub(crate) use self::growth::{GrowthArgs, growth};
use crate::check::Against;
use crate::cli::{note, say, study_beside};
use crate::indicators::tables_of;
use crate::local::{By, LocalQuery, LocalRow, Scope, local};
use crate::records::Records;

/// Most files of a release folder that are read.
const RELEASE_FILES_MAX: usize = 64;
/// Largest file of a release folder that is read.
const RELEASE_FILE_MAX: u64 = 256 * 1024 * 1024;

/// The files of a release folder, by name.
pub(crate) fn release_files(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries.take(RELEASE_FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, read_limited(&entry.path(), RELEASE_FILE_MAX)?);
    }
    Ok(files)
}

/// Where the records are, and by which rules they are read.
#[derive(Args)]
pub(crate) struct Where {
    /// This node's folder, whose loaded records are read
    #[arg(long, required_unless_present = "data")]
    dir: Option<PathBuf>,
    /// A folder of files to read instead of the loaded records
    #[arg(long)]
    data: Option<PathBuf>,
    /// Take tests, bounds, cuts and the school table from this study
    #[arg(long)]
    study: Option<PathBuf>,
    /// The district's id in the study's school table; without it every school of the table counts
    #[arg(long, requires = "study")]
    district: Option<String>,
}

/// What `local` is asked.
#[derive(Args)]
pub(crate) struct LocalArgs {
    #[command(flatten)]
    place: Where,
    /// Indicators, as suspension or suspension:county; default: all that can be computed
    #[arg(long = "indicator", value_delimiter = ',')]
    indicators: Vec<String>,
    /// School years by their spring, or all; default: the latest
    #[arg(long = "year", value_delimiter = ',')]
    years: Vec<String>,
    /// Only these schools, by id; implies --by school
    #[arg(long = "school", value_delimiter = ',')]
    schools: Vec<String>,
    /// Break out by school, level, grade, families (all of them), or a family: el, sed, sex, …
    #[arg(long, value_delimiter = ',')]
    by: Vec<String>,
    /// For machines
    #[arg(long)]
    json: bool,
}

/// A study and its school table.
type Rules = (Study, SchoolTable);

impl Where {
    fn rules(&self) -> anyhow::Result<(Option<Rules>, Option<DistrictId>)> {
        let rules = self.study.as_deref().map(study_beside).transpose()?;
        Ok((rules, self.district.as_deref().map(str::parse).transpose()?))
    }

    /// The records, and the school years asked for: of the loaded ones only what `indicators` need.
    fn records(
        &self,
        named: &[String],
        indicators: &[(Indicator, Option<Preset>)],
    ) -> anyhow::Result<(Records, Vec<i16>)> {
        match (&self.data, &self.dir) {
            (Some(data), _) => {
                let records = Records::read(data)?.0;
                let years = years(&LocalQuery::years_of(&records), named)?;
                Ok((records, years))
            }
            (None, Some(dir)) => {
                let years = years(&Records::loaded_years(dir)?, named)?;
                let names = tables_of(indicators.iter().map(|(indicator, _)| *indicator));
                Ok((Records::loaded(dir, Some(&years), Some(&names))?, years))
            }
            (None, None) => bail!("give --dir, or --data"),
        }
    }
}

/// The study's side of a query.
fn against<'a>(rules: Option<&'a Rules>, district: Option<&'a DistrictId>) -> Option<Against<'a>> {
    rules.map(|(study, schools)| Against { study, schools, district })
}

/// The years asked for: those named, all, or the latest.
fn years(known: &[i16], named: &[String]) -> anyhow::Result<Vec<i16>> {
    let latest = known.last().copied().context("there are no enrolments")?;
    if named.is_empty() {
        return Ok(vec![latest]);
    }
    if named.iter().any(|year| year == "all") {
        return Ok(known.to_vec());
    }
    let mut years = Vec::new();
    for name in named {
        let year: i16 = name
            .parse()
            .with_context(|| format!("--year {name}: write a year, as {latest}, or all"))?;
        let shown = known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ensure!(known.contains(&year), "--year {year}: there are enrolments of {shown}");
        years.push(year);
    }
    years.sort_unstable();
    years.dedup();
    Ok(years)
}

/// An indicator with its preset, from `suspension` or `suspension:county`.
fn indicator(text: &str) -> anyhow::Result<(Indicator, Option<Preset>)> {
    let (name, preset) = match text.split_once(':') {
        Some((name, preset)) => (name, Some(preset)),
        None => (text, None),
    };
    let Ok(indicator) = name.parse::<Indicator>() else {
        bail!("there is no indicator {name:?}; docs/INDICATORS.md lists them all");
    };
    let presets = indicator.presets();
    let Some(preset) = preset else { return Ok((indicator, presets.first().copied())) };
    let found = presets.iter().find(|one| one.as_str() == preset);
    let names: Vec<_> = presets.iter().map(|one| one.as_str()).collect();
    let found = found.with_context(|| match names.as_slice() {
        [] => format!("{indicator} has no presets"),
        names => format!("{indicator} has the presets {}", names.join(", ")),
    })?;
    Ok((indicator, Some(*found)))
}

/// Break-downs as asked; one family alone is all of them, of which one is shown.
struct Breaks {
    by: Vec<By>,
    families: Vec<Family>,
}

fn breaks(named: &[String], schools: &[String]) -> anyhow::Result<Breaks> {
    let mut breaks = Breaks { by: Vec::new(), families: Vec::new() };
    if !schools.is_empty() {
        breaks.by.push(By::School);
    }
    for name in named {
        match name.as_str() {
            "school" => breaks.by.push(By::School),
            "level" => breaks.by.push(By::Level),
            "grade" => breaks.by.push(By::Grade),
            "families" => {
                breaks.by.push(By::Family);
                breaks.families.extend(Family::ALL);
            }
            family => {
                let families: Vec<_> = Family::ALL.iter().map(|one| one.as_str()).collect();
                let families = families.join(", ");
                let Ok(family) = family.parse::<Family>() else {
                    bail!(
                        "--by {family}: write school, level, grade, families, or one of {families}"
                    )
                };
                breaks.by.push(By::Family);
                breaks.families.push(family);
            }
        }
    }
    breaks.by.sort_unstable();
    breaks.by.dedup();
    Ok(breaks)
}

/// Shows the district's own numbers.
pub(crate) fn show(args: &LocalArgs) -> anyhow::Result<ExitCode> {
    let breaks = breaks(&args.by, &args.schools)?;
    let indicators: Vec<_> =
        args.indicators.iter().map(|text| indicator(text)).collect::<Result<_, _>>()?;
    let all = indicators.is_empty();
    let (rules, district) = args.place.rules()?;
    let indicators = if all {
        Indicator::ALL.iter().map(|one| (*one, one.presets().first().copied())).collect()
    } else {
        indicators
    };
    let (records, years) = args.place.records(&args.years, &indicators)?;
    let mut query = LocalQuery::new(indicators, years);
    query.by.clone_from(&breaks.by);
    query.schools.clone_from(&args.schools);
    query.against = against(rules.as_ref(), district.as_ref());
    let mut results = local(&records, &query);
    let shown = |row: &LocalRow| {
        row.group.is_none_or(|(family, _)| breaks.families.contains(&family))
            // Of everything, what cannot be computed would bury what can.
            && !(all && row.missing.is_some())
    };
    let missing =
        results.rows.iter().filter(|row| row.missing.is_some() && row.scope == Scope::District);
    let missing: std::collections::BTreeSet<_> = missing.map(|row| row.indicator).collect();
    results.rows.retain(shown);
    if let Some(unknown) = args.schools.iter().find(|id| {
        !results.rows.iter().any(|row| matches!(&row.scope, Scope::School(school) if school == *id))
    }) {
        bail!("--school {unknown}: no number is of it; is that its id in the enrolments?");
    }
    if args.json {
        say(&json::results(&results)?)?;
    } else {
        say(text::results(&results, &query.years).trim_end())?;
        if all && !missing.is_empty() {
            note(&format!(
                "{} more indicators cannot be computed; ask for one by name to see why",
                missing.len()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a row is, in a few words: `0101, grade 03, el yes`.
fn label(
    scope: &Scope,
    level: Option<Level>,
    grade: Option<Grade>,
    group: Option<(Family, &str)>,
) -> String {
    let mut parts = vec![match scope {
        Scope::District => "district".to_owned(),
        Scope::School(id) => format!("school {id}"),
    }];
    parts.extend(level.map(|level| level.to_string()));
    parts.extend(grade.map(|grade| format!("grade {grade}")));
    parts.extend(group.map(|(family, group)| format!("{family} {group}")));
    parts.join(", ")
}

/// `chronic_absenteeism[dashboard]`.
fn title(indicator: Indicator, preset: Option<Preset>) -> String {
    preset.map_or_else(|| indicator.to_string(), |preset| format!("{indicator}[{preset}]"))
}

/// Whether a file can be written there: an extract never replaces one.
fn is_free(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    ensure!(folder.is_dir(), "{} is not a folder; make it first", folder.display());
    ensure!(
        path.symlink_metadata().is_err(),
        "{} is there already; name another file with --out",
        path.display()
    );
    Ok(())
}
