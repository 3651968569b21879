//! `storecast simulate`.

use super::shop_data::ShopData;
use super::{Failure, ModelFolder};
use crate::evaluate::Bootstrap;
use crate::model_folder;
use crate::simulation::{self, PRODUCTS, Settings};
use clap::Args;
use inventory::Inventory;
use serving::calendar::parse_date;
use serving::predictor::Predictor;
use serving::registry::{verify_model, with_policy};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
The weeks are those from the first test snapshot of the model to the end of the data. Every rule starts with the same stock
and meets the same demand and the same deliveries; it sees its own sales and stock-outs, never the demand it missed. Lead
times, target and costs are those of the planning policy. Changes are against the other rule: of its value, or for fill
rate and days in stock in points.")]
pub(super) struct Simulate {
    /// The function
    #[arg(value_parser = [Inventory::NAME])]
    function: String,
    #[command(flatten)]
    data: ShopData,
    #[command(flatten)]
    folder: ModelFolder,
    /// Products to replay, chosen by a hash of their ids
    #[arg(long, value_name = "N", default_value_t = PRODUCTS)]
    skus: usize,
    /// Stop before this day, for example 2017-10-08; the end of the data when left out
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Print JSON lines; without it, a table
    #[arg(long)]
    json: bool,
}

impl Simulate {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let folder = self.folder.of::<Inventory>();
        let runtime = self.folder.onnxruntime.as_deref();
        let model =
            verify_model::<Inventory>(&model_folder::read_model::<Inventory>(&folder)?, runtime)?;
        let served = with_policy(model, &model_folder::read_policy(&folder)?)?;
        let until = self.until.as_deref();
        let settings = Settings {
            products: self.skus,
            until: until.map(|text| parse_date(text, "--until")).transpose()?,
        };
        let (shop, histories) = self.data.load()?;
        let outcome = simulation::run(&shop, &histories, &served, &settings)?;
        let bootstrap = Bootstrap::default();
        if !self.json {
            print!("{}", outcome.table(&bootstrap));
            return Ok(ExitCode::SUCCESS);
        }
        for line in outcome.lines(&self.function, &[], &bootstrap) {
            println!("{}", serde_json::to_string(&line)?);
        }
        Ok(ExitCode::SUCCESS)
    }
}
