//! The function `orders`: what arrives below [`ORDERS`] is merged, by the merge that `storecast merge` runs.

use super::{Files, Merge, MergeError, Merged, ORDERS, Outcome, Turn};
use crate::ingest::LoadError;
use crate::shop::Shop;
use crate::store::WriteError;
use aws::clients::Clients;
use aws::config::MergeSettings;
use aws::dynamo::DynamoStore;
use aws::uploaded_files::UploadedFiles;
use aws::worker::{Work, Worker};
use serde_json::{Value, json};
use serving::batch::Arrival;
use serving::batch::ports::FilePlace;
use serving::batch::run::{Clock, read_whole};
use serving::wire::format_instant;
use std::path::Path;

/// A shop file has some hundred lines.
const MOST_SHOP_BYTES: u64 = 1024 * 1024;

/// Merges whatever lies below [`ORDERS`] when it is told of a file there, or of another shop file.
#[derive(Debug)]
pub struct Merger {
    settings: MergeSettings,
    files: UploadedFiles,
    store: DynamoStore,
}

impl Worker for Merger {
    const NAME: &'static str = "orders";

    fn start(settings: MergeSettings, clients: &Clients) -> Self {
        let store = DynamoStore::new(clients.dynamo.clone(), settings.table.clone());
        Self {
            files: UploadedFiles::new(clients),
            store: store.reading_own_writes(),
            settings,
        }
    }

    fn is_about(&self, arrival: &Arrival) -> bool {
        let (bucket, key) = (arrival.bucket.as_str(), arrival.key.as_str());
        let is_order = bucket == self.settings.bucket && key.starts_with(ORDERS);
        is_order || self.settings.shop_in_s3() == Some((bucket, key))
    }

    /// The shop file decides what the files say as much as they do, and is read before the turn is taken: a merge by a newer one
    /// may have ended in between, and its message be gone. So the work is done when the file is still the one it was done by.
    async fn work(&self, owner: &str, clock: &impl Clock) -> Result<Work, String> {
        loop {
            let shop = self.shop().await?;
            let merge = Merge {
                shop: &shop,
                bucket: &self.settings.bucket,
                files: &self.files,
                store: &self.store,
                clock,
                owner,
                work: &self.settings.work,
            };
            let merged = Box::pin(merge.run()).await;
            let work = told(merged.map_err(|error| without_names(&error))?);
            if work == Work::Busy || self.shop().await?.text == shop.text {
                return Ok(work);
            }
        }
    }

    async fn leave(&self, owner: &str) {
        // Where that fails as well, the turn ends by the clock.
        let _ = Turn::give_up(&self.store, owner).await;
    }
}

impl Merger {
    async fn shop(&self) -> Result<Shop, String> {
        let address = &self.settings.shop;
        let failed = |reason: String| format!("read the shop file {address}: {reason}");
        let Some((bucket, key)) = self.settings.shop_in_s3() else {
            return Shop::read(Path::new(address)).map_err(|error| failed(error.to_string()));
        };
        let place = FilePlace {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        };
        let read = read_whole(&self.files, &place, MOST_SHOP_BYTES).await;
        let bytes = read.map_err(|error| failed(error.to_string()))?;
        let missing =
            || format!("not there, empty, over {MOST_SHOP_BYTES} bytes, or just replaced");
        let bytes = bytes.ok_or_else(|| failed(missing()))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| failed(error.to_string()))?;
        Shop::parse(text, Path::new(key)).map_err(|error| failed(error.to_string()))
    }
}

fn told(outcome: Outcome) -> Work {
    let of_files =
        |Files { accepted, refused }| json!({ "accepted": accepted, "refused": refused });
    Work::Done(match outcome {
        Outcome::Busy => return Work::Busy,
        Outcome::Unchanged => json!({ "kind": "unchanged" }),
        Outcome::NoOrders(files) => json!({ "kind": "no orders", "files": of_files(files) }),
        Outcome::Merged(merged) => json!({
            "kind": "merged",
            "files": of_files(merged.files),
            "complete_through": format_instant(features::time::Timestamp(merged.complete_through)),
            "changed": changed(&merged),
        }),
    })
}

fn changed(merged: &Merged) -> Value {
    let kinds = merged.changed.iter();
    let of_kind = |kind: &super::Changed| json!({ "kind": kind.kind, "records": kind.records, "written": kind.written, "removed": kind.removed });
    kinds.map(of_kind).collect()
}

/// Why a merge ended, without the names of files, which can be those of people.
fn without_names(error: &MergeError) -> String {
    match error {
        MergeError::Load(error) | MergeError::Write(WriteError::Load(error)) => match error {
            LoadError::Io { source, .. } => format!("a file on this machine: {source}"),
            LoadError::Remote { reason, .. } => format!("a file in S3: {reason}"),
            _ => {
                "the files cannot be read together: `storecast merge` says which and why".to_owned()
            }
        },
        MergeError::Store(_)
        | MergeError::Write(_)
        | MergeError::Pattern { .. }
        | MergeError::Replaced
        | MergeError::Overtaken
        | MergeError::Late => error.to_string(),
    }
}
