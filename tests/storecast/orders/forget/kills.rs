//! Forgetting that ends between any two calls of a store, and what doing it again makes of it.

use super::super::kills::at_every_call;
use super::*;

/// Every file apart from what merges write for themselves, and how much of it.
type Left = BTreeMap<String, Bytes>;

impl Rig {
    /// What stands in the bucket beside the ledgers, whose names differ from merge to merge.
    fn left(&self) -> Left {
        let files = &self.files.inner;
        let places = files.places().into_iter();
        let kept = places.filter(|place| !place.key.starts_with("merged/ledgers/"));
        kept.map(|place| (place.key.clone(), files.file(&place).expect("listed")))
            .collect()
    }
}

/// A shop with the customer in files, table and predictions.
async fn with_customer(made_up: &MadeUp, who: &str, plan: &Plan) -> Rig {
    let rig = Rig::new(&made_up.shop, plan);
    for file in made_up.clean().iter().chain(&made_up.poison()) {
        rig.put(&file.name, &file.bytes).await;
    }
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    put_answers(&rig, who).await;
    put_last_predictions(&rig, who).await;
    rig
}

#[tokio::test]
async fn killed_or_failed_at_any_call_it_is_done_when_asked_again() {
    let made_up = MadeUp::new(3, 3);
    let who = made_up.somebody();
    let folder = tempfile::tempdir().expect("a folder");
    let others = made_up.clone().without(&who);
    let clean = load(&others.shop, &others.clean(), folder.path());
    let undisturbed = with_customer(&made_up, &who, &no_faults()).await;
    assert!(to_end(undisturbed.forget(&who)).expect("no fault").holds());
    let expected = undisturbed.left();
    let ends = at_every_call(
        async |plan| with_customer(&made_up, &who, plan).await,
        async |rig| rig.forget(&who).await,
        async |rig, call, fault| {
            let again = to_end(rig.forget(&who)).expect("no fault is left");
            assert!(again.holds(), "call {call}, {fault:?}: {:?}", again.again);
            let left = rig.left();
            assert!(
                left.keys().eq(expected.keys()),
                "call {call}, {fault:?}: {:?}",
                left.keys()
            );
            let differs = left.iter().find(|(key, bytes)| expected[*key] != **bytes);
            assert!(differs.is_none(), "call {call}, {fault:?}: {differs:?}");
            rig.no_file_holds(&format!(";{who};"));
            rig.is_like(&clean).await;
        },
    )
    .await;
    println!("{ends} times forgetting ended early");
    assert!(ends > 400, "{ends}");
}
