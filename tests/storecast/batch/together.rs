//! Rows of a chunk are read together, and answered alone.

use super::faults::{Fault, Faulty, Plan};
use super::*;
use inventory::{Inventory, SKU};
use recommendations::Recommendations;
use serving::service::{Brought, Shared};
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

async fn over<P: Predictor>(plan: Plan) -> Service<P, Faulty<MemoryStore>> {
    let inner = Arc::new(filled().await);
    Service::new(
        Faulty {
            inner,
            plan,
            markers: Arc::default(),
        },
        Ok(Arc::new(shop::served().await)),
    )
}

fn body(row: usize) -> String {
    let ids = [shop::FAST, shop::SLOW, shop::NEW, "nothing"];
    format!(
        "{{\"skus\": [{{\"sku_id\": \"{}\", \"on_hand\": {row}}}]}}",
        ids[row % 4]
    )
}

fn shelf(row: usize) -> String {
    let ids = [shop::STEADY, shop::FADING, "nobody"];
    let surface = ["home", "discover"][row % 2];
    format!(
        "{{\"customer_id\": \"{}\", \"surface\": \"{surface}\"}}",
        ids[row % 3]
    )
}

/// A plan under which nothing fails, and the number of calls.
fn counting() -> (Arc<AtomicUsize>, Plan) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let plan: Plan = Arc::new(Mutex::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Fault::None
    }));
    (calls, plan)
}

/// `reads` calls of the store, whatever the number of rows, and every answer is the API's.
async fn a_chunk_is_read_together_and_answered_alone<P: Predictor>(
    body: fn(usize) -> String,
    reads: usize,
) {
    let (calls, counting) = counting();
    let service = over::<P>(counting).await;
    let parse = |row| P::parse(body(row).as_bytes()).expect("a request");
    let requests: Vec<_> = (0..300).map(parse).collect();
    let answered = to_end(service.answer_rows(&requests, NOW)).expect("answers");
    assert_eq!(calls.load(Ordering::Relaxed), reads);
    let alone = shop::service::<P>().await;
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
async fn rows_of_inventory_read_skus_and_then_their_categories() {
    a_chunk_is_read_together_and_answered_alone::<Inventory>(body, 2).await;
}

#[tokio::test]
async fn rows_of_recommendations_read_customers_and_then_stock() {
    a_chunk_is_read_together_and_answered_alone::<Recommendations>(shelf, 2).await;
}

#[tokio::test]
async fn categories_of_a_chunk_are_read_for_the_first_of_its_rows() {
    let (calls, counting) = counting();
    let service = over::<Inventory>(counting).await;
    let ids = [shop::FAST, shop::SLOW, shop::NEW];
    let found = filled().await.get_histories(SKU, &ids).await;
    let found = found.expect("memory");
    let mut shared = Shared::of(Inventory::SHARED_KINDS);
    for (rows, reads) in [(0..2, 1), (0..2, 1), (0..3, 2), (1..3, 2)] {
        let own = rows.clone().map(|row| {
            let record = found.records[row].clone().expect("a record");
            (ids[row].to_owned(), record)
        });
        let brought = Brought {
            kind: SKU,
            records: own.collect(),
            complete_through: found.complete_through.expect("a stamp"),
            shared: &mut shared,
        };
        let requests: Vec<_> = rows
            .map(|row| Inventory::parse(body(row).as_bytes()).expect("a request"))
            .collect();
        let with = service.answer_rows_with(&requests, NOW, Some(brought));
        let answered = to_end(with).expect("answers");
        assert_eq!(calls.load(Ordering::Relaxed), reads);
        let without = shop::service::<Inventory>().await;
        let expected = to_end(without.answer_rows(&requests, NOW)).expect("answers");
        for (found, expected) in answered.answers.iter().zip(&expected.answers) {
            let both = (found.as_ref().ok(), expected.as_ref().ok());
            assert!(both.0.is_some() && both.0 == both.1, "{both:?}");
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_fails_the_chunk_and_rejects_no_row() {
    let service = over::<Inventory>(Arc::new(Mutex::new(|| Fault::Before))).await;
    let request = Inventory::parse(body(0).as_bytes()).expect("a request");
    let error = to_end(service.answer_rows(&[request], NOW)).expect_err("a failure");
    assert!(matches!(error, Error::Retry { .. }), "{error}");
}
