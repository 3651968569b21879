//! One suite per port. An adapter belongs to the project when it passes the suites of its ports.
//!
//! Each suite wants a store in which nothing was written under the names it uses (kinds `customer` and `sku`, keys
//! below `conformance/`, pointers and sets below `conformance/`, predictions of `conformance` and `other`), and panics with what was expected. Stores that answer reads
//! from replicas are to be handed over in the mode that reads their own writes.

pub mod batch;
mod pointers;
mod predictions;
mod race;
mod removal;
mod sets;

use crate::ports::{ArtifactStore, HistoryStore, PointerStore};
use bytes::Bytes;
use features::time::Timestamp;
pub use predictions::predictions;
use race::{all, only_winner};
pub use sets::sets;

/// Ids that break naive file names, keys and encodings. Beside each other: capitals, and one letter in two Unicode
/// normal forms.
const AWKWARD_IDS: [&str; 14] = [
    "plain",
    "Plain",
    "größe-ß",
    "顧客-42",
    "🛒",
    "\u{e9}",
    "e\u{301}",
    "a/b",
    "../up",
    "..",
    ".",
    "100%25",
    "two words#and+signs",
    "line\nbreak",
];

/// Everything [`HistoryStore`] promises.
pub async fn histories(store: &impl HistoryStore) {
    unknown_ids_and_kinds(store).await;
    answers_follow_the_question(store).await;
    awkward_ids_stay_apart(store).await;
    overwrites_and_sizes(store).await;
    kinds_are_apart(store).await;
    removal::of_others(store).await;
    removal::of_named(store).await;
}

async fn get(store: &impl HistoryStore, kind: &'static str, ids: &[&str]) -> Vec<Option<Bytes>> {
    store
        .get_histories(kind, ids)
        .await
        .expect("get histories")
        .records
}

async fn put(store: &impl HistoryStore, kind: &'static str, records: &[(&str, &[u8])]) {
    let records: Vec<_> = records
        .iter()
        .map(|(id, bytes)| ((*id).to_owned(), Bytes::copy_from_slice(bytes)))
        .collect();
    store
        .put_histories(kind, &records)
        .await
        .expect("put histories");
}

async fn unknown_ids_and_kinds(store: &impl HistoryStore) {
    let found = store
        .get_histories("customer", &["nobody", "nobody either"])
        .await
        .expect("ask for unknown ids");
    assert_eq!(found.records, [None, None], "an unknown id has no record");
    assert_eq!(
        found.complete_through, None,
        "nothing was loaded, so nothing is complete"
    );
    assert_eq!(get(store, "customer", &[]).await, [], "no id, no record");
    put(store, "customer", &[]).await;
    let removed = store
        .retain_histories("sku", &|_| false)
        .await
        .expect("retain in an empty kind");
    assert_eq!(removed, 0, "an empty kind has nothing to remove");
}

async fn answers_follow_the_question(store: &impl HistoryStore) {
    // More than one call of any batch interface takes (100 keys read, 25 written).
    let ids: Vec<String> = (0..130).map(|i| format!("customer-{i}")).collect();
    let records: Vec<_> = ids
        .iter()
        .map(|id| (id.clone(), Bytes::from(format!("record of {id}"))))
        .collect();
    store
        .put_histories("customer", &records)
        .await
        .expect("put 130 histories");
    let mut asked: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    asked.insert(7, "nobody");
    asked.push("customer-3");
    asked.push("customer-3");
    asked.push("nobody");
    let found = get(store, "customer", &asked).await;
    assert_eq!(
        found.len(),
        asked.len(),
        "one answer per id asked, repeated ids included"
    );
    for (id, record) in asked.iter().zip(found) {
        let expected = (*id != "nobody").then(|| Bytes::from(format!("record of {id}")));
        assert_eq!(record, expected, "answer for {id} among 130 ids");
    }
}

