//! A version is written once, a pointer has one winner, and what is refused leaves no trace.

use super::forged::{Forged, model_name};
use crate::shop::{self, model_files, policy_file};
use bytes::Bytes;
use churn::Churn;
use serde_json::{Value, json};
use serving::manifest::{GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE};
use serving::ports::{ArtifactStore, MemoryStore, PointerStore, StoreError};
use serving::predictor::Predictor;
use serving::registry::{Refusal, load_served, model_key, policy_pointer, publish};

#[tokio::test]
async fn publishing_twice_changes_nothing_and_a_version_is_written_once() {
    let store = MemoryStore::default();
    let first = publish::<Churn>(&store, &store, model_files(), policy_file(), None)
        .await
        .unwrap();
    let pointers = [model_name(), policy_pointer(Churn::NAME)];
    let names = [pointers[0].as_str(), &pointers[1]];
    let before = store.get_pointers(&names).await.unwrap();
    let second = publish::<Churn>(&store, &store, model_files(), policy_file(), None)
        .await
        .unwrap();
    assert_eq!(
        (&second, store.get_pointers(&names).await.unwrap()),
        (&first, before.clone())
    );

    let mut files = model_files();
    let mut manifest: Value = serde_json::from_slice(&files.manifest).unwrap();
    manifest["created_at"] = json!("2026-01-01T00:00:00Z");
    files.manifest = manifest.to_string().into();
    let refusal = publish::<Churn>(&store, &store, files, policy_file(), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Hash { file, .. } if file.ends_with("manifest.json")),
        "{refusal}"
    );
    assert_eq!(store.get_pointers(&names).await.unwrap(), before);

    // Another policy is no model release: only its own pointer moves.
    let mut policy: Value = serde_json::from_slice(&policy_file()).unwrap();
    policy["version"] = json!("next");
    let third = publish::<Churn>(
        &store,
        &store,
        model_files(),
        policy.to_string().into(),
        None,
    )
    .await
    .unwrap();
    assert_eq!(third, first);
    let served = load_served::<Churn>(&store, &store, None)
        .await
        .unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(served.policy.version, "next");
}

#[tokio::test]
async fn nothing_is_written_of_a_model_that_is_refused() {
    let store = MemoryStore::default();
    let mut files = model_files();
    files.golden = Bytes::from_static(b"{}");
    assert!(
        publish::<Churn>(&store, &store, files, policy_file(), None)
            .await
            .is_err()
    );
    let key = model_key(Churn::NAME, &Forged::new().version, MODEL_FILE);
    assert_eq!(store.get_artifact(&key).await.unwrap(), None);
    assert_eq!(store.get_pointers(&[&model_name()]).await.unwrap(), [None]);
}

/// Pointers that somebody else moves between the reading and the writing.
struct Contested(MemoryStore);

impl PointerStore for Contested {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        self.0.get_pointers(names).await
    }

    async fn set_pointer(
        &self,
        name: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool, StoreError> {
        assert!(self.0.set_pointer(name, expected, "theirs").await?);
        self.0.set_pointer(name, expected, value).await
    }
}

#[tokio::test]
async fn of_two_who_move_a_pointer_one_is_told() {
    let (store, pointers) = (MemoryStore::default(), Contested(MemoryStore::default()));
    let refusal = publish::<Churn>(&store, &pointers, model_files(), policy_file(), None)
        .await
        .unwrap_err();
    assert!(
        refusal
            .to_string()
            .contains("somebody else moved it at the same time"),
        "{refusal}"
    );
    assert_eq!(
        pointers.get_pointers(&[&model_name()]).await.unwrap(),
        [Some("theirs".to_owned())]
    );
}

#[test]
fn of_many_who_move_a_pointer_one_wins() {
    let store = MemoryStore::default();
    let winners: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let store = &store;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    let value = format!("v{racer}");
                    usize::from(
                        runtime
                            .block_on(store.set_pointer(&model_name(), None, &value))
                            .unwrap(),
                    )
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn a_new_version_replaces_the_served_one_only_when_it_is_good() {
    let good = Forged::new().write().await;
    let mut files = model_files();
    let forged = Forged::new().golden("/raw", 1.0);
    files.golden = forged.files[GOLDEN_FILE].clone().into();
    files.manifest = forged.files[MANIFEST_FILE].clone().into();
    assert!(
        publish::<Churn>(&good, &good, files, policy_file(), None)
            .await
            .is_err()
    );
    let served = load_served::<Churn>(&good, &good, None).await;
    assert_eq!(
        served.map(|served| served.model.manifest.version).ok(),
        Some(shop::served::<Churn>().await.model.manifest.version)
    );
}
