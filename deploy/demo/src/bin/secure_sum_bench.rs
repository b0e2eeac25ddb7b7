//! `secure-sum-bench`: how long a secure sum takes, and what it costs. All of it is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    flashlight_demo::bench::main()
}
