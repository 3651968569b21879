//! A customer as seen at an instant: occasions, gaps, and totals in windows that end there.

use crate::bgnbd::Summary;
use crate::history::{CustomerHistory, Order};
use crate::time::{LocalDay, Timestamp};
use std::collections::HashSet;

/// Lengths of the windows, in horizons. Shops differ in rhythm; a window is therefore a multiple of the shop's own.
pub const WINDOW_HORIZONS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// Index into [`CustomerView::windows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A quarter of the horizon.
    Quarter,
    /// Half the horizon.
    Half,
    /// One horizon.
    One,
    /// Two horizons.
    Two,
    /// Four horizons.
    Four,
}

/// What a customer did within one window that ends at `as_of`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowTotals {
    /// Local days with at least one purchase.
    pub purchase_days: f64,
    /// Orders in which something was bought.
    pub orders: f64,
    /// Paid for what was bought, minor units.
    pub spend_minor: f64,
    /// Taken off by discounts, minor units.
    pub discount_minor: f64,
    /// Given back for returns, minor units.
    pub returned_minor: f64,
    /// Units bought.
    pub units: f64,
    /// Distinct products, summed over orders.
    pub products: f64,
    /// Distinct categories over the window; lines without a category do not count.
    pub categories: f64,
}

/// Times between purchase occasions, in days; NaN where there are too few.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaps {
    /// Arithmetic mean; needs one gap.
    pub mean_days: f64,
    /// Sample standard deviation (n - 1); needs two gaps.
    pub sd_days: f64,
    /// The longest.
    pub max_days: f64,
    /// The latest.
    pub last_days: f64,
    /// Share of gaps that are at least as long as the time since the last occasion.
    pub at_least_recency_share: f64,
}

/// What features may know of a customer at `as_of`. A purchase occasion is a local day with a purchase; it happens at
/// the instant of that day's first purchase.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerView {
    /// Days since the last purchase; NaN when there is none.
    pub recency_days: f64,
    /// Days since the first purchase; NaN when there is none.
    pub tenure_days: f64,
    /// Purchase occasions, ever.
    pub occasions: f64,
    /// Days from the first occasion to the last.
    pub active_days: f64,
    /// Times between occasions.
    pub gaps: Gaps,
    /// One per entry of [`WINDOW_HORIZONS`].
    pub windows: [WindowTotals; 5],
}

impl CustomerView {
    /// Looks at the orders placed before `as_of`, and at nothing else.
    pub fn new(history: &CustomerHistory, as_of: Timestamp, horizon_days: f64) -> Self {
        let orders = history.before(as_of);
        let occasions = occasions(orders);
        let last_purchase = orders
            .iter()
            .rev()
            .find(|o| o.is_purchase())
            .map(|o| o.placed_at);
        let since =
            |instant: Option<Timestamp>| instant.map_or(f64::NAN, |at| as_of.days_since(at));
        let (first, last) = (occasions.first().copied(), occasions.last().copied());
        Self {
            recency_days: since(last_purchase),
            tenure_days: since(first),
            occasions: occasions.len() as f64,
            active_days: first
                .zip(last)
                .map_or(f64::NAN, |(first, last)| last.days_since(first)),
            gaps: gaps(&occasions, since(last)),
            windows: WINDOW_HORIZONS
                .map(|horizons| totals(orders, as_of.minus_days(horizons * horizon_days))),
        }
    }

    /// The totals of one window.
    pub fn window(&self, window: Window) -> &WindowTotals {
        &self.windows[window as usize]
    }

    /// What BG/NBD needs, in days; `None` without a purchase.
    pub fn bgnbd_summary(&self) -> Option<Summary> {
        (self.occasions > 0.0).then_some(Summary {
            repeats: self.occasions - 1.0,
            last_purchase: self.active_days,
            observed: self.tenure_days,
        })
    }
}

/// `a / b`, NaN when `b` is zero: a share of nothing is not known.
pub fn share(a: f64, b: f64) -> f64 {
    if b == 0.0 { f64::NAN } else { a / b }
}

/// The instant of the first purchase of each local day with one, oldest first.
///
/// Days are compared one after the other, so a day counts again if an order of another day lies between (which only
/// contradictory input can do).
fn occasions(orders: &[Order]) -> Vec<Timestamp> {
    let mut found = Vec::new();
    let mut day: Option<LocalDay> = None;
    for order in orders.iter().filter(|o| o.is_purchase()) {
        if day != Some(order.local_day) {
            day = Some(order.local_day);
            found.push(order.placed_at);
        }
    }
    found
}

fn gaps(occasions: &[Timestamp], since_last_days: f64) -> Gaps {
    let gaps: Vec<f64> = occasions
        .windows(2)
        .map(|pair| pair[1].days_since(pair[0]))
        .collect();
    let count = gaps.len() as f64;
    let mean_days = share(gaps.iter().sum(), count);
    let squares: f64 = gaps
        .iter()
        .map(|gap| (gap - mean_days) * (gap - mean_days))
        .sum();
    let longer = gaps.iter().filter(|gap| **gap >= since_last_days).count() as f64;
    Gaps {
        mean_days,
        sd_days: if gaps.len() < 2 {
            f64::NAN
        } else {
            libm::sqrt(squares / (count - 1.0))
        },
        max_days: gaps.iter().copied().fold(f64::NAN, f64::max),
        last_days: gaps.last().copied().unwrap_or(f64::NAN),
        at_least_recency_share: share(longer, count),
    }
}

/// Totals of the orders placed at `from` or later. Sums run over integers, so the order of lines cannot matter.
fn totals(orders: &[Order], from: Timestamp) -> WindowTotals {
    let inside = &orders[orders.partition_point(|o| o.placed_at < from)..];
    let mut categories: HashSet<&str> = HashSet::new();
    let mut sums = Sums::default();
    for order in inside {
        sums.returned = sums.returned.saturating_add(order.returned_minor());
        if !order.is_purchase() {
            continue;
        }
        sums.orders += 1;
        sums.spend = sums.spend.saturating_add(order.purchased_minor());
        sums.discount = sums.discount.saturating_add(order.discount_minor());
        sums.products += order
            .purchases()
            .map(|l| l.product_id.as_str())
            .collect::<HashSet<_>>()
            .len();
        for line in order.purchases() {
            sums.quantity_milli = sums.quantity_milli.saturating_add(line.quantity_milli);
            if !line.category.is_empty() {
                categories.insert(&line.category);
            }
        }
    }
    WindowTotals {
        purchase_days: occasions(inside).len() as f64,
        orders: f64::from(sums.orders),
        spend_minor: sums.spend as f64,
        discount_minor: sums.discount as f64,
        returned_minor: sums.returned as f64,
        units: sums.quantity_milli as f64 / 1000.0,
        products: sums.products as f64,
        categories: categories.len() as f64,
    }
}

#[derive(Default)]
struct Sums {
    orders: u32,
    spend: i64,
    discount: i64,
    returned: i64,
    quantity_milli: i64,
    products: usize,
}
