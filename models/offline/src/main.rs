//! The `storecast` command.

fn main() -> std::process::ExitCode {
    sigpipe::reset(); // `storecast releases | head` ends as any program does, and not with a panic
    offline::cli::run()
}
