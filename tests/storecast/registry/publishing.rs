//! A version is written once, a pointer has one winner, and what is refused leaves no trace.

use super::forged::{Forged, model_name};
use crate::shop::{model_files, policy_file, registry_of, renamed};
use bytes::Bytes;
use churn::Churn;
use serde_json::{Value, json};
use serving::manifest::MODEL_FILE;
use serving::ports::{ArtifactStore, MemoryStore, PointerChange, PointerStore, StoreError};
use serving::predictor::Predictor;
use serving::registry::release::{Canary, End, ModelRelease, Role};
use serving::registry::{
    ChangeError, Refusal, Registry, Use, load_served, model_key, policy_pointer, read_releases,
};
use std::sync::Mutex;

/// The committed policy under another version's name.
fn renamed_policy(version: &str) -> Bytes {
    let mut policy: Value = serde_json::from_slice(&policy_file()).expect("JSON");
    policy["version"] = json!(version);
    policy.to_string().into()
}

/// Version and policy that a function which starts now serves.
async fn served(store: &MemoryStore) -> (String, String) {
    let served = load_served::<Churn>(store, store, None).await;
    let served = served.unwrap_or_else(|refusal| panic!("{refusal}"));
    (served.model.manifest.version, served.policy.version)
}

#[tokio::test]
async fn publishing_twice_changes_nothing_and_a_version_is_written_once() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let first = registry.release::<Churn>(model_files(), policy_file());
    let first = first.await.unwrap();
    let pointers = [model_name(), policy_pointer(Churn::NAME)];
    let names = [pointers[0].as_str(), &pointers[1]];
    let before = store.get_pointers(&names).await.unwrap();
    let second = registry.release::<Churn>(model_files(), policy_file());
    assert_eq!(second.await.unwrap(), first);
    assert_eq!(store.get_pointers(&names).await.unwrap(), before);

    let mut files = model_files();
    let mut manifest: Value = serde_json::from_slice(&files.manifest).unwrap();
    manifest["created_at"] = json!("2026-01-01T00:00:00Z");
    files.manifest = manifest.to_string().into();
    let refusal = registry.release::<Churn>(files, policy_file()).await;
    assert!(
        matches!(&refusal, Err(ChangeError::Refused(Refusal::Hash { file, .. })) if file.ends_with("manifest.json")),
        "{refusal:?}"
    );
    assert_eq!(store.get_pointers(&names).await.unwrap(), before);
}

#[tokio::test]
async fn a_published_version_is_served_once_it_is_promoted_and_rolled_back_from() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let committed = Forged::new().version;
    let policy = renamed_policy("only");
    registry
        .publish::<Churn>(renamed::<Churn>("first"))
        .await
        .unwrap();
    let too_early = registry.promote::<Churn>("first", Use::Served).await;
    assert!(
        matches!(too_early, Err(ChangeError::Pointless(_))),
        "no policy yet"
    );
    registry.promote_policy::<Churn>(policy).await.unwrap();
    let shadow = registry.promote::<Churn>("first", Use::Shadow).await;
    assert!(
        matches!(shadow, Err(ChangeError::Pointless(_))),
        "nothing served"
    );
    registry
        .promote::<Churn>("first", Use::Served)
        .await
        .unwrap();
    registry.publish::<Churn>(model_files()).await.unwrap();
    assert_eq!(served(&store).await.0, "first", "published is not served");
    let nobody = registry.promote::<Churn>("nobody", Use::Served).await;
    assert!(
        matches!(&nobody, Err(ChangeError::Refused(Refusal::Missing { .. }))),
        "{nobody:?}"
    );
    let canary = Use::Canary {
        percent: 5,
        stop_shift: None,
    };
    let release = registry.promote::<Churn>(&committed, canary).await.unwrap();
    assert_eq!(release.canary.map(|c| c.percent), Some(5));
    for stop_shift in [Some(0.6), None] {
        let more = Use::Canary {
            percent: 20,
            stop_shift,
        };
        let release = registry.promote::<Churn>(&committed, more).await.unwrap();
        let canary = release.canary.unwrap();
        assert_eq!((canary.percent, canary.stop_shift), (20, Some(0.6)));
    }
    assert_eq!(
        served(&store).await.0,
        "first",
        "a canary is not served to all"
    );
    let release = registry.promote::<Churn>(&committed, Use::Served).await;
    assert_eq!(release.unwrap().canary, None);
    assert_eq!(served(&store).await, (committed.clone(), "only".to_owned()));
    let release = registry.roll_back::<Churn>().await.unwrap();
    assert_eq!(served(&store).await.0, "first");
    let told: Vec<_> = release
        .history
        .iter()
        .map(|past| (past.target.version.as_str(), past.role, &past.end))
        .collect();
    let expected = [
        (committed.as_str(), Role::Served, &End::RolledBack),
        ("first", Role::Served, &End::Restored),
        (&committed, Role::Canary, &End::Ended),
        (&committed, Role::Canary, &End::Ended),
        (&committed, Role::Canary, &End::Ended),
    ];
    assert_eq!(told, expected);
    let again = registry.roll_back::<Churn>().await;
    assert!(matches!(again, Err(ChangeError::Pointless(_))), "{again:?}");
}

