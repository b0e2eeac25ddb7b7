//! What the made network is calibrated to: public figures of California, each with its source, and
//! what no source gave us, marked *ours*.
//!
//! Sources. `susp23`: CDE, School Dashboard Additional Reports, state level, suspension 2023
//! (cumulative enrolment 6,019,472 and its groups). `24-46`, `24-49`, `23-87`: CDE news
//! releases of 10 October 2024, 21 November 2024 and 15 December 2023. `state-ela`: mean scale scores
//! of the state, spring 2023, as in the project's indicator notes. `bounds`: level-3 cuts, lowest
//! and highest obtainable scores of the Smarter Balanced tests, as in `deploy/samples/study.toml`.
//! *Ours*: chosen by us to look right; not a public figure.

/// Race and ethnicity, as the tables spell it.
pub(super) const RACES: [&str; 8] =
    ["Hispanic", "AmIndian", "Asian", "PacIsl", "Filipino", "Black", "White", "Multiple"];
/// Share of each race and ethnicity. `susp23`
pub(super) const RACE_SHARE: [f64; 8] =
    [0.5608, 0.0045, 0.0968, 0.0042, 0.0224, 0.0513, 0.2052, 0.0548];
/// Suspension rate of each, over that of all students, 3.5 %. `susp23`
pub(super) const RACE_SUSPENSION: [f64; 8] = [1.08, 2.11, 0.30, 1.40, 0.36, 2.51, 0.82, 0.95];
/// How each rises with a neighbourhood's poverty, logits per sd. Ours.
pub(super) const RACE_POVERTY: [f64; 8] = [0.35, 0.10, -0.45, 0.0, -0.15, 0.25, -0.35, -0.15];
/// How likely a student is disadvantaged beside the neighbourhood, logits. Ours.
pub(super) const RACE_SED: [f64; 8] = [0.45, 0.4, -0.5, 0.3, -0.4, 0.5, -0.6, -0.2];
/// Share who enter school as English learners. Ours, scaled to `EL`.
pub(super) const RACE_EL: [f64; 8] = [0.44, 0.08, 0.36, 0.20, 0.18, 0.05, 0.10, 0.05];

/// Socioeconomically disadvantaged. `susp23`
pub(super) const SED: f64 = 0.630;
/// English learners. `susp23`
#[cfg(test)]
pub(super) const EL: f64 = 0.201;
/// Students with disabilities. `susp23`
pub(super) const SWD: f64 = 0.145;
/// Homeless. `susp23`
pub(super) const HOMELESS: f64 = 0.041;
/// Foster youth. `susp23`
pub(super) const FOSTER: f64 = 0.0070;
/// Suspended at least once. `susp23`
#[cfg(test)]
pub(super) const SUSPENDED: f64 = 0.035;
/// Chronically absent, all grades. `24-49`, 2023-24
#[cfg(test)]
pub(super) const CHRONIC: f64 = 0.204;
/// Four-year graduates of the cohort. `24-49`, class of 2024
#[cfg(test)]
pub(super) const GRADUATED: f64 = 0.864;
/// Dropouts of the cohort. Ours: about 9 %.
#[cfg(test)]
pub(super) const DROPPED: f64 = 0.089;
/// Graduates who meet the universities' requirements. `23-87`, class of 2023
pub(super) const MET_AG: f64 = 0.504;
/// At or above the standard in ELA and mathematics. `24-46`, spring 2023
#[cfg(test)]
pub(super) const MET: [f64; 2] = [0.467, 0.346];
/// Correlation of a score with last year's. Ours: usual for such tests.
#[cfg(test)]
pub(super) const PRIOR_CORRELATION: f64 = 0.80;
/// Enrolled in a tested grade without a score. The project's indicator notes, W106: about 4 %.
pub(super) const UNSCORED: f64 = 0.04;
/// Completers in college within 12 months. Ours.
pub(super) const COLLEGE: f64 = 0.62;

