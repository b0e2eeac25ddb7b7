//! What a demo runs on: districts with their folders, a study, its school table and layout.
//!
//! In: the command line. Out: [`Inputs`], from the user's folder or from the STAR data, which are
//! written under the demo's own folder first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use flashlight_node::aggregate::Whose;
use flashlight_node::cli::study_beside;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::{Mode, Study};

use crate::growth_simulation::{Draw, Network as SimulatedGrowth};
use crate::star;

/// ρ of the STAR study when nobody says another.
const RHO: f64 = 0.1;

/// The network of the growth model under noise.
const GROWTH_STUDENTS: u32 = 75_000;
const GROWTH_RHO: f64 = 0.1;
const GROWTH_SEED: u64 = 2024;

/// What a careful district allows a round, and a school year; more only when the study asks more.
const RHO_ROUND: f64 = 0.2;
const RHO_YEAR: f64 = 1.0;

/// Least floors that a policy can have.
const LEAST_SURVIVORS: u16 = 4;
const LEAST_HONEST: u16 = 3;

/// One district of the network.
pub(crate) struct District {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    /// Bytes of its enrolment file: how large it is, near enough.
    pub(crate) size: u64,
}

/// The data, the study, and where they are.
pub(crate) struct Inputs {
    pub(crate) districts: Vec<District>,
    pub(crate) study_path: PathBuf,
    pub(crate) study: Study,
    pub(crate) schools: SchoolTable,
    pub(crate) layout: Layout,
    pub(crate) star: Option<star::StarNetwork>,
}

impl Inputs {
    /// The STAR data, written under `out`. `rho`: of the study in `dp` mode.
    pub(crate) fn star(out: &Path, mode: Mode, rho: Option<f64>) -> anyhow::Result<Self> {
        ensure!(
            mode == Mode::Dp || rho.is_none(),
            "--rho is for --mode dp; exact sums have no noise"
        );
        let rho = (mode == Mode::Dp).then(|| rho.unwrap_or(RHO));
        let star = star::write_network(out, rho).context("cannot write the STAR data")?;
        let folders =
            star.districts.iter().map(|one| (one.id.clone(), one.folder.clone())).collect();
        Self::new(folders, star.study.clone(), Some(star))
    }

    /// The STAR data and their growth model alone, without noise: private growth on 4,500 students would
    /// be noise.
    pub(crate) fn star_growth(out: &Path) -> anyhow::Result<Self> {
        let star = star::write_network(out, None).context("cannot write the STAR data")?;
        let text = fs::read_to_string(&star.study)?;
        let (head, _) = text.split_once("[[table]]").unwrap_or((&text, ""));
        let (_, growth) = text.split_once("[[growth]]").context("the STAR study has no growth")?;
        fs::write(&star.study, format!("{head}[[growth]]{growth}"))?;
        Self::of_folder(&out.join("districts"), &star.study, Some(Mode::Exact))
    }

    /// A made-up network with enough students for a growth model under noise, which starts from the
    /// coefficients of a made-up year before.
    pub(crate) fn noisy_growth(out: &Path) -> anyhow::Result<Self> {
        let mut draw = Draw::new(GROWTH_SEED);
        let before = SimulatedGrowth::new(GROWTH_STUDENTS, GROWTH_RHO, None, GROWTH_SEED)?;
        let (beta, scales) = before.start(&mut draw)?;
        let start = Some((beta.as_slice(), scales.as_slice()));
        let network = SimulatedGrowth::new(GROWTH_STUDENTS, GROWTH_RHO, start, GROWTH_SEED)?;
        network.write(out, &mut draw).context("cannot write the made-up network")?;
        Self::of_folder(&out.join("districts"), &out.join("study.toml"), Some(Mode::Dp))
    }

