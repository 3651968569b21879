//! What a [`SetStore`] promises.

use super::race::all;
use crate::ports::{SetStore, Sets};
use features::time::Timestamp;

/// Late enough that nothing goes while a suite runs.
const KEPT_UNTIL: Timestamp = Timestamp(4_102_444_800);

/// Everything [`SetStore`] promises.
pub async fn sets(store: &impl SetStore) {
    let add = async |owner: &str, members: &Sets| {
        let added = store.add_members(owner, members, KEPT_UNTIL).await;
        added.expect("add members")
    };
    let (owner, other) = ("conformance/größe/0", "conformance/größe/1");
    let first = named(&[("canary", &[3, 1]), ("served_failed", &[7])]);
    assert_eq!(
        add(owner, &first).await,
        first,
        "new sets hold what was added"
    );
    assert_eq!(
        add(owner, &first).await,
        first,
        "to add twice is to add once"
    );
    let more = named(&[("canary", &[2, 3]), ("served", &[0])]);
    let both = named(&[
        ("canary", &[1, 2, 3]),
        ("served", &[0]),
        ("served_failed", &[7]),
    ]);
    assert_eq!(add(owner, &more).await, both, "sets grow, the others stay");
    assert_eq!(
        add(other, &more).await,
        more,
        "another owner begins at nothing"
    );
    let with_empty = named(&[("canary", &[1 << 38]), ("served", &[])]);
    let grown = add(other, &with_empty).await;
    assert!(grown["canary"].contains(&(1 << 38)), "38 bits come back");
    assert_eq!(grown["served"], more["served"], "an empty set adds nothing");
    many_at_once(store).await;
}

/// Sixteen writers of 100 members each, at once: nothing is lost, and one of them sees all.
async fn many_at_once(store: &impl SetStore) {
    let owner = "conformance/many at once";
    let part = |writer: u64| -> Vec<u64> { (writer * 90..writer * 90 + 100).collect() };
    let parts: Vec<Sets> = (0..16)
        .map(|writer| named(&[("canary", &part(writer))]))
        .collect();
    let writes = parts
        .iter()
        .map(|part| store.add_members(owner, part, KEPT_UNTIL));
    let seen = all(writes).await.into_iter();
    let most = seen.map(|sets| sets.expect("add members in a race")["canary"].len());
    assert_eq!(
        most.max(),
        Some(15 * 90 + 100),
        "one of them sees what all have added"
    );
}

fn named(sets: &[(&str, &[u64])]) -> Sets {
    sets.iter()
        .map(|(name, members)| ((*name).to_owned(), members.iter().copied().collect()))
        .collect()
}
