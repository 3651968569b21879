//! A SKU as seen on the morning of a day: rates, rhythm, prices and its surroundings, in windows that end there.
//!
//! Everything looks at the last [`RECORD_DAYS`] days, from the first sale on. A rate is units over the days on which
//! somebody could buy; NaN where there was none.

use super::forecast::ses;
use super::{DemandDay, DemandHistory, SkuHistory};
use crate::time::LocalDay;

/// Days that features look back.
pub const RECORD_DAYS: i32 = 112;
/// Lengths of the windows, in days.
pub const WINDOW_DAYS: [i32; 6] = [7, 14, 28, 56, 84, RECORD_DAYS];
/// The level's weights halve in this many days.
const HALF_LIFE_DAYS: f64 = 56.0;
/// What the level knows before the first day: half a unit in a fortnight.
const PRIOR_UNITS: f64 = 0.5;
/// Days that the prior weighs.
const PRIOR_DAYS: f64 = 14.0;
/// Days of a week on which somebody must have been able to buy for the week to count.
const LEAST_EXPOSED_DAYS: i64 = 4;
/// Smoothing of the weekly series.
const ALPHA: f64 = 0.1;
/// Added to variances and means of weeks before their ratio is taken, so that it exists for everyone.
const WEEK_SOFTENING: f64 = 0.1;

/// Index into [`DemandView::windows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last week.
    D7,
    /// Two weeks.
    D14,
    /// Four weeks.
    D28,
    /// Eight weeks.
    D56,
    /// Twelve weeks.
    D84,
    /// All that is looked at.
    D112,
}

/// What happened within one window that ends where the view looks from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowTotals {
    /// Units sold.
    pub units: f64,
    /// Days on which somebody could buy.
    pub exposed_days: f64,
    /// Days since the first sale, exposed or not.
    pub days: f64,
    /// Paid after discounts, minor units.
    pub net_minor: f64,
    /// Taken off by discounts, minor units.
    pub discount_minor: f64,
    /// Days with a sale.
    pub sale_days: f64,
}

impl WindowTotals {
    /// Units per exposed day.
    pub fn rate_per_day(&self) -> f64 {
        ratio(self.units, self.exposed_days)
    }

    /// Discounts over the price before them.
    pub fn discount_share(&self) -> f64 {
        ratio(self.discount_minor, self.net_minor + self.discount_minor)
    }

    /// Paid per unit, minor units.
    pub fn price_minor(&self) -> f64 {
        ratio(self.net_minor, self.units)
    }

    /// What the longer window has and this one, its end, has not.
    #[must_use]
    pub fn before(&self, longer: &Self) -> Self {
        Self {
            units: longer.units - self.units,
            exposed_days: longer.exposed_days - self.exposed_days,
            days: longer.days - self.days,
            net_minor: longer.net_minor - self.net_minor,
            discount_minor: longer.discount_minor - self.discount_minor,
            sale_days: longer.sale_days - self.sale_days,
        }
    }
}

/// The sales of the record, one by one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sales {
    /// Days since the last sale; 1 for one of yesterday.
    pub recency_days: f64,
    /// Mean days between days with a sale; needs two.
    pub gap_mean_days: f64,
    /// Mean units of a day with a sale.
    pub size_mean: f64,
    /// Squared coefficient of variation of those sizes; needs two.
    pub size_cv2: f64,
    /// Units of the best day over all units.
    pub peak_share: f64,
}

/// The record in weeks of seven days that end where the view looks from; weeks in which nobody could buy are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weeks {
    /// How many.
    pub count: f64,
    /// Share of weeks without a sale.
    pub zero_share: f64,
    /// Simple exponential smoothing, units a week.
    pub smoothed_units: f64,
    /// Natural logarithm of variance over mean, both softened.
    pub log_dispersion: f64,
}

