//! `study check`: what a study would read, cost and show, before anything is spent.
//!
//! In: a study file with its school table beside it, and a number of districts. Out: a [`Check`],
//! as text or JSON: in `dp` mode the noise blocks with their sensitivities, the split of ρ, the
//! noise, ε(δ), the years charged, and the forecast error of each table; in `exact` mode what is
//! read, and that there is no formal privacy guarantee. Reads public files only, asks nobody, and
//! spends nothing.

mod growth;

use std::{collections::BTreeSet, path::Path};

use anyhow::Context as _;
use flashlight_proto::secagg::GraphRule;
use flashlight_proto::secagg::sparse_plan::SparsePlan;
use flashlight_proto::{
    category::Indicator,
    dp::{BlockPlan, NoisePlan, SizeForecast, TableForecast, rounded_up},
    growth::Model,
    layout::{Layout, Part, questions, years_measured, years_read},
    schools::SchoolTable,
    study::{CohortSizes, Study, TableSpec},
};
use serde_json::{Value, json};

use crate::estimate::noisy::GrowthForecast;
use crate::run::Loaded;

use self::growth::{growth_forecast, growth_json, model_json};

/// Most hidden cells that are named in the text; JSON names all.
const NAMED_MAX: usize = 8;

/// A study with its parts and, in `dp` mode, its noise.
pub(crate) struct Check {
    study: Study,
    schools: SchoolTable,
    layout: Layout,
    sizes: CohortSizes,
    graph: GraphRule,
    /// Whether n was counted in the school table.
    counted: bool,
    /// `None` in `exact` mode.
    plan: Option<NoisePlan>,
    /// At n survivors; empty in `exact` mode.
    forecast: Vec<TableForecast>,
    growth: Vec<GrowthForecast>,
}

impl Check {
    /// Reads the study at `path` and works it out for `districts`, or for those that the school
    /// table names in the years read.
    ///
    /// # Errors
    /// When a file cannot be read, the study, its school table and the number of districts do not
    /// fit together, or its noise cannot be planned.
    pub(crate) fn new(path: &Path, districts: Option<u16>) -> anyhow::Result<Self> {
        let Loaded { study, schools, layout, .. } = Loaded::read(path)?;
        let n = match districts {
            Some(n) => n,
            None => u16::try_from(named_districts(&study, &schools)).unwrap_or(u16::MAX),
        };
        let sizes = study.cohort.sizes(n).with_context(|| {
            format!("{n} districts cannot run this study; give another number with --districts")
        })?;
        let graph =
            GraphRule::of(sizes).with_context(|| format!("{n} districts cannot run this study"))?;
        let plan = match study.rho {
            Some(_) => Some(
                NoisePlan::new(&study, &layout, &schools, n)
                    .context("the noise of this study cannot be planned")?,
            ),
            None => None,
        };
        let forecast = plan.as_ref().map(|plan| plan.forecast(&study, &schools, &layout, n));
        let forecast = forecast.unwrap_or_default();
        let counted = districts.is_none();
        let growth = plan.as_ref().map(|plan| growth_forecast(&study, &schools, &layout, plan));
        let growth = growth.unwrap_or_default();
        Ok(Self { growth, study, schools, layout, sizes, graph, counted, plan, forecast })
    }

    /// For people: lines of text.
    pub(crate) fn text(&self) -> Vec<String> {
        let mut lines = self.head();
        match &self.plan {
            None => {
                lines.push(String::new());
                lines.push(
                    "exact mode: no formal privacy guarantee. The sums are released without noise"
                        .into(),
                );
            }
            Some(plan) => {
                self.costs(plan, &mut lines);
                self.growth_forecasts(&mut lines);
                if !self.study.tables.is_empty() {
                    self.blocks(plan, &mut lines);
                    self.forecasts(plan, &mut lines);
                }
            }
        }
        lines.push(String::new());
        lines.push("nothing was asked of any district, and nothing is spent".into());
        lines
    }

