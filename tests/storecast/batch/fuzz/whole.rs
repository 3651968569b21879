//! Runs over the whole base: their manifest, their list of chunks, what each step is given, and the chunks.

use super::super::whole::Base;
use super::{Target, target};
use crate::batch::*;
use churn::Churn;
use inventory::Inventory;
use serving::batch::whole::{Base as Manifest, Chunk, Run};
use std::hint::black_box;
use std::rc::Rc;

/// A base of a function, and a run over it that was begun.
struct Begun<P: Predictor> {
    base: Base<P>,
    run: Run,
    chunks: Vec<Chunk>,
}

impl<P: Predictor> Begun<P> {
    async fn new() -> Self {
        let base = Base::<P>::new().await;
        let run = base.begin(None).await;
        let chunks = base.chunks(&run);
        Self { base, run, chunks }
    }

    fn file(&self, key: &str) -> Vec<u8> {
        let file = self.base.rig.files.file(&place(key));
        file.expect("a file of the base").to_vec()
    }

    /// Another bucket with the same files, of which one holds other bytes.
    async fn with(&self, key: &str, bytes: &[u8]) -> MemoryFiles {
        let files = MemoryFiles::default();
        for place in self.base.rig.files.places() {
            let kept = self.base.rig.files.file(&place).expect("listed");
            files.put_file(&place, kept).await.expect("memory");
        }
        let bytes = Bytes::copy_from_slice(bytes);
        files.put_file(&place(key), bytes).await.expect("memory");
        files
    }

    fn batch<'a>(
        &'a self,
        files: &'a MemoryFiles,
        clock: &'a SetClock,
    ) -> Batch<'a, MemoryFiles, MemoryFiles, Releases<P, MemoryStore>, SetClock> {
        Batch {
            files,
            claims: files,
            ..self.base.batch(clock)
        }
    }

    /// A run is begun by such a manifest, and ends by it.
    async fn begin(&self, manifest: &[u8]) {
        let files = self.with(&Manifest::key(P::NAME), manifest).await;
        let clock = self.base.clock();
        let batch = self.batch(&files, &clock);
        if let Ok(run) = batch.begin_whole(BUCKET, None).await {
            drop(black_box(batch.reconcile_whole(&run).await));
        }
    }

    /// The run ends by such a list of chunks.
    async fn list(&self, list: &[u8]) {
        let files = self.with(&self.run.base.chunks, list).await;
        let clock = self.base.clock();
        let batch = self.batch(&files, &clock);
        drop(black_box(batch.reconcile_whole(&self.run).await));
    }

    /// Steps are given such a run and such a chunk.
    async fn step(&self, event: &[u8]) {
        let Ok((run, chunk)) = serde_json::from_slice::<(Run, Chunk)>(event) else {
            return;
        };
        let key = Manifest::key(P::NAME);
        let files = self.with(&key, &self.file(&key)).await;
        let clock = self.base.clock();
        let batch = self.batch(&files, &clock);
        drop(black_box(batch.score_chunk(&run, &chunk).await));
        drop(black_box(batch.reconcile_whole(&run).await));
    }
}

/// Of one function; the others read the same files.
pub(super) fn whole() -> Vec<Target> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let skus = runtime.block_on(Begun::<Inventory>::new());
    let begun = Rc::new(runtime.block_on(Begun::<Churn>::new()));
    let customers = begun.chunks.iter().map(|chunk| begun.file(&chunk.key));
    let skus = skus.chunks.iter().map(|chunk| skus.file(&chunk.key));
    let chunks = customers.chain(skus).collect();
    let step = |chunk| serde_json::to_vec(&(&begun.run, chunk)).expect("JSON");
    let steps = begun.chunks.iter().map(step).collect();
    let manifest = begun.file(&Manifest::key(Churn::NAME));
    let list = begun.file(&begun.run.base.chunks);
    let of = |parse: fn(&Begun<Churn>, &[u8])| {
        let begun = Rc::clone(&begun);
        move |bytes: &[u8]| parse(&begun, bytes)
    };
    vec![
        target(
            "run-manifest",
            vec![manifest],
            of(|begun, bytes| tables::ready(begun.begin(bytes))),
        ),
        target(
            "chunk-list",
            vec![list],
            of(|begun, bytes| tables::ready(begun.list(bytes))),
        ),
        target(
            "run-step",
            steps,
            of(|begun, bytes| tables::ready(begun.step(bytes))),
        ),
        target("chunk-table", chunks, |bytes| {
            drop(black_box(tables::chunk_rows_of::<Churn>(bytes)));
            drop(black_box(tables::chunk_rows_of::<Inventory>(bytes)));
        }),
    ]
}
