//! A canary that stops by itself.

use super::*;
use serving::registry::release::{Past, Role};
use serving::registry::{ModelPointer, ModelRelease};

/// Somebody with orders, who is in no store.
fn stranger(number: usize) -> Value {
    let orders: Vec<_> = (1..=number % 9 + 2)
        .map(|order| {
            let day = 1 + order * 3;
            json!({ "order_id": order.to_string(), "placed_at": format!("2017-12-{day:02}T10:00:00Z"),
                "lines": [{ "product_id": "1029743", "category": "GROCERY", "net_minor": 1_000 + 77 * (number % 31) }] })
        })
        .collect();
    json!({ "customers": [{ "customer_id": format!("stranger {number}"), "history": { "orders": orders } }],
        "as_of": "2018-01-01T00:00:00Z" })
}

/// Asks about one stranger after the other until the canary has stopped: its end, and who answered how often.
async fn ask_until_stopped(
    lambda: &mut Lambda,
    registry: &Registry<'_, S3Artifacts, DynamoStore>,
) -> (Past<ModelPointer>, BTreeMap<String, usize>) {
    let (begun, mut answers) = (Instant::now(), BTreeMap::<String, usize>::new());
    for number in 0.. {
        let event = http("POST", "/v1/churn", &stranger(number));
        let (status, body) = status(&lambda.invoke(&event).await);
        assert_eq!(status, 200, "{body}");
        let version = body["model_version"].as_str().expect("a version");
        *answers.entry(version.to_owned()).or_default() += 1;
        if number % 50 == 0 {
            let release = registry.model::<Churn>().await.expect("DynamoDB").record;
            if let Some(past) = release.as_ref().and_then(ModelRelease::stopped) {
                return (past.clone(), answers);
            }
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{answers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("it ends with the time")
}

#[tokio::test]
async fn a_canary_with_shifted_scores_stops_by_itself_and_no_request_fails() {
    let released = Released::start().await;
    let registry = released.registry();
    let committed = shop::served::<Churn>().await.model.manifest.version;
    let published = registry.publish::<Churn>(overconfident("next")).await;
    published.expect("right in itself");
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &released.stack.settings());
    ask_until(&mut lambda, &committed).await;
    let canary = Use::Canary {
        percent: 50,
        stop_shift: None,
    };
    let promoted = registry.promote::<Churn>("next", canary).await;
    promoted.expect("published");
    let (past, answers) = ask_until_stopped(&mut lambda, &registry).await;
    assert_eq!(
        (&past.target.version[..], past.role),
        ("next", Role::Canary)
    );
    let reason = past.reason.expect("a reason");
    assert!(reason.contains("population stability index"), "{reason}");
    assert!(
        answers["next"] >= 100 && answers[&committed] >= 100,
        "{answers:?}"
    );
    let (_, models) = status(
        &lambda
            .invoke(&http("GET", "/v1/models", &Value::Null))
            .await,
    );
    let churn = &models["models"][0];
    assert_eq!(churn["stopped_canary"]["reason"], json!(reason), "{churn}");
    // Within the time of a look, and well before the next one is due.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for number in 0..20 {
        let event = http("POST", "/v1/churn", &stranger(number));
        let (_, body) = status(&lambda.invoke(&event).await);
        assert_eq!(body["model_version"], json!(committed));
    }
    let log = process.log();
    let told = lines(&log, "ERROR");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["message"], &told[0]["reason"]),
        (&json!("canary stopped"), &json!(reason))
    );
    let failed = log.iter().filter(|line| line["errors"] == 1);
    assert_eq!(failed.count(), 0);
}