#[tokio::test]
async fn a_policy_has_its_own_history_and_must_fit_everything_that_is_used() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let released = registry.release::<Churn>(model_files(), renamed_policy("first"));
    let version = released.await.unwrap().pointer.version;
    registry
        .promote_policy::<Churn>(renamed_policy("second"))
        .await
        .unwrap();
    assert_eq!(served(&store).await, (version.clone(), "second".to_owned()));
    let mut wrong: Value = serde_json::from_slice(&policy_file()).unwrap();
    wrong["risk_bands"][2]["from"] = json!(7);
    let wrong = registry.promote_policy::<Churn>(wrong.to_string().into());
    let wrong = wrong.await;
    assert!(matches!(wrong, Err(ChangeError::Refused(_))), "{wrong:?}");
    registry.roll_back_policy::<Churn>().await.unwrap();
    assert_eq!(served(&store).await, (version, "first".to_owned()));
    let pointers = read_releases::<Churn>(&store).await.unwrap();
    assert_eq!(pointers.model.history, [], "the model's pointer stays");
    assert_eq!(pointers.policy.history.len(), 2);
}

#[tokio::test]
async fn nothing_is_written_of_a_model_that_is_refused() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let mut files = model_files();
    files.golden = Bytes::from_static(b"{}");
    assert!(registry.publish::<Churn>(files.clone()).await.is_err());
    assert!(
        registry
            .release::<Churn>(files, policy_file())
            .await
            .is_err()
    );
    let wrong = registry.release::<Churn>(model_files(), Bytes::from_static(b"{}"));
    assert!(wrong.await.is_err());
    let key = model_key(Churn::NAME, &Forged::new().version, MODEL_FILE);
    assert_eq!(store.get_artifact(&key).await.unwrap(), None);
    assert_eq!(store.get_pointers(&[&model_name()]).await.unwrap(), [None]);
}

/// Pointers that somebody else moves between the reading and the writing.
struct Contested<'a>(&'a MemoryStore);

impl PointerStore for Contested<'_> {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        self.0.get_pointers(names).await
    }

    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        // The same meaning, in other bytes.
        let expected = changes[0].expected;
        let theirs = format!("{} ", expected.unwrap_or_default());
        let theirs = self.0.set_pointer(changes[0].name, expected, &theirs);
        assert!(theirs.await?);
        self.0.set_pointers(changes).await
    }
}

/// Pointers of which another than the one that changes is moved in between, once.
struct MovedBeside<'a> {
    store: &'a MemoryStore,
    name: String,
    to: Mutex<Option<String>>,
}

impl PointerStore for MovedBeside<'_> {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        self.store.get_pointers(names).await
    }

    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        let to = self.to.lock().expect("nobody panics with it").take();
        if let Some(to) = to {
            let now = self.store.get_pointers(&[&self.name]).await?.remove(0);
            let moved = self.store.set_pointer(&self.name, now.as_deref(), &to);
            assert!(moved.await?);
        }
        self.store.set_pointers(changes).await
    }
}

