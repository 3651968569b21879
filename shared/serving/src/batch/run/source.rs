//! What a file is read as: pieces of a stream of bytes, or rows of a table.

use super::{Job, Services, Stop};
use crate::batch::limits::Limits;
use crate::batch::name::{Format, Packing};
use crate::batch::parquet::read::{ParquetRows, Stopped};
use crate::batch::ports::{FileStore, Piece};
use crate::batch::rows::{Bookmark, Row};
use bytes::Bytes;

/// A file that is read.
pub(super) enum Source<'a, F, M: Services> {
    /// Bytes from `at` on.
    Bytes {
        files: &'a F,
        job: &'a Job<'a, M>,
        at: u64,
        read_bytes: u64,
    },
    /// Rows.
    Table(Box<ParquetRows<'a, F>>),
}

/// What was read next.
pub(super) enum Fetched {
    Bytes(Bytes),
    Rows(Vec<Row>),
}

impl From<Stopped> for Stop {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Fault(fault) => Self::Fault(fault),
            Stopped::Changed => Self::Changed,
            Stopped::Store(error) => error.into(),
        }
    }
}

impl<'a, F: FileStore, M: Services> Source<'a, F, M> {
    /// From a place on. What is packed as a whole is read from its beginning, and what is done of it is read over.
    pub(super) async fn open(
        files: &'a F,
        job: &'a Job<'a, M>,
        limits: Limits,
        from: &Bookmark,
    ) -> Result<Self, Stop> {
        if job.name.format == Format::Parquet {
            let skip = from.offset;
            let (place, head, shape) = (job.place, job.head, job.shape);
            // On the heap: other files have no use for its size.
            let rows = if job.run.is_some() {
                let open = ParquetRows::open_chunk(files, place, head, shape, limits, skip);
                Box::pin(open).await
            } else {
                Box::pin(ParquetRows::open(files, place, head, shape, limits, skip)).await
            };
            return Ok(Self::Table(Box::new(rows?)));
        }
        let is_plain = job.name.packing == Packing::Plain;
        Ok(Self::Bytes {
            files,
            job,
            at: if is_plain { from.offset } else { 0 },
            read_bytes: limits.read_bytes,
        })
    }

    /// The next bytes or rows; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Fetched>, Stop> {
        let (files, job, at, read_bytes) = match self {
            Self::Table(table) => {
                let rows = table.next().await?;
                return Ok(Some(rows)
                    .filter(|rows| !rows.is_empty())
                    .map(Fetched::Rows));
            }
            Self::Bytes {
                files,
                job,
                at,
                read_bytes,
            } => (files, job, at, *read_bytes),
        };
        let end = job.head.size.min(*at + read_bytes);
        let range = *at..end;
        if range.is_empty() {
            return Ok(None);
        }
        *at = end;
        match files.read_file(job.place, &job.head.version, range).await? {
            Piece::Bytes(bytes) => Ok(Some(Fetched::Bytes(bytes))),
            Piece::Changed => Err(Stop::Changed),
        }
    }
}
