//! What is refused, and in which words: one lie at a time in a registry that is right otherwise.

mod forged;
mod publishing;

use churn::Churn;
use forged::{Forged, model_name, refused, set};
use serde_json::json;
use serving::manifest::{
    ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, POLICY_FILE, sha256_hex,
};
use serving::ports::{MemoryStore, PointerStore};
use serving::predictor::Predictor;
use serving::registry::{load_served, policy_pointer};

#[tokio::test]
async fn the_untouched_registry_is_accepted() {
    let served = Forged::new()
        .load()
        .await
        .map_err(|refusal| refusal.to_string());
    assert_eq!(
        served.unwrap().model.manifest.version,
        Forged::new().version
    );
    // So is one that was taken apart, put together and sealed anew: what the other tests change is what is refused.
    assert!(
        Forged::new()
            .resealed(GOLDEN_FILE, |_| ())
            .load()
            .await
            .is_ok()
    );
    assert!(
        Forged::new()
            .resealed(POLICY_FILE, |_| ())
            .load()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn one_changed_byte_in_any_file() {
    for file in [
        MANIFEST_FILE,
        MODEL_FILE,
        ARTIFACTS_FILE,
        GOLDEN_FILE,
        POLICY_FILE,
    ] {
        let length = Forged::new().files[file].len();
        for at in [0, length / 2, length - 1] {
            let mut forged = Forged::new();
            forged.files.get_mut(file).unwrap()[at] ^= 1;
            let found = sha256_hex(&forged.files[file]);
            forged
                .is_refused(&[file, "SHA-256", &found, "expected"])
                .await;
        }
    }
}

#[tokio::test]
async fn another_size() {
    let size = Forged::new().files[MODEL_FILE].len();
    let forged = Forged::new().manifest("/files/model.onnx/size", size + 1);
    forged
        .is_refused(&[&format!(
            "model.onnx has {size} bytes, the manifest says {}",
            size + 1
        )])
        .await;
}

#[tokio::test]
async fn a_missing_file() {
    for file in [
        MANIFEST_FILE,
        MODEL_FILE,
        ARTIFACTS_FILE,
        GOLDEN_FILE,
        POLICY_FILE,
    ] {
        let mut forged = Forged::new();
        forged.files.remove(file);
        let key = if file == POLICY_FILE {
            "policies/churn/"
        } else {
            file
        };
        forged.is_refused(&[key, "is missing"]).await;
    }
    // Sealing would put the entry back.
    let mut forged = Forged::new();
    let mut manifest = forged.json(MANIFEST_FILE);
    manifest["files"]
        .as_object_mut()
        .unwrap()
        .remove(GOLDEN_FILE);
    forged
        .files
        .insert(MANIFEST_FILE, manifest.to_string().into_bytes());
    forged.manifest_sha256 = sha256_hex(&forged.files[MANIFEST_FILE]);
    forged
        .is_refused(&["golden.json (in the manifest) is missing"])
        .await;
}

#[tokio::test]
async fn a_pointer_that_is_not_set_or_not_one() {
    for name in [model_name(), policy_pointer(Churn::NAME)] {
        let complete = Forged::new().write().await;
        let pointers = MemoryStore::default();
        for other in [model_name(), policy_pointer(Churn::NAME)]
            .iter()
            .filter(|other| **other != name)
        {
            let value = complete
                .get_pointers(&[other])
                .await
                .unwrap()
                .pop()
                .flatten()
                .unwrap();
            set(&pointers, other, &value).await;
        }
        let not_set = format!("no version is served: pointer {name} is not set");
        refused(load_served(&complete, &pointers, None).await, &[&not_set]).await;
        set(&pointers, &name, "v1").await;
        refused(
            load_served(&complete, &pointers, None).await,
            &[&name, "is unreadable"],
        )
        .await;
    }
}

#[tokio::test]
async fn columns_of_another_order_or_name() {
    let swapped = Forged::new().resealed(MANIFEST_FILE, |manifest| {
        manifest["features"]["names"]
            .as_array_mut()
            .unwrap()
            .swap(0, 1);
    });
    swapped
        .is_refused(&["column 0: the model has recency_over_gap_mean, this code has recency_days"])
        .await;
    let renamed = Forged::new().manifest("/features/names/2", "recency");
    renamed
        .is_refused(&["column 2: the model has recency, this code has recency_over_gap_max"])
        .await;
    let fewer = Forged::new().resealed(MANIFEST_FILE, |manifest| {
        manifest["features"]["names"].as_array_mut().unwrap().pop();
    });
    fewer
        .is_refused(&["number of columns: the model has 35, this code has 36"])
        .await;
}

#[tokio::test]
async fn another_fingerprint() {
    let ours = Churn::schema().fingerprint;
    let theirs = "0".repeat(64);
    let in_manifest = Forged::new().manifest("/features/fingerprint", theirs.clone());
    in_manifest
        .is_refused(&["feature fingerprint", &theirs, &ours])
        .await;
    let mut in_graph = Forged::new();
    let graph = in_graph.files.get_mut(MODEL_FILE).unwrap();
    let at = graph
        .windows(64)
        .position(|window| window == ours.as_bytes())
        .unwrap();
    graph[at..at + 64].copy_from_slice(theirs.as_bytes());
    in_graph
        .seal()
        .is_refused(&["fingerprint inside the graph", &theirs, &ours])
        .await;
}

#[tokio::test]
async fn columns_of_another_name_inside_the_graph() {
    let mut forged = Forged::new();
    let graph = forged.files.get_mut(MODEL_FILE).unwrap();
    let name = b"\"recency_over_gap_mean\"";
    let at = graph
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    graph[at..at + name.len()].copy_from_slice(b"\"recency_over_gap_meat\"");
    forged
        .seal()
        .is_refused(&["column 1 inside the graph: the model has recency_over_gap_meat, this code has recency_over_gap_mean"])
        .await;
}

#[tokio::test]
async fn another_model_format_or_tensor() {
    let cases = [
        (
            "/model",
            json!("fraud"),
            "model name: the model has fraud, this code has churn",
        ),
        (
            "/format",
            json!(2),
            "manifest format: the model has 2, this code has 1",
        ),
        ("/input/name", json!("x"), "name of the graph's input"),
        ("/output/name", json!("y"), "name of the graph's output"),
        (
            "/input/shape/1",
            json!("35"),
            "shape of the input: the model has rows x 35, this code has rows x 36",
        ),
        (
            "/created_at",
            json!(7),
            "manifest.json is unreadable: invalid type: integer `7`, expected a string",
        ),
    ];
    for (pointer, value, words) in cases {
        Forged::new()
            .manifest(pointer, value)
            .is_refused(&[words])
            .await;
    }
    let unknown = Forged::new().resealed(MANIFEST_FILE, |manifest| manifest["note"] = json!("x"));
    unknown
        .is_refused(&["manifest.json is unreadable: unknown field `note`"])
        .await;
}

#[tokio::test]
async fn a_graph_or_file_that_cannot_be_read() {
    for (file, words) in [
        (MODEL_FILE, "read ONNX model"),
        (ARTIFACTS_FILE, "artifacts.json is unreadable"),
        (GOLDEN_FILE, "golden.json is unreadable"),
        (POLICY_FILE, "policy.json is unreadable"),
    ] {
        let mut forged = Forged::new();
        forged.files.insert(file, b"half a fi".to_vec());
        forged.seal().is_refused(&[words]).await;
    }
}

#[tokio::test]
async fn a_golden_row_that_is_not_reproduced() {
    let row = "golden row history 1 of 172 lines: ";
    let name = Forged::new().json(GOLDEN_FILE)["rows"][0]["name"].clone();
    let row = row.replace("history 1 of 172 lines", name.as_str().unwrap());
    let cases = [
        ("/features/0", 1.0, "recency_days is "),
        ("/raw", 0.001, "raw score is "),
        ("/contributions/4", 1e-5, "contribution of bgnbd_p_buy is "),
        ("/base", -1e-5, "contribution of base is "),
    ];
    for (pointer, change, words) in cases {
        Forged::new()
            .golden(pointer, change)
            .is_refused(&[&row, words, "training had"])
            .await;
    }
    let none = Forged::new().resealed(GOLDEN_FILE, |golden| golden["rows"] = json!([]));
    none.is_refused(&["golden.json is unreadable: holds no rows"])
        .await;
    let short = Forged::new().resealed(GOLDEN_FILE, |golden| {
        golden["rows"][0]["contributions"]
            .as_array_mut()
            .unwrap()
            .pop();
    });
    short
        .is_refused(&["number of contributions is 36, training had 35"])
        .await;
    let narrow = Forged::new().resealed(GOLDEN_FILE, |golden| {
        golden["rows"][0]["features"].as_array_mut().unwrap().pop();
    });
    narrow.is_refused(&["number of columns"]).await;
}

#[tokio::test]
async fn another_fit_than_the_model_was_trained_on() {
    let forged = Forged::new().resealed(ARTIFACTS_FILE, |artifacts| {
        artifacts["bgnbd"]["parameters"]["alpha"] = json!(20.0);
    });
    forged.is_refused(&["golden row", "bgnbd_p_buy is "]).await;
}

#[tokio::test]
async fn a_policy_that_makes_no_sense() {
    let cases = [
        (
            "/margin_share",
            json!(25),
            "policy: margin_share is 25, allowed are 0 to 1",
        ),
        (
            "/currency",
            json!("EUR"),
            "policy: currency is EUR, the model's amounts are in USD",
        ),
        (
            "/offers/1/offer_minor",
            json!(-1),
            "policy: offers[1].offer_minor is -1",
        ),
        ("/version", json!(7), "policy.json is unreadable"),
    ];
    for (pointer, value, words) in cases {
        Forged::new()
            .policy(pointer, value)
            .is_refused(&[words])
            .await;
    }
}
