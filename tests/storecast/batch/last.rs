//! The last prediction of each customer or SKU, kept where a page can look it up.

use super::*;
use churn::Churn;
use features::time::Timestamp;
use inventory::Inventory;
use recommendations::Recommendations;
use recommendations::api::key_of;
use serde_json::{Value, json};
use serving::ports::{LastPrediction, PredictionStore};
use std::sync::atomic::AtomicBool;

const DAY_SECONDS: i64 = 86_400;

pub(super) fn kept() -> LastPredictions<Faulty<MemoryStore>> {
    LastPredictions {
        store: Faulty::new(MemoryStore::default(), &kills::no_faults()),
        kept_days: 7,
    }
}

async fn keeping<P: Predictor>() -> Rig<P> {
    let mut rig = Rig::<P>::new().await;
    rig.releases.last = Some(kept());
    rig
}

impl<P: Predictor> Rig<P> {
    pub(super) async fn last(&self, key: &str) -> Option<LastPrediction> {
        let last = self.releases.last.as_ref().expect("they are kept");
        let found = last.store.inner.get_predictions(P::NAME, &[key]).await;
        found.expect("memory").remove(0)
    }

    async fn last_answer(&self, key: &str) -> Value {
        let last = self.last(key).await.unwrap_or_else(|| panic!("{key}"));
        serde_json::from_str(&last.answer).expect("JSON")
    }
}

#[tokio::test]
async fn a_file_leaves_the_answers_of_its_rows_by_customer() {
    let rig = keeping::<Churn>().await;
    let key = "uploads/churn/a.jsonl";
    let lines = [
        json!({"customer_id": "1"}),
        json!({"customer_id": "208"}),
        json!({"customer_id": 7}),
        json!({"customer_id": "nobody"}),
        // About the past, and asked again: neither is the last that is known of them.
        json!({"customer_id": "1", "as_of": "2017-06-01T00:00:00Z"}),
        json!({"customer_id": "208"}),
    ];
    let file = lines.map(|line| line.to_string()).join("\n");
    assert_eq!(rig.scored(key, file).await, Outcome::Scored(counts(5, 1)));
    let (scored, _, report) = rig.outputs(key);
    let expected = json!({"written": 3, "newer_there": 2, "too_large": 0});
    assert_eq!(report["predictions"], expected);
    let line = scored.lines().next().expect("a row");
    let last = rig.last("1").await.expect("kept");
    assert_eq!(line, format!("{{\"row\":1,{}", &last.answer[1..]));
    assert_eq!(last.model_version, "first");
    assert_eq!(last.as_of, Timestamp(1_514_779_281), "2018-01-01T04:01:21Z");
    assert_eq!(
        (last.computed_at, last.expires_at.0),
        (NOW, NOW.0 + 7 * DAY_SECONDS)
    );
    assert_eq!(rig.last_answer("nobody").await["state"], "unknown");
    assert_eq!(rig.last("7").await, None, "a reject is no answer");
}

#[tokio::test]
async fn a_late_attempt_of_an_older_file_leaves_the_newer_prediction() {
    let mut rig = keeping::<Churn>().await;
    let older = rig
        .upload("uploads/churn/monday.csv", "customer_id\n1\n")
        .await;
    // Its claim is taken on Monday, and then the table of last predictions is away.
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    rig.releases.last.as_mut().expect("kept").store.plan = Arc::new(Mutex::new(move || {
        let is_away = away.load(Ordering::Relaxed);
        if is_away {
            faults::Fault::Before
        } else {
            faults::Fault::None
        }
    }));
    let failed = rig.score(&older).await.expect_err("the table is away");
    assert!(matches!(failed, Error::Retry { .. }), "{failed}");
    assert!(
        !rig.exists("scored/churn/monday.csv"),
        "nothing is half done"
    );
    is_away.store(false, Ordering::Relaxed);
    // On Tuesday another model is served.
    rig.now_ms.fetch_add(DAY_SECONDS * 1000, Ordering::Relaxed);
    rig.releases.served.store(1, Ordering::Relaxed);
    rig.scored("uploads/churn/tuesday.csv", "customer_id\n1\n")
        .await;
    let tuesday = rig.last("1").await.expect("kept");
    assert_eq!(tuesday.model_version, "second");
    let late = rig.score(&older).await.expect("it comes again");
    assert_eq!(late, Outcome::Scored(counts(1, 0)));
    let (_, _, report) = rig.outputs("uploads/churn/monday.csv");
    let expected = json!({"written": 0, "newer_there": 1, "too_large": 0});
    assert_eq!(
        (&report["model_version"], &report["predictions"]),
        (&json!("first"), &expected)
    );
    assert_eq!(rig.last("1").await, Some(tuesday));
}

#[tokio::test]
async fn surfaces_and_locations_have_predictions_of_their_own() {
    let rig = keeping::<Recommendations>().await;
    let cart = json!({"customer_id": "1", "cart": ["1029743"], "k": 3});
    let file = format!("{{\"customer_id\": \"1\", \"k\": 2}}\n{cart}\n");
    rig.scored("uploads/recommendations/a.jsonl", file).await;
    for (surface, items) in [("home", 2), ("cart", 3)] {
        let answer = rig.last_answer(&key_of(surface, "1")).await;
        assert_eq!(answer["surface"], surface);
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(items));
    }
    let rig = keeping::<Inventory>().await;
    let file = format!(
        "sku_id,location,as_of\n{0},,2017-12-20\n{0},north,\n",
        shop::FAST
    );
    rig.scored("uploads/inventory/a.csv", file).await;
    let day = rig.last(shop::FAST).await.expect("kept").as_of;
    assert_eq!(day, Timestamp(1_513_728_000), "2017-12-20");
    let north = rig.last_answer(&format!("{}@north", shop::FAST)).await;
    assert_eq!(north["location"], "north");
}
