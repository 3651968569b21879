//! Invocations of a function whose model was refused and whose code panics when asked to.

use super::follow::LOOK_EVERY;
use super::*;
use features::matrix::Matrix;
use serde_json::{Value, json};
use serving::manifest::GoldenRow;
use serving::ports::HistoryStore;
use serving::predictor::{Schema, Scored, Served};
use serving::route::Route;

/// Panics on the body `"panic"`, and on every `GET`.
#[derive(Debug)]
struct Fragile;

impl Predictor for Fragile {
    const NAME: &'static str = "fragile";
    type Body = Value;
    type Request = ();
    type Response = ();
    type Case = ();
    type Artifacts = ();
    type Policy = ();
    type Memory = ();

    fn routes() -> &'static [Route<()>] {
        &[
            Route {
                method: "GET",
                path: "/v1/fragile",
                operation: "look",
                summary: "Panics.",
                query: &[],
                request: |_, _| panic!("a secret value"),
            },
            Route {
                method: "POST",
                path: "/v1/fragile",
                operation: "try",
                summary: "Panics on one body.",
                query: &[],
                request: |_, body| Self::parse(body),
            },
        ]
    }

    fn schema() -> Schema {
        Schema {
            fingerprint: String::new(),
            columns: Vec::new(),
        }
    }

    fn parse(body: &[u8]) -> Result<(), Error> {
        assert!(body != b"\"panic\"", "a secret value");
        Ok(())
    }

    fn sole_entity((): &()) -> Option<&str> {
        None
    }

    async fn gather<S: HistoryStore>(_: &S, (): &(), _: Timestamp) -> Result<Vec<()>, Error> {
        Ok(Vec::new())
    }

    fn for_another_model((): &()) {}

    fn features((): &(), (): &(), _: &mut Matrix) {}

    fn respond((): &(), _: &[()], _: &[Scored], _: &Served<Self>) -> Result<(), Error> {
        Ok(())
    }

    fn check_policy((): &(), (): &()) -> Result<(), String> {
        Ok(())
    }

    fn golden_case(_: &GoldenRow) -> Result<Option<()>, String> {
        Ok(None)
    }
}

async fn function() -> Function<Fragile> {
    let clients = Clients::at("http://127.0.0.1:9", "http://127.0.0.1:9").await;
    let store = DynamoStore::new(clients.dynamo.clone(), "storecast");
    let artifacts = S3Artifacts::new(clients.s3.clone(), "models", "");
    Function {
        files: UploadedFiles::new(&clients),
        claims: DynamoClaims::new(clients.dynamo.clone(), "storecast"),
        registry: Arc::new(Follower::new(store.clone(), artifacts, None)),
        store,
        last: None,
        answered_before: AtomicBool::new(false),
    }
}

/// Status and body of an answer over HTTP.
async fn over_gateway(function: &Function<Fragile>, method: &str, body: &str) -> (u64, Value) {
    let event = json!({
        "rawPath": "/v1/fragile",
        "requestContext": {"http": {"method": method}},
        "body": body,
        "isBase64Encoded": method == "PUT",
    });
    let answer = function
        .answer(&event.to_string(), &invocation("r-1"))
        .await
        .expect("HTTP answers never fail");
    let answer = serde_json::to_value(answer).unwrap();
    (
        answer["statusCode"].as_u64().unwrap(),
        serde_json::from_str(answer["body"].as_str().unwrap()).unwrap(),
    )
}

fn invocation(request_id: &str) -> Invocation<'_> {
    Invocation {
        request_id,
        deadline_ms: u64::MAX,
        ..Invocation::default()
    }
}

/// Type and problem of a refused direct invocation.
async fn directly(function: &Function<Fragile>, payload: &str) -> (String, String) {
    let refused = function
        .answer(payload, &invocation("r-2"))
        .await
        .unwrap_err();
    (refused.error_type, refused.error_message)
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_next_request_is_served() {
    let function = function().await;
    let (status, problem) = over_gateway(&function, "GET", "").await;
    assert_eq!(
        (status, &problem["status"], &problem["request_id"]),
        (500, &json!(500), &json!("r-1"))
    );
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let (kind, problem) = directly(&function, "\"panic\"").await;
    assert_eq!(kind, "urn:storecast:problem:internal");
    assert!(
        problem.contains("\"request_id\":\"r-2\"") && !problem.contains("secret"),
        "{problem}"
    );
    assert_eq!(
        over_gateway(&function, "POST", "{}").await.0,
        503,
        "the model is still refused, the function lives"
    );
}

#[tokio::test]
async fn a_refused_model_a_bad_body_and_a_foreign_event_say_what_they_are() {
    let function = function().await;
    assert_eq!(
        directly(&function, "{}").await.0,
        "urn:storecast:problem:unavailable"
    );
    assert_eq!(
        over_gateway(&function, "PUT", "%").await.0,
        400,
        "base64 that is none"
    );
    let (kind, message) = directly(&function, r#"{"Records": [{"eventSource": "aws:sns"}]}"#).await;
    assert_eq!(kind, "urn:storecast:problem:unsupported-event");
    assert_eq!(message, "aws:sns events are not scored by this version");
}

#[tokio::test]
async fn a_refused_model_is_looked_for_again_but_not_at_every_request() {
    let function = function().await;
    function.registry.age(LOOK_EVERY / 2);
    function.registry.keep_up().await;
    assert!(
        function.registry.since_look() >= LOOK_EVERY / 2,
        "it was looked for just now"
    );
    function.registry.age(LOOK_EVERY);
    function.registry.keep_up().await;
    assert!(function.registry.since_look() < LOOK_EVERY / 2);
    // Nobody listens at the stores' address.
    assert!(function.registry.current().is_none());
}
