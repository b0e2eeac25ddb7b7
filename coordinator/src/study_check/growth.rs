//! What `study check` says of growth models.

use std::collections::BTreeSet;

use flashlight_proto::dp::NoisePlan;
use flashlight_proto::growth::Model;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::layout::Layout;
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;
use serde_json::{Value, json};

use super::{Check, digits};
use crate::estimate::noisy::{GrowthForecast, Public, forecast};

/// Noise of a school's effect, in √PEV, from which a model is called noisy.
const NOISY_EFFECTS: f64 = 0.22;

pub(super) fn growth_forecast(
    study: &Study,
    schools: &SchoolTable,
    layout: &Layout,
    plan: &NoisePlan,
) -> Vec<GrowthForecast> {
    let named = schools.iter().filter(|school| school.school_year == study.school_year);
    let survivors: BTreeSet<DistrictId> = named.map(|school| school.district.clone()).collect();
    let survivors: Vec<DistrictId> = survivors.into_iter().collect();
    forecast(layout, plan, Public { study, schools, survivors: &survivors })
}

pub(super) fn growth_json(one: &GrowthForecast) -> Value {
    json!({
        "model": one.model,
        "students": one.students.round(),
        "schools": one.schools,
        "coefficients": {
            "median": rounded(one.median),
            "worst": {"name": one.worst.0, "noise": rounded(one.worst.1)},
        },
        "effects": rounded(one.effects),
        "deciles": rounded(one.deciles),
        "percentiles": one.percentiles.map(rounded),
        "may_drown": one.drowned,
    })
}

/// One model, whatever the mode.
pub(super) fn model_json(study: &Study, model: &Model) -> Value {
    json!({
        "model": model.name,
        "school_year": model.year,
        "grade": model.grade,
        "coefficients": model.coefficient_names(),
        "measurement": study.growth[model.section].measurement.kind(),
        "rho": model.noisy.as_ref().map(|noisy| noisy.rho),
        "starts_from_earlier_coefficients":
            model.noisy.as_ref().is_some_and(|noisy| noisy.start.is_some()),
        "rounds": if model.percentiles { 3 } else { 2 },
    })
}

/// A forecast is worth three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Check {
    pub(super) fn growth_forecasts(&self, lines: &mut Vec<String>) {
        if self.growth.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push("forecast of growth: noise beside what sampling leaves uncertain anyway".into());
        lines.push(
            "(coefficients: noise in sampling errors; schools: noise of an effect in sqrt(PEV), and".into(),
        );
        lines.push(
            "the share of schools whose decile it moves; assumptions in docs/GROWTH.md)".into(),
        );
        lines.push(format!(
            "{:<16} {:>8} {:>9} {:>8} {:>9} {:>8} {:>8}  {}",
            "model",
            "rho",
            "students",
            "schools",
            "median",
            "schools'",
            "deciles",
            "worst coefficient"
        ));
        for one in &self.growth {
            let rho = self.rho_of(&one.model);
            lines.push(format!(
                "{:<16} {:>8} {:>9.0} {:>8} {:>9.2} {:>8.2} {:>6.0} %  {} {:.2}",
                one.model,
                digits(rho),
                one.students,
                one.schools,
                one.median,
                one.effects,
                100.0 * one.deciles,
                one.worst.0,
                one.worst.1,
            ));
            if let Some(percentiles) = one.percentiles {
                lines.push(format!(
                    "    - percentile ranks of schools: noise of {percentiles:.1} percent of the schools \
                     (1 sd)"
                ));
            }
            if one.drowned {
                lines.push(
                    "    - the moments may drown: coefficients would be pulled to where they start from".into(),
                );
            }
            if one.effects > NOISY_EFFECTS {
                lines.push(format!(
                    "    - noisy: about rho {} would bring the noise of schools to {NOISY_EFFECTS}",
                    digits(rho * (one.effects / NOISY_EFFECTS).powi(2))
                ));
            }
        }
    }

    fn rho_of(&self, model: &str) -> f64 {
        let found = self.layout.growth().iter().find(|block| block.model.name == model);
        found.and_then(|block| Some(block.model.noisy.as_ref()?.rho)).unwrap_or(0.0)
    }
}
