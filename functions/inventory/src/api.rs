//! What inventory is asked.

use crate::inline::InlineDemand;
use crate::planning::LeadTimeRule;
use crate::policy::error::{MOST_DAYS, MOST_UNITS, days};
use crate::policy::{Arrival, Constraints, Costs, PolicyError, Stock, Target};
use features::demand::DemandHistory;
use features::time::LocalDay;
use schemars::JsonSchema;
use serde::Deserialize;
use serving::calendar::parse_date;
use serving::error::{CallerError, Error};
use serving::route::{ParameterKind, Parameters, QueryParameter};
use serving::wire::{ID_LIMIT_BYTES, check_id, parse_body, shown, value_error};
use std::collections::HashSet;
use std::sync::Arc;

/// SKUs of one request.
pub const SKUS_LIMIT: usize = 100;
/// Largest budget in minor units.
const BUDGET_LIMIT_MINOR: i64 = 1_000_000_000_000;
/// Between a SKU and its location in the id of a record.
const LOCATION_MARK: char = '@';

/// The id of the record of a SKU, where stock is kept by location of that there.
pub(crate) fn record_id(sku_id: &str, location: Option<&str>) -> String {
    match location {
        Some(location) => format!("{sku_id}{LOCATION_MARK}{location}"),
        None => sku_id.to_owned(),
    }
}

/// The day of a query.
pub(crate) const AS_OF: QueryParameter = QueryParameter {
    name: "as_of",
    meaning: "The first day that is not known yet; today when left out.",
    kind: ParameterKind::Date,
};
/// The location of a query.
pub(crate) const LOCATION: QueryParameter = QueryParameter {
    name: "location",
    meaning: "The shop's location, where stock is kept by location.",
    kind: ParameterKind::Id,
};

/// What to plan, and what the orders may cost together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventoryRequest")]
pub struct Body {
    /// Each at most once for a location.
    #[schemars(length(min = 1, max = SKUS_LIMIT))]
    skus: Vec<BodySku>,
    /// The first day that is not known yet, such as `2026-01-31`; today when left out.
    #[schemars(extend("format" = "date"))]
    as_of: Option<String>,
    /// What the orders may cost together, minor units; no limit when left out.
    #[schemars(range(min = 0, max = BUDGET_LIMIT_MINOR))]
    budget_minor: Option<i64>,
    /// What the orders must cost together if anything is ordered, minor units; no limit when left out.
    #[schemars(range(min = 0, max = BUDGET_LIMIT_MINOR))]
    supplier_minimum_minor: Option<i64>,
}

/// A SKU; what is left out comes from the store or from the planning policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventorySku")]
struct BodySku {
    /// The shop's id, at most 256 bytes.
    #[schemars(length(min = 1, max = ID_LIMIT_BYTES))]
    sku_id: String,
    /// The shop's location, where stock is kept by location.
    #[schemars(length(min = 1, max = ID_LIMIT_BYTES))]
    location: Option<String>,
    /// Read from the store when left out.
    history: Option<InlineDemand>,
    /// Units on the shelf; negative is owed.
    #[schemars(range(min = -MOST_UNITS, max = MOST_UNITS))]
    on_hand: Option<i64>,
    /// Units owed beside a negative `on_hand`.
    #[serde(default)]
    #[schemars(range(max = MOST_UNITS))]
    backorders: u64,
    /// Open orders.
    on_order: Option<Vec<BodyArrival>>,
    /// From placing an order to its arrival.
    lead_time_days: Option<LeadTimeRule>,
    /// Days to the next chance to order.
    #[schemars(range(min = 0.0, max = MOST_DAYS))]
    review_period_days: Option<f64>,
    /// Minor units of money.
    costs: Option<Costs>,
    /// What the stock is for.
    target: Option<Target>,
    /// What limits the order.
    constraints: Option<Constraints>,
}