/// Units a day of a whole category or shop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surroundings {
    /// Last week.
    pub rate_7: f64,
    /// Last four weeks.
    pub rate_28: f64,
    /// The four weeks before those.
    pub rate_28_before: f64,
    /// The whole record.
    pub rate_112: f64,
    /// Discounts over the price before them, last week.
    pub discount_share_7: f64,
}

/// What features may know of a SKU before the day `as_of` begins.
#[derive(Debug, Clone, PartialEq)]
pub struct DemandView {
    /// Units per exposed day: recent days weigh more, and a prior keeps it above zero.
    pub level_per_day: f64,
    /// Days since the first sale ever; NaN without one.
    pub age_days: f64,
    /// One per entry of [`WINDOW_DAYS`].
    pub windows: [WindowTotals; 6],
    /// Day by day.
    pub sales: Sales,
    /// Week by week.
    pub weeks: Weeks,
    /// Its category; NaN where that is not known.
    pub category: Surroundings,
}

impl DemandView {
    /// Looks at the days before `as_of`, and at nothing else.
    pub fn new(sku: &SkuHistory, as_of: LocalDay) -> Self {
        let history = &sku.demand;
        let first = history.first_sale().filter(|day| *day < as_of);
        let record = Record {
            history,
            from: first.map_or(as_of, |day| day.max(back(as_of, RECORD_DAYS))),
            as_of,
        };
        let unknown = DemandHistory::default();
        let category = sku.category.as_deref().unwrap_or(&unknown);
        Self {
            level_per_day: record.level_per_day(),
            age_days: first.map_or(f64::NAN, |day| days_between(day, as_of)),
            windows: WINDOW_DAYS.map(|days| record.window(days)),
            sales: record.sales(),
            weeks: record.weeks(),
            category: Surroundings::new(category, as_of),
        }
    }

    /// The level of a SKU of which nothing is known.
    pub const EMPTY_LEVEL_PER_DAY: f64 = PRIOR_UNITS / PRIOR_DAYS;

    /// The totals of one window.
    pub fn window(&self, window: Window) -> &WindowTotals {
        &self.windows[window as usize]
    }
}

impl Surroundings {
    fn new(history: &DemandHistory, as_of: LocalDay) -> Self {
        let units = |from: i32, until: i32| history.units(back(as_of, from), back(as_of, until));
        // Nothing at all within the record is nothing known, not a rate of zero.
        let known = units(RECORD_DAYS, 0) > 0.0;
        let rate = |from: i32, until: i32| {
            let days = f64::from(from - until);
            if known {
                units(from, until) / days
            } else {
                f64::NAN
            }
        };
        let week = totals(history.within(back(as_of, 7), as_of));
        Self {
            rate_7: rate(7, 0),
            rate_28: rate(28, 0),
            rate_28_before: rate(56, 28),
            rate_112: rate(RECORD_DAYS, 0),
            discount_share_7: week.discount_share(),
        }
    }
}

/// The part of a history that a view looks at.
struct Record<'a> {
    history: &'a DemandHistory,
    /// The first sale, or the first day looked at if that is later.
    from: LocalDay,
    as_of: LocalDay,
}

