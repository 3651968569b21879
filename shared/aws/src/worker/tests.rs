//! Work that panics, fails or finds others at it, and what becomes of the messages.

use super::*;
use std::sync::Mutex;

/// Does what it is told to, one piece after the other, and notes who did it and who left.
struct Told {
    ends: Mutex<Vec<End>>,
    worked: Mutex<Vec<String>>,
    left: Mutex<Vec<String>>,
}

enum End {
    Work(Result<Work, String>),
    Panic,
}

impl Worker for Told {
    const NAME: &'static str = "told";

    fn start(_: MergeSettings, _: &Clients) -> Self {
        unreachable!("made by the tests")
    }

    fn is_about(&self, arrival: &Arrival) -> bool {
        arrival.bucket == "shop"
    }

    async fn work(&self, owner: &str, _: &impl Clock) -> Result<Work, String> {
        self.worked.lock().unwrap().push(owner.to_owned());
        let end = self.ends.lock().unwrap().remove(0);
        match end {
            End::Work(end) => end,
            End::Panic => panic!("a secret value"),
        }
    }

    async fn leave(&self, owner: &str) {
        self.left.lock().unwrap().push(owner.to_owned());
    }
}

fn desk(ends: impl IntoIterator<Item = End>) -> Desk<Told> {
    Desk(Told {
        ends: Mutex::new(ends.into_iter().collect()),
        worked: Mutex::default(),
        left: Mutex::default(),
    })
}

fn notification(bucket: &str) -> Value {
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": { "name": bucket }, "object": { "key": "jane doe.csv" } } }] })
}

fn queue(bodies: &[Value]) -> Value {
    let record = |(id, body): (usize, &Value)| json!({ "messageId": id.to_string(), "eventSource": "aws:sqs", "body": body.to_string() });
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

async fn answer(desk: &Desk<Told>, event: &Value, lasts_ms: i64) -> Result<String, Diagnostic> {
    let now_ms = InvocationClock::until(u64::MAX).now_ms();
    let clock = InvocationClock::until(u64::try_from(now_ms + lasts_ms).unwrap());
    let answer = desk.answer(&event.to_string(), "r-1", &clock).await;
    answer.map(|answer| answer.get().to_owned())
}

fn failing(ids: &[&str]) -> String {
    json!(BatchFailures::of(ids.iter().map(|&id| id.to_owned()))).to_string()
}

fn done() -> End {
    End::Work(Ok(Work::Done(json!({ "kind": "merged" }))))
}

#[tokio::test]
async fn one_piece_of_work_is_for_all_messages_that_are_understood() {
    let ours = notification("shop");
    let test = json!({ "Event": "s3:TestEvent" });
    let event = queue(&[
        ours.clone(),
        json!("?"),
        notification("other"),
        test.clone(),
        ours,
    ]);
    let desk = desk([done(), End::Work(Err("the store is away".to_owned()))]);
    assert_eq!(
        answer(&desk, &event, 60_000).await,
        Ok(failing(&["1", "2"]))
    );
    let failed = failing(&["1", "2", "0", "4"]);
    assert_eq!(answer(&desk, &event, 60_000).await, Ok(failed));
    assert_eq!(
        desk.0.worked.lock().unwrap().len(),
        2,
        "twice for ten messages"
    );
    // Nothing is told of, so nothing is done.
    assert_eq!(
        answer(&desk, &queue(&[test]), 60_000).await,
        Ok(failing(&[]))
    );
}

#[tokio::test]
async fn a_panic_fails_the_messages_leaves_the_turn_and_costs_no_other_event() {
    let event = queue(&[notification("shop")]);
    let desk = desk([End::Panic, done()]);
    assert_eq!(answer(&desk, &event, 60_000).await, Ok(failing(&["0"])));
    let left = desk.0.left.lock().unwrap().clone();
    assert_eq!(left, *desk.0.worked.lock().unwrap());
    assert_eq!(answer(&desk, &event, 60_000).await, Ok(failing(&[])));
    assert_eq!(desk.0.left.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn others_are_waited_for_as_long_as_half_of_the_time() {
    let event = queue(&[notification("shop")]);
    let busy = || End::Work(Ok(Work::Busy));
    let patient = desk([busy(), done()]);
    assert_eq!(answer(&patient, &event, 60_000).await, Ok(failing(&[])));
    let hurried = desk([busy(), busy(), done()]);
    assert_eq!(answer(&hurried, &event, 1_000).await, Ok(failing(&["0"])));
    assert_eq!(hurried.0.worked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn who_sends_a_bare_event_is_told_what_came_of_it() {
    let desk = desk([done(), End::Work(Err("the store is away".to_owned()))]);
    let event = notification("shop");
    let outcome = answer(&desk, &event, 60_000).await;
    assert_eq!(outcome, Ok(r#"{"outcome":{"kind":"merged"}}"#.to_owned()));
    let kind = |answer: Result<String, Diagnostic>| answer.unwrap_err().error_type;
    let unavailable = kind(answer(&desk, &event, 60_000).await);
    assert_eq!(unavailable, "urn:storecast:problem:unavailable");
    for event in [
        notification("other"),
        json!({}),
        json!({ "Records": [{ "eventSource": "aws:sns" }] }),
    ] {
        let refused = answer(&desk, &event, 60_000).await.unwrap_err();
        assert_eq!(
            refused.error_type,
            "urn:storecast:problem:unsupported-event"
        );
        assert!(
            !refused.error_message.contains("jane"),
            "{}",
            refused.error_message
        );
    }
}
