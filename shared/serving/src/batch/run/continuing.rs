//! Leaving a file that does not fit into one invocation, and going on with it.
//!
//! First what is done is written, then the claim names it and lets go of the file, then the marker is written, whose event
//! brings the next invocation: an event of its own, which no queue counts as a failure of the first. Killed before the
//! claim, the file goes on from where it was begun; killed before the marker, by the message that comes again.

use super::{Arrival, Batch, Clock, Job, Outcome, Services, Stop, files_failed};
use crate::batch::claim::Left;
use crate::batch::name::UploadName;
use crate::batch::pack::MEMBERS_OF_GROUP;
use crate::batch::ports::{ClaimStore, FilePlace, FileStore};
use crate::batch::progress::Progress;
use crate::error::Error;
use crate::manifest::sha256_hex;
use crate::ports::StoreError;
use crate::service::Observed;
use bytes::Bytes;

/// Bytes of a marker at most: keys have at most 1024.
const MARKER_BYTES: u64 = 16 * 1024;
/// Bytes of what is left, at most, beside what makes no part yet and what is not packed: the names of 10,000 parts.
const BESIDE_PARTS_BYTES: u64 = 8 * 1024 * 1024;

impl<F, C, M, K> Batch<'_, F, C, M, K>
where
    F: FileStore,
    C: ClaimStore,
    M: Services,
    K: Clock,
{
    /// The upload that a marker is about; `None` when the marker is gone.
    pub(super) async fn marked(
        &self,
        marker: &Arrival,
        key: String,
    ) -> Result<Option<Arrival>, Error> {
        let place = FilePlace {
            bucket: marker.bucket.clone(),
            key: marker.key.clone(),
        };
        let read = read_whole(self.files, &place, MARKER_BYTES).await;
        let Some(bytes) = read.map_err(files_failed)? else {
            return Ok(None);
        };
        let upload: Option<Arrival> = serde_json::from_slice(&bytes).ok();
        let is_of_marker = |upload: &Arrival| upload.bucket == place.bucket && upload.key == key;
        let upload = upload.filter(is_of_marker);
        upload.map(Some).ok_or_else(|| Error::Internal {
            what: "continue a file",
            reason: format!("marker {} names no upload of its own", place.token()),
        })
    }

    /// What earlier invocations left of the file. Nothing, when there is nothing, or when it is not as it was left or this
    /// code has other columns: then the file begins anew.
    pub(super) async fn progress(&self, job: &Job<'_, M>) -> Result<Option<Progress>, Stop> {
        let Some(left) = job.claim.left() else {
            return Ok(None);
        };
        let place = job.place.beside(job.name.unfinished(&left.sha256));
        let of_an_output = self.limits.part_bytes + MEMBERS_OF_GROUP * self.limits.member_bytes;
        let most = 2 * of_an_output as u64 + BESIDE_PARTS_BYTES;
        let bytes = read_whole(self.files, &place, most).await?;
        let bytes = bytes.filter(|bytes| sha256_hex(bytes) == left.sha256);
        let progress = bytes.and_then(|bytes| Progress::from_bytes(&bytes));
        let columns = job.shape.columns.iter().map(|column| column.name);
        let progress = progress.filter(|progress| columns.eq(progress.columns.iter()));
        if progress.is_none() {
            let file = job.place.token();
            tracing::warn!(file, "what was left of the file cannot be continued");
        }
        Ok(progress)
    }

    /// Leaves the file to the next invocation.
    pub(super) async fn leave(
        &self,
        job: &Job<'_, M>,
        progress: &Progress,
        observed: Observed,
    ) -> Result<(Outcome, Observed), Stop> {
        let bytes = progress.to_bytes().map_err(|error| {
            Stop::Failed(Error::Internal {
                what: "leave a file",
                reason: error.to_string(),
            })
        })?;
        let left = Left {
            sha256: sha256_hex(&bytes),
            rows: progress.counts.rows,
            times: job.claim.left().map_or(0, |left| left.times) + 1,
            spent_ms: self.spent_ms(job),
        };
        let place = job.place.beside(job.name.unfinished(&left.sha256));
        self.files.put_file(&place, Bytes::from(bytes)).await?;
        self.leave_claim(job, left).await?;
        // The state machine that asks about a chunk asks again.
        if job.run.is_none() {
            self.put_own_marker(job).await?;
        }
        Ok((Outcome::Continued(progress.counts), observed))
    }

    async fn put_own_marker(&self, job: &Job<'_, M>) -> Result<(), StoreError> {
        let upload = Arrival {
            bucket: job.place.bucket.clone(),
            key: job.place.key.clone(),
            etag: Some(job.head.version.etag.clone()),
            version_id: job.head.version.version_id.clone(),
            sequencer: job.claim.sequencer.clone(),
        };
        put_marker(self.files, job.name, &upload).await
    }
}

/// A file of ours as it is now; `None` when it is gone, empty, or larger than anything that we write there.
pub async fn read_whole(
    files: &impl FileStore,
    place: &FilePlace,
    most: u64,
) -> Result<Option<Bytes>, StoreError> {
    let head = files.head_file(place, None).await?;
    let Some(head) = head.filter(|head| (1..=most).contains(&head.size)) else {
        return Ok(None);
    };
    files.read_all(place, &head).await
}

/// Writes the marker of an upload: the bucket sends its event to the queue of uploads, and the function begins the upload,
/// goes on with it, or finds that it is done.
pub async fn put_marker(
    files: &impl FileStore,
    name: &UploadName,
    upload: &Arrival,
) -> Result<(), StoreError> {
    let place = FilePlace {
        bucket: upload.bucket.clone(),
        key: name.marker(),
    };
    let text = serde_json::to_vec(upload)
        .map_err(|e| StoreError::broken("put", format!("file {}", place.token()), e.to_string()))?;
    files.put_file(&place, Bytes::from(text)).await
}