impl Record<'_> {
    fn days(&self) -> &[DemandDay] {
        self.history.within(self.from, self.as_of)
    }

    fn window(&self, days: i32) -> WindowTotals {
        let from = self.from.max(back(self.as_of, days));
        WindowTotals {
            exposed_days: self.history.exposed_days(from, self.as_of) as f64,
            days: days_between(from, self.as_of),
            ..totals(self.history.within(from, self.as_of))
        }
    }

    /// Exponentially weighted units over exponentially weighted exposed days, with a prior in both.
    ///
    /// The weight of a day is that of its middle.
    fn level_per_day(&self) -> f64 {
        let age = |day: i32| f64::from(self.as_of.0 - 1 - day) + 0.5;
        let weight = |age_days: f64| libm::exp2(-age_days / HALF_LIFE_DAYS);
        let sold = self.days().iter();
        let sold = sold.map(|day| weight(age(day.day.0)) * day.units_milli as f64 / 1000.0);
        let exposed = (self.from.0..self.as_of.0)
            .filter(|&day| self.history.exposed_days(LocalDay(day), LocalDay(day + 1)) > 0);
        let exposed = exposed.map(|day| weight(age(day)));
        (sold.sum::<f64>() + PRIOR_UNITS) / (exposed.sum::<f64>() + PRIOR_DAYS)
    }

    fn sales(&self) -> Sales {
        let days = self.days();
        let sizes = || days.iter().map(|day| day.units_milli as f64 / 1000.0);
        let (count, sum) = (days.len() as f64, sizes().sum::<f64>());
        let mean = ratio(sum, count);
        let variance =
            (sizes().map(|size| size * size).sum::<f64>() / count - mean * mean).max(0.0);
        let (first, last) = (days.first(), days.last());
        let twice = days.len() > 1;
        let of_two = |value: f64| if twice { value } else { f64::NAN };
        Sales {
            recency_days: last.map_or(f64::NAN, |day| days_between(day.day, self.as_of)),
            gap_mean_days: first.zip(last).map_or(f64::NAN, |(first, last)| {
                of_two(days_between(first.day, last.day) / (count - 1.0))
            }),
            size_mean: mean,
            size_cv2: of_two(variance / (mean * mean)),
            peak_share: sizes().reduce(f64::max).map_or(f64::NAN, |peak| peak / sum),
        }
    }

    fn weeks(&self) -> Weeks {
        let weeks = weekly_units(self.history, self.from, self.as_of);
        let observed: Vec<f64> = weeks.iter().flatten().copied().collect();
        let count = observed.len() as f64;
        let mean = ratio(observed.iter().sum(), count);
        let square = observed.iter().map(|units| units * units).sum::<f64>() / count;
        let variance = (square - mean * mean).max(0.0);
        Weeks {
            count,
            zero_share: ratio(
                observed.iter().filter(|units| **units == 0.0).count() as f64,
                count,
            ),
            smoothed_units: ses(&weeks, ALPHA),
            log_dispersion: libm::log((variance + WEEK_SOFTENING) / (mean + WEEK_SOFTENING)),
        }
    }
}

/// Units a week, oldest first, in weeks that end at `as_of`, as far back as `from`; a week in which somebody could buy on
/// some days only is scaled up, and one with fewer than four such days is `None`: a single sale would count many times.
pub fn weekly_units(history: &DemandHistory, from: LocalDay, as_of: LocalDay) -> Vec<Option<f64>> {
    let count = (days_between(from, as_of) / 7.0).ceil() as i32;
    let week = |index: i32| {
        let until = back(as_of, 7 * index);
        let start = from.max(back(until, 7));
        let exposed = history.exposed_days(start, until);
        (exposed >= LEAST_EXPOSED_DAYS).then(|| history.units(start, until) / exposed as f64 * 7.0)
    };
    (0..count.max(0)).rev().map(week).collect()
}

fn totals(days: &[DemandDay]) -> WindowTotals {
    let sum = |of: fn(&DemandDay) -> i64| days.iter().map(of).fold(0, i64::saturating_add) as f64;
    WindowTotals {
        units: sum(|day| day.units_milli) / 1000.0,
        net_minor: sum(|day| day.net_minor),
        discount_minor: sum(|day| day.discount_minor),
        sale_days: days.len() as f64,
        ..WindowTotals::default()
    }
}

/// The day `days` before `day`.
fn back(day: LocalDay, days: i32) -> LocalDay {
    LocalDay(day.0.saturating_sub(days))
}

fn days_between(from: LocalDay, until: LocalDay) -> f64 {
    f64::from(until.0) - f64::from(from.0)
}

/// `part / whole`, NaN where there is no whole.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}
