//! `storecast reconcile`, `storecast redrive` and `storecast rescore`.

use super::clock::now_ms;
use super::connection::block_on;
use super::{Failure, Which};
use crate::functions::NAMES;
use crate::orders::ORDERS;
use crate::uploads::{Fate, Rescored, fate, name_of, redrive, rescore, scored_with};
use aws::claims::DynamoClaims;
use aws::clients::Clients;
use aws::config::Settings;
use aws::uploaded_files::UploadedFiles;
use clap::Args;
use serving::batch::FileArchive;
use serving::batch::claim::Counts;
use serving::batch::ports::{FilePlace, Listed};
use std::process::ExitCode;

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

#[derive(Args)]
#[command(after_help = "\
For every upload that is not settled and that nobody works on, writes a marker under unfinished/, whose event the bucket sends to
the queue of uploads: the file is begun, or continued where it was left, with the model it was begun with. Nothing is scored
twice, so messages that are still in the dead-letter queue may be deleted, or moved back as well. The table and endpoints come
from the environment, as for `load`.")]
pub(super) struct Redrive {
    #[command(flatten)]
    which: Which,
    /// The bucket of uploads
    #[arg(long)]
    bucket: String,
}

#[derive(Args)]
#[command(after_help = "\
An upload that is done is scored again with what is served now, as of now: after another version was promoted or rolled back, or when
its outputs are gone. The new answers take the place of the old ones. An upload that is being scored is left alone, and the command
ends with 1. The table and endpoints come from the environment, as for `load`.")]
pub(super) struct Rescore {
    #[arg(
        value_name = "ADDRESS",
        help = "The upload, s3://bucket/uploads/<function>/..., or all below a folder that ends in /"
    )]
    address: String,
    /// Only uploads that this version of the model scored, by their reports
    #[arg(long, value_name = "VERSION")]
    scored_with: Option<String>,
}

/// Where uploads lie, and their claims.
pub(super) struct Stores {
    pub(super) files: UploadedFiles,
    claims: DynamoClaims,
}

impl Stores {
    pub(super) async fn open() -> Result<Self, Failure> {
        let settings = Settings::from_environment()?;
        let clients = Clients::from_environment().await;
        Ok(Self {
            files: UploadedFiles::new(&clients),
            claims: DynamoClaims::new(clients.dynamo, settings.table),
        })
    }

    /// Every upload of a function, with what became of it.
    async fn fates(
        &self,
        function: &'static str,
        bucket: &str,
    ) -> Result<Vec<(FilePlace, Fate)>, Failure> {
        let mut fates = Vec::new();
        for place in self.below(bucket, &format!("uploads/{function}/")).await? {
            // What is not to be scored there is told as well.
            let fate = self.fate(function, &place).await?;
            fates.push((place, fate));
        }
        Ok(fates)
    }

    /// Every file below a folder.
    async fn below(&self, bucket: &str, folder: &str) -> Result<Vec<FilePlace>, Failure> {
        let listed = self.files.list_files(bucket, folder).await?;
        let places = listed.into_iter().map(|Listed { place, .. }| place);
        Ok(places.filter(|place| !place.key.ends_with('/')).collect())
    }

    pub(super) async fn fate(
        &self,
        function: &'static str,
        place: &FilePlace,
    ) -> Result<Fate, Failure> {
        let now_ms = now_ms();
        Ok(fate(&self.files, &self.claims, function, place, now_ms).await?)
    }
}

/// The place of an address, and the function that scores it; none for an order file.
pub(super) fn read_address(address: &str) -> Result<(Option<&'static str>, FilePlace), Failure> {
    let parts = address
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'));
    let found = parts.and_then(|(bucket, key)| {
        let mut names = NAMES.into_iter();
        let function = names.find(|name| name_of(key, name).is_some());
        let place = FilePlace {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        (function.is_some() || key.starts_with(ORDERS)).then_some((function, place))
    });
    let expected = NAMES.join(", ");
    found.ok_or_else(|| {
        format!("{address:?} is no upload, expected s3://bucket/uploads/<function>/<file>, function one of {expected}, orders").into()
    })
}

impl Reconcile {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let function = known(&self.which)?;
        let fates = block_on(async { Stores::open().await?.fates(function, &self.bucket).await })?;
        let mut sum = Counts::default();
        let (mut scored, mut quarantined, mut open) = (0, 0, 0);
        for (place, fate) in &fates {
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
            println!("{}: {fate}", place.key);
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
}

impl Redrive {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let function = known(&self.which)?;
        let (sent, known) = block_on(async {
            let stores = Stores::open().await?;
            let fates = stores.fates(function, &self.bucket).await?;
            let mut sent = 0;
            for (place, fate) in &fates {
                if redrive(&stores.files, function, place, fate).await? {
                    println!("{}: {fate}; sent again", place.key);
                    sent += 1;
                }
            }
            Ok((sent, fates.len()))
        })?;
        println!("{sent} of {known} uploads of {function} sent again");
        Ok(ExitCode::SUCCESS)
    }
}

impl Rescore {
    #[expect(
        clippy::print_stdout,
        reason = "the answer of a command for people and pipes"
    )]
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let (function, place) = self.read_address()?;
        let (mut sent, mut refused) = (0, 0);
        block_on(async {
            let stores = Stores::open().await?;
            for place in self.chosen(&stores, function, place).await? {
                let now_ms = now_ms();
                let done = rescore(&stores.files, &stores.claims, function, &place, now_ms).await?;
                println!("{}: {done}", place.key);
                *(if done == Rescored::Sent {
                    &mut sent
                } else {
                    &mut refused
                }) += 1;
            }
            Ok(())
        })?;
        println!("{sent} uploads of {function} sent to be scored again, {refused} left alone");
        Ok(if refused == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn read_address(&self) -> Result<(&'static str, FilePlace), Failure> {
        let folder = self.address.strip_suffix('/');
        // A folder is one that files of a function could lie in.
        let file = folder.map_or_else(|| self.address.clone(), |folder| format!("{folder}/x"));
        let (function, mut place) = read_address(&file)?;
        if folder.is_some() {
            place.key.pop();
        }
        let function =
            function.ok_or("order files are merged, not scored: see `storecast merge`")?;
        Ok((function, place))
    }

    /// The upload, or those below the folder, that the version scored.
    async fn chosen(
        &self,
        stores: &Stores,
        function: &'static str,
        place: FilePlace,
    ) -> Result<Vec<FilePlace>, Failure> {
        let mut places = vec![place];
        if places[0].key.ends_with('/') {
            places = stores.below(&places[0].bucket, &places[0].key).await?;
        }
        let Some(wanted) = &self.scored_with else {
            return Ok(places);
        };
        let mut chosen = Vec::new();
        for place in places {
            let version = scored_with(&stores.files, function, &place).await?;
            if version.as_ref() == Some(wanted) {
                chosen.push(place);
            }
        }
        Ok(chosen)
    }
}

fn known(which: &Which) -> Result<&'static str, Failure> {
    let wanted = which.function.as_str();
    let function = NAMES.into_iter().find(|name| *name == wanted);
    function.ok_or_else(|| format!("no function {wanted}").into())
}
