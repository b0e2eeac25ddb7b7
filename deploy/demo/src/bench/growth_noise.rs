//! `growth-noise-bench [--networks N] [--students N] [--rho R] [--moments]`: what noise does to growth.

use std::process::ExitCode;

use clap::Parser;

use crate::growth_simulation::{Draw, Network, Outcome};

/// What noise does to growth, on simulated networks
#[derive(Parser)]
struct Args {
    /// Simulated networks
    #[arg(long, default_value_t = 20)]
    networks: u32,
    /// Students of each
    #[arg(long, default_value_t = 75_000)]
    students: u32,
    /// Privacy loss of the model, zCDP
    #[arg(long, default_value_t = 0.1)]
    rho: f64,
    /// Moments alone, without the coefficients of an earlier release
    #[arg(long)]
    moments: bool,
    /// Of the generator
    #[arg(long, default_value_t = 20_241_124)]
    seed: u64,
}

/// Runs and prints.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// What many releases told together.
#[derive(Default)]
pub struct Tally {
    /// Releases.
    pub networks: u32,
    /// Releases whose moments needed a ridge.
    pub ridged: u32,
    /// Coefficients whose interval holds the truth, of all.
    pub coefficients: (u64, u64),
    /// Effects, alike.
    pub effects: (u64, u64),
    /// Σ (noise in û)² and Σ PEV.
    squares: (f64, f64),
    /// Schools whose decile the noise moves, and schools.
    deciles: (u64, u64),
    /// Σ (percentile − share of effects at or below)² over schools with a distribution, and these.
    percentiles: (f64, u64),
    /// Σ noise se and Σ sampling se by coefficient.
    errors: Vec<(f64, f64)>,
    names: Vec<String>,
}

impl Tally {
    /// Adds one release.
    pub fn add(&mut self, one: &Outcome) {
        self.networks += 1;
        let fit = &one.fit;
        self.ridged += u32::from(fit.notes.iter().any(|note| note.contains("positive definite")));
        self.names.clone_from(&fit.names);
        self.errors.resize(fit.names.len(), (0.0, 0.0));
        for (at, truth) in one.truth.iter().enumerate() {
            let (beta, se, noise) = (fit.beta[at], fit.se[at], fit.se_noise[at]);
            self.coefficients.0 += u64::from((beta - truth).abs() <= 1.96 * se);
            self.coefficients.1 += 1;
            self.errors[at].0 += noise;
            self.errors[at].1 += (se * se - noise * noise).max(0.0).sqrt();
        }
        for [off, moved, _, error] in &one.effects {
            self.effects.0 += u64::from(off.abs() <= 1.96 * error);
            self.effects.1 += 1;
            self.squares.0 += moved * moved;
            self.squares.1 += error * error;
        }
        let noisy: Vec<f64> = one.effects.iter().map(|one| one[2]).collect();
        let plain: Vec<f64> = one.effects.iter().map(|one| one[2] - one[1]).collect();
        if let Some(network) = &fit.effects {
            let mut sorted = noisy.clone();
            sorted.sort_by(f64::total_cmp);
            for effect in &noisy {
                let rank = sorted.partition_point(|one| one <= effect);
                let off =
                    network.percentile(*effect) - 100.0 * share((rank as u64, sorted.len() as u64));
                self.percentiles.0 += off * off;
                self.percentiles.1 += 1;
            }
        }
        let (noisy, plain) = (deciles(&noisy), deciles(&plain));
        let moved = noisy.iter().zip(&plain).filter(|(one, two)| one != two).count();
        self.deciles.0 += moved as u64;
        self.deciles.1 += noisy.len() as u64;
    }

    /// Root mean square error of percentile ranks, points.
    #[must_use]
    pub fn percentile_error(&self) -> f64 {
        (self.percentiles.0 / share((self.percentiles.1, 1))).sqrt()
    }

    /// Noise in û, in √PEV.
    #[must_use]
    pub fn effect_error(&self) -> f64 {
        (self.squares.0 / self.squares.1).sqrt()
    }
}

/// A share of a count.
#[must_use]
pub fn share((part, whole): (u64, u64)) -> f64 {
    let float = |count: u64| u32::try_from(count).map_or(f64::NAN, f64::from);
    float(part) / float(whole)
}

fn deciles(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, two| values[*one].total_cmp(&values[*two]));
    let mut deciles = vec![0; values.len()];
    for (rank, at) in order.into_iter().enumerate() {
        deciles[at] = rank * 10 / values.len();
    }
    deciles
}

fn run(args: &Args) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    let mut draw = Draw::new(args.seed);
    let start = if args.moments {
        None
    } else {
        Some(Network::new(args.students, args.rho, None, args.seed)?.start(&mut draw)?)
    };
    let borrowed = start.as_ref().map(|(beta, scales)| (beta.as_slice(), scales.as_slice()));
    let network = Network::new(args.students, args.rho, borrowed, args.seed)?;
    let (mut tally, mut without) = (Tally::default(), 0);
    for _ in 0..args.networks {
        match network.release(&mut draw) {
            Ok(outcome) => tally.add(&outcome),
            Err(_) => without += 1,
        }
    }
    writeln!(
        out,
        "{} students, rho {}, {}: {} networks, seed {}; {} needed a ridge, {without} gave no estimate",
        args.students,
        args.rho,
        if args.moments { "moments" } else { "from earlier coefficients" },
        tally.networks,
        args.seed,
        tally.ridged
    )?;
    writeln!(out, "{:<12} {:>12} {:>12} {:>8}", "", "noise se", "sampling se", "ratio")?;
    for (name, (noise, sampling)) in tally.names.iter().zip(&tally.errors) {
        let many = f64::from(tally.networks);
        let (noise, sampling) = (noise / many, sampling / many);
        writeln!(out, "{name:<12} {noise:>12.4} {sampling:>12.4} {:>8.2}", noise / sampling)?;
    }
    let mut ratios: Vec<f64> = tally.errors.iter().map(|(one, two)| one / two).collect();
    ratios.sort_by(f64::total_cmp);
    let worst = ratios.last().copied().unwrap_or(f64::NAN);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
    // Ratios scale as 1/sqrt(rho).
    let needed = |ratio: f64| args.rho * (ratio / 0.1) * (ratio / 0.1);
    writeln!(
        out,
        "rho for noise below 0.1 of sampling: worst {:.1}, median {:.1}",
        needed(worst),
        needed(median)
    )?;
    writeln!(
        out,
        "school effects: noise {:.3} of sqrt(PEV); {:.1} % of deciles move",
        tally.effect_error(),
        100.0 * share(tally.deciles)
    )?;
    writeln!(
        out,
        "percentile ranks: off by {:.2} points (root mean square)",
        tally.percentile_error()
    )?;
    writeln!(
        out,
        "95 % intervals hold the truth: coefficients {:.2} %, effects {:.2} %",
        100.0 * share(tally.coefficients),
        100.0 * share(tally.effects)
    )?;
    Ok(())
}
