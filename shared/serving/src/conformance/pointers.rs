//! Several pointers that change together or not at all.

use super::race::{all, only_winner};
use crate::ports::{PointerChange, PointerStore};

pub(super) async fn together(store: &impl PointerStore) {
    let (one, other) = ("conformance/together/one", "conformance/together/other");
    let set = async |changes: &[PointerChange<'_>]| {
        let set = store.set_pointers(changes).await;
        set.expect("set pointers together")
    };
    let both = async || {
        let found = store.get_pointers(&[one, other]).await;
        found.expect("get both pointers")
    };
    let not_there = [
        change(one, None, Some("v1")),
        change(other, Some("v0"), Some("v1")),
    ];
    assert!(!set(&not_there).await, "the other is not there");
    assert_eq!(
        both().await,
        [None, None],
        "one wrong expectation, no change at all"
    );
    let new = [
        change(one, None, Some("v1")),
        change(other, None, Some("w1")),
    ];
    assert!(set(&new).await, "both are new");
    assert_eq!(both().await, [Some("v1".into()), Some("w1".into())]);
    let beside = [
        change(one, Some("v1"), Some("v2")),
        change(other, Some("w1"), None),
    ];
    assert!(
        set(&beside).await,
        "one changes while the other is what it was"
    );
    assert_eq!(both().await, [Some("v2".into()), Some("w1".into())]);
    let outdated = [
        change(one, Some("v2"), Some("v3")),
        change(other, None, None),
    ];
    assert!(!set(&outdated).await, "the other was set meanwhile");
    let last = [
        change(one, Some("v1"), None),
        change(other, Some("w1"), Some("w2")),
    ];
    assert!(!set(&last).await, "whichever of them it is");
    assert_eq!(both().await, [Some("v2".into()), Some("w1".into())]);
    assert!(
        set(&[change(one, Some("v2"), None)]).await,
        "only looked at"
    );
    crossed(store).await;
}

/// Each of two changes one pointer, as long as the other pointer is what it was: at most one of them does.
async fn crossed(store: &impl PointerStore) {
    for round in 0..10 {
        let (one, other) = (
            format!("conformance/crossed/{round}/a"),
            format!("conformance/crossed/{round}/b"),
        );
        let changes = [
            [
                change(&one, None, Some("changed")),
                change(&other, None, None),
            ],
            [
                change(&one, None, None),
                change(&other, None, Some("changed")),
            ],
        ];
        let attempts = changes.iter().map(|changes| store.set_pointers(changes));
        only_winner("set_pointers", all(attempts).await);
    }
}

fn change<'a>(
    name: &'a str,
    expected: Option<&'a str>,
    value: Option<&'a str>,
) -> PointerChange<'a> {
    PointerChange {
        name,
        expected,
        value,
    }
}