/// A version is checked against one policy while another is put in force, and a policy against one version while another is served.
#[tokio::test]
async fn model_and_policy_that_were_not_checked_together_are_never_served_together() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let release = registry.release::<Churn>(renamed::<Churn>("first"), renamed_policy("first"));
    release.await.unwrap();
    registry.publish::<Churn>(model_files()).await.unwrap();
    let version = Forged::new().version;
    let names = [model_name(), policy_pointer(Churn::NAME)];
    let pointers = async || store.get_pointers(&[&names[0], &names[1]]).await.unwrap();
    let before = pointers().await;
    registry
        .promote_policy::<Churn>(renamed_policy("other"))
        .await
        .unwrap();
    registry
        .promote::<Churn>(&version, Use::Served)
        .await
        .unwrap();
    let after = pointers().await;
    for moved in [0, 1] {
        for (name, text) in names.iter().zip(&before) {
            let now = store.get_pointers(&[name]).await.unwrap().remove(0);
            let text = text.as_deref().unwrap();
            store.set_pointer(name, now.as_deref(), text).await.unwrap();
        }
        let contested = MovedBeside {
            store: &store,
            name: names[moved].clone(),
            to: Mutex::new(after[moved].clone()),
        };
        let late = Registry {
            artifacts: &store,
            pointers: &contested,
            runtime_library: None,
            now: registry.now,
        };
        let told = match moved {
            0 => late.promote_policy::<Churn>(policy_file()).await.err(),
            _ => late.promote::<Churn>(&version, Use::Served).await.err(),
        };
        assert!(
            matches!(&told, Some(ChangeError::Contested { .. })),
            "{told:?}"
        );
        let found = pointers().await;
        assert_eq!(found[moved], after[moved], "what somebody else did stays");
        assert_eq!(found[1 - moved], before[1 - moved], "nothing else happens");
    }
}

#[tokio::test]
async fn of_many_who_stop_a_canary_one_does_and_only_that_one_is_stopped() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    let first = renamed::<Churn>("first");
    registry
        .release::<Churn>(first, policy_file())
        .await
        .unwrap();
    registry.publish::<Churn>(model_files()).await.unwrap();
    let canary = Use::Canary {
        percent: 5,
        stop_shift: None,
    };
    let version = Forged::new().version;
    let release = registry.promote::<Churn>(&version, canary).await.unwrap();
    let canary = release.canary.unwrap();
    let other = Canary {
        percent: 6,
        ..canary.clone()
    };
    let stop = async |registry: &Registry<'_, MemoryStore, MemoryStore>, canary: &Canary| {
        let stopped = registry.stop_canary::<Churn>(canary, "it failed".to_owned());
        stopped.await.unwrap()
    };
    assert!(!stop(&registry, &other).await, "another canary goes on");
    let contested = Contested(&store);
    let late = Registry {
        artifacts: &store,
        pointers: &contested,
        runtime_library: None,
        now: registry.now,
    };
    let told = late.stop_canary::<Churn>(&canary, "it failed".to_owned());
    assert!(!told.await.unwrap(), "somebody else was quicker");
    assert!(stop(&registry, &canary).await && !stop(&registry, &canary).await);
    let found = registry.model::<Churn>().await.unwrap().record.unwrap();
    assert_eq!((&found.canary, found.history.len()), (&None, 1));
    let stopped = found.stopped().unwrap();
    assert_eq!(stopped.reason.as_deref(), Some("it failed"));
}

#[tokio::test]
async fn of_two_who_change_a_pointer_one_is_told_and_changes_nothing() {
    let store = MemoryStore::default();
    let registry = registry_of(&store);
    registry
        .release::<Churn>(renamed::<Churn>("first"), renamed_policy("first"))
        .await
        .unwrap();
    registry.publish::<Churn>(model_files()).await.unwrap();
    let version = Forged::new().version;
    let contested = Contested(&store);
    let late = Registry {
        artifacts: &store,
        pointers: &contested,
        runtime_library: None,
        now: registry.now,
    };
    let told = [
        late.promote::<Churn>(&version, Use::Served).await.err(),
        late.release::<Churn>(model_files(), policy_file())
            .await
            .err(),
        late.promote::<Churn>(&version, Use::Shadow).await.err(),
        late.promote_policy::<Churn>(policy_file()).await.err(),
    ];
    for error in told {
        assert!(
            matches!(&error, Some(ChangeError::Contested { .. })),
            "{error:?}"
        );
    }
    assert_eq!(
        served(&store).await,
        ("first".to_owned(), "first".to_owned())
    );
    let found = store
        .get_pointers(&[&model_name()])
        .await
        .unwrap()
        .remove(0);
    let found: ModelRelease = serde_json::from_str(&found.unwrap()).unwrap();
    assert_eq!((found.shadow, found.history), (None, Vec::new()));
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
