//! `study start`: what a release says a later study's growth models may start from.
//!
//! In: a release folder of a study in `dp`. Out: for each `[[growth]]` section the key `start`, as TOML, to
//! be copied into the later study. Everything in it is public. Reads one folder, asks nobody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use flashlight_proto::canonical::Digest;
use flashlight_proto::growth::Model;
use flashlight_proto::release::{NoisyGrowth, verify_folder};
use flashlight_proto::study::Study;
use flashlight_store::files::read_limited;

const RELEASE: &str = "release.json";
/// Most files of a folder, and bytes of one.
const FILES_MAX: usize = 32;
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// Lines of TOML.
pub(crate) fn start(folder: &Path) -> anyhow::Result<String> {
    let mut files = BTreeMap::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries.take(FILES_MAX) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        files.insert(name, read_limited(&entry.path(), FILE_MAX)?);
    }
    let verified = verify_folder(&files, None).context("the release does not verify")?;
    let estimates = verified.release.noisy_growth();
    ensure!(
        !estimates.is_empty(),
        "the release has no growth models under noise; only those can be started from"
    );
    let hash = Digest::of(files.get(RELEASE).map(Vec::as_slice).unwrap_or_default());
    sections(&verified.study, hash, estimates).context("the text could not be written")
}

/// The key `start` of each section.
fn sections(
    study: &Study,
    release: Digest,
    estimates: &[NoisyGrowth],
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let models: Vec<(Model, &NoisyGrowth)> =
        Model::of_study(study).into_iter().zip(estimates).collect();
    for (section, spec) in study.growth.iter().enumerate() {
        writeln!(text, "# for the [[growth]] section {:?}", spec.id)?;
        writeln!(text, "start = [")?;
        for (model, one) in models.iter().filter(|(model, _)| model.section == section) {
            let names: Vec<String> = one.names.iter().map(|name| format!("{name:?}")).collect();
            writeln!(
                text,
                "  {{ grade = \"{}\", release = \"{release}\", names = [{}], centres = {:?}, beta = \
                 {:?}, scales = {:?} }},",
                model.grade,
                names.join(", "),
                one.centres,
                one.beta,
                one.scales
            )?;
        }
        writeln!(text, "]")?;
    }
    Ok(text)
}
