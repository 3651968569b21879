//! The command line `storecast`: everything a shop's data scientist or engineer does away from the request path.

mod change;
mod check;
mod chunk;
mod clock;
mod connection;
mod cost;
mod diff;
mod evaluate;
mod features;
mod fit;
mod forget;
mod invoke;
mod load;
mod merge;
mod openapi;
mod outcomes;
mod prediction_log;
mod progress;
mod publish;
mod releases;
mod replay;
mod shop_data;
mod simulate;
mod status;
mod uploads;

use crate::functions::NAMES;
use clap::{Args, Parser, Subcommand};
use serving::predictor::Predictor;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a command reports when it fails: text for people, already naming place, value and limit.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Predictions for online shops: load a shop's orders, make training features, evaluate, publish and try models.
#[derive(Parser)]
#[command(
    name = "storecast",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 done; 1 failed, the reason is on standard error; 2 wrong arguments; 3 a bar of `evaluate` is missed.

A first walk through your own shop:
  storecast load     --shop my-shop.toml --dry-run          check the files, see what is rejected and why
  make train         SHOP=my-shop.toml                      features, training, evaluation, model card
  storecast check    churn --model models/churn             would the function accept this model?
  storecast publish  churn --model models/churn --promote   put it into service
  storecast releases                                        what is served, and since when"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a shop's orders row by row and write every customer's history to the feature store.
    Load(load::Load),
    /// Bring the feature store up to date with the files below uploads/orders/ of a bucket: new orders, corrections, stock.
    Merge(merge::MergeOrders),
    /// Write every history that a function scores as chunks into the bucket, for a run over the whole base.
    Chunk(chunk::ChunkBase),
    /// Remove a customer from histories, orders, answers, rejects and reports for good, and prove it.
    Forget(forget::Forget),
    /// Fit what columns take as given (for churn: BG/NBD) from the orders before a cut-off.
    Fit(fit::Fit),
    /// Write the training matrix: the rows that serving would have computed at each cut-off, with what happened then.
    Features(features::Features),
    /// Print every metric of a model on its test snapshots, one JSON line each, with baselines and bars.
    Evaluate(evaluate::Evaluate),
    /// Check a model as the function does when it starts, and say what differs.
    Check(check::Check),
    /// Check a model, hold it against its bars and the served version, and write it to the registry.
    Publish(publish::Publish),
    /// Serve a published version: at once, to a share of the entities, or unseen beside the served one.
    Promote(change::Promote),
    /// Serve the version, or the policy, before this one again; or end a canary or shadow.
    Rollback(change::Rollback),
    /// Check a policy, write it to the registry and put it in force.
    Policy(change::Policy),
    /// List what is served, since when, and what was served before.
    Releases(releases::Releases),
    /// Say how two published versions differ.
    Diff(diff::Diff),
    /// Replay held-out weeks under the shop's current rule, SES with normal errors, and a model: what each would have cost.
    Simulate(simulate::Simulate),
    /// Answer one event on this machine, without AWS: the function's own code over a shop's files.
    Invoke(invoke::Invoke),
    /// Say what became of an uploaded file, or of those that messages of a queue are about: scored, quarantined, being scored, abandoned, or not begun.
    Status(status::Status),
    /// Check that every upload of a function is scored with all its rows and outputs, or quarantined; list the others.
    Reconcile(uploads::Reconcile),
    /// Send the uploads again that are not settled and that nobody works on.
    Redrive(uploads::Redrive),
    /// Score an upload that is done once more, with what is served now.
    Rescore(uploads::Rescore),
    /// Ask every logged prediction again, from the files as they are today, and compare columns and scores bit for bit.
    Replay(replay::Replay),
    /// Hold logged predictions against what happened: metrics of each model version, and what each offer changed.
    Outcomes(outcomes::Outcomes),
    /// Say what answers cost on AWS: what a function wrote of itself, times a price list that can be edited.
    Cost(cost::Cost),
    /// Print the document of the HTTP API that infra/openapi.json must be.
    Openapi(openapi::Openapi),
}

/// Which function is meant.
#[derive(Args)]
struct Which {
    /// The function
    #[arg(value_parser = NAMES)]
    function: String,
}

/// Where a model lies.
#[derive(Args)]
struct ModelFolder {
    /// Folder of the model, as training writes it [default: models/ and the function's name]
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// ONNX Runtime library; only graphs that are not tree ensembles need it
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

impl ModelFolder {
    /// The folder named, or that of the committed model.
    fn of<P: Predictor>(&self) -> PathBuf {
        let committed = || PathBuf::from("models").join(P::NAME);
        self.model.clone().unwrap_or_else(committed)
    }
}

/// Runs the command line; the exit code tells what happened.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Load(command) => command.run(),
        Command::Merge(command) => command.run(),
        Command::Chunk(command) => command.run(),
        Command::Forget(command) => command.run(),
        Command::Fit(command) => command.run(),
        Command::Features(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Publish(command) => command.run(),
        Command::Promote(command) => command.run(),
        Command::Rollback(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Releases(command) => command.run(),
        Command::Diff(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::Invoke(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Reconcile(command) => command.run(),
        Command::Redrive(command) => command.run(),
        Command::Rescore(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Outcomes(command) => command.run(),
        Command::Cost(command) => command.run(),
        Command::Openapi(command) => command.run(),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}
