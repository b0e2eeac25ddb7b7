//! Makes the shares of student groups in the whole network the state's.
//!
//! In: districts whose neighbourhoods differ as they were drawn. Out: the same, scaled so that the
//! means over all students are those of [`super::marginals`], in a network of any size.

use super::{
    draw::logistic,
    marginals::{RACE_SED, RACE_SHARE, SED},
    network::{District, Level, Zone},
};

/// Every zone with its share of all students.
fn zones(districts: &mut [District]) -> impl Iterator<Item = (f64, &mut Zone)> {
    let total: f64 = districts.iter().map(|one| f64::from(one.students)).sum();
    districts.iter_mut().flat_map(move |district| {
        let students = f64::from(district.students);
        district.zones.iter_mut().map(move |zone| (students * zone.share / total, zone))
    })
}

/// Takes the means of districts' and of each level's schools' effects out, so that the state's figures
/// hold in every grade.
pub(super) fn center(districts: &mut [District]) {
    let total: f64 = districts.iter().map(|one| f64::from(one.students)).sum();
    let mean = |districts: &[District], tier: Option<usize>, effect: usize| -> f64 {
        let weighted = districts.iter().map(|one| {
            let mean = tier.map_or(one.effects[effect], |tier| tier_mean(one, tier, effect));
            f64::from(one.students) * mean / total
        });
        weighted.sum()
    };
    for effect in 0..3 {
        let shift = mean(districts, None, effect);
        districts.iter_mut().for_each(|one| one.effects[effect] -= shift);
        for tier in 0..3 {
            let shift = mean(districts, Some(tier), effect);
            let schools = districts.iter_mut().flat_map(|one| &mut one.schools);
            schools
                .filter(|school| self::tier(school.level) == tier)
                .for_each(|school| school.effects[effect] -= shift);
        }
    }
}

/// Primary, middle, high.
const fn tier(level: Level) -> usize {
    match level {
        Level::Es | Level::K8 | Level::Span => 0,
        Level::Ms => 1,
        Level::Hs | Level::Alt => 2,
    }
}

/// The mean of an effect over a district's schools of a tier, by their shares of its students.
fn tier_mean(district: &District, of: usize, effect: usize) -> f64 {
    let schools = district.schools.iter();
    let schools = schools.filter(|one| tier(one.level) == of && one.level != Level::Alt);
    let (mut share, mut sum) = (0.0, 0.0);
    for school in schools {
        (share, sum) = (share + school.share, sum + school.share * school.effects[effect]);
    }
    if share > 0.0 { sum / share } else { 0.0 }
}

/// Scales races' shares to the state's, and makes each zone's add to 1.
pub(super) fn settle_races(districts: &mut [District]) {
    let mut scale = RACE_SHARE;
    let shares = |zone: &Zone, scale: &[f64; 8]| -> [f64; 8] {
        let raw: [f64; 8] = std::array::from_fn(|race| zone.race[race] * scale[race]);
        let total: f64 = raw.iter().sum();
        raw.map(|share| share / total)
    };
    for _ in 0..40 {
        let mut now = [0.0; 8];
        for (weight, zone) in zones(districts) {
            for (sum, share) in now.iter_mut().zip(shares(zone, &scale)) {
                *sum += weight * share;
            }
        }
        for race in 0..now.len() {
            scale[race] *= RACE_SHARE[race] / now[race];
        }
    }
    for (_, zone) in zones(districts) {
        zone.race = shares(zone, &scale);
    }
}

/// Finds the intercept that gives the state's share of disadvantaged students.
pub(super) fn settle_poverty(districts: &mut [District]) {
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        let mut share = 0.0;
        for (weight, zone) in zones(districts) {
            for (race, among) in zone.race.iter().enumerate() {
                share += weight * among * logistic(middle + zone.poverty + RACE_SED[race]);
            }
        }
        if share < SED { low = middle } else { high = middle }
    }
    for (_, zone) in zones(districts) {
        zone.sed = low + zone.poverty;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::network::Network, *};

    #[test]
    fn expected_shares_are_the_states_in_a_network_of_any_size() {
        for (districts, students) in [(1, 5_000), (8, 20_000), (200, 900_000)] {
            let mut network = Network::plan(districts, students, 3);
            let (mut race, mut sed) = ([0.0; 8], 0.0);
            for (weight, zone) in zones(&mut network.districts) {
                for (one, among) in zone.race.iter().enumerate() {
                    race[one] += weight * among;
                    sed += weight * among * logistic(zone.sed + RACE_SED[one]);
                }
            }
            assert!((sed - SED).abs() < 1e-6, "{sed}");
            for (made, wanted) in race.iter().zip(RACE_SHARE) {
                assert!((made - wanted).abs() < 1e-3, "{race:?}");
            }
        }
    }
}
