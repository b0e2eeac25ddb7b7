//! What a `dp` release cost and how good it is, in a few lines after the table.
//!
//! In: the noise plan, how the release agrees with the pooled answers, and the books of two
//! districts, read from their nodes' own journals. Out: text.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use flashlight_node::consent::Policy;
use flashlight_node::journal::Journal;
use flashlight_node::ledger::{Budget, Ledger};
use flashlight_proto::category::Indicator;
use flashlight_proto::dp::{NoisePlan, Rho, epsilon_of, rounded_up};
use flashlight_proto::release::Verified;

use crate::answers::{Agreement, Answer, survivors};
use crate::inputs::Inputs;
use crate::report::title;

/// Characters of a line, beside the margin of twelve.
const LINE_WIDTH: usize = 86;

/// What hidden means, table by table.
pub(crate) fn hidden(
    inputs: &Inputs,
    verified: &Verified,
    plan: &NoisePlan,
) -> anyhow::Result<String> {
    let Inputs { study, schools, layout, .. } = inputs;
    let count = u16::try_from(verified.release.facts().survivors.len())?;
    let mut thresholds: Vec<(f64, Vec<String>)> = Vec::new();
    for table in plan.forecast(study, schools, layout, count) {
        let least = table.threshold.ceil();
        let name = title(table.indicator);
        match thresholds.iter_mut().find(|(other, _)| other.total_cmp(&least).is_eq()) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => thresholds.push((least, vec![name])),
        }
    }
    let min_n = study.suppression.min_n;
    let mut text = format!(
        "  hidden    the noisy count is under T = {min_n} + 2.326 sd of its noise, so that a group under \
         {min_n}\n            is shown with a chance below 1 %:"
    );
    for (least, names) in thresholds {
        let _ = write!(text, "\n            {}", wrapped(&format!("T = {least:.0}:"), &names));
    }
    text.push('\n');
    Ok(text)
}

/// A heading and names, on as many lines of [`LINE_WIDTH`] as they need.
fn wrapped(heading: &str, names: &[String]) -> String {
    let (mut text, mut width) = (heading.to_owned(), heading.chars().count());
    for (at, name) in names.iter().enumerate() {
        let comma = if at + 1 == names.len() { "" } else { "," };
        let more = name.chars().count() + comma.len() + 1;
        if width + more > LINE_WIDTH {
            text.push_str("\n             ");
            width = 1;
        }
        let _ = write!(text, " {name}{comma}");
        width += more;
    }
    text
}

/// What it cost, and how near it came.
pub(crate) fn quality(
    inputs: &Inputs,
    verified: &Verified,
    plan: &NoisePlan,
    agreement: &Agreement,
    answers: &[Answer],
) -> anyhow::Result<String> {
    let (rho, delta) = (plan.rho().value(), plan.delta());
    let two = epsilon_of(Rho::try_from(plan.rho_at_two())?, delta);
    let [one, two] = [plan.epsilon(), two].map(|epsilon| rounded_up(epsilon.value(), 2));
    let mut text = format!(
        "  privacy   rho = {rho} (zCDP): epsilon {one:.2} at delta {:.0e} for a student's records at one \
         district,\n            {two:.2} for one with records at two\n",
        delta.value(),
    );
    if let Some(mean) = typical_mean(inputs, verified, answers) {
        writeln!(text, "  noise     {mean}")?;
    }
    let Agreement { shown, hidden, held, sums, farthest, farthest_most, large, .. } = *agreement;
    writeln!(
        text,
        "  intervals {held} of the {shown} published 95 % intervals hold the exact answer; {hidden} cells \
         are hidden"
    )?;
    writeln!(
        text,
        "  checked   {sums} noisy sums: the farthest is {farthest:.1} sd off (an error above \
         {farthest_most:.1})"
    )?;
    match agreement.spread() {
        Some(spread) => writeln!(
            text,
            "            the noise of {large} of them, in groups too large for any noise to hide, has \
             {spread:.2} times\n            the variance promised (an error when that is not chance)"
        )?,
        None => writeln!(
            text,
            "            no group is too large for any noise to hide, so that the variance is not checked"
        )?,
    }
    Ok(text)
}

