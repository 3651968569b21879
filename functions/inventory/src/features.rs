//! The columns of the demand model.

use features::demand::view::{DemandView, RECORD_DAYS, Window, WindowTotals};
use features::demand::{DaySpan, DemandHistory};
use features::feature_set;
use features::time::LocalDay;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days since the first sale below which the model was trained on nobody.
pub const LEAST_AGE_DAYS: f64 = 56.0;
/// Days with a sale, per [`RECORD_DAYS`] days, below which the model was trained on nobody: slow movers.
pub const LEAST_SALE_DAYS: f64 = 6.0;

/// What is fitted before the matrix exists, and the constants of the shop it was fitted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// Days ahead that demand is summed over: what the model was trained for.
    pub horizons_days: Vec<u16>,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// Minor units in one unit of the currency.
    pub minor_per_major: u32,
    /// RFC 3339; the fit used sales before it only.
    pub fitted_before: String,
    /// What a new SKU of a category sells a day in its first eight weeks; under the empty name, any new SKU.
    pub launch_units_per_day: BTreeMap<String, f64>,
}

/// A SKU on a morning, asked about one horizon.
#[derive(Debug)]
pub struct DemandRow {
    view: Arc<DemandView>,
    horizon_days: f64,
    /// Share of the coming days with a promotion that is known by now; NaN where none is known at all.
    promoted_ahead: f64,
    /// The same of the last four weeks.
    promoted_before: f64,
}

impl DemandRow {
    /// Asks about the `horizon_days` from `as_of` on.
    pub fn new(
        history: &DemandHistory,
        view: &Arc<DemandView>,
        as_of: LocalDay,
        horizon_days: u16,
    ) -> Self {
        let day = |days: i32| LocalDay(as_of.0.saturating_add(days));
        Self {
            view: Arc::clone(view),
            horizon_days: f64::from(horizon_days),
            promoted_ahead: promoted_share(history, as_of, as_of, day(i32::from(horizon_days))),
            promoted_before: promoted_share(history, as_of, day(-28), as_of),
        }
    }

    fn window(&self, window: Window) -> &WindowTotals {
        self.view.window(window)
    }

    /// A rate over the level.
    fn relative(&self, window: Window) -> f64 {
        self.window(window).rate_per_day() / self.view.level_per_day
    }

    /// Logarithm of a recent rate over the rate before it, both drawn to the level.
    fn trend(&self, recent: Window, longer: Window) -> f64 {
        let recent = self.window(recent);
        let before = recent.before(self.window(longer));
        let drawn = |totals: &WindowTotals| totals.rate_per_day() + 0.5 * self.view.level_per_day;
        log(drawn(recent) / drawn(&before))
    }

    fn out_of_stock_share(&self, window: Window) -> f64 {
        let totals = self.window(window);
        share(totals.days - totals.exposed_days, totals.days)
    }
}

/// Days with a sale per [`RECORD_DAYS`] days since the first sale; NaN without a sale.
pub fn sale_days_per_record(view: &DemandView) -> f64 {
    let record = view.window(Window::D112);
    share(record.sale_days, record.days) * f64::from(RECORD_DAYS)
}

/// Whether the model was trained on SKUs like this: sold for eight weeks at least, and often enough.
pub fn in_trained_population(view: &DemandView) -> bool {
    view.age_days >= LEAST_AGE_DAYS && sale_days_per_record(view) >= LEAST_SALE_DAYS
}

fn promoted_share(
    history: &DemandHistory,
    as_of: LocalDay,
    from: LocalDay,
    until: LocalDay,
) -> f64 {
    let known = || history.promotions.iter().filter(|p| p.known_since < as_of);
    // A promotion that comes to be known later must not say by its mere presence that this SKU has some.
    if known().next().is_none() {
        return f64::NAN;
    }
    let runs = |span: &DaySpan, day: i32| span.from.0 <= day && day < span.until.0;
    let promoted = |&day: &i32| known().any(|promotion| runs(&promotion.span, day));
    let days = (from.0..until.0).filter(promoted).count();
    days as f64 / (f64::from(until.0) - f64::from(from.0))
}

/// Natural logarithm; NaN of what has none.
fn log(value: f64) -> f64 {
    if value > 0.0 {
        libm::log(value)
    } else {
        f64::NAN
    }
}

/// `part / whole`, NaN where there is no whole.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

