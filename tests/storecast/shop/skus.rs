//! The SKUs of the small shop: fast and slow, new and old, with days on which nobody could buy.

use bytes::Bytes;
use features::demand::{DaySpan, DemandDay, DemandHistory, OnOrder, Stock, codec, day_start};
use features::levels::{Level, encode, shard_of};
use features::time::LocalDay;
use inventory::{CATEGORY, SKU};
use recommendations::stock::LEVELS;
use serving::ports::HistoryStore;
use std::collections::BTreeMap;

/// 2017-12-31: demand before it is known.
pub(crate) const DEMAND_THROUGH: LocalDay = LocalDay(17_531);
/// Sells every day.
pub(crate) const FAST: &str = "1082185";
/// Sold on five days of four months.
pub(crate) const SLOW: &str = "39612";
/// Sold for a month only.
pub(crate) const NEW: &str = "981760";

/// Products of the default shop that are in stock beside the SKUs.
pub(crate) const SELLING_WELL: [&str; 16] = [
    "1106523", "1133018", "883404", "1127831", "951590", "826249", "840361", "908531", "995785",
    "1098066", "860776", "5569230", "961554", "849843", "904360", "916122",
];

/// Puts the demand of the small shop into a store.
pub(super) async fn fill(store: &impl HistoryStore) {
    let skus = skus();
    let mut totals: BTreeMap<&str, DemandHistory> = BTreeMap::new();
    for (_, history) in &skus {
        let total = totals.entry(&history.category).or_default();
        total.days.extend(&history.days);
    }
    let categories = totals
        .into_iter()
        .map(|(name, history)| (name, history.sorted()));
    put(
        store,
        SKU,
        skus.iter().map(|(id, history)| (*id, history.clone())),
    )
    .await;
    put(store, CATEGORY, categories).await;
    put_levels(store, &skus).await;
}

/// What lies in the shelves, as recommending reads it: of the SKUs, and of other products that sell well.
async fn put_levels(store: &impl HistoryStore, skus: &[(&'static str, DemandHistory)]) {
    let level = |units: i64, units_per_day: f32| Level {
        on_hand_milli: units * 1000,
        units_per_day,
    };
    let of_sku = |(id, history): &(&'static str, DemandHistory)| {
        let stock = history.stock.as_ref()?;
        Some((*id, level(stock.on_hand_milli / 1000, 2.0)))
    };
    let others = SELLING_WELL.iter().map(|id| (*id, level(90, 1.5)));
    let mut shards: BTreeMap<u32, BTreeMap<&str, Level>> = BTreeMap::new();
    for (id, level) in others.chain(skus.iter().filter_map(of_sku)) {
        shards.entry(shard_of(id)).or_default().insert(id, level);
    }
    let record = |(shard, levels): (u32, BTreeMap<&str, Level>)| {
        let levels = levels.into_iter().map(|(id, level)| (id.to_owned(), level));
        let levels: Vec<_> = levels.collect();
        (shard.to_string(), Bytes::from(encode(&levels)))
    };
    let records: Vec<_> = shards.into_iter().map(record).collect();
    store.put_histories(LEVELS, &records).await.expect("room");
    let through = day_start(DEMAND_THROUGH);
    store
        .set_complete_through(LEVELS, through)
        .await
        .expect("room");
}

async fn put<'a>(
    store: &impl HistoryStore,
    kind: &'static str,
    histories: impl Iterator<Item = (&'a str, DemandHistory)>,
) {
    let records: Vec<_> = histories
        .map(|(id, history)| (id.to_owned(), Bytes::from(codec::encode(&history))))
        .collect();
    store.put_histories(kind, &records).await.expect("room");
    let through = day_start(DEMAND_THROUGH);
    store
        .set_complete_through(kind, through)
        .await
        .expect("room");
}

/// Every SKU by its id.
pub(crate) fn skus() -> Vec<(&'static str, DemandHistory)> {
    vec![
        (
            FAST,
            with_stock(
                sold("TROPICAL FRUIT", 360, 1, 40, 49),
                60,
                &[(2, 120), (40, 300)],
            ),
        ),
        (
            "995242",
            with_stock(sold("FLUID MILK PRODUCTS", 360, 1, 21, 310), 35, &[]),
        ),
        (
            "1029743",
            with_stock(
                out_of_stock(sold("FLUID MILK PRODUCTS", 300, 1, 12, 285)),
                0,
                &[(3, 48)],
            ),
        ),
        (
            "823704",
            with_stock(sold("BREAKFAST SAUSAGE/SANDWICHES", 340, 2, 1, 399), 4, &[]),
        ),
        (SLOW, sold("WATER - CARBONATED/FLVRD DRINK", 330, 24, 3, 89)),
        (NEW, with_stock(sold("EGGS", 30, 2, 5, 199), 400, &[])),
    ]
}

/// Sales every `every` days since `since` days ago, about `units` each.
fn sold(category: &str, since: i32, every: i32, units: i64, price_minor: i64) -> DemandHistory {
    let day = |ago: i32| {
        let wave = i64::from(ago * 7 % 5) - 2;
        let sold = (units + wave * units / 8 + i64::from(ago % 3)).max(1);
        DemandDay {
            day: LocalDay(DEMAND_THROUGH.0 - ago),
            units_milli: sold * 1000,
            net_minor: sold * price_minor,
            discount_minor: if ago % 14 < 3 {
                sold * price_minor / 10
            } else {
                0
            },
        }
    };
    DemandHistory {
        category: category.to_owned(),
        days: (1..=since)
            .rev()
            .filter(|ago| ago % every == 0)
            .map(day)
            .collect(),
        ..DemandHistory::default()
    }
    .sorted()
}

fn with_stock(history: DemandHistory, on_hand: i64, on_order: &[(i32, i64)]) -> DemandHistory {
    let arrival = |(days, units): &(i32, i64)| OnOrder {
        arrives: LocalDay(DEMAND_THROUGH.0 + days),
        units_milli: units * 1000,
    };
    let stock = Stock {
        on_hand_milli: on_hand * 1000,
        on_order: on_order.iter().map(arrival).collect(),
    };
    DemandHistory {
        stock: Some(stock),
        ..history
    }
}

/// Nothing could be bought in the last four days and in a week two months ago.
fn out_of_stock(mut history: DemandHistory) -> DemandHistory {
    let span = |from: i32, until: i32| DaySpan {
        from: LocalDay(DEMAND_THROUGH.0 - from),
        until: LocalDay(DEMAND_THROUGH.0 - until),
    };
    history.stock_outs = vec![span(60, 53), span(4, 0)];
    let missed = |day: &DemandDay, span: &DaySpan| span.from <= day.day && day.day < span.until;
    let spans = history.stock_outs.clone();
    history
        .days
        .retain(|day| !spans.iter().any(|span| missed(day, span)));
    history.sorted()
}