    /// The user's folder of district folders, and study; `mode`: what the user takes it for.
    pub(crate) fn of_folder(data: &Path, study: &Path, mode: Option<Mode>) -> anyhow::Result<Self> {
        let inputs = Self::new(subfolders(data)?, study.to_owned(), None)?;
        let is = inputs.study.mode;
        ensure!(
            mode.is_none_or(|mode| mode == is),
            "the study says mode = \"{is}\"; change --mode, or [privacy] in the study"
        );
        Ok(inputs)
    }

    /// A network that `make` wrote into `folder`, its study in `mode`.
    pub(crate) fn made(folder: &Path, mode: Mode) -> anyhow::Result<Self> {
        let study = folder.join("study.toml");
        if mode == Mode::Exact {
            let text = fs::read_to_string(&study)?;
            let lines = text.lines().filter(|line| !line.starts_with("rho "));
            let lines = lines.map(|line| line.replace("mode = \"dp\"", "mode = \"exact\""));
            fs::write(&study, lines.collect::<Vec<_>>().join("\n") + "\n")?;
        }
        Self::of_folder(&folder.join("districts"), &study, Some(mode))
    }

    fn new(
        folders: Vec<(String, PathBuf)>,
        study_path: PathBuf,
        star: Option<star::StarNetwork>,
    ) -> anyhow::Result<Self> {
        let (study, schools) = study_beside(&study_path)?;
        let layout = Layout::derive(&study, &schools)?;
        let districts = folders
            .into_iter()
            .map(|(id, folder)| {
                let size = ["enrollments.csv", "enrollments.parquet"]
                    .iter()
                    .filter_map(|file| fs::metadata(folder.join(file)).ok())
                    .map(|file| file.len())
                    .max();
                let size =
                    size.with_context(|| format!("{} has no enrollments", folder.display()))?;
                Ok(District { id, folder, size })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { districts, study_path, study, schools, layout, star })
    }

    /// Whether the districts answer surveys whose unit is a response: where the study asks for those.
    pub(crate) fn accepts_responses(&self) -> bool {
        self.study.tables.iter().any(|table| table.indicator.is_of_adults())
    }

    /// A district, as its records are counted.
    pub(crate) fn whose<'a>(&self, district: &'a DistrictId) -> Whose<'a> {
        Whose { district: Some(district), accept_responses: self.accepts_responses() }
    }

    /// What every district's policy allows and asks: this study's indicators, its mode, its cohort.
    pub(crate) fn rules(&self) -> String {
        let Study { tables, cohort, suppression, mode, rho, growth, .. } = &self.study;
        let mut indicators: Vec<_> =
            tables.iter().map(|table| format!("\"{}\"", table.indicator)).collect();
        indicators.sort();
        indicators.dedup();
        let survivors = cohort.min_districts.saturating_sub(cohort.max_dropped);
        let honest = survivors.saturating_sub(cohort.max_colluding);
        let rho = rho.map_or(0.0, |rho| rho.value());
        format!(
            "[allow]\nindicators = [{}]\nexact_mode = {}\n{}anonymous_surveys = {}\n\n[floors]\nmin_survivors = {}\n\
             min_honest    = {}\nmin_colluding = 1\nmin_cell      = {}\nmax_rho_round = {:?}\n\
             max_rho_year  = {:?}\napproval      = \"within-policy\"\n",
            indicators.join(", "),
            *mode == Mode::Exact,
            if growth.is_empty() { "" } else { "growth = true\n" },
            self.accepts_responses(),
            survivors.max(LEAST_SURVIVORS),
            honest.max(LEAST_HONEST),
            suppression.min_n,
            rho.max(RHO_ROUND),
            rho.max(RHO_YEAR),
        )
    }
}

/// District folders, by name, which is the district's id.
fn subfolders(data: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    let entries = fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            folders.push((name, path.canonicalize()?));
        }
    }
    folders.sort();
    ensure!(!folders.is_empty(), "{} holds no district folders", data.display());
    Ok(folders)
}
