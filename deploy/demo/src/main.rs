//! `flashlight-demo`: a whole network on one machine. All of it is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    flashlight_demo::cli::main()
}
