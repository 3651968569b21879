//! The suites of files and claims.

use super::race::{all, only_winner};
use crate::batch::claim::{Claim, Counts, Left, State};
use crate::batch::ports::{
    ClaimStore, FileArchive, FilePlace, FileStore, FileVersion, Listed, Piece,
};
use crate::registry::{ModelPointer, Pins, PolicyPointer};
use bytes::Bytes;

/// The least size of a part that is not the last.
const PART: usize = 5 * 1024 * 1024;

/// Everything [`FileStore`] promises, in a bucket where nothing lies below `conformance/`.
pub async fn files(store: &impl FileStore, bucket: &str) {
    let place = |key: &str| FilePlace {
        bucket: bucket.to_owned(),
        key: format!("conformance/{key}"),
    };
    whole_files(store, &place("größe 100%25+ & 🛒.csv")).await;
    ranges(store, &place("ranges")).await;
    parts(store, &place("parts")).await;
    given_up(store, &place("given up")).await;
}

async fn put(store: &impl FileStore, place: &FilePlace, bytes: &[u8]) -> FileVersion {
    store
        .put_file(place, Bytes::copy_from_slice(bytes))
        .await
        .expect("put a file");
    let head = store.head_file(place, None).await.expect("head a file");
    let head = head.expect("a file that was put");
    assert_eq!(head.size, bytes.len() as u64);
    head.version
}

async fn read(
    store: &impl FileStore,
    place: &FilePlace,
    version: &FileVersion,
    range: std::ops::Range<u64>,
) -> Option<Bytes> {
    match store
        .read_file(place, version, range)
        .await
        .expect("read a file")
    {
        Piece::Bytes(bytes) => Some(bytes),
        Piece::Changed => None,
    }
}

async fn whole_files(store: &impl FileStore, place: &FilePlace) {
    assert_eq!(store.head_file(place, None).await, Ok(None), "nothing yet");
    let first = put(store, place, b"first").await;
    assert!(!first.etag.contains('"'), "{first:?}");
    let second = put(store, place, b"second").await;
    assert_ne!(first, second, "another content is another version");
    let found = read(store, place, &second, 0..6).await;
    assert_eq!(found.as_deref(), Some(&b"second"[..]), "a key is replaced");
    if second.version_id.is_none() {
        let found = read(store, place, &first, 0..5).await;
        assert_eq!(found, None, "the first content is gone, and that is said");
    }
    put(store, place, b"").await;
}

async fn ranges(store: &impl FileStore, place: &FilePlace) {
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let version = put(store, place, &bytes).await;
    for (from, to) in [(0, 1), (0, 100_000), (99_999, 100_000), (12_345, 67_890)] {
        let found = read(store, place, &version, from..to).await;
        let expected = &bytes[from as usize..to as usize];
        assert!(found.as_deref() == Some(expected), "bytes {from} to {to}");
    }
    let nowhere = FilePlace {
        key: "conformance/nowhere".to_owned(),
        ..place.clone()
    };
    let found = read(store, &nowhere, &version, 0..1).await;
    assert_eq!(found, None, "a file that is gone has changed");
}

async fn parts(store: &impl FileStore, place: &FilePlace) {
    let before = put(store, place, b"before").await;
    let upload = store.begin_upload(place).await.expect("begin an upload");
    let mut parts = Vec::new();
    for (number, size) in [(1, PART), (2, PART + 1), (3, 7)] {
        let bytes = Bytes::from(vec![number as u8; size]);
        // Written twice, as after a lost answer: the last one counts.
        for bytes in [Bytes::from(vec![9; size]), bytes] {
            let part = store.put_part(place, &upload, number, bytes);
            let part = part.await.expect("put a part").expect("an upload");
            assert_eq!(part.number, number);
            parts.truncate(number as usize - 1);
            parts.push(part);
        }
    }
    let found = read(store, place, &before, 0..6).await;
    assert_eq!(
        found.as_deref(),
        Some(&b"before"[..]),
        "nobody sees half a file"
    );
    let completed = store.complete_upload(place, &upload, &parts).await;
    assert_eq!(completed, Ok(true));
    let head = store.head_file(place, None).await.expect("head");
    let head = head.expect("a completed file");
    assert_eq!(head.size, 2 * PART as u64 + 8);
    let (end, at) = (head.size, PART as u64);
    let found = read(store, place, &head.version, at - 1..at + 1).await;
    assert_eq!(found.as_deref(), Some(&[1, 2][..]), "parts in their order");
    let found = read(store, place, &head.version, end - 8..end).await;
    assert_eq!(found.as_deref(), Some(&[2, 3, 3, 3, 3, 3, 3, 3][..]));
}

async fn given_up(store: &impl FileStore, place: &FilePlace) {
    let upload = store.begin_upload(place).await.expect("begin an upload");
    let part = store.put_part(place, &upload, 1, Bytes::from("part"));
    let part = part.await.expect("put a part").expect("an upload");
    store
        .abort_upload(place, &upload)
        .await
        .expect("give an upload up");
    let late = store.put_part(place, &upload, 1, Bytes::from("late"));
    // S3 says that there is no such upload; servers that stand in for it may refuse without saying why.
    let late = late.await;
    assert!(
        !matches!(late, Ok(Some(_))),
        "what was given up takes no part"
    );
    let late = store.complete_upload(place, &upload, &[part]).await;
    assert_ne!(late, Ok(true), "what was given up cannot be completed");
    assert_eq!(store.head_file(place, None).await, Ok(None));
}

