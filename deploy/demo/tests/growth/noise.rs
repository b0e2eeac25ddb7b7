//! Growth under noise: simulated networks against the truth they were made from, and one of real nodes.

use flashlight_demo::bench::growth_noise::{Tally, share};
use flashlight_demo::growth_simulation::{Draw, Network};
use flashlight_demo::network::COORDINATOR_ROLE;
use flashlight_proto::release::NoisyGrowth;

use super::*;

const SEED: u64 = 20_241_124;

fn tally(students: u32, rho: f64, networks: u32) -> Tally {
    let mut draw = Draw::new(SEED);
    let before = Network::new(students, rho, None, SEED).unwrap();
    let (beta, scales) = before.start(&mut draw).unwrap();
    let network = Network::new(students, rho, Some((&beta, &scales)), SEED).unwrap();
    let mut tally = Tally::default();
    for _ in 0..networks {
        tally.add(&network.release(&mut draw).unwrap());
    }
    tally
}

#[test]
fn noise_moves_school_effects_of_75_000_students_by_at_most_0_22_of_their_error_at_rho_0_1() {
    // The ratio's own standard error over 4 networks of 937 schools is below .02 (seed above).
    let tally = tally(75_000, 0.1, 4);
    assert!(tally.effect_error() <= 0.22, "{} of sqrt(PEV), seed {SEED}", tally.effect_error());
    assert_eq!(tally.ridged, 0);
}

#[test]
fn ninety_five_per_cent_intervals_hold_the_truth_under_noise() {
    // 24 networks of 250 schools: 6,000 effects, standard error .28 %; 480 coefficients, correlated within
    // a network: standard error about 1.4 %. Both at 4.5 standard errors: α = 2 × 7e-6.
    let tally = tally(20_000, 0.4, 24);
    let (effects, coefficients) = (share(tally.effects), share(tally.coefficients));
    assert!((effects - 0.95).abs() < 4.5 * 0.0028, "effects {effects}, seed {SEED}");
    assert!((coefficients - 0.95).abs() < 4.5 * 0.014, "coefficients {coefficients}, seed {SEED}");
}

/// A study whose only growth model starts from what `start` prints.
fn with_start(study: &str, start: &str) -> String {
    let kept: Vec<&str> = study.lines().filter(|line| !line.starts_with("start = ")).collect();
    format!("{}\n{start}", kept.join("\n"))
}

#[test]
fn real_nodes_publish_a_noisy_model_that_verifies_and_that_a_later_study_starts_from() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("growth-noise");
    drop(fs::remove_dir_all(&out));
    let (data, run) = (out.join("data"), out.join("run"));
    let mut draw = Draw::new(SEED);
    Network::new(8_000, 4.0, None, SEED).unwrap().write(&data, &mut draw).unwrap();
    let demo = |study: &Path, out: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashlight-demo"));
        let ran = command
            .args(["--mode", "dp", "--data"])
            .arg(data.join("districts"))
            .arg("--study")
            .arg(study)
            .arg("--out")
            .arg(out)
            .output()
            .unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{}\n{said}", String::from_utf8_lossy(&ran.stderr));
        let folder = fs::read_dir(out.join("hub/releases")).unwrap().next().unwrap().unwrap();
        (said, folder.path())
    };
    let (said, release) = demo(&data.join("study.toml"), &run);
    assert!(said.contains("of it noise") && said.contains("at its own node"), "{said}");
    assert!(said.contains("growth (published)"), "{said}");
    let growth = |release: &Path| -> NoisyGrowth {
        let text = fs::read(release.join("growth.json")).unwrap();
        serde_json::from_slice::<Vec<NoisyGrowth>>(&text).unwrap().remove(0)
    };
    let one = growth(&release);
    assert!(one.start.is_none() && (one.students - 7_411.0).abs() < 400.0, "{}", one.students);
    assert!((one.beta[1] - 0.45).abs() < 0.15, "{:?}", one.beta);

    // `flashlight-coordinator study start`, by the demo's own binary in that role.
    let ran = Command::new(env!("CARGO_BIN_EXE_flashlight-demo"))
        .args([COORDINATOR_ROLE, "study", "start"])
        .arg(&release)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let start = String::from_utf8(ran.stdout).unwrap();
    let study = fs::read_to_string(data.join("study.toml")).unwrap();
    let later = data.join("later.toml");
    fs::write(&later, with_start(&study, &start)).unwrap();
    let (_, second) = demo(&later, &out.join("later"));
    let two = growth(&second);
    let hash = Digest::of(&fs::read(release.join("release.json")).unwrap()).to_string();
    assert_eq!(two.start, Some(hash));
    assert!(two.se_noise[1] < one.se_noise[1], "{:?} {:?}", two.se_noise, one.se_noise);
}