async fn awkward_ids_stay_apart(store: &impl HistoryStore) {
    let long = "é".repeat(500);
    let ids: Vec<&str> = AWKWARD_IDS.into_iter().chain([long.as_str()]).collect();
    for (index, id) in ids.iter().enumerate() {
        put(store, "customer", &[(id, index.to_string().as_bytes())]).await;
    }
    let found = get(store, "customer", &ids).await;
    for (index, (id, record)) in ids.iter().zip(found).enumerate() {
        assert_eq!(
            record,
            Some(Bytes::from(index.to_string())),
            "record of id {id:?}"
        );
    }
    // A customer may carry any name that a store uses for its own bookkeeping.
    assert_eq!(
        get(store, "customer", &["meta", "customer", ""]).await,
        [None, None, None]
    );
}

async fn overwrites_and_sizes(store: &impl HistoryStore) {
    put(
        store,
        "customer",
        &[("twice", b"first"), ("other", b"kept")],
    )
    .await;
    put(store, "customer", &[("twice", b"second")]).await;
    put(
        store,
        "customer",
        &[("same call", b"first"), ("same call", b"second")],
    )
    .await;
    put(store, "customer", &[("empty", b"")]).await;
    let large = vec![0xA5; 300_000];
    put(store, "customer", &[("large", &large)]).await;
    let found = get(
        store,
        "customer",
        &["twice", "other", "same call", "empty", "large"],
    )
    .await;
    assert_eq!(
        found[0].as_deref(),
        Some(&b"second"[..]),
        "a record is replaced"
    );
    assert_eq!(
        found[1].as_deref(),
        Some(&b"kept"[..]),
        "its neighbour is not"
    );
    assert_eq!(
        found[2].as_deref(),
        Some(&b"second"[..]),
        "the last record of an id in one call wins"
    );
    assert_eq!(
        found[3].as_deref(),
        Some(&b""[..]),
        "an empty record is not an unknown one"
    );
    assert_eq!(
        found[4].as_deref(),
        Some(&large[..]),
        "300 kB come back whole"
    );
}

async fn kinds_are_apart(store: &impl HistoryStore) {
    let (first, later) = (Timestamp(1_600_000_000), Timestamp(-1));
    store
        .set_complete_through("customer", first)
        .await
        .expect("stamp");
    let stamp = async |kind, ids| {
        store
            .get_histories(kind, ids)
            .await
            .expect("read a stamp")
            .complete_through
    };
    assert_eq!(
        stamp("customer", &["plain"]).await,
        Some(first),
        "the stamp comes with the records"
    );
    assert_eq!(stamp("customer", &[]).await, Some(first), "and without any");
    assert_eq!(
        stamp("sku", &["plain"]).await,
        None,
        "another kind has its own stamp"
    );
    store
        .set_complete_through("customer", later)
        .await
        .expect("stamp again");
    assert_eq!(
        stamp("customer", &["nobody"]).await,
        Some(later),
        "a stamp is replaced, also by an earlier one"
    );
    put(store, "sku", &[("plain", b"a thing")]).await;
    assert_eq!(
        get(store, "sku", &["plain", "Plain"]).await,
        [Some(Bytes::from("a thing")), None]
    );
    assert_eq!(
        get(store, "customer", &["plain"]).await,
        [Some(Bytes::from("0"))],
        "equal ids of two kinds are two"
    );
}

