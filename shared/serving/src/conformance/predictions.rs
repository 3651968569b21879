//! What a [`PredictionStore`] promises.

use super::race::all;
use crate::ports::{LastPrediction, PredictionCounts, PredictionStore};
use features::time::Timestamp;

/// Late enough that nothing goes while a suite runs.
const EXPIRES_AT: Timestamp = Timestamp(4_102_444_800);

fn prediction(key: &str, answer: &str, as_of: i64, computed_at: i64) -> LastPrediction {
    LastPrediction {
        key: key.to_owned(),
        answer: answer.to_owned(),
        model_version: "größe-1".to_owned(),
        as_of: Timestamp(as_of),
        computed_at: Timestamp(computed_at),
        expires_at: EXPIRES_AT,
    }
}

fn counts(written: u64, newer_there: u64) -> PredictionCounts {
    PredictionCounts {
        written,
        newer_there,
        too_large: 0,
    }
}

/// Everything [`PredictionStore`] promises.
pub async fn predictions(store: &impl PredictionStore) {
    the_newest_stays(store).await;
    answers_follow_the_question(store).await;
    functions_are_apart(store).await;
    the_newest_wins_a_race(store).await;
}

async fn put(store: &impl PredictionStore, predictions: &[LastPrediction]) -> PredictionCounts {
    let put = store.put_predictions("conformance", predictions).await;
    put.expect("put predictions")
}

async fn get(store: &impl PredictionStore, keys: &[&str]) -> Vec<Option<LastPrediction>> {
    let found = store.get_predictions("conformance", keys).await;
    found.expect("get predictions")
}

async fn the_newest_stays(store: &impl PredictionStore) {
    let key = "newest / größe";
    let is = async |expected: &LastPrediction, why: &str| {
        assert_eq!(get(store, &[key]).await, [Some(expected.clone())], "{why}");
    };
    assert_eq!(get(store, &[key]).await, [None], "nothing is there yet");
    let monday = prediction(key, "{\"day\":\"monday\"}", -5, 10);
    for _ in 0..2 {
        let written = put(store, std::slice::from_ref(&monday)).await;
        assert_eq!(written, counts(1, 0), "to write twice is to write once");
        is(&monday, "a prediction comes back whole").await;
    }
    let tuesday = prediction(key, "{\"day\":\"tuesday\"}", -5, 11);
    assert_eq!(
        put(store, std::slice::from_ref(&tuesday)).await,
        counts(1, 0)
    );
    is(&tuesday, "asked later, as much is known").await;
    assert_eq!(put(store, &[monday]).await, counts(0, 1));
    is(&tuesday, "an older file changes nothing").await;
    let about_the_past = prediction(key, "{}", -6, 99);
    assert_eq!(put(store, &[about_the_past]).await, counts(0, 1));
    is(&tuesday, "nor does a question about the past").await;
    let more_known = prediction(key, "{\"known\":1}", 7, 9);
    assert_eq!(
        put(store, std::slice::from_ref(&more_known)).await,
        counts(1, 0)
    );
    is(&more_known, "what is known counts first").await;
    let equally_new = prediction(key, "{\"row\":2}", 7, 9);
    assert_eq!(
        put(store, std::slice::from_ref(&equally_new)).await,
        counts(1, 0)
    );
    is(&equally_new, "of equally new ones the last stays").await;
    let (one, two, three) = (
        prediction(key, "{\"row\":3}", 8, 9),
        prediction(key, "{\"row\":4}", 8, 9),
        prediction(key, "{\"row\":5}", 8, 8),
    );
    assert_eq!(put(store, &[one, two.clone(), three]).await, counts(1, 2));
    is(&two, "in one call, too").await;
}

async fn answers_follow_the_question(store: &impl PredictionStore) {
    assert_eq!(put(store, &[]).await, counts(0, 0), "nothing to write");
    assert_eq!(get(store, &[]).await, [], "no key, no prediction");
    // More than one call of any batch interface takes (100 keys read, 25 written).
    let keys: Vec<String> = (0..130).map(|number| format!("many {number}")).collect();
    let many: Vec<_> = keys
        .iter()
        .map(|key| prediction(key, &format!("{{\"of\":\"{key}\"}}"), 0, 0))
        .collect();
    assert_eq!(put(store, &many).await, counts(130, 0));
    let mut asked: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    asked.extend(["nobody", "many 3", "many 3"]);
    let found = get(store, &asked).await;
    assert_eq!(found.len(), asked.len(), "one answer per key asked");
    for (key, found) in asked.iter().zip(found) {
        let expected = many.iter().find(|one| one.key == *key);
        assert_eq!(found.as_ref(), expected, "{key}");
    }
    let large = prediction("large", &"x".repeat(300_000), 0, 0);
    assert_eq!(put(store, std::slice::from_ref(&large)).await, counts(1, 0));
    assert_eq!(get(store, &["large"]).await, [Some(large)], "300 kB");
}

async fn functions_are_apart(store: &impl PredictionStore) {
    let (ours, theirs) = (
        prediction("both", "{\"ours\":1}", 1, 1),
        prediction("both", "{\"theirs\":1}", 0, 0),
    );
    assert_eq!(put(store, std::slice::from_ref(&ours)).await, counts(1, 0));
    let other = store.put_predictions("other", std::slice::from_ref(&theirs));
    assert_eq!(other.await, Ok(counts(1, 0)), "another function's key");
    for _ in 0..2 {
        let removed = store.remove_predictions("conformance", &["both", "nobody"]);
        removed
            .await
            .expect("remove predictions, whether they are there or not");
    }
    let removed = store.remove_predictions("conformance", &[]).await;
    removed.expect("no key, nothing to remove");
    assert_eq!(get(store, &["both"]).await, [None]);
    let other = store.get_predictions("other", &["both"]).await;
    assert_eq!(other, Ok(vec![Some(theirs)]), "another function's stays");
    assert_eq!(put(store, &[ours]).await, counts(1, 0), "removed is gone");
}

/// Sixteen writers at once, the newest among them: it stays, whoever comes last.
async fn the_newest_wins_a_race(store: &impl PredictionStore) {
    for round in 0..8 {
        let key = format!("raced {round}");
        let writers: Vec<_> = (0..16)
            .map(|writer| [prediction(&key, &writer.to_string(), 0, (writer * 7) % 16)])
            .collect();
        let puts = writers
            .iter()
            .map(|one| store.put_predictions("conformance", one));
        for counted in all(puts).await {
            let counted = counted.expect("put predictions in a race");
            assert_eq!(counted.written + counted.newer_there, 1);
        }
        let newest = writers.iter().flatten().max_by_key(|one| one.computed_at);
        assert_eq!(get(store, &[&key]).await[0].as_ref(), newest, "{round}");
    }
}
