//! The recommendations Lambda function: wiring only.

fn main() -> std::process::ExitCode {
    aws::run::<recommendations::Recommendations>()
}
