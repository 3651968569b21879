//! Chunks that are written again while a run is over them, in a bucket whose tags tell each write from the last.

use super::super::faults::{Fault, Faulty, Plan};
use super::super::kills::small_limits;
use super::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[tokio::test]
async fn a_base_that_is_written_again_is_the_one_that_the_run_began_with() {
    let mut base = Base::<Churn>::new().await;
    base.rig.files = MemoryFiles::tagging_each_write();
    chunked::<Churn>(&base.rig.files, CHUNK_ROWS).await;
    let run = base.begin(Some(NOW)).await;
    let chunks = base.chunks(&run);
    base.score(&run, &chunks[0]).await.expect("scored");
    let place_of_first = place(&chunks[0].key);
    let tag = async || {
        let head = base.rig.files.head_file(&place_of_first, None).await;
        head.expect("memory").expect("a chunk").version.etag
    };
    let before = tag().await;
    chunked::<Churn>(&base.rig.files, CHUNK_ROWS).await;
    assert_ne!(tag().await, before);
    assert_eq!(base.chunks(&run), chunks);
    let again = base.score(&run, &chunks[0]).await.expect("known");
    assert!(matches!(again, Outcome::Duplicate(_)), "{again:?}");
    for chunk in &chunks[1..] {
        let outcome = base.score(&run, chunk).await.expect("nothing fails");
        assert!(matches!(outcome, Outcome::Scored(_)), "{outcome:?}");
    }
    assert!(base.reconcile(&run).await.is_balanced());
}

/// Scores the only chunk, which is written again after so many calls of a store: its answers, and how often it had to be asked for
/// again.
async fn scored_while_written(calls: usize) -> (Bytes, usize) {
    let plan: Plan = Arc::new(Mutex::new(|| Fault::None));
    let mut base = Base::<Churn>::new().await;
    base.rig.files = MemoryFiles::tagging_each_write();
    chunked::<Churn>(&base.rig.files, CUSTOMERS.len()).await;
    let run = base.begin(Some(NOW)).await;
    let chunk = base.chunks(&run).remove(0);
    let (at, bytes, clock) = (place(&chunk.key), base.bytes(&chunk.key), base.clock());
    let files = Faulty::new(base.rig.files, &plan);
    let batch = Batch {
        files: &files,
        claims: &files,
        services: &base.rig.releases,
        clock: &clock,
        owner: "child",
        limits: small_limits(),
    };
    let (mut left, mut refused) = (calls, 0);
    for _ in 0..3 {
        let mut scoring = pin!(batch.score_chunk(&run, &chunk));
        let mut context = Context::from_waker(Waker::noop());
        let ended = loop {
            if left == 0 {
                let written = files.inner.put_file(&at, bytes.clone());
                written.await.expect("memory");
            }
            left = left.wrapping_sub(1);
            if let Poll::Ready(ended) = scoring.as_mut().poll(&mut context) {
                break ended;
            }
        };
        match ended {
            Ok((Outcome::Scored(found), _)) => {
                assert_eq!(found, counts(CUSTOMERS.len() as u64, 0));
                let answers = place(&format!("scored/churn/whole/{}/00000.parquet", run.name));
                return (files.inner.file(&answers).expect("answers"), refused);
            }
            Err(Error::Retry { what, .. }) => {
                assert_eq!(what, "the chunk was written while it was read");
                refused += 1;
            }
            other => panic!("written after {calls} calls: {other:?}"),
        }
    }
    panic!("written after {calls} calls: it never ends")
}

#[tokio::test]
async fn a_chunk_that_is_written_while_it_is_read_is_tried_again() {
    let (expected, refused) = scored_while_written(usize::MAX).await;
    assert_eq!(refused, 0);
    let mut all = 0;
    for calls in 0..60 {
        let (found, refused) = scored_while_written(calls).await;
        assert!(found == expected, "written after {calls} calls");
        all += refused;
    }
    assert!(all > 10, "{all} of 60 noticed");
}