    fn head(&self) -> Vec<String> {
        let Self { study, sizes, layout, .. } = self;
        let CohortSizes { n, m, t, c, h } = *sizes;
        let from = if self.counted { "the districts in the school table" } else { "as given" };
        let mut lines = vec![
            format!("study      {}: {}", study.id, study.title),
            format!("mode       {}", study.mode),
            format!("districts  n = {n} ({from})"),
            format!(
                "           m = {m} must survive, t = {t} must sign, c = {c} may collude, h = {h} are honest"
            ),
            format!("words      {} from each district", layout.words()),
        ];
        if let GraphRule::Sparse(plan) = self.graph {
            let SparsePlan { neighbours, threshold, window } = plan;
            let odds = plan.ln_window_failure(u32::from(n), u32::from(n - m)).exp();
            lines.push(format!(
                "graph      sparse: each district masks with {neighbours} others, {threshold} of them open it"
            ));
            lines.push(format!(
                "           {window} of every {} in a row must survive: a round fails by chance with at \
                 most {odds:.1e}, with {} lost",
                neighbours / 2,
                n - m
            ));
        }
        lines.push(format!("measures   school years {}", listed(&years_measured(study))));
        lines.push(format!("reads      school years {}", listed(&years_read(study))));
        for (index, table) in study.tables.iter().enumerate() {
            lines.push(format!("table      {}", table_text(index, table)));
        }
        for model in Model::of_study(study) {
            lines.push(format!(
                "growth     {}: {} coefficients, two rounds over the same districts",
                model.name,
                model.p()
            ));
        }
        for question in questions(study) {
            lines.push(format!("asks       {question}"));
        }
        for spec in &study.growth {
            let (subject, year, as_of) = (spec.subject, study.school_year, study.as_of);
            lines.push(format!("asks       growth of {subject} in {year} as of {as_of}"));
        }
        lines.push(
            "public     the list of districts, the study (bounds, centres, cuts, min_n), and"
                .into(),
        );
        lines.push(format!("           {}, SHA-256 {}", study.schools.file, study.schools.sha256));
        lines
    }

    fn costs(&self, plan: &NoisePlan, lines: &mut Vec<String>) {
        let (rho, two) = (plan.rho().value(), plan.rho_at_two());
        let delta = plan.delta().value();
        lines.push(String::new());
        lines.push(format!(
            "privacy    rho {}: epsilon {} at delta {delta:.2e} ({} students by public enrolment)",
            digits(rho),
            digits(rounded_up(plan.epsilon().value(), 3)),
            plan.students()
        ));
        lines.push(format!(
            "           rho {} for a student with records at two districts",
            digits(two)
        ));
        for (year, charge) in plan.charges_of_study() {
            lines.push(format!("charges    school year {year}: rho {}", digits(charge)));
        }
        let person = plan.charge_of_a_person();
        let back = plan.growth().iter().any(|one| one.years.len() > 1);
        if back || plan.blocks().iter().any(|one| one.block.years.len() > 1) {
            lines.push(format!(
                "           the ledgers charge {} in all, because blocks that read more years are \
                 charged to each;",
                digits(person)
            ));
            lines.push(format!("           the loss itself is at most {}", digits(rho)));
        } else {
            lines.push(format!(
                "           rho {} over all years, for one person there in each",
                digits(person)
            ));
        }
    }

    fn blocks(&self, plan: &NoisePlan, lines: &mut Vec<String>) {
        let CohortSizes { n, m, .. } = self.sizes;
        lines.push(String::new());
        lines.push("noise, in points and students".into());
        lines.push(
            "(D2, D1: most that one student moves the block, in Euclidean length and in all; sd: of".into(),
        );
        lines.push(format!(
            "the sum over all n = {n} districts; least sd: over m = {m}; each adds: sd of one district)"
        ));
        lines.push(format!(
            "{:<32} {:>8} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
            "block", "words", "D2", "D1", "rho", "sd", "least sd", "each adds"
        ));
        for one in plan.blocks() {
            let units = self.units(one);
            let per_point = |grid: f64| digits(grid / units);
            lines.push(format!(
                "{:<32} {:>8} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
                block_name(one),
                one.block.len(),
                per_point(one.delta2()),
                per_point(one.delta1()),
                digits(one.rho),
                per_point(one.sd(n)),
                per_point(one.sd(m)),
                per_point(one.share_variance.sqrt()),
            ));
        }
        if !plan.carried().is_empty() {
            lines.push(
                "the n of means that a rate of the same scores covers is taken from the rate"
                    .into(),
            );
        }
    }

