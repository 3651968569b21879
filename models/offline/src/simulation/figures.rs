//! What rules are judged by.

use super::shelf::Lived;
use super::world::Product;

/// Weeks of realised demand above which stock is overstock.
const OVERSTOCK_WEEKS: f64 = 8.0;
const DAYS_PER_YEAR: f64 = 365.0;

/// Sums over the counted days of one product, or of several. Units, days and minor units of money.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// Days, over all products.
    pub days: f64,
    /// Days that began without stock.
    pub out_days: f64,
    /// True demand.
    pub wanted_units: f64,
    /// Served.
    pub sold_units: f64,
    /// What the fill-rate target asks to be served; NaN for another kind of target.
    pub target_units: f64,
    /// Stock of each day, at the mean of opening and closing.
    pub unit_days: f64,
    /// The same at what the units cost.
    pub value_days_minor: f64,
    /// Units of each day above eight weeks of the demand of the counted days.
    pub overstock_unit_days: f64,
    /// The same at what the units cost.
    pub overstock_value_days_minor: f64,
    /// What the units sold have cost.
    pub cost_of_sales_minor: f64,
    /// Stock on the shelf.
    pub holding_minor: f64,
    /// Demand not met.
    pub stockout_minor: f64,
    /// Orders.
    pub ordering_minor: f64,
    /// How many.
    pub orders: f64,
}

impl Tally {
    pub(super) fn live(&mut self, day: &Lived, product: &Product) {
        let units = |milli: i64| milli as f64 / 1000.0;
        let (wanted, sold) = (units(day.wanted), units(day.sold));
        let stock = f64::midpoint(units(day.opening), units(day.closing));
        let over = (stock - 7.0 * OVERSTOCK_WEEKS * product.units_per_day).max(0.0);
        let (costs, unit_cost) = (&product.costs, product.costs.unit_cost_minor as f64);
        self.days += 1.0;
        self.out_days += f64::from(day.opening <= 0);
        self.wanted_units += wanted;
        self.sold_units += sold;
        self.target_units += product.fill_rate_target.unwrap_or(f64::NAN) * wanted;
        self.unit_days += stock;
        self.value_days_minor += stock * unit_cost;
        self.overstock_unit_days += over;
        self.overstock_value_days_minor += over * unit_cost;
        self.cost_of_sales_minor += sold * unit_cost;
        self.holding_minor += stock * costs.holding_minor_per_unit_day;
        self.stockout_minor += (wanted - sold) * costs.stockout_minor_per_unit;
    }

    pub(super) fn order(&mut self, product: &Product) {
        self.orders += 1.0;
        self.ordering_minor += product.costs.ordering_minor as f64;
    }

    /// Adds another tally, as often as `times` says.
    pub fn add(&mut self, other: &Self, times: f64) {
        let (mine, theirs) = (self.fields_mut(), other.clone().fields_mut().map(|v| *v));
        for (sum, value) in mine.into_iter().zip(theirs) {
            *sum += times * value;
        }
    }

    fn fields_mut(&mut self) -> [&mut f64; 14] {
        [
            &mut self.days,
            &mut self.out_days,
            &mut self.wanted_units,
            &mut self.sold_units,
            &mut self.target_units,
            &mut self.unit_days,
            &mut self.value_days_minor,
            &mut self.overstock_unit_days,
            &mut self.overstock_value_days_minor,
            &mut self.cost_of_sales_minor,
            &mut self.holding_minor,
            &mut self.stockout_minor,
            &mut self.ordering_minor,
            &mut self.orders,
        ]
    }
}

/// How a figure is written, and how two of them are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share of 1; compared by difference.
    Share,
    /// A share of 1 that is small; compared as a ratio.
    SmallShare,
    /// A number.
    Number,
    /// Whole units.
    Count,
    /// Minor units of money.
    Money,
}

/// A figure of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// In JSON.
    pub name: &'static str,
    /// In tables.
    pub label: &'static str,
    /// How it is written.
    pub unit: Unit,
    /// From the sums and the number of counted days; `None` where there is nothing to divide by.
    pub of: fn(&Tally, f64) -> Option<f64>,
}

const fn measure(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    of: fn(&Tally, f64) -> Option<f64>,
) -> Measure {
    Measure {
        name,
        label,
        unit,
        of,
    }
}

/// Name of the figure that says how far the fill rate is from its target.
pub(super) const GAP: &str = "fill_rate_gap";

/// Every figure, in the order of tables.
pub const MEASURES: [Measure; 15] = [
    measure("fill_rate", "fill rate", Unit::Share, |t, _| {
        ratio(t.sold_units, t.wanted_units)
    }),
    measure(GAP, "fill rate less target", Unit::Share, |t, _| {
        ratio(t.sold_units - t.target_units, t.wanted_units)
    }),
    measure(
        "in_stock_days",
        "days begun in stock",
        Unit::Share,
        |t, _| ratio(t.days - t.out_days, t.days),
    ),
    measure(
        "stockout_days",
        "days begun without",
        Unit::SmallShare,
        |t, _| ratio(t.out_days, t.days),
    ),
    measure("lost_units", "units lost", Unit::Count, |t, _| {
        Some(t.wanted_units - t.sold_units)
    }),
    measure("turns", "stock turns a year", Unit::Number, |t, _| {
        ratio(t.cost_of_sales_minor * DAYS_PER_YEAR, t.value_days_minor)
    }),
    measure(
        "stock_units",
        "mean stock, units",
        Unit::Count,
        |t, days| ratio(t.unit_days, days),
    ),
    measure(
        "stock_value",
        "mean stock, value",
        Unit::Money,
        |t, days| ratio(t.value_days_minor, days),
    ),
    measure(
        "overstock_units",
        "overstock, units",
        Unit::Count,
        |t, days| ratio(t.overstock_unit_days, days),
    ),
    measure(
        "overstock_value",
        "overstock, value",
        Unit::Money,
        |t, days| ratio(t.overstock_value_days_minor, days),
    ),
    measure("orders", "orders placed", Unit::Count, |t, _| {
        Some(t.orders)
    }),
    measure("holding_cost", "holding cost", Unit::Money, |t, _| {
        Some(t.holding_minor)
    }),
    measure(
        "stockout_cost",
        "cost of lost sales",
        Unit::Money,
        |t, _| Some(t.stockout_minor),
    ),
    measure("ordering_cost", "ordering cost", Unit::Money, |t, _| {
        Some(t.ordering_minor)
    }),
    measure("cost", "total cost", Unit::Money, |t, _| {
        Some(t.holding_minor + t.stockout_minor + t.ordering_minor)
    }),
];

impl Measure {
    /// How a figure differs from a rival's: by difference for shares, as part of the rival's for everything else.
    pub fn change(&self, own: f64, rival: f64) -> Option<f64> {
        match self.unit {
            Unit::Share => Some(own - rival),
            _ => ratio(own - rival, rival),
        }
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0 && part.is_finite()).then(|| part / whole)
}