/// Everything [`ArtifactStore`] promises.
pub async fn artifacts(store: &impl ArtifactStore) {
    let key = "conformance/models/churn/v1/model.onnx";
    let get = async |key: &str| store.get_artifact(key).await.expect("get artifact");
    let put = async |key: &str, bytes: &[u8]| {
        store
            .put_artifact(key, Bytes::copy_from_slice(bytes))
            .await
            .expect("put artifact")
    };
    assert_eq!(get(key).await, None, "an unknown key has no file");
    assert!(put(key, b"one").await, "a new key is written");
    assert!(!put(key, b"two").await, "a key is written once");
    assert_eq!(
        get(key).await.as_deref(),
        Some(&b"one"[..]),
        "the first content stays"
    );
    assert!(!put(key, b"one").await, "equal content is no exception");
    assert!(put("conformance/empty.json", b"").await);
    assert_eq!(
        get("conformance/empty.json").await.as_deref(),
        Some(&b""[..]),
        "an empty file is a file"
    );
    let awkward = "conformance/größe 100%25+/🛒.json";
    assert!(put(awkward, b"cart").await, "keys may hold any text");
    assert_eq!(get(awkward).await.as_deref(), Some(&b"cart"[..]));
    let big: Vec<u8> = (0..3_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    assert!(put("conformance/big.bin", &big).await, "3 MB are written");
    assert!(
        get("conformance/big.bin")
            .await
            .is_some_and(|found| found == big),
        "3 MB come back byte for byte"
    );
    for round in 0..8 {
        one_writer_of(store, &format!("conformance/raced {round}")).await;
    }
}

/// Sixteen concurrent writes of one new key, each long enough to meet the others: one wins, and its content stays.
async fn one_writer_of(store: &impl ArtifactStore, key: &str) {
    let contents: Vec<Bytes> = (0..16u8)
        .map(|writer| Bytes::from(vec![writer; 200_000]))
        .collect();
    let writes = contents
        .iter()
        .map(|content| store.put_artifact(key, content.clone()));
    let winner = only_winner("put_artifact", all(writes).await);
    let found = store
        .get_artifact(key)
        .await
        .expect("get the raced artifact");
    assert!(
        found.as_ref() == Some(&contents[winner]),
        "the winner's content stays at {key}"
    );
}

/// Everything [`PointerStore`] promises.
pub async fn pointers(store: &impl PointerStore) {
    let (name, other) = ("conformance/churn/größe", "conformance/policy");
    let get = async |names: &[&str]| store.get_pointers(names).await.expect("get pointers");
    let set = async |name, expected, value| {
        store
            .set_pointer(name, expected, value)
            .await
            .expect("set pointer")
    };
    assert_eq!(
        get(&[name, other]).await,
        [None, None],
        "an unknown pointer has no value"
    );
    assert_eq!(get(&[]).await, [], "no name, no value");
    assert!(
        !set(name, Some("v0"), "v1").await,
        "a pointer that is not there is not `v0`"
    );
    assert!(set(name, None, "v1").await, "a new pointer is set");
    assert!(
        !set(name, None, "v2").await,
        "an existing pointer is not new"
    );
    assert!(
        !set(name, Some("v0"), "v2").await,
        "a wrong expectation changes nothing"
    );
    assert_eq!(
        get(&[other, name, other, name]).await,
        [None, Some("v1".into()), None, Some("v1".into())]
    );
    assert!(
        set(name, Some("v1"), "v2").await,
        "the right expectation does"
    );
    assert!(
        set(name, Some("v2"), "v2").await,
        "a pointer may be set to what it is"
    );
    assert_eq!(get(&[name]).await, [Some("v2".into())]);
    let many: Vec<String> = (0..130).map(|i| format!("conformance/many/{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain([name]).collect();
    assert_eq!(
        get(&many).await.last(),
        Some(&Some("v2".into())),
        "131 names in one call"
    );

    pointers::together(store).await;
    one_winner_of(store, 16).await;
}

/// `writers` concurrent compare-and-sets from one value: one wins, and its value stays. Twenty rounds, from a new
/// pointer on.
pub async fn one_winner_of(store: &impl PointerStore, writers: usize) {
    let name = format!("conformance/raced by {writers}");
    let name = name.as_str();
    let mut now: Option<String> = None;
    for round in 0..20 {
        let values: Vec<String> = (0..writers)
            .map(|writer| format!("round {round} writer {writer}"))
            .collect();
        let attempts = values
            .iter()
            .map(|value| store.set_pointer(name, now.as_deref(), value));
        let winner = only_winner("set_pointer", all(attempts).await);
        let found = store
            .get_pointers(&[name])
            .await
            .expect("get the raced pointer");
        assert_eq!(
            found,
            [Some(values[winner].clone())],
            "the winner's value stays, round {round}"
        );
        now = Some(values[winner].clone());
    }
}
