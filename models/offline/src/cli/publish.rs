//! `storecast publish`.

use super::connection::{Connection, block_on};
use super::{Failure, ModelFolder, Which};
use crate::assess::Assess;
use crate::gates::{Bars, Comparison, compare};
use crate::{for_predictor, model_folder};
use clap::Args;
use serving::registry::{ModelVersion, verify_model, with_policy};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
A version is refused when the function would refuse it, when it misses a bar that is not accepted by name, or when it is worse than
the served version. Without --promote nothing is served by it: `promote` does that, with the policy in force. The bucket, the table
and their endpoints come from the environment, as for `load`.")]
pub(super) struct Publish {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    folder: ModelFolder,
    /// Serve it at once, with the policy beside it
    #[arg(long)]
    promote: bool,
    #[command(flatten)]
    gates: Gates,
}

#[derive(Args)]
struct Gates {
    /// A bar that it may miss, by the name of its metric; may be given more than once
    #[arg(long, value_name = "METRIC")]
    accept_miss: Vec<String>,
    /// How much worse than the served version it may be on the main metric, as a share of the served value
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    margin: f64,
}

impl Publish {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        for_predictor!(self.which.function.as_str(), publish::<P>(self))
    }
}

fn publish<P: Assess>(command: &Publish) -> Result<ExitCode, Failure> {
    let (folder, runtime) = (
        command.folder.of::<P>(),
        command.folder.onnxruntime.as_deref(),
    );
    let (files, policy) = (
        model_folder::read_model::<P>(&folder)?,
        model_folder::read_policy(&folder)?,
    );
    let model = verify_model::<P>(&files, runtime)?;
    let bars = Bars::of(&model.manifest);
    bars.check(&command.gates.accept_miss)?;
    let new = ModelVersion::of(&model.manifest, String::new());
    with_policy(model, &policy)?;
    eprintln!(
        "{}: version {}, {} of {} bars met",
        P::NAME,
        new.pointer.version,
        bars.count - bars.missed.len(),
        bars.count
    );
    let version = block_on(async {
        let connection = Connection::open().await?;
        let registry = connection.registry(runtime);
        let served = registry.model::<P>().await?.record;
        let served = served.as_ref().map(|release| &release.served);
        eprintln!("{}", not_worse::<P>(&new, served, command.gates.margin)?);
        let version = if command.promote {
            registry.release::<P>(files, policy).await?
        } else {
            registry.publish::<P>(files).await?
        };
        Ok(version.pointer.version)
    })?;
    if command.promote {
        eprintln!("{}: version {version} is served from now on", P::NAME);
    } else {
        eprintln!(
            "{0}: version {version} is published, not served; `storecast promote {0} {version}` serves it",
            P::NAME
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What the comparison with the served version says; an error when the new one is worse.
fn not_worse<P: Assess>(
    new: &ModelVersion,
    served: Option<&ModelVersion>,
    margin: f64,
) -> Result<String, Failure> {
    let Some(served) = served else {
        return Ok("nothing is served to compare it with".to_owned());
    };
    let name = P::MAIN.name;
    let value = |version: &ModelVersion| version.metrics.get(name).copied();
    let (new, old) = (value(new), value(served));
    let shown =
        |value: Option<f64>| value.map_or_else(|| "not there".to_owned(), |v| v.to_string());
    let both = format!(
        "{name} {}, of the served version {} {}",
        shown(new),
        served.pointer.version,
        shown(old)
    );
    match compare(P::MAIN, new, old, margin) {
        Comparison::Fits(_) => Ok(both),
        Comparison::Worse(share) => Err(format!(
            "{both}: worse by {:.1} %, the margin is {:.1} %",
            -100.0 * share,
            100.0 * margin
        )
        .into()),
        Comparison::Unknown => Ok(format!("{both}: not compared")),
    }
}
