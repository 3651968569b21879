//! How often the store is asked.

use crate::shop::{Shop, TODAY, instant, policy};
use bytes::Bytes;
use features::time::Timestamp;
use recommendations::CUSTOMER;
use recommendations::stock::LEVELS;
use serving::ports::{Histories, HistoryStore, MemoryStore, StoreError};
use serving::service::Service;
use std::sync::{Arc, Mutex};

/// A store that notes the kinds it is asked for.
struct Noted<'a> {
    store: MemoryStore,
    asked: &'a Mutex<Vec<&'static str>>,
}

impl HistoryStore for Noted<'_> {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        self.asked.lock().expect("no panic").push(kind);
        self.store.get_histories(kind, ids).await
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        self.store.put_histories(kind, records).await
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        self.store.retain_histories(kind, keep).await
    }

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        self.store.remove_histories(kind, ids).await
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.set_complete_through(kind, instant).await
    }
}

#[tokio::test]
async fn the_stock_of_the_whole_catalogue_is_read_once_and_kept_for_seconds() {
    let shop = Shop {
        customers: vec![(0..8).map(|week| (7 * week, (0..20).collect())).collect()],
        stock: vec![Some(5); 20],
        stock_age_days: 0,
    };
    let asked = Mutex::new(Vec::new());
    let store = Noted {
        store: shop.store().await,
        asked: &asked,
    };
    let service = Service::new(store, Ok(Arc::new(shop.served(&policy()))));
    let body = br#"{ "customer_id": "0" }"#;
    // Kept for ten seconds.
    for (seconds, reads) in [(0, 2), (9, 1), (10, 1), (11, 2)] {
        let now = Timestamp(instant(TODAY).0 + seconds);
        service
            .handle_direct(body, "request-1", now)
            .await
            .expect("an answer");
        let kinds = std::mem::take(&mut *asked.lock().expect("no panic"));
        assert_eq!(kinds, &[CUSTOMER, LEVELS][..reads], "after {seconds} s");
    }
}
