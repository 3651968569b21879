//! `storecast invoke`.

use super::clock::now;
use super::connection::block_on;
use super::shop_data::ShopData;
use super::{Failure, ModelFolder, Which};
use crate::store::write_all;
use crate::{for_predictor, model_folder};
use clap::Args;
use serving::ports::MemoryStore;
use serving::predictor::Predictor;
use serving::registry::{verify_model, with_policy};
use serving::service::Service;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
#[command(after_help = "\
The event is the body that POST takes, for example {\"customers\": [{\"customer_id\": \"1\"}]}.")]
pub(super) struct Invoke {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: ShopData,
    #[command(flatten)]
    folder: ModelFolder,
    /// File with the event
    #[arg(long, value_name = "FILE")]
    data_file: PathBuf,
}

impl Invoke {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), invoke::<P>(self))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the answer of a command for people and pipes"
)]
fn invoke<P: Predictor>(command: &Invoke) -> Result<ExitCode, Failure> {
    let event = std::fs::read(&command.data_file)?;
    let folder = command.folder.of::<P>();
    let files = model_folder::read_model::<P>(&folder)?;
    let model = verify_model::<P>(&files, command.folder.onnxruntime.as_deref())?;
    let served = with_policy(model, &model_folder::read_policy(&folder)?)?;
    let (_, histories) = command.data.load()?;
    let answer = block_on(async {
        let store = MemoryStore::default();
        write_all(&store, &histories, &|_| ()).await?;
        let service = Service::new(store, Ok(Arc::new(served)));
        Ok(service.handle_direct(&event, "local", now()).await)
    })?;
    match answer {
        Ok((body, _)) => {
            println!("{body}");
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            println!("{}", serde_json::to_string(&problem)?);
            Ok(ExitCode::FAILURE)
        }
    }
}
