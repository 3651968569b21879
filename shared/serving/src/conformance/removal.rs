//! Records that go.

use super::{AWKWARD_IDS, get};
use crate::ports::HistoryStore;
use bytes::Bytes;
use features::time::Timestamp;

/// All but some.
pub(super) async fn of_others(store: &impl HistoryStore) {
    // 130 numbered, 15 awkward and 5 named records are there by now.
    let removed = store
        .retain_histories("customer", &|id| !id.starts_with("customer-"))
        .await
        .expect("retain");
    assert_eq!(removed, 130, "records removed");
    let found = store
        .get_histories("customer", &["customer-0", "plain", "../up"])
        .await
        .expect("get");
    assert_eq!(
        found.records,
        [None, Some(Bytes::from("0")), Some(Bytes::from("8"))],
        "kept records stay as they were"
    );
    assert_eq!(
        found.complete_through,
        Some(Timestamp(-1)),
        "the stamp is no record"
    );
    let named = |id: &str| AWKWARD_IDS.contains(&id);
    let removed = store
        .retain_histories("customer", &named)
        .await
        .expect("retain the awkward ids");
    assert_eq!(removed, 6, "every id is shown to `keep` as it was put");
    assert_eq!(
        get(store, "sku", &["plain"]).await,
        [Some(Bytes::from("a thing"))],
        "another kind is untouched"
    );
}

/// Some, by their ids; the awkward ones are there.
pub(super) async fn of_named(store: &impl HistoryStore) {
    let (gone, kept) = AWKWARD_IDS.split_at(AWKWARD_IDS.len() - 2);
    let asked: Vec<&str> = gone.iter().copied().chain(["nobody"]).collect();
    for _ in 0..2 {
        let removed = store.remove_histories("customer", &asked).await;
        removed.expect("remove records, whether they are there or not");
    }
    let nothing = store.remove_histories("customer", &[]).await;
    nothing.expect("no id, nothing to remove");
    let found = get(store, "customer", gone).await;
    assert!(found.iter().all(Option::is_none), "{found:?}");
    let found = get(store, "customer", kept).await;
    assert!(found.iter().all(Option::is_some), "{found:?}");
    assert_eq!(
        get(store, "sku", &["plain"]).await,
        [Some(Bytes::from("a thing"))],
        "another kind is untouched"
    );
}
