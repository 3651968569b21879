//! Counters of items and the lists of those that sell.

use super::best;
use super::seen::Seen;
use crate::tables::CatalogueColumns;
use serving::predictor::ProductFacts;
use std::collections::BTreeMap;

/// Windows of the counters, in days.
const WINDOWS_DAYS: [f64; 3] = [f64::INFINITY, 28.0, 7.0];
/// Days whose price is the latest.
const LATEST_PRICE_DAYS: f64 = 14.0;
/// Length of the lists of what sells.
const TRENDING: usize = 500;
/// Length of the list of a category.
const BEST_OF_CATEGORY: usize = 30;

/// What is counted.
pub(super) struct Counts {
    pub(super) columns: CatalogueColumns,
    /// Orders of the shop in each window.
    pub(super) shop_orders: [u32; 3],
}

/// Counts everything; `products` says what orders do not.
pub(super) fn count(seen: &Seen, products: &BTreeMap<String, ProductFacts>) -> Counts {
    let items = seen.ids.len();
    let mut orders = WINDOWS_DAYS.map(|_| vec![0u32; items]);
    let mut shop_orders = [0u32; 3];
    for (place, order) in seen.orders.iter().enumerate() {
        for (window, days) in WINDOWS_DAYS.iter().enumerate() {
            if order.age_days <= *days {
                shop_orders[window] += 1;
                for line in seen.lines_of(place) {
                    orders[window][line.item as usize] += 1;
                }
            }
        }
    }
    let [gap_days, repeat_rate] = rhythms(seen);
    let prices = Prices::of(seen);
    let unknown = ProductFacts::default();
    let facts = seen
        .ids
        .iter()
        .map(|id| products.get(id).unwrap_or(&unknown));
    let facts: Vec<&ProductFacts> = facts.collect();
    let (brands, brand_names) = numbered(facts.iter().map(|facts| facts.brand.as_str()));
    let margin = |(facts, price): (&&ProductFacts, &f32)| {
        let cost = facts.unit_cost_minor.map_or(f32::NAN, |cost| cost as f32);
        finite((price - cost) / price)
    };
    let margin_share = facts.iter().zip(&prices.usual_minor).map(margin).collect();
    let figures = [gap_days, repeat_rate, prices.ratio];
    let list = |window: usize, most| top(0..items as u32, &orders[window], &orders[0], most);
    let mut of_category = vec![Vec::new(); seen.category_names.len()];
    for (item, category) in seen.categories.iter().enumerate() {
        of_category[*category as usize].push(item as u32);
    }
    let by_category = of_category
        .into_iter()
        .map(|items| top(items.into_iter(), &orders[1], &orders[0], BEST_OF_CATEGORY));
    let columns = CatalogueColumns {
        ids: seen.ids.clone(),
        categories: seen.categories.clone(),
        category_names: seen.category_names.clone(),
        trending: [list(1, TRENDING), list(2, TRENDING)],
        by_category: by_category.collect(),
        usual_price_minor: prices.usual_minor,
        margin_share,
        brands,
        brand_names,
        figures,
        orders,
    };
    Counts {
        columns,
        shop_orders,
    }
}

fn top(items: impl Iterator<Item = u32>, by: &[u32], then_by: &[u32], most: usize) -> Vec<u32> {
    let mut scored: Vec<(u32, f64)> = items
        .map(|item| (item, f64::from(by[item as usize])))
        .collect();
    best(&mut scored, |item| then_by[item as usize], most);
    scored.into_iter().map(|(item, _)| item).collect()
}

/// Mean days between the days on which a customer buys an item, and the share of its customers with two days or more.
fn rhythms(seen: &Seen) -> [Vec<f32>; 2] {
    #[derive(Clone, Default)]
    struct Sums {
        span_days: i64,
        gaps: i64,
        customers: u32,
        repeaters: u32,
    }
    let mut sums = vec![Sums::default(); seen.ids.len()];
    for orders in seen.customers() {
        let mut days: Vec<(u32, i32)> = orders
            .flat_map(|place| {
                let day = seen.orders[place].day.0;
                seen.lines_of(place)
                    .iter()
                    .map(move |line| (line.item, day))
            })
            .collect();
        days.sort_unstable();
        days.dedup();
        for of_item in days.chunk_by(|a, b| a.0 == b.0) {
            let sums = &mut sums[of_item[0].0 as usize];
            let (first, last) = (of_item[0].1, of_item[of_item.len() - 1].1);
            sums.span_days += i64::from(last) - i64::from(first);
            sums.gaps += i64::try_from(of_item.len() - 1).unwrap_or(i64::MAX);
            sums.customers += 1;
            sums.repeaters += u32::from(of_item.len() > 1);
        }
    }
    let share = |part: f64, whole: f64| {
        if whole > 0.0 {
            (part / whole) as f32
        } else {
            f32::NAN
        }
    };
    [
        sums.iter()
            .map(|s| share(s.span_days as f64, s.gaps as f64))
            .collect(),
        sums.iter()
            .map(|s| share(f64::from(s.repeaters), f64::from(s.customers)))
            .collect(),
    ]
}

/// What customers paid per unit; NaN where that is not known.
struct Prices {
    /// Ever, minor units.
    usual_minor: Vec<f32>,
    /// Lately over ever.
    ratio: Vec<f32>,
}

impl Prices {
    fn of(seen: &Seen) -> Self {
        let mut sums = vec![[0i64; 4]; seen.ids.len()];
        for (place, order) in seen.orders.iter().enumerate() {
            let is_late = order.age_days <= LATEST_PRICE_DAYS;
            for line in seen.lines_of(place) {
                let sums = &mut sums[line.item as usize];
                sums[0] = sums[0].saturating_add(line.net_minor);
                sums[1] = sums[1].saturating_add(line.quantity_milli);
                if is_late {
                    sums[2] = sums[2].saturating_add(line.net_minor);
                    sums[3] = sums[3].saturating_add(line.quantity_milli);
                }
            }
        }
        let price = |net: i64, milli: i64| net as f64 / milli as f64;
        let usual = |[net, milli, ..]: &[i64; 4]| finite((1000.0 * price(*net, *milli)) as f32);
        let ratio = |[net, milli, late_net, late_milli]: &[i64; 4]| {
            finite((price(*late_net, *late_milli) / price(*net, *milli)) as f32)
        };
        Self {
            usual_minor: sums.iter().map(usual).collect(),
            ratio: sums.iter().map(ratio).collect(),
        }
    }
}

/// The number of each name among the distinct ones, and those, rising.
fn numbered<'a>(names: impl Iterator<Item = &'a str> + Clone) -> (Vec<u32>, Vec<String>) {
    let distinct: std::collections::BTreeSet<&str> = names.clone().collect();
    let distinct: Vec<&str> = distinct.into_iter().collect();
    let number = |name: &str| distinct.partition_point(|other| *other < name) as u32;
    let numbers = names.map(number).collect();
    (numbers, distinct.into_iter().map(str::to_owned).collect())
}

/// A ratio to a price of nothing is not known.
fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { f32::NAN }
}
