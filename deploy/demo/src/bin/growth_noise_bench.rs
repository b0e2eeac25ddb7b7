//! Growth under noise on simulated networks: `flashlight_demo::growth_simulation`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    flashlight_demo::bench::growth_noise::main()
}
