//! What `storecast status` and `storecast reconcile` say of an upload, from before its message to after its outputs.

use super::*;
use churn::Churn;
use offline::uploads::{Fate, Rescored, fate, rescore};
use serving::batch::claim::State;

const KEY: &str = "uploads/churn/june.csv";

async fn fate_of(rig: &Rig<Churn>, key: &str) -> Fate {
    let now_ms = rig.now_ms.load(Ordering::Relaxed);
    fate(&rig.files, &rig.files, Churn::NAME, &place(key), now_ms)
        .await
        .expect("memory")
}

#[tokio::test]
async fn an_upload_waits_is_scored_and_is_missed_when_an_output_goes() {
    let rig = Rig::<Churn>::new().await;
    assert_eq!(fate_of(&rig, KEY).await, Fate::Gone);
    let arrival = rig.upload(KEY, "customer_id\n1\n208\n\"\"\n").await;
    assert_eq!(fate_of(&rig, KEY).await, Fate::Waiting);
    rig.score(&arrival).await.expect("nothing fails");
    assert_eq!(fate_of(&rig, KEY).await, Fate::Scored(counts(2, 1)));
    // Another content waits for its own message, whatever was said of the one before.
    rig.upload(KEY, "customer_id\n7\n").await;
    assert_eq!(fate_of(&rig, KEY).await, Fate::Waiting);
    rig.upload(KEY, "customer_id\n1\n208\n\"\"\n").await;
    assert!(fate_of(&rig, KEY).await.is_settled());
    rig.files.remove(&place("scored/churn/june.csv"));
    let missing = "scored/churn/june.csv is missing".to_owned();
    assert_eq!(fate_of(&rig, KEY).await, Fate::Broken(missing));
}

#[tokio::test]
async fn a_quarantined_upload_says_why() {
    let rig = Rig::<Churn>::new().await;
    rig.scored(KEY, "").await;
    let fate = fate_of(&rig, KEY).await;
    assert!(fate.is_settled());
    assert!(fate.to_string().starts_with("quarantined: "), "{fate}");
    rig.scored("uploads/churn/photo.png", "PNG").await;
    assert!(fate_of(&rig, "uploads/churn/photo.png").await.is_settled());
}

#[tokio::test]
async fn an_upload_in_work_is_abandoned_when_its_lease_ends() {
    let rig = Rig::<Churn>::new().await;
    let arrival = rig.upload(KEY, "customer_id\n1\n").await;
    rig.score(&arrival).await.expect("nothing fails");
    let key = claim_key(Churn::NAME, &place(KEY));
    let done = rig.files.get_claim(&key).await.expect("memory");
    let done = done.expect("a claim");
    let until_ms = rig.now_ms.load(Ordering::Relaxed) + 1;
    let mut working = done.clone();
    working.state = State::InProgress {
        owner: "somebody".to_owned(),
        lease_until_ms: until_ms,
        last_failure: None,
        left: None,
    };
    let swapped = rig.files.swap_claim(&key, Some(&done), &working).await;
    assert!(swapped.expect("memory"));
    rig.files
        .remove(&place("scored/churn/june.csv.report.json"));
    let attempt = working.attempt;
    assert_eq!(
        fate_of(&rig, KEY).await,
        Fate::Working { until_ms, attempt }
    );
    rig.now_ms.fetch_add(1, Ordering::Relaxed);
    let last_failure = None;
    assert_eq!(
        fate_of(&rig, KEY).await,
        Fate::Abandoned {
            attempt,
            last_failure
        }
    );
    let swapped = rig.files.swap_claim(&key, Some(&working), &done).await;
    assert!(swapped.expect("memory"));
    assert!(matches!(fate_of(&rig, KEY).await, Fate::Broken(_)));
}

#[tokio::test]
async fn what_nobody_works_on_is_sent_again_and_nothing_else_is() {
    let rig = Rig::<Churn>::new().await;
    rig.upload(KEY, "customer_id\n1\n").await;
    let marker = "unfinished/churn/june.csv.continue";
    let send = async || {
        let fate = fate_of(&rig, KEY).await;
        let sent = offline::uploads::redrive(&rig.files, Churn::NAME, &place(KEY), &fate).await;
        sent.expect("memory")
    };
    // Its message was lost, or lies in the dead-letter queue.
    assert!(send().await);
    let event = Arrival {
        bucket: BUCKET.to_owned(),
        key: marker.to_owned(),
        ..Arrival::default()
    };
    let outcome = rig.score(&event).await.expect("nothing fails");
    assert_eq!(outcome, Outcome::Scored(counts(1, 0)));
    rig.files.remove(&place(marker));
    assert!(!send().await, "it is settled");
    assert!(!rig.exists(marker));
    let again = rig.upload(KEY, "customer_id\n208\n").await;
    let late = SetClock {
        now_ms: Arc::clone(&rig.now_ms),
        deadline_ms: rig.now_ms.load(Ordering::Relaxed) + 1000,
    };
    let batch = Batch {
        files: &rig.files,
        claims: &rig.files,
        services: &rig.releases,
        clock: &late,
        owner: "late",
        limits: rig.limits,
    };
    batch.score(&again).await.expect_err("too late");
    assert!(matches!(fate_of(&rig, KEY).await, Fate::Abandoned { .. }));
    assert!(send().await);
    assert!(rig.exists(marker));
}

#[tokio::test]
async fn an_upload_that_is_done_is_scored_anew_when_somebody_asks_for_it() {
    let rig = Rig::<Churn>::new().await;
    let arrival = rig.upload(KEY, "customer_id\n1\n").await;
    let marker = "unfinished/churn/june.csv.continue";
    let again = async || {
        let now_ms = rig.now_ms.load(Ordering::Relaxed);
        let place = place(KEY);
        let asked = rescore(&rig.files, &rig.files, Churn::NAME, &place, now_ms);
        asked.await.expect("memory")
    };
    // Of what was never begun the message is enough.
    assert_eq!(again().await, Rescored::Sent);
    rig.score(&arrival).await.expect("nothing fails");
    // What was scored, and what has lost an output, wait from then on.
    for lost in [None, Some("scored/churn/june.csv")] {
        if let Some(lost) = lost {
            rig.files.remove(&place(lost));
        }
        assert_eq!(again().await, Rescored::Sent);
        let fate = fate_of(&rig, KEY).await;
        assert_eq!(fate, Fate::Waiting);
        // Stopped before its marker was written, it is sent as any other that waits.
        rig.files.remove(&place(marker));
        let sent = offline::uploads::redrive(&rig.files, Churn::NAME, &place(KEY), &fate).await;
        assert!(sent.expect("memory"));
        let event = Arrival {
            bucket: BUCKET.to_owned(),
            key: marker.to_owned(),
            ..Arrival::default()
        };
        let scored = Outcome::Scored(counts(1, 0));
        assert_eq!(rig.score(&event).await.expect("nothing fails"), scored);
        let twice = rig.score(&event).await.expect("nothing fails");
        assert!(matches!(twice, Outcome::Duplicate(_)), "{twice:?}");
        assert!(fate_of(&rig, KEY).await.is_settled());
    }
    rig.files.remove(&place(KEY));
    assert_eq!(again().await, Rescored::Gone);
}
