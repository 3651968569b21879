//! A customer with more orders than a stored history holds.

use super::{Folder, HEADER, by_customer, reconcile};
use churn::CUSTOMER;
use features::codec;
use offline::histories::RECORD_LIMIT_BYTES;
use offline::store::write_all;
use serving::ports::{HistoryStore, MemoryStore};
use std::fmt::Write as _;

/// Takes more than 20 bytes each: order, time, product, quantity, amount.
const ORDERS: usize = 25_000;

fn folder() -> Folder {
    let mut rows = String::from(HEADER);
    for order in 0..ORDERS {
        let (day, hour, minute) = (1 + order / 1440, order / 60 % 24, order % 60);
        let line = format!(
            "giant-order-{order},giant,2024-01-{day:02} {hour:02}:{minute:02},p{},1,10.00",
            order % 5_000
        );
        writeln!(rows, "{line}").unwrap();
    }
    rows.push_str("o1,small,2024-01-02 10:00,p1,1,10.00\n");
    Folder::new().file("a.csv", rows)
}

#[tokio::test]
async fn its_oldest_orders_are_left_out_before_anybody_sees_them() {
    let folder = folder();
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let counts = histories.counts();
    let left_out = counts.orders_left_out;
    assert_eq!((counts.customers, counts.shortened), (2, 1));
    assert_eq!(counts.orders + left_out, ORDERS as u64 + 1);
    assert_eq!(
        counts.dropped["too old for the size of a history"], left_out,
        "one line each"
    );
    let note = format!(
        "1 customers have more orders than the 390000 bytes of a history hold: their {left_out} oldest"
    );
    assert!(
        histories.notes().iter().any(|n| n.starts_with(&note)),
        "{:?}",
        histories.notes()
    );

    let customers = by_customer(&histories);
    let kept = customers["giant"].orders();
    assert_eq!(kept.len() as u64, ORDERS as u64 - left_out);
    assert_eq!(
        kept[0].order_id,
        format!("giant-order-{left_out}"),
        "the newest stay"
    );
    assert_eq!(customers["small"].orders().len(), 1);

    // What training reads is what the store gets, byte for byte.
    let store = MemoryStore::default();
    write_all(&store, &histories, &|_| ()).await.unwrap();
    let found = store
        .get_histories(CUSTOMER, &["giant", "small"])
        .await
        .unwrap();
    for (id, record) in ["giant", "small"].iter().zip(found.records) {
        let record = record.unwrap();
        assert!(record.len() <= RECORD_LIMIT_BYTES);
        assert_eq!(record, codec::encode(&customers[*id]));
    }
    let again = folder.load().unwrap();
    assert!(again.is_reused() && again.counts() == counts && again.notes() == histories.notes());
}