/// An open order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventoryArrival")]
struct BodyArrival {
    /// The day it arrives, such as `2026-01-31`; a day that is past counts as today.
    #[schemars(extend("format" = "date"))]
    arrives: String,
    /// Units.
    #[schemars(range(max = MOST_UNITS))]
    quantity: u64,
}

/// `POST /v1/inventory`: up to 100 SKUs.
#[derive(Debug)]
pub struct Request {
    /// What to answer for.
    pub skus: Vec<Sku>,
    /// The first day that is not known yet; the handler's day when left out.
    pub as_of: Option<LocalDay>,
    /// What the orders may cost together, in minor units; no limit when left out.
    pub budget_minor: Option<i64>,
    /// What the orders must cost together if anything is ordered; no limit when left out.
    pub supplier_minimum_minor: Option<i64>,
    /// Whether an unknown SKU fails the request (one asked for by its path) or is one result of many.
    pub must_exist: bool,
}

/// One SKU of a request; what is left out comes from the store or from the planning policy.
#[derive(Debug, Clone)]
pub struct Sku {
    /// The shop's id.
    pub sku_id: String,
    /// The shop's location, where stock is kept by location.
    pub location: Option<String>,
    /// Given in the request; read from the store when left out.
    pub history: Option<Arc<DemandHistory>>,
    /// Units on the shelf; negative is owed.
    pub on_hand: Option<i64>,
    /// Units owed beside a negative `on_hand`.
    pub backorders: u64,
    /// Open orders: the day each arrives, and its units.
    pub on_order: Option<Vec<(LocalDay, u64)>>,
    /// From placing an order to its arrival.
    pub lead_time: Option<LeadTimeRule>,
    /// Days to the next chance to order.
    pub review_period_days: Option<f64>,
    /// Minor units of money.
    pub costs: Option<Costs>,
    /// What the stock is for.
    pub target: Option<Target>,
    /// What limits the order.
    pub constraints: Option<Constraints>,
}

impl Sku {
    /// The id of its record in the store.
    pub fn record_id(&self) -> String {
        record_id(&self.sku_id, self.location.as_deref())
    }

    /// The stock that the request names, in days from `as_of` on; what has arrived by then counts as due today.
    pub fn stock(&self, as_of: LocalDay) -> Option<Stock> {
        let on_hand = self.on_hand?;
        let arrivals = self.on_order.iter().flatten();
        Some(Stock {
            on_hand,
            backorders: self.backorders,
            on_order: arrivals
                .map(|(day, quantity)| Arrival {
                    quantity: *quantity,
                    arrives_in_days: days_until(*day, as_of),
                })
                .collect(),
        })
    }

    pub(crate) fn named(sku_id: String, location: Option<String>) -> Self {
        Self {
            sku_id,
            location,
            history: None,
            on_hand: None,
            backorders: 0,
            on_order: None,
            lead_time: None,
            review_period_days: None,
            costs: None,
            target: None,
            constraints: None,
        }
    }
}

/// Days from `as_of` to `day`, 0 when it is past.
pub fn days_until(day: LocalDay, as_of: LocalDay) -> f64 {
    (f64::from(day.0) - f64::from(as_of.0)).max(0.0)
}

