//! Records of the table and the bucket.

use super::{Target, target};
use crate::batch::*;
use features::levels;
use recommendations::stock::LEVELS;
use serving::batch::progress::Progress;
use std::hint::black_box;

/// Histories, stock levels, claims, and what is left of files under way.
pub(super) fn stored() -> Vec<Target> {
    let store = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(filled());
    let record = |kind, id: &str| {
        let found = tables::ready(store.get_histories(kind, &[id])).expect("memory");
        found.records[0].clone().expect("a record").to_vec()
    };
    let customers = vec![
        record(churn::CUSTOMER, shop::STEADY),
        record(churn::CUSTOMER, shop::FADING),
    ];
    let skus = shop::skus()
        .into_iter()
        .map(|(_, history)| features::demand::codec::encode(&history));
    let stock = shop::SELLING_WELL.map(|id| record(LEVELS, &levels::shard_of(id).to_string()));
    let claim = br#"{"version":"v","sequencer":"0A","pins":{"model":{"version":"v","manifest_sha256":"m"},"policy":{"sha256":"p"}},"as_of_seconds":7,"attempt":1,"state":{"state":"in_progress","owner":"o","lease_until_ms":0,"left":{"sha256":"l","rows":3,"times":1,"spent_ms":9}},"changed_ms":0}"#;
    let progress = Progress::default().to_bytes().expect("JSON");
    let arrival = serde_json::to_vec(&Arrival::default()).expect("JSON");
    vec![
        target("customer-history", customers, |bytes| {
            let _ = black_box(features::codec::decode(bytes));
        }),
        target("demand-history", skus.collect(), |bytes| {
            let _ = black_box(features::demand::codec::decode(bytes));
        }),
        target("claim", vec![claim.to_vec(), arrival], |bytes| {
            let _ = black_box(serde_json::from_slice::<serving::batch::Claim>(bytes));
            let _ = black_box(serde_json::from_slice::<Arrival>(bytes));
        }),
        target("stock", stock.into_iter().collect(), |bytes| {
            if let Ok(shard) = levels::Shard::open(bytes) {
                let _ = black_box(shard.get(shop::SELLING_WELL[0]));
            }
        }),
        target("progress", vec![progress], |bytes| {
            drop(black_box(Progress::from_bytes(bytes)));
        }),
    ]
}
