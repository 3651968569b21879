//! The Lambda function `orders`: merges the order files that come.

fn main() -> std::process::ExitCode {
    aws::worker::run::<offline::orders::Merger>()
}
