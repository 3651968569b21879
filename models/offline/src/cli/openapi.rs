//! `storecast openapi`.

use super::Failure;
use crate::contract;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Openapi {
    /// Folder of the project, whose events and accepted answers become examples
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    checkout: PathBuf,
}

impl Openapi {
    #[expect(clippy::print_stdout, reason = "the answer of a command for people")]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        print!("{}", contract::text(&contract::document(&self.checkout)?));
        Ok(ExitCode::SUCCESS)
    }
}
