//! A registry in which one thing can be wrong at a time.

use crate::shop::{call, model_files, policy_file};
use bytes::Bytes;
use churn::Churn;
use serde_json::{Value, json};
use serving::manifest::{
    ARTIFACTS_FILE, GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, POLICY_FILE, sha256_hex,
};
use serving::ports::{ArtifactStore, MemoryStore, PointerStore};
use serving::predictor::{Predictor, Served};
use serving::registry::{
    ModelPointer, ModelRelease, ModelVersion, PolicyPointer, PolicyRelease, Refusal, load_served,
    model_key, model_pointer, policy_key, policy_pointer,
};
use serving::service::Service;
use std::collections::BTreeMap;

/// The committed model as a registry holds it, written without any check, so that a test can lie anywhere in it.
pub(super) struct Forged {
    pub(super) files: BTreeMap<&'static str, Vec<u8>>,
    pub(super) manifest_sha256: String,
    policy_sha256: String,
    pub(super) version: String,
}

impl Forged {
    pub(super) fn new() -> Self {
        let files = model_files();
        let files: BTreeMap<_, Vec<u8>> = [
            (MANIFEST_FILE, files.manifest),
            (MODEL_FILE, files.graph),
            (ARTIFACTS_FILE, files.artifacts),
            (GOLDEN_FILE, files.golden),
            (POLICY_FILE, policy_file()),
        ]
        .map(|(name, bytes)| (name, bytes.to_vec()))
        .into();
        let manifest: Value = serde_json::from_slice(&files[MANIFEST_FILE]).expect("JSON");
        let version = manifest["version"].as_str().expect("a version").to_owned();
        let (manifest_sha256, policy_sha256) = (
            sha256_hex(&files[MANIFEST_FILE]),
            sha256_hex(&files[POLICY_FILE]),
        );
        Self {
            files,
            manifest_sha256,
            policy_sha256,
            version,
        }
    }

    pub(super) fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&self.files[file]).expect("JSON")
    }

    /// Changes a JSON file and makes every hash on the way to it right again, so that only its meaning is wrong.
    pub(super) fn resealed(mut self, file: &'static str, change: impl FnOnce(&mut Value)) -> Self {
        let mut content = self.json(file);
        change(&mut content);
        self.files.insert(file, content.to_string().into_bytes());
        self.seal()
    }

    pub(super) fn seal(mut self) -> Self {
        let mut manifest = self.json(MANIFEST_FILE);
        for file in [MODEL_FILE, ARTIFACTS_FILE, GOLDEN_FILE] {
            let bytes = &self.files[file];
            // A test about sizes has lied on purpose.
            if manifest["files"][file]["sha256"] != sha256_hex(bytes) {
                manifest["files"][file] =
                    json!({ "size": bytes.len(), "sha256": sha256_hex(bytes) });
            }
        }
        self.files
            .insert(MANIFEST_FILE, manifest.to_string().into_bytes());
        self.manifest_sha256 = sha256_hex(&self.files[MANIFEST_FILE]);
        self.policy_sha256 = sha256_hex(&self.files[POLICY_FILE]);
        self
    }

    pub(super) fn manifest(self, pointer: &str, value: impl Into<Value>) -> Self {
        self.resealed(MANIFEST_FILE, |manifest| {
            *manifest.pointer_mut(pointer).expect("a place") = value.into();
        })
    }

    /// Changes the first golden row.
    pub(super) fn golden(self, pointer: &str, change: f64) -> Self {
        self.resealed(GOLDEN_FILE, |golden| {
            let value = golden
                .pointer_mut(&format!("/rows/0{pointer}"))
                .expect("a place");
            *value = json!(value.as_f64().expect("a number") + change);
        })
    }

    pub(super) fn policy(self, pointer: &str, value: impl Into<Value>) -> Self {
        self.resealed(POLICY_FILE, |policy| {
            *policy.pointer_mut(pointer).expect("a place") = value.into();
        })
    }

    pub(super) async fn write(&self) -> MemoryStore {
        let store = MemoryStore::default();
        for (&file, bytes) in &self.files {
            let key = match file {
                POLICY_FILE => policy_key(Churn::NAME, &self.policy_sha256),
                _ => model_key(Churn::NAME, &self.version, file),
            };
            assert!(
                store
                    .put_artifact(&key, Bytes::from(bytes.clone()))
                    .await
                    .expect("memory")
            );
        }
        let model = ModelVersion {
            pointer: ModelPointer {
                version: self.version.clone(),
                manifest_sha256: self.manifest_sha256.clone(),
            },
            created_at: String::new(),
            shop: String::new(),
            currency: String::new(),
            metrics: BTreeMap::new(),
        };
        let model = ModelRelease::first(model, 0);
        let policy = PolicyPointer {
            sha256: self.policy_sha256.clone(),
        };
        let policy = PolicyRelease::first(policy, 0);
        set(
            &store,
            &model_name(),
            &serde_json::to_string(&model).expect("JSON"),
        )
        .await;
        set(
            &store,
            &policy_pointer(Churn::NAME),
            &serde_json::to_string(&policy).expect("JSON"),
        )
        .await;
        store
    }

    pub(super) async fn load(&self) -> Result<Served<Churn>, Refusal> {
        let store = self.write().await;
        load_served(&store, &store, None).await
    }

    /// The registry is refused with all of these words, and the function answers without telling them.
    pub(super) async fn is_refused(&self, words: &[&str]) {
        refused(self.load().await, words).await;
    }
}

pub(super) async fn refused(loaded: Result<Served<Churn>, Refusal>, words: &[&str]) {
    let Err(refusal) = loaded else {
        panic!("accepted, expected a refusal with {words:?}")
    };
    let text = refusal.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in `{text}`");
    }
    let service = Service::<Churn, _>::new(MemoryStore::default(), Err(refusal));
    let answer = call(&service, "GET", "/v1/customers/1/churn", "").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1"))
    );
    assert!(
        !answer.body.to_string().contains(&text),
        "the reason is for the log"
    );
    assert_eq!(service.model_version(), "none");
}

pub(super) fn model_name() -> String {
    model_pointer(Churn::NAME, &Churn::schema().fingerprint)
}

pub(super) async fn set(store: &MemoryStore, name: &str, value: &str) {
    let current = store
        .get_pointers(&[name])
        .await
        .expect("memory")
        .pop()
        .flatten();
    assert!(
        store
            .set_pointer(name, current.as_deref(), value)
            .await
            .expect("memory")
    );
}
