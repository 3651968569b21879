//! `storecast fit`.

use super::shop_data::ShopData;
use super::{Failure, Which};
use crate::entity::Entity;
use crate::{for_predictor, matrix};
use clap::Args;
use serving::predictor::Train;
use serving::wire::parse_instant;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Fit {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    /// Use orders before this instant only (RFC 3339); all of them when left out
    #[arg(long, value_name = "INSTANT")]
    cutoff: Option<String>,
}

impl Fit {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), fit::<P>(self))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn fit<P: Train<History: Entity>>(command: &Fit) -> Result<ExitCode, Failure> {
    let (shop, histories) = command.data.load()?;
    let cutoff = match &command.cutoff {
        Some(text) => parse_instant(text, "--cutoff")?.0,
        None => P::History::known(&histories).1,
    };
    let artifacts = matrix::fit::<P>(&shop, &histories, cutoff)?;
    println!("{}", serde_json::to_string_pretty(&artifacts)?);
    Ok(ExitCode::SUCCESS)
}
