//! The columns of the churn model.

use features::bgnbd;
use features::customer::{CustomerView, Window, share};
use features::feature_set;
use features::history::CustomerHistory;
use features::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is fitted before the matrix exists, and the constants of the shop it was fitted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// Days ahead: the model predicts whether a purchase falls into them.
    pub horizon_days: f64,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Minor units in one unit of the currency.
    pub minor_per_major: u32,
    /// RFC 3339; the fit used purchases before it only.
    pub fitted_before: String,
    /// BG/NBD in days.
    pub bgnbd: bgnbd::Fit,
}

/// A customer at an instant, with what the artifacts add.
#[derive(Debug)]
pub struct ChurnView {
    customer: CustomerView,
    p_buy: f64,
}

impl ChurnView {
    /// Looks at what happened before `as_of`.
    pub fn new(history: &CustomerHistory, as_of: Timestamp, artifacts: &Artifacts) -> Self {
        let customer = CustomerView::new(history, as_of, artifacts.horizon_days);
        let p_buy = customer.bgnbd_summary().map_or(f64::NAN, |summary| {
            artifacts
                .bgnbd
                .parameters
                .p_buy(summary, artifacts.horizon_days)
        });
        Self { customer, p_buy }
    }

    /// The customer's own numbers.
    pub fn customer(&self) -> &CustomerView {
        &self.customer
    }
}

/// Whether the model was trained on customers like this: a purchase within the last four horizons.
pub fn in_trained_population(
    history: &CustomerHistory,
    as_of: Timestamp,
    artifacts: &Artifacts,
) -> bool {
    history.purchased_within(as_of.minus_days(4.0 * artifacts.horizon_days), as_of)
}

feature_set! {
    /// What the churn model reads, in order.
    pub static COLUMNS: ChurnView = "churn", revision 1;

    /// Days since the last purchase.
    recency_days: "recency" => |v| v.customer.recency_days;
    /// Days since the last purchase over the mean days between purchases.
    recency_over_gap_mean: "recency" => |v| share(v.customer.recency_days, v.customer.gaps.mean_days);
    /// Days since the last purchase over the longest time between purchases.
    recency_over_gap_max: "recency" => |v| share(v.customer.recency_days, v.customer.gaps.max_days);
    /// Share of past gaps at least as long as the present one.
    longer_gap_share: "recency" => |v| v.customer.gaps.at_least_recency_share;
    /// BG/NBD probability of at least one purchase within the horizon.
    bgnbd_p_buy: "rhythm" => |v| v.p_buy;
    /// Mean days between purchase occasions.
    gap_mean_days: "rhythm" => |v| v.customer.gaps.mean_days;
    /// Standard deviation of the days between purchase occasions.
    gap_sd_days: "rhythm" => |v| v.customer.gaps.sd_days;
    /// Longest time between purchase occasions, in days.
    gap_max_days: "rhythm" => |v| v.customer.gaps.max_days;
    /// Latest time between purchase occasions, in days.
    gap_last_days: "rhythm" => |v| v.customer.gaps.last_days;
    /// Standard deviation over mean of the days between purchase occasions.
    gap_variation: "rhythm" => |v| share(v.customer.gaps.sd_days, v.customer.gaps.mean_days);
    /// Days since the first purchase.
    tenure_days: "loyalty" => |v| v.customer.tenure_days;
    /// Purchase days after the first.
    repeat_purchase_days: "loyalty" => |v| (v.customer.occasions - 1.0).max(0.0);
    /// Purchase days per day since the first purchase.
    lifetime_rate_per_day: "loyalty" => |v| share(v.customer.occasions, v.customer.tenure_days);
    /// Purchase days in the last quarter of a horizon.
    purchase_days_quarter_h: "frequency" => |v| v.customer.window(Window::Quarter).purchase_days;
    /// Purchase days in the last half horizon.
    purchase_days_half_h: "frequency" => |v| v.customer.window(Window::Half).purchase_days;
    /// Purchase days in the last horizon.
    purchase_days_1h: "frequency" => |v| v.customer.window(Window::One).purchase_days;
    /// Purchase days in the last two horizons.
    purchase_days_2h: "frequency" => |v| v.customer.window(Window::Two).purchase_days;
    /// Purchase days in the last four horizons.
    purchase_days_4h: "frequency" => |v| v.customer.window(Window::Four).purchase_days;
    /// Share of the last horizon's purchase days that fall into its second half.
    frequency_trend_half_h: "trend" => |v| share(v.customer.window(Window::Half).purchase_days, v.customer.window(Window::One).purchase_days);
    /// Share of the last two horizons' purchase days that fall into the last one.
    frequency_trend_1h: "trend" => |v| share(v.customer.window(Window::One).purchase_days, v.customer.window(Window::Two).purchase_days);
    /// Share of the last four horizons' purchase days that fall into the last two.
    frequency_trend_2h: "trend" => |v| share(v.customer.window(Window::Two).purchase_days, v.customer.window(Window::Four).purchase_days);
    /// Share of the last two horizons' spend that falls into the last one.
    spend_trend_1h: "trend" => |v| share(v.customer.window(Window::One).spend_minor, v.customer.window(Window::Two).spend_minor);
    /// Share of the last four horizons' spend that falls into the last two.
    spend_trend_2h: "trend" => |v| share(v.customer.window(Window::Two).spend_minor, v.customer.window(Window::Four).spend_minor);
    /// Spend in the last quarter of a horizon, minor units.
    spend_quarter_h_minor: "spend" => |v| v.customer.window(Window::Quarter).spend_minor;
    /// Spend in the last half horizon, minor units.
    spend_half_h_minor: "spend" => |v| v.customer.window(Window::Half).spend_minor;
    /// Spend in the last horizon, minor units.
    spend_1h_minor: "spend" => |v| v.customer.window(Window::One).spend_minor;
    /// Spend in the last two horizons, minor units.
    spend_2h_minor: "spend" => |v| v.customer.window(Window::Two).spend_minor;
    /// Spend in the last four horizons, minor units.
    spend_4h_minor: "spend" => |v| v.customer.window(Window::Four).spend_minor;
    /// Spend per order over the last four horizons, minor units.
    spend_per_order_4h_minor: "spend" => |v| share(v.customer.window(Window::Four).spend_minor, v.customer.window(Window::Four).orders);
    /// Units per order over the last four horizons.
    units_per_order_4h: "basket" => |v| share(v.customer.window(Window::Four).units, v.customer.window(Window::Four).orders);
    /// Distinct products per order over the last four horizons.
    products_per_order_4h: "basket" => |v| share(v.customer.window(Window::Four).products, v.customer.window(Window::Four).orders);
    /// Distinct categories bought in the last horizon.
    categories_1h: "basket" => |v| v.customer.window(Window::One).categories;
    /// Distinct categories bought in the last four horizons.
    categories_4h: "basket" => |v| v.customer.window(Window::Four).categories;
    /// Discounts over the price before discounts, last horizon.
    discount_share_1h: "discount" => |v| discount_share(v, Window::One);
    /// Discounts over the price before discounts, last four horizons.
    discount_share_4h: "discount" => |v| discount_share(v, Window::Four);
    /// Amount given back for returns over spend, last four horizons.
    return_share_4h: "returns" => |v| share(v.customer.window(Window::Four).returned_minor, v.customer.window(Window::Four).spend_minor);
}

fn discount_share(view: &ChurnView, window: Window) -> f64 {
    let totals = view.customer.window(window);
    share(
        totals.discount_minor,
        totals.spend_minor + totals.discount_minor,
    )
}
