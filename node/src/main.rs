//! `flashlight-node`: a district's binary. All of it is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    flashlight_node::cli::main()
}
