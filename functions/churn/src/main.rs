//! The churn Lambda function: wiring only.

fn main() -> std::process::ExitCode {
    aws::run::<churn::Churn>()
}