feature_set! {
    /// What the demand model reads, in order.
    pub static COLUMNS: DemandRow = "inventory", revision 1;

    /// Natural logarithm of the days that demand is summed over.
    log_horizon_days: "horizon" => |v| log(v.horizon_days);
    /// Natural logarithm of the level, units a day.
    log_level: "level" => |v| log(v.view.level_per_day);
    /// Units a day of the last 7 days over the level.
    rate_7_over_level: "recent sales" => |v| v.relative(Window::D7);
    /// Units a day of the last 14 days over the level.
    rate_14_over_level: "recent sales" => |v| v.relative(Window::D14);
    /// Units a day of the last 28 days over the level.
    rate_28_over_level: "recent sales" => |v| v.relative(Window::D28);
    /// Units a day of the last 56 days over the level.
    rate_56_over_level: "recent sales" => |v| v.relative(Window::D56);
    /// Units a day of the last 112 days over the level.
    rate_112_over_level: "recent sales" => |v| v.relative(Window::D112);
    /// Smoothed weekly units, a day, over the level.
    smoothed_over_level: "recent sales" => |v| v.view.weeks.smoothed_units / 7.0 / v.view.level_per_day;
    /// Logarithm of the rate of the last 28 days over that of the 28 days before.
    trend_28: "trend" => |v| v.trend(Window::D28, Window::D56);
    /// Logarithm of the rate of the last 56 days over that of the 56 days before.
    trend_56: "trend" => |v| v.trend(Window::D56, Window::D112);
    /// Days since the first sale, 112 at most.
    age_days: "trend" => |v| v.view.age_days.min(f64::from(RECORD_DAYS));
    /// Share of weeks without a sale.
    zero_week_share: "rhythm" => |v| v.view.weeks.zero_share;
    /// Mean days between days with a sale.
    gap_mean_days: "rhythm" => |v| v.view.sales.gap_mean_days;
    /// Days since the last sale.
    recency_days: "rhythm" => |v| v.view.sales.recency_days;
    /// Days since the last sale over the mean days between sales.
    recency_over_gap: "rhythm" => |v| v.view.sales.recency_days / v.view.sales.gap_mean_days;
    /// Days with a sale in the last 28.
    sale_days_28: "rhythm" => |v| v.window(Window::D28).sale_days;
    /// Days with a sale per 112 days since the first.
    sale_days_112: "rhythm" => |v| sale_days_per_record(&v.view);
    /// Logarithm of the mean units of a day with a sale.
    log_sale_size: "size of sales" => |v| log(v.view.sales.size_mean);
    /// Squared coefficient of variation of the units of a day with a sale.
    sale_size_cv2: "size of sales" => |v| v.view.sales.size_cv2;
    /// Units of the best day over all units.
    peak_share: "size of sales" => |v| v.view.sales.peak_share;
    /// Logarithm of variance over mean of weekly units.
    log_week_dispersion: "size of sales" => |v| v.view.weeks.log_dispersion;
    /// Units a day of the category, last 7 days over last 28.
    category_rate_7_over_28: "season" => |v| share(v.view.category.rate_7, v.view.category.rate_28);
    /// Units a day of the category, last 28 days over the 28 before.
    category_rate_28_over_before: "season" => |v| share(v.view.category.rate_28, v.view.category.rate_28_before);
    /// Units a day of the category, last 28 days over last 112.
    category_rate_28_over_112: "season" => |v| share(v.view.category.rate_28, v.view.category.rate_112);
    /// Logarithm of the category's units a day, last 112 days.
    log_category_rate: "category" => |v| log(v.view.category.rate_112);
    /// Units over the category's units, last 112 days.
    category_share: "category" => |v| share(v.window(Window::D112).units, v.view.category.rate_112 * f64::from(RECORD_DAYS));
    /// Price of the last 28 days over that of the last 112.
    price_28_over_112: "price" => |v| share(v.window(Window::D28).price_minor(), v.window(Window::D112).price_minor());
    /// Logarithm of the price of the last 112 days, minor units.
    log_price_minor: "price" => |v| log(v.window(Window::D112).price_minor());
    /// Discounts over the price before discounts, last 7 days.
    discount_share_7: "promotion" => |v| v.window(Window::D7).discount_share();
    /// Discounts over the price before discounts, last 28 days.
    discount_share_28: "promotion" => |v| v.window(Window::D28).discount_share();
    /// Discounts over the price before discounts, last 112 days.
    discount_share_112: "promotion" => |v| v.window(Window::D112).discount_share();
    /// Discounts over the price before discounts in the category, last 7 days.
    category_discount_share_7: "promotion" => |v| v.view.category.discount_share_7;
    /// Share of the coming days with a promotion that is known by now.
    promoted_ahead_share: "promotion" => |v| v.promoted_ahead;
    /// Share of the last 28 days with a promotion.
    promoted_before_share: "promotion" => |v| v.promoted_before;
    /// Share of the last 28 days that began without stock.
    out_of_stock_share_28: "stock-outs" => |v| v.out_of_stock_share(Window::D28);
    /// Share of the last 112 days that began without stock.
    out_of_stock_share_112: "stock-outs" => |v| v.out_of_stock_share(Window::D112);
}
