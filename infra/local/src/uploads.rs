//! The bucket of files to score, and the files that the events under `events/` are about.

use crate::stack::Failure;
use aws::admin::ensure_bucket;
use aws::clients::Clients;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use offline::functions::NAMES;
use serving::batch::FileStore;
use serving::batch::ports::FilePlace;
use std::path::Path;

/// Bucket of uploads of the local stack; the one that the events name.
pub const UPLOAD_BUCKET: &str = "storecast-uploads";

/// Makes the bucket and puts the file of each function's `s3-upload.json` into it, so that the event can be tried.
pub async fn put_samples(clients: &Clients, root: &Path) -> Result<(), Failure> {
    ensure_bucket(clients, UPLOAD_BUCKET).await?;
    let files = UploadedFiles::new(clients);
    for function in NAMES {
        let event = root.join("events").join(function).join("s3-upload.json");
        let sample = root.join("events/uploads").join(format!("{function}.csv"));
        let (Ok(event), Ok(sample)) = (std::fs::read_to_string(event), std::fs::read(sample))
        else {
            continue;
        };
        for arrival in aws::uploads::arrivals(&event)? {
            let place = FilePlace {
                bucket: arrival.bucket,
                key: arrival.key,
            };
            files.put_file(&place, Bytes::from(sample.clone())).await?;
        }
    }
    Ok(())
}