/// Everything [`FileArchive`] promises, in a bucket where nothing lies below `archived/`.
pub async fn archive(store: &impl FileArchive, bucket: &str) {
    let place = |key: &str| FilePlace {
        bucket: bucket.to_owned(),
        key: format!("archived/{key}"),
    };
    let list = async |prefix: &str| {
        let listed = store.list_files(bucket, prefix).await.expect("list");
        let name = |listed: Listed| (listed.place.key, listed.head.size, listed.head.version.etag);
        listed.into_iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(list("archived/").await, [], "nothing yet");
    let (a, b) = (place("a/größe 100%25+.csv"), place("b"));
    let first = put(store, &a, b"first").await;
    let other = put(store, &b, b"").await;
    let found = list("archived/").await;
    let expected = [
        (a.key.clone(), 5, first.etag.clone()),
        (b.key.clone(), 0, other.etag.clone()),
    ];
    assert_eq!(found, expected, "by key, with size and content");
    assert_eq!(list("archived/a/").await, expected[..1], "by prefix");
    let replace = async |expected: &FileVersion, bytes: &'static str| {
        let replaced = store.replace_file(&a, expected, Bytes::from(bytes));
        replaced.await.expect("replace a file")
    };
    assert!(replace(&first, "second").await);
    assert!(!replace(&first, "third").await, "it holds another content");
    let contents = store.list_contents(bucket, "archived/").await;
    let contents = contents.expect("list contents");
    let current = contents.iter().filter(|listed| listed.is_current);
    let current: Vec<(&str, u64)> = current
        .map(|listed| (listed.place.key.as_str(), listed.head.size))
        .collect();
    assert_eq!(current, [(a.key.as_str(), 6), (b.key.as_str(), 0)]);
    for listed in contents {
        for _ in 0..2 {
            let removed = store.remove_file(&listed.place, &listed.head.version);
            removed
                .await
                .expect("remove a file, whether it is there or not");
        }
    }
    assert_eq!(store.list_contents(bucket, "archived/").await, Ok(vec![]));
    assert!(!replace(&first, "third").await, "what is gone stays gone");
    assert_eq!(list("archived/").await, []);
}

/// A claim for tests.
fn claim(owner: &str, attempt: u32) -> Claim {
    Claim {
        version: "etag".to_owned(),
        sequencer: "0055AED6DCD90281E5".to_owned(),
        pins: Pins {
            model: ModelPointer {
                version: "größe-1".to_owned(),
                manifest_sha256: "m".to_owned(),
            },
            policy: PolicyPointer {
                sha256: "p".to_owned(),
            },
        },
        as_of_seconds: -1,
        attempt,
        restarts: 3,
        state: State::InProgress {
            owner: owner.to_owned(),
            lease_until_ms: 1_514_808_000_123,
            last_failure: Some("\"quoted\"\n".to_owned()),
            left: Some(Left {
                sha256: "s".to_owned(),
                rows: u64::MAX,
                times: 7,
                spent_ms: -1,
            }),
        },
        changed_ms: 1_514_808_000_000,
    }
}

/// Everything [`ClaimStore`] promises, where no claim's key begins with `conformance`.
pub async fn claims(store: &impl ClaimStore) {
    let (first, second) = (claim("a", 1), claim("b", 2));
    let key = "conformance of claims";
    let get = async || store.get_claim(key).await.expect("get a claim");
    let swap = async |expected, claim| {
        let swapped = store.swap_claim(key, expected, claim);
        swapped.await.expect("swap a claim")
    };
    assert_eq!(get().await, None, "nothing is claimed yet");
    assert!(
        !swap(Some(&first), &second).await,
        "no claim is not a claim"
    );
    assert!(swap(None, &first).await, "a new claim is taken");
    assert_eq!(get().await, Some(first.clone()), "a claim comes back whole");
    assert!(
        !swap(None, &second).await,
        "a claim that is there is not new"
    );
    assert!(!swap(Some(&second), &second).await, "a wrong expectation");
    assert_eq!(get().await, Some(first.clone()), "nothing changed");
    assert!(swap(Some(&first), &second).await, "the right expectation");
    let done = Claim {
        state: State::Completed {
            result: Counts {
                rows: 3,
                scored: 2,
                rejected: 1,
            },
        },
        ..second.clone()
    };
    assert!(swap(Some(&second), &done).await);
    assert_eq!(get().await, Some(done));
    for round in 0..8 {
        one_owner_of(store, &format!("conformance, raced {round}")).await;
    }
}

/// Sixteen owners at once: one has the claim, twice in a row.
async fn one_owner_of(store: &impl ClaimStore, key: &str) {
    let mut now = None;
    for attempt in 1..3 {
        let claims: Vec<Claim> = (0..16)
            .map(|owner| claim(&format!("owner {owner}"), attempt))
            .collect();
        let swaps = claims
            .iter()
            .map(|claim| store.swap_claim(key, now.as_ref(), claim));
        let winner = only_winner("swap_claim", all(swaps).await);
        let found = store.get_claim(key).await.expect("get the raced claim");
        assert_eq!(found.as_ref(), Some(&claims[winner]));
        now = found;
    }
}
