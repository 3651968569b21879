//! Any sequence of changes, against a stack that a person would keep on paper.

use super::*;
use proptest::prelude::*;

fn version(number: u8) -> ModelVersion {
    ModelVersion {
        pointer: ModelPointer {
            version: format!("v{number}"),
            manifest_sha256: number.to_string(),
        },
        created_at: String::new(),
        shop: String::new(),
        currency: String::new(),
        metrics: BTreeMap::new(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Promote(u8),
    RollBack,
    Canary(u8),
    Shadow(u8),
    Stop,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        (0..5u8).prop_map(Change::Promote),
        Just(Change::RollBack),
        (0..5u8).prop_map(Change::Canary),
        (0..5u8).prop_map(Change::Shadow),
        Just(Change::Stop),
    ];
    // Fewer than a history keeps, so that the paper and the record know equally much.
    prop::collection::vec(change, 0..9)
}

fn canary(number: u8, since_seconds: i64) -> Canary {
    Canary {
        model: version(number),
        percent: 5,
        salt: String::new(),
        since_seconds,
        stop_shift: None,
    }
}

proptest! {
    #[test]
    fn rolling_back_undoes_promotions_one_by_one(changes in changes()) {
        let mut paper = vec![0u8];
        let mut release = ModelRelease::first(version(0), 0);
        for (change, now) in changes.into_iter().zip(1i64..) {
            let served = *paper.last().expect("never empty");
            match change {
                Change::Promote(number) => {
                    release = release.promoted(version(number), now);
                    if number != served {
                        paper.push(number);
                    }
                }
                Change::RollBack => {
                    let before = release.before().cloned();
                    prop_assert_eq!(before.is_some(), paper.len() > 1);
                    if before.is_some() {
                        paper.pop();
                        let target = version(*paper.last().expect("one was left"));
                        prop_assert_eq!(before.as_ref(), Some(&target.pointer));
                        release = release.rolled_back(target, now);
                    }
                }
                Change::Canary(number) => release = release.with_canary(canary(number, now)),
                Change::Shadow(number) => {
                    release = release.with_shadow(Shadow { model: version(number), since_seconds: now });
                }
                Change::Stop => {
                    release = release.without_canary(now);
                }
            }
            let served = version(*paper.last().expect("never empty"));
            prop_assert_eq!(&release.served, &served);
            let promoted = matches!(change, Change::Promote(_));
            prop_assert!(!promoted || (release.canary.is_none() && release.shadow.is_none()));
            prop_assert!(release.history.iter().all(|past| past.since_seconds <= past.until_seconds));
            prop_assert!(release.history.windows(2).all(|two| two[0].until_seconds >= two[1].until_seconds));
            let text = serde_json::to_string(&release).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<ModelRelease>(&text).expect("its own JSON"), release.clone());
        }
    }

    #[test]
    fn a_history_is_capped(count in 0..60u8) {
        let mut release = PolicyRelease::first(PolicyPointer { sha256: "first".to_owned() }, 0);
        for number in 0..count {
            release = release.promoted(PolicyPointer { sha256: number.to_string() }, i64::from(number));
        }
        prop_assert_eq!(release.history.len(), usize::from(count).min(HISTORY_LIMIT));
        for now in (1_000..).take(release.history.len()) {
            release = release.rolled_back(now).expect("something before");
            prop_assert!(release.history.len() <= HISTORY_LIMIT);
            if release.before().is_none() {
                break;
            }
        }
    }
}
