//! `storecast status` and `storecast reconcile`.

use super::clock::now_ms;
use super::connection::block_on;
use super::{Failure, Which};
use crate::functions::NAMES;
use crate::uploads::{Fate, fate, name_of};
use aws::claims::DynamoClaims;
use aws::clients::Clients;
use aws::config::Settings;
use aws::files::S3Files;
use aws::uploaded_files::UploadedFiles;
use clap::Args;
use serving::batch::claim::Counts;
use serving::batch::ports::FilePlace;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
The table and endpoints come from the environment, as for `load`. Nothing is changed.")]
pub(super) struct Status {
    #[arg(
        value_name = "ADDRESS",
        help = "The upload: s3://bucket/uploads/<function>/..."
    )]
    address: String,
}

#[derive(Args)]
#[command(after_help = "\
Ends with 1 when an upload is not settled: neither scored with all its outputs, nor quarantined with a reason. The table and
endpoints come from the environment, as for `load`. Nothing is changed.")]
pub(super) struct Reconcile {
    #[command(flatten)]
    which: Which,
    /// The bucket of uploads
    #[arg(long)]
    bucket: String,
}

struct Stores {
    list: S3Files,
    files: UploadedFiles,
    claims: DynamoClaims,
}

impl Stores {
    async fn open() -> Result<Self, Failure> {
        let settings = Settings::from_environment()?;
        let clients = Clients::from_environment().await;
        Ok(Self {
            list: S3Files::new(&clients),
            files: UploadedFiles::new(&clients),
            claims: DynamoClaims::new(clients.dynamo, settings.table),
        })
    }

    async fn fate(&self, function: &'static str, place: &FilePlace) -> Result<Fate, Failure> {
        let now_ms = now_ms();
        Ok(fate(&self.files, &self.claims, function, place, now_ms).await?)
    }
}

/// Function and place of an address.
fn read_address(address: &str) -> Result<(&'static str, FilePlace), Failure> {
    let parts = address
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    let found = parts.and_then(|(bucket, key)| {
        let function = NAMES
            .into_iter()
            .find(|name| name_of(key, name).is_some())?;
        let place = FilePlace {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        Some((function, place))
    });
    let expected = NAMES.join(", ");
    found.ok_or_else(|| {
        format!("{address:?} is no upload, expected s3://bucket/uploads/<function>/<file>, function one of {expected}").into()
    })
}

impl Status {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let (function, place) = read_address(&self.address)?;
        let fate = block_on(async { Stores::open().await?.fate(function, &place).await })?;
        println!("{}: {fate}", place.key);
        let is_failure = matches!(fate, Fate::Gone | Fate::Broken(_));
        Ok(if is_failure {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

impl Reconcile {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let wanted = self.which.function.as_str();
        let function = NAMES.into_iter().find(|name| *name == wanted);
        let function = function.ok_or_else(|| format!("no function {wanted}"))?;
        let fates = block_on(self.fates(function))?;
        let mut sum = Counts::default();
        let (mut scored, mut quarantined, mut open) = (0, 0, 0);
        for (key, fate) in &fates {
            match fate {
                Fate::Scored(counts) => {
                    scored += 1;
                    sum.rows += counts.rows;
                    sum.scored += counts.scored;
                    sum.rejected += counts.rejected;
                    continue;
                }
                Fate::Quarantined(_) => quarantined += 1,
                _ => open += 1,
            }
            println!("{key}: {fate}");
        }
        println!(
            "{} uploads of {function}: {scored} scored, {quarantined} quarantined, {open} open; {}",
            fates.len(),
            Fate::Scored(sum)
        );
        Ok(if open == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn fates(&self, function: &'static str) -> Result<Vec<(String, Fate)>, Failure> {
        let stores = Stores::open().await?;
        let prefix = format!("s3://{}/uploads/{function}/", self.bucket);
        let mut fates = Vec::new();
        for file in stores.list.list(&prefix).await? {
            let key = file.url.split('/').skip(3).collect::<Vec<_>>().join("/");
            if name_of(&key, function).is_some() {
                let bucket = self.bucket.clone();
                let place = FilePlace { bucket, key };
                let fate = stores.fate(function, &place).await?;
                fates.push((place.key, fate));
            }
        }
        Ok(fates)
    }
}
