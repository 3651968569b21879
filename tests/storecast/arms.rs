//! A canary answers about its share and nobody else; a shadow is never seen.

use crate::shop::{self, FADING, LAPSED, NOW, ODD_ID, STEADY, call, post};
use churn::Churn;
use features::matrix::Matrix;
use inventory::Inventory;
use recommendations::Recommendations;
use serde_json::json;
use serving::arms::{Arms, CanaryArm};
use serving::canary::{ArmSample, Sample, Trials};
use serving::manifest::Platt;
use serving::model::{Contributions, ModelError, Scorer};
use serving::ports::MemoryStore;
use serving::predictor::{Predictor, Served};
use serving::service::{HttpRequest, Service};
use std::sync::Arc;

async fn named<P: Predictor>(version: &str) -> Arc<Served<P>> {
    let mut served = shop::served::<P>().await;
    version.clone_into(&mut served.model.manifest.version);
    Arc::new(served)
}

/// A function over the small shop, with arms.
async fn beside<P: Predictor>(arms: Arms<P>) -> Service<P, MemoryStore> {
    let store = MemoryStore::default();
    shop::fill(&store).await;
    Service::with_arms(store, arms)
}

async fn with_canary<P: Predictor>(percent: u8, salt: &str) -> Service<P, MemoryStore> {
    let canary = CanaryArm {
        served: named("canary").await,
        percent,
        salt: salt.to_owned(),
        trials: Arc::default(),
    };
    let arms = Arms {
        canary: Some(canary),
        ..Arms::only(named("served").await)
    };
    beside(arms).await
}

/// A history for anybody.
fn asked(id: &str) -> String {
    json!({ "customers": [{ "customer_id": id, "history": { "orders": [] } }] }).to_string()
}

#[tokio::test]
async fn a_canary_answers_about_its_share_always_the_same_entities() {
    let mut taken_by_less = Vec::new();
    for percent in [1, 20, 60] {
        let service = with_canary::<Churn>(percent, "salt").await;
        let mut taken = Vec::new();
        for id in (0..500).map(|id| id.to_string()) {
            let versions: Vec<_> = [
                post(&service, asked(&id)).await.body["model_version"].clone(),
                post(&service, asked(&id)).await.body["model_version"].clone(),
            ]
            .into();
            assert_eq!(
                versions[0], versions[1],
                "the same entity, the same version"
            );
            if versions[0] == "canary" {
                taken.push(id);
            } else {
                assert_eq!(versions[0], "served");
            }
        }
        let expected = 5.0 * f64::from(percent);
        assert!(
            (taken.len() as f64 - expected).abs() < 50.0,
            "{} of 500",
            taken.len()
        );
        assert!(
            taken_by_less.iter().all(|id| taken.contains(id)),
            "a larger share keeps whom it had"
        );
        taken_by_less = taken;
    }
}