/// The noise of a mean over about half of the students, beside its sampling error where the demo
/// knows how far scores lie apart.
fn typical_mean(inputs: &Inputs, verified: &Verified, answers: &[Answer]) -> Option<String> {
    let cells = verified.release.cells();
    let mean = cells.iter().position(|cell| matches!(cell.indicator, Indicator::Mean(_)))?;
    let whole = answers.get(mean)?.n;
    let groups = cells.iter().zip(answers).filter(|(cell, _)| {
        cell.table == cells[mean].table && cell.group.is_some() && cell.outcome.noisy().is_some()
    });
    let (cell, answer) = groups.min_by_key(|(_, answer)| (2 * answer.n).abs_diff(whole))?;
    let sd = cell.outcome.noisy()?.sd;
    let (family, group) = (cell.family?, cell.group?);
    let mut text = format!(
        "the {} of {family} {group}, {} scores: sd {sd:.2} points",
        title(cell.indicator),
        answer.n
    );
    if let Some(star) = &inputs.star {
        let survivors = survivors(verified);
        let ids: Vec<&str> = survivors.iter().map(String::as_str).collect();
        let spread = star.spread(&ids, &cell.indicator.to_string());
        let n = f64::from(u32::try_from(answer.n).ok()?);
        let _ = write!(text, "; its sampling error is {:.2}", spread / n.sqrt());
    }
    Some(text)
}

/// The books of a district, from its own node's journal, which must not be open elsewhere.
pub(crate) fn books(home: &Path) -> anyhow::Result<Budget> {
    let policy = Policy::load(&home.join("policy.toml")).context("cannot read the policy")?;
    let journal = Journal::open(&home.join("state")).context("cannot open the journal")?;
    let ledger = Ledger::from_journal(&journal).context("cannot read the books")?;
    Ok(ledger.budget(&policy.floors))
}

/// A district's line: what its books say of the school years.
pub(crate) fn ledger_line(district: &str, budget: &Budget) -> String {
    let mut text = format!("  ledger    {district}:");
    for (at, year) in budget.years.iter().enumerate() {
        let _ = write!(
            text,
            "{} school year {}: rho {} charged of {}, {} left;",
            if at == 0 { "" } else { "\n           " },
            year.school_year,
            short(&year.rho_spent),
            year.rho_most,
            short(&year.rho_left)
        );
    }
    // The two rounds of growth models are one study's.
    let mut studies: Vec<String> = Vec::new();
    for charge in &budget.charges {
        let told = format!(" {} ({})", charge.study_id, charge.state);
        if !studies.contains(&told) {
            studies.push(told);
        }
    }
    text.push_str(&studies.concat());
    text.push('\n');
    text
}

/// A privacy loss as people read it: four digits after the point at most.
fn short(rho: &impl ToString) -> String {
    let text = rho.to_string();
    // Books round each charge up, in the last of their many digits.
    let near = text.parse().map_or(f64::NAN, |rho: f64| (rho * 1e4).round() / 1e4);
    if text.parse().is_ok_and(|rho: f64| (rho - near).abs() < 1e-9) {
        return near.to_string();
    }
    match text.split_once('.') {
        Some((whole, part)) if part.len() > 4 => format!("{whole}.{}…", &part[..4]),
        _ => text,
    }
}

/// A lost district's line: whether it was charged.
pub(crate) fn lost_line(district: &str, budget: &Budget) -> String {
    let Some(charge) = budget.charges.first() else {
        return format!("  lost      {district}: nothing left it, and nothing was charged\n");
    };
    let rho: Vec<String> = charge.years.values().map(short).collect();
    let rho = rho.join(", ");
    if charge.may_have_left {
        return format!("  lost      {district}: charged rho {rho}; its vector may have left\n");
    }
    format!(
        "  lost      {district}: charged rho {rho} although nothing left it: a charge is made before \
         anything is\n            sent, and never taken back\n"
    )
}

/// What the demo does that a real network must not.
pub(crate) fn notes(inputs: &Inputs) -> &'static str {
    if inputs.star.is_none() {
        return "";
    }
    "  note      the demo's \"public\" school table was derived from the data, which a real network \
     must\n            not do; only the demo, which holds everybody's data, has the exact answers\n"
}
