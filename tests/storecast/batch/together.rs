//! Rows of a chunk are read together, and answered alone.

use super::faults::{Fault, Faulty, Plan};
use super::*;
use inventory::Inventory;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn to_end<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

async fn over(plan: Plan) -> Service<Inventory, Faulty<MemoryStore>> {
    let inner = Arc::new(filled().await);
    Service::new(Faulty { inner, plan }, Ok(shop::served().await))
}

fn body(row: usize) -> String {
    let ids = [shop::FAST, shop::SLOW, shop::NEW, "nothing"];
    format!(
        "{{\"skus\": [{{\"sku_id\": \"{}\", \"on_hand\": {row}}}]}}",
        ids[row % 4]
    )
}

#[tokio::test]
async fn a_chunk_reads_once_per_kind_and_answers_as_the_api_does() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let counting: Plan = Arc::new(Mutex::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Fault::None
    }));
    let service = over(counting).await;
    let parse = |row| Inventory::parse(body(row).as_bytes()).expect("a request");
    let requests: Vec<_> = (0..300).map(parse).collect();
    let answered = to_end(service.answer_rows(&requests, NOW)).expect("answers");
    assert_eq!(
        calls.load(Ordering::Relaxed),
        2,
        "SKUs, then their categories"
    );
    let alone = shop::service::<Inventory>().await;
    for row in 0..8 {
        let expected = alone.handle_direct(body(row).as_bytes(), "r", NOW).await;
        let (expected, _) = expected.expect("an answer");
        assert_eq!(
            answered.answers[row].as_ref().expect("an answer"),
            &expected
        );
    }
    assert_eq!(
        to_end(service.answer_rows(&[], NOW))
            .expect("none")
            .answers
            .len(),
        0
    );
}

#[tokio::test]
async fn a_store_that_fails_fails_the_chunk_and_rejects_no_row() {
    let service = over(Arc::new(Mutex::new(|| Fault::Before))).await;
    let request = Inventory::parse(body(0).as_bytes()).expect("a request");
    let error = to_end(service.answer_rows(&[request], NOW)).expect_err("a failure");
    assert!(matches!(error, Error::Retry { .. }), "{error}");
}
