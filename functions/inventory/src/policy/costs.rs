//! What a SKU costs and what is asked of it.

use super::error::{MOST_UNITS, PolicyError, check, non_negative, positive, target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Costs of one SKU in minor units of money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InventoryCosts")]
pub struct Costs {
    /// Paid per unit.
    #[schemars(range(min = 0.0, max = MOST_UNITS))]
    pub unit_cost_minor: i64,
    /// Per unit and day on the shelf; often a fraction of a minor unit.
    #[schemars(range(min = 0.0))]
    pub holding_minor_per_unit_day: f64,
    /// Per unit of demand that is not met: its margin, or more.
    #[schemars(range(min = 0.0))]
    pub stockout_minor_per_unit: f64,
    /// Per order, however much it holds.
    #[schemars(range(min = 0.0, max = MOST_UNITS))]
    pub ordering_minor: i64,
}

impl Costs {
    pub(crate) fn checked(&self, target: Target) -> Result<&Self, PolicyError> {
        let money = |field, value: i64| {
            let value = value as f64;
            let holds = (0.0..=MOST_UNITS).contains(&value);
            check(holds, field, value, "from 0 to 1e12 minor units")
        };
        money("unit_cost_minor", self.unit_cost_minor)?;
        money("ordering_minor", self.ordering_minor)?;
        non_negative(
            "holding_minor_per_unit_day",
            self.holding_minor_per_unit_day,
        )?;
        non_negative("stockout_minor_per_unit", self.stockout_minor_per_unit)?;
        if target == Target::Costs {
            positive(
                "holding_minor_per_unit_day",
                self.holding_minor_per_unit_day,
            )?;
            positive("stockout_minor_per_unit", self.stockout_minor_per_unit)?;
        }
        Ok(self)
    }

    /// The value of an order.
    pub fn value_minor(&self, quantity: u64) -> i64 {
        let value = i128::from(self.unit_cost_minor) * i128::from(quantity);
        i64::try_from(value).unwrap_or(i64::MAX)
    }
}

/// What the stock is for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InventoryTarget")]
pub enum Target {
    /// Probability that no demand is missed in a cycle, 0 or more and below 1.
    ServiceLevel(#[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))] f64),
    /// Share of demand met from stock, 0 or more and below 1.
    FillRate(#[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))] f64),
    /// Least expected cost.
    Costs,
}

impl Target {
    pub(crate) fn checked(self) -> Result<Self, PolicyError> {
        match self {
            Self::ServiceLevel(level) => target("service_level", level)?,
            Self::FillRate(rate) => target("fill_rate", rate)?,
            Self::Costs => 0.0,
        };
        Ok(self)
    }
}

/// Expected cost, by what it is for, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
#[schemars(rename = "InventoryExpectedCost")]
pub struct ExpectedCost {
    /// The fixed cost of the order, if there is one.
    pub ordering_minor: i64,
    /// Stock on the shelf.
    pub holding_minor: i64,
    /// Demand not met.
    pub stockout_minor: i64,
    /// Units that spoil, at what they cost.
    pub waste_minor: i64,
    /// All of it.
    pub total_minor: i64,
}
