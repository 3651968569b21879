//! `storecast-local`: the demo, and the stack to develop against.

use clap::{Args, Parser, Subcommand};
use local::demo;
use local::gateway::{Authorizer, Rules};
use local::stack::{Failure, Plan, StoreName};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

/// Storecast on one machine: S3, DynamoDB and the Lambda functions, without Docker or an AWS account.
#[derive(Parser)]
#[command(name = "storecast-local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Do the main job once, show it, and end. Takes free ports.
    Demo {
        #[command(flatten)]
        what: What,
        /// Stop this server before the function is asked, to see what it answers then
        #[arg(long, value_name = "SERVER")]
        stop: Option<StoreName>,
    },
    /// Keep everything up until Ctrl-C and print calls to try.
    Dev {
        #[command(flatten)]
        what: What,
        /// Port of the functions
        #[arg(long, default_value_t = 9010)]
        port: u16,
        /// Port of S3
        #[arg(long, default_value_t = 9011)]
        s3_port: u16,
        /// Port of DynamoDB
        #[arg(long, default_value_t = 9012)]
        dynamo_port: u16,
        #[command(flatten)]
        door: Door,
    },
}

/// A gateway in front that asks for tokens, as the one on AWS does
#[derive(Args)]
struct Door {
    /// Keys of the issuer (a JWKS file); with them a gateway starts that lets nobody in without a token
    #[arg(long, value_name = "FILE")]
    token_keys: Option<PathBuf>,
    /// Issuer that a token must name
    #[arg(long, default_value = "https://issuer.local")]
    token_issuer: String,
    /// Audience that a token must name
    #[arg(long, default_value = "shop")]
    token_audience: String,
    /// Scope that a token must have; none by default
    #[arg(long)]
    token_scope: Option<String>,
    /// Port of the gateway
    #[arg(long, default_value_t = 9013)]
    gateway_port: u16,
}

impl Door {
    fn gateway(self) -> Result<Option<(u16, Authorizer)>, Failure> {
        let rules = Rules {
            issuer: self.token_issuer,
            audience: self.token_audience,
            scope: self.token_scope,
        };
        let read = |keys: PathBuf| Authorizer::read(&keys, rules);
        let authorizer = self.token_keys.map(read).transpose()?;
        Ok(authorizer.map(|authorizer| (self.gateway_port, authorizer)))
    }
}

#[derive(Args)]
struct What {
    /// Shop file
    #[arg(long, default_value = "models/shops/completejourney.toml")]
    shop: PathBuf,
    /// Folder of the models
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Folder for what is made on the way
    #[arg(long, default_value = ".storecast")]
    work: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo { what, stop } => free_port().and_then(|port| {
            let plan = plan(what, port, 0, 0)?;
            demo::run(&Plan { stop, ..plan })
        }),
        Command::Dev {
            what,
            port,
            s3_port,
            dynamo_port,
            door,
        } => plan(what, port, s3_port, dynamo_port)
            .and_then(|plan| demo::dev(&plan, door.gateway()?)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn plan(what: What, function_port: u16, s3_port: u16, dynamo_port: u16) -> Result<Plan, Failure> {
    let root = std::env::current_dir()?;
    Ok(Plan {
        root,
        shop: what.shop,
        models: what.models,
        work: what.work,
        s3_port,
        dynamo_port,
        function_port,
        stop: None,
    })
}

/// A port nobody listens on now; the emulator cannot choose one by itself.
fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
