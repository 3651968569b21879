//! The inventory Lambda function: wiring only.

fn main() -> std::process::ExitCode {
    aws::run::<inventory::Inventory>()
}
