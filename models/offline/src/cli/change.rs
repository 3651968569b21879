//! `storecast promote`, `storecast rollback` and `storecast policy`.

use super::connection::{Connection, block_on};
use super::{Failure, Which};
use crate::for_predictor;
use bytes::Bytes;
use clap::Args;
use serving::predictor::Predictor;
use serving::registry::{ModelRelease, Use};
use std::path::PathBuf;
use std::process::ExitCode;

const FROM_THE_ENVIRONMENT: &str = "\
Nothing is changed when somebody else changes the same at that moment. Running functions follow within seconds, without a cold
start (README, \"Releasing\"). The bucket, the table and their endpoints come from the environment, as for `load`.";

#[derive(Args)]
#[command(after_help = FROM_THE_ENVIRONMENT)]
pub(super) struct Promote {
    #[command(flatten)]
    which: Which,
    /// A published version
    version: String,
    /// Let it answer about this share of the entities only, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99), conflicts_with = "shadow")]
    canary: Option<u8>,
    /// Stop the canary when its scores are shifted by more than this population stability index [default: 0.25, or what it was
    /// promoted with when only its share changes]
    #[arg(long, value_name = "INDEX", value_parser = index, requires = "canary")]
    stop_shift: Option<f64>,
    /// Let it score beside the served version, and never answer
    #[arg(long)]
    shadow: bool,
    /// ONNX Runtime library; only graphs that are not tree ensembles need it
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = FROM_THE_ENVIRONMENT)]
pub(super) struct Rollback {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    what: Undone,
    /// ONNX Runtime library; only graphs that are not tree ensembles need it
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

#[derive(Args)]
#[group(multiple = false)]
struct Undone {
    /// The policy, not the model
    #[arg(long)]
    policy: bool,
    /// End the canary only
    #[arg(long)]
    canary: bool,
    /// End the shadow only
    #[arg(long)]
    shadow: bool,
}

#[derive(Args)]
#[command(after_help = FROM_THE_ENVIRONMENT)]
pub(super) struct Policy {
    #[command(flatten)]
    which: Which,
    /// The policy
    file: PathBuf,
    /// ONNX Runtime library; only graphs that are not tree ensembles need it
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

impl Promote {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), promote::<P>(self))
    }

    fn how(&self) -> Use {
        match self.canary {
            Some(percent) => Use::Canary {
                percent,
                stop_shift: self.stop_shift,
            },
            None if self.shadow => Use::Shadow,
            None => Use::Served,
        }
    }
}

fn index(text: &str) -> Result<f64, String> {
    let index = text.parse::<f64>().map_err(|error| error.to_string())?;
    let is_one = index.is_finite() && index > 0.0;
    is_one
        .then_some(index)
        .ok_or_else(|| format!("{index} is not above 0"))
}

fn promote<P: Predictor>(command: &Promote) -> Result<ExitCode, Failure> {
    let release = block_on(async {
        let connection = Connection::open().await?;
        let registry = connection.registry(command.onnxruntime.as_deref());
        let promoted = registry.promote::<P>(&command.version, command.how());
        Ok(promoted.await?)
    })?;
    told::<P>(&release);
    Ok(ExitCode::SUCCESS)
}

impl Rollback {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), roll_back::<P>(self))
    }
}

fn roll_back<P: Predictor>(command: &Rollback) -> Result<ExitCode, Failure> {
    block_on(async {
        let connection = Connection::open().await?;
        let registry = connection.registry(command.onnxruntime.as_deref());
        if command.what.policy {
            let policy = registry.roll_back_policy::<P>().await?;
            in_force::<P>(&policy.served.sha256);
            return Ok(());
        }
        let release = if command.what.canary {
            registry.end_canary::<P>().await?
        } else if command.what.shadow {
            registry.end_shadow::<P>().await?
        } else {
            registry.roll_back::<P>().await?
        };
        told::<P>(&release);
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Policy {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), policy::<P>(self))
    }
}

fn policy<P: Predictor>(command: &Policy) -> Result<ExitCode, Failure> {
    let path = &command.file;
    let bytes = std::fs::read(path).map_err(|e| format!("read {}: {e}", path.display()))?;
    let release = block_on(async {
        let connection = Connection::open().await?;
        let registry = connection.registry(command.onnxruntime.as_deref());
        Ok(registry.promote_policy::<P>(Bytes::from(bytes)).await?)
    })?;
    in_force::<P>(&release.served.sha256);
    Ok(ExitCode::SUCCESS)
}

fn told<P: Predictor>(release: &ModelRelease) {
    let name = P::NAME;
    eprintln!(
        "{name}: version {} is served",
        release.served.pointer.version
    );
    if let Some(canary) = &release.canary {
        let (version, percent) = (&canary.model.pointer.version, canary.percent);
        eprintln!("{name}: version {version} answers about {percent} % of the entities");
    }
    if let Some(shadow) = &release.shadow {
        let version = &shadow.model.pointer.version;
        eprintln!("{name}: version {version} scores unseen");
    }
}

fn in_force<P: Predictor>(sha256: &str) {
    eprintln!("{}: policy {} is in force", P::NAME, &sha256[..12]);
}