    fn forecasts(&self, plan: &NoisePlan, lines: &mut Vec<String>) {
        lines.push(String::new());
        lines.push("forecast: noise sd of what is published, by students in the group".into());
        lines.push(
            "(rates and surveys: percentage points, at most; means: points, at the centre".into(),
        );
        lines.push(
            "of the bounds and a quarter of the half-range off; - too small to be shown; * noise-dominated)"
                .into(),
        );
        lines.push(format!(
            "{:<24} {:>9} {:>12} {:>18} {:>18} {:>18}",
            "table", "sd of n", "shown from", "100", "1,000", "10,000"
        ));
        for table in &self.forecast {
            let [a, b, c] =
                [0, 1, 2].map(|at| table.sizes.get(at).map_or_else(String::new, size_text));
            lines.push(format!(
                "{:<24} {:>9} {:>12} {a:>18} {b:>18} {c:>18}",
                table_name(table.table, table.indicator),
                digits(table.sd_n),
                format!("{:.0}", table.threshold.ceil()),
            ));
        }
        lines.push(String::new());
        lines.push("cells of all students, at the size public enrolment suggests".into());
        for table in &self.forecast {
            let name = table_name(table.table, table.indicator);
            let hidden: Vec<_> = table.cells.iter().filter(|cell| cell.at.hidden).collect();
            let noisy = table.cells.iter().filter(|cell| cell.at.noise_dominated).count();
            lines.push(format!(
                "{name:<24} {} cell{}, {} too small to be shown, {noisy} noise-dominated",
                table.cells.len(),
                if table.cells.len() == 1 { "" } else { "s" },
                hidden.len()
            ));
            for cell in hidden.iter().take(NAMED_MAX) {
                lines.push(format!("    - {} (about {:.0} students)", cell.name, cell.at.students));
            }
            if let Some(more) = hidden.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
                lines.push(format!("    - and {more} more"));
            }
        }
        let (students, most) = (plan.students(), self.forecast.iter().map(|one| one.threshold));
        let most = most.fold(0.0, f64::max);
        lines.push(format!(
            "a student group is more likely shown than not, in every table over the network, from {:.0} \
             of the {students} students",
            most.ceil()
        ));
    }

    /// For machines: one JSON value.
    pub(crate) fn json(&self) -> Value {
        let Self { study, sizes, .. } = self;
        let questions: Vec<_> = questions(study)
            .iter()
            .map(|one| json!({"indicator": one.indicator, "year": one.year, "as_of": one.as_of}))
            .collect();
        json!({
            "format": "flashlight/study-check/v1",
            "study": {"id": study.id, "title": study.title, "sha256": study.hash()},
            "mode": study.mode,
            "guarantee": self.plan.as_ref().map_or("no formal privacy guarantee", |_| "zCDP"),
            "cohort": {"n": sizes.n, "m": sizes.m, "t": sizes.t, "c": sizes.c, "h": sizes.h},
            "words": self.layout.words(),
            "layout": self.layout.hash(),
            "years_measured": years_measured(study),
            "years_read": years_read(study),
            "tables": study.tables.iter().map(table_json).collect::<Vec<_>>(),
            "growth": Model::of_study(study).iter().map(|one| model_json(study, one)).collect::<Vec<_>>(),
            "questions": questions,
            "public_inputs": {
                "schools": {"file": study.schools.file, "sha256": study.schools.sha256},
                "districts": named_districts(study, &self.schools),
                "min_n": study.suppression.min_n,
            },
            "privacy": self.plan.as_ref().map(|plan| self.plan_json(plan)),
            "forecast": self.forecast.iter().map(forecast_json).collect::<Vec<_>>(),
            "growth_forecast": self.growth.iter().map(growth_json).collect::<Vec<_>>(),
            "spent": 0,
        })
    }

    fn plan_json(&self, plan: &NoisePlan) -> Value {
        let CohortSizes { n, m, .. } = self.sizes;
        let blocks: Vec<_> = plan
            .blocks()
            .iter()
            .map(|one| {
                json!({
                    "table": one.block.table + 1,
                    "indicator": one.block.indicator,
                    "part": one.block.part.as_str(),
                    "words": one.block.len(),
                    "years": one.block.years,
                    "units_per_point": self.units(one),
                    "delta2_squared": one.block.delta2_squared().to_string(),
                    "delta1": one.block.delta1().to_string(),
                    "rho": one.rho,
                    "realised_rho": one.realised_rho,
                    "variance": one.variance,
                    "share_variance": one.share_variance,
                    "scale_bits": one.scale_bits,
                    "scale": one.scale,
                    "tau": one.tau,
                    "sd_all": one.sd(n),
                    "sd_least": one.sd(m),
                })
            })
            .collect();
        json!({
            "rho": plan.rho().value(),
            "realised_rho": plan.realised_rho(),
            "epsilon": plan.epsilon().value(),
            "delta": plan.delta().value(),
            "students": plan.students(),
            "rho_at_two_districts": plan.rho_at_two(),
            "charges": plan.charges_of_study(),
            "rho_of_a_person_over_all_years": plan.charge_of_a_person(),
            "blocks": blocks,
            "carried_blocks": plan.carried().len(),
            "digest": plan.digest(),
        })
    }

    /// Grid units per point of a block's words; 1 for counts.
    fn units(&self, one: &BlockPlan) -> f64 {
        let sums = one.block.part == Part::Sums;
        let table = self.study.tables.get(one.block.table).filter(|_| sums);
        table.map_or(1.0, |table| f64::from(self.study.units_per_point(table)))
    }
}

