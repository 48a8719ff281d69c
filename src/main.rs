//! Runs the gateway.

fn main() -> std::process::ExitCode {
    helan::cli::run(std::env::args_os())
}
