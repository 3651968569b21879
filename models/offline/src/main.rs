//! The `storecast` command.

fn main() -> std::process::ExitCode {
    offline::cli::run()
}
