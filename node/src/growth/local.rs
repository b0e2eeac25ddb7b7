//! A district's own growth: its schools' effects under a release's coefficients. Stays at the district.

use std::fmt::{self, Write as _};

use flashlight_proto::growth::Model;
use flashlight_proto::identity::DistrictId;
use flashlight_proto::release::{
    EffectDistribution, EivEstimates, MixedEstimates, NoisyGrowth, Release, Standing,
};
use flashlight_proto::schools::SchoolTable;
use flashlight_proto::study::Study;

use super::{GrowthError, SchoolEffect, SchoolSums, corrected_effect, growth_rows, school_effect};
use crate::indicators::Schools;
use crate::records::Records;

/// A 95 % interval's half-width in standard errors.
const WIDTH: f64 = 1.96;

/// What stands over the effects under corrected coefficients.
const CORRECTED: &str = "  corrected for the priors' errors of measurement";

/// The effects of a district's schools in one model.
pub struct LocalGrowth {
    /// `math/03`.
    pub model: String,
    /// School id and effect, by id; empty where no student of the district is in the model.
    pub schools: Vec<(String, SchoolEffect)>,
    /// The same under coefficients corrected for the priors' errors of measurement; empty where the
    /// release has none.
    pub corrected: Vec<(String, SchoolEffect)>,
    /// The network's distribution of effects, where the release has it.
    pub network: Option<EffectDistribution>,
    /// Why there are no effects, where the release has no random intercepts to shrink with.
    pub without: Option<&'static str>,
}

impl LocalGrowth {
    /// Where one of its schools stands in the network.
    #[must_use]
    pub fn standing(&self, one: &SchoolEffect) -> Option<Standing> {
        self.network.as_ref().map(|network| network.standing(one.effect, one.error))
    }
}

/// The effects of a district's schools in every model of a release.
///
/// # Errors
/// [`GrowthError`] when the records do not fit a model.
pub fn local_growth(
    records: &Records,
    study: &Study,
    schools: &SchoolTable,
    release: &Release,
    district: Option<&DistrictId>,
) -> Result<Vec<LocalGrowth>, GrowthError> {
    let schools = Schools::public(records, schools, district);
    let models = Model::of_study(study);
    let exact =
        release.growth().iter().map(|one| (one.reml.clone(), one.eiv.as_ref(), &one.effects));
    let noisy = release.noisy_growth().iter().map(|one| (Some(shrinkage(one)), None, &one.effects));
    let both = models.into_iter().zip(exact.chain(noisy));
    both.map(|(model, (reml, eiv, network))| {
        let found = of_model(records, study, &schools, &model, (reml.as_ref(), eiv))?;
        Ok(LocalGrowth { network: network.clone(), ..found })
    })
    .collect()
}

/// What school effects are computed from: a release under noise has the same, less a likelihood.
#[must_use]
pub fn shrinkage(noisy: &NoisyGrowth) -> MixedEstimates {
    MixedEstimates {
        lambda: noisy.tau2 / noisy.sigma2,
        sigma2: noisy.sigma2,
        tau2: noisy.tau2,
        deviance: f64::NAN,
        beta: noisy.beta.clone(),
        se: noisy.se.clone(),
        covariance: noisy.covariance.clone(),
    }
}

fn of_model(
    records: &Records,
    study: &Study,
    schools: &Schools,
    model: &Model,
    (reml, eiv): (Option<&MixedEstimates>, Option<&EivEstimates>),
) -> Result<LocalGrowth, GrowthError> {
    let (rows, _) = growth_rows(records, study, schools, model);
    let sums = SchoolSums::of(&rows, model)?;
    let of = |effect: &dyn Fn(&SchoolSums) -> Option<SchoolEffect>| {
        let mut effects: Vec<(String, SchoolEffect)> = sums
            .iter()
            .filter_map(|(number, school)| {
                let id = records.schools.get(usize::try_from(*number).ok()?)?;
                Some((id.clone(), effect(school)?))
            })
            .collect();
        effects.sort_by(|one, two| one.0.cmp(&two.0));
        effects
    };
    Ok(LocalGrowth {
        model: model.name.clone(),
        schools: of(&|school| school_effect(model, school, reml?)),
        corrected: of(&|school| corrected_effect(model, school, eiv?)),
        network: None,
        without: reml.is_none().then_some("the release has no REML fit; its notes say why"),
    })
}

impl fmt::Display for LocalGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tables()?.iter().try_for_each(|table| f.write_str(table))
    }
}

impl LocalGrowth {
    /// For people: the schools, and, where the release has them, the schools under corrected coefficients.
    ///
    /// # Errors
    /// Never: text is written into memory.
    pub fn tables(&self) -> Result<Vec<String>, fmt::Error> {
        let mut plain = format!("growth {}, points of the test\n", self.model);
        match self.without {
            Some(why) => writeln!(plain, "  {why}")?,
            None if self.schools.is_empty() => {
                let text = "no student of this district has all scores and flags of the model";
                writeln!(plain, "  {text}")?;
            }
            None => self.table(&mut plain, &self.schools, true)?,
        }
        let mut tables = vec![plain];
        if !self.corrected.is_empty() {
            let mut corrected = format!("{CORRECTED}\n");
            self.table(&mut corrected, &self.corrected, false)?;
            tables.push(corrected);
        }
        Ok(tables)
    }

    /// `ranked`: whether these are the effects that the network's distribution is of.
    fn table(
        &self,
        f: &mut String,
        schools: &[(String, SchoolEffect)],
        ranked: bool,
    ) -> fmt::Result {
        let ranked = ranked && self.network.is_some();
        write!(
            f,
            "  {:<16} {:>8} {:>14} {:>8} {:>16}",
            "school", "students", "mean residual", "growth", "95 % interval"
        )?;
        if ranked {
            write!(f, "  {:>10} {:>11} {:>5}", "percentile", "interval", "level")?;
        }
        writeln!(f)?;
        for (school, one) in schools {
            let [low, high] = [-WIDTH, WIDTH].map(|width| width.mul_add(one.error, one.effect));
            let interval = format!("{low:+.1} to {high:+.1}");
            write!(
                f,
                "  {school:<16} {:>8} {:>+14.1} {:>+8.1} {interval:>16}",
                one.n, one.residual, one.effect
            )?;
            if let Some(standing) = self.standing(one).filter(|_| ranked) {
                let Standing { percentile, low, high, level } = standing;
                let interval = format!("{low:.0} to {high:.0}");
                write!(f, "  {percentile:>10.0} {interval:>11} {level:>5}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
