//! `flashlight-node growth`: the district's own schools beside a release's growth models.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::release::{Verified, verify_folder};
use flashlight_proto::schools::SchoolTable;

use crate::aggregate::records_for;
use crate::cli::{note, say};
use crate::enroll::Membership;
use crate::growth::{LocalGrowth, local_growth};
use crate::results::release_files;

/// What `growth` is asked.
#[derive(Args)]
pub(crate) struct GrowthArgs {
    /// A release folder whose study has growth models
    release: PathBuf,
    /// This node's folder, whose loaded records are read and whose hub must have signed the release
    #[arg(long)]
    dir: PathBuf,
    /// A folder of files to read instead of the loaded records
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn growth(args: &GrowthArgs) -> anyhow::Result<ExitCode> {
    let membership = Membership::open(&args.dir)?;
    let files = release_files(&args.release)?;
    let verified = verify_folder(&files, Some(&membership.hub_key()))
        .context("the release does not verify; nothing was computed")?;
    let schools = files.get("schools.csv").map(Vec::as_slice).unwrap_or_default();
    let schools = SchoolTable::parse(schools)?;
    anyhow::ensure!(
        !verified.study.growth.is_empty(),
        "study {:?} has no growth models; `flashlight-node local` shows its indicators",
        verified.study.id
    );
    let records = records_for(&verified.study, args.data.as_deref(), &args.dir)?;
    let district: &DistrictId = membership.district();
    let Verified { release, study, .. } = &verified;
    let found = local_growth(&records, study, &schools, release, Some(district))?;
    if args.json {
        say(&format!("{:#}", json(&found)))?;
    } else {
        for model in &found {
            say(model.to_string().trim_end())?;
        }
    }
    note("for the district's own eyes: nothing was sent, and small schools are shown");
    Ok(ExitCode::SUCCESS)
}

fn json(found: &[LocalGrowth]) -> serde_json::Value {
    let model = |one: &LocalGrowth| {
        let school = |(id, effect): &(String, crate::growth::SchoolEffect)| {
            let standing = one.standing(effect).map(|standing| {
                serde_json::json!({
                    "percentile": standing.percentile,
                    "interval": [standing.low, standing.high],
                    "level": standing.level,
                })
            });
            serde_json::json!({
                "school_id": id,
                "students": effect.n,
                "mean_residual": effect.residual,
                "growth": effect.effect,
                "sqrt_pev": effect.error,
                "network": standing,
            })
        };
        serde_json::json!({
            "model": one.model,
            "schools": one.schools.iter().map(school).collect::<Vec<_>>(),
            "corrected": one.corrected.iter().map(school).collect::<Vec<_>>(),
            "without": one.without,
        })
    };
    serde_json::Value::Array(found.iter().map(model).collect())
}