impl Request {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let body: Body = parse_body(body)?;
        if body.skus.is_empty() || body.skus.len() > SKUS_LIMIT {
            let reason = format!("{} SKUs, 1 to {SKUS_LIMIT} allowed", body.skus.len());
            return Err(value_error("/skus".into(), reason).into());
        }
        amount("budget_minor", body.budget_minor)?;
        amount("supplier_minimum_minor", body.supplier_minimum_minor)?;
        let as_of = body.as_of.as_deref();
        let as_of = as_of.map(|text| parse_date(text, "/as_of")).transpose()?;
        let mut seen = HashSet::new();
        let numbered = body.skus.into_iter().enumerate();
        let skus = numbered.map(|(index, sku)| {
            let sku = sku.parse(&format!("/skus/{index}"))?;
            if !seen.insert(sku.record_id()) {
                let reason = format!("{} stands there twice", shown(&sku.record_id()));
                return Err(value_error(format!("/skus/{index}/sku_id"), reason));
            }
            Ok(sku)
        });
        Ok(Self {
            skus: skus.collect::<Result<_, _>>()?,
            as_of,
            budget_minor: body.budget_minor,
            supplier_minimum_minor: body.supplier_minimum_minor,
            must_exist: false,
        })
    }

    /// One SKU named by a path; the query may hold `as_of` and `location`.
    pub fn for_sku(parameters: &Parameters<'_>) -> Result<Self, Error> {
        let as_of = parameters.query(AS_OF.name);
        let as_of = as_of.map(|text| parse_date(text, AS_OF.name));
        let location = parameters.query(LOCATION.name).map(str::to_owned);
        Ok(Self {
            skus: vec![Sku::named(parameters.path[0].1.clone(), location)],
            as_of: as_of.transpose()?,
            budget_minor: None,
            supplier_minimum_minor: None,
            must_exist: true,
        })
    }
}

fn amount(field: &str, value: Option<i64>) -> Result<(), CallerError> {
    match value {
        Some(value) if !(0..=BUDGET_LIMIT_MINOR).contains(&value) => {
            let reason = format!("{value} is not within 0 and {BUDGET_LIMIT_MINOR}");
            Err(value_error(format!("/{field}"), reason))
        }
        _ => Ok(()),
    }
}

impl BodySku {
    /// The SKU, with every value inside its limits.
    fn parse(self, pointer: &str) -> Result<Sku, CallerError> {
        check_id(&self.sku_id, &format!("{pointer}/sku_id"))?;
        if let Some(location) = &self.location {
            check_id(location, &format!("{pointer}/location"))?;
        }
        let history = self.history.map(|h| h.parse(&format!("{pointer}/history")));
        let arrivals = self.on_order.map(|orders| {
            let numbered = orders.iter().enumerate();
            let arrival = |(index, order): (usize, &BodyArrival)| {
                let at = format!("{pointer}/on_order/{index}/arrives");
                Ok((parse_date(&order.arrives, &at)?, order.quantity))
            };
            numbered
                .map(arrival)
                .collect::<Result<Vec<_>, CallerError>>()
        });
        let sku = Sku {
            history: history.transpose()?.map(Arc::new),
            on_hand: self.on_hand,
            backorders: self.backorders,
            on_order: arrivals.transpose()?,
            lead_time: self.lead_time_days,
            review_period_days: self.review_period_days,
            costs: self.costs,
            target: self.target,
            constraints: self.constraints,
            ..Sku::named(self.sku_id, self.location)
        };
        sku.check().map_err(|error| refused(&error, pointer))?;
        Ok(sku)
    }
}

impl Sku {
    /// What the formulas would refuse later is refused at the door, with its place.
    fn check(&self) -> Result<(), PolicyError> {
        if let Some(rule) = &self.lead_time {
            rule.lead_time()?;
        }
        if let Some(review_period) = self.review_period_days {
            days("review_period_days", review_period)?;
        }
        if let Some(target) = self.target {
            target.checked()?;
        }
        if let Some(costs) = &self.costs {
            costs.checked(self.target.unwrap_or(Target::ServiceLevel(0.0)))?;
        }
        if let Some(constraints) = &self.constraints {
            constraints.checked()?;
        }
        // How far away an arrival is depends on a day that is not known here; the units are checked.
        if let Some(stock) = self.stock(LocalDay(i32::MAX)) {
            stock.checked()?;
        }
        Ok(())
    }
}

/// A refused number as a problem at its place in the body.
pub(crate) fn refused(error: &PolicyError, pointer: &str) -> CallerError {
    value_error(format!("{pointer}/{}", error.field), error.to_string())
}
