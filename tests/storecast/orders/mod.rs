//! Orders that keep coming: whatever order files come in, and whatever fails on the way, the table ends as one clean load of
//! all lines would leave it.

mod forget;
mod kills;
pub(crate) mod shop;
mod storm;

use crate::batch::SetClock;
use crate::batch::faults::{Fault, Faulty, Plan};
use bytes::Bytes;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::orders::{Merge, MergeError, Outcome};
use offline::shop::Shop;
use offline::store::write_all;
use serving::batch::ports::{FilePlace, FileStore};
use serving::batch::{FileArchive, MemoryFiles};
use serving::ports::{HistoryStore, MemoryStore};
pub(crate) use shop::Delivered;
use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tempfile::TempDir;

const BUCKET: &str = "shop";

fn place(key: &str) -> FilePlace {
    FilePlace {
        bucket: BUCKET.to_owned(),
        key: key.to_owned(),
    }
}

/// A bucket and a table that fail when told to.
struct Rig {
    shop: Shop,
    files: Faulty<MemoryFiles>,
    store: Faulty<MemoryStore>,
    last: Faulty<MemoryStore>,
    now_ms: Arc<AtomicI64>,
    work: TempDir,
}

impl Rig {
    fn new(shop: &Shop, plan: &Plan) -> Self {
        Self {
            shop: shop.clone(),
            files: Faulty::new(MemoryFiles::default(), plan),
            store: Faulty::new(MemoryStore::default(), plan),
            last: Faulty::new(MemoryStore::default(), plan),
            now_ms: Arc::new(AtomicI64::new(1_800_000_000_000)),
            work: tempfile::tempdir().expect("a folder"),
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) {
        let place = place(&format!("uploads/orders/{name}"));
        let put = self
            .files
            .inner
            .put_file(&place, Bytes::copy_from_slice(bytes));
        put.await.expect("memory");
    }

    async fn remove(&self, name: &str) {
        let place = place(&format!("uploads/orders/{name}"));
        let head = self.files.inner.head_file(&place, None).await;
        let head = head.expect("memory").expect("a file");
        let removed = self.files.inner.remove_file(&place, &head.version);
        removed.await.expect("memory");
    }

    fn text(&self, key: &str) -> Option<String> {
        let bytes = self.files.inner.file(&place(key))?;
        Some(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    async fn merge(&self, owner: &str, worker: usize) -> Result<Outcome, MergeError> {
        let merge = Merge {
            shop: &self.shop,
            bucket: BUCKET,
            files: &self.files,
            store: &self.store,
            clock: &SetClock::starting(&self.now_ms),
            owner,
            work: &self.work.path().join(worker.to_string()),
        };
        merge.run().await
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Whether the table holds what a clean load writes, and nothing else, bit for bit.
    async fn is_like(&self, clean: &Histories) {
        let expected = MemoryStore::default();
        let written = write_all(&expected, clean, &|_| ()).await;
        assert!(written.expect("memory").len() >= 3, "a shop with products");
        let customers = clean.customers().map(|found| found.expect("a history").0);
        self.kind_is_like(&expected, "customer", customers).await;
        let skus = clean.skus().map(|found| found.expect("a history").0);
        self.kind_is_like(&expected, "sku", skus).await;
        let totals = clean
            .category_totals()
            .map(|found| found.expect("a history").0);
        self.kind_is_like(&expected, "category", totals).await;
        let shelves = (0..64).map(|shelf| shelf.to_string());
        self.kind_is_like(&expected, "stock", shelves).await;
    }

    /// What merges leave behind goes.
    fn has_one_ledger(&self) {
        let places = self.files.inner.places();
        let ledgers = places
            .iter()
            .filter(|place| place.key.starts_with("merged/ledgers/"));
        assert_eq!(ledgers.count(), 1);
    }

    async fn kind_is_like(
        &self,
        expected: &MemoryStore,
        kind: &'static str,
        ids: impl Iterator<Item = String>,
    ) {
        let ids: BTreeSet<String> = ids.collect();
        let asked: Vec<&str> = ids.iter().map(String::as_str).collect();
        let table = &self.store.inner;
        let [found, clean] = [table.as_ref(), expected].map(|store| {
            let found = store.get_histories(kind, &asked);
            async { found.await.expect("memory") }
        });
        let (found, clean) = (found.await, clean.await);
        assert_eq!(found.complete_through, clean.complete_through, "{kind}");
        for (id, (found, clean)) in ids.iter().zip(found.records.iter().zip(&clean.records)) {
            assert!(found == clean, "{kind} {id}");
        }
        let strangers = table.retain_histories(kind, &|id| ids.contains(id)).await;
        assert_eq!(strangers, Ok(0), "{kind} that no file names");
    }
}

/// What a load of these files alone makes of them.
pub(crate) fn load(shop: &Shop, files: &[Delivered], folder: &Path) -> Histories {
    let data = folder.join("data");
    std::fs::create_dir_all(&data).expect("a folder");
    for file in files {
        std::fs::write(data.join(&file.name), &file.bytes).expect("a file");
    }
    let work = folder.join("work");
    let options = Options {
        data_root: Some(&data),
        ..Options::local(&work)
    };
    Histories::load(shop, &options).expect("a clean load")
}

/// Polls until the end: nobody wakes who waits for a store that lets others go first.
fn to_end<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

fn no_faults() -> Plan {
    Arc::new(Mutex::new(|| Fault::None))
}
