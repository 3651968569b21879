//! Fits the artifacts: counters, lists and neighbours, from what was known before one instant.
//!
//! Every sum runs in one order on one thread, so that the files are equal, byte for byte, on every host.

mod baskets;
mod counts;
mod likes;
mod linear;
mod seen;

use crate::artifacts::{Artifacts, Tables};
use crate::tables::Neighbours;
use bytes::Bytes;
use features::history::CustomerHistory;
use features::time::Timestamp;
use seen::Seen;
use serving::manifest::sha256_hex;
use serving::predictor::TrainingSettings;
use serving::wire::format_instant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fits everything on orders before `cutoff`.
pub(crate) fn fit(
    histories: &mut dyn Iterator<Item = (String, CustomerHistory)>,
    cutoff: Timestamp,
    settings: &TrainingSettings,
) -> Result<Artifacts, String> {
    let seen = Seen::read(histories, cutoff);
    if seen.ids.is_empty() {
        return Err(
            "the orders name no products, so there is nothing to recommend: name the column in [orders.columns] \
             product_id"
                .to_owned(),
        );
    }
    let counts = counts::count(&seen, &settings.products);
    let popularity = &counts.columns.orders[0];
    let files = [
        counts.columns.to_bytes(),
        likes::fit(&seen, popularity).to_bytes(),
        baskets::fit(&seen, popularity).to_bytes(),
    ]
    .map(Bytes::from);
    Ok(Artifacts {
        currency: settings.currency.clone(),
        minor_per_major: settings.minor_per_major,
        horizon_days: settings.horizon_days,
        fitted_before: format_instant(cutoff),
        orders: counts.shop_orders,
        items: seen.ids.len(),
        tables_sha256: [0, 1, 2].map(|at: usize| sha256_hex(&files[at])),
        tables: Some(Arc::new(Tables::open(files)?)),
    })
}

/// What stands in one order with an item, all of it: plain cosine, the baseline of completing a cart.
pub fn plain_cosine(
    histories: &mut dyn Iterator<Item = (String, CustomerHistory)>,
    cutoff: Timestamp,
) -> Result<Neighbours, String> {
    let seen = Seen::read(histories, cutoff);
    let counts = counts::count(&seen, &BTreeMap::new());
    let rows = baskets::plain(&seen, &counts.columns.orders[0]);
    Neighbours::open(&Bytes::from(rows.to_bytes()), seen.ids.len())
}

/// The `most` best of scored items: by score, then popularity, then id.
pub fn best(scored: &mut Vec<(u32, f64)>, popularity: impl Fn(u32) -> u32, most: usize) {
    let order = |a: &(u32, f64), b: &(u32, f64)| {
        let by_score = b.1.total_cmp(&a.1);
        by_score
            .then_with(|| popularity(b.0).cmp(&popularity(a.0)))
            .then(a.0.cmp(&b.0))
    };
    if most < scored.len() {
        if most > 0 {
            scored.select_nth_unstable_by(most - 1, order);
        }
        scored.truncate(most);
    }
    scored.sort_unstable_by(order);
}
