//! A file of ids lands in the bucket; its answers arrive beside it.

use super::{Steps, percent, text};
use crate::stack::{Failure, Stores};
use crate::uploads::{UPLOAD_BUCKET, put_samples};
use aws::clients::Clients;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use serde_json::{Value, json};
use serving::batch::FileStore;
use serving::batch::ports::{FilePlace, FileVersion, Piece};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Customers in the file.
const CUSTOMERS: usize = 500;
/// Lines of the answers that are shown.
const SHOWN: usize = 3;
/// Key of the file, as an analyst may name it.
const KEY: &str = "uploads/churn/customers of monday, 500.csv";
/// The key as S3's notifications write it.
const ENCODED_KEY: &str = "uploads/churn/customers+of+monday%2C+500.csv";

/// The bucket of uploads.
pub(super) struct Bucket {
    files: UploadedFiles,
    url: String,
}

impl Bucket {
    /// Makes the bucket, with the files of the events under `events/`.
    pub(super) async fn open(stores: &Stores, root: &Path) -> Result<Self, Failure> {
        let clients = Clients::at(&stores.s3.url(), &stores.dynamo.url()).await;
        put_samples(&clients, root).await?;
        Ok(Self {
            files: UploadedFiles::new(&clients),
            url: stores.s3.url(),
        })
    }

    async fn put(&self, text: String) -> Result<FileVersion, Failure> {
        let place = place(KEY);
        self.files.put_file(&place, Bytes::from(text)).await?;
        let head = self.files.head_file(&place, None).await?;
        Ok(head.ok_or("the upload is not there")?.version)
    }

    async fn text(&self, key: &str) -> Result<String, Failure> {
        let place = place(key);
        let head = self.files.head_file(&place, None).await?;
        let head = head.ok_or_else(|| format!("{key} did not arrive"))?;
        let read = self.files.read_file(&place, &head.version, 0..head.size);
        match read.await? {
            Piece::Bytes(bytes) => Ok(String::from_utf8(bytes.to_vec())?),
            Piece::Changed => Err(format!("{key} changed while it was read").into()),
        }
    }
}

fn place(key: &str) -> FilePlace {
    FilePlace {
        bucket: UPLOAD_BUCKET.to_owned(),
        key: key.to_owned(),
    }
}

/// Uploads the first customers, gives the function the notification that S3 would send, and shows what arrives.
pub(super) fn score_file(
    runtime: &Runtime,
    bucket: &Bucket,
    functions: &str,
    ids: &[String],
    steps: &mut Steps,
) -> Result<(), Failure> {
    let chosen: Vec<&str> = ids.iter().take(CUSTOMERS).map(String::as_str).collect();
    let file = format!("customer_id\n{}\nnobody\n\"\"\n", chosen.join("\n"));
    let version = runtime.block_on(bucket.put(file))?;
    let event = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": { "name": UPLOAD_BUCKET },
        "object": { "key": ENCODED_KEY, "eTag": version.etag, "sequencer": "0055AED6DCD90281E5" } } }] });
    let answer = invoke(functions, &event)?;
    let outcome = &answer["outcomes"][0]["outcome"];
    if outcome["kind"] != "scored" {
        return Err(format!("the file was not scored: {answer}").into());
    }
    steps.done(&format!(
        "{} rows landed in s3://{UPLOAD_BUCKET} at {}, scored by the function on S3's notification",
        outcome["counts"]["rows"], bucket.url
    ));
    let again = invoke(functions, &event)?;
    let (scored, report) = runtime.block_on(async {
        let scored = bucket.text(&KEY.replacen("uploads/", "scored/", 1)).await?;
        let report = format!("{}.report.json", KEY.replacen("uploads/", "scored/", 1));
        let report: Value = serde_json::from_str(&bucket.text(&report).await?)?;
        Ok::<_, Failure>((scored, report))
    })?;
    show(&scored, &report, &again);
    Ok(())
}

/// The call that `cargo lambda invoke` makes.
fn invoke(functions: &str, event: &Value) -> Result<Value, Failure> {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_mins(2)));
    let agent: ureq::Agent = config.build().into();
    let url = format!("{functions}/2015-03-31/functions/churn/invocations");
    let mut response = agent.post(&url).send_json(event)?;
    Ok(response.body_mut().read_json()?)
}

fn show(scored: &str, report: &Value, again: &Value) {
    println!(
        "\nSCORED FILE, {}\n",
        KEY.replacen("uploads/", "scored/", 1)
    );
    for line in scored.lines().take(1 + SHOWN) {
        let shown: String = line.chars().take(140).collect();
        println!("  {shown}…");
    }
    let (rows, rejected) = (&report["rows"], &report["rejected"]);
    println!(
        "\n  report: {rows} rows = {} scored + {rejected} rejected, model {}, {} ms",
        report["scored"],
        text(&report["model_version"]),
        report["duration_ms"]
    );
    let share = report["scored"].as_f64().zip(rows.as_f64());
    let share = share.map_or(Value::Null, |(scored, rows)| json!(scored / rows));
    println!(
        "  {} of the rows scored; reasons of the others: {}",
        percent(&share),
        report["rejected_by_reason"]
    );
    println!(
        "  the same notification again: {}, nothing is written twice\n",
        text(&again["outcomes"][0]["outcome"]["kind"])
    );
}