/// Suspension rate of disadvantaged students and of others, over that of all. `susp23`
pub(super) const SED_SUSPENSION: [f64; 2] = [0.55, 1.29];
/// The same for students with disabilities; foster youth; homeless. `susp23`
pub(super) const SWD_SUSPENSION: f64 = 1.69;
/// Over that of disadvantaged students, 4.5 %. `susp23`
pub(super) const FOSTER_SUSPENSION: f64 = 3.0;
/// Over that of disadvantaged students. `susp23`
pub(super) const HOMELESS_SUSPENSION: f64 = 1.44;
/// Girls and boys. Ours.
pub(super) const SEX_SUSPENSION: [f64; 3] = [0.62, 1.36, 1.0];
/// Share suspended in each grade, TK to 12, before the factors above. Ours, to give `SUSPENDED`.
pub(super) const GRADE_SUSPENSION: [f64; 14] = [
    0.002, 0.003, 0.009, 0.010, 0.012, 0.020, 0.027, 0.052, 0.078, 0.074, 0.056, 0.046, 0.036,
    0.025,
];
/// Absence in each grade, TK to 12: log of the rate over the median. Ours.
pub(super) const GRADE_ABSENCE: [f64; 14] =
    [0.30, 0.22, 0.05, -0.05, -0.10, -0.10, -0.10, -0.08, 0.0, 0.05, 0.05, 0.10, 0.15, 0.32];

/// What a test's scores look like in one grade.
pub(super) struct Scale {
    /// Grade, TK being 0.
    pub(super) grade: usize,
    /// Lowest and highest obtainable. `[bounds]`
    pub(super) bounds: [u32; 2],
    /// Least scores of levels 2, 3 and 4. Level 3 `[bounds]`; the others ours.
    pub(super) cuts: [u32; 3],
    /// Mean. ELA `[state-ela]`; mathematics ours, to give `MET`.
    pub(super) mean: f64,
    /// Standard deviation. Ours.
    pub(super) sd: f64,
}

const fn scale(grade: usize, bounds: [u32; 2], cuts: [u32; 3], mean: f64, sd: f64) -> Scale {
    Scale { grade, bounds, cuts, mean, sd }
}

/// ELA and mathematics, grades 3 to 8 and 11.
pub(super) const SCALES: [[Scale; 7]; 2] = [
    [
        scale(4, [2114, 2623], [2367, 2432, 2490], 2428.5, 92.0),
        scale(5, [2131, 2663], [2416, 2473, 2533], 2472.6, 97.0),
        scale(6, [2201, 2701], [2442, 2502, 2582], 2511.1, 100.0),
        scale(7, [2210, 2724], [2457, 2531, 2618], 2530.1, 99.0),
        scale(8, [2258, 2745], [2479, 2552, 2649], 2555.2, 103.0),
        scale(9, [2288, 2769], [2487, 2567, 2668], 2566.2, 104.0),
        scale(12, [2299, 2795], [2493, 2583, 2682], 2606.8, 113.0),
    ],
    [
        scale(4, [2189, 2621], [2381, 2436, 2501], 2428.0, 86.0),
        scale(5, [2204, 2659], [2411, 2485, 2549], 2469.0, 88.0),
        scale(6, [2219, 2700], [2455, 2528, 2579], 2497.0, 95.0),
        scale(7, [2235, 2748], [2473, 2552, 2610], 2513.0, 110.0),
        scale(8, [2250, 2778], [2484, 2567, 2635], 2525.0, 113.0),
        scale(9, [2265, 2802], [2504, 2586, 2653], 2531.0, 120.0),
        scale(12, [2280, 2862], [2543, 2628, 2718], 2566.0, 122.0),
    ],
];
/// Reliability of a score: its error has the variance of the rest. Ours: usual for such tests.
pub(super) const RELIABILITY: f64 = 0.92;
/// How much the distribution of scores leans: with it the state's means and its shares that meet the
/// standard hold together, which with a normal they would not. Ours.
pub(super) const LEAN: f64 = 0.30;
