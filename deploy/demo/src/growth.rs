//! What the demo shows of growth: the network's coefficients, and one district's schools under them.

use std::io::{self, Write as _};

use anyhow::Context as _;
use flashlight_node::growth::local_growth;
use flashlight_node::records::Records;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::release::{GrowthEstimates, NoisyGrowth, Verified};

use crate::inputs::Inputs;

/// Lines of a district's table that are shown.
const LINES: usize = 14;

/// Prints a table per growth model, then the schools of `district`. Nothing where there are no models.
pub(crate) fn show(inputs: &Inputs, verified: &Verified, district: &str) -> anyhow::Result<()> {
    let release = &verified.release;
    let exact = release.growth().iter().map(model);
    let tables: Vec<String> = exact.chain(release.noisy_growth().iter().map(noisy)).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout();
    for table in tables {
        write!(out, "{table}").context("cannot write to stdout")?;
    }
    let folder = inputs.districts.iter().find(|one| one.id == district);
    let folder = &folder.context("the district shown is not of the network")?.folder;
    let (records, _) = Records::read(folder)?;
    let id: DistrictId = district.parse()?;
    let Inputs { study, schools, .. } = inputs;
    for found in local_growth(&records, study, schools, release, Some(&id))? {
        writeln!(out, "\n  district {district}, at its own node:")?;
        for table in found.tables()? {
            let lines: Vec<&str> = table.lines().collect();
            for line in lines.iter().take(LINES) {
                writeln!(out, "  {line}")?;
            }
            if let Some(more) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
                writeln!(out, "    … and {more} more schools")?;
            }
        }
    }
    writeln!(out)?;
    Ok(())
}

/// Coefficients with their errors, REML and corrected for the priors' errors of measurement.
fn model(one: &GrowthEstimates) -> String {
    let mut lines = vec![
        String::new(),
        format!("  growth {}: {} students in {} schools", one.model, one.students, one.schools),
        format!("  {:<28} {:>10} {:>9} {:>12} {:>9}", "", "REML", "se", "EIV", "se"),
    ];
    let number =
        |value: Option<&f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    for (at, name) in one.names.iter().enumerate() {
        let (reml, eiv) = (one.reml.as_ref(), one.eiv.as_ref());
        lines.push(format!(
            "  {name:<28} {:>10} {:>9} {:>12} {:>9}",
            number(reml.and_then(|fit| fit.beta.get(at))),
            number(reml.and_then(|fit| fit.se.get(at))),
            number(eiv.and_then(|fit| fit.beta.get(at))),
            number(eiv.and_then(|fit| fit.se_cr0.as_ref()?.get(at))),
        ));
    }
    if let Some(reml) = &one.reml {
        lines.push(format!(
            "  between schools tau2 {:.2}, between their students sigma2 {:.2}, points squared",
            reml.tau2, reml.sigma2
        ));
    }
    lines.extend(one.notes.iter().map(|note| format!("  note: {note}")));
    lines.push("  EIV: corrected for the priors' errors of measurement.".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

/// Coefficients with their errors, and how much of these is the noise's.
fn noisy(one: &NoisyGrowth) -> String {
    let mut lines = vec![
        String::new(),
        format!(
            "  growth {}: about {:.0} students in {:.0} schools, rho {}",
            one.model, one.students, one.schools, one.rho
        ),
        format!("  {:<28} {:>10} {:>9} {:>14}", "", "", "se", "of it noise"),
    ];
    for (((name, beta), se), noise) in
        one.names.iter().zip(&one.beta).zip(&one.se).zip(&one.se_noise)
    {
        lines.push(format!("  {name:<28} {beta:>10.3} {se:>9.3} {noise:>14.3}"));
    }
    lines.push(format!(
        "  between schools tau2 {:.2}, between their students sigma2 {:.2}, points squared",
        one.tau2, one.sigma2
    ));
    lines.push(String::new());
    lines.join("\n")
}
