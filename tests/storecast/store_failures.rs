//! A store that fails: what the caller may know of it.

use crate::api::refused;
use crate::shop::{self, call};
use bytes::Bytes;
use churn::Churn;
use features::time::Timestamp;
use serving::ports::{Histories, HistoryStore, StoreError};
use serving::service::Service;

/// A store that fails every read, with a reason that is nobody's business.
struct Failing(fn(&'static str, &'static str, &'static str) -> StoreError);

impl HistoryStore for Failing {
    async fn get_histories(&self, _: &'static str, _: &[&str]) -> Result<Histories, StoreError> {
        Err(self.0(
            "get",
            "table-of-account-123456789012",
            "connection refused by 10.1.2.3",
        ))
    }

    async fn put_histories(
        &self,
        _: &'static str,
        _: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        unreachable!("requests do not write")
    }

    async fn retain_histories(
        &self,
        _: &'static str,
        _: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        unreachable!("requests do not write")
    }

    async fn remove_histories(&self, _: &'static str, _: &[&str]) -> Result<(), StoreError> {
        unreachable!("requests do not write")
    }

    async fn set_complete_through(&self, _: &'static str, _: Timestamp) -> Result<(), StoreError> {
        unreachable!("requests do not write")
    }
}

#[tokio::test]
async fn a_failing_store_is_told_apart_and_its_reason_kept() {
    let away = Failing(StoreError::unavailable);
    let broken = Failing(StoreError::broken);
    for (store, status, kind, retry_after) in [
        (away, 503, "unavailable", Some("1")),
        (broken, 500, "internal", None),
    ] {
        let service = Service::<Churn, _>::new(store, Ok(shop::served::<Churn>().await.into()));
        let answer = call(&service, "GET", "/v1/customers/1/churn", "").await;
        refused(&answer, status, kind);
        assert_eq!(answer.header("retry-after"), retry_after);
        let text = answer.body.to_string();
        assert!(
            !text.contains("account") && !text.contains("10.1.2.3"),
            "{text}"
        );
    }
}