#[tokio::test]
async fn requests_about_several_and_files_are_answered_by_the_served_version() {
    let service = with_canary::<Churn>(99, "salt").await;
    let several = json!({ "customers": [{ "customer_id": STEADY }, { "customer_id": FADING }] });
    let several = post(&service, several.to_string()).await;
    assert_eq!(several.body["model_version"], "served");
    let request = Churn::parse(asked(STEADY).as_bytes()).expect("a request");
    let rows = service.answer_rows(&[request], NOW).await.expect("answers");
    let row = rows.answers[0].as_ref().expect("an answer");
    assert!(row.contains(r#""model_version":"served""#), "{row}");
}

#[tokio::test]
async fn a_failure_is_of_the_version_that_failed() {
    let request = HttpRequest {
        method: "GET".to_owned(),
        path: "/v1/customers/nobody/churn".to_owned(),
        ..HttpRequest::default()
    };
    for (percent, version) in [(99, "canary"), (1, "served")] {
        let service = with_canary::<Churn>(percent, "salt").await;
        let response = service.handle_http(request.clone(), "request-1", NOW).await;
        assert_eq!(response.status, 404);
        assert_eq!(service.version_of(&response.observed), version);
    }
}

#[tokio::test]
async fn every_function_knows_the_one_entity_of_a_request() {
    let versions = [
        call(
            &with_canary::<Churn>(99, "a").await,
            "GET",
            "/v1/customers/1/churn",
            "",
        )
        .await,
        call(
            &with_canary::<Inventory>(99, "a").await,
            "GET",
            &format!("/v1/skus/{}/inventory", shop::FAST),
            "",
        )
        .await,
        call(
            &with_canary::<Recommendations>(99, "a").await,
            "GET",
            "/v1/customers/1/recommendations",
            "",
        )
        .await,
    ];
    for answer in versions {
        assert_eq!(
            (answer.status, &answer.body["model_version"]),
            (200, &json!("canary"))
        );
    }
    let nobody = call(
        &with_canary::<Recommendations>(99, "a").await,
        "POST",
        "/v1/recommendations",
        "{}",
    )
    .await;
    assert_eq!(nobody.body["model_version"], "served");
}

/// Adds to every score, or fails.
struct Shifted {
    scorer: Box<dyn Scorer>,
    by: Option<f64>,
}

impl Scorer for Shifted {
    fn columns(&self) -> usize {
        self.scorer.columns()
    }

    fn score(&self, rows: &Matrix, scores: &mut Vec<f64>) -> Result<(), ModelError> {
        let by = self.by.expect("a failing shadow, as meant");
        self.scorer.score(rows, scores)?;
        for score in scores {
            *score += by;
        }
        Ok(())
    }

    fn explain(&self, rows: &Matrix) -> Option<Result<Vec<Contributions>, ModelError>> {
        self.scorer.explain(rows)
    }
}

/// A panic in a version is a failure of that version and of nobody else.
#[tokio::test]
async fn what_panics_in_a_canary_is_noted_of_the_canary() {
    let mut failing = shop::served::<Churn>().await;
    failing.model.scorer = Box::new(Shifted {
        scorer: failing.model.scorer,
        by: None,
    });
    let trials = Arc::<Trials>::default();
    let canary = CanaryArm {
        served: Arc::new(failing),
        percent: 50,
        salt: "salt".to_owned(),
        trials: Arc::clone(&trials),
    };
    let arms = Arms {
        canary: Some(canary),
        ..Arms::only(named("served").await)
    };
    let service = Arc::new(beside(arms).await);
    let mut panicked = 0;
    for id in 0..60 {
        let service = Arc::clone(&service);
        let answer = tokio::spawn(async move { post(&service, asked(&id.to_string())).await });
        match answer.await {
            Ok(answer) => assert_eq!(answer.body["model_version"], "served"),
            Err(_) => panicked += 1,
        }
    }
    trials.learn(0, &Sample::default(), Sample::default());
    let noted = trials.pending(0).expect("something");
    let of = |arm: &ArmSample| (arm.answers(), arm.failures());
    assert_eq!(of(&noted.canary), (0, panicked));
    assert_eq!(of(&noted.served), (60 - panicked, 0));
    assert!((15..45).contains(&panicked), "{panicked}");
}

async fn shadowed_by(by: Option<f64>) -> Service<Churn, MemoryStore> {
    let mut shadow = shop::served::<Churn>().await;
    shadow.model.scorer = Box::new(Shifted {
        scorer: shadow.model.scorer,
        by,
    });
    let arms = Arms {
        shadow: Some(Arc::new(shadow)),
        ..Arms::only(Arc::new(shop::served().await))
    };
    beside(arms).await
}

#[tokio::test]
async fn a_shadow_changes_no_answer_and_its_distance_is_told() {
    let alone = shop::service::<Churn>().await;
    for (by, beyond, fails) in [
        (Some(0.0), 0, false),
        (Some(-0.25), 1, false),
        (None, 0, true),
    ] {
        let service = shadowed_by(by).await;
        for id in [STEADY, FADING, LAPSED, ODD_ID, "nobody"] {
            let path = percent_path(id);
            let expected = call(&alone, "GET", &path, "").await;
            let request = HttpRequest {
                method: "GET".to_owned(),
                path,
                ..HttpRequest::default()
            };
            let response = service.handle_http(request, "request-1", NOW).await;
            let told = response.observed.shadowed;
            let body: serde_json::Value = serde_json::from_str(&response.body).expect("JSON");
            assert_eq!((response.status, &body), (expected.status, &expected.body));
            if id != STEADY {
                continue;
            }
            let told = told.expect("a shadow scores whatever is scored");
            assert_eq!((told.failed, told.beyond_tolerance), (fails, beyond));
            let by = by.unwrap_or_default().abs();
            assert!((told.largest_difference - by).abs() < 1e-9, "{told:?}");
        }
    }
}

/// What is fitted apart from the trees is a version's own as well.
#[tokio::test]
async fn a_shadow_scores_columns_of_its_own_artifacts() {
    async fn refitted() -> Served<Churn> {
        let mut served = shop::served::<Churn>().await;
        served.model.artifacts.bgnbd.parameters.alpha *= 1e3;
        served
    }
    let request = HttpRequest {
        method: "GET".to_owned(),
        path: percent_path(STEADY),
        ..HttpRequest::default()
    };
    let arms = Arms {
        shadow: Some(Arc::new(refitted().await)),
        ..Arms::only(Arc::new(shop::served().await))
    };
    let service = beside(arms).await;
    let response = service.handle_http(request, "request-1", NOW).await;
    let told = response.observed.shadowed.expect("a shadow scores");
    let log_odds = async |served| {
        let service = beside(Arms::only(Arc::new(served))).await;
        let answer = call(&service, "GET", &percent_path(STEADY), "").await;
        answer.body["results"][0]["log_odds"]
            .as_f64()
            .expect("a score")
    };
    let apart = log_odds(refitted().await).await - log_odds(shop::served().await).await;
    let slope = Platt::of(&refitted().await.model.manifest).slope;
    assert!(apart.abs() > 1e-3, "{apart}");
    assert!(
        (told.largest_difference - apart.abs() / slope).abs() < 1e-9,
        "{told:?}, {apart}"
    );
}

fn percent_path(id: &str) -> String {
    let encoded: Vec<_> = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let encoded = encoded.concat();
    format!("/v1/customers/{encoded}/churn")
}

/// What a shadow adds to a request, in microseconds: the figure that the README states.
#[tokio::test]
#[ignore = "a measurement: cargo test --release --workspace --test storecast -- --ignored shadow_cost --nocapture"]
async fn shadow_cost() {
    use std::time::Instant;
    let order = |day: usize| {
        json!({ "order_id": day.to_string(), "placed_at": format!("2017-12-{day:02}T10:00:00Z"),
        "lines": [{ "product_id": "1029743", "category": "GROCERY", "net_minor": 2_450 }] })
    };
    let orders: Vec<_> = (1..=28).map(order).collect();
    for customers in [1, 100] {
        let ids = (0..customers)
            .map(|id| json!({ "customer_id": id.to_string(), "history": { "orders": orders } }));
        let body = json!({ "customers": ids.collect::<Vec<_>>(), "as_of": "2018-01-01T00:00:00Z" })
            .to_string();
        let mut medians = Vec::new();
        for service in [shop::service::<Churn>().await, shadowed_by(Some(0.0)).await] {
            let mut times = Vec::new();
            for _ in 0..500 {
                let begun = Instant::now();
                let answer = post(&service, body.clone()).await;
                times.push(begun.elapsed());
                assert_eq!(answer.body["results"][0]["state"], "scored");
            }
            times.sort_unstable();
            medians.push(times[times.len() / 2]);
        }
        println!(
            "{customers} customers: {:?} alone, {:?} with a shadow",
            medians[0], medians[1]
        );
    }
}
