//! Objects of gigabytes: the largest that is taken is read to its end, in pieces, by as many invocations as it needs; one of 6 GB is
//! refused before any of it is read.

use super::*;
use churn::Churn;
use serving::batch::ports::{FileHead, FileVersion, Part, Piece};
use serving::ports::StoreError;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

const KEY: &str = "uploads/churn/everybody.jsonl";
const MIB: u64 = 1024 * 1024;
/// Bytes of a line with its break, which is more than a row may have.
const LINE_BYTES: u64 = 8 * MIB;
/// What reading a piece takes.
const READ_MS: i64 = 60;

/// A bucket that says of one object how large it is, and makes its bytes up as they are read.
struct Bucket {
    rest: MemoryFiles,
    size: u64,
    /// Reads of the object.
    reads: AtomicU64,
    bytes: AtomicU64,
    now_ms: Arc<AtomicI64>,
    /// A piece of a line: inside, and with its end.
    pieces: [Bytes; 2],
}

impl Bucket {
    fn of(size: u64) -> Self {
        let inside = vec![b'x'; 2 * MIB as usize];
        let mut last = inside.clone();
        last[2 * MIB as usize - 1] = b'\n';
        Self {
            rest: MemoryFiles::default(),
            size,
            reads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            now_ms: Arc::new(AtomicI64::new(NOW.0 * 1000)),
            pieces: [inside, last].map(Bytes::from),
        }
    }

    fn version() -> FileVersion {
        FileVersion {
            etag: "huge".to_owned(),
            version_id: None,
        }
    }
}

impl FileStore for Bucket {
    async fn head_file(
        &self,
        at: &FilePlace,
        version_id: Option<&str>,
    ) -> Result<Option<FileHead>, StoreError> {
        if at.key == KEY {
            let (size, version) = (self.size, Self::version());
            return Ok(Some(FileHead { size, version }));
        }
        self.rest.head_file(at, version_id).await
    }

    async fn read_file(
        &self,
        at: &FilePlace,
        version: &FileVersion,
        range: Range<u64>,
    ) -> Result<Piece, StoreError> {
        if at.key != KEY {
            return self.rest.read_file(at, version, range).await;
        }
        assert!(*version == Self::version() && range.end <= self.size);
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(range.end - range.start, Ordering::Relaxed);
        self.now_ms.fetch_add(READ_MS, Ordering::Relaxed);
        let within = range.start % (2 * MIB);
        assert!(
            within + range.end - range.start <= 2 * MIB,
            "no piece is larger"
        );
        let is_last = range.start % LINE_BYTES >= LINE_BYTES - 2 * MIB;
        let to = within + range.end - range.start;
        let piece = &self.pieces[usize::from(is_last)];
        Ok(Piece::Bytes(piece.slice(within as usize..to as usize)))
    }

    async fn put_file(&self, at: &FilePlace, bytes: Bytes) -> Result<(), StoreError> {
        self.rest.put_file(at, bytes).await
    }

    async fn begin_upload(&self, at: &FilePlace) -> Result<String, StoreError> {
        self.rest.begin_upload(at).await
    }

    async fn put_part(
        &self,
        at: &FilePlace,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> Result<Option<Part>, StoreError> {
        self.rest.put_part(at, upload, number, bytes).await
    }

    async fn complete_upload(
        &self,
        at: &FilePlace,
        upload: &str,
        parts: &[Part],
    ) -> Result<bool, StoreError> {
        self.rest.complete_upload(at, upload, parts).await
    }

    async fn abort_upload(&self, at: &FilePlace, upload: &str) -> Result<(), StoreError> {
        self.rest.abort_upload(at, upload).await
    }
}

impl Bucket {
    /// One invocation about the object.
    async fn score(&self, releases: &Releases<Churn, MemoryStore>) -> Outcome {
        let batch = Batch {
            files: self,
            claims: &self.rest,
            services: releases,
            clock: &SetClock::starting(&self.now_ms),
            owner: "invocation",
            limits: Limits::default(),
        };
        let arrival = Arrival {
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            ..Arrival::default()
        };
        let scored = batch.score(&arrival).await;
        scored.expect("nothing fails").0
    }

    fn report(&self, key: &str) -> serde_json::Value {
        let file = self.rest.file(&place(key)).expect("a report");
        serde_json::from_slice(&file).expect("JSON")
    }
}

async fn releases() -> Releases<Churn, MemoryStore> {
    let stores = [filled().await, filled().await];
    let mut stores = stores.into_iter();
    Releases::new(|| stores.next().expect("two versions")).await
}

#[tokio::test]
async fn an_object_of_6_gb_is_refused_unread_and_its_report_says_why() {
    for size in [6_000_000_000, Limits::default().object_bytes + 1] {
        let (bucket, releases) = (Bucket::of(size), releases().await);
        let outcome = bucket.score(&releases).await;
        let detail = format!("{size} bytes, at most 5368709120 are read");
        let Outcome::Quarantined(fault) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((fault.kind, &fault.detail), ("too large", &detail));
        for at in ["scored", "quarantine"] {
            let report = bucket.report(&format!("{at}/churn/everybody.jsonl.report.json"));
            assert_eq!(report["outcome"], "quarantined");
            assert_eq!(report["fault"]["detail"], detail.as_str());
            assert_eq!(
                (&report["rows"], &report["input"]["bytes"]),
                (&0.into(), &size.into())
            );
        }
        let again = bucket.score(&releases).await;
        assert!(matches!(again, Outcome::Duplicate(_)), "{again:?}");
        assert_eq!(bucket.reads.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn the_largest_object_is_read_once_to_its_end_by_invocations_one_after_the_other() {
    let size = Limits::default().object_bytes;
    let (bucket, releases) = (Bucket::of(size), releases().await);
    let mut continued = 0u64;
    let found = loop {
        match bucket.score(&releases).await {
            Outcome::Continued(_) => continued += 1,
            Outcome::Scored(found) => break found,
            other => panic!("{other:?}"),
        }
        assert!(continued < 100, "it never ends");
    };
    assert_eq!(found, counts(0, size / LINE_BYTES));
    let report = bucket.report("scored/churn/everybody.jsonl.report.json");
    assert_eq!(report["continued"], continued);
    assert!(continued >= 3, "{continued}");
    let read = bucket.bytes.load(Ordering::Relaxed);
    // What was read ahead of the last row that was done is read again.
    let again = continued * 128 * LINE_BYTES;
    assert!((size..size + again).contains(&read), "{read} bytes read");
}