/// Districts with a school in a year the study measures.
fn named_districts(study: &Study, schools: &SchoolTable) -> usize {
    let years = years_measured(study);
    let read = schools.iter().filter(|school| years.contains(&school.school_year));
    read.map(|school| &school.district).collect::<BTreeSet<_>>().len()
}

fn listed(years: &BTreeSet<i16>) -> String {
    years.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// School years a table measures, and those before that it looks at, too.
fn years_of(table: &TableSpec) -> (BTreeSet<i16>, BTreeSet<i16>) {
    let back = table.years_back();
    let read = table.years.iter().flat_map(|year| year - back..=*year).collect();
    (table.years.iter().copied().collect(), read)
}

/// `3 suspension, county; better: low; measures 2024`.
fn table_text(index: usize, table: &TableSpec) -> String {
    let preset = table.preset.map(|preset| format!(", {preset}")).unwrap_or_default();
    let el_years = table.el_years.map(|years| format!(", {years} years")).unwrap_or_default();
    let test = table.test.as_ref().map(|test| format!(" of {test}")).unwrap_or_default();
    let (measured, read) = years_of(table);
    let reads = if read == measured { String::new() } else { format!(", reads {}", listed(&read)) };
    let adults = if table.indicator.is_of_adults() { "; of responses" } else { "" };
    format!(
        "{}{test}{preset}{el_years}; better: {}; measures {}{reads}{adults}",
        table_name(index, table.indicator),
        table.indicator.better().as_str(),
        listed(&measured),
    )
}

fn table_json(table: &TableSpec) -> Value {
    let (measured, read) = years_of(table);
    json!({
        "indicator": table.indicator,
        "test": table.test,
        "preset": table.preset,
        "el_years": table.el_years,
        "better": table.indicator.better().as_str(),
        "unit": if table.indicator.is_of_adults() { "response" } else { "student" },
        "years_measured": measured,
        "years_read": read,
        "by": table.by,
        "families": table.families,
    })
}

fn table_name(table: usize, indicator: Indicator) -> String {
    format!("{} {indicator}", table + 1)
}

fn block_name(one: &BlockPlan) -> String {
    format!("{} {}", table_name(one.block.table, one.block.indicator), one.block.part)
}

/// `-` for hidden, else the sd, or both of a mean, with a star when noise dominates.
fn size_text(at: &SizeForecast) -> String {
    if at.hidden {
        return "-".to_owned();
    }
    let off = at.sd_off_centre.map(|off| format!("..{}", digits(off))).unwrap_or_default();
    let star = if at.noise_dominated { "*" } else { "" };
    format!("{}{off}{star}", digits(at.sd))
}

fn size_json(at: &SizeForecast) -> Value {
    json!({
        "students": at.students,
        "sd": at.sd,
        "sd_off_centre": at.sd_off_centre,
        "hidden": at.hidden,
        "noise_dominated": at.noise_dominated,
    })
}

fn forecast_json(table: &TableForecast) -> Value {
    let cells: Vec<_> = table
        .cells
        .iter()
        .map(|cell| json!({"name": cell.name, "at": size_json(&cell.at)}))
        .collect();
    json!({
        "table": table.table + 1,
        "indicator": table.indicator,
        "sd_n": table.sd_n,
        "threshold": table.threshold,
        "sizes": table.sizes.iter().map(size_json).collect::<Vec<_>>(),
        "cells": cells,
    })
}

/// Four significant digits, three for exponents.
fn digits(number: f64) -> String {
    match number.abs() {
        size if size >= 1e9 => format!("{number:.2e}"),
        size if size >= 1_000.0 => format!("{number:.0}"),
        size if size >= 100.0 => format!("{number:.1}"),
        size if size >= 10.0 => format!("{number:.2}"),
        size if size >= 1.0 => format!("{number:.3}"),
        size if size >= 0.1 => format!("{number:.4}"),
        size if size >= 0.001 => format!("{number:.5}"),
        _ => format!("{number:.2e}"),
    }
}

#[cfg(test)]
mod tests;
